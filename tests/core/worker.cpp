// SPDX-License-Identifier: 0BSD
#include "coretest.h"

#include <cerrno>
#include <map>
#include <memory>
#include <random>

#include <dirent.h>

namespace {

TEST(workersOfSeveralThreadsNeverHoldAtOnce)
{
    Room room;
    inThreads(3, [&](int) {
        std::atomic<int> notified{0};
        LockWorker worker(path, [&] { ++notified; });
        for (int cycle = 0; cycle < 1000; ++cycle) {
            if (cycle % 5 == 0) {
                if (!worker.tryAcquire({}).isDone())
                    continue;
            } else {
                worker.acquire({}, true);
                CHECK(next(worker).kind == Kind::Acquired);
            }
            room.enter();
            CHECK(worker.descriptor() >= 0);
            CHECK(countTicketsBefore(path, worker.place()) == 0);
            room.leave();
            worker.release(true);
            CHECK(next(worker).kind == Kind::Released);
        }
        CHECK(must([&] { return notified >= 2 * 800; })); // an event may be taken before it is told of
    });
    CHECK(must([&] { return !exists(path); }));
}

// Ends attempts at every moment of their life; each has exactly one result.
TEST(endRacedAgainstStartBlockAndGrantIsNeverLost)
{
    Room room;
    std::atomic<int> ended{0};
    std::atomic<int> acquired{0};
    inThreads(3, [&](int thread) {
        std::mt19937 random{unsigned(thread)};
        std::atomic<int> notified{0};
        LockWorker worker(path, [&] { ++notified; });
        int results = 0;
        for (int cycle = 0; cycle < 2500; ++cycle) {
            worker.acquire({}, true);
            const auto until = std::chrono::steady_clock::now() + std::chrono::microseconds(random() % 300);
            while (std::chrono::steady_clock::now() < until) { }
            const bool toEnd = cycle % 4 != 0;
            if (toEnd)
                worker.end();
            const LockWorker::Event event = next(worker);
            ++results;
            if (toEnd) {
                CHECK(event.kind == Kind::Failed && event.outcome.result == Result::Ended);
                ++ended;
            } else {
                CHECK(event.kind == Kind::Acquired);
                room.enter();
                ++acquired;
                room.leave();
                worker.release(true);
                CHECK(next(worker).kind == Kind::Released);
                ++results;
            }
            CHECK(worker.waitUntilIdle(in(kLong)));
            LockWorker::Event more{};
            CHECK(!worker.take(&more));
            CHECK(worker.descriptor() == -1);
        }
        CHECK(notified >= results);
    });
    CHECK(ended > 0 && acquired > 0);
    TicketLock after(path);
    CHECK(after.tryAcquire({}).isDone());
    CHECK(after.leave(true).isDone());
    CHECK(!exists(path));
}

TEST(theLastOfSeveralWhoLeaveAtOnceRemovesTheFile)
{
    constexpr int kWorkers = 4;
    std::mt19937 random(3);
    for (int round = 0; round < 1000; ++round) {
        std::vector<std::unique_ptr<LockWorker>> workers;
        for (int i = 0; i < kWorkers; ++i) {
            workers.push_back(std::make_unique<LockWorker>(path, [] {}));
            workers.back()->acquire({}, true);
            CHECK(must([&] { return workers.back()->place().ticket == i; }));
        }
        CHECK(next(*workers.front()).kind == Kind::Acquired);
        std::shuffle(workers.begin() + (round % 2), workers.end(), random);
        for (const auto &worker : workers) {
            if (worker->place().ticket == 0)
                worker->release(true);
            else
                worker->end();
        }
        for (const auto &worker : workers)
            CHECK(worker->waitUntilIdle(in(kLong)));
        CHECK(!exists(path));
    }
}

// A signal that comes just before the system call blocks is lost, so another has to follow.
TEST(anEndJustBeforeTheWaitBlocksIsNotLost)
{
    TicketLock holder(path);
    CHECK(holder.acquire({}, never).isDone());
    LockWorker waiter(path, [] {});
    std::mt19937 random(4);
    for (int round = 0; round < 8000; ++round) {
        waiter.acquire({}, true);
        // With the ticket drawn it is a few microseconds away from the wait.
        CHECK(must([&] { return waiter.place().ticket > 0; }));
        const auto until = std::chrono::steady_clock::now() + std::chrono::nanoseconds(random() % (1000u << (round % 7)));
        while (std::chrono::steady_clock::now() < until) { }
        waiter.end();
        CHECK(next(waiter).outcome.result == Result::Ended);
    }
    CHECK(waiter.waitUntilIdle(in(kLong)));
    CHECK(holder.leave(true).isDone());
}

TEST(anEndThatComesBetweenTheLookAndTheWaitIsSentAgain)
{
    if (kThreadSanitizer)
        return;
    TicketLock holder(path);
    CHECK(holder.acquire({}, never).isDone());
    LockWorker waiter(path, [] {});
    pauseBeforeWait = true;
    waiter.acquire({}, true);
    CHECK(must([] { return pausedBeforeWait.load(); }));
    waiter.end();
    CHECK(next(waiter).outcome.result == Result::Ended);
    CHECK(waiter.waitUntilIdle(in(kLong)));
    CHECK(holder.leave(true).isDone());
}

// How often each thread of this process, but for the calling one, was put to sleep.
std::map<std::string, long> switchesOfOtherThreads()
{
    std::map<std::string, long> switches;
    DIR *const folder = ::opendir("/proc/self/task");
    while (const dirent *const entry = ::readdir(folder)) {
        if (entry->d_name[0] != '.' && std::atoi(entry->d_name) != ::gettid())
            switches[entry->d_name] = switchesOf(entry->d_name);
    }
    ::closedir(folder);
    return switches;
}

// A thread that has just been told to wait may still be on its way.
std::map<std::string, long> switchesOnceAllSleep()
{
    std::map<std::string, long> switches;
    CHECK(must([&] {
        switches = switchesOfOtherThreads();
        std::this_thread::sleep_for(kShort);
        return switchesOfOtherThreads() == switches;
    }));
    return switches;
}

TEST(aHandOverWakesOnlyTheNext)
{
    if (kThreadSanitizer)
        return;
    TicketLock holder(path);
    CHECK(holder.acquire({}, never).isDone());
    std::vector<std::unique_ptr<LockWorker>> waiters;
    for (int i = 0; i < 6; ++i) {
        waiters.push_back(std::make_unique<LockWorker>(path, [] {}));
        waiters.back()->acquire({}, true);
        CHECK(must([&] { return waiters.back()->place().ticket > 0; }));
    }
    const auto before = switchesOnceAllSleep();
    CHECK(holder.leave(true).isDone());
    CHECK(next(*waiters.front()).kind == LockWorker::Event::Kind::Acquired);
    int woken = 0;
    for (const auto &[thread, count] : switchesOnceAllSleep()) {
        const auto known = before.find(thread);
        woken += known == before.end() || known->second != count;
    }
    CHECK(woken <= 1);
    while (!waiters.empty())
        waiters.pop_back();
    CHECK(must([&] { return !exists(path); }));
}

TEST(neitherAWaitNorWhatIsLeftOfAnEndedOneWakesUp)
{
    if (kThreadSanitizer)
        return;
    TicketLock holder(path);
    CHECK(holder.acquire({}, never).isDone());
    std::vector<std::unique_ptr<LockWorker>> waiters;
    for (int i = 0; i < 6; ++i) {
        waiters.push_back(std::make_unique<LockWorker>(path, [] {}));
        waiters.back()->acquire({}, true);
        CHECK(must([&] { return waiters.back()->place().ticket > 0; }));
    }
    for (int i = 0; i < 3; ++i) {
        waiters.back()->end();
        CHECK(next(*waiters.back()).outcome.result == Result::Ended);
        CHECK(waiters.back()->waitUntilIdle(in(kLong)));
        waiters.pop_back();
    }
    switchesOnceAllSleep();
    waiters.clear();
    CHECK(must([&] { return lookAtQueue(path).participants.size() == 1; }));
    CHECK(holder.leave(true).isDone());
    CHECK(!exists(path));
}

TEST(anEndedWaitDoesNotEndTheNextOne)
{
    LockWorker holder(path, [] {});
    CHECK(holder.tryAcquire({}).isDone());
    LockWorker waiter(path, [] {});
    for (int round = 0; round < 20; ++round) {
        waiter.acquire({}, true);
        waiter.end();
        CHECK(next(waiter).outcome.result == Result::Ended);
    }
    waiter.acquire({}, true);
    CHECK(!waiter.waitForEvent(in(kShort)));
    holder.release(true);
    CHECK(next(waiter).kind == Kind::Acquired);
    waiter.release(true);
    CHECK(next(waiter).kind == Kind::Released);
    CHECK(next(holder).kind == Kind::Released);
}

TEST(aWorkerThatIsDestroyedLeavesTheLockToOthers)
{
    std::atomic<int> notified{0};
    for (int round = 0; round < 500; ++round) {
        LockWorker other(path, [] {});
        other.acquire({}, true);
        {
            LockWorker worker(path, [&] { ++notified; });
            worker.acquire({}, true);
            if (round % 3 == 0)
                std::this_thread::yield();
        } // acquiring or acquired
        const int then = notified;
        CHECK(next(other).kind == Kind::Acquired);
        CHECK(notified == then);
        other.release(true);
        CHECK(next(other).kind == Kind::Released);
    }
    CHECK(must([&] { return !exists(path); }));
}

TEST(manyWaitersHaveAThreadEachAndAllAreEnded)
{
    TicketLock holder(path);
    CHECK(holder.acquire({}, never).isDone());
    std::vector<std::unique_ptr<LockWorker>> waiters;
    for (int i = 0; i < 30; ++i) {
        waiters.push_back(std::make_unique<LockWorker>(path, [] {}));
        waiters.back()->acquire({}, true);
    }
    for (const auto &waiter : waiters)
        CHECK(must([&] { return waiter->place().ticket > 0; }));
    for (const auto &waiter : waiters)
        waiter->end();
    for (const auto &waiter : waiters) {
        CHECK(next(*waiter).outcome.result == Result::Ended);
        CHECK(waiter->waitUntilIdle(in(kLong)));
    }
    CHECK(lookAtQueue(path).participants.size() == 1);
    CHECK(holder.leave(true).isDone());
    CHECK(!exists(path));
}

} // namespace
