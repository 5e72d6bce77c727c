// SPDX-License-Identifier: 0BSD
#include "lockbytes_p.h"
#include "lockthread_p.h"
#include "lockworker_p.h"
#include "openfile_p.h"
#include "queuelook_p.h"
#include "ticketlock_p.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// The part that is free of Qt, in a program that is free of Qt too: ThreadSanitizer does not know the locks inside of a Qt that was built
// without it, and would see races where there are none. Nor does it know file locks, so what they guard here is atomic.
// Each test has a name that is a claim, and a folder of its own that is empty in the end.

using namespace QtLockFile::Internal;
using namespace std::chrono_literals;
using Kind = LockWorker::Event::Kind;
using Result = Outcome::Result;

#define CHECK(fact) \
    do { \
        if (!(fact)) \
            failAt(__LINE__, #fact); \
    } while (false)

namespace {

#if defined(__SANITIZE_THREAD__)
constexpr bool kThreadSanitizer = true; // has a thread of its own, which wakes up
#else
constexpr bool kThreadSanitizer = false;
#endif

constexpr auto kShort = 100ms; // proves that nothing happened
constexpr auto kLong = 30s;    // must happen

const char *currentTest = "";
const std::atomic<bool> never{false};

[[noreturn]] void failAt(int line, const char *fact)
{
    std::fprintf(stderr, "FAIL: %s: not true: %s (line %d)\n", currentTest, fact, line);
    std::_Exit(1);
}

std::atomic<bool> pauseBeforeWait{false}; // the next wait for tickets begins only after a signal has come
std::atomic<bool> pausedBeforeWait{false};
std::atomic<int> creatingOpens{0};

LockWorker::TimePoint in(std::chrono::milliseconds time)
{
    return std::chrono::steady_clock::now() + time;
}

template<typename Condition>
bool must(Condition condition)
{
    for (const auto deadline = in(kLong); !condition();) {
        if (std::chrono::steady_clock::now() > deadline)
            return false;
        std::this_thread::yield();
    }
    return true;
}

bool exists(const std::string &path)
{
    return ::access(path.c_str(), F_OK) == 0;
}

size_t openDescriptors()
{
    size_t count = 0;
    DIR *const folder = ::opendir("/proc/self/fd");
    while (folder && ::readdir(folder))
        ++count;
    ::closedir(folder);
    return count;
}

LockOptions options(bool remove)
{
    LockOptions result;
    result.remove = remove;
    return result;
}

void inThreads(int count, const std::function<void(int)> &run)
{
    std::vector<std::thread> threads;
    for (int i = 0; i < count; ++i)
        threads.emplace_back(run, i);
    for (std::thread &thread : threads)
        thread.join();
}

// Who is inside? Never more than one.
class Room
{
public:
    void enter(std::chrono::microseconds stay = 30us)
    {
        CHECK(m_inside.fetch_add(1) == 0);
        for (const auto until = in(0ms) + stay; std::chrono::steady_clock::now() < until;) // the others have a chance
            std::this_thread::yield();
    }
    void leave() { CHECK(m_inside.fetch_sub(1) == 1); }

private:
    std::atomic<int> m_inside{0};
};

// Takes the next event, which must come.
LockWorker::Event next(LockWorker &worker)
{
    LockWorker::Event event{};
    CHECK(worker.waitForEvent(in(kLong)));
    CHECK(worker.take(&event));
    return event;
}

// ---- the bytes ----

int openBytes(const std::string &path)
{
    const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    CHECK(descriptor >= 0);
    return descriptor;
}

void theLowestTheHighestAndAllLocksAreFoundAmongRandomOnes(const std::string &path)
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

void aQueueOfThousandTicketsHasItsLowestAndHighestFound(const std::string &path)
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

void aLineOfTheSystemsListIsReadOnlyIfItIsOfTheFile(const std::string &)
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

void whoWaitsIsToldOfOnceThoughTheLockIsToldOfTwice(const std::string &)
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

void whoWaitsIsSeenOnceWhateverOthersLockMeanwhile(const std::string &path)
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

void whatTheSystemsListMissesIsAskedFor(const std::string &path)
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

void manyInOneProcessAreAllSeen(const std::string &path)
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

// ---- the queue ----

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

void threadsThatRemoveTheFileNeverHoldAtOnceAndLeaveNone(const std::string &path)
{
    threadsNeverHoldAtOnce(path, [](int) { return true; });
    CHECK(!exists(path));
}

void threadsThatKeepTheFileNeverHoldAtOnce(const std::string &path)
{
    threadsNeverHoldAtOnce(path, [](int) { return false; });
    CHECK(::unlink(path.c_str()) == 0);
}

void threadsOfBothKindsNeverHoldAtOnce(const std::string &path)
{
    threadsNeverHoldAtOnce(path, [](int thread) { return thread % 2 == 0; });
    ::unlink(path.c_str());
}

void whoTriesNeverHoldsARemovedFile(const std::string &path)
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
void aFileThatIsThereIsOpenedWithoutCreating(const std::string &path)
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

void whoGetsTheGateOfARemovedFileStartsOver(const std::string &path)
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

void anOutsiderWhoRemovesTheFileCannotBlockAnybody(const std::string &path)
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

void ticketsAreServedInTheOrderInWhichTheyWereDrawn(const std::string &path)
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

void aTryIsRefusedWhileAnotherHoldsAndNamesTheHolder(const std::string &path)
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

// ---- names and parked descriptors ----

// How often a thread of this process was put to sleep.
long switchesOf(const std::string &thread)
{
    std::ifstream status("/proc/self/task/" + thread + "/status");
    long count = 0;
    for (std::string line; std::getline(status, line);) {
        if (std::sscanf(line.c_str(), "voluntary_ctxt_switches: %ld", &count) == 1)
            break;
    }
    return count;
}

void aTryOutlastsAPassingGate(const std::string &path)
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

void comingAndGoingOnTheSameFileCostsNoNameAndNoDescriptor(const std::string &path)
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

void aNameGoesBeforeItsTicketAndIsTheNextHoldersAtOnce(const std::string &path)
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

void whoLeavesUnlocksTheGateAlsoWhereItsFileStaysOpen(const std::string &path)
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

void aLookWhileOthersFightNamesNobodyElse(const std::string &path)
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

// ---- the worker ----

void workersOfSeveralThreadsNeverHoldAtOnce(const std::string &path)
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
void endRacedAgainstStartBlockAndGrantIsNeverLost(const std::string &path)
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

void theLastOfSeveralWhoLeaveAtOnceRemovesTheFile(const std::string &path)
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
void anEndJustBeforeTheWaitBlocksIsNotLost(const std::string &path)
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

void anEndThatComesBetweenTheLookAndTheWaitIsSentAgain(const std::string &path)
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

void aHandOverWakesOnlyTheNext(const std::string &path)
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

void neitherAWaitNorWhatIsLeftOfAnEndedOneWakesUp(const std::string &path)
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

void anEndedWaitDoesNotEndTheNextOne(const std::string &path)
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

void aWorkerThatIsDestroyedLeavesTheLockToOthers(const std::string &path)
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

void manyWaitersHaveAThreadEachAndAllAreEnded(const std::string &path)
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

void whoDoesTheWorkHimselfIsGivenNoThreads(const std::string &path)
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

void whoOnceDidTheWorkHimselfNeedNotDoItAgain(const std::string &path)
{
    std::atomic<int> notified{0};
    LockWorker worker(path, [&] { ++notified; });
    for (int cycle = 0; cycle < 20; ++cycle) {
        for (int i = 0; i < 5; ++i)
            acquireAndReleaseHere(worker);
        notified = 0;
        worker.acquire({}, true);
        CHECK(must([&] { return notified == 1; }));
        CHECK(next(worker).kind == Kind::Acquired);
        worker.release(true);
        CHECK(must([&] { return notified == 2; }));
        CHECK(next(worker).kind == Kind::Released);
    }
    CHECK(!exists(path));
}

void threadsWhoseJobsWereWithdrawnEnd(const std::string &)
{
    const int before = threadsOfThisProcess();
    std::array<char, 32> keys;
    for (const char &key : keys)
        CHECK(LockThread::run([] {}, &key) == 0);
    for (const char &key : keys)
        LockThread::withdraw(&key);
    CHECK(must([&] { return threadsOfThisProcess() <= before + 4; }));
}

void anIdleThreadIsUsedAgain(const std::string &)
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

void jobsRunOnThreadsThatBlockEverySignalButOne(const std::string &)
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

std::set<std::string> wanted; // the tests named on the command line; none: all

void run(const char *name, void (*test)(const std::string &))
{
    if (!wanted.empty() && wanted.count(name) == 0)
        return;
    currentTest = name;
    std::string folder = "/tmp/tst_core-XXXXXX";
    CHECK(::mkdtemp(folder.data()) != nullptr);
    const auto start = std::chrono::steady_clock::now();
    test(folder + "/lock");
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
    CHECK(::rmdir(folder.c_str()) == 0);
    std::printf("PASS: %s (%.1f s)\n", name, time.count());
    std::fflush(stdout);
}

} // namespace

#if !defined(__SANITIZE_THREAD__) // has one of its own
// The library's calls come here.
extern "C" int fcntl(int descriptor, int command, ...)
{
    va_list arguments;
    va_start(arguments, command);
    void *const argument = va_arg(arguments, void *);
    va_end(arguments);
    if (command == F_OFD_SETLKW && static_cast<struct flock *>(argument)->l_start < kGate && pauseBeforeWait.exchange(false)) {
        pausedBeforeWait = true;
        const timespec untilSignal{kLong.count(), 0};
        ::nanosleep(&untilSignal, nullptr);
    }
    return int(::syscall(SYS_fcntl, descriptor, command, argument));
}

extern "C" int open(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    const mode_t mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    creatingOpens += (flags & O_CREAT) != 0;
    return int(::syscall(SYS_openat, AT_FDCWD, path, flags, mode));
}
#endif

int main(int argc, char **argv)
{
    wanted = {argv + 1, argv + argc};
#define RUN(test) run(#test, test)
    RUN(theLowestTheHighestAndAllLocksAreFoundAmongRandomOnes);
    RUN(aQueueOfThousandTicketsHasItsLowestAndHighestFound);
    RUN(aLineOfTheSystemsListIsReadOnlyIfItIsOfTheFile);
    RUN(whoWaitsIsToldOfOnceThoughTheLockIsToldOfTwice);
    RUN(whoWaitsIsSeenOnceWhateverOthersLockMeanwhile);
    RUN(whatTheSystemsListMissesIsAskedFor);
    RUN(manyInOneProcessAreAllSeen);
    RUN(threadsThatRemoveTheFileNeverHoldAtOnceAndLeaveNone);
    RUN(threadsThatKeepTheFileNeverHoldAtOnce);
    RUN(threadsOfBothKindsNeverHoldAtOnce);
    RUN(whoTriesNeverHoldsARemovedFile);
    RUN(aFileThatIsThereIsOpenedWithoutCreating);
    RUN(whoGetsTheGateOfARemovedFileStartsOver);
    RUN(anOutsiderWhoRemovesTheFileCannotBlockAnybody);
    RUN(ticketsAreServedInTheOrderInWhichTheyWereDrawn);
    RUN(aTryIsRefusedWhileAnotherHoldsAndNamesTheHolder);
    RUN(aTryOutlastsAPassingGate);
    RUN(comingAndGoingOnTheSameFileCostsNoNameAndNoDescriptor);
    RUN(aNameGoesBeforeItsTicketAndIsTheNextHoldersAtOnce);
    RUN(whoLeavesUnlocksTheGateAlsoWhereItsFileStaysOpen);
    RUN(aLookWhileOthersFightNamesNobodyElse);
    RUN(workersOfSeveralThreadsNeverHoldAtOnce);
    RUN(endRacedAgainstStartBlockAndGrantIsNeverLost);
    RUN(theLastOfSeveralWhoLeaveAtOnceRemovesTheFile);
    RUN(anEndJustBeforeTheWaitBlocksIsNotLost);
    RUN(anEndThatComesBetweenTheLookAndTheWaitIsSentAgain);
    RUN(neitherAWaitNorWhatIsLeftOfAnEndedOneWakesUp);
    RUN(aHandOverWakesOnlyTheNext);
    RUN(anEndedWaitDoesNotEndTheNextOne);
    RUN(aWorkerThatIsDestroyedLeavesTheLockToOthers);
    RUN(manyWaitersHaveAThreadEachAndAllAreEnded);
    RUN(whoDoesTheWorkHimselfIsGivenNoThreads);
    RUN(whoOnceDidTheWorkHimselfNeedNotDoItAgain);
    RUN(threadsWhoseJobsWereWithdrawnEnd);
    RUN(anIdleThreadIsUsedAgain);
    RUN(jobsRunOnThreadsThatBlockEverySignalButOne);
#undef RUN
}
