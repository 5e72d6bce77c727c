// SPDX-License-Identifier: 0BSD
#include "copy.h"

#include <QtCore/qdeadlinetimer.h>
#include <QtCore/qfile.h>

#include <algorithm>
#include <chrono>

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

using namespace std::chrono_literals;

namespace {

constexpr auto kPatience = 60s; // for what takes a moment, however busy the machine is
constexpr int kPatienceMs = int(std::chrono::milliseconds(kPatience).count());

} // namespace

Copy::Copy(const QString &program, const QStringList &arguments, const QProcessEnvironment &environment)
{
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return;
    m_socket = ends[0];
    m_process.setProcessEnvironment(environment);
    m_process.setInputChannelMode(QProcess::ForwardedInputChannel);
    m_process.setProcessChannelMode(QProcess::ForwardedOutputChannel);
    if (m_errors.open())
        m_process.setStandardErrorFile(m_errors.fileName(), QIODevice::Append);
    m_process.setChildProcessModifier([theirs = ends[1]] {
        ::dup2(theirs, STDIN_FILENO);
        ::dup2(theirs, STDOUT_FILENO);
    });
    m_process.start(program, arguments + QStringList{QStringLiteral("--remote")});
    m_process.waitForStarted(kPatienceMs);
    m_pid = m_process.processId();
    ::close(ends[1]);
}

Copy::~Copy()
{
    end();
}

bool Copy::ask(const QString &line, QByteArray *more)
{
    return send(line) && readAnswer(line, more);
}

bool Copy::askAtOnce(const QStringList &lines)
{
    return send(lines.join(u'\n')) && std::all_of(lines.begin(), lines.end(), [this](const QString &line) { return readAnswer(line); });
}

bool Copy::send(const QString &line)
{
    const QByteArray bytes = QFile::encodeName(line) + '\n';
    const bool isSent = ::send(m_socket, bytes.constData(), size_t(bytes.size()), MSG_NOSIGNAL) == bytes.size();
    m_error = isSent ? QString() : QStringLiteral("\"%1\" cannot be sent").arg(line);
    return isSent;
}

bool Copy::readAnswer(const QString &line, QByteArray *more)
{
    const QByteArray answer = readLine();
    const bool isDone = answer == "done" || answer.startsWith("done ");
    m_error = isDone ? QString() : QStringLiteral("\"%1\": %2").arg(line, answer.isEmpty() ? QStringLiteral("no answer") : QString::fromLocal8Bit(answer));
    if (more)
        *more = answer.mid(5);
    return isDone;
}

QByteArray Copy::readLine()
{
    const QDeadlineTimer deadline(kPatience);
    for (qsizetype end; (end = m_buffer.indexOf('\n')) < 0;) {
        pollfd socket{m_socket, POLLIN, 0};
        char bytes[4096];
        const ssize_t count = ::poll(&socket, 1, int(deadline.remainingTime())) > 0 ? ::recv(m_socket, bytes, sizeof bytes, 0) : 0;
        if (count <= 0)
            return {};
        m_buffer.append(bytes, count);
    }
    const QByteArray line = m_buffer.left(m_buffer.indexOf('\n'));
    m_buffer.remove(0, line.size() + 1);
    return line;
}

bool Copy::expect(const QString &panel, const QString &status, const QList<qint64> &pids)
{
    QString line = QStringLiteral("expect %1 %2").arg(panel, status);
    for (const qint64 pid : pids)
        line += QStringLiteral(" %1").arg(pid);
    return ask(line);
}

QString Copy::complaints() const
{
    QFile errors(m_errors.fileName());
    return errors.open(QIODevice::ReadOnly) ? QString::fromLocal8Bit(errors.readAll()) : QString();
}

int Copy::waitForExitCode()
{
    const bool hasEnded = m_process.state() == QProcess::NotRunning || m_process.waitForFinished(kPatienceMs);
    return hasEnded && m_process.exitStatus() == QProcess::NormalExit ? m_process.exitCode() : -1;
}

bool Copy::end()
{
    if (m_socket >= 0)
        ::close(m_socket);
    m_socket = -1;
    const int exitCode = waitForExitCode();
    kill();
    return exitCode == 0;
}

void Copy::kill()
{
    m_process.kill();
    m_process.waitForFinished(kPatienceMs);
}
