// SPDX-License-Identifier: 0BSD
#include "lockfile.h"
#include "forkguard_p.h"
#include "lockerror_p.h"
#include "lockfile_p.h"
#include "lockpath_p.h"
#include "lockworker_p.h"
#include "queuemonitor_p.h"
#include "text_p.h"

#include <QtCore/qabstracteventdispatcher.h>
#include <QtCore/qdebug.h>
#include <QtCore/qloggingcategory.h>
#include <QtCore/qmetaobject.h>
#include <QtCore/qpointer.h>
#include <QtCore/qtimer.h>

#include <algorithm>
#include <atomic>
#include <deque>
#include <functional>
#include <memory>
#include <utility>

// States and signals. The worker does all that may block, and hands back events; this class turns each event into a
// change of state and a signal, in the thread of the object: from the event loop, or from inside waitFor…().
//
// Time-outs are kept here, by a timer or inside waitFor…(), and end the attempt as cancel() does. If the worker does
// not answer such an end in kGrace, because a system call of the attempt does not return, the worker is left to
// itself with all that it still has to do, and the object goes on with another: so a time-out covers a slow open(2)
// too, and a destructor ends.

namespace QtLockFile {

using namespace Internal;
using namespace std::chrono_literals;

namespace {

Q_LOGGING_CATEGORY(logLockFile, "qtlockfile.lockfile")

constexpr auto kGrace = 250ms;
constexpr std::chrono::milliseconds kLongestTimer = 24h; // a QTimer counts no more than 24 days
constexpr auto kGlance = 10ms;                           // what position() waits at most: less than anybody sees, and far more than a disk at hand needs
constexpr auto kFarewell = 1000ms;                       // what the destructor waits at most

LockWorker::TimePoint timePoint(QDeadlineTimer deadline)
{
    if (deadline.isForever())
        return LockWorker::TimePoint::max();
    return std::chrono::steady_clock::now() + deadline.remainingTimeAsDuration();
}

mode_t modeFor(QFileDevice::Permissions permissions)
{
    mode_t mode = 01000;
    if (permissions & (QFileDevice::ReadOwner | QFileDevice::ReadUser))
        mode |= 0400;
    if (permissions & (QFileDevice::WriteOwner | QFileDevice::WriteUser))
        mode |= 0200;
    if (permissions & (QFileDevice::ExeOwner | QFileDevice::ExeUser))
        mode |= 0100;
    if (permissions & QFileDevice::ReadGroup)
        mode |= 0040;
    if (permissions & QFileDevice::WriteGroup)
        mode |= 0020;
    if (permissions & QFileDevice::ExeGroup)
        mode |= 0010;
    if (permissions & QFileDevice::ReadOther)
        mode |= 0004;
    if (permissions & QFileDevice::WriteOther)
        mode |= 0002;
    if (permissions & QFileDevice::ExeOther)
        mode |= 0001;
    return mode;
}

} // namespace

class LockFilePrivate
{
public:
    using State = LockFile::State;

    LockFilePrivate(LockFile *lock, const QString &lockPath) : q(lock), path(absolutePath(lockPath)) { renewWorker(); }

    void renewWorker();
    void checkFork();
    bool mayBegin(const char *call);
    void refuse(const char *call, const QString &why);
    LockOptions options() const;
    void setState(State newState);
    void setPosition(int newPosition);
    void watchQueue();
    void onLook(const QueueLook &look);

    void endAttempt(LockError::Code because);
    void setAlarm(std::chrono::milliseconds in);
    void armTimer();
    void clearAlarm();
    void onAlarm();

    void succeed();
    void fail(const LockError &why);
    bool absorb();
    void deliverLater();
    void deliver();
    bool waitFor(State target, QDeadlineTimer deadline);

    enum class Signal { Acquired, Failed, Released };
    struct Due
    {
        Signal signal;
        LockError error;
    };

    LockFile *const q;
    const QString path;
    State state = State::Released;
    LockError error;
    std::chrono::milliseconds timeout{-1};
    bool removeOnRelease = true;
    QFileDevice::Permissions permissions =
        QFileDevice::ReadOwner | QFileDevice::WriteOwner | QFileDevice::ReadGroup | QFileDevice::WriteGroup | QFileDevice::ReadOther | QFileDevice::WriteOther;

    std::deque<Due> due; // signals of changes that have been made
    const std::shared_ptr<std::atomic<bool>> deliveryPosted = std::make_shared<std::atomic<bool>>(false);
    LockError::Code ending = LockError::Code::None; // why the attempt under way is to end
    QDeadlineTimer alarm{QDeadlineTimer::Forever};  // when to end the attempt, or to stop waiting for its end
    QTimer *alarmTimer = nullptr;
    int releasesDue = 0;                // releases that the worker still has to do
    std::function<void()> wakeUp;       // whom else to tell that something is due; changes only while nothing is under way
    std::unique_ptr<LockWorker> worker; // after what its notifications use

    int position = -1;     // as last reported
    bool lossTold = false; // of this hold
    unsigned watches = 0;
    std::unique_ptr<QueueSubscription> watch; // the last member: its callback uses the others
};

void LockFilePrivate::renewWorker()
{
    worker = std::make_unique<LockWorker>(nativePath(path), [this] { deliverLater(); });
}

// In a forked child: what went on is the parent's.
void LockFilePrivate::checkFork()
{
    if (!worker->lostToFork())
        return;
    renewWorker();
    *deliveryPosted = false; // the event may be one that only the parent was about to post
    due.clear();
    clearAlarm();
    ending = LockError::Code::None;
    releasesDue = 0;
    watch.reset();
    position = -1;
    error = {};
    state = State::Released;
}

void LockFilePrivate::refuse(const char *call, const QString &why)
{
    error = invalidState(path, why.arg(path));
    qCWarning(logLockFile, "LockFile::%s: %s", call, qUtf8Printable(error.message()));
}

bool LockFilePrivate::mayBegin(const char *call)
{
    if (state == State::Acquiring)
        refuse(call, Text::tr("Cannot acquire %1: an attempt is under way already."));
    else if (state == State::Acquired)
        refuse(call, Text::tr("Cannot acquire %1: it is acquired already."));
    else
        return true;
    return false;
}

LockOptions LockFilePrivate::options() const
{
    LockOptions options;
    options.remove = removeOnRelease;
    options.mode = modeFor(permissions);
    return options;
}

// Emits, so `this` may be gone afterwards.
void LockFilePrivate::setState(State newState)
{
    if (state == newState)
        return;
    state = newState;
    lossTold = false;
    watchQueue();
    const QPointer<LockFile> guard(q);
    Q_EMIT q->stateChanged(newState, LockFile::QPrivateSignal());
    if (guard && state == newState && state != State::Acquiring)
        setPosition(state == State::Acquired ? 0 : -1);
}

void LockFilePrivate::setPosition(int newPosition)
{
    if (std::exchange(position, newPosition) != newPosition)
        Q_EMIT q->positionChanged(newPosition, LockFile::QPrivateSignal());
}

// Has the queue looked at as long as somebody wants to know what a look can tell in this state.
void LockFilePrivate::watchQueue()
{
    const QMetaMethod lost = QMetaMethod::fromSignal(&LockFile::lost);
    const QMetaMethod positionChanged = QMetaMethod::fromSignal(&LockFile::positionChanged);
    // Always anew: a look that was made before the lock was ours tells nothing of whether it still is.
    watch.reset();
    ++watches;
    if (!(state == State::Acquired && !lossTold && q->isSignalConnected(lost)) && !(state == State::Acquiring && q->isSignalConnected(positionChanged)))
        return;
    watch = std::make_unique<QueueSubscription>(nativePath(path), [this, current = watches](const QueueLook &look) {
        const ForkGuard guard;
        QMetaObject::invokeMethod(
            q,
            [this, current, look] {
                if (current == watches)
                    onLook(look);
            },
            Qt::QueuedConnection);
    });
    if (!watch->isWatching()) {
        QTimer::singleShot(kShortage, q, [this, current = watches] {
            if (current == watches)
                watchQueue();
        });
    }
}

// Emits, so `this` may be gone afterwards.
void LockFilePrivate::onLook(const QueueLook &look)
{
    checkFork();
    const Place place = worker->place();
    if (place.ticket < 0)
        return;
    if (state == State::Acquiring && look.error == 0 && look.file == place.file) {
        const int before = int(std::count_if(look.participants.begin(), look.participants.end(),
                                             [&](const QueueLook::Participant &one) { return one.ticket >= 0 && one.ticket < place.ticket; }));
        worker->noteCount(place, before);
        setPosition(before);
    } else if (state == State::Acquired && !lossTold && look.leadsElsewhere(place.file)) {
        lossTold = true;
        watch.reset();
        Q_EMIT q->lost(LockFile::QPrivateSignal());
    }
}

void LockFilePrivate::endAttempt(LockError::Code because)
{
    ending = because;
    worker->end();
    setAlarm(kGrace);
}

void LockFilePrivate::setAlarm(std::chrono::milliseconds in)
{
    alarm = QDeadlineTimer(in, Qt::PreciseTimer);
    if (QAbstractEventDispatcher::instance()) {
        armTimer();
        return;
    }
    // No event loop in this thread: waitFor…() looks at the alarm, and an event loop that is yet to come arms the timer.
    QMetaObject::invokeMethod(
        q,
        [this] {
            if (QAbstractEventDispatcher::instance())
                armTimer();
        },
        Qt::QueuedConnection);
}

void LockFilePrivate::armTimer()
{
    if (alarm.isForever())
        return;
    if (!alarmTimer) {
        alarmTimer = new QTimer(q);
        alarmTimer->setSingleShot(true);
        alarmTimer->setTimerType(Qt::PreciseTimer);
        QObject::connect(alarmTimer, &QTimer::timeout, q, [this] {
            const QPointer<LockFile> guard(q);
            deliver();
            if (!guard)
                return;
            if (alarm.hasExpired())
                onAlarm();
            else
                armTimer();
        });
    }
    alarmTimer->start(std::min(std::chrono::ceil<std::chrono::milliseconds>(alarm.remainingTimeAsDuration()), kLongestTimer));
}

void LockFilePrivate::clearAlarm()
{
    alarm = QDeadlineTimer::Forever;
    if (alarmTimer)
        alarmTimer->stop();
}

void LockFilePrivate::onAlarm()
{
    if (state != State::Acquiring || !alarm.hasExpired())
        return;
    if (worker->waitForEvent({})) {
        setAlarm(0ms); // what has come meanwhile goes first
    } else if (ending == LockError::Code::None) {
        endAttempt(LockError::Code::TimedOut);
    } else if (releasesDue > 0) {
        setAlarm(kGrace); // the attempt has not begun, and released() has to come before its result
    } else {
        renewWorker();
        deliverLater();
        fail(lockErrorFor(path, {Outcome::Result::Ended}, ending));
    }
}

// Emits, so `this` may be gone afterwards; fail() too.
void LockFilePrivate::succeed()
{
    clearAlarm();
    error = {};
    due.push_back({Signal::Acquired, {}});
    setState(State::Acquired);
}

void LockFilePrivate::fail(const LockError &why)
{
    clearAlarm();
    ending = LockError::Code::None;
    error = why;
    due.push_back({Signal::Failed, why});
    setState(State::Released);
}

// Makes the change that the next event of the worker means. Emits, so `this` may be gone afterwards.
bool LockFilePrivate::absorb()
{
    LockWorker::Event event;
    if (!worker->take(&event))
        return false;
    switch (event.kind) {
    case LockWorker::Event::Kind::Acquired:
        succeed();
        break;
    case LockWorker::Event::Kind::Failed:
        if (ending != LockError::Code::None)
            event.outcome.result = Outcome::Result::Ended;
        fail(lockErrorFor(path, event.outcome, ending));
        break;
    case LockWorker::Event::Kind::Released:
        if (!event.outcome.isDone())
            error = lockErrorFor(path, event.outcome);
        --releasesDue;
        due.push_back({Signal::Released, {}});
        if (state == State::Releasing)
            setState(State::Released);
        break;
    }
    return true;
}

// On any thread.
void LockFilePrivate::deliverLater()
{
    // One event at a time: where no event loop runs they would pile up.
    if (const ForkGuard guard; !deliveryPosted->exchange(true)) {
        // It may also be thrown away, as by the end of a QCoreApplication.
        std::shared_ptr<void> thrownAway(nullptr, [posted = deliveryPosted](void *) { *posted = false; });
        QMetaObject::invokeMethod(
            q,
            [this, thrownAway = std::move(thrownAway)] {
                *deliveryPosted = false; // before the look for what is due
                deliver();
            },
            Qt::QueuedConnection);
    }
    if (wakeUp)
        wakeUp();
}

// Emits what is due, in order. Slots may call anything here, delete the object included.
void LockFilePrivate::deliver()
{
    checkFork(); // a forked child has a copy of the events that were on their way to its parent
    const QPointer<LockFile> guard(q);
    while (guard) {
        if (due.empty()) {
            if (!absorb())
                return;
            continue;
        }
        const Due next = std::move(due.front());
        due.pop_front();
        switch (next.signal) {
        case Signal::Acquired:
            Q_EMIT q->acquired(LockFile::QPrivateSignal());
            break;
        case Signal::Failed:
            Q_EMIT q->failed(next.error, LockFile::QPrivateSignal());
            break;
        case Signal::Released:
            Q_EMIT q->released(LockFile::QPrivateSignal());
            break;
        }
    }
}

bool LockFilePrivate::waitFor(State target, QDeadlineTimer deadline)
{
    const QPointer<LockFile> guard(q);
    for (;;) {
        deliver();
        if (!guard)
            return false;
        if (state == State::Released || state == State::Acquired)
            return state == target;
        if (deadline.hasExpired())
            return false;
        if (!worker->waitForEvent(timePoint(qMin(deadline, alarm))))
            onAlarm();
        if (!guard)
            return false;
    }
}

void LockFileAccess::setWakeUp(LockFile *lock, std::function<void()> wakeUp)
{
    lock->d->wakeUp = std::move(wakeUp);
}

bool LockFileAccess::adopt(LockFile *lock, int descriptor)
{
    lock->d->checkFork();
    if (lock->d->state != LockFile::State::Released || !lock->d->worker->adopt(descriptor, lock->d->options()).isDone())
        return false;
    lock->d->error = {};
    lock->d->setState(LockFile::State::Acquired);
    return true;
}

void LockFileAccess::name(LockFile *lock)
{
    lock->d->worker->name();
}

void LockFileAccess::letGo(LockFile *lock)
{
    lock->d->worker->letGo();
    lock->d->setState(LockFile::State::Released);
}

LockFile::LockFile(const QString &path, QObject *parent) : QObject(parent), d(std::make_unique<LockFilePrivate>(this, path))
{
}

LockFile::~LockFile()
{
    d->checkFork();
    if (d->state == State::Acquiring)
        d->worker->end();
    else if (d->state == State::Acquired)
        d->worker->release(d->removeOnRelease);
    d->worker->waitUntilIdle(timePoint(QDeadlineTimer(kFarewell)));
}

QString LockFile::path() const
{
    return d->path;
}

LockFile::State LockFile::state() const
{
    d->checkFork();
    return d->state;
}

bool LockFile::isAcquired() const
{
    return state() == State::Acquired;
}

int LockFile::position() const
{
    switch (state()) {
    case State::Acquired:
        return 0;
    case State::Acquiring:
        return d->worker->countBefore(timePoint(QDeadlineTimer(kGlance, Qt::PreciseTimer)));
    case State::Released:
    case State::Releasing:
        break;
    }
    return -1;
}

int LockFile::fileDescriptor() const
{
    return isAcquired() ? d->worker->descriptor() : -1;
}

LockError LockFile::error() const
{
    d->checkFork();
    return d->error;
}

std::chrono::milliseconds LockFile::timeout() const
{
    return d->timeout;
}

void LockFile::setTimeout(std::chrono::milliseconds timeout)
{
    if (std::exchange(d->timeout, timeout) != timeout)
        Q_EMIT timeoutChanged(timeout, QPrivateSignal());
}

bool LockFile::removeOnRelease() const
{
    return d->removeOnRelease;
}

void LockFile::setRemoveOnRelease(bool remove)
{
    if (std::exchange(d->removeOnRelease, remove) != remove)
        Q_EMIT removeOnReleaseChanged(remove, QPrivateSignal());
}

QFileDevice::Permissions LockFile::permissions() const
{
    return d->permissions;
}

void LockFile::setPermissions(QFileDevice::Permissions permissions)
{
    d->permissions = permissions;
}

bool LockFile::tryAcquire()
{
    d->checkFork();
    if (!d->mayBegin("tryAcquire"))
        return false;
    const QPointer<LockFile> guard(this);
    // A slot of stateChanged() may do anything, release again included.
    while (d->state == State::Releasing) {
        d->worker->waitUntilIdle(LockWorker::TimePoint::max());
        d->absorb();
        if (!guard)
            return false;
    }
    if (!d->mayBegin("tryAcquire"))
        return false;
    const Outcome outcome = d->worker->tryAcquire(d->options());
    d->deliverLater();
    if (outcome.isDone())
        d->succeed();
    else
        d->fail(lockErrorFor(d->path, outcome));
    return guard && outcome.isDone();
}

void LockFile::acquire()
{
    d->checkFork();
    if (!d->mayBegin("acquire"))
        return;
    d->worker->acquire(d->options(), d->timeout != 0ms);
    if (d->timeout > 0ms)
        d->setAlarm(d->timeout);
    d->setState(State::Acquiring);
}

void LockFile::cancel()
{
    if (state() == State::Acquiring)
        d->endAttempt(LockError::Code::Cancelled);
}

void LockFile::release()
{
    d->checkFork();
    if (d->state != State::Acquired) {
        d->refuse("release", Text::tr("Cannot release %1: it is not acquired."));
        return;
    }
    ++d->releasesDue;
    d->worker->release(d->removeOnRelease);
    d->setState(State::Releasing);
}

bool LockFile::waitForAcquired(QDeadlineTimer deadline)
{
    d->checkFork();
    return d->waitFor(State::Acquired, deadline);
}

bool LockFile::waitForReleased(QDeadlineTimer deadline)
{
    d->checkFork();
    return d->waitFor(State::Released, deadline);
}

void LockFile::connectNotify(const QMetaMethod &signal)
{
    // From any thread, since connect() may be called in any.
    if (signal == QMetaMethod::fromSignal(&LockFile::lost) || signal == QMetaMethod::fromSignal(&LockFile::positionChanged))
        QMetaObject::invokeMethod(
            this, [this] { d->watchQueue(); }, Qt::QueuedConnection);
}

QDebug operator<<(QDebug debug, const LockFile *lock)
{
    const QDebugStateSaver saver(debug);
    if (!lock)
        return debug << "LockFile(0x0)";
    return debug.nospace() << "LockFile(" << lock->path() << ", " << lock->state() << ')';
}

QDebug operator<<(QDebug debug, const LockFile &lock)
{
    return debug << &lock;
}

} // namespace QtLockFile
