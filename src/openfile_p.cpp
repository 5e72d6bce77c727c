// SPDX-License-Identifier: 0BSD
#include "openfile_p.h"

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

// The lock files that this process has open, and the two things that endanger them.
//
// Closing. Name tags are POSIX locks, and when a process closes any descriptor of a file, it loses all of its POSIX
// locks on that file (fcntl_locking(2)). So while this process has a name tag on a file, descriptors of it are not
// closed but parked, unlocked; whoever opens the file next takes a parked one, so there are never more than were in
// use at once; and when the last tag goes, all are closed. A foreign close elsewhere in the process may still cost
// the name, never the lock.
//
// fork(2). A child shares our open file descriptions, and a lock lives until the last copy is closed. The child
// closes its copies at once, in a pthread_atfork(3) handler. It must not unlock, since that would unlock the parent.
// A descriptor that another thread is just opening cannot be known to the child, so whoever opens one looks whether a
// fork came between, and if so opens another and never locks on the first. No lock is held here during open(2) or
// close(2), which may take as long as a file server pleases: a fork must not wait for that.

namespace QtLockFile::Internal {

namespace {

constexpr int kMostTries = 1000; // a folder that says both "not there" and "exists" is broken

struct Parked
{
    int descriptor;
    bool writable; // false: only to look; either opened so, or a forked child may have a copy
};

struct SharedFile
{
    int tags = 0;
    int closing = 0; // threads that are closing descriptors of it
    std::vector<Parked> parked;
};

struct OpenFiles
{
    std::mutex mutex; // guards all of this
    std::condition_variable closed;
    std::set<int> descriptors;
    std::map<FileId, SharedFile> files; // those with something to remember
    size_t parked = 0;
};

OpenFiles *openFilesOfProcess = nullptr; // replaced in a forked child; never destroyed, threads may outlive main()
std::atomic<unsigned> forksMade{0};      // counted before and after each
std::atomic<unsigned> forksBehind{0};

void beforeFork()
{
    openFilesOfProcess->mutex.lock();
    ++forksMade;
}

void afterForkInParent()
{
    ++forksMade; // also for who began to open between the first count and the fork itself
    openFilesOfProcess->mutex.unlock();
}

void afterForkInChild()
{
    for (const int descriptor : openFilesOfProcess->descriptors)
        ::close(descriptor);
    openFilesOfProcess = new OpenFiles; // the old one may have waiters that do not exist here
    ++forksBehind;
}

OpenFiles &openFiles()
{
    static const bool once = [] {
        openFilesOfProcess = new OpenFiles;
        pthread_atfork(beforeFork, afterForkInParent, afterForkInChild);
        return true;
    }();
    (void)once;
    return *openFilesOfProcess;
}

// At load: a child forked in the midst of the first use would wait for ever for a thread that it does not have to end it.
[[maybe_unused]] const OpenFiles &openFilesPreparedForFork = openFiles();

int openSafely(const char *path, int flags, mode_t mode = 0)
{
    return ::open(path, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, mode);
}

int statusOfPath(const std::string &path, struct stat *status)
{
    return ::fstatat(AT_FDCWD, path.c_str(), status, AT_SYMLINK_NOFOLLOW) == 0 ? 0 : errno;
}

FileId idOf(const struct stat &status)
{
    return {status.st_dev, status.st_ino};
}

} // namespace

unsigned forkCount()
{
    openFiles(); // begins to count
    return forksBehind;
}

OpenFile::OpenFile(OpenFile &&other) noexcept
{
    *this = std::move(other);
}

OpenFile &OpenFile::operator=(OpenFile &&other) noexcept
{
    std::swap(m_descriptor, other.m_descriptor);
    std::swap(m_forks, other.m_forks);
    std::swap(m_id, other.m_id);
    std::swap(m_tag, other.m_tag);
    std::swap(m_mode, other.m_mode);
    std::swap(m_size, other.m_size);
    std::swap(m_writable, other.m_writable);
    std::swap(m_looks, other.m_looks);
    std::swap(m_locked, other.m_locked);
    return *this;
}

OpenFile::~OpenFile()
{
    close();
}

int OpenFile::descriptor() const
{
    return m_forks == forksBehind ? m_descriptor : -1;
}

int OpenFile::open(const std::string &path, mode_t mode, bool probablyMissing, bool *created)
{
    *created = false;
    m_looks = false;
    if (path.find('\0') != std::string::npos)
        return EINVAL; // the kernel would open what stands before it
    if (takeParked(path, true))
        return 0;
    for (int tries = 1;; ++tries) {
        const unsigned forks = forksMade;
        // Without O_CREAT first: root may not use it on somebody else's file in a sticky folder
        // (fs.protected_regular, proc_sys_fs(5)). If the file is probably missing, creating it is tried before that: O_EXCL
        // leaves alone what is there, and whatever it fails of, the rest goes on as if it had not been tried.
        *created = false;
        int descriptor = -1;
        if (std::exchange(probablyMissing, false))
            descriptor = openSafely(path.c_str(), O_RDWR | O_CREAT | O_EXCL, mode);
        if (descriptor < 0)
            descriptor = openSafely(path.c_str(), O_RDWR);
        if (descriptor < 0 && errno == ENOENT) {
            *created = true;
            descriptor = openSafely(path.c_str(), O_RDWR | O_CREAT | O_EXCL, mode);
            if (descriptor < 0 && errno == EEXIST && tries < kMostTries)
                continue; // somebody was faster, or the path is a link that leads nowhere: then the next open says so
        }
        if (descriptor < 0)
            return errno;
        const int error = adopt(descriptor, forks, true);
        if (error != EAGAIN)
            return error;
    }
}

int OpenFile::openToLook(const std::string &path)
{
    m_looks = true;
    m_id = {};
    if (path.find('\0') != std::string::npos)
        return EINVAL;
    if (takeParked(path, false))
        return 0;
    for (;;) {
        const unsigned forks = forksMade;
        struct stat status;
        if (const int error = statusOfPath(path, &status))
            return error;
        m_id = idOf(status);
        if (!S_ISREG(status.st_mode))
            return S_ISDIR(status.st_mode) ? EISDIR : S_ISLNK(status.st_mode) ? ELOOP : ENXIO; // opening a FIFO or a device could be noticed
        const int descriptor = openSafely(path.c_str(), O_RDONLY);
        if (descriptor < 0) {
            const int error = errno;
            if (error == ENOENT)
                m_id = {}; // removed since
            return error;
        }
        const int error = adopt(descriptor, forks, false);
        if (error != EAGAIN)
            return error;
    }
}

bool OpenFile::takeParked(const std::string &path, bool writable)
{
    OpenFiles &open = openFiles();
    {
        const std::lock_guard guard(open.mutex);
        if (open.parked == 0)
            return false;
    }
    struct stat status;
    if (statusOfPath(path, &status) != 0)
        return false;
    const std::lock_guard guard(open.mutex);
    const auto file = open.files.find(idOf(status));
    if (file == open.files.end())
        return false;
    std::vector<Parked> &parked = file->second.parked;
    for (auto it = parked.begin(); it != parked.end(); ++it) {
        if (it->writable || !writable) {
            take(it->descriptor, status, it->writable);
            parked.erase(it);
            --open.parked;
            return true;
        }
    }
    return false;
}

int OpenFile::inherit(int descriptor)
{
    openFiles();
    if (::ioctl(descriptor, FIOCLEX) != 0) // it has just crossed an exec(3), and must not cross another
        return errno;
    return adopt(descriptor, forksMade, true);
}

void OpenFile::abandon()
{
    if (!isOpen())
        return;
    OpenFiles &open = openFiles();
    const int descriptor = std::exchange(m_descriptor, -1);
    {
        const std::lock_guard guard(open.mutex);
        SharedFile &file = open.files[m_id];
        if (std::exchange(m_tag, -1) >= 0)
            --file.tags;
        if (file.tags == 0 && file.closing == 0 && file.parked.empty())
            open.files.erase(m_id);
        open.descriptors.erase(descriptor);
    }
    // Parked, it would be taken for a lock of its own by whoever opens the file next. If the process has other tags
    // on the file they are lost.
    ::close(descriptor);
}

// Takes charge of a new descriptor; EAGAIN: a fork came between, open another.
int OpenFile::adopt(int descriptor, unsigned forks, bool writable)
{
    struct stat status;
    if (::fstat(descriptor, &status) != 0) {
        const int error = errno;
        ::close(descriptor);
        return error;
    }
    OpenFiles &open = openFiles();
    bool inherited;
    {
        const std::lock_guard guard(open.mutex);
        open.descriptors.insert(descriptor);
        inherited = forksMade != forks;
    }
    take(descriptor, status, writable && !inherited);
    if (!inherited || !writable)
        return 0;
    close();
    return EAGAIN;
}

void OpenFile::take(int descriptor, const struct stat &status, bool writable)
{
    m_descriptor = descriptor;
    m_forks = forksBehind;
    m_id = idOf(status);
    m_mode = status.st_mode;
    m_size = status.st_size;
    m_writable = writable;
    m_locked = false;
}

int OpenFile::unlock(Bytes bytes)
{
    if (!isOpen())
        return 0;
    const int error = Internal::unlock(m_descriptor, bytes);
    m_locked = error != 0 || (m_locked && !(bytes.first == kAllBytes.first && bytes.last == kAllBytes.last));
    return error;
}

void OpenFile::close()
{
    if (!isOpen()) {
        m_descriptor = -1;
        return;
    }
    OpenFiles &open = openFiles();
    std::unique_lock guard(open.mutex);
    if (std::exchange(m_tag, -1) >= 0)
        --open.files[m_id].tags;
    if (open.files[m_id].tags > 0) {
        // No close tells the watchers of what we did. Once parked, the descriptor is no longer ours to announce on.
        guard.unlock();
        announce();
        guard.lock();
    }
    SharedFile &file = open.files[m_id];
    const int descriptor = std::exchange(m_descriptor, -1);
    if (file.tags > 0 && !std::exchange(m_locked, false)) { // better nameless than locked
        file.parked.push_back({descriptor, m_writable});
        ++open.parked;
        return;
    }
    std::vector<Parked> closing = std::exchange(file.parked, {});
    open.parked -= closing.size();
    closing.push_back({descriptor, m_writable});
    for (const Parked &parked : closing)
        open.descriptors.erase(parked.descriptor);
    ++file.closing;
    guard.unlock();
    for (const Parked &parked : closing)
        ::close(parked.descriptor); // whatever it returns, the descriptor is gone (close(2))
    guard.lock();
    if (--file.closing == 0) {
        if (file.tags == 0 && file.parked.empty())
            open.files.erase(m_id);
        guard.unlock();
        open.closed.notify_all();
    }
}

void OpenFile::setNameTag(Offset ticket)
{
    OpenFiles &open = openFiles();
    {
        std::unique_lock guard(open.mutex);
        // A close under way would take the new tag with it.
        open.closed.wait(guard, [&] {
            const auto file = open.files.find(m_id);
            return file == open.files.end() || file->second.closing == 0;
        });
        ++open.files[m_id].tags;
    }
    m_tag = ticket;
    lockNameTag(m_descriptor, nameTagByte(ticket));
}

void OpenFile::dropNameTag()
{
    if (isOpen() && m_tag >= 0)
        unlockNameTag(m_descriptor, nameTagByte(m_tag));
}

void OpenFile::announce() const
{
    // A look may use a writable descriptor that was parked, and still has nothing to tell.
    if (isOpen() && m_writable && isEmpty() && !m_looks)
        ::futimens(m_descriptor, nullptr);
}

int OpenFile::checkPath(const std::string &path)
{
    struct stat status;
    const int error = statusOfPath(path, &status);
    if (error == ENOENT || error == ENOTDIR)
        return ESTALE;
    if (error != 0)
        return error;
    if (!(idOf(status) == m_id))
        return ESTALE;
    m_size = status.st_size;
    return 0;
}

} // namespace QtLockFile::Internal
