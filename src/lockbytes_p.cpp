// SPDX-License-Identifier: 0BSD
#include "lockbytes_p.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include <fcntl.h>

// Tickets, gate and clock are open file description locks (F_OFD_SETLK, Linux 3.15). They belong to the open file, so
// two objects of one process exclude each other, and closing the file elsewhere in the process drops nothing. They
// exclude, and are excluded by, classic POSIX locks of other programs. Queries are F_OFD_GETLK throughout: F_GETLK
// does not see the locks of the process that asks.

namespace QtLockFile::Internal {

namespace {

static_assert(sizeof(off_t) == sizeof(Offset), "lock files need 64-bit offsets");

struct flock flockFor(short type, Bytes bytes)
{
    struct flock lock = {}; // l_pid has to be 0 for F_OFD_*
    lock.l_type = type;
    lock.l_whence = SEEK_SET;
    lock.l_start = bytes.first;
    lock.l_len = bytes.last == kEnd ? 0 : bytes.last - bytes.first + 1; // 0: to the end, however far
    return lock;
}

short typeFor(LockKind kind)
{
    return kind == LockKind::Read ? F_RDLCK : F_WRLCK;
}

int call(int descriptor, int command, struct flock *lock)
{
    if (fcntl(descriptor, command, lock) == 0)
        return 0;
    const bool mayBeInTheWay = command == F_OFD_SETLK && lock->l_type != F_UNLCK;
    return errno == EACCES && mayBeInTheWay ? EAGAIN : errno; // POSIX allows either for a lock in the way
}

// Calls that do not wait are done at once on a local file system; on a network one a signal may interrupt the request.
int callAgain(int descriptor, int command, struct flock *lock)
{
    int error;
    do {
        error = call(descriptor, command, lock);
    } while (error == EINTR);
    return error;
}

} // namespace

int tryLock(int descriptor, LockKind kind, Bytes bytes)
{
    struct flock lock = flockFor(typeFor(kind), bytes);
    return callAgain(descriptor, F_OFD_SETLK, &lock);
}

int waitLock(int descriptor, LockKind kind, Bytes bytes)
{
    struct flock lock = flockFor(typeFor(kind), bytes);
    return call(descriptor, F_OFD_SETLKW, &lock);
}

int unlock(int descriptor, Bytes bytes)
{
    struct flock lock = flockFor(F_UNLCK, bytes);
    return callAgain(descriptor, F_OFD_SETLK, &lock);
}

int lockNameTag(int descriptor, Bytes bytes)
{
    struct flock lock = flockFor(F_WRLCK, bytes);
    return callAgain(descriptor, F_SETLK, &lock);
}

int unlockNameTag(int descriptor, Bytes bytes)
{
    struct flock lock = flockFor(F_UNLCK, bytes);
    return callAgain(descriptor, F_SETLK, &lock);
}

int findLock(int descriptor, LockKind kind, Bytes bytes, FoundLock *result)
{
    *result = {};
    struct flock lock = flockFor(typeFor(kind), bytes);
    if (const int error = callAgain(descriptor, F_OFD_GETLK, &lock))
        return error;
    if (lock.l_type == F_UNLCK)
        return 0;
    result->found = true;
    result->kind = lock.l_type == F_RDLCK ? LockKind::Read : LockKind::Write;
    result->bytes = {lock.l_start, lock.l_len == 0 ? kEnd : lock.l_start + lock.l_len - 1};
    result->pid = lock.l_pid;
    return 0;
}

int findLowestLock(int descriptor, LockKind kind, Bytes bytes, FoundLock *lock)
{
    int error = findLock(descriptor, kind, bytes, lock);
    while (error == 0 && lock->found && lock->bytes.first > bytes.first) {
        FoundLock lower;
        error = findLock(descriptor, kind, {bytes.first, lock->bytes.first - 1}, &lower);
        if (!lower.found)
            break;
        *lock = lower;
    }
    return error;
}

int findHighestLock(int descriptor, LockKind kind, Bytes bytes, FoundLock *lock)
{
    if (const int error = findLock(descriptor, kind, bytes, lock))
        return error;
    Offset limit = bytes.last; // above it nothing is locked; between the best so far and here nothing is known
    Offset step = 0;           // doubles while there is something more than a step higher
    bool halving = false;
    while (lock->found && lock->bytes.last < limit) {
        const Offset gap = limit - lock->bytes.last;
        const Offset first = halving || step >= gap ? limit - (gap - 1) / 2 : lock->bytes.last + 1 + step;
        FoundLock higher;
        if (const int error = findLock(descriptor, kind, {first, limit}, &higher))
            return error;
        if (higher.found) {
            *lock = higher;
            step = step == 0 ? 1 : 2 * step;
        } else {
            limit = first - 1;
            halving = true;
        }
    }
    return 0;
}

int findAllLocks(int descriptor, LockKind kind, Bytes bytes, std::vector<FoundLock> *locks)
{
    locks->clear();
    std::vector<Bytes> unknown{bytes};
    while (!unknown.empty()) {
        const Bytes range = unknown.back();
        unknown.pop_back();
        FoundLock lock;
        if (const int error = findLock(descriptor, kind, range, &lock))
            return error;
        if (!lock.found)
            continue;
        locks->push_back(lock);
        if (lock.bytes.first > range.first)
            unknown.push_back({range.first, lock.bytes.first - 1});
        if (lock.bytes.last < range.last)
            unknown.push_back({lock.bytes.last + 1, range.last});
    }
    std::sort(locks->begin(), locks->end(), [](const FoundLock &a, const FoundLock &b) { return a.bytes.first < b.bytes.first; });
    return 0;
}

} // namespace QtLockFile::Internal
