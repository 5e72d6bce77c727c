// SPDX-License-Identifier: 0BSD
#include "queuetest.h"

#include <QtLockFile/LockFile>
#include <QtLockFile/LockQueue>

#include <QtCore/qpointer.h>
#include <QtTest/qtest.h>

#include <sys/resource.h>

using namespace QtLockFile;

namespace {

// How often a lock has told that it is lost. QSignalSpy would not do: it connects without the lock's knowing.
struct Losses
{
    explicit Losses(LockFile *lock)
    {
        QObject::connect(lock, &LockFile::lost, lock, [this] { ++count; });
    }

    bool comeTo(int expected) const
    {
        return must([&] { return count >= expected; }) && never([&] { return count != expected; });
    }

    int count = 0;
};

struct Positions
{
    explicit Positions(LockFile *lock)
    {
        QObject::connect(lock, &LockFile::positionChanged, lock, [this, lock](int position) {
            // Of what others do since, the property may tell already.
            consistent &= lock->state() != LockFile::State::Acquiring || lock->position() <= position;
            seen.append(position);
        });
    }

    bool comeTo(int expected) const
    {
        return must([&] { return !seen.isEmpty() && seen.constLast() == expected; });
    }

    QList<int> seen;
    bool consistent = true;
};

} // namespace

class tst_Lost : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init();
    void cleanup();

    void isToldWhenTheFileIsNoLongerAtThePath_data();
    void isToldWhenTheFileIsNoLongerAtThePath();
    void isNotToldWhenNothingHappened_data();
    void isNotToldWhenNothingHappened();
    void isToldOncePerHold();
    void isToldThoughNothingWasLeftToWatchWithAtFirst();
    void isToldOnceOfSeveralLooks();
    void isNotToldAgainToWhoConnectsLater();
    void isNotToldOfTheHoldBefore();
    void isToldToWhoConnectsAfterAcquiring_data();
    void isToldToWhoConnectsAfterAcquiring();
    void leavesTheLockAsItIs();
    void mayDeleteTheSender();
    void costsNothingUnlessConnected();
    void endsItsCostWithTheHold();

    void positionFollowsThoseBefore();
    void positionFollowsInOneProcess();
    void positionIsToldToWhoConnectsWhileWaiting();
    void positionOfAFailedAttemptIsMinusOne();
    void positionMayDeleteTheSender();
    void positionCostsNothingUnlessConnected();

private:
    QString inFolder(const QString &name) const { return m_folder->filePath(name); }

    std::unique_ptr<QTemporaryDir> m_folder;
    QString m_path;
};

void tst_Lost::init()
{
    m_folder = std::make_unique<QTemporaryDir>();
    QVERIFY(m_folder->isValid());
    QVERIFY(QDir(m_folder->path()).mkpath(QStringLiteral("one/two")));
    m_path = inFolder(QStringLiteral("one/two/lock"));
    QVERIFY(must([] { return inotifyDescriptors().isEmpty(); }));
}

void tst_Lost::cleanup()
{
    m_folder.reset();
}

void tst_Lost::isToldWhenTheFileIsNoLongerAtThePath_data()
{
    QTest::addColumn<QString>("what");
    for (const char *what : {"removed", "moved away", "replaced by a file", "replaced by a lock file that is held", "removed, and created anew",
                             "its folder moved", "the folder above moved", "its folder replaced by a file", "replaced by a folder", "replaced by a link",
                             "replaced by a link to itself", "replaced by a FIFO"})
        QTest::newRow(what) << QString::fromLatin1(what);
}

void tst_Lost::isToldWhenTheFileIsNoLongerAtThePath()
{
    QFETCH(const QString, what);
    const QByteArray path = QFile::encodeName(m_path);
    const QString away = inFolder(QStringLiteral("away"));
    LockFile lock(m_path);
    Losses losses(&lock);
    QVERIFY(lock.tryAcquire());
    QVERIFY(never([&] { return losses.count > 0; }));

    LockFile second(away);
    if (what == QLatin1String("removed")) {
        QVERIFY(QFile::remove(m_path));
    } else if (what == QLatin1String("moved away") || what == QLatin1String("replaced by a link to itself")) {
        QVERIFY(move(m_path, away));
        if (what != QLatin1String("moved away"))
            QVERIFY(QFile::link(away, m_path)); // locking refuses links, whatever they lead to
    } else if (what == QLatin1String("replaced by a file")) {
        QVERIFY(createFile(away));
        QVERIFY(move(away, m_path));
    } else if (what == QLatin1String("replaced by a lock file that is held")) {
        QVERIFY(second.tryAcquire());
        QVERIFY(move(away, m_path));
    } else if (what == QLatin1String("removed, and created anew")) {
        QVERIFY(QFile::remove(m_path));
        QVERIFY(createFile(m_path));
    } else if (what == QLatin1String("its folder moved")) {
        QVERIFY(move(inFolder(QStringLiteral("one/two")), away));
    } else if (what == QLatin1String("the folder above moved")) {
        QVERIFY(move(inFolder(QStringLiteral("one")), away));
    } else if (what == QLatin1String("its folder replaced by a file")) {
        QVERIFY(move(inFolder(QStringLiteral("one/two")), away));
        QVERIFY(createFile(inFolder(QStringLiteral("one/two"))));
    } else {
        QVERIFY(QFile::remove(m_path));
        if (what == QLatin1String("replaced by a folder"))
            QCOMPARE(::mkdir(path.constData(), 0755), 0);
        else if (what == QLatin1String("replaced by a link"))
            QCOMPARE(::symlink("/dev/null", path.constData()), 0);
        else
            QCOMPARE(::mkfifo(path.constData(), 0666), 0);
    }
    QVERIFY(losses.comeTo(1));
    QCOMPARE(lock.state(), LockFile::State::Acquired);
    QVERIFY(!lock.error());
    lock.release();
    QVERIFY(lock.waitForReleased());
    QVERIFY(losses.comeTo(1));
}

void tst_Lost::isNotToldWhenNothingHappened_data()
{
    QTest::addColumn<bool>("keep");
    QTest::newRow("file removed on release") << false;
    QTest::newRow("file kept") << true;
}

void tst_Lost::isNotToldWhenNothingHappened()
{
    QFETCH(const bool, keep);
    LockFile lock(m_path);
    lock.setRemoveOnRelease(!keep);
    Losses losses(&lock);
    const auto other = Other::onlooker();
    for (int i = 0; i < 20; ++i) {
        if (i % 2) {
            QVERIFY(lock.tryAcquire());
        } else {
            lock.acquire();
            QVERIFY(must([&] { return lock.isAcquired(); }));
        }
        if (i % 4 == 0) {
            // What is no loss: others queue and give up, and look, and the file's time stamps and permissions change.
            other->say("acquire", m_path);
            QVERIFY(must([&] { return LockQueue::of(m_path).waiters().size() == 1; }));
            QVERIFY(other->ask("cancel", "failed"));
            QVERIFY(other->ask("look", m_path, "queue"));
            QCOMPARE(::chmod(QFile::encodeName(m_path).constData(), 0644), 0);
            QVERIFY(createFile(inFolder(QStringLiteral("one/two/neighbour"))));
            QVERIFY(QFile::remove(inFolder(QStringLiteral("one/two/neighbour"))));
            QVERIFY(never([&] { return losses.count > 0; }));
        }
        lock.release();
        if (i % 3)
            QVERIFY(must([&] { return lock.state() == LockFile::State::Released; }));
        else
            QVERIFY(lock.waitForReleased());
        QCOMPARE(QFile::exists(m_path), keep);
    }
    QVERIFY(never([&] { return losses.count > 0; }));
}

void tst_Lost::isToldOncePerHold()
{
    LockFile lock(m_path);
    Losses losses(&lock);
    for (int hold = 1; hold <= 3; ++hold) {
        QVERIFY(lock.tryAcquire());
        for (int i = 0; i < 3; ++i) {
            QVERIFY(QFile::remove(m_path));
            QVERIFY(losses.comeTo(hold));
            QVERIFY(createFile(m_path));
            QVERIFY(losses.comeTo(hold));
        }
        lock.release();
        QVERIFY(lock.waitForReleased());
    }
}

void tst_Lost::isToldThoughNothingWasLeftToWatchWithAtFirst()
{
    QVERIFY(must([] { return inotifyDescriptors().isEmpty(); })); // the thread that watches is to be started here
    LockFile lock(m_path);
    QVERIFY(lock.tryAcquire());
    QCoreApplication::processEvents();
    Losses losses(&lock);
    rlimit before;
    QCOMPARE(::getrlimit(RLIMIT_NOFILE, &before), 0);
    const int next = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    QCOMPARE(::close(next), 0);
    const rlimit none{rlim_t(next), before.rlim_max};
    QCOMPARE(::setrlimit(RLIMIT_NOFILE, &none), 0);
    QCoreApplication::processEvents();
    QCoreApplication::processEvents();
    QCOMPARE(::setrlimit(RLIMIT_NOFILE, &before), 0);
    QVERIFY(inotifyDescriptors().isEmpty());
    QVERIFY(QFile::remove(m_path));
    QVERIFY(must([&] { return losses.count == 1; }));
}

// Each finds something else at the path, and all are due when the event loop runs again.
void tst_Lost::isToldOnceOfSeveralLooks()
{
    const auto other = Other::onlooker();
    QVERIFY(other->ask("watch", m_path, "queue"));
    LockFile lock(m_path);
    Losses losses(&lock);
    const auto isSeen = [&](const QString &error, bool held = false) { // by the other, and so by us, whose event loop does not run meanwhile
        while (other->hear("queue")) {
            const QJsonObject queue = other->heardObject();
            if (queue.value(u"error").toString() == error && queue.value(u"held").toBool() == held)
                return true;
        }
        return false;
    };
    QVERIFY(lock.tryAcquire());
    QVERIFY(isSeen(QStringLiteral("None"), true));
    QVERIFY(never([&] { return losses.count > 0; }));
    QVERIFY(QFile::remove(m_path));
    QVERIFY(isSeen(QStringLiteral("None")));
    QCOMPARE(::mkfifo(QFile::encodeName(m_path).constData(), 0666), 0);
    QVERIFY(isSeen(QStringLiteral("NotALockFile")));
    QVERIFY(QFile::remove(m_path));
    QVERIFY(isSeen(QStringLiteral("None")));
    QVERIFY(losses.comeTo(1));
}

void tst_Lost::isNotToldAgainToWhoConnectsLater()
{
    LockFile lock(m_path);
    Losses losses(&lock);
    QVERIFY(lock.tryAcquire());
    QVERIFY(QFile::remove(m_path));
    QVERIFY(losses.comeTo(1));
    const Losses later(&lock);
    const Positions positions(&lock);
    QVERIFY(losses.comeTo(1));
    QCOMPARE(later.count, 0);
    // All are told of the next.
    lock.release();
    QVERIFY(lock.waitForReleased());
    QVERIFY(lock.tryAcquire());
    QVERIFY(QFile::remove(m_path));
    QVERIFY(losses.comeTo(2));
    QCOMPARE(later.count, 1);
}

void tst_Lost::isNotToldOfTheHoldBefore()
{
    LockFile lock(m_path);
    Losses losses(&lock);
    for (int i = 0; i < 50; ++i) {
        QVERIFY(lock.tryAcquire());
        if (i % 2)
            QVERIFY(!QTest::qWaitFor([&] { return losses.count > 0; }, i % 10)); // lets looks be due
        QVERIFY(QFile::remove(m_path));
        lock.release();
        QVERIFY(lock.waitForReleased());
        const int before = losses.count;
        QVERIFY(lock.tryAcquire());
        if (i % 10 == 0)
            QVERIFY(never([&] { return losses.count != before; }));
        lock.release();
        QVERIFY(lock.waitForReleased());
        QCOMPARE(losses.count, before);
    }
}

void tst_Lost::isToldToWhoConnectsAfterAcquiring_data()
{
    QTest::addColumn<bool>("lostBefore");
    QTest::newRow("before the loss") << false;
    QTest::newRow("after the loss") << true;
}

void tst_Lost::isToldToWhoConnectsAfterAcquiring()
{
    QFETCH(const bool, lostBefore);
    LockFile lock(m_path);
    QVERIFY(lock.tryAcquire());
    QVERIFY(never([] { return !inotifyDescriptors().isEmpty(); }));
    if (lostBefore)
        QVERIFY(QFile::remove(m_path));
    Losses losses(&lock);
    if (!lostBefore) {
        QVERIFY(never([&] { return losses.count > 0; }));
        QVERIFY(QFile::remove(m_path));
    }
    QVERIFY(losses.comeTo(1));
}

void tst_Lost::leavesTheLockAsItIs()
{
    LockFile lock(m_path);
    Losses losses(&lock);
    QVERIFY(lock.tryAcquire());
    QVERIFY(QFile::remove(m_path));
    const auto other = Other::onlooker();
    QVERIFY(other->ask("acquire", m_path, "acquired")); // two hold a lock on the path, each on a file of its own
    QVERIFY(losses.comeTo(1));
    QCOMPARE(lock.state(), LockFile::State::Acquired);
    QCOMPARE(lock.position(), 0);
    QVERIFY(lock.fileDescriptor() >= 0);
    QVERIFY(!lock.error());
    QCOMPARE(pidsOf(LockQueue::of(m_path)), QList<qint64>{other->pid()});

    struct stat before = {};
    QCOMPARE(::stat(QFile::encodeName(m_path).constData(), &before), 0);
    lock.release();
    QVERIFY(lock.waitForReleased());
    QVERIFY(!lock.error());
    struct stat after = {};
    QCOMPARE(::stat(QFile::encodeName(m_path).constData(), &after), 0);
    QCOMPARE(after.st_ino, before.st_ino);
    QCOMPARE(after.st_ctim.tv_nsec, before.st_ctim.tv_nsec);
    QCOMPARE(pidsOf(LockQueue::of(m_path)), QList<qint64>{other->pid()});

    // The next hold is of the stranger's file.
    lock.acquire();
    QVERIFY(must([&] { return LockQueue::of(m_path).waiters().size() == 1; }));
    QVERIFY(other->ask("release", "released"));
    QVERIFY(lock.waitForAcquired());
    QVERIFY(losses.comeTo(1));
}

void tst_Lost::mayDeleteTheSender()
{
    for (int i = 0; i < 20; ++i) {
        QPointer<LockFile> lock = new LockFile(m_path);
        connect(lock.data(), &LockFile::lost, this, [&] { delete lock.data(); });
        const Losses losses(lock.data());
        QVERIFY(lock->tryAcquire());
        QVERIFY(QFile::remove(m_path));
        QVERIFY(must([&] { return lock.isNull(); }));
        QVERIFY(!QFile::exists(m_path));
    }
}

void tst_Lost::costsNothingUnlessConnected()
{
    LockFile lock(m_path);
    QVERIFY(lock.tryAcquire());
    QVERIFY(never([] { return !inotifyDescriptors().isEmpty(); }));
    QVERIFY(QFile::remove(m_path));
    QVERIFY(never([] { return !inotifyDescriptors().isEmpty(); }));
    QCOMPARE(lock.state(), LockFile::State::Acquired);
    lock.release();
    QVERIFY(lock.waitForReleased());
}

void tst_Lost::endsItsCostWithTheHold()
{
    LockFile lock(m_path);
    const Losses losses(&lock);
    QVERIFY(inotifyDescriptors().isEmpty());
    QVERIFY(lock.tryAcquire());
    QVERIFY(must([] { return inotifyDescriptors().size() == 1; }));
    lock.release();
    QVERIFY(lock.waitForReleased());
    QVERIFY(must([] { return inotifyDescriptors().isEmpty(); }));
    QCOMPARE(losses.count, 0);
}

// One before is killed, one gives up, and the holder releases.
void tst_Lost::positionFollowsThoseBefore()
{
    Others others = queueOf(3, m_path);
    QCOMPARE(others.size(), size_t(3));
    LockFile lock(m_path);
    Positions positions(&lock);
    QCOMPARE(lock.position(), -1);
    lock.acquire();
    QVERIFY(positions.comeTo(3));
    QCOMPARE(lock.position(), 3);
    const auto behind = Other::onlooker(); // does not count
    behind->say("acquire", m_path);
    QVERIFY(must([&] { return LockQueue::of(m_path).waiters().size() == 4; }));

    others.at(1)->kill();
    QVERIFY(positions.comeTo(2));
    QCOMPARE(lock.position(), 2);
    QVERIFY(others.at(2)->ask("cancel", "failed"));
    QVERIFY(positions.comeTo(1));
    QCOMPARE(lock.position(), 1);
    QVERIFY(others.at(0)->ask("release", "released"));
    QVERIFY(positions.comeTo(0));
    QVERIFY(must([&] { return lock.isAcquired(); }));
    QCOMPARE(lock.position(), 0);
    lock.release();
    QVERIFY(positions.comeTo(-1));
    QVERIFY(lock.waitForReleased());
    QCOMPARE(positions.seen, (QList<int>{3, 2, 1, 0, -1}));
    QVERIFY(positions.consistent);
}

void tst_Lost::positionFollowsInOneProcess()
{
    std::vector<std::unique_ptr<LockFile>> locks;
    for (int i = 0; i < 3; ++i) {
        locks.push_back(std::make_unique<LockFile>(m_path));
        locks.back()->acquire();
        QVERIFY(must([&] { return locks.back()->position() == i; }));
    }
    LockFile last(m_path);
    Positions positions(&last);
    last.acquire();
    QVERIFY(positions.comeTo(3));
    locks.at(1)->cancel();
    QVERIFY(positions.comeTo(2));
    locks.at(2).reset();
    QVERIFY(positions.comeTo(1));
    locks.at(0)->release();
    QVERIFY(positions.comeTo(0));
    QVERIFY(must([&] { return last.isAcquired(); }));
    QCOMPARE(positions.seen, (QList<int>{3, 2, 1, 0}));
}

void tst_Lost::positionIsToldToWhoConnectsWhileWaiting()
{
    const Others others = queueOf(2, m_path);
    QCOMPARE(others.size(), size_t(2));
    LockFile lock(m_path);
    lock.acquire();
    QVERIFY(must([&] { return lock.position() == 2; }));
    QVERIFY(never([] { return !inotifyDescriptors().isEmpty(); }));
    const Positions positions(&lock);
    QVERIFY(positions.comeTo(2));
    others.at(1)->kill();
    QVERIFY(positions.comeTo(1));
}

void tst_Lost::positionOfAFailedAttemptIsMinusOne()
{
    const Others others = queueOf(1, m_path);
    QCOMPARE(others.size(), size_t(1));
    LockFile lock(m_path);
    const Positions positions(&lock);
    lock.acquire();
    QVERIFY(positions.comeTo(1));
    lock.cancel();
    QVERIFY(positions.comeTo(-1));
    QCOMPARE(lock.position(), -1);
    QVERIFY(must([] { return inotifyDescriptors().isEmpty(); }));
    QCOMPARE(positions.seen, (QList<int>{1, -1}));

    QVERIFY(!lock.tryAcquire());
    QVERIFY(never([&] { return positions.seen.size() != 2; }));
}

void tst_Lost::positionMayDeleteTheSender()
{
    Others others = queueOf(1, m_path);
    QCOMPARE(others.size(), size_t(1));
    for (const int fatal : {1, 0, -1}) {
        QPointer<LockFile> lock = new LockFile(m_path);
        connect(lock.data(), &LockFile::positionChanged, this, [&](int position) {
            if (position == fatal)
                delete lock.data();
        });
        lock->acquire();
        if (fatal != 1) {
            QVERIFY(must([&] { return lock->position() == 1; }));
            QVERIFY(others.at(0)->ask("release", "released"));
        }
        if (fatal == -1) {
            QVERIFY(must([&] { return lock->isAcquired(); }));
            lock->release();
        }
        QVERIFY(must([&] { return lock.isNull(); }));
        if (fatal != 1)
            QVERIFY(others.at(0)->ask("acquire", m_path, "acquired"));
        QVERIFY(must([&] { return pidsOf(LockQueue::of(m_path)) == pidsOf(others); }));
    }
}

void tst_Lost::positionCostsNothingUnlessConnected()
{
    const Others others = queueOf(1, m_path);
    QCOMPARE(others.size(), size_t(1));
    LockFile lock(m_path);
    const Losses losses(&lock); // is not for who waits
    lock.acquire();
    QVERIFY(must([&] { return lock.position() == 1; }));
    QVERIFY(never([] { return !inotifyDescriptors().isEmpty(); }));
}

QTEST_GUILESS_MAIN(tst_Lost)
#include "tst_lost.moc"
