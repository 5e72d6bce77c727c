// SPDX-License-Identifier: 0BSD
#include "instancetest.h"

#include <QtLockFile/LockQueue>

#include <QtCore/qregularexpression.h>

using QtLockFile::LockQueue;

constexpr qint64 kNewUser = 100'000; // and more, by what tells this process apart

class TestSingleInstanceFolder : public InstanceTest
{
    Q_OBJECT

private Q_SLOTS:
    void init() { InstanceTest::init(); }
    void lockIsPrivateAndSticky();
    void idsNeverMeet();
    void everyIdWorks_data();
    void everyIdWorks();
    void sessionsAreApart();
    void missingRuntimeFolderIsReplaced_data();
    void missingRuntimeFolderIsReplaced();
    void foreignFolderIsNeverUsed_data();
    void foreignFolderIsNeverUsed();
    void looksSlowlyWhereInotifyIsUsedUp_data();
    void looksSlowlyWhereInotifyIsUsedUp();
    void placeIsKnownBeforeTheStart();
    void placeIsToldWithoutAWord();
    void placeIsKnownBeforeAnyFolderIsMade();
    void placeIsEmptyWhereNoFolderCanBeUsed();
    void badMessageIsNotActedOn_data();
    void badMessageIsNotActedOn();
    void removedMessageIsToldToItsSender();
    void openFolderIsNotReadFrom();
    void leftoversAreCleanedUp();
    void fullDiskIsToldAndLeavesNothing();
    void limitedFileSizeIsToldAndLeavesNothing();
    void usersAreApart();
    void anotherUserCannotReachThePrimary();
};

void TestSingleInstanceFolder::lockIsPrivateAndSticky()
{
    Instance first(path());
    first.with({QStringLiteral("--umask"), QStringLiteral("0")}).start();
    QVERIFY(first.says("ready"));
    struct stat status;
    QCOMPARE(::stat(QFile::encodeName(messages() + QStringLiteral("/lock")).constData(), &status), 0);
    QCOMPARE(status.st_mode & 07777, mode_t(01600));
    QCOMPARE(::stat(QFile::encodeName(messages()).constData(), &status), 0);
    QCOMPARE(status.st_mode & 07777, mode_t(01700));
    first.closeInput();
    QVERIFY(first.ends());
    QVERIFY(!QFile::exists(messages() + QStringLiteral("/lock")));
}

void TestSingleInstanceFolder::idsNeverMeet()
{
    const QStringList ids{QStringLiteral("a"),    QStringLiteral("A"),       QStringLiteral("a/b"),    QStringLiteral("a_b"),     QStringLiteral("a b"),
                          QStringLiteral(".."),   QStringLiteral("."),       QStringLiteral("../x"),   QStringLiteral("~"),       QString(300, u'x'),
                          QString(301, u'x'),     QString(300, u'x') + u'y', QStringLiteral("\u00fc"), QStringLiteral("u\u0308"), QString(QChar(0xd800)),
                          QString(QChar(0xd801)), QStringLiteral("a\nb"),    QString(QChar(0)),        QStringLiteral("lock")};
    std::vector<std::unique_ptr<SingleInstance>> all;
    QSet<QString> folders;
    for (const QString &id : ids) {
        all.push_back(std::make_unique<SingleInstance>(id));
        all.back()->setFolder(path());
        QCOMPARE(all.back()->start(), Role::Primary);
        QCOMPARE(QFileInfo(all.back()->folder()).path(), path());
        folders.insert(all.back()->folder());
    }
    QCOMPARE(folders.size(), ids.size());
}

void TestSingleInstanceFolder::everyIdWorks_data()
{
    QTest::addColumn<QString>("id");
    QTest::newRow("slashes") << QStringLiteral("a/b//../c");
    QTest::newRow("blanks") << QStringLiteral(" a  b ");
    QTest::newRow("300 characters") << QString(300, u'q');
    QTest::newRow("300 characters of four bytes") << QStringLiteral("\U0001F512").repeated(300);
    QTest::newRow("Unicode") << QStringLiteral("\u05e9\u05dc\u05d5\u05dd \u4f60\u597d");
}

void TestSingleInstanceFolder::everyIdWorks()
{
    QFETCH(const QString, id);
    Instance first(path());
    first.with({QStringLiteral("--id"), id}).start();
    QVERIFY(first.says("role Primary"));
    Instance second(path());
    second.with({QStringLiteral("--id"), id}).start();
    QVERIFY(second.says("reply Done"));
}

void TestSingleInstanceFolder::sessionsAreApart()
{
    const auto restore = qScopeGuard([display = qgetenv("DISPLAY"), wayland = qgetenv("WAYLAND_DISPLAY"), had = qEnvironmentVariableIsSet("WAYLAND_DISPLAY")] {
        qputenv("DISPLAY", display);
        if (had)
            qputenv("WAYLAND_DISPLAY", wayland);
        else
            qunsetenv("WAYLAND_DISPLAY");
    });
    qunsetenv("WAYLAND_DISPLAY");
    const auto folderOn = [this](const char *display) {
        qputenv("DISPLAY", display);
        OwnInstance instance(path());
        instance.setScope(SingleInstance::Scope::PerSession);
        const QString expected = instance.folder();
        instance.start();
        return instance.folder() == expected ? expected : QString();
    };
    QVERIFY(!folderOn(":0").isEmpty());
    QCOMPARE(folderOn(":0.1"), folderOn(":0"));
    QVERIFY(folderOn(":0") != folderOn(":1"));
    QVERIFY(folderOn("host.example:10.0") == folderOn("host.example:10"));
    const QString onX11 = folderOn(":0");
    qputenv("WAYLAND_DISPLAY", "wayland-0");
    QCOMPARE(folderOn(":0"), folderOn(":1")); // Xwayland's
    QVERIFY(folderOn(":0") != onX11);
}

void TestSingleInstanceFolder::missingRuntimeFolderIsReplaced_data()
{
    QTest::addColumn<QString>("runtime"); // what it is
    QTest::addColumn<bool>("isUsed");
    QTest::newRow("ours alone") << QStringLiteral("ours") << true;
    QTest::newRow("unset") << QString() << false;
    QTest::newRow("relative") << QStringLiteral("relative") << false;
    QTest::newRow("missing") << QStringLiteral("missing") << false;
    QTest::newRow("read-only") << QStringLiteral("read-only") << false;
    QTest::newRow("open to others") << QStringLiteral("open") << false;
    QTest::newRow("not ours") << QStringLiteral("foreign") << false;
    QTest::newRow("a file") << QStringLiteral("file") << false;
}

void TestSingleInstanceFolder::missingRuntimeFolderIsReplaced()
{
    QFETCH(const QString, runtime);
    QFETCH(const bool, isUsed);
    NEEDS_ROOT("to be another user");
    constexpr uid_t kUser = kNobody;
    QVERIFY(::chmod(QFile::encodeName(path()).constData(), 0755) == 0);
    const QString folder = filePath(QStringLiteral("runtime"));
    const QByteArray native = QFile::encodeName(folder);
    if (runtime == u"file")
        QVERIFY(writeFile(folder, {}));
    else if (runtime != u"missing")
        QVERIFY(::mkdir(native.constData(), 0700) == 0);
    if (runtime == u"ours" || runtime == u"open" || runtime == u"read-only")
        QVERIFY(::chown(native.constData(), kUser, kUser) == 0);
    if (runtime == u"open")
        QVERIFY(::chmod(native.constData(), 0755) == 0);
    if (runtime == u"read-only")
        QVERIFY(::chmod(native.constData(), 0500) == 0);
    const QString id = QStringLiteral("tst-") + QFileInfo(path()).fileName();
    const auto start = [&](Instance &instance) {
        instance.with({QStringLiteral("--uid"), QString::number(kUser), QStringLiteral("--id"), id, QStringLiteral("--expect")});
        if (runtime.isEmpty())
            instance.withoutVariable(QStringLiteral("XDG_RUNTIME_DIR"));
        else
            instance.withVariable(QStringLiteral("XDG_RUNTIME_DIR"), runtime == u"relative" ? QStringLiteral("runtime") : folder);
        instance.start();
    };
    const auto cleanUp = qScopeGuard([&] { QDir(QStringLiteral("/tmp/qtlockfile-%1/%2").arg(kUser).arg(id)).removeRecursively(); });
    Instance first;
    start(first);
    const QByteArray expected = first.lineWith("expected ").trimmed();
    QVERIFY(first.says("role Primary"));
    const QByteArray lock = first.lineWith("lock ").trimmed();
    QCOMPARE(lock, expected);
    if (isUsed)
        QCOMPARE(lock, native + '/' + QFile::encodeName(id) + "/lock");
    else
        QVERIFY2(!lock.startsWith(QFile::encodeName(path())), lock.constData());
    Instance second;
    start(second);
    QCOMPARE(second.lineWith("expected ").trimmed(), expected);
    QVERIFY(second.says("reply Done"));
}

void TestSingleInstanceFolder::foreignFolderIsNeverUsed_data()
{
    QTest::addColumn<QString>("what");
    QTest::addColumn<LockError::Code>("code");
    QTest::newRow("somebody else's") << QStringLiteral("foreign") << LockError::Code::AccessDenied;
    QTest::newRow("open to others") << QStringLiteral("open") << LockError::Code::AccessDenied;
    QTest::newRow("a link") << QStringLiteral("link") << LockError::Code::System;
    QTest::newRow("a file") << QStringLiteral("file") << LockError::Code::System;
    QTest::newRow("nowhere") << QStringLiteral("nowhere") << LockError::Code::System;
    QTest::newRow("with a folder in place of the lock") << QStringLiteral("lock") << LockError::Code::NotALockFile;
}

void TestSingleInstanceFolder::foreignFolderIsNeverUsed()
{
    QFETCH(const QString, what);
    QFETCH(const LockError::Code, code);
    const QByteArray native = QFile::encodeName(messages());
    if (what == u"foreign") {
        NEEDS_ROOT("to make somebody else's folder");
        QVERIFY(::mkdir(native.constData(), 0700) == 0 && ::chown(native.constData(), kNobody, kNobody) == 0);
    } else if (what == u"open") {
        QVERIFY(::mkdir(native.constData(), 0700) == 0 && ::chmod(native.constData(), 0770) == 0);
    } else if (what == u"link") {
        QVERIFY(QDir(path()).mkdir(QStringLiteral("elsewhere")) && ::symlink("elsewhere", native.constData()) == 0);
    } else if (what == u"file") {
        QVERIFY(writeFile(messages(), {}));
    } else if (what == u"lock") {
        QVERIFY(::mkdir(native.constData(), 0700) == 0 && QDir(messages()).mkdir(QStringLiteral("lock")));
    }
    SingleInstance instance(QStringLiteral("test"));
    instance.setFolder(what == u"nowhere" ? filePath(QStringLiteral("no/where")) : path());
    const QString place = what == u"lock" ? messages() + QStringLiteral("/lock") : QString(); // its folder can be used
    QCOMPARE(instance.lockPath(), place);
    QCOMPARE(instance.start(), Role::Failed);
    QCOMPARE(instance.lockPath(), place);
    QCOMPARE(instance.error().code(), code);
    QVERIFY(!instance.message().isEmpty());
}

void TestSingleInstanceFolder::looksSlowlyWhereInotifyIsUsedUp_data()
{
    QTest::addColumn<QString>("limit");
    QTest::newRow("no instance left") << QStringLiteral("max_inotify_instances");
    QTest::newRow("no watch left") << QStringLiteral("max_inotify_watches");
}

void TestSingleInstanceFolder::looksSlowlyWhereInotifyIsUsedUp()
{
    QFETCH(const QString, limit);
    if (QProcess::execute(QStringLiteral("unshare"), {QStringLiteral("--user"), QStringLiteral("--map-root-user"), QStringLiteral("true")}) != 0)
        QSKIP("the limit is set in a user namespace, which may not be created here");
    // Of a user namespace alone, so nobody else has to do without.
    const QStringList limited{QStringLiteral("--user"),
                              QStringLiteral("--map-root-user"),
                              QStringLiteral("sh"),
                              QStringLiteral("-c"),
                              QStringLiteral("echo 0 >/proc/sys/user/%1 && exec \"$0\" \"$@\"").arg(limit),
                              QStringLiteral(INSTANCE_PROGRAM),
                              QStringLiteral("--folder"),
                              path()};
    Program first(QStringLiteral("unshare"), limited);
    first.start();
    QVERIFY(first.says("ready"));
    Program blocking(QStringLiteral("unshare"), limited);
    blocking.start();
    QVERIFY(blocking.says("reply Done"));
    Program running(QStringLiteral("unshare"), limited);
    running.with({QStringLiteral("--async")}).start();
    QVERIFY(running.says("reply Done"));
    QVERIFY(first.says("activated "));
    QVERIFY(first.says("activated "));
}

void TestSingleInstanceFolder::placeIsKnownBeforeTheStart()
{
    OwnInstance instance(path());
    QCOMPARE(instance.folder(), messages());
    QCOMPARE(instance.lockPath(), messages() + QStringLiteral("/lock"));
    QVERIFY(!LockQueue::of(instance.lockPath()).isHeld());
    QVERIFY(!QFile::exists(messages()));

    Instance first(path());
    first.start();
    QVERIFY(first.says("ready"));
    QCOMPARE(LockQueue::of(instance.lockPath()).holder().pid(), first.pid());
    QCOMPARE(instance.role(), Role::Undecided);

    const QString before = QDir::currentPath();
    const auto restore = qScopeGuard([&] { QDir::setCurrent(before); });
    QVERIFY(QDir::setCurrent(path()));
    OwnInstance relative(QStringLiteral("."));
    const QString expected = relative.lockPath();
    QVERIFY(expected.startsWith(u'/'));
    QCOMPARE(relative.start(), Role::Secondary);
    QCOMPARE(relative.lockPath(), expected);

    QCOMPARE(SingleInstance(QString()).lockPath(), QString());
}

void TestSingleInstanceFolder::placeIsToldWithoutAWord()
{
    const auto restore = qScopeGuard([before = qgetenv("XDG_RUNTIME_DIR")] { qputenv("XDG_RUNTIME_DIR", before); });
    QVERIFY(writeFile(filePath(QStringLiteral("file")), {}));
    qputenv("XDG_RUNTIME_DIR", QFile::encodeName(filePath(QStringLiteral("file"))));
    const QString id = QStringLiteral("tst-") + QFileInfo(path()).fileName();
    QTest::failOnWarning(QRegularExpression(QStringLiteral(".")));
    const QString folder = SingleInstance(id).folder();
    QVERIFY(!folder.startsWith(path()));
    QVERIFY(!QFile::exists(folder));
}

// In the last resort of a user of whom there has been none yet.
void TestSingleInstanceFolder::placeIsKnownBeforeAnyFolderIsMade()
{
    NEEDS_ROOT("to be another user");
    const QString user = QString::number(kNewUser + ::getpid());
    const QString folder = QStringLiteral("/tmp/qtlockfile-") + user;
    const auto cleanUp = qScopeGuard([&] { QDir(folder).removeRecursively(); });
    Instance instance;
    instance.with({QStringLiteral("--uid"), user, QStringLiteral("--expect")}).withoutVariable(QStringLiteral("XDG_RUNTIME_DIR")).start();
    QCOMPARE(instance.lineWith("expected ").trimmed(), QFile::encodeName(folder + QStringLiteral("/test/lock")));
    QVERIFY(instance.says("role Primary"));
    QCOMPARE(instance.lineWith("lock ").trimmed(), QFile::encodeName(folder + QStringLiteral("/test/lock")));
}

void TestSingleInstanceFolder::placeIsEmptyWhereNoFolderCanBeUsed()
{
    NEEDS_ROOT("to take somebody's folder");
    const QString user = QString::number(kNewUser + ::getpid());
    const QString folder = QStringLiteral("/tmp/qtlockfile-") + user;
    QVERIFY(QDir().mkdir(folder));
    const auto cleanUp = qScopeGuard([&] { QDir().rmdir(folder); });
    QVERIFY(::chmod(QFile::encodeName(folder).constData(), 0777) == 0); // a trap: anybody could make a folder there
    Instance instance;
    instance.with({QStringLiteral("--uid"), user, QStringLiteral("--expect")}).withoutVariable(QStringLiteral("XDG_RUNTIME_DIR")).start();
    QCOMPARE(instance.lineWith("expected ").trimmed(), QByteArray());
    QVERIFY(instance.says("role Failed"));
    QVERIFY(instance.says("error AccessDenied"));
}

void TestSingleInstanceFolder::badMessageIsNotActedOn_data()
{
    QTest::addColumn<QString>("what");
    QTest::newRow("somebody else's") << QStringLiteral("foreign");
    QTest::newRow("writable for others") << QStringLiteral("open");
    QTest::newRow("too large") << QStringLiteral("large");
    QTest::newRow("half-written") << QStringLiteral("half");
    QTest::newRow("empty") << QStringLiteral("empty");
    QTest::newRow("malformed") << QStringLiteral("malformed");
    QTest::newRow("a length that is not there") << QStringLiteral("length");
    QTest::newRow("more than a message") << QStringLiteral("tail");
    QTest::newRow("half a field") << QStringLiteral("field");
    QTest::newRow("a variable without a name") << QStringLiteral("variable");
    QTest::newRow("one that may not be read") << QStringLiteral("unreadable");
    QTest::newRow("a symbolic link") << QStringLiteral("link");
    QTest::newRow("a hard link") << QStringLiteral("hard");
    QTest::newRow("a FIFO") << QStringLiteral("fifo");
    QTest::newRow("a folder") << QStringLiteral("folder");
    QTest::newRow("a folder with content") << QStringLiteral("tree");
}

void TestSingleInstanceFolder::badMessageIsNotActedOn()
{
    QFETCH(const QString, what);
    Instance first(path());
    Instance second(path());
    if (what == u"unreadable") {
        NEEDS_ROOT("to be somebody who may not read everything");
        QVERIFY(::chown(QFile::encodeName(path()).constData(), kNobody, kNobody) == 0);
        for (Instance *const instance : {&first, &second})
            instance->with({QStringLiteral("--uid"), QString::number(kNobody)});
    }
    first.start();
    QVERIFY(first.says("ready"));
    const QByteArray good = messageWith("bad");
    const QString outside = filePath(QStringLiteral("outside"));
    const QString inside = messages() + QStringLiteral("/0000000000000000001-1-1.message");
    const QByteArray native = QFile::encodeName(inside);
    // Made outside and renamed in, so that the primary sees it whole.
    if (what == u"foreign") {
        NEEDS_ROOT("to make somebody else's file");
        QVERIFY(writeFile(outside, good) && ::chown(QFile::encodeName(outside).constData(), kNobody, kNobody) == 0);
    } else if (what == u"open") {
        QVERIFY(writeFile(outside, good, 0622));
    } else if (what == u"large") {
        QVERIFY(writeFile(outside, good) && ::truncate(QFile::encodeName(outside).constData(), off_t(1) << 40) == 0);
    } else if (what == u"half") {
        QVERIFY(writeFile(outside, good.chopped(1)));
    } else if (what == u"empty") {
        QVERIFY(writeFile(outside, {}));
    } else if (what == u"malformed") {
        QVERIFY(writeFile(outside, QByteArray(100, '\xff')));
    } else if (what == u"length") {
        QByteArray bytes = good;
        bytes[30] = '\xff';
        QVERIFY(writeFile(outside, bytes));
    } else if (what == u"tail") {
        QVERIFY(writeFile(outside, good + "A"));
    } else if (what == u"field" || what == u"variable") {
        QByteArray bytes = good + (what == u"field" ? QByteArray("A") : QByteArray("E\0\0\0\2=x", 7));
        bytes[28] = char(bytes.size());
        QVERIFY(writeFile(outside, bytes));
    } else if (what == u"unreadable") {
        QVERIFY(writeFile(outside, good, 0) && ::chown(QFile::encodeName(outside).constData(), kNobody, kNobody) == 0);
    } else if (what == u"link" || what == u"hard") {
        QVERIFY(writeFile(filePath(QStringLiteral("target")), good));
        const QByteArray target = QFile::encodeName(filePath(QStringLiteral("target")));
        QVERIFY((what == u"link" ? ::symlink : ::link)(target.constData(), QFile::encodeName(outside).constData()) == 0);
    } else if (what == u"fifo") {
        QVERIFY(::mkfifo(QFile::encodeName(outside).constData(), 0600) == 0);
    } else {
        QVERIFY(QDir().mkpath(what == u"tree" ? outside + QStringLiteral("/sub") : outside));
    }
    QVERIFY(::rename(QFile::encodeName(outside).constData(), native.constData()) == 0);
    second.with(payload("good")).start();
    QVERIFY(second.says("reply Done"));
    QCOMPARE(first.activationPayload(), QByteArray("good"));
    QVERIFY(!QFileInfo(inside).exists() && !QFileInfo(inside).isSymLink());
    QCOMPARE(messagesIn(messages()).size(), what == u"tree" ? 1 : 0);
    if (what == u"link" || what == u"hard")
        QVERIFY(QFile::exists(filePath(QStringLiteral("target"))));
}

void TestSingleInstanceFolder::removedMessageIsToldToItsSender()
{
    Instance first(path());
    first.start();
    QVERIFY(first.says("ready"));
    first.tell("block");
    QVERIFY(first.says("blocking"));
    OwnInstance second(path());
    second.setTimeout(kLong);
    second.startAsync();
    QTRY_COMPARE_WITH_TIMEOUT(messagesIn(messages()).filter(QStringLiteral(".message")).size(), 1, kMust);
    QVERIFY(QFile::remove(messages() + u'/' + messagesIn(messages()).at(0)));
    QTRY_COMPARE_WITH_TIMEOUT(second.reply(), Reply::Failed, kMust);
    QCOMPARE(second.role(), Role::Secondary);
    QCOMPARE(second.error().systemError(), ENOENT);
    QCOMPARE(second.message(), second.error().message());
    first.tell("go on");
    QVERIFY(!first.says("activated ", kShort));
}

void TestSingleInstanceFolder::openFolderIsNotReadFrom()
{
    Instance first(path());
    first.start();
    QVERIFY(first.says("ready"));
    QVERIFY(::chmod(QFile::encodeName(messages()).constData(), 0777) == 0);
    QVERIFY(writeFile(filePath(QStringLiteral("outside")), messageWith("bad")));
    QVERIFY(QFile::rename(filePath(QStringLiteral("outside")), messages() + QStringLiteral("/1.message")));
    QVERIFY(!first.says("activated ", kShort));
    QVERIFY(::chmod(QFile::encodeName(messages()).constData(), 0700) == 0);
}

void TestSingleInstanceFolder::leftoversAreCleanedUp()
{
    Instance first(path());
    first.start();
    QVERIFY(first.says("ready"));
    for (const char *suffix : {".new", ".taken", ".done", ".refused", ".gone"})
        QVERIFY(writeFile(messages() + QStringLiteral("/1-1-1") + QLatin1String(suffix), messageWith("left")));
    QTRY_VERIFY_WITH_TIMEOUT(messagesIn(messages()).isEmpty(), kMust);
    QVERIFY(!first.says("activated ", kShort));
}

void TestSingleInstanceFolder::fullDiskIsToldAndLeavesNothing()
{
    NEEDS_ROOT("to mount a small disk");
    const MemoryDisk disk(path(), "size=512k,mode=0700");
    QVERIFY(disk.isOk());
    Instance first(path());
    first.start();
    QVERIFY(first.says("ready"));
    OwnInstance second(path());
    second.setTimeout(kLong);
    second.setPayload(QByteArray(SingleInstance::MaximumPayload, 'x'));
    QCOMPARE(second.start(), Role::Secondary); // not the same as failing to tell
    QCOMPARE(second.reply(), Reply::Failed);
    QCOMPARE(second.error().code(), LockError::Code::NoSpace);
    QCOMPARE(second.error().systemError(), ENOSPC);
    QCOMPARE(second.message(), second.error().message());
    QVERIFY(!second.isAnswered());
    QVERIFY(messagesIn(messages()).isEmpty());
    QVERIFY(!first.says("activated ", kShort));
    second.setPayload("small");
    QCOMPARE(second.start(), Role::Secondary);
    QCOMPARE(second.reply(), Reply::Done);
    QVERIFY(!second.error());
    QCOMPARE(first.activationPayload(), QByteArray("small"));
}

void TestSingleInstanceFolder::limitedFileSizeIsToldAndLeavesNothing()
{
    Instance first(path());
    first.start();
    QVERIFY(first.says("ready"));
    rlimit before;
    QCOMPARE(::getrlimit(RLIMIT_FSIZE, &before), 0);
    const auto restore = qScopeGuard([&, handler = std::signal(SIGXFSZ, SIG_IGN)] {
        ::setrlimit(RLIMIT_FSIZE, &before);
        std::signal(SIGXFSZ, handler);
    });
    rlimit small = before;
    small.rlim_cur = 4096;
    QCOMPARE(::setrlimit(RLIMIT_FSIZE, &small), 0);
    OwnInstance second(path());
    second.setTimeout(kLong);
    second.setPayload(QByteArray(100'000, 'x'));
    QCOMPARE(second.start(), Role::Secondary);
    QCOMPARE(second.reply(), Reply::Failed);
    QCOMPARE(second.error().systemError(), EFBIG);
    QVERIFY(messagesIn(messages()).isEmpty());
    QVERIFY(!first.says("activated ", kShort));
}

void TestSingleInstanceFolder::usersAreApart()
{
    NEEDS_ROOT("to be two users");
    const QString id = QStringLiteral("tst-") + QFileInfo(path()).fileName();
    const auto cleanUp = qScopeGuard([&] {
        for (const QString &folder : {QStringLiteral("/tmp/qtlockfile-0/"), QStringLiteral("/run/user/0/"), QStringLiteral("/tmp/qtlockfile-%1/").arg(kNobody)})
            QDir(folder + id).removeRecursively();
    });
    Instance first;
    first.with({QStringLiteral("--id"), id}).withoutVariable(QStringLiteral("XDG_RUNTIME_DIR")).start();
    QVERIFY(first.says("role Primary"));
    Instance other;
    other.with({QStringLiteral("--uid"), QString::number(kNobody), QStringLiteral("--id"), id}).withoutVariable(QStringLiteral("XDG_RUNTIME_DIR")).start();
    QVERIFY(other.says("role Primary"));
    Instance second;
    second.with({QStringLiteral("--id"), id}).withoutVariable(QStringLiteral("XDG_RUNTIME_DIR")).start();
    QVERIFY(second.says("reply Done"));
    QVERIFY(first.says("activated "));
    QVERIFY(!other.says("activated ", kShort));
}

// Not even where the folder above is open to all, and whatever file of its own it would like to put there.
void TestSingleInstanceFolder::anotherUserCannotReachThePrimary()
{
    NEEDS_ROOT("to be another user");
    QVERIFY(::chmod(QFile::encodeName(path()).constData(), 0777) == 0);
    Instance first(path());
    first.with({QStringLiteral("--umask"), QStringLiteral("0")}).start();
    QVERIFY(first.says("ready"));
    Instance other(path());
    other.with({QStringLiteral("--uid"), QString::number(kNobody)}).start();
    QVERIFY(other.says("role Failed"));
    QVERIFY(other.says("error AccessDenied"));
    QVERIFY(writeFile(filePath(QStringLiteral("outside")), messageWith("bad"), 0666));
    {
        const AsNobody nobody;
        QVERIFY(nobody.isOk());
        QVERIFY(!writeFile(messages() + QStringLiteral("/1.message"), messageWith("bad")));
        QVERIFY(::rename(QFile::encodeName(filePath(QStringLiteral("outside"))).constData(),
                         QFile::encodeName(messages() + QStringLiteral("/1.message")).constData())
                != 0);
        QVERIFY(::open(QFile::encodeName(messages() + QStringLiteral("/lock")).constData(), O_RDWR | O_CLOEXEC) < 0);
    }
    QVERIFY(!first.says("activated ", kShort));
}

QTEST_GUILESS_MAIN(TestSingleInstanceFolder)
#include "tst_singleinstancefolder.moc"
