// SPDX-License-Identifier: 0BSD
// Begins something with a lock file, and ends in the midst of it:
//
//     quitter PATH acquire|hold|release|cancel|watch|position
//
// Says "begun" when it has. When stdin closes it destroys what it has and leaves main(), and the last thing that it
// says is "ended". Exit codes: 0, 1 the lock to hold was not to be had.

#include <QtLockFile/LockFile>
#include <QtLockFile/LockWatcher>

#include <QtCore/qcoreapplication.h>
#include <QtCore/qsocketnotifier.h>

#include <cstdio>
#include <cstring>
#include <memory>

#include <unistd.h>

using namespace QtLockFile;

namespace {

void say(const char *line)
{
    std::printf("%s\n", line);
    std::fflush(stdout);
}

// Of static duration, so that it is the end of all that a program does after main(), but for the kernel's part.
struct End
{
    ~End() { say("ended"); }
};

const End end;

} // namespace

int main(int argc, char *argv[])
{
    const QCoreApplication application(argc, argv);
    const QString path = QString::fromLocal8Bit(argv[1]);
    const auto is = [action = argv[2]](const char *name) { return std::strcmp(action, name) == 0; };

    LockFile lock(path);
    std::unique_ptr<LockWatcher> watcher;
    if (is("watch")) {
        watcher = std::make_unique<LockWatcher>(path);
    } else if (is("hold") || is("release")) {
        if (!lock.tryAcquire())
            return 1;
        if (is("release"))
            lock.release();
    } else {
        lock.acquire();
        if (is("cancel"))
            lock.cancel();
        if (is("position"))
            lock.position();
    }
    say("begun");
    const QSocketNotifier stdinClosed(STDIN_FILENO, QSocketNotifier::Read);
    QObject::connect(&stdinClosed, &QSocketNotifier::activated, &application, [] { QCoreApplication::quit(); });
    return QCoreApplication::exec();
}
