// SPDX-License-Identifier: 0BSD
#ifndef QTLOCKFILE_QUEUEMONITOR_P_H
#define QTLOCKFILE_QUEUEMONITOR_P_H

#include "queuelook_p.h"

#include <chrono>
#include <functional>
#include <memory>
#include <string>

namespace QtLockFile::Internal {

struct QueueSubscriber;

constexpr std::chrono::milliseconds kShortage(1000); // until what was used up may be there again

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

    // False where the system had nothing left to watch with, which the only look tells. Another subscription may have more luck.
    bool isWatching() const { return m_isWatching; }

private:
    std::shared_ptr<QueueSubscriber> m_subscriber;
    const unsigned m_forks;
    bool m_isWatching = false;
};

} // namespace QtLockFile::Internal

#endif
