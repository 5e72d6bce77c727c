// SPDX-License-Identifier: 0BSD
#ifndef COMMANDLINE_H
#define COMMANDLINE_H

#include <QtCore/qcommandlineparser.h>
#include <QtCore/qcoreapplication.h>
#include <QtCore/qstringlist.h>

#include <chrono>

/*!
    What the program is asked for: this process by its own arguments, or a running one by those that a second start has sent. Needs no
    application object; with one that has a translator, texts are translated.
*/
class CommandLine
{
    Q_DECLARE_TR_FUNCTIONS(CommandLine)

public:
    enum class Task { Run, PrintHelp, PrintVersion, PrintStatus, TakeTour };

    /*! Understands \a arguments, the program's name first; paths are relative to \a folder. */
    CommandLine(const QStringList &arguments, const QString &folder);

    Task task() const;

    /*! What could not be understood; empty otherwise. Options of QApplication are not, as long as it has not taken them. */
    QString error() const { return m_error; }

    /*! Absolute; empty without --lock. */
    QString lockPath() const { return m_lockPath; }

    /*! Whether to queue, and for how long; negative: without end. */
    bool waits() const { return m_parser.isSet(m_wait); }
    std::chrono::milliseconds patience() const { return m_patience; }

    QString tourFolder() const { return m_parser.value(m_tour); }
    bool isRemote() const { return m_parser.isSet(m_remote); }
    QString helpText() const { return m_parser.helpText(); }

private:
    QCommandLineParser m_parser;
    QCommandLineOption m_help;
    QCommandLineOption m_version;
    QCommandLineOption m_lock;
    QCommandLineOption m_wait;
    QCommandLineOption m_status;
    QCommandLineOption m_tour;
    QCommandLineOption m_remote;
    QString m_error;
    QString m_lockPath;
    std::chrono::milliseconds m_patience{-1};
};

#endif
