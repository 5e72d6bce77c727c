// SPDX-License-Identifier: 0BSD
#include <QtWidgets/qapplication.h>
#include <QtWidgets/qmainwindow.h>

// What every program with widgets needs to start: "bare" ends once it has its QApplication, "bare window" shows an empty window.
int main(int argc, char **argv)
{
    QApplication application(argc, argv);
    if (argc < 2)
        return 0;
    QMainWindow window;
    window.show();
    return application.exec();
}
