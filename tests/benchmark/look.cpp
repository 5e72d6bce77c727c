// SPDX-License-Identifier: 0BSD
#include "measure.h"
#include "waiters.h"

#include <QtLockFile/LockFile>
#include <QtLockFile/LockQueue>
#include <QtLockFile/LockWatcher>

#include <QtCore/qcoreapplication.h>
#include <QtCore/qeventloop.h>
#include <QtCore/qprocess.h>
#include <QtCore/qtimer.h>

#include <string>

#include <fcntl.h>

// look PATH CONTENDER COUNT: how long LockQueue::of() takes, and how long after something happens elsewhere the watchers tell of it.
// CONTENDER is the program contender.

using namespace QtLockFile;

namespace {

void measureOf(const std::string &path, int waiters, int count)
{
    Samples of;
    Samples seldom; // when nobody has read /proc/locks for a while
    Samples names;
    {
        const Waiters queue(path, waiters + 1);
        for (int i = 0; i < count; ++i) {
            int64_t start = now();
            if (LockQueue::of(QString::fromStdString(path)).waiters().size() != waiters)
                std::abort();
            of.add(now() - start);

            // What naming them cannot do without.
            start = now();
            for (const pid_t pid : queue.pids()) {
                char buffer[4096];
                std::snprintf(buffer, sizeof buffer, "/proc/%d/stat", pid);
                const int descriptor = ::open(buffer, O_RDONLY | O_CLOEXEC);
                (void)!::read(descriptor, buffer, sizeof buffer);
                ::close(descriptor);
            }
            names.add(now() - start);
        }
        for (int i = 0; i < (count + 3) / 4; ++i) {
            std::this_thread::sleep_for(std::chrono::milliseconds(100));
            const int64_t start = now();
            LockQueue::of(QString::fromStdString(path));
            seldom.add(now() - start);
        }
    }
    const std::string row = "of() with " + std::to_string(waiters);
    report(row.c_str(), "ours", "us", of.median());
    report(row.c_str(), "ours", "us worst", of.quantile(1));
    report(row.c_str(), "reading /proc/PID/stat of all", "us", names.median());
    const std::string seldomRow = row + ", seldom";
    report(seldomRow.c_str(), "ours", "us", seldom.median());
    report(seldomRow.c_str(), "ours", "us worst", seldom.quantile(1));
}

// Another process with a lock on the path.
class Other
{
public:
    Other(const QString &program, const std::string &path)
    {
        m_process.setProcessChannelMode(QProcess::ForwardedErrorChannel);
        m_process.start(program, {QStringLiteral("ours-remove"), QString::fromStdString(path)});
        if (!m_process.waitForStarted())
            std::abort();
    }
    ~Other()
    {
        m_process.closeWriteChannel();
        m_process.waitForFinished();
    }

    void tell(const char *command) { m_process.write(QByteArray(command) + '\n'); }
    int64_t answer()
    {
        while (!m_process.canReadLine())
            m_process.waitForReadyRead(-1);
        return m_process.readLine().split(' ').last().trimmed().toLongLong();
    }
    int64_t ask(const char *command)
    {
        tell(command);
        return answer();
    }
    int64_t kill()
    {
        const int64_t start = now();
        ::kill(pid_t(m_process.processId()), SIGKILL);
        return start;
    }

private:
    QProcess m_process;
};

// Waits until nothing more is told: the watcher has looked for the last time.
void settle()
{
    QEventLoop loop;
    QTimer::singleShot(60, &loop, &QEventLoop::quit);
    loop.exec();
}

void measureWatcher(const std::string &path, const QString &program, int count)
{
    LockWatcher watcher(QString::fromStdString(path));
    QEventLoop loop;
    int64_t seen = 0;
    bool awaited = false; // held or not
    QObject::connect(&watcher, &LockWatcher::queueChanged, &loop, [&](const LockQueue &queue) {
        if (seen == 0 && queue.isHeld() == awaited) {
            seen = now();
            loop.quit();
        }
    });
    Samples acquire;
    Samples release;
    Samples kill;
    Samples lost;
    const auto await = [&](bool held, const std::function<int64_t()> &happen) {
        settle();
        awaited = held;
        seen = 0;
        const int64_t happened = happen();
        if (seen == 0 && watcher.queue().isHeld() != held)
            loop.exec();
        return std::max<int64_t>(0, seen - happened);
    };
    for (int i = 0; i < count; ++i) {
        Other other(program, path);
        acquire.add(await(true, [&] { return other.ask("acquire"); }));
        release.add(await(false, [&] { return other.ask("release"); }));
        await(true, [&] { return other.ask("acquire"); });
        kill.add(await(false, [&] { return other.kill(); }));

        LockFile lock(QString::fromStdString(path));
        if (!lock.tryAcquire())
            std::abort();
        int64_t told = 0;
        QObject::connect(&lock, &LockFile::lost, &loop, [&] {
            told = now();
            loop.quit();
        });
        settle();
        const int64_t start = now();
        ::unlink(path.c_str());
        while (told == 0)
            loop.exec();
        lost.add(told - start);
    }
    struct
    {
        const char *row;
        Samples *samples;
    } const rows[] = {{"acquire elsewhere", &acquire}, {"release elsewhere", &release}, {"kill elsewhere", &kill}, {"rm", &lost}};
    for (const auto &[row, samples] : rows) {
        report(row, "ours", "us", samples->median());
        report(row, "ours", "us worst", samples->quantile(1));
    }
}

} // namespace

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    const std::string path = argv[1];
    const int count = std::atoi(argv[3]);
    for (const int waiters : {0, 10, 100, 1000}) {
        const pid_t pid = ::fork(); // the queue is made by forking, so before there are threads
        if (pid == 0) {
            measureOf(path, waiters, count);
            std::_Exit(0);
        }
        ::waitpid(pid, nullptr, 0);
    }
    QCoreApplication application(argc, argv);
    measureWatcher(path, QString::fromLocal8Bit(argv[2]), count);
    return 0;
}
