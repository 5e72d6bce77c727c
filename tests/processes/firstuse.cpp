// SPDX-License-Identifier: 0BSD
#include <QtLockFile/LockFile>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <thread>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

// Forks while another thread makes the process's very first use of a LockFile, the given number of microseconds after that began, and ends
// with what became of the child's own attempt.
//
//     firstuse acquire PATH MICROSECONDS
//     firstuse refuse PATH MICROSECONDS     the attempts are refused, which has a text

using namespace std::chrono_literals;

namespace {

enum ExitCode { AsExpected = 0, BadCommand = 2, NotAsExpected = 3, Stuck = 4 };

bool isAcquired(const char *path)
{
    QtLockFile::LockFile lock(QString::fromLocal8Bit(path));
    lock.acquire();
    return lock.waitForAcquired(10s);
}

bool isRefused(const char *path)
{
    QtLockFile::LockFile lock(QString::fromLocal8Bit(path));
    return !lock.tryAcquire() && lock.error().code() == QtLockFile::LockError::Code::Held && !lock.error().message().isEmpty();
}

// Locks the file without the library.
bool lockWhole(const char *path)
{
    struct flock all = {};
    all.l_type = F_WRLCK;
    return ::fcntl(::open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600), F_OFD_SETLK, &all) == 0;
}

} // namespace

int main(int argc, char **argv)
{
    if (argc != 4)
        return BadCommand;
    const char *const path = argv[2];
    const bool refuse = std::strcmp(argv[1], "refuse") == 0;
    if (refuse && !lockWhole(path))
        return BadCommand;
    const auto use = refuse ? isRefused : isAcquired;
    const QObject first; // what Qt itself makes at its first use is made
    std::atomic<bool> begun{false};
    std::thread other([&] {
        begun = true;
        use(path);
    });
    while (!begun) { }
    const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(std::atoi(argv[3]));
    while (std::chrono::steady_clock::now() < end) { }

    const pid_t child = ::fork();
    if (child == 0) {
        ::alarm(20);
        ::_exit(use(path) ? AsExpected : NotAsExpected);
    }
    int status = -1;
    ::waitpid(child, &status, 0);
    other.join();
    return WIFEXITED(status) ? WEXITSTATUS(status) : Stuck;
}
