// SPDX-License-Identifier: 0BSD
#ifndef QTLOCKFILE_CHAOS_PEER_H
#define QTLOCKFILE_CHAOS_PEER_H

#include "player.h"

namespace Chaos {

// The forked processes that know nothing of tickets and lock the whole file, by fcntl(2) and by Python's fcntl.lockf. They
// hold only what lies at the path, and remove it while they hold it where that is played. Neither returns.

[[noreturn]] void playPeerInThisProcess(Arena &arena, const Game &game, int seat, unsigned seed);
[[noreturn]] void becomePythonPeer(int arena, const Game &game, int seat, unsigned seed);

} // namespace Chaos

#endif
