// SPDX-License-Identifier: 0BSD
#include "lockworker_p.h"
#include "ticketlock_p.h"

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

#include <unistd.h>

// The part that is free of Qt, in a program that is free of Qt too: ThreadSanitizer does not know the locks inside of a Qt that was built
// without it, and would see races where there are none. Nor does it know file locks: what they guard is atomic here.

using namespace QtLockFile::Internal;
using namespace std::chrono_literals;

namespace {

const std::atomic<bool> never{false};

void require(bool fact, const char *claim)
{
    if (fact)
        return;
    std::fprintf(stderr, "Not true: %s\n", claim);
    std::exit(1);
}

LockWorker::TimePoint soon()
{
    return std::chrono::steady_clock::now() + 10s;
}

void aTryWhileAnotherThreadHoldsIsRefusedAndNamesUs(const std::string &path)
{
    TicketLock holder(path);
    require(holder.acquire({}, never).isDone(), "a free lock can be had");
    std::thread([&] {
        TicketLock other(path);
        const Outcome outcome = other.tryAcquire({});
        require(outcome.result == Outcome::Result::Held, "a held lock is refused");
        require(outcome.holder == ::getpid(), "the holder is named");
        other.leave(true);
    }).join();
    require(holder.leave(true).isDone(), "the holder leaves");
    require(::access(path.c_str(), F_OK) != 0 && errno == ENOENT, "the file is removed by the last one out");
}

void twoThreadsNeverHoldAtOnce(const std::string &path)
{
    std::atomic<int> holders{0};
    const auto cycles = [&] {
        TicketLock lock(path);
        for (int i = 0; i < 500; ++i) {
            require(lock.acquire({}, never).isDone(), "the lock is had in the end");
            require(holders.fetch_add(1) == 0, "nobody else holds it");
            holders.fetch_sub(1);
            require(lock.leave(true).isDone(), "the lock is let go");
        }
    };
    std::thread one(cycles);
    std::thread two(cycles);
    one.join();
    two.join();
    require(::access(path.c_str(), F_OK) != 0, "the file is gone after the last");
}

void aWaitThatIsEndedLeavesTheHolderAlone(const std::string &path)
{
    LockWorker holder(path, [] { });
    require(holder.tryAcquire({}).isDone(), "a free lock can be had at once");

    std::atomic<int> notified{0};
    LockWorker waiter(path, [&] { ++notified; });
    waiter.acquire({}, true);
    require(!waiter.waitForEvent(std::chrono::steady_clock::now() + 10ms), "a held lock is waited for");
    waiter.end();
    LockWorker::Event event;
    require(waiter.waitForEvent(soon()) && waiter.take(&event), "an ended wait has a result");
    require(event.kind == LockWorker::Event::Kind::Failed && event.outcome.result == Outcome::Result::Ended, "the result is Ended");
    require(notified == 1, "one result is notified once");

    waiter.acquire({}, true);
    holder.release(true);
    require(waiter.waitForEvent(soon()) && waiter.take(&event), "the lock is handed over");
    require(event.kind == LockWorker::Event::Kind::Acquired, "the waiter has it");
    waiter.release(true);
    require(waiter.waitUntilIdle(soon()) && holder.waitUntilIdle(soon()), "the threads come to rest");
}

} // namespace

int main()
{
    std::string folder = "/tmp/tst_core-XXXXXX";
    require(::mkdtemp(folder.data()) != nullptr, "there is a temporary folder");
    const std::string path = folder + "/lock";

    aTryWhileAnotherThreadHoldsIsRefusedAndNamesUs(path);
    twoThreadsNeverHoldAtOnce(path);
    aWaitThatIsEndedLeavesTheHolderAlone(path);

    require(::rmdir(folder.c_str()) == 0, "nothing is left behind");
}
