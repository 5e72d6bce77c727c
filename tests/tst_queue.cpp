// SPDX-License-Identifier: 0BSD
#include "participant.h"

#include <QtCore/qstandardpaths.h>
#include <QtCore/qtemporarydir.h>
#include <QtTest/qtest.h>

#include <vector>

// Order and removal, with real processes: whoever holds, waits and comes too late here is a process of its own.

namespace {

const QByteArray kGateByte = QByteArray::number(qint64(1) << 61);

class tst_Queue : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init();
    void fiftyWaitersAreServedInTheOrderInWhichTheyQueued_data() { removalRows(); }
    void fiftyWaitersAreServedInTheOrderInWhichTheyQueued();
    void whoReleasesAndAtOnceAcquiresAgainOvertakesNobody_data() { removalRows(); }
    void whoReleasesAndAtOnceAcquiresAgainOvertakesNobody();
    void aWaiterThatGivesUpInTheMiddleDoesNotDisturbTheOrder_data();
    void aWaiterThatGivesUpInTheMiddleDoesNotDisturbTheOrder();
    void aKilledHolderFreesItsWaiter_data() { removalRows(); }
    void aKilledHolderFreesItsWaiter();
    void aFileThatACrashLeftBehindIsLockedAtOnceAndRemoved();
    void aStoppedWaiterStopsThoseBehindItWhoCanStillCancel();
    void theOrderSurvivesAnOutsiderOnTheNewFile_data();
    void theOrderSurvivesAnOutsiderOnTheNewFile();
    void aHolderDoesNotRemoveTheFileOfAnother();
    void aProcessStoppedInTheGateDelaysNoHandOver_data() { removalRows(); }
    void aProcessStoppedInTheGateDelaysNoHandOver();
    void aProcessStoppedInTheGateOfAFreeFileRefusesATryWithoutAName();
    void whoLeavesOutlastsAPassingGateAndRemovesTheFile();
    void eachHolderOfAQueueIsNamed_data() { removalRows(); }
    void eachHolderOfAQueueIsNamed();
    void theNameTagGoesBeforeTheTicket();
    void aCrowdNeverHoldsTwice_data();
    void aCrowdNeverHoldsTwice();

private:
    static void removalRows();
    OtherPtr participant(bool remove = true);
    std::vector<OtherPtr> queue(int count, bool remove = true);
    bool exists() const { return QFile::exists(m_path); }

    std::unique_ptr<QTemporaryDir> m_folder;
    QString m_path;
};

void tst_Queue::init()
{
    m_folder = std::make_unique<QTemporaryDir>();
    QVERIFY(m_folder->isValid());
    m_path = m_folder->filePath(QStringLiteral("lock"));
}

void tst_Queue::removalRows()
{
    QTest::addColumn<bool>("remove");
    QTest::newRow("the file is removed") << true;
    QTest::newRow("the file is kept") << false;
}

OtherPtr tst_Queue::participant(bool remove)
{
    OtherPtr one = startParticipant(m_path);
    if (!remove)
        one->tell("keep");
    return one;
}

// The first holds, the others wait, in order; empty where that failed.
std::vector<OtherPtr> tst_Queue::queue(int count, bool remove)
{
    std::vector<OtherPtr> all;
    for (int i = 0; i < count; ++i) {
        all.push_back(participant(remove));
        all.back()->tell("acquire");
        if (i == 0 ? all.back()->hear() != "acquired" : !isLastInQueue(m_path, all.back()->pid()))
            return {};
    }
    return all;
}

void tst_Queue::fiftyWaitersAreServedInTheOrderInWhichTheyQueued()
{
    QFETCH(const bool, remove);
    constexpr int kWaiters = 50;
    const QString log = m_folder->filePath(QStringLiteral("log"));

    const OtherPtr holder = participant(remove);
    QCOMPARE(holder->ask("acquire"), "acquired");
    std::vector<OtherPtr> waiters;
    QByteArray order;
    for (int i = 0; i < kWaiters; ++i) {
        waiters.push_back(participant(remove));
        waiters.back()->tell("serve " + QFile::encodeName(log));
        QVERIFY(isLastInQueue(m_path, waiters.back()->pid()));
        order += QByteArray::number(waiters.back()->pid()) + '\n';
    }
    QCOMPARE(QtLockFile::LockQueue::of(m_path).waiters().size(), kWaiters);
    QCOMPARE(waiters.back()->ask("position"), "position " + QByteArray::number(kWaiters));

    QCOMPARE(holder->ask("release"), "released");
    for (const OtherPtr &waiter : waiters)
        QCOMPARE(waiter->hear(), "released");
    QFile file(log);
    QVERIFY(file.open(QIODevice::ReadOnly));
    QCOMPARE(file.readAll(), order);
    QCOMPARE(exists(), !remove);
}

void tst_Queue::whoReleasesAndAtOnceAcquiresAgainOvertakesNobody()
{
    QFETCH(const bool, remove);
    const std::vector<OtherPtr> two = queue(2, remove);
    QCOMPARE(two.size(), 2u);
    for (int round = 0; round < 100; ++round) {
        Other &holder = *two[size_t(round % 2)];
        Other &waiter = *two[size_t((round + 1) % 2)];
        QCOMPARE(holder.ask("again"), "released");
        QCOMPARE(waiter.hear(), "acquired");
        QVERIFY(isLastInQueue(m_path, holder.pid())); // and not the holder
    }
    QCOMPARE(two[0]->ask("release"), "released");
    QCOMPARE(two[1]->hear(), "acquired");
    QCOMPARE(two[1]->ask("release"), "released");
    QCOMPARE(exists(), !remove);
}

void tst_Queue::aWaiterThatGivesUpInTheMiddleDoesNotDisturbTheOrder_data()
{
    QTest::addColumn<QByteArray>("how");
    QTest::addColumn<int>("howMany");
    for (const QByteArray how : {"killed", "cancelled", "timed out"}) {
        QTest::addRow("one is %s", how.constData()) << how << 1;
        QTest::addRow("two in a row are %s", how.constData()) << how << 2;
    }
}

void tst_Queue::aWaiterThatGivesUpInTheMiddleDoesNotDisturbTheOrder()
{
    QFETCH(const QByteArray, how);
    QFETCH(const int, howMany);
    std::vector<OtherPtr> before = queue(2);
    QCOMPARE(before.size(), 2u);
    std::vector<OtherPtr> middle;
    for (int i = 0; i < howMany; ++i) {
        middle.push_back(participant());
        if (how == "timed out")
            middle.back()->tell("timeout 1500"); // long enough to be in the queue before it passes
        middle.back()->tell("acquire");
        QVERIFY(isLastInQueue(m_path, middle.back()->pid()));
    }
    std::vector<OtherPtr> behind;
    for (int i = 0; i < 2; ++i) {
        behind.push_back(participant());
        behind.back()->tell("acquire");
        QVERIFY(isLastInQueue(m_path, behind.back()->pid()));
    }

    const QByteArray holder = QByteArray::number(before[0]->pid());
    for (const OtherPtr &one : middle) {
        if (how == "killed")
            one->kill();
        else if (how == "cancelled")
            QVERIFY(one->ask("cancel").startsWith("failed Cancelled"));
        else
            QCOMPARE(one->hear(), "failed TimedOut " + holder);
    }

    QVERIFY(behind[0]->isSilent());
    QCOMPARE(before[0]->ask("release"), "released");
    QCOMPARE(before[1]->hear(), "acquired");
    QVERIFY(behind[0]->isSilent());
    QCOMPARE(before[1]->ask("release"), "released");
    QCOMPARE(behind[0]->hear(), "acquired");
    QVERIFY(behind[1]->isSilent());
    QCOMPARE(behind[0]->ask("release"), "released");
    QCOMPARE(behind[1]->hear(), "acquired");
    QCOMPARE(behind[1]->ask("release"), "released");
    QVERIFY(!exists());
}

void tst_Queue::aKilledHolderFreesItsWaiter()
{
    QFETCH(const bool, remove);
    const std::vector<OtherPtr> two = queue(2, remove);
    QCOMPARE(two.size(), 2u);
    two[0]->kill();
    QCOMPARE(two[1]->hear(), "acquired");
    QCOMPARE(QtLockFile::LockQueue::of(m_path).holder().pid(), two[1]->pid());
    QCOMPARE(two[1]->ask("release"), "released");
    QCOMPARE(exists(), !remove);
}

void tst_Queue::aFileThatACrashLeftBehindIsLockedAtOnceAndRemoved()
{
    const std::vector<OtherPtr> crash = queue(2);
    QCOMPARE(crash.size(), 2u);
    crash[1]->kill();
    crash[0]->kill();
    QVERIFY(exists());
    const OtherPtr next = participant();
    QCOMPARE(next->ask("try"), "acquired");
    QCOMPARE(next->ask("release"), "released");
    QVERIFY(!exists());
}

void tst_Queue::aStoppedWaiterStopsThoseBehindItWhoCanStillCancel()
{
    const std::vector<OtherPtr> all = queue(4);
    QCOMPARE(all.size(), 4u);
    QVERIFY(all[1]->stop());
    QCOMPARE(all[0]->ask("release"), "released");
    QVERIFY(all[2]->isSilent());
    QVERIFY(all[3]->isSilent());
    QVERIFY(all[2]->ask("cancel").startsWith("failed Cancelled"));
    QVERIFY(all[3]->isSilent());
    QVERIFY(all[1]->goOn());
    QCOMPARE(all[1]->hear(), "acquired");
    QVERIFY(all[3]->isSilent());
    QCOMPARE(all[1]->ask("release"), "released");
    QCOMPARE(all[3]->hear(), "acquired");
    QCOMPARE(all[3]->ask("release"), "released");
    QVERIFY(!exists());
}

void tst_Queue::theOrderSurvivesAnOutsiderOnTheNewFile_data()
{
    QTest::addColumn<bool>("replace");
    QTest::addColumn<bool>("remove");
    QTest::newRow("removed by an outsider, and by us at the end") << false << true;
    QTest::newRow("removed by an outsider, and kept by us") << false << false;
    QTest::newRow("replaced by an outsider, and removed by us at the end") << true << true;
    QTest::newRow("replaced by an outsider, and kept by us") << true << false;
}

void tst_Queue::theOrderSurvivesAnOutsiderOnTheNewFile()
{
    QFETCH(const bool, replace);
    QFETCH(const bool, remove);
    const std::vector<OtherPtr> all = queue(6, remove);
    QCOMPARE(all.size(), 6u);
    if (replace) {
        const QString other = m_folder->filePath(QStringLiteral("other"));
        QVERIFY(QFile(other).open(QIODevice::WriteOnly));
        QCOMPARE(std::rename(QFile::encodeName(other).constData(), QFile::encodeName(m_path).constData()), 0);
    } else {
        QVERIFY(QFile::remove(m_path));
    }
    for (size_t i = 0; i + 1 < all.size(); ++i) {
        QCOMPARE(all[i]->ask("release"), "released");
        QCOMPARE(all[i + 1]->hear(), "acquired");
        // On the file that newcomers meet, too: it is this one that a newcomer is told of.
        QCOMPARE(QtLockFile::LockQueue::of(m_path).holder().pid(), all[i + 1]->pid());
        for (size_t behind = i + 2; behind < all.size(); ++behind) {
            QVERIFY(must([&] { return QtLockFile::LockQueue::of(m_path).waiters().size() == qsizetype(all.size() - i - 2); }));
            QCOMPARE(QtLockFile::LockQueue::of(m_path).waiters().at(qsizetype(behind - i - 2)).pid(), all[behind]->pid());
        }
    }
    QCOMPARE(all.back()->ask("release"), "released");
    QCOMPARE(exists(), !remove);
}

void tst_Queue::aHolderDoesNotRemoveTheFileOfAnother()
{
    const OtherPtr first = participant();
    QCOMPARE(first->ask("acquire"), "acquired");
    QVERIFY(QFile::remove(m_path));
    const OtherPtr second = participant();
    QCOMPARE(second->ask("acquire"), "acquired");
    QCOMPARE(first->ask("release"), "released");
    QVERIFY(exists());
    QCOMPARE(participant()->ask("try"), "failed Held " + QByteArray::number(second->pid()));
    QCOMPARE(second->ask("release"), "released");
    QVERIFY(!exists());
}

void tst_Queue::aProcessStoppedInTheGateDelaysNoHandOver()
{
    QFETCH(const bool, remove);
    const std::vector<OtherPtr> all = queue(4, remove);
    QCOMPARE(all.size(), 4u);
    const OtherPtr inGate = startStranger(m_path);
    QCOMPARE(inGate->ask("own write " + kGateByte + " 1"), "locked");
    QCOMPARE(inGate->ask("stop"), "stopped");
    QVERIFY(inGate->isStopped());

    QCOMPARE(all[0]->ask("release"), "released");
    QCOMPARE(all[1]->hear(), "acquired");
    const OtherPtr bystander = participant(remove);
    QCOMPARE(bystander->ask("try"), "failed Held " + QByteArray::number(all[1]->pid()));
    QVERIFY(all[2]->ask("cancel").startsWith("failed Cancelled"));
    QCOMPARE(all[1]->ask("release"), "released");
    QCOMPARE(all[3]->hear(), "acquired");

    // One who wants to draw waits for the gate, and can be ended there.
    bystander->tell("acquire");
    QVERIFY(bystander->isSilent());
    QVERIFY(bystander->ask("cancel").startsWith("failed Cancelled"));
    bystander->tell("acquire");
    QVERIFY(bystander->isSilent());

    QCOMPARE(all[3]->ask("release"), "released");
    QVERIFY(exists());
    QVERIFY(bystander->isSilent());
    inGate->kill();
    QCOMPARE(bystander->hear(), "acquired");
    QCOMPARE(bystander->ask("release"), "released");
    QCOMPARE(exists(), !remove);
}

void tst_Queue::aProcessStoppedInTheGateOfAFreeFileRefusesATryWithoutAName()
{
    const OtherPtr inGate = startStranger(m_path);
    QCOMPARE(inGate->ask("own write " + kGateByte + " 1"), "locked");
    QCOMPARE(inGate->ask("stop"), "stopped");
    QVERIFY(inGate->isStopped());
    const OtherPtr other = participant();
    QCOMPARE(other->ask("try"), "failed Held -1");
    QVERIFY(exists());
    inGate->kill();
    QCOMPARE(other->ask("try"), "acquired");
    QCOMPARE(other->ask("release"), "released");
    QVERIFY(!exists());
}

void tst_Queue::whoLeavesOutlastsAPassingGateAndRemovesTheFile()
{
    const OtherPtr holder = participant();
    bool removed = false;
    for (int round = 0; round < 5 && !removed; ++round) { // a machine under load may take longer than a leave does wait
        QCOMPARE(holder->ask("acquire"), "acquired");
        const OtherPtr inGate = startStranger(m_path);
        QCOMPARE(inGate->ask("own write " + kGateByte + " 1"), "locked");
        holder->tell("release");
        QVERIFY(must([&] { return !QtLockFile::LockQueue::of(m_path).isHeld(); }));
        QCOMPARE(inGate->ask("unlock"), "unlocked");
        QCOMPARE(holder->hear(), "released");
        removed = !exists();
    }
    QVERIFY(removed);
}

void tst_Queue::eachHolderOfAQueueIsNamed()
{
    QFETCH(const bool, remove);
    const std::vector<OtherPtr> all = queue(6, remove);
    QCOMPARE(all.size(), 6u);
    const OtherPtr bystander = participant(remove);
    for (size_t i = 0; i < all.size(); ++i) {
        if (i > 0)
            QCOMPARE(all[i]->hear(), "acquired");
        QCOMPARE(bystander->ask("try"), "failed Held " + QByteArray::number(all[i]->pid()));
        QCOMPARE(QtLockFile::LockQueue::of(m_path).holder().pid(), all[i]->pid());
        QCOMPARE(all[i]->ask("release"), "released");
    }
    QCOMPARE(bystander->ask("try"), "acquired");
    QCOMPARE(bystander->ask("release"), "released");
    QCOMPARE(exists(), !remove);
}

// Seen in the calls themselves: the next owner of the same ticket meets the old tag in one case of many only.
void tst_Queue::theNameTagGoesBeforeTheTicket()
{
    const QString strace = QStandardPaths::findExecutable(QStringLiteral("strace"));
    if (strace.isEmpty())
        QSKIP("strace is not installed");
    const QString log = m_folder->filePath(QStringLiteral("calls"));
    // LeakSanitizer does not work under strace.
    Other one(QStringLiteral("env"),
              {QStringLiteral("ASAN_OPTIONS=detect_leaks=0"), strace, QStringLiteral("-f"), QStringLiteral("-o"), log, QStringLiteral("-e"),
               QStringLiteral("trace=fcntl"), QStringLiteral(PARTICIPANT_PROGRAM), m_path});
    QVERIFY(one.pid() > 0);
    QCOMPARE(one.ask("acquire"), "acquired");
    QCOMPARE(one.ask("release"), "released");
    QByteArray calls;
    const auto find = [&](const char *lock, const QByteArray &bytes) {
        return calls.indexOf(QByteArray(lock) + ", {l_type=F_UNLCK, l_whence=SEEK_SET, " + bytes);
    };
    QVERIFY(must([&] {
        QFile file(log);
        calls = file.open(QIODevice::ReadOnly) ? file.readAll() : QByteArray();
        return find("F_OFD_SETLK", "l_start=0, l_len=0") >= 0;
    }));
    const qsizetype tag = find(" F_SETLK", "l_start=" + QByteArray::number((qint64(1) << 61) + 1) + ", l_len=1");
    QVERIFY2(tag >= 0, calls.constData());
    QVERIFY2(tag < find("F_OFD_SETLK", "l_start=0, l_len=0"), calls.constData());
}

void tst_Queue::aCrowdNeverHoldsTwice_data()
{
    QTest::addColumn<int>("keepers"); // of six
    QTest::newRow("all remove the file") << 0;
    QTest::newRow("all keep the file") << 6;
    QTest::newRow("some remove the file, some keep it") << 3;
}

void tst_Queue::aCrowdNeverHoldsTwice()
{
    QFETCH(const int, keepers);
    const QByteArray inside = QFile::encodeName(m_folder->filePath(QStringLiteral("inside")));
    std::vector<OtherPtr> crowd;
    for (int i = 0; i < 6; ++i)
        crowd.push_back(participant(i >= keepers));
    for (const OtherPtr &one : crowd)
        one->tell("crowd 300 " + inside);
    for (const OtherPtr &one : crowd)
        QCOMPARE(one->hear(), "crowded");
    QVERIFY(!QtLockFile::LockQueue::of(m_path).isHeld());
    if (keepers == 0)
        QVERIFY(!exists());
    else if (keepers == 6)
        QVERIFY(exists());
}

} // namespace

QTEST_GUILESS_MAIN(tst_Queue)
#include "tst_queue.moc"
