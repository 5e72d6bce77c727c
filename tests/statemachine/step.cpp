// SPDX-License-Identifier: 0BSD
#include "step.h"

#include <QtCore/qstringlist.h>

namespace StateMachine {

namespace {

QString call(Do what)
{
    switch (what) {
    case Do::Acquire:
        return QStringLiteral("lock.acquire()");
    case Do::TryAcquire:
        return QStringLiteral("lock.tryAcquire()");
    case Do::Cancel:
        return QStringLiteral("lock.cancel()");
    case Do::Release:
        return QStringLiteral("lock.release()");
    case Do::LookForAcquired:
        return QStringLiteral("lock.waitForAcquired(0)");
    case Do::LookForReleased:
        return QStringLiteral("lock.waitForReleased(0)");
    case Do::WaitForAcquired:
        return QStringLiteral("lock.waitForAcquired()");
    case Do::WaitForReleased:
        return QStringLiteral("lock.waitForReleased()");
    case Do::ProcessEvents:
        return QStringLiteral("process the events that are there");
    case Do::ProcessAllEvents:
        return QStringLiteral("process events until all has come");
    case Do::SetTimeout:
        return QStringLiteral("lock.setTimeout(%1)");
    case Do::SetRemoveOnRelease:
        return QStringLiteral("lock.setRemoveOnRelease(%1)");
    case Do::SetPermissions:
        return QStringLiteral("lock.setPermissions(%1)");
    case Do::DeleteAndCreate:
        return QStringLiteral("delete lock, and another on the same path");
    case Do::UseInAnotherThread:
        return QStringLiteral("move lock to another thread, use it there, move it back");
    case Do::AskPosition:
        return QStringLiteral("lock.position()");
    case Do::InNextSlot:
        break;
    case Do::RivalTries:
        return QStringLiteral("rival.tryAcquire()");
    case Do::RivalReleases:
        return QStringLiteral("rival.release()");
    case Do::NeighbourTries:
        return QStringLiteral("another process tries");
    case Do::NeighbourReleases:
        return QStringLiteral("another process releases");
    case Do::OutsiderRemoves:
        return QStringLiteral("rm the file");
    }
    return {};
}

} // namespace

QString describe(const Step &step)
{
    if (step.what == Do::InNextSlot) {
        QStringList actions;
        for (const Do action : step.inSlot)
            actions << (action == Do::DeleteAndCreate ? QStringLiteral("delete lock") : call(action));
        return QStringLiteral("in the slot of the next \"%1\": %2").arg(QLatin1String(kSignals[step.number]), actions.join(QStringLiteral(", ")));
    }
    const QString text = call(step.what);
    return text.contains(u'%') ? text.arg(step.number) : text;
}

} // namespace StateMachine
