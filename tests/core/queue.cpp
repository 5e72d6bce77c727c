// SPDX-License-Identifier: 0BSD
#include "coretest.h"

#include <memory>

#include <sys/stat.h>

namespace {

void threadsNeverHoldAtOnce(const std::string &path, const std::function<bool(int)> &removes)
{
    constexpr int kThreads = 4;
    Room room;
    std::atomic<int> held{0};
    inThreads(kThreads, [&](int thread) {
        TicketLock lock(path);
        for (int cycle = 0; cycle < 1500; ++cycle) {
            const LockOptions with = options(removes(thread));
            Outcome outcome = cycle % 3 == 0 ? lock.tryAcquire(with) : lock.acquire(with, never);
            if (outcome.isDone()) {
                room.enter();
                ++held;
                CHECK(lock.descriptor() >= 0);
                CHECK(countTicketsBefore(path, lock.place()) == 0); // and on the file that the path leads to
                room.leave();
            } else {
                CHECK(cycle % 3 == 0);
                CHECK(outcome.result == Result::Held);
            }
            outcome = lock.leave(with.remove);
            CHECK(outcome.isDone());
            CHECK(lock.descriptor() == -1);
        }
    });
    CHECK(held >= kThreads * 1000); // those that wait have it in the end
}

TEST(threadsThatRemoveTheFileNeverHoldAtOnceAndLeaveNone)
{
    threadsNeverHoldAtOnce(path, [](int) { return true; });
    CHECK(!exists(path));
}

TEST(threadsThatKeepTheFileNeverHoldAtOnce)
{
    threadsNeverHoldAtOnce(path, [](int) { return false; });
    CHECK(::unlink(path.c_str()) == 0);
}

TEST(threadsOfBothKindsNeverHoldAtOnce)
{
    threadsNeverHoldAtOnce(path, [](int thread) { return thread % 2 == 0; });
    ::unlink(path.c_str());
}

TEST(whoTriesNeverHoldsARemovedFile)
{
    Room room;
    std::atomic<int> held{0};
    inThreads(3, [&](int) {
        TicketLock lock(path);
        for (int i = 0; i < 10'000; ++i) {
            const Outcome outcome = lock.tryAcquire({});
            if (outcome.isDone()) {
                room.enter(0us);
                ++held;
                CHECK(countTicketsBefore(path, lock.place()) == 0);
                room.leave();
            } else {
                CHECK(outcome.result == Result::Held);
            }
            CHECK(lock.leave(true).isDone());
        }
    });
    CHECK(held > 0);
}

// Root may not use O_CREAT on a foreign file in a sticky folder, where the machine is set up so.
TEST(aFileThatIsThereIsOpenedWithoutCreating)
{
    if (kThreadSanitizer)
        return;
    ::close(openBytes(path));
    const int before = creatingOpens;
    TicketLock lock(path);
    CHECK(lock.acquire({}, never).isDone());
    CHECK(creatingOpens == before);
    CHECK(lock.leave(true).isDone());
    CHECK(lock.acquire({}, never).isDone());
    CHECK(creatingOpens == before + 1);
    CHECK(lock.leave(true).isDone());
}

TEST(whoGetsTheGateOfARemovedFileStartsOver)
{
    const int peer = openBytes(path);
    CHECK(tryLock(peer, LockKind::Write, kAllBytes) == 0);
    TicketLock lock(path);
    std::thread waiter([&] { CHECK(lock.acquire({}, never).isDone()); });
    CHECK(must([&] { return lookAtQueue(path).participants.size() == 2; })); // it waits for the gate
    CHECK(::unlink(path.c_str()) == 0);
    CHECK(::close(peer) == 0);
    waiter.join();
    struct stat status;
    CHECK(::stat(path.c_str(), &status) == 0);
    CHECK((lock.place().file == FileId{status.st_dev, status.st_ino}));
    CHECK(lock.leave(true).isDone());
    CHECK(!exists(path));
}

TEST(anOutsiderWhoRemovesTheFileCannotBlockAnybody)
{
    std::atomic<bool> stop{false};
    std::thread outsider([&] {
        while (!stop) {
            ::unlink(path.c_str());
            std::this_thread::yield();
        }
    });
    inThreads(3, [&](int) {
        TicketLock lock(path);
        for (int cycle = 0; cycle < 1000; ++cycle) {
            CHECK(lock.acquire({}, never).isDone());
            CHECK(lock.leave(true).isDone());
        }
    });
    stop = true;
    outsider.join();
    CHECK(!exists(path));
}

TEST(ticketsAreServedInTheOrderInWhichTheyWereDrawn)
{
    for (const bool outsider : {false, true}) {
        constexpr int kWaiters = 12;
        TicketLock holder(path);
        CHECK(holder.acquire({}, never).isDone());
        std::vector<std::unique_ptr<TicketLock>> locks;
        std::vector<std::thread> threads;
        std::atomic<int> served{0};
        for (int i = 0; i < kWaiters; ++i) {
            locks.push_back(std::make_unique<TicketLock>(path));
            threads.emplace_back([&served, i, lock = locks.back().get()] {
                CHECK(lock->acquire({}, never).isDone());
                CHECK(served.fetch_add(1) == i);
                CHECK(lock->leave(true).isDone());
            });
            CHECK(must([&] { return locks.back()->place().ticket == i + 1; }));
            CHECK(countTicketsBefore(path, locks.back()->place()) == i + 1);
        }
        if (outsider)
            CHECK(::unlink(path.c_str()) == 0);
        CHECK(holder.leave(true).isDone());
        for (std::thread &thread : threads)
            thread.join();
        CHECK(served == kWaiters);
        CHECK(!exists(path));
    }
}

TEST(aTryIsRefusedWhileAnotherHoldsAndNamesTheHolder)
{
    TicketLock holder(path);
    CHECK(holder.tryAcquire({}).isDone());
    inThreads(4, [&](int) {
        for (int i = 0; i < 300; ++i) {
            TicketLock other(path);
            const Outcome outcome = other.tryAcquire({});
            CHECK(outcome.result == Result::Held);
            CHECK(outcome.holder == ::getpid());
            CHECK(other.leave(true).isDone());
        }
    });
    CHECK(exists(path));
    CHECK(holder.leave(true).isDone());
    CHECK(!exists(path));
}

} // namespace
