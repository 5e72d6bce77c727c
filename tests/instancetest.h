// SPDX-License-Identifier: 0BSD
#ifndef QTLOCKFILE_INSTANCETEST_H
#define QTLOCKFILE_INSTANCETEST_H

#include <QtLockFile/SingleInstance>

#include <QtCore/qdeadlinetimer.h>
#include <QtCore/qdir.h>
#include <QtCore/qfile.h>
#include <QtCore/qjsondocument.h>
#include <QtCore/qjsonobject.h>
#include <QtCore/qprocess.h>
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

// What the tests of SingleInstance share: two waits, and other processes.

constexpr int kShort = 100;   // proves that nothing happens; too short a time proves less, and fails nothing
constexpr int kLong = 60'000; // whatever must happen does so long before

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
    QByteArray lineWith(const QByteArray &beginning, int within = kLong)
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
    bool says(const QByteArray &beginning, int within = kLong) { return !lineWith(beginning, within).isNull(); }
    void tell(const QByteArray &command)
    {
        m_process.write(command + '\n');
        m_process.waitForBytesWritten();
    }
    void closeInput() { m_process.closeWriteChannel(); }

    qint64 pid() const { return m_process.processId(); }
    bool isRunning() const { return m_process.state() == QProcess::Running; }
    void signal(int number) { ::kill(pid_t(m_process.processId()), number); }
    bool kill()
    {
        signal(SIGKILL);
        return m_process.waitForFinished(kLong);
    }
    bool ends()
    {
        const bool ended = m_process.state() == QProcess::NotRunning || m_process.waitForFinished(kLong);
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

#endif
