// SPDX-License-Identifier: 0BSD
#include "tst_statemachine_play.h"

#include <QtCore/qcoreapplication.h>
#include <QtCore/qfile.h>
#include <QtCore/qloggingcategory.h>

#include <atomic>

#include <sys/stat.h>
#include <unistd.h>

namespace StateMachine {

namespace {

// How long a LockFile waits for the end of an attempt before it reports it without: then the attempt may go on a while.
constexpr auto kGrace = 250ms;

const char *const kSignals[] = {"Acquiring", "Acquired", "Releasing", "Released", "acquired", "failed", "released"};

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

QString call(Do what)
{
    switch (what) {
    case Do::Acquire: return QStringLiteral("lock.acquire()");
    case Do::TryAcquire: return QStringLiteral("lock.tryAcquire()");
    case Do::Cancel: return QStringLiteral("lock.cancel()");
    case Do::Release: return QStringLiteral("lock.release()");
    case Do::LookForAcquired: return QStringLiteral("lock.waitForAcquired(0)");
    case Do::LookForReleased: return QStringLiteral("lock.waitForReleased(0)");
    case Do::WaitForAcquired: return QStringLiteral("lock.waitForAcquired()");
    case Do::WaitForReleased: return QStringLiteral("lock.waitForReleased()");
    case Do::ProcessEvents: return QStringLiteral("process the events that are there");
    case Do::ProcessAllEvents: return QStringLiteral("process events until all has come");
    case Do::SetTimeout: return QStringLiteral("lock.setTimeout(%1)");
    case Do::SetRemoveOnRelease: return QStringLiteral("lock.setRemoveOnRelease(%1)");
    case Do::SetPermissions: return QStringLiteral("lock.setPermissions(%1)");
    case Do::DeleteAndCreate: return QStringLiteral("delete lock, and another on the same path");
    case Do::UseInAnotherThread: return QStringLiteral("move lock to another thread, use it there, move it back");
    case Do::AskPosition: return QStringLiteral("lock.position()");
    case Do::InNextSlot: break;
    case Do::RivalTries: return QStringLiteral("rival.tryAcquire()");
    case Do::RivalReleases: return QStringLiteral("rival.release()");
    case Do::NeighbourTries: return QStringLiteral("another process tries");
    case Do::NeighbourReleases: return QStringLiteral("another process releases");
    case Do::OutsiderRemoves: return QStringLiteral("rm the file");
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

Play::Play(const QString &path, Other &neighbour, bool lookAtQueue, std::chrono::milliseconds limit)
    : m_path(path), m_neighbourProcess(neighbour), m_lookAtQueue(lookAtQueue), m_limit(limit), m_rival(std::make_unique<LockFile>(path))
{
    otherHandler = qInstallMessageHandler(countWarnings);
    create();
}

Play::~Play()
{
    m_lock.reset();
    m_rival.reset();
    if (m_model.neighbour.holds)
        (void)m_neighbourProcess.ask("release");
    ::unlink(QFile::encodeName(m_path).constData());
    qInstallMessageHandler(otherHandler);
}

QString Play::play(const std::vector<Step> &steps)
{
    for (const Step &step : steps) {
        perform(step);
        if (failed())
            return m_wrong;
        check();
    }
    finish();
    return m_wrong;
}

void Play::wrong(const QString &what)
{
    if (!what.isEmpty() && !failed())
        m_wrong = what;
}

void Play::create()
{
    m_lock = std::make_unique<LockFile>(m_path);
    Model fresh;
    fresh.rival = m_model.rival;
    fresh.neighbour = m_model.neighbour;
    fresh.file = m_model.file;
    m_model = fresh;
    m_positionTold = -1;
    LockFile *const lock = m_lock.get();
    // Direct: they are to be seen where and when they come, also in another thread.
    QObject::connect(lock, &LockFile::stateChanged, lock, [this](State state) { onStateChanged(state); });
    QObject::connect(lock, &LockFile::acquired, lock, [this] { onSignal(QStringLiteral("acquired")); });
    QObject::connect(lock, &LockFile::failed, lock, [this](const LockError &error) { onSignal(QStringLiteral("failed ") + nameOf(error.code())); });
    QObject::connect(lock, &LockFile::released, lock, [this] { onSignal(QStringLiteral("released")); });
    if (!m_lookAtQueue)
        return;
    QObject::connect(lock, &LockFile::lost, lock, [this] { onLost(); });
    QObject::connect(lock, &LockFile::positionChanged, lock, [this](int position) {
        if (std::exchange(m_positionTold, position) == position)
            wrong(QStringLiteral("positionChanged(%1), and it has not changed").arg(position));
    });
}

void Play::destroy()
{
    if (!m_lock)
        return;
    const auto before = Clock::now();
    m_lock.reset();
    if (Clock::now() - before >= 1s)
        m_isUnclear = true;
    if (m_model.state == State::Acquired || m_model.state == State::Releasing)
        m_model.leave(m_model.state == State::Acquired ? m_model.removes : m_model.releaseRemoves, m_model.isAtPath);
    else if (m_model.state == State::Acquiring && !(m_model.file == Model::File::Absent && m_model.attemptRemoves))
        m_model.file = Model::File::Unknown;
    if (m_model.othersHoldPath())
        m_model.file = Model::File::Present;
    m_model.state = State::Released;
    m_model.operations.clear();
}

void Play::perform(const Step &step)
{
    switch (step.what) {
    case Do::DeleteAndCreate:
        destroy();
        create();
        return;
    case Do::RivalTries:
        rivalTries();
        return;
    case Do::RivalReleases:
        rivalReleases();
        return;
    case Do::NeighbourTries:
        neighbourTries();
        return;
    case Do::NeighbourReleases:
        neighbourReleases();
        return;
    case Do::OutsiderRemoves:
        outsiderRemoves();
        return;
    default:
        break;
    }
    if (!m_lock)
        return;
    switch (step.what) {
    case Do::SetTimeout:
        m_model.timeout = std::chrono::milliseconds(step.number);
        m_lock->setTimeout(m_model.timeout);
        break;
    case Do::SetRemoveOnRelease:
        m_model.removes = step.number != 0;
        m_lock->setRemoveOnRelease(m_model.removes);
        break;
    case Do::SetPermissions:
        m_lock->setPermissions(step.number != 0 ? QFileDevice::ReadOwner | QFileDevice::WriteOwner : QFileDevice::Permissions(0x6666));
        break;
    case Do::InNextSlot:
        m_slot = {QString::fromLatin1(kSignals[step.number]), step.inSlot};
        break;
    default:
        act(step.what);
    }
}

// What a slot can do, too.
void Play::act(Do what)
{
    switch (what) {
    case Do::Acquire: acquire(); break;
    case Do::TryAcquire: tryAcquire(); break;
    case Do::Cancel: cancel(); break;
    case Do::Release: release(); break;
    case Do::LookForAcquired: wait(State::Acquired, false); break;
    case Do::LookForReleased: wait(State::Released, false); break;
    case Do::WaitForAcquired: wait(State::Acquired, true); break;
    case Do::WaitForReleased: wait(State::Released, true); break;
    case Do::ProcessEvents: processEvents(false); break;
    case Do::ProcessAllEvents: processEvents(true); break;
    case Do::DeleteAndCreate: destroy(); break;
    case Do::UseInAnotherThread: useInAnotherThread(); break;
    case Do::AskPosition: askPosition(); break;
    default: break;
    }
}

// Calls that are refused say so, once, and nothing else does.
void Play::expectWarnings(int count, const char *call)
{
    if (const int seen = warnings.exchange(0); seen != count)
        wrong(QStringLiteral("%1: %2 warnings instead of %3").arg(QLatin1String(call)).arg(seen).arg(count));
}

void Play::acquire()
{
    const bool isAllowed = m_model.mayBegin();
    const unsigned number = isAllowed ? m_model.beginAttempt() : 0;
    if (!isAllowed)
        m_model.error = Code::InvalidState;
    {
        const Scope scope(m_within, Within::Acquire);
        m_lock->acquire();
    }
    expectWarnings(isAllowed ? 0 : 1, "acquire()");
    m_model.markReturned(number);
}

void Play::tryAcquire()
{
    const bool isAllowed = m_model.mayBegin();
    const unsigned before = m_try;
    const unsigned number = m_try = m_model.beginTry();
    bool result;
    {
        const Scope scope(m_within, Within::Try);
        result = m_lock->tryAcquire();
    }
    m_try = before;
    if (!m_lock) {
        if (result)
            wrong(QStringLiteral("tryAcquire() is true though the object is gone"));
        return;
    }
    // A slot may have begun something when the release before was done.
    const bool isRefused = !isAllowed || (!result && m_model.state != State::Released);
    expectWarnings(isRefused ? 1 : 0, "tryAcquire()");
    if (isRefused) {
        m_model.error = Code::InvalidState;
        if (result)
            wrong(QStringLiteral("tryAcquire() is true though it was to be refused"));
    } else if (!result) {
        wrong(m_model.endTry(number, m_lock->error().code()));
        const LockError error = m_lock->error();
        if (m_model.neighbour.holds && m_model.neighbour.isAtPath)
            checkHolder(error.holder().pid(), m_neighbourProcess.pid(), "tryAcquire()");
        else
            checkHolder(error.holder().pid(), ::getpid(), "tryAcquire()");
    }
    m_model.markReturned(number);
}

void Play::cancel()
{
    m_model.cancel();
    m_lock->cancel();
    expectWarnings(0, "cancel()");
}

void Play::release()
{
    const bool isAllowed = m_model.state == State::Acquired;
    const unsigned number = isAllowed ? m_model.beginRelease() : 0;
    if (!isAllowed)
        m_model.error = Code::InvalidState;
    {
        const Scope scope(m_within, Within::Release);
        m_lock->release();
    }
    expectWarnings(isAllowed ? 0 : 1, "release()");
    m_model.markReturned(number);
}

void Play::wait(State target, bool forLong)
{
    const QDeadlineTimer limit(m_limit);
    const QString call = describe({target == State::Acquired ? Do::WaitForAcquired : Do::WaitForReleased});
    for (;;) {
        const auto slice = !forLong ? 0ms : m_model.mustEnd() ? 20ms : 1ms;
        bool result;
        {
            const Scope scope(m_within, Within::Wait);
            result = target == State::Acquired ? m_lock->waitForAcquired(slice) : m_lock->waitForReleased(slice);
        }
        if (!m_lock) {
            if (result)
                wrong(QStringLiteral("%1 is true though the object is gone").arg(call));
            return;
        }
        const bool hasEnded = m_model.state == State::Released || m_model.state == State::Acquired;
        if (result != (m_model.state == target))
            wrong(QStringLiteral("%1 is %2 in %3").arg(call).arg(result).arg(nameOf(m_model.state)));
        if (hasEnded && !m_model.operations.empty())
            wrong(QStringLiteral("%1 has returned and \"%2\" has not come").arg(call, m_model.operations.front().signal));
        if (failed() || hasEnded || !forLong || !m_model.mustEnd())
            break;
        if (limit.hasExpired())
            wrong(QStringLiteral("%1: nothing came").arg(call));
    }
    expectWarnings(0, "a wait");
}

void Play::processEvents(bool all)
{
    const QDeadlineTimer limit(m_limit);
    QTimer look; // for what no event tells of
    if (all)
        look.start(5ms);
    const Scope scope(m_within, Within::EventLoop);
    QCoreApplication::processEvents();
    while (all && !failed() && !isAllDone()) {
        if (limit.hasExpired()) {
            wrong(m_model.state == State::Acquired ? QStringLiteral("lost() did not come") : QStringLiteral("nothing came from the event loop"));
            break;
        }
        QCoreApplication::processEvents(QEventLoop::WaitForMoreEvents);
    }
    expectWarnings(0, "the event loop");
}

bool Play::isAllDone() const
{
    if (!m_lock)
        return true;
    if (m_model.state == State::Acquired && m_lookAtQueue && !m_model.lossTold && isLost())
        return false;
    if (m_model.operations.empty())
        return true;
    const Model::Operation &next = m_model.operations.front();
    return next.isAttempt && !next.hasResult && !m_model.mustEnd();
}

void Play::askPosition()
{
    const int position = m_lock->position();
    switch (m_model.state) {
    case State::Acquired:
        if (position != 0)
            wrong(QStringLiteral("position() of the holder is %1").arg(position));
        break;
    case State::Acquiring:
        if (position >= 0 && position < int(m_model.othersHoldPath()))
            wrong(QStringLiteral("position() is %1 though another holds").arg(position));
        m_model.hasTicket |= position >= 0;
        break;
    case State::Released:
    case State::Releasing:
        if (position != -1)
            wrong(QStringLiteral("position() is %1 in %2").arg(position).arg(nameOf(m_model.state)));
        break;
    }
}

void Play::useInAnotherThread()
{
    if (m_model.state != State::Released || !m_model.operations.empty() || !m_within.empty())
        return; // not allowed
    m_slot.reset();
    QThread thread;
    thread.start();
    QObject there;
    there.moveToThread(&thread);
    m_lock->moveToThread(&thread);
    QMetaObject::invokeMethod(
        &there,
        [this, home = QThread::currentThread()] {
            acquire();
            if (!m_model.mustEnd())
                cancel();
            wait(State::Acquired, true);
            if (m_model.state == State::Acquired)
                release();
            wait(State::Released, true);
            m_lock->moveToThread(home);
        },
        Qt::BlockingQueuedConnection);
    thread.quit();
    thread.wait();
}

void Play::rivalTries()
{
    if (m_model.rival.holds)
        return;
    const bool acquired = m_rival->tryAcquire();
    checkAttempt(m_model.rival, acquired, "rival");
    if (acquired)
        m_model.acquire(m_model.rival);
}

void Play::rivalReleases()
{
    if (!m_model.rival.holds)
        return;
    m_rival->release();
    if (!m_rival->waitForReleased(m_limit) || m_rival->error())
        wrong(QStringLiteral("the rival cannot release"));
    m_model.release(m_model.rival);
}

void Play::neighbourTries()
{
    if (m_model.neighbour.holds)
        return;
    const QByteArray answer = m_neighbourProcess.ask("try");
    const bool acquired = answer == "acquired";
    if (!acquired && !answer.startsWith("failed Held "))
        wrong(QStringLiteral("the other process says: ") + QString::fromLocal8Bit(answer));
    checkAttempt(m_model.neighbour, acquired, "the other process");
    if (acquired)
        m_model.acquire(m_model.neighbour);
    else if (m_model.isHeldFor(m_model.neighbour) && m_model.state != State::Acquiring)
        checkHolder(answer.mid(12).toLongLong(), ::getpid(), "the other process");
}

void Play::neighbourReleases()
{
    if (!m_model.neighbour.holds)
        return;
    if (m_neighbourProcess.ask("release") != "released")
        wrong(QStringLiteral("the other process cannot release"));
    m_model.release(m_model.neighbour);
}

void Play::outsiderRemoves()
{
    if (::unlink(QFile::encodeName(m_path).constData()) == 0)
        m_model.removeFile();
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
    while (descriptorsTo(m_path, ::getpid()) > 0 && !limit.hasExpired())
        ::usleep(100);
    if (limit.hasExpired())
        wrong(QStringLiteral("a descriptor was left open"));
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
