// SPDX-License-Identifier: 0BSD
#include "environment.h"
#include "servedfolder.h"

#include <QtCore/qelapsedtimer.h>
#include <QtCore/qregularexpression.h>
#include <QtCore/qscopeguard.h>
#include <QtCore/qsemaphore.h>
#include <QtCore/qset.h>
#include <QtCore/qthread.h>

#include <array>
#include <atomic>
#include <memory>
#include <vector>

#include <csignal>
#include <sys/syscall.h>

using namespace QtLockFile;
using State = LockFile::State;
using Code = LockError::Code;

namespace {

using Tasks = QSet<qint64>;

Tasks tasks()
{
    Tasks result;
    const QStringList names = QDir(QStringLiteral("/proc/self/task")).entryList(QDir::Dirs | QDir::NoDotAndDotDot);
    for (const QString &name : names)
        result.insert(name.toLongLong());
    return result;
}

// A line of /proc/PID/task/TID/status, proc(5).
QByteArray statusOf(qint64 task, const QByteArray &key)
{
    const QByteArray status = read(QStringLiteral("/proc/self/task/%1/status").arg(task));
    const qsizetype begin = status.indexOf('\n' + key + ":\t");
    return begin < 0 ? QByteArray() : status.mid(begin + key.size() + 3, status.indexOf('\n', begin + 1) - begin - key.size() - 3);
}

quint64 bitOf(int signal)
{
    return quint64(1) << (signal - 1);
}

bool waits(const LockFile &lock)
{
    return mustWithoutEventLoop([&] { return lock.position() > 0; });
}

// Which threads a handler ran on.
std::array<std::atomic<pid_t>, 1000> handledOn;
std::atomic<size_t> handled{0};

void note(int)
{
    const size_t index = handled++;
    if (index < handledOn.size())
        handledOn[index] = pid_t(::syscall(SYS_gettid));
}

class Handler
{
public:
    Handler(int signal, void (*handler)(int), int flags) : m_signal(signal)
    {
        struct sigaction action = {};
        action.sa_handler = handler;
        action.sa_flags = flags;
        ::sigaction(signal, &action, &m_before);
    }
    Handler(const Handler &) = delete;
    Handler &operator=(const Handler &) = delete;
    ~Handler() { ::sigaction(m_signal, &m_before, nullptr); }

private:
    const int m_signal;
    struct sigaction m_before;
};

class Blocked
{
public:
    explicit Blocked(std::initializer_list<int> signals)
    {
        sigset_t set;
        sigemptyset(&set);
        for (const int signal : signals)
            sigaddset(&set, signal);
        ::pthread_sigmask(SIG_BLOCK, &set, &m_before);
    }
    Blocked(const Blocked &) = delete;
    Blocked &operator=(const Blocked &) = delete;
    ~Blocked() { ::pthread_sigmask(SIG_SETMASK, &m_before, nullptr); }

private:
    sigset_t m_before;
};

} // namespace

// The threads of the library, and those of the application.
class TestLockFileThreads : public QObject
{
    Q_OBJECT

    Tasks m_foreign;

    Tasks ours() const { return tasks() - m_foreign; }

    // The signals that a thread lets through, less those that cannot be blocked and the two of the C library (nptl(7)). None also of a thread that is
    // just beginning or ending.
    static quint64 letThrough(qint64 task)
    {
        const QByteArray blocked = statusOf(task, "SigBlk");
        if (blocked.isEmpty())
            return 0;
        return ~blocked.toULongLong(nullptr, 16) & ~bitOf(SIGKILL) & ~bitOf(SIGSTOP) & ~bitOf(32) & ~bitOf(33);
    }

    // The signal that ends waits, 0 if there is not exactly one.
    int ourSignal() const
    {
        quint64 all = 0;
        for (const qint64 task : ours())
            all |= letThrough(task);
        for (int signal = SIGRTMIN; signal <= SIGRTMAX; ++signal) {
            if (all == bitOf(signal))
                return signal;
        }
        return 0;
    }

private Q_SLOTS:
    void initTestCase() { m_foreign = tasks(); }
    void init() { QTest::failOnWarning(QRegularExpression(QStringLiteral("."))); }

    void theEventLoopRunsDuringAWait()
    {
        const Folder folder;
        LockFile holder(folder.path());
        QVERIFY(holder.tryAcquire());
        LockFile lock(folder.path());
        const Ticks ticks;
        lock.acquire();
        QVERIFY(must([&] { return ticks.count() >= 50; }));
        QCOMPARE(lock.state(), State::Acquiring);
    }

    void aWaitBlocksInTheKernelAndDoesNotPoll()
    {
        const Folder folder;
        LockFile holder(folder.path());
        QVERIFY(holder.tryAcquire());
        LockFile lock(folder.path());
        lock.setTimeout(1h);
        lock.acquire();
        QVERIFY(waits(lock));
        const auto switches = [&] {
            QByteArrayList result;
            for (const qint64 task : ours())
                result << statusOf(task, "voluntary_ctxt_switches") << statusOf(task, "nonvoluntary_ctxt_switches");
            return result;
        };
        QByteArrayList before;
        QVERIFY(must([&] { // threads of earlier tests may still be on their way to sleep
            before = switches();
            return stays([&] { return switches() == before; });
        }));
        QVERIFY(!before.isEmpty());
        QVERIFY(!comesTrue([&] { return switches() != before; }, 5 * kShort));
    }

    void ourThreadsBlockEverySignalButOne()
    {
        const Folder folder;
        LockFile holder(folder.path());
        QVERIFY(holder.tryAcquire());
        LockFile lock(folder.path());
        connect(&lock, &LockFile::positionChanged, this, [] {}); // one more thread, which watches
        lock.acquire();
        QVERIFY(waits(lock));
        QVERIFY(must([&] { return ours().size() >= 2; }));
        QVERIFY2(ourSignal() != 0, "it is the same for all, and it is a real-time signal");
    }

    void handlersOfTheApplicationNeverRunOnOurThreads()
    {
        const Folder folder;
        LockFile holder(folder.path());
        QVERIFY(holder.tryAcquire());
        LockFile lock(folder.path());
        handled = 0;
        const auto signals = {SIGHUP, SIGUSR1, SIGUSR2, SIGALRM, SIGTERM, SIGCHLD, SIGRTMIN + 1};
        std::vector<std::unique_ptr<Handler>> handlers;
        for (const int signal : signals)
            handlers.push_back(std::make_unique<Handler>(signal, note, SA_RESTART));
        {
            const Blocked blocked(signals);
            lock.acquire();
            QVERIFY(waits(lock));
            for (int round = 0; round < 50; ++round) {
                for (const int signal : signals)
                    QCOMPARE(::kill(::getpid(), signal), 0);
            }
            QVERIFY2(!lock.waitForAcquired(kShort), "the wait goes on");
        }
        // Now the main thread takes what nobody else has.
        QVERIFY(handled > 0);
        const Tasks threads = ours();
        for (size_t i = 0; i < qMin(handled.load(), handledOn.size()); ++i)
            QVERIFY(!threads.contains(handledOn[i]));
        QCOMPARE(lock.state(), State::Acquiring);
        holder.release();
        QVERIFY(lock.waitForAcquired(kLong));
    }

    void cancelWorksWhateverBecameOfItsSignal_data()
    {
        QTest::addColumn<int>("disposition");
        QTest::newRow("ignored") << 0;
        QTest::newRow("set back to the default, which ends the process") << 1;
        QTest::newRow("handled by somebody else, who wants calls restarted") << 2;
    }

    void cancelWorksWhateverBecameOfItsSignal()
    {
        QFETCH(const int, disposition);
        const Folder folder;
        LockFile holder(folder.path());
        QVERIFY(holder.tryAcquire());
        LockFile lock(folder.path());
        lock.acquire();
        QVERIFY(waits(lock));
        const int signal = ourSignal();
        QVERIFY(signal > 0);
        const Handler handler(signal, disposition == 0 ? SIG_IGN : disposition == 1 ? SIG_DFL : note, disposition == 2 ? SA_RESTART : 0);
        lock.cancel();
        QVERIFY(lock.waitForReleased(kLong));
        QCOMPARE(lock.error().code(), Code::Cancelled);
        QVERIFY(holder.isAcquired());
    }

    void aStraySignalDoesNotEndAWait()
    {
        const Folder folder;
        LockFile holder(folder.path());
        QVERIFY(holder.tryAcquire());
        LockFile lock(folder.path());
        lock.acquire();
        QVERIFY(waits(lock));
        const int signal = ourSignal();
        QVERIFY(signal != 0);
        for (int round = 0; round < 100; ++round) {
            const Tasks threads = ours();
            for (const qint64 task : threads)
                ::syscall(SYS_tgkill, ::getpid(), task, signal); // one that is idle may have ended
        }
        QVERIFY(!lock.waitForAcquired(kShort));
        QCOMPARE(lock.state(), State::Acquiring);
        holder.release();
        QVERIFY(lock.waitForAcquired(kLong));
    }

    void anObjectMayBeMovedToAnotherThreadAndBack()
    {
        const Folder folder;
        QThread thread;
        thread.start();
        const auto stop = qScopeGuard([&] {
            thread.quit();
            thread.wait();
        });
        LockFile lock(folder.path());
        lock.setTimeout(10s); // a timer, which has to move along
        lock.acquire();
        QVERIFY(lock.waitForAcquired(kLong));
        lock.release();
        QVERIFY(lock.waitForReleased(kLong));

        QSemaphore acquired;
        QSemaphore released;
        std::atomic<int> elsewhere{0};
        connect(
            &lock, &LockFile::stateChanged, &lock, [&] { elsewhere += QThread::currentThread() != &thread; }, Qt::DirectConnection);
        connect(
            &lock, &LockFile::acquired, &lock, [&] { acquired.release(); }, Qt::DirectConnection);
        connect(
            &lock, &LockFile::released, &lock, [&] { released.release(); }, Qt::DirectConnection);
        lock.moveToThread(&thread);
        for (int round = 0; round < 3; ++round) {
            QMetaObject::invokeMethod(&lock, &LockFile::acquire, Qt::QueuedConnection);
            QVERIFY(acquired.tryAcquire(1, int(kLong.count())));
            QVERIFY(!isFree(folder.path()));
            QMetaObject::invokeMethod(&lock, &LockFile::release, Qt::QueuedConnection);
            QVERIFY(released.tryAcquire(1, int(kLong.count())));
            QVERIFY(folder.isEmpty());
        }
        QCOMPARE(elsewhere.load(), 0);

        QMetaObject::invokeMethod(
            &lock, [&] { lock.moveToThread(this->thread()); }, Qt::BlockingQueuedConnection);
        QVERIFY(lock.tryAcquire());
        QVERIFY(must([&] { return acquired.available() == 1; }));
    }

    void aTimeoutPassesInTheThreadThatTheObjectWasMovedTo()
    {
        const Folder folder;
        LockFile holder(folder.path());
        QVERIFY(holder.tryAcquire());
        QThread thread;
        thread.start();
        auto *lock = new LockFile(folder.path());
        lock->setTimeout(20ms);
        QSemaphore failed;
        connect(lock, &LockFile::failed, lock, [&](const LockError &error) { failed.release(error.code() == Code::TimedOut); });
        connect(&thread, &QThread::finished, lock, &QObject::deleteLater);
        const auto stop = qScopeGuard([&] {
            thread.quit();
            thread.wait();
        });
        lock->acquire(); // the timer is made here, and has to come along
        QVERIFY(!lock->waitForAcquired());
        QVERIFY(failed.tryAcquire());
        lock->moveToThread(&thread);
        QMetaObject::invokeMethod(lock, &LockFile::acquire, Qt::QueuedConnection);
        QVERIFY(failed.tryAcquire(1, int(kLong.count())));
    }

    void aFileSystemThatDoesNotAnswerFreezesNobody()
    {
        NEEDS_ROOT("to mount a file system");
        const Folder folder;
        ServedFolder server(folder.folder());
        if (!server.isOk())
            SKIP(server.why().constData());
        server.stopAnswering();
        LockFile lock(folder.path());
        lock.setRemoveOnRelease(false);
        Record record(lock);
        const Ticks ticks;
        QElapsedTimer timer;
        timer.start();
        lock.acquire();
        QVERIFY(timer.elapsed() < 1000);
        QVERIFY(must([&] { return server.unanswered() == 1; }));
        QVERIFY(must([&] { return ticks.count() >= 50; }));
        QCOMPARE(record.take(), QStringLiteral("Acquiring"));
        server.answerAgain();
        QVERIFY(must([&] { return lock.isAcquired(); }));
        lock.release();
        QVERIFY(must([&] { return lock.state() == State::Released; }));
    }

    void timeoutAndCancelEndAnAttemptWhoseOpenDoesNotReturn_data()
    {
        QTest::addColumn<int>("timeout");
        QTest::addColumn<bool>("waiting");
        QTest::newRow("a time-out, with an event loop") << 50 << false;
        QTest::newRow("a time-out, inside waitForAcquired()") << 50 << true;
        QTest::newRow("a cancel, with an event loop") << -1 << false;
        QTest::newRow("a cancel, inside waitForAcquired()") << -1 << true;
    }

    void timeoutAndCancelEndAnAttemptWhoseOpenDoesNotReturn()
    {
        NEEDS_ROOT("to mount a file system");
        QFETCH(const int, timeout);
        QFETCH(const bool, waiting);
        const Folder folder;
        ServedFolder server(folder.folder());
        if (!server.isOk())
            SKIP(server.why().constData());
        server.stopAnswering();
        LockFile lock(folder.path());
        lock.setRemoveOnRelease(false);
        lock.setTimeout(std::chrono::milliseconds(timeout));
        Record record(lock);
        lock.acquire();
        QVERIFY(mustWithoutEventLoop([&] { return server.unanswered() == 1; }));
        if (timeout < 0)
            lock.cancel();
        if (waiting)
            QVERIFY(!lock.waitForAcquired(kLong));
        else
            QVERIFY(must([&] { return lock.state() == State::Released; }));
        QCoreApplication::processEvents();
        QCOMPARE(record.take(), QStringLiteral("Acquiring, Released, failed ") + nameOf(timeout < 0 ? Code::Cancelled : Code::TimedOut));
        QVERIFY2(server.unanswered() == 1, "the call has still not returned");

        // Once it answers, what was given up leaves nothing behind, and the object can be used again.
        lock.setTimeout(-1ms);
        lock.acquire();
        server.answerAgain();
        QVERIFY(must([&] { return lock.isAcquired(); }));
        lock.release();
        QVERIFY(must([&] { return lock.state() == State::Released; }));
        QVERIFY(mustWithoutEventLoop([&] {
            LockFile other(folder.path());
            other.setRemoveOnRelease(false);
            return other.tryAcquire();
        }));
    }

    void destructionIsBoundedWhereTheFileSystemDoesNotAnswer()
    {
        NEEDS_ROOT("to mount a file system");
        const Folder folder;
        ServedFolder server(folder.folder());
        if (!server.isOk())
            SKIP(server.why().constData());
        server.stopAnswering();
        auto lock = std::make_unique<LockFile>(folder.path());
        lock->setRemoveOnRelease(false);
        lock->acquire();
        QVERIFY(mustWithoutEventLoop([&] { return server.unanswered() == 1; }));
        QElapsedTimer timer;
        timer.start();
        lock.reset();
        QVERIFY2(timer.elapsed() < 3000, "a second, and what a busy machine adds to it");
        QCOMPARE(server.unanswered(), 1);
        server.answerAgain();
        LockFile other(folder.path());
        other.setRemoveOnRelease(false);
        other.acquire();
        QVERIFY2(other.waitForAcquired(kLong), "what was left to itself has left the lock");
    }
};

QTEST_GUILESS_MAIN(TestLockFileThreads)
#include "tst_lockfilethreads.moc"
