// SPDX-License-Identifier: 0BSD
#include "table.h"
#include "trial.h"

#include <QtLockFile/LockQueue>
#include <QtLockFile/LockWatcher>

#include <memory>

using namespace QtLockFile;
using State = LockFile::State;

Q_DECLARE_METATYPE(void (*)(Trial &))

namespace {

void tryAndRelease(Trial &trial)
{
    LockFile lock(trial.path());
    Record record(lock);
    trial.arm();
    (void)!lock.tryAcquire();
    trial.checkAttempt(lock, record);
    trial.checkRelease(&lock);
    trial.checkEnd(&lock);
}

void acquireAndRelease(Trial &trial)
{
    LockFile lock(trial.path());
    Record record(lock);
    trial.arm();
    lock.acquire();
    trial.checkAttempt(lock, record);
    trial.checkRelease(&lock);
    trial.checkEnd(&lock);
}

void acquireWithAThreadOfItsOwn(Trial &trial)
{
    const RawLock busy(trial.folder().path("busy"), RawLock::kWholeFile);
    std::vector<std::unique_ptr<LockFile>> waiting; // on all threads that were idle
    for (int i = 0; i < 6; ++i) {
        waiting.push_back(std::make_unique<LockFile>(trial.folder().path("busy")));
        waiting.back()->acquire();
    }
    acquireAndRelease(trial);
}

void keepTheFile(Trial &trial)
{
    LockFile lock(trial.path());
    lock.setRemoveOnRelease(false);
    Record record(lock);
    trial.arm();
    lock.acquire();
    trial.checkAttempt(lock, record);
    trial.checkRelease(&lock);
    trial.disarm();
    trial.expect(must([&] { return !trial.isLocked(); }), "a lock is kept");
    trial.expect(exists(trial.path()) || !record.contains("acquired"), "the file was removed");
    remove(trial.path());
    lock.setRemoveOnRelease(true);
    trial.checkEnd(&lock);
}

void destroyWhileHeld(Trial &trial)
{
    auto lock = std::make_unique<LockFile>(trial.path());
    trial.expect(lock->tryAcquire(), "the first attempt fails");
    trial.arm();
    lock.reset();
    trial.disarm();
    trial.expect(must([&] { return !trial.isLocked(); }), "a lock is kept");
    LockFile next(trial.path());
    trial.expect(next.tryAcquire(), "the next attempt fails");
}

// Until it is in the queue, or has failed.
bool queues(const LockFile &lock, const RawLock &before)
{
    return must([&] { return lock.state() != State::Acquiring || before.seesAnother(); });
}

void waitInTheQueue(Trial &trial)
{
    RawLock before(trial.path(), RawLock::kOneTicket);
    LockFile lock(trial.path());
    Record record(lock);
    trial.arm();
    lock.acquire();
    trial.expect(queues(lock, before), "the attempt hangs");
    trial.expect(!lock.isAcquired(), "two hold");
    before.unlock();
    trial.checkAttempt(lock, record);
    trial.checkRelease(&lock);
    trial.checkEnd(&lock);
}

void waitForSomebodyWithAllBytes(Trial &trial)
{
    RawLock before(trial.path(), RawLock::kWholeFile);
    LockFile lock(trial.path());
    Record record(lock);
    trial.arm();
    lock.acquire();
    (void)lock.position();
    before.unlock();
    trial.checkAttempt(lock, record);
    trial.checkRelease(&lock);
    trial.checkEnd(&lock);
}

void waitWhileTheFileIsRemoved(Trial &trial)
{
    RawLock before(trial.path(), RawLock::kOneTicket);
    LockFile lock(trial.path());
    Record record(lock);
    trial.arm();
    lock.acquire();
    trial.expect(queues(lock, before), "the attempt hangs");
    remove(trial.path());
    before.unlock();
    trial.checkAttempt(lock, record);
    trial.checkRelease(&lock);
    trial.checkEnd(&lock);
}

void cancelTheWait(Trial &trial)
{
    RawLock before(trial.path(), RawLock::kOneTicket);
    LockFile lock(trial.path());
    Record record(lock);
    trial.arm();
    lock.acquire();
    trial.expect(queues(lock, before), "the attempt hangs");
    lock.cancel();
    trial.expect(!trial.checkAttempt(lock, record), "it is acquired in spite of the cancel");
    trial.expect(before.isAt(trial.path()), "the file of the holder was removed");
    before.unlock();
    trial.checkEnd(&lock);
}

void askForThePlace(Trial &trial)
{
    RawLock before(trial.path(), RawLock::kOneTicket);
    LockFile lock(trial.path());
    Record record(lock);
    lock.acquire();
    trial.expect(queues(lock, before), "the attempt hangs");
    trial.arm();
    const int position = lock.position();
    trial.note(QString::number(position));
    trial.expect(position == 1 || position == -1, "it is told another place");
    trial.disarm();
    // Its own thread may have been on its way to the wait, and have met the fault.
    trial.expect(must([&] { return lock.position() == 1 || lock.state() != State::Acquiring; }), "the place is not told any more");
    before.unlock();
    trial.checkAttempt(lock, record);
    trial.checkRelease(&lock);
    trial.checkEnd(&lock);
}

void tryWhileAnotherHolds(Trial &trial)
{
    RawLock before(trial.path(), RawLock::kWholeFile);
    LockFile lock(trial.path());
    trial.arm();
    trial.expect(!lock.tryAcquire(), "two hold");
    if (lock.error().code() == LockError::Code::Held)
        trial.note(QStringLiteral("Held"));
    else
        trial.checkError(lock.error());
    trial.disarm();
    trial.expect(before.isAt(trial.path()), "the file of the holder was removed");
    before.unlock();
    remove(trial.path()); // nobody else does
    trial.checkEnd(&lock);
}

// Descriptors of a file that this process holds are not closed, but used again.
void handOverWithinTheProcess(Trial &trial)
{
    LockFile first(trial.path());
    LockFile refused(trial.path());
    LockFile second(trial.path());
    Record record(second);
    trial.expect(first.tryAcquire(), "the first attempt fails");
    trial.arm();
    trial.expect(!refused.tryAcquire(), "two hold");
    second.acquire();
    trial.expect(must([&] { return second.state() != State::Acquiring || second.position() == 1; }), "the attempt hangs");
    trial.expect(!second.isAcquired(), "two hold");
    trial.checkRelease(&first);
    trial.checkAttempt(second, record);
    trial.checkRelease(&second);
    trial.checkEnd(&first);
}

void lookAtTheQueue(Trial &trial)
{
    const RawLock holder(trial.path(), RawLock::kOneTicket);
    trial.arm();
    const LockQueue queue = LockQueue::of(trial.path());
    trial.disarm();
    if (queue.error())
        trial.checkError(queue.error());
    else
        trial.note(queue.isHeld() ? QStringLiteral("held") : QStringLiteral("free"));
    const bool removed = trial.error() == ENOENT; // so the system says
    trial.expect(queue.error() || queue.isHeld() || removed, "the queue is said to be free");
    trial.expect(LockQueue::of(trial.path()).isHeld(), "the next look fails");
}

void watchTheQueue(Trial &trial)
{
    RawLock holder(trial.path(), RawLock::kOneTicket);
    trial.arm();
    {
        LockWatcher watcher(trial.path());
        trial.expect(must([&] { return watcher.queue().isHeld() || watcher.queue().error(); }), "nothing is told");
        if (watcher.queue().error())
            trial.checkError(watcher.queue().error());
        else
            trial.note(QStringLiteral("held"));
        holder.unlock();
        ::utimensat(AT_FDCWD, QFile::encodeName(trial.path()).constData(), nullptr, 0);
        trial.expect(must([&] { return !watcher.queue().isHeld(); }), "a change is not told");
    }
    trial.disarm();
    const RawLock again(trial.path(), RawLock::kOneTicket);
    const LockWatcher watcher(trial.path());
    trial.expect(must([&] { return watcher.queue().isHeld(); }), "the next watcher tells nothing");
}

} // namespace

// Each call of the C library by which the library asks something of the system fails once with each error that its
// manual page names. Which calls these are is found out by a run in which none fails.
class TestFaults : public QObject
{
    Q_OBJECT

    Table m_table{QStringLiteral(TABLE_FILE)};

private Q_SLOTS:
    void eachCallFailsOnceWhile_data()
    {
        QTest::addColumn<Scenario>("scenario");
        QTest::newRow("trying and releasing") << &tryAndRelease;
        QTest::newRow("acquiring and releasing") << &acquireAndRelease;
        QTest::newRow("acquiring on a new thread") << &acquireWithAThreadOfItsOwn;
        QTest::newRow("acquiring a file that is kept") << &keepTheFile;
        QTest::newRow("destroying the holder") << &destroyWhileHeld;
        QTest::newRow("waiting in the queue") << &waitInTheQueue;
        QTest::newRow("waiting for a whole-file lock") << &waitForSomebodyWithAllBytes;
        QTest::newRow("waiting while the file is removed") << &waitWhileTheFileIsRemoved;
        QTest::newRow("cancelling") << &cancelTheWait;
        QTest::newRow("asking for the place") << &askForThePlace;
        QTest::newRow("trying while another holds") << &tryWhileAnotherHolds;
        QTest::newRow("handing over within the process") << &handOverWithinTheProcess;
        QTest::newRow("looking at the queue") << &lookAtTheQueue;
        QTest::newRow("watching the queue") << &watchTheQueue;
    }

    void eachCallFailsOnceWhile()
    {
        QFETCH(const Scenario, scenario);
        const QStringList wrong = m_table.failEachCall(QString::fromUtf8(QTest::currentDataTag()), scenario);
        QVERIFY2(wrong.isEmpty(), qPrintable(wrong.join(u'\n')));
    }

    void cleanupTestCase()
    {
        m_table.write();
        QVERIFY2(m_table.hasStruck(), "most of the calls did not come that were to fail");
    }
};

QTEST_GUILESS_MAIN(TestFaults)
#include "tst_faults.moc"
