// SPDX-License-Identifier: 0BSD
#include "play.h"

#include <QtCore/qfile.h>
#include <QtCore/qlogging.h>

#include <atomic>
#include <optional>
#include <utility>

#include <sys/stat.h>
#include <unistd.h>

// What is seen of a LockFile while it is played with, against the model.

namespace StateMachine {

namespace {

// How long a LockFile waits for the end of an attempt before it reports it without: then the attempt may go on a while.
constexpr auto kGrace = 250ms;

std::atomic<int> warnings{0};
QtMessageHandler otherHandler = nullptr;

void countWarnings(QtMsgType type, const QMessageLogContext &context, const QString &text)
{
    if (context.category && qstrcmp(context.category, "qtlockfile.lockfile") == 0)
        ++warnings;
    else
        otherHandler(type, context, text);
}

std::optional<ino_t> inodeAt(const QString &path)
{
    struct stat status;
    if (::lstat(QFile::encodeName(path).constData(), &status) != 0)
        return std::nullopt;
    return status.st_ino;
}

} // namespace

WarningCount::WarningCount()
{
    otherHandler = qInstallMessageHandler(countWarnings);
}

WarningCount::~WarningCount()
{
    qInstallMessageHandler(otherHandler);
}

int WarningCount::take()
{
    return warnings.exchange(0);
}

// Calls that are refused say so, once, and nothing else does.
void Play::expectWarnings(int count, const char *call)
{
    if (const int seen = m_warnings.take(); seen != count)
        wrong(QStringLiteral("%1: %2 warnings instead of %3").arg(QLatin1String(call)).arg(seen).arg(count));
}

void Play::expectPropertyChanges(int count, const char *signal)
{
    if (const int seen = std::exchange(m_propertyChanges, 0); seen != count)
        wrong(QStringLiteral("%1 came %2 times instead of %3").arg(QLatin1String(signal)).arg(seen).arg(count));
}

void Play::checkAttempt(const Model::Other &other, bool acquired, const char *who)
{
    if (acquired && m_model.isHeldFor(other))
        wrong(QStringLiteral("%1 acquires what another holds or waits for").arg(QLatin1String(who)));
    if (!acquired && m_model.isFreeFor(other))
        wrong(QStringLiteral("%1 cannot acquire what is free").arg(QLatin1String(who)));
}

void Play::checkHolder(qint64 named, qint64 pid, const char *who)
{
    if (named != pid)
        wrong(QStringLiteral("%1 is told of holder %2 instead of %3").arg(QLatin1String(who)).arg(named).arg(pid));
}

bool Play::isLost() const
{
    struct stat status;
    return ::fstat(m_lock->fileDescriptor(), &status) == 0 && inodeAt(m_path) != status.st_ino;
}

// After each step.
void Play::check()
{
    if (m_lock) {
        if (m_lock->state() != m_model.state || m_lock->isAcquired() != (m_model.state == State::Acquired))
            wrong(QStringLiteral("state() is %1 instead of %2").arg(nameOf(m_lock->state()), nameOf(m_model.state)));
        if ((m_lock->fileDescriptor() >= 0) != (m_model.state == State::Acquired))
            wrong(QStringLiteral("fileDescriptor() is %1 in %2").arg(m_lock->fileDescriptor()).arg(nameOf(m_model.state)));
        if (m_lock->error().code() != m_model.error)
            wrong(QStringLiteral("error() is %1 instead of %2").arg(nameOf(m_lock->error().code()), nameOf(m_model.error)));
        if (m_lock->timeout() != m_model.timeout || m_lock->removeOnRelease() != m_model.removes)
            wrong(QStringLiteral("a property is not what it was set to"));
        if (m_model.state == State::Acquired && m_model.isAtPath == isLost())
            wrong(QStringLiteral("the file at the path is not whose it should be"));
    }
    const bool exists = inodeAt(m_path).has_value();
    if (!exists && m_model.othersHoldPath())
        wrong(QStringLiteral("the file of another is gone"));
    if (m_model.isQuiet() && !m_model.othersHoldPath() && m_model.file != Model::File::Unknown && exists != (m_model.file == Model::File::Present))
        wrong(exists ? QStringLiteral("the file was left behind") : QStringLiteral("the file is gone"));
}

// Nothing is left behind.
void Play::finish()
{
    rivalReleases();
    neighbourReleases();
    if (m_lock && !failed())
        processEvents(true);
    if (failed())
        return;
    destroy();
    check();
    if (failed())
        return;
    const QDeadlineTimer limit(m_limit); // a look at the queue may still be under way
    while (!failed() && descriptorsTo(m_path, ::getpid()) > 0) {
        if (limit.hasExpired())
            wrong(QStringLiteral("a descriptor was left open"));
        ::usleep(100);
    }
    rivalTries();
    rivalReleases();
    check();
}

void Play::onStateChanged(State state)
{
    const State before = m_model.state;
    if (m_within.empty()) {
        wrong(QStringLiteral("stateChanged(%1) comes outside of any call").arg(nameOf(state)));
        return;
    }
    const Within within = m_within.back();
    const bool isDelivery = within == Within::Wait || within == Within::EventLoop;
    bool isLegal = false;
    if (state == State::Acquiring)
        isLegal = within == Within::Acquire && (before == State::Released || before == State::Releasing);
    else if (state == State::Releasing)
        isLegal = within == Within::Release && before == State::Acquired;
    else if (state == State::Acquired)
        isLegal = (isDelivery && before == State::Acquiring) || (within == Within::Try && before == State::Released);
    else
        isLegal = (before == State::Releasing && (isDelivery || within == Within::Try)) || (before == State::Acquiring && isDelivery);
    if (!isLegal)
        wrong(QStringLiteral("stateChanged(%1) in %2").arg(nameOf(state), nameOf(before)));
    if (m_lock->state() != state)
        wrong(QStringLiteral("stateChanged(%1) comes when state() is %2").arg(nameOf(state), nameOf(m_lock->state())));

    if (before == State::Acquiring) {
        m_isUnclear |= m_model.isLate(kGrace);
        wrong(m_model.endAttempt(m_lock->error().code()));
    } else if (state == State::Acquired) {
        wrong(m_model.endTry(m_try, m_lock->error().code()));
    } else if (before == State::Releasing && state == State::Released) {
        m_model.endRelease();
    }
    m_model.state = state;
    if (state == State::Acquired)
        onAcquired();
    runSlot(nameOf(state));
}

void Play::onAcquired()
{
    m_model.isAtPath = !isLost();
    if (m_model.isAtPath)
        m_model.file = Model::File::Present;
}

void Play::onSignal(const QString &signal)
{
    const bool isDelivery = !m_within.empty() && (m_within.back() == Within::Wait || m_within.back() == Within::EventLoop);
    if (!isDelivery)
        wrong(QStringLiteral("%1 comes outside of a wait and of the event loop").arg(signal));
    if (const QString what = m_model.onSignal(signal); !what.isEmpty())
        wrong(QStringLiteral("%1: %2").arg(signal, what));
    runSlot(signal.section(u' ', 0, 0));
}

void Play::onLost()
{
    if (m_within.empty() || m_within.back() != Within::EventLoop)
        wrong(QStringLiteral("lost() comes outside of the event loop"));
    if (m_model.state != State::Acquired || !isLost())
        wrong(QStringLiteral("lost(), and nothing is"));
    if (std::exchange(m_model.lossTold, true))
        wrong(QStringLiteral("lost() comes twice"));
}

void Play::runSlot(const QString &signal)
{
    if (failed() || !m_lock || !m_slot || m_slot->signal != signal)
        return;
    const std::vector<Do> actions = m_slot->actions;
    m_slot.reset();
    for (const Do action : actions) {
        if (m_lock)
            act(action);
    }
}

} // namespace StateMachine
