// SPDX-License-Identifier: 0BSD
#ifndef QTLOCKFILE_READFILE_P_H
#define QTLOCKFILE_READFILE_P_H

#include <cerrno>
#include <string>

#include <fcntl.h>
#include <unistd.h>

namespace QtLockFile::Internal {

// All that is in a file, such as one of proc(5), whose length nobody knows before. Returns 0 or an errno, with what could be read.
inline int readFile(const char *path, std::string *text)
{
    text->clear();
    int descriptor;
    do {
        descriptor = ::open(path, O_RDONLY | O_CLOEXEC);
    } while (descriptor < 0 && errno == EINTR);
    if (descriptor < 0)
        return errno;
    int error = 0;
    char page[4096];
    for (ssize_t size = 1; size != 0 && error == 0;) {
        size = ::read(descriptor, page, sizeof page);
        if (size > 0)
            text->append(page, size_t(size));
        else if (size < 0 && errno != EINTR)
            error = errno;
    }
    ::close(descriptor);
    return error;
}

} // namespace QtLockFile::Internal

#endif
