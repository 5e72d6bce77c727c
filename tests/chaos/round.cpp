// SPDX-License-Identifier: 0BSD
#include "round.h"

#include "peer.h"

#include <QtLockFile/LockQueue>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <thread>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

// The processes are forked and, but for Python, do not exec: so a killed one is replaced in a millisecond. This process
// has one thread and never uses the library itself.

namespace Chaos {

using namespace std::chrono_literals;

namespace {

constexpr int kPlayers = 18; // the last four of them with two threads each
constexpr int kPeers = 4;
constexpr int kPythonPeers = 2;
constexpr auto kTick = 1ms;
constexpr auto kCalm = 200ms;

constexpr double kKillsPerSecond = 40;
constexpr double kStopsPerSecond = 40;
constexpr double kLullsPerSecond = 4;
constexpr auto kLull = 20ms;

ino_t inodeOf(const std::string &path)
{
    struct stat status;
    return ::lstat(path.c_str(), &status) == 0 ? status.st_ino : 0;
}

} // namespace

std::uint64_t Tally::allFaults() const
{
    std::uint64_t sum = 0;
    for (const std::uint64_t count : faults)
        sum += count;
    return sum;
}

void Tally::add(const Tally &other)
{
    for (std::size_t i = 0; i < kCounts; ++i)
        counts[i] += other.counts[i];
    for (std::size_t i = 0; i < kFaults; ++i)
        faults[i] += other.faults[i];
    kills += other.kills;
    stops += other.stops;
    lines.insert(lines.end(), other.lines.begin(), other.lines.end());
}

std::string Tally::summary() const
{
    const auto of = [this](Count count) { return std::to_string(counts[std::size_t(count)]); };
    return of(Count::Acquired) + " acquisitions (" + of(Count::ByPeers) + " by peers), " + std::to_string(kills + counts[std::size_t(Count::Died)]) + " kills, "
        + std::to_string(stops) + " stops, " + of(Count::Cancelled) + " cancels, " + of(Count::TimedOut) + " time-outs, " + of(Count::Refused) + " refusals, "
        + of(Count::Forked) + " forks, " + std::to_string(allFaults()) + " violations";
}

Round::Round(const Game &game, unsigned seed, std::chrono::milliseconds patience) : m_game(game), m_expected(game.removal), m_random(seed), m_patience(patience)
{
    if (game.sabotage == Sabotage::KeepTheFile)
        m_game.removal = Removal::None;
    m_arena = Arena::make(&m_descriptor);
    if (!m_arena || ::pipe2(m_leash, O_CLOEXEC) != 0) {
        std::perror("chaos: no memory to share");
        ::_exit(2);
    }
    m_game.leash = m_leash[0];
    if (m_expected == Removal::None)
        m_kept = ::open(m_game.path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    int seat = 0;
    const auto add = [&](Kind kind, int seats) {
        Process process;
        process.kind = kind;
        process.firstSeat = seat;
        process.seats = seats;
        seat += seats;
        m_processes.push_back(process);
    };
    for (int i = 0; i < kPlayers; ++i)
        add(Kind::Player, i < kPlayers - 4 ? 1 : 2);
    for (int i = 0; i < kPeers; ++i)
        add(Kind::Peer, 1);
    for (int i = 0; i < kPythonPeers; ++i)
        add(Kind::PythonPeer, 1);
}

Round::~Round()
{
    ::close(m_leash[0]);
    if (m_kept >= 0)
        ::close(m_kept);
    Arena::destroy(m_arena, m_descriptor);
}

Tally Round::play(std::chrono::milliseconds length)
{
    const auto begin = Clock::now();
    m_lastProgress = m_lastTick = begin;
    Clock::time_point lullEnds{};
    for (Process &process : m_processes)
        start(process);
    while (!allEnded()) {
        std::this_thread::sleep_for(kTick);
        const auto now = Clock::now();
        reap();
        goOn(now);
        const bool isCalm = now - begin >= length;
        if (!isCalm) {
            if (m_game.kills && chance(kKillsPerSecond))
                kill(m_processes[m_random() % m_processes.size()]);
            if (chance(kStopsPerSecond))
                stopOne();
            if (chance(kLullsPerSecond))
                lullEnds = now + kLull;
        }
        m_arena->lull = now < lullEnds;
        m_arena->calm = isCalm;
        m_arena->over = now - begin >= length + kCalm;
        if (isHung()) {
            describeHang();
            break;
        }
        m_lastTick = now;
    }
    endRound();
    return m_tally;
}

bool Round::chance(double perSecond)
{
    const std::chrono::duration<double> passed = Clock::now() - m_lastTick;
    return std::uniform_real_distribution<>()(m_random) < perSecond * std::min(passed.count(), 0.1);
}

void Round::start(Process &process)
{
    for (int i = process.firstSeat; i < process.firstSeat + process.seats; ++i) {
        Seat &seat = m_arena->seats[std::size_t(i)];
        seat.queued = 0;
        ++seat.life;
        seat.condemned = 0;
    }
    const auto seed = unsigned(m_random());
    const pid_t self = ::getpid();
    std::fflush(nullptr);
    process.pid = ::fork();
    if (process.pid != 0)
        return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != self)
        ::_exit(1);
    ::close(m_leash[1]);
    switch (process.kind) {
    case Kind::Player:
        playInThisProcess(*m_arena, m_game, process.firstSeat, process.seats, seed);
    case Kind::Peer:
        playPeerInThisProcess(*m_arena, m_game, process.firstSeat, seed);
    case Kind::PythonPeer:
        becomePythonPeer(m_descriptor, m_game, process.firstSeat, seed);
    }
}

void Round::condemn(Process &process)
{
    for (int i = process.firstSeat; i < process.firstSeat + process.seats; ++i)
        m_arena->seats[std::size_t(i)].condemned = 1;
}

void Round::kill(Process &process)
{
    if (process.pid <= 0)
        return;
    condemn(process);
    ::kill(process.pid, SIGKILL);
    ++m_tally.kills;
}

// Mostly for a moment; now and then for longer than anything in the library has patience.
void Round::stopOne()
{
    Process &process = m_processes[m_random() % m_processes.size()];
    if (process.pid <= 0 || process.stopped)
        return;
    ::kill(process.pid, SIGSTOP);
    process.stopped = true;
    process.goesOnAt = Clock::now() + std::chrono::milliseconds(m_random() % (m_random() % 40 == 0 ? 1500 : 30));
    ++m_tally.stops;
}

void Round::goOn(Clock::time_point now)
{
    for (Process &process : m_processes) {
        if (!process.stopped || now < process.goesOnAt)
            continue;
        if (process.pid > 0)
            ::kill(process.pid, SIGCONT);
        process.stopped = false;
    }
}

// Tells whether there are children left.
bool Round::reap()
{
    int status;
    pid_t pid;
    while ((pid = ::waitpid(-1, &status, WNOHANG)) > 0) {
        const auto process = std::find_if(m_processes.begin(), m_processes.end(), [pid](const Process &one) { return one.pid == pid; });
        if (process != m_processes.end()) {
            onEnd(*process, status);
            continue;
        }
        for (int i = kProcessSeats; i < kSeats; ++i) {
            if (Word &its = m_arena->seats[std::size_t(i)].pid; its == std::uint64_t(pid))
                its = 0;
        }
        if (!(WIFEXITED(status) && WEXITSTATUS(status) == 0) && !(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL))
            found(Fault::Crash, "an orphaned child ended with status " + std::to_string(status)); // that it was killed is its own doing
    }
    return pid == 0;
}

// The children of those that have ended: they are this process's now, and the last to end.
void Round::reapAll()
{
    const auto deadline = Clock::now() + m_patience;
    bool isLate = false;
    while (reap()) {
        std::this_thread::sleep_for(1ms);
        if (isLate || Clock::now() < deadline)
            continue;
        isLate = true;
        found(Fault::Hang, "forked children that do not end");
        for (int i = kProcessSeats; i < kSeats; ++i) {
            const auto pid = pid_t(m_arena->seats[std::size_t(i)].pid);
            siginfo_t info;
            if (pid > 0 && ::waitid(P_PID, id_t(pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0) // a child of ours, and not another by now
                ::kill(pid, SIGKILL);
        }
    }
}

void Round::onEnd(Process &process, int status)
{
    process.pid = 0;
    process.stopped = false;
    m_lastProgress = Clock::now();
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0 && m_arena->isOver())
        return;
    const bool condemned = m_arena->seats[std::size_t(process.firstSeat)].condemned != 0;
    if (!(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL && condemned)) {
        const std::string end = WIFSIGNALED(status) ? "signal " + std::to_string(WTERMSIG(status)) : "exit code " + std::to_string(WEXITSTATUS(status));
        found(Fault::Crash, "seat " + std::to_string(process.firstSeat) + " ended with " + end);
        condemn(process); // as dead as one that was killed
        if (m_tally.faults[std::size_t(Fault::Crash)] > 20)
            return;
    }
    if (!m_arena->isOver())
        start(process);
    else
        condemn(process);
}

bool Round::isHung()
{
    const std::uint64_t progress = m_arena->sum(Count::Acquired);
    const bool anyStopped = std::any_of(m_processes.begin(), m_processes.end(), [](const Process &one) { return one.stopped; });
    if (progress != m_progress || anyStopped) {
        m_progress = progress;
        m_lastProgress = Clock::now();
    }
    return Clock::now() - m_lastProgress > m_patience;
}

void Round::describeHang()
{
    std::string detail = "nobody came in any more; not ended:";
    for (const Process &process : m_processes) {
        if (process.pid > 0)
            detail += ' ' + std::to_string(process.pid) + " (seat " + std::to_string(process.firstSeat) + ')';
    }
    const std::string inode = ':' + std::to_string(inodeOf(m_game.path)) + ' ';
    std::ifstream locks("/proc/locks");
    for (std::string line; std::getline(locks, line);) {
        if (line.find(inode) != std::string::npos)
            detail += "\n    " + line;
    }
    found(Fault::Hang, detail);
}

bool Round::allEnded() const
{
    return std::all_of(m_processes.begin(), m_processes.end(), [](const Process &one) { return one.pid == 0; });
}

void Round::endRound()
{
    m_arena->calm = 1;
    m_arena->over = 1;
    for (Process &process : m_processes) { // those of a hung round
        if (process.pid <= 0)
            continue;
        condemn(process);
        ::kill(process.pid, SIGKILL);
        ::waitpid(process.pid, nullptr, 0);
        process.pid = 0;
    }
    checkFile();
    sweep();
    ::close(m_leash[1]);
    reapAll();
    collect();
    ::unlink(m_game.path.c_str());
}

void Round::checkFile()
{
    if (m_tally.faults[std::size_t(Fault::Hang)] > 0 || m_expected == Removal::Some)
        return;
    if (m_expected == Removal::None) {
        struct stat kept;
        if (::fstat(m_kept, &kept) != 0 || kept.st_ino != inodeOf(m_game.path))
            found(Fault::LostFile, m_game.path);
        return;
    }
    const auto deadline = Clock::now() + m_patience;
    while (inodeOf(m_game.path) != 0 && Clock::now() < deadline)
        std::this_thread::sleep_for(1ms);
    if (inodeOf(m_game.path) != 0)
        found(Fault::LeftFile, m_game.path);
}

// The lock is to be had, though children live on that were forked while it was held. In a process of its own, since this
// one goes on forking.
void Round::sweep()
{
    const pid_t sweeper = ::fork();
    if (sweeper == 0) {
        bool isFree = false;
        {
            QtLockFile::LockFile lock(QString::fromStdString(m_game.path));
            lock.setTimeout(m_patience);
            lock.acquire();
            isFree = lock.waitForAcquired() && QtLockFile::LockQueue::of(lock.path()).waiters().isEmpty();
        }
        ::_exit(isFree && inodeOf(m_game.path) == 0 ? 0 : 1);
    }
    int status = 0;
    ::waitpid(sweeper, &status, 0);
    if (status != 0)
        found(Fault::LeftLock, m_game.path);
}

void Round::collect()
{
    for (std::size_t i = 0; i < kCounts; ++i)
        m_tally.counts[i] += m_arena->sum(Count(i));
    for (std::size_t i = 0; i < kSeats; ++i) {
        const Seat &seat = m_arena->seats[i];
        if (seat.faults == 0)
            continue;
        const std::uint64_t other = seat.other & 0xffff;
        found(Fault(seat.fault.load()),
              "seat " + std::to_string(i) + (other > 0 ? " with seat " + std::to_string(other - 1) : "") + ", the first of " + std::to_string(seat.faults));
    }
}

void Round::found(Fault fault, const std::string &detail)
{
    ++m_tally.faults[std::size_t(fault)];
    if (m_tally.lines.size() < 20)
        m_tally.lines.push_back(std::string(describe(fault)) + ": " + detail);
}

} // namespace Chaos
