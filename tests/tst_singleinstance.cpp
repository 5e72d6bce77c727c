// SPDX-License-Identifier: 0BSD
#include <QtLockFile/LockFile>
#include <QtLockFile/SingleInstance>

#include <QtCore/qdir.h>
#include <QtCore/qelapsedtimer.h>
#include <QtCore/qjsonarray.h>
#include <QtCore/qjsondocument.h>
#include <QtCore/qjsonobject.h>
#include <QtCore/qprocess.h>
#include <QtCore/qscopeguard.h>
#include <QtCore/qtemporarydir.h>
#include <QtTest/qsignalspy.h>
#include <QtTest/qtest.h>

#include <csignal>
#include <functional>
#include <memory>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef __clang__
#    pragma clang diagnostic ignored "-Wgnu-zero-variadic-macro-arguments" // QSKIP of Qt 6.4 with a text alone
#endif

using namespace QtLockFile;
using namespace std::chrono_literals;

using Role = SingleInstance::Role;
using Reply = SingleInstance::Reply;

namespace {

constexpr int kShort = 100;    // proves that nothing happens
constexpr int kLong = 20'000;  // whatever must happen does so long before

// The helper program: see processes/instance.cpp.
class Instance
{
public:
    explicit Instance(const QString &folder) { m_arguments << QStringLiteral("--folder") << folder; }
    Instance() = default;
    ~Instance()
    {
        m_process.kill();
        m_process.waitForFinished();
    }

    Instance &with(const QStringList &arguments)
    {
        m_arguments += arguments;
        return *this;
    }
    Instance &withVariable(const QString &name, const QString &value)
    {
        m_environment.insert(name, value);
        return *this;
    }
    Instance &withoutVariable(const QString &name)
    {
        m_environment.remove(name);
        return *this;
    }
    void start()
    {
        m_process.setProcessEnvironment(m_environment);
        m_process.setProcessChannelMode(QProcess::ForwardedErrorChannel);
        m_process.start(QStringLiteral(INSTANCE_PROGRAM), m_arguments);
    }
    // Reads lines until one begins so, and returns the rest of it; null if none comes.
    QByteArray lineWith(const QByteArray &beginning, int within = kLong)
    {
        const QDeadlineTimer deadline(within);
        for (;;) {
            while (m_process.canReadLine()) {
                const QByteArray line = m_process.readLine().chopped(1);
                lines.append(line);
                if (line.startsWith(beginning))
                    return line.mid(beginning.size()) + ' '; // not null, not even if nothing is left
            }
            if (deadline.hasExpired() || (m_process.state() == QProcess::NotRunning && !m_process.canReadLine()))
                return {};
            m_process.waitForReadyRead(int(qMax<qint64>(deadline.remainingTime(), 0)));
        }
    }
    bool says(const QByteArray &beginning, int within = kLong) { return !lineWith(beginning, within).isNull(); }
    QJsonObject activation()
    {
        return QJsonDocument::fromJson(lineWith("activated ").trimmed()).object();
    }
    QByteArray activationPayload() { return QByteArray::fromHex(activation().value(u"payload").toString().toLatin1()); }
    void tell(const QByteArray &command)
    {
        m_process.write(command + '\n');
        m_process.waitForBytesWritten();
    }
    bool ends()
    {
        const bool ended = m_process.state() == QProcess::NotRunning || m_process.waitForFinished(kLong);
        lineWith("\n"); // what is left
        return ended;
    }
    bool isRunning() const { return m_process.state() == QProcess::Running; }
    int exitCode() const { return m_process.exitCode(); }
    void signal(int number) { ::kill(pid_t(m_process.processId()), number); }
    bool kill()
    {
        signal(SIGKILL);
        return m_process.waitForFinished(kLong);
    }
    void closeInput() { m_process.closeWriteChannel(); }
    qint64 pid() const { return m_process.processId(); }

    QByteArrayList lines; // all that it said so far

private:
    QStringList m_arguments;
    QProcessEnvironment m_environment = QProcessEnvironment::systemEnvironment();
    QProcess m_process;
};

QStringList payload(const char *text)
{
    return {QStringLiteral("--payload"), QString::fromLatin1(text)};
}

bool write(const QString &path, const QByteArray &bytes, mode_t mode = 0600)
{
    const int file = ::open(QFile::encodeName(path).constData(), O_WRONLY | O_CREAT | O_CLOEXEC, mode);
    const bool written = file >= 0 && ::write(file, bytes.constData(), size_t(bytes.size())) == bytes.size() && ::fchmod(file, mode) == 0;
    ::close(file);
    return written;
}

// A message as processes/instance.cpp would send it, with an argument.
QByteArray messageWith(const QByteArray &argument)
{
    QByteArray bytes = "QtLockFile message 1\n" + QByteArray(7, '\0');
    bytes += char(21 + 8 + 5 + argument.size());
    bytes += 'A' + QByteArray(3, '\0');
    bytes += char(argument.size());
    return bytes + argument;
}

QStringList messagesIn(const QString &folder)
{
    QStringList names = QDir(folder).entryList(QDir::AllEntries | QDir::System | QDir::Hidden | QDir::NoDotAndDotDot);
    names.removeAll(QStringLiteral("lock"));
    return names;
}

} // namespace

class TestSingleInstance : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init();
    void firstIsPrimaryAndSecondIsDone();
    void lockIsPrivateAndSticky();
    void everythingArrivesByteForByte_data();
    void everythingArrivesByteForByte();
    void commandLineAndFolderArriveByThemselves();
    void hundredStartsAtOnceMakeOnePrimary();
    void idsNeverMeet();
    void everyIdWorks_data();
    void everyIdWorks();
    void sessionsAreApart();
    void missingRuntimeFolderIsReplaced_data();
    void missingRuntimeFolderIsReplaced();
    void foreignFolderIsNeverUsed_data();
    void foreignFolderIsNeverUsed();
    void primaryThatEndsIsReplacedAtOnce_data();
    void primaryThatEndsIsReplacedAtOnce();
    void secondaryBecomesPrimaryWhenThePrimaryIsKilled_data();
    void secondaryBecomesPrimaryWhenThePrimaryIsKilled();
    void crashedOnMessageIsNotHandedOn();
    void stoppedPrimaryIsNotResponding();
    void busyPrimaryGetsAllInOrder();
    void twentyAtOnceToBusyPrimary();
    void messagesToStartingPrimaryArrive();
    void dialogIsAnswering();
    void refusalCarriesItsReason();
    void badMessageIsNotActedOn_data();
    void badMessageIsNotActedOn();
    void openFolderIsNotReadFrom();
    void leftoversAreCleanedUp();
    void messageOfKilledSecondaryIsHandledByTheSamePrimary();
    void nextPrimaryGetsWhatSomebodyWaitsFor();
    void takeOverWaitsInTheQueue();
    void takeOverCanBeCancelled();
    void restartKeepsThePlaces();
    void restartThatFailsKeepsTheLock_data();
    void restartThatFailsKeepsTheLock();
    void nobodySlipsInWhileRestarting();
    void asynchronousFormTellsEachStep();
    void misuseChangesNothing();
    void slotMayDeleteTheInstance();
    void primaryWhoseLockFileIsRemovedLocksAgain();
    void primaryWhoseLockIsTakenIsLost();

private:
    QString messages() const { return m_folder->filePath(QStringLiteral("test")); }
    QString path() const { return m_folder->path(); }

    std::unique_ptr<QTemporaryDir> m_folder;
};

void TestSingleInstance::init()
{
    m_folder = std::make_unique<QTemporaryDir>();
    QVERIFY(m_folder->isValid());
}

void TestSingleInstance::firstIsPrimaryAndSecondIsDone()
{
    Instance first(path());
    first.start();
    QVERIFY(first.says("role Primary"));
    QVERIFY(first.says("ready"));
    Instance second(path());
    second.start();
    QVERIFY(second.says("role Secondary"));
    QVERIFY(second.says("reply Done"));
    QVERIFY(second.ends());
    QCOMPARE(second.exitCode(), 0);
    QVERIFY(first.says("activated "));
    QVERIFY(messagesIn(messages()).isEmpty());

    SingleInstance third(QStringLiteral("test"));
    third.setFolder(path());
    QCOMPARE(third.start(), Role::Secondary);
    QCOMPARE(third.primary().pid(), first.pid());
    QVERIFY(third.message().contains(QString::number(first.pid())));
}

void TestSingleInstance::lockIsPrivateAndSticky()
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

void TestSingleInstance::everythingArrivesByteForByte_data()
{
    QTest::addColumn<QByteArrayList>("arguments");
    QTest::addColumn<qsizetype>("size");
    QTest::newRow("nothing") << QByteArrayList{} << qsizetype(0);
    QTest::newRow("empty, blank and broken lines") << QByteArrayList{"", " ", "a\nb", "\t\"'\\", ""} << qsizetype(1);
    QTest::newRow("no UTF-8") << QByteArrayList{"\xff\xfe\x80", "gr\xc3\xbc\xc3\x9f"} << qsizetype(1000);
    QTest::newRow("a long argument") << QByteArrayList{QByteArray(131'000, 'x')} << qsizetype(65'537);
    QTest::newRow("1 MiB less 1") << QByteArrayList{"x"} << SingleInstance::MaximumPayload - 1;
    QTest::newRow("1 MiB") << QByteArrayList{"x"} << SingleInstance::MaximumPayload;
}

void TestSingleInstance::everythingArrivesByteForByte()
{
    QFETCH(const QByteArrayList, arguments);
    QFETCH(const qsizetype, size);
    Instance first(path());
    first.start();
    QVERIFY(first.says("ready"));

    QByteArray bytes(size, '\0');
    for (qsizetype i = 0; i < size; ++i)
        bytes[i] = char(i * 31 + i / 253);
    SingleInstance second(QStringLiteral("test"));
    second.setFolder(path());
    second.setTimeout(std::chrono::milliseconds(kLong));
    second.setArguments(arguments);
    second.setPayload(bytes);
    second.setEnvironment({"INSTANCE_TEST", "INSTANCE_TEST_UNSET"});
    qputenv("INSTANCE_TEST", "value=with=signs");
    qputenv("XDG_ACTIVATION_TOKEN", "token-1");
    const auto restore = qScopeGuard([] {
        qunsetenv("INSTANCE_TEST");
        qunsetenv("XDG_ACTIVATION_TOKEN");
    });
    second.startAsync(); // so that what the first says is read meanwhile
    QTRY_COMPARE_WITH_TIMEOUT(second.reply(), Reply::Done, kLong);

    const QJsonObject activation = first.activation();
    QJsonArray expected;
    for (const QByteArray &argument : arguments)
        expected.append(QString::fromLatin1(argument.toHex()));
    QCOMPARE(activation.value(u"arguments").toArray(), expected);
    QCOMPARE(QByteArray::fromHex(activation.value(u"payload").toString().toLatin1()), bytes);
    QCOMPARE(activation.value(u"variable").toString(), QStringLiteral("value=with=signs"));
    QCOMPARE(activation.value(u"token").toString(), QStringLiteral("token-1"));
    QCOMPARE(QByteArray::fromHex(activation.value(u"folder").toString().toLatin1()), QFile::encodeName(QDir::currentPath()));
}

void TestSingleInstance::commandLineAndFolderArriveByThemselves()
{
    Instance first(path());
    first.start();
    QVERIFY(first.says("ready"));
    Instance second(path());
    second.with({QStringLiteral("--"), QStringLiteral("a file"), QString(), QStringLiteral("\u00fc")}).start();
    QVERIFY(second.ends());
    const QJsonArray arguments = first.activation().value(u"arguments").toArray();
    QCOMPARE(arguments.at(arguments.size() - 3).toString(), QString::fromLatin1(QByteArray("a file").toHex()));
    QCOMPARE(arguments.at(arguments.size() - 2).toString(), QString());
    QCOMPARE(arguments.at(arguments.size() - 1).toString(), QString::fromLatin1(QByteArray("\xc3\xbc").toHex()));
}

void TestSingleInstance::hundredStartsAtOnceMakeOnePrimary()
{
    for (int round = 0; round < 10; ++round) {
        std::vector<std::unique_ptr<Instance>> all;
        for (int i = 0; i < 100; ++i) {
            all.push_back(std::make_unique<Instance>(path()));
            all.back()->start();
        }
        int primaries = 0;
        int done = 0;
        Instance *primary = nullptr;
        for (const auto &instance : all) {
            const QByteArray role = instance->lineWith("role ");
            if (role.startsWith("Primary")) {
                ++primaries;
                primary = instance.get();
            } else if (instance->says("reply Done")) {
                ++done;
            } else {
                qWarning() << instance->lines;
            }
        }
        QCOMPARE(primaries, 1);
        QCOMPARE(done, 99);
        for (int i = 0; i < 99; ++i)
            QVERIFY(primary->says("activated "));
        primary->closeInput();
        QVERIFY(primary->ends());
        QVERIFY(messagesIn(messages()).isEmpty());
    }
}

void TestSingleInstance::idsNeverMeet()
{
    const QStringList ids{QStringLiteral("a"), QStringLiteral("A"), QStringLiteral("a/b"), QStringLiteral("a_b"), QStringLiteral("a b"), QStringLiteral(".."), QStringLiteral("."),
                          QStringLiteral("../x"), QStringLiteral("~"), QString(300, u'x'), QString(301, u'x'), QString(300, u'x') + u'y', QStringLiteral("\u00fc"),
                          QStringLiteral("u\u0308"), QString(QChar(0xd800)), QString(QChar(0xd801)), QStringLiteral("a\nb"), QString(QChar(0)), QStringLiteral("lock")};
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

void TestSingleInstance::everyIdWorks_data()
{
    QTest::addColumn<QString>("id");
    QTest::newRow("slashes") << QStringLiteral("a/b//../c");
    QTest::newRow("blanks") << QStringLiteral(" a  b ");
    QTest::newRow("300 characters") << QString(300, u'q');
    QTest::newRow("300 characters of four bytes") << QStringLiteral("\U0001F512").repeated(300);
    QTest::newRow("Unicode") << QStringLiteral("\u05e9\u05dc\u05d5\u05dd \u4f60\u597d");
}

void TestSingleInstance::everyIdWorks()
{
    QFETCH(const QString, id);
    Instance first(path());
    first.with({QStringLiteral("--id"), id}).start();
    QVERIFY(first.says("role Primary"));
    Instance second(path());
    second.with({QStringLiteral("--id"), id}).start();
    QVERIFY(second.says("reply Done"));
}

void TestSingleInstance::sessionsAreApart()
{
    const auto restore = qScopeGuard([display = qgetenv("DISPLAY"), wayland = qgetenv("WAYLAND_DISPLAY"), had = qEnvironmentVariableIsSet("WAYLAND_DISPLAY")] {
        qputenv("DISPLAY", display);
        if (had)
            qputenv("WAYLAND_DISPLAY", wayland);
    });
    qunsetenv("WAYLAND_DISPLAY");
    const auto folderOn = [this](const char *display) {
        qputenv("DISPLAY", display);
        SingleInstance instance(QStringLiteral("test"));
        instance.setFolder(path());
        instance.setScope(SingleInstance::Scope::PerSession);
        instance.start();
        return instance.folder();
    };
    QCOMPARE(folderOn(":0.1"), folderOn(":0"));
    QVERIFY(folderOn(":0") != folderOn(":1"));
    QVERIFY(folderOn("host.example:10.0") == folderOn("host.example:10"));
}

void TestSingleInstance::missingRuntimeFolderIsReplaced_data()
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

void TestSingleInstance::missingRuntimeFolderIsReplaced()
{
    QFETCH(const QString, runtime);
    QFETCH(const bool, isUsed);
    if (::geteuid() != 0)
        QSKIP("Needs root, to be another user.");
    constexpr uid_t kUser = 65534;
    QVERIFY(::chmod(QFile::encodeName(path()).constData(), 0755) == 0);
    const QString folder = m_folder->filePath(QStringLiteral("runtime"));
    const QByteArray native = QFile::encodeName(folder);
    if (runtime == u"file")
        QVERIFY(write(folder, {}));
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
        instance.with({QStringLiteral("--uid"), QString::number(kUser), QStringLiteral("--id"), id});
        if (runtime.isEmpty())
            instance.withoutVariable(QStringLiteral("XDG_RUNTIME_DIR"));
        else
            instance.withVariable(QStringLiteral("XDG_RUNTIME_DIR"), runtime == u"relative" ? QStringLiteral("runtime") : folder);
        instance.start();
    };
    const auto cleanUp = qScopeGuard([&] { QDir(QStringLiteral("/tmp/qtlockfile-%1/%2").arg(kUser).arg(id)).removeRecursively(); });
    Instance first;
    start(first);
    QVERIFY(first.says("role Primary"));
    const QByteArray lock = first.lineWith("lock ").trimmed();
    if (isUsed)
        QCOMPARE(lock, native + '/' + QFile::encodeName(id) + "/lock");
    else
        QVERIFY2(!lock.startsWith(QFile::encodeName(path())), lock.constData());
    Instance second;
    start(second);
    QVERIFY(second.says("reply Done"));
}

void TestSingleInstance::foreignFolderIsNeverUsed_data()
{
    QTest::addColumn<QString>("what");
    QTest::addColumn<LockError::Code>("code");
    QTest::newRow("somebody else's") << QStringLiteral("foreign") << LockError::Code::AccessDenied;
    QTest::newRow("open to others") << QStringLiteral("open") << LockError::Code::AccessDenied;
    QTest::newRow("a link") << QStringLiteral("link") << LockError::Code::System;
    QTest::newRow("a file") << QStringLiteral("file") << LockError::Code::System;
    QTest::newRow("nowhere") << QStringLiteral("nowhere") << LockError::Code::System;
}

void TestSingleInstance::foreignFolderIsNeverUsed()
{
    QFETCH(const QString, what);
    QFETCH(const LockError::Code, code);
    const QByteArray native = QFile::encodeName(messages());
    if (what == u"foreign") {
        if (::geteuid() != 0)
            QSKIP("Needs root, to make somebody else's folder.");
        QVERIFY(::mkdir(native.constData(), 0700) == 0 && ::chown(native.constData(), 65534, 65534) == 0);
    } else if (what == u"open") {
        QVERIFY(::mkdir(native.constData(), 0700) == 0 && ::chmod(native.constData(), 0770) == 0);
    } else if (what == u"link") {
        QVERIFY(QDir(path()).mkdir(QStringLiteral("elsewhere")) && ::symlink("elsewhere", native.constData()) == 0);
    } else if (what == u"file") {
        QVERIFY(write(messages(), {}));
    }
    SingleInstance instance(QStringLiteral("test"));
    instance.setFolder(what == u"nowhere" ? m_folder->filePath(QStringLiteral("no/where")) : path());
    QCOMPARE(instance.start(), Role::Failed);
    QCOMPARE(instance.error().code(), code);
    QVERIFY(!instance.message().isEmpty());
}

void TestSingleInstance::primaryThatEndsIsReplacedAtOnce_data()
{
    QTest::addColumn<QByteArray>("how");
    QTest::newRow("quits") << QByteArray("quit");
    QTest::newRow("killed while idle") << QByteArray("kill");
    QTest::newRow("killed while stopped") << QByteArray("stop");
    QTest::newRow("killed while busy") << QByteArray("block");
}

void TestSingleInstance::primaryThatEndsIsReplacedAtOnce()
{
    QFETCH(const QByteArray, how);
    Instance first(path());
    first.start();
    QVERIFY(first.says("ready"));
    if (how == "quit") {
        first.tell("quit");
        QVERIFY(first.ends());
    } else {
        if (how == "stop")
            first.signal(SIGSTOP);
        if (how == "block") {
            first.tell("block");
            QVERIFY(first.says("blocking"));
        }
        QVERIFY(first.kill());
    }
    Instance second(path());
    second.start();
    QVERIFY(second.says("role Primary"));
}

void TestSingleInstance::secondaryBecomesPrimaryWhenThePrimaryIsKilled_data()
{
    QTest::addColumn<QByteArray>("stage");
    QTest::newRow("before its event loop picks the message up") << QByteArray("busy");
    QTest::newRow("stopped before that") << QByteArray("stopped");
    QTest::newRow("while the slot runs") << QByteArray("slot");
    QTest::newRow("while the slot shows a dialog") << QByteArray("dialog");
    QTest::newRow("by the slot") << QByteArray("crash");
}

void TestSingleInstance::secondaryBecomesPrimaryWhenThePrimaryIsKilled()
{
    QFETCH(const QByteArray, stage);
    Instance first(path());
    first.start();
    QVERIFY(first.says("ready"));
    if (stage == "busy") {
        first.tell("block");
        QVERIFY(first.says("blocking"));
    } else if (stage == "stopped") {
        first.signal(SIGSTOP);
    }
    Instance second(path());
    second.with(payload(stage == "slot" ? "block" : stage == "dialog" ? "dialog" : stage == "crash" ? "crash" : "hello"));
    second.with({QStringLiteral("--async")}).start();
    QVERIFY(second.says("role Secondary"));
    if (stage == "busy" || stage == "stopped")
        QTRY_VERIFY_WITH_TIMEOUT(!messagesIn(messages()).isEmpty(), kLong);
    else
        QVERIFY(first.says("activated "));
    if (stage != "crash")
        QVERIFY(first.kill());
    QVERIFY(second.says("reply Gone"));
    QVERIFY(second.says("primary "));
    QTRY_VERIFY_WITH_TIMEOUT(messagesIn(messages()).isEmpty(), kLong);
    Instance third(path());
    third.start();
    QVERIFY(third.says("reply Done"));
}

void TestSingleInstance::crashedOnMessageIsNotHandedOn()
{
    Instance first(path());
    first.start();
    QVERIFY(first.says("ready"));
    Instance waiting(path());
    waiting.with({QStringLiteral("--async")}).with(payload("block")).start();
    QVERIFY(waiting.says("reply Answering"));
    Instance other(path());
    other.with({QStringLiteral("--async")}).with(payload("hello")).start();
    QVERIFY(other.says("role Secondary"));
    QTRY_COMPARE_WITH_TIMEOUT(messagesIn(messages()).size(), 2, kLong);
    QVERIFY(first.kill());
    // The first of them is the primary now, and nobody else has its message; the other's had not been picked up, and is handled.
    QVERIFY(waiting.says("primary "));
    QVERIFY(other.says("reply Done"));
    QCOMPARE(waiting.activationPayload(), QByteArray("hello"));
    QVERIFY(!waiting.says("activated ", kShort));
}

void TestSingleInstance::stoppedPrimaryIsNotResponding()
{
    Instance first(path());
    first.start();
    QVERIFY(first.says("ready"));
    first.signal(SIGSTOP);
    Instance second(path());
    second.with({QStringLiteral("--timeout"), QStringLiteral("200")}).with(payload("later")).start();
    QVERIFY(second.says("reply NotResponding"));
    QVERIFY(first.isRunning());
    // Trying again does not send it twice.
    second.tell("start");
    QVERIFY(second.says("reply NotResponding"));
    QCOMPARE(messagesIn(messages()).size(), 1);
    first.signal(SIGCONT);
    QCOMPARE(first.activationPayload(), QByteArray("later"));
    second.tell("start");
    QVERIFY(second.says("reply Done"));
    QVERIFY(!first.says("activated ", kShort));
}

void TestSingleInstance::busyPrimaryGetsAllInOrder()
{
    Instance first(path());
    first.start();
    QVERIFY(first.says("ready"));
    first.tell("block");
    QVERIFY(first.says("blocking"));
    for (int i = 0; i < 20; ++i) {
        SingleInstance second(QStringLiteral("test"));
        second.setFolder(path());
        second.setTimeout(1ms);
        second.setPayload(QByteArray::number(i));
        QCOMPARE(second.start(), Role::Secondary);
        QCOMPARE(second.reply(), Reply::NotResponding);
    }
    first.tell("go on");
    for (int i = 0; i < 20; ++i)
        QCOMPARE(first.activationPayload(), QByteArray::number(i));
    QTRY_VERIFY_WITH_TIMEOUT(messagesIn(messages()).isEmpty(), kLong);
}

void TestSingleInstance::twentyAtOnceToBusyPrimary()
{
    Instance first(path());
    first.start();
    QVERIFY(first.says("ready"));
    first.tell("block");
    QVERIFY(first.says("blocking"));
    std::vector<std::unique_ptr<Instance>> all;
    for (int i = 0; i < 20; ++i) {
        all.push_back(std::make_unique<Instance>(path()));
        all.back()->with({QStringLiteral("--payload-size"), QString::number(SingleInstance::MaximumPayload - i)}).start();
    }
    QTRY_COMPARE_WITH_TIMEOUT(QDir(messages()).entryList({QStringLiteral("*.message")}).size(), 20, kLong);
    first.tell("go on");
    QSet<qsizetype> sizes;
    for (int i = 0; i < 20; ++i)
        sizes.insert(first.activationPayload().size());
    QCOMPARE(sizes.size(), 20);
    for (const auto &instance : all)
        QVERIFY(instance->says("reply Done"));
}

void TestSingleInstance::messagesToStartingPrimaryArrive()
{
    auto first = std::make_unique<SingleInstance>(QStringLiteral("test"));
    first->setFolder(path());
    QCOMPARE(first->start(), Role::Primary);
    Instance early(path());
    early.with({QStringLiteral("--timeout"), QStringLiteral("50")}).with(payload("early")).start();
    QVERIFY(early.says("reply NotResponding"));
    QVERIFY(early.kill());
    QSignalSpy activated(first.get(), &SingleInstance::activated);
    QTRY_COMPARE_WITH_TIMEOUT(activated.size(), 1, kLong);
    QCOMPARE(activated.at(0).at(0).value<Activation>().payload(), QByteArray("early"));
}

void TestSingleInstance::dialogIsAnswering()
{
    Instance first(path());
    first.start();
    QVERIFY(first.says("ready"));
    Instance second(path());
    second.with(payload("dialog")).with({QStringLiteral("--timeout"), QStringLiteral("1000")}).start();
    QVERIFY(second.says("reply Answering"));
    QVERIFY(second.ends());
    QCOMPARE(second.exitCode(), 0);
    Instance third(path());
    third.start();
    QVERIFY(third.says("reply Done")); // though the dialog is open
    QCOMPARE(first.activationPayload(), QByteArray("dialog"));
}

void TestSingleInstance::refusalCarriesItsReason()
{
    Instance first(path());
    first.start();
    QVERIFY(first.says("ready"));
    Instance second(path());
    second.with(payload("refuse")).start();
    QCOMPARE(second.lineWith("reply Refused "), QByteArray("not \xc3\xa0 la carte "));
    QVERIFY(second.ends());
    QCOMPARE(second.exitCode(), 1);
    QVERIFY(messagesIn(messages()).isEmpty());
}

void TestSingleInstance::badMessageIsNotActedOn_data()
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
    QTest::newRow("a symbolic link") << QStringLiteral("link");
    QTest::newRow("a hard link") << QStringLiteral("hard");
    QTest::newRow("a FIFO") << QStringLiteral("fifo");
    QTest::newRow("a folder") << QStringLiteral("folder");
    QTest::newRow("a folder with content") << QStringLiteral("tree");
}

void TestSingleInstance::badMessageIsNotActedOn()
{
    QFETCH(const QString, what);
    Instance first(path());
    first.start();
    QVERIFY(first.says("ready"));
    const QByteArray good = messageWith("bad");
    const QString outside = m_folder->filePath(QStringLiteral("outside"));
    const QString inside = messages() + QStringLiteral("/0000000000000000001-1-1.message");
    const QByteArray native = QFile::encodeName(inside);
    // Made outside and renamed in, so that the primary sees it whole.
    if (what == u"foreign") {
        if (::geteuid() != 0)
            QSKIP("Needs root, to make somebody else's file.");
        QVERIFY(write(outside, good) && ::chown(QFile::encodeName(outside).constData(), 65534, 65534) == 0);
    } else if (what == u"open") {
        QVERIFY(write(outside, good, 0622));
    } else if (what == u"large") {
        QVERIFY(write(outside, good) && ::truncate(QFile::encodeName(outside).constData(), off_t(1) << 40) == 0);
    } else if (what == u"half") {
        QVERIFY(write(outside, good.chopped(1)));
    } else if (what == u"empty") {
        QVERIFY(write(outside, {}));
    } else if (what == u"malformed") {
        QVERIFY(write(outside, QByteArray(100, '\xff')));
    } else if (what == u"length") {
        QByteArray bytes = good;
        bytes[30] = '\xff';
        QVERIFY(write(outside, bytes));
    } else if (what == u"tail") {
        QVERIFY(write(outside, good + "A"));
    } else if (what == u"link" || what == u"hard") {
        QVERIFY(write(m_folder->filePath(QStringLiteral("target")), good));
        const QByteArray target = QFile::encodeName(m_folder->filePath(QStringLiteral("target")));
        QVERIFY((what == u"link" ? ::symlink : ::link)(target.constData(), QFile::encodeName(outside).constData()) == 0);
    } else if (what == u"fifo") {
        QVERIFY(::mkfifo(QFile::encodeName(outside).constData(), 0600) == 0);
    } else {
        QVERIFY(QDir().mkpath(what == u"tree" ? outside + QStringLiteral("/sub") : outside));
    }
    QVERIFY(::rename(QFile::encodeName(outside).constData(), native.constData()) == 0);
    Instance second(path());
    second.with(payload("good")).start();
    QVERIFY(second.says("reply Done"));
    QCOMPARE(first.activationPayload(), QByteArray("good"));
    QVERIFY(!QFileInfo(inside).exists() && !QFileInfo(inside).isSymLink());
    QCOMPARE(messagesIn(messages()).size(), what == u"tree" ? 1 : 0);
    if (what == u"link" || what == u"hard")
        QVERIFY(QFile::exists(m_folder->filePath(QStringLiteral("target"))));
}

void TestSingleInstance::openFolderIsNotReadFrom()
{
    Instance first(path());
    first.start();
    QVERIFY(first.says("ready"));
    QVERIFY(::chmod(QFile::encodeName(messages()).constData(), 0777) == 0);
    QVERIFY(write(m_folder->filePath(QStringLiteral("outside")), messageWith("bad")));
    QVERIFY(QFile::rename(m_folder->filePath(QStringLiteral("outside")), messages() + QStringLiteral("/1.message")));
    QVERIFY(!first.says("activated ", kShort));
    QVERIFY(::chmod(QFile::encodeName(messages()).constData(), 0700) == 0);
}

void TestSingleInstance::leftoversAreCleanedUp()
{
    Instance first(path());
    first.start();
    QVERIFY(first.says("ready"));
    for (const char *suffix : {".new", ".taken", ".done", ".refused", ".gone"})
        QVERIFY(write(messages() + QStringLiteral("/1-1-1") + QLatin1String(suffix), messageWith("left")));
    QTRY_VERIFY_WITH_TIMEOUT(messagesIn(messages()).isEmpty(), kLong);
    QVERIFY(!first.says("activated ", kShort));
}

void TestSingleInstance::messageOfKilledSecondaryIsHandledByTheSamePrimary()
{
    Instance first(path());
    first.start();
    QVERIFY(first.says("ready"));
    first.tell("block");
    QVERIFY(first.says("blocking"));
    Instance second(path());
    second.with(payload("last words")).start();
    QTRY_COMPARE_WITH_TIMEOUT(QDir(messages()).entryList({QStringLiteral("*.message")}).size(), 1, kLong);
    QVERIFY(second.kill());
    first.tell("go on");
    QCOMPARE(first.activationPayload(), QByteArray("last words"));
    QTRY_VERIFY_WITH_TIMEOUT(messagesIn(messages()).isEmpty(), kLong);
}

void TestSingleInstance::nextPrimaryGetsWhatSomebodyWaitsFor()
{
    Instance first(path());
    first.start();
    QVERIFY(first.says("ready"));
    first.tell("block");
    QVERIFY(first.says("blocking"));
    Instance gone(path());
    gone.with(payload("nobody waits")).start();
    QTRY_COMPARE_WITH_TIMEOUT(QDir(messages()).entryList({QStringLiteral("*.message")}).size(), 1, kLong);
    Instance waiting(path());
    waiting.with({QStringLiteral("--async"), QStringLiteral("--timeout"), QStringLiteral("50")}).with(payload("somebody waits")).start();
    QVERIFY(waiting.says("reply NotResponding"));
    QVERIFY(gone.kill());
    QVERIFY(first.kill());
    Instance next(path());
    next.start();
    QVERIFY(next.says("role Primary"));
    QCOMPARE(next.activationPayload(), QByteArray("somebody waits"));
    QVERIFY(waiting.says("reply Done"));
    QVERIFY(!next.says("activated ", kShort));
}

void TestSingleInstance::takeOverWaitsInTheQueue()
{
    Instance first(path());
    first.start();
    QVERIFY(first.says("ready"));
    SingleInstance second(QStringLiteral("test"));
    second.setFolder(path());
    QCOMPARE(second.start(), Role::Secondary);
    QSignalSpy became(&second, &SingleInstance::becamePrimary);
    second.takeOver();
    QVERIFY(became.isEmpty());
    QTRY_COMPARE_WITH_TIMEOUT(second.position(), 1, kLong);
    Instance third(path());
    third.with({QStringLiteral("--once")}).start();
    QVERIFY(third.says("reply Done")); // the primary still answers
    QVERIFY(first.kill());
    QTRY_COMPARE_WITH_TIMEOUT(became.size(), 1, kLong);
    QCOMPARE(second.role(), Role::Primary);
    QSignalSpy activated(&second, &SingleInstance::activated);
    Instance fourth(path());
    fourth.start();
    QTRY_COMPARE_WITH_TIMEOUT(activated.size(), 1, kLong);
    QVERIFY(fourth.says("reply Done"));
}

void TestSingleInstance::takeOverCanBeCancelled()
{
    Instance first(path());
    first.start();
    QVERIFY(first.says("ready"));
    SingleInstance second(QStringLiteral("test"));
    second.setFolder(path());
    QCOMPARE(second.start(), Role::Secondary);
    QSignalSpy failed(&second, &SingleInstance::takeOverFailed);
    QSignalSpy became(&second, &SingleInstance::becamePrimary);
    second.takeOver();
    second.cancelTakeOver();
    QTRY_COMPARE_WITH_TIMEOUT(failed.size(), 1, kLong);
    QCOMPARE(second.error().code(), LockError::Code::Cancelled);
    QVERIFY(first.kill());
    QVERIFY(!became.wait(kShort));
    QCOMPARE(second.start(), Role::Primary);
}

void TestSingleInstance::restartKeepsThePlaces()
{
    Instance first(path());
    first.with({QStringLiteral("--reaper")}).start();
    const qint64 pidOfFirst = first.lineWith("role Primary ").trimmed().toLongLong();
    QVERIFY(first.says("ready"));
    SingleInstance waiting(QStringLiteral("test"));
    waiting.setFolder(path());
    QCOMPARE(waiting.start(), Role::Secondary);
    QSignalSpy became(&waiting, &SingleInstance::becamePrimary);
    waiting.takeOver();
    QTRY_COMPARE_WITH_TIMEOUT(waiting.position(), 1, kLong);
    first.tell("restart self");
    const qint64 pidOfSecond = first.lineWith("role Primary ").trimmed().toLongLong();
    QVERIFY(first.lines.contains("handed over") || first.says("handed over"));
    QVERIFY(pidOfSecond > 0 && pidOfSecond != pidOfFirst);
    QTRY_VERIFY_WITH_TIMEOUT(::kill(pid_t(pidOfFirst), 0) != 0, kLong);
    QCOMPARE(waiting.primary().pid(), pidOfSecond); // a name tag of its own
    QCOMPARE(waiting.position(), 1);
    QVERIFY(!became.wait(kShort));
    Instance other(path());
    other.start();
    QVERIFY(other.says("reply Done"));
    ::kill(pid_t(pidOfSecond), SIGKILL);
    QTRY_COMPARE_WITH_TIMEOUT(became.size(), 1, kLong);
}

void TestSingleInstance::restartThatFailsKeepsTheLock_data()
{
    QTest::addColumn<QByteArray>("program");
    QTest::newRow("no such program") << QByteArray("/nonexistent/program");
    QTest::newRow("ends at once") << QByteArray("false");
    QTest::newRow("never says that it is ready") << QByteArray("yes");
}

void TestSingleInstance::restartThatFailsKeepsTheLock()
{
    QFETCH(const QByteArray, program);
    SingleInstance first(QStringLiteral("test"));
    first.setFolder(path());
    QCOMPARE(first.start(), Role::Primary);
    const QStringList arguments = program == "yes" ? QStringList{QStringLiteral("-c"), QStringLiteral("read -r nothing < \"$1\""), QStringLiteral("sh"), m_folder->filePath(QStringLiteral("fifo"))} : QStringList();
    QVERIFY(::mkfifo(QFile::encodeName(m_folder->filePath(QStringLiteral("fifo"))).constData(), 0600) == 0);
    QVERIFY(!first.restart(program == "yes" ? QStringLiteral("sh") : QString::fromLatin1(program), arguments, QDeadlineTimer(program == "yes" ? kShort : kLong)));
    QVERIFY(first.error());
    QCOMPARE(first.role(), Role::Primary);
    QCOMPARE(first.primary().pid(), qint64(::getpid()));
    QSignalSpy activated(&first, &SingleInstance::activated);
    Instance second(path());
    second.start();
    QTRY_COMPARE_WITH_TIMEOUT(activated.size(), 1, kLong);
    QVERIFY(second.says("reply Done"));
}

void TestSingleInstance::nobodySlipsInWhileRestarting()
{
    Instance first(path());
    first.with({QStringLiteral("--reaper"), QStringLiteral("--chain"), QStringLiteral("100")}).start();
    QVERIFY(first.says("ready"));
    std::vector<std::unique_ptr<Instance>> others;
    for (int i = 0; i < 10; ++i) {
        others.push_back(std::make_unique<Instance>(path()));
        others.back()->with({QStringLiteral("--rounds"), QStringLiteral("1000000")}).start();
    }
    int primaries = 1;
    int handedOver = 0;
    int answered = 0;
    while (handedOver < 100) {
        const QByteArray line = first.lineWith("");
        QVERIFY(!line.isNull());
        primaries += line.startsWith("role Primary");
        handedOver += line.startsWith("handed over");
        answered += line.startsWith("activated");
        QVERIFY2(!line.startsWith("kept"), line.constData());
    }
    for (const auto &other : others) {
        other->kill();
        QVERIFY(other->ends());
        QVERIFY2(other->lines.isEmpty(), other->lines.join('\n').constData());
    }
    // Its role may be told before the one who handed over says so, and after.
    while (primaries < 101 && first.says("role Primary", kLong))
        ++primaries;
    QCOMPARE(primaries, 101);
    QVERIFY(answered >= 100); // they did try
}

void TestSingleInstance::asynchronousFormTellsEachStep()
{
    Instance first(path());
    first.start();
    QVERIFY(first.says("ready"));
    SingleInstance second(QStringLiteral("test"));
    second.setFolder(path());
    second.setPayload("dialog");
    QSignalSpy decided(&second, &SingleInstance::decided);
    QSignalSpy replied(&second, &SingleInstance::replied);
    second.startAsync();
    QVERIFY(decided.isEmpty());
    QTRY_COMPARE_WITH_TIMEOUT(replied.size(), 1, kLong);
    QCOMPARE(decided.size(), 1);
    QCOMPARE(decided.at(0).at(0).value<Role>(), Role::Secondary);
    QCOMPARE(replied.at(0).at(0).value<Reply>(), Reply::Answering);
    QVERIFY(second.isAnswered());

    first.signal(SIGSTOP);
    SingleInstance third(QStringLiteral("test"));
    third.setFolder(path());
    third.setTimeout(50ms);
    QSignalSpy thirdReplied(&third, &SingleInstance::replied);
    third.startAsync();
    QTRY_COMPARE_WITH_TIMEOUT(thirdReplied.size(), 1, kLong);
    QCOMPARE(third.reply(), Reply::NotResponding);
    first.signal(SIGCONT);
    QTRY_COMPARE_WITH_TIMEOUT(third.reply(), Reply::Done, kLong);
    QCOMPARE(third.role(), Role::Secondary);
}

void TestSingleInstance::misuseChangesNothing()
{
    SingleInstance nameless{QString()};
    QTest::ignoreMessage(QtWarningMsg, QRegularExpression(QStringLiteral("needs an id")));
    QCOMPARE(nameless.start(), Role::Failed);

    SingleInstance first(QStringLiteral("test"));
    first.setFolder(path());
    QTest::ignoreMessage(QtWarningMsg, QRegularExpression(QStringLiteral("::takeOver")));
    first.takeOver();
    QCOMPARE(first.error().code(), LockError::Code::InvalidState);
    QTest::ignoreMessage(QtWarningMsg, QRegularExpression(QStringLiteral("::setPayload")));
    first.setPayload(QByteArray(SingleInstance::MaximumPayload + 1, 'x'));
    QCOMPARE(first.error().code(), LockError::Code::InvalidState);
    QTest::ignoreMessage(QtWarningMsg, QRegularExpression(QStringLiteral("::restart")));
    QVERIFY(!first.restart(QStringLiteral("true"), {}));
    QCOMPARE(first.start(), Role::Primary);
    QTest::ignoreMessage(QtWarningMsg, QRegularExpression(QStringLiteral("::start")));
    QCOMPARE(first.start(), Role::Primary);
    QCOMPARE(first.error().code(), LockError::Code::InvalidState);
    first.cancelTakeOver();
}

void TestSingleInstance::slotMayDeleteTheInstance()
{
    auto *const first = new SingleInstance(QStringLiteral("test"));
    first->setFolder(path());
    QCOMPARE(first->start(), Role::Primary);
    bool deleted = false;
    connect(first, &SingleInstance::activated, this, [&] {
        delete first;
        deleted = true;
    });
    Instance second(path());
    second.start();
    QTRY_VERIFY_WITH_TIMEOUT(deleted, kLong);
    QVERIFY(second.says("role ")); // Secondary and Done, or Primary if it saw the lock first
}

void TestSingleInstance::primaryWhoseLockFileIsRemovedLocksAgain()
{
    SingleInstance first(QStringLiteral("test"));
    first.setFolder(path());
    QCOMPARE(first.start(), Role::Primary);
    QSignalSpy lost(&first, &SingleInstance::lost);
    const QString lockPath = first.lockPath();
    QVERIFY(QFile::remove(lockPath));
    QTRY_VERIFY_WITH_TIMEOUT(QFile::exists(lockPath), kLong);
    QCOMPARE(first.role(), Role::Primary);
    QVERIFY(first.primary().isThisProcess());

    QSignalSpy activated(&first, &SingleInstance::activated);
    Instance second(path());
    second.start();
    QTRY_COMPARE_WITH_TIMEOUT(activated.count(), 1, kLong);
    QVERIFY(second.says("role Secondary"));
    QVERIFY(lost.isEmpty());
}

void TestSingleInstance::primaryWhoseLockIsTakenIsLost()
{
    SingleInstance first(QStringLiteral("test"));
    first.setFolder(path());
    QCOMPARE(first.start(), Role::Primary);
    QSignalSpy lost(&first, &SingleInstance::lost);
    const QString lockPath = first.lockPath();
    // Moved over ours, the other's lock file is there at once.
    LockFile other(lockPath + QStringLiteral(".other"));
    other.setRemoveOnRelease(false);
    QVERIFY(other.tryAcquire());
    QCOMPARE(::rename(QFile::encodeName(other.path()).constData(), QFile::encodeName(lockPath).constData()), 0);
    QTRY_COMPARE_WITH_TIMEOUT(lost.count(), 1, kLong);
    QCOMPARE(first.role(), Role::Secondary);
    QCOMPARE(first.error().code(), LockError::Code::Held);
    QVERIFY(QFile::exists(lockPath));
}

QTEST_GUILESS_MAIN(TestSingleInstance)
#include "tst_singleinstance.moc"
