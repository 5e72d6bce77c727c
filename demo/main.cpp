// SPDX-License-Identifier: 0BSD
#include "console.h"
#include "instance.h"
#include "mainwindow.h"
#include "remote.h"
#include "tour.h"

#include <QtLockFile/LockFile>
#include <QtLockFile/LockQueue>

#include <QtCore/qcommandlineparser.h>
#include <QtWidgets/qapplication.h>

#include <algorithm>
#include <chrono>

using namespace QtLockFile;

namespace {

enum ExitCode { Done = 0, Free = 0, Held = 1, Failed = 2 };

QString tr(const char *text)
{
    return QCoreApplication::translate("CommandLine", text);
}

int fail(const QString &message)
{
    printLine(stderr, message);
    return Failed;
}

int printStatus(const QString &path)
{
    const LockQueue queue = LockQueue::of(path);
    if (queue.error())
        return fail(queue.error().message());
    printLine(stdout, tr("%1: %2").arg(path, queue.description()));
    int place = 0;
    for (const LockParticipant &waiter : queue.waiters()) {
        const QString text = waiter.isStopped() ? tr("%1 (stopped)").arg(waiter.description()) : waiter.description();
        printLine(stdout, QStringLiteral("%1. %2").arg(++place).arg(text));
    }
    return queue.isHeld() ? Held : Free;
}

} // namespace

int main(int argc, char *argv[])
{
    QCoreApplication::setApplicationName(QStringLiteral("qtlockfile-demo"));
    QCoreApplication::setApplicationVersion(QStringLiteral(DEMO_VERSION));

    QStringList arguments;
    for (int i = 0; i < argc; ++i)
        arguments << QString::fromLocal8Bit(argv[i]);
    const auto withWait = [](QStringList list) { // QCommandLineParser has no values that may be left out
        std::replace(list.begin(), list.end(), QStringLiteral("--wait"), QStringLiteral("--wait=-1"));
        return list;
    };

    QCommandLineParser parser;
    parser.setSingleDashWordOptionMode(QCommandLineParser::ParseAsLongOptions);
    parser.setApplicationDescription(tr("Shows a lock, who holds it and who waits for it."));
    const QCommandLineOption help = parser.addHelpOption();
    const QCommandLineOption version = parser.addVersionOption();
    const QCommandLineOption lockOption(QStringLiteral("lock"), tr("Use the lock file <path> instead of this user's own."), tr("path"));
    const QCommandLineOption waitOption(
        QStringLiteral("wait"), tr("Queue if another instance holds the lock: without end, or for as long as --wait=<seconds> says."), tr("seconds"));
    const QCommandLineOption statusOption(QStringLiteral("status"),
                                          tr("Print who holds the lock and who waits. Exit code: 0 free, 1 held, 2 error."));
    const QCommandLineOption tourOption(QStringLiteral("tour"), tr("Save pictures of a guided tour in <folder>."), tr("folder"));
    QCommandLineOption remoteOption(QStringLiteral("remote"), tr("Obey standard input."));
    remoteOption.setFlags(QCommandLineOption::HiddenFromHelp);
    parser.addOptions({lockOption, waitOption, statusOption, tourOption, remoteOption});

    // Options that are not ours may be for QApplication: they are complained of when it has taken its own.
    const bool understood = parser.parse(withWait(arguments));

    if (parser.isSet(help) || parser.isSet(version)) {
        const QCoreApplication app(argc, argv);
        parser.isSet(help) ? parser.showHelp() : parser.showVersion();
    }
    const QString path = parser.isSet(lockOption) ? parser.value(lockOption) : instanceLockPath();
    if (path.isEmpty() && !parser.isSet(tourOption))
        return fail(tr("There is no folder for the lock that belongs to this user alone."));
    if (parser.isSet(statusOption))
        return understood ? printStatus(path) : fail(parser.errorText());
    if (parser.isSet(tourOption)) {
        const QCoreApplication app(argc, argv);
        return understood ? Tour(parser.value(tourOption)).run() : fail(parser.errorText());
    }
    bool isNumber = true;
    const std::chrono::duration<double> patience(parser.isSet(waitOption) ? parser.value(waitOption).toDouble(&isNumber) : 0);
    if (!isNumber)
        return fail(tr("--wait wants a number of seconds."));

    // Before QApplication, which takes most of the time that a second start would take.
    LockFile lock(path);
    if (parser.isSet(waitOption) && patience.count() >= 0)
        lock.setTimeout(std::chrono::duration_cast<std::chrono::milliseconds>(patience));
    if (!parser.isSet(waitOption) && !isOnlyInstance(&lock))
        return Done;

    QApplication app(argc, argv);
    if (!parser.parse(withWait(QCoreApplication::arguments())))
        return fail(parser.errorText());
    MainWindow window(&lock);
    if (parser.isSet(remoteOption))
        new Remote(&window);
    if (parser.isSet(waitOption)) {
        window.acquire();
    }
    window.show();
    return app.exec();
}
