// SPDX-License-Identifier: 0BSD
#include "coretest.h"

#include <dirent.h>
#include <sys/stat.h>
#include <sys/syscall.h>

namespace {

size_t openDescriptors()
{
    size_t count = 0;
    DIR *const folder = ::opendir("/proc/self/fd");
    while (folder && ::readdir(folder))
        ++count;
    ::closedir(folder);
    return count;
}

bool isAsleep(pid_t thread)
{
    std::ifstream status("/proc/self/task/" + std::to_string(thread) + "/status");
    std::string line;
    while (std::getline(status, line) && line.rfind("State:", 0) != 0) { }
    return line.find("S (sleeping)") != std::string::npos;
}

TEST(aTryOutlastsAPassingGate)
{
    const int stranger = openBytes(path);
    // On a busy machine the gate may pass too late. It is enough that it passes in time once.
    CHECK(must([&] {
        CHECK(tryLock(stranger, LockKind::Write, kGateByte) == 0);
        std::atomic<pid_t> id{0};
        std::atomic<long> before{0};
        std::atomic<bool> done{false};
        bool acquired = false;
        std::thread trying([&] {
            TicketLock lock(path);
            before = switchesOf(std::to_string(::gettid()));
            id = ::gettid();
            acquired = lock.tryAcquire({}).isDone();
            done = true;
            lock.leave(false);
        });
        // After a few pauses it has looked at the gate, and again.
        while (!done && (id == 0 || switchesOf(std::to_string(id)) < before + 4)) { }
        CHECK(unlock(stranger, kGateByte) == 0);
        trying.join();
        return acquired;
    }));
    ::close(stranger);
    ::unlink(path.c_str());
}

TEST(comingAndGoingOnTheSameFileCostsNoNameAndNoDescriptor)
{
    const size_t before = openDescriptors();
    TicketLock holder(path);
    CHECK(holder.acquire({}, never).isDone());
    std::atomic<bool> ended{true};
    const auto comeAndGo = [&] {
        for (int i = 0; i < 300; ++i) {
            TicketLock tries(path);
            CHECK(tries.tryAcquire({}).result == Result::Held);
            CHECK(tries.leave(true).isDone());
            TicketLock waits(path);
            CHECK(waits.acquire({}, ended).result == Result::Ended);
            CHECK(waits.leave(true).isDone());
            const QueueLook look = lookAtQueue(path);
            CHECK(look.participants.size() >= 1);
            CHECK(look.participants.front().pid == ::getpid());
            CHECK(look.participants.front().ticket == 0);
        }
    };
    inThreads(1, [&](int) { comeAndGo(); });
    CHECK(openDescriptors() <= before + 1 + 2); // the holder's, and what was in use at once
    inThreads(4, [&](int) { comeAndGo(); });
    CHECK(openDescriptors() <= before + 1 + 4 * 2);
    FoundLock tag;
    const int looker = ::open("/proc/self/fd/0", O_RDONLY | O_CLOEXEC);
    ::close(looker); // another file's close does not matter
    CHECK(findLock(holder.descriptor(), LockKind::Write, nameTagByte(0), &tag) == 0);
    CHECK(tag.found && tag.pid == ::getpid());
    CHECK(holder.leave(true).isDone());
    CHECK(openDescriptors() == before); // with the last tag all are closed
    CHECK(!exists(path));
}

// A close takes the names that the process has on the file with it.
TEST(aNameThatIsSetDuringACloseStays)
{
    if (kThreadSanitizer)
        return;
    TicketLock first(path);
    TicketLock second(path);
    CHECK(first.acquire(options(false), never).isDone());
    holdCloses = true;
    std::thread leaving([&] { CHECK(first.leave(false).isDone()); });
    CHECK(must([&] { return heldCloses == 1; }));
    std::atomic<pid_t> id{0};
    std::atomic<bool> acquired{false};
    std::thread acquiring([&] {
        id = pid_t(::syscall(SYS_gettid));
        CHECK(second.acquire(options(false), never).isDone());
        acquired = true;
    });
    CHECK(must([&] { return acquired || (id > 0 && isAsleep(id)); }));
    holdCloses = false;
    leaving.join();
    acquiring.join();
    FoundLock tag;
    CHECK(findLock(second.descriptor(), LockKind::Write, nameTagByte(second.place().ticket), &tag) == 0);
    CHECK(tag.found && tag.pid == ::getpid());
    CHECK(second.leave(true).isDone());
}

TEST(aNameGoesBeforeItsTicketAndIsTheNextHoldersAtOnce)
{
    // Kept, so that all meet on one file and on the same tags.
    Room room;
    inThreads(3, [&](int) {
        TicketLock lock(path);
        for (int cycle = 0; cycle < 1000; ++cycle) {
            CHECK(lock.acquire(options(false), never).isDone());
            room.enter();
            FoundLock tag;
            CHECK(findLock(lock.descriptor(), LockKind::Write, nameTagByte(lock.place().ticket), &tag) == 0);
            CHECK(tag.found && tag.pid == ::getpid());
            room.leave();
            CHECK(lock.leave(false).isDone());
        }
    });
    ::unlink(path.c_str());
}

TEST(whoLeavesUnlocksTheGateAlsoWhereItsFileStaysOpen)
{
    const int stranger = openBytes(path);
    TicketLock first(path);
    CHECK(first.acquire({}, never).isDone());
    TicketLock second(path);
    std::thread waiter([&] { CHECK(second.acquire({}, never).isDone()); });
    CHECK(must([&] { return second.place().ticket == 1; }));
    CHECK(first.leave(true).isDone()); // parks, since this process has another name tag on the file
    FoundLock gate;
    CHECK(findLock(stranger, LockKind::Write, kGateByte, &gate) == 0);
    CHECK(!gate.found);
    waiter.join();
    CHECK(second.leave(true).isDone());
    CHECK(!exists(path));
    ::close(stranger);
}

TEST(aLookWhileOthersFightNamesNobodyElse)
{
    constexpr int kThreads = 3;
    std::atomic<bool> stop{false};
    std::thread looker([&] {
        int looks = 0;
        while (!stop || looks == 0) {
            const QueueLook look = lookAtQueue(path);
            CHECK(look.error == 0);
            // In several looks somebody may be met twice, but each can have moved on only so far.
            for (const QueueLook::Participant &one : look.participants)
                CHECK(one.pid == ::getpid() || one.pid <= 0);
            CHECK(std::is_sorted(look.participants.begin(), look.participants.end(),
                                 [](const auto &a, const auto &b) { return a.ticket >= 0 && b.ticket >= 0 && a.ticket < b.ticket; }));
            ++looks;
        }
    });
    inThreads(kThreads, [&](int thread) {
        TicketLock lock(path);
        for (int cycle = 0; cycle < 1000; ++cycle) {
            CHECK(lock.acquire({}, never).isDone());
            CHECK(countTicketsBefore(path, lock.place()) == 0);
            CHECK(lock.leave(thread != 0).isDone());
        }
    });
    stop = true;
    looker.join();
    const QueueLook look = lookAtQueue(path);
    CHECK(look.error == 0 && look.participants.empty() && look.since == -1);
    ::unlink(path.c_str());
}

} // namespace
