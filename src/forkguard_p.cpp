// SPDX-License-Identifier: 0BSD
#include "forkguard_p.h"

#include <mutex>

#include <pthread.h>

namespace QtLockFile::Internal {

namespace {

std::mutex forkMutex;

// At load: before anybody can hold it.
[[maybe_unused]] const int prepared = pthread_atfork([] { forkMutex.lock(); }, [] { forkMutex.unlock(); }, [] { forkMutex.unlock(); });

} // namespace

ForkGuard::ForkGuard()
{
    forkMutex.lock();
}

ForkGuard::~ForkGuard()
{
    forkMutex.unlock();
}

} // namespace QtLockFile::Internal
