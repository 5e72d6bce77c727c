// SPDX-License-Identifier: 0BSD
#ifndef QTLOCKFILE_DEMOTEST_H
#define QTLOCKFILE_DEMOTEST_H

#include "copy.h"
#include "waits.h"

#include <QtCore/qfile.h>
#include <QtCore/qtemporarydir.h>
#include <QtTest/qtest.h>

#include <memory>

// What the tests of the demo share: copies of the demo in a world of their own.

// What a program that has run to its end has left; exitCode is -1 if it crashed or did not end.
struct Result
{
    int exitCode;
    QString output;
    QString errors;
};

// A user's runtime folder, in which the demo has one instance, apart from all others.
class Runtime
{
public:
    explicit Runtime(const QProcessEnvironment &environment = QProcessEnvironment::systemEnvironment()) : m_environment(environment)
    {
        m_environment.insert(QStringLiteral("XDG_RUNTIME_DIR"), m_folder.path());
    }

    QString path(const QString &name = QString()) const { return m_folder.filePath(name); }
    QString lockPath() const { return path(QStringLiteral("qtlockfile-demo/lock")); }
    QProcessEnvironment &environment() { return m_environment; }

    // A copy with a window, driven over its standard input.
    std::unique_ptr<Copy> start(const QStringList &arguments = {}) const
    {
        return std::make_unique<Copy>(QStringLiteral(DEMO_PROGRAM), arguments, m_environment);
    }

    // Runs the demo to its end.
    Result run(const QStringList &arguments) const { return run(arguments, m_environment); }

    // The same where no window can be opened: any QApplication would abort.
    Result runWithoutDisplay(const QStringList &arguments) const
    {
        QProcessEnvironment environment = m_environment;
        environment.insert(QStringLiteral("QT_QPA_PLATFORM"), QStringLiteral("there-is-none"));
        return run(arguments, environment);
    }

private:
    static Result run(const QStringList &arguments, const QProcessEnvironment &environment)
    {
        QProcess process;
        process.setProcessEnvironment(environment);
        process.start(QStringLiteral(DEMO_PROGRAM), arguments);
        const bool ended = process.waitForFinished(int(2 * kLong.count())) && process.exitStatus() == QProcess::NormalExit;
        return {ended ? process.exitCode() : -1, QString::fromLocal8Bit(process.readAllStandardOutput()),
                QString::fromLocal8Bit(process.readAllStandardError())};
    }

    QTemporaryDir m_folder; // QTemporaryDir makes it 0700
    QProcessEnvironment m_environment;
};

#endif
