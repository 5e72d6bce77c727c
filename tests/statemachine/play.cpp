// SPDX-License-Identifier: 0BSD
#include "play.h"

#include <QtCore/qcoreapplication.h>
#include <QtCore/qfile.h>
#include <QtCore/qthread.h>
#include <QtCore/qtimer.h>

#include <utility>

#include <unistd.h>

namespace StateMachine {

Play::Play(const QString &path, Other &neighbour, bool lookAtQueue, std::chrono::milliseconds limit)
    : m_path(path), m_neighbourProcess(neighbour), m_lookAtQueue(lookAtQueue), m_limit(limit), m_rival(std::make_unique<LockFile>(path))
{
    create();
}

Play::~Play()
{
    m_lock.reset();
    m_rival.reset();
    if (m_model.neighbour.holds)
        (void)m_neighbourProcess.ask("release");
    ::unlink(QFile::encodeName(m_path).constData());
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
    if (what.isEmpty() || failed())
        return;
    if (m_isStruck)
        m_isUnclear = true;
    else
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
    QObject::connect(lock, &LockFile::timeoutChanged, lock, [this] { ++m_propertyChanges; });
    QObject::connect(lock, &LockFile::removeOnReleaseChanged, lock, [this] { ++m_propertyChanges; });
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
    case Do::SetTimeout: {
        const auto before = std::exchange(m_model.timeout, std::chrono::milliseconds(step.number));
        m_lock->setTimeout(m_model.timeout);
        expectPropertyChanges(before != m_model.timeout, "timeoutChanged()");
        break;
    }
    case Do::SetRemoveOnRelease: {
        const bool before = std::exchange(m_model.removes, step.number != 0);
        m_lock->setRemoveOnRelease(m_model.removes);
        expectPropertyChanges(before != m_model.removes, "removeOnReleaseChanged()");
        break;
    }
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
    case Do::Acquire:
        acquire();
        break;
    case Do::TryAcquire:
        tryAcquire();
        break;
    case Do::Cancel:
        cancel();
        break;
    case Do::Release:
        release();
        break;
    case Do::LookForAcquired:
        wait(State::Acquired, false);
        break;
    case Do::LookForReleased:
        wait(State::Released, false);
        break;
    case Do::WaitForAcquired:
        wait(State::Acquired, true);
        break;
    case Do::WaitForReleased:
        wait(State::Released, true);
        break;
    case Do::ProcessEvents:
        processEvents(false);
        break;
    case Do::ProcessAllEvents:
        processEvents(true);
        break;
    case Do::DeleteAndCreate:
        destroy();
        break;
    case Do::UseInAnotherThread:
        useInAnotherThread();
        break;
    case Do::AskPosition:
        askPosition();
        break;
    default:
        break;
    }
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
    const auto before = Clock::now();
    const int position = m_lock->position();
    m_isCountLate |= Clock::now() - before >= 10ms; // then, and until that count comes, it is what was last known
    switch (m_model.state) {
    case State::Acquired:
        if (position != 0)
            wrong(QStringLiteral("position() of the holder is %1").arg(position));
        break;
    case State::Acquiring:
        if (position >= 0 && position < int(m_model.othersHoldPath()) && m_isCountLate)
            m_isUnclear = true;
        else if (position >= 0 && position < int(m_model.othersHoldPath()))
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
    if (::unlink(QFile::encodeName(m_path).constData()) != 0)
        return;
    // Between the look at the path and the removal nobody can tell that what lies there is another's new file by now.
    m_isStruck |= m_model.mayBeRemoving();
    m_model.removeFile();
}

} // namespace StateMachine
