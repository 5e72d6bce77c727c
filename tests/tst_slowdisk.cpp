// SPDX-License-Identifier: 0BSD
#include "environment.h"
#include "servedfolder.h"

#include <QtLockFile/LockWatcher>

#include <QtCore/qelapsedtimer.h>
#include <QtCore/qprocess.h>

#include <algorithm>
#include <functional>
#include <memory>

using namespace QtLockFile;
using State = LockFile::State;
using Code = LockError::Code;

namespace {

constexpr auto kStall = 1000ms; // half of what one late answer takes; the promise, that nothing is longer than 20 ms, is a figure of a quiet machine

// The longest time between two rounds of the event loop.
class Gaps
{
public:
    explicit Gaps(const char *what) : m_what(what)
    {
        QObject::connect(&m_timer, &QTimer::timeout, &m_timer, [this] {
            ++m_ticks;
            m_longest = std::max(m_longest, m_since.nsecsElapsed());
            m_since.start();
        });
        m_since.start();
        m_timer.start(1ms);
    }
    Gaps(const Gaps &) = delete;
    Gaps &operator=(const Gaps &) = delete;
    ~Gaps() { qInfo("%s: the event loop's longest gap was %.1f ms in %d rounds", m_what, double(m_longest) / 1e6, m_ticks); }

    bool areShort() const { return std::chrono::nanoseconds(std::max(m_longest, m_since.nsecsElapsed())) < kStall; }

private:
    const char *const m_what;
    QTimer m_timer;
    QElapsedTimer m_since;
    qint64 m_longest = 0;
    int m_ticks = 0;
};

void addOperations()
{
    QTest::addColumn<QByteArray>("operation");
    QTest::newRow("a look at a path takes two seconds") << QByteArray("lookup");
    QTest::newRow("a look at a file takes two seconds") << QByteArray("getattr");
    QTest::newRow("opening takes two seconds") << QByteArray("open");
    QTest::newRow("creating takes two seconds") << QByteArray("create");
    QTest::newRow("removing takes two seconds") << QByteArray("unlink");
    QTest::newRow("locking takes two seconds") << QByteArray("lock");
}

// The kernel can keep the locks unless locking is what is to be late.
QString locksFor(const QByteArray &operation)
{
    return operation == "lock" ? QStringLiteral("server") : QStringLiteral("kernel");
}

// Has the operation answered late until one was, and then at once, and waits for what was begun.
bool getsThrough(ServedFolder *server, const QByteArray &operation, const std::function<bool()> &done)
{
    server->answerLate(operation);
    QElapsedTimer timer;
    timer.start();
    const bool one = must([&] { return done() || timer.elapsed() > 2500; });
    server->answerAgain(operation);
    return one && must(done);
}

} // namespace

// Where the disk takes its time, the user interface does not wait with us, and where it does not answer at all, a
// program can still end.
class TestSlowDisk : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void theEventLoopGoesOnWhile_data() { addOperations(); }

    void theEventLoopGoesOnWhile()
    {
        NEEDS_ROOT("to mount a file system");
        QFETCH(const QByteArray, operation);
        const Folder folder;
        ServedFolder server(folder.folder(), locksFor(operation));
        if (!server.isOk())
            SKIP(server.why().constData());
        if (operation == "create")
            QVERIFY(remove(folder.path()));
        LockFile lock(folder.path());
        Record record(lock);
        const auto is = [&](State state) { return [&lock, state] { return lock.state() == state; }; };
        const Gaps gaps(QTest::currentDataTag());
        lock.acquire();
        QVERIFY(getsThrough(&server, operation, is(State::Acquired)));
        lock.release();
        QVERIFY(getsThrough(&server, operation, is(State::Released)));
        QCOMPARE(record.take(), QStringLiteral("Acquiring, Acquired, acquired, Releasing, Released, released"));
        QVERIFY(!lock.error());

        server.answerLate(operation);
        lock.acquire();
        QVERIFY(must([&] { return server.unanswered() > 0 || lock.isAcquired(); }));
        if (lock.isAcquired()) {
            lock.release(); // acquiring needs no such call
        } else {
            lock.cancel();
            QVERIFY(must(is(State::Released)));
            QCOMPARE(lock.error().code(), Code::Cancelled);
        }
        QVERIFY(getsThrough(&server, operation, is(State::Released)));
        lock.acquire();
        QVERIFY(getsThrough(&server, operation, is(State::Acquired)));
        lock.release();
        QVERIFY(getsThrough(&server, operation, is(State::Released)));
        QVERIFY(gaps.areShort());
        QVERIFY(must([&] { return !exists(folder.path()); })); // what was given up has tidied up after itself
    }

    void thePlaceInTheQueueIsToldOrNot_data()
    {
        QTest::addColumn<QByteArray>("operation");
        QTest::addColumn<bool>("connected");
        QTest::newRow("a look at a path takes two seconds, and nobody is told of changes") << QByteArray("lookup") << false;
        QTest::newRow("a look at a path takes two seconds, and somebody is told of changes") << QByteArray("lookup") << true;
        QTest::newRow("opening takes two seconds, and nobody is told of changes") << QByteArray("open") << false;
        QTest::newRow("opening takes two seconds, and somebody is told of changes") << QByteArray("open") << true;
    }

    void thePlaceInTheQueueIsToldOrNot()
    {
        NEEDS_ROOT("to mount a file system");
        QFETCH(const QByteArray, operation);
        QFETCH(const bool, connected);
        const Folder folder;
        ServedFolder server(folder.folder());
        if (!server.isOk())
            SKIP(server.why().constData());
        LockFile holder(folder.path());
        QVERIFY(holder.tryAcquire());
        LockFile lock(folder.path());
        int reported = -1;
        if (connected)
            connect(&lock, &LockFile::positionChanged, &lock, [&](int position) { reported = position; });
        lock.acquire();
        QVERIFY(must([&] { return lock.position() == 1; }));
        server.answerLate(operation);
        QTimer ask;
        int answers = 0;
        connect(&ask, &QTimer::timeout, &ask, [&] { answers += lock.position() == 1; });
        const Gaps gaps(QTest::currentDataTag());
        ask.start(10ms);
        QTimer::singleShot(0, &lock, [&] { // as a list does that shows it in each of its rows
            for (int row = 0; row < 300; ++row)
                (void)lock.position();
        });
        QVERIFY(must([&] { return answers >= 200; }));
        if (connected)
            QVERIFY(must([&] { return reported == 1; }));
        server.answerAgain(operation);
        holder.release();
        QVERIFY(must([&] { return lock.isAcquired(); }));
        lock.release();
        QVERIFY(must([&] { return lock.state() == State::Released; }));
        QVERIFY(gaps.areShort());
    }

    void watchersComeAndGoWhile_data() { addOperations(); }

    void watchersComeAndGoWhile()
    {
        NEEDS_ROOT("to mount a file system");
        QFETCH(const QByteArray, operation);
        const Folder folder;
        ServedFolder server(folder.folder(), locksFor(operation));
        if (!server.isOk())
            SKIP(server.why().constData());
        const Gaps gaps(QTest::currentDataTag());
        server.answerLate(operation);
        {
            const LockWatcher watcher(folder.path());
            QVERIFY(must([&] { return server.unanswered() > 0 || operation == "create" || operation == "unlink"; }));
        }
        bool told = false;
        const LockWatcher watcher(folder.path());
        connect(&watcher, &LockWatcher::queueChanged, this, [&] { told = true; });
        QVERIFY(getsThrough(&server, operation, [&] { return told; }));
        QVERIFY(gaps.areShort());
    }

    void aProgramEndsThoughNothingAnswers_data()
    {
        QTest::addColumn<QByteArray>("operation");
        QTest::addColumn<QString>("action");
        const auto add = [](const char *operation, const char *action) {
            QTest::addRow("%s does not answer, and we %s", operation, action) << QByteArray(operation) << QString::fromLatin1(action);
        };
        for (const char *operation : {"lookup", "open", "create", "lock"}) {
            for (const char *action : {"acquire", "cancel", "position"})
                add(operation, action);
        }
        for (const char *operation : {"lookup", "getattr", "open", "lock"})
            add(operation, "watch");
        for (const char *action : {"hold", "release"})
            add("unlink", action);
    }

    void aProgramEndsThoughNothingAnswers()
    {
        NEEDS_ROOT("to mount a file system");
        QFETCH(const QByteArray, operation);
        QFETCH(const QString, action);
        const Folder folder;
        ServedFolder server(folder.folder(), locksFor(operation));
        if (!server.isOk())
            SKIP(server.why().constData());
        if (operation == "create")
            QVERIFY(remove(folder.path()));
        server.stopAnswering(operation);
        QProcess process;
        process.setProcessChannelMode(QProcess::ForwardedErrorChannel);
        process.start(QStringLiteral(QUITTER_PROGRAM), {folder.path(), action});
        const auto says = [&](const QByteArray &line) {
            return must([&] { return process.canReadLine() || process.state() == QProcess::NotRunning; }) && process.readLine().trimmed() == line;
        };
        QVERIFY(says("begun"));
        if (action != QStringLiteral("hold") && action != QStringLiteral("cancel")) // the call begins with the end, or perhaps never
            QVERIFY(must([&] { return server.unanswered() > 0; }));
        process.closeWriteChannel();
        QElapsedTimer timer;
        timer.start();
        QVERIFY(says("ended"));
        qInfo("%s: main() and what follows it took %lld ms", QTest::currentDataTag(), static_cast<long long>(timer.elapsed()));
        QVERIFY2(timer.elapsed() < 10'000, "a second, and ten times of it");

        // What is left is in the hands of the kernel until the server answers.
        server.answerAgain(operation);
        QVERIFY(must([&] { return process.state() == QProcess::NotRunning; }));
        QCOMPARE(process.exitStatus(), QProcess::NormalExit);
        QCOMPARE(process.exitCode(), 0);
    }
};

QTEST_GUILESS_MAIN(TestSlowDisk)
#include "tst_slowdisk.moc"
