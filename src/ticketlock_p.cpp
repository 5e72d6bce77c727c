// SPDX-License-Identifier: 0BSD
#include "ticketlock_p.h"

#include <cerrno>
#include <chrono>
#include <utility>

#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

// A ticket queue on the bytes of an empty file.
//
// Kernel locks lie on ranges of bytes, and the bytes need not exist, so one empty file carries a whole queue:
//
//     0 … 2^61-1    tickets: each participant write-locks one; the lowest locked ticket holds the lock
//     2^61          gate: who has it may draw a ticket or remove the file; held for microseconds
//     2^61+1+k      name tag of ticket k: a POSIX lock, for which the kernel names the owner's pid
//     2^62+t        clock: the holder has held since t milliseconds after the epoch
//
// Draw:  lock the gate; look whether the path still leads to this file; lock the ticket after the highest; unlock
//        the gate.
// Wait:  for a read lock on the ticket before ours, then for one on all before ours, since the one before may have
//        died or given up while others before it still wait. Then look at the path again.
// Leave: unlock all in one call. Then, in the gate, remove the file if no ticket is locked.
//
// Why a plain lock on the whole file is not enough. One who releases and at once locks again overtakes those who
// wait, and where the file is removed on release, each release sends all who wait to a new file, where they fight
// again: neither order nor service is guaranteed. With tickets, whoever comes later locks a higher one, and the file
// goes away under nobody: a file is removed in the gate only, where no ticket can be drawn, and only if none is
// locked.
//
// Why removal comes after the hand-over. A process stopped in the gate, or a stranger's lock on it, would otherwise
// hold up the next holder.
// Why the name tag goes before the ticket. The next to draw ticket 0 would meet the old tag and go nameless.
// Why all is unlocked in one call. Between two calls others could see a queue that never was.
//
// Handing over to a program that the holder starts: the ticket belongs to the open file, and a descriptor that
// crosses exec(3) still leads to it. So nothing is unlocked, those who wait keep their places, and nobody can come
// between. The heir believes nobody: the descriptor has to lead to the file at the path, and the lock has to be its
// own. The kernel tells: others see the lowest ticket locked, and this descriptor does not, since nobody's own locks
// are in his way. The name tag cannot be handed over. The heir takes its own after the former holder has let go, and
// until then the lock is held namelessly.
//
// Nobody but who wants to draw waits for the gate: attempts that do not wait and those who leave ask again for a
// bounded time, while nothing but the gate is in the way. A peer that locks the whole file is excluded by the
// tickets, and excludes us by the gate.

namespace QtLockFile::Internal {

namespace {

using Result = Outcome::Result;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kTryPatience{20}; // for a gate in passing; whoever is stopped in it is not passing
constexpr milliseconds kLeavePatience{1000};
constexpr long kPauseNanoseconds = 100'000; // between two looks at a gate that is held for microseconds
constexpr int kMostFreshStarts = 1000;      // each means that the file was removed in between; a disk where that never ends is broken

Outcome failed(Operation operation, int error)
{
    return {Result::Failed, operation, error};
}

// Asks again while only a passing gate is in the way.
void pauseForGate()
{
    const timespec pause{0, kPauseNanoseconds};
    nanosleep(&pause, nullptr);
}

// The pid of the lock's holder as the locks of the file tell, 0 or less where they do not. `user` is any lock found
// among the tickets.
pid_t holderOf(int descriptor, const FoundLock &user)
{
    if (!user.found || user.pid > 0)
        return user.pid; // a POSIX lock among the tickets: a program that locks the whole file
    FoundLock ticket;
    FoundLock tag;
    // Asking for a read lock names write locks only: the tickets, but not what those with a ticket have read-locked below theirs.
    if (findLowestLock(descriptor, LockKind::Read, kTickets, &ticket) == 0 && ticket.found)
        findLock(descriptor, LockKind::Write, nameTagByte(ticket.bytes.first), &tag);
    return tag.pid;
}

} // namespace

Outcome TicketLock::acquire(const LockOptions &options, const std::atomic<bool> &ended)
{
    Outcome outcome = draw(options, ended);
    while (outcome.isDone() && m_ticket > 0) {
        outcome = awaitTurn(ended);
        if (!outcome.isDone())
            break;
        const int error = m_file.checkPath(m_path);
        if (error == 0)
            break;
        if (error != ESTALE) {
            outcome = failed(Operation::Inspect, error);
            break;
        }
        // An outsider removed the file. Those behind us find out only when we leave it: by then we have our place in
        // the new queue.
        OpenFile old = std::move(m_file);
        setTicket(-1);
        outcome = draw(options, ended);
        old.dropNameTag();
        old.unlock(kAllBytes);
    }
    if (outcome.result == Result::Ended)
        outcome = withHolder(outcome);
    if (outcome.isDone())
        startHolding();
    return outcome;
}

Outcome TicketLock::tryAcquire(const LockOptions &options)
{
    const std::atomic<bool> never{false};
    const Outcome held{Result::Held, Operation::Lock, EAGAIN};
    Clock::time_point giveUpAt{};
    for (int starts = 0; starts < kMostFreshStarts; ++starts) {
        if (const Outcome outcome = open(options, never); !outcome.isDone())
            return outcome;
        const int descriptor = m_file.descriptor();
        for (;;) {
            int error = tryLock(descriptor, LockKind::Write, kTicketsAndGate);
            const bool alone = error == 0;
            FoundLock user;
            if (error == EAGAIN)
                error = findLock(descriptor, LockKind::Write, kTickets, &user);
            if (error != 0)
                return failed(Operation::Lock, error);
            if (alone || user.found) {
                error = m_file.checkPath(m_path);
                if (error == ESTALE)
                    break;
                if (error != 0)
                    return failed(Operation::Inspect, error);
                if (!alone) {
                    const Outcome outcome = withHolder(held);
                    m_file.close(); // who holds it removes the file
                    return outcome;
                }
                const Outcome outcome = takeTicket(0, {1, kGate});
                if (outcome.isDone())
                    startHolding();
                return outcome;
            }
            const auto now = Clock::now();
            if (giveUpAt == Clock::time_point{})
                giveUpAt = now + kTryPatience;
            else if (now >= giveUpAt)
                return held;
            pauseForGate();
        }
        m_file.unlock(kAllBytes);
        m_file.close();
    }
    return failed(Operation::Lock, ESTALE);
}

Outcome TicketLock::leave(bool remove)
{
    if (!m_file.isOpen())
        return {};
    const bool hadTicket = m_ticket >= 0;
    m_file.dropNameTag();
    setTicket(-1);
    m_file.unlock(kAllBytes);
    Outcome outcome;
    if (remove)
        outcome = this->remove(hadTicket ? Patience::Passing : Patience::Once);
    m_file.close();
    return outcome;
}

Outcome TicketLock::adopt(int descriptor)
{
    OpenFile other;
    if (const int error = other.openToLook(m_path))
        return failed(Operation::Open, error);
    struct stat status;
    if (::fstat(descriptor, &status) != 0)
        return failed(Operation::Inspect, errno);
    if (!(FileId{status.st_dev, status.st_ino} == other.id()))
        return failed(Operation::Inspect, ESTALE);
    FoundLock ticket;
    FoundLock inTheWay;
    int error = findLowestLock(other.descriptor(), LockKind::Read, kTickets, &ticket);
    if (error == 0 && ticket.found)
        error = findLock(descriptor, LockKind::Read, ticketByte(ticket.bytes.first), &inTheWay);
    if (error != 0)
        return failed(Operation::Lock, error);
    if (!ticket.found || ticket.bytes.first != ticket.bytes.last || inTheWay.found)
        return {Result::Held, Operation::Lock, EAGAIN, ticket.pid};
    other.close(); // before there is a name tag that this could drop
    error = m_file.inherit(descriptor);
    if (error != 0)
        return failed(Operation::Inspect, error);
    setTicket(ticket.bytes.first);
    return {};
}

void TicketLock::name()
{
    if (!m_file.isOpen() || m_ticket < 0)
        return;
    m_file.setNameTag(m_ticket);
    m_file.announce();
}

void TicketLock::letGo()
{
    setTicket(-1);
    m_file.abandon();
}

Place TicketLock::place() const
{
    const std::lock_guard guard(m_mutex);
    return m_place;
}

void TicketLock::setTicket(Offset ticket)
{
    m_ticket = ticket;
    const std::lock_guard guard(m_mutex);
    m_place = {m_file.id(), ticket};
}

Outcome TicketLock::withHolder(Outcome outcome) const
{
    FoundLock user;
    if (m_file.isOpen() && findLock(m_file.descriptor(), LockKind::Write, kTickets, &user) == 0)
        outcome.holder = holderOf(m_file.descriptor(), user);
    return outcome;
}

Outcome TicketLock::open(const LockOptions &options, const std::atomic<bool> &ended)
{
    bool created;
    int error;
    do {
        error = m_file.open(m_path, options.mode, std::exchange(m_removed, false), &created);
    } while (error == EINTR && !ended);
    if (error == EINTR)
        return {Result::Ended, Operation::Open, EINTR};
    if (error != 0) {
        if (error == EISDIR || error == ELOOP || error == ENXIO || error == ENODEV)
            return {Result::NotRegular, Operation::Open, error};
        return failed(created ? Operation::Create : Operation::Open, error);
    }
    if (m_file.isRegular() && (m_file.isEmpty() || !options.remove))
        return {};
    const Result result = m_file.isRegular() ? Result::HasContent : Result::NotRegular;
    m_file.close();
    return {result, Operation::Open};
}

Outcome TicketLock::draw(const LockOptions &options, const std::atomic<bool> &ended)
{
    for (;;) {
        if (ended)
            return {Result::Ended, Operation::Lock, EINTR};
        if (const Outcome outcome = open(options, ended); !outcome.isDone())
            return outcome;
        const int descriptor = m_file.descriptor();

        // With nobody there one call gets the gate and says that no ticket is locked.
        int error = tryLock(descriptor, LockKind::Write, kTicketsAndGate);
        const bool alone = error == 0;
        if (error == EAGAIN)
            error = await(LockKind::Write, kGateByte, ended);
        if (error == EINTR)
            return {Result::Ended, Operation::Lock, EINTR};
        if (error != 0)
            return failed(Operation::Lock, error);

        error = m_file.checkPath(m_path);
        if (error == ESTALE) {
            m_file.unlock(kAllBytes);
            m_file.close();
            continue;
        }
        if (error != 0)
            return failed(Operation::Inspect, error);

        if (alone)
            return takeTicket(0, {1, kGate});
        Outcome outcome;
        do {
            FoundLock highest;
            error = findHighestLock(descriptor, LockKind::Write, kTickets, &highest);
            if (error != 0)
                return failed(Operation::Lock, error);
            const Offset ticket = highest.found ? highest.bytes.last + 1 : 0;
            if (ticket > kLastTicket)
                return failed(Operation::Lock, EOVERFLOW); // only a stranger's lock lies there
            error = tryLock(descriptor, LockKind::Write, ticketByte(ticket));
            if (error == 0)
                outcome = takeTicket(ticket, kGateByte);
        } while (error == EAGAIN); // a stranger who knows nothing of the gate
        if (error != 0)
            return failed(Operation::Lock, error);
        m_file.announce();
        return outcome;
    }
}

// With the ticket locked: takes the name tag and unlocks the rest. A kernel that is short of memory may refuse to unlock
// a part of what is locked (ENOLCK, fcntl(2)), but not all of it.
Outcome TicketLock::takeTicket(Offset ticket, Bytes rest)
{
    setTicket(ticket);
    m_file.setNameTag(ticket);
    if (const int error = m_file.unlock(rest))
        return failed(Operation::Lock, error); // with a gate that stays locked nobody else could come
    return {};
}

Outcome TicketLock::awaitTurn(const std::atomic<bool> &ended)
{
    int error = await(LockKind::Read, ticketByte(m_ticket - 1), ended);
    if (error == 0)
        error = await(LockKind::Read, {0, m_ticket - 1}, ended);
    if (error == 0)
        return {};
    return error == EINTR ? Outcome{Result::Ended, Operation::Lock, EINTR} : failed(Operation::Lock, error);
}

// EINTR: the wait was ended. Other signals that reach the thread do not end it.
int TicketLock::await(LockKind kind, Bytes bytes, const std::atomic<bool> &ended)
{
    int error;
    do {
        if (ended)
            return EINTR;
        error = waitLock(m_file.descriptor(), kind, bytes);
    } while (error == EINTR);
    return error;
}

// The lock is ours: sets the clock, and tells those who watch.
void TicketLock::startHolding()
{
    using namespace std::chrono;
    const Offset now = duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
    if (now >= 0)
        tryLock(m_file.descriptor(), LockKind::Write, clockByte(now)); // it may fail: then nobody knows since when
    m_file.announce();
}

Outcome TicketLock::remove(Patience patience)
{
    const int descriptor = m_file.descriptor();
    Clock::time_point giveUpAt{};
    int error;
    while ((error = tryLock(descriptor, LockKind::Write, kGateByte)) == EAGAIN) {
        FoundLock user;
        findLock(descriptor, LockKind::Write, kTickets, &user);
        const auto now = Clock::now();
        if (giveUpAt == Clock::time_point{})
            giveUpAt = now + kLeavePatience;
        if (user.found || patience == Patience::Once || now >= giveUpAt)
            return {}; // somebody else is using the file, and the last one out removes it
        pauseForGate();
    }
    if (error != 0)
        return failed(Operation::Lock, error);
    const Outcome outcome = removeInGate();
    // Not left to the close, which a parked descriptor does not see, nor a child that shares it between vfork and exec.
    m_file.unlock(kGateByte);
    return outcome;
}

Outcome TicketLock::removeInGate()
{
    FoundLock user;
    int error = findLock(m_file.descriptor(), LockKind::Write, kTickets, &user);
    if (error != 0)
        return failed(Operation::Lock, error);
    if (user.found)
        return {};
    error = m_file.checkPath(m_path);
    if (error == ESTALE)
        return {}; // what lies there is not ours
    if (error != 0)
        return failed(Operation::Inspect, error);
    if (!m_file.isRegular() || !m_file.isEmpty())
        return {Result::HasContent, Operation::Remove};
    if (::unlink(m_path.c_str()) != 0 && errno != ENOENT)
        return failed(Operation::Remove, errno);
    m_removed = true;
    return {};
}

} // namespace QtLockFile::Internal
