// SPDX-License-Identifier: 0BSD
#ifndef QTLOCKFILE_LOCKTHREAD_P_H
#define QTLOCKFILE_LOCKTHREAD_P_H

#include <functional>
#include <memory>

#include <semaphore.h>
#include <time.h>

namespace QtLockFile::Internal {

struct Threads;

// A thread of the library, for one blocking job at a time. Idle ones are kept and used again, so that the common
// cycle starts none.
class LockThread
{
public:
    // Late: it is expected to be withdrawn, so the thread is not woken for it, unless the caller is slow to withdraw it.
    enum class Start { AtOnce, Late };

    // Runs the job on an idle thread or a new one. Returns 0, or the errno of why there is none. The key is for
    // withdraw().
    static int run(std::function<void()> job, const void *key = nullptr, Start start = Start::AtOnce);

    // Takes back the job with this key if no thread has begun it: otherwise who gives jobs and then does them himself,
    // faster than idle threads wake up, would be given ever more threads.
    static void withdraw(const void *key);

    // Prepares for fork(2), which takes the mutexes of what was prepared last first. So whoever calls run() with a
    // mutex of his own locked calls this before he prepares for that one.
    static void prepareForFork();

    // The thread that runs the job that asks; null, and an errno, on a thread of somebody else's, and on one that could
    // not get a timer.
    static LockThread *current(int *error);

    // From any thread, while the job is known to be running: makes its blocking system call return EINTR, now or when it begins,
    // and again and again until calm().
    void interrupt();
    void calm();

    ~LockThread();

private:
    LockThread();
    static void *main(void *thread);
    static std::function<void()> nextJob(const std::shared_ptr<LockThread> &self);
    bool setAlarm();
    void setTimer(long first, long again); // nanoseconds, less than a second; 0: never

    std::function<void()> m_job;
    const void *m_key = nullptr;
    bool m_hasTimer = false; // it has begun, too
    bool m_hasAlarm = false; // the timer is set to wake it
    sem_t m_wake{};
    timer_t m_timer;
};

} // namespace QtLockFile::Internal

#endif
