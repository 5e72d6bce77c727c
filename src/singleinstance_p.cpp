// SPDX-License-Identifier: 0BSD
#include "singleinstance_p.h"
#include "lockerror_p.h"
#include "lockfile_p.h"
#include "lockpath_p.h"
#include "text_p.h"

#include <QtCore/qmetaobject.h>
#include <QtCore/qpointer.h>

#include <algorithm>
#include <utility>

#include <sys/eventfd.h>

// A start asks for the lock without waiting. Who gets it is the primary. Who does not puts a message beside it
// (inbox_p.cpp), and waits for two things at once: that the primary answers, and for the lock itself, in its queue,
// in case the primary ends. So there is no gap in which nobody is the primary, and nobody has to guess whether it is
// alive. When the answer has come the queue is left. A lock that was granted when the answer was there already is let
// go: the primary did what it was asked, and quit.
//
// One machine for both forms: handlers of the lock's signals and of the folder's changes. With an event loop a
// QSocketNotifier calls them. start() waits in poll(2), and so works before there is a QCoreApplication: for the
// folder's changes, and for an eventfd that the lock's worker writes to. All signals are emitted at the end of it or
// from the event loop, so that slots, which may call anything and delete the object, never meet a step half done.
//
// Nothing but start() waits. An attempt at the lock that is not wanted any more has yet to leave the queue when the
// next is wanted, so the next one may have to follow its result. Results are counted, lest that of an attempt which was
// given up be taken for that of the last.

namespace QtLockFile {

using namespace Internal;
using namespace std::chrono_literals;

Q_LOGGING_CATEGORY(logInstance, "qtlockfile.singleinstance")

void SingleInstancePrivate::refuse(const char *call, const QString &why)
{
    error = invalidState(lock ? lock->path() : QString(), why);
    qCWarning(logInstance, "SingleInstance::%s: %s", call, qUtf8Printable(why));
}

// Tells whether the call made sense.
bool SingleInstancePrivate::begin(const char *call)
{
    if (role == Role::Primary || (phase != Phase::Idle && phase != Phase::Watching)) {
        refuse(call, role == Role::Primary ? Text::tr("This is the primary instance already.") : Text::tr("A start or a take-over is under way already."));
        return false;
    }
    phase = Phase::Idle;
    stopListening();
    QObject::disconnect(positions);
    setRole(Role::Undecided);
    setReply(Reply::None);
    refusal.clear();
    error = {};
    if (id.isEmpty()) {
        error = invalidState(QString(), Text::tr("A single instance needs an id."));
        qCWarning(logInstance, "SingleInstance::%s: %s", call, qUtf8Printable(error.message()));
        decide(Role::Failed);
    } else if (!openFolder()) {
        decide(Role::Failed);
    } else {
        phase = Phase::Deciding;
        if (!inherit())
            attempt(0ms);
    }
    return true;
}

QByteArray SingleInstancePrivate::folderName() const
{
    return fileNameFor(scope == SingleInstance::Scope::PerSession ? id + u'\n' + displaySession() : id);
}

QString SingleInstancePrivate::lockPathIn(const QString &folderPath)
{
    return absolutePath(folderPath) + QStringLiteral("/lock");
}

bool SingleInstancePrivate::openFolder()
{
    auto found = std::make_shared<InstanceFolder>();
    if (!found->open(chosenFolder, folderName())) {
        error = found->error();
        return false;
    }
    if (lock && folder->isSameAs(*found))
        return true;
    sent.withdraw();
    folder = std::move(found);
    makeLock();
    return true;
}

void SingleInstancePrivate::makeLock()
{
    lock = std::make_unique<LockFile>(lockPathIn(folder->path()));
    attempts = 0;
    next.reset();
    lock->setPermissions(QFileDevice::ReadOwner | QFileDevice::WriteOwner);
    QObject::connect(lock.get(), &LockFile::acquired, q, [this] { onAcquired(); });
    QObject::connect(lock.get(), &LockFile::failed, q, [this](const LockError &why) { onFailed(why); });
    wakeUp = std::make_shared<Descriptor>(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    LockFileAccess::setWakeUp(lock.get(), [wakeUp = wakeUp] { ::eventfd_write(wakeUp->get(), 1); });
    QObject::connect(lock.get(), &LockFile::lost, q, [this] { onLockLost(); });
}

// Takes over from the primary that started this process, if it did.
bool SingleInstancePrivate::inherit()
{
    Inheritance inheritance;
    if (!inheritance.isOffered() || !LockFileAccess::adopt(lock.get(), inheritance.lockDescriptor()))
        return false;
    if (!inheritance.claim()) {
        LockFileAccess::letGo(lock.get());
        return false;
    }
    LockFileAccess::name(lock.get());
    becomePrimary(Way::Inheritance);
    return true;
}

void SingleInstancePrivate::attempt(std::chrono::milliseconds patience)
{
    switch (lock->state()) {
    case LockFile::State::Acquiring: // it has been cancelled
        next = patience;
        return;
    case LockFile::State::Acquired: // granted, and acquired() is due
        return;
    case LockFile::State::Released:
    case LockFile::State::Releasing:
        ++attempts;
        lock->setTimeout(patience);
        lock->acquire();
        return;
    }
}

bool SingleInstancePrivate::isResultOfTheLast()
{
    if (--attempts > 0)
        return false;
    if (!next)
        return true;
    attempt(*std::exchange(next, std::nullopt));
    return false;
}

void SingleInstancePrivate::onAcquired()
{
    if (!isResultOfTheLast())
        return;
    if (phase == Phase::Asking) {
        look(); // perhaps it has done what we asked, and quit
        if (phase == Phase::Asking)
            setReply(Reply::Gone);
    }
    if (phase == Phase::Idle || phase == Phase::Watching) {
        if (role != Role::Primary && lock->isAcquired())
            lock->release();
        return;
    }
    becomePrimary(Way::Lock);
}

void SingleInstancePrivate::onFailed(const LockError &why)
{
    if (!isResultOfTheLast())
        return;
    switch (phase) {
    case Phase::Deciding:
        if (why.code() == LockError::Code::Held) {
            decide(Role::Secondary);
            ask();
            return;
        }
        phase = Phase::Idle;
        error = why;
        decide(Role::Failed);
        return;
    case Phase::Asking: // we may still be answered
        qCWarning(logInstance, "SingleInstance: %s", qUtf8Printable(why.message()));
        return;
    case Phase::TakingOver:
        phase = Phase::Idle;
        error = why;
        emitLater([this, why] { Q_EMIT q->takeOverFailed(why, Private()); });
        return;
    case Phase::Idle:
    case Phase::Watching:
        return;
    }
}

void SingleInstancePrivate::setRole(Role newRole)
{
    if (std::exchange(role, newRole) != newRole)
        emitLater([this, newRole] { Q_EMIT q->roleChanged(newRole, Private()); });
}

void SingleInstancePrivate::decide(Role newRole)
{
    setRole(newRole);
    emitLater([this, newRole] { Q_EMIT q->decided(newRole, Private()); });
}

void SingleInstancePrivate::setReply(Reply newReply)
{
    if (std::exchange(reply, newReply) != newReply && newReply != Reply::None)
        emitLater([this, newReply] { Q_EMIT q->replied(newReply, Private()); });
}

void SingleInstancePrivate::emitLater(std::function<void()> emission)
{
    due.push_back(std::move(emission));
    QMetaObject::invokeMethod(
        q, [this] { emitDue(); }, Qt::QueuedConnection);
}

// Slots may call anything here, delete the object included.
void SingleInstancePrivate::emitDue()
{
    const QPointer<SingleInstance> guard(q);
    while (guard && !due.empty()) {
        const std::function<void()> emission = std::move(due.front());
        due.pop_front();
        emission();
    }
}

void SingleInstancePrivate::listenLater()
{
    QMetaObject::invokeMethod(
        q, [this] { listen(); }, Qt::QueuedConnection);
}

// From the event loop: lets it tell us of changes in the folder, and of the deadline.
void SingleInstancePrivate::listen()
{
    const bool waits = phase == Phase::Asking || phase == Phase::Watching;
    if (role != Role::Primary && !waits)
        return;
    const auto changed = [this] {
        watch.drain();
        if (role == Role::Primary)
            receive();
        else
            look();
    };
    notifier.reset();
    ticker.reset();
    alarm.reset();
    if (watch.descriptor() >= 0) {
        notifier.reset(new QSocketNotifier(watch.descriptor(), QSocketNotifier::Read, q));
        QObject::connect(notifier.get(), &QSocketNotifier::activated, q, changed);
    } else {
        ticker.reset(new QTimer(q));
        QObject::connect(ticker.get(), &QTimer::timeout, q, changed);
        ticker->start(FolderWatch::kFallback);
    }
    if (waits && !deadline.isForever()) {
        alarm.reset(new QTimer(q));
        alarm->setSingleShot(true);
        alarm->setTimerType(Qt::PreciseTimer);
        QObject::connect(alarm.get(), &QTimer::timeout, q, [this] { checkDeadline(); });
        alarm->start(remainingTime());
    }
    changed();
}

void SingleInstancePrivate::stopListening()
{
    deadline = QDeadlineTimer::Forever;
    notifier.reset();
    ticker.reset();
    alarm.reset();
    again.reset();
}

} // namespace QtLockFile
