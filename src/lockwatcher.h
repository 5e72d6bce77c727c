// SPDX-License-Identifier: 0BSD
#ifndef QTLOCKFILE_LOCKWATCHER_H
#define QTLOCKFILE_LOCKWATCHER_H

#include <QtLockFile/lockqueue.h>
#include <QtLockFile/qtlockfile_export.h>

#include <QtCore/qobject.h>
#include <QtCore/qstring.h>

#include <memory>

namespace QtLockFile {

class LockWatcherPrivate;

/*!
    Shows who holds a lock file and who waits for it, live, without taking part: for user interfaces.

    **What it guarantees.** Within milliseconds queueChanged() follows what any LockFile does on the path in any
    process of the machine, the end of a process however it ended, and the file's being created, removed or replaced;
    the file and its folder need not exist yet. Nothing wakes up while nothing happens, and a look never delays or
    fails an acquisition.

    **What it does not.** Kernel locks raise no event. A program other than a LockFile that locks the whole file is
    seen when it opens or closes it, or at the next event of another cause, and not at the moment of its locking; that
    it waits is seen up to a third of a second later.
    Whether a process is stopped is as of the last change. On file systems that others change without our kernel's
    knowing (NFS, SMB, FUSE and their like), and where the user's limit of inotify(7) is reached, it looks every two
    seconds instead. Where there is no descriptor or no thread left to watch with, queue() says so, and a second later
    it tries again.

    **Threads.** Used from the thread that it lives in, which needs an event loop. All looks are made by a thread of
    the library, one for all watchers of the process: a slow disk never stalls the user interface. In a child made by
    fork(2) a watcher made before sees nothing any more.
*/
class QTLOCKFILE_EXPORT LockWatcher : public QObject
{
    Q_OBJECT
    Q_DISABLE_COPY_MOVE(LockWatcher)
    Q_PROPERTY(QString path READ path CONSTANT)
    Q_PROPERTY(QtLockFile::LockQueue queue READ queue NOTIFY queueChanged)

public:
    /*!
        Begins to watch \a path, which is made absolute with the current folder. The first queueChanged() follows from
        the event loop.
    */
    explicit LockWatcher(const QString &path, QObject *parent = nullptr);

    /*! Ends the watch. */
    ~LockWatcher() override;

    /*! The absolute path. */
    QString path() const;

    /*! The queue as of the last queueChanged(); a queue in which nobody is before the first. */
    LockQueue queue() const;

Q_SIGNALS:
    /*!
        queue() is now \a queue. Comes once at the beginning, and then for each change that was seen; quick changes
        may be seen as one.
    */
    void queueChanged(const QtLockFile::LockQueue &queue, QPrivateSignal);

private:
    friend class LockWatcherPrivate;
    std::unique_ptr<LockWatcherPrivate> const d;
};

} // namespace QtLockFile

#endif
