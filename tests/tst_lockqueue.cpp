// SPDX-License-Identifier: 0BSD
#include "queuetest.h"

#include <QtLockFile/LockFile>
#include <QtLockFile/LockQueue>

#include <QtCore/qdatetime.h>
#include <QtCore/qjsonarray.h>
#include <QtCore/qmap.h>
#include <QtCore/qregularexpression.h>
#include <QtCore/qscopeguard.h>
#include <QtTest/qtest.h>

#include <atomic>
#include <thread>

#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

using namespace QtLockFile;

namespace {

constexpr uint kNobody = 65534;

// The events of a file or folder, as others would see them.
class Events
{
public:
    explicit Events(const QString &path)
        : m_descriptor(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)),
          m_watching(::inotify_add_watch(m_descriptor, QFile::encodeName(path).constData(), IN_ALL_EVENTS) >= 0)
    {
    }
    Events(const Events &) = delete;
    Events &operator=(const Events &) = delete;
    ~Events() { ::close(m_descriptor); }

    bool isWatching() const { return m_watching; }

    // All since the last call.
    uint32_t take()
    {
        uint32_t all = 0;
        alignas(inotify_event) char buffer[4096];
        ssize_t size;
        while ((size = ::read(m_descriptor, buffer, sizeof buffer)) > 0) {
            for (ssize_t at = 0; at < size;) {
                const auto *event = reinterpret_cast<const inotify_event *>(buffer + at);
                all |= event->mask;
                at += ssize_t(sizeof(inotify_event) + event->len);
            }
        }
        return all;
    }

private:
    const int m_descriptor;
    const bool m_watching;
};

constexpr uint32_t kReadingEvents = IN_OPEN | IN_CLOSE_NOWRITE | IN_ISDIR;

QByteArray timesOf(const QString &path)
{
    struct stat status = {};
    if (::lstat(QFile::encodeName(path).constData(), &status) != 0)
        return "missing";
    const auto text = [](const timespec &time) { return QByteArray::number(qint64(time.tv_sec)) + '.' + QByteArray::number(qint64(time.tv_nsec)); };
    return text(status.st_atim) + ' ' + text(status.st_mtim) + ' ' + text(status.st_ctim);
}

// The process that unshare(1) started, as it is known here.
qint64 childOf(qint64 pid)
{
    QFile children(QStringLiteral("/proc/%1/task/%1/children").arg(pid));
    return children.open(QIODevice::ReadOnly) ? children.readAll().trimmed().toLongLong() : -1;
}

qint64 now()
{
    return QDateTime::currentMSecsSinceEpoch();
}

// In a pid namespace of its own, with a /proc of its own or with ours.
QStringList ownPids(bool ownProc)
{
    QStringList under{QStringLiteral("unshare"), QStringLiteral("--pid"), QStringLiteral("--fork"), QStringLiteral("--kill-child")};
    if (ownProc)
        under.append(QStringLiteral("--mount-proc"));
    return under;
}

bool mayUnshare()
{
    return QProcess::execute(QStringLiteral("unshare"),
                             {QStringLiteral("--pid"), QStringLiteral("--fork"), QStringLiteral("--mount-proc"), QStringLiteral("true")})
        == 0;
}

} // namespace

class tst_LockQueue : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init();
    void cleanup();

    void aQueueOfNoFileIsFree();
    void whereNobodyIsItIsFree_data();
    void whereNobodyIsItIsFree();
    void whatIsNoLockFileIsNotOpened_data();
    void whatIsNoLockFileIsNotOpened();
    void aPathThatCannotBeIsAnError_data();
    void aPathThatCannotBeIsAnError();
    void aFileThatMayNotBeReadIsAnError();
    void ourOwnLockIsOurs();
    void anotherProcessIsNamed();
    void aLongProgramNameIsWhole();
    void anotherUsersProcessIsNamed();
    void twentyAreInTheOrderInWhichTheyCame();
    void theQueueStaysInOrderWhenTheHolderChanges();
    void aFileWithContentHasAQueueToo();
    void aPeerThatLocksTheWholeFileIsNamed_data();
    void aPeerThatLocksTheWholeFileIsNamed();
    void waitingPeersComeLast();
    void whoWaitsForAPeerIsCounted();
    void sinceIsTrue();
    void aSecondObjectDoesNotCostTheName_data();
    void aSecondObjectDoesNotCostTheName();
    void aWaiterOfTheHoldersProcessDoesNotCostTheName();
    void threadsThatTakeTurnsKeepTheirNames();
    void aNameThatIsTakenDuringACloseStays();
    void anyThreadMayLook();
    void aHolderInAnInnerPidNamespaceHasItsPidHere();
    void aHolderInAnOuterPidNamespaceIsUnknown_data();
    void aHolderInAnOuterPidNamespaceIsUnknown();
    void aSharedPeerInAnOuterPidNamespaceIsNotOverlooked();
    void aForeignProcNamesNobody();
    void aStoppedProcessIsShownAsStopped();
    void aLookChangesNothing_data();
    void aLookChangesNothing();
    void aLookInTheHoldersProcessChangesNothing();
    void aLookTakesNoLock();
    void aLookNeverMakesATryFail();
    void looksDuringAFightNameTheTrueHolder();
    void describesItselfForPeople();
    void describesItselfForDebugging();

private:
    std::unique_ptr<QTemporaryDir> m_folder;
    QString m_path;
};

void tst_LockQueue::init()
{
    m_folder = std::make_unique<QTemporaryDir>();
    QVERIFY(m_folder->isValid());
    QCOMPARE(::chmod(QFile::encodeName(m_folder->path()).constData(), 0755), 0);
    m_path = m_folder->filePath(QStringLiteral("lock"));
}

void tst_LockQueue::cleanup()
{
    m_folder.reset();
}

void tst_LockQueue::aQueueOfNoFileIsFree()
{
    const LockQueue queue;
    QVERIFY(!queue.isHeld());
    QVERIFY(!queue.error());
    QCOMPARE(queue.holder().pid(), -1);
    QVERIFY(queue.waiters().isEmpty());
    QVERIFY(!queue.since().isValid());
    QVERIFY(queue == LockQueue());
}

void tst_LockQueue::whereNobodyIsItIsFree_data()
{
    QTest::addColumn<QString>("name");
    QTest::addColumn<bool>("create");
    QTest::newRow("an empty file") << QStringLiteral("lock") << true;
    QTest::newRow("no file") << QStringLiteral("lock") << false;
    QTest::newRow("no folder") << QStringLiteral("folder/lock") << false;
    QTest::newRow("no folders") << QStringLiteral("one/two/three/lock") << false;
}

void tst_LockQueue::whereNobodyIsItIsFree()
{
    QFETCH(const QString, name);
    QFETCH(const bool, create);
    const QString path = m_folder->filePath(name);
    if (create)
        QVERIFY(createFile(path));
    const LockQueue queue = LockQueue::of(path);
    QCOMPARE(queue.error().code(), LockError::Code::None);
    QVERIFY(!queue.isHeld());
    QVERIFY(queue.waiters().isEmpty());
    QCOMPARE(queue.holder().pid(), -1);
    QVERIFY(!queue.since().isValid());
    QCOMPARE(queue.path(), path);
    QCOMPARE(QFile::exists(path), create);
    QCOMPARE(QDir(m_folder->path()).entryList(QDir::NoDotAndDotDot | QDir::AllEntries).size(), create ? 1 : 0);
}

void tst_LockQueue::whatIsNoLockFileIsNotOpened_data()
{
    QTest::addColumn<QString>("kind");
    QTest::newRow("a folder") << QStringLiteral("folder");
    QTest::newRow("a link to a file") << QStringLiteral("link");
    QTest::newRow("a link that leads nowhere") << QStringLiteral("dangling");
    QTest::newRow("a FIFO") << QStringLiteral("fifo");
    QTest::newRow("a device") << QStringLiteral("device");
    QTest::newRow("a socket") << QStringLiteral("socket");
}

void tst_LockQueue::whatIsNoLockFileIsNotOpened()
{
    QFETCH(const QString, kind);
    const QByteArray path = QFile::encodeName(m_path);
    const QString target = m_folder->filePath(QStringLiteral("target"));
    const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const auto guard = qScopeGuard([&] { ::close(socket); });
    if (kind == QLatin1String("folder")) {
        QCOMPARE(::mkdir(path.constData(), 0755), 0);
    } else if (kind == QLatin1String("link")) {
        QVERIFY(createFile(target));
        QVERIFY(QFile::link(target, m_path));
    } else if (kind == QLatin1String("dangling")) {
        QVERIFY(QFile::link(target, m_path));
    } else if (kind == QLatin1String("fifo")) {
        QCOMPARE(::mkfifo(path.constData(), 0666), 0);
    } else if (kind == QLatin1String("device")) {
        if (::mknod(path.constData(), S_IFCHR | 0666, makedev(1, 3)) != 0)
            QSKIP("making a device takes root");
    } else {
        sockaddr_un address = {};
        address.sun_family = AF_UNIX;
        qstrncpy(address.sun_path, path.constData(), sizeof address.sun_path);
        QCOMPARE(::bind(socket, reinterpret_cast<const sockaddr *>(&address), sizeof address), 0);
    }
    Events folder(m_folder->path());
    QVERIFY(folder.isWatching());

    const LockQueue queue = LockQueue::of(m_path);
    QCOMPARE(queue.error().code(), LockError::Code::NotALockFile);
    QCOMPARE(queue.error().path(), m_path);
    QVERIFY(!queue.isHeld());
    QCOMPARE(folder.take(), 0U);
}

void tst_LockQueue::aPathThatCannotBeIsAnError_data()
{
    QTest::addColumn<QString>("name");
    QTest::addColumn<int>("error");
    QTest::newRow("below a file") << QStringLiteral("file/lock") << ENOTDIR;
    QTest::newRow("with a NUL") << QStringLiteral("file") + QChar(u'\0') + QStringLiteral("lock") << EINVAL;
    QTest::newRow("too long") << QString(300, u'x') << ENAMETOOLONG;
}

void tst_LockQueue::aPathThatCannotBeIsAnError()
{
    QFETCH(const QString, name);
    QFETCH(const int, error);
    QVERIFY(createFile(m_folder->filePath(QStringLiteral("file"))));
    const LockQueue queue = LockQueue::of(m_folder->path() + u'/' + name);
    QCOMPARE(queue.error().code(), LockError::Code::System);
    QCOMPARE(queue.error().systemError(), error);
    QVERIFY(!queue.isHeld());
}

void tst_LockQueue::aFileThatMayNotBeReadIsAnError()
{
    if (::geteuid() != 0)
        QSKIP("becoming another user takes root");
    LockFile lock(m_path);
    lock.setPermissions(QFileDevice::ReadOwner | QFileDevice::WriteOwner);
    QVERIFY(lock.tryAcquire());
    const auto other = Other::onlooker({QStringLiteral("--uid"), QString::number(kNobody)});
    QVERIFY(other->ask("look", m_path, "queue"));
    QCOMPARE(other->heardObject().value(u"error").toString(), QStringLiteral("AccessDenied"));
    QCOMPARE(other->heardObject().value(u"held").toBool(), false);
}

void tst_LockQueue::ourOwnLockIsOurs()
{
    LockFile lock(m_path);
    QVERIFY(lock.tryAcquire());
    LockQueue queue = LockQueue::of(m_path);
    QVERIFY(queue.isHeld());
    QVERIFY(!queue.error());
    QCOMPARE(queue.holder().pid(), qint64(::getpid()));
    QVERIFY(queue.holder().isThisProcess());
    QVERIFY(!queue.holder().isStopped());
    QCOMPARE(queue.holder().processName(), QStringLiteral("tst_lockqueue"));
    QVERIFY(queue.waiters().isEmpty());

    const auto waiter = Other::onlooker();
    waiter->say("acquire", m_path);
    QVERIFY(must([&] { return LockQueue::of(m_path).waiters().size() == 1; }));
    QVERIFY(must([&] { return LockQueue::of(m_path).waiters().constFirst().pid() == waiter->pid(); }));
    QVERIFY(!LockQueue::of(m_path).waiters().constFirst().isThisProcess());

    // The same from the other side.
    QVERIFY(waiter->ask("look", m_path, "queue"));
    const QJsonObject seen = waiter->heardObject();
    QCOMPARE(seen.value(u"holder").toObject().value(u"pid").toInteger(), qint64(::getpid()));
    QCOMPARE(seen.value(u"holder").toObject().value(u"this").toBool(), false);
    QCOMPARE(seen.value(u"waiters").toArray().at(0).toObject().value(u"this").toBool(), true);

    lock.release();
    QVERIFY(lock.waitForReleased());
    QVERIFY(waiter->hear("acquired"));
    queue = LockQueue::of(m_path);
    QCOMPARE(queue.holder().pid(), waiter->pid());
    QVERIFY(!queue.holder().isThisProcess());
}

void tst_LockQueue::anotherProcessIsNamed()
{
    const auto other = Other::onlooker();
    QVERIFY(other->ask("acquire", m_path, "acquired"));
    const LockQueue queue = LockQueue::of(m_path);
    QCOMPARE(pidsOf(queue), QList<qint64>{other->pid()});
    QCOMPARE(queue.holder().processName(), QStringLiteral("onlooker"));
    QVERIFY(other->ask("release", "released"));
    QVERIFY(!LockQueue::of(m_path).isHeld());
}

void tst_LockQueue::aLongProgramNameIsWhole()
{
    const QString name = QStringLiteral("a (program) with a long name");
    const QString program = m_folder->filePath(name);
    QVERIFY(QFile::link(QStringLiteral(ONLOOKER_PROGRAM), program));
    Other other(program, {});
    QVERIFY(other.ask("acquire", m_path, "acquired"));
    QCOMPARE(LockQueue::of(m_path).holder().processName(), name);
}

void tst_LockQueue::anotherUsersProcessIsNamed()
{
    if (::geteuid() != 0)
        QSKIP("becoming another user takes root");
    const auto holder = Other::onlooker();
    QVERIFY(holder->ask("acquire", m_path, "acquired"));
    const auto nobody = Other::onlooker({QStringLiteral("--uid"), QString::number(kNobody)});
    QVERIFY(nobody->ask("look", m_path, "queue"));
    const QJsonObject seen = nobody->heardObject();
    QCOMPARE(seen.value(u"error").toString(), QStringLiteral("None"));
    QCOMPARE(seen.value(u"holder").toObject().value(u"pid").toInteger(), holder->pid());
    QCOMPARE(seen.value(u"holder").toObject().value(u"name").toString(), QStringLiteral("onlooker"));
    QVERIFY(seen.value(u"since").toInteger() > 0);
}

void tst_LockQueue::twentyAreInTheOrderInWhichTheyCame()
{
    Others others = queueOf(20, m_path);
    QCOMPARE(others.size(), size_t(20));
    QVERIFY(others.front()->hear("acquired"));
    const LockQueue queue = LockQueue::of(m_path);
    QCOMPARE(pidsOf(queue), pidsOf(others));
    for (const LockParticipant &waiter : queue.waiters())
        QCOMPARE(waiter.processName(), QStringLiteral("onlooker"));

    for (int i = 0; i < 5; ++i) {
        others.at(8)->kill();
        others.erase(others.begin() + 8);
    }
    QCOMPARE(pidsOf(LockQueue::of(m_path)), pidsOf(others));

    // Whoever comes now is the last, and those in the middle are served in their order.
    others.push_back(Other::onlooker());
    others.back()->say("acquire", m_path);
    QVERIFY(must([&] { return pidsOf(LockQueue::of(m_path)) == pidsOf(others); }));
    while (!others.empty()) {
        QVERIFY(others.front()->ask("release", "released"));
        others.erase(others.begin());
        if (!others.empty())
            QVERIFY(others.front()->hear("acquired"));
        QCOMPARE(pidsOf(LockQueue::of(m_path)), pidsOf(others));
    }
    QVERIFY(!QFile::exists(m_path));
}

void tst_LockQueue::theQueueStaysInOrderWhenTheHolderChanges()
{
    Others others = queueOf(4, m_path);
    QCOMPARE(others.size(), size_t(4));
    others.front()->kill();
    others.erase(others.begin());
    QVERIFY(others.front()->hear("acquired"));
    QCOMPARE(pidsOf(LockQueue::of(m_path)), pidsOf(others));
    QVERIFY(others.at(1)->ask("cancel", "failed"));
    QCOMPARE(others.at(1)->heard(), QByteArray("Cancelled"));
    others.erase(others.begin() + 1);
    QCOMPARE(pidsOf(LockQueue::of(m_path)), pidsOf(others));
}

void tst_LockQueue::aFileWithContentHasAQueueToo()
{
    const QByteArray content("precious");
    {
        QFile file(m_path);
        QVERIFY(file.open(QIODevice::WriteOnly));
        QCOMPARE(file.write(content), content.size());
    }
    const Others others = queueOf(3, m_path, true);
    QCOMPARE(others.size(), size_t(3));
    QVERIFY(LockQueue::of(m_path).since().isValid());
    QFile file(m_path);
    QVERIFY(file.open(QIODevice::ReadOnly));
    QCOMPARE(file.readAll(), content);
}

void tst_LockQueue::aPeerThatLocksTheWholeFileIsNamed_data()
{
    QTest::addColumn<QByteArray>("how");
    QTest::newRow("for itself") << QByteArray("open lock");
    QTest::newRow("shared") << QByteArray("open share");
}

void tst_LockQueue::aPeerThatLocksTheWholeFileIsNamed()
{
    QFETCH(const QByteArray, how);
    const auto peer = Other::peer(m_path);
    QVERIFY(peer->ask(how, "done"));
    const LockQueue queue = LockQueue::of(m_path);
    QVERIFY(queue.isHeld());
    QCOMPARE(queue.holder().pid(), peer->pid());
    QVERIFY(queue.holder().processName().startsWith(QLatin1String("python3")));
    QVERIFY(queue.waiters().isEmpty());
    QVERIFY(!queue.since().isValid());
    QVERIFY(peer->ask("unlock", "done"));
    QVERIFY(!LockQueue::of(m_path).isHeld());
}

void tst_LockQueue::waitingPeersComeLast()
{
    const Others others = queueOf(2, m_path);
    QCOMPARE(others.size(), size_t(2));
    Others peers;
    for (int i = 0; i < 3; ++i) {
        peers.push_back(Other::peer(m_path));
        peers.back()->say("open lock");
        QVERIFY(must([&] { return LockQueue::of(m_path).waiters().size() == 2 + i; }));
    }
    QList<qint64> seen = pidsOf(LockQueue::of(m_path));
    QCOMPARE(seen.mid(0, 2), pidsOf(others));
    QList<qint64> last = seen.mid(2);
    QList<qint64> expected = pidsOf(peers);
    std::sort(last.begin(), last.end());
    std::sort(expected.begin(), expected.end());
    QCOMPARE(last, expected);
    QVERIFY(LockQueue::of(m_path).since().isValid());

    peers.front()->kill();
    // Those who queued behind it are woken to queue anew, and are not in /proc/locks for a moment.
    QVERIFY(must([&] { return LockQueue::of(m_path).waiters().size() == 3; }));
}

void tst_LockQueue::whoWaitsForAPeerIsCounted()
{
    const auto peer = Other::peer(m_path);
    QVERIFY(peer->ask("open lock", "done"));
    const auto waitingPeer = Other::peer(m_path);
    waitingPeer->say("open lock");
    QVERIFY(must([&] { return LockQueue::of(m_path).waiters().size() == 1; }));
    const auto other = Other::onlooker();
    other->say("acquire", m_path);
    QVERIFY(must([&] { return LockQueue::of(m_path).waiters().size() == 2; }));
    const LockQueue queue = LockQueue::of(m_path);
    QCOMPARE(queue.holder().pid(), peer->pid());
    // The kernel does not name who waits at the gate.
    QList<qint64> waiters = pidsOf(queue).mid(1);
    std::sort(waiters.begin(), waiters.end());
    QCOMPARE(waiters, (QList<qint64>{-1, waitingPeer->pid()}));
}

void tst_LockQueue::sinceIsTrue()
{
    Others others;
    for (int i = 0; i < 2; ++i)
        others.push_back(Other::onlooker());
    qint64 before = now();
    QVERIFY(others.at(0)->ask("acquire", m_path, "acquired"));
    qint64 after = now();
    QDateTime since = LockQueue::of(m_path).since();
    QVERIFY(since.isValid());
    QVERIFY(since.toMSecsSinceEpoch() >= before && since.toMSecsSinceEpoch() <= after);

    others.at(1)->say("acquire", m_path);
    QVERIFY(must([&] { return LockQueue::of(m_path).waiters().size() == 1; }));
    QCOMPARE(LockQueue::of(m_path).since(), since);
    before = now();
    QVERIFY(others.at(0)->ask("release", "released"));
    QVERIFY(others.at(1)->hear("acquired"));
    after = now();
    since = LockQueue::of(m_path).since();
    QVERIFY(since.toMSecsSinceEpoch() >= before && since.toMSecsSinceEpoch() <= after);
}

void tst_LockQueue::aSecondObjectDoesNotCostTheName_data()
{
    QTest::addColumn<bool>("keep");
    QTest::newRow("file removed on release") << false;
    QTest::newRow("file kept") << true;
}

void tst_LockQueue::aSecondObjectDoesNotCostTheName()
{
    QFETCH(const bool, keep);
    const auto other = Other::onlooker();
    if (keep)
        other->say("keep");
    QVERIFY(other->ask("acquire", m_path, "acquired"));
    const LockQueue before = LockQueue::of(m_path);
    QCOMPARE(before.holder().pid(), other->pid());
    for (int i = 0; i < 3; ++i) {
        QVERIFY(other->ask("try", m_path, "refused")); // a second LockFile, closed and destroyed
        QVERIFY(other->ask("look", m_path, "queue"));  // opens and closes it too
        QCOMPARE(other->heardObject().value(u"holder").toObject().value(u"this").toBool(), true);
        QCOMPARE(LockQueue::of(m_path), before);
    }
    // Nor the next hold.
    QVERIFY(other->ask("release", "released"));
    QVERIFY(other->ask("acquire", m_path, "acquired"));
    QVERIFY(other->ask("try", m_path, "refused"));
    QCOMPARE(LockQueue::of(m_path).holder().pid(), other->pid());
}

void tst_LockQueue::aWaiterOfTheHoldersProcessDoesNotCostTheName()
{
    const QList<qint64> one{::getpid()};
    LockFile holder(m_path);
    QVERIFY(holder.tryAcquire());
    for (int i = 0; i < 3; ++i) {
        LockFile waiter(m_path);
        waiter.acquire();
        QVERIFY(must([&] { return pidsOf(LockQueue::of(m_path)) == one + one; }));
        if (i < 2)
            waiter.cancel(); // else destroyed while it waits
        if (i < 2)
            QVERIFY(must([&] { return waiter.state() == LockFile::State::Released; }));
    }
    QVERIFY(must([&] { return pidsOf(LockQueue::of(m_path)) == one; }));

    // The waiter keeps its own name when the holder closes.
    LockFile waiter(m_path);
    waiter.acquire();
    QVERIFY(must([&] { return pidsOf(LockQueue::of(m_path)) == one + one; }));
    holder.release();
    QVERIFY(waiter.waitForAcquired());
    QVERIFY(holder.waitForReleased());
    QCOMPARE(pidsOf(LockQueue::of(m_path)), one);
}

void tst_LockQueue::threadsThatTakeTurnsKeepTheirNames()
{
    std::atomic<int> holds{0};
    std::atomic<int> nameless{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&] {
            LockFile lock(m_path);
            lock.setRemoveOnRelease(false); // so that all are on the same file
            for (int turn = 0; turn < 500; ++turn) {
                if (!lock.tryAcquire())
                    continue;
                ++holds;
                if (LockQueue::of(m_path).holder().pid() != ::getpid())
                    ++nameless;
                lock.release();
                lock.waitForReleased();
            }
        });
    }
    for (std::thread &thread : threads)
        thread.join();
    QVERIFY(holds > 0);
    QCOMPARE(nameless.load(), 0);
}

// Whoever leaves last closes what the process has kept open of the file, and each close would take the name of who has just come.
void tst_LockQueue::aNameThatIsTakenDuringACloseStays()
{
    for (int round = 0; round < 20; ++round) {
        LockFile first(m_path);
        first.setRemoveOnRelease(false);
        QVERIFY(first.tryAcquire());
        {
            std::vector<std::unique_ptr<LockFile>> waiters;
            for (int i = 0; i < 30; ++i) {
                waiters.push_back(std::make_unique<LockFile>(m_path));
                waiters.back()->setRemoveOnRelease(false);
                waiters.back()->acquire();
            }
            QVERIFY(must([&] { return LockQueue::of(m_path).waiters().size() == 30; }));
        }
        std::atomic<bool> isThere{false};
        std::atomic<bool> acquired{false};
        std::atomic<bool> done{false};
        std::thread thread([&] {
            LockFile second(m_path);
            second.setRemoveOnRelease(false);
            while (!done && !acquired) {
                acquired = second.tryAcquire();
                isThere = true;
            }
            while (!done)
                std::this_thread::yield();
        });
        const auto join = qScopeGuard([&] {
            done = true;
            thread.join();
        });
        QVERIFY(must([&] { return isThere.load(); }));
        first.release();
        QVERIFY(first.waitForReleased());
        QVERIFY(must([&] { return acquired.load(); }));
        QCOMPARE(pidsOf(LockQueue::of(m_path)), QList<qint64>{::getpid()});
    }
}

void tst_LockQueue::anyThreadMayLook()
{
    LockFile lock(m_path);
    QVERIFY(lock.tryAcquire());
    const LockQueue expected = LockQueue::of(m_path);
    std::atomic<int> wrong{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&] {
            for (int look = 0; look < 500; ++look)
                wrong += LockQueue::of(m_path) == expected ? 0 : 1;
        });
    }
    for (std::thread &thread : threads)
        thread.join();
    QCOMPARE(wrong.load(), 0);
    QCOMPARE(expected.holder().pid(), qint64(::getpid()));
}

void tst_LockQueue::aHolderInAnInnerPidNamespaceHasItsPidHere()
{
    if (!mayUnshare())
        QSKIP("a pid namespace of one's own takes root");
    const auto inner = Other::onlooker({}, ownPids(true));
    QCOMPARE(inner->pid(), 1);
    QVERIFY(inner->ask("acquire", m_path, "acquired"));
    const LockQueue queue = LockQueue::of(m_path);
    QCOMPARE(queue.holder().pid(), childOf(inner->startedPid()));
    QCOMPARE(queue.holder().processName(), QStringLiteral("onlooker"));
    QVERIFY(inner->ask("look", m_path, "queue"));
    QCOMPARE(inner->heardObject().value(u"holder").toObject().value(u"pid").toInteger(), 1);
}

void tst_LockQueue::aHolderInAnOuterPidNamespaceIsUnknown_data()
{
    QTest::addColumn<bool>("ownProc");
    QTest::newRow("with a /proc of its own") << true;
    QTest::newRow("with our /proc") << false;
}

void tst_LockQueue::aHolderInAnOuterPidNamespaceIsUnknown()
{
    QFETCH(const bool, ownProc);
    if (!mayUnshare())
        QSKIP("a pid namespace of one's own takes root");
    const Others others = queueOf(2, m_path);
    QCOMPARE(others.size(), size_t(2));
    const auto peer = Other::peer(m_path);
    peer->say("open lock");
    QVERIFY(must([&] { return LockQueue::of(m_path).waiters().size() == 2; }));

    const auto inner = Other::onlooker({}, ownPids(ownProc));
    QVERIFY(inner->ask("look", m_path, "queue"));
    const QJsonObject seen = inner->heardObject();
    QVERIFY(seen.value(u"held").toBool());
    QVERIFY(seen.value(u"since").toInteger() > 0);
    QCOMPARE(seen.value(u"holder").toObject().value(u"pid").toInteger(), -1);
    QCOMPARE(seen.value(u"holder").toObject().value(u"name").toString(), QString());
    const QJsonArray waiters = seen.value(u"waiters").toArray();
    QVERIFY(!waiters.isEmpty());
    for (const QJsonValue &waiter : waiters) {
        QCOMPARE(waiter.toObject().value(u"pid").toInteger(), -1);
        QCOMPARE(waiter.toObject().value(u"name").toString(), QString());
    }
    QVERIFY(seen.value(u"text").toString().startsWith(QLatin1String("held by an unknown process since ")));
}

void tst_LockQueue::aSharedPeerInAnOuterPidNamespaceIsNotOverlooked()
{
    if (!mayUnshare())
        QSKIP("a pid namespace of one's own takes root");
    const auto peer = Other::peer(m_path);
    QVERIFY(peer->ask("open share", "done"));
    const auto inner = Other::onlooker({}, ownPids(true));
    QVERIFY(inner->ask("look", m_path, "queue"));
    QVERIFY(inner->heardObject().value(u"held").toBool());
    QCOMPARE(inner->heardObject().value(u"holder").toObject().value(u"pid").toInteger(), -1);
}

void tst_LockQueue::aForeignProcNamesNobody()
{
    if (!mayUnshare())
        QSKIP("a pid namespace of one's own takes root");
    // Its pid there is 1, and process 1 of our /proc is another.
    const auto inner = Other::onlooker({}, ownPids(false));
    QCOMPARE(inner->pid(), 1);
    QVERIFY(inner->ask("acquire", m_path, "acquired"));
    QVERIFY(inner->ask("look", m_path, "queue"));
    const QJsonObject holder = inner->heardObject().value(u"holder").toObject();
    QCOMPARE(holder.value(u"pid").toInteger(), 1);
    QVERIFY(holder.value(u"this").toBool());
    QCOMPARE(holder.value(u"name").toString(), QString());
}

void tst_LockQueue::aStoppedProcessIsShownAsStopped()
{
    const Others others = queueOf(3, m_path);
    QCOMPARE(others.size(), size_t(3));
    for (const auto &other : others)
        other->signal(SIGSTOP);
    QVERIFY(must([&] { return hasStopped(others.at(0)->pid()) && hasStopped(others.at(1)->pid()) && hasStopped(others.at(2)->pid()); }));
    others.at(2)->signal(SIGCONT);
    QVERIFY(must([&] { return !hasStopped(others.at(2)->pid()); }));
    const LockQueue queue = LockQueue::of(m_path);
    QCOMPARE(pidsOf(queue), pidsOf(others));
    QVERIFY(queue.holder().isStopped());
    QVERIFY(queue.waiters().at(0).isStopped());
    QVERIFY(!queue.waiters().at(1).isStopped());
    QVERIFY2(queue.description().endsWith(QLatin1String(" (stopped), 2 waiting")), qPrintable(queue.description()));
}

void tst_LockQueue::aLookChangesNothing_data()
{
    QTest::addColumn<bool>("held");
    QTest::newRow("at a free file") << false;
    QTest::newRow("at a held file") << true;
}

void tst_LockQueue::aLookChangesNothing()
{
    QFETCH(const bool, held);
    QVERIFY(createFile(m_path));
    const auto other = Other::onlooker();
    if (held) {
        QVERIFY(other->ask("acquire", m_path, "acquired"));
        QCOMPARE(pidsOf(LockQueue::of(m_path)), QList<qint64>{other->pid()});
    }
    Events file(m_path);
    Events folder(m_folder->path());
    QVERIFY(file.isWatching() && folder.isWatching());
    const QByteArray times = timesOf(m_path);
    const QByteArray folderTimes = timesOf(m_folder->path());
    for (int i = 0; i < 20; ++i)
        QCOMPARE(LockQueue::of(m_path).isHeld(), held);
    QCOMPARE(timesOf(m_path), times);
    QCOMPARE(timesOf(m_folder->path()), folderTimes);
    QCOMPARE(file.take() & ~kReadingEvents, 0U);
    QCOMPARE(folder.take() & ~kReadingEvents, 0U);
}

void tst_LockQueue::aLookInTheHoldersProcessChangesNothing()
{
    LockFile holder(m_path);
    QVERIFY(holder.tryAcquire());
    LockFile waiter(m_path);
    waiter.acquire();
    QVERIFY(must([&] { return waiter.position() == 1; }));
    {
        LockFile third(m_path); // what it opens is kept by this process
        QVERIFY(!third.tryAcquire());
    }
    Events file(m_path);
    QVERIFY(file.isWatching());
    const QByteArray times = timesOf(m_path);
    for (int i = 0; i < 20; ++i) {
        QCOMPARE(LockQueue::of(m_path).waiters().size(), 1);
        QCOMPARE(waiter.position(), 1);
    }
    QCOMPARE(timesOf(m_path), times);
    QCOMPARE(file.take() & ~kReadingEvents, 0U);
}

void tst_LockQueue::aLookTakesNoLock()
{
    const QString strace = QStandardPaths::findExecutable(QStringLiteral("strace"));
    if (strace.isEmpty())
        QSKIP("strace is not installed");
    const Others others = queueOf(2, m_path);
    QCOMPARE(others.size(), size_t(2));
    const QString log = m_folder->filePath(QStringLiteral("calls"));
    // LeakSanitizer does not work under strace.
    const auto looker =
        Other::onlooker({},
                        {QStringLiteral("env"), QStringLiteral("ASAN_OPTIONS=detect_leaks=0"), strace, QStringLiteral("-f"), QStringLiteral("-y"),
                         QStringLiteral("-o"), log, QStringLiteral("-e"), QStringLiteral("trace=fcntl,flock,unlink,unlinkat,rename,renameat")});
    QVERIFY(looker->pid() > 0);
    QVERIFY(looker->ask("look", m_path, "queue"));
    QCOMPARE(looker->heardObject().value(u"waiters").toArray().size(), 1);
    QVERIFY(looker->finish());
    QFile calls(log);
    QVERIFY(calls.open(QIODevice::ReadOnly));
    QByteArray text; // of what is done to this file, and not to one of a sanitizer, say
    while (!calls.atEnd()) {
        const QByteArray call = calls.readLine();
        if (call.contains(QFile::encodeName(m_path)))
            text += call;
    }
    QVERIFY(text.contains("F_OFD_GETLK"));
    for (const char *call : {"F_OFD_SETLK", "F_SETLK", "flock(", "unlink", "rename"})
        QVERIFY2(!text.contains(call), call);
}

void tst_LockQueue::aLookNeverMakesATryFail()
{
    LockFile lock(m_path);
    std::atomic<bool> done{false};
    std::vector<std::thread> threads;
    const auto join = qScopeGuard([&] {
        done = true;
        for (std::thread &thread : threads)
            thread.join();
    });
    for (int i = 0; i < 2; ++i) {
        threads.emplace_back([&] {
            while (!done)
                LockQueue::of(m_path);
        });
    }
    for (int i = 0; i < 1000; ++i) {
        QVERIFY(lock.tryAcquire());
        lock.release();
        QVERIFY(lock.waitForReleased());
        QVERIFY(!lock.error());
        QVERIFY(!QFile::exists(m_path));
    }
}

// The true holder is known afterwards: each notes since when it held, and no two the same.
void tst_LockQueue::looksDuringAFightNameTheTrueHolder()
{
    Others fighters;
    for (int i = 0; i < 8; ++i)
        fighters.push_back(Other::onlooker());
    const QList<qint64> known = pidsOf(fighters);
    QVERIFY(!known.contains(-1));
    for (const auto &fighter : fighters)
        fighter->say("fight", m_path);

    struct Seen
    {
        qint64 holder;
        qint64 since;
    };
    std::vector<Seen> seen;
    for (int look = 0; look < 10000; ++look) {
        const LockQueue queue = LockQueue::of(m_path);
        QVERIFY2(!queue.error(), qPrintable(queue.error().message()));
        for (const qint64 pid : pidsOf(queue))
            QVERIFY(pid == -1 || known.contains(pid));
        QVERIFY(queue.isHeld() || (queue.waiters().isEmpty() && !queue.since().isValid()));
        if (queue.holder().pid() > 0 && queue.since().isValid())
            seen.push_back({queue.holder().pid(), queue.since().toMSecsSinceEpoch()});
    }

    QMap<qint64, qint64> holders; // by since
    for (const auto &fighter : fighters) {
        // Its exit code tells if two held at once, or an attempt failed.
        QVERIFY(fighter->ask("stop", "fought"));
        const QJsonArray holds = QJsonDocument::fromJson(fighter->heard()).array();
        QVERIFY(fighter->finish());
        QVERIFY(!holds.isEmpty());
        for (const QJsonValue &since : holds) {
            QVERIFY(!holders.contains(since.toInteger()));
            holders.insert(since.toInteger(), fighter->pid());
        }
    }
    QVERIFY(!seen.empty());
    qint64 latest = 0;
    for (const Seen &look : seen) {
        QVERIFY(look.since >= latest);
        latest = look.since;
        QVERIFY(holders.contains(look.since));
        QCOMPARE(look.holder, holders.value(look.since));
    }
    QVERIFY(!LockQueue::of(m_path).isHeld());
    QVERIFY(!QFile::exists(m_path));
}

void tst_LockQueue::describesItselfForPeople()
{
    const QString pid = QString::number(::getpid());
    QCOMPARE(LockQueue::of(m_path).description(), QStringLiteral("free"));
    LockFile lock(m_path);
    QVERIFY(lock.tryAcquire());
    LockQueue queue = LockQueue::of(m_path);
    const QRegularExpression held(QStringLiteral("^held by tst_lockqueue \\(%1\\) since [^,]+$").arg(pid));
    QVERIFY2(held.match(queue.description()).hasMatch(), qPrintable(queue.description()));

    LockFile waiter(m_path);
    waiter.acquire();
    QVERIFY(must([&] { return waiter.position() == 1; }));
    queue = LockQueue::of(m_path);
    const QRegularExpression waited(QStringLiteral("^held by tst_lockqueue \\(%1\\) since [^,]+, 1 waiting$").arg(pid));
    QVERIFY2(waited.match(queue.description()).hasMatch(), qPrintable(queue.description()));
    waiter.cancel();
    QVERIFY(!waiter.waitForAcquired());
    lock.release();
    QVERIFY(lock.waitForReleased());

    const auto peer = Other::peer(m_path);
    QVERIFY(peer->ask("open lock", "done"));
    queue = LockQueue::of(m_path);
    QCOMPARE(queue.description(), QStringLiteral("held by %1 (%2)").arg(queue.holder().processName()).arg(peer->pid()));

    queue = LockQueue::of(m_folder->path());
    QCOMPARE(queue.description(), queue.error().message());
    QVERIFY(queue.description().contains(m_folder->path()));
}

void tst_LockQueue::describesItselfForDebugging()
{
    const auto text = [](const LockQueue &queue) {
        QString result;
        QDebug(&result).nospace() << queue;
        return result;
    };
    const LockQueue free = LockQueue::of(m_path);
    QCOMPARE(text(free), QStringLiteral("LockQueue(\"%1\", free)").arg(m_path));
    const Others others = queueOf(2, m_path);
    QCOMPARE(others.size(), size_t(2));
    const LockQueue queue = LockQueue::of(m_path);
    QVERIFY(queue != free);
    QCOMPARE(text(queue), QStringLiteral("LockQueue(\"%1\", %2, onlooker (%3))").arg(m_path, queue.description()).arg(others.at(1)->pid()));

    QString participant;
    QDebug(&participant).nospace() << queue.holder();
    QCOMPARE(participant, QStringLiteral("LockParticipant(onlooker (%1))").arg(others.at(0)->pid()));
    others.at(0)->signal(SIGSTOP);
    QVERIFY(must([&] { return hasStopped(others.at(0)->pid()); }));
    participant.clear();
    QDebug(&participant).nospace() << LockQueue::of(m_path).holder();
    QCOMPARE(participant, QStringLiteral("LockParticipant(onlooker (%1), stopped)").arg(others.at(0)->pid()));
    participant.clear();
    QDebug(&participant).nospace() << LockParticipant();
    QCOMPARE(participant, QStringLiteral("LockParticipant(an unknown process)"));
}

QTEST_GUILESS_MAIN(tst_LockQueue)
#include "tst_lockqueue.moc"
