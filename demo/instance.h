// SPDX-License-Identifier: 0BSD
#ifndef INSTANCE_H
#define INSTANCE_H

#include <QtCore/qstring.h>

namespace QtLockFile {
class LockFile;
}

// At most one instance, with LockFile alone. Needs no application object, so a second start costs next to nothing.

/*! The lock of this user's instance, in a folder that is this user's alone; empty where there is no such folder. */
QString instanceLockPath();

/*!
    Tries to acquire \a lock. If another instance holds it, says by whom on stderr and returns false: this one is to end. A lock that cannot be
    had for another reason keeps nobody from starting: the reason is on stderr, and failed() follows.
*/
bool isOnlyInstance(QtLockFile::LockFile *lock);

#endif
