// SPDX-License-Identifier: 0BSD
#ifndef QTLOCKFILE_LOCKFILE_H
#define QTLOCKFILE_LOCKFILE_H

#include <QtLockFile/lockerror.h>
#include <QtLockFile/qtlockfile_export.h>

#include <QtCore/qdeadlinetimer.h>
#include <QtCore/qfiledevice.h>
#include <QtCore/qobject.h>
#include <QtCore/qstring.h>

#include <chrono>
#include <memory>

namespace QtLockFile {

class LockFilePrivate;
namespace Internal {
class LockFileAccess;
}

/*!
    Locks a file through the kernel without freezing the thread that asks.

    The lock file is an empty regular file that exists for the lock alone. It is created where it is missing and,
    unless removeOnRelease() says otherwise, removed by the last one who uses it.

    **What it guarantees.** At most one LockFile on a path is acquired at a time, over all processes and threads of
    the machine, and on file systems whose byte-range locks reach further (NFSv4), over all machines. Those who wait
    are served strictly in the order in which they queued. The kernel frees the lock when the holder ends, however it
    ends. A lock file that a crash leaves behind is harmless: it is locked at once by the next who asks. Programs that
    lock the whole file with lockf(3) or fcntl(2) are excluded too, and served when the queue is empty.

    **What it does not.** It does not exclude programs that use flock(2) or QLockFile. It cannot stop anybody from
    removing the file: who may write to the folder may do that, and then two can hold a lock on the same path, each on
    a file of its own. A stopped process that waits stops those behind it, as a stopped holder does.

    **Threads.** An object is used from the thread that it lives in. It may be moved to another while it is Released
    and no signal is due. The wait is in a thread of the library, blocked in the kernel; nothing polls. Without an
    event loop everything works through waitForAcquired() and waitForReleased(), also without a QCoreApplication;
    without a deadline these may do the work themselves, in the calling thread, which must not be terminated then. A
    thread of the library is interrupted with the highest real-time signal whose disposition the application left at
    its default when the first LockFile began to wait.

    **Fork.** In a child made by fork(2) each LockFile is Released and may acquire afresh. The lock stays the parent's
    alone, and ends with the parent even while the child lives. What a child starts with exec inherits nothing.

    Lengths of time are rounded to milliseconds. Facts about the kernel are from fcntl_locking(2) and from open(2).
*/
class QTLOCKFILE_EXPORT LockFile : public QObject
{
    Q_OBJECT
    Q_DISABLE_COPY_MOVE(LockFile)
    Q_PROPERTY(QString path READ path CONSTANT)
    Q_PROPERTY(QtLockFile::LockFile::State state READ state NOTIFY stateChanged)
    Q_PROPERTY(std::chrono::milliseconds timeout READ timeout WRITE setTimeout NOTIFY timeoutChanged)
    Q_PROPERTY(bool removeOnRelease READ removeOnRelease WRITE setRemoveOnRelease NOTIFY removeOnReleaseChanged)
    Q_PROPERTY(int position READ position NOTIFY positionChanged)

public:
    /*! What a LockFile is at. */
    enum class State {
        Released,  //!< No lock, and no attempt under way.
        Acquiring, //!< acquire() was called and its result is due.
        Acquired,  //!< The lock is ours.
        Releasing  //!< release() was called; the lock is being let go and the file removed.
    };
    Q_ENUM(State)

    /*! Remembers \a path, made absolute with the current folder; does no file system access. */
    explicit LockFile(const QString &path, QObject *parent = nullptr);

    /*!
        Ends an attempt or releases the lock, removing the file where release() would, and emits nothing. Waits until
        that is done, at most a second: where the file system does not answer it is finished in the background.
    */
    ~LockFile() override;

    /*! The absolute path, fixed at construction: a later change of the current folder does not matter. */
    QString path() const;

    /*! The state that the calls and signals so far have led to. Calls that change it have done so when they return. */
    State state() const;

    /*! Tells whether state() is Acquired. */
    bool isAcquired() const;

    /*!
        While waiting: how many are before us in the queue, the holder included. 0 once the lock is ours; -1
        otherwise, and as long as our place is not known. Asks the kernel at each call, and never waits for a lock: where
        the file system has not answered within 10 ms it is what it was last known to be.
    */
    int position() const;

    /*! The descriptor of the lock file, -1 unless acquired. Do not close it and do not lock on it; it is closed on release. */
    int fileDescriptor() const;

    /*! Why the last attempt failed, why the last release could not remove the file, or which call was refused (InvalidState). */
    LockError error() const;

    /*! How long acquire() waits, counted from the call. Negative, the default: for ever. 0: not at all. */
    std::chrono::milliseconds timeout() const;

    /*! Sets the time-out of the attempts to come. */
    void setTimeout(std::chrono::milliseconds timeout);

    /*! Tells whether the file is removed on release, when nobody else uses it and it is empty. Default: true. */
    bool removeOnRelease() const;

    /*!
        Sets whether the file is removed on release; it counts when the attempt begins and when release() is called.
        Only with removal off can a file with content be locked: not a byte of it changes.
    */
    void setRemoveOnRelease(bool remove);

    /*! The permissions for a file that has to be created, less the process's umask. Default: read and write for all. */
    QFileDevice::Permissions permissions() const;

    /*!
        Sets the permissions of files to come. The sticky bit is always added: it keeps the clean-up of temporary and
        runtime folders away (XDG Base Directory Specification, tmpfiles.d(5)). Who is to wait for the lock needs to
        read and to write.
    */
    void setPermissions(QFileDevice::Permissions permissions);

    /*!
        Acquires the lock at once or not at all, in the calling thread, and tells whether it did. Its signal follows
        as for acquire(). In the state Releasing it waits for that release first.
    */
    [[nodiscard]] bool tryAcquire();

    /*!
        Waits until the attempt under way has ended, at most until \a deadline, and tells whether the lock is ours.
        Runs no event loop; the signals that are due are emitted from inside. On expiry it returns false and the
        attempt goes on.
    */
    bool waitForAcquired(QDeadlineTimer deadline = QDeadlineTimer::Forever);

    /*!
        Waits until the release or the attempt under way has ended, at most until \a deadline, and tells whether the
        state is Released. Runs no event loop; the signals that are due are emitted from inside.
    */
    bool waitForReleased(QDeadlineTimer deadline = QDeadlineTimer::Forever);

public Q_SLOTS:
    /*!
        Begins an attempt and returns at once. It waits in the queue of the file for at most timeout(); then exactly
        one of acquired() and failed() follows. Allowed in Released, and in Releasing, where it takes place after the
        release.
    */
    void acquire();

    /*!
        Ends the attempt under way and returns at once: failed() with Cancelled follows, even if the kernel has
        granted the lock meanwhile; it is let go. Does nothing in the other states.
    */
    void cancel();

    /*! Lets the lock go and returns at once; released() follows. Allowed in Acquired. */
    void release();

Q_SIGNALS:
    /*!
        The lock is ours from here on, until release(), the destruction of this object or the end of the process.
        Exactly one of acquired() and failed() follows each attempt, and never before the call that began it has
        returned.
    */
    void acquired(QPrivateSignal);

    /*! The attempt ended without the lock, because of \a error. */
    void failed(const QtLockFile::LockError &error, QPrivateSignal);

    /*!
        The lock is gone, and the file too where it was to be removed and nobody else uses it. Follows each release()
        once. Where the file could not be removed, error() says why.
    */
    void released(QPrivateSignal);

    /*!
        The lock is held, but the path no longer leads to our file: somebody removed, replaced or moved it, so another
        can lock the path too. Comes from the event loop, at most once for each time that the lock is acquired.
        Nothing else changes: the state stays Acquired until release(), which removes nothing that is not ours. Costs
        nothing unless connected.
    */
    void lost(QPrivateSignal);

    /*!
        The state is now \a state. For a change that a call makes it comes inside that call, otherwise just before the
        signal that the change belongs to.
    */
    void stateChanged(QtLockFile::LockFile::State state, QPrivateSignal);

    /*!
        position() is now \a position. Comes from the event loop while waiting, within milliseconds of what happens in
        the queue; quick changes may be seen as one. Costs nothing unless connected: where a thousand wait and all
        want to know, all look at each hand-over.
    */
    void positionChanged(int position, QPrivateSignal);

    /*! timeout() is now \a timeout. */
    void timeoutChanged(std::chrono::milliseconds timeout, QPrivateSignal);

    /*! removeOnRelease() is now \a remove. */
    void removeOnReleaseChanged(bool remove, QPrivateSignal);

protected:
    /*! Begins to look at what lost() and positionChanged() tell when somebody wants to know. */
    void connectNotify(const QMetaMethod &signal) override;

private:
    friend class LockFilePrivate;
    friend class Internal::LockFileAccess;
    std::unique_ptr<LockFilePrivate> const d;
};

/*! Writes path and state, for whoever debugs. */
QTLOCKFILE_EXPORT QDebug operator<<(QDebug debug, const LockFile *lock);
/*! The same. */
QTLOCKFILE_EXPORT QDebug operator<<(QDebug debug, const LockFile &lock);

} // namespace QtLockFile

#endif
