// SPDX-License-Identifier: 0BSD
#include "instancetest.h"

#include <QtLockFile/LockQueue>

class TestSingleInstanceCrash : public InstanceTest
{
    Q_OBJECT

private Q_SLOTS:
    void init() { InstanceTest::init(); }
    void primaryThatEndsIsReplacedAtOnce_data();
    void primaryThatEndsIsReplacedAtOnce();
    void secondaryBecomesPrimaryWhenThePrimaryIsKilled_data();
    void secondaryBecomesPrimaryWhenThePrimaryIsKilled();
    void crashedOnMessageIsNotHandedOn();
    void senderLearnsThatItsMessageWentWithThePrimary();
    void messageTellsOfAPrimaryThatIsGone();
    void answerCountsThoughThePrimaryQuitsAtOnce_data();
    void answerCountsThoughThePrimaryQuitsAtOnce();
    void stoppedPrimaryIsNotResponding();
    void stoppedPrimaryGoesOnWhereItWas_data();
    void stoppedPrimaryGoesOnWhereItWas();
    void primaryThatAnsweredLateMayStillBeKilled();
    void secondaryMayBeKilledAtAnyStage_data();
    void secondaryMayBeKilledAtAnyStage();
    void stoppedSecondaryHoldsNobodyUp();
    void nextPrimaryGetsWhatSomebodyWaitsFor();
};

void TestSingleInstanceCrash::primaryThatEndsIsReplacedAtOnce_data()
{
    QTest::addColumn<QByteArray>("how");
    QTest::newRow("quits") << QByteArray("quit");
    QTest::newRow("killed while idle") << QByteArray("kill");
    QTest::newRow("killed while stopped") << QByteArray("stop");
    QTest::newRow("killed while busy") << QByteArray("block");
}

void TestSingleInstanceCrash::primaryThatEndsIsReplacedAtOnce()
{
    QFETCH(const QByteArray, how);
    Instance first(path());
    first.start();
    QVERIFY(first.says("ready"));
    if (how == "quit") {
        first.tell("quit");
        QVERIFY(first.ends());
    } else {
        if (how == "stop")
            first.signal(SIGSTOP);
        if (how == "block") {
            first.tell("block");
            QVERIFY(first.says("blocking"));
        }
        QVERIFY(first.kill());
    }
    Instance second(path());
    second.start();
    QVERIFY(second.says("role Primary"));
}

void TestSingleInstanceCrash::secondaryBecomesPrimaryWhenThePrimaryIsKilled_data()
{
    QTest::addColumn<QByteArray>("stage");
    QTest::newRow("before its event loop picks the message up") << QByteArray("busy");
    QTest::newRow("stopped before that") << QByteArray("stopped");
    QTest::newRow("while the slot runs") << QByteArray("slot");
    QTest::newRow("while the slot shows a dialog") << QByteArray("dialog");
    QTest::newRow("by the slot") << QByteArray("crash");
}

void TestSingleInstanceCrash::secondaryBecomesPrimaryWhenThePrimaryIsKilled()
{
    QFETCH(const QByteArray, stage);
    Instance first(path());
    first.start();
    QVERIFY(first.says("ready"));
    if (stage == "busy") {
        first.tell("block");
        QVERIFY(first.says("blocking"));
    } else if (stage == "stopped") {
        first.signal(SIGSTOP);
    }
    Instance second(path());
    second.with(payload(stage == "slot" ? "block" : stage == "dialog" ? "dialog" : stage == "crash" ? "crash" : "hello"));
    second.with({QStringLiteral("--async")}).start();
    QVERIFY(second.says("role Secondary"));
    if (stage == "busy" || stage == "stopped")
        QTRY_VERIFY_WITH_TIMEOUT(!messagesIn(messages()).isEmpty(), kMust);
    else
        QVERIFY(first.says("activated "));
    if (stage != "crash")
        QVERIFY(first.kill());
    QVERIFY(second.says("reply Gone"));
    QVERIFY(second.says("primary "));
    QTRY_VERIFY_WITH_TIMEOUT(messagesIn(messages()).isEmpty(), kMust);
    Instance third(path());
    third.start();
    QVERIFY(third.says("reply Done"));
}

void TestSingleInstanceCrash::crashedOnMessageIsNotHandedOn()
{
    Instance first(path());
    first.start();
    QVERIFY(first.says("ready"));
    Instance waiting(path());
    waiting.with({QStringLiteral("--async")}).with(payload("block")).start();
    QVERIFY(waiting.says("reply Answering"));
    Instance other(path());
    other.with({QStringLiteral("--async")}).with(payload("hello")).start();
    QVERIFY(other.says("role Secondary"));
    QTRY_COMPARE_WITH_TIMEOUT(messagesIn(messages()).size(), 2, kMust);
    QVERIFY(first.kill());
    // The first of them is the primary now, and nobody else has its message; the other's had not been picked up, and is handled.
    QVERIFY(waiting.says("primary "));
    QVERIFY(other.says("reply Done"));
    QCOMPARE(waiting.activationPayload(), QByteArray("hello"));
    QVERIFY(!waiting.says("activated ", kShort));
}

void TestSingleInstanceCrash::senderLearnsThatItsMessageWentWithThePrimary()
{
    Instance first(path());
    first.start();
    QVERIFY(first.says("ready"));
    OwnInstance next(path()); // has the lock before the sender
    QCOMPARE(next.start(), Role::Secondary);
    next.takeOver();
    QTRY_COMPARE_WITH_TIMEOUT(next.position(), 1, kMust);
    QVERIFY(first.says("activated "));
    Instance sender(path());
    sender.with({QStringLiteral("--async")}).with(payload("block")).start();
    QVERIFY(sender.says("reply Answering"));
    QSignalSpy activated(&next, &SingleInstance::activated);
    QVERIFY(first.kill());
    QTRY_COMPARE_WITH_TIMEOUT(next.role(), Role::Primary, kMust);
    QTRY_VERIFY_WITH_TIMEOUT(messagesIn(messages()).isEmpty(), kMust);
    QVERIFY(sender.says("reply Gone"));
    QVERIFY(activated.isEmpty());
}

void TestSingleInstanceCrash::messageTellsOfAPrimaryThatIsGone()
{
    Instance first(path());
    first.start();
    QVERIFY(first.says("ready"));
    Instance next(path()); // has the lock before the sender
    next.with({QStringLiteral("--async")}).start();
    QVERIFY(next.says("reply Done"));
    const auto waiters = [this] { return QtLockFile::LockQueue::of(messages() + QStringLiteral("/lock")).waiters().size(); };
    QTRY_COMPARE_WITH_TIMEOUT(waiters(), 0, kMust); // it has left the place in which it waited for the reply
    next.tell("takeover");
    QTRY_COMPARE_WITH_TIMEOUT(waiters(), 1, kMust);
    OwnInstance sender(path());
    sender.setTimeout(kLong);
    sender.setPayload("block");
    sender.startAsync();
    QTRY_COMPARE_WITH_TIMEOUT(sender.reply(), Reply::Answering, kMust);
    QVERIFY(first.kill());
    QTRY_COMPARE_WITH_TIMEOUT(sender.reply(), Reply::Gone, kMust);
    QCOMPARE(sender.role(), Role::Secondary);
    QVERIFY(sender.message().contains(QStringLiteral("ended before it had answered")));
}

void TestSingleInstanceCrash::answerCountsThoughThePrimaryQuitsAtOnce_data()
{
    QTest::addColumn<bool>("async");
    QTest::newRow("blocking") << false;
    QTest::newRow("asynchronous") << true;
}

// The sender finds the answer and the lock at the same time.
void TestSingleInstanceCrash::answerCountsThoughThePrimaryQuitsAtOnce()
{
    QFETCH(const bool, async);
    Instance first(path());
    first.start();
    QVERIFY(first.says("ready"));
    first.tell("block");
    QVERIFY(first.says("blocking"));
    Instance second(path());
    second.with(async ? QStringList{QStringLiteral("--async")} : QStringList()).with(payload("quit")).start();
    QTRY_COMPARE_WITH_TIMEOUT(messagesIn(messages()).size(), 1, kMust);
    QVERIFY(must([&] { return QtLockFile::LockQueue::of(messages() + QStringLiteral("/lock")).waiters().size() == 1; }));
    second.signal(SIGSTOP);
    first.tell("go on");
    QVERIFY(first.ends());
    second.signal(SIGCONT);
    QVERIFY(second.says("reply Done"));
    QVERIFY(!second.says("primary ", kShort));
}

void TestSingleInstanceCrash::stoppedPrimaryIsNotResponding()
{
    Instance first(path());
    first.start();
    QVERIFY(first.says("ready"));
    first.signal(SIGSTOP);
    Instance second(path());
    second.with({QStringLiteral("--timeout"), QStringLiteral("200")}).with(payload("later")).start();
    QVERIFY(second.says("reply NotResponding"));
    QVERIFY(first.isRunning());
    // Trying again does not send it twice.
    second.tell("start");
    QVERIFY(second.says("reply NotResponding"));
    QCOMPARE(messagesIn(messages()).size(), 1);
    first.signal(SIGCONT);
    QCOMPARE(first.activationPayload(), QByteArray("later"));
    second.tell("start");
    QVERIFY(second.says("reply Done"));
    QVERIFY(!first.says("activated ", kShort));
}

void TestSingleInstanceCrash::stoppedPrimaryGoesOnWhereItWas_data()
{
    QTest::addColumn<QByteArray>("message");
    QTest::addColumn<bool>("isPickedUp");
    QTest::newRow("stopped before its event loop picks the message up") << QByteArray("hello") << false;
    QTest::newRow("stopped while the slot runs") << QByteArray("block") << true;
    QTest::newRow("stopped while the slot shows a dialog") << QByteArray("dialog") << true;
}

void TestSingleInstanceCrash::stoppedPrimaryGoesOnWhereItWas()
{
    QFETCH(const QByteArray, message);
    QFETCH(const bool, isPickedUp);
    Instance first(path());
    first.start();
    QVERIFY(first.says("ready"));
    if (!isPickedUp)
        first.signal(SIGSTOP);
    OwnInstance second(path());
    second.setPayload(message);
    second.setTimeout(50ms);
    QSignalSpy replied(&second, &SingleInstance::replied);
    second.startAsync();
    if (isPickedUp) {
        QTRY_COMPARE_WITH_TIMEOUT(second.reply(), Reply::Answering, kMust);
        first.signal(SIGSTOP);
    } else {
        QTRY_COMPARE_WITH_TIMEOUT(second.reply(), Reply::NotResponding, kMust);
    }
    // Nobody takes its place, and another start is told the truth.
    OwnInstance third(path());
    third.setTimeout(50ms);
    QCOMPARE(third.start(), Role::Secondary);
    QCOMPARE(third.reply(), Reply::NotResponding);
    QCOMPARE(third.primary().pid(), first.pid());
    QVERIFY(third.message().contains(QStringLiteral("does not respond")));
    QVERIFY(first.isRunning());

    first.signal(SIGCONT);
    if (message == "block")
        first.tell("go on");
    QCOMPARE(first.activationPayload(), message);
    if (message == "dialog") {
        QTRY_COMPARE_WITH_TIMEOUT(third.start() == Role::Secondary ? third.reply() : Reply::None, Reply::Done, kMust);
        QCOMPARE(second.reply(), Reply::Answering);
    } else {
        QTRY_COMPARE_WITH_TIMEOUT(second.reply(), Reply::Done, kMust);
    }
    if (isPickedUp)
        QTRY_COMPARE_WITH_TIMEOUT(replied.size(), message == "dialog" ? 1 : 2, kMust);
    QCOMPARE(second.role(), Role::Secondary);
}

void TestSingleInstanceCrash::primaryThatAnsweredLateMayStillBeKilled()
{
    Instance first(path());
    first.start();
    QVERIFY(first.says("ready"));
    first.signal(SIGSTOP);
    OwnInstance second(path());
    second.setPayload("block");
    second.setTimeout(50ms);
    second.startAsync();
    QTRY_COMPARE_WITH_TIMEOUT(second.reply(), Reply::NotResponding, kMust);
    first.signal(SIGCONT);
    QTRY_COMPARE_WITH_TIMEOUT(second.reply(), Reply::Answering, kMust);
    QVERIFY(first.kill());
    QTRY_COMPARE_WITH_TIMEOUT(second.role(), Role::Primary, kMust);
    QCOMPARE(second.reply(), Reply::Gone);
}

void TestSingleInstanceCrash::secondaryMayBeKilledAtAnyStage_data()
{
    QTest::addColumn<QByteArray>("stage");
    QTest::newRow("before it is picked up") << QByteArray("sent");
    QTest::newRow("while the slot runs") << QByteArray("slot");
    QTest::newRow("while the slot refuses") << QByteArray("refusal");
}

// Its message is handled once, and nothing of it is left.
void TestSingleInstanceCrash::secondaryMayBeKilledAtAnyStage()
{
    QFETCH(const QByteArray, stage);
    Instance first(path());
    first.start();
    QVERIFY(first.says("ready"));
    const char *const message = stage == "sent" ? "hello" : stage == "slot" ? "block" : "refuse after";
    if (stage == "sent") {
        first.tell("block");
        QVERIFY(first.says("blocking"));
    }
    Instance second(path());
    second.with(payload(message)).start();
    if (stage == "sent") {
        QTRY_COMPARE_WITH_TIMEOUT(QDir(messages()).entryList({QStringLiteral("*.message")}).size(), 1, kMust);
        QVERIFY(second.kill());
        first.tell("go on");
        QCOMPARE(first.activationPayload(), QByteArray(message));
    } else {
        QCOMPARE(first.activationPayload(), QByteArray(message));
        QVERIFY(second.kill());
        first.tell("go on");
    }
    QTRY_VERIFY_WITH_TIMEOUT(messagesIn(messages()).isEmpty(), kMust);
    QVERIFY(!first.says("activated ", kShort));
    OwnInstance third(path());
    third.setTimeout(kLong);
    QCOMPARE(third.start(), Role::Secondary);
    QCOMPARE(third.reply(), Reply::Done);
}

void TestSingleInstanceCrash::stoppedSecondaryHoldsNobodyUp()
{
    Instance first(path());
    first.start();
    QVERIFY(first.says("ready"));
    first.tell("block");
    QVERIFY(first.says("blocking"));
    Instance second(path());
    second.start();
    QTRY_COMPARE_WITH_TIMEOUT(QDir(messages()).entryList({QStringLiteral("*.message")}).size(), 1, kMust);
    second.signal(SIGSTOP);
    first.tell("go on");
    QVERIFY(first.says("activated "));
    OwnInstance third(path());
    third.setTimeout(kLong);
    QCOMPARE(third.start(), Role::Secondary);
    QCOMPARE(third.reply(), Reply::Done);
    QVERIFY(first.says("activated "));
    second.signal(SIGCONT);
    QVERIFY(second.says("reply Done"));
}

void TestSingleInstanceCrash::nextPrimaryGetsWhatSomebodyWaitsFor()
{
    Instance first(path());
    first.start();
    QVERIFY(first.says("ready"));
    first.tell("block");
    QVERIFY(first.says("blocking"));
    Instance gone(path());
    gone.with(payload("nobody waits")).start();
    QTRY_COMPARE_WITH_TIMEOUT(QDir(messages()).entryList({QStringLiteral("*.message")}).size(), 1, kMust);
    Instance waiting(path());
    waiting.with({QStringLiteral("--async"), QStringLiteral("--timeout"), QStringLiteral("50")}).with(payload("somebody waits")).start();
    QVERIFY(waiting.says("reply NotResponding"));
    QVERIFY(gone.kill());
    QVERIFY(first.kill());
    Instance next(path());
    next.start();
    QVERIFY(next.says("role Primary"));
    QCOMPARE(next.activationPayload(), QByteArray("somebody waits"));
    QVERIFY(waiting.says("reply Done"));
    QVERIFY(!next.says("activated ", kShort));
}

QTEST_GUILESS_MAIN(TestSingleInstanceCrash)
#include "tst_singleinstancecrash.moc"
