// SPDX-License-Identifier: 0BSD
#include "arena.h"

#include <new>

#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

// What is legal when processes are killed anywhere.
//
// Who is killed inside never leaves, so the next one meets him there. That is legal if he was condemned: the mark is set
// before the signal is sent, so whoever is met unmarked was alive while another held the lock, too. The same goes for a
// number that two counted on from.
//
// Who draws a ticket is known to have it only afterwards, when the kernel says what is before it. So the checker knows
// some who are in the queue, and not since when, but from when on at the latest; and of the one who comes in it knows from
// when on at the earliest: the moment before the call. If the first lies before the second, the order of the two is certain.
// One who waits ceases to do so by coming in, and says so before he lets go; by cancelling, and says so before he does;
// by a time-out, and that not before it has passed; or killed, and then he is condemned first. So he who is found to be
// waiting, in time and not condemned, when another is inside, was overtaken. There is no other way to see it: what is
// asserted is never wrong, and what is found is less than all.

namespace Chaos {

namespace {

constexpr std::uint64_t kSeatBits = 16;

} // namespace

const char *describe(Fault fault)
{
    switch (fault) {
    case Fault::None:
        break;
    case Fault::Overlap:
        return "an overlap of holders";
    case Fault::LostUpdate:
        return "a lost update";
    case Fault::Order:
        return "a waiter overtaken";
    case Fault::WrongFile:
        return "a holder of another file than the one at the path";
    case Fault::WrongName:
        return "a holder named wrongly";
    case Fault::Granted:
        return "a cancelled attempt granted";
    case Fault::Failed:
        return "a failure without a reason";
    case Fault::Crash:
        return "a process that ended unasked";
    case Fault::Hang:
        return "a hang";
    case Fault::LeftFile:
        return "a file left behind";
    case Fault::LostFile:
        return "a file lost";
    case Fault::LeftLock:
        return "a lock left behind";
    }
    return "nothing";
}

Arena *Arena::make(int *descriptor)
{
    *descriptor = ::memfd_create("arena", MFD_CLOEXEC);
    if (*descriptor < 0 || ::ftruncate(*descriptor, off_t(sizeof(Arena))) != 0)
        return nullptr;
    void *const memory = ::mmap(nullptr, sizeof(Arena), PROT_READ | PROT_WRITE, MAP_SHARED, *descriptor, 0);
    return memory == MAP_FAILED ? nullptr : new (memory) Arena; // leaves the zeros as they are
}

void Arena::destroy(Arena *arena, int descriptor)
{
    ::munmap(arena, sizeof(Arena));
    ::close(descriptor);
}

std::uint64_t Arena::sum(Count count) const
{
    std::uint64_t sum = 0;
    for (const Seat &seat : seats)
        sum += seat.counts[std::size_t(count)];
    return sum;
}

Guest::Guest(Arena &arena, int seat) : m_arena(arena), m_seat(arena.seats[std::size_t(seat)]), m_self(m_seat.life << kSeatBits | std::uint64_t(seat + 1))
{
}

void Guest::complain(Fault fault, std::uint64_t other)
{
    if (m_seat.faults++ == 0) {
        m_seat.other = other;
        m_seat.fault = std::uint64_t(fault);
    }
}

void Guest::queue(std::int64_t waitsUntil)
{
    m_seat.waitsUntil = std::uint64_t(waitsUntil);
    m_seat.queued = m_arena.now();
}

void Guest::enter(std::uint64_t began)
{
    withdraw();
    if (const std::uint64_t other = m_arena.holder.exchange(m_self); isAlive(other))
        complain(Fault::Overlap, other);
    checkOrder(began);
    count(Count::Acquired);
}

void Guest::beginUpdate()
{
    m_number = m_arena.number;
    if (const std::uint64_t other = m_arena.authors[m_number].exchange(m_self); isAlive(other))
        complain(Fault::LostUpdate, other);
}

void Guest::endUpdate()
{
    m_arena.number = m_number + 1;
}

void Guest::leave()
{
    std::uint64_t inside = m_self;
    if (!m_arena.holder.compare_exchange_strong(inside, 0))
        complain(Fault::Overlap, inside);
}

bool Guest::isAlive(std::uint64_t guest) const
{
    if (guest == 0)
        return false;
    const Seat &seat = m_arena.seats[(guest & ((1 << kSeatBits) - 1)) - 1];
    // In this order: a seat is given to the next one by a new life first, and only then is the mark taken off.
    return !seat.condemned && seat.life == guest >> kSeatBits;
}

void Guest::checkOrder(std::uint64_t began)
{
    for (std::size_t i = 0; i < kSeats; ++i) {
        const Seat &seat = m_arena.seats[i];
        const std::uint64_t queued = seat.queued;
        if (queued == 0 || queued >= began || &seat == &m_seat)
            continue;
        const std::uint64_t life = seat.life;
        const auto waitsUntil = std::int64_t(seat.waitsUntil);
        if (clockNow() < waitsUntil && !seat.condemned && seat.queued == queued && seat.life == life)
            complain(Fault::Order, life << kSeatBits | (i + 1));
    }
}

std::int64_t clockNow()
{
    timespec time;
    ::clock_gettime(CLOCK_MONOTONIC, &time);
    return std::int64_t(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

} // namespace Chaos
