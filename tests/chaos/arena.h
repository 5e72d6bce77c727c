// SPDX-License-Identifier: 0BSD
#ifndef QTLOCKFILE_CHAOS_ARENA_H
#define QTLOCKFILE_CHAOS_ARENA_H

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include <sys/types.h>

// The memory that all processes of a round share, and the checker, which stands outside the lock: it only believes what
// it sees here, and asks the lock nothing.
//
// All of it is words of 64 bits, each at a fixed place, so that peer.py finds its way, too.

namespace Chaos {

using Word = std::atomic<std::uint64_t>;
static_assert(sizeof(Word) == 8 && Word::is_always_lock_free);

enum class Fault : std::uint64_t {
    None,
    Overlap,    // somebody came in while another was inside
    LostUpdate, // two counted on from the same number
    Order,      // somebody came in while another waited who had queued before
    WrongFile,  // the holder's file is not the one at the path
    WrongName,  // the queue names another than the holder
    Granted,    // a cancelled attempt was granted
    Failed,     // an attempt or a release failed for no reason that there is
    Crash,      // a process ended that nobody had killed
    Hang,       // nobody came in for a long time, though nobody was stopped
    LeftFile,   // all is over, and the file is still there
    LostFile,   // all is over, and the file is gone that was to be kept
    LeftLock    // all is over, and the file is still locked
};
constexpr std::size_t kFaults = std::size_t(Fault::LeftLock) + 1;
const char *describe(Fault fault);

enum class Count { Acquired, ByPeers, Refused, Cancelled, TimedOut, Forked, Died };
constexpr std::size_t kCounts = std::size_t(Count::Died) + 1;

// Of one who takes part: a thread, a peer or a forked child. Only its owner writes to it, but for the first two.
struct Seat
{
    Word life;       // how many have had the seat: who is seen in an older life is dead
    Word condemned;  // set before SIGKILL is sent
    Word queued;     // the moment from which on it is known to be in the queue; 0: not known to be
    Word waitsUntil; // nanoseconds on the monotonic clock: it does not give up before
    Word fault;      // the first that it found
    Word other;      // with whom
    Word faults;     // how many it found
    std::array<Word, kCounts> counts;
    Word pid; // of a forked child
    Word unused;
};
static_assert(sizeof(Seat) == 16 * sizeof(Word));

constexpr int kProcessSeats = 32;
constexpr int kChildSeats = 128; // for forked children, each seat once a round
constexpr int kSeats = kProcessSeats + kChildSeats;
constexpr std::uint64_t kMostNumbers = 1 << 20;

struct Arena
{
    Word moment;     // counts what is to be told apart as before and after
    Word holder;     // who is inside
    Word number;     // counted on by whoever is inside, without any atomic operation
    Word over;       // nobody begins anything new
    Word lull;       // nobody queues for a while, so that peers are served
    Word childSeats; // given away
    Word hangers;    // children that live on until the end
    Word calm;       // nobody is killed any more
    std::array<Seat, kSeats> seats;
    std::array<Word, kMostNumbers> authors; // who counted on from this number

    // New, of zeros; null where there is none. The descriptor leads to it.
    static Arena *make(int *descriptor);
    static void destroy(Arena *arena, int descriptor);

    std::uint64_t now() { return ++moment; }
    bool isOver() const { return over != 0 || number >= kMostNumbers - 1000; }
    std::uint64_t sum(Count count) const;
};

// One who takes part, as the checker sees it.
class Guest
{
public:
    Guest(Arena &arena, int seat);

    Seat &seat() { return m_seat; }
    void count(Count count) { ++m_seat.counts[std::size_t(count)]; }
    void complain(Fault fault, std::uint64_t other = 0);

    // In the queue for sure from now on, until `waitsUntil` at least or the call of withdraw().
    void queue(std::int64_t waitsUntil);
    void withdraw() { m_seat.queued = 0; }

    // Holding the lock: comes in. Who is known to have queued before the moment `began` and waits still was overtaken.
    void enter(std::uint64_t began);

    // Counts on, in two halves between which others would do harm.
    void beginUpdate();
    void endUpdate();

    // About to let go.
    void leave();

private:
    bool isAlive(std::uint64_t guest) const;
    void checkOrder(std::uint64_t began);

    Arena &m_arena;
    Seat &m_seat;
    const std::uint64_t m_self; // seat and life
    std::uint64_t m_number = 0;
};

// Nanoseconds on the monotonic clock, which is the same for all processes.
std::int64_t clockNow();

} // namespace Chaos

#endif
