// SPDX-License-Identifier: 0BSD
#ifndef QTLOCKFILE_QUEUETEST_H
#define QTLOCKFILE_QUEUETEST_H

#include "waits.h"

#include <QtLockFile/LockQueue>

#include <QtCore/qdir.h>
#include <QtCore/qfile.h>
#include <QtCore/qjsondocument.h>
#include <QtCore/qjsonobject.h>
#include <QtCore/qprocess.h>
#include <QtCore/qstandardpaths.h>
#include <QtCore/qtemporarydir.h>
#include <QtTest/qtest.h>

#include <memory>
#include <vector>

#include <csignal>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

// What the tests of LockQueue, LockWatcher and LockFile::lost() share: other processes.

// Another process, which is told what to do line by line, and dies with this object.
class Other
{
public:
    Other(const QString &program, const QStringList &arguments)
    {
        m_process.setProcessChannelMode(QProcess::ForwardedErrorChannel);
        m_process.start(program, arguments);
        if (hear("ready"))
            m_pid = heard().toLongLong();
    }

    Other(const Other &) = delete;
    Other &operator=(const Other &) = delete;

    ~Other() { kill(); }

    // processes/onlooker.cpp, as somebody else's or under another program, such as strace, if wanted.
    static std::unique_ptr<Other> onlooker(const QStringList &arguments = {}, const QStringList &under = {})
    {
        QStringList all = under + QStringList(QStringLiteral(ONLOOKER_PROGRAM)) + arguments;
        const QString program = all.takeFirst();
        return std::make_unique<Other>(program, all);
    }

    // A program that locks the whole file.
    static std::unique_ptr<Other> peer(const QString &path)
    {
        static const QString script = QStringLiteral(R"(
import fcntl, os, sys
print("ready", os.getpid(), flush=True)
for line in sys.stdin:
    for word in line.split():
        if word == "open": file = open(sys.argv[1], "a+")
        if word == "lock": fcntl.lockf(file, fcntl.LOCK_EX)
        if word == "share": fcntl.lockf(file, fcntl.LOCK_SH)
        if word == "unlock": fcntl.lockf(file, fcntl.LOCK_UN)
        if word == "close": file.close()
    print("done", flush=True)
)");
        return std::make_unique<Other>(pythonProgram(), QStringList{QStringLiteral("-c"), script, path});
    }

    static QString pythonProgram()
    {
        const QString ofSystem = QStandardPaths::findExecutable(QStringLiteral("python3"), {QStringLiteral("/usr/bin")});
        return ofSystem.isEmpty() ? QStringLiteral("python3") : ofSystem;
    }

    // As it knows itself; -1 if it did not start.
    qint64 pid() const { return m_pid; }

    // Of the process that was started: the program that it runs under, if any.
    qint64 startedPid() const { return m_process.processId(); }

    void say(const QByteArray &line)
    {
        m_process.write(line + '\n');
        m_process.waitForBytesWritten(int(kLong.count()));
    }

    void say(const QByteArray &command, const QString &path) { say(command + ' ' + QFile::encodeName(path)); }

    // Waits for a line that begins with the word. Those before are dropped.
    bool hear(const QByteArray &word)
    {
        QElapsedTimer timer;
        timer.start();
        for (;;) {
            while (m_process.canReadLine()) {
                const QByteArray line = m_process.readLine().trimmed();
                if (line == word || line.startsWith(word + ' ')) {
                    m_heard = line.mid(word.size() + 1);
                    return true;
                }
            }
            const int left = int(kLong.count() - timer.elapsed());
            if (left <= 0 || !m_process.waitForReadyRead(left))
                return false;
        }
    }

    bool ask(const QByteArray &command, const QString &path, const QByteArray &answer)
    {
        say(command, path);
        return hear(answer);
    }

    bool ask(const QByteArray &command, const QByteArray &answer)
    {
        say(command);
        return hear(answer);
    }

    // Whether nothing more is said.
    bool isSilent() { return !m_process.canReadLine() && !m_process.waitForReadyRead(int(kShort.count())); }

    // What came after the word that was heard.
    QByteArray heard() const { return m_heard; }
    QJsonObject heardObject() const { return QJsonDocument::fromJson(m_heard).object(); }

    // Ends it by closing its stdin.
    bool finish()
    {
        m_process.closeWriteChannel();
        return m_process.waitForFinished(int(kLong.count())) && m_process.exitStatus() == QProcess::NormalExit && m_process.exitCode() == 0;
    }

    void signal(int number) { ::kill(pid_t(m_pid), number); }

    // With SIGKILL, and waits for its end.
    void kill()
    {
        if (m_process.state() == QProcess::NotRunning)
            return;
        m_process.kill();
        m_process.waitForFinished(int(kLong.count()));
    }

private:
    QProcess m_process;
    qint64 m_pid = -1;
    QByteArray m_heard;
};

using Others = std::vector<std::unique_ptr<Other>>;

inline QList<qint64> pidsOf(const QtLockFile::LockQueue &queue)
{
    QList<qint64> pids;
    if (queue.isHeld())
        pids.append(queue.holder().pid());
    for (const QtLockFile::LockParticipant &waiter : queue.waiters())
        pids.append(waiter.pid());
    return pids;
}

inline QList<qint64> pidsOf(const Others &others)
{
    QList<qint64> pids;
    for (const auto &other : others)
        pids.append(other->pid());
    return pids;
}

// Processes that queued one after the other, the first of them the holder. Empty if that did not work.
inline Others queueOf(int size, const QString &path, bool keepFile = false)
{
    Others others;
    for (int i = 0; i < size; ++i) {
        others.push_back(Other::onlooker());
        if (keepFile)
            others.back()->say("keep");
        others.back()->say("acquire", path);
        if (!must([&] { return pidsOf(QtLockFile::LockQueue::of(path)) == pidsOf(others); }))
            return {};
    }
    return others;
}

// Whether a stopped process has really stopped: the signal takes its time.
inline bool hasStopped(qint64 pid)
{
    QFile stat(QStringLiteral("/proc/%1/stat").arg(pid));
    if (!stat.open(QIODevice::ReadOnly))
        return false;
    const QByteArray text = stat.readAll();
    return text.mid(text.lastIndexOf(')') + 2, 1) == "T";
}

// The descriptors of this process on inotify instances, and the watches on them.
inline QList<int> inotifyDescriptors()
{
    QList<int> result;
    const QStringList entries = QDir(QStringLiteral("/proc/self/fd")).entryList(QDir::NoDotAndDotDot | QDir::AllEntries | QDir::System);
    for (const QString &entry : entries) {
        char target[64] = {};
        const QByteArray link = "/proc/self/fd/" + entry.toLatin1();
        if (::readlink(link.constData(), target, sizeof target - 1) > 0 && QByteArray(target) == "anon_inode:inotify")
            result.append(entry.toInt());
    }
    return result;
}

inline int inotifyWatches()
{
    int watches = 0;
    for (const int descriptor : inotifyDescriptors()) {
        QFile info(QStringLiteral("/proc/self/fdinfo/%1").arg(descriptor));
        if (info.open(QIODevice::ReadOnly))
            watches += int(info.readAll().count("inotify wd:"));
    }
    return watches;
}

inline int openDescriptors()
{
    return int(QDir(QStringLiteral("/proc/self/fd")).entryList(QDir::NoDotAndDotDot | QDir::AllEntries | QDir::System).size()) - 1;
}

// Without the library's knowing.
inline bool createFile(const QString &path)
{
    QFile file(path);
    return file.open(QIODevice::WriteOnly);
}

inline bool move(const QString &from, const QString &to)
{
    return ::rename(QFile::encodeName(from).constData(), QFile::encodeName(to).constData()) == 0;
}

#endif
