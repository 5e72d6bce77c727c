// SPDX-License-Identifier: 0BSD
#include "lockparticipant.h"
#include "processstat_p.h"
#include "queuelook_p.h"

#include <QtCore/qcoreapplication.h>
#include <QtCore/qdebug.h>
#include <QtCore/qfile.h>

#include <unistd.h>

namespace QtLockFile {

namespace {

constexpr qsizetype kCommLength = 15; // TASK_COMM_LEN less the final NUL, proc(5)

QByteArray procFile(qint64 pid, const char *name)
{
    QFile file(QStringLiteral("/proc/%1/%2").arg(pid).arg(QLatin1String(name)));
    return file.open(QIODevice::ReadOnly) ? file.readAll() : QByteArray();
}

} // namespace

LockParticipant LockParticipant::ofProcess(qint64 pid)
{
    LockParticipant participant;
    if (pid <= 0)
        return participant;
    participant.m_pid = pid;
    if (!Internal::procHasOwnPids())
        return participant;

    const Internal::ProcessStat stat = Internal::parseProcessStat(procFile(pid, "stat"));
    if (!stat.isKnown)
        return participant;
    participant.m_stopped = stat.isStopped();
    const QByteArray name = stat.name.size() == kCommLength ? Internal::wholeName(stat.name, procFile(pid, "cmdline")) : stat.name;
    participant.m_processName = QString::fromLocal8Bit(name);
    return participant;
}

bool LockParticipant::isThisProcess() const
{
    return m_pid == getpid();
}

QString LockParticipant::description() const
{
    if (m_pid < 0)
        return QCoreApplication::translate("QtLockFile::LockParticipant", "an unknown process");
    if (m_processName.isEmpty())
        return QCoreApplication::translate("QtLockFile::LockParticipant", "process %1").arg(m_pid);
    return QCoreApplication::translate("QtLockFile::LockParticipant", "%1 (%2)").arg(m_processName, QString::number(m_pid));
}

QDebug operator<<(QDebug debug, const LockParticipant &participant)
{
    const QDebugStateSaver saver(debug);
    debug.nospace().noquote() << "LockParticipant(" << participant.description()
                              << (participant.isStopped() ? ", stopped)" : ")");
    return debug;
}

} // namespace QtLockFile
