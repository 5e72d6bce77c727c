// SPDX-License-Identifier: 0BSD
#ifndef QTLOCKFILE_FOLDERWATCH_P_H
#define QTLOCKFILE_FOLDERWATCH_P_H

#include "descriptor_p.h"

#include <chrono>

namespace QtLockFile::Internal {

// Tells that files came into a folder, left it, were renamed in it, or were closed by who wrote them. With or without
// an event loop: its descriptor is readable when something has happened. Not QFileSystemWatcher, which needs the
// event loop and wakes up at each look at a lock.
class FolderWatch
{
public:
    // How often to look where inotify(7) cannot be had: each user has 128 of them by default.
    static constexpr std::chrono::milliseconds kFallback{50};

    // Watches the open folder. Where that is not possible descriptor() stays -1.
    void start(int folder);
    int descriptor() const { return m_descriptor.get(); }

    // Forgets what has happened so far.
    void drain();

private:
    Descriptor m_descriptor;
};

} // namespace QtLockFile::Internal

#endif
