// SPDX-License-Identifier: 0BSD
#ifndef QTLOCKFILE_STATEMACHINE_STEP_H
#define QTLOCKFILE_STATEMACHINE_STEP_H

#include <QtCore/qstring.h>

#include <vector>

namespace StateMachine {

// What can be done to a LockFile and around it. Each is possible in every state; some then do nothing.
enum class Do {
    Acquire,
    TryAcquire,
    Cancel,
    Release,
    LookForAcquired, // waitForAcquired(0)
    LookForReleased,
    WaitForAcquired, // as long as it must come, if it must; for a moment otherwise
    WaitForReleased,
    ProcessEvents,
    ProcessAllEvents, // until all has come that must
    SetTimeout,
    SetRemoveOnRelease,
    SetPermissions,
    DeleteAndCreate,
    UseInAnotherThread,
    AskPosition,
    InNextSlot, // the slot of the next signal of a kind does something itself
    RivalTries, // another LockFile in this process
    RivalReleases,
    NeighbourTries, // another process
    NeighbourReleases,
    OutsiderRemoves // the file
};

struct Step
{
    Do what;
    int number = 0; // the time-out; which of the signals
    std::vector<Do> inSlot = {};
};

QString describe(const Step &step);

// What a slot can wait for, as Step::number counts it. The first four are told by stateChanged().
constexpr const char *kSignals[] = {"Acquiring", "Acquired", "Releasing", "Released", "acquired", "failed", "released"};
constexpr int kStateSignals = 4;

} // namespace StateMachine

#endif
