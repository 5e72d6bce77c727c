// SPDX-License-Identifier: 0BSD
#include <atomic>
#include <climits>
#include <csignal>
#include <cstring>
#include <thread>

// Does what a sanitizer looks for: "planted nothing|use-after-free|overflow|race". Then it kills itself, as tests do with the
// programs that they start, so what was found has to have been written by then.

namespace {

void useAfterFree()
{
    int *volatile freed = new int(1);
    delete freed;
    *freed = 2;
}

void overflow()
{
    volatile int largest = INT_MAX;
    largest = largest + 1;
}

// One after the other, since of two at the very same time ThreadSanitizer may see neither; but with nothing that orders them.
void race()
{
    static volatile int shared = 0; // which compilers leave alone
    std::atomic<bool> done{false};
    std::thread other([&] {
        shared = 1;
        done.store(true, std::memory_order_relaxed);
    });
    while (!done.load(std::memory_order_relaxed))
        std::this_thread::yield();
    shared = 2;
    other.join();
}

} // namespace

int main(int, char **argv)
{
    if (std::strcmp(argv[1], "use-after-free") == 0)
        useAfterFree();
    else if (std::strcmp(argv[1], "overflow") == 0)
        overflow();
    else if (std::strcmp(argv[1], "race") == 0)
        race();
    else if (std::strcmp(argv[1], "nothing") != 0)
        return 2;
    return std::raise(SIGKILL);
}
