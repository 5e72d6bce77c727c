// SPDX-License-Identifier: 0BSD
#include "peer.h"

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <random>
#include <string>
#include <thread>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace Chaos {

using namespace std::chrono_literals;

namespace {

bool removes(const Game &game, std::mt19937 &random)
{
    return game.removal == Removal::All || (game.removal == Removal::Some && random() % 2 == 0);
}

// The open file, locked and at the path; -1 if another holds it and it is not to be waited for.
int lockWholeFile(const Game &game, bool wait)
{
    for (;;) {
        const int file = ::open(game.path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        if (file < 0)
            return -1;
        struct flock all = {};
        all.l_type = F_WRLCK;
        all.l_whence = SEEK_SET;
        if (::fcntl(file, wait ? F_SETLKW : F_SETLK, &all) != 0) {
            ::close(file);
            return -1;
        }
        struct stat locked;
        struct stat atPath;
        if (::fstat(file, &locked) == 0 && ::stat(game.path.c_str(), &atPath) == 0 && locked.st_ino == atPath.st_ino)
            return file;
        ::close(file);
    }
}

void turn(Arena &arena, const Game &game, Guest &guest, std::mt19937 &random, bool wait)
{
    const int file = lockWholeFile(game, wait);
    if (file < 0) {
        guest.count(Count::Refused);
        if (wait)
            guest.complain(Fault::Failed);
        return;
    }
    guest.count(Count::ByPeers);
    guest.enter(arena.now()); // who has a ticket excludes it, however late it was drawn
    guest.beginUpdate();
    if (random() % 3 == 0)
        std::this_thread::sleep_for(std::chrono::microseconds(random() % 1000));
    guest.endUpdate();
    guest.leave();
    if (removes(game, random))
        ::unlink(game.path.c_str());
    ::close(file);
}

} // namespace

void playPeerInThisProcess(Arena &arena, const Game &game, int seat, unsigned seed)
{
    Guest guest(arena, seat);
    std::mt19937 random(seed);
    while (!arena.isOver()) {
        turn(arena, game, guest, random, random() % 3 == 0);
        std::this_thread::sleep_for(std::chrono::microseconds(random() % 5000));
    }
    turn(arena, game, guest, random, true);
    ::_exit(0);
}

void becomePythonPeer(int arena, const Game &game, int seat, unsigned seed)
{
    ::fcntl(arena, F_SETFD, 0); // it crosses the exec
    const int removal = game.removal == Removal::All ? 2 : game.removal == Removal::Some ? 1 : 0;
    // The system's own, where it is: a wrapper would have children of its own.
    const char *const python = ::access("/usr/bin/python3", X_OK) == 0 ? "/usr/bin/python3" : "python3";
    const auto word = [](std::size_t offset) { return std::to_string(offset / sizeof(Word)); };
    ::execlp(python, python, PEER_SCRIPT, std::to_string(arena).c_str(), game.path.c_str(), std::to_string(seat).c_str(), std::to_string(removal).c_str(),
             std::to_string(seed).c_str(), word(offsetof(Arena, seats)).c_str(), word(offsetof(Arena, authors)).c_str(), std::to_string(kMostNumbers).c_str(),
             nullptr);
    std::perror(python);
    ::_exit(127);
}

} // namespace Chaos
