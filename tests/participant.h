// SPDX-License-Identifier: 0BSD
#ifndef QTLOCKFILE_PARTICIPANT_H
#define QTLOCKFILE_PARTICIPANT_H

#include "waits.h"

#include <QtLockFile/LockQueue>

#include <QtCore/qdeadlinetimer.h>
#include <QtCore/qdir.h>
#include <QtCore/qfile.h>
#include <QtCore/qprocess.h>
#include <QtTest/qtest.h>

#include <memory>

#include <csignal>
#include <cstdio>
#include <unistd.h>

// What the tests with several processes share: processes that do what they are told.

// Another process with a line protocol. It says "ready PID" first, ends when its stdin closes, and dies with this object.
class Other
{
public:
    Other(const QString &program, const QStringList &arguments)
    {
        m_process.setProcessChannelMode(QProcess::ForwardedErrorChannel);
        m_process.start(program, arguments);
        const QByteArray line = hear();
        if (line.startsWith("ready "))
            m_pid = line.mid(6).toLongLong();
        else
            qWarning("%s did not get ready: \"%s\"", qPrintable(program), line.constData());
    }

    Other(const Other &) = delete;
    Other &operator=(const Other &) = delete;

    ~Other() { kill(); }

    qint64 pid() const { return m_pid; }

    void tell(const QByteArray &line)
    {
        m_process.write(line + '\n');
        while (m_process.bytesToWrite() > 0 && m_process.waitForBytesWritten(int(kLong.count()))) { }
    }

    // The next line that it says, empty where none comes.
    QByteArray hear(std::chrono::milliseconds wait = kLong)
    {
        const QDeadlineTimer deadline(wait);
        while (!m_process.canReadLine()) {
            if (m_process.state() == QProcess::NotRunning || !m_process.waitForReadyRead(int(deadline.remainingTime())))
                return {};
        }
        return m_process.readLine().trimmed();
    }

    // Tells, and hears the answer.
    QByteArray ask(const QByteArray &line)
    {
        tell(line);
        return hear();
    }

    bool isSilent() { return hear(kShort).isEmpty(); }

    // SIGKILL, wherever it is.
    void kill()
    {
        m_process.kill();
        m_process.waitForFinished(int(kLong.count()));
    }

    bool stop() { return ::kill(pid_t(m_pid), SIGSTOP) == 0 && isStopped(); }

    bool isStopped()
    {
        return must([this] {
            QFile file(QStringLiteral("/proc/%1/stat").arg(m_pid));
            if (!file.open(QIODevice::ReadOnly))
                return false;
            const QByteArray stat = file.readAll();
            return stat.mid(stat.lastIndexOf(')') + 2).startsWith('T');
        });
    }

    bool goOn() { return ::kill(pid_t(m_pid), SIGCONT) == 0; }

private:
    QProcess m_process;
    qint64 m_pid = 0;
};

using OtherPtr = std::unique_ptr<Other>;

#ifdef PARTICIPANT_PROGRAM
// A process with a LockFile on the path: processes/participant.cpp.
inline OtherPtr startParticipant(const QString &path)
{
    return std::make_unique<Other>(QStringLiteral(PARTICIPANT_PROGRAM), QStringList{path});
}
#endif

#ifdef STRANGER_PROGRAM
// A process that locks bytes of the file and knows nothing of us: processes/stranger.cpp.
inline OtherPtr startStranger(const QString &path)
{
    return std::make_unique<Other>(QStringLiteral(STRANGER_PROGRAM), QStringList{path});
}
#endif

// Waits until the process is the last of those who queue for the path.
inline bool isLastInQueue(const QString &path, qint64 pid)
{
    return must([&] {
        const QtLockFile::LockQueue queue = QtLockFile::LockQueue::of(path);
        return !queue.waiters().isEmpty() && queue.waiters().constLast().pid() == pid;
    });
}

// What the descriptors of a process lead to.
inline QStringList descriptorsOf(qint64 pid)
{
    const QString folder = QStringLiteral("/proc/%1/fd").arg(pid);
    QStringList targets;
    for (const QString &name : QDir(folder).entryList(QDir::AllEntries | QDir::System | QDir::NoDotAndDotDot)) {
        char target[4096];
        const ssize_t length = ::readlink(QFile::encodeName(folder + u'/' + name).constData(), target, sizeof target);
        if (length > 0)
            targets << QString::fromLocal8Bit(target, qsizetype(length));
    }
    return targets;
}

// How many of them lead to the lock file, also where it was removed since.
inline qsizetype descriptorsTo(const QString &path, qint64 pid)
{
    return descriptorsOf(pid).filter(path).size();
}

inline qsizetype threadsOfThisProcess()
{
    return QDir(QStringLiteral("/proc/self/task")).entryList(QDir::AllEntries | QDir::NoDotAndDotDot).size();
}

#endif
