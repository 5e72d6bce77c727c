// SPDX-License-Identifier: 0BSD
#include "trial.h"

#include <cstring>

using namespace QtLockFile;
using State = LockFile::State;
using Code = LockError::Code;

namespace {

int fcntlOnBytes(int file, int command, short type, off_t length, struct flock *lock)
{
    *lock = {};
    lock->l_type = type;
    lock->l_whence = SEEK_SET;
    lock->l_len = length;
    return ::fcntl(file, command, lock);
}

// What LockError::Code is documented to be.
bool isRight(Code code, int error)
{
    switch (error) {
    case EACCES:
    case EPERM:
        return code == Code::AccessDenied;
    case EROFS:
        return code == Code::ReadOnlyFileSystem;
    case ENOSPC:
    case EDQUOT:
        return code == Code::NoSpace;
    case EISDIR:
    case ELOOP:
    case ENXIO:
    case ENODEV:
        return code == Code::NotALockFile;
    case ENOLCK:
    case ENOSYS:
    case EOPNOTSUPP:
        return code == Code::Unsupported;
    case EINVAL: // of a lock that the system does not know
        return code == Code::Unsupported || code == Code::System;
    default:
        return code == Code::System;
    }
}

} // namespace

int openDescriptors()
{
    return int(QDir(QStringLiteral("/proc/self/fd")).entryList(QDir::AllEntries | QDir::System | QDir::NoDotAndDotDot).size());
}

RawLock::RawLock(const QString &path, off_t length) : m_file(::open(QFile::encodeName(path).constData(), O_RDWR | O_CREAT | O_CLOEXEC, 0666))
{
    struct flock lock;
    if (m_file < 0 || (length >= 0 && fcntlOnBytes(m_file, F_OFD_SETLK, F_WRLCK, length, &lock) != 0))
        qFatal("a file of the test's own could not be locked");
}

void RawLock::unlock()
{
    struct flock lock;
    fcntlOnBytes(m_file, F_OFD_SETLK, F_UNLCK, kWholeFile, &lock);
}

bool RawLock::seesAnother() const
{
    struct flock lock;
    return fcntlOnBytes(m_file, F_OFD_GETLK, F_WRLCK, kWholeFile, &lock) == 0 && lock.l_type != F_UNLCK;
}

bool RawLock::isAt(const QString &path) const
{
    struct stat ours;
    struct stat there;
    return ::fstat(m_file, &ours) == 0 && ::stat(QFile::encodeName(path).constData(), &there) == 0 && ours.st_ino == there.st_ino;
}

void Trial::arm(FaultyCalls::Threads threads)
{
    FaultyCalls::arm(m_fault.call, m_fault.nth, m_fault.error, threads);
}

void Trial::disarm()
{
    m_calls = FaultyCalls::disarm();
}

void Trial::expect(bool condition, const char *otherwise)
{
    if (!condition)
        m_wrong << QString::fromLatin1(otherwise);
}

bool Trial::isMeantBy(int error) const
{
    if (m_fault.call == "fcntl" && m_fault.error == EACCES && error == EAGAIN)
        return true; // POSIX lets a system say either of a lock of others
    if (m_fault.call == "mkdirat" && m_fault.error == EEXIST && error == ENOENT)
        return true; // there is nothing all the same
    return error == m_fault.error;
}

void Trial::checkError(const LockError &error)
{
    m_told = true;
    note(nameOf(error.code()));
    const bool inTheWay = m_fault.error == EAGAIN || m_fault.error == EACCES; // what fcntl(2) says of a lock of others
    if (error.code() == Code::Cancelled || (error.code() == Code::Held && inTheWay))
        return;
    const int told = error.systemError();
    if (!isMeantBy(told))
        m_wrong << QStringLiteral("the errno is %1: %2").arg(told).arg(error.message());
    else if (!isRight(error.code(), told))
        m_wrong << QStringLiteral("the code is %1").arg(nameOf(error.code()));
    const bool saysWhy = error.message().contains(QString::fromLocal8Bit(std::strerror(told)))
        || (error.code() == Code::NotALockFile && error.message().contains(QStringLiteral("it is not a regular file")));
    if (!error.message().startsWith(QStringLiteral("Cannot ")) || !error.message().contains(m_folder.folder()) || !saysWhy)
        m_wrong << QStringLiteral("the message is \"%1\"").arg(error.message());
}

bool Trial::checkAttempt(const LockFile &lock, const Record &record)
{
    if (!must([&] { return lock.state() != State::Acquiring; })) {
        m_wrong << QStringLiteral("the attempt hangs");
        return false;
    }
    expect(must([&] { return record.contains("acquired") || record.contains("failed " + nameOf(lock.error().code()).toLatin1()); }),
           "the attempt ended without its signal");
    if (!lock.isAcquired()) {
        checkError(lock.error());
        return false;
    }
    note(QStringLiteral("acquired"));
    expect(exists(path()), "it is acquired, and there is no file");
    struct flock locked;
    expect(fcntlOnBytes(lock.fileDescriptor(), F_OFD_GETLK, F_WRLCK, RawLock::kOneTicket, &locked) == 0 && locked.l_type == F_UNLCK,
           "it is acquired, and somebody else has ticket 0");
    return true;
}

void Trial::checkRelease(LockFile *lock)
{
    if (!lock->isAcquired())
        return;
    lock->release();
    expect(must([&] { return lock->state() == State::Released; }), "the release hangs");
    if (lock->error())
        checkError(lock->error());
}

void Trial::checkEnd(LockFile *lock)
{
    disarm();
    expect(must([this] { return !isLocked(); }), "a lock is kept");
    if (exists(path())) {
        const bool saidToBeGone = m_fault.error == ENOENT || m_fault.error == ENOTDIR;
        expect(m_told || saidToBeGone, "the file stays, and nothing says why");
        note(QStringLiteral("the file stays"));
    }
    lock->acquire();
    expect(must([&] { return lock->state() != State::Acquiring; }) && lock->isAcquired(), "the next attempt fails");
    lock->release();
    expect(must([&] { return lock->state() == State::Released; }) && !lock->error(), "the next release fails");
    expect(!exists(path()), "the next one leaves the file");
}
