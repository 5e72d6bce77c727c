// SPDX-License-Identifier: 0BSD
#include "measure.h"

#include <QtLockFile/LockFile>
#include <QtLockFile/LockQueue>

#include <QtCore/qcoreapplication.h>
#include <QtCore/qdir.h>
#include <QtCore/qfile.h>

#include <memory>
#include <string>

#include <sys/resource.h>

// waiting PATH SECONDS COUNT: what COUNT LockFiles cost that wait in one process, whose event loop is idle.

using namespace QtLockFile;

namespace {

// Resident and not shared with others, in KiB.
long privateMemory()
{
    QFile file(QStringLiteral("/proc/self/smaps_rollup"));
    if (!file.open(QIODevice::ReadOnly))
        return -1;
    long sum = 0;
    for (const QByteArray &line : file.readAll().split('\n')) {
        if (line.startsWith("Private_"))
            sum += line.mid(line.indexOf(':') + 1).trimmed().split(' ').first().toLong();
    }
    return sum;
}

// Of all threads, but for the one that asks.
long contextSwitches()
{
    long sum = 0;
    const QDir tasks(QStringLiteral("/proc/self/task"));
    for (const QString &task : tasks.entryList(QDir::Dirs | QDir::NoDotAndDotDot)) {
        if (task.toLongLong() == QCoreApplication::applicationPid())
            continue;
        QFile file(tasks.filePath(task + QStringLiteral("/status")));
        if (!file.open(QIODevice::ReadOnly))
            continue;
        for (const QByteArray &line : file.readAll().split('\n')) {
            if (line.contains("ctxt_switches"))
                sum += line.mid(line.indexOf(':') + 1).trimmed().toLong();
        }
    }
    return sum;
}

double cpuMilliseconds()
{
    timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return double(time.tv_sec) * 1e3 + double(time.tv_nsec) / 1e6;
}

void processEventsUntil(const std::function<bool()> &condition)
{
    while (!condition())
        QCoreApplication::processEvents(QEventLoop::WaitForMoreEvents);
}

} // namespace

int main(int argc, char **argv)
{
    QCoreApplication application(argc, argv);
    if (argc != 4)
        return 2;
    const QString path = QString::fromLocal8Bit(argv[1]);
    const int seconds = std::atoi(argv[2]);
    const int count = std::atoi(argv[3]);
    LockFile holder(path);
    if (!holder.tryAcquire())
        return 1;
    LockQueue::of(path); // what it keeps is not counted
    std::vector<std::unique_ptr<LockFile>> locks;
    int failed = 0;
    QObject receiver;
    const long memoryBefore = privateMemory();
    for (int i = 0; i < count; ++i) {
        locks.push_back(std::make_unique<LockFile>(path));
        QObject::connect(locks.back().get(), &LockFile::failed, &receiver, [&] { ++failed; });
        locks.back()->acquire();
    }
    while (LockQueue::of(path).waiters().size() < count)
        QCoreApplication::processEvents();
    std::this_thread::sleep_for(std::chrono::seconds(1)); // all of them are to be blocked
    const double perLock = double(privateMemory() - memoryBefore) / count;

    const long switchesBefore = contextSwitches();
    const double cpuBefore = cpuMilliseconds();
    std::this_thread::sleep_for(std::chrono::seconds(seconds));
    const double cpu = cpuMilliseconds() - cpuBefore;
    const long switches = contextSwitches() - switchesBefore;

    Samples of;
    for (int i = 0; i < 20; ++i) {
        const int64_t start = now();
        LockQueue::of(path);
        of.add(now() - start);
    }

    const int64_t start = now();
    for (const auto &lock : locks)
        lock->cancel();
    const double called = double(now() - start) / 1e6;
    processEventsUntil([&] { return failed == count; });
    const double all = double(now() - start) / 1e6;

    const std::string row = std::to_string(count) + " waiting";
    report(row.c_str(), "each", "KiB", perLock);
    report(row.c_str(), "all", "ms of CPU", cpu);
    report(row.c_str(), "all", "wake-ups", double(switches));
    report(row.c_str(), "cancel() of all", "ms", called);
    report(row.c_str(), "all cancelled", "ms", all);
    report(row.c_str(), "LockQueue::of()", "us", of.median());
    return 0;
}
