// SPDX-License-Identifier: 0BSD
#ifndef QTLOCKFILE_LOCKBYTES_P_H
#define QTLOCKFILE_LOCKBYTES_P_H

#include <cstdint>
#include <vector>

#include <sys/types.h>

// The map of the bytes of a lock file, and the only calls of fcntl(2) on them.

namespace QtLockFile::Internal {

using Offset = std::int64_t;

// A range of bytes, both ends included. The bytes need not exist: the file is empty.
struct Bytes
{
    Offset first;
    Offset last;
};

constexpr Offset kGate = Offset(1) << 61;
constexpr Offset kClock = Offset(1) << 62;
constexpr Offset kEnd = INT64_MAX;
constexpr Offset kLastTicket = kClock - kGate - 2; // the last one that has a name tag below the clock

constexpr Bytes kAllBytes{0, kEnd};
constexpr Bytes kTickets{0, kGate - 1};
constexpr Bytes kGateByte{kGate, kGate};
constexpr Bytes kTicketsAndGate{0, kGate};
constexpr Bytes kClockBytes{kClock, kEnd};

constexpr Bytes ticketByte(Offset ticket)
{
    return {ticket, ticket};
}
constexpr Bytes nameTagByte(Offset ticket)
{
    return {kGate + 1 + ticket, kGate + 1 + ticket};
}
constexpr Bytes clockByte(Offset millisecondsSinceEpoch)
{
    return {kClock + millisecondsSinceEpoch, kClock + millisecondsSinceEpoch};
}

enum class LockKind { Read, Write };

// Each returns 0 or an errno.

int tryLock(int descriptor, LockKind kind, Bytes bytes);  // EAGAIN: somebody is in the way
int waitLock(int descriptor, LockKind kind, Bytes bytes); // EINTR: a signal came, and nothing was locked
int unlock(int descriptor, Bytes bytes);

// Name tags are classic POSIX locks, which carry their owner's pid and belong to the process. Never waits.
int lockNameTag(int descriptor, Bytes bytes);
int unlockNameTag(int descriptor, Bytes bytes);

struct FoundLock
{
    bool found = false;
    LockKind kind = LockKind::Write;
    Bytes bytes{0, 0};
    pid_t pid = -1; // 0 or less: not known
};

// Finds one of the locks, not the first, that would stop another open file description from locking the bytes.
int findLock(int descriptor, LockKind kind, Bytes bytes, FoundLock *lock);

// The kernel answers in the order of its list, which is the order in which the owners came, and not in that of the
// bytes. To find the lowest or the highest, the range is narrowed until nothing is left. The lowest ticket is the
// oldest, which takes two queries; towards the highest it goes in steps that double and then halve, two for each
// doubling of the queue.
int findLowestLock(int descriptor, LockKind kind, Bytes bytes, FoundLock *lock);
int findHighestLock(int descriptor, LockKind kind, Bytes bytes, FoundLock *lock);

// Finds all of them, in the order of the bytes: two queries for each.
int findAllLocks(int descriptor, LockKind kind, Bytes bytes, std::vector<FoundLock> *locks);

} // namespace QtLockFile::Internal

#endif
