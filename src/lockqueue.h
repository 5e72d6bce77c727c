// SPDX-License-Identifier: 0BSD
#ifndef QTLOCKFILE_LOCKQUEUE_H
#define QTLOCKFILE_LOCKQUEUE_H

#include <QtLockFile/lockerror.h>
#include <QtLockFile/lockparticipant.h>
#include <QtLockFile/qtlockfile_export.h>

#include <QtCore/qdatetime.h>
#include <QtCore/qlist.h>
#include <QtCore/qmetatype.h>
#include <QtCore/qobjectdefs.h>
#include <QtCore/qstring.h>

QT_BEGIN_NAMESPACE
class QDebug;
QT_END_NAMESPACE

namespace QtLockFile {

namespace Internal {
struct QueueLook;
}

/*!
    Says who holds a lock file and who waits for it, in order: a snapshot, as the kernel told it.

    **What it guarantees.** Looking changes nothing and holds nobody up. The order is that in which the lock will be
    had. It comes from the locks on the bytes of the file (fcntl_locking(2)).

    **What it does not.** It is taken in several looks while others may move on, so it can name one who has just left;
    it never names two holders. Each look asks the kernel about each participant, and each such question walks all of
    them. LockWatcher is the live form.

    **Threads.** A value, for any thread; of() may be called from any. It blocks where the file system does.
*/
class QTLOCKFILE_EXPORT LockQueue
{
    Q_GADGET
    Q_PROPERTY(QString path READ path CONSTANT)
    Q_PROPERTY(bool isHeld READ isHeld CONSTANT)
    Q_PROPERTY(QtLockFile::LockParticipant holder READ holder CONSTANT)
    Q_PROPERTY(QList<QtLockFile::LockParticipant> waiters READ waiters CONSTANT)
    Q_PROPERTY(QDateTime since READ since CONSTANT)
    Q_PROPERTY(QtLockFile::LockError error READ error CONSTANT)

public:
    /*! A queue of no file, in which nobody is. */
    LockQueue() = default;

    /*!
        Looks at the lock file at \a path, from any thread. Opens it to read, reads nothing, takes no lock, creates
        nothing and never waits for a lock; a file server that does not answer can still keep it waiting. Where somebody
        holds the lock it may take some ten milliseconds: programs that wait for the whole file are told of by
        /proc/locks alone, and before the kernel hands that out it waits until each processor has gone on to something
        else. A file that does not exist is free.
    */
    static LockQueue of(const QString &path);

    /*! The path that was looked at. */
    QString path() const { return m_path; }

    /*!
        Tells whether anybody holds the lock, be it a LockFile or a program that locks the whole file with lockf(3) or
        fcntl(2).
    */
    bool isHeld() const { return m_held; }

    /*! Who holds it; of unknown pid if nobody does, or if the kernel cannot name who does. */
    LockParticipant holder() const { return m_holder; }

    /*!
        Who waits, in the order in which they will be served. Programs that wait for the whole file come last, as far
        as /proc/locks (proc(5)) tells of them: they are served when the queue is empty.
    */
    QList<LockParticipant> waiters() const { return m_waiters; }

    /*! Since when it is held; invalid where that is not known, because a program holds it that locks the whole file. */
    QDateTime since() const { return m_since; }

    /*! Why nothing can be told, such as AccessDenied where the file may not be read; Code::None otherwise. */
    LockError error() const { return m_error; }

    /*!
        Describes it for people, in one translated line: "free", "held by firefox (1234) since 10:41, 2 waiting", or
        the error's message.
    */
    QString description() const;

    friend bool operator==(const LockQueue &a, const LockQueue &b)
    {
        return a.m_path == b.m_path && a.m_held == b.m_held && a.m_holder == b.m_holder && a.m_waiters == b.m_waiters && a.m_since == b.m_since
            && a.m_error == b.m_error;
    }
    friend bool operator!=(const LockQueue &a, const LockQueue &b) { return !(a == b); }

private:
    friend class LockWatcherPrivate;
    LockQueue(const QString &path, const Internal::QueueLook &look);

    QString m_path;
    bool m_held = false;
    LockParticipant m_holder;
    QList<LockParticipant> m_waiters;
    QDateTime m_since;
    LockError m_error;
};

QTLOCKFILE_EXPORT QDebug operator<<(QDebug debug, const LockQueue &queue);

} // namespace QtLockFile

Q_DECLARE_METATYPE(QtLockFile::LockQueue)

#endif
