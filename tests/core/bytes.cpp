// SPDX-License-Identifier: 0BSD
#include "coretest.h"
#include "systemlocks_p.h"

#include <algorithm>
#include <cerrno>
#include <memory>
#include <random>

namespace {

TEST(theLowestTheHighestAndAllLocksAreFoundAmongRandomOnes)
{
    const int looker = openBytes(path);
    std::mt19937_64 random(1);
    const auto below = [&](Offset limit) { return Offset(random() % uint64_t(limit)); };
    for (int round = 0; round < 400; ++round) {
        // Each lock has an owner of its own, so that neighbours do not become one. Some are far out, at the edges, long, or shared.
        std::vector<int> owners;
        std::vector<Bytes> locked;
        std::vector<LockKind> kinds;
        const Bytes all = round % 2 == 0 ? kTickets : Bytes{10, 500};
        const Offset spread = all.last - all.first + 1;
        const int count = int(below(13));
        for (int i = 0; i < count; ++i) {
            Offset first;
            switch (below(4)) {
            case 0: // dense
                first = all.first + below(std::min<Offset>(spread, 40));
                break;
            case 1: // anywhere
                first = all.first + below(spread);
                break;
            case 2:
                first = all.first;
                break;
            default:
                first = all.last;
            }
            Offset last = below(3) == 0 ? std::min(all.last, first + below(1 + std::min<Offset>(spread, 20))) : first;
            const LockKind kind = below(4) == 0 ? LockKind::Read : LockKind::Write;
            const int owner = openBytes(path);
            if (tryLock(owner, kind, {first, last}) != 0) {
                ::close(owner);
                continue;
            }
            owners.push_back(owner);
            locked.push_back({first, last});
            kinds.push_back(kind);
        }
        // What lies outside must not be found.
        const int outsider = openBytes(path);
        if (all.first > 0)
            CHECK(tryLock(outsider, LockKind::Write, {0, all.first - 1}) == 0);
        CHECK(tryLock(outsider, LockKind::Write, {all.last + 1, all.last + 1}) == 0);

        for (const LockKind asked : {LockKind::Write, LockKind::Read}) {
            Offset lowest = kEnd;
            Offset highest = -1;
            std::vector<Offset> firsts; // of locks that stand for themselves
            bool overlaps = false;
            for (size_t i = 0; i < locked.size(); ++i) {
                if (asked == LockKind::Read && kinds[i] == LockKind::Read)
                    continue;
                lowest = std::min(lowest, locked[i].first);
                highest = std::max(highest, locked[i].last);
                firsts.push_back(locked[i].first);
                for (size_t j = 0; j < i; ++j)
                    overlaps = overlaps || (locked[i].first <= locked[j].last && locked[j].first <= locked[i].last);
            }
            FoundLock found;
            CHECK(findLowestLock(looker, asked, all, &found) == 0);
            CHECK(found.found == (highest >= 0));
            CHECK(!found.found || found.bytes.first == lowest);
            CHECK(findHighestLock(looker, asked, all, &found) == 0);
            CHECK(found.found == (highest >= 0));
            CHECK(!found.found || found.bytes.last == highest);

            std::vector<FoundLock> everything;
            CHECK(findAllLocks(looker, asked, all, &everything) == 0);
            CHECK(std::is_sorted(everything.begin(), everything.end(), [](const FoundLock &a, const FoundLock &b) { return a.bytes.first < b.bytes.first; }));
            if (!overlaps) { // shared locks may lie on each other; then one that hides another is enough
                std::sort(firsts.begin(), firsts.end());
                CHECK(everything.size() == firsts.size());
                for (size_t i = 0; i < firsts.size(); ++i)
                    CHECK(everything[i].bytes.first == firsts[i]);
            }
        }
        for (const int owner : owners)
            ::close(owner);
        ::close(outsider);
    }
    ::close(looker);
    ::unlink(path.c_str());
}

TEST(aQueueOfThousandTicketsHasItsLowestAndHighestFound)
{
    const int looker = openBytes(path);
    const int owner = openBytes(path);
    const int hole = openBytes(path);
    for (Offset base : {Offset(0), Offset(123456789), kLastTicket - 2000}) {
        std::vector<Offset> tickets;
        for (Offset ticket = base; ticket < base + 1000; ++ticket)
            tickets.push_back(ticket);
        std::shuffle(tickets.begin(), tickets.end(), std::mt19937(2));
        for (const Offset ticket : tickets) // every second is another's, so the kernel's list has 1000 entries
            CHECK(tryLock(ticket % 2 == 0 ? owner : hole, LockKind::Write, ticketByte(ticket)) == 0);
        FoundLock found;
        CHECK(findLowestLock(looker, LockKind::Write, kTickets, &found) == 0);
        CHECK(found.bytes.first == base);
        CHECK(findHighestLock(looker, LockKind::Write, kTickets, &found) == 0);
        CHECK(found.bytes.last == base + 999);
        std::vector<FoundLock> all;
        CHECK(findAllLocks(looker, LockKind::Read, kTickets, &all) == 0);
        CHECK(all.size() == 1000);
        CHECK(unlock(owner, kAllBytes) == 0);
        CHECK(unlock(hole, kAllBytes) == 0);
    }
    for (const int descriptor : {looker, owner, hole})
        ::close(descriptor);
    ::unlink(path.c_str());
}

TEST(aLineOfTheSystemsListIsReadOnlyIfItIsOfTheFile)
{
    const std::vector<SystemLock> locks = parseSystemLocks("12: POSIX  ADVISORY  WRITE 1234 fe:00:5678 5 9\n"
                                                           "12:   -> OFDLCK ADVISORY  READ  -1 fe:00:5678 0 EOF\n",
                                                           "fe:00:5678");
    CHECK(locks.size() == 2);
    CHECK(locks[0].owner == SystemLock::Owner::Process && locks[0].kind == LockKind::Write && !locks[0].waits && locks[0].pid == 1234);
    CHECK(locks[0].bytes.first == 5 && locks[0].bytes.last == 9);
    CHECK(locks[1].owner == SystemLock::Owner::OpenFile && locks[1].kind == LockKind::Read && locks[1].waits && locks[1].pid == -1);
    CHECK(locks[1].bytes.first == 0 && locks[1].bytes.last == kEnd);
    for (const char *line :
         {"", "12:", "12: ->", "12: POSIX  ADVISORY  WRITE 1234 fe:00:56789 5 9", "12: POSIX  ADVISORY  WRITE 1234 1fe:00:5678 5 9",
          "12: FLOCK  ADVISORY  WRITE 1234 fe:00:5678 0 EOF", "12: POSIX  ADVISORY  UNLCK 1234 fe:00:5678 5 9", "12: POSIX  ADVISORY  WRITE 1234 fe:00:5678",
          "12: POSIX  ADVISORY  WRITE 1234 fe:00:5678 5", "12: POSIX  ADVISORY  WRITE 1x fe:00:5678 5 9", "12: POSIX  ADVISORY  WRITE 1234 fe:00:5678 -5 9",
          "12: POSIX  ADVISORY  WRITE 1234 fe:00:5678 9 5", "12: POSIX  ADVISORY  WRITE 1234 fe:00:5678 5 99999999999999999999",
          "fe:00:5678 fe:00:5678 fe:00:5678 fe:00:5678", "12:   -> OFDLCK ADVISORY  READ  -1 fe:00:5678 0 EOF"})
        CHECK(parseSystemLocks(line, "fe:00:5678").empty());
}

TEST(whoWaitsIsToldOfOnceThoughTheLockIsToldOfTwice)
{
    const std::string holder = "12: OFDLCK ADVISORY  WRITE -1 fe:00:5678 0 EOF\n";
    const std::string sharer = "13: POSIX  ADVISORY  READ  77 fe:00:5678 0 EOF\n";
    const std::string waiter = "12: -> POSIX  ADVISORY  WRITE 88 fe:00:5678 0 EOF\n";
    const std::string other = "12: -> POSIX  ADVISORY  WRITE 99 fe:00:5678 0 EOF\n";
    const auto waiting = [](const std::string &text) {
        std::vector<pid_t> pids;
        for (const SystemLock &lock : parseSystemLocks(text, "fe:00:5678")) {
            if (lock.waits)
                pids.push_back(lock.pid);
        }
        return pids;
    };
    CHECK((waiting(holder + waiter + other) == std::vector<pid_t>{88, 99}));
    CHECK((waiting(holder + waiter + holder + waiter + other) == std::vector<pid_t>{88, 99})); // as it was the second time
    CHECK((waiting(holder + waiter + other + sharer + holder + other) == std::vector<pid_t>{99}));
    CHECK((waiting(holder + waiter + sharer + other) == std::vector<pid_t>{88, 99})); // behind two different ones
    CHECK((waiting(sharer + waiter + sharer) == std::vector<pid_t>{88}));             // whose second has nobody behind it
}

TEST(whoWaitsIsSeenOnceWhateverOthersLockMeanwhile)
{
    const int holder = openBytes(path);
    CHECK(tryLock(holder, LockKind::Write, kAllBytes) == 0);
    LockWorker waiter(path, nullptr);
    waiter.acquire({}, true);
    OpenFile file;
    CHECK(file.openToLook(path) == 0);
    const auto waiting = [&] {
        const std::vector<SystemLock> locks = systemLocksOf(file.id());
        return std::count_if(locks.begin(), locks.end(), [](const SystemLock &lock) { return lock.waits; });
    };
    CHECK(must([&] { return waiting() == 1; }));

    const std::string elsewhere = path + ".other";
    std::atomic<bool> over{false};
    std::thread busy([&] {
        constexpr int kLocks = 300; // some pages
        std::mt19937 random(1);
        const int other = openBytes(elsewhere);
        while (!over) {
            const Offset byte = 2 * Offset(random() % kLocks);
            tryLock(other, LockKind::Write, {byte, byte});
            const Offset gone = 2 * Offset(random() % kLocks);
            unlock(other, {gone, gone});
        }
        ::close(other);
    });
    for (int i = 0; i < 2000; ++i)
        CHECK(waiting() <= 1);
    over = true;
    busy.join();
    ::unlink(elsewhere.c_str());
    unlock(holder, kAllBytes);
    CHECK(waiter.waitForEvent(in(kLong)));
    waiter.release(true);
    CHECK(waiter.waitUntilIdle(in(kLong)));
    ::close(holder);
}

TEST(whatTheSystemsListMissesIsAskedFor)
{
    std::mt19937 random(3);
    const int looker = openBytes(path);
    std::vector<int> owners;
    std::vector<SystemLock> told;
    for (int i = 0; i < 40; ++i) {
        owners.push_back(openBytes(path));
        const Offset ticket = i < 20 ? i : 3 * i; // side by side, and with gaps
        CHECK(tryLock(owners.back(), LockKind::Write, ticketByte(ticket)) == 0);
        told.push_back({SystemLock::Owner::OpenFile, LockKind::Write, false, -1, ticketByte(ticket)});
    }
    std::vector<FoundLock> all;
    CHECK(findAllLocks(looker, LockKind::Read, kTickets, &all) == 0);
    CHECK(all.size() == owners.size());
    for (int round = 0; round < 200; ++round) {
        std::vector<SystemLock> some;
        for (const SystemLock &lock : told) {
            if (random() % 4 < unsigned(round % 5))
                some.push_back(lock);
            if (random() % 8 == 0)
                some.push_back({SystemLock::Owner::OpenFile, LockKind::Read, random() % 2 == 0, -1, {0, lock.bytes.first}}); // of who waits
            if (random() % 8 == 0)
                some.push_back(lock); // told twice
        }
        const Bytes bytes{Offset(random() % 30), Offset(30 + random() % 100)};
        std::vector<FoundLock> found;
        CHECK(findTickets(looker, bytes, some, &found) == 0);
        std::vector<Offset> expected;
        for (const FoundLock &lock : all) {
            if (lock.bytes.first >= bytes.first && lock.bytes.last <= bytes.last)
                expected.push_back(lock.bytes.first);
        }
        CHECK(found.size() == expected.size());
        for (size_t i = 0; i < expected.size(); ++i)
            CHECK(found[i].bytes.first == expected[i] && found[i].bytes.last == expected[i]);
    }
    for (const int owner : owners)
        ::close(owner);
    // What was told has gone, and something longer lies there.
    CHECK(tryLock(owners.front() = openBytes(path), LockKind::Write, kTickets) == 0);
    std::vector<FoundLock> found;
    CHECK(findTickets(looker, kTickets, {told.begin() + 1, told.end()}, &found) == 0);
    CHECK(found.size() == 1 && found.front().bytes.last == kTickets.last);
    ::close(owners.front());
    ::close(looker);
    ::unlink(path.c_str());
}

TEST(manyInOneProcessAreAllSeen)
{
    constexpr int kWaiters = 80; // more than are asked for one by one
    const auto seen = [&] {
        const QueueLook look = lookAtQueue(path);
        CHECK(look.error == 0);
        for (size_t i = 1; i < look.participants.size(); ++i)
            CHECK(look.participants[i - 1].ticket < look.participants[i].ticket);
        for (const QueueLook::Participant &participant : look.participants)
            CHECK(participant.pid == ::getpid() && participant.ticket >= 0);
        return look.participants.size();
    };
    TicketLock holder(path);
    CHECK(holder.acquire({}, never).isDone());
    std::vector<std::unique_ptr<LockWorker>> workers;
    for (int i = 0; i < kWaiters; ++i) {
        workers.push_back(std::make_unique<LockWorker>(path, nullptr));
        workers.back()->acquire({}, true);
        CHECK(must([&] { return workers.back()->place().ticket == i + 1; }));
    }
    CHECK(must([&] { return seen() == kWaiters + 1; })); // the last tag comes after its ticket
    CHECK(countTicketsBefore(path, workers.back()->place()) == kWaiters);
    for (int i = 0; i < kWaiters - 1; i += 2) {
        workers[size_t(i)]->end();
        CHECK(workers[size_t(i)]->waitForEvent(in(kLong)));
    }
    CHECK(seen() == kWaiters / 2 + 1);
    CHECK(countTicketsBefore(path, workers.back()->place()) == kWaiters / 2);
    for (const auto &worker : workers) {
        worker->end();
        CHECK(worker->waitUntilIdle(in(kLong)));
    }
    CHECK(holder.leave(true).isDone());
}

} // namespace
