// SPDX-License-Identifier: 0BSD
#ifndef QTLOCKFILE_FORKGUARD_P_H
#define QTLOCKFILE_FORKGUARD_P_H

namespace QtLockFile::Internal {

// As long as there is one, fork(2) waits. For what threads of the library do with Qt: a child would find Qt's own
// mutexes locked for ever, by a thread that it does not have. To be held for a moment, and not while another lock is
// waited for.
class ForkGuard
{
public:
    ForkGuard();
    ~ForkGuard();
    ForkGuard(const ForkGuard &) = delete;
    ForkGuard &operator=(const ForkGuard &) = delete;
};

} // namespace QtLockFile::Internal

#endif
