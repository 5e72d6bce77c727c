// SPDX-License-Identifier: 0BSD
#ifndef QTLOCKFILE_PROCESSSTAT_P_H
#define QTLOCKFILE_PROCESSSTAT_P_H

#include <QtCore/qbytearray.h>

namespace QtLockFile::Internal {

// What /proc/PID/stat (proc(5)) says of a process.
struct ProcessStat
{
    bool isKnown = false;
    QByteArray name;
    char state = ' ';

    bool isStopped() const { return state == 'T' || state == 't'; }
};

// "1234 (name) S …": the name may hold anything, parentheses too, so the last one closes it.
inline ProcessStat parseProcessStat(const QByteArray &text)
{
    ProcessStat result;
    const qsizetype open = text.indexOf('(');
    const qsizetype close = text.lastIndexOf(')');
    if (open < 0 || close < open)
        return result;
    result.isKnown = true;
    result.name = text.mid(open + 1, close - open - 1);
    if (text.size() > close + 2)
        result.state = text.at(close + 2);
    return result;
}

// The whole name of a program of which proc(5) shows the beginning, by its command line, if that has the same beginning.
inline QByteArray wholeName(const QByteArray &beginning, const QByteArray &commandLine)
{
    const QByteArray program = commandLine.left(commandLine.indexOf('\0'));
    const QByteArray whole = program.mid(program.lastIndexOf('/') + 1);
    return whole.startsWith(beginning) ? whole : beginning;
}

} // namespace QtLockFile::Internal

#endif
