// SPDX-License-Identifier: 0BSD

// What the demo's second start is measured against: a program that has built a QApplication, and ends.

#include <QtWidgets/qapplication.h>

int main(int argc, char *argv[])
{
    const QApplication app(argc, argv);
    return 0;
}
