// SPDX-License-Identifier: 0BSD
#include "singleinstance.h"
#include "activation_p.h"
#include "lockerror_p.h"
#include "lockfile_p.h"
#include "queuelook_p.h"
#include "singleinstance_p.h"
#include "successor_p.h"

#include <QtCore/qfile.h>
#include <QtCore/qloggingcategory.h>
#include <QtCore/qmetaobject.h>
#include <QtCore/qpointer.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <filesystem>
#include <system_error>
#include <utility>

#include <poll.h>
#include <sys/eventfd.h>

// A start asks for the lock without waiting. Who gets it is the primary. Who does not puts a message beside it
// (inbox_p.cpp), and waits for two things at once: that the primary answers, and for the lock itself, in its queue,
// in case the primary ends. So there is no gap in which nobody is the primary, and nobody has to guess whether it is
// alive. When the answer has come the queue is left. A lock that was granted when the answer was there already is let
// go: the primary did what it was asked, and quit.
//
// One machine for both forms: handlers of the lock's signals and of the folder's changes. With an event loop a
// QSocketNotifier calls them. start() waits in poll(2), and so works before there is a QCoreApplication: for the
// folder's changes, and for an eventfd that the lock's worker writes to.
//
// The primary listens from the event loop on, and not before, so that being picked up means that the event loop runs.
// All messages that are there are picked up at once, so that each sender learns in time, and each is emitted from an
// event of its own, so that a dialog in one slot does not hold up the next.

namespace QtLockFile {

using namespace Internal;
using namespace std::chrono_literals;

namespace {

Q_LOGGING_CATEGORY(logInstance, "qtlockfile.singleinstance")

constexpr auto kLookAnyway = 1000ms; // in case a wake-up is lost
constexpr auto kLeaveQueue = 1000ms; // leaving takes microseconds where the file system answers

} // namespace

void SingleInstancePrivate::refuse(const char *call, const QString &why)
{
    error = invalidState(lock ? lock->path() : QString(), why);
    qCWarning(logInstance, "SingleInstance::%s: %s", call, qUtf8Printable(why));
}

void SingleInstancePrivate::emitLater(std::function<void()> emission)
{
    due.push_back(std::move(emission));
    QMetaObject::invokeMethod(q, [this] { emitDue(); }, Qt::QueuedConnection);
}

// Slots may call anything here, delete the object included.
void SingleInstancePrivate::emitDue()
{
    const QPointer<SingleInstance> guard(q);
    while (guard && !due.empty()) {
        const std::function<void()> emission = std::move(due.front());
        due.pop_front();
        emission();
    }
}

void SingleInstancePrivate::setRole(Role newRole)
{
    if (std::exchange(role, newRole) != newRole)
        emitLater([this, newRole] { Q_EMIT q->roleChanged(newRole, Private()); });
}

void SingleInstancePrivate::decide(Role newRole)
{
    setRole(newRole);
    emitLater([this, newRole] { Q_EMIT q->decided(newRole, Private()); });
}

void SingleInstancePrivate::setReply(Reply newReply)
{
    if (std::exchange(reply, newReply) != newReply && newReply != Reply::None)
        emitLater([this, newReply] { Q_EMIT q->replied(newReply, Private()); });
}

bool SingleInstancePrivate::openFolder()
{
    QString name = id;
    if (scope == SingleInstance::Scope::PerSession)
        name += u'\n' + displaySession();
    auto found = std::make_shared<InstanceFolder>();
    if (!found->open(chosenFolder, fileNameFor(name))) {
        error = found->error();
        return false;
    }
    if (lock && folder->isSameAs(*found))
        return true;
    sent.withdraw();
    folder = std::move(found);
    makeLock();
    return true;
}

void SingleInstancePrivate::makeLock()
{
    lock = std::make_unique<LockFile>(folder->path() + QStringLiteral("/lock"));
    lock->setPermissions(QFileDevice::ReadOwner | QFileDevice::WriteOwner);
    QObject::connect(lock.get(), &LockFile::acquired, q, [this] { onAcquired(); });
    QObject::connect(lock.get(), &LockFile::failed, q, [this](const LockError &why) { onFailed(why); });
    wakeUp = std::make_shared<Descriptor>(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    LockFileAccess::setWakeUp(lock.get(), [wakeUp = wakeUp] { ::eventfd_write(wakeUp->get(), 1); });
    QObject::connect(lock.get(), &LockFile::lost, q, [this] { onLockLost(); });
}

void SingleInstancePrivate::begin(const char *call)
{
    if (role == Role::Primary || phase == Phase::Deciding || phase == Phase::Asking || phase == Phase::TakingOver) {
        refuse(call, role == Role::Primary ? SingleInstance::tr("This is the primary instance already.")
                                           : SingleInstance::tr("A start or a take-over is under way already."));
        return;
    }
    phase = Phase::Idle;
    setRole(Role::Undecided);
    setReply(Reply::None);
    refusal.clear();
    error = {};
    if (id.isEmpty()) {
        error = invalidState(QString(), SingleInstance::tr("A single instance needs an id."));
        qCWarning(logInstance, "SingleInstance::%s: %s", call, qUtf8Printable(error.message()));
        return decide(Role::Failed);
    }
    if (!openFolder())
        return decide(Role::Failed);
    if (lock->state() != LockFile::State::Released)
        lock->waitForReleased(kLeaveQueue); // what was cancelled before
    phase = Phase::Deciding;
    if (inherit())
        return;
    lock->setTimeout(0ms);
    lock->acquire();
}

// Takes over from the primary that started this process, if it did.
bool SingleInstancePrivate::inherit()
{
    Inheritance inheritance;
    if (!inheritance.isOffered() || !LockFileAccess::adopt(lock.get(), inheritance.lockDescriptor()))
        return false;
    if (!inheritance.claim()) {
        LockFileAccess::letGo(lock.get());
        return false;
    }
    LockFileAccess::name(lock.get());
    becomePrimary(Way::Inheritance);
    return true;
}

void SingleInstancePrivate::onAcquired()
{
    if (phase == Phase::Asking) {
        look(); // perhaps it has done what we asked, and quit
        if (phase == Phase::Asking)
            setReply(Reply::Gone);
    }
    if (phase == Phase::Idle || phase == Phase::Watching) {
        if (role != Role::Primary && lock->isAcquired())
            lock->release();
        return;
    }
    becomePrimary(Way::Lock);
}

void SingleInstancePrivate::onFailed(const LockError &why)
{
    switch (phase) {
    case Phase::Deciding:
        if (why.code() == LockError::Code::Held) {
            decide(Role::Secondary);
            ask();
            return;
        }
        phase = Phase::Idle;
        error = why;
        decide(Role::Failed);
        return;
    case Phase::Asking: // we may still be answered
        qCWarning(logInstance, "SingleInstance: %s", qUtf8Printable(why.message()));
        return;
    case Phase::TakingOver:
        phase = Phase::Idle;
        error = why;
        emitLater([this, why] { Q_EMIT q->takeOverFailed(why, Private()); });
        return;
    case Phase::Idle:
    case Phase::Watching:
        return;
    }
}

InstanceMessage SingleInstancePrivate::ownMessage() const
{
    InstanceMessage message;
    if (arguments) {
        message.arguments = *arguments;
    } else {
        QFile commandLine(QStringLiteral("/proc/self/cmdline"));
        if (commandLine.open(QIODevice::ReadOnly))
            message.arguments = commandLine.readAll().split('\0');
        if (!message.arguments.isEmpty())
            message.arguments.removeLast(); // each ends with a NUL
    }
    std::error_code ignored;
    message.workingDirectory = QByteArray::fromStdString(std::filesystem::current_path(ignored).native());
    for (const QByteArray &name : environment) {
        if (qEnvironmentVariableIsSet(name.constData()))
            message.environment.insert(name, qgetenv(name.constData()));
    }
    message.activationToken = qgetenv("XDG_ACTIVATION_TOKEN");
    if (message.activationToken.isEmpty())
        message.activationToken = qgetenv("DESKTOP_STARTUP_ID");
    message.payload = payload;
    return message;
}

void SingleInstancePrivate::ask()
{
    phase = Phase::Asking;
    stopListening();
    watch.start(folder->descriptor());
    if (!sent.isOnItsWay()) {
        const QByteArray bytes = encode(ownMessage());
        const int failure = bytes.size() > kLargestMessage ? EMSGSIZE : sent.send(folder->descriptor(), bytes);
        if (failure != 0) {
            const LockError::Code code = lockErrorFor(QString(), {Outcome::Result::Failed, Operation::Create, failure}).code();
            error = LockError(code, failure, folder->path(), SingleInstance::tr("Cannot leave a message in %1: %2.")
                              .arg(folder->path(), QString::fromLocal8Bit(std::generic_category().message(failure).c_str())));
            setReply(Reply::Failed);
            return endAsking();
        }
    }
    deadline = QDeadlineTimer(timeout, Qt::PreciseTimer);
    lock->setTimeout(-1ms);
    lock->acquire();
    QMetaObject::invokeMethod(q, [this] { listen(); }, Qt::QueuedConnection);
    look();
}

// From the event loop: lets it tell us of changes in the folder, and of the deadline.
void SingleInstancePrivate::listen()
{
    if (phase == Phase::Idle && role != Role::Primary)
        return;
    const auto changed = [this] {
        watch.drain();
        if (role == Role::Primary)
            receive();
        else
            look();
    };
    notifier.reset();
    ticker.reset();
    if (watch.descriptor() >= 0) {
        notifier = std::make_unique<QSocketNotifier>(watch.descriptor(), QSocketNotifier::Read);
        QObject::connect(notifier.get(), &QSocketNotifier::activated, q, changed);
    } else {
        ticker = std::make_unique<QTimer>();
        QObject::connect(ticker.get(), &QTimer::timeout, q, changed);
        ticker->start(FolderWatch::kFallback);
    }
    if (role != Role::Primary && !deadline.isForever()) {
        alarm = std::make_unique<QTimer>();
        alarm->setSingleShot(true);
        alarm->setTimerType(Qt::PreciseTimer);
        QObject::connect(alarm.get(), &QTimer::timeout, q, [this] { checkDeadline(); });
        alarm->start(std::chrono::ceil<std::chrono::milliseconds>(deadline.remainingTimeAsDuration()));
    }
    changed();
}

// At what has become of our message.
void SingleInstancePrivate::look()
{
    if (phase != Phase::Asking && phase != Phase::Watching)
        return;
    switch (sent.look()) {
    case SentMessage::State::None:
    case SentMessage::State::Waiting:
        return;
    case SentMessage::State::Taken:
        return setReply(Reply::Answering);
    case SentMessage::State::Done:
        setReply(Reply::Done);
        break;
    case SentMessage::State::Refused:
        refusal = sent.reason();
        setReply(Reply::Refused);
        break;
    case SentMessage::State::Gone:
        setReply(Reply::Gone);
        break;
    case SentMessage::State::Vanished:
        error = LockError(LockError::Code::System, ENOENT, folder->path(), SingleInstance::tr("The message was removed from %1.").arg(folder->path()));
        setReply(Reply::Failed);
        break;
    }
    endAsking();
}

void SingleInstancePrivate::checkDeadline()
{
    if (phase != Phase::Asking || !deadline.hasExpired())
        return;
    look();
    if (phase != Phase::Asking || reply != Reply::None)
        return;
    setReply(Reply::NotResponding);
    phase = Phase::Watching; // from now on the user decides who is to be the primary
    lock->cancel();
}

void SingleInstancePrivate::endAsking()
{
    phase = Phase::Idle;
    stopListening();
    lock->cancel();
}

void SingleInstancePrivate::stopListening()
{
    deadline = QDeadlineTimer::Forever;
    notifier.reset();
    ticker.reset();
    if (alarm)
        alarm->stop();
}

bool SingleInstancePrivate::isSettled() const
{
    return phase == Phase::Idle || phase == Phase::Watching || (phase == Phase::Asking && deadline.hasExpired());
}

// Until the lock or the folder has news, or the time is over.
void SingleInstancePrivate::waitForSomething()
{
    int patience = int(wakeUp->isOpen() ? kLookAnyway.count() : FolderWatch::kFallback.count()); // without a descriptor it is looked again and again
    if (phase == Phase::Asking) {
        const qint64 remaining = std::min<qint64>(deadline.remainingTime(), INT_MAX);
        const qint64 look = watch.descriptor() < 0 ? FolderWatch::kFallback.count() : INT_MAX;
        patience = int(std::min({remaining + 1, look, qint64(patience)}));
    }
    pollfd descriptors[] = {{wakeUp->get(), POLLIN, 0}, {phase == Phase::Asking ? watch.descriptor() : -1, POLLIN, 0}};
    ::poll(descriptors, 2, patience);
    eventfd_t ignored;
    ::eventfd_read(wakeUp->get(), &ignored);
    if (phase == Phase::Asking)
        watch.drain();
}

void SingleInstancePrivate::becomePrimary(Way how)
{
    const bool deciding = phase == Phase::Deciding;
    if (phase == Phase::Asking || phase == Phase::Watching)
        endAsking();
    phase = Phase::Idle;
    sent.withdraw(); // we know what we were asked for
    stopListening();
    watch.start(folder->descriptor());
    inbox.open(folder);
    if (how == Way::Lock)
        inbox.dropAbandoned();
    error = {};
    if (deciding)
        decide(Role::Primary);
    else
        setRole(Role::Primary);
    emitLater([this] { Q_EMIT q->becamePrimary(Private()); });
    QMetaObject::invokeMethod(q, [this] { listen(); }, Qt::QueuedConnection);
}

void SingleInstancePrivate::receive()
{
    if (!folder->isPrivate()) {
        qCWarning(logInstance, "SingleInstance: others may write to %s, so messages in it are not acted on", qUtf8Printable(folder->path()));
        return;
    }
    for (std::shared_ptr<TakenMessage> &message : inbox.take()) {
        pending.push_back(std::move(message));
        QMetaObject::invokeMethod(q, [this] { deliverOne(); }, Qt::QueuedConnection);
    }
}

// Slots may call anything here, delete the object included.
void SingleInstancePrivate::deliverOne()
{
    if (pending.empty())
        return; // given back
    const std::shared_ptr<TakenMessage> message = std::move(pending.front());
    pending.pop_front();
    Activation activation;
    activation.d->message = std::move(message->content);
    Q_EMIT q->activated(activation, Private());
    const QMutexLocker guard(&activation.d->mutex);
    if (activation.d->refusal)
        message->refuse(*activation.d->refusal);
    else
        message->done();
}

// Somebody removed our lock file or its folder. If nobody has taken the new one we stay the primary.
void SingleInstancePrivate::onLockLost()
{
    if (role != Role::Primary)
        return;
    qCWarning(logInstance, "SingleInstance: the lock file %s was removed by somebody", qUtf8Printable(lock->path()));
    lock.reset();
    const bool found = openFolder();
    if (found && lock->tryAcquire()) {
        watch.start(folder->descriptor());
        inbox.open(folder);
        listen();
        return;
    }
    stopListening();
    if (found)
        error = lock->error();
    setRole(Role::Secondary);
    emitLater([this] { Q_EMIT q->lost(Private()); });
}

SingleInstance::SingleInstance(const QString &id, QObject *parent)
    : QObject(parent), d(std::make_unique<SingleInstancePrivate>(this, id))
{
}

SingleInstance::~SingleInstance()
{
    for (const std::shared_ptr<TakenMessage> &message : d->pending)
        message->giveBack();
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
        d->refuse("setPayload", tr("The payload is larger than 1 MiB."));
    else
        d->payload = payload;
}

SingleInstance::Role SingleInstance::start()
{
    const QPointer<SingleInstance> guard(this);
    const bool wasIdle = d->phase == SingleInstancePrivate::Phase::Idle || d->phase == SingleInstancePrivate::Phase::Watching;
    d->begin("start");
    if (!wasIdle)
        return d->role;
    while (!d->isSettled()) {
        d->waitForSomething();
        d->lock->waitForAcquired(QDeadlineTimer(0)); // emits what is due
        if (!guard)
            return Role::Failed;
        d->look();
        d->checkDeadline();
    }
    if (d->phase == SingleInstancePrivate::Phase::Asking)
        d->endAsking(); // it is answering, and what it makes of it is its own affair
    d->phase = SingleInstancePrivate::Phase::Idle;
    if (d->lock && d->role != Role::Primary)
        d->lock->waitForReleased(kLeaveQueue);
    const Role role = guard ? d->role : Role::Failed;
    if (guard)
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
        return tr("%1 is running already, and does not respond.").arg(who);
    case Reply::Gone:
        return tr("The running instance ended before it had answered.");
    case Reply::Refused:
        return tr("%1 is running already, and refused: %2").arg(who, d->refusal);
    case Reply::Failed:
        return d->error.message();
    }
    return tr("%1 is running already.").arg(who);
}

LockParticipant SingleInstance::primary() const
{
    if (!d->lock)
        return {};
    const QueueLook look = lookAtQueue(QFile::encodeName(d->lock->path()).toStdString());
    return look.participants.empty() ? LockParticipant() : LockParticipant::ofProcess(look.participants.front().pid);
}

int SingleInstance::position() const
{
    return d->lock ? d->lock->position() : -1;
}

QString SingleInstance::folder() const
{
    return d->folder ? d->folder->path() : QString();
}

QString SingleInstance::lockPath() const
{
    return d->lock ? d->lock->path() : QString();
}

void SingleInstance::takeOver()
{
    using Phase = SingleInstancePrivate::Phase;
    if (d->role == Role::Primary || !d->lock || d->phase == Phase::Deciding || d->phase == Phase::TakingOver) {
        d->refuse("takeOver", d->role == Role::Primary ? tr("This is the primary instance already.") : tr("Nothing can be taken over now."));
        return;
    }
    d->look();
    const bool isQueued = d->phase == Phase::Asking && d->lock->state() != LockFile::State::Released;
    if (!isQueued && d->lock->state() != LockFile::State::Released)
        d->lock->waitForReleased(kLeaveQueue);
    d->sent.withdraw();
    d->stopListening();
    d->phase = Phase::TakingOver;
    disconnect(d->positions);
    if (isSignalConnected(QMetaMethod::fromSignal(&SingleInstance::positionChanged)))
        d->positions = connect(d->lock.get(), &LockFile::positionChanged, this, [this](int position) { Q_EMIT positionChanged(position, QPrivateSignal()); });
    if (isQueued)
        return; // we keep our place
    d->lock->setTimeout(-1ms);
    d->lock->acquire();
}

void SingleInstance::cancelTakeOver()
{
    if (d->phase == SingleInstancePrivate::Phase::TakingOver)
        d->lock->cancel();
}

bool SingleInstance::restart(const QString &program, const QStringList &arguments, QDeadlineTimer deadline)
{
    if (d->role != Role::Primary) {
        d->refuse("restart", tr("Only the primary instance can hand over to a successor."));
        return false;
    }
    d->error = {};
    Successor successor;
    int failure = successor.start(program, arguments, d->lock->fileDescriptor());
    if (failure == 0) {
        failure = successor.waitUntilReady(deadline);
        if (failure != 0)
            successor.dismiss();
    }
    if (failure != 0) {
        const QString cause = failure == ECHILD ? tr("it ended or did not take over the lock") : QString::fromLocal8Bit(std::generic_category().message(failure).c_str());
        d->error = LockError(failure == ETIMEDOUT ? LockError::Code::TimedOut : LockError::Code::System, failure, lockPath(),
                             tr("Cannot restart as %1: %2.").arg(program, cause));
        return false;
    }
    for (const std::shared_ptr<TakenMessage> &message : std::exchange(d->pending, {}))
        message->giveBack();
    d->stopListening();
    LockFileAccess::letGo(d->lock.get());
    successor.confirm();
    d->setRole(Role::Undecided);
    return true;
}

} // namespace QtLockFile
