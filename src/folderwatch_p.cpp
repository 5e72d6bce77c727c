// SPDX-License-Identifier: 0BSD
#include "folderwatch_p.h"

#include <string>

#include <sys/inotify.h>

namespace QtLockFile::Internal {

void FolderWatch::start(int folder)
{
    Descriptor watch(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    // By its descriptor, so that it is the folder that was checked.
    const std::string path = "/proc/self/fd/" + std::to_string(folder);
    if (watch.isOpen() && ::inotify_add_watch(watch.get(), path.c_str(), IN_MOVE | IN_DELETE | IN_CLOSE_WRITE | IN_ONLYDIR) < 0)
        watch.reset();
    m_descriptor = std::move(watch);
}

void FolderWatch::drain()
{
    char events[4096];
    while (::read(m_descriptor.get(), events, sizeof events) > 0) { }
}

} // namespace QtLockFile::Internal
