// SPDX-License-Identifier: 0BSD
#ifndef QTLOCKFILE_TICKETLOCK_P_H
#define QTLOCKFILE_TICKETLOCK_P_H

#include "openfile_p.h"

#include <atomic>
#include <mutex>
#include <string>

namespace QtLockFile::Internal {

// What the protocol was doing when it failed; becomes the verb of the message.
enum class Operation { Open, Create, Inspect, Lock, Remove, StartThread };

// How an attempt or a release ended.
struct Outcome
{
    enum class Result {
        Done,
        Held,       // by `holder`, without waiting for it
        Ended,      // the wait was ended on request
        NotRegular, // something else than a regular file lies at the path
        HasContent, // the file was to be removed on release, and is not empty
        Failed      // `operation` failed with `error`
    };
    Result result = Result::Done;
    Operation operation = Operation::Lock;
    int error = 0;
    pid_t holder = -1; // 0 or less: not known

    bool isDone() const { return result == Result::Done; }
};

struct LockOptions
{
    bool remove = true;
    mode_t mode = 01666;
};

// A place in the queue of a file: the number drawn, -1 without one.
struct Place
{
    FileId file;
    Offset ticket = -1;

    friend bool operator==(const Place &a, const Place &b) { return a.file == b.file && a.ticket == b.ticket; }
};

// One lock on one path by the protocol that ticketlock_p.cpp describes. Used by one thread at a time, but for place().
class TicketLock
{
public:
    explicit TicketLock(std::string path) : m_path(std::move(path)) { }

    // Both: on success the lock is ours; after a failure leave() tidies up.

    // Waits in the queue. Whoever sets `ended` and then makes the thread's system call return EINTR ends the wait.
    Outcome acquire(const LockOptions &options, const std::atomic<bool> &ended);

    // Never waits, but for a gate in passing: at most 20 ms.
    Outcome tryAcquire(const LockOptions &options);

    // Hands over, then removes the file if that is wanted and nobody uses it. The lock is gone whatever the outcome.
    // With nothing open it does nothing.
    Outcome leave(bool remove);

    // Handing the lock over to a program that we start: see ticketlock_p.cpp.

    // Makes the lock ours, still nameless, that is held on a descriptor which came through exec(3). Where it is not
    // so, the descriptor is left alone.
    Outcome adopt(int descriptor);

    // Names this process as the holder, once the one who handed over has let go.
    void name();

    // Closes our copy of the descriptor and unlocks nothing.
    void letGo();

    int descriptor() const { return m_file.descriptor(); }

    // Any thread may ask.
    Place place() const;

private:
    enum class Patience { Once, Passing };

    Outcome open(const LockOptions &options, const std::atomic<bool> &ended);
    Outcome draw(const LockOptions &options, const std::atomic<bool> &ended);
    Outcome awaitTurn(const std::atomic<bool> &ended);
    int await(LockKind kind, Bytes bytes, const std::atomic<bool> &ended);
    Outcome takeTicket(Offset ticket, Bytes rest);
    void setTicket(Offset ticket);
    void startHolding();
    Outcome withHolder(Outcome outcome) const;
    Outcome remove(Patience patience);
    Outcome removeInGate();

    const std::string m_path;
    OpenFile m_file;
    Offset m_ticket = -1;
    bool m_removed = false;     // by us, when we last left
    mutable std::mutex m_mutex; // guards m_place, which follows m_file and m_ticket
    Place m_place;
};

} // namespace QtLockFile::Internal

#endif
