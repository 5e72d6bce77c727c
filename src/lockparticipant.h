// SPDX-License-Identifier: 0BSD
#ifndef QTLOCKFILE_LOCKPARTICIPANT_H
#define QTLOCKFILE_LOCKPARTICIPANT_H

#include <QtLockFile/qtlockfile_export.h>

#include <QtCore/qmetatype.h>
#include <QtCore/qobjectdefs.h>
#include <QtCore/qstring.h>

QT_BEGIN_NAMESPACE
class QDebug;
QT_END_NAMESPACE

namespace QtLockFile {

/*!
    Names a process that holds a lock or waits for it, as far as the kernel tells.

    **What it guarantees.** The process id comes from the kernel, never from what a program wrote down.

    **What it does not.** It tells what was true when it was taken: the process may have ended since, and its id may be
    another's. Who is on another machine or in another sandbox is unknown.

    **Threads.** A value, for any thread.
*/
class QTLOCKFILE_EXPORT LockParticipant
{
    Q_GADGET
    Q_PROPERTY(qint64 pid READ pid CONSTANT)
    Q_PROPERTY(QString processName READ processName CONSTANT)
    Q_PROPERTY(bool isThisProcess READ isThisProcess CONSTANT)
    Q_PROPERTY(bool isStopped READ isStopped CONSTANT)

public:
    /*! Names nobody that could be named: pid() is -1. */
    LockParticipant() = default;

    /*!
        Names the process \a pid, and looks up its program and whether it is stopped. A \a pid of 0 or less is what
        the kernel says of a process on another machine or in a pid namespace that cannot be seen from ours
        (fcntl_locking(2), pid_namespaces(7)): it stays unknown and is never guessed.
    */
    static LockParticipant ofProcess(qint64 pid);

    /*! Tells the process id, or -1 where it is not known: another machine, another sandbox, or no name tag. */
    qint64 pid() const { return m_pid; }

    /*!
        Tells the program's name as the kernel keeps it (/proc/PID/comm, proc(5)), completed from its command line
        where the kernel cut it at 15 bytes. Empty where it is not known, the process has ended, or /proc is that of
        another pid namespace.
    */
    QString processName() const { return m_processName; }

    /*! Tells whether it is the process that asked. */
    bool isThisProcess() const;

    /*! Tells whether the process was stopped (SIGSTOP, Ctrl-Z, a debugger): it will not move on by itself. */
    bool isStopped() const { return m_stopped; }

    /*! Describes it for people: "firefox (1234)", "process 1234" or "an unknown process". */
    QString description() const;

    friend bool operator==(const LockParticipant &a, const LockParticipant &b)
    {
        return a.m_pid == b.m_pid && a.m_processName == b.m_processName && a.m_stopped == b.m_stopped;
    }
    friend bool operator!=(const LockParticipant &a, const LockParticipant &b) { return !(a == b); }

private:
    qint64 m_pid = -1;
    QString m_processName;
    bool m_stopped = false;
};

QTLOCKFILE_EXPORT QDebug operator<<(QDebug debug, const LockParticipant &participant);

} // namespace QtLockFile

Q_DECLARE_METATYPE(QtLockFile::LockParticipant)

#endif
