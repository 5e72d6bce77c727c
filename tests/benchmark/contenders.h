// SPDX-License-Identifier: 0BSD
#ifndef QTLOCKFILE_BENCHMARK_CONTENDERS_H
#define QTLOCKFILE_BENCHMARK_CONTENDERS_H

#include <QtLockFile/LockFile>

#include <QtCore/qeventloop.h>
#include <QtCore/qlockfile.h>

#include <boost/interprocess/sync/file_lock.hpp>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>

#include "measure.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

// The ways to lock a file that are compared: each opens the file, creating it where it is missing, and lets go of all of it again.

class Contender
{
public:
    virtual ~Contender() = default;
    virtual void acquire() = 0; // waits
    virtual void release() = 0;

    // When the lock was ours, and when letting go began.
    virtual int64_t acquireAndTell()
    {
        acquire();
        return now();
    }
    virtual int64_t releaseAndTell()
    {
        const int64_t start = now();
        release();
        return start;
    }
};

[[noreturn]] inline void giveUp(const char *why)
{
    std::perror(why);
    std::_Exit(1);
}

inline int openOrCreate(const std::string &path)
{
    const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (descriptor < 0)
        giveUp("open");
    return descriptor;
}

inline void lockAll(int descriptor, int command, short type)
{
    struct flock lock = {};
    lock.l_type = type;
    lock.l_whence = SEEK_SET;
    if (::fcntl(descriptor, command, &lock) != 0)
        giveUp("fcntl");
}

// This library, without an event loop or, where times of single calls are asked for, with one.
class Ours : public Contender
{
public:
    Ours(const std::string &path, bool remove) : m_lock(QString::fromStdString(path)) { m_lock.setRemoveOnRelease(remove); }

    void acquire() override
    {
        m_lock.acquire();
        if (!m_lock.waitForAcquired())
            giveUp("LockFile");
    }
    void release() override
    {
        m_lock.release();
        m_lock.waitForReleased();
    }
    void tryAndRelease()
    {
        if (!m_lock.tryAcquire())
            giveUp("LockFile");
        release();
    }

    int64_t acquireAndTell() override
    {
        QEventLoop loop;
        int64_t time = 0;
        QObject::connect(&m_lock, &QtLockFile::LockFile::acquired, &loop, [&] {
            time = now();
            loop.quit();
        });
        m_lock.acquire();
        loop.exec();
        return time;
    }
    int64_t releaseAndTell() override
    {
        QEventLoop loop;
        QObject::connect(&m_lock, &QtLockFile::LockFile::released, &loop, &QEventLoop::quit);
        const int64_t start = now();
        m_lock.release();
        loop.exec();
        return start;
    }

private:
    QtLockFile::LockFile m_lock;
};

// The calls that no lock file can do without. Removing, it does not exclude: what others do about that is what they add.
class Bare : public Contender
{
public:
    Bare(std::string path, bool remove) : m_path(std::move(path)), m_remove(remove) { }

    void acquire() override
    {
        m_descriptor = openOrCreate(m_path);
        lockAll(m_descriptor, F_OFD_SETLKW, F_WRLCK);
        struct stat status;
        if (::stat(m_path.c_str(), &status) != 0)
            giveUp("stat");
    }
    void release() override
    {
        if (m_remove)
            ::unlink(m_path.c_str());
        ::close(m_descriptor);
    }

private:
    const std::string m_path;
    const bool m_remove;
    int m_descriptor = -1;
};

// A lock on the whole file; if it is removed on release, who gets the lock of a removed file starts over.
class WholeFile : public Contender
{
public:
    WholeFile(std::string path, bool remove) : m_path(std::move(path)), m_remove(remove) { }

    void acquire() override
    {
        for (;;) {
            m_descriptor = openOrCreate(m_path);
            lockAll(m_descriptor, F_SETLKW, F_WRLCK);
            if (!m_remove)
                return;
            struct stat ours;
            struct stat there;
            if (::fstat(m_descriptor, &ours) == 0 && ::stat(m_path.c_str(), &there) == 0 && ours.st_dev == there.st_dev && ours.st_ino == there.st_ino)
                return;
            ::close(m_descriptor);
        }
    }
    void release() override
    {
        if (m_remove)
            ::unlink(m_path.c_str());
        ::close(m_descriptor);
    }

private:
    const std::string m_path;
    const bool m_remove;
    int m_descriptor = -1;
};

// The hand-over of a lock by threads with nothing else to do: the calling thread tells another to release, which a third
// one waits for in the kernel, and that tells the fourth. What a lock that never blocks its callers cannot be without.
class Chain : public Contender
{
public:
    explicit Chain(std::string path) : m_path(std::move(path)) { }

    void acquire() override
    {
        m_thread.run([this] {
            m_descriptor = openOrCreate(m_path);
            lockAll(m_descriptor, F_OFD_SETLKW, F_WRLCK);
        });
    }
    void release() override
    {
        m_thread.run([this] { ::close(m_descriptor); });
    }

private:
    const std::string m_path;
    int m_descriptor = -1;
    WorkingThread m_thread;
};

// A queue in strict order of processes that know their turns beforehand: turn after turn each has its byte locked until it
// is over, and waits for that of the turn before. What no lock that is handed on in order can be without.
class Turns : public Contender
{
public:
    // Nobody begins before that time, nor before all, who are counted, have locked their first byte.
    Turns(const std::string &path, int number, int size, int64_t start, std::atomic<int> *arrived)
        : m_descriptor(openOrCreate(path)), m_size(size), m_turn(number + 1)
    {
        lock(F_OFD_SETLK, F_WRLCK, m_turn, 1);
        ++*arrived;
        const timespec when{start / 1'000'000'000, start % 1'000'000'000};
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, nullptr);
        while (*arrived < size)
            ::usleep(10'000);
    }

    void acquire() override { lock(F_OFD_SETLKW, F_RDLCK, m_turn - 1, 1); }
    void release() override
    {
        lock(F_OFD_SETLK, F_WRLCK, m_turn + m_size, 1);
        lock(F_OFD_SETLK, F_UNLCK, m_turn - 1, 2);
        m_turn += m_size;
    }

private:
    void lock(int command, short type, off_t first, off_t length) const
    {
        struct flock bytes = {};
        bytes.l_type = type;
        bytes.l_whence = SEEK_SET;
        bytes.l_start = first;
        bytes.l_len = length;
        if (::fcntl(m_descriptor, command, &bytes) != 0)
            giveUp("fcntl");
    }

    const int m_descriptor;
    const int m_size;
    off_t m_turn;
};

class Boost : public Contender
{
public:
    explicit Boost(std::string path) : m_path(std::move(path)) { }

    void acquire() override
    {
        ::close(openOrCreate(m_path)); // it creates none itself
        m_lock.emplace(m_path.c_str());
        m_lock->lock();
    }
    void release() override
    {
        m_lock->unlock();
        m_lock.reset();
    }

private:
    const std::string m_path;
    std::optional<boost::interprocess::file_lock> m_lock;
};

class QtsOwn : public Contender
{
public:
    explicit QtsOwn(const std::string &path) : m_lock(QString::fromStdString(path)) { m_lock.setStaleLockTime(0); }

    void acquire() override
    {
        if (!m_lock.lock())
            giveUp("QLockFile");
    }
    void release() override { m_lock.unlock(); }

private:
    QLockFile m_lock;
};

inline std::unique_ptr<Contender> makeContender(const std::string &kind, const std::string &path)
{
    if (kind == "ours-remove" || kind == "ours-keep")
        return std::make_unique<Ours>(path, kind == "ours-remove");
    if (kind == "bare-remove" || kind == "bare-keep")
        return std::make_unique<Bare>(path, kind == "bare-remove");
    if (kind == "whole-remove" || kind == "whole-keep")
        return std::make_unique<WholeFile>(path, kind == "whole-remove");
    if (kind == "chain")
        return std::make_unique<Chain>(path);
    if (kind == "boost")
        return std::make_unique<Boost>(path);
    if (kind == "qlockfile")
        return std::make_unique<QtsOwn>(path);
    return nullptr;
}

#endif
