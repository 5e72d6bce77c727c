// SPDX-License-Identifier: 0BSD
#include <QtLockFile/Activation>
#include <QtLockFile/LockError>
#include <QtLockFile/LockFile>
#include <QtLockFile/LockParticipant>
#include <QtLockFile/LockQueue>
#include <QtLockFile/LockWatcher>
#include <QtLockFile/SingleInstance>
#include <QtLockFile/qtlockfile_version.h>

#include <QtCore/qdir.h>
#include <QtCore/qtemporarydir.h>
#include <QtCore/qversionnumber.h>

static_assert(QTLOCKFILE_VERSION >= QT_VERSION_CHECK(1, 0, 0), "a version is compared as Qt's");

int main()
{
    const QVersionNumber version(QTLOCKFILE_VERSION_MAJOR, QTLOCKFILE_VERSION_MINOR, QTLOCKFILE_VERSION_PATCH);
    if (version.toString() != QLatin1String(QTLOCKFILE_VERSION_STR))
        return 1;

    const QTemporaryDir folder;
    QtLockFile::LockFile lock(folder.filePath(QStringLiteral("a.lock")));
    if (!lock.tryAcquire() || !QtLockFile::LockQueue::of(lock.path()).isHeld())
        return 2;
    lock.release();
    if (!lock.waitForReleased() || QtLockFile::LockQueue::of(lock.path()).isHeld())
        return 3;

    QtLockFile::SingleInstance instance(QStringLiteral("a"));
    instance.setFolder(folder.path());
    return instance.start() == QtLockFile::SingleInstance::Role::Primary ? 0 : 4;
}
