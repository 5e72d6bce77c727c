// SPDX-License-Identifier: 0BSD
#include "contenders.h"

#include <QtCore/qcoreapplication.h>

#include <array>
#include <cinttypes>
#include <csignal>
#include <cstdarg>
#include <cstring>
#include <vector>

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

// contender KIND PATH: locks the file in one of the ways of contenders.h and times it, as it is told line by line, until its stdin
// closes. peer.py is the same for Python's libraries.
//
//     cycle N              answers "cycle NS": the mean of N times acquiring and releasing with nobody else there
//     thread N             answers "thread NS NS NS": medians of handing nothing over to an idle thread: call, there, there and back
//     acquire              answers "acquired TIME", when the lock was ours
//     release              answers "released TIME", when letting go began
//     crowd N MS NS        N processes that acquire, keep it for NS, release, again and again; counted over MS once all have settled;
//                          answers "crowd SECONDS OPENS CPU-NS WORST-NS COUNT COUNT ...", with how often each had it

namespace {

struct Member
{
    uint64_t count;
    uint64_t opens;
    int64_t requested; // 0: does not wait
    int64_t worst;
    int64_t cpuFirst; // at the first acquisition that counts, and at the last one
    int64_t cpuLast;
};

uint64_t opens = 0;

int64_t cpuTime()
{
    timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return int64_t(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

void busyFor(int64_t nanoseconds)
{
    for (const int64_t end = now() + nanoseconds; now() < end;) { }
}

// What the processes of a crowd share.
struct Crowd
{
    std::atomic<int> arrived;
    Member members[1]; // and more
};

[[noreturn]] void takePart(const char *kind, const char *path, Crowd *crowd, int number, int size, int64_t from, int64_t until, int64_t hold)
{
    Member *const self = crowd->members + number;
    const std::unique_ptr<Contender> contender =
        std::strcmp(kind, "turns") == 0 ? std::make_unique<Turns>(path, number, size, from - 100'000'000, &crowd->arrived) : makeContender(kind, path);
    for (;;) {
        self->requested = now();
        const uint64_t opensBefore = opens;
        contender->acquire();
        const int64_t time = now();
        if (time >= from && time < until) {
            self->worst = std::max(self->worst, time - self->requested);
            self->opens += opens - opensBefore;
            self->cpuLast = cpuTime();
            if (self->count++ == 0)
                self->cpuFirst = self->cpuLast;
        }
        self->requested = 0;
        busyFor(hold);
        contender->release();
    }
}

void playCrowd(const char *kind, const char *path, int size, int64_t duration, int64_t hold)
{
    const size_t length = sizeof(Crowd) + sizeof(Member) * size_t(size);
    void *const memory = ::mmap(nullptr, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        giveUp("mmap");
    auto *const crowd = static_cast<Crowd *>(memory);
    // Time to start them all, and to have each in the queue.
    const int64_t from = now() + 300'000'000 + size * (1'500'000 + hold);
    const int64_t until = from + duration;
    std::vector<pid_t> pids;
    for (int i = 0; i < size; ++i) {
        const pid_t pid = ::fork();
        if (pid < 0)
            giveUp("fork");
        if (pid == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            takePart(kind, path, crowd, i, size, from, until, hold);
        }
        pids.push_back(pid);
    }
    timespec end{until / 1'000'000'000, until % 1'000'000'000};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, nullptr);
    for (const pid_t pid : pids)
        ::kill(pid, SIGKILL);
    for (const pid_t pid : pids)
        ::waitpid(pid, nullptr, 0);
    ::unlink(path);

    uint64_t allOpens = 0;
    int64_t cpu = 0;
    int64_t worst = 0;
    for (int i = 0; i < size; ++i) {
        const Member &member = crowd->members[i];
        allOpens += member.opens;
        if (member.count > 1) // without what it does while it holds
            cpu += (member.cpuLast - member.cpuFirst) * int64_t(member.count) / int64_t(member.count - 1) - hold * int64_t(member.count);
        worst = std::max(worst, member.worst);
        if (member.requested != 0 && member.requested < until) // who still waits has waited, too
            worst = std::max(worst, until - member.requested);
    }
    std::printf("crowd %.3f %" PRIu64 " %" PRId64 " %" PRId64, double(duration) / 1e9, allOpens, cpu, worst);
    for (int i = 0; i < size; ++i)
        std::printf(" %" PRIu64, crowd->members[i].count);
    std::printf("\n");
    ::munmap(memory, length);
}

void threadHandOvers(int count)
{
    static BareThread thread;
    std::array<Samples, 3> samples;
    for (int i = 0; i < count; ++i) {
        const BareThread::Times times = thread.handOver();
        samples[0].add(times.call);
        samples[1].add(times.there);
        samples[2].add(times.back);
    }
    std::printf("thread %.0f %.0f %.0f\n", samples[0].median() * 1000, samples[1].median() * 1000, samples[2].median() * 1000);
}

void cycles(Contender *contender, int count)
{
    auto *const ours = dynamic_cast<Ours *>(contender);
    const int64_t start = now();
    for (int i = 0; i < count; ++i) {
        if (ours) {
            ours->tryAndRelease();
        } else {
            contender->acquire();
            contender->release();
        }
    }
    std::printf("cycle %.0f\n", double(now() - start) / count);
}

} // namespace

// Takes the place of the C library's in the whole program, Qt included.
extern "C" int openCounted(const char *path, int flags, ...) __asm__("open64");
extern "C" int openCounted(const char *path, int flags, ...)
{
    va_list arguments;
    va_start(arguments, flags);
    const mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(arguments, mode_t) : 0;
    va_end(arguments);
    ++opens;
    return int(::syscall(SYS_openat, AT_FDCWD, path, flags, mode));
}

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    std::optional<QCoreApplication> application;
    std::unique_ptr<Contender> contender;
    char line[256];
    while (std::fgets(line, sizeof line, stdin)) {
        int count;
        long long duration;
        long long hold;
        if (std::sscanf(line, "crowd %d %lld %lld", &count, &duration, &hold) == 3) { // forks, so nothing of Qt is to run yet
            playCrowd(argv[1], argv[2], count, duration * 1'000'000, hold);
        } else if (std::sscanf(line, "thread %d", &count) == 1) {
            threadHandOvers(count);
        } else {
            if (!application)
                application.emplace(argc, argv);
            if (!contender)
                contender = makeContender(argv[1], argv[2]);
            if (!contender)
                return 2;
            const std::string command = line;
            if (std::sscanf(line, "cycle %d", &count) == 1)
                cycles(contender.get(), count);
            else if (command == "acquire\n")
                std::printf("acquired %" PRId64 "\n", contender->acquireAndTell());
            else if (command == "release\n")
                std::printf("released %" PRId64 "\n", contender->releaseAndTell());
            else
                return 2;
        }
        std::fflush(stdout);
    }
    return 0;
}
