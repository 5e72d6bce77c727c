// SPDX-License-Identifier: 0BSD
#ifndef QTLOCKFILE_CHAOS_PLAYER_H
#define QTLOCKFILE_CHAOS_PLAYER_H

#include "arena.h"

#include <QtLockFile/LockFile>

#include <memory>
#include <random>
#include <string>

namespace Chaos {

// What one player does wrong on purpose, to see whether the checker sees it.
enum class Sabotage {
    None,
    EnterUnlocked,  // comes in without the lock
    UpdateUnlocked, // counts on without the lock
    EnterAgain,     // comes in again after leaving, without having let go
    UnlinkUnasked,
    ClaimTheName,  // looks for its name in the queue while another holds
    CancelTooLate, // takes the lock, and then says that it had cancelled
    TryForWaiting, // where it may not be refused
    KeepTheFile,   // where all are to remove it
    RemoveTheFile, // where all are to keep it
    NeverLetGo,
    DieUnseen,     // killed by nobody that the checker knows of
    ChildKeepsLock // a forked child holds a lock until the end
};

enum class Removal { All, Some, None };

// What is played in a round.
struct Game
{
    std::string path;
    Removal removal = Removal::All;
    bool kills = true;
    Sabotage sabotage = Sabotage::None;
    int leash = -1; // reads as ended at the end of the round
};

// One who uses a LockFile in every way, by chance, until the round is over. Lives in one thread.
class Player
{
public:
    // `firstSeat` and `seats` are the process's.
    Player(Arena &arena, const Game &game, int seat, int firstSeat, int seats, unsigned seed);

    void play();

    // In a forked child, with what the parent had: as often as given.
    void playAsChild(int turns);

private:
    bool oneOf(int count) { return m_random() % unsigned(count) == 0; }
    std::chrono::microseconds upTo(std::chrono::microseconds most);
    bool removes();
    void renewLock();
    void turn();
    void finish();
    void await(std::chrono::nanoseconds patience, std::int64_t waitsUntil);
    void onResult(std::uint64_t began, bool cancelled, bool mayFail);
    void hold(std::uint64_t began);
    void checkFile();
    void checkName();
    void release(bool wait);
    void attemptAndDelete();
    void maybeDie();
    void maybeFork();
    void forkUser();
    [[noreturn]] void hang();
    bool sabotages();

    Arena &m_arena;
    const Game &m_game;
    Guest m_guest;
    const int m_seat;
    const int m_firstSeat;
    const int m_seats;
    std::mt19937 m_random;
    bool m_isChild = false;
    bool m_cancelled = false;
    std::unique_ptr<QtLockFile::LockFile> m_lock;
};

// The forked process that plays with one player or more in threads. Does not return.
[[noreturn]] void playInThisProcess(Arena &arena, const Game &game, int firstSeat, int seats, unsigned seed);

} // namespace Chaos

#endif
