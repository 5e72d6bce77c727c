// SPDX-License-Identifier: 0BSD
#ifndef QTLOCKFILE_CORETEST_H
#define QTLOCKFILE_CORETEST_H

#include "lockbytes_p.h"
#include "lockworker_p.h"
#include "queuelook_p.h"
#include "ticketlock_p.h"

#include <atomic>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

// The part that is free of Qt, in a program that is free of Qt too: ThreadSanitizer does not know the locks inside of a Qt that was built
// without it, and would see races where there are none. Nor does it know file locks, so what they guard here is atomic.

using namespace QtLockFile::Internal;
using namespace std::chrono_literals;
using Kind = LockWorker::Event::Kind;
using Result = Outcome::Result;

// The name is a claim. Its path lies in a folder of its own, which is to be empty in the end.
#define TEST(name) \
    void name(const std::string &path); \
    [[maybe_unused]] const bool name##IsKnown = addTest(#name, name); \
    void name([[maybe_unused]] const std::string &path)

#define CHECK(fact) \
    do { \
        if (!(fact)) \
            failAt(__FILE__, __LINE__, #fact); \
    } while (false)

bool addTest(const char *name, void (*test)(const std::string &path));
[[noreturn]] void failAt(const char *file, int line, const char *fact);

#if defined(__SANITIZE_THREAD__)
constexpr bool kThreadSanitizer = true; // has a thread of its own, which wakes up, and calls of its own in the place of ours below
#else
constexpr bool kThreadSanitizer = false;
#endif

constexpr auto kShort = 100ms; // proves that nothing happened
constexpr auto kLong = 30s;    // must happen

// What the library's system calls are told, and tell.
extern std::atomic<bool> pauseBeforeWait; // the next wait for tickets begins only after a signal has come
extern std::atomic<bool> pausedBeforeWait;
extern std::atomic<int> creatingOpens;
extern std::atomic<bool> holdCloses; // as long as it is set, a close waits
extern std::atomic<int> heldCloses;

inline const std::atomic<bool> never{false};

inline LockWorker::TimePoint in(std::chrono::milliseconds time)
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

inline bool exists(const std::string &path)
{
    return ::access(path.c_str(), F_OK) == 0;
}

inline int openBytes(const std::string &path)
{
    const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    CHECK(descriptor >= 0);
    return descriptor;
}

inline LockOptions options(bool remove)
{
    LockOptions result;
    result.remove = remove;
    return result;
}

inline void inThreads(int count, const std::function<void(int)> &run)
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

// How often a thread of this process was put to sleep.
inline long switchesOf(const std::string &thread)
{
    std::ifstream status("/proc/self/task/" + thread + "/status");
    long count = 0;
    for (std::string line; std::getline(status, line);) {
        if (std::sscanf(line.c_str(), "voluntary_ctxt_switches: %ld", &count) == 1)
            break;
    }
    return count;
}

// Takes the next event, which must come.
inline LockWorker::Event next(LockWorker &worker)
{
    LockWorker::Event event{};
    CHECK(worker.waitForEvent(in(kLong)));
    CHECK(worker.take(&event));
    return event;
}

#endif
