// SPDX-License-Identifier: 0BSD
#include "coretest.h"

#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <set>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

// tst_core [TEST...]: runs those, or all.

std::atomic<bool> pauseBeforeWait{false};
std::atomic<bool> pausedBeforeWait{false};
std::atomic<int> creatingOpens{0};
std::atomic<bool> holdCloses{false};
std::atomic<int> heldCloses{0};

namespace {

struct Test
{
    const char *name;
    void (*run)(const std::string &path);
};

const char *currentTest = "";

std::vector<Test> &tests()
{
    static std::vector<Test> all;
    return all;
}

void run(const Test &test)
{
    currentTest = test.name;
    std::string folder = "/tmp/tst_core-XXXXXX";
    CHECK(::mkdtemp(folder.data()) != nullptr);
    const auto start = std::chrono::steady_clock::now();
    test.run(folder + "/lock");
    const std::chrono::duration<double> time = std::chrono::steady_clock::now() - start;
    CHECK(::rmdir(folder.c_str()) == 0);
    std::printf("PASS: %s (%.1f s)\n", test.name, time.count());
    std::fflush(stdout);
}

} // namespace

bool addTest(const char *name, void (*test)(const std::string &path))
{
    tests().push_back({name, test});
    return true;
}

void failAt(const char *file, int line, const char *fact)
{
    std::fprintf(stderr, "FAIL: %s: not true: %s (%s:%d)\n", currentTest, fact, file, line);
    std::_Exit(1);
}

#if !defined(__SANITIZE_THREAD__)
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

extern "C" int close(int descriptor)
{
    heldCloses += holdCloses;
    while (holdCloses)
        std::this_thread::yield();
    return int(::syscall(SYS_close, descriptor));
}
#endif

int main(int argc, char **argv)
{
    const std::set<std::string> wanted{argv + 1, argv + argc};
    size_t count = 0;
    for (const Test &test : tests()) {
        if (wanted.empty() || wanted.count(test.name) > 0) {
            run(test);
            ++count;
        }
    }
    if (count == 0 || (!wanted.empty() && count != wanted.size())) {
        std::fprintf(stderr, "FAIL: a test that was asked for is not known\n");
        return 2;
    }
    return 0;
}
