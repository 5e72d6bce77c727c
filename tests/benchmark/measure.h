// SPDX-License-Identifier: 0BSD
#ifndef QTLOCKFILE_BENCHMARK_MEASURE_H
#define QTLOCKFILE_BENCHMARK_MEASURE_H

#include <algorithm>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include <time.h>

// What the programs of the benchmark share: the clock, statistics, the format of results, and a bare thread to compare with.

// Nanoseconds of CLOCK_MONOTONIC, which all processes share.
inline int64_t now()
{
    timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return int64_t(time.tv_sec) * 1'000'000'000 + time.tv_nsec;
}

class Samples
{
public:
    void add(int64_t nanoseconds) { m_values.push_back(nanoseconds); }

    // In microseconds; a share of 0.5 is the median.
    double quantile(double share)
    {
        if (m_values.empty())
            return -1;
        std::sort(m_values.begin(), m_values.end());
        return double(m_values[std::min(m_values.size() - 1, size_t(share * double(m_values.size())))]) / 1000;
    }

    double median() { return quantile(0.5); }

private:
    std::vector<int64_t> m_values;
};

// One figure of one round: a line that benchmark.py reads.
inline void report(const char *row, const char *contender, const char *quantity, double value)
{
    std::printf("%s\t%s\t%s\t%.3f\n", row, contender, quantity, value);
    std::fflush(stdout);
}

// A thread that does nothing but say when it was told to: the price of a change of thread, whatever is then done there.
class BareThread
{
public:
    struct Times
    {
        int64_t call;  // what the caller spends
        int64_t there; // until the other runs
        int64_t back;  // until the caller, who waits, knows
    };

    ~BareThread()
    {
        {
            const std::lock_guard guard(m_mutex);
            m_quit = true;
        }
        m_asked.notify_one();
        m_thread.join();
    }

    Times handOver()
    {
        const int64_t start = now();
        {
            const std::lock_guard guard(m_mutex);
            m_work = true;
        }
        m_asked.notify_one();
        const int64_t told = now();
        std::unique_lock guard(m_mutex);
        m_done.wait(guard, [this] { return !m_work; });
        return {told - start, m_began - start, now() - start};
    }

private:
    void run()
    {
        std::unique_lock guard(m_mutex);
        for (;;) {
            m_asked.wait(guard, [this] { return m_work || m_quit; });
            if (m_quit)
                return;
            m_began = now();
            m_work = false;
            guard.unlock();
            m_done.notify_one();
            guard.lock();
        }
    }

    std::mutex m_mutex; // guards all below
    std::condition_variable m_asked;
    std::condition_variable m_done;
    bool m_work = false;
    bool m_quit = false;
    int64_t m_began = 0;
    std::thread m_thread{[this] { run(); }}; // the last member: it uses the others
};

// Does what it is told while the caller waits.
class WorkingThread
{
public:
    ~WorkingThread()
    {
        run(nullptr);
        m_thread.join();
    }

    // The last one is null.
    void run(std::function<void()> work)
    {
        std::unique_lock guard(m_mutex);
        m_work = std::move(work);
        m_isTold = true;
        guard.unlock();
        m_told.notify_one();
        guard.lock();
        m_done.wait(guard, [this] { return !m_isTold; });
    }

private:
    void main()
    {
        for (bool goOn = true; goOn;) {
            std::unique_lock guard(m_mutex);
            m_told.wait(guard, [this] { return m_isTold; });
            const std::function<void()> work = std::move(m_work);
            guard.unlock();
            goOn = work != nullptr;
            if (goOn)
                work();
            guard.lock();
            m_isTold = false;
            guard.unlock();
            m_done.notify_one();
        }
    }

    std::mutex m_mutex; // guards all below
    std::condition_variable m_told;
    std::condition_variable m_done;
    std::function<void()> m_work;
    bool m_isTold = false;
    std::thread m_thread{[this] { main(); }}; // the last member: it uses the others
};

#endif
