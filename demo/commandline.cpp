// SPDX-License-Identifier: 0BSD
#include "commandline.h"

#include <QtCore/qdir.h>

#include <algorithm>

CommandLine::CommandLine(const QStringList &arguments, const QString &folder)
    : m_help({QStringLiteral("h"), QStringLiteral("help")}, tr("Print this help.")),
      m_version({QStringLiteral("v"), QStringLiteral("version")}, tr("Print the version.")),
      m_lock(QStringLiteral("lock"), tr("Show the lock file <path>, to take it or only to watch it. An instance that runs already shows it."), tr("path")),
      m_wait(QStringLiteral("wait"),
             tr("If an instance runs already, queue to take over from it: without end, or as long as --wait=<seconds> says. Exit code 1 if it was in vain."),
             tr("seconds")),
      m_status(QStringLiteral("status"),
               tr("Print who holds the lock and who waits: the lock of the running instance, or that at --lock <path>. Exit code: 0 free, 1 held, 2 error.")),
      m_tour(QStringLiteral("tour"), tr("Save pictures of a guided tour in <folder>."), tr("folder")), m_remote(QStringLiteral("remote"))
{
    m_remote.setFlags(QCommandLineOption::HiddenFromHelp);
    m_parser.setApplicationDescription(tr("Runs once per user, and shows locks: who holds them and who waits for them."));
    m_parser.setSingleDashWordOptionMode(QCommandLineParser::ParseAsLongOptions);
    m_parser.addOptions({m_lock, m_wait, m_status, m_tour, m_version, m_help, m_remote});

    QStringList withWait = arguments; // QCommandLineParser has no values that may be left out
    std::replace(withWait.begin(), withWait.end(), QStringLiteral("--wait"), QStringLiteral("--wait=-1"));
    if (!m_parser.parse(withWait))
        m_error = m_parser.errorText();
    else if (!m_parser.positionalArguments().isEmpty())
        m_error = tr("Nothing is known of \"%1\".").arg(m_parser.positionalArguments().constFirst());

    if (m_parser.isSet(m_lock)) {
        if (m_parser.value(m_lock).isEmpty())
            m_error = tr("--lock wants a path.");
        else
            m_lockPath = QDir(folder).absoluteFilePath(m_parser.value(m_lock));
    }
    if (waits()) {
        bool isNumber = false;
        const std::chrono::duration<double> patience(m_parser.value(m_wait).toDouble(&isNumber));
        if (isNumber && patience < std::chrono::hours(24 * 365))
            m_patience = std::chrono::duration_cast<std::chrono::milliseconds>(patience);
        else
            m_error = tr("--wait wants a number of seconds.");
    }
}

CommandLine::Task CommandLine::task() const
{
    if (m_parser.isSet(m_help))
        return Task::PrintHelp;
    if (m_parser.isSet(m_version))
        return Task::PrintVersion;
    if (m_parser.isSet(m_status))
        return Task::PrintStatus;
    return m_parser.isSet(m_tour) ? Task::TakeTour : Task::Run;
}
