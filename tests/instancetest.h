// SPDX-License-Identifier: 0BSD
#ifndef QTLOCKFILE_INSTANCETEST_H
#define QTLOCKFILE_INSTANCETEST_H

#include "environment.h"

#include <QtLockFile/LockFile>
#include <QtLockFile/SingleInstance>

#include <QtCore/qdeadlinetimer.h>
#include <QtCore/qdir.h>
#include <QtCore/qfile.h>
#include <QtCore/qjsonarray.h>
#include <QtCore/qjsondocument.h>
#include <QtCore/qjsonobject.h>
#include <QtCore/qprocess.h>
#include <QtCore/qscopeguard.h>
#include <QtCore/qset.h>
#include <QtCore/qtemporarydir.h>
#include <QtTest/qsignalspy.h>
#include <QtTest/qtest.h>

#include <csignal>
#include <memory>
#include <vector>

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

// What the tests of SingleInstance share: other processes, and a folder of each test's own.

using QtLockFile::Activation;
using QtLockFile::LockError;
using QtLockFile::LockFile;
using QtLockFile::SingleInstance;
using Role = SingleInstance::Role;
using Reply = SingleInstance::Reply;

constexpr int kMust = int(kLong.count()); // for QTRY_…

// Another process with a line protocol, which dies with this object, and with the test.
class Program
{
public:
    explicit Program(const QString &program, const QStringList &arguments = {}) : m_program(program), m_arguments(arguments)
    {
        m_process.setProcessChannelMode(QProcess::ForwardedErrorChannel);
        m_process.setChildProcessModifier([] { ::prctl(PR_SET_PDEATHSIG, SIGKILL); });
    }
    Program(const Program &) = delete;
    Program &operator=(const Program &) = delete;
    ~Program()
    {
        m_process.kill();
        m_process.waitForFinished();
    }

    Program &with(const QStringList &arguments)
    {
        m_arguments += arguments;
        return *this;
    }
    Program &withVariable(const QString &name, const QString &value)
    {
        m_environment.insert(name, value);
        return *this;
    }
    Program &withoutVariable(const QString &name)
    {
        m_environment.remove(name);
        return *this;
    }
    Program &in(const QProcessEnvironment &environment)
    {
        m_environment = environment;
        return *this;
    }
    void start()
    {
        m_process.setProcessEnvironment(m_environment);
        m_process.start(m_program, m_arguments);
    }

    // Reads lines until one begins so, and returns the rest of it, with a blank so that it is not null; null if none comes.
    QByteArray lineWith(const QByteArray &beginning, std::chrono::milliseconds within = kLong)
    {
        const QDeadlineTimer deadline(within);
        for (;;) {
            while (m_process.canReadLine()) {
                const QByteArray line = m_process.readLine().chopped(1);
                lines.append(line);
                if (line.startsWith(beginning))
                    return line.mid(beginning.size()) + ' ';
            }
            if (deadline.hasExpired() || (m_process.state() == QProcess::NotRunning && !m_process.canReadLine()))
                return {};
            m_process.waitForReadyRead(int(qMax<qint64>(deadline.remainingTime(), 0)));
        }
    }
    bool says(const QByteArray &beginning, std::chrono::milliseconds within = kLong) { return !lineWith(beginning, within).isNull(); }
    void tell(const QByteArray &command)
    {
        m_process.write(command + '\n');
        m_process.waitForBytesWritten();
    }
    void closeInput() { m_process.closeWriteChannel(); }

    qint64 pid() const { return m_process.processId(); }
    bool isRunning() const { return m_process.state() == QProcess::Running; }
    void signal(int number) const { ::kill(pid_t(m_process.processId()), number); }
    bool kill()
    {
        signal(SIGKILL);
        return m_process.waitForFinished(kMust);
    }
    bool ends()
    {
        const bool ended = m_process.state() == QProcess::NotRunning || m_process.waitForFinished(kMust);
        lineWith("\n"); // what is left
        return ended;
    }
    int exitCode() const { return m_process.exitCode(); }

    QByteArrayList lines; // all that it said so far

private:
    const QString m_program;
    QStringList m_arguments;
    QProcessEnvironment m_environment = QProcessEnvironment::systemEnvironment();
    QProcess m_process;
};

#ifdef INSTANCE_PROGRAM
// A single-instance application: see processes/instance.cpp.
class Instance : public Program
{
public:
    explicit Instance(const QString &folder = QString()) : Program(QStringLiteral(INSTANCE_PROGRAM))
    {
        if (!folder.isEmpty())
            with({QStringLiteral("--folder"), folder});
    }

    // The next thing that a further start sent to it.
    QJsonObject activation() { return QJsonDocument::fromJson(lineWith("activated ").trimmed()).object(); }
    QByteArray activationPayload() { return QByteArray::fromHex(activation().value(u"payload").toString().toLatin1()); }
};
#endif

// The arguments that make an Instance send it.
inline QStringList payload(const char *text)
{
    return {QStringLiteral("--payload"), QString::fromLatin1(text)};
}

inline bool writeFile(const QString &path, const QByteArray &bytes, mode_t mode = 0600)
{
    const int file = ::open(QFile::encodeName(path).constData(), O_WRONLY | O_CREAT | O_CLOEXEC, mode);
    const bool written = file >= 0 && ::write(file, bytes.constData(), size_t(bytes.size())) == bytes.size() && ::fchmod(file, mode) == 0;
    ::close(file);
    return written;
}

// A message as an Instance would send it, with an argument of less than 200 bytes.
inline QByteArray messageWith(const QByteArray &argument)
{
    QByteArray bytes = "QtLockFile message 1\n" + QByteArray(7, '\0');
    bytes += char(21 + 8 + 5 + argument.size());
    bytes += 'A' + QByteArray(3, '\0');
    bytes += char(argument.size());
    return bytes + argument;
}

inline bool isAlive(qint64 pid)
{
    return ::kill(pid_t(pid), 0) == 0;
}

// The same application in this process.
class OwnInstance : public SingleInstance
{
public:
    explicit OwnInstance(const QString &folder) : SingleInstance(QStringLiteral("test")) { setFolder(folder); }
};

// Each test has a folder of its own: init() is to call this one's.
class InstanceTest : public QObject
{
protected:
    void init()
    {
        m_folder = std::make_unique<QTemporaryDir>();
        QVERIFY(m_folder->isValid());
    }

    QString path() const { return m_folder->path(); }
    QString filePath(const QString &name) const { return m_folder->filePath(name); }

    // The folder of the instance, and what is in it besides the lock.
    QString messages() const { return filePath(QStringLiteral("test")); }
    static QStringList messagesIn(const QString &folder)
    {
        QStringList names = QDir(folder).entryList(QDir::AllEntries | QDir::System | QDir::Hidden | QDir::NoDotAndDotDot);
        names.removeAll(QStringLiteral("lock"));
        return names;
    }

private:
    std::unique_ptr<QTemporaryDir> m_folder;
};

#endif
