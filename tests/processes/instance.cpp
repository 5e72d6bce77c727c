// SPDX-License-Identifier: 0BSD

// A single-instance application without a window, for the tests to start. It writes one line for each thing that happens:
//
//     role NAME PID          after a start or a take-over          reply NAME [REASON]   with the answer of the primary
//     activated JSON         what a second start sent              error CODE MESSAGE
//     handed over            to a successor                        kept MESSAGE         the lock, since there is none
//     expected PATH          of the lock, before the start, with --expect
//
// and reads commands, a line each, from its standard input. It ends when that ends, or with --once after the start. Exit codes: 0 primary or answered,
// 1 not answered, 2 failed, 3 wrong usage.
//
// What a slot does with a message is in the message's payload: see onActivated().

#include <QtLockFile/SingleInstance>

#include <QtCore/qcoreapplication.h>
#include <QtCore/qeventloop.h>
#include <QtCore/qjsonarray.h>
#include <QtCore/qjsondocument.h>
#include <QtCore/qjsonobject.h>
#include <QtCore/qmetaobject.h>
#include <QtCore/qsocketnotifier.h>

#include <cstdio>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace QtLockFile;

namespace {

void say(const QByteArray &line)
{
    const QByteArray whole = line + '\n';
    if (::write(STDOUT_FILENO, whole.constData(), size_t(whole.size())) < 0) // in one piece: several processes may share it
        std::_Exit(3);
}

template<typename Enum>
QByteArray nameOf(Enum value)
{
    return QMetaEnum::fromType<Enum>().valueToKey(int(value));
}

// Reads a line from the standard input, blocking and without a buffer, so that a notifier sees what is left. Nothing at its end.
std::optional<QByteArray> readCommand()
{
    QByteArray line;
    for (char c;;) {
        const ssize_t got = ::read(STDIN_FILENO, &c, 1);
        if (got <= 0)
            return std::nullopt;
        if (c == '\n')
            return line;
        line += c;
    }
}

class Program
{
public:
    Program(SingleInstance *instance, QStringList restartArguments) : m_instance(instance), m_restartArguments(std::move(restartArguments)) { }

    void sayRole()
    {
        say("role " + nameOf(m_instance->role()) + ' ' + QByteArray::number(::getpid()));
        if (m_instance->role() == SingleInstance::Role::Secondary)
            sayReply(m_instance->reply());
        say("lock " + m_instance->lockPath().toUtf8());
        if (m_instance->error())
            say("error " + nameOf(m_instance->error().code()) + ' ' + m_instance->error().message().toUtf8());
    }

    void sayReply(SingleInstance::Reply reply)
    {
        say("reply " + nameOf(reply) + (reply == SingleInstance::Reply::Refused ? ' ' + m_instance->refusal().toUtf8() : QByteArray()));
    }

    int exitCode() const
    {
        if (m_instance->role() == SingleInstance::Role::Failed)
            return 2;
        return m_instance->role() == SingleInstance::Role::Primary || m_instance->isAnswered() ? 0 : 1;
    }

    void onActivated(const Activation &activation)
    {
        QJsonArray arguments;
        for (const QByteArray &argument : activation.rawArguments())
            arguments.append(QString::fromLatin1(argument.toHex()));
        const QJsonObject object{{QStringLiteral("arguments"), arguments},
                                 {QStringLiteral("folder"), QString::fromLatin1(activation.rawWorkingDirectory().toHex())},
                                 {QStringLiteral("token"), QString::fromLatin1(activation.activationToken())},
                                 {QStringLiteral("variable"), QString::fromLatin1(activation.environment("INSTANCE_TEST"))},
                                 {QStringLiteral("payload"), QString::fromLatin1(activation.payload().toHex())},
                                 {QStringLiteral("pid"), QCoreApplication::applicationPid()}};
        say("activated " + QJsonDocument(object).toJson(QJsonDocument::Compact));
        if (activation.payload() == "refuse")
            activation.refuse(QStringLiteral("not \u00e0 la carte"));
        else if (activation.payload() == "block")
            readCommand(); // as busy as can be, and until the test says so
        else if (activation.payload() == "refuse after") {
            readCommand();
            activation.refuse(QStringLiteral("after all"));
        } else if (activation.payload() == "dialog")
            QEventLoop().exec(); // what a modal dialog does
        else if (activation.payload() == "quit")
            QCoreApplication::quit();
        else if (activation.payload() == "crash")
            ::_exit(9);
        else if (activation.payload() == "restart")
            restart(QCoreApplication::applicationFilePath(), QDeadlineTimer::Forever);
    }

    void perform(const QByteArray &command)
    {
        if (command == "block") {
            say("blocking");
            readCommand();
        } else if (command == "quit") {
            QCoreApplication::quit();
        } else if (command == "start") {
            m_instance->start();
            sayRole();
        } else if (command == "takeover") {
            m_instance->takeOver();
        } else if (command == "cancel") {
            m_instance->cancelTakeOver();
        } else if (command.startsWith("restart ")) {
            restart(command == "restart self" ? QCoreApplication::applicationFilePath() : QString::fromLocal8Bit(command.mid(8)), QDeadlineTimer::Forever);
        } else if (command.startsWith("restartasync ")) {
            m_instance->restartAsync(QString::fromLocal8Bit(command.mid(13)), m_restartArguments);
        }
    }

    void restart(const QString &program, QDeadlineTimer deadline)
    {
        (void)m_instance->restart(program, m_restartArguments, deadline); // its signal follows
    }

private:
    SingleInstance *const m_instance;
    const QStringList m_restartArguments;
};

} // namespace

int main(int argc, char **argv)
{
    QString id = QStringLiteral("test");
    QString folder;
    QByteArray payload;
    int payloadSize = -1;
    int chain = -1;
    int rounds = 1;
    bool once = false;
    bool async = false;
    bool expects = false;
    std::chrono::milliseconds timeout{60'000};
    QStringList ownArguments;
    for (int i = 1; i < argc; ++i) {
        const std::string argument = argv[i];
        const auto next = [&] {
            if (i + 1 >= argc)
                std::exit(3);
            return argv[++i];
        };
        if (argument == "--id")
            id = QString::fromUtf8(next());
        else if (argument == "--folder")
            folder = QString::fromLocal8Bit(next());
        else if (argument == "--payload")
            payload = next();
        else if (argument == "--payload-size")
            payloadSize = std::atoi(next());
        else if (argument == "--timeout")
            timeout = std::chrono::milliseconds(std::atoi(next()));
        else if (argument == "--once")
            once = true;
        else if (argument == "--async")
            async = true;
        else if (argument == "--expect")
            expects = true;
        else if (argument == "--chain") // how often to restart, each time by the next copy
            chain = std::atoi(next());
        else if (argument == "--rounds") // how many starts, each with a new object
            rounds = std::atoi(next());
        else if (argument == "--uid") {
            const uid_t uid = uid_t(std::atoi(next()));
            if (::setresgid(uid, uid, uid) != 0 || ::setresuid(uid, uid, uid) != 0)
                return 3;
        } else if (argument == "--reaper") { // stays until the last successor has ended, so that the test can talk to them all
            ::prctl(PR_SET_CHILD_SUBREAPER, 1);
            if (::fork() > 0) {
                while (::wait(nullptr) > 0) { }
                return 0;
            }
        } else if (argument == "--umask")
            ::umask(mode_t(std::strtol(next(), nullptr, 8)));
        else if (argument == "--")
            break; // the rest is for the primary to see
        else
            return 3;
    }
    if (payloadSize >= 0) {
        payload.resize(payloadSize);
        for (qsizetype i = 0; i < payload.size(); ++i)
            payload[i] = char(i * 7 + i / 251);
    }

    const auto setUp = [&](SingleInstance &instance) {
        instance.setFolder(folder);
        instance.setTimeout(timeout);
        instance.setPayload(payload);
        instance.setEnvironment({"INSTANCE_TEST"});
    };
    SingleInstance instance(id);
    setUp(instance);
    QStringList restartArguments{QStringLiteral("--id"), id, QStringLiteral("--folder"), folder};
    if (chain > 0)
        restartArguments << QStringLiteral("--chain") << QString::number(chain - 1);
    Program program(&instance, restartArguments);

    // The decision comes before the application object, as it should be in a program with windows.
    if (!async) {
        for (int round = 1; round < rounds; ++round) {
            SingleInstance early(id);
            setUp(early);
            if (early.start() == SingleInstance::Role::Primary || !early.isAnswered()) {
                say("slipped in " + nameOf(early.role()) + ' ' + nameOf(early.reply()) + ' ' + early.message().toUtf8());
                return 1;
            }
        }
        if (expects)
            say("expected " + instance.lockPath().toUtf8());
        instance.start();
        program.sayRole();
        if (once || instance.role() != SingleInstance::Role::Primary) {
            if (once || instance.reply() != SingleInstance::Reply::NotResponding)
                return program.exitCode();
        }
    }
    QCoreApplication application(argc, argv);
    QObject::connect(&instance, &SingleInstance::activated, &application, [&](const Activation &activation) { program.onActivated(activation); });
    QObject::connect(&instance, &SingleInstance::takeOverFailed, &application, [](const LockError &error) { say("takeover failed " + nameOf(error.code())); });
    QObject::connect(&instance, &SingleInstance::lost, &application, [] { say("lost"); });
    QObject::connect(&instance, &SingleInstance::handedOver, &application, [] {
        say("handed over");
        QCoreApplication::quit();
    });
    QObject::connect(&instance, &SingleInstance::restartFailed, &application, [](const LockError &error) { say("kept " + error.message().toUtf8()); });
    if (async) {
        QObject::connect(&instance, &SingleInstance::decided, &application, [&](SingleInstance::Role) { program.sayRole(); });
        QObject::connect(&instance, &SingleInstance::replied, &application, [&](SingleInstance::Reply reply) { program.sayReply(reply); });
        instance.startAsync();
    }
    QObject::connect(&instance, &SingleInstance::becamePrimary, &application, [] { say("primary " + QByteArray::number(::getpid())); });
    bool restarting = false;
    if (chain > 0) { // with the first message, so that somebody is there each time
        QObject::connect(&instance, &SingleInstance::activated, &application, [&] {
            if (!std::exchange(restarting, true))
                QMetaObject::invokeMethod(
                    &application, [&] { program.restart(QCoreApplication::applicationFilePath(), QDeadlineTimer(60'000)); }, Qt::QueuedConnection);
        });
    }
    QSocketNotifier input(STDIN_FILENO, QSocketNotifier::Read);
    QObject::connect(&input, &QSocketNotifier::activated, &application, [&] {
        if (const std::optional<QByteArray> command = readCommand())
            program.perform(*command);
        else
            QCoreApplication::quit();
    });
    say("ready");
    return QCoreApplication::exec();
}
