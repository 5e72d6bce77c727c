// SPDX-License-Identifier: 0BSD
#include "player.h"

#include "../sanitizer.h"

#include <QtLockFile/LockQueue>

#include <QtCore/qcoreapplication.h>
#include <QtCore/qeventloop.h>
#include <QtCore/qfile.h>
#include <QtCore/qtimer.h>

#include <algorithm>
#include <limits>
#include <thread>
#include <vector>

#include <csignal>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

namespace Chaos {

using namespace std::chrono_literals;
using QtLockFile::LockError;
using QtLockFile::LockFile;
using QtLockFile::LockQueue;
using State = LockFile::State;

namespace {

constexpr bool kChildrenMayAllocate = !kHasAddressSanitizer; // Clang 14's allocator does not survive a fork while another thread allocates

constexpr auto kForEver = std::numeric_limits<std::int64_t>::max();
constexpr unsigned kMostHangers = 12;

} // namespace

Player::Player(Arena &arena, const Game &game, int seat, int firstSeat, int seats, unsigned seed)
    : m_arena(arena), m_game(game), m_guest(arena, seat), m_seat(seat), m_firstSeat(firstSeat), m_seats(seats), m_random(seed)
{
    renewLock();
}

std::chrono::microseconds Player::upTo(std::chrono::microseconds most)
{
    return std::chrono::microseconds(std::int64_t(m_random() % unsigned(most.count() + 1)));
}

bool Player::removes()
{
    return m_game.removal == Removal::All || (m_game.removal == Removal::Some && oneOf(2));
}

void Player::renewLock()
{
    m_lock = std::make_unique<LockFile>(QString::fromStdString(m_game.path));
}

// Whoever is last in the queue ends with a whole turn, so it is he who removes the file, whatever happened before.
void Player::finish()
{
    m_lock->setTimeout(-1ms);
    m_lock->setRemoveOnRelease(removes());
    const std::uint64_t began = m_arena.now();
    m_lock->acquire();
    await(-1ns, kForEver);
    onResult(began, false, false);
    m_lock->waitForReleased();
}

void Player::play()
{
    while (!m_arena.isOver()) {
        while (m_arena.lull && !m_arena.isOver())
            std::this_thread::sleep_for(1ms);
        if (!sabotages())
            turn();
        if (oneOf(3))
            std::this_thread::sleep_for(upTo(3000us));
    }
    if (m_lock->state() != State::Released)
        m_lock->waitForReleased();
    finish();
    m_lock.reset();
}

void Player::playAsChild(int turns)
{
    m_isChild = true;
    if (m_lock->state() != State::Released)
        m_guest.complain(Fault::Failed);
    for (int i = 0; i < turns && !m_arena.isOver(); ++i)
        turn();
    m_lock->waitForReleased();
    m_lock.reset();
}

void Player::turn()
{
    if (m_lock->state() == State::Released && oneOf(16))
        renewLock();
    m_lock->setRemoveOnRelease(removes());
    m_lock->setTimeout(-1ms);
    const std::uint64_t began = m_arena.now();
    const unsigned kind = unsigned(m_random() % 16);
    if (kind < 3) {
        const bool acquired = m_lock->tryAcquire();
        if (acquired != m_lock->isAcquired())
            m_guest.complain(Fault::Failed);
        onResult(began, false, true);
    } else if (kind < 5) {
        const auto timeout = std::chrono::milliseconds(m_random() % 30);
        m_lock->setTimeout(timeout);
        const std::int64_t waitsUntil = clockNow() + std::chrono::nanoseconds(timeout).count();
        m_lock->acquire();
        await(-1ns, waitsUntil);
        onResult(began, false, true);
    } else if (kind < 8) {
        m_lock->acquire();
        await(oneOf(3) ? 0us : upTo(10'000us), kForEver);
        onResult(began, m_cancelled, m_cancelled);
    } else if (kind == 8) {
        attemptAndDelete();
    } else {
        m_lock->acquire();
        maybeFork();
        await(-1ns, kForEver);
        onResult(began, false, false);
    }
}

// Until the attempt has its result. Cancels after the patience, unless it is negative.
void Player::await(std::chrono::nanoseconds patience, std::int64_t waitsUntil)
{
    const bool byEventLoop = !m_isChild && oneOf(2); // a child's event loop would wake on what is the parent's
    const std::int64_t cancelAt = clockNow() + patience.count();
    bool isQueued = false;
    m_cancelled = false;
    while (m_lock->state() == State::Acquiring) {
        if (patience >= 0ns && !m_cancelled && clockNow() >= cancelAt) {
            m_guest.withdraw();
            m_lock->cancel();
            m_cancelled = true;
        } else if (!isQueued && !m_cancelled && m_lock->position() >= 0) {
            m_guest.queue(waitsUntil);
            isQueued = true;
        }
        const std::chrono::nanoseconds step = isQueued && patience < 0ns ? 50ms : 300us;
        if (byEventLoop) {
            QEventLoop loop;
            QTimer wakeUp;
            wakeUp.start(std::chrono::ceil<std::chrono::milliseconds>(step));
            loop.processEvents(QEventLoop::WaitForMoreEvents);
        } else {
            m_lock->waitForAcquired(QDeadlineTimer(step));
        }
        maybeDie();
    }
}

void Player::onResult(std::uint64_t began, bool cancelled, bool mayFail)
{
    if (m_lock->isAcquired()) {
        if (cancelled)
            m_guest.complain(Fault::Granted);
        hold(began);
        return;
    }
    m_guest.withdraw();
    const LockError::Code code = m_lock->error().code();
    if (code == LockError::Code::Held && mayFail && !cancelled)
        m_guest.count(Count::Refused);
    else if (code == LockError::Code::TimedOut && mayFail && !cancelled)
        m_guest.count(Count::TimedOut);
    else if (code == LockError::Code::Cancelled && cancelled)
        m_guest.count(Count::Cancelled);
    else
        m_guest.complain(Fault::Failed);
}

void Player::hold(std::uint64_t began)
{
    m_guest.enter(began);
    checkFile();
    maybeDie();
    m_guest.beginUpdate();
    maybeDie();
    if (oneOf(3))
        std::this_thread::sleep_for(upTo(1500us));
    m_guest.endUpdate();
    maybeFork();
    m_guest.leave();
    if (m_game.sabotage == Sabotage::EnterAgain && m_seat == 0) {
        m_guest.enter(m_arena.now());
        std::this_thread::sleep_for(1ms);
        m_guest.leave();
    }
    maybeDie();
    if (oneOf(20))
        renewLock(); // the destructor lets go
    else
        release(!oneOf(3));
}

// While it is held, the file at the path is the holder's, and the queue names no other.
void Player::checkFile()
{
    struct stat file;
    struct stat atPath;
    if (::fstat(m_lock->fileDescriptor(), &file) != 0 || ::lstat(m_game.path.c_str(), &atPath) != 0 || file.st_ino != atPath.st_ino)
        m_guest.complain(Fault::WrongFile);
    if (oneOf(8))
        checkName();
}

void Player::checkName()
{
    const LockQueue queue = LockQueue::of(m_lock->path());
    if (!queue.isHeld() || (queue.holder().pid() > 0 && queue.holder().pid() != ::getpid()))
        m_guest.complain(Fault::WrongName);
}

void Player::release(bool wait)
{
    m_lock->release();
    if (!wait)
        return; // the next attempt begins while this goes on
    if (!m_lock->waitForReleased() || m_lock->error())
        m_guest.complain(Fault::Failed);
}

void Player::attemptAndDelete()
{
    m_lock->acquire();
    if (oneOf(2))
        std::this_thread::sleep_for(upTo(2000us));
    renewLock();
}

void Player::maybeDie()
{
    if (!m_game.kills || m_arena.calm || !oneOf(m_isChild ? 40 : 1000))
        return;
    for (int i = m_firstSeat; i < m_firstSeat + m_seats; ++i)
        m_arena.seats[std::size_t(i)].condemned = 1;
    m_guest.count(Count::Died);
    ::raise(SIGKILL);
}

void Player::maybeFork()
{
    if (m_isChild || !oneOf(12))
        return;
    m_guest.count(Count::Forked);
    switch (m_random() % 5) {
    case 0:
        if (::fork() == 0)
            ::_exit(0);
        break;
    case 1:
        if (::fork() == 0) {
            ::execlp("sleep", "sleep", "0.02", nullptr);
            ::_exit(127);
        }
        break;
    case 2: {
        const char *const arguments[] = {"sleep", "0.01", nullptr};
        pid_t pid;
        ::posix_spawnp(&pid, "sleep", nullptr, nullptr, const_cast<char *const *>(arguments), environ);
        break;
    }
    case 3:
        if (m_arena.hangers < kMostHangers) {
            ++m_arena.hangers;
            if (::fork() == 0)
                hang();
        }
        break;
    case 4:
        forkUser();
        break;
    }
}

// A child that goes on to use the parent's LockFile, which in the child is Released.
void Player::forkUser()
{
    const std::uint64_t number = m_arena.childSeats++;
    if (!kChildrenMayAllocate || number >= kChildSeats)
        return;
    const int seat = kProcessSeats + int(number);
    m_arena.seats[std::size_t(seat)].life = 1;
    const auto seed = unsigned(m_random());
    if (::fork() != 0)
        return;
    m_arena.seats[std::size_t(seat)].pid = std::uint64_t(::getpid());
    Player child(m_arena, m_game, seat, seat, 1, seed);
    if (oneOf(2))
        child.m_lock.swap(m_lock);
    child.playAsChild(3);
    ::_exit(0);
}

// Lives on, whatever becomes of the parent, until the round is over.
void Player::hang()
{
    pollfd end{m_game.leash, POLLIN, 0};
    while (::poll(&end, 1, -1) <= 0) { }
    ::_exit(0);
}

// Tells whether it did so instead of a turn.
bool Player::sabotages()
{
    if (m_seat != 0)
        return false;
    switch (m_game.sabotage) {
    case Sabotage::EnterUnlocked:
        m_guest.enter(0);
        std::this_thread::sleep_for(1ms);
        m_guest.leave();
        return true;
    case Sabotage::UpdateUnlocked:
        m_guest.beginUpdate();
        std::this_thread::sleep_for(1ms);
        m_guest.endUpdate();
        return true;
    case Sabotage::UnlinkUnasked:
        ::unlink(m_game.path.c_str());
        return true;
    case Sabotage::ClaimTheName:
        checkName();
        return true;
    case Sabotage::CancelTooLate: {
        const std::uint64_t began = m_arena.now();
        m_lock->acquire();
        m_lock->waitForAcquired();
        onResult(began, true, true);
        return true;
    }
    case Sabotage::TryForWaiting: {
        const std::uint64_t began = m_arena.now();
        (void)m_lock->tryAcquire();
        onResult(began, false, false);
        return true;
    }
    case Sabotage::NeverLetGo:
        m_lock->acquire();
        if (m_lock->waitForAcquired())
            hang();
        return true;
    case Sabotage::DieUnseen:
        ::raise(SIGKILL);
        return true;
    case Sabotage::RemoveTheFile:
        m_lock->acquire();
        m_lock->waitForAcquired();
        ::unlink(m_game.path.c_str());
        m_lock->release();
        m_lock->waitForReleased();
        return true;
    case Sabotage::ChildKeepsLock:
        if (m_arena.hangers++ == 0 && ::fork() == 0) {
            const int file = ::open(m_game.path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
            struct flock all = {};
            all.l_type = F_WRLCK;
            while (::fcntl(file, F_OFD_SETLKW, &all) != 0) { }
            hang();
        }
        return true;
    case Sabotage::None:
    case Sabotage::EnterAgain:
    case Sabotage::KeepTheFile:
        break;
    }
    return false;
}

void playInThisProcess(Arena &arena, const Game &game, int firstSeat, int seats, unsigned seed)
{
    std::signal(SIGCHLD, SIG_IGN); // nobody waits for the children
    int argc = 1;
    char name[] = "player";
    char *argv[] = {name, nullptr};
    {
        const QCoreApplication application(argc, argv);
        const auto play = [&](int seat) { Player(arena, game, seat, firstSeat, seats, seed + unsigned(seat)).play(); };
        std::vector<std::thread> others;
        for (int seat = firstSeat + 1; seat < firstSeat + seats; ++seat)
            others.emplace_back(play, seat);
        play(firstSeat);
        for (std::thread &other : others)
            other.join();
    }
    ::_exit(0);
}

} // namespace Chaos
