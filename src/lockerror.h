// SPDX-License-Identifier: 0BSD
#ifndef QTLOCKFILE_LOCKERROR_H
#define QTLOCKFILE_LOCKERROR_H

#include <QtLockFile/lockparticipant.h>
#include <QtLockFile/qtlockfile_export.h>

#include <QtCore/qmetatype.h>
#include <QtCore/qobjectdefs.h>
#include <QtCore/qstring.h>

QT_BEGIN_NAMESPACE
class QDebug;
QT_END_NAMESPACE

namespace QtLockFile {

/*!
    Says what went wrong with a lock file: a code to decide by, a text to show, and who was in the way.

    **What it guarantees.** The code says what can be done about it, whichever system call failed. The text names
    operation, path and cause, in the language of QLocale() (English or German), the system's own words in that of the
    C library.

    **What it does not.** The holder is who was in the way at that time, and may have ended since.

    **Threads.** A value, for any thread.
*/
class QTLOCKFILE_EXPORT LockError
{
    Q_GADGET
    Q_PROPERTY(QtLockFile::LockError::Code code READ code CONSTANT)
    Q_PROPERTY(int systemError READ systemError CONSTANT)
    Q_PROPERTY(QString path READ path CONSTANT)
    Q_PROPERTY(QString message READ message CONSTANT)
    Q_PROPERTY(QtLockFile::LockParticipant holder READ holder CONSTANT)

public:
    /*! What kind of error it is. */
    enum class Code {
        None,               //!< Nothing went wrong.
        Held,               //!< Somebody else holds the lock, and the attempt was not to wait: see holder().
        TimedOut,           //!< The time-out passed before the lock could be had: see holder().
        Cancelled,          //!< LockFile::cancel() ended the attempt; systemError() is EINTR.
        AccessDenied,       //!< The file or its folder may not be opened, created or removed by this user.
        NotALockFile,       //!< Something else lies at the path: a folder, link, device, FIFO, socket, or a file with content that would be removed.
        NoSpace,            //!< The file could not be created: the disk or the quota is full.
        ReadOnlyFileSystem, //!< The file lies on a file system that is mounted read-only.
        Unsupported,        //!< The file system or the kernel has no locks of the kind that is needed.
        InvalidState,       //!< The call made no sense in the state of the object, and changed nothing.
        System              //!< Anything else that the system refused: see systemError().
    };
    Q_ENUM(Code)

    /*! No error. */
    LockError() = default;

    /*!
        An error \a code on \a path, with the errno \a systemError, the \a message for people, and the \a holder where
        one is known.
    */
    LockError(Code code, int systemError, const QString &path, const QString &message, const LockParticipant &holder = {});

    /*! What to decide by. */
    Code code() const { return m_code; }

    /*! The errno of the system call that failed, 0 where none did. Held is EWOULDBLOCK, TimedOut ETIMEDOUT, Cancelled EINTR. */
    int systemError() const { return m_systemError; }

    /*! The path of the lock file, absolute. */
    QString path() const { return m_path; }

    /*! Operation, path and cause in one translated sentence that can be shown to the user; empty without an error. */
    QString message() const { return m_message; }

    /*! Who held the lock, for Held and TimedOut, as far as the kernel could name it. */
    LockParticipant holder() const { return m_holder; }

    /*! Tells whether there is an error. */
    explicit operator bool() const { return m_code != Code::None; }

    friend bool operator==(const LockError &a, const LockError &b)
    {
        return a.m_code == b.m_code && a.m_systemError == b.m_systemError && a.m_path == b.m_path && a.m_message == b.m_message && a.m_holder == b.m_holder;
    }
    friend bool operator!=(const LockError &a, const LockError &b) { return !(a == b); }

private:
    Code m_code = Code::None;
    int m_systemError = 0;
    QString m_path;
    QString m_message;
    LockParticipant m_holder;
};

QTLOCKFILE_EXPORT QDebug operator<<(QDebug debug, const LockError &error);

} // namespace QtLockFile

Q_DECLARE_METATYPE(QtLockFile::LockError)

#endif
