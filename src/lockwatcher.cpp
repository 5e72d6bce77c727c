// SPDX-License-Identifier: 0BSD
#include "lockwatcher.h"
#include "forkguard_p.h"
#include "lockpath_p.h"
#include "queuemonitor_p.h"

#include <QtCore/qmetaobject.h>
#include <QtCore/qtimer.h>

namespace QtLockFile {

using namespace Internal;

class LockWatcherPrivate
{
public:
    LockWatcherPrivate(LockWatcher *watcher, const QString &watched) : q(watcher), path(absolutePath(watched)) { watch(); }

    void watch()
    {
        subscription.reset();
        subscription = std::make_unique<QueueSubscription>(nativePath(path), [this](const QueueLook &look) { onLook(look); });
        if (!subscription->isWatching())
            QTimer::singleShot(kShortage, q, [this] { watch(); });
    }

    // On the thread that looks: naming the participants reads /proc, which is not for the user interface.
    void onLook(const QueueLook &look)
    {
        const LockQueue next(path, look);
        const ForkGuard guard;
        QMetaObject::invokeMethod(
            q, [this, next] { setQueue(next); }, Qt::QueuedConnection);
    }

    void setQueue(const LockQueue &next)
    {
        if (known && next == queue)
            return;
        known = true;
        queue = next;
        Q_EMIT q->queueChanged(next, LockWatcher::QPrivateSignal());
    }

    LockWatcher *const q;
    const QString path;
    LockQueue queue;
    bool known = false;
    std::unique_ptr<QueueSubscription> subscription; // the last member: its callback uses the others
};

LockWatcher::LockWatcher(const QString &path, QObject *parent) : QObject(parent), d(std::make_unique<LockWatcherPrivate>(this, path))
{
}

LockWatcher::~LockWatcher() = default;

QString LockWatcher::path() const
{
    return d->path;
}

LockQueue LockWatcher::queue() const
{
    return d->queue;
}

} // namespace QtLockFile
