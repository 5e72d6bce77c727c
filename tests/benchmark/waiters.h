// SPDX-License-Identifier: 0BSD
#ifndef QTLOCKFILE_BENCHMARK_WAITERS_H
#define QTLOCKFILE_BENCHMARK_WAITERS_H

#include "ticketlock_p.h"

#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

// A queue of processes: the first holds the lock, the others wait. They are forked, so before there are threads.
class Waiters
{
public:
    Waiters(const std::string &path, int count) : m_path(path)
    {
        for (int i = 0; i < count; ++i)
            add();
    }
    Waiters(const Waiters &) = delete;
    Waiters &operator=(const Waiters &) = delete;
    ~Waiters()
    {
        for (const pid_t pid : m_pids)
            ::kill(pid, SIGKILL);
        for (const pid_t pid : m_pids)
            ::waitpid(pid, nullptr, 0);
        ::unlink(m_path.c_str());
    }

    const std::vector<pid_t> &pids() const { return m_pids; }

    // Returns when it has its place.
    void add()
    {
        int ends[2];
        if (::pipe(ends) != 0)
            std::abort();
        const pid_t pid = ::fork();
        if (pid == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            waitInQueue(ends[1]);
        }
        if (pid < 0)
            std::abort();
        m_pids.push_back(pid);
        ::close(ends[1]);
        char byte;
        if (::read(ends[0], &byte, 1) != 1)
            std::abort();
        ::close(ends[0]);
    }

private:
    [[noreturn]] void waitInQueue(int end)
    {
        QtLockFile::Internal::TicketLock lock(m_path);
        std::thread waiter([&lock] {
            const std::atomic<bool> never{false};
            lock.acquire({}, never);
        });
        while (lock.place().ticket < 0)
            std::this_thread::yield();
        (void)!::write(end, "", 1);
        ::close(end);
        for (;;)
            ::pause();
    }

    const std::string m_path;
    std::vector<pid_t> m_pids;
};

#endif
