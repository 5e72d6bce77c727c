// SPDX-License-Identifier: 0BSD
#ifndef QTLOCKFILE_ENVIRONMENT_H
#define QTLOCKFILE_ENVIRONMENT_H

#include "waits.h"

#include <QtLockFile/LockFile>

#include <QtCore/qdir.h>
#include <QtCore/qeventloop.h>
#include <QtCore/qfile.h>
#include <QtCore/qmetaobject.h>
#include <QtCore/qstringlist.h>
#include <QtCore/qtemporarydir.h>
#include <QtTest/qtest.h>

#include <utility>
#include <vector>

#include <cerrno>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

// What the tests within one process share: a record of signals, and changes of the surroundings that are undone at the end of the scope.

// As must(), without an event loop, for what another thread brings about.
template<typename Condition>
bool mustWithoutEventLoop(Condition condition)
{
    const QDeadlineTimer deadline(kLong);
    while (!condition()) {
        if (deadline.hasExpired())
            return false;
        usleep(100);
    }
    return true;
}

template<typename Enum>
QString nameOf(Enum value)
{
    return QString::fromLatin1(QMetaEnum::fromType<Enum>().valueToKey(int(value)));
}

// The signals of a lock in the order in which they came: "State" for a change, "acquired", "failed Code", "released", "lost".
class Record : public QObject
{
public:
    explicit Record(const QtLockFile::LockFile &lock)
    {
        using QtLockFile::LockFile;
        connect(&lock, &LockFile::stateChanged, this, [this](LockFile::State state) { m_events << nameOf(state); });
        connect(&lock, &LockFile::acquired, this, [this] { m_events << QStringLiteral("acquired"); });
        connect(&lock, &LockFile::failed, this, [this](const QtLockFile::LockError &error) { m_events << QStringLiteral("failed ") + nameOf(error.code()); });
        connect(&lock, &LockFile::released, this, [this] { m_events << QStringLiteral("released"); });
    }

    // What came since the last time it was taken, in one line.
    QString take() { return std::exchange(m_events, {}).join(QStringLiteral(", ")); }
    bool isEmpty() const { return m_events.isEmpty(); }
    bool contains(const char *event) const { return m_events.contains(QString::fromLatin1(event)); }

private:
    QStringList m_events;
};

// Counts how often the event loop comes round.
class Ticks
{
public:
    Ticks()
    {
        QObject::connect(&m_timer, &QTimer::timeout, &m_timer, [this] { ++m_count; });
        m_timer.start(1ms);
    }

    int count() const { return m_count; }

private:
    QTimer m_timer;
    int m_count = 0;
};

// A folder that everybody may use, as /tmp but without the sticky bit.
class Folder
{
public:
    Folder() { setMode(0777); }

    QString path(const char *name = "lock") const { return m_folder.filePath(QString::fromLatin1(name)); }
    QString folder() const { return m_folder.path(); }
    bool setMode(mode_t mode) const { return ::chmod(QFile::encodeName(m_folder.path()).constData(), mode) == 0; }
    bool isEmpty() const { return QDir(m_folder.path()).isEmpty(QDir::AllEntries | QDir::Hidden | QDir::System | QDir::NoDotAndDotDot); }

private:
    QTemporaryDir m_folder;
};

inline bool exists(const QString &path)
{
    struct stat status;
    return ::lstat(QFile::encodeName(path).constData(), &status) == 0;
}

inline bool write(const QString &path, const QByteArray &content = {})
{
    QFile file(path);
    return file.open(QIODevice::WriteOnly) && file.write(content) == content.size();
}

inline QByteArray read(const QString &path)
{
    QFile file(path);
    return file.open(QIODevice::ReadOnly) ? file.readAll() : QByteArray("cannot be read");
}

inline bool remove(const QString &path)
{
    return ::unlink(QFile::encodeName(path).constData()) == 0;
}

// Tells whether anybody holds the lock of the file, by asking for it.
inline bool isFree(const QString &path)
{
    QtLockFile::LockFile lock(path);
    return lock.tryAcquire();
}

inline bool isRoot()
{
    return ::geteuid() == 0;
}

// QSKIP() is a variadic macro that Clang's -Wpedantic wants another argument for.
#define SKIP(why) \
    do { \
        QTest::qSkip(why, __FILE__, __LINE__); \
        return; \
    } while (false)

#define NEEDS_ROOT(why) \
    do { \
        if (!isRoot()) \
            SKIP("needs root, " why); \
    } while (false)

constexpr uid_t kNobody = 65534;

// Another user, for all threads.
class AsNobody
{
public:
    AsNobody() : m_ok(::seteuid(kNobody) == 0) { }
    AsNobody(const AsNobody &) = delete;
    AsNobody &operator=(const AsNobody &) = delete;
    ~AsNobody()
    {
        if (m_ok && ::seteuid(0) != 0)
            qFatal("cannot be root again");
    }

    bool isOk() const { return m_ok; }

private:
    const bool m_ok;
};

// A user who may not start another thread.
class WithoutThreads
{
public:
    WithoutThreads()
    {
        if (::getrlimit(RLIMIT_NPROC, &m_before) != 0)
            return;
        rlimit none = m_before;
        none.rlim_cur = 0;
        m_ok = ::setrlimit(RLIMIT_NPROC, &none) == 0 && ::setresuid(kNobody, kNobody, 0) == 0;
    }
    WithoutThreads(const WithoutThreads &) = delete;
    WithoutThreads &operator=(const WithoutThreads &) = delete;
    ~WithoutThreads()
    {
        if (m_ok && (::setresuid(0, 0, 0) != 0 || ::setrlimit(RLIMIT_NPROC, &m_before) != 0))
            qFatal("cannot be root again");
    }

    bool isOk() const { return m_ok; }

private:
    rlimit m_before{};
    bool m_ok = false;
};

// A full table of descriptors.
class WithoutDescriptors
{
public:
    WithoutDescriptors()
    {
        if (::getrlimit(RLIMIT_NOFILE, &m_before) != 0)
            return;
        rlimit few = m_before;
        few.rlim_cur = 128;
        if (::setrlimit(RLIMIT_NOFILE, &few) != 0)
            return;
        int descriptor;
        while ((descriptor = ::open("/dev/null", O_RDONLY | O_CLOEXEC)) >= 0)
            m_taken.push_back(descriptor);
        m_ok = errno == EMFILE;
    }
    WithoutDescriptors(const WithoutDescriptors &) = delete;
    WithoutDescriptors &operator=(const WithoutDescriptors &) = delete;
    ~WithoutDescriptors()
    {
        for (const int descriptor : m_taken)
            ::close(descriptor);
        ::setrlimit(RLIMIT_NOFILE, &m_before);
    }

    bool isOk() const { return m_ok; }

private:
    rlimit m_before{};
    std::vector<int> m_taken;
    bool m_ok = false;
};

// A small file system in memory, at a folder.
class MemoryDisk
{
public:
    MemoryDisk(const QString &folder, const char *options)
        : m_folder(QFile::encodeName(folder)), m_ok(::mount("tests", m_folder.constData(), "tmpfs", MS_NOSUID | MS_NODEV, options) == 0)
    {
    }
    MemoryDisk(const MemoryDisk &) = delete;
    MemoryDisk &operator=(const MemoryDisk &) = delete;
    ~MemoryDisk()
    {
        if (m_ok)
            ::umount2(m_folder.constData(), MNT_DETACH);
    }

    bool isOk() const { return m_ok; }
    bool makeReadOnly() const { return ::mount(nullptr, m_folder.constData(), nullptr, MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV, nullptr) == 0; }

private:
    const QByteArray m_folder;
    const bool m_ok;
};

class CurrentFolder
{
public:
    explicit CurrentFolder(const QString &folder) : m_before(QDir::currentPath()), m_ok(QDir::setCurrent(folder)) { }
    CurrentFolder(const CurrentFolder &) = delete;
    CurrentFolder &operator=(const CurrentFolder &) = delete;
    ~CurrentFolder() { QDir::setCurrent(m_before); }

    bool isOk() const { return m_ok; }

private:
    const QString m_before;
    const bool m_ok;
};

class Umask
{
public:
    explicit Umask(mode_t mask) : m_before(::umask(mask)) { }
    Umask(const Umask &) = delete;
    Umask &operator=(const Umask &) = delete;
    ~Umask() { ::umask(m_before); }

private:
    const mode_t m_before;
};

#endif
