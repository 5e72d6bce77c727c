// SPDX-License-Identifier: 0BSD
#ifndef QTLOCKFILE_COUNTERPART_H
#define QTLOCKFILE_COUNTERPART_H

#include <QtCore/qbytearraylist.h>
#include <QtCore/qstring.h>

#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

// The other side of a message between two instances, played by hand, so that faults meet one side alone.

// A file in the folder of an application, with or without a sender that waits.
class RawMessage
{
public:
    enum class Sender { Waits, Ended };

    // `name` is NAME.STATE; the first argument in the message is NAME.
    RawMessage(const QString &folder, const char *name, Sender sender);
    ~RawMessage();
    RawMessage(const RawMessage &) = delete;
    RawMessage &operator=(const RawMessage &) = delete;

    // What has become of it: the end of its name, with the dot; empty if there is no such file any more.
    QByteArray state() const;
    QByteArray name() const { return m_name; }

    // What is in the file by now.
    QByteArray content() const;

private:
    const QString m_folder;
    QByteArray m_name; // without the state
    int m_file = -1;
};

// A primary that gives all messages the same answer, from a thread of its own.
class RawPrimary
{
public:
    // `answer` is given the path of each message, without its state, when it has come.
    RawPrimary(const QString &folder, std::function<void(const QString &)> answer);
    ~RawPrimary();
    RawPrimary(const RawPrimary &) = delete;
    RawPrimary &operator=(const RawPrimary &) = delete;

    // The messages that have come, as they lay there.
    QByteArrayList messages() const;

private:
    void run();

    const QString m_folder;
    const std::function<void(const QString &)> m_answer;
    std::atomic<bool> m_ends{false};
    mutable std::mutex m_mutex; // guards the messages
    QByteArrayList m_messages;
    std::thread m_thread;
};

// Renames a message to say what has become of it.
void setState(const QString &message, const char *before, const char *after);

// What the library has warned of since this was made.
class Warnings
{
public:
    Warnings();
    ~Warnings();
    Warnings(const Warnings &) = delete;
    Warnings &operator=(const Warnings &) = delete;

    bool contain(const QByteArray &text) const;
};

#endif
