// SPDX-License-Identifier: 0BSD
#include "queuelook_p.h"

#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

#include <unistd.h>

// The locks of a file cannot be read in one go, and change meanwhile. The clock, which every new holder sets anew, is
// read before and after; if it moved, another look is taken.
//
// Each question of fcntl(2) walks the kernel's list of the file's locks, so asking for each of many tickets and tags
// takes the square of their number. /proc/locks has all in one go, but may miss one, or may not be there. So what it
// tells is taken, and what it does not tell is asked: each byte of the queue has been either told of or asked for.

namespace QtLockFile::Internal {

namespace {

constexpr int kMostLooks = 4;
constexpr Offset kFewTickets = 64; // are asked for sooner than all locks of the system are read

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

SystemLocks inOrder(SystemLocks locks)
{
    std::sort(locks.begin(), locks.end(), [](const SystemLock &a, const SystemLock &b) { return a.bytes.first < b.bytes.first; });
    return locks;
}

// Who has which ticket, as told: ranges, since the kernel joins the tags of one process that lie side by side.
class ToldOwners
{
public:
    explicit ToldOwners(const SystemLocks &told)
    {
        if (!procHasOwnPids())
            return;
        for (const SystemLock &lock : told) {
            if (!lock.waits && lock.owner == SystemLock::Owner::Process && lock.bytes.first > kGate && lock.bytes.last < kClock)
                m_tags.push_back(lock);
        }
    }

    // Tickets are to be asked for in ascending order. -1: not told.
    pid_t takePid(Offset ticket)
    {
        const Offset tag = nameTagByte(ticket).first;
        while (m_next < m_tags.size() && m_tags[m_next].bytes.last < tag)
            ++m_next;
        return m_next < m_tags.size() && m_tags[m_next].bytes.first <= tag ? m_tags[m_next].pid : -1;
    }

private:
    SystemLocks m_tags;
    size_t m_next = 0;
};

// Those who wait without a ticket: peers that want the whole file, and participants at the gate, which such a peer
// holds. No call of fcntl(2) tells of them. They are served in the order in which the kernel lists them.
void addTicketless(const std::vector<SystemLock> &listed, std::vector<QueueLook::Participant> *participants)
{
    const bool ownPids = procHasOwnPids();
    for (const SystemLock &lock : listed) {
        if (!lock.waits)
            continue;
        if (lock.owner == SystemLock::Owner::Process)
            participants->push_back({ownPids ? lock.pid : -1, -1});
        else if (lock.bytes.first == kGate)
            participants->push_back({-1, -1});
    }
}

// Whether to read all locks of the system takes less time than to ask for each ticket.
bool areMany(int descriptor)
{
    FoundLock lowest;
    FoundLock highest;
    return findLowestLock(descriptor, LockKind::Read, kTickets, &lowest) == 0 && lowest.found && lowest.bytes.first == lowest.bytes.last
        && findHighestLock(descriptor, LockKind::Read, kTickets, &highest) == 0 && highest.bytes.last - lowest.bytes.first > kFewTickets;
}

// False if what was found does not belong together.
bool lookOnce(const OpenFile &file, Extent extent, QueueLook *look)
{
    const int descriptor = file.descriptor();
    *look = {};
    look->file = file.id();
    look->error = readClock(descriptor, &look->since);
    FoundLock any;
    if (look->error == 0)
        look->error = findLock(descriptor, LockKind::Write, kTickets, &any);
    if (look->error != 0 || !any.found) {
        look->since = -1;
        return true;
    }
    look->isWhole = extent == Extent::Whole || areMany(descriptor);
    const std::vector<SystemLock> listed = look->isWhole ? systemLocksOf(file.id()) : std::vector<SystemLock>();
    const SystemLocks told = inOrder(listed);
    std::vector<FoundLock> tickets;
    look->error = findTickets(descriptor, kTickets, told, &tickets);
    if (look->error != 0)
        return true;
    ToldOwners owners(told);
    for (const FoundLock &ticket : tickets) {
        pid_t pid = ticket.pid;
        if (pid > 0 || ticket.bytes.first != ticket.bytes.last) { // a peer's
            look->participants.push_back({pid, -1});
            continue;
        }
        pid = owners.takePid(ticket.bytes.first);
        if (pid > 0 || findParticipant(descriptor, ticket.bytes.first, &pid))
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
    addTicketless(listed, &look->participants);
    Offset since;
    readClock(descriptor, &since);
    return since == look->since;
}

} // namespace

int findTickets(int descriptor, Bytes bytes, const SystemLocks &told, std::vector<FoundLock> *tickets)
{
    tickets->clear();
    Offset known = bytes.first - 1; // up to here
    std::vector<FoundLock> found;
    const auto askUpTo = [&](Offset last) {
        if (known >= last)
            return 0;
        const int error = findAllLocks(descriptor, LockKind::Read, {known + 1, last}, &found);
        tickets->insert(tickets->end(), found.begin(), found.end());
        known = found.empty() ? last : std::max(last, found.back().bytes.last);
        return error;
    };
    for (const SystemLock &lock : told) {
        const Offset ticket = lock.bytes.first;
        if (lock.waits || lock.owner != SystemLock::Owner::OpenFile || lock.kind != LockKind::Write || lock.bytes.last != ticket || ticket <= known
            || ticket > bytes.last)
            continue;
        if (const int error = askUpTo(ticket - 1))
            return error;
        if (ticket <= known)
            continue; // a longer lock lies there by now
        tickets->push_back({true, LockKind::Write, lock.bytes, -1});
        known = ticket;
    }
    return askUpTo(bytes.last);
}

bool procHasOwnPids()
{
    char self[16] = {};
    return ::readlink("/proc/self", self, sizeof self - 1) > 0 && std::to_string(::getpid()) == self;
}

QueueLook lookAtQueue(const OpenFile &file, Extent extent)
{
    QueueLook look;
    for (int looks = 0; looks < kMostLooks; ++looks) {
        if (lookOnce(file, extent, &look))
            return look;
    }
    look.since = -1; // true or absent
    return look;
}

QueueLook lookAtQueue(const std::string &path, Extent extent)
{
    QueueLook look;
    OpenFile file;
    const int error = file.openToLook(path);
    if (error != ENOENT)
        look.error = error;
    return file.isOpen() ? lookAtQueue(file, extent) : look;
}

int countTicketsBefore(const std::string &path, const Place &place)
{
    OpenFile file;
    std::vector<FoundLock> tickets;
    if (place.ticket < 0 || file.openToLook(path) != 0 || !(file.id() == place.file))
        return -1;
    if (place.ticket == 0)
        return 0;
    const Bytes before{0, place.ticket - 1};
    FoundLock lowest;
    if (findLowestLock(file.descriptor(), LockKind::Read, before, &lowest) != 0)
        return -1;
    if (!lowest.found)
        return 0;
    const bool few = place.ticket - lowest.bytes.first <= kFewTickets;
    const SystemLocks told = few ? SystemLocks() : inOrder(systemLocksOf(file.id()));
    if (findTickets(file.descriptor(), before, told, &tickets) != 0)
        return -1;
    return int(tickets.size());
}

} // namespace QtLockFile::Internal
