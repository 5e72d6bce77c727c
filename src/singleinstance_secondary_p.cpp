// SPDX-License-Identifier: 0BSD
#include "lockerror_p.h"
#include "singleinstance_p.h"
#include "text_p.h"

#include <QtCore/qmetaobject.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include <poll.h>
#include <sys/eventfd.h>

// The side of a further start: its message, what the primary makes of it, and taking over. How it comes to this is in
// singleinstance_p.cpp, what the primary does in singleinstance_primary_p.cpp.

namespace QtLockFile {

using namespace Internal;
using namespace std::chrono_literals;

void SingleInstancePrivate::ask()
{
    phase = Phase::Asking;
    stopListening();
    watch.start(folder->descriptor());
    if (!sent.isOnItsWay() && !send()) {
        setReply(Reply::Failed);
        return endAsking();
    }
    deadline = timeout < 0ms ? QDeadlineTimer(QDeadlineTimer::Forever) : QDeadlineTimer(timeout, Qt::PreciseTimer);
    attempt(-1ms);
    listenLater();
    look();
}

// What this start was about has to arrive whole: a message that lacks some of it would ask for something else.
bool SingleInstancePrivate::send()
{
    const auto systemText = [](int failure) { return QString::fromLocal8Bit(std::generic_category().message(failure).c_str()); };
    const auto fail = [this](int failure, const QString &cause) {
        const LockError::Code code = lockErrorFor(QString(), {Outcome::Result::Failed, Operation::Create, failure}).code();
        error = LockError(code, failure, folder->path(), Text::tr("Cannot leave a message in %1: %2.").arg(folder->path(), cause));
        return false;
    };
    InstanceMessage message;
    if (arguments)
        message.arguments = *arguments;
    else if (const int failure = readCommandLine(&message.arguments))
        return fail(failure, Text::tr("the command line in %1 cannot be read: %2").arg(QString::fromLatin1(kCommandLine), systemText(failure)));
    if (const int failure = readWorkingDirectory(&message.workingDirectory))
        return fail(failure, Text::tr("the working directory cannot be found out: %1").arg(systemText(failure)));
    readEnvironment(environment, &message);
    message.payload = payload;
    const QByteArray bytes = encode(message);
    const int failure = bytes.size() > kLargestMessage ? EMSGSIZE : sent.send(folder->descriptor(), bytes);
    return failure == 0 || fail(failure, systemText(failure));
}

// At what has become of our message.
void SingleInstancePrivate::look()
{
    if (phase != Phase::Asking && phase != Phase::Watching)
        return;
    switch (sent.look()) {
    case SentMessage::State::None:
    case SentMessage::State::Waiting:
        return;
    case SentMessage::State::Taken:
        setReply(Reply::Answering);
        if (phase == Phase::Watching) { // it is alive after all, and may end as any other
            phase = Phase::Asking;
            attempt(-1ms);
        }
        return;
    case SentMessage::State::Done:
        setReply(Reply::Done);
        break;
    case SentMessage::State::Refused:
        refusal = sent.reason();
        setReply(Reply::Refused);
        break;
    case SentMessage::State::Gone:
        setReply(Reply::Gone);
        break;
    case SentMessage::State::Vanished:
        error = LockError(LockError::Code::System, ENOENT, folder->path(), Text::tr("The message was removed from %1.").arg(folder->path()));
        setReply(Reply::Failed);
        break;
    }
    endAsking();
}

void SingleInstancePrivate::checkDeadline()
{
    if (phase != Phase::Asking)
        return;
    if (!deadline.hasExpired()) { // a timer counts to 24 days
        if (alarm)
            alarm->start(remainingTime());
        return;
    }
    look();
    if (phase != Phase::Asking || reply != Reply::None)
        return;
    setReply(Reply::NotResponding);
    phase = Phase::Watching; // from now on the user decides who is to be the primary
    lock->cancel();
}

std::chrono::milliseconds SingleInstancePrivate::remainingTime() const
{
    constexpr std::chrono::milliseconds kLongest = 24h;
    return deadline.isForever() ? kLongest : std::min(std::chrono::ceil<std::chrono::milliseconds>(deadline.remainingTimeAsDuration()), kLongest);
}

void SingleInstancePrivate::endAsking()
{
    phase = Phase::Idle;
    stopListening();
    lock->cancel();
}

bool SingleInstancePrivate::isSettled() const
{
    return phase == Phase::Idle || phase == Phase::Watching || (phase == Phase::Asking && deadline.hasExpired());
}

// Until the lock or the folder has news, or the time is over.
void SingleInstancePrivate::waitForSomething()
{
    // Whether the lock is free is found out much sooner, unless the news of that went astray.
    constexpr std::chrono::milliseconds kAstray = 1s;
    const bool isAsking = phase == Phase::Asking;
    std::chrono::milliseconds patience = isAsking ? remainingTime() : kAstray;
    if (!wakeUp->isOpen() || (isAsking && watch.descriptor() < 0)) // then it is looked again and again
        patience = std::min(patience, FolderWatch::kFallback);
    pollfd descriptors[] = {{wakeUp->get(), POLLIN, 0}, {isAsking ? watch.descriptor() : -1, POLLIN, 0}};
    ::poll(descriptors, 2, int(patience.count()));
    eventfd_t ignored;
    ::eventfd_read(wakeUp->get(), &ignored);
    if (isAsking)
        watch.drain();
}

void SingleInstancePrivate::takeOver()
{
    if (role == Role::Primary || !lock || phase == Phase::Deciding || phase == Phase::TakingOver) {
        refuse("takeOver", role == Role::Primary ? Text::tr("This is the primary instance already.") : Text::tr("Nothing can be taken over now."));
        return;
    }
    look();
    const bool isQueued = phase == Phase::Asking && lock->state() == LockFile::State::Acquiring && !next;
    sent.withdraw();
    stopListening();
    phase = Phase::TakingOver;
    error = {};
    QObject::disconnect(positions);
    if (q->isSignalConnected(QMetaMethod::fromSignal(&SingleInstance::positionChanged)))
        positions = QObject::connect(lock.get(), &LockFile::positionChanged, q, [this](int position) { Q_EMIT q->positionChanged(position, Private()); });
    if (!isQueued) // else we keep our place
        attempt(-1ms);
}

void SingleInstancePrivate::cancelTakeOver()
{
    if (phase != Phase::TakingOver)
        return;
    next.reset();
    if (!lock->isAcquired())
        return lock->cancel();
    phase = Phase::Idle; // granted already, and let go when that is told
    error = LockError(LockError::Code::Cancelled, EINTR, lock->path(), Text::tr("Taking over was cancelled."));
    emitLater([this, why = error] { Q_EMIT q->takeOverFailed(why, Private()); });
}

} // namespace QtLockFile
