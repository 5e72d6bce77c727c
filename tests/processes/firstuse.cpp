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

// Forks while another thread makes the process's very first use of a LockFile, the given number of microseconds after that began, or
// where it registers for forks, unless it has done so long before; and ends with what became of the child's own attempt.
//
//     firstuse acquire PATH MICROSECONDS|registering
//     firstuse refuse PATH MICROSECONDS|registering     the attempts are refused, which has a text

using namespace std::chrono_literals;

namespace {

std::atomic<bool> begun{false};
std::atomic<bool> isRegistering{false};
std::atomic<bool> hasForked{false};

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

// The library's calls come here, if it is linked into the program.
extern "C" int registerForForks(void (*prepare)(), void (*parent)(), void (*child)()) __asm__("__real_pthread_atfork");
extern "C" int registerLate(void (*prepare)(), void (*parent)(), void (*child)()) __asm__("__wrap_pthread_atfork");
extern "C" int registerLate(void (*prepare)(), void (*parent)(), void (*child)())
{
    isRegistering = begun.load();
    while (isRegistering && !hasForked)
        std::this_thread::yield();
    return registerForForks(prepare, parent, child);
}

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
    const bool whereItRegisters = std::strcmp(argv[3], "registering") == 0;
    hasForked = !whereItRegisters; // do not wait for it
    std::atomic<bool> ended{false};
    std::thread other([&] {
        begun = true;
        use(path);
        ended = true;
    });
    while (!begun) { }
    const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(std::atoi(argv[3]));
    while (whereItRegisters ? !isRegistering && !ended : std::chrono::steady_clock::now() < end) { }

    const pid_t child = ::fork();
    if (child == 0) {
        ::alarm(20);
        ::_exit(use(path) ? AsExpected : NotAsExpected);
    }
    hasForked = true;
    int status = -1;
    ::waitpid(child, &status, 0);
    other.join();
    return WIFEXITED(status) ? WEXITSTATUS(status) : Stuck;
}
