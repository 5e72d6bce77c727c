// SPDX-License-Identifier: 0BSD
#include "queuelook_p.h"

#include <algorithm>
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <fstream>
#include <string>

#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

// The locks of a file cannot be read in one go, and change meanwhile. The clock, which every new holder sets anew, is
// read before and after; if it moved, another look is taken.

namespace QtLockFile::Internal {

namespace {

constexpr int kMostLooks = 4;

int readClock(int descriptor, Offset *since)
{
    FoundLock clock;
    const int error = findLock(descriptor, LockKind::Write, kClockBytes, &clock);
    // A longer one is a peer's, who locks the whole file.
    *since = clock.found && clock.bytes.first == clock.bytes.last ? clock.bytes.first - kClock : -1;
    return error;
}

// Who has the ticket: its name tag's owner. False if nobody has it any more.
bool findParticipant(int descriptor, Offset ticket, pid_t *pid)
{
    // A tag comes just after its ticket and goes just before it, so without one look again.
    for (int looks = 0; looks < 2; ++looks) {
        FoundLock tag;
        findLock(descriptor, LockKind::Write, nameTagByte(ticket), &tag);
        *pid = tag.pid;
        if (tag.pid > 0)
            return true;
        FoundLock still;
        findLock(descriptor, LockKind::Read, ticketByte(ticket), &still);
        if (!still.found)
            return false;
    }
    return true;
}

// Those who wait without a ticket: peers that want the whole file, and participants at the gate, which such a peer
// holds. No call of fcntl(2) tells of them, /proc/locks (proc(5)) does:  "12: -> POSIX  ADVISORY  WRITE 1234
// 08:01:5678 0 EOF".
std::vector<QueueLook::Participant> findTicketless(FileId file)
{
    std::vector<QueueLook::Participant> result;
    char id[64];
    std::snprintf(id, sizeof id, "%02x:%02x:%ju", major(file.device), minor(file.device), uintmax_t(file.inode));
    const bool ownPids = procHasOwnPids();
    std::ifstream locks("/proc/locks");
    for (std::string line; std::getline(locks, line);) {
        char kind[16];
        char where[64];
        long pid;
        Offset first;
        if (std::sscanf(line.c_str(), "%*d: -> %15s %*s %*s %ld %63s %" SCNd64, kind, &pid, where, &first) != 4 || where != std::string(id))
            continue;
        if (kind == std::string("POSIX"))
            result.push_back({ownPids ? pid_t(pid) : -1, -1});
        else if (kind == std::string("OFDLCK") && first == kGate)
            result.push_back({-1, -1});
    }
    return result;
}

// False if what was found does not belong together.
bool lookOnce(const OpenFile &file, QueueLook *look)
{
    const int descriptor = file.descriptor();
    *look = {};
    look->file = file.id();
    look->error = readClock(descriptor, &look->since);
    std::vector<FoundLock> tickets;
    if (look->error == 0)
        look->error = findAllLocks(descriptor, LockKind::Read, kTickets, &tickets);
    if (look->error != 0)
        return true;
    for (const FoundLock &ticket : tickets) {
        pid_t pid = ticket.pid;
        if (pid > 0 || ticket.bytes.first != ticket.bytes.last) // a peer's
            look->participants.push_back({pid, -1});
        else if (findParticipant(descriptor, ticket.bytes.first, &pid))
            look->participants.push_back({pid, ticket.bytes.first});
    }
    if (tickets.empty()) {
        FoundLock shared; // a peer's lock on the whole file may be a read lock; those of who waits for a ticket end below the gate
        look->error = findLock(descriptor, LockKind::Write, kTickets, &shared);
        if (shared.found && (shared.pid > 0 || shared.bytes.last >= kGate))
            look->participants.push_back({shared.pid, -1});
    }
    if (look->participants.empty()) {
        look->since = -1;
        return tickets.empty();
    }
    const std::vector<QueueLook::Participant> ticketless = findTicketless(file.id());
    look->participants.insert(look->participants.end(), ticketless.begin(), ticketless.end());
    Offset since;
    readClock(descriptor, &since);
    return since == look->since;
}

} // namespace

bool procHasOwnPids()
{
    char self[16] = {};
    return ::readlink("/proc/self", self, sizeof self - 1) > 0 && std::to_string(::getpid()) == self;
}

QueueLook lookAtQueue(const OpenFile &file)
{
    QueueLook look;
    for (int looks = 0; looks < kMostLooks; ++looks) {
        if (lookOnce(file, &look))
            return look;
    }
    look.since = -1; // true or absent
    return look;
}

QueueLook lookAtQueue(const std::string &path)
{
    QueueLook look;
    OpenFile file;
    const int error = file.openToLook(path);
    if (error != ENOENT)
        look.error = error;
    return file.isOpen() ? lookAtQueue(file) : look;
}

int countTicketsBefore(const std::string &path, const Place &place)
{
    OpenFile file;
    std::vector<FoundLock> tickets;
    if (place.ticket < 0 || file.openToLook(path) != 0 || !(file.id() == place.file))
        return -1;
    if (place.ticket == 0)
        return 0;
    if (findAllLocks(file.descriptor(), LockKind::Read, {0, place.ticket - 1}, &tickets) != 0)
        return -1;
    return int(tickets.size());
}

} // namespace QtLockFile::Internal
