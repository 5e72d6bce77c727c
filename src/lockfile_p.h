// SPDX-License-Identifier: 0BSD
#ifndef QTLOCKFILE_LOCKFILE_P_H
#define QTLOCKFILE_LOCKFILE_P_H

#include <functional>

namespace QtLockFile {
class LockFile;
}

namespace QtLockFile::Internal {

// What the library's own classes do with a LockFile beyond its public interface.
class LockFileAccess
{
public:
    // `wakeUp` is called on any thread when signals of the lock have become due, so that who waits without an event
    // loop for the lock and for something else can do so in one call. To be set while no attempt is under way.
    static void setWakeUp(LockFile *lock, std::function<void()> wakeUp);

    // Handing over through exec(3), see TicketLock. These emit stateChanged() and no other signal.
    static bool adopt(LockFile *lock, int descriptor);
    static void name(LockFile *lock);
    static void letGo(LockFile *lock);
};

} // namespace QtLockFile::Internal

#endif
