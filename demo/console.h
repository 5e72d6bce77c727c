// SPDX-License-Identifier: 0BSD
#ifndef CONSOLE_H
#define CONSOLE_H

#include <QtCore/qstring.h>

#include <algorithm>
#include <cstdio>

/*! Prints \a line to \a file. What is not printable, say in the name of somebody's program, cannot command the terminal. */
inline void printLine(FILE *file, QString line)
{
    std::replace_if(
        line.begin(), line.end(), [](QChar one) { return one.category() == QChar::Other_Control; }, QChar(u'?'));
    std::fprintf(file, "%s\n", qPrintable(line));
}

#endif
