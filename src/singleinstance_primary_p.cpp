// SPDX-License-Identifier: 0BSD
#include "activation_p.h"
#include "lockerror_p.h"
#include "lockfile_p.h"
#include "singleinstance_p.h"
#include "text_p.h"

#include <QtCore/qmetaobject.h>

#include <cerrno>
#include <system_error>
#include <utility>

// The side of the primary: it listens from the event loop on, and not before, so that being picked up means that the
// event loop runs. All messages that are there are picked up at once, so that each sender learns in time, and each is
// emitted from an event of its own, so that a dialog in one slot does not hold up the next.
//
// Messages are handled until the very moment at which a successor has the lock; what is not yet emitted then is put
// back for it.

namespace QtLockFile {

using namespace Internal;
using namespace std::chrono_literals;

namespace {

constexpr auto kRestart = 30s; // what a successor gets to start, in restartAsync()

}

void SingleInstancePrivate::becomePrimary(Way how)
{
    const bool deciding = phase == Phase::Deciding;
    if (phase == Phase::Asking || phase == Phase::Watching)
        endAsking();
    phase = Phase::Idle;
    sent.withdraw(); // we know what we were asked for
    stopListening();
    watch.start(folder->descriptor());
    inbox.open(folder);
    if (how == Way::Lock)
        inbox.dropAbandoned();
    error = {};
    if (deciding)
        decide(Role::Primary);
    else
        setRole(Role::Primary);
    emitLater([this] { Q_EMIT q->becamePrimary(Private()); });
    listenLater();
}

void SingleInstancePrivate::receive()
{
    const InstanceFolder::Trust trust = folder->trust();
    if (trust == InstanceFolder::Trust::Foreign) {
        qCWarning(logInstance, "SingleInstance: others may write to %s, so messages in it are not acted on", qUtf8Printable(folder->path()));
        return;
    }
    if (trust == InstanceFolder::Trust::Unknown)
        return receiveLater();
    for (std::shared_ptr<TakenMessage> &message : inbox.take()) {
        pending.push_back(std::move(message));
        QMetaObject::invokeMethod(
            q, [this] { deliverOne(); }, Qt::QueuedConnection);
    }
    if (!inbox.isComplete())
        receiveLater();
}

// For what could not be done now, and of which no change in the folder will tell.
void SingleInstancePrivate::receiveLater()
{
    again.reset(new QTimer(q));
    again->setSingleShot(true);
    QObject::connect(again.get(), &QTimer::timeout, q, [this] { receive(); });
    again->start(FolderWatch::kFallback);
}

// Slots may call anything here, delete the object included.
void SingleInstancePrivate::deliverOne()
{
    if (pending.empty())
        return; // given back
    const std::shared_ptr<TakenMessage> message = std::move(pending.front());
    pending.pop_front();
    Activation activation;
    activation.d->message = std::move(message->content);
    Q_EMIT q->activated(activation, Private());
    const QMutexLocker guard(&activation.d->mutex);
    if (activation.d->refusal)
        message->refuse(*activation.d->refusal);
    else
        message->done();
}

void SingleInstancePrivate::giveBackPending()
{
    for (const std::shared_ptr<TakenMessage> &message : std::exchange(pending, {}))
        message->giveBack();
}

// Somebody removed our lock file or its folder. If nobody has taken the new one we stay the primary.
void SingleInstancePrivate::onLockLost()
{
    if (role != Role::Primary)
        return;
    qCWarning(logInstance, "SingleInstance: the lock file %s was removed by somebody", qUtf8Printable(lock->path()));
    if (successor)
        endRestart(ECANCELED); // what it has inherited is worth nothing any more
    lock.reset();
    const bool found = openFolder();
    if (found) {
        ++attempts;
        if (lock->tryAcquire()) {
            watch.start(folder->descriptor());
            inbox.open(folder);
            listen();
            return;
        }
        error = lock->error();
    }
    giveBackPending();
    stopListening();
    setRole(Role::Secondary);
    emitLater([this] { Q_EMIT q->lost(Private()); });
}

// Tells whether a successor is being started: if not, why not is known.
bool SingleInstancePrivate::beginRestart(const char *call, const QString &program, const QStringList &programArguments)
{
    if (role != Role::Primary || successor) {
        refuse(call, successor ? Text::tr("A restart is under way already.") : Text::tr("Only the primary instance can hand over to a successor."));
        return false;
    }
    error = {};
    successor = std::make_unique<Successor>();
    successorProgram = program;
    const int failure = successor->start(program, programArguments, lock->fileDescriptor());
    if (failure != 0)
        endRestart(failure);
    return failure == 0;
}

void SingleInstancePrivate::awaitSuccessor()
{
    successorNotifier.reset(new QSocketNotifier(successor->descriptor(), QSocketNotifier::Read, q));
    QObject::connect(successorNotifier.get(), &QSocketNotifier::activated, q, [this] {
        const int failure = successor->waitUntilReady(QDeadlineTimer(0));
        if (failure != ETIMEDOUT) // nothing to read after all
            endRestart(failure);
    });
    successorAlarm.reset(new QTimer(q));
    successorAlarm->setSingleShot(true);
    QObject::connect(successorAlarm.get(), &QTimer::timeout, q, [this] { endRestart(ETIMEDOUT); });
    successorAlarm->start(kRestart);
}

// Hands over, or keeps the lock because of an errno: ECHILD if the successor ended or would not.
void SingleInstancePrivate::endRestart(int failure)
{
    successorNotifier.reset();
    successorAlarm.reset();
    const std::unique_ptr<Successor> ready = std::move(successor); // if it is not, its end ends the program
    if (failure != 0) {
        const QString cause =
            failure == ECHILD ? Text::tr("it ended or did not take over the lock") : QString::fromLocal8Bit(std::generic_category().message(failure).c_str());
        error = LockError(failure == ETIMEDOUT ? LockError::Code::TimedOut : LockError::Code::System, failure, lock->path(),
                          Text::tr("Cannot restart as %1: %2.").arg(successorProgram, cause));
        emitLater([this, why = error] { Q_EMIT q->restartFailed(why, Private()); });
        return;
    }
    giveBackPending();
    stopListening();
    LockFileAccess::letGo(lock.get());
    ready->confirm();
    setRole(Role::Undecided);
    emitLater([this] { Q_EMIT q->handedOver(Private()); });
}

} // namespace QtLockFile
