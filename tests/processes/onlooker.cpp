// SPDX-License-Identifier: 0BSD
#include <QtLockFile/LockFile>
#include <QtLockFile/LockQueue>
#include <QtLockFile/LockWatcher>

#include <QtCore/qcoreapplication.h>
#include <QtCore/qdatetime.h>
#include <QtCore/qjsonarray.h>
#include <QtCore/qjsondocument.h>
#include <QtCore/qjsonobject.h>
#include <QtCore/qmetaobject.h>
#include <QtCore/qsocketnotifier.h>

#include <atomic>
#include <cstdio>
#include <memory>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

// Looks at a lock file, watches it and takes part in its queue, as it is told line by line on stdin; ends when that is closed.
//
//     acquire PATH   acquired, or failed CODE       release   released, once it is acquired        cancel   failed Cancelled
//     keep           does not remove the file       try PATH  acquired, or refused, with a second lock object that is then gone
//     look PATH      queue JSON                     watch PATH                queue JSON, at each change; again by others of the same path
//     churn PATH N   churned, after N times of acquire and release
//     forks PATH N   forked, after N times of fork(2) while watchers of the path come and go
//     fight PATH     fought JSON, after acquire and release until the next line comes: since when it held, each time another millisecond
//
// Starts with "ready PID". With --uid N as that user. Exit codes: 0, 1 not the right to become that user, 2 two held the lock at once, 3 an attempt failed,
// 4 the holder did not find itself in the queue.

using namespace QtLockFile;
using namespace std::chrono_literals;

namespace {

enum ExitCode { NoRight = 1, TwoHolders, FailedAttempt, FailedLook };

constexpr auto kMust = 60s;

void say(const QByteArray &line)
{
    std::printf("%s\n", line.constData());
    std::fflush(stdout);
}

QByteArray nameOf(LockError::Code code)
{
    return QMetaEnum::fromType<LockError::Code>().valueToKey(int(code));
}

QJsonObject toJson(const LockParticipant &participant)
{
    return {{QStringLiteral("pid"), participant.pid()},
            {QStringLiteral("name"), participant.processName()},
            {QStringLiteral("this"), participant.isThisProcess()},
            {QStringLiteral("stopped"), participant.isStopped()}};
}

void sayQueue(const LockQueue &queue)
{
    QJsonArray waiters;
    for (const LockParticipant &waiter : queue.waiters())
        waiters.append(toJson(waiter));
    const QJsonObject json{{QStringLiteral("held"), queue.isHeld()},
                           {QStringLiteral("holder"), toJson(queue.holder())},
                           {QStringLiteral("waiters"), waiters},
                           {QStringLiteral("since"), queue.since().isValid() ? queue.since().toMSecsSinceEpoch() : -1},
                           {QStringLiteral("error"), QString::fromLatin1(nameOf(queue.error().code()))},
                           {QStringLiteral("text"), queue.description()}};
    say("queue " + QJsonDocument(json).toJson(QJsonDocument::Compact));
}

bool somethingToRead()
{
    pollfd input{STDIN_FILENO, POLLIN, 0};
    return ::poll(&input, 1, 0) > 0;
}

class Onlooker
{
public:
    Onlooker()
    {
        QObject::connect(&m_input, &QSocketNotifier::activated, &m_input, [this] { read(); });
    }

private:
    void read()
    {
        char buffer[1024];
        const ssize_t size = ::read(STDIN_FILENO, buffer, sizeof buffer);
        if (size <= 0) {
            m_input.setEnabled(false);
            QCoreApplication::quit();
            return;
        }
        m_pending.append(buffer, size);
        for (qsizetype end; (end = m_pending.indexOf('\n')) >= 0;) {
            const QByteArray line = m_pending.left(end);
            m_pending.remove(0, end + 1);
            obey(line.split(' '));
        }
    }

    void obey(const QList<QByteArray> &words)
    {
        const QByteArray &command = words.first();
        const QString path = words.size() > 1 ? QString::fromLocal8Bit(words.at(1)) : QString();
        if (command == "acquire") {
            acquire(path);
        } else if (command == "release") {
            m_lock->waitForAcquired(); // a watcher may have seen that it is ours before we have been told
            m_lock->release();
        } else if (command == "cancel") {
            m_lock->cancel();
        } else if (command == "keep") {
            m_remove = false;
        } else if (command == "try") {
            LockFile second(path);
            say(second.tryAcquire() ? "acquired" : "refused");
        } else if (command == "look") {
            sayQueue(LockQueue::of(path));
        } else if (command == "watch") {
            m_watchers.push_back(std::make_unique<LockWatcher>(path));
            QObject::connect(m_watchers.back().get(), &LockWatcher::queueChanged, sayQueue);
        } else if (command == "churn") {
            churn(path, words.at(2).toInt());
        } else if (command == "forks") {
            forks(path, words.at(2).toInt());
        } else if (command == "fight") {
            fight(path);
        }
    }

    void acquire(const QString &path)
    {
        m_lock = std::make_unique<LockFile>(path);
        m_lock->setRemoveOnRelease(m_remove);
        QObject::connect(m_lock.get(), &LockFile::acquired, [] { say("acquired"); });
        QObject::connect(m_lock.get(), &LockFile::released, [] { say("released"); });
        QObject::connect(m_lock.get(), &LockFile::failed, [](const LockError &error) { say("failed " + nameOf(error.code())); });
        m_lock->acquire();
    }

    void churn(const QString &path, int times)
    {
        for (int i = 0; i < times; ++i) {
            LockFile lock(path);
            if (!lock.tryAcquire())
                std::_Exit(FailedAttempt);
        }
        say("churned");
    }

    void forks(const QString &path, int times)
    {
        std::atomic<bool> done{false};
        std::thread other([&] {
            while (!done) {
                const LockWatcher watcher(path);
                std::this_thread::yield();
            }
        });
        for (int i = 0; i < times; ++i) {
            const pid_t child = ::fork();
            if (child == 0)
                ::_exit(0);
            ::waitpid(child, nullptr, 0);
        }
        done = true;
        other.join();
        say("forked");
    }

    void fight(const QString &path)
    {
        const QByteArray inside = path.toLocal8Bit() + ".inside";
        QJsonArray holds;
        LockFile lock(path);
        while (!somethingToRead()) {
            lock.acquire();
            if (!lock.waitForAcquired(kMust))
                std::_Exit(FailedAttempt);
            const int alone = ::open(inside.constData(), O_CREAT | O_EXCL | O_CLOEXEC, 0600);
            if (alone < 0)
                std::_Exit(TwoHolders);
            ::close(alone);
            // Nobody else sets the clock now.
            const LockQueue queue = LockQueue::of(path);
            if (!queue.holder().isThisProcess() || !queue.since().isValid())
                std::_Exit(FailedLook);
            holds.append(queue.since().toMSecsSinceEpoch());
            while (QDateTime::currentMSecsSinceEpoch() <= queue.since().toMSecsSinceEpoch())
                std::this_thread::yield();
            ::unlink(inside.constData());
            lock.release();
            if (!lock.waitForReleased(kMust))
                std::_Exit(FailedAttempt);
        }
        say("fought " + QJsonDocument(holds).toJson(QJsonDocument::Compact));
    }

    QSocketNotifier m_input{STDIN_FILENO, QSocketNotifier::Read};
    QByteArray m_pending;
    bool m_remove = true;
    std::unique_ptr<LockFile> m_lock;
    std::vector<std::unique_ptr<LockWatcher>> m_watchers;
};

} // namespace

int main(int argc, char **argv)
{
    const QCoreApplication application(argc, argv);
    const QStringList arguments = QCoreApplication::arguments();
    if (arguments.value(1) == QLatin1String("--uid")) {
        const uid_t uid = arguments.value(2).toUInt();
        if (::setgroups(0, nullptr) != 0 || ::setgid(uid) != 0 || ::setuid(uid) != 0)
            return NoRight;
    }
    Onlooker onlooker;
    say("ready " + QByteArray::number(::getpid()));
    return QCoreApplication::exec();
}
