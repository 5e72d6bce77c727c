// SPDX-License-Identifier: 0BSD
#include "lockerror.h"
#include "lockerror_p.h"
#include "text_p.h"

#include <QtCore/qdebug.h>

#include <cerrno>
#include <system_error>

namespace QtLockFile {

using Internal::Operation;
using Internal::Text;
using Code = LockError::Code;

namespace {

Code codeFor(Operation operation, int error)
{
    switch (error) {
    case EACCES:
    case EPERM:
        return Code::AccessDenied;
    case EROFS:
        return Code::ReadOnlyFileSystem;
    case ENOSPC:
    case EDQUOT:
        return Code::NoSpace;
    case EISDIR:
    case ELOOP:
    case ENXIO:
    case ENODEV:
        return Code::NotALockFile;
    case ENOLCK:
    case ENOSYS:
    case EOPNOTSUPP:
        return Code::Unsupported;
    case EINVAL: // a kernel that does not know the command, or a file system without locks so far out
        return operation == Operation::Lock ? Code::Unsupported : Code::System;
    default:
        return Code::System;
    }
}

// The C library's words, in the language of the process's locale.
QString causeOf(int error)
{
    return QString::fromLocal8Bit(std::generic_category().message(error).c_str());
}

QString textFor(Operation operation)
{
    switch (operation) {
    case Operation::Open:
        return Text::tr("Cannot open the lock file %1: %2.");
    case Operation::Create:
        return Text::tr("Cannot create the lock file %1: %2.");
    case Operation::Inspect:
        return Text::tr("Cannot inspect the lock file %1: %2.");
    case Operation::Lock:
        return Text::tr("Cannot lock %1: %2.");
    case Operation::Remove:
        return Text::tr("Cannot remove the lock file %1: %2.");
    case Operation::StartThread:
        break;
    }
    return Text::tr("Cannot start a thread to lock %1: %2.");
}

QString held(const LockParticipant &holder)
{
    return Text::tr("it is held by %1").arg(holder.description());
}

} // namespace

LockError::LockError(Code code, int systemError, const QString &path, const QString &message, const LockParticipant &holder)
    : m_code(code), m_systemError(systemError), m_path(path), m_message(message), m_holder(holder)
{
}

LockError Internal::lockErrorFor(const QString &path, const Outcome &outcome, Code endedBecause)
{
    const auto error = [&](Code code, int systemError, const QString &cause, const LockParticipant &holder = {}) {
        return LockError(code, systemError, path, textFor(outcome.operation).arg(path, cause), holder);
    };
    const LockParticipant holder = LockParticipant::ofProcess(outcome.holder);
    switch (outcome.result) {
    case Outcome::Result::Done:
        break;
    case Outcome::Result::Held:
        return error(Code::Held, EWOULDBLOCK, held(holder), holder);
    case Outcome::Result::Ended:
        if (endedBecause == Code::TimedOut) {
            const QString cause = holder.pid() < 0 ? Text::tr("the time-out has passed") : Text::tr("the time-out has passed, and %1").arg(held(holder));
            return error(Code::TimedOut, ETIMEDOUT, cause, holder);
        }
        return error(Code::Cancelled, EINTR, Text::tr("it was cancelled"), holder);
    case Outcome::Result::NotRegular:
        return error(Code::NotALockFile, outcome.error, Text::tr("it is not a regular file"));
    case Outcome::Result::HasContent:
        return error(Code::NotALockFile, 0, Text::tr("it has content, and a lock file that is removed has to be empty"));
    case Outcome::Result::Failed:
        return error(codeFor(outcome.operation, outcome.error), outcome.error, causeOf(outcome.error));
    }
    return {};
}

LockError Internal::lookErrorFor(const QString &path, int error)
{
    Outcome outcome{Outcome::Result::Failed, Operation::Inspect, error};
    if (codeFor(outcome.operation, error) == Code::NotALockFile)
        outcome.result = Outcome::Result::NotRegular;
    return lockErrorFor(path, outcome);
}

LockError Internal::invalidState(const QString &path, const QString &message)
{
    return LockError(Code::InvalidState, 0, path, message);
}

QDebug operator<<(QDebug debug, const LockError &error)
{
    const QDebugStateSaver saver(debug);
    debug.nospace() << "LockError(" << error.code();
    if (error.systemError() != 0)
        debug << ", errno " << error.systemError();
    if (error)
        debug << ", " << error.message();
    debug << ')';
    return debug;
}

} // namespace QtLockFile
