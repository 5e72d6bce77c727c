// SPDX-License-Identifier: 0BSD
#include "faultycalls.h"
#include "trial.h"

#include <QtLockFile/LockQueue>
#include <QtLockFile/LockWatcher>
#include <QtLockFile/SingleInstance>

#include <QtCore/qmap.h>
#include <QtCore/qset.h>

#include <algorithm>
#include <map>
#include <memory>

#include <cstring>

using namespace QtLockFile;
using State = LockFile::State;

Q_DECLARE_METATYPE(void (*)(Trial &))

namespace {

using Scenario = void (*)(Trial &);

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

std::unique_ptr<SingleInstance> instanceIn(const Trial &trial)
{
    auto instance = std::make_unique<SingleInstance>(QStringLiteral("application"));
    instance->setFolder(trial.folder().folder());
    instance->setArguments({"application"});
    instance->setTimeout(100ms); // a fault that says that somebody else holds the lock has nobody answer
    return instance;
}

void becomeTheOneInstance(Trial &trial)
{
    trial.arm();
    auto first = instanceIn(trial);
    const SingleInstance::Role role = first->start();
    trial.note(nameOf(role));
    if (role == SingleInstance::Role::Failed)
        trial.expect(first->error().message().contains(trial.folder().folder()), "nothing says why");
    else if (role == SingleInstance::Role::Secondary)
        trial.expect(trial.error() == EAGAIN || trial.error() == EACCES, "nobody is the primary");
    first.reset();
    trial.disarm();
    first = instanceIn(trial);
    trial.expect(first->start() == SingleInstance::Role::Primary, "the next start fails");
}

void restartWithAProgramThatFails(Trial &trial)
{
    auto first = instanceIn(trial);
    trial.expect(first->start() == SingleInstance::Role::Primary, "the first start fails");
    trial.arm();
    trial.expect(!first->restart(QStringLiteral("false"), {}), "it is said to have taken over");
    trial.disarm();
    trial.expect(first->role() == SingleInstance::Role::Primary && bool(first->error()), "the primary is none any more, or nothing says why");
    trial.note(nameOf(first->error().code()));
    first.reset();
    first = instanceIn(trial);
    trial.expect(first->start() == SingleInstance::Role::Primary, "the next start fails");
}

QString callAt(int nth, const std::string &name)
{
    return QStringLiteral("%1 #%2").arg(QString::fromStdString(name)).arg(nth);
}

// One line for all errors with the same outcome.
class Table
{
public:
    Table() : m_file(QStringLiteral(TABLE_FILE)) { }

    void add(const QString &scenario, const Fault &fault, const QString &outcome)
    {
        m_rows[{scenario, callAt(fault.nth, fault.call)}][outcome] << QString::fromLatin1(::strerrorname_np(fault.error));
        m_calls.insert(QString::fromStdString(fault.call));
        m_errors.insert(fault.error);
        ++m_faults;
    }

    void addWrong() { ++m_wrong; }

    void write()
    {
        if (!m_file.open(QIODevice::WriteOnly))
            return;
        const QString sum = QStringLiteral("%1 faults: %2 functions, %3 places in %4 scenarios, %5 error numbers; %6 wrong outcomes")
                                .arg(m_faults)
                                .arg(m_calls.size())
                                .arg(m_rows.size())
                                .arg(m_scenarios.size())
                                .arg(m_errors.size())
                                .arg(m_wrong);
        QString text = QStringLiteral("# Each call fails once\n\n%1.\n\n| while | call | fails with | and then |\n|---|---|---|---|\n").arg(sum);
        for (auto row = m_rows.cbegin(); row != m_rows.cend(); ++row) {
            for (auto outcome = row.value().cbegin(); outcome != row.value().cend(); ++outcome)
                text += QStringLiteral("| %1 | %2 | %3 | %4 |\n").arg(row.key().first, row.key().second, outcome.value().join(u' '), outcome.key());
        }
        m_file.write(text.toUtf8());
        m_file.close();
        qInfo("%s. Each is in %s", qPrintable(sum), TABLE_FILE);
    }

    void addScenario(const QString &scenario) { m_scenarios.insert(scenario); }

private:
    QFile m_file;
    QMap<std::pair<QString, QString>, QMap<QString, QStringList>> m_rows;
    QSet<QString> m_scenarios;
    QSet<QString> m_calls;
    QSet<int> m_errors;
    int m_faults = 0;
    int m_wrong = 0;
};

std::map<std::string, int> countsOf(const std::vector<std::string> &calls)
{
    std::map<std::string, int> result;
    for (const std::string &call : calls)
        ++result[call];
    return result;
}

} // namespace

// Each call of the C library by which the library asks something of the system fails once with each error that its
// manual page names. Which calls these are is found out by a run in which none fails.
class TestFaults : public QObject
{
    Q_OBJECT

    Table m_table;

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
        if (qEnvironmentVariableIsSet("QTLOCKFILE_LONG")) // it makes more calls than all others, and some of its faults take a second
            QTest::newRow("starting the first instance") << &becomeTheOneInstance;
        QTest::newRow("restarting in vain") << &restartWithAProgramThatFails;
    }

    void eachCallFailsOnceWhile()
    {
        QFETCH(const Scenario, scenario);
        const QString name = QString::fromUtf8(QTest::currentDataTag());
        m_table.addScenario(name);
        std::map<std::string, int> counts;
        for (int round = 0; round < 3; ++round) { // what happens at the first use only is over then
            Trial trial{Fault()};
            scenario(trial);
            QVERIFY2(trial.wrong().isEmpty(), qPrintable(trial.wrong().join(u'\n')));
            counts = countsOf(trial.calls());
        }
        QVERIFY(!counts.empty());
        QStringList wrong;
        int descriptors = openDescriptors();
        for (const auto &[call, count] : counts) {
            for (int nth = 1; nth <= count; ++nth) {
                for (const int error : FaultyCalls::errorsOf(call)) {
                    const Fault fault{call, nth, error};
                    Trial trial(fault);
                    scenario(trial);
                    trial.expect(must([&] { return openDescriptors() <= descriptors; }), "a descriptor leaks");
                    descriptors = std::max(descriptors, openDescriptors());
                    if (!FaultyCalls::hasStruck())
                        continue; // the threads went another way
                    m_table.add(name, fault, trial.outcome());
                    for (const QString &what : trial.wrong()) {
                        m_table.addWrong();
                        wrong << QStringLiteral("%1 with %2: %3").arg(callAt(nth, call), QString::fromLatin1(::strerrorname_np(error)), what);
                    }
                }
            }
        }
        QVERIFY2(wrong.isEmpty(), qPrintable(wrong.join(u'\n')));
    }

    void cleanupTestCase() { m_table.write(); }
};

QTEST_GUILESS_MAIN(TestFaults)
#include "tst_faults.moc"
