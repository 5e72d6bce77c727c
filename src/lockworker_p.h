// SPDX-License-Identifier: 0BSD
#ifndef QTLOCKFILE_LOCKWORKER_P_H
#define QTLOCKFILE_LOCKWORKER_P_H

#include "ticketlock_p.h"

#include <chrono>
#include <functional>
#include <memory>
#include <string>

namespace QtLockFile::Internal {

// Does on a thread of the library what must not block the caller: one attempt or release after the other, for one lock.
// Used by one thread.
class LockWorker
{
public:
    using TimePoint = std::chrono::steady_clock::time_point;

    struct Event
    {
        enum class Kind { Acquired, Failed, Released };
        Kind kind;
        Outcome outcome;
    };

    // `notify` is called on any thread when an event can be taken. It must return at once and must not call back.
    LockWorker(std::string path, std::function<void()> notify);

    // Ends an attempt or leaves the lock, and does not wait for it: the thread's state outlives this object. Nothing
    // is notified any more.
    ~LockWorker();

    void acquire(const LockOptions &options, bool wait);
    void release(bool remove);

    // Ends the attempt under way: Failed with Ended comes, even if Acquired can be taken already.
    void end();

    // In the calling thread, once what is under way has been done. Its result is no event.
    Outcome tryAcquire(const LockOptions &options);

    // Handing over through exec(3), each in the calling thread once what is under way has been done; see TicketLock.
    Outcome adopt(int descriptor, const LockOptions &options);
    void name();
    void letGo();

    // Takes the next event, if there is one.
    bool take(Event *event);

    // Waits until an event can be taken or nothing is under way. Tells whether one can be taken. Without a deadline
    // (TimePoint::max()) it may do the work in the calling thread, and then nobody is notified of its event.
    bool waitForEvent(TimePoint deadline);

    // Waits until nothing is under way; without a deadline as above.
    bool waitUntilIdle(TimePoint deadline);

    // Of the lock, while it is held.
    int descriptor() const;

    // In the queue; none before a release that is under way is done.
    Place place() const;

    // How many tickets before ours are locked, -1 where that is not known. Looked at on a thread of the library: by the
    // deadline the answer is that of the look, or else of the last that came. While a look does not come back, no
    // other is begun and none is waited for.
    int countBefore(TimePoint deadline);

    // The same from a look of somebody else's.
    void noteCount(const Place &place, int before);

    // In a forked child: all that was under way is the parent's.
    bool lostToFork() const { return m_forks != forkCount(); }

private:
    struct Shared;

    std::shared_ptr<Shared> m_shared;
    const unsigned m_forks;
};

} // namespace QtLockFile::Internal

#endif
