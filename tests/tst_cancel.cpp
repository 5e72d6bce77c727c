// SPDX-License-Identifier: 0BSD
#include "participant.h"

#include <QtLockFile/LockFile>

#include <QtCore/qrandom.h>
#include <QtCore/qtemporarydir.h>
#include <QtCore/qtimer.h>
#include <QtTest/qtest.h>

#include <chrono>
#include <memory>
#include <vector>

// Cancels and time-outs raced against start, block and grant. 10,000 of them, in three settings.

using QtLockFile::LockError;
using QtLockFile::LockFile;
using QtLockFile::LockQueue;
using State = QtLockFile::LockFile::State;

namespace {

constexpr int kMostIdleThreads = 4; // kept for reuse

// Lets a random time pass, shorter than what an attempt takes or somewhat longer. Which one does not matter, that they differ does.
void spin()
{
    const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(QRandomGenerator::global()->bounded(400));
    while (std::chrono::steady_clock::now() < end) { }
}

// A lock that makes one attempt after the other, ends most of them, and counts what follows.
class Racer : public QObject
{
public:
    Racer(const QString &path, int attempts) : m_lock(path), m_left(attempts)
    {
        connect(&m_lock, &LockFile::acquired, this, [this] {
            onResult();
            ++m_acquired;
            m_lock.release();
        });
        connect(&m_lock, &LockFile::failed, this, [this](const LockError &error) {
            onResult();
            if (error.code() != LockError::Code::Cancelled && error.code() != LockError::Code::TimedOut) {
                m_allAsExpected = false;
                qWarning() << error;
            }
            if (m_cancelled ? error.code() != LockError::Code::Cancelled : error.code() != LockError::Code::TimedOut)
                m_allAsExpected = false;
            ++m_failed;
            next();
        });
        connect(&m_lock, &LockFile::released, this, [this] {
            ++m_released;
            next();
        });
    }

    void next()
    {
        if (m_left == 0)
            return;
        --m_left;
        ++m_attempts;
        m_resultDue = true;
        m_cancelled = false;
        const int chance = QRandomGenerator::global()->bounded(8);
        m_lock.setTimeout(std::chrono::milliseconds(chance < 2 ? 1 + chance : -1));
        m_lock.acquire();
        switch (chance) {
        case 0: // they time out
        case 1:
            return;
        case 2: // is left alone
            return;
        case 3: // before the thread has started
            break;
        case 4:
            QTimer::singleShot(0, this, [this, attempt = m_attempts] { cancel(attempt); });
            return;
        case 5:
            QTimer::singleShot(1, Qt::PreciseTimer, this, [this, attempt = m_attempts] { cancel(attempt); });
            return;
        default: // somewhere on the way
            spin();
        }
        cancel(m_attempts);
    }

    // Without an event loop.
    bool runAllWithWaits()
    {
        while (m_left > 0) {
            --m_left;
            ++m_attempts;
            m_resultDue = true;
            m_cancelled = false;
            m_lock.setTimeout(-1ms);
            m_lock.acquire();
            spin();
            if (m_attempts % 4 != 0)
                cancel(m_attempts);
            m_lock.waitForAcquired(kLong); // its slots have released
            if (!m_lock.waitForReleased(kLong))
                return false;
        }
        return true;
    }

    bool isDone() const { return m_left == 0 && !m_resultDue && m_lock.state() == State::Released && m_released == m_acquired; }
    bool wentAsExpected() const { return m_allAsExpected && m_acquired + m_failed == m_attempts; }
    int failed() const { return m_failed; }
    int acquired() const { return m_acquired; }

private:
    void cancel(int attempt)
    {
        if (attempt != m_attempts || m_lock.state() != State::Acquiring)
            return;
        m_lock.cancel();
        m_cancelled = true; // from here on nothing but Cancelled may come
    }

    void onResult()
    {
        if (!std::exchange(m_resultDue, false))
            m_allAsExpected = false;
    }

    LockFile m_lock;
    int m_left;
    int m_attempts = 0;
    int m_acquired = 0;
    int m_failed = 0;
    int m_released = 0;
    bool m_resultDue = false;
    bool m_cancelled = false;
    bool m_allAsExpected = true;
};

class tst_Cancel : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase();
    void init();
    void cleanup();
    void noneIsLostAmongSeveralLocksOfOneProcess();
    void noneIsLostWhileAnotherProcessHandsOver();
    void noneIsLostWithoutAnEventLoop();
    void whatIsCancelledAfterTheGrantIsLetGo();
    void manyWaitersAreAllEndedAtOnce();
    void whatIsDestroyedWhileItWaitsLeavesNothingBehind();

private:
    bool isAtRest() const;

    std::unique_ptr<QTemporaryDir> m_folder;
    QString m_path;
    qsizetype m_descriptors = 0;
    qsizetype m_threads = 0;
};

void tst_Cancel::initTestCase()
{
    // The first use of event loop, random numbers and locks opens what stays open.
    init();
    LockFile lock(m_path);
    lock.acquire();
    QVERIFY(must([&] { return lock.isAcquired(); }));
    lock.release();
    QVERIFY(must([&] { return lock.state() == State::Released; }));
    spin();
    m_descriptors = descriptorsOf(::getpid()).size();
    m_threads = threadsOfThisProcess() - 1; // less the one that is idle now
}

void tst_Cancel::init()
{
    m_folder = std::make_unique<QTemporaryDir>();
    QVERIFY(m_folder->isValid());
    m_path = m_folder->filePath(QStringLiteral("lock"));
}

bool tst_Cancel::isAtRest() const
{
    return descriptorsOf(::getpid()).size() == m_descriptors && threadsOfThisProcess() <= m_threads + kMostIdleThreads && !LockQueue::of(m_path).isHeld()
        && !QFile::exists(m_path);
}

void tst_Cancel::cleanup()
{
    // What an attempt left to the background may take a moment.
    const bool atRest = must([&] { return isAtRest(); });
    if (!atRest)
        qWarning() << descriptorsOf(::getpid()) << threadsOfThisProcess() << LockQueue::of(m_path) << QFile::exists(m_path);
    QVERIFY2(atRest, "a lock, a file, a descriptor or a thread was left behind");
    LockFile lock(m_path);
    QVERIFY(lock.tryAcquire());
}

void tst_Cancel::noneIsLostAmongSeveralLocksOfOneProcess()
{
    std::vector<std::unique_ptr<Racer>> racers;
    for (int i = 0; i < 4; ++i)
        racers.push_back(std::make_unique<Racer>(m_path, 1000));
    for (const auto &racer : racers)
        racer->next();
    int acquired = 0;
    for (const auto &racer : racers) {
        QVERIFY(must([&] { return racer->isDone(); }));
        QVERIFY(racer->wentAsExpected());
        QVERIFY(racer->failed() > 0);
        acquired += racer->acquired();
    }
    QVERIFY(acquired > 0);
}

void tst_Cancel::noneIsLostWhileAnotherProcessHandsOver()
{
    const OtherPtr others[] = {startParticipant(m_path), startParticipant(m_path)};
    for (const OtherPtr &other : others)
        other->tell("loop");
    std::vector<std::unique_ptr<Racer>> racers;
    for (int i = 0; i < 2; ++i)
        racers.push_back(std::make_unique<Racer>(m_path, 2000));
    for (const auto &racer : racers)
        racer->next();
    for (const auto &racer : racers) {
        QVERIFY(must([&] { return racer->isDone(); }));
        QVERIFY(racer->wentAsExpected());
        QVERIFY(racer->failed() > 0);
        QVERIFY(racer->acquired() > 0);
    }
    for (const OtherPtr &other : others)
        QCOMPARE(other->ask("halt"), "halted");
}

void tst_Cancel::noneIsLostWithoutAnEventLoop()
{
    const OtherPtr other = startParticipant(m_path);
    other->tell("loop");
    Racer racer(m_path, 2000);
    QVERIFY(racer.runAllWithWaits());
    QVERIFY(racer.isDone());
    QVERIFY(racer.wentAsExpected());
    QVERIFY(racer.failed() > 0);
    QVERIFY(racer.acquired() > 0);
    QCOMPARE(other->ask("halt"), "halted");
}

void tst_Cancel::whatIsCancelledAfterTheGrantIsLetGo()
{
    const OtherPtr other = startParticipant(m_path);
    LockFile lock(m_path);
    LockError::Code code = LockError::Code::None;
    connect(&lock, &LockFile::failed, this, [&](const LockError &error) { code = error.code(); });
    for (int round = 0; round < 50; ++round) {
        lock.acquire();
        // Granted, but this thread, which runs no event loop now, does not know it yet.
        const QDeadlineTimer deadline(kLong);
        while (LockQueue::of(m_path).holder().pid() != ::getpid())
            QVERIFY(!deadline.hasExpired());
        QCOMPARE(lock.state(), State::Acquiring);
        lock.cancel();
        QVERIFY(!lock.waitForAcquired(kLong));
        QCOMPARE(std::exchange(code, LockError::Code::None), LockError::Code::Cancelled);
        QCOMPARE(other->ask("try"), "acquired");
        QCOMPARE(other->ask("release"), "released");
    }
}

void tst_Cancel::manyWaitersAreAllEndedAtOnce()
{
    LockFile holder(m_path);
    QVERIFY(holder.tryAcquire());
    std::vector<std::unique_ptr<LockFile>> waiters;
    int failed = 0;
    for (int i = 0; i < 40; ++i) {
        waiters.push_back(std::make_unique<LockFile>(m_path));
        connect(waiters.back().get(), &LockFile::failed, this, [&] { ++failed; });
        connect(waiters.back().get(), &LockFile::acquired, this, [&] { failed = 1000; });
        waiters.back()->acquire();
    }
    QVERIFY(must([&] { return LockQueue::of(m_path).waiters().size() == 40; }));
    for (const auto &waiter : waiters)
        waiter->cancel();
    QVERIFY(must([&] { return failed >= 40; }));
    QCOMPARE(failed, 40);
    QVERIFY(holder.isAcquired());
    QCOMPARE(LockQueue::of(m_path).holder().pid(), qint64(::getpid()));
    QVERIFY(must([&] { return LockQueue::of(m_path).waiters().isEmpty(); }));
}

void tst_Cancel::whatIsDestroyedWhileItWaitsLeavesNothingBehind()
{
    const OtherPtr other = startParticipant(m_path);
    other->tell("loop");
    for (int round = 0; round < 500; ++round) {
        LockFile lock(m_path);
        lock.acquire();
        if (round % 4 != 0)
            spin();
    }
    QCOMPARE(other->ask("halt"), "halted");
}

} // namespace

QTEST_GUILESS_MAIN(tst_Cancel)
#include "tst_cancel.moc"
