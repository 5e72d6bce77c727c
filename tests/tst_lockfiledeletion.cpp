// SPDX-License-Identifier: 0BSD
#include "environment.h"

#include <QtCore/qpointer.h>
#include <QtCore/qregularexpression.h>

#include <functional>
#include <memory>

using namespace QtLockFile;
using State = LockFile::State;
using Code = LockError::Code;

namespace {

using Connect = std::function<void(LockFile *)>;
using Drive = std::function<bool(LockFile *, LockFile *holder)>;

// Slots that delete the sender.

Connect inState(State state)
{
    return [state](LockFile *lock) {
        QObject::connect(lock, &LockFile::stateChanged, [lock, state](State now) {
            if (now == state)
                delete lock;
        });
    };
}

template<typename Signal>
Connect in(Signal signal)
{
    return [signal](LockFile *lock) { QObject::connect(lock, signal, [lock] { delete lock; }); };
}

// Ways there. Each tells what the last call did, where that is a result.

bool acquireAndRun(LockFile *lock, LockFile *)
{
    lock->acquire();
    return true;
}

bool acquireAndWait(LockFile *lock, LockFile *)
{
    lock->acquire();
    return !lock->waitForAcquired(kLong);
}

bool tryAndRun(LockFile *lock, LockFile *)
{
    return lock->tryAcquire();
}

bool tryThatDeletes(LockFile *lock, LockFile *)
{
    return !lock->tryAcquire();
}

bool tryAndWait(LockFile *lock, LockFile *)
{
    return lock->tryAcquire() && !lock->waitForAcquired(kLong);
}

bool releaseAndRun(LockFile *lock, LockFile *)
{
    return lock->tryAcquire() && (lock->release(), true);
}

bool releaseAndWait(LockFile *lock, LockFile *)
{
    return lock->tryAcquire() && (lock->release(), !lock->waitForReleased(kLong));
}

bool releaseAndTry(LockFile *lock, LockFile *)
{
    return lock->tryAcquire() && (lock->release(), !lock->tryAcquire());
}

bool timeOutAndRun(LockFile *lock, LockFile *holder)
{
    lock->setTimeout(10ms);
    return holder->tryAcquire() && (lock->acquire(), true);
}

bool timeOutAndWait(LockFile *lock, LockFile *holder)
{
    lock->setTimeout(10ms);
    return holder->tryAcquire() && (lock->acquire(), !lock->waitForAcquired(kLong));
}

bool cancelAndRun(LockFile *lock, LockFile *holder)
{
    return holder->tryAcquire() && (lock->acquire(), lock->cancel(), true);
}

bool cancelAndWait(LockFile *lock, LockFile *holder)
{
    return holder->tryAcquire() && (lock->acquire(), lock->cancel(), !lock->waitForReleased(kLong));
}

bool failAndRun(LockFile *lock, LockFile *holder)
{
    return holder->tryAcquire() && !lock->tryAcquire();
}

bool waitAndRun(LockFile *lock, LockFile *holder)
{
    return holder->tryAcquire() && (lock->acquire(), true);
}

bool loseAndRun(LockFile *lock, LockFile *)
{
    return lock->tryAcquire() && remove(lock->path());
}

bool setTimeout(LockFile *lock, LockFile *)
{
    lock->setTimeout(1s);
    return true;
}

bool setRemoveOnRelease(LockFile *lock, LockFile *)
{
    lock->setRemoveOnRelease(false);
    return true;
}

} // namespace

class TestLockFileDeletion : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init() { QTest::failOnWarning(QRegularExpression(QStringLiteral("."))); }

    void aSlotMayDeleteTheSender_data()
    {
        QTest::addColumn<Connect>("connect");
        QTest::addColumn<Drive>("drive");
        QTest::newRow("acquired(), from the event loop") << in(&LockFile::acquired) << Drive(acquireAndRun);
        QTest::newRow("acquired(), from waitForAcquired()") << in(&LockFile::acquired) << Drive(acquireAndWait);
        QTest::newRow("acquired() of tryAcquire(), from the event loop") << in(&LockFile::acquired) << Drive(tryAndRun);
        QTest::newRow("acquired() of tryAcquire(), from waitForAcquired()") << in(&LockFile::acquired) << Drive(tryAndWait);
        QTest::newRow("failed() of a refused try, from the event loop") << in(&LockFile::failed) << Drive(failAndRun);
        QTest::newRow("failed() of a time-out, from the event loop") << in(&LockFile::failed) << Drive(timeOutAndRun);
        QTest::newRow("failed() of a time-out, from waitForAcquired()") << in(&LockFile::failed) << Drive(timeOutAndWait);
        QTest::newRow("failed() of a cancel, from the event loop") << in(&LockFile::failed) << Drive(cancelAndRun);
        QTest::newRow("failed() of a cancel, from waitForReleased()") << in(&LockFile::failed) << Drive(cancelAndWait);
        QTest::newRow("released(), from the event loop") << in(&LockFile::released) << Drive(releaseAndRun);
        QTest::newRow("released(), from waitForReleased()") << in(&LockFile::released) << Drive(releaseAndWait);
        QTest::newRow("stateChanged(Acquiring), inside acquire()") << inState(State::Acquiring) << Drive(acquireAndRun);
        QTest::newRow("stateChanged(Acquired), inside tryAcquire()") << inState(State::Acquired) << Drive(tryThatDeletes);
        QTest::newRow("stateChanged(Acquired), from the event loop") << inState(State::Acquired) << Drive(acquireAndRun);
        QTest::newRow("stateChanged(Acquired), from waitForAcquired()") << inState(State::Acquired) << Drive(acquireAndWait);
        QTest::newRow("stateChanged(Releasing), inside release()") << inState(State::Releasing) << Drive(releaseAndRun);
        QTest::newRow("stateChanged(Released) of a release, from the event loop") << inState(State::Released) << Drive(releaseAndRun);
        QTest::newRow("stateChanged(Released) of a release, from waitForReleased()") << inState(State::Released) << Drive(releaseAndWait);
        QTest::newRow("stateChanged(Released) of a release, inside tryAcquire()") << inState(State::Released) << Drive(releaseAndTry);
        QTest::newRow("stateChanged(Released) of a time-out, from the event loop") << inState(State::Released) << Drive(timeOutAndRun);
        QTest::newRow("stateChanged(Released) of a time-out, from waitForAcquired()") << inState(State::Released) << Drive(timeOutAndWait);
        QTest::newRow("stateChanged(Released) of a cancel, from the event loop") << inState(State::Released) << Drive(cancelAndRun);
        QTest::newRow("stateChanged(Released) of a cancel, from waitForReleased()") << inState(State::Released) << Drive(cancelAndWait);
        QTest::newRow("positionChanged() of a wait, from the event loop") << in(&LockFile::positionChanged) << Drive(waitAndRun);
        QTest::newRow("positionChanged() of a grant, from waitForAcquired()") << in(&LockFile::positionChanged) << Drive(acquireAndWait);
        QTest::newRow("positionChanged() of a grant, inside tryAcquire()") << in(&LockFile::positionChanged) << Drive(tryThatDeletes);
        QTest::newRow("lost(), from the event loop") << in(&LockFile::lost) << Drive(loseAndRun);
        QTest::newRow("timeoutChanged(), inside setTimeout()") << in(&LockFile::timeoutChanged) << Drive(setTimeout);
        QTest::newRow("removeOnReleaseChanged(), inside setRemoveOnRelease()") << in(&LockFile::removeOnReleaseChanged) << Drive(setRemoveOnRelease);
    }

    void aSlotMayDeleteTheSender()
    {
        QFETCH(const Connect, connect);
        QFETCH(const Drive, drive);
        const Folder folder;
        LockFile holder(folder.path());
        const QPointer<LockFile> lock(new LockFile(folder.path()));
        connect(lock);
        QVERIFY(drive(lock, &holder));
        QVERIFY(must([&] { return !lock; }));
        if (holder.isAcquired()) {
            holder.release();
            QVERIFY(holder.waitForReleased(kLong));
        }
        QVERIFY(folder.isEmpty());
        QVERIFY(isFree(folder.path()));
    }

    void destructionIsSilentAndLeavesNothingBehind_data()
    {
        QTest::addColumn<QByteArray>("state");
        QTest::newRow("Released") << QByteArray("Released");
        QTest::newRow("Acquiring, just begun") << QByteArray("begun");
        QTest::newRow("Acquiring, blocked in the kernel") << QByteArray("blocked");
        QTest::newRow("Acquiring, granted and not delivered") << QByteArray("granted");
        QTest::newRow("Acquiring, cancelled and not delivered") << QByteArray("cancelled");
        QTest::newRow("Acquiring, after a release") << QByteArray("after a release");
        QTest::newRow("Acquired, signal due") << QByteArray("tried");
        QTest::newRow("Acquired") << QByteArray("Acquired");
        QTest::newRow("Releasing") << QByteArray("Releasing");
        QTest::newRow("Released, signal due") << QByteArray("failed");
    }

    void destructionIsSilentAndLeavesNothingBehind()
    {
        QFETCH(const QByteArray, state);
        const Folder folder;
        LockFile holder(folder.path());
        auto lock = std::make_unique<LockFile>(folder.path());
        if (state == "begun") {
            lock->acquire();
        } else if (state == "blocked") {
            QVERIFY(holder.tryAcquire());
            lock->acquire();
            QVERIFY(mustWithoutEventLoop([&] { return lock->position() == 1; }));
        } else if (state == "granted") {
            lock->acquire();
            QVERIFY(mustWithoutEventLoop([&] { return lock->position() == 0; }));
        } else if (state == "cancelled") {
            QVERIFY(holder.tryAcquire());
            lock->acquire();
            lock->cancel();
        } else if (state == "after a release") {
            QVERIFY(lock->tryAcquire());
            lock->release();
            lock->acquire();
        } else if (state == "tried" || state == "Acquired") {
            QVERIFY(lock->tryAcquire());
            if (state == "Acquired")
                QVERIFY(lock->waitForAcquired(kLong));
        } else if (state == "Releasing") {
            QVERIFY(lock->tryAcquire());
            lock->release();
        } else if (state == "failed") {
            QVERIFY(holder.tryAcquire());
            QVERIFY(!lock->tryAcquire());
        }

        Record record(*lock);
        bool destroyed = false;
        connect(lock.get(), &QObject::destroyed, this, [&] { destroyed = true; });
        lock.reset();
        QVERIFY(destroyed);
        QVERIFY(record.isEmpty());
        if (holder.isAcquired()) {
            LockFile next(folder.path());
            next.acquire();
            QVERIFY(mustWithoutEventLoop([&] { return next.position() == 1; }));
            holder.release();
            QVERIFY(next.waitForAcquired(kLong));
            next.release();
            QVERIFY(next.waitForReleased(kLong));
        }
        QVERIFY(folder.isEmpty());
        QVERIFY(isFree(folder.path()));
        QVERIFY(stays([&] { return record.isEmpty(); }));
    }

    void destructionKeepsTheFileWhereReleaseWould()
    {
        const Folder folder;
        for (const bool changedWhileHeld : {false, true}) {
            auto lock = std::make_unique<LockFile>(folder.path());
            lock->setRemoveOnRelease(changedWhileHeld);
            QVERIFY(lock->tryAcquire());
            lock->setRemoveOnRelease(false);
            lock.reset();
            QVERIFY(exists(folder.path()));
            QVERIFY(isFree(folder.path())); // and removes it
            QVERIFY(folder.isEmpty());
        }
    }

    void theParentDeletesIt()
    {
        const Folder folder;
        auto parent = std::make_unique<QObject>();
        auto *lock = new LockFile(folder.path(), parent.get());
        QVERIFY(lock->tryAcquire());
        parent.reset();
        QVERIFY(folder.isEmpty());
    }

    void deleteLaterFromASlotIsDeletion()
    {
        const Folder folder;
        const QPointer<LockFile> lock(new LockFile(folder.path()));
        connect(lock, &LockFile::acquired, lock, &QObject::deleteLater);
        lock->acquire();
        QVERIFY(must([&] { return !lock; }));
        QVERIFY(folder.isEmpty());
    }
};

QTEST_GUILESS_MAIN(TestLockFileDeletion)
#include "tst_lockfiledeletion.moc"
