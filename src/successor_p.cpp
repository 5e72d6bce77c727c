// SPDX-License-Identifier: 0BSD
#include "successor_p.h"

#include <QtCore/qbytearraylist.h>
#include <QtCore/qfile.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <csignal>
#include <vector>

#include <poll.h>
#include <spawn.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

// How a lock is handed over to a program that the holder starts.
//
// The program inherits two descriptors, which an environment variable names: the lock's, and one end of a socket
// pair. Having found the lock to be what it should be, it sends one byte. The holder closes its copy of the lock, and
// then the socket: that end is the confirmation, and the kernel gives it as well when the holder crashes, so that at
// no moment both believe that the other has it. A holder that does not want to wait any longer says so with a byte
// before it closes.
//
// posix_spawn(3) and not QProcess::startDetached(), which ignores the child modifier in Qt 6.4: descriptors lose
// their close-on-exec flag in the child alone, so that nothing else that this process starts meanwhile inherits them
// (posix_spawn_file_actions_adddup2(3), onto itself).
//
// A program that does not answer is ended with SIGKILL. It is our own child, and as long as it lived it would keep
// the lock if we crashed.

extern char **environ;

namespace QtLockFile::Internal {

namespace {

constexpr char kVariable[] = "QTLOCKFILE_SUCCESSOR";
constexpr char kReady = 'R';
constexpr char kKept = 'K';

std::vector<char *> pointers(QByteArrayList &strings)
{
    std::vector<char *> result;
    for (QByteArray &string : strings)
        result.push_back(string.data());
    result.push_back(nullptr);
    return result;
}

// Reads a byte: 1, 0 at the end, or -1 with errno.
ssize_t receive(int channel, char *byte)
{
    ssize_t got;
    do {
        got = ::recv(channel, byte, 1, 0);
    } while (got < 0 && errno == EINTR);
    return got < 0 && errno == ECONNRESET ? 0 : got; // what we sent was not read: the other end is closed all the same
}

} // namespace

int Successor::start(const QString &program, const QStringList &arguments, int lockDescriptor)
{
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return errno;
    m_channel = Descriptor(ends[0]);
    const Descriptor theirs(ends[1]);

    QByteArrayList argumentBytes{QFile::encodeName(program)};
    for (const QString &argument : arguments)
        argumentBytes.append(QFile::encodeName(argument));
    QByteArrayList environment;
    const QByteArray prefix = QByteArray(kVariable) + '=';
    for (char **variable = environ; variable && *variable; ++variable) {
        if (!QByteArrayView(*variable).startsWith(prefix))
            environment.append(*variable);
    }
    environment.append(prefix + QByteArray::number(lockDescriptor) + ',' + QByteArray::number(theirs.get()));

    posix_spawn_file_actions_t actions;
    int error = posix_spawn_file_actions_init(&actions);
    if (error != 0)
        return error;
    error = posix_spawn_file_actions_adddup2(&actions, lockDescriptor, lockDescriptor);
    if (error == 0)
        error = posix_spawn_file_actions_adddup2(&actions, theirs.get(), theirs.get());
    if (error == 0)
        error = posix_spawnp(&m_pid, argumentBytes.first().constData(), &actions, nullptr, pointers(argumentBytes).data(), pointers(environment).data());
    posix_spawn_file_actions_destroy(&actions);
    if (error != 0)
        m_pid = -1;
    return error;
}

int Successor::waitUntilReady(QDeadlineTimer deadline)
{
    for (;;) {
        pollfd channel{m_channel.get(), POLLIN, 0};
        const int ready = ::poll(&channel, 1, int(std::min<qint64>(deadline.remainingTime(), INT_MAX)));
        if (ready < 0 && errno != EINTR)
            return errno;
        if (ready > 0) {
            char byte = 0;
            const ssize_t got = receive(m_channel.get(), &byte);
            return got == 1 && byte == kReady ? 0 : got < 0 ? errno : ECHILD;
        }
        if (deadline.hasExpired())
            return ETIMEDOUT;
    }
}

void Successor::confirm()
{
    m_channel.reset();
    m_pid = -1;
}

Successor::~Successor()
{
    if (m_channel.isOpen())
        ::send(m_channel.get(), &kKept, 1, MSG_NOSIGNAL); // for a grandchild, which a wrapper script may have started
    if (m_pid <= 0)
        return;
    if (::kill(m_pid, SIGKILL) != 0)
        return; // another user's by now: as long as it likes, and not ours to wait for
    while (::waitpid(m_pid, nullptr, 0) < 0 && errno == EINTR) { }
}

Inheritance::Inheritance()
{
    const QList<QByteArray> numbers = qgetenv(kVariable).split(',');
    if (numbers.size() != 2)
        return;
    bool isLock = false;
    bool isChannel = false;
    const int lock = numbers[0].toInt(&isLock);
    const int channel = numbers[1].toInt(&isChannel);
    struct stat status;
    if (isLock && isChannel && lock > STDERR_FILENO && ::fstat(lock, &status) == 0 && S_ISREG(status.st_mode) && channel > STDERR_FILENO
        && ::fstat(channel, &status) == 0 && S_ISSOCK(status.st_mode)) {
        m_lock = lock;
        m_channel = channel;
    }
}

bool Inheritance::claim()
{
    qunsetenv(kVariable);
    const Descriptor channel(m_channel);
    ::ioctl(channel.get(), FIOCLEX);
    ssize_t sent;
    do {
        sent = ::send(channel.get(), &kReady, 1, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0) // the former holder is gone or has changed its mind, which the answer tells; or it would wait as long as we do
        ::shutdown(channel.get(), SHUT_WR);
    char byte;
    return receive(channel.get(), &byte) == 0;
}

} // namespace QtLockFile::Internal
