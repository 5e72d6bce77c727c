// SPDX-License-Identifier: 0BSD
#include "participant.h"

#include <QtLockFile/LockFile>

#include <QtCore/qlockfile.h>
#include <QtCore/qstandardpaths.h>
#include <QtCore/qtemporarydir.h>
#include <QtTest/qsignalspy.h>
#include <QtTest/qtest.h>

#include <csignal>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

// Programs that lock the whole file, or parts of it, and know nothing of tickets.

using QtLockFile::LockError;
using QtLockFile::LockFile;
using QtLockFile::LockQueue;

namespace {

// Python's fcntl.lockf, on the file that is at the path when it starts or is told to open it anew.
const QString kPython = QStringLiteral(R"(
import fcntl, os, sys

path = sys.argv[1]
file = None
print("ready", os.getpid(), flush=True)
for line in sys.stdin:
    command = line.strip()
    try:
        if command in ("lock", "try", "share"):
            file = file or open(path, "a+")
        if command == "lock":
            fcntl.lockf(file, fcntl.LOCK_EX)
        elif command == "try":
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        elif command == "share":
            fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        elif command == "is current":
            if not os.path.exists(path) or not os.path.samestat(os.stat(path), os.fstat(file.fileno())):
                print("no", flush=True)
                continue
        elif command == "unlock":
            fcntl.lockf(file, fcntl.LOCK_UN)
        elif command == "remove":
            os.unlink(path)
        elif command == "close":
            file.close()
            file = None
        print("done", flush=True)
    except BlockingIOError:
        print("refused", flush=True)
)");

// The module whose protocol we speak, written plainly: the whole file is locked by fcntl.lockf; who finds that the file is
// no longer the one at the path starts over; the file is removed before it is unlocked, or kept. Its LockError is "refused".
const QString kSeed = QStringLiteral(R"(
import fcntl, os, sys

path = sys.argv[1]

class LockFile:
    def __init__(self, wait, remove):
        self.remove = remove
        while True:
            self.file = open(path, "a+")
            try:
                fcntl.lockf(self.file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
                if os.path.samestat(os.fstat(self.file.fileno()), os.stat(path)):
                    return
            except FileNotFoundError:
                pass
            except BlockingIOError:
                self.file.close()
                raise
            self.file.close()

    def release(self):
        if self.remove:
            os.unlink(path)
        self.file.close()

print("ready", os.getpid(), flush=True)
for line in sys.stdin:
    words = line.split()
    try:
        if words[0] == "crowd":
            for i in range(int(words[1])):
                lock = LockFile(True, words[3] == "remove")
                os.close(os.open(words[2], os.O_CREAT | os.O_EXCL))
                os.unlink(words[2])
                lock.release()
        elif words[0] == "release":
            lock.release()
        else:
            lock = LockFile(words[0] == "wait", words[1] == "remove")
        print("done", flush=True)
    except BlockingIOError:
        print("refused", flush=True)
)");

// The system's own where it is: a wrapper takes its time.
QString pythonProgram()
{
    const QString ofSystem = QStandardPaths::findExecutable(QStringLiteral("python3"), {QStringLiteral("/usr/bin")});
    return ofSystem.isEmpty() ? QStringLiteral("python3") : ofSystem;
}

OtherPtr startSeed(const QString &path)
{
    return std::make_unique<Other>(pythonProgram(), QStringList{QStringLiteral("-c"), kSeed, path});
}

OtherPtr startPython(const QString &path)
{
    return std::make_unique<Other>(pythonProgram(), QStringList{QStringLiteral("-c"), kPython, path});
}

// From util-linux 2.41 on. It locks as an open file, not as a process, so the kernel does not name it.
bool hasFlockFcntl()
{
    QProcess flock;
    flock.start(QStringLiteral("flock"), {QStringLiteral("--help")});
    return flock.waitForFinished() && flock.readAll().contains("--fcntl");
}

OtherPtr startFlockFcntl(const QString &path)
{
    return std::make_unique<Other>(
        QStringLiteral("flock"),
        QStringList{QStringLiteral("--fcntl"), path, QStringLiteral("sh"), QStringLiteral("-c"), QStringLiteral("echo ready $PPID; read line")});
}

class tst_Peers : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase();
    void init();
    void cleanup();
    void aPeerThatHoldsTheWholeFileExcludesUsAndIsNamed_data();
    void aPeerThatHoldsTheWholeFileExcludesUsAndIsNamed();
    void flockFcntlWaitsForUsAndIsRefusedAsLongAsWeHold();
    void aPeerIsRefusedAsLongAsWeHold();
    void aPeerThatHasNotLockedIsNoHolder();
    void aPeerThatWaitsIsServedWhenOurQueueIsEmpty();
    void aPeerThatIsKilledFreesTheLock();
    void severalOfUsWaitForAPeerAndNoneIsLost();
    void aPeerThatRemovesTheFileWhileWeWaitLeadsUsToANewOne();
    void aPeerThatFollowsTheSeedsProtocolNeverHoldsWithUs_data();
    void aPeerThatFollowsTheSeedsProtocolNeverHoldsWithUs();
    void theSeedAndWeHoldInTurn_data();
    void theSeedAndWeHoldInTurn();
    void aPeersOpeningAndClosingCostsNothing();
    void whoUsesFlockIsNotExcluded();
    void aQLockFileTakesAFileThatIsOldForStale();
    void theFileOfAQLockFileIsRefusedWhereItWouldBeRemoved();
    void aStrangersLockOnTicketsIsQueuedBehind_data();
    void aStrangersLockOnTicketsIsQueuedBehind();
    void aStrangersLockOnTheLastTicketIsAnErrorAndNotAWait();

private:
    bool acquiresLater(LockFile *lock);

    std::unique_ptr<QTemporaryDir> m_folder;
    QString m_path;
};

void tst_Peers::initTestCase()
{
    QCOMPARE(QProcess::execute(pythonProgram(), {QStringLiteral("-c"), QStringLiteral("import fcntl")}), 0);
}

void tst_Peers::init()
{
    m_folder = std::make_unique<QTemporaryDir>();
    QVERIFY(m_folder->isValid());
    m_path = m_folder->filePath(QStringLiteral("lock"));
}

void tst_Peers::cleanup()
{
    QVERIFY2(!LockQueue::of(m_path).isHeld(), "the lock was left held");
}

// Begins an attempt, which has to wait.
bool tst_Peers::acquiresLater(LockFile *lock)
{
    lock->acquire();
    return !lock->waitForAcquired(kShort) && lock->state() == LockFile::State::Acquiring;
}

void tst_Peers::aPeerThatHoldsTheWholeFileExcludesUsAndIsNamed_data()
{
    QTest::addColumn<QByteArray>("peer");
    QTest::newRow("Python's fcntl.lockf, exclusive") << QByteArray("lock");
    QTest::newRow("Python's fcntl.lockf, shared") << QByteArray("share");
    QTest::newRow("flock --fcntl of util-linux") << QByteArray();
}

void tst_Peers::aPeerThatHoldsTheWholeFileExcludesUsAndIsNamed()
{
    QFETCH(const QByteArray, peer);
    if (peer.isEmpty() && !hasFlockFcntl())
        QSKIP("flock of this util-linux has no --fcntl, which came with 2.41");
    OtherPtr other = peer.isEmpty() ? startFlockFcntl(m_path) : startPython(m_path);
    if (!peer.isEmpty())
        QCOMPARE(other->ask(peer), "done");
    const qint64 name = peer.isEmpty() ? -1 : other->pid();

    LockFile lock(m_path);
    QVERIFY(!lock.tryAcquire());
    QCOMPARE(lock.error().code(), LockError::Code::Held);
    QCOMPARE(lock.error().holder().pid(), name);
    QVERIFY(LockQueue::of(m_path).isHeld());
    QCOMPARE(LockQueue::of(m_path).holder().pid(), name);
    QVERIFY(acquiresLater(&lock));
    QCOMPARE(LockQueue::of(m_path).waiters().size(), 1); // at the gate, where the kernel does not name us

    LockFile cancelled(m_path);
    QVERIFY(acquiresLater(&cancelled));
    cancelled.cancel();
    QVERIFY(!cancelled.waitForAcquired(kLong));
    QCOMPARE(cancelled.error().code(), LockError::Code::Cancelled);

    LockFile timedOut(m_path);
    timedOut.setTimeout(50ms);
    timedOut.acquire();
    QVERIFY(!timedOut.waitForAcquired(kLong));
    QCOMPARE(timedOut.error().code(), LockError::Code::TimedOut);
    QCOMPARE(timedOut.error().holder().pid(), name);

    if (peer.isEmpty())
        other->tell("end");
    else
        QCOMPARE(other->ask("unlock"), "done");
    QVERIFY(lock.waitForAcquired(kLong));
    lock.release();
    QVERIFY(lock.waitForReleased(kLong));
    QVERIFY(!QFile::exists(m_path));
}

void tst_Peers::flockFcntlWaitsForUsAndIsRefusedAsLongAsWeHold()
{
    if (!hasFlockFcntl())
        QSKIP("flock of this util-linux has no --fcntl, which came with 2.41");
    LockFile lock(m_path);
    lock.setRemoveOnRelease(false);
    QVERIFY(lock.tryAcquire());
    QCOMPARE(QProcess::execute(QStringLiteral("flock"), {QStringLiteral("--fcntl"), QStringLiteral("-n"), m_path, QStringLiteral("true")}), 1);
    QProcess flock;
    flock.start(QStringLiteral("flock"), {QStringLiteral("--fcntl"), m_path, QStringLiteral("true")});
    QVERIFY(!flock.waitForFinished(int(kShort.count())));
    lock.release();
    QVERIFY(flock.waitForFinished(int(kLong.count())));
    QCOMPARE(flock.exitCode(), 0);
}

void tst_Peers::aPeerIsRefusedAsLongAsWeHold()
{
    LockFile lock(m_path);
    QVERIFY(lock.tryAcquire());
    LockFile waiter(m_path);
    QVERIFY(acquiresLater(&waiter));
    const OtherPtr python = startPython(m_path);
    QCOMPARE(python->ask("try"), "refused");
    QCOMPARE(python->ask("share"), "refused");
    lock.release();
    QVERIFY(waiter.waitForAcquired(kLong));
    QCOMPARE(python->ask("try"), "refused"); // a later ticket excludes as well as the first
    QCOMPARE(python->ask("share"), "refused");
    waiter.release();
    QVERIFY(waiter.waitForReleased(kLong));
    // The file that it has open is the removed one: nobody is there to refuse it, and nobody can be met there.
    QCOMPARE(python->ask("try"), "done");
    QCOMPARE(python->ask("is current"), "no");
}

void tst_Peers::aPeerThatHasNotLockedIsNoHolder()
{
    const OtherPtr python = startPython(m_path);
    QCOMPARE(python->ask("lock"), "done");
    QCOMPARE(python->ask("unlock"), "done");
    LockFile lock(m_path);
    QVERIFY(lock.tryAcquire());
    QCOMPARE(LockQueue::of(m_path).holder().pid(), qint64(::getpid()));
}

void tst_Peers::aPeerThatWaitsIsServedWhenOurQueueIsEmpty()
{
    LockFile holder(m_path);
    holder.setRemoveOnRelease(false);
    LockFile waiter(m_path);
    waiter.setRemoveOnRelease(false);
    QVERIFY(holder.tryAcquire());
    const OtherPtr python = startPython(m_path);
    python->tell("lock");
    QVERIFY(isLastInQueue(m_path, python->pid()));
    QVERIFY(acquiresLater(&waiter));

    holder.release();
    QVERIFY(waiter.waitForAcquired(kLong)); // who has a ticket goes first
    QVERIFY(python->isSilent());
    waiter.release();
    QVERIFY(waiter.waitForReleased(kLong));
    QCOMPARE(python->hear(), "done");
    QCOMPARE(python->ask("is current"), "done");

    QVERIFY(!waiter.tryAcquire());
    QCOMPARE(waiter.error().holder().pid(), python->pid());
    QCOMPARE(python->ask("unlock"), "done");
}

void tst_Peers::aPeerThatIsKilledFreesTheLock()
{
    const OtherPtr python = startPython(m_path);
    QCOMPARE(python->ask("lock"), "done");
    LockFile lock(m_path);
    QVERIFY(acquiresLater(&lock));
    python->kill();
    QVERIFY(lock.waitForAcquired(kLong));
}

void tst_Peers::severalOfUsWaitForAPeerAndNoneIsLost()
{
    const OtherPtr python = startPython(m_path);
    QCOMPARE(python->ask("lock"), "done");
    std::vector<std::unique_ptr<LockFile>> locks;
    int served = 0;
    int holders = 0;
    int mostHolders = 0;
    for (int i = 0; i < 5; ++i) {
        locks.push_back(std::make_unique<LockFile>(m_path));
        LockFile *const lock = locks.back().get();
        connect(lock, &LockFile::acquired, this, [&, lock] {
            ++served;
            mostHolders = std::max(mostHolders, ++holders);
            QVERIFY(!QTest::qWaitFor([] { return false; }, 1)); // the others have a chance
            --holders;
            lock->release();
        });
        QVERIFY(acquiresLater(lock));
    }
    QCOMPARE(python->ask("unlock"), "done");
    QVERIFY(must([&] { return served == 5 && !QFile::exists(m_path); }));
    QCOMPARE(mostHolders, 1);
}

void tst_Peers::aPeerThatRemovesTheFileWhileWeWaitLeadsUsToANewOne()
{
    // The seed's way out: lock, check, unlink, close.
    const OtherPtr python = startPython(m_path);
    QCOMPARE(python->ask("lock"), "done");
    QCOMPARE(python->ask("is current"), "done");
    LockFile lock(m_path);
    QVERIFY(acquiresLater(&lock));
    LockFile second(m_path);
    QVERIFY(acquiresLater(&second));
    QCOMPARE(python->ask("remove"), "done");
    QCOMPARE(python->ask("close"), "done");
    // At the gate no order is promised.
    QVERIFY(must([&] { return lock.isAcquired() || second.isAcquired(); }));
    LockFile &holder = lock.isAcquired() ? lock : second;
    LockFile &waiter = lock.isAcquired() ? second : lock;
    QVERIFY(QFile::exists(m_path));
    QCOMPARE(python->ask("try"), "refused");
    QVERIFY(!waiter.waitForAcquired(kShort));
    holder.release();
    QVERIFY(waiter.waitForAcquired(kLong));
    QCOMPARE(python->ask("try"), "refused");
    waiter.release();
    QVERIFY(waiter.waitForReleased(kLong));
    QVERIFY(!QFile::exists(m_path));
}

void tst_Peers::aPeerThatFollowsTheSeedsProtocolNeverHoldsWithUs_data()
{
    QTest::addColumn<bool>("remove");
    QTest::newRow("all remove the file") << true;
    QTest::newRow("all keep the file") << false;
}

void tst_Peers::aPeerThatFollowsTheSeedsProtocolNeverHoldsWithUs()
{
    QFETCH(const bool, remove);
    const QByteArray inside = QFile::encodeName(m_folder->filePath(QStringLiteral("inside")));
    std::vector<OtherPtr> crowd;
    for (int i = 0; i < 2; ++i) {
        crowd.push_back(startSeed(m_path));
        crowd.push_back(startParticipant(m_path));
        crowd.back()->tell(remove ? "remove" : "keep");
    }
    for (size_t i = 0; i < crowd.size(); ++i)
        crowd[i]->tell("crowd 300 " + inside + (i % 2 > 0 ? "" : remove ? " remove" : " keep"));
    for (size_t i = 0; i < crowd.size(); ++i)
        QCOMPARE(crowd[i]->hear(), i % 2 > 0 ? "crowded" : "done");
    QCOMPARE(QFile::exists(m_path), !remove);
}

void tst_Peers::theSeedAndWeHoldInTurn_data()
{
    QTest::addColumn<bool>("itRemoves");
    QTest::addColumn<bool>("weRemove");
    QTest::newRow("both remove the file") << true << true;
    QTest::newRow("the seed removes it, we keep it") << true << false;
    QTest::newRow("the seed keeps it, we remove it") << false << true;
    QTest::newRow("both keep it") << false << false;
}

void tst_Peers::theSeedAndWeHoldInTurn()
{
    QFETCH(const bool, itRemoves);
    QFETCH(const bool, weRemove);
    const QByteArray itsRemoval = itRemoves ? " remove" : " keep";
    const OtherPtr seed = startSeed(m_path);
    LockFile lock(m_path);
    lock.setRemoveOnRelease(weRemove);
    for (int round = 0; round < 2; ++round) {
        QCOMPARE(seed->ask("try" + itsRemoval), "done"); // the seed holds, we wait
        QVERIFY(!lock.tryAcquire());
        QCOMPARE(lock.error().holder().pid(), seed->pid());
        QVERIFY(!lock.waitForAcquired(0ms)); // the signal of the try is delivered
        QVERIFY(acquiresLater(&lock));
        QCOMPARE(seed->ask("release"), "done");
        QVERIFY(lock.waitForAcquired(kLong));

        QCOMPARE(seed->ask("try" + itsRemoval), "refused"); // we hold, the seed waits
        seed->tell("wait" + itsRemoval);
        QVERIFY(isLastInQueue(m_path, seed->pid()));
        QVERIFY(seed->isSilent());
        lock.release();
        QCOMPARE(seed->hear(), "done"); // where we remove the file, it has started over on another
        QVERIFY(lock.waitForReleased(kLong));
        QVERIFY(!lock.tryAcquire());
        QCOMPARE(LockQueue::of(m_path).holder().pid(), seed->pid());
        QVERIFY(!lock.waitForAcquired(0ms));
        QCOMPARE(seed->ask("release"), "done");
        QCOMPARE(QFile::exists(m_path), !itRemoves);
    }
}

void tst_Peers::aPeersOpeningAndClosingCostsNothing()
{
    LockFile lock(m_path);
    QVERIFY(lock.tryAcquire());
    const OtherPtr python = startPython(m_path);
    for (int i = 0; i < 3; ++i) {
        QCOMPARE(python->ask("try"), "refused");
        QCOMPARE(python->ask("close"), "done");
    }
    QCOMPARE(LockQueue::of(m_path).holder().pid(), qint64(::getpid()));
    QCOMPARE(python->ask("try"), "refused");
}

void tst_Peers::whoUsesFlockIsNotExcluded()
{
    LockFile lock(m_path);
    QVERIFY(lock.tryAcquire());
    const int file = ::open(QFile::encodeName(m_path).constData(), O_RDWR | O_CLOEXEC);
    QVERIFY(file >= 0);
    const int result = ::flock(file, LOCK_EX | LOCK_NB);
    ::close(file);
    QCOMPARE(result, 0);
    QVERIFY(lock.isAcquired());
}

void tst_Peers::aQLockFileTakesAFileThatIsOldForStale()
{
    LockFile lock(m_path);
    QSignalSpy lost(&lock, &LockFile::lost);
    QVERIFY(lock.tryAcquire());
    QLockFile other(m_path);
    QVERIFY(!other.tryLock());
    const timespec longAgo[]{{0, UTIME_OMIT}, {::time(nullptr) - 31, 0}};
    QCOMPARE(::utimensat(AT_FDCWD, QFile::encodeName(m_path).constData(), longAgo, 0), 0);
    QVERIFY(other.tryLock());
    QTRY_COMPARE_WITH_TIMEOUT(lost.count(), 1, int(kLong.count()));
}

void tst_Peers::theFileOfAQLockFileIsRefusedWhereItWouldBeRemoved()
{
    QLockFile other(m_path);
    QVERIFY(other.tryLock());
    LockFile lock(m_path);
    QVERIFY(!lock.tryAcquire());
    QCOMPARE(lock.error().code(), LockError::Code::NotALockFile);
    lock.setRemoveOnRelease(false);
    QVERIFY(lock.tryAcquire());
}

void tst_Peers::aStrangersLockOnTicketsIsQueuedBehind_data()
{
    QTest::addColumn<QByteArray>("bytes");
    QTest::addColumn<bool>("named");
    QTest::newRow("a classic lock on one ticket") << QByteArray("classic write 7 1") << true;
    QTest::newRow("a classic lock on the first ticket") << QByteArray("classic write 0 1") << true;
    QTest::newRow("a classic lock on some tickets") << QByteArray("classic write 5 10") << true;
    QTest::newRow("an open file's lock on some tickets") << QByteArray("own write 5 10") << false;
}

void tst_Peers::aStrangersLockOnTicketsIsQueuedBehind()
{
    QFETCH(const QByteArray, bytes);
    QFETCH(const bool, named);
    const OtherPtr stranger = startStranger(m_path);
    QCOMPARE(stranger->ask(bytes), "locked");
    LockFile lock(m_path);
    QVERIFY(!lock.tryAcquire());
    QCOMPARE(lock.error().code(), LockError::Code::Held);
    QCOMPARE(lock.error().holder().pid(), named ? stranger->pid() : -1);
    QVERIFY(acquiresLater(&lock));
    QVERIFY(must([&] { return lock.position() == 1; }));
    LockFile second(m_path);
    QVERIFY(acquiresLater(&second));
    QVERIFY(must([&] { return second.position() == 2; }));
    QCOMPARE(stranger->ask("unlock"), "unlocked");
    QVERIFY(lock.waitForAcquired(kLong));
    QVERIFY(!second.waitForAcquired(kShort));
    lock.release();
    QVERIFY(second.waitForAcquired(kLong));
    second.release();
    QVERIFY(second.waitForReleased(kLong));
    QVERIFY(!QFile::exists(m_path));
}

void tst_Peers::aStrangersLockOnTheLastTicketIsAnErrorAndNotAWait()
{
    const OtherPtr stranger = startStranger(m_path);
    QCOMPARE(stranger->ask("classic write " + QByteArray::number((qint64(1) << 61) - 1) + " 1"), "locked");
    LockFile lock(m_path);
    lock.acquire();
    QVERIFY(!lock.waitForAcquired(kLong));
    QCOMPARE(lock.error().code(), LockError::Code::System);
    QCOMPARE(lock.error().systemError(), EOVERFLOW);
    QCOMPARE(stranger->ask("unlock"), "unlocked");
    QVERIFY(lock.tryAcquire());
}

} // namespace

QTEST_GUILESS_MAIN(tst_Peers)
#include "tst_peers.moc"
