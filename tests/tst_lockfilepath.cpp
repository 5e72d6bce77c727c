// SPDX-License-Identifier: 0BSD
#include "environment.h"

#include <QtCore/qregularexpression.h>
#include <QtTest/qsignalspy.h>

#include <memory>

#include <fcntl.h>

using namespace QtLockFile;
using State = LockFile::State;
using Code = LockError::Code;

namespace {

mode_t modeOf(const QString &path)
{
    struct stat status;
    return ::lstat(QFile::encodeName(path).constData(), &status) == 0 ? status.st_mode & 07777 : mode_t(-1);
}

ino_t inodeOf(const QString &path)
{
    struct stat status;
    return ::lstat(QFile::encodeName(path).constData(), &status) == 0 ? status.st_ino : 0;
}

bool link(const QString &target, const QString &path)
{
    return ::symlink(QFile::encodeName(target).constData(), QFile::encodeName(path).constData()) == 0;
}

// Puts another file in the place of the first.
bool replace(const QString &path, const QByteArray &content = {})
{
    const QString fresh = path + QStringLiteral(".fresh");
    return write(fresh, content) && ::rename(QFile::encodeName(fresh).constData(), QFile::encodeName(path).constData()) == 0;
}

bool waits(const LockFile &lock)
{
    return mustWithoutEventLoop([&] { return lock.position() > 0; });
}

bool release(LockFile &lock)
{
    lock.release();
    return lock.waitForReleased(kLong);
}

} // namespace

// What a lock does with the file and with its path.
class TestLockFilePath : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init() { QTest::failOnWarning(QRegularExpression(QStringLiteral("."))); }

    // The path.

    void aRelativePathIsFixedAtConstruction()
    {
        const Folder folder;
        const Folder elsewhere;
        std::unique_ptr<LockFile> lock;
        {
            const CurrentFolder current(folder.folder());
            QVERIFY(current.isOk());
            lock = std::make_unique<LockFile>(QStringLiteral("lock"));
        }
        const CurrentFolder current(elsewhere.folder());
        QVERIFY(current.isOk());
        QCOMPARE(lock->path(), QFileInfo(folder.folder()).canonicalFilePath() + QStringLiteral("/lock"));
        lock->acquire();
        QVERIFY(lock->waitForAcquired(kLong));
        QVERIFY(exists(folder.path()));
        QVERIFY(elsewhere.isEmpty());
        QVERIFY(release(*lock));
        QVERIFY(folder.isEmpty());
    }

    void aChangeOfTheCurrentFolderWhileHeldDoesNotMatter()
    {
        const Folder folder;
        const Folder elsewhere;
        QVERIFY(write(elsewhere.path()));
        const CurrentFolder before(folder.folder());
        QVERIFY(before.isOk());
        LockFile lock(QStringLiteral("lock"));
        QVERIFY(lock.tryAcquire());
        const CurrentFolder after(elsewhere.folder());
        QVERIFY(after.isOk());
        QVERIFY(release(lock));
        QVERIFY(folder.isEmpty());
        QVERIFY(exists(elsewhere.path()));
    }

    void dotDotLeadsOutOfTheTargetOfALinkAsTheKernelSaysIt()
    {
        const Folder folder;
        QVERIFY(QDir(folder.folder()).mkpath(QStringLiteral("deep/inside")));
        QVERIFY(link(folder.path("deep/inside"), folder.path("link")));
        LockFile lock(folder.path("link/../lock"));
        QVERIFY(lock.tryAcquire());
        QVERIFY(exists(folder.path("deep/lock")));
        QVERIFY(!exists(folder.path("lock")));
        QVERIFY(!isFree(folder.path("deep/lock")));
        QVERIFY(release(lock));
        QVERIFY(!exists(folder.path("deep/lock")));
    }

    void twoPathsToOneFileAreOneLock()
    {
        const Folder folder;
        QVERIFY(QDir(folder.folder()).mkpath(QStringLiteral("real")));
        QVERIFY(link(folder.path("real"), folder.path("link")));
        LockFile lock(folder.path("real/lock"));
        QVERIFY(lock.tryAcquire());
        LockFile other(folder.path("link/./lock"));
        QVERIFY(!other.tryAcquire());
        QCOMPARE(other.error().code(), Code::Held);
        QVERIFY(release(lock));
        QVERIFY(other.tryAcquire());
    }

    void namesMayHoldAnyCharacter()
    {
        const Folder folder;
        LockFile lock(folder.path() + QStringLiteral(" %1 %n ä\n\t\"'$(x)\\"));
        QVERIFY(lock.tryAcquire());
        QVERIFY(exists(lock.path()));
        LockFile other(lock.path());
        QVERIFY(!other.tryAcquire());
        QVERIFY(other.error().message().contains(lock.path()));
        QVERIFY(release(lock));
        QVERIFY(folder.isEmpty());
    }

    void theLongestNameIsFine()
    {
        const Folder folder;
        LockFile lock(folder.folder() + u'/' + QString(255, u'x'));
        QVERIFY(lock.tryAcquire());
        QVERIFY(release(lock));
        QVERIFY(folder.isEmpty());
    }

    // The file: how it comes.

    void theFileIsCreatedWithTheStickyBitAndLessTheUmask_data()
    {
        QTest::addColumn<QFileDevice::Permissions>("permissions");
        QTest::addColumn<int>("mask");
        QTest::addColumn<int>("mode");
        const QFileDevice::Permissions standard = LockFile(QStringLiteral("lock")).permissions();
        constexpr auto owner = QFileDevice::ReadOwner | QFileDevice::WriteOwner;
        QTest::newRow("read and write for all by default") << standard << 0000 << 01666;
        QTest::newRow("the usual umask") << standard << 0022 << 01644;
        QTest::newRow("a strict umask") << standard << 0077 << 01600;
        QTest::newRow("for the owner alone") << QFileDevice::Permissions(owner) << 0000 << 01600;
        QTest::newRow("for the user alone") << (QFileDevice::ReadUser | QFileDevice::WriteUser) << 0000 << 01600;
        QTest::newRow("for the group too") << (owner | QFileDevice::ReadGroup | QFileDevice::WriteGroup) << 0000 << 01660;
        QTest::newRow("for others to read") << (owner | QFileDevice::ReadOther) << 0000 << 01604;
        QTest::newRow("every bit") << QFileDevice::Permissions(0x7777) << 0000 << 01777;
    }

    void theFileIsCreatedWithTheStickyBitAndLessTheUmask()
    {
        QFETCH(const QFileDevice::Permissions, permissions);
        QFETCH(const int, mask);
        QFETCH(const int, mode);
        const Folder folder;
        const Umask umask{mode_t(mask)};
        for (const bool wait : {false, true}) {
            LockFile lock(folder.path());
            lock.setPermissions(permissions);
            QCOMPARE(lock.permissions(), permissions);
            if (wait)
                lock.acquire();
            QVERIFY(wait ? lock.waitForAcquired(kLong) : lock.tryAcquire());
            QCOMPARE(modeOf(folder.path()), mode_t(mode));
        }
    }

    void theFileIsOpenForThisProcessAloneAndNeverBlocks()
    {
        const Folder folder;
        LockFile lock(folder.path());
        QVERIFY(lock.tryAcquire());
        QCOMPARE(::fcntl(lock.fileDescriptor(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
        const int flags = ::fcntl(lock.fileDescriptor(), F_GETFL);
        QCOMPARE(flags & O_ACCMODE, O_RDWR);
        QCOMPARE(flags & O_NONBLOCK, O_NONBLOCK);
    }

    void aFileThatExistsKeepsItsPermissions()
    {
        const Folder folder;
        QVERIFY(write(folder.path()));
        QCOMPARE(::chmod(QFile::encodeName(folder.path()).constData(), 0640), 0);
        LockFile lock(folder.path());
        lock.setRemoveOnRelease(false);
        QVERIFY(lock.tryAcquire());
        QCOMPARE(modeOf(folder.path()), mode_t(0640));
        QVERIFY(release(lock));
        QCOMPARE(modeOf(folder.path()), mode_t(0640));
    }

    void aFileThatACrashLeftBehindIsLockedAtOnce()
    {
        const Folder folder;
        QVERIFY(write(folder.path()));
        const ino_t inode = inodeOf(folder.path());
        LockFile lock(folder.path());
        QVERIFY(lock.tryAcquire());
        QCOMPARE(inodeOf(folder.path()), inode);
        QVERIFY(release(lock));
        QVERIFY(folder.isEmpty());
    }

    void rootMayLockAForeignFileInAStickyFolder()
    {
        NEEDS_ROOT("to be refused O_CREAT by fs.protected_regular");
        const Folder folder;
        QVERIFY(folder.setMode(01777));
        {
            const AsNobody nobody;
            QVERIFY(nobody.isOk());
            const Umask umask(0);
            LockFile lock(folder.path());
            lock.setRemoveOnRelease(false);
            QVERIFY(lock.tryAcquire());
        }
        LockFile lock(folder.path());
        QVERIFY2(lock.tryAcquire(), qPrintable(lock.error().message()));
    }

    // The file: how it goes.

    void removalIsOnByDefaultAndCanBeTurnedOff()
    {
        const Folder folder;
        LockFile lock(folder.path());
        lock.setRemoveOnRelease(false);
        for (int round = 0; round < 3; ++round) {
            QVERIFY(lock.tryAcquire());
            const ino_t inode = inodeOf(folder.path());
            QVERIFY(release(lock));
            QVERIFY(!lock.error());
            QCOMPARE(inodeOf(folder.path()), inode);
        }
        lock.setRemoveOnRelease(true);
        QVERIFY(lock.tryAcquire());
        QVERIFY(release(lock));
        QVERIFY(folder.isEmpty());
    }

    void removalMayBeChangedWhileHeld()
    {
        const Folder folder;
        LockFile lock(folder.path());
        QVERIFY(lock.tryAcquire());
        lock.setRemoveOnRelease(false);
        QVERIFY(release(lock));
        QVERIFY(exists(folder.path()));
        QVERIFY(lock.tryAcquire());
        lock.setRemoveOnRelease(true);
        QVERIFY(release(lock));
        QVERIFY(folder.isEmpty());
    }

    void anAttemptThatFailsLeavesNoFileBehind()
    {
        const Folder folder;
        LockFile lock(folder.path());
        for (int round = 0; round < 100; ++round) {
            lock.acquire();
            lock.cancel();
            QVERIFY(lock.waitForReleased(kLong));
            QVERIFY(folder.isEmpty());
        }
    }

    void theLastOneOutRemovesTheFile()
    {
        const Folder folder;
        LockFile first(folder.path());
        LockFile second(folder.path());
        QVERIFY(first.tryAcquire());
        const ino_t inode = inodeOf(folder.path());
        second.acquire();
        QVERIFY(waits(second));
        QVERIFY(release(first));
        QVERIFY(second.waitForAcquired(kLong));
        QCOMPARE(inodeOf(folder.path()), inode);
        QVERIFY(release(second));
        QVERIFY(folder.isEmpty());
    }

    void aFileThatGotContentWhileHeldIsNotRemoved()
    {
        const Folder folder;
        LockFile lock(folder.path());
        QVERIFY(lock.tryAcquire());
        QVERIFY(write(folder.path(), "somebody's data"));
        lock.release();
        QVERIFY(lock.waitForReleased(kLong));
        QCOMPARE(lock.error().code(), Code::NotALockFile);
        QVERIFY(lock.error().message().contains(folder.path()));
        QCOMPARE(read(folder.path()), QByteArray("somebody's data"));
    }

    void releasedComesAlthoughTheFolderForbidsRemoval_data()
    {
        QTest::addColumn<int>("mode");
        QTest::addColumn<bool>("foreignFile");
        QTest::newRow("a foreign file in a sticky folder") << 01777 << true;
        QTest::newRow("a folder that may not be written to") << 0555 << false;
    }

    void releasedComesAlthoughTheFolderForbidsRemoval()
    {
        NEEDS_ROOT("to act as another user");
        QFETCH(const int, mode);
        QFETCH(const bool, foreignFile);
        const Folder folder;
        const Umask umask(0);
        if (foreignFile)
            QVERIFY(write(folder.path()));
        LockFile lock(folder.path());
        QSignalSpy released(&lock, &LockFile::released);
        {
            const AsNobody nobody;
            QVERIFY(nobody.isOk());
            QVERIFY2(foreignFile || lock.tryAcquire(), qPrintable(lock.error().message()));
        }
        QVERIFY(folder.setMode(mode_t(mode)));
        {
            const AsNobody nobody;
            QVERIFY(nobody.isOk());
            QVERIFY2(!foreignFile || lock.tryAcquire(), qPrintable(lock.error().message()));
            lock.release();
            QVERIFY(must([&] { return released.size() == 1; }));
            QCOMPARE(lock.state(), State::Released);
            QCOMPARE(lock.error().code(), Code::AccessDenied);
            QVERIFY(lock.error().systemError() == EACCES || lock.error().systemError() == EPERM);
            QCOMPARE(lock.error().path(), folder.path());
            QVERIFY(lock.error().message().contains(folder.path()));
            QVERIFY(lock.error().message().contains(QStringLiteral("remove")));
            QVERIFY2(isFree(folder.path()), "the lock is gone all the same");
        }
        QVERIFY(exists(folder.path()));
    }

    // A file with content.

    void aFileWithContentIsLockedAndLeftByteForByteWhereItIsKept()
    {
        const Folder folder;
        const QByteArray content("a document\0of somebody", 22);
        QVERIFY(write(folder.path(), content));
        const timespec past[2] = {{1000000000, 123456789}, {1000000000, 123456789}};
        QCOMPARE(::utimensat(AT_FDCWD, QFile::encodeName(folder.path()).constData(), past, 0), 0);
        struct stat before;
        QCOMPARE(::stat(QFile::encodeName(folder.path()).constData(), &before), 0);

        LockFile lock(folder.path());
        LockFile waiter(folder.path());
        for (LockFile *one : {&lock, &waiter})
            one->setRemoveOnRelease(false);
        QVERIFY(lock.tryAcquire());
        waiter.acquire();
        QVERIFY(waits(waiter));
        QVERIFY(release(lock));
        QVERIFY(waiter.waitForAcquired(kLong));
        QVERIFY(release(waiter));

        struct stat after;
        QCOMPARE(::stat(QFile::encodeName(folder.path()).constData(), &after), 0);
        QCOMPARE(after.st_ino, before.st_ino);
        QCOMPARE(after.st_mode, before.st_mode);
        QCOMPARE(after.st_mtim.tv_sec, before.st_mtim.tv_sec);
        QCOMPARE(after.st_mtim.tv_nsec, before.st_mtim.tv_nsec);
        QCOMPARE(read(folder.path()), content);
    }

    void removalTurnedOnWhileAFileWithContentIsHeldDoesNotRemoveIt()
    {
        const Folder folder;
        QVERIFY(write(folder.path(), "a document"));
        LockFile lock(folder.path());
        lock.setRemoveOnRelease(false);
        QVERIFY(lock.tryAcquire());
        lock.setRemoveOnRelease(true);
        QVERIFY(release(lock));
        QCOMPARE(lock.error().code(), Code::NotALockFile);
        QCOMPARE(read(folder.path()), QByteArray("a document"));
    }

    // An outsider.

    void aFileThatAnOutsiderRemovedWhileHeldIsReleasedWithoutAnError()
    {
        const Folder folder;
        LockFile lock(folder.path());
        QVERIFY(lock.tryAcquire());
        QVERIFY(remove(folder.path()));
        QVERIFY(release(lock));
        QVERIFY(!lock.error());
        QVERIFY(folder.isEmpty());
    }

    void releaseDoesNotRemoveWhatIsNotOurs_data()
    {
        QTest::addColumn<bool>("folder");
        QTest::newRow("an empty file, maybe another's lock") << false;
        QTest::newRow("a folder") << true;
    }

    void releaseDoesNotRemoveWhatIsNotOurs()
    {
        QFETCH(const bool, folder);
        const Folder place;
        LockFile lock(place.path());
        QVERIFY(lock.tryAcquire());
        if (folder)
            QVERIFY(remove(place.path()) && QDir(place.folder()).mkdir(QStringLiteral("lock")));
        else
            QVERIFY(replace(place.path()));
        const ino_t inode = inodeOf(place.path());
        QVERIFY(release(lock));
        QVERIFY(!lock.error());
        QCOMPARE(inodeOf(place.path()), inode);
    }

    void afterReplacementEachHoldsItsOwnFileAndTheNewOneStays()
    {
        const Folder folder;
        LockFile old(folder.path());
        QVERIFY(old.tryAcquire());
        QVERIFY(remove(folder.path()));
        LockFile fresh(folder.path());
        QVERIFY(fresh.tryAcquire());
        QVERIFY(release(old));
        QVERIFY(exists(folder.path()));
        QVERIFY(!isFree(folder.path()));
        QVERIFY(release(fresh));
        QVERIFY(folder.isEmpty());
    }

    void whoWaitsEndsUpWithTheFileAtThePath_data()
    {
        QTest::addColumn<bool>("replaced");
        QTest::newRow("removed while waiting") << false;
        QTest::newRow("replaced while waiting") << true;
    }

    void whoWaitsEndsUpWithTheFileAtThePath()
    {
        QFETCH(const bool, replaced);
        const Folder folder;
        LockFile holder(folder.path());
        QVERIFY(holder.tryAcquire());
        LockFile first(folder.path());
        first.acquire();
        QVERIFY(waits(first));
        LockFile second(folder.path());
        second.acquire();
        QVERIFY(waits(second));
        QVERIFY(replaced ? replace(folder.path()) : remove(folder.path()));
        const ino_t fresh = inodeOf(folder.path());

        QVERIFY(release(holder));
        QVERIFY(first.waitForAcquired(kLong));
        struct stat held;
        QCOMPARE(::fstat(first.fileDescriptor(), &held), 0);
        QCOMPARE(held.st_ino, inodeOf(folder.path()));
        if (replaced)
            QCOMPARE(held.st_ino, fresh);
        QVERIFY2(!second.waitForAcquired(kShort), "the order survives the removal");
        QVERIFY(!isFree(folder.path()));
        QVERIFY(release(first));
        QVERIFY(second.waitForAcquired(kLong));
        QVERIFY(release(second));
        QVERIFY(folder.isEmpty());
    }

    void whoWaitsIsRefusedAFileWithContentThatTookThePlace()
    {
        const Folder folder;
        LockFile holder(folder.path());
        QVERIFY(holder.tryAcquire());
        LockFile waiter(folder.path());
        waiter.acquire();
        QVERIFY(waits(waiter));
        QVERIFY(replace(folder.path(), "a document"));
        QVERIFY(release(holder));
        QVERIFY(!waiter.waitForAcquired(kLong));
        QCOMPARE(waiter.error().code(), Code::NotALockFile);
        QCOMPARE(read(folder.path()), QByteArray("a document"));
    }

    void aCancelledWaitOnARemovedFileLeavesTheNewOneAlone()
    {
        const Folder folder;
        LockFile holder(folder.path());
        QVERIFY(holder.tryAcquire());
        LockFile waiter(folder.path());
        waiter.acquire();
        QVERIFY(waits(waiter));
        QVERIFY(replace(folder.path()));
        waiter.cancel();
        QVERIFY(waiter.waitForReleased(kLong));
        QVERIFY(exists(folder.path()));
        QVERIFY(isFree(folder.path()));
    }

    void aHardLinkIsTheSameLock()
    {
        const Folder folder;
        LockFile lock(folder.path());
        QVERIFY(lock.tryAcquire());
        QCOMPARE(::link(QFile::encodeName(folder.path()).constData(), QFile::encodeName(folder.path("other")).constData()), 0);
        LockFile other(folder.path("other"));
        QVERIFY(!other.tryAcquire());
        QCOMPARE(other.error().code(), Code::Held);
        QVERIFY(release(lock));
        QVERIFY(!exists(folder.path()));
        QVERIFY(exists(folder.path("other")));
    }
};

QTEST_GUILESS_MAIN(TestLockFilePath)
#include "tst_lockfilepath.moc"
