// SPDX-License-Identifier: 0BSD
#ifndef QTLOCKFILE_STATEMACHINE_MODEL_H
#define QTLOCKFILE_STATEMACHINE_MODEL_H

#include <QtLockFile/LockFile>

#include <QtCore/qmetaobject.h>
#include <QtCore/qstring.h>

#include <algorithm>
#include <chrono>
#include <deque>

// What a LockFile promises, as a model that is simple enough to be seen to be right. It is told of each call and of each
// signal, and says what is wrong with it. Where the kernel or the clock decides, it takes either; an attempt goes on in
// another thread, so while the state is Acquiring it does not know how far it got, only what was possible since it began.

namespace StateMachine {

using QtLockFile::LockError;
using QtLockFile::LockFile;
using State = LockFile::State;
using Code = LockError::Code;
using Clock = std::chrono::steady_clock;
using namespace std::chrono_literals;

template<typename Enum>
QString nameOf(Enum value)
{
    return QString::fromLatin1(QMetaEnum::fromType<Enum>().valueToKey(int(value)));
}

class Model
{
public:
    // One attempt or release. Each is followed by one signal, in the order of the calls.
    struct Operation
    {
        unsigned number;
        bool isAttempt;
        bool hasReturned = false; // the call that began it
        bool hasResult = false;
        QString signal = {};
    };

    // Somebody else who holds the lock.
    struct Other
    {
        bool holds = false;
        bool isAtPath = false; // what it holds is the file at the path
    };

    enum class File { Absent, Present, Unknown };

    State state = State::Released;
    Code error = Code::None;
    std::chrono::milliseconds timeout{-1};
    bool removes = true;
    std::deque<Operation> operations;
    Other rival;
    Other neighbour;
    File file = File::Absent;

    // Of the attempt under way.
    bool isCancelled = false;
    bool wasFree = false;   // at some moment since it began, nobody else held the lock
    bool wasHeld = false;   // at some moment since it began, somebody else did
    bool hasTicket = false; // for sure
    bool attemptRemoves = true;
    bool releaseRemoves = true; // of the last release
    std::chrono::milliseconds attemptTimeout{-1};
    Clock::time_point began;
    Clock::time_point cancelled;

    // Of the hold.
    bool isAtPath = true;
    bool lossTold = false;

    bool othersHoldPath() const { return (rival.holds && rival.isAtPath) || (neighbour.holds && neighbour.isAtPath); }
    bool othersHold() const { return rival.holds || neighbour.holds; }
    bool mayBegin() const { return state == State::Released || state == State::Releasing; }
    bool isQuiet() const { return state != State::Acquiring && state != State::Releasing && operations.empty(); }

    // Whether a result of what is under way has to come without anybody's doing.
    bool mustEnd() const
    {
        if (state == State::Acquiring)
            return isCancelled || (attemptTimeout >= 0ms && attemptTimeout < 1s) || !othersHold();
        return state == State::Releasing;
    }

    // Whether the lock may be just about to remove the file that it has found at the path.
    bool mayBeRemoving() const
    {
        if (state == State::Acquiring && (isCancelled || (attemptTimeout >= 0ms && attemptTimeout < 1s)))
            return true;
        return state == State::Releasing
            || std::any_of(operations.begin(), operations.end(), [](const Operation &one) { return !one.isAttempt && !one.hasResult; });
    }

    unsigned beginTry() { return ++lastOperation; }

    // Both return the number of the operation.

    unsigned beginAttempt()
    {
        operations.push_back({++lastOperation, true});
        isCancelled = hasTicket = false;
        wasFree = !othersHoldPath();
        wasHeld = othersHoldPath();
        attemptRemoves = removes;
        attemptTimeout = timeout;
        began = Clock::now();
        return lastOperation;
    }

    unsigned beginRelease()
    {
        operations.push_back({++lastOperation, false});
        releaseRemoves = removes;
        return lastOperation;
    }

    // The call that began it has returned.
    void markReturned(unsigned number)
    {
        for (Operation &operation : operations)
            operation.hasReturned |= operation.number == number;
    }

    void cancel()
    {
        if (state != State::Acquiring || isCancelled)
            return;
        isCancelled = true;
        cancelled = Clock::now();
    }

    // Whether the end of the attempt took so long that the object may have gone on without it.
    bool isLate(std::chrono::milliseconds grace) const
    {
        const auto now = Clock::now();
        return (isCancelled && now - cancelled >= grace) || (attemptTimeout > 0ms && now - began >= attemptTimeout + grace);
    }

    // Whether another attempt is sure to find the file locked, or sure to find it free; `other` holds nothing yet.
    bool isHeldFor(const Other &other) const
    {
        const Other &third = &other == &rival ? neighbour : rival;
        const bool isQueued = state == State::Acquiring && hasTicket && !isCancelled && (attemptTimeout < 0ms || attemptTimeout > 1s);
        return (third.holds && third.isAtPath) || (state == State::Acquired && isAtPath) || isQueued;
    }
    bool isFreeFor(const Other &other) const { return !isHeldFor(other) && (state == State::Released || state == State::Acquired); }

    void acquire(Other &other)
    {
        other.holds = other.isAtPath = true;
        file = File::Present;
        wasHeld = true;
        for (const Operation &operation : operations) {
            if (!operation.isAttempt && !operation.hasResult)
                isAtPath = false; // what is still to be done of our release is not about his file
        }
    }

    void release(Other &other)
    {
        other.holds = false;
        leave(true, other.isAtPath);
        if (!othersHoldPath())
            wasFree = true;
    }

    void removeFile()
    {
        rival.isAtPath = neighbour.isAtPath = isAtPath = false;
        hasTicket = false; // on a file that it is about to leave
        file = File::Absent;
        wasFree = true; // who comes to the new file is free to take it
    }

    // What is wrong with this end of the attempt under way; empty: nothing.
    QString endAttempt(Code code)
    {
        setResult(true, code == Code::None ? QStringLiteral("acquired") : QStringLiteral("failed ") + nameOf(code));
        error = code;
        lossTold = false;
        if (code != Code::None)
            leaveAttempt();
        switch (code) {
        case Code::None:
            if (isCancelled)
                return QStringLiteral("acquired though it was cancelled");
            return wasFree ? QString() : QStringLiteral("acquired though another held the lock all the time");
        case Code::Cancelled:
            return isCancelled ? QString() : QStringLiteral("cancelled though nobody did it");
        case Code::TimedOut:
            if (isCancelled)
                return QStringLiteral("timed out though it was cancelled before");
            if (attemptTimeout <= 0ms || Clock::now() - began < attemptTimeout)
                return QStringLiteral("timed out before its time");
            return {};
        case Code::Held:
            if (isCancelled || attemptTimeout != 0ms)
                return QStringLiteral("gave up because it is held though it was to wait");
            return wasHeld ? QString() : QStringLiteral("is said to be held, and nobody holds it");
        default:
            return QStringLiteral("failed for no reason that there is: ") + nameOf(code);
        }
    }

    // What is wrong with this result of tryAcquire(), which nothing can come between.
    QString endTry(unsigned number, Code code)
    {
        const bool held = othersHoldPath();
        operations.push_back({number, true});
        QString wrong;
        if (code == Code::None && held)
            wrong = QStringLiteral("acquired what another holds");
        else if (code != Code::None && !held)
            wrong = QStringLiteral("failed though nobody holds the lock: ") + nameOf(code);
        else if (code != Code::None && code != Code::Held)
            wrong = QStringLiteral("failed for no reason that there is: ") + nameOf(code);
        setResult(true, code == Code::None ? QStringLiteral("acquired") : QStringLiteral("failed ") + nameOf(code));
        error = code;
        lossTold = false;
        return wrong;
    }

    void endRelease()
    {
        for (const Operation &operation : operations) {
            if (!operation.isAttempt && !operation.hasResult)
                leave(releaseRemoves, isAtPath);
        }
        setResult(false, QStringLiteral("released"));
    }

    // Who had the lock has left.
    void leave(bool andRemoved, bool wasAtPath)
    {
        if (!wasAtPath)
            return; // what lies there is not his
        if (othersHoldPath())
            file = File::Present;
        else if (state == State::Acquiring)
            file = File::Unknown;
        else
            file = andRemoved ? File::Absent : File::Present;
    }

    // What is wrong with this signal now.
    QString onSignal(const QString &signal)
    {
        if (operations.empty())
            return QStringLiteral("nothing was due");
        const Operation next = operations.front();
        if (!next.hasResult && !next.isAttempt)
            endRelease(); // the state has moved on since, so that nothing told of it
        else if (!next.hasResult)
            return QStringLiteral("came before its change of state");
        const QString due = operations.front().signal;
        operations.pop_front();
        if (signal != due)
            return QStringLiteral("came where \"%1\" was due").arg(due);
        return next.hasReturned ? QString() : QStringLiteral("came before the call that began it had returned");
    }

private:
    unsigned lastOperation = 0;

    void setResult(bool ofAttempt, const QString &signal)
    {
        for (Operation &operation : operations) {
            if (operation.hasResult)
                continue;
            if (!operation.isAttempt && ofAttempt)
                endRelease(); // what began before ends before
            if (operation.isAttempt == ofAttempt) {
                operation.hasResult = true;
                operation.signal = signal;
                return;
            }
        }
    }

    // An attempt that failed may have created the file, or not come so far.
    void leaveAttempt()
    {
        if (othersHoldPath())
            file = File::Present;
        else if (!(file == File::Absent && attemptRemoves))
            file = File::Unknown;
    }
};

} // namespace StateMachine

#endif
