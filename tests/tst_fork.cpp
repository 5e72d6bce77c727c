// SPDX-License-Identifier: 0BSD
#include "participant.h"

#include <QtLockFile/LockFile>

#include <QtCore/qscopeguard.h>
#include <QtCore/qtemporarydir.h>
#include <QtTest/qsignalspy.h>
#include <QtTest/qtest.h>

#include <atomic>
#include <functional>
#include <thread>
#include <vector>

#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>

// What fork(2), exec(3) and posix_spawn(3) do to a lock: nothing.

using QtLockFile::LockError;
using QtLockFile::LockFile;
using QtLockFile::LockQueue;
using State = QtLockFile::LockFile::State;

namespace {

#if defined(__SANITIZE_ADDRESS__)
#    define ADDRESS_SANITIZER
#elif defined(__has_feature)
#    if __has_feature(address_sanitizer)
#        define ADDRESS_SANITIZER
#    endif
#endif
#ifdef ADDRESS_SANITIZER
constexpr bool kAllocatorSurvivesFork = false; // seen with Clang 14: a child made while another thread allocates waits for ever in its own first allocation
#else
constexpr bool kAllocatorSurvivesFork = true;
#endif

enum ExitCode { True = 0, NotTrue = 42 };

// A pipe, whose ends close with it.
class Pipe
{
public:
    Pipe() { m_valid = ::pipe2(m_ends, O_CLOEXEC) == 0; }
    ~Pipe()
    {
        closeReader();
        closeWriter();
    }
    Pipe(const Pipe &) = delete;
    Pipe &operator=(const Pipe &) = delete;

    bool isValid() const { return m_valid; }
    int reader() const { return m_ends[0]; }
    int writer() const { return m_ends[1]; }
    void closeReader() { close(&m_ends[0]); }
    void closeWriter() { close(&m_ends[1]); }

    bool put(char byte) const { return ::write(writer(), &byte, 1) == 1; }

    // The next byte; 0 at the end and where none comes.
    char get(std::chrono::milliseconds wait = kLong) const
    {
        pollfd poll = {reader(), POLLIN, 0};
        char byte = 0;
        return ::poll(&poll, 1, int(wait.count())) == 1 && ::read(reader(), &byte, 1) == 1 ? byte : '\0';
    }

private:
    static void close(int *end)
    {
        if (*end >= 0)
            ::close(*end);
        *end = -1;
    }

    int m_ends[2] = {-1, -1};
    bool m_valid;
};

// A fork'ed child. It runs the function, which may hear and say bytes, and ends with what that returns, without returning to the test.
// It is killed with this object.
class Child
{
public:
    explicit Child(const std::function<bool(const Child &)> &run)
    {
        std::fflush(nullptr);
        m_pid = ::fork();
        if (m_pid == 0) {
            m_toChild.closeWriter(); // or it would never see the end of it
            m_toParent.closeReader();
            ::_exit(run(*this) ? True : NotTrue);
        }
        m_toChild.closeReader();
        m_toParent.closeWriter();
    }

    Child(const Child &) = delete;
    Child &operator=(const Child &) = delete;

    ~Child()
    {
        if (m_pid > 0) {
            kill();
            ::waitpid(m_pid, nullptr, 0);
        }
    }

    pid_t pid() const { return m_pid; }

    // In the parent.
    bool tell(char byte) const { return m_toChild.put(byte); }
    char hear(std::chrono::milliseconds wait = kLong) const { return m_toParent.get(wait); }
    void kill() const { ::kill(m_pid, SIGKILL); }

    // Tells whether what the child was to show is true.
    bool wasTrue()
    {
        int status = -1;
        const bool ended = must([&] { return ::waitpid(m_pid, &status, WNOHANG) == m_pid; });
        if (!ended)
            return false;
        m_pid = -1;
        if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL)
            qWarning("The child was ended by signal %d", WTERMSIG(status));
        return WIFEXITED(status) && WEXITSTATUS(status) == True;
    }

    // In the child.
    bool say(char byte) const { return m_toParent.put(byte); }
    char listen(std::chrono::milliseconds wait = kLong) const { return m_toChild.get(wait); }
    void listenToTheEnd() const
    {
        while (m_toChild.get(std::chrono::milliseconds(-1))) { }
    }

private:
    Pipe m_toChild;
    Pipe m_toParent;
    pid_t m_pid = -1;
};

// In a child, where no test framework can tell: says on stderr what is not true.
bool holds(bool fact, const char *claim)
{
    if (!fact)
        std::fprintf(stderr, "In the child, not true: %s\n", claim);
    return fact;
}

class tst_Fork : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init();
    void cleanup();
    void aChildThatDestroysTheObjectLeavesTheLockToTheParent_data();
    void aChildThatDestroysTheObjectLeavesTheLockToTheParent();
    void aChildThatEndsByExitLeavesTheLockToTheParent();
    void inAChildEveryObjectIsReleased_data();
    void inAChildEveryObjectIsReleased();
    void aChildHasNoDescriptorOfOurs();
    void aChildHearsNothingOfTheParentsAttempts_data();
    void aChildHearsNothingOfTheParentsAttempts();
    void aChildQueuesBehindTheParentAndIsNamed();
    void aGrandchildQueuesBehindTheChild();
    void aChildOfAWaiterDisturbsNothing();
    void aLockIsFreeAtOnceWhenTheParentIsKilledWhileTheChildLives_data();
    void aLockIsFreeAtOnceWhenTheParentIsKilledWhileTheChildLives();
    void noForkWhileAnotherThreadAcquiresLeavesTheLockWithTheChild();
    void aChildMadeInTheMidstOfAttemptsCanAcquire();
    void aChildMadeWhileAResultArrivesCanAcquire();
    void aChildMadeInTheMidstOfTheFirstUseIsNotStuck_data();
    void aChildMadeInTheMidstOfTheFirstUseIsNotStuck();
    void aProgramThatWasStartedInheritsNothing_data();
    void aProgramThatWasStartedInheritsNothing();

private:
    QByteArray tryInAnotherProcess() const { return startParticipant(m_path)->ask("try"); }
    QByteArray heldByUs() const { return "failed Held " + QByteArray::number(::getpid()); }

    std::unique_ptr<QTemporaryDir> m_folder;
    QString m_path;
};

void tst_Fork::init()
{
    m_folder = std::make_unique<QTemporaryDir>();
    QVERIFY(m_folder->isValid());
    m_path = m_folder->filePath(QStringLiteral("lock"));
}

void tst_Fork::cleanup()
{
    QVERIFY2(!QFile::exists(m_path), "the file was left behind");
}

void tst_Fork::aChildThatDestroysTheObjectLeavesTheLockToTheParent_data()
{
    QTest::addColumn<bool>("waiting");
    QTest::newRow("acquired at once, in the calling thread") << false;
    QTest::newRow("acquired by a thread of the library") << true;
}

void tst_Fork::aChildThatDestroysTheObjectLeavesTheLockToTheParent()
{
    QFETCH(const bool, waiting);
    auto lock = std::make_unique<LockFile>(m_path);
    if (waiting) {
        lock->acquire();
        QVERIFY(lock->waitForAcquired(kLong));
    } else {
        QVERIFY(lock->tryAcquire());
    }
    Child child([&](const Child &) {
        lock.reset();
        return true;
    });
    QVERIFY(child.wasTrue());
    QVERIFY(lock->isAcquired());
    QVERIFY(QFile::exists(m_path));
    QCOMPARE(tryInAnotherProcess(), heldByUs());
    lock->release();
    QVERIFY(lock->waitForReleased(kLong));
    QVERIFY(!QFile::exists(m_path));
}

void tst_Fork::aChildThatEndsByExitLeavesTheLockToTheParent()
{
    LockFile lock(m_path);
    QVERIFY(lock.tryAcquire());
    Child child([](const Child &) { return true; });
    QVERIFY(child.wasTrue());
    QCOMPARE(tryInAnotherProcess(), heldByUs());
    lock.release();
    QVERIFY(lock.waitForReleased(kLong));
}

void tst_Fork::inAChildEveryObjectIsReleased_data()
{
    QTest::addColumn<State>("state");
    QTest::newRow("of a parent that is Released") << State::Released;
    QTest::newRow("of a parent that is Acquiring") << State::Acquiring;
    QTest::newRow("of a parent that is Acquired") << State::Acquired;
    QTest::newRow("of a parent that is Releasing") << State::Releasing;
}

void tst_Fork::inAChildEveryObjectIsReleased()
{
    QFETCH(const State, state);
    LockFile other(m_path);
    LockFile lock(m_path);
    switch (state) {
    case State::Released:
        break;
    case State::Acquiring:
        QVERIFY(other.tryAcquire());
        lock.acquire();
        break;
    case State::Acquired:
        QVERIFY(lock.tryAcquire());
        break;
    case State::Releasing:
        QVERIFY(lock.tryAcquire());
        lock.release();
        break;
    }
    QCOMPARE(lock.state(), state);
    Child child([&](const Child &) {
        return holds(lock.state() == State::Released, "the state is Released") && holds(!lock.isAcquired(), "it is not acquired")
            && holds(lock.fileDescriptor() == -1, "it has no descriptor") && holds(lock.position() == -1, "it has no place in the queue")
            && holds(!lock.error(), "there is no error") && holds(lock.waitForReleased(0ms), "waitForReleased() has nothing to wait for")
            && holds(!lock.waitForAcquired(0ms), "waitForAcquired() has nothing to wait for")
            && holds(other.state() == State::Released, "the other one is Released too");
    });
    QVERIFY(child.wasTrue());
    if (state != State::Releasing) // which the parent's event loop may have ended meanwhile
        QCOMPARE(lock.state(), state);
}

void tst_Fork::aChildHasNoDescriptorOfOurs()
{
    LockFile holder(m_path);
    LockFile waiter(m_path);
    {
        LockFile parked(m_path); // with a name tag on the file, what is closed stays open
        QVERIFY(holder.tryAcquire());
        waiter.acquire();
        QVERIFY(must([&] { return waiter.position() == 1; }));
        QVERIFY(!parked.tryAcquire());
    }
    QVERIFY(descriptorsTo(m_path, ::getpid()) >= 2);
    Child child([&](const Child &) { return holds(descriptorsTo(m_path, ::getpid()) == 0, "there is no descriptor of the file"); });
    QVERIFY(child.wasTrue());
}

void tst_Fork::aChildHearsNothingOfTheParentsAttempts_data()
{
    QTest::addColumn<QByteArray>("what");
    QTest::newRow("with acquired() due") << QByteArray("acquired");
    QTest::newRow("with failed() due") << QByteArray("failed");
    QTest::newRow("with released() due") << QByteArray("released");
    QTest::newRow("with a time-out to come") << QByteArray("timeout");
}

void tst_Fork::aChildHearsNothingOfTheParentsAttempts()
{
    QFETCH(const QByteArray, what);
    LockFile other(m_path);
    LockFile lock(m_path);
    if (what == "acquired") {
        QVERIFY(lock.tryAcquire());
    } else if (what == "failed") {
        QVERIFY(other.tryAcquire());
        QCOMPARE(lock.tryAcquire(), false);
    } else if (what == "released") {
        QVERIFY(lock.tryAcquire());
        QCoreApplication::processEvents();
        lock.release();
        while (descriptorsTo(m_path, ::getpid()) > 0) // without the event loop
            std::this_thread::yield();
    } else {
        QVERIFY(other.tryAcquire());
        QCoreApplication::processEvents();
        lock.setTimeout(50ms);
        lock.acquire();
    }
    int signalsHeard = 0;
    connect(&lock, &LockFile::acquired, this, [&] { ++signalsHeard; });
    connect(&lock, &LockFile::failed, this, [&] { ++signalsHeard; });
    connect(&lock, &LockFile::released, this, [&] { ++signalsHeard; });
    Child child([&](const Child &) {
        (void)QTest::qWaitFor([&] { return signalsHeard > 0; }, 1000); // longer than an attempt is given to end
        return holds(signalsHeard == 0, "there was no signal") && holds(lock.state() == State::Released, "the state is Released");
    });
    QVERIFY(child.wasTrue());
    QVERIFY(must([&] { return signalsHeard == 1; }));
}

void tst_Fork::aChildQueuesBehindTheParentAndIsNamed()
{
    LockFile lock(m_path);
    QVERIFY(lock.tryAcquire());
    Child child([&](const Child &self) {
        if (!holds(!lock.tryAcquire(), "a try is refused") || !holds(lock.error().code() == LockError::Code::Held, "it is Held")
            || !holds(lock.error().holder().pid() == ::getppid(), "the parent is named"))
            return false;
        lock.acquire();
        if (!holds(lock.waitForAcquired(kLong), "the child has it in the end"))
            return false;
        self.say('a');
        self.listen();
        lock.release();
        return holds(lock.waitForReleased(kLong), "and lets it go");
    });
    QVERIFY(isLastInQueue(m_path, child.pid()));
    QVERIFY(!child.hear(kShort));
    lock.release();
    QVERIFY(lock.waitForReleased(kLong));
    QCOMPARE(child.hear(), 'a');
    QVERIFY(!lock.tryAcquire());
    QCOMPARE(lock.error().holder().pid(), qint64(child.pid()));
    QVERIFY(child.tell('.'));
    QVERIFY(child.wasTrue());
}

void tst_Fork::aGrandchildQueuesBehindTheChild()
{
    LockFile lock(m_path);
    Child child([&](const Child &self) {
        if (!holds(lock.tryAcquire(), "the child has the lock"))
            return false;
        Child grandchild([&](const Child &own) {
            if (!holds(!lock.tryAcquire(), "a try is refused"))
                return false;
            lock.acquire();
            return holds(lock.waitForAcquired(kLong), "the grandchild has it in the end") && own.say('a');
        });
        self.say('r');
        if (!holds(!grandchild.hear(kShort), "it waits for its parent"))
            return false;
        lock.release();
        return holds(lock.waitForReleased(kLong), "the child lets it go") && holds(grandchild.hear() == 'a', "and the grandchild has it")
            && grandchild.wasTrue();
    });
    QCOMPARE(child.hear(), 'r');
    QVERIFY(child.wasTrue());
    QVERIFY(lock.tryAcquire()); // the file that the grandchild left behind
}

void tst_Fork::aChildOfAWaiterDisturbsNothing()
{
    const OtherPtr holder = startParticipant(m_path);
    QCOMPARE(holder->ask("acquire"), "acquired");
    auto lock = std::make_unique<LockFile>(m_path);
    lock->acquire();
    QVERIFY(isLastInQueue(m_path, ::getpid()));
    const OtherPtr behind = startParticipant(m_path);
    behind->tell("acquire");
    QVERIFY(isLastInQueue(m_path, behind->pid()));
    Child child([&](const Child &) {
        lock.reset();
        return true;
    });
    QVERIFY(child.wasTrue());
    QVERIFY(!lock->waitForAcquired(kShort));
    QCOMPARE(holder->ask("release"), "released");
    QVERIFY(lock->waitForAcquired(kLong));
    QVERIFY(behind->isSilent());
    lock->release();
    QCOMPARE(behind->hear(), "acquired");
    QCOMPARE(behind->ask("release"), "released");
}

void tst_Fork::aLockIsFreeAtOnceWhenTheParentIsKilledWhileTheChildLives_data()
{
    QTest::addColumn<bool>("waiting");
    QTest::newRow("a parent that holds") << false;
    QTest::newRow("a parent that waits") << true;
}

void tst_Fork::aLockIsFreeAtOnceWhenTheParentIsKilledWhileTheChildLives()
{
    QFETCH(const bool, waiting);
    LockFile holder(m_path);
    if (waiting)
        QVERIFY(holder.tryAcquire());
    Pipe toGrandchild;
    Pipe fromGrandchild;
    QVERIFY(toGrandchild.isValid() && fromGrandchild.isValid());
    Child parent([&](const Child &self) {
        LockFile lock(m_path);
        lock.acquire();
        if (waiting ? !isLastInQueue(m_path, ::getpid()) : !lock.waitForAcquired(kLong))
            return false;
        const pid_t grandchild = ::fork();
        if (grandchild == 0) {
            toGrandchild.closeWriter();
            fromGrandchild.put('r'); // its copies are closed by now
            while (const char byte = toGrandchild.get(std::chrono::milliseconds(-1)))
                fromGrandchild.put(byte);
            ::_exit(0);
        }
        self.say(grandchild > 0 ? 'r' : 'f');
        self.listenToTheEnd();
        return true;
    });
    QCOMPARE(parent.hear(), 'r');
    QCOMPARE(fromGrandchild.get(), 'r');
    parent.kill();
    QVERIFY(!parent.wasTrue());

    LockFile next(m_path);
    if (waiting) {
        next.acquire();
        holder.release();
        QVERIFY(next.waitForAcquired(kLong));
    } else {
        QVERIFY(next.tryAcquire());
    }
    QVERIFY(toGrandchild.put('x')); // all the while it was alive
    QCOMPARE(fromGrandchild.get(), 'x');
}

// Acquires and releases in a thread of its own, until it is told to stop.
class Cycles
{
public:
    explicit Cycles(const QString &path)
        : m_thread([this, path] {
              LockFile lock(path);
              while (!m_stop) {
                  lock.acquire();
                  if (!lock.waitForAcquired(kLong)) {
                      m_stuck = true;
                      return;
                  }
                  lock.release();
                  if (!lock.waitForReleased(kLong)) {
                      m_stuck = true;
                      return;
                  }
                  ++m_count;
              }
          })
    {
    }

    ~Cycles() { stop(); }

    void stop()
    {
        m_stop = true;
        if (m_thread.joinable())
            m_thread.join();
    }

    int count() const { return m_count; }
    bool areStuck() const { return m_stuck; }

private:
    std::atomic<bool> m_stop{false};
    std::atomic<bool> m_stuck{false};
    std::atomic<int> m_count{0};
    std::thread m_thread;
};

// In a child: a descriptor that another thread of the parent was just opening may be here, but no lock may ever lie on it, or it would stay when the parent
// is killed. proc(5): fdinfo.
bool sharesALock(const QString &path)
{
    const QByteArray wanted = QFile::encodeName(path);
    for (int descriptor = 0; descriptor < 64; ++descriptor) {
        char name[64];
        char text[4096];
        std::snprintf(name, sizeof name, "/proc/self/fd/%d", descriptor);
        const ssize_t length = ::readlink(name, text, sizeof text);
        if (length < wanted.size() || wanted != QByteArray::fromRawData(text, wanted.size()))
            continue;
        std::snprintf(name, sizeof name, "/proc/self/fdinfo/%d", descriptor);
        for (int look = 0; look < 500; ++look) {
            const int info = ::open(name, O_RDONLY | O_CLOEXEC);
            const ssize_t size = ::read(info, text, sizeof text - 1);
            ::close(info);
            text[size < 0 ? 0 : size] = '\0';
            if (std::strstr(text, "lock:"))
                return true;
        }
    }
    return false;
}

void tst_Fork::noForkWhileAnotherThreadAcquiresLeavesTheLockWithTheChild()
{
    if (!kAllocatorSurvivesFork)
        QSKIP("the allocator of AddressSanitizer does not survive a fork while another thread allocates", "");
    for (int batch = 0; batch < 10; ++batch) {
        Cycles cycles(m_path);
        Cycles others(m_path);
        std::vector<std::unique_ptr<Child>> children; // all live on, with whatever they have
        for (int i = 0; i < 30; ++i) {
            const int before = cycles.count();
            children.push_back(std::make_unique<Child>([this](const Child &self) {
                self.say(sharesALock(m_path) ? 's' : 'n');
                self.listenToTheEnd();
                return true;
            }));
            QVERIFY(children.back()->pid() > 0);
            while (i % 3 == 0 && cycles.count() == before && !cycles.areStuck()) // some after a cycle, some in the midst
                std::this_thread::yield();
        }
        for (const auto &child : children)
            QVERIFY2(child->hear() == 'n', "the parent locks through a descriptor that a child has, too");
        cycles.stop();
        others.stop();
        QVERIFY2(!cycles.areStuck() && !others.areStuck(), "a child holds the lock");
        QVERIFY(!LockQueue::of(m_path).isHeld());
        LockFile lock(m_path);
        QVERIFY(lock.tryAcquire());
    }
}

void tst_Fork::aChildMadeInTheMidstOfAttemptsCanAcquire()
{
    if (!kAllocatorSurvivesFork)
        QSKIP("the allocator of AddressSanitizer does not survive a fork while another thread allocates", "");
    LockFile lock(m_path);
    Cycles cycles(m_path);
    for (int i = 0; i < 50; ++i) {
        Child child([&](const Child &) {
            lock.acquire();
            if (!holds(lock.waitForAcquired(kLong), "the child has it in the end"))
                return false;
            lock.release();
            return holds(lock.waitForReleased(kLong), "and lets it go");
        });
        QVERIFY(child.wasTrue());
    }
    cycles.stop();
    QVERIFY(!cycles.areStuck());
}

// Who posts an event has the list of the receiver's thread locked meanwhile.
void tst_Fork::aChildMadeWhileAResultArrivesCanAcquire()
{
    if (!kAllocatorSurvivesFork)
        QSKIP("the allocator of AddressSanitizer does not survive a fork while another thread allocates", "");
    QObject receiver;
    for (int i = 0; i < 400'000; ++i) // which have to be moved for each event that comes before them, so that it takes a while
        QCoreApplication::postEvent(&receiver, new QEvent(QEvent::User), Qt::LowEventPriority);
    for (int i = 0; i < 40; ++i) {
        LockFile lock(m_path);
        lock.acquire();
        while (descriptorsTo(m_path, ::getpid()) == 0 && lock.state() == State::Acquiring)
            std::this_thread::yield();
        Child child([&](const Child &) {
            LockFile other(m_path + QStringLiteral(".child"));
            other.acquire();
            return holds(other.waitForAcquired(kLong), "the child has a lock of its own");
        });
        QVERIFY(child.wasTrue());
        QVERIFY(lock.waitForAcquired(kLong));
    }
}

void tst_Fork::aChildMadeInTheMidstOfTheFirstUseIsNotStuck_data()
{
    QTest::addColumn<QString>("use");
    QTest::newRow("of an attempt that succeeds") << QStringLiteral("acquire");
    QTest::newRow("of an attempt that is refused") << QStringLiteral("refuse");
}

void tst_Fork::aChildMadeInTheMidstOfTheFirstUseIsNotStuck()
{
    QFETCH(const QString, use);
    if (!kAllocatorSurvivesFork)
        QSKIP("the allocator of AddressSanitizer does not survive a fork while another thread allocates", "");
    // Each in a process of its own: only one use is the first.
    QCOMPARE(QProcess::execute(QStringLiteral(FIRSTUSE_PROGRAM), {use, m_path, QStringLiteral("registering")}), 0);
    for (int i = 0; i < 200; ++i) {
        const QStringList arguments{use, m_path, QString::number(i % 2 == 0 ? i : 200 + i)};
        QCOMPARE(QProcess::execute(QStringLiteral(FIRSTUSE_PROGRAM), arguments), 0);
    }
    QFile::remove(m_path); // the children leave by _exit()
}

void tst_Fork::aProgramThatWasStartedInheritsNothing_data()
{
    QTest::addColumn<QByteArray>("how");
    QTest::newRow("by QProcess") << QByteArray("QProcess");
    QTest::newRow("by fork and exec") << QByteArray("fork");
    QTest::newRow("by posix_spawn") << QByteArray("posix_spawn");
}

void tst_Fork::aProgramThatWasStartedInheritsNothing()
{
    QFETCH(const QByteArray, how);
    LockFile holder(m_path);
    LockFile waiter(m_path);
    QVERIFY(holder.tryAcquire());
    waiter.acquire();
    QVERIFY(must([&] { return waiter.position() == 1; }));

    // "sleep" opens nothing itself.
    QByteArray program("sleep");
    QByteArray seconds("1000");
    char *const arguments[] = {program.data(), seconds.data(), nullptr};
    QProcess process;
    pid_t pid = -1;
    const auto kill = qScopeGuard([&] {
        process.kill();
        process.waitForFinished();
        if (pid > 0 && how != "QProcess") {
            ::kill(pid, SIGKILL);
            ::waitpid(pid, nullptr, 0);
        }
    });
    if (how == "QProcess") {
        process.start(QString::fromLatin1(program), {QString::fromLatin1(seconds)});
        QVERIFY(process.waitForStarted(int(kLong.count())));
        pid = pid_t(process.processId());
    } else if (how == "fork") {
        Pipe execs; // closed by it
        pid = ::fork();
        if (pid == 0) {
            ::execvp(program.constData(), arguments);
            ::_exit(NotTrue);
        }
        execs.closeWriter();
        QCOMPARE(execs.get(), '\0');
    } else {
        QCOMPARE(::posix_spawnp(&pid, program.constData(), nullptr, nullptr, arguments, environ), 0);
    }
    QVERIFY(pid > 0);
    QCOMPARE(QFileInfo(QStringLiteral("/proc/%1/comm").arg(pid)).exists(), true);
    QVERIFY(descriptorsTo(m_path, ::getpid()) >= 2);
    QVERIFY(!descriptorsOf(pid).isEmpty());
    QCOMPARE(descriptorsTo(m_path, pid), 0);

    // While it lives, the lock goes on as if it did not.
    holder.release();
    QVERIFY(waiter.waitForAcquired(kLong));
    waiter.release();
    QVERIFY(waiter.waitForReleased(kLong));
    QVERIFY(!QFile::exists(m_path));
}

} // namespace

QTEST_GUILESS_MAIN(tst_Fork)
#include "tst_fork.moc"
