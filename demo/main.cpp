// SPDX-License-Identifier: 0BSD
#include "commandline.h"
#include "console.h"
#include "instance.h"
#include "mainwindow.h"
#include "notrespondingdialog.h"
#include "remote.h"
#include "tour.h"
#include "translations.h"
#include "waitdialog.h"

#include <QtLockFile/LockQueue>
#include <QtLockFile/SingleInstance>

#include <QtCore/qdir.h>
#include <QtWidgets/qapplication.h>

#include <memory>

using namespace QtLockFile;
using namespace std::chrono_literals;
using Reply = SingleInstance::Reply;
using Role = SingleInstance::Role;

namespace {

enum ExitCode { Done = 0, Free = 0, NotDone = 1, Held = 1, Failed = 2 };

struct Main
{
    Q_DECLARE_TR_FUNCTIONS(Main)
};

int fail(const QString &message)
{
    printLine(stderr, message);
    return Failed;
}

int printStatus(const QString &path)
{
    if (path.isEmpty())
        return fail(Main::tr("No folder can be used for the lock of this program."));
    const LockQueue queue = LockQueue::of(path);
    if (queue.error())
        return fail(queue.error().message());
    printLine(stdout, Main::tr("%1: %2").arg(path, queue.description()));
    int place = 0;
    for (const LockParticipant &waiter : queue.waiters()) {
        const QString text = waiter.isStopped() ? Main::tr("%1 (stopped)").arg(waiter.description()) : waiter.description();
        printLine(stdout, QStringLiteral("%1. %2").arg(++place).arg(text));
    }
    return queue.isHeld() ? Held : Free;
}

// What needs no window.
int runTask(int argc, char *argv[], const QStringList &arguments)
{
    const QCoreApplication app(argc, argv);
    loadTranslations();
    const CommandLine commandLine(arguments, QDir::currentPath()); // once more, in the user's language
    if (commandLine.task() == CommandLine::Task::PrintHelp)
        return std::fputs(qPrintable(commandLine.helpText()), stdout) < 0 ? Failed : Done;
    if (commandLine.task() == CommandLine::Task::PrintVersion)
        return printLine(stdout, QCoreApplication::applicationName() + u' ' + QCoreApplication::applicationVersion()), Done;
    if (!commandLine.error().isEmpty())
        return fail(commandLine.error());
    if (commandLine.task() == CommandLine::Task::TakeTour)
        return Tour(commandLine.tourFolder()).run();
    return printStatus(commandLine.lockPath().isEmpty() ? SingleInstance(instanceId()).lockPath() : commandLine.lockPath());
}

// For a start that has found another instance, and no answer. Returns when this one is the primary, or is to end; true if it is not to end.
bool queueOrAsk(SingleInstance *instance, const CommandLine &commandLine)
{
    if (!commandLine.waits() && NotRespondingDialog(instance).exec() != QDialog::Accepted)
        return instance->role() == Role::Failed;
    return instance->role() == Role::Primary || WaitDialog(instance, commandLine.patience()).exec() == QDialog::Accepted;
}

} // namespace

int main(int argc, char *argv[])
{
    QCoreApplication::setApplicationName(QStringLiteral("qtlockfile-demo"));
    QCoreApplication::setApplicationVersion(QStringLiteral(DEMO_VERSION));

    QStringList arguments;
    for (int i = 0; i < argc; ++i)
        arguments << QString::fromLocal8Bit(argv[i]);
    const CommandLine commandLine(arguments, QDir::currentPath());
    if (commandLine.task() != CommandLine::Task::Run)
        return runTask(argc, argv, arguments);

    std::unique_ptr<QCoreApplication> app;
    if (!commandLine.error().isEmpty()) { // unless QApplication understands it
        app = std::make_unique<QApplication>(argc, argv);
        loadTranslations();
        const QString error = CommandLine(QCoreApplication::arguments(), QDir::currentPath()).error();
        if (!error.isEmpty())
            return fail(error);
    }

    // Before QApplication, which takes most of the time that a second start would take.
    SingleInstance instance(instanceId());
    if (commandLine.waits())
        instance.setTimeout(0ms);                                                      // who queues wants no answer
    while (instance.start() == Role::Secondary && instance.reply() == Reply::Gone) { } // the other one ended, and a third was quicker

    const bool mayEnd = instance.role() == Role::Secondary && instance.reply() != Reply::NotResponding && !commandLine.waits();
    if (!app) {
        if (mayEnd)
            app = std::make_unique<QCoreApplication>(argc, argv);
        else
            app = std::make_unique<QApplication>(argc, argv);
        loadTranslations();
    }
    if (commandLine.isRemote())
        new Remote(app.get());
    const bool isGivenUp = instance.role() == Role::Secondary && !mayEnd && !queueOrAsk(&instance, commandLine);
    if (isGivenUp && instance.role() == Role::Primary)
        return NotDone; // it came just when the user had given up
    if (instance.role() == Role::Secondary && commandLine.waits())
        return printLine(stderr, Main::tr("%1 is still running.").arg(instance.primary().description())), NotDone;
    if (instance.role() == Role::Secondary)
        return printLine(stderr, instance.message()), instance.isAnswered() ? Done : NotDone;
    if (instance.role() == Role::Failed)
        printLine(stderr, instance.message()); // the window says so too

    MainWindow window(&instance, commandLine.lockPath());
    window.show();
    return QCoreApplication::exec();
}
