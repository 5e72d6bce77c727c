// SPDX-License-Identifier: 0BSD
#ifndef QTLOCKFILE_QUEUEMONITOR_P_H
#define QTLOCKFILE_QUEUEMONITOR_P_H

#include "queuelook_p.h"

#include <functional>
#include <memory>
#include <string>

namespace QtLockFile::Internal {

struct QueueSubscriber;

// As long as it lives, looks at the queue of the path whenever something happens there, and tells of the first look
// and of each that differs from the one before. The callback runs on a thread of the library, and never after the
// destructor.
class QueueSubscription
{
public:
    using Callback = std::function<void(const QueueLook &look)>;

    QueueSubscription(std::string path, Callback callback);
    ~QueueSubscription();
    QueueSubscription(const QueueSubscription &) = delete;
    QueueSubscription &operator=(const QueueSubscription &) = delete;

private:
    std::shared_ptr<QueueSubscriber> m_subscriber;
    const unsigned m_forks;
};

} // namespace QtLockFile::Internal

#endif
