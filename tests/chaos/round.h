// SPDX-License-Identifier: 0BSD
#ifndef QTLOCKFILE_CHAOS_ROUND_H
#define QTLOCKFILE_CHAOS_ROUND_H

#include "arena.h"
#include "player.h"

#include <array>
#include <chrono>
#include <random>
#include <string>
#include <vector>

namespace Chaos {

struct Tally
{
    std::array<std::uint64_t, kCounts> counts{};
    std::array<std::uint64_t, kFaults> faults{};
    std::uint64_t kills = 0;
    std::uint64_t stops = 0;
    std::vector<std::string> lines; // what was found, for people

    std::uint64_t allFaults() const;
    void add(const Tally &other);
    std::string summary() const;
};

// One round: 24 processes play around one lock file, are killed and stopped at random, and come to an end.
class Round
{
public:
    // Without progress for as long as `patience` it is taken for hung.
    Round(const Game &game, unsigned seed, std::chrono::milliseconds patience);
    Round(const Round &) = delete;
    Round &operator=(const Round &) = delete;
    ~Round();

    Tally play(std::chrono::milliseconds length);

private:
    using Clock = std::chrono::steady_clock;
    enum class Kind { Player, Peer, PythonPeer };

    struct Process
    {
        Kind kind = Kind::Player;
        int firstSeat = 0;
        int seats = 1;
        pid_t pid = 0; // 0: has ended
        bool stopped = false;
        Clock::time_point goesOnAt{};
    };

    bool chance(double perSecond);
    void start(Process &process);
    void condemn(Process &process);
    void kill(Process &process);
    void stopOne();
    void goOn(Clock::time_point now);
    bool reap();
    void reapAll();
    void onEnd(Process &process, int status);
    bool isHung();
    void describeHang();
    void endRound();
    void checkFile();
    void sweep();
    void collect();
    void found(Fault fault, const std::string &detail);
    bool allEnded() const;

    Game m_game;
    const Removal m_expected;
    std::mt19937 m_random;
    const std::chrono::milliseconds m_patience;
    int m_descriptor = -1;
    Arena *m_arena = nullptr;
    int m_leash[2] = {-1, -1};
    int m_kept = -1; // the file that is not to be removed
    std::vector<Process> m_processes;
    std::uint64_t m_progress = 0;
    Clock::time_point m_lastProgress;
    Clock::time_point m_lastTick;
    Tally m_tally;
};

} // namespace Chaos

#endif
