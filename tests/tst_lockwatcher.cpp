// SPDX-License-Identifier: 0BSD
#include "queuetest.h"

#include <QtLockFile/LockFile>
#include <QtLockFile/LockQueue>
#include <QtLockFile/LockWatcher>

#include <QtCore/qjsonarray.h>
#include <QtCore/qscopeguard.h>
#include <QtCore/qthread.h>
#include <QtTest/qtest.h>

#include <atomic>
#include <thread>

#include <csignal>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

using namespace QtLockFile;

namespace {

constexpr uint kNobody = 65534;

// What a watcher tells.
struct Watched
{
    explicit Watched(const QString &path) : watcher(path)
    {
        QObject::connect(&watcher, &LockWatcher::queueChanged, &watcher, [this](const LockQueue &queue) {
            consistent &= queue == watcher.queue() && queue.path() == watcher.path();
            ++changes;
        });
    }

    bool isFree() const { return changes > 0 && !watcher.queue().error() && !watcher.queue().isHeld(); }
    bool shows(const QList<qint64> &pids) const { return changes > 0 && pidsOf(watcher.queue()) == pids; }
    bool becomesFree()
    {
        return must([this] { return isFree(); });
    }
    bool comesToShow(const QList<qint64> &pids)
    {
        return must([&] { return shows(pids); });
    }
    bool comesToShowError(LockError::Code code)
    {
        return must([&] { return watcher.queue().error().code() == code; });
    }

    // No look is due any more: those after an event would hide that the next one was missed.
    bool rests()
    {
        return must([this] {
            const int before = changes;
            return never([&] { return changes != before; });
        });
    }

    LockWatcher watcher;
    int changes = 0;
    bool consistent = true;
};

class DescriptorLimit
{
public:
    explicit DescriptorLimit(rlim_t limit)
    {
        ::getrlimit(RLIMIT_NOFILE, &m_before);
        set(limit);
    }
    DescriptorLimit(const DescriptorLimit &) = delete;
    DescriptorLimit &operator=(const DescriptorLimit &) = delete;
    ~DescriptorLimit() { set(m_before.rlim_cur); }

    bool set(rlim_t limit) { return changeTo({limit, m_before.rlim_max}); }

private:
    static bool changeTo(const rlimit &limit) { return ::setrlimit(RLIMIT_NOFILE, &limit) == 0; }

    rlimit m_before{};
};

// What a process under strace(1) has called so far, in bytes of the log.
QStringList straced(const QString &log)
{
    // LeakSanitizer does not work under strace.
    return {QStringLiteral("env"), QStringLiteral("ASAN_OPTIONS=detect_leaks=0"), QStringLiteral("strace"), QStringLiteral("-f"), QStringLiteral("-o"), log};
}

qint64 sizeOf(const QString &path)
{
    return QFileInfo(path).size();
}

// How often the threads of a process have gone to sleep, so also how often they woke up.
qint64 sleepsOf(qint64 pid)
{
    qint64 sleeps = 0;
    const QString tasks = QStringLiteral("/proc/%1/task").arg(pid);
    const QStringList entries = QDir(tasks).entryList(QDir::NoDotAndDotDot | QDir::Dirs);
    for (const QString &task : entries) {
        QFile status(tasks + u'/' + task + QStringLiteral("/status"));
        if (!status.open(QIODevice::ReadOnly))
            continue;
        const QByteArray text = status.readAll();
        const QByteArray key("\nvoluntary_ctxt_switches:");
        const qsizetype at = text.indexOf(key) + key.size();
        sleeps += text.mid(at, text.indexOf('\n', at) - at).trimmed().toLongLong();
    }
    return sleeps;
}

// Waits until the number stays the same for so many times the short wait; false if it never does.
template<typename Number>
bool comesToRest(Number number, int waits = 1)
{
    return must([&] {
        const qint64 before = number();
        for (int i = 0; i < waits; ++i) {
            if (!never([&] { return number() != before; }))
                return false;
        }
        return true;
    });
}

QList<qint64> pidsOf(const QJsonObject &queue)
{
    QList<qint64> pids;
    if (queue.value(u"held").toBool())
        pids.append(queue.value(u"holder").toObject().value(u"pid").toInteger());
    const QJsonArray waiters = queue.value(u"waiters").toArray();
    for (const QJsonValue &waiter : waiters)
        pids.append(waiter.toObject().value(u"pid").toInteger());
    return pids;
}

// Until a watcher in another process shows them.
bool comesToShow(Other &other, const QList<qint64> &pids)
{
    while (other.hear("queue")) {
        if (pidsOf(other.heardObject()) == pids)
            return true;
    }
    return false;
}

bool mayUnshareUser()
{
    return QProcess::execute(QStringLiteral("unshare"), {QStringLiteral("--user"), QStringLiteral("--map-root-user"), QStringLiteral("true")}) == 0;
}

} // namespace

class tst_LockWatcher : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init();
    void cleanup();

    void tellsFromTheEventLoopAndOnce();
    void followsAcquireAndRelease_data();
    void followsAcquireAndRelease();
    void followsWaitersThatComeAndGiveUp();
    void seesATicketThatIsDrawnLongAfterTheOpening();
    void followsAKilledHolder();
    void followsHandOverWithItsTime();
    void followsAWaiterOfTheHoldersProcess();
    void followsAFileWithContent();
    void seesAPeerThatOpensAndCloses();
    void seesAPeerThatIsKilled();
    void aWaitingPeerStaysWhileOthersOpenTheFile();
    void seesAPeerThatBeginsToWaitThoughTheFileIsNeverAtRest();
    void seesALockThatComesAMomentAfterTheOpening();
    void followsAFileThatComesAndGoes();
    void followsAFileThatIsReplaced();
    void followsAFileThatIsMovedAway();
    void followsAFileWhoseFolderComesLater();
    void followsAFileWhoseFolderMoves_data();
    void followsAFileWhoseFolderMoves();
    void followsWhatIsNoLockFile_data();
    void followsWhatIsNoLockFile();
    void followsPermissions();
    void wakesNobodyWhileNothingHappens();
    void watchersInTwoProcessesDoNotWakeEachOther();
    void aLookInASlotWakesNothingForEver();
    void aThousandOnOnePath();
    void aThousandOnManyPaths();
    void leavesNothingBehind();
    void aFileThatComesAndGoesTenThousandTimesLeaksNothing();
    void mayBeDestroyedInItsSlot();
    void comesAndGoesInThreads();
    void comesAndGoesWhileTheProcessForks();
    void belongsToItsThread();
    void recoversFromALackOfDescriptors();
    void watchesAtLastWhereNothingWasLeftToWatchWith();
    void seesWhatHappenedAmongTooManyEvents();
    void aForkedChildMayDeleteItsCopy();
    void looksSlowlyWhereInotifyIsUsedUp_data();
    void looksSlowlyWhereInotifyIsUsedUp();

private:
    QString inFolder(const QString &name) const { return m_folder->filePath(name); }

    std::unique_ptr<QTemporaryDir> m_folder;
    QString m_path;
};

void tst_LockWatcher::init()
{
    m_folder = std::make_unique<QTemporaryDir>();
    QVERIFY(m_folder->isValid());
    QCOMPARE(::chmod(QFile::encodeName(m_folder->path()).constData(), 0755), 0);
    m_path = inFolder(QStringLiteral("lock"));
    QVERIFY(must([] { return inotifyDescriptors().isEmpty(); }));
}

void tst_LockWatcher::cleanup()
{
    m_folder.reset();
}

void tst_LockWatcher::tellsFromTheEventLoopAndOnce()
{
    Watched watched(m_path);
    QCOMPARE(watched.watcher.path(), m_path);
    QCOMPARE(watched.changes, 0);
    QVERIFY(watched.becomesFree());
    QCOMPARE(watched.watcher.queue().path(), m_path);
    QVERIFY(never([&] { return watched.changes != 1; }));
    QVERIFY(!QFile::exists(m_path));
    QVERIFY(watched.consistent);
}

void tst_LockWatcher::followsAcquireAndRelease_data()
{
    QTest::addColumn<bool>("keep");
    QTest::newRow("of a file that is removed") << false;
    QTest::newRow("of a file that stays") << true;
}

void tst_LockWatcher::followsAcquireAndRelease()
{
    QFETCH(const bool, keep);
    Watched watched(m_path);
    QVERIFY(watched.becomesFree());
    const auto other = Other::onlooker();
    if (keep)
        other->say("keep");
    for (int i = 0; i < 20; ++i) {
        QVERIFY(other->ask("acquire", m_path, "acquired"));
        QVERIFY(must([&] { return watched.shows({other->pid()}) && watched.watcher.queue().since().isValid(); }));
        QCOMPARE(watched.watcher.queue(), LockQueue::of(m_path));
        QVERIFY(other->ask("release", "released"));
        QVERIFY(watched.becomesFree());
    }
    QVERIFY(watched.consistent);
}

void tst_LockWatcher::followsWaitersThatComeAndGiveUp()
{
    Watched watched(m_path);
    Others others = queueOf(4, m_path);
    QCOMPARE(others.size(), size_t(4));
    QVERIFY(watched.comesToShow(pidsOf(others)));
    QVERIFY(others.at(2)->ask("cancel", "failed"));
    others.erase(others.begin() + 2);
    QVERIFY(watched.comesToShow(pidsOf(others)));
    others.at(1)->kill();
    others.erase(others.begin() + 1);
    QVERIFY(watched.comesToShow(pidsOf(others)));
    others.push_back(Other::onlooker());
    others.back()->say("acquire", m_path);
    QVERIFY(watched.comesToShow(pidsOf(others)));
    QVERIFY(watched.consistent);
}

void tst_LockWatcher::seesATicketThatIsDrawnLongAfterTheOpening()
{
    Others others = queueOf(1, m_path);
    QCOMPARE(others.size(), size_t(1));
    const int file = ::open(QFile::encodeName(m_path).constData(), O_RDWR | O_CLOEXEC);
    QVERIFY(file >= 0);
    struct flock gate = {};
    gate.l_type = F_WRLCK;
    gate.l_start = off_t(1) << 61;
    gate.l_len = 1;
    QCOMPARE(::fcntl(file, F_OFD_SETLK, &gate), 0);
    Watched watched(m_path);
    QVERIFY(watched.comesToShow(pidsOf(others)));
    others.push_back(Other::onlooker());
    others.back()->say("acquire", m_path);
    QVERIFY(watched.comesToShow({others.front()->pid(), -1})); // it waits for the gate
    QVERIFY(watched.rests());
    gate.l_type = F_UNLCK;
    QCOMPARE(::fcntl(file, F_OFD_SETLK, &gate), 0);
    QVERIFY(watched.comesToShow(pidsOf(others)));
    QCOMPARE(::close(file), 0);
}

void tst_LockWatcher::followsAKilledHolder()
{
    Watched watched(m_path);
    for (int i = 0; i < 10; ++i) {
        const auto other = Other::onlooker();
        QVERIFY(other->ask("acquire", m_path, "acquired"));
        QVERIFY(watched.comesToShow({other->pid()}));
        other->kill();
        QVERIFY(watched.becomesFree());
        QVERIFY(QFile::exists(m_path));
    }
}

void tst_LockWatcher::followsHandOverWithItsTime()
{
    Watched watched(m_path);
    Others others = queueOf(6, m_path);
    QCOMPARE(others.size(), size_t(6));
    QVERIFY(watched.comesToShow(pidsOf(others)));
    while (others.size() > 1) {
        const qint64 before = QDateTime::currentMSecsSinceEpoch();
        if (others.size() % 2)
            others.front()->kill();
        else
            QVERIFY(others.front()->ask("release", "released"));
        others.erase(others.begin());
        QVERIFY(others.front()->hear("acquired"));
        const qint64 after = QDateTime::currentMSecsSinceEpoch();
        QVERIFY(must([&] {
            const qint64 since = watched.watcher.queue().since().isValid() ? watched.watcher.queue().since().toMSecsSinceEpoch() : -1;
            return watched.shows(pidsOf(others)) && since >= before && since <= after;
        }));
    }
}

// Its leave closes nothing, or the holder would lose its name.
void tst_LockWatcher::followsAWaiterOfTheHoldersProcess()
{
    const QList<qint64> holding{::getpid()};
    LockFile holder(m_path);
    QVERIFY(holder.tryAcquire());
    const auto other = Other::onlooker();
    other->say("watch", m_path);
    Watched watched(m_path);
    QVERIFY(comesToShow(*other, holding));
    for (int i = 0; i < 3; ++i) {
        LockFile waiter(m_path);
        waiter.acquire();
        QVERIFY(comesToShow(*other, holding + holding));
        QVERIFY(watched.comesToShow(holding + holding));
        QVERIFY(watched.rests());
        waiter.cancel();
        QVERIFY(!waiter.waitForAcquired());
        QVERIFY(comesToShow(*other, holding));
        QVERIFY(watched.comesToShow(holding));
    }
    // The holder leaves, and the waiter of its process goes on.
    LockFile waiter(m_path);
    waiter.acquire();
    QVERIFY(watched.comesToShow(holding + holding));
    holder.release();
    QVERIFY(watched.comesToShow(holding));
    QVERIFY(waiter.waitForAcquired());
    waiter.release();
    QVERIFY(watched.becomesFree());
    QVERIFY(comesToShow(*other, {}));
}

// Nothing is announced there: its time stamps are somebody's data.
void tst_LockWatcher::followsAFileWithContent()
{
    {
        QFile file(m_path);
        QVERIFY(file.open(QIODevice::WriteOnly));
        QCOMPARE(file.write("content"), 7);
    }
    Watched watched(m_path);
    QVERIFY(watched.becomesFree());
    const Others others = queueOf(2, m_path, true);
    QCOMPARE(others.size(), size_t(2));
    QVERIFY(watched.comesToShow(pidsOf(others)));
    QVERIFY(others.at(0)->ask("release", "released"));
    QVERIFY(watched.comesToShow({others.at(1)->pid()}));
    QVERIFY(others.at(1)->ask("release", "released"));
    QVERIFY(watched.becomesFree());
}

// The kernel tells of the opening before the locking, and of the close before the unlocking. A peer that takes its time between opening and locking
// is seen at the next event only, such as a look.
void tst_LockWatcher::seesAPeerThatOpensAndCloses()
{
    QVERIFY(createFile(m_path));
    Watched watched(m_path);
    QVERIFY(watched.becomesFree());
    const auto peer = Other::peer(m_path);
    for (int i = 0; i < 50; ++i) {
        QVERIFY(peer->ask("open lock", "done"));
        LockQueue::of(m_path);
        QVERIFY(watched.comesToShow({peer->pid()}));
        peer->say("close");
        QVERIFY(watched.becomesFree());
        QVERIFY(peer->hear("done"));
    }
}

void tst_LockWatcher::seesAPeerThatIsKilled()
{
    QVERIFY(createFile(m_path));
    Watched watched(m_path);
    for (int i = 0; i < 10; ++i) {
        const auto peer = Other::peer(m_path);
        QVERIFY(peer->ask("open share", "done"));
        LockQueue::of(m_path);
        QVERIFY(watched.comesToShow({peer->pid()}));
        peer->kill();
        QVERIFY(watched.becomesFree());
    }
}

// Who waits without a ticket is looked for at the last look after an event only.
void tst_LockWatcher::aWaitingPeerStaysWhileOthersOpenTheFile()
{
    const Others holder = queueOf(1, m_path);
    QCOMPARE(holder.size(), size_t(1));
    const auto peer = Other::peer(m_path);
    peer->say("open lock");
    Watched watched(m_path);
    QVERIFY(must([&] { return watched.watcher.queue().waiters().size() == 1; }));
    QVERIFY(watched.rests());
    bool isGone = false;
    QObject::connect(&watched.watcher, &LockWatcher::queueChanged, &watched.watcher, [&](const LockQueue &queue) { isGone |= queue.waiters().isEmpty(); });
    for (int i = 0; i < 5; ++i) {
        QCOMPARE(::close(::open(QFile::encodeName(m_path).constData(), O_RDONLY | O_CLOEXEC)), 0);
        QVERIFY(never([&] { return isGone; }));
    }
    peer->kill();
    QVERIFY(must([&] { return isGone; }));
}

void tst_LockWatcher::seesAPeerThatBeginsToWaitThoughTheFileIsNeverAtRest()
{
    const Others holder = queueOf(1, m_path);
    QCOMPARE(holder.size(), size_t(1));
    Watched watched(m_path);
    QVERIFY(must([&] { return watched.watcher.queue().isHeld(); }));
    const auto peer = Other::peer(m_path);
    peer->say("open lock");
    QVERIFY(must([&] {
        ::close(::open(QFile::encodeName(m_path).constData(), O_RDONLY | O_CLOEXEC));
        return watched.watcher.queue().waiters().size() == 1;
    }));
}

// The event of the opening is all that the watcher gets to know, and the first look after it finds nothing.
void tst_LockWatcher::seesALockThatComesAMomentAfterTheOpening()
{
    constexpr int kPromised = 25; // the last look comes so many milliseconds after the event, or later
    QVERIFY(createFile(m_path));
    Watched watched(m_path);
    QVERIFY(watched.becomesFree());
    for (int i = 0; i < 5; ++i) {
        QVERIFY(watched.rests());
        QElapsedTimer sinceOpening;
        sinceOpening.start();
        const int file = ::open(QFile::encodeName(m_path).constData(), O_RDWR | O_CLOEXEC);
        QVERIFY(file >= 0);
        std::this_thread::sleep_for(10ms);
        struct flock all = {};
        all.l_type = F_WRLCK;
        QCOMPARE(::fcntl(file, F_OFD_SETLK, &all), 0);
        if (!sinceOpening.hasExpired(kPromised - 1)) // else all looks may have been before it
            QVERIFY(watched.comesToShow({-1}));
        QCOMPARE(::close(file), 0);
        QVERIFY(watched.becomesFree());
    }
}

void tst_LockWatcher::followsAFileThatComesAndGoes()
{
    Watched watched(m_path);
    QVERIFY(watched.becomesFree());
    const auto other = Other::onlooker();
    QVERIFY(other->ask("acquire", m_path, "acquired"));
    QVERIFY(watched.comesToShow({other->pid()}));
    QVERIFY(watched.rests());
    QVERIFY(QFile::remove(m_path)); // and who holds it holds nothing that is at the path
    QVERIFY(watched.becomesFree());
    QVERIFY(watched.rests());
    const auto another = Other::onlooker();
    QVERIFY(another->ask("acquire", m_path, "acquired"));
    QVERIFY(watched.comesToShow({another->pid()}));
    QVERIFY(other->ask("release", "released"));
    QVERIFY(watched.shows({another->pid()}));
}

void tst_LockWatcher::followsAFileThatIsReplaced()
{
    const QString second = inFolder(QStringLiteral("second"));
    const auto one = Other::onlooker();
    const auto two = Other::onlooker();
    QVERIFY(one->ask("acquire", m_path, "acquired"));
    QVERIFY(two->ask("acquire", second, "acquired"));
    Watched watched(m_path);
    Watched watchedSecond(second);
    QVERIFY(watched.comesToShow({one->pid()}));
    QVERIFY(watchedSecond.comesToShow({two->pid()}));
    QVERIFY(watched.rests());
    QVERIFY(move(second, m_path));
    QVERIFY(watched.comesToShow({two->pid()}));
    QVERIFY(watchedSecond.becomesFree());
    QVERIFY(watched.rests());
    two->kill();
    QVERIFY(watched.becomesFree());
}

void tst_LockWatcher::followsAFileThatIsMovedAway()
{
    const QString away = inFolder(QStringLiteral("away"));
    const auto other = Other::onlooker();
    QVERIFY(other->ask("acquire", m_path, "acquired"));
    Watched watched(m_path);
    Watched watchedAway(away);
    for (int i = 0; i < 6; ++i) {
        QVERIFY(watched.comesToShow({other->pid()}));
        QVERIFY(watchedAway.becomesFree());
        if (i % 2)
            QVERIFY(watched.rests());
        QVERIFY(move(m_path, away));
        QVERIFY(watched.becomesFree());
        QVERIFY(watchedAway.comesToShow({other->pid()}));
        if (i % 2)
            QVERIFY(watched.rests());
        QVERIFY(move(away, m_path));
    }
}

void tst_LockWatcher::followsAFileWhoseFolderComesLater()
{
    const QString path = inFolder(QStringLiteral("one/two/three/lock"));
    Watched watched(path);
    QVERIFY(watched.becomesFree());
    const auto other = Other::onlooker();
    for (int i = 0; i < 2; ++i) {
        QDir folder(m_folder->path());
        for (const char *name : {"one", "one/two", "one/two/three"}) {
            QVERIFY(folder.mkdir(QLatin1String(name)));
            QVERIFY(watched.rests());
            QVERIFY(watched.isFree());
        }
        QVERIFY(other->ask("acquire", path, "acquired"));
        QVERIFY(watched.comesToShow({other->pid()}));
        QVERIFY(other->ask("release", "released"));
        QVERIFY(watched.becomesFree());
        QVERIFY(watched.rests());
        QVERIFY(QDir(inFolder(QStringLiteral("one"))).removeRecursively());
        QVERIFY(watched.rests());

        // All at once.
        QVERIFY(folder.mkpath(QStringLiteral("one/two/three")));
        QVERIFY(other->ask("acquire", path, "acquired"));
        QVERIFY(watched.comesToShow({other->pid()}));
        QVERIFY(QDir(inFolder(QStringLiteral("one"))).removeRecursively());
        QVERIFY(watched.becomesFree());
    }
}

void tst_LockWatcher::followsAFileWhoseFolderMoves_data()
{
    QTest::addColumn<QString>("folder");
    QTest::newRow("the folder that it lies in") << QStringLiteral("one/two/three");
    QTest::newRow("the folder above that") << QStringLiteral("one/two");
    QTest::newRow("the one above that") << QStringLiteral("one");
}

void tst_LockWatcher::followsAFileWhoseFolderMoves()
{
    QFETCH(const QString, folder);
    QVERIFY(QDir(m_folder->path()).mkpath(QStringLiteral("one/two/three")));
    const QString here = inFolder(folder);
    const QString away = inFolder(QStringLiteral("away"));
    const QString path = inFolder(QStringLiteral("one/two/three/lock"));
    const auto other = Other::onlooker();
    QVERIFY(other->ask("acquire", path, "acquired"));
    Watched watched(path);
    Watched missing(inFolder(QStringLiteral("one/two/three/missing")));
    const auto rest = [&] { return watched.rests() && missing.rests(); };
    for (int i = 0; i < 4; ++i) {
        QVERIFY(watched.comesToShow({other->pid()}));
        if (i % 2)
            QVERIFY(rest());
        QVERIFY(move(here, away));
        QVERIFY(watched.becomesFree());
        if (i % 2)
            QVERIFY(rest());
        QVERIFY(move(away, here));
    }
    QVERIFY(watched.comesToShow({other->pid()}));
    QVERIFY(rest());
    QVERIFY(move(here, away));
    QVERIFY(watched.becomesFree());
    QVERIFY(rest());
    // Others of the same name.
    QVERIFY(QDir(m_folder->path()).mkpath(QStringLiteral("one/two/three")));
    const auto another = Other::onlooker();
    QVERIFY(another->ask("acquire", path, "acquired"));
    QVERIFY(watched.comesToShow({another->pid()}));
    const auto third = Other::onlooker();
    QVERIFY(third->ask("acquire", missing.watcher.path(), "acquired"));
    QVERIFY(missing.comesToShow({third->pid()}));
}

void tst_LockWatcher::followsWhatIsNoLockFile_data()
{
    QTest::addColumn<QString>("kind");
    QTest::newRow("a folder") << QStringLiteral("folder");
    QTest::newRow("a link") << QStringLiteral("link");
    QTest::newRow("a FIFO") << QStringLiteral("fifo");
}

void tst_LockWatcher::followsWhatIsNoLockFile()
{
    QFETCH(const QString, kind);
    Watched watched(m_path);
    QVERIFY(watched.becomesFree());
    const auto other = Other::onlooker();
    for (int i = 0; i < 2; ++i) {
        const QByteArray path = QFile::encodeName(m_path);
        if (kind == QLatin1String("folder"))
            QCOMPARE(::mkdir(path.constData(), 0755), 0);
        else if (kind == QLatin1String("link"))
            QCOMPARE(::symlink("/dev/null", path.constData()), 0);
        else
            QCOMPARE(::mkfifo(path.constData(), 0666), 0);
        QVERIFY(watched.comesToShowError(LockError::Code::NotALockFile));
        QVERIFY(watched.rests());
        QCOMPARE(::remove(path.constData()), 0);
        QVERIFY(other->ask("acquire", m_path, "acquired"));
        QVERIFY(watched.comesToShow({other->pid()}));
        QVERIFY(other->ask("release", "released"));
        QVERIFY(watched.becomesFree());
        QVERIFY(watched.rests());
    }
}

void tst_LockWatcher::followsPermissions()
{
    if (::geteuid() != 0)
        QSKIP("becoming another user takes root");
    const QList<qint64> holding{::getpid()};
    LockFile lock(m_path);
    lock.setPermissions(QFileDevice::ReadOwner | QFileDevice::WriteOwner);
    QVERIFY(lock.tryAcquire());
    const auto nobody = Other::onlooker({QStringLiteral("--uid"), QString::number(kNobody)});
    nobody->say("watch", m_path);
    QVERIFY(nobody->hear("queue"));
    QCOMPARE(nobody->heardObject().value(u"error").toString(), QStringLiteral("AccessDenied"));
    QCOMPARE(::chmod(QFile::encodeName(m_path).constData(), 0644), 0);
    QVERIFY(comesToShow(*nobody, holding));
}

void tst_LockWatcher::wakesNobodyWhileNothingHappens()
{
    if (QStandardPaths::findExecutable(QStringLiteral("strace")).isEmpty())
        QSKIP("strace is not installed");
    const Others others = queueOf(2, m_path);
    QCOMPARE(others.size(), size_t(2));
    QVERIFY(createFile(inFolder(QStringLiteral("file"))));
    QVERIFY(QDir(m_folder->path()).mkdir(QStringLiteral("folder")));
    const QTemporaryDir logs;
    const QString log = logs.filePath(QStringLiteral("calls"));
    const auto under = Other::onlooker({}, straced(log));
    const auto plain = Other::onlooker();
    for (const auto &other : {under.get(), plain.get()}) {
        for (const char *name : {"file", "folder", "missing", "missing/missing/lock", "lock"})
            QVERIFY(other->ask("watch", inFolder(QLatin1String(name)), "queue"));
    }
    // Longer than the pause of the slow poll.
    QVERIFY(comesToRest([&] { return sizeOf(log) + sleepsOf(plain->pid()); }, 30));
    const qint64 calls = sizeOf(log);
    QVERIFY(calls > 0);
    // And neither has just fallen asleep.
    others.at(1)->kill();
    for (const auto &other : {under.get(), plain.get()})
        QVERIFY(comesToShow(*other, {others.at(0)->pid()}));
    QVERIFY(must([&] { return sizeOf(log) > calls; }));
}

void tst_LockWatcher::watchersInTwoProcessesDoNotWakeEachOther()
{
    Others watchers;
    for (int i = 0; i < 2; ++i) {
        watchers.push_back(Other::onlooker());
        watchers.back()->say("watch", m_path);
        QVERIFY(comesToShow(*watchers.back(), {}));
    }
    const auto sleeps = [&] { return sleepsOf(watchers.at(0)->pid()) + sleepsOf(watchers.at(1)->pid()); };
    QVERIFY(comesToRest(sleeps));
    // At each step both open the file anew, or look anew.
    for (int i = 0; i < 3; ++i) {
        Others others = queueOf(2, m_path);
        QCOMPARE(others.size(), size_t(2));
        for (const auto &watcher : watchers)
            QVERIFY(comesToShow(*watcher, pidsOf(others)));
        QVERIFY(comesToRest(sleeps));
        QVERIFY(QFile::remove(m_path));
        for (const auto &watcher : watchers)
            QVERIFY(comesToShow(*watcher, {}));
        QVERIFY(comesToRest(sleeps));
    }
}

// Whose opening of the file is an event, which has to end at the look that finds nothing new.
void tst_LockWatcher::aLookInASlotWakesNothingForEver()
{
    const Others others = queueOf(2, m_path);
    QCOMPARE(others.size(), size_t(2));
    Watched one(m_path);
    Watched two(m_path);
    for (Watched *watched : {&one, &two})
        connect(&watched->watcher, &LockWatcher::queueChanged, this, [this] { LockQueue::of(m_path); });
    QVERIFY(one.comesToShow(pidsOf(others)));
    QVERIFY(two.comesToShow(pidsOf(others)));
    QVERIFY(comesToRest([&] { return one.changes + two.changes; }));
}

void tst_LockWatcher::aThousandOnOnePath()
{
    std::vector<std::unique_ptr<Watched>> all;
    const auto eachShows = [&](const QList<qint64> &pids) {
        return must([&] { return std::all_of(all.begin(), all.end(), [&](const auto &one) { return one->shows(pids); }); });
    };
    for (int i = 0; i < 1000; ++i)
        all.push_back(std::make_unique<Watched>(m_path));
    QVERIFY(eachShows({}));
    const Others others = queueOf(3, m_path);
    QCOMPARE(others.size(), size_t(3));
    QVERIFY(eachShows(pidsOf(others)));
    QCOMPARE(inotifyDescriptors().size(), 1);
    others.at(0)->kill();
    QVERIFY(eachShows({others.at(1)->pid(), others.at(2)->pid()}));
    all.resize(1);
    others.at(1)->kill();
    QVERIFY(eachShows({others.at(2)->pid()}));
}

void tst_LockWatcher::aThousandOnManyPaths()
{
    constexpr int count = 1000;
    DescriptorLimit limit(4096);
    QVERIFY(limit.set(4096));
    std::vector<std::unique_ptr<Watched>> all;
    const auto path = [&](int i) { return m_path + QString::number(i); };
    const auto freeOnes = [&] { return std::count_if(all.begin(), all.end(), [](const auto &one) { return one->isFree(); }); };
    for (int i = 0; i < count; ++i) {
        if (i % 2)
            QVERIFY(createFile(path(i)));
        all.push_back(std::make_unique<Watched>(path(i)));
    }
    QVERIFY(must([&] { return freeOnes() == count; }));
    QCOMPARE(inotifyDescriptors().size(), 1);
    Others others;
    for (int i = 0; i < 10; ++i) {
        others.push_back(Other::onlooker());
        QVERIFY(others.back()->ask("acquire", path(i * 99), "acquired"));
        QVERIFY(all.at(size_t(i) * 99)->comesToShow({others.back()->pid()}));
    }
    QCOMPARE(freeOnes(), count - 10);
    others.clear();
    QVERIFY(must([&] { return freeOnes() == count; }));
}

void tst_LockWatcher::leavesNothingBehind()
{
    const Others others = queueOf(1, m_path);
    QCOMPARE(others.size(), size_t(1));
    const int descriptors = openDescriptors();
    for (int i = 0; i < 20; ++i) {
        {
            Watched held(m_path);
            Watched missing(inFolder(QStringLiteral("none")));
            Watched farAway(inFolder(QStringLiteral("none/none/none")));
            if (i % 2) {
                QVERIFY(held.comesToShow(pidsOf(others)));
                QVERIFY(missing.becomesFree());
                QVERIFY(farAway.becomesFree());
            }
        }
        if (i % 4)
            QVERIFY(must([] { return inotifyDescriptors().isEmpty(); })); // the thread has ended
    }
    QVERIFY(must([] { return inotifyDescriptors().isEmpty(); }));
    QVERIFY(must([&] { return openDescriptors() == descriptors; }));
}

void tst_LockWatcher::aFileThatComesAndGoesTenThousandTimesLeaksNothing()
{
    const auto inUse = [] { return std::pair(openDescriptors(), inotifyWatches()); };
    const auto other = Other::onlooker();
    Watched watched(m_path);
    QVERIFY(watched.becomesFree());
    const auto free = inUse();
    QVERIFY(other->ask("acquire", m_path, "acquired"));
    QVERIFY(watched.comesToShow({other->pid()}));
    const auto held = std::pair(free.first + 1, free.second + 1); // the file, and the watch on it
    QVERIFY(must([&] { return inUse() == held; }));               // a look that is under way has one more open
    QVERIFY(other->ask("release", "released"));

    for (int i = 0; i < 10; ++i) {
        other->say("churn " + QFile::encodeName(m_path) + " 1000");
        QVERIFY(other->hear("churned"));
    }
    QVERIFY(watched.becomesFree());
    QVERIFY(must([&] { return inUse() == free; }));
    QVERIFY(other->ask("acquire", m_path, "acquired"));
    QVERIFY(watched.comesToShow({other->pid()}));
    QVERIFY(must([&] { return inUse() == held; }));
    QVERIFY(watched.consistent);
}

void tst_LockWatcher::mayBeDestroyedInItsSlot()
{
    QVERIFY(createFile(m_path));
    for (int i = 0; i < 50; ++i) {
        auto *watcher = new LockWatcher(m_path);
        const Watched another(m_path);
        bool told = false;
        connect(watcher, &LockWatcher::queueChanged, this, [&] {
            told = true;
            delete watcher;
        });
        QVERIFY(must([&] { return told && another.changes == 1; }));
    }
}

void tst_LockWatcher::comesAndGoesInThreads()
{
    const auto other = Other::onlooker();
    other->say("churn " + QFile::encodeName(m_path) + " 2000");
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&, i] {
            for (int turn = 0; turn < 300; ++turn) {
                const LockWatcher one(m_path);
                const LockWatcher two(m_path + QString::number(i + turn % 7));
                if (turn % 3 == 0)
                    std::this_thread::yield();
            }
        });
    }
    Watched watched(m_path);
    for (std::thread &thread : threads)
        thread.join();
    QVERIFY(other->hear("churned"));
    QVERIFY(watched.becomesFree());
    QVERIFY(other->ask("acquire", m_path, "acquired"));
    QVERIFY(watched.comesToShow({other->pid()}));
}

void tst_LockWatcher::comesAndGoesWhileTheProcessForks()
{
    QVERIFY(createFile(m_path));
    // In a process in which nothing but the watcher was there to prepare for forks.
    const auto other = Other::onlooker();
    for (int i = 0; i < 10; ++i) {
        other->say("forks " + QFile::encodeName(m_path) + " 100");
        QVERIFY(other->hear("forked"));
    }
    QVERIFY(other->finish());
}

void tst_LockWatcher::belongsToItsThread()
{
    const auto other = Other::onlooker();
    QVERIFY(other->ask("acquire", m_path, "acquired"));
    std::atomic<int> there{0};
    std::atomic<int> elsewhere{0};
    QThread thread;
    auto *context = new QObject;
    context->moveToThread(&thread);
    connect(&thread, &QThread::finished, context, &QObject::deleteLater);
    const auto end = qScopeGuard([&] {
        thread.quit();
        thread.wait();
    });
    thread.start();
    QMetaObject::invokeMethod(context, [&] {
        auto *watcher = new LockWatcher(m_path, context);
        connect(
            watcher, &LockWatcher::queueChanged, watcher,
            [&](const LockQueue &queue) {
                if (pidsOf(queue) == QList<qint64>{other->pid()})
                    ++(QThread::currentThread() == &thread ? there : elsewhere);
            },
            Qt::DirectConnection);
    });
    QVERIFY(must([&] { return there + elsewhere > 0; }));
    QCOMPARE(elsewhere.load(), 0);
}

void tst_LockWatcher::recoversFromALackOfDescriptors()
{
    QVERIFY(createFile(m_path));
    Watched first(inFolder(QStringLiteral("none")));
    QVERIFY(first.becomesFree());
    // UndefinedBehaviorSanitizer needs descriptors when it meets a class for the first time, here that of the system's messages.
    QVERIFY(LockQueue::of(QString(5000, u'x')).error());
    std::unique_ptr<Watched> second;
    {
        const DescriptorLimit limit(rlim_t(3)); // all that are free are above
        second = std::make_unique<Watched>(m_path);
        QVERIFY(second->comesToShowError(LockError::Code::System));
        QCOMPARE(second->watcher.queue().error().systemError(), EMFILE);
        QVERIFY(second->rests());
    }
    QVERIFY(second->becomesFree());
    const auto other = Other::onlooker();
    QVERIFY(other->ask("acquire", m_path, "acquired"));
    QVERIFY(second->comesToShow({other->pid()}));
}

void tst_LockWatcher::watchesAtLastWhereNothingWasLeftToWatchWith()
{
    QVERIFY(createFile(m_path));
    QVERIFY(LockQueue::of(QString(5000, u'x')).error()); // as above
    std::unique_ptr<Watched> watched;
    {
        const DescriptorLimit limit(rlim_t(3));
        watched = std::make_unique<Watched>(m_path);
        QVERIFY(watched->comesToShowError(LockError::Code::System));
        QCOMPARE(watched->watcher.queue().error().systemError(), EMFILE);
        QVERIFY(inotifyDescriptors().isEmpty()); // the thread that watches could not be started
    }
    QVERIFY(watched->becomesFree());
    const auto other = Other::onlooker();
    QVERIFY(other->ask("acquire", m_path, "acquired"));
    QVERIFY(watched->comesToShow({other->pid()}));
}

void tst_LockWatcher::seesWhatHappenedAmongTooManyEvents()
{
    QFile limit(QStringLiteral("/proc/sys/fs/inotify/max_queued_events"));
    QVERIFY(limit.open(QIODevice::ReadOnly));
    const int most = limit.readAll().trimmed().toInt();
    const QString noisy = inFolder(QStringLiteral("noisy"));
    QVERIFY(createFile(m_path));
    QVERIFY(createFile(noisy));
    const auto other = Other::onlooker();
    other->say("watch", noisy);
    QVERIFY(comesToShow(*other, {}));
    other->say("watch", m_path);
    QVERIFY(comesToShow(*other, {}));
    QVERIFY(other->isSilent()); // no look is due any more
    other->signal(SIGSTOP);
    QVERIFY(must([&] { return hasStopped(other->pid()); }));
    for (int i = 0; i <= most; ++i) // an opening and a closing each, so twice as many as the kernel keeps
        QVERIFY(QFile(noisy).open(QIODevice::ReadOnly));
    LockFile lock(m_path);
    QVERIFY(lock.tryAcquire()); // of this no event is left
    other->signal(SIGCONT);
    QVERIFY(comesToShow(*other, {::getpid()}));
}

void tst_LockWatcher::aForkedChildMayDeleteItsCopy()
{
    auto watched = std::make_unique<Watched>(m_path);
    QVERIFY(watched->becomesFree());
    QVERIFY(watched->rests()); // the copy of a thread that allocates would leave the child without an allocator, under AddressSanitizer
    const pid_t child = ::fork();
    QVERIFY(child >= 0);
    if (child == 0) {
        watched.reset();
        ::_exit(0);
    }
    int status = -1;
    const bool ended = must([&] { return ::waitpid(child, &status, WNOHANG) == child; });
    if (!ended) {
        ::kill(child, SIGKILL);
        ::waitpid(child, &status, 0);
    }
    QVERIFY(ended);
    QCOMPARE(status, 0);
    const auto other = Other::onlooker();
    QVERIFY(other->ask("acquire", m_path, "acquired"));
    QVERIFY(watched->comesToShow({other->pid()}));
}

void tst_LockWatcher::looksSlowlyWhereInotifyIsUsedUp_data()
{
    QTest::addColumn<QString>("limit");
    QTest::newRow("no instance left") << QStringLiteral("max_inotify_instances");
    QTest::newRow("no watch left") << QStringLiteral("max_inotify_watches");
}

void tst_LockWatcher::looksSlowlyWhereInotifyIsUsedUp()
{
    QFETCH(const QString, limit);
    if (!mayUnshareUser())
        QSKIP("the limit is set in a user namespace, which may not be created here");
    // Of a user namespace alone, so nobody else has to do without.
    const auto other = Other::onlooker({},
                                       {QStringLiteral("unshare"), QStringLiteral("--user"), QStringLiteral("--map-root-user"), QStringLiteral("sh"),
                                        QStringLiteral("-c"), QStringLiteral("echo 0 >/proc/sys/user/%1 && exec \"$0\"").arg(limit)});
    QVERIFY(other->pid() > 0);
    other->say("watch", m_path);
    QVERIFY(comesToShow(*other, {}));
    QVERIFY(other->isSilent()); // no look is due but those that come without an event
    const auto holder = Other::onlooker();
    QVERIFY(holder->ask("acquire", m_path, "acquired"));
    QVERIFY(comesToShow(*other, {holder->pid()}));
    QVERIFY(other->isSilent());
    QVERIFY(holder->ask("release", "released"));
    QVERIFY(comesToShow(*other, {}));
}

QTEST_GUILESS_MAIN(tst_LockWatcher)
#include "tst_lockwatcher.moc"
