// SPDX-License-Identifier: 0BSD
#include "coretest.h"
#include "lockthread_p.h"

#include <array>
#include <set>

#include <dirent.h>
#include <signal.h>

namespace {

int threadsOfThisProcess()
{
    int count = 0;
    DIR *const folder = ::opendir("/proc/self/task");
    while (folder && ::readdir(folder))
        ++count;
    ::closedir(folder);
    return count;
}

void acquireAndReleaseHere(LockWorker &worker)
{
    LockWorker::Event event;
    worker.acquire({}, true);
    CHECK(worker.waitForEvent(LockWorker::TimePoint::max()) && worker.take(&event) && event.kind == Kind::Acquired);
    worker.release(true);
    CHECK(worker.waitForEvent(LockWorker::TimePoint::max()) && worker.take(&event) && event.kind == Kind::Released);
}

TEST(whoDoesTheWorkHimselfIsGivenNoThreads)
{
    const int before = threadsOfThisProcess();
    LockWorker worker(path, nullptr);
    int most = 0;
    for (int cycle = 0; cycle < 2000; ++cycle) {
        acquireAndReleaseHere(worker);
        if (cycle % 50 == 0)
            most = std::max(most, threadsOfThisProcess());
    }
    CHECK(most <= before + 4);
    CHECK(!exists(path));
}

TEST(whoOnceDidTheWorkHimselfNeedNotDoItAgain)
{
    std::atomic<int> notified{0};
    LockWorker worker(path, [&] { ++notified; });
    const auto comesByItself = [&](Kind kind) {
        LockWorker::Event event{};
        return must([&] { return worker.take(&event); }) && event.kind == kind;
    };
    for (int cycle = 0; cycle < 20; ++cycle) {
        CHECK(must([&] { // a thread may be faster, and notifies
            const int before = notified;
            acquireAndReleaseHere(worker);
            return notified == before;
        }));
        const int before = notified;
        worker.acquire({}, true);
        CHECK(comesByItself(Kind::Acquired));
        worker.release(true);
        CHECK(comesByItself(Kind::Released));
        CHECK(must([&] { return notified >= before + 2; }));
    }
    CHECK(!exists(path));
}

TEST(threadsWhoseJobsWereWithdrawnEnd)
{
    const int before = threadsOfThisProcess();
    std::array<char, 32> keys;
    for (const char &key : keys)
        CHECK(LockThread::run([] {}, &key) == 0);
    for (const char &key : keys)
        LockThread::withdraw(&key);
    CHECK(must([&] { return threadsOfThisProcess() <= before + 4; }));
}

TEST(anIdleThreadIsUsedAgain)
{
    std::set<pid_t> threads; // several may be idle, and take turns
    CHECK(must([&] {
        std::this_thread::sleep_for(kShort / 10); // it may take a moment until it is idle
        std::atomic<pid_t> thread{0};
        CHECK(LockThread::run([&] { thread = ::gettid(); }) == 0);
        CHECK(must([&] { return thread != 0; }));
        return !threads.insert(thread).second;
    }));
}

TEST(jobsRunOnThreadsThatBlockEverySignalButOne)
{
    std::atomic<int> unblocked{-1};
    CHECK(LockThread::run([&] {
              sigset_t mask;
              pthread_sigmask(SIG_SETMASK, nullptr, &mask);
              int count = 0;
              for (int signal = 1; signal <= SIGRTMAX; ++signal)
                  count += (signal < 32 || signal >= SIGRTMIN) && signal != SIGKILL && signal != SIGSTOP && !sigismember(&mask, signal);
              unblocked = count;
          })
          == 0);
    CHECK(must([&] { return unblocked >= 0; }));
    CHECK(unblocked == 1);
}

} // namespace
