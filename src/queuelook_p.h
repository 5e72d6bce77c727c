// SPDX-License-Identifier: 0BSD
#ifndef QTLOCKFILE_QUEUELOOK_P_H
#define QTLOCKFILE_QUEUELOOK_P_H

#include "systemlocks_p.h"
#include "ticketlock_p.h"

#include <cerrno>
#include <string>
#include <vector>

namespace QtLockFile::Internal {

// What the locks of a file say of its queue.
struct QueueLook
{
    struct Participant
    {
        pid_t pid = -1;     // 0 or less: not known
        Offset ticket = -1; // -1: waits without one, or locks the whole file

        friend bool operator==(const Participant &a, const Participant &b) { return a.pid == b.pid && a.ticket == b.ticket; }
    };

    int error = 0;                         // why it cannot be told; a missing file is a free one
    FileId file;                           // the file at the path, also where it is no lock file; none if there is none or it is not known
    std::vector<Participant> participants; // the holder first, then who waits, in order
    Offset since = -1;                     // milliseconds after the epoch, -1: not known
    bool isWhole = true;                   // those without a ticket were looked for, too

    // Whether the path is known to lead to something else than this file, or nowhere.
    bool leadsElsewhere(FileId other) const { return !(file == other) && (error == 0 || error == ENOTDIR || !(file == FileId())); }

    friend bool operator==(const QueueLook &a, const QueueLook &b)
    {
        return a.error == b.error && a.file == b.file && a.participants == b.participants && a.since == b.since;
    }
};

// Tickets: the holder and who waits with a ticket, of whom calls of fcntl(2) tell in microseconds. Whole: who waits
// without one, too. Of them /proc/locks alone tells, and to read that may take some ten milliseconds: the kernel first
// waits until each processor has gone on to something else (locks_start() of fs/locks.c, percpu_down_write()).
enum class Extent { Tickets, Whole };

// Looks at the file at the path. Takes no lock, creates nothing, never waits for a lock. Where there are very many
// tickets it looks at the whole in any case.
QueueLook lookAtQueue(const std::string &path, Extent extent = Extent::Whole);

// Looks at a file that is open already.
QueueLook lookAtQueue(const OpenFile &file, Extent extent = Extent::Whole);

using SystemLocks = std::vector<SystemLock>; // in the order of the bytes

// Finds the locked tickets among the bytes, in order, and what else is locked there. Those that are told of are
// believed, and all other bytes are asked for. Returns 0 or an errno.
int findTickets(int descriptor, Bytes bytes, const SystemLocks &told, std::vector<FoundLock> *tickets);

// Whether /proc speaks of processes by the pids that this process knows them by. In a sandbox it may be that of
// another pid namespace (pid_namespaces(7)), in which the same number is somebody else.
bool procHasOwnPids();

// How many tickets before the place are locked, -1 where that cannot be told.
int countTicketsBefore(const std::string &path, const Place &place);

} // namespace QtLockFile::Internal

#endif
