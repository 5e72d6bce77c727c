// SPDX-License-Identifier: 0BSD

// How long the first copy of the demo takes to answer: from the question to its reply, in seconds, in a program that runs already.

#include <QtLockFile/SingleInstance>

#include <QtCore/qelapsedtimer.h>

#include <cstdio>

using namespace QtLockFile;

int main()
{
    SingleInstance instance(QStringLiteral("qtlockfile-demo"));
    QElapsedTimer timer;
    timer.start();
    instance.start();
    const qint64 nanoseconds = timer.nsecsElapsed();
    std::printf("%.9f\n", double(nanoseconds) / 1e9);
    return instance.isAnswered() ? 0 : 1;
}
