// SPDX-License-Identifier: 0BSD
#include "instancetest.h"

#include <cerrno>

#include <sys/syscall.h>

class TestSingleInstanceSuccession : public InstanceTest
{
    Q_OBJECT

    // The command line of python3 that becomes an instance which inherits something, as `what` says.
    QStringList heirOf(const QString &what) const;

private Q_SLOTS:
    void init() { InstanceTest::init(); }
    void takeOverWaitsInTheQueue();
    void takeOverCanBeCancelled();
    void takeOverFollowsAnAnswerAtOnce();
    void restartKeepsThePlaces();
    void restartThatFailsKeepsTheLock_data();
    void restartThatFailsKeepsTheLock();
    void inheritanceThatIsNotTheLockIsIgnored_data();
    void inheritanceThatIsNotTheLockIsIgnored();
    void inheritanceBesideAPrimaryMakesNoSecondOne_data();
    void inheritanceBesideAPrimaryMakesNoSecondOne();
    void nobodySlipsInWhileRestarting();
    void windowLivesWhileRestarting();
    void restartThatFailsIsTold();
    void restartEndsWithTheObject();
    void restartEndsWithTheLoss();
    void whatIsPickedUpIsTheSuccessors();
    void killedInTheMiddleOfARestart_data();
    void killedInTheMiddleOfARestart();
    void primaryWhoseLockFileIsRemovedLocksAgain();
    void primaryWhoseLockIsTakenIsLost();
};

QStringList TestSingleInstanceSuccession::heirOf(const QString &what) const
{
    const QString script = QStringLiteral(R"(
import fcntl, os, socket, struct, sys
what, lock, other, *command = sys.argv[1:]
if what != "none" and not os.path.exists(lock):
    os.mkdir(os.path.dirname(lock), 0o700)
    open(lock, "x").close()
file = os.open(other if what in ("none", "other") else lock, os.O_RDWR | os.O_CREAT, 0o600)
if what == "kept":
    F_OFD_SETLK = 37
    fcntl.fcntl(file, F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 1, 0)) # the first ticket
former, heir = socket.socketpair()
if what == "kept":
    former.send(b"K")
for inherited in file, heir.fileno():
    os.set_inheritable(inherited, True)
os.environ["QTLOCKFILE_SUCCESSOR"] = f"{file},{heir.fileno()}"
os.execv(command[0], command)
)");
    const QStringList python{QStringLiteral("-c"), script, what, messages() + QStringLiteral("/lock"), filePath(QStringLiteral("other"))};
    return python + QStringList{QStringLiteral(INSTANCE_PROGRAM), QStringLiteral("--folder"), path()};
}

void TestSingleInstanceSuccession::takeOverWaitsInTheQueue()
{
    Instance first(path());
    first.start();
    QVERIFY(first.says("ready"));
    OwnInstance second(path());
    QCOMPARE(second.start(), Role::Secondary);
    QSignalSpy became(&second, &SingleInstance::becamePrimary);
    second.takeOver();
    QVERIFY(became.isEmpty());
    QTRY_COMPARE_WITH_TIMEOUT(second.position(), 1, kMust);
    Instance third(path());
    third.with({QStringLiteral("--once")}).start();
    QVERIFY(third.says("reply Done")); // the primary still answers
    QVERIFY(first.kill());
    QTRY_COMPARE_WITH_TIMEOUT(became.size(), 1, kMust);
    QCOMPARE(second.role(), Role::Primary);
    QSignalSpy activated(&second, &SingleInstance::activated);
    Instance fourth(path());
    fourth.start();
    QTRY_COMPARE_WITH_TIMEOUT(activated.size(), 1, kMust);
    QVERIFY(fourth.says("reply Done"));
}

void TestSingleInstanceSuccession::takeOverCanBeCancelled()
{
    Instance first(path());
    first.start();
    QVERIFY(first.says("ready"));
    OwnInstance second(path());
    QCOMPARE(second.start(), Role::Secondary);
    QSignalSpy failed(&second, &SingleInstance::takeOverFailed);
    QSignalSpy became(&second, &SingleInstance::becamePrimary);
    second.takeOver();
    second.cancelTakeOver();
    QTRY_COMPARE_WITH_TIMEOUT(failed.size(), 1, kMust);
    QCOMPARE(second.error().code(), LockError::Code::Cancelled);
    QVERIFY(first.kill());
    QVERIFY(!became.wait(int(kShort.count())));
    QCOMPARE(second.start(), Role::Primary);
}

// The queue is being left when it is wanted again, and yet the call neither waits nor gets lost.
void TestSingleInstanceSuccession::takeOverFollowsAnAnswerAtOnce()
{
    Instance first(path());
    first.start();
    QVERIFY(first.says("ready"));
    for (int round = 0; round < 20; ++round) {
        OwnInstance second(path());
        bool isTakingOver = false;
        connect(&second, &SingleInstance::replied, &second, [&](Reply reply) {
            if (reply != Reply::Done)
                return;
            second.takeOver();
            isTakingOver = true;
        });
        QSignalSpy failed(&second, &SingleInstance::takeOverFailed);
        QSignalSpy decided(&second, &SingleInstance::decided);
        second.startAsync();
        QVERIFY(must([&] { return isTakingOver; }));
        if (round % 2 == 0)
            QVERIFY(must([&] { return second.position() == 1; }));
        QVERIFY(failed.isEmpty());
        if (round == 19) {
            QVERIFY(first.kill());
            QTRY_COMPARE_WITH_TIMEOUT(second.role(), Role::Primary, kMust);
            break;
        }
        second.cancelTakeOver();
        QTRY_COMPARE_WITH_TIMEOUT(failed.size(), 1, kMust);
        QCOMPARE(second.error().code(), LockError::Code::Cancelled);
        second.disconnect(&second);
        second.startAsync(); // and another one at once
        QTRY_COMPARE_WITH_TIMEOUT(decided.size(), 2, kMust);
        QCOMPARE(second.role(), Role::Secondary);
    }
}

void TestSingleInstanceSuccession::restartKeepsThePlaces()
{
    Instance first(path());
    first.with({QStringLiteral("--reaper")}).start();
    const qint64 pidOfFirst = first.lineWith("role Primary ").trimmed().toLongLong();
    QVERIFY(first.says("ready"));
    OwnInstance waiting(path());
    QCOMPARE(waiting.start(), Role::Secondary);
    QSignalSpy became(&waiting, &SingleInstance::becamePrimary);
    waiting.takeOver();
    QTRY_COMPARE_WITH_TIMEOUT(waiting.position(), 1, kMust);
    first.tell("restart self");
    const qint64 pidOfSecond = first.lineWith("role Primary ").trimmed().toLongLong();
    QVERIFY(first.lines.contains("handed over") || first.says("handed over"));
    QVERIFY(pidOfSecond > 0 && pidOfSecond != pidOfFirst);
    QTRY_VERIFY_WITH_TIMEOUT(::kill(pid_t(pidOfFirst), 0) != 0, kMust);
    QCOMPARE(waiting.primary().pid(), pidOfSecond); // a name tag of its own
    QCOMPARE(waiting.position(), 1);
    QVERIFY(!became.wait(int(kShort.count())));
    Instance other(path());
    other.start();
    QVERIFY(other.says("reply Done"));
    ::kill(pid_t(pidOfSecond), SIGKILL);
    QTRY_COMPARE_WITH_TIMEOUT(became.size(), 1, kMust);
}

void TestSingleInstanceSuccession::restartThatFailsKeepsTheLock_data()
{
    QTest::addColumn<QByteArray>("program");
    QTest::newRow("no such program") << QByteArray("/nonexistent/program");
    QTest::newRow("ends at once") << QByteArray("false");
    QTest::newRow("never says that it is ready") << QByteArray("yes");
}

void TestSingleInstanceSuccession::restartThatFailsKeepsTheLock()
{
    QFETCH(const QByteArray, program);
    OwnInstance first(path());
    QCOMPARE(first.start(), Role::Primary);
    const QStringList arguments = program == "yes"
        ? QStringList{QStringLiteral("-c"), QStringLiteral("read -r nothing < \"$1\""), QStringLiteral("sh"), filePath(QStringLiteral("fifo"))}
        : QStringList();
    QVERIFY(::mkfifo(QFile::encodeName(filePath(QStringLiteral("fifo"))).constData(), 0600) == 0);
    QVERIFY(
        !first.restart(program == "yes" ? QStringLiteral("sh") : QString::fromLatin1(program), arguments, QDeadlineTimer(program == "yes" ? kShort : kLong)));
    QVERIFY(first.error());
    QCOMPARE(first.role(), Role::Primary);
    QCOMPARE(first.primary().pid(), qint64(::getpid()));
    QSignalSpy activated(&first, &SingleInstance::activated);
    Instance second(path());
    second.start();
    QTRY_COMPARE_WITH_TIMEOUT(activated.size(), 1, kMust);
    QVERIFY(second.says("reply Done"));
}

void TestSingleInstanceSuccession::inheritanceThatIsNotTheLockIsIgnored_data()
{
    QTest::addColumn<QString>("what");
    QTest::newRow("there is no lock file") << QStringLiteral("none");
    QTest::newRow("another file than the lock's") << QStringLiteral("other");
    QTest::newRow("the lock's file, which is not locked") << QStringLiteral("unlocked");
    QTest::newRow("the lock, which its holder wants to keep") << QStringLiteral("kept");
}

// Whoever starts us may have any variables in the environment, and any files open.
void TestSingleInstanceSuccession::inheritanceThatIsNotTheLockIsIgnored()
{
    QFETCH(const QString, what);
    Program instance(QStringLiteral("python3"), heirOf(what));
    instance.start();
    QVERIFY(instance.says("role Primary"));
    QVERIFY(instance.says("ready"));
    Instance second(path());
    second.start();
    QVERIFY(second.says("reply Done"));
    instance.closeInput();
    QVERIFY(instance.ends());
    QVERIFY(!QFile::exists(messages() + QStringLiteral("/lock"))); // nothing was taken for the lock, and kept
}

void TestSingleInstanceSuccession::inheritanceBesideAPrimaryMakesNoSecondOne_data()
{
    QTest::addColumn<QString>("what");
    QTest::newRow("another file than the lock's, which nobody has locked") << QStringLiteral("other");
    QTest::newRow("the lock's file, which the primary has locked") << QStringLiteral("unlocked");
}

void TestSingleInstanceSuccession::inheritanceBesideAPrimaryMakesNoSecondOne()
{
    QFETCH(const QString, what);
    Instance first(path());
    first.start();
    QVERIFY(first.says("ready"));
    Program second(QStringLiteral("python3"), heirOf(what));
    second.start();
    QVERIFY(second.says("role Secondary"));
    QVERIFY(second.says("reply Done"));
    QVERIFY(first.says("activated "));
}

void TestSingleInstanceSuccession::nobodySlipsInWhileRestarting()
{
    Instance first(path());
    first.with({QStringLiteral("--reaper"), QStringLiteral("--chain"), QStringLiteral("100")}).start();
    QVERIFY(first.says("ready"));
    std::vector<std::unique_ptr<Instance>> others;
    for (int i = 0; i < 10; ++i) {
        others.push_back(std::make_unique<Instance>(path()));
        others.back()->with({QStringLiteral("--rounds"), QStringLiteral("1000000")}).start();
    }
    int primaries = 1;
    int handedOver = 0;
    int answered = 0;
    while (handedOver < 100) {
        const QByteArray line = first.lineWith("");
        QVERIFY(!line.isNull());
        primaries += line.startsWith("role Primary");
        handedOver += line.startsWith("handed over");
        answered += line.startsWith("activated");
        QVERIFY2(!line.startsWith("kept"), line.constData());
    }
    for (const auto &other : others) {
        other->kill();
        QVERIFY(other->ends());
        QVERIFY2(other->lines.isEmpty(), other->lines.join('\n').constData());
    }
    // Its role may be told before the one who handed over says so, and after.
    while (primaries < 101 && first.says("role Primary"))
        ++primaries;
    QCOMPARE(primaries, 101);
    QVERIFY(answered >= 100); // they did try
    first.closeInput();
    QVERIFY(first.ends()); // and those after it
}

namespace {

// Ends what a test that has failed would leave behind; who has the folder on his command line is ours.
void endLeftOver(qint64 pid, const QString &folder)
{
    if (pid > 0 && read(QStringLiteral("/proc/%1/cmdline").arg(pid)).contains(QFile::encodeName(folder)))
        ::kill(pid_t(pid), SIGKILL);
}

// A program that says its pid in a file and does nothing until somebody writes to a FIFO; then it becomes an Instance.
class SlowSuccessor
{
    Q_DISABLE_COPY_MOVE(SlowSuccessor)

public:
    explicit SlowSuccessor(const QString &folder)
        : m_folder(folder), m_gate(folder + QStringLiteral("/gate")), m_pidFile(folder + QStringLiteral("/pid")),
          m_script(folder + QStringLiteral("/successor"))
    {
        ::mkfifo(QFile::encodeName(m_gate).constData(), 0600);
        writeFile(m_script,
                  QStringLiteral("#!/bin/sh\necho $$ >'%1.new' && mv '%1.new' '%1'\nread -r nothing <'%2'\nexec '%3' \"$@\"\n")
                      .arg(m_pidFile, m_gate, QStringLiteral(INSTANCE_PROGRAM))
                      .toLocal8Bit(),
                  0700);
    }

    ~SlowSuccessor()
    {
        if (QFile::exists(m_pidFile))
            endLeftOver(read(m_pidFile).trimmed().toLongLong(), m_folder);
    }

    QString program() const { return m_script; }
    QStringList arguments() const { return {QStringLiteral("--folder"), m_folder}; }

    // Of the process that has been started; waits for it.
    qint64 pid() const
    {
        return must([this] { return QFile::exists(m_pidFile); }) ? read(m_pidFile).trimmed().toLongLong() : -1;
    }
    bool goOn() const { return writeFile(m_gate, "go\n"); }

private:
    const QString m_folder;
    const QString m_gate;
    const QString m_pidFile;
    const QString m_script;
};

} // namespace

void TestSingleInstanceSuccession::windowLivesWhileRestarting()
{
    const SlowSuccessor successor(path());
    Instance first(path());
    first.with({QStringLiteral("--reaper")}).start();
    QVERIFY(first.says("ready"));
    first.tell("restartasync " + successor.program().toLocal8Bit());
    const qint64 pid = successor.pid();
    QVERIFY(pid > 0);
    Instance second(path());
    second.start();
    QVERIFY(second.says("reply Done"));
    QVERIFY(first.says("activated "));
    QVERIFY(successor.goOn());
    QVERIFY(first.says("role Primary " + QByteArray::number(pid)));
    QVERIFY(first.lines.contains("handed over") || first.says("handed over"));
    first.closeInput();
    QVERIFY(first.ends()); // and those after it
}

void TestSingleInstanceSuccession::restartThatFailsIsTold()
{
    OwnInstance first(path());
    QCOMPARE(first.start(), Role::Primary);
    QSignalSpy failed(&first, &SingleInstance::restartFailed);
    QSignalSpy handedOver(&first, &SingleInstance::handedOver);
    first.restartAsync(QStringLiteral("/nonexistent/program"), {});
    QVERIFY(failed.isEmpty());
    QTRY_COMPARE_WITH_TIMEOUT(failed.size(), 1, kMust);
    QCOMPARE(failed.at(0).at(0).value<LockError>().systemError(), ENOENT);
    first.restartAsync(QStringLiteral("sleep"), {QStringLiteral("1000")});
    QTest::ignoreMessage(QtWarningMsg, QRegularExpression(QStringLiteral("::restartAsync: .*under way")));
    first.restartAsync(QStringLiteral("true"), {});
    QCOMPARE(first.error().code(), LockError::Code::InvalidState);
    QTest::ignoreMessage(QtWarningMsg, QRegularExpression(QStringLiteral("::restart: .*under way")));
    QVERIFY(!first.restart(QStringLiteral("true"), {}));
    QVERIFY(handedOver.isEmpty());
    QCOMPARE(failed.size(), 1);
    QCOMPARE(first.role(), Role::Primary);
}

void TestSingleInstanceSuccession::restartEndsWithTheObject()
{
    const SlowSuccessor successor(path());
    auto first = std::make_unique<OwnInstance>(path());
    QCOMPARE(first->start(), Role::Primary);
    first->restartAsync(successor.program(), successor.arguments());
    const qint64 pid = successor.pid();
    QVERIFY(pid > 0);
    first.reset();
    QVERIFY(!isAlive(pid));
    OwnInstance second(path());
    QCOMPARE(second.start(), Role::Primary);
}

void TestSingleInstanceSuccession::restartEndsWithTheLoss()
{
    const SlowSuccessor successor(path());
    OwnInstance first(path());
    QCOMPARE(first.start(), Role::Primary);
    QSignalSpy failed(&first, &SingleInstance::restartFailed);
    first.restartAsync(successor.program(), successor.arguments());
    const qint64 pid = successor.pid();
    QVERIFY(pid > 0);
    QVERIFY(QFile::remove(first.lockPath()));
    QTRY_COMPARE_WITH_TIMEOUT(failed.size(), 1, kMust);
    QCOMPARE(failed.at(0).at(0).value<LockError>().systemError(), ECANCELED); // not that it took too long
    QVERIFY(!isAlive(pid));
    QCOMPARE(first.role(), Role::Primary);
    QVERIFY(first.primary().isThisProcess());
}

// A message that was picked up when the slot of the one before it restarts.
void TestSingleInstanceSuccession::whatIsPickedUpIsTheSuccessors()
{
    Instance first(path());
    first.with({QStringLiteral("--reaper")}).start();
    const qint64 pidOfFirst = first.lineWith("role Primary ").trimmed().toLongLong();
    QVERIFY(first.says("ready"));
    first.tell("block");
    QVERIFY(first.says("blocking"));
    Instance restarting(path());
    restarting.with(payload("restart")).start();
    QTRY_COMPARE_WITH_TIMEOUT(messagesIn(messages()).size(), 1, kMust);
    Instance next(path());
    next.with(payload("next")).start();
    QTRY_COMPARE_WITH_TIMEOUT(messagesIn(messages()).size(), 2, kMust);
    first.tell("go on");
    QCOMPARE(qint64(first.activation().value(u"pid").toInteger()), pidOfFirst);
    const QJsonObject activation = first.activation();
    QCOMPARE(activation.value(u"payload").toString(), QString::fromLatin1(QByteArray("next").toHex()));
    QVERIFY(activation.value(u"pid").toInteger() != pidOfFirst);
    QVERIFY(restarting.says("reply Done"));
    QVERIFY(next.says("reply Done"));
    first.closeInput();
    QVERIFY(first.ends()); // and those after it
}

void TestSingleInstanceSuccession::killedInTheMiddleOfARestart_data()
{
    QTest::addColumn<bool>("isReady");  // the successor has found the lock and waits for the confirmation
    QTest::addColumn<bool>("isParent"); // is killed
    QTest::addColumn<bool>("async");
    for (const bool async : {false, true}) {
        const auto name = [async](const char *text) { return QByteArray(text) + (async ? ", asynchronous" : ""); };
        QTest::newRow(name("parent, before the successor is ready")) << false << true << async;
        QTest::newRow(name("parent, before it confirms")) << true << true << async;
        QTest::newRow(name("successor, before it is ready")) << false << false << async;
        QTest::newRow(name("successor, before it is confirmed")) << true << false << async;
    }
}

// One of the two goes on as the primary; if it is the successor's end that leaves nobody, the next in the queue has the lock.
void TestSingleInstanceSuccession::killedInTheMiddleOfARestart()
{
    QFETCH(const bool, isReady);
    QFETCH(const bool, isParent);
    QFETCH(const bool, async);
    const SlowSuccessor successor(path());
    Instance first(path());
    first.with({QStringLiteral("--reaper")}).start();
    const qint64 parent = first.lineWith("role Primary ").trimmed().toLongLong();
    const auto endParent = qScopeGuard([&] { endLeftOver(parent, path()); });
    QVERIFY(first.says("ready"));
    OwnInstance waiting(path());
    QCOMPARE(waiting.start(), Role::Secondary);
    waiting.takeOver();
    QTRY_COMPARE_WITH_TIMEOUT(waiting.position(), 1, kMust);
    first.tell((async ? "restartasync " : "restart ") + successor.program().toLocal8Bit());
    const qint64 child = successor.pid();
    QVERIFY(child > 0);

    const auto stop = [](qint64 pid) {
        ::kill(pid_t(pid), SIGSTOP);
        return must([pid] { return read(QStringLiteral("/proc/%1/stat").arg(pid)).contains(") T "); });
    };
    if (isReady) { // it is when it waits for a parent that is stopped
        QVERIFY(stop(parent));
        QVERIFY(successor.goOn());
        QVERIFY(must([child] {
            return read(QStringLiteral("/proc/%1/wchan").arg(child)) == "unix_stream_read_generic"
                || read(QStringLiteral("/proc/%1/syscall").arg(child)).startsWith(QByteArray::number(SYS_recvfrom) + ' ');
        }));
        QVERIFY(!first.says("role Primary", kShort));
    }
    ::kill(pid_t(isParent ? parent : child), SIGKILL);
    if (isReady && !isParent)
        ::kill(pid_t(parent), SIGCONT);
    if (!isReady && isParent)
        QVERIFY(successor.goOn());

    if (isParent) {
        QVERIFY(first.says("role Primary " + QByteArray::number(child)));
        QCOMPARE(waiting.position(), 1);
        QCOMPARE(waiting.primary().pid(), child);
    } else if (!isReady) {
        QVERIFY(first.says("kept "));
        QCOMPARE(waiting.primary().pid(), parent);
    } else {
        QTRY_COMPARE_WITH_TIMEOUT(waiting.role(), Role::Primary, kMust);
    }
    first.closeInput();
    QVERIFY(first.ends()); // and those after it
}

void TestSingleInstanceSuccession::primaryWhoseLockFileIsRemovedLocksAgain()
{
    OwnInstance first(path());
    QCOMPARE(first.start(), Role::Primary);
    QSignalSpy lost(&first, &SingleInstance::lost);
    const QString lockPath = first.lockPath();
    QVERIFY(QFile::remove(lockPath));
    QTRY_VERIFY_WITH_TIMEOUT(QFile::exists(lockPath), kMust);
    QCOMPARE(first.role(), Role::Primary);
    QVERIFY(first.primary().isThisProcess());

    QSignalSpy activated(&first, &SingleInstance::activated);
    Instance second(path());
    second.start();
    QTRY_COMPARE_WITH_TIMEOUT(activated.count(), 1, kMust);
    QVERIFY(second.says("role Secondary"));
    QVERIFY(lost.isEmpty());
}

void TestSingleInstanceSuccession::primaryWhoseLockIsTakenIsLost()
{
    OwnInstance first(path());
    QCOMPARE(first.start(), Role::Primary);
    QSignalSpy lost(&first, &SingleInstance::lost);
    const QString lockPath = first.lockPath();
    // Moved over ours, the other's lock file is there at once.
    LockFile other(lockPath + QStringLiteral(".other"));
    other.setRemoveOnRelease(false);
    QVERIFY(other.tryAcquire());
    QCOMPARE(::rename(QFile::encodeName(other.path()).constData(), QFile::encodeName(lockPath).constData()), 0);
    QTRY_COMPARE_WITH_TIMEOUT(lost.count(), 1, kMust);
    QCOMPARE(first.role(), Role::Secondary);
    QCOMPARE(first.error().code(), LockError::Code::Held);
    QVERIFY(QFile::exists(lockPath));
}

QTEST_GUILESS_MAIN(TestSingleInstanceSuccession)
#include "tst_singleinstancesuccession.moc"
