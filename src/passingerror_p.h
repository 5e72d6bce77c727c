// SPDX-License-Identifier: 0BSD
#ifndef QTLOCKFILE_PASSINGERROR_P_H
#define QTLOCKFILE_PASSINGERROR_P_H

#include <cerrno>

namespace QtLockFile::Internal {

// Tells whether the error is of the moment, and says nothing about what it befell: something is used up.
inline bool isPassing(int error)
{
    switch (error) {
    case EINTR:
    case EAGAIN:
    case ENOMEM:
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOLCK:
    case ENOSPC:
    case EDQUOT:
        return true;
    default:
        return false;
    }
}

} // namespace QtLockFile::Internal

#endif
