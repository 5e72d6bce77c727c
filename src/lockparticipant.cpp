// SPDX-License-Identifier: 0BSD
#include "lockparticipant.h"
#include "processstat_p.h"
#include "queuelook_p.h"
#include "text_p.h"

#include <QtCore/qdebug.h>

#include <algorithm>
#include <cstdio>

#include <fcntl.h>
#include <unistd.h>

namespace QtLockFile {

namespace {

constexpr qsizetype kCommLength = 15; // TASK_COMM_LEN less the final NUL, proc(5)

// What lies at the beginning of a file of the process. Not by QFile, which takes as long again as the kernel: there
// may be a thousand to name.
QByteArray procFile(qint64 pid, const char *name)
{
    char path[64];
    std::snprintf(path, sizeof path, "/proc/%lld/%s", static_cast<long long>(pid), name);
    const int descriptor = ::open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return {};
    char text[4096];
    const ssize_t size = ::read(descriptor, text, sizeof text);
    ::close(descriptor);
    return QByteArray(text, qsizetype(std::max<ssize_t>(size, 0)));
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
        return Internal::Text::tr("an unknown process");
    if (m_processName.isEmpty())
        return Internal::Text::tr("process %1").arg(m_pid);
    return Internal::Text::tr("%1 (%2)").arg(m_processName, QString::number(m_pid));
}

QDebug operator<<(QDebug debug, const LockParticipant &participant)
{
    const QDebugStateSaver saver(debug);
    debug.nospace().noquote() << "LockParticipant(" << participant.description() << (participant.isStopped() ? ", stopped)" : ")");
    return debug;
}

} // namespace QtLockFile
