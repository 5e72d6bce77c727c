// SPDX-License-Identifier: 0BSD
#include "faultycalls.h"

#include <cerrno>
#include <cstring>
#include <map>
#include <mutex>
#include <sstream>
#include <thread>

// Each function is passed on as it came, with six arguments whether it has them or not: no function here has more, or
// one that is no integer or pointer, so that on all of Linux's 64-bit machines they are where they were.

namespace {

using Function = long(long, long, long, long, long, long);

struct Plan
{
    std::mutex mutex; // guards all of this
    bool armed = false;
    std::thread::id thread; // the only one whose calls count, or none
    std::string name;
    int nth = 0;
    int error = 0;
    bool struck = false;
    std::map<std::string, int> counts;
    std::vector<std::string> calls;
};

Plan &plan()
{
    static Plan *const result = new Plan; // threads of the library may outlive main()
    return *result;
}

// 0, or the error with which this call is to fail.
int errorFor(const char *name)
{
    Plan &all = plan();
    const std::lock_guard guard(all.mutex);
    if (!all.armed || (all.thread != std::thread::id() && all.thread != std::this_thread::get_id()))
        return 0;
    all.calls.push_back(name);
    if (++all.counts[name] != all.nth || name != all.name)
        return 0;
    all.struck = true;
    return all.error;
}

bool begins(const char *name, const char *with)
{
    return std::strncmp(name, with, std::strlen(with)) == 0;
}

long fail(const char *name, int error)
{
    if (begins(name, "pthread_") || begins(name, "posix_"))
        return error;
    errno = error;
    return begins(name, "fdopendir") || begins(name, "readdir") || begins(name, "getcwd") ? 0 : -1; // no pointer
}

long pass(const char *name, Function *function, long a, long b, long c, long d, long e, long f)
{
    const int error = errorFor(name);
    if (error == 0)
        return function(a, b, c, d, e, f);
    if (begins(name, "close") || begins(name, "timer_delete") || begins(name, "pthread_attr_destroy"))
        function(a, b, c, d, e, f); // what they release is released in any case
    return fail(name, error);
}

struct Known
{
    const char *name;
    const char *errors;
};

constexpr Known known[] = {
#define CALL(symbol, name, errors) {name, errors},
#include "calls.inc"
#undef CALL
};

int errorNamed(const std::string &name)
{
    for (int error = 1; error < 200; ++error) {
        const char *const its = ::strerrorname_np(error);
        if (its && name == its)
            return error;
    }
    return name == "EWOULDBLOCK" ? EWOULDBLOCK : name == "ENOTSUP" ? ENOTSUP : 0;
}

} // namespace

#define CALL(symbol, name, errors) \
    extern "C" long real_##symbol(long, long, long, long, long, long) __asm__(#symbol); \
    extern "C" long faulty_##symbol(long a, long b, long c, long d, long e, long f); \
    extern "C" long faulty_##symbol(long a, long b, long c, long d, long e, long f) \
    { \
        return pass(name, real_##symbol, a, b, c, d, e, f); \
    }
#include "calls.inc"
#undef CALL

void FaultyCalls::arm(const std::string &name, int nth, int error, Threads threads)
{
    Plan &all = plan();
    const std::lock_guard guard(all.mutex);
    all.armed = true;
    all.thread = threads == Threads::This ? std::this_thread::get_id() : std::thread::id();
    all.name = name;
    all.nth = nth;
    all.error = error;
    all.struck = false;
    all.counts.clear();
    all.calls.clear();
}

std::vector<std::string> FaultyCalls::disarm()
{
    Plan &all = plan();
    const std::lock_guard guard(all.mutex);
    all.armed = false;
    return all.calls;
}

bool FaultyCalls::hasStruck()
{
    Plan &all = plan();
    const std::lock_guard guard(all.mutex);
    return all.struck;
}

std::vector<int> FaultyCalls::errorsOf(const std::string &name)
{
    std::vector<int> result;
    for (const Known &one : known) {
        if (name != one.name)
            continue;
        std::istringstream errors(one.errors);
        for (std::string error; errors >> error;)
            result.push_back(errorNamed(error));
    }
    return result;
}
