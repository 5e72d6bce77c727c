// SPDX-License-Identifier: 0BSD
#ifndef QTLOCKFILE_SUCCESSOR_P_H
#define QTLOCKFILE_SUCCESSOR_P_H

#include "descriptor_p.h"

#include <QtCore/qdeadlinetimer.h>
#include <QtCore/qstringlist.h>

#include <sys/types.h>

namespace QtLockFile::Internal {

// A program that is started to take over a lock: see successor_p.cpp.
class Successor
{
public:
    Successor() = default;
    Successor(const Successor &) = delete;
    Successor &operator=(const Successor &) = delete;

    // Takes it back unless it was confirmed: the lock stays ours, and the program is ended.
    ~Successor();

    // Starts it with a copy of the descriptor. Returns 0 or an errno.
    int start(const QString &program, const QStringList &arguments, int lockDescriptor);

    // Waits until it has found that the lock is what it should be. 0, or an errno: ETIMEDOUT, or ECHILD if it ended or would not.
    int waitUntilReady(QDeadlineTimer deadline);

    // Readable when waitUntilReady() has an answer.
    int descriptor() const { return m_channel.get(); }

    // Tells it that the lock is its own, once we have let go.
    void confirm();

private:
    pid_t m_pid = -1;
    Descriptor m_channel;
};

// The successor's side.
class Inheritance
{
public:
    // What the environment says; isOffered() is false without it.
    Inheritance();
    bool isOffered() const { return m_lock >= 0; }
    int lockDescriptor() const { return m_lock; }

    // Once the lock has been found to be what it should be: says so, and waits until the former holder has let go.
    // False if it has changed its mind. Either way the environment says nothing any more.
    bool claim();

private:
    int m_lock = -1;
    int m_channel = -1;
};

} // namespace QtLockFile::Internal

#endif
