// SPDX-License-Identifier: 0BSD

// A window of another program, which the user works with meanwhile. It says "ready PID" when it has started, and "clicked TIME" with the time of the
// window system. It ends when its standard input ends.

#include <QtCore/qsocketnotifier.h>
#include <QtGui/qevent.h>
#include <QtWidgets/qapplication.h>
#include <QtWidgets/qmainwindow.h>

#include <cstdio>

#include <unistd.h>

namespace {

class Window : public QMainWindow
{
protected:
    void mousePressEvent(QMouseEvent *event) override
    {
        std::printf("clicked %lu\n", static_cast<unsigned long>(event->timestamp()));
        std::fflush(stdout);
    }
};

} // namespace

int main(int argc, char **argv)
{
    QApplication application(argc, argv);
    Window window;
    window.setWindowTitle(QStringLiteral("bystander"));
    window.resize(400, 300);
    window.show();
    QSocketNotifier input(STDIN_FILENO, QSocketNotifier::Read);
    QObject::connect(&input, &QSocketNotifier::activated, &application, &QCoreApplication::quit);
    std::printf("ready %d\n", int(::getpid()));
    std::fflush(stdout);
    return QApplication::exec();
}
