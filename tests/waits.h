// SPDX-License-Identifier: 0BSD
#ifndef QTLOCKFILE_WAITS_H
#define QTLOCKFILE_WAITS_H

#include <QtCore/qcoreapplication.h>
#include <QtCore/qdeadlinetimer.h>
#include <QtCore/qtimer.h>

#include <chrono>

// How tests wait: for what has to happen, however slow the machine is, and a moment for what must not.

using namespace std::chrono_literals;

constexpr std::chrono::milliseconds kShort = 100ms; // proves that nothing happened; too short a time proves less, and fails nothing
constexpr std::chrono::milliseconds kLong = 60s;    // must happen; ends as soon as it has

// Runs the event loop until the condition is true. Unlike QTest::qWaitFor() it never sleeps while there are events, so what races here does race.
template<typename Condition>
bool comesTrue(Condition condition, QDeadlineTimer deadline)
{
    QTimer timer; // for what no event of this thread tells of
    timer.start(5ms);
    while (!condition()) {
        if (deadline.hasExpired())
            return false;
        QCoreApplication::processEvents(QEventLoop::WaitForMoreEvents);
        QCoreApplication::sendPostedEvents(nullptr, QEvent::DeferredDelete);
    }
    return true;
}

template<typename Condition>
bool must(Condition condition)
{
    return comesTrue(condition, kLong);
}

template<typename Condition>
bool never(Condition condition)
{
    return !comesTrue(condition, kShort);
}

template<typename Condition>
bool stays(Condition condition)
{
    return never([&] { return !condition(); });
}

#endif
