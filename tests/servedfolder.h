// SPDX-License-Identifier: 0BSD
#ifndef QTLOCKFILE_SERVEDFOLDER_H
#define QTLOCKFILE_SERVEDFOLDER_H

#include <QtCore/qbytearray.h>
#include <QtCore/qfile.h>
#include <QtCore/qstring.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <mutex>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

// A file system of the test's own, which does what real ones do only on bad days: it refuses locks, or does not answer, and then no signal ends
// the call. It has one file, the empty "lock". It speaks the protocol of /dev/fuse (fuse(4), linux/fuse.h) itself, since that is
// shorter than finding a library for it on each machine. Whoever mounts it has to be root.
class ServedFolder
{
public:
    // With `lockError` 0 the kernel keeps the locks, otherwise each lock is refused with it.
    explicit ServedFolder(const QString &folder, int lockError = 0)
        : m_folder(QFile::encodeName(folder)), m_lockError(lockError)
    {
        m_device = ::open("/dev/fuse", O_RDWR | O_CLOEXEC);
        m_wake = ::eventfd(0, EFD_CLOEXEC);
        std::array<char, 100> options;
        std::snprintf(options.data(), options.size(), "fd=%d,rootmode=40777,user_id=0,group_id=0", m_device);
        m_ok = m_device >= 0 && m_wake >= 0
            && ::mount("tests", m_folder.constData(), "fuse", MS_NOSUID | MS_NODEV, options.data()) == 0;
        if (m_ok)
            m_thread = std::thread([this] { serve(); });
    }
    ServedFolder(const ServedFolder &) = delete;
    ServedFolder &operator=(const ServedFolder &) = delete;

    // Calls that were not answered fail.
    ~ServedFolder()
    {
        if (m_ok) {
            ::umount2(m_folder.constData(), MNT_DETACH);
            const uint64_t one = 1;
            (void)!::write(m_wake, &one, sizeof one);
            m_thread.join();
        }
        ::close(m_device);
        ::close(m_wake);
    }

    bool isOk() const { return m_ok; }

    // From now on open(2) does not return.
    void stopAnswering()
    {
        const std::lock_guard guard(m_mutex);
        m_answering = false;
    }

    // How many open(2)s have not returned.
    int unanswered()
    {
        const std::lock_guard guard(m_mutex);
        return int(m_unanswered.size());
    }

    void answerAgain()
    {
        const std::lock_guard guard(m_mutex);
        m_answering = true;
        for (const uint64_t request : m_unanswered)
            reply(request, 0, fuse_open_out{});
        m_unanswered.clear();
    }

private:
    static constexpr uint64_t kFile = 2; // its node; the folder's is 1

    template<typename Body>
    void reply(uint64_t request, int error, const Body &body)
    {
        fuse_out_header header{};
        header.unique = request;
        header.error = -error;
        header.len = uint32_t(sizeof header + (error == 0 ? sizeof body : 0));
        std::array<iovec, 2> parts{{{&header, sizeof header}, {const_cast<Body *>(&body), sizeof body}}};
        (void)!::writev(m_device, parts.data(), error == 0 ? 2 : 1);
    }

    void refuse(uint64_t request, int error) { reply(request, error, char()); }

    void done(uint64_t request)
    {
        fuse_out_header header{};
        header.unique = request;
        header.len = sizeof header;
        (void)!::write(m_device, &header, sizeof header);
    }

    static fuse_attr attributes(uint64_t node)
    {
        fuse_attr result{};
        result.ino = node;
        result.mode = node == kFile ? S_IFREG | 0666 : S_IFDIR | 0777;
        result.nlink = 1;
        result.blksize = 4096;
        return result;
    }

    void serve()
    {
        std::vector<char> buffer(size_t(FUSE_MIN_READ_BUFFER) * 16);
        for (;;) {
            std::array<pollfd, 2> ready{{{m_device, POLLIN, 0}, {m_wake, POLLIN, 0}}};
            if (::poll(ready.data(), ready.size(), -1) < 0 && errno == EINTR)
                continue;
            if (ready[1].revents != 0 || (ready[0].revents & POLLERR) != 0)
                return;
            const ssize_t size = ::read(m_device, buffer.data(), buffer.size());
            if (size < ssize_t(sizeof(fuse_in_header))) {
                if (size < 0 && (errno == EINTR || errno == ENOENT || errno == EAGAIN))
                    continue;
                return;
            }
            fuse_in_header header;
            std::memcpy(&header, buffer.data(), sizeof header);
            answer(header, buffer.data() + sizeof header);
        }
    }

    void answer(const fuse_in_header &header, const char *body)
    {
        switch (header.opcode) {
        case FUSE_INIT: {
            fuse_init_out out{};
            out.major = FUSE_KERNEL_VERSION;
            out.minor = 31;
            out.flags = m_lockError != 0 ? uint32_t(FUSE_POSIX_LOCKS) : 0;
            out.max_write = 4096;
            reply(header.unique, 0, out);
            break;
        }
        case FUSE_LOOKUP: {
            fuse_entry_out out{};
            out.nodeid = kFile;
            out.attr = attributes(kFile);
            reply(header.unique, std::strcmp(body, "lock") == 0 ? 0 : ENOENT, out);
            break;
        }
        case FUSE_GETATTR:
        case FUSE_SETATTR: {
            fuse_attr_out out{};
            out.attr = attributes(header.nodeid);
            reply(header.unique, 0, out);
            break;
        }
        case FUSE_OPEN: {
            const std::lock_guard guard(m_mutex);
            if (m_answering)
                reply(header.unique, 0, fuse_open_out{});
            else
                m_unanswered.push_back(header.unique);
            break;
        }
        case FUSE_RELEASE:
            done(header.unique);
            break;
        case FUSE_GETLK:
        case FUSE_SETLK:
        case FUSE_SETLKW:
            refuse(header.unique, m_lockError);
            break;
        case FUSE_FORGET:
        case FUSE_BATCH_FORGET:
        case FUSE_INTERRUPT: // the signals of the impatient are not heard
            break;
        default:
            refuse(header.unique, ENOSYS);
        }
    }

    const QByteArray m_folder;
    const int m_lockError;
    int m_device = -1;
    int m_wake = -1;
    bool m_ok = false;
    std::mutex m_mutex; // guards the two below
    bool m_answering = true;
    std::vector<uint64_t> m_unanswered;
    std::thread m_thread;
};

#endif
