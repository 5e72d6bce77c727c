// SPDX-License-Identifier: 0BSD
#include "environment.h"

#include <QtCore/qcoreapplication.h>

#include <atomic>
#include <thread>

using namespace QtLockFile;
using State = LockFile::State;
using Code = LockError::Code;

// Without a QCoreApplication: what command line programs, and main() before its application object, may do with a lock.
class TestApplicationless : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init() { QVERIFY(!QCoreApplication::instance()); }

    void acquireAndReleaseWorkThroughWaitFor()
    {
        const Folder folder;
        LockFile lock(folder.path());
        Record record(lock);
        for (int round = 0; round < 3; ++round) {
            lock.acquire();
            QVERIFY(lock.waitForAcquired(kLong));
            lock.release();
            QVERIFY(lock.waitForReleased(kLong));
            QCOMPARE(record.take(), QStringLiteral("Acquiring, Acquired, acquired, Releasing, Released, released"));
        }
        QVERIFY(folder.isEmpty());
    }

    void aWaitWithoutLimitLeavesOneEventAtMostHoweverOftenItIsDone()
    {
        class Counter : public QObject
        {
        public:
            bool eventFilter(QObject *, QEvent *event) override
            {
                count += event->type() == QEvent::MetaCall;
                return false;
            }
            int count = 0;
        };
        const Folder folder;
        LockFile lock(folder.path());
        Counter counter;
        lock.installEventFilter(&counter);
        for (int round = 0; round < 100; ++round) {
            lock.acquire();
            QVERIFY(lock.waitForAcquired());
            lock.release();
            QVERIFY(lock.waitForReleased());
            QVERIFY(lock.tryAcquire());
            lock.release();
            lock.acquire();
            QVERIFY(lock.waitForAcquired());
            lock.release();
            QVERIFY(lock.waitForReleased());
        }
        QVERIFY(folder.isEmpty());
        int argc = 0;
        char *argv[] = {nullptr};
        QCoreApplication application(argc, argv); // has events delivered, also older ones
        QCoreApplication::sendPostedEvents();
        QVERIFY(counter.count <= 1);
        lock.acquire();
        QVERIFY(must([&] { return lock.isAcquired(); }));
    }

    void releasedComesBeforeAWaitWithoutLimitGoesOn()
    {
        const Folder folder;
        LockFile first(folder.path());
        LockFile second(folder.path());
        connect(&first, &LockFile::released, &second, [&] {
            if (second.state() != State::Acquiring)
                return;
            QVERIFY(second.waitForAcquired());
            second.release();
        });
        QVERIFY(first.tryAcquire());
        for (int round = 0; round < 100; ++round) {
            second.acquire();
            for (const QDeadlineTimer deadline(kLong); second.position() != 1;) {
                QVERIFY(!deadline.hasExpired());
                std::this_thread::yield();
            }
            first.release();
            first.acquire(); // behind the second, which lets go only once it hears of the release
            QVERIFY(first.waitForAcquired());
            QVERIFY(second.waitForReleased());
        }
    }

    void threadsThatWaitWithoutLimitNeverHoldAtOnce()
    {
        const Folder folder;
        std::atomic<int> inside{0};
        std::vector<std::thread> threads;
        for (int i = 0; i < 4; ++i) {
            threads.emplace_back([&] {
                LockFile lock(folder.path());
                for (int round = 0; round < 200; ++round) {
                    lock.acquire();
                    QVERIFY(lock.waitForAcquired());
                    QCOMPARE(++inside, 1);
                    --inside;
                    lock.release();
                    QVERIFY(lock.waitForReleased());
                }
            });
        }
        for (std::thread &thread : threads)
            thread.join();
        QVERIFY(folder.isEmpty());
    }

    void anEventThatIsThrownAwayIsPostedAnew()
    {
        const Folder folder;
        LockFile lock(folder.path());
        lock.acquire();
        QVERIFY(lock.waitForAcquired(kLong));
        QCoreApplication::removePostedEvents(&lock);
        lock.release();
        int argc = 0;
        char *argv[] = {nullptr};
        QCoreApplication application(argc, argv);
        QVERIFY(must([&] { return lock.state() == State::Released; }));
    }

    void tryAcquireWorks()
    {
        const Folder folder;
        LockFile lock(folder.path());
        QVERIFY(lock.tryAcquire());
        LockFile other(folder.path());
        QVERIFY(!other.tryAcquire());
        QCOMPARE(other.error().code(), Code::Held);
        QVERIFY(other.error().holder().isThisProcess());
        QVERIFY(!other.error().message().isEmpty());
    }

    void aWaitEndsWithTheTimeoutInsideWaitFor()
    {
        const Folder folder;
        LockFile holder(folder.path());
        QVERIFY(holder.tryAcquire());
        LockFile lock(folder.path());
        Record record(lock);
        lock.setTimeout(20ms);
        lock.acquire();
        QVERIFY(!lock.waitForAcquired(kLong));
        QCOMPARE(record.take(), QStringLiteral("Acquiring, Released, failed TimedOut"));
    }

    void aWaitCanBeCancelled()
    {
        const Folder folder;
        LockFile holder(folder.path());
        QVERIFY(holder.tryAcquire());
        LockFile lock(folder.path());
        Record record(lock);
        lock.acquire();
        QVERIFY(!lock.waitForAcquired(kShort));
        lock.cancel();
        QVERIFY(lock.waitForReleased(kLong));
        QCOMPARE(record.take(), QStringLiteral("Acquiring, Released, failed Cancelled"));
    }

    void aPlainThreadMayUseALockOfItsOwn()
    {
        const Folder folder;
        LockFile holder(folder.path());
        QVERIFY(holder.tryAcquire());
        std::atomic<bool> waits{false};
        bool acquired = false;
        bool released = false;
        std::thread thread([&] {
            LockFile lock(folder.path());
            lock.acquire();
            waits = true;
            acquired = lock.waitForAcquired(kLong);
            lock.release();
            released = lock.waitForReleased(kLong);
        });
        const bool waited = mustWithoutEventLoop([&] { return waits.load(); });
        holder.release();
        thread.join();
        QVERIFY(waited);
        QVERIFY(acquired);
        QVERIFY(released);
        QVERIFY(holder.waitForReleased(kLong));
        QVERIFY(folder.isEmpty());
    }

    void destructionReleasesAndRemoves()
    {
        const Folder folder;
        {
            LockFile holder(folder.path());
            QVERIFY(holder.tryAcquire());
            LockFile waiter(folder.path());
            waiter.acquire();
        }
        QVERIFY(folder.isEmpty());
    }

    void whatBeganBeforeTheApplicationObjectGoesOnInItsEventLoop()
    {
        const Folder folder;
        LockFile holder(folder.path());
        QVERIFY(holder.tryAcquire());
        LockFile waiter(folder.path());
        LockFile impatient(folder.path());
        impatient.setTimeout(50ms);
        LockFile released(folder.path("other"));
        QVERIFY(released.tryAcquire());
        Record waited(waiter);
        Record timedOut(impatient);
        Record let(released);
        released.release();
        waiter.acquire();
        impatient.acquire();

        int argc = 1;
        char name[] = "test";
        char *argv[] = {name, nullptr};
        const QCoreApplication application(argc, argv);
        QVERIFY(must([&] { return let.contains("released"); }));
        QVERIFY(must([&] { return timedOut.contains("failed TimedOut"); }));
        holder.release();
        QVERIFY(must([&] { return waited.contains("acquired"); }));
    }
};

// QTEST_APPLESS_MAIN() is a variadic macro that Clang's -Wpedantic wants another argument for.
int main(int argc, char *argv[])
{
    TestApplicationless test;
    return QTest::qExec(&test, argc, argv);
}

#include "tst_applicationless.moc"
