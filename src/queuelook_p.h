// SPDX-License-Identifier: 0BSD
#ifndef QTLOCKFILE_QUEUELOOK_P_H
#define QTLOCKFILE_QUEUELOOK_P_H

#include "ticketlock_p.h"

#include <string>
#include <vector>

namespace QtLockFile::Internal {

// What the locks of a file say of its queue.
struct QueueLook
{
    int error = 0;                   // why it cannot be told; a missing file is a free one
    std::vector<pid_t> participants; // the holder first, then who waits, in order; 0 or less: not known
    Offset since = -1;               // milliseconds after the epoch, -1: not known
};

// Looks at the file at the path. Takes no lock, creates nothing, never waits for a lock.
QueueLook lookAtQueue(const std::string &path);

// Looks at a file that is open already.
QueueLook lookAtQueue(const OpenFile &file);

// How many tickets before the place are locked, -1 where that cannot be told.
int countTicketsBefore(const std::string &path, const Place &place);

} // namespace QtLockFile::Internal

#endif
