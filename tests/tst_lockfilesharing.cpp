// SPDX-License-Identifier: 0BSD
#include "environment.h"

#include <QtCore/qregularexpression.h>
#include <QtTest/qsignalspy.h>

#include <algorithm>
#include <memory>
#include <vector>

using namespace QtLockFile;
using State = LockFile::State;
using Code = LockError::Code;

namespace {

bool release(LockFile &lock)
{
    lock.release();
    return lock.waitForReleased(kLong);
}

bool waitsAt(const LockFile &lock, int position)
{
    return mustWithoutEventLoop([&] { return lock.position() == position; });
}

// Who holds the lock, by the word of a third who is refused it.
LockParticipant holderOf(const QString &path)
{
    LockFile third(path);
    return third.tryAcquire() ? LockParticipant() : third.error().holder();
}

int countDescriptors()
{
    return int(QDir(QStringLiteral("/proc/self/fd")).entryList(QDir::AllEntries | QDir::System | QDir::NoDotAndDotDot).size());
}

int countThreads()
{
    return int(QDir(QStringLiteral("/proc/self/task")).entryList(QDir::Dirs | QDir::NoDotAndDotDot).size());
}

// A queue of locks that wait, in order, behind each other.
class Queue
{
public:
    Queue(const QString &path, int length, bool remove = true)
    {
        for (int i = 0; i < length; ++i) {
            locks.push_back(std::make_unique<LockFile>(path));
            LockFile &lock = *locks.back();
            lock.setRemoveOnRelease(remove);
            QObject::connect(&lock, &LockFile::acquired, &lock, [this, i] { order.push_back(i); });
            lock.acquire();
            complete &= i == 0 ? lock.waitForAcquired(kLong) : waitsAt(lock, i);
        }
    }

    std::vector<std::unique_ptr<LockFile>> locks;
    std::vector<int> order;
    bool complete = true;
};

} // namespace

// Several locks of one process on one path.
class TestLockFileSharing : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init() { QTest::failOnWarning(QRegularExpression(QStringLiteral("."))); }

    void twoObjectsExcludeEachOther()
    {
        const Folder folder;
        LockFile lock(folder.path());
        LockFile other(folder.path());
        QVERIFY(lock.tryAcquire());
        QVERIFY(!other.tryAcquire());
        QCOMPARE(other.error().code(), Code::Held);
        QVERIFY(other.error().holder().isThisProcess());
        other.acquire();
        QVERIFY(stays([&] { return !other.isAcquired(); }));
        QVERIFY(release(lock));
        QVERIFY(must([&] { return other.isAcquired(); }));
        QVERIFY(!lock.tryAcquire());
    }

    void objectsAreServedInTheOrderInWhichTheyQueued_data()
    {
        QTest::addColumn<bool>("remove");
        QTest::newRow("with removal") << true;
        QTest::newRow("without removal") << false;
    }

    void objectsAreServedInTheOrderInWhichTheyQueued()
    {
        QFETCH(const bool, remove);
        const Folder folder;
        Queue queue(folder.path(), 20, remove);
        QVERIFY(queue.complete);
        for (const auto &lock : queue.locks)
            connect(lock.get(), &LockFile::acquired, lock.get(), &LockFile::release);
        queue.locks.front()->release();
        QVERIFY(must([&] { return queue.locks.back()->state() == State::Released; }));
        std::vector<int> expected(queue.locks.size());
        for (size_t i = 0; i < expected.size(); ++i)
            expected[i] = int(i);
        QCOMPARE(queue.order, expected);
        QCOMPARE(folder.isEmpty(), remove);
    }

    void whoReleasesAndAcquiresAgainGoesToTheEnd()
    {
        const Folder folder;
        Queue queue(folder.path(), 3);
        QVERIFY(queue.complete);
        LockFile &first = *queue.locks[0];
        first.release();
        first.acquire();
        QVERIFY(queue.locks[1]->waitForAcquired(kLong));
        QVERIFY(waitsAt(first, 2));
        QVERIFY(release(*queue.locks[1]));
        QVERIFY(queue.locks[2]->waitForAcquired(kLong));
        QVERIFY(release(*queue.locks[2]));
        QVERIFY(first.waitForAcquired(kLong));
    }

    void tryAcquireDoesNotOvertakeThoseWhoWait()
    {
        const Folder folder;
        Queue queue(folder.path(), 2);
        QVERIFY(queue.complete);
        LockFile other(folder.path());
        QVERIFY(!other.tryAcquire());
        QVERIFY(release(*queue.locks[0]));
        QVERIFY(!other.tryAcquire());
        QVERIFY(queue.locks[1]->waitForAcquired(kLong));
    }

    void positionCountsThoseBefore()
    {
        const Folder folder;
        Queue queue(folder.path(), 4);
        QVERIFY(queue.complete);
        for (int i = 0; i < 4; ++i)
            QVERIFY(waitsAt(*queue.locks[size_t(i)], i));

        queue.locks[1]->cancel();
        QVERIFY(queue.locks[1]->waitForReleased(kLong));
        QCOMPARE(queue.locks[0]->position(), 0);
        QCOMPARE(queue.locks[1]->position(), -1);
        QVERIFY(waitsAt(*queue.locks[2], 1));
        QVERIFY(waitsAt(*queue.locks[3], 2));

        queue.locks[0]->release();
        QCOMPARE(queue.locks[0]->position(), -1);
        QVERIFY(queue.locks[2]->waitForAcquired(kLong));
        QCOMPARE(queue.locks[2]->position(), 0);
        QVERIFY(waitsAt(*queue.locks[3], 1));
        QVERIFY(queue.locks[0]->waitForReleased(kLong));
        QCOMPARE(queue.locks[0]->position(), -1);
    }

    void positionChangedTellsOfTheWayToTheFront()
    {
        const Folder folder;
        Queue queue(folder.path(), 3);
        QVERIFY(queue.complete);
        LockFile lock(folder.path());
        QList<int> positions;
        connect(&lock, &LockFile::positionChanged, this, [&](int position) {
            QCOMPARE(lock.position(), position);
            positions << position;
        });
        lock.acquire();
        for (int before = 3; before > 0; --before) {
            QVERIFY(must([&] { return !positions.isEmpty() && positions.last() == before; }));
            QVERIFY(release(*queue.locks[size_t(3 - before)]));
            if (before > 1)
                QVERIFY(queue.locks[size_t(4 - before)]->waitForAcquired(kLong));
        }
        QVERIFY(must([&] { return lock.isAcquired(); }));
        lock.release();
        QVERIFY(must([&] { return lock.state() == State::Released; }));
        QCOMPARE(positions, QList<int>({3, 2, 1, 0, -1}));
    }

    void openingAndClosingTheFileElsewhereInTheProcessDropsNothing()
    {
        const Folder folder;
        LockFile lock(folder.path());
        QVERIFY(lock.tryAcquire());
        for (const int flags : {O_RDONLY, O_RDWR}) {
            const int descriptor = ::open(QFile::encodeName(folder.path()).constData(), flags | O_CLOEXEC);
            QVERIFY(descriptor >= 0);
            QCOMPARE(::close(descriptor), 0);
            QVERIFY(!isFree(folder.path()));
        }
        QCOMPARE(read(folder.path()), QByteArray());
        LockFile waiter(folder.path());
        waiter.acquire();
        QVERIFY(!waiter.waitForAcquired(kShort));
        QVERIFY(release(lock));
        QVERIFY(waiter.waitForAcquired(kLong));
    }

    void anObjectThatComesAndGoesDoesNotCostTheHolderItsName_data()
    {
        QTest::addColumn<QByteArray>("way");
        QTest::newRow("a refused try") << QByteArray("try");
        QTest::newRow("a cancelled wait") << QByteArray("cancel");
        QTest::newRow("a wait that timed out") << QByteArray("timeout");
        QTest::newRow("the destruction of a waiter") << QByteArray("destroy");
    }

    void anObjectThatComesAndGoesDoesNotCostTheHolderItsName()
    {
        QFETCH(const QByteArray, way);
        const Folder folder;
        LockFile holder(folder.path());
        QVERIFY(holder.tryAcquire());
        QCOMPARE(holderOf(folder.path()).pid(), qint64(::getpid()));
        for (int round = 0; round < 3; ++round) {
            LockFile other(folder.path());
            if (way == "try") {
                QVERIFY(!other.tryAcquire());
            } else {
                if (way == "timeout")
                    other.setTimeout(5ms);
                other.acquire();
                if (way == "timeout") {
                    QVERIFY(!other.waitForAcquired(kLong));
                } else {
                    QVERIFY(waitsAt(other, 1));
                    if (way == "cancel") {
                        other.cancel();
                        QVERIFY(other.waitForReleased(kLong));
                    }
                }
            }
        }
        QCOMPARE(holderOf(folder.path()).pid(), qint64(::getpid()));
        QVERIFY(!holderOf(folder.path()).processName().isEmpty());
    }

    void aHandOverKeepsTheNameKnown()
    {
        const Folder folder;
        Queue queue(folder.path(), 5);
        QVERIFY(queue.complete);
        for (size_t i = 0; i + 1 < queue.locks.size(); ++i) {
            QVERIFY(release(*queue.locks[i]));
            QVERIFY(queue.locks[i + 1]->waitForAcquired(kLong));
            QVERIFY(holderOf(folder.path()).isThisProcess());
        }
    }

    void aNameIsLostToAForeignCloseButNotTheLock()
    {
        const Folder folder;
        LockFile holder(folder.path());
        QVERIFY(holder.tryAcquire());
        QCOMPARE(read(folder.path()), QByteArray());
        LockFile other(folder.path());
        QVERIFY(!other.tryAcquire());
        QCOMPARE(other.error().code(), Code::Held);
        QCOMPARE(other.error().holder().pid(), qint64(-1));
        QVERIFY(other.error().message().contains(folder.path()));
        // The next holder is named again.
        other.acquire();
        QVERIFY(release(holder));
        QVERIFY(other.waitForAcquired(kLong));
        QVERIFY(holderOf(folder.path()).isThisProcess());
    }

    void descriptorsAreClosed_data()
    {
        QTest::addColumn<QByteArray>("way");
        QTest::newRow("of cycles of acquire and release") << QByteArray("cycles");
        QTest::newRow("of attempts that were cancelled beside a holder") << QByteArray("cancelled");
        QTest::newRow("of waits that came to nothing because the path is no lock file") << QByteArray("not a lock file");
        QTest::newRow("of objects that wait and are destroyed") << QByteArray("destroyed");
    }

    void descriptorsAreClosed()
    {
        QFETCH(const QByteArray, way);
        const Folder folder;
        QVERIFY(write(folder.path("document"), "content"));
        const auto run = [&](LockFile &holder, int rounds) {
            for (int i = 0; i < rounds; ++i) {
                if (way == "cycles") {
                    if (!release(holder) || !holder.tryAcquire())
                        return false;
                    continue;
                }
                LockFile other(way == "not a lock file" ? folder.path("document") : folder.path());
                other.acquire();
                if (way == "cancelled") {
                    other.cancel();
                    if (!other.waitForReleased(kLong))
                        return false;
                } else if (way == "not a lock file") {
                    if (other.waitForAcquired(kLong))
                        return false;
                } else if (!waitsAt(other, 1)) {
                    return false;
                }
            }
            return true;
        };
        const int none = countDescriptors();
        {
            LockFile holder(folder.path());
            QVERIFY(holder.tryAcquire());
            QVERIFY(run(holder, 100));
            QVERIFY2(countDescriptors() <= none + 3, "no more is kept than was in use at once: the holder's, the other's, and one to look");
        }
        QCOMPARE(countDescriptors(), none);
    }

    void refusedTriesBesideAHolderDoNotCollectDescriptors()
    {
        const Folder folder;
        const int none = countDescriptors();
        {
            LockFile holder(folder.path());
            QVERIFY(holder.tryAcquire());
            for (int i = 0; i < 1000; ++i) {
                LockFile other(folder.path());
                QVERIFY(!other.tryAcquire());
            }
            QVERIFY2(countDescriptors() <= none + 2, "the holder's, and one for the looks of all others");
        }
        QCOMPARE(countDescriptors(), none);
    }

    void idleThreadsAreUsedAgainAndNotHoarded()
    {
        const Folder folder;
        {
            LockFile lock(folder.path());
            lock.acquire();
            QVERIFY(lock.waitForAcquired(kLong));
            QVERIFY(release(lock));
        }
        const int few = countThreads();
        for (int i = 0; i < 100; ++i) {
            LockFile lock(folder.path());
            lock.acquire();
            QVERIFY(lock.waitForAcquired(kLong));
            QVERIFY(release(lock));
        }
        QVERIFY2(countThreads() <= few + 1, "at most one more, when a cycle began before the thread of the last was idle");
        {
            Queue queue(folder.path(), 30);
            QVERIFY(queue.complete);
            QVERIFY(countThreads() >= 29);
        }
        QVERIFY(mustWithoutEventLoop([&] { return countThreads() <= few + 4; }));
    }

    void everybodyGetsItWhenManyComeAndGo()
    {
        const Folder folder;
        constexpr int kLocks = 8;
        constexpr int kRounds = 25;
        int holders = 0;
        int most = 0;
        std::vector<int> rounds(kLocks);
        std::vector<std::unique_ptr<LockFile>> locks;
        for (size_t i = 0; i < kLocks; ++i) {
            locks.push_back(std::make_unique<LockFile>(folder.path()));
            LockFile *lock = locks.back().get();
            lock->setRemoveOnRelease(i % 2 == 0);
            connect(lock, &LockFile::acquired, lock, [&, lock] {
                most = std::max(most, ++holders);
                QTimer::singleShot(0, lock, [&, lock] {
                    --holders;
                    lock->release();
                });
            });
            connect(lock, &LockFile::released, lock, [&, lock, i] {
                if (++rounds[i] < kRounds)
                    lock->acquire();
            });
            lock->acquire();
        }
        const bool all = must([&] { return std::all_of(rounds.begin(), rounds.end(), [](int n) { return n == kRounds; }); });
        for (size_t i = 0; i < kLocks && !all; ++i)
            qWarning().nospace() << *locks[i] << " at " << locks[i]->position() << " after " << rounds[i] << " rounds";
        QVERIFY(all);
        QCOMPARE(most, 1);
        QVERIFY(isFree(folder.path()));
        QVERIFY(folder.isEmpty());
    }
};

QTEST_GUILESS_MAIN(TestLockFileSharing)
#include "tst_lockfilesharing.moc"
