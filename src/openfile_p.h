// SPDX-License-Identifier: 0BSD
#ifndef QTLOCKFILE_OPENFILE_P_H
#define QTLOCKFILE_OPENFILE_P_H

#include "lockbytes_p.h"

#include <string>

#include <sys/stat.h>
#include <sys/types.h>

namespace QtLockFile::Internal {

// Which file it is, whatever its name.
struct FileId
{
    dev_t device = 0;
    ino_t inode = 0;

    friend bool operator==(const FileId &a, const FileId &b) { return a.device == b.device && a.inode == b.inode; }
    friend bool operator<(const FileId &a, const FileId &b) { return a.device != b.device ? a.device < b.device : a.inode < b.inode; }
};

// A lock file opened by this process: an open file description that nobody else in the process uses, and so an owner of locks.
// Used by one thread at a time.
class OpenFile
{
public:
    OpenFile() = default;
    OpenFile(OpenFile &&other) noexcept;
    OpenFile &operator=(OpenFile &&other) noexcept;
    ~OpenFile();

    // Opens the file to lock it, creating it with the mode where it is missing. Never follows a link at the path,
    // never blocks in a FIFO. Returns 0 or an errno, EINTR where a signal came first; *created tells what was tried
    // last, for the message. `probablyMissing` saves a call where it is true, and costs one where it is not.
    int open(const std::string &path, mode_t mode, bool probablyMissing, bool *created);

    // Opens an existing file only to look at its locks. Also where that fails, id() tells what lies there, as far as it is known.
    int openToLook(const std::string &path);

    // Takes charge of a descriptor that came through exec(3), locks and all. Returns 0 or an errno.
    int inherit(int descriptor);

    // Closes and never parks: what else is locked on the open file description goes on with the process that shares it.
    void abandon();

    // Unlocks the bytes. Returns 0 or an errno; then close() does not park, unless everything was unlocked since.
    int unlock(Bytes bytes);

    // Closes, or parks, with everything unlocked: see openfile_p.cpp.
    void close();

    bool isOpen() const { return descriptor() >= 0; }
    int descriptor() const; // -1 also in a forked child, where the file was closed
    FileId id() const { return m_id; }

    // Names this process as the owner of the ticket. Where that fails the lock is held namelessly.
    void setNameTag(Offset ticket);
    void dropNameTag();

    // Wakes those who watch the file. Not on a file with content: its time stamps are somebody's data.
    void announce() const;

    // What it was when it was opened, or when checkPath() last found it.
    bool isRegular() const { return S_ISREG(m_mode); }
    bool isEmpty() const { return m_size == 0; }

    // Tells whether the path leads to this file: 0, ESTALE when it leads elsewhere or nowhere, or the errno of the look.
    int checkPath(const std::string &path);

private:
    bool takeParked(const std::string &path, bool writable);
    int adopt(int descriptor, unsigned forks, bool writable);
    void take(int descriptor, const struct stat &status, bool writable);

    int m_descriptor = -1;
    unsigned m_forks = 0;
    FileId m_id;
    Offset m_tag = -1;
    mode_t m_mode = 0;
    off_t m_size = 0;
    bool m_writable = false;
    bool m_looks = false;  // opened only to look
    bool m_locked = false; // something could not be unlocked
};

// How many fork(2)s lie between the first process and this one, counted from the first call on. What was opened
// before the last of them is closed here.
unsigned forkCount();

} // namespace QtLockFile::Internal

#endif
