// SPDX-License-Identifier: 0BSD
#include "lockworker_p.h"
#include "queuelook_p.h"
#include "measure.h"
#include "waiters.h"

// growth PATH COUNT: what it costs to join a queue, to leave it, and to be told one's place, as the queue grows; next to what the
// kernel takes for one walk over its list of the file's locks.

using namespace QtLockFile::Internal;

namespace {

constexpr LockWorker::TimePoint kForever = LockWorker::TimePoint::max() - std::chrono::hours(1); // not all of it: the wait is to be in the other thread

void measure(const std::string &path, int waiters, int count)
{
    Samples join;
    Samples leave;
    Samples walk;
    Samples place;
    LockWorker worker(path, nullptr);
    LockOptions options;
    for (int i = 0; i < count; ++i) {
        int64_t start = now();
        worker.acquire(options, true);
        while (worker.place().ticket < 0) { }
        join.add(now() - start);
        std::this_thread::sleep_for(std::chrono::microseconds(200)); // it has to block

        start = now();
        if (countTicketsBefore(path, worker.place()) != waiters)
            std::abort();
        place.add(now() - start);

        start = now();
        worker.end();
        worker.waitForEvent(kForever);
        leave.add(now() - start);
        worker.waitUntilIdle(kForever);
        LockWorker::Event event;
        while (worker.take(&event)) { }

        OpenFile file;
        FoundLock found;
        if (file.openToLook(path) != 0)
            std::abort();
        start = now();
        findLock(file.descriptor(), LockKind::Write, {kClock - 1, kClock - 1}, &found); // nobody has ever locked that
        walk.add(now() - start);
    }
    const std::string row = "queue of " + std::to_string(waiters);
    report(row.c_str(), "join", "us", join.median());
    report(row.c_str(), "leave", "us", leave.median());
    report(row.c_str(), "place", "us", place.median());
    report(row.c_str(), "one walk of the kernel's list", "us", walk.median());
}

} // namespace

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    const std::string path = argv[1];
    // Another process for each size: the queue is made by forking.
    for (const int size : {1, 3, 10, 30, 100, 300, 1000}) {
        const pid_t pid = ::fork();
        if (pid == 0) {
            {
                const Waiters waiters(path, size);
                measure(path, size, std::atoi(argv[2]));
            }
            std::_Exit(0);
        }
        ::waitpid(pid, nullptr, 0);
    }
    return 0;
}
