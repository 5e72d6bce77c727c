// SPDX-License-Identifier: 0BSD
#include "lockworker_p.h"

#include "lockthread_p.h"
#include "queuelook_p.h"

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <utility>
#include <vector>

// What belongs to one lock lies in a Shared that the thread at work keeps alive, so the LockWorker can be gone while
// a system call on a dead file server still has not returned. Its events are then nobody's, and the thread cleans up
// after itself.
//
// Who waits without a limit can as well do the work, if no thread has begun it yet: that saves two changes of thread.
// An attempt that waits cannot be ended then, but the only one who could end it is the one who waits.

namespace QtLockFile::Internal {

struct Task
{
    enum class Kind { Acquire, Undo, Release }; // Undo: leave a lock whose attempt was ended after the grant
    Kind kind;
    LockOptions options;
    bool wait = false;
};

struct LockWorker::Shared
{
    explicit Shared(std::string lockPath) : path(lockPath), lock(std::move(lockPath)) { }

    static void start(const std::shared_ptr<Shared> &shared, const Task &task);
    enum class Runner { OurThread, Waiter, Taker }; // Taker: who waits, and takes the event as soon as it is there
    void run(Runner runner);
    Event perform(const Task &task, Runner runner);
    Outcome attempt(const Task &task, Runner runner);
    void tell();

    const std::string path;
    std::mutex mutex; // guards all below but `lock`, which belongs to the thread at work, and to the owner's while there is none
    std::condition_variable changed;
    std::deque<Task> tasks;
    std::deque<Event> events;
    bool running = false;
    bool begun = false;             // while running: a thread has taken the tasks in hand
    bool waiterWorks = false;       // who waited did the last task himself, and is expected to do so again
    int releasesLeft = 0;           // the place is that of the hold before until they are done
    LockOptions options;            // of the last attempt
    LockThread *waiting = nullptr;  // the thread whose wait can be ended
    bool interrupted = false;       // it has been told
    std::atomic<bool> ended{false}; // the attempt is to end
    bool counting = false;          // a thread counts the tickets before a place
    Place counted;                  // the place of the last count that was made
    int before = -1;                // its result
    TicketLock lock;
    std::mutex notifying; // guards the function that is called, so that who is woken by it finds the other mutex free
    std::function<void()> notify;
};

// Gives the task to the thread at work, or to another.
void LockWorker::Shared::start(const std::shared_ptr<Shared> &shared, const Task &task)
{
    auto when = LockThread::Start::AtOnce;
    {
        const std::lock_guard guard(shared->mutex);
        shared->tasks.push_back(task);
        if (task.kind == Task::Kind::Release)
            ++shared->releasesLeft;
        if (std::exchange(shared->running, true))
            return;
        if (shared->waiterWorks)
            when = LockThread::Start::Late;
    }
    const int error = LockThread::run([shared] { shared->run(Runner::OurThread); }, shared.get(), when);
    if (error == 0)
        return;
    if (task.kind != Task::Kind::Acquire) {
        shared->run(Runner::Waiter); // letting go must not fail for want of a thread
        return;
    }
    {
        const std::lock_guard guard(shared->mutex);
        if (shared->tasks.empty())
            return; // a thread that came too late for an earlier task has taken this one
        shared->tasks.clear();
        shared->running = false;
        shared->events.push_back({Event::Kind::Failed, {Outcome::Result::Failed, Operation::StartThread, error}});
    }
    shared->tell();
}

// Runs until there is nothing left to do, unless another thread was faster. Who waits has to hear of each event when it
// comes, so he does a single task at most.
void LockWorker::Shared::run(Runner runner)
{
    std::unique_lock guard(mutex);
    if (!running || (runner != Runner::OurThread && tasks.size() != 1) || std::exchange(begun, true))
        return;
    waiterWorks = runner != Runner::OurThread;
    if (waiterWorks) {
        guard.unlock();
        LockThread::withdraw(this);
        guard.lock();
    }
    for (;;) {
        const Task task = tasks.front();
        tasks.pop_front();
        guard.unlock();
        const Event event = perform(task, runner);
        guard.lock();
        if (task.kind == Task::Kind::Release)
            --releasesLeft;
        if (event.kind == Event::Kind::Acquired && ended) {
            tasks.push_front({Task::Kind::Undo, task.options});
            continue;
        }
        events.push_back(event);
        const bool goOn = !tasks.empty();
        running = begun = goOn;
        // Woken without the mutex, or the one who waits would run into it at once.
        guard.unlock();
        changed.notify_all();
        if (runner != Runner::Taker)
            tell();
        if (!goOn)
            return; // another thread may have been at work for a while
        guard.lock();
    }
}

LockWorker::Event LockWorker::Shared::perform(const Task &task, Runner runner)
{
    switch (task.kind) {
    case Task::Kind::Acquire: {
        const Outcome outcome = attempt(task, runner);
        if (outcome.isDone())
            return {Event::Kind::Acquired, outcome};
        lock.leave(task.options.remove);
        return {Event::Kind::Failed, outcome};
    }
    case Task::Kind::Undo:
        lock.leave(task.options.remove);
        return {Event::Kind::Failed, {Outcome::Result::Ended, Operation::Lock, EINTR}};
    case Task::Kind::Release:
        break;
    }
    return {Event::Kind::Released, lock.leave(task.options.remove)};
}

Outcome LockWorker::Shared::attempt(const Task &task, Runner runner)
{
    if (!task.wait)
        return lock.tryAcquire(task.options);
    if (runner != Runner::OurThread)
        return lock.acquire(task.options, ended); // nobody is there to end it
    int error;
    LockThread *const thread = LockThread::current(&error);
    if (!thread)
        return {Outcome::Result::Failed, Operation::StartThread, error};
    {
        const std::lock_guard guard(mutex);
        waiting = thread;
    }
    const Outcome outcome = lock.acquire(task.options, ended);
    // From here on no system call is interrupted: leaving is to be done properly.
    const std::lock_guard guard(mutex);
    waiting = nullptr;
    if (std::exchange(interrupted, false))
        thread->calm();
    return outcome;
}

void LockWorker::Shared::tell()
{
    const std::lock_guard guard(notifying);
    if (notify)
        notify();
}

LockWorker::LockWorker(std::string path, std::function<void()> notify) : m_shared(std::make_shared<Shared>(std::move(path))), m_forks(forkCount())
{
    m_shared->notify = std::move(notify);
}

LockWorker::~LockWorker()
{
    if (lostToFork()) {
        // The parent's threads may have been waiting in it when this copy was made: it cannot be destroyed, only forgotten.
        static auto *const forgotten = new std::vector<std::shared_ptr<Shared>>;
        forgotten->push_back(std::move(m_shared));
        return;
    }
    end();
    {
        const std::lock_guard guard(m_shared->notifying);
        m_shared->notify = nullptr;
    }
    {
        const std::lock_guard guard(m_shared->mutex);
        if (!m_shared->running && m_shared->lock.descriptor() < 0)
            return;
    }
    release(m_shared->options.remove);
}

void LockWorker::acquire(const LockOptions &options, bool wait)
{
    {
        const std::lock_guard guard(m_shared->mutex);
        m_shared->options = options;
        m_shared->ended = false;
        m_shared->counted = {}; // the same ticket may have others before it now
    }
    Shared::start(m_shared, {Task::Kind::Acquire, options, wait});
}

void LockWorker::release(bool remove)
{
    LockOptions options;
    options.remove = remove;
    Shared::start(m_shared, {Task::Kind::Release, options});
}

void LockWorker::end()
{
    std::unique_lock guard(m_shared->mutex);
    m_shared->ended = true;
    if (!m_shared->events.empty() && m_shared->events.back().kind == Event::Kind::Acquired) {
        m_shared->events.pop_back();
        const LockOptions options = m_shared->options;
        guard.unlock();
        Shared::start(m_shared, {Task::Kind::Undo, options});
    } else if (m_shared->waiting) {
        m_shared->interrupted = true;
        m_shared->waiting->interrupt();
    }
}

Outcome LockWorker::tryAcquire(const LockOptions &options)
{
    waitUntilIdle(TimePoint::max());
    m_shared->options = options;
    const Outcome outcome = m_shared->lock.tryAcquire(options);
    if (!outcome.isDone())
        m_shared->lock.leave(options.remove);
    return outcome;
}

Outcome LockWorker::adopt(int descriptor, const LockOptions &options)
{
    waitUntilIdle(TimePoint::max());
    m_shared->options = options;
    return m_shared->lock.adopt(descriptor);
}

void LockWorker::name()
{
    waitUntilIdle(TimePoint::max());
    m_shared->lock.name();
}

void LockWorker::letGo()
{
    waitUntilIdle(TimePoint::max());
    m_shared->lock.letGo();
}

bool LockWorker::take(Event *event)
{
    const std::lock_guard guard(m_shared->mutex);
    if (m_shared->events.empty())
        return false;
    *event = m_shared->events.front();
    m_shared->events.pop_front();
    return true;
}

bool LockWorker::waitForEvent(TimePoint deadline)
{
    if (deadline == TimePoint::max())
        m_shared->run(Shared::Runner::Taker);
    std::unique_lock guard(m_shared->mutex);
    m_shared->changed.wait_until(guard, deadline, [&] { return !m_shared->events.empty() || !m_shared->running; });
    return !m_shared->events.empty();
}

bool LockWorker::waitUntilIdle(TimePoint deadline)
{
    if (deadline == TimePoint::max())
        m_shared->run(Shared::Runner::Waiter);
    std::unique_lock guard(m_shared->mutex);
    return m_shared->changed.wait_until(guard, deadline, [&] { return !m_shared->running; });
}

int LockWorker::descriptor() const
{
    return m_shared->lock.descriptor();
}

Place LockWorker::place() const
{
    const std::lock_guard guard(m_shared->mutex);
    return m_shared->releasesLeft > 0 ? Place() : m_shared->lock.place();
}

int LockWorker::countBefore(TimePoint deadline)
{
    const Place place = this->place();
    if (place.ticket < 0)
        return -1;
    const auto known = [&] { return m_shared->counted == place ? m_shared->before : -1; };
    std::unique_lock guard(m_shared->mutex);
    if (std::exchange(m_shared->counting, true))
        return known(); // the last count has been waited for once, and has not come back
    guard.unlock();
    const int error = LockThread::run([shared = m_shared, place] {
        const int before = countTicketsBefore(shared->path, place);
        {
            const std::lock_guard counted(shared->mutex);
            shared->counting = false;
            shared->counted = place;
            shared->before = before;
        }
        shared->changed.notify_all();
    });
    guard.lock();
    if (error != 0)
        m_shared->counting = false;
    m_shared->changed.wait_until(guard, deadline, [&] { return !m_shared->counting; });
    return known();
}

void LockWorker::noteCount(const Place &place, int before)
{
    const std::lock_guard guard(m_shared->mutex);
    m_shared->counted = place;
    m_shared->before = before;
}

} // namespace QtLockFile::Internal
