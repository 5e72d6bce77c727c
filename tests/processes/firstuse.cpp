// SPDX-License-Identifier: 0BSD
#include <QtLockFile/LockFile>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <thread>

#include <sys/wait.h>
#include <unistd.h>

// Forks while another thread makes the process's very first use of a LockFile, the given number of microseconds after that began, and ends
// with what became of the child's own attempt.

using namespace std::chrono_literals;

namespace {

enum ExitCode { Acquired = 0, BadCommand = 2, NotAcquired = 3, Stuck = 4 };

bool use(const char *path)
{
    QtLockFile::LockFile lock(QString::fromLocal8Bit(path));
    lock.acquire();
    return lock.waitForAcquired(10s);
}

} // namespace

int main(int argc, char **argv)
{
    if (argc != 3)
        return BadCommand;
    std::atomic<bool> begun{false};
    std::thread other([&] {
        begun = true;
        use(argv[1]);
    });
    while (!begun) { }
    const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(std::atoi(argv[2]));
    while (std::chrono::steady_clock::now() < end) { }

    const pid_t child = ::fork();
    if (child == 0) {
        ::alarm(20);
        ::_exit(use(argv[1]) ? Acquired : NotAcquired);
    }
    int status = -1;
    ::waitpid(child, &status, 0);
    other.join();
    return WIFEXITED(status) ? WEXITSTATUS(status) : Stuck;
}
