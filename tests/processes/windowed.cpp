// SPDX-License-Identifier: 0BSD

// A single-instance application with a window, in the folder that is its argument. As primary it says "ready PID", then for each further start
// "activated TOKEN", having raised its window; it ends when its standard input ends, and at the commands "minimize" and "hide" does that. A further
// start ends with exit code 0 when it was answered.

#include "windowraiser.h"

#include <QtLockFile/SingleInstance>

#include <QtCore/qsocketnotifier.h>
#include <QtWidgets/qapplication.h>
#include <QtWidgets/qmainwindow.h>

#include <cstdio>
#include <string>

#include <unistd.h>

using QtLockFile::SingleInstance;

int main(int argc, char **argv)
{
    if (argc != 2)
        return 3;
    SingleInstance instance(QStringLiteral("windowed"));
    instance.setFolder(QString::fromLocal8Bit(argv[1]));
    instance.setTimeout(std::chrono::minutes(1));
    if (instance.start() != SingleInstance::Role::Primary)
        return instance.isAnswered() ? 0 : 1;

    QApplication application(argc, argv);
    QApplication::setQuitOnLastWindowClosed(false);
    QMainWindow window;
    window.setWindowTitle(QStringLiteral("windowed"));
    window.resize(500, 400);
    window.show();
    QObject::connect(&instance, &SingleInstance::activated, &window, [&](const QtLockFile::Activation &activation) {
        raiseWindow(&window, activation.activationToken());
        std::printf("activated %s\n", activation.activationToken().constData());
        std::fflush(stdout);
    });

    QSocketNotifier input(STDIN_FILENO, QSocketNotifier::Read);
    QObject::connect(&input, &QSocketNotifier::activated, &application, [&] {
        char bytes[64];
        const ssize_t got = ::read(STDIN_FILENO, bytes, sizeof bytes);
        if (got <= 0)
            return QCoreApplication::quit();
        const std::string command(bytes, size_t(got));
        if (command == "minimize\n")
            window.showMinimized();
        else if (command == "hide\n")
            window.hide();
    });
    std::printf("ready %d\n", int(::getpid()));
    std::fflush(stdout);
    return QApplication::exec();
}
