// SPDX-License-Identifier: 0BSD
#include "instance.h"
#include "console.h"

#include <QtLockFile/LockFile>

#include <QtCore/qcoreapplication.h>
#include <QtCore/qstandardpaths.h>

using namespace QtLockFile;

// $XDG_RUNTIME_DIR, or else a folder of this user in the temporary folder. Qt makes sure of either that it is a folder and no link,
// belongs to this user and is closed to all others, and gives nothing if it is not: whoever can write there can remove the lock.
QString instanceLockPath()
{
    const QString folder = QStandardPaths::writableLocation(QStandardPaths::RuntimeLocation);
    return folder.isEmpty() ? QString() : folder + QStringLiteral("/qtlockfile-demo.lock");
}

bool isOnlyInstance(LockFile *lock)
{
    if (lock->tryAcquire())
        return true;
    const LockError error = lock->error();
    if (error.code() != LockError::Code::Held) {
        // Not a second instance, but no lock either: the window says why.
        printLine(stderr, error.message());
        return true;
    }
    const QString text = QCoreApplication::translate("Instance", "Already running: %1 holds %2.");
    printLine(stderr, text.arg(error.holder().description(), lock->path()));
    return false;
}
