// SPDX-License-Identifier: 0BSD
#include "lockthread_p.h"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include <climits>
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef sigev_notify_thread_id
#    define sigev_notify_thread_id _sigev_un._tid // the C library of Debian 12 lacks the name that timer_create(2) uses
#endif

// How a blocked wait is ended.
//
// A thread that is blocked in F_OFD_SETLKW cannot be woken by close(2) from another thread, but a signal whose
// handler was installed without SA_RESTART makes the call return EINTR, with nothing locked. A signal alone would be
// lost when it arrives just before the call blocks. So each thread has a timer of the kernel that sends the signal to
// this very thread (SIGEV_THREAD_ID, timer_create(2)), once it is armed, until the thread answers: nothing is lost,
// nobody has to wait for the answer, and while nobody ends a wait no timer runs and nothing wakes up.
//
// The same timer is the alarm clock of an idle thread that is given a job which the caller is expected to do himself: to
// wake a thread takes him longer than the job, and to set the alarm once for many of them takes next to nothing.
//
// Why not pthread_cancel(3): a thread that is cancelled just after the grant unwinds with the lock held,
// AddressSanitizer objects to the unwinding, with musl the call is no cancellation point, and the thread cannot be
// used again.
//
// The handler is the process's. We take the highest real-time signal that the application left at its default, and
// look at each use whether it is still ours. Threads block every other signal, from their first instruction on, so
// that handlers of the application never run on them.
//
// Threads are bare POSIX threads: std::thread has no stack size, QThreadPool::globalInstance() is waited for when the
// application quits, and this file is free of Qt so that ThreadSanitizer can be trusted on it. They are never joined:
// a wait on a dead file server cannot be ended by anything, and must not keep a program from quitting.

namespace QtLockFile::Internal {

namespace {

constexpr size_t kStackSize = 256 * 1024; // reserved, not used: a wait touches about two pages
constexpr size_t kMostIdle = 4;
constexpr long kResendNanoseconds = 1'000'000;
constexpr long kAlarmNanoseconds = 10'000'000; // beyond the kernel's next tick: an earlier timer is set in hardware, which takes microseconds

} // namespace

struct Threads
{
    std::mutex mutex; // guards all of this, and the jobs of the threads
    std::vector<std::shared_ptr<LockThread>> idle;
    std::vector<std::shared_ptr<LockThread>> assigned; // have a job and have not begun it
};

namespace {

Threads *threadsOfProcess = nullptr; // replaced in a forked child, which has none of them; never destroyed, they may outlive main()

Threads &threads()
{
    static const bool once = [] {
        threadsOfProcess = new Threads;
        pthread_atfork([] { threadsOfProcess->mutex.lock(); }, [] { threadsOfProcess->mutex.unlock(); }, [] { threadsOfProcess = new Threads; });
        return true;
    }();
    (void)once;
    return *threadsOfProcess;
}

// At load: a child forked in the midst of the first use would wait for ever for a thread that it does not have to end it.
[[maybe_unused]] const Threads &threadsPreparedForFork = threads();

void answer(int)
{
}

// The signal that ends waits, chosen at first use; 0 if the application uses them all.
int interruptSignal()
{
    static std::atomic<int> chosen{-1}; // not a static that the first call initializes: see threadsPreparedForFork
    int signal = chosen;
    if (signal >= 0)
        return signal;
    int free = 0;
    for (int candidate = SIGRTMAX; candidate >= SIGRTMIN && free == 0; --candidate) {
        struct sigaction action;
        if (sigaction(candidate, nullptr, &action) == 0 && !(action.sa_flags & SA_SIGINFO) && action.sa_handler == SIG_DFL)
            free = candidate;
    }
    return chosen.compare_exchange_strong(signal, free) ? free : signal; // threads that come at once choose the same
}

// Returns 0 or an errno: without the handler the signal would end the process.
int installHandler()
{
    struct sigaction action;
    if (sigaction(interruptSignal(), nullptr, &action) == 0 && action.sa_handler == answer && !(action.sa_flags & SA_RESTART))
        return 0;
    action = {};
    action.sa_handler = answer; // and no SA_RESTART
    return sigaction(interruptSignal(), &action, nullptr) == 0 ? 0 : errno;
}

thread_local LockThread *currentThread = nullptr;
thread_local int timerError = EINVAL; // why there is none, on a thread of ours

} // namespace

void LockThread::prepareForFork()
{
    threads();
}

LockThread *LockThread::current(int *error)
{
    *error = timerError;
    return currentThread;
}

LockThread::LockThread()
{
    sem_init(&m_wake, 0, 0);
}

LockThread::~LockThread()
{
    sem_destroy(&m_wake);
}

int LockThread::run(std::function<void()> job, const void *key, Start start)
{
    Threads &all = threads();
    std::unique_lock guard(all.mutex);
    if (!all.idle.empty()) {
        const std::shared_ptr<LockThread> thread = std::move(all.idle.back());
        all.idle.pop_back();
        thread->m_job = std::move(job);
        thread->m_key = key;
        all.assigned.push_back(thread);
        if (start == Start::Late && thread->setAlarm())
            return 0;
        guard.unlock(); // or it would run into it at once
        if (sem_post(&thread->m_wake) != 0) {
            guard.lock();
            thread->setAlarm(); // wakes it just as well
        }
        return 0;
    }
    if (interruptSignal() == 0)
        return EAGAIN;
    if (const int error = installHandler())
        return error;

    sigset_t ours;
    sigset_t before;
    sigfillset(&ours);
    sigdelset(&ours, interruptSignal());
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, std::max<size_t>(kStackSize, size_t(std::max(0L, sysconf(_SC_THREAD_STACK_MIN)))));
    const std::shared_ptr<LockThread> thread(new LockThread);
    thread->m_job = std::move(job);
    thread->m_key = key;
    all.assigned.push_back(thread);
    auto own = std::make_unique<std::shared_ptr<LockThread>>(thread);
    pthread_t id;
    pthread_sigmask(SIG_SETMASK, &ours, &before); // a new thread inherits it
    const int error = pthread_create(&id, &attributes, main, own.get());
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    pthread_attr_destroy(&attributes);
    if (error == 0)
        (void)own.release(); // the thread's
    else
        all.assigned.pop_back();
    return error;
}

void LockThread::withdraw(const void *key)
{
    Threads &all = threads();
    std::function<void()> job; // destroyed without the mutex
    const std::lock_guard guard(all.mutex);
    const auto it = std::find_if(all.assigned.begin(), all.assigned.end(), [key](const auto &other) { return other->m_key == key; });
    if (it == all.assigned.end())
        return;
    const std::shared_ptr<LockThread> thread = std::move(*it);
    all.assigned.erase(it);
    job = std::exchange(thread->m_job, nullptr);
    all.idle.push_back(thread);
    if (all.idle.size() > kMostIdle)
        sem_post(&thread->m_wake); // it may be one too many
}

// Waits for a job. Null when the thread is to end.
std::function<void()> LockThread::nextJob(const std::shared_ptr<LockThread> &self)
{
    Threads &all = threads();
    std::unique_lock guard(all.mutex);
    self->m_hasTimer = currentThread != nullptr;
    for (bool rang = false;;) {
        if ((rang || self->m_job) && std::exchange(self->m_hasAlarm, false))
            self->setTimer(0, 0); // also since a call of the job would be interrupted
        if (self->m_job) {
            all.assigned.erase(std::find(all.assigned.begin(), all.assigned.end(), self));
            return std::exchange(self->m_job, nullptr);
        }
        const auto listed = std::find(all.idle.begin(), all.idle.end(), self);
        const bool isListed = listed != all.idle.end();
        if (!self->m_hasTimer || all.idle.size() >= kMostIdle + isListed) {
            if (isListed)
                all.idle.erase(listed);
            return nullptr;
        }
        if (!isListed)
            all.idle.push_back(self);
        guard.unlock();
        rang = sem_wait(&self->m_wake) != 0;
        guard.lock();
    }
}

void *LockThread::main(void *thread)
{
    const std::unique_ptr<std::shared_ptr<LockThread>> own(static_cast<std::shared_ptr<LockThread> *>(thread));
    const std::shared_ptr<LockThread> &self = *own;
    sigevent event = {};
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = interruptSignal();
    event.sigev_notify_thread_id = pid_t(syscall(SYS_gettid));
    if (timer_create(CLOCK_MONOTONIC, &event, &self->m_timer) == 0)
        currentThread = self.get();
    else
        timerError = errno;
    while (const std::function<void()> job = nextJob(self)) // what it holds on to does not live as long as an idle thread
        job();
    if (std::exchange(currentThread, nullptr))
        timer_delete(self->m_timer);
    return nullptr;
}

// Wakes the thread in a while, with the mutex locked. Not taken back when the job is withdrawn: who does his work himself
// again and again, faster than the alarm comes, sets it once.
bool LockThread::setAlarm()
{
    if (!m_hasTimer || installHandler() != 0)
        return false;
    if (!std::exchange(m_hasAlarm, true))
        setTimer(kAlarmNanoseconds, kAlarmNanoseconds); // again where it comes just before the wait
    return true;
}

void LockThread::setTimer(long first, long again)
{
    itimerspec when = {};
    when.it_value.tv_nsec = first;
    when.it_interval.tv_nsec = again;
    timer_settime(m_timer, 0, &when, nullptr);
}

void LockThread::interrupt()
{
    if (installHandler() == 0)
        setTimer(1, kResendNanoseconds);
}

void LockThread::calm()
{
    setTimer(0, 0);
}

} // namespace QtLockFile::Internal
