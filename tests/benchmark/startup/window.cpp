// SPDX-License-Identifier: 0BSD

// What the demo's start is measured against: the least program with a window. Says "done" when the window has been painted for the first time.

#include <QtCore/qtimer.h>
#include <QtGui/qevent.h>
#include <QtWidgets/qapplication.h>
#include <QtWidgets/qmainwindow.h>

#include <cstdio>

class Window : public QMainWindow
{
protected:
    void paintEvent(QPaintEvent *event) override
    {
        QMainWindow::paintEvent(event);
        QTimer::singleShot(0, qApp, [] { // when it is all painted
            std::puts("done");
            std::fflush(stdout);
            QCoreApplication::quit();
        });
    }
};

int main(int argc, char *argv[])
{
    QApplication app(argc, argv);
    Window window;
    window.resize(900, 588);
    window.show();
    return app.exec();
}
