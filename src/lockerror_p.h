// SPDX-License-Identifier: 0BSD
#ifndef QTLOCKFILE_LOCKERROR_P_H
#define QTLOCKFILE_LOCKERROR_P_H

#include "lockerror.h"
#include "ticketlock_p.h"

namespace QtLockFile::Internal {

// What an attempt or a release that was not done means for the user. `endedBecause` is why the wait was ended, if it was.
LockError lockErrorFor(const QString &path, const Outcome &outcome, LockError::Code endedBecause = LockError::Code::Cancelled);

// A look at the locks that failed.
LockError lookErrorFor(const QString &path, int error);

// A call that made no sense in the state.
LockError invalidState(const QString &path, const QString &message);

} // namespace QtLockFile::Internal

#endif
