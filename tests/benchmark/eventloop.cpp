// SPDX-License-Identifier: 0BSD
#include "../servedfolder.h"
#include "contenders.h"

#include <QtCore/qcoreapplication.h>
#include <QtCore/qthread.h>
#include <QtCore/qtimer.h>

#include <chrono>
#include <string>

// eventloop FOLDER COUNT: what a LockFile costs a program with an event loop, next to a queued call that does nothing.
// eventloop --slow FOLDER COUNT: the same calls where each open(2) takes two seconds; needs root.

using QtLockFile::LockFile;

namespace {

void untilQuit(QEventLoop *loop)
{
    loop->exec();
}

// Until the other threads have been asleep for so long that how fast they wake up does not depend on what was measured before.
void rest()
{
    for (const int64_t end = now() + 300'000; now() < end;) { }
}

// A queued call to an object that lives in an idle thread, which queues one back.
class EmptyCall
{
public:
    EmptyCall()
    {
        m_there.moveToThread(&m_thread);
        m_thread.start();
    }
    ~EmptyCall()
    {
        m_thread.quit();
        m_thread.wait();
    }

    int64_t thereAndBack()
    {
        QEventLoop loop;
        int64_t end = 0;
        const int64_t start = now();
        QMetaObject::invokeMethod(
            &m_there,
            [&] {
                QMetaObject::invokeMethod(
                    &loop,
                    [&] {
                        end = now();
                        loop.quit();
                    },
                    Qt::QueuedConnection);
            },
            Qt::QueuedConnection);
        untilQuit(&loop);
        return end - start;
    }

private:
    QThread m_thread;
    QObject m_there;
};

void measure(const std::string &folder, int count)
{
    EmptyCall emptyCall;
    BareThread thread;
    Bare bare(folder + "/bare", true);
    LockFile lock(QString::fromStdString(folder + "/lock"));
    Samples acquired;
    Samples empty;
    Samples calls;
    Samples acquire;
    Samples release;
    Samples handOver;
    QEventLoop loop;
    int64_t start = 0;
    QObject::connect(&lock, &LockFile::acquired, &loop, [&] {
        acquired.add(now() - start);
        loop.quit();
    });
    QObject::connect(&lock, &LockFile::released, &loop, &QEventLoop::quit);
    for (int i = 0; i < count; ++i) {
        rest();
        start = now();
        lock.acquire();
        acquire.add(now() - start);
        untilQuit(&loop);

        rest();
        handOver.add(thread.handOver().call);

        rest();
        const int64_t releasing = now();
        lock.release();
        release.add(now() - releasing);
        untilQuit(&loop);

        rest();
        empty.add(emptyCall.thereAndBack());

        const int64_t before = now();
        bare.acquire();
        bare.release();
        calls.add(now() - before);
    }
    report("acquired", "ours", "us", acquired.median());
    report("acquired", "empty call", "us", empty.median());
    report("acquired", "bare calls", "us", calls.median());
    report("caller", "acquire()", "us", acquire.median());
    report("caller", "acquire()", "us 99.9 %", acquire.quantile(0.999));
    report("caller", "release()", "us", release.median());
    report("caller", "release()", "us 99.9 %", release.quantile(0.999));
    report("caller", "bare hand-over", "us", handOver.median());
    report("caller", "bare hand-over", "us 99.9 %", handOver.quantile(0.999));
}

void measureSlow(const std::string &folder, int count)
{
    ServedFolder served(QString::fromStdString(folder));
    if (!served.isOk()) {
        std::fprintf(stderr, "a slow disk cannot be measured: it needs root and /dev/fuse\n");
        return;
    }
    for (int i = 0; i < count; ++i) {
        LockFile lock(QString::fromStdString(folder + "/lock"));
        QEventLoop loop;
        QObject::connect(&lock, &LockFile::acquired, &loop, &QEventLoop::quit);
        QObject::connect(&lock, &LockFile::failed, &loop, &QEventLoop::quit);
        QObject::connect(&lock, &LockFile::released, &loop, &QEventLoop::quit);
        // How far the event loop's turns lie apart.
        QTimer tick;
        int64_t last = now();
        int64_t gap = 0;
        QObject::connect(&tick, &QTimer::timeout, &loop, [&] {
            gap = std::max(gap, now() - last);
            last = now();
        });
        tick.start(std::chrono::milliseconds(0));
        tick.setInterval(1);

        for (const char *const operation : {"open", "create"})
            served.answerLate(operation);
        int64_t start = now();
        lock.acquire();
        const int64_t acquire = now() - start;
        loop.exec();
        const int64_t opened = now() - start;
        start = now();
        lock.release();
        const int64_t release = now() - start;
        if (lock.state() != LockFile::State::Released)
            loop.exec();
        report("slow disk", "acquire()", "us", double(acquire) / 1000);
        report("slow disk", "release()", "us", double(release) / 1000);
        report("slow disk", "until acquired", "ms", double(opened) / 1e6);
        report("slow disk", "longest gap between turns of the event loop", "ms", double(gap) / 1e6);
    }
}

} // namespace

int main(int argc, char **argv)
{
    QCoreApplication application(argc, argv);
    if (argc == 4 && std::string(argv[1]) == "--slow")
        measureSlow(argv[2], std::atoi(argv[3]));
    else if (argc == 3)
        measure(argv[1], std::atoi(argv[2]));
    else
        return 2;
    return 0;
}
