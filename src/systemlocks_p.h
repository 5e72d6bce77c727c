// SPDX-License-Identifier: 0BSD
#ifndef QTLOCKFILE_SYSTEMLOCKS_P_H
#define QTLOCKFILE_SYSTEMLOCKS_P_H

#include "openfile_p.h"

#include <string_view>
#include <vector>

namespace QtLockFile::Internal {

// A lock as a line of /proc/locks (proc(5)) has it.
struct SystemLock
{
    enum class Owner { Process, OpenFile };

    Owner owner = Owner::Process;
    LockKind kind = LockKind::Write;
    bool waits = false; // not locked: somebody is waiting for it
    pid_t pid = -1;     // as /proc knows it, of a process alone
    Bytes bytes{0, 0};
};

// The locks of the file, as far as /proc tells: in one go, where each question of fcntl(2) walks the kernel's list of
// them. It is read page by page while others lock and unlock, so each line was true for a moment, and one that was
// true throughout may be missing. Where there is no /proc, or where it knows the file by another device number than
// stat(2) (btrfs), there are none.
std::vector<SystemLock> systemLocksOf(FileId file);

// The locks on bytes of the file that /proc calls `id`, as in "fe:00:5678", in a text like that of /proc/locks: first
// those that are locked, then those that wait.
std::vector<SystemLock> parseSystemLocks(std::string_view text, std::string_view id);

} // namespace QtLockFile::Internal

#endif
