// SPDX-License-Identifier: 0BSD
#include <cinttypes>
#include <cstdio>
#include <cstdlib>

#include <time.h>
#include <unistd.h>

// To be preloaded (LD_PRELOAD) into a program with widgets, which needs no change for it: says when its first picture is
// handed to the window system, in nanoseconds of CLOCK_MONOTONIC, and ends the program unless FIRST_PAINT_STAYS is set.

extern "C" void firstPaint() __asm__("_ZN13QBackingStore5flushERK7QRegionP7QWindowRK6QPoint"); // QBackingStore::flush()

extern "C" __attribute__((visibility("default"))) void firstPaint()
{
    timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    std::printf("painted %" PRId64 "\n", int64_t(time.tv_sec) * 1'000'000'000 + time.tv_nsec);
    std::fflush(stdout);
    if (!std::getenv("FIRST_PAINT_STAYS"))
        ::_exit(0);
}
