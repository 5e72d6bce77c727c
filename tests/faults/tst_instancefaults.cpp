// SPDX-License-Identifier: 0BSD
#include "counterpart.h"
#include "instancemessage_p.h"
#include "table.h"
#include "trial.h"

#include <QtLockFile/SingleInstance>

#include <QtCore/qfileinfo.h>

#include <algorithm>
#include <thread>

#include <sys/socket.h>
#include <sys/wait.h>

using namespace QtLockFile;
using FaultyCalls::Threads;
using Role = SingleInstance::Role;
using Reply = SingleInstance::Reply;
using Sender = RawMessage::Sender;

Q_DECLARE_METATYPE(void (*)(Trial &))

namespace {

// What an instance has been asked for, and how it ends, in order. A message whose name ends with r is refused.
class Instance
{
public:
    enum class CommandLine { Given, OfThisProcess };

    explicit Instance(const Trial &trial, CommandLine commandLine = CommandLine::Given) : m_instance(QStringLiteral("application"))
    {
        m_instance.setFolder(trial.folder().folder());
        if (commandLine == CommandLine::Given)
            m_instance.setArguments({"application"});
        m_instance.setTimeout(kLong);
        QObject::connect(&m_instance, &SingleInstance::activated, &m_instance, [this](const Activation &activation) {
            const QByteArray name = activation.rawArguments().value(0);
            m_handled << name;
            if (name.endsWith('r'))
                activation.refuse(QStringLiteral("no"));
        });
    }

    SingleInstance *operator->() { return &m_instance; }
    SingleInstance *get() { return &m_instance; }
    const QByteArrayList &handled() const { return m_handled; }

private:
    QByteArrayList m_handled;
    SingleInstance m_instance;
};

QString folderOf(const Trial &trial)
{
    return trial.folder().path("application");
}

QString makeFolder(const Trial &trial)
{
    if (::mkdir(QFile::encodeName(folderOf(trial)).constData(), 0700) != 0)
        qFatal("a folder of the test's own could not be made");
    return folderOf(trial);
}

// That nothing is left, and that the next start finds everything in order.
void checkNextStart(Trial &trial)
{
    trial.disarm();
    Instance next(trial);
    trial.expect(must([&] { return next->start() == Role::Primary; }), "the next start fails");
    trial.expect(must([&] { return QDir(folderOf(trial)).entryList(QDir::Files) == QStringList(QStringLiteral("lock")); }), "something stays in the folder");
}

// The role of a start that met a fault. As secondary to nobody it may have been refused by what fcntl(2) says of a lock of others.
bool isPrimary(Trial &trial, Instance &instance, Role role)
{
    trial.note(nameOf(role));
    if (role == Role::Failed)
        trial.checkError(instance->error());
    else
        trial.expect(role == Role::Primary, "nobody is the primary");
    return role == Role::Primary;
}

// With all threads' calls: those of the lock too.
void start(Trial &trial)
{
    trial.arm();
    {
        Instance first(trial);
        first->setTimeout(100ms); // a fault that says that somebody else holds the lock has nobody answer
        const Role role = first->start();
        trial.note(nameOf(role));
        if (role == Role::Failed)
            trial.expect(first->error().message().contains(trial.folder().folder()), "nothing says why");
        else if (role == Role::Secondary)
            trial.expect(trial.error() == EAGAIN || trial.error() == EACCES, "nobody is the primary");
    }
    checkNextStart(trial);
}

void startInARuntimeFolder(Trial &trial)
{
    const QByteArray before = qgetenv("XDG_RUNTIME_DIR");
    const QByteArray runtime = QFile::encodeName(trial.folder().path("runtime"));
    ::mkdir(runtime.constData(), 0700);
    qputenv("XDG_RUNTIME_DIR", runtime);
    const QString id = QStringLiteral("faults-%1").arg(QFileInfo(trial.folder().folder()).fileName());
    {
        const Warnings warnings;
        SingleInstance first(id);
        trial.arm(Threads::This);
        const Role role = first.start();
        trial.disarm();
        trial.note(nameOf(role));
        if (role == Role::Failed) {
            trial.expect(trial.isMeantBy(first.error().systemError()) && first.error().message().contains(QFile::decodeName(runtime)), "nothing says why");
        } else {
            trial.expect(role == Role::Primary, "nobody is the primary");
            const bool isElsewhere = !first.folder().startsWith(trial.folder().folder());
            trial.expect(!isElsewhere || warnings.contain(runtime), "it is elsewhere, and nothing says why");
            trial.expect(!isElsewhere || (trial.error() != EMFILE && trial.error() != ENOMEM), "it is elsewhere, and the next one will not be");
            if (isElsewhere)
                trial.note(QStringLiteral("elsewhere"));
        }
        const QString folder = first.folder();
        struct stat status;
        if (role == Role::Primary)
            trial.expect(::stat(QFile::encodeName(folder).constData(), &status) == 0 && (status.st_mode & 07777) == 01700, "the folder is not private");
    }
    for (const QString &base : {QStringLiteral("/run/user/%1/").arg(::geteuid()), QStringLiteral("/tmp/qtlockfile-%1/").arg(::geteuid())})
        QDir(base + id).removeRecursively();
    if (before.isNull())
        qunsetenv("XDG_RUNTIME_DIR");
    else
        qputenv("XDG_RUNTIME_DIR", before);
}

// One who waits for the answer to a message learns the right one, and the message is acted on once; or it is not acted on, and a warning says why.
void checkAnswer(Trial &trial, const Warnings &warnings, const RawMessage &message, const Instance &primary)
{
    const bool isRefused = message.name().endsWith('r');
    const auto times = primary.handled().count(message.name());
    const QByteArray state = message.state();
    if (times == 0 && state.isEmpty()) {
        trial.expect(warnings.contain(message.name() + ".message"), "a message is lost, and nothing says why");
        trial.note(QString::fromLatin1(message.name()) + QStringLiteral(" rejected"));
        return;
    }
    trial.expect(times > 0, "a message is not handled");
    trial.expect(times < 2, "a message is handled twice");
    trial.expect(state == (isRefused ? ".refused" : ".done"), "the sender learns something else");
    if (state == ".refused" && message.content() != "no") {
        trial.expect(warnings.contain("reason"), "the reason is wrong, and nothing says why");
        trial.expect(message.content().isEmpty() || Internal::isMessage(message.content()), "another reason is told");
        trial.note(QStringLiteral("no reason"));
    }
}

bool isSettled(const RawMessage &message)
{
    const QByteArray state = message.state();
    return state != ".message" && state != ".taken";
}

// What the system has said is gone is met at the next look, so there has to be one.
bool settles(Trial &trial, const RawMessage &message)
{
    const QString another = folderOf(trial) + QStringLiteral("/another");
    const bool result = must([&] { return isSettled(message) || (trial.error() == ENOENT && !write(another)); });
    remove(another);
    return result;
}

void receive(Trial &trial)
{
    const Warnings warnings;
    {
        Instance primary(trial);
        trial.expect(primary->start() == Role::Primary, "the first start fails");
        const RawMessage first(folderOf(trial), "1.message", Sender::Waits);
        const RawMessage second(folderOf(trial), "2r.message", Sender::Waits);
        trial.arm(Threads::This);
        trial.expect(settles(trial, first) && settles(trial, second), "a message stays where it is");
        const RawMessage later(folderOf(trial), "3.message", Sender::Waits);
        trial.expect(settles(trial, later), "a message that comes later stays where it is");
        trial.disarm();
        for (const RawMessage *const message : {&first, &second, &later})
            checkAnswer(trial, warnings, *message, primary);
        // What the system says is gone, or locked by another, is met at a later look, behind the others.
        trial.expect(trial.error() == ENOENT || trial.saysItIsLocked() || std::is_sorted(primary.handled().begin(), primary.handled().end()),
                     "messages are handled out of order");
    }
    checkNextStart(trial);
}

void startAmongLeftovers(Trial &trial)
{
    const Warnings warnings;
    const QString folder = makeFolder(trial);
    {
        const RawMessage writing(folder, "2.new", Sender::Waits);
        const RawMessage taken(folder, "3.taken", Sender::Ended);
        const RawMessage crashed(folder, "4.taken", Sender::Waits);
        const RawMessage done(folder, "5.done", Sender::Ended);
        const RawMessage read(folder, "6.done", Sender::Waits);
        const RawMessage abandoned(folder, "7.message", Sender::Ended);
        const RawMessage waiting(folder, "8.message", Sender::Waits);
        Instance primary(trial);
        trial.arm(Threads::This);
        const Role role = primary->start();
        if (isPrimary(trial, primary, role)) {
            trial.expect(settles(trial, waiting) && settles(trial, crashed), "a message stays where it is");
            trial.disarm();
            checkAnswer(trial, warnings, waiting, primary);
            trial.expect(!primary.handled().contains("7") || trial.error() == ENOENT, "an abandoned message is acted on");
            trial.expect(crashed.state() == ".gone" || warnings.contain("4.taken"), "the sender does not learn that its primary is gone");
            const RawMessage last(folder, "9.message", Sender::Waits); // has it look once more
            trial.expect(settles(trial, last), "the next message stays where it is");
            for (const RawMessage *const one : {&taken, &done, &abandoned})
                trial.expect(must([&] { return one->state().isEmpty(); }), "something stays that nobody waits for");
            trial.expect(writing.state() == ".new" || warnings.contain("2.new"), "a message is removed while it is written");
            trial.expect(read.state() == ".done" || warnings.contain("6.done"), "an answer is removed before it is read");
        }
        trial.disarm();
    }
    checkNextStart(trial);
}

// That messages are handled, and no other than this.
void checkHandles(Trial &trial, Instance &primary)
{
    const RawMessage message(folderOf(trial), "9.message", Sender::Waits);
    trial.expect(settles(trial, message), "messages are not handled any more");
    trial.expect(primary.handled().isEmpty() || primary.handled() == QByteArrayList{"9"}, "it is asked for what nobody has asked for");
}

void answer(const QString &message, const char *state)
{
    setState(message, ".message", ".taken");
    setState(message, ".taken", state);
}

void refuseWithReason(const QString &message)
{
    setState(message, ".message", ".taken");
    write(message + QStringLiteral(".taken"), "no");
    setState(message, ".taken", ".refused");
}

QByteArrayList commandLine()
{
    QFile file(QStringLiteral("/proc/self/cmdline"));
    QByteArrayList result = file.open(QIODevice::ReadOnly) ? file.readAll().split('\0') : QByteArrayList{};
    result.removeLast(); // what comes after the last NUL
    return result;
}

// A second start beside a primary that answers. `run` is what starts it and waits.
void ask(Trial &trial, void (*answer)(const QString &), Reply expected, void (*run)(Trial &, Instance &))
{
    const Warnings warnings;
    const QString folder = makeFolder(trial);
    RawLock holder(folder + QStringLiteral("/lock"), RawLock::kOneTicket);
    {
        const RawPrimary primary(folder, answer);
        Instance second(trial, Instance::CommandLine::OfThisProcess);
        trial.arm(Threads::This);
        run(trial, second);
        trial.disarm();
        const Reply reply = second->reply();
        trial.note(nameOf(second->role()) + u' ' + nameOf(reply));
        if (second->role() == Role::Failed || reply == Reply::Failed) {
            trial.checkError(second->error());
            trial.expect(primary.messages().isEmpty(), "it failed, and its message came all the same");
        } else {
            trial.expect(second->role() == Role::Secondary, "there are two");
            trial.expect(reply == expected, "it learns something else");
            trial.expect(primary.messages().size() == 1, "there is not one message");
            QtLockFile::Internal::InstanceMessage message;
            trial.expect(QtLockFile::Internal::decode(primary.messages().value(0), &message) && message.arguments == commandLine(), "another message came");
            const bool isRemoved = trial.error() == ENOENT && message.workingDirectory.isEmpty(); // as the system says
            trial.expect(isRemoved || message.workingDirectory == QFile::encodeName(QDir::currentPath()), "it came from another folder");
            if (reply == Reply::Refused && second->refusal() != u"no") {
                trial.expect(second->refusal().isEmpty(), "it learns another reason");
                trial.note(QStringLiteral("no reason"));
            }
        }
    }
    holder.unlock();
    checkNextStart(trial);
}

void startAndWait(Trial &, Instance &second)
{
    (void)second->start();
}

void startAndGoOn(Trial &trial, Instance &second)
{
    second->startAsync();
    const auto isFinal = [&] {
        const Reply reply = second->reply();
        return second->role() == Role::Failed || (reply != Reply::None && reply != Reply::Answering);
    };
    trial.expect(must(isFinal), "there is no answer");
}

void askAndWait(Trial &trial)
{
    ask(
        trial, [](const QString &message) { answer(message, ".done"); }, Reply::Done, startAndWait);
}

void askAndGoOn(Trial &trial)
{
    ask(
        trial, [](const QString &message) { answer(message, ".done"); }, Reply::Done, startAndGoOn);
}

void askAndBeRefused(Trial &trial)
{
    ask(trial, refuseWithReason, Reply::Refused, startAndWait);
}

void askWhoEnds(Trial &trial)
{
    const Warnings warnings;
    const QString folder = makeFolder(trial);
    RawLock holder(folder + QStringLiteral("/lock"), RawLock::kOneTicket);
    {
        const RawPrimary primary(folder, [&](const QString &) { holder.unlock(); });
        Instance second(trial);
        trial.arm(Threads::This);
        const Role role = second->start();
        trial.note(nameOf(role) + u' ' + nameOf(second->reply()));
        if (role == Role::Failed || second->reply() == Reply::Failed)
            trial.checkError(second->error());
        else
            trial.expect(role == Role::Primary && second->reply() == Reply::Gone, "nobody is the primary");
        if (role == Role::Primary)
            checkHandles(trial, second);
        trial.disarm();
    }
    holder.unlock();
    checkNextStart(trial);
}

void takeOver(Trial &trial)
{
    const Warnings warnings;
    const QString folder = makeFolder(trial);
    RawLock holder(folder + QStringLiteral("/lock"), RawLock::kOneTicket);
    {
        Instance second(trial);
        second->setTimeout(0ms);
        trial.expect(second->start() == Role::Secondary && second->reply() == Reply::NotResponding, "it is not told that nobody responds");
        trial.arm(Threads::This);
        second->takeOver();
        holder.unlock();
        trial.expect(must([&] { return second->role() == Role::Primary || bool(second->error()); }), "the take-over hangs");
        trial.note(nameOf(second->role()));
        if (second->role() == Role::Primary)
            checkHandles(trial, second);
        else
            trial.checkError(second->error());
    }
    checkNextStart(trial);
}

void inherit(Trial &trial)
{
    const Warnings warnings;
    const QString folder = makeFolder(trial);
    {
        RawLock former(folder + QStringLiteral("/lock"), RawLock::kOneTicket);
        int ends[2];
        trial.expect(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0, "there is no channel");
        const int copy = ::dup(former.descriptor());
        qputenv("QTLOCKFILE_SUCCESSOR", QByteArray::number(copy) + ',' + QByteArray::number(ends[1]));
        bool isReady = false;
        std::thread primary([&] {
            char byte = 0;
            isReady = ::read(ends[0], &byte, 1) == 1 && byte == 'R';
            if (!isReady) // it keeps the lock
                ::send(ends[0], "K", 1, MSG_NOSIGNAL);
            ::close(ends[0]);
        });
        Instance successor(trial);
        successor->setTimeout(10ms); // where it does not take the lock over it is that of somebody who does not answer
        trial.arm(Threads::This);
        const Role role = successor->start();
        trial.disarm();
        trial.note(nameOf(role));
        ::shutdown(ends[0], SHUT_RDWR); // where nothing was said
        primary.join();
        if (::fcntl(copy, F_GETFD) >= 0 && role != Role::Primary)
            ::close(copy);
        trial.expect(role == Role::Primary || bool(successor->error()) || successor->reply() == Reply::NotResponding, "nothing says why");
        if (qEnvironmentVariableIsSet("QTLOCKFILE_SUCCESSOR")) // nobody has seen it
            ::close(ends[1]);
        qunsetenv("QTLOCKFILE_SUCCESSOR");
    }
    checkNextStart(trial);
}

// How a restart ends where a fault may have been met.
void checkRestart(Trial &trial, Instance &first, bool isDone)
{
    trial.disarm();
    trial.note(isDone ? QStringLiteral("handed over") : nameOf(first->error().code()));
    if (isDone) {
        trial.expect(first->role() == Role::Undecided, "there are two");
        return;
    }
    trial.expect(first->role() == Role::Primary && bool(first->error()), "the primary is none any more, or nothing says why");
    trial.expect(trial.isLocked(folderOf(trial) + QStringLiteral("/lock")), "the lock is lost");
    checkHandles(trial, first);
}

void restart(Trial &trial)
{
    {
        Instance first(trial);
        trial.expect(first->start() == Role::Primary, "the first start fails");
        // Says that it is ready, and keeps the lock until it is told that it is its own, or is ended.
        const QString successor = QStringLiteral("channel=${QTLOCKFILE_SUCCESSOR#*,}; printf R >&$channel; read -u $channel -n 1");
        trial.arm(Threads::This);
        checkRestart(trial, first, first->restart(QStringLiteral("bash"), {QStringLiteral("-c"), successor}));
    }
    trial.expect(must([&] { return !trial.isLocked(folderOf(trial) + QStringLiteral("/lock")); }), "a lock is kept");
    checkNextStart(trial);
}

void restartWithAProgramThatFails(Trial &trial)
{
    {
        Instance first(trial);
        trial.expect(first->start() == Role::Primary, "the first start fails");
        trial.arm(Threads::This);
        checkRestart(trial, first, first->restart(QStringLiteral("false"), {}));
    }
    checkNextStart(trial);
}

void restartWithAProgramThatDoesNotAnswer(Trial &trial)
{
    int ends[2];
    trial.expect(::pipe2(ends, O_CLOEXEC) == 0, "there is no pipe");
    const QString program = QStringLiteral("exec cat <&%1").arg(ends[0]);
    ::fcntl(ends[0], F_SETFD, 0);
    {
        Instance first(trial);
        trial.expect(first->start() == Role::Primary, "the first start fails");
        trial.arm(Threads::This);
        checkRestart(trial, first, first->restart(QStringLiteral("bash"), {QStringLiteral("-c"), program}, QDeadlineTimer(10ms)));
    }
    ::close(ends[0]);
    ::close(ends[1]); // ends the program where it could not be killed
    while (::waitpid(-1, nullptr, 0) > 0) { }
    checkNextStart(trial);
}

void loseTheLock(Trial &trial)
{
    const Warnings warnings;
    {
        Instance first(trial);
        trial.expect(first->start() == Role::Primary, "the first start fails");
        bool isLost = false;
        QObject::connect(first.get(), &SingleInstance::lost, first.get(), [&] { isLost = true; });
        trial.arm(Threads::This);
        QDir(folderOf(trial)).removeRecursively();
        const bool isNoticed = must([&] { return isLost || (exists(first->lockPath()) && trial.isLocked(first->lockPath())); });
        trial.expect(isNoticed, "the loss is not noticed");
        trial.disarm();
        trial.note(isLost ? QStringLiteral("lost") : QStringLiteral("locked anew"));
        if (isLost) {
            trial.expect(first->role() == Role::Secondary, "it believes that it holds");
            trial.checkError(first->error());
        } else if (isNoticed) {
            checkHandles(trial, first);
        }
    }
    checkNextStart(trial);
}

} // namespace

// What SingleInstance does beyond the lock. But for the first scenario the calls of one thread count, which are its own; those on the lock's threads
// are those of LockFile (tst_faults).
class TestInstanceFaults : public QObject
{
    Q_OBJECT

    Table m_table{QStringLiteral(TABLE_FILE)};

private Q_SLOTS:
    void eachCallFailsOnceWhile_data()
    {
        QTest::addColumn<Scenario>("scenario");
        if (qEnvironmentVariableIsSet("QTLOCKFILE_LONG")) // it makes more calls than all others, and some of its faults take a second
            QTest::newRow("starting the first instance") << &start;
        QTest::newRow("starting in a runtime folder") << &startInARuntimeFolder;
        QTest::newRow("starting among leftovers") << &startAmongLeftovers;
        QTest::newRow("receiving messages") << &receive;
        QTest::newRow("asking, and waiting for the answer") << &askAndWait;
        QTest::newRow("asking, with an event loop") << &askAndGoOn;
        QTest::newRow("asking, and being refused") << &askAndBeRefused;
        QTest::newRow("asking a primary that ends") << &askWhoEnds;
        QTest::newRow("taking over") << &takeOver;
        QTest::newRow("inheriting the lock") << &inherit;
        QTest::newRow("restarting") << &restart;
        QTest::newRow("restarting with a program that fails") << &restartWithAProgramThatFails;
        QTest::newRow("restarting with a program that does not answer") << &restartWithAProgramThatDoesNotAnswer;
        QTest::newRow("losing the lock") << &loseTheLock;
    }

    void eachCallFailsOnceWhile()
    {
        QFETCH(const Scenario, scenario);
        const bool isLong = qEnvironmentVariableIsSet("QTLOCKFILE_LONG");
        const QStringList wrong = m_table.failEachCall(QString::fromUtf8(QTest::currentDataTag()), scenario, isLong ? 1 : 6);
        QVERIFY2(wrong.isEmpty(), qPrintable(wrong.join(u'\n')));
    }

    void cleanupTestCase()
    {
        m_table.write();
        QVERIFY2(m_table.hasStruck(), "most of the calls did not come that were to fail");
    }
};

QTEST_GUILESS_MAIN(TestInstanceFaults)
#include "tst_instancefaults.moc"
