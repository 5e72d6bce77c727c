// SPDX-License-Identifier: 0BSD
#include "lockqueue.h"
#include "lockerror_p.h"
#include "lockpath_p.h"
#include "queuelook_p.h"
#include "text_p.h"

#include <QtCore/qdebug.h>
#include <QtCore/qhash.h>
#include <QtCore/qlocale.h>

namespace QtLockFile {

using Internal::Text;

namespace {

// The time alone where it is today's.
QString textFor(const QDateTime &since)
{
    const QLocale locale;
    return since.date() == QDate::currentDate() ? locale.toString(since.time(), QLocale::ShortFormat) : locale.toString(since, QLocale::ShortFormat);
}

} // namespace

LockQueue::LockQueue(const QString &path, const Internal::QueueLook &look) : m_path(path), m_held(!look.participants.empty())
{
    if (look.error != 0)
        m_error = Internal::lookErrorFor(path, look.error);
    if (!m_held)
        return;
    QHash<pid_t, LockParticipant> named; // a process may be there many times
    const auto participant = [&named](pid_t pid) {
        const auto known = named.constFind(pid);
        return known != named.constEnd() ? *known : *named.insert(pid, LockParticipant::ofProcess(pid));
    };
    m_holder = participant(look.participants.front().pid);
    m_waiters.reserve(qsizetype(look.participants.size()) - 1);
    for (auto it = look.participants.begin() + 1; it != look.participants.end(); ++it)
        m_waiters.append(participant(it->pid));
    if (look.since >= 0)
        m_since = QDateTime::fromMSecsSinceEpoch(look.since);
}

LockQueue LockQueue::of(const QString &path)
{
    const QString absolute = Internal::absolutePath(path);
    return LockQueue(absolute, Internal::lookAtQueue(Internal::nativePath(absolute)));
}

QString LockQueue::description() const
{
    if (m_error)
        return m_error.message();
    if (!m_held)
        return Text::tr("free");
    QString text =
        m_since.isValid() ? Text::tr("held by %1 since %2").arg(m_holder.description(), textFor(m_since)) : Text::tr("held by %1").arg(m_holder.description());
    if (m_holder.isStopped())
        text = Text::tr("%1 (stopped)").arg(text);
    if (!m_waiters.isEmpty())
        text = Text::tr("%1, %n waiting", nullptr, int(m_waiters.size())).arg(text);
    return text;
}

QDebug operator<<(QDebug debug, const LockQueue &queue)
{
    const QDebugStateSaver saver(debug);
    debug.nospace() << "LockQueue(" << queue.path() << ", ";
    debug.noquote() << queue.description();
    for (const LockParticipant &waiter : queue.waiters())
        debug << ", " << waiter.description();
    debug << ')';
    return debug;
}

} // namespace QtLockFile
