// SPDX-License-Identifier: 0BSD
#include "singleinstance.h"
#include "queuelook_p.h"
#include "singleinstance_p.h"
#include "text_p.h"

#include <QtCore/qfile.h>
#include <QtCore/qpointer.h>

// The public class, and the form that blocks. The work is in singleinstance_p.cpp, where to begin reading.

namespace QtLockFile {

using namespace Internal;
using namespace std::chrono_literals;

namespace {

constexpr auto kLeaveQueue = 1000ms; // leaving takes microseconds where the file system answers

} // namespace

SingleInstance::SingleInstance(const QString &id, QObject *parent) : QObject(parent), d(std::make_unique<SingleInstancePrivate>(this, id))
{
}

SingleInstance::~SingleInstance()
{
    d->giveBackPending();
}

QString SingleInstance::id() const
{
    return d->id;
}

SingleInstance::Scope SingleInstance::scope() const
{
    return d->scope;
}

void SingleInstance::setScope(Scope scope)
{
    d->scope = scope;
}

void SingleInstance::setFolder(const QString &folder)
{
    d->chosenFolder = folder;
}

std::chrono::milliseconds SingleInstance::timeout() const
{
    return d->timeout;
}

void SingleInstance::setTimeout(std::chrono::milliseconds timeout)
{
    d->timeout = timeout;
}

void SingleInstance::setArguments(const QByteArrayList &arguments)
{
    d->arguments = arguments;
}

void SingleInstance::setEnvironment(const QByteArrayList &names)
{
    d->environment = names;
}

void SingleInstance::setPayload(const QByteArray &payload)
{
    if (payload.size() > MaximumPayload)
        d->refuse("setPayload", Text::tr("The payload is larger than 1 MiB."));
    else
        d->payload = payload;
}

SingleInstance::Role SingleInstance::start()
{
    const QPointer<SingleInstance> guard(this);
    if (d->lock && d->role != Role::Primary)
        d->lock->waitForReleased(kLeaveQueue); // what was cancelled before
    if (!guard || !d->begin("start"))
        return guard ? d->role : Role::Failed;
    while (!d->isSettled()) {
        d->waitForSomething();
        d->lock->waitForAcquired(QDeadlineTimer(0)); // handles what is due
        d->look();
        d->checkDeadline();
    }
    if (d->phase == SingleInstancePrivate::Phase::Asking)
        d->endAsking(); // it is answering, and what it makes of it is its own affair
    d->phase = SingleInstancePrivate::Phase::Idle;
    if (d->role != Role::Primary && d->lock)
        d->lock->waitForReleased(kLeaveQueue);
    const Role role = d->role;
    d->emitDue();
    return role;
}

void SingleInstance::startAsync()
{
    d->begin("startAsync");
}

SingleInstance::Role SingleInstance::role() const
{
    return d->role;
}

SingleInstance::Reply SingleInstance::reply() const
{
    return d->reply;
}

bool SingleInstance::isAnswered() const
{
    return d->reply == Reply::Answering || d->reply == Reply::Done;
}

QString SingleInstance::refusal() const
{
    return d->refusal;
}

LockError SingleInstance::error() const
{
    return d->error;
}

QString SingleInstance::message() const
{
    if (d->role == Role::Failed)
        return d->error.message();
    if (d->role != Role::Secondary)
        return QString();
    const QString who = primary().description();
    switch (d->reply) {
    case Reply::None:
    case Reply::Answering:
    case Reply::Done:
        break;
    case Reply::NotResponding:
        return Text::tr("%1 is running already, and does not respond.").arg(who);
    case Reply::Gone:
        return Text::tr("The running instance ended before it had answered.");
    case Reply::Refused:
        return Text::tr("%1 is running already, and refused: %2").arg(who, d->refusal);
    case Reply::Failed:
        return d->error.message();
    }
    return Text::tr("%1 is running already.").arg(who);
}

LockParticipant SingleInstance::primary() const
{
    if (!d->lock)
        return {};
    const QueueLook look = lookAtQueue(QFile::encodeName(d->lock->path()).toStdString(), Extent::Tickets);
    return look.participants.empty() ? LockParticipant() : LockParticipant::ofProcess(look.participants.front().pid);
}

int SingleInstance::position() const
{
    return d->lock ? d->lock->position() : -1;
}

QString SingleInstance::folder() const
{
    if (d->folder)
        return d->folder->path();
    return d->id.isEmpty() ? QString() : InstanceFolder::expectedPath(d->chosenFolder, d->folderName());
}

QString SingleInstance::lockPath() const
{
    if (d->lock)
        return d->lock->path();
    const QString path = folder();
    return path.isEmpty() ? QString() : SingleInstancePrivate::lockPathIn(path);
}

void SingleInstance::takeOver()
{
    d->takeOver();
}

void SingleInstance::cancelTakeOver()
{
    d->cancelTakeOver();
}

bool SingleInstance::restart(const QString &program, const QStringList &arguments, QDeadlineTimer deadline)
{
    if (!d->beginRestart("restart", program, arguments))
        return false;
    d->endRestart(d->successor->waitUntilReady(deadline));
    return d->role != Role::Primary;
}

void SingleInstance::restartAsync(const QString &program, const QStringList &arguments)
{
    if (d->beginRestart("restartAsync", program, arguments))
        d->awaitSuccessor();
}

} // namespace QtLockFile
