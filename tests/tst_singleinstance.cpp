// SPDX-License-Identifier: 0BSD
#include "instancetest.h"
#include "sanitizer.h"

class TestSingleInstance : public InstanceTest
{
    Q_OBJECT

private Q_SLOTS:
    void init() { InstanceTest::init(); }
    void firstIsPrimaryAndSecondIsDone();
    void everythingArrivesByteForByte_data();
    void everythingArrivesByteForByte();
    void commandLineAndFolderArriveByThemselves_data();
    void commandLineAndFolderArriveByThemselves();
    void startInARemovedFolderHasNone();
    void nothingIsSentWithoutTheCommandLine();
    void hundredStartsAtOnceMakeOnePrimary();
    void busyPrimaryGetsAllInOrder();
    void twentyAtOnceToBusyPrimary();
    void messagesToStartingPrimaryArrive();
    void dialogIsAnswering();
    void refusalCarriesItsReason();
    void asynchronousFormTellsEachStep();
    void timeOutMayBeForEver_data();
    void timeOutMayBeForEver();
    void isAsItWasSetUpUntilItStarts();
    void misuseChangesNothing();
    void slotMayDeleteTheInstance_data();
    void slotMayDeleteTheInstance();
};

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

    OwnInstance third(path());
    QCOMPARE(third.start(), Role::Secondary);
    QCOMPARE(third.primary().pid(), first.pid());
    QVERIFY(third.message().contains(QString::number(first.pid())));
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
    OwnInstance second(path());
    second.setTimeout(kLong);
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
    QTRY_COMPARE_WITH_TIMEOUT(second.reply(), Reply::Done, kMust);

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

void TestSingleInstance::commandLineAndFolderArriveByThemselves_data()
{
    QTest::addColumn<QString>("last");
    QTest::newRow("a short one") << QStringLiteral("\u00fc");
    QTest::newRow("one of many pages") << QString(100'000, u'x');
}

void TestSingleInstance::commandLineAndFolderArriveByThemselves()
{
    QFETCH(const QString, last);
    Instance first(path());
    first.start();
    QVERIFY(first.says("ready"));
    Instance second(path());
    second.with({QStringLiteral("--"), QStringLiteral("a file"), QString(), last}).start();
    const QJsonObject activation = first.activation(); // read before it fills the pipe
    QVERIFY(second.ends());
    const QJsonArray arguments = activation.value(u"arguments").toArray();
    QCOMPARE(arguments.at(0).toString(), QString::fromLatin1(QByteArray(INSTANCE_PROGRAM).toHex()));
    QCOMPARE(arguments.at(arguments.size() - 3).toString(), QString::fromLatin1(QByteArray("a file").toHex()));
    QCOMPARE(arguments.at(arguments.size() - 2).toString(), QString());
    QCOMPARE(arguments.at(arguments.size() - 1).toString(), QString::fromLatin1(last.toUtf8().toHex()));
    QCOMPARE(activation.value(u"folder").toString(), QString::fromLatin1(QFile::encodeName(QDir::currentPath()).toHex()));
}

void TestSingleInstance::startInARemovedFolderHasNone()
{
    Instance first(path());
    first.start();
    QVERIFY(first.says("ready"));
    const QString script = QStringLiteral("mkdir \"$1\" && cd \"$1\" && rmdir \"$1\" && exec \"${@:2}\"");
    Program second(QStringLiteral("bash"),
                   {QStringLiteral("-c"), script, QStringLiteral("bash"), filePath(QStringLiteral("removed")), QStringLiteral(INSTANCE_PROGRAM),
                    QStringLiteral("--folder"), path()});
    second.start();
    QVERIFY(second.says("reply Done"));
    const QJsonObject activation = first.activation();
    QCOMPARE(activation.value(u"arguments").toArray().size(), 3);
    QCOMPARE(activation.value(u"folder").toString(), QString());
}

// The first must not be asked for what the second was not started for.
void TestSingleInstance::nothingIsSentWithoutTheCommandLine()
{
    // Not all mounts are made private, since that cannot be done in a plain chroot.
    const QString script = QStringLiteral("mount --make-private /proc && mount -t tmpfs none /proc && exec \"$@\"");
    const QStringList withoutProc{
        QStringLiteral("--mount"), QStringLiteral("--propagation"), QStringLiteral("unchanged"), QStringLiteral("bash"), QStringLiteral("-c"), script,
        QStringLiteral("bash")};
    if (QProcess::execute(QStringLiteral("unshare"), withoutProc + QStringList(QStringLiteral("true"))) != 0)
        QSKIP("a /proc of one's own takes root");
    if (kHasAddressSanitizer)
        QSKIP("AddressSanitizer does not start without /proc");
    Instance first(path());
    first.start();
    QVERIFY(first.says("ready"));
    Program second(QStringLiteral("unshare"), withoutProc + QStringList{QStringLiteral(INSTANCE_PROGRAM), QStringLiteral("--folder"), path()});
    second.start();
    QVERIFY(second.says("reply Failed"));
    const QByteArray error = second.lineWith("error ");
    QVERIFY2(error.startsWith("System Cannot leave a message in " + QFile::encodeName(path())), error.constData());
    QVERIFY2(error.contains("/proc/self/cmdline cannot be read: No such file or directory."), error.constData());
    QVERIFY(second.ends());
    QVERIFY(messagesIn(messages()).isEmpty());
    QVERIFY(!first.says("activated ", kShort));
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

void TestSingleInstance::busyPrimaryGetsAllInOrder()
{
    Instance first(path());
    first.start();
    QVERIFY(first.says("ready"));
    first.tell("block");
    QVERIFY(first.says("blocking"));
    for (int i = 0; i < 20; ++i) {
        OwnInstance second(path());
        second.setTimeout(1ms);
        second.setPayload(QByteArray::number(i));
        QCOMPARE(second.start(), Role::Secondary);
        QCOMPARE(second.reply(), Reply::NotResponding);
    }
    first.tell("go on");
    for (int i = 0; i < 20; ++i)
        QCOMPARE(first.activationPayload(), QByteArray::number(i));
    QTRY_VERIFY_WITH_TIMEOUT(messagesIn(messages()).isEmpty(), kMust);
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
    QTRY_COMPARE_WITH_TIMEOUT(QDir(messages()).entryList({QStringLiteral("*.message")}).size(), 20, kMust);
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
    auto first = std::make_unique<OwnInstance>(path());
    QCOMPARE(first->start(), Role::Primary);
    Instance early(path());
    early.with({QStringLiteral("--timeout"), QStringLiteral("50")}).with(payload("early")).start();
    QVERIFY(early.says("reply NotResponding"));
    QVERIFY(early.kill());
    QSignalSpy activated(first.get(), &SingleInstance::activated);
    QTRY_COMPARE_WITH_TIMEOUT(activated.size(), 1, kMust);
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

void TestSingleInstance::asynchronousFormTellsEachStep()
{
    Instance first(path());
    first.start();
    QVERIFY(first.says("ready"));
    OwnInstance second(path());
    second.setPayload("dialog");
    QSignalSpy decided(&second, &SingleInstance::decided);
    QSignalSpy replied(&second, &SingleInstance::replied);
    second.startAsync();
    QVERIFY(decided.isEmpty());
    QTRY_COMPARE_WITH_TIMEOUT(replied.size(), 1, kMust);
    QCOMPARE(decided.size(), 1);
    QCOMPARE(decided.at(0).at(0).value<Role>(), Role::Secondary);
    QCOMPARE(replied.at(0).at(0).value<Reply>(), Reply::Answering);
    QVERIFY(second.isAnswered());

    first.signal(SIGSTOP);
    OwnInstance third(path());
    third.setTimeout(50ms);
    QSignalSpy thirdReplied(&third, &SingleInstance::replied);
    third.startAsync();
    QTRY_COMPARE_WITH_TIMEOUT(thirdReplied.size(), 1, kMust);
    QCOMPARE(third.reply(), Reply::NotResponding);
    first.signal(SIGCONT);
    QTRY_COMPARE_WITH_TIMEOUT(third.reply(), Reply::Done, kMust);
    QCOMPARE(third.role(), Role::Secondary);
}

void TestSingleInstance::timeOutMayBeForEver_data()
{
    QTest::addColumn<std::chrono::milliseconds>("timeout");
    QTest::newRow("negative") << std::chrono::milliseconds(-1);
    QTest::newRow("a year") << std::chrono::milliseconds(24h * 365);
    QTest::newRow("the largest") << std::chrono::milliseconds::max();
}

void TestSingleInstance::timeOutMayBeForEver()
{
    QFETCH(const std::chrono::milliseconds, timeout);
    Instance first(path());
    first.start();
    QVERIFY(first.says("ready"));
    first.tell("block");
    QVERIFY(first.says("blocking"));
    OwnInstance second(path());
    second.setTimeout(timeout);
    second.startAsync();
    QTRY_COMPARE_WITH_TIMEOUT(second.role(), Role::Secondary, kMust);
    QTest::qWait(int(kShort.count()));
    QCOMPARE(second.reply(), Reply::None);
    first.tell("go on");
    QTRY_COMPARE_WITH_TIMEOUT(second.reply(), Reply::Done, kMust);
    QCOMPARE(second.start(), Role::Secondary);
    QCOMPARE(second.reply(), Reply::Done);
}

void TestSingleInstance::isAsItWasSetUpUntilItStarts()
{
    SingleInstance instance(QStringLiteral("some id"));
    QCOMPARE(instance.id(), QStringLiteral("some id"));
    QCOMPARE(instance.scope(), SingleInstance::Scope::PerUser);
    instance.setScope(SingleInstance::Scope::PerSession);
    QCOMPARE(instance.scope(), SingleInstance::Scope::PerSession);
    instance.setTimeout(12345ms);
    QCOMPARE(instance.timeout(), 12345ms);
    QCOMPARE(instance.role(), Role::Undecided);
    QCOMPARE(instance.primary().pid(), -1);
    QCOMPARE(instance.position(), -1);
    QVERIFY(instance.message().isEmpty());
    QVERIFY(!instance.error());
}

void TestSingleInstance::misuseChangesNothing()
{
    SingleInstance nameless{QString()};
    QTest::ignoreMessage(QtWarningMsg, QRegularExpression(QStringLiteral("needs an id")));
    QCOMPARE(nameless.start(), Role::Failed);

    OwnInstance first(path());
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

void TestSingleInstance::slotMayDeleteTheInstance_data()
{
    QTest::addColumn<QByteArray>("signal");
    for (const char *signal : {"decided", "decided, blocking", "roleChanged", "replied", "becamePrimary", "activated", "positionChanged", "takeOverFailed",
                               "lost", "handedOver", "restartFailed"})
        QTest::newRow(signal) << QByteArray(signal);
}

void TestSingleInstance::slotMayDeleteTheInstance()
{
    QFETCH(const QByteArray, signal);
    auto *const instance = new OwnInstance(path());
    bool isDeleted = false;
    const auto destroy = [&] {
        delete instance;
        isDeleted = true;
    };
    Instance other(path());
    const bool isSecond = signal == "replied" || signal == "positionChanged" || signal == "takeOverFailed";
    if (isSecond) {
        other.start();
        QVERIFY(other.says("ready"));
    }
    if (signal == "decided") {
        connect(instance, &SingleInstance::decided, this, destroy);
        instance->startAsync();
    } else if (signal == "decided, blocking") {
        connect(instance, &SingleInstance::decided, this, destroy);
        QCOMPARE(instance->start(), Role::Primary);
        QVERIFY(isDeleted);
    } else if (signal == "roleChanged") {
        connect(instance, &SingleInstance::roleChanged, this, destroy);
        QCOMPARE(instance->start(), Role::Primary);
    } else if (signal == "replied") {
        connect(instance, &SingleInstance::replied, this, destroy);
        instance->startAsync();
    } else if (signal == "becamePrimary") {
        connect(instance, &SingleInstance::becamePrimary, this, destroy);
        instance->startAsync();
    } else if (isSecond) {
        QCOMPARE(instance->start(), Role::Secondary);
        connect(instance, &SingleInstance::positionChanged, this, [&] {
            if (signal == "positionChanged")
                destroy();
            else
                instance->cancelTakeOver();
        });
        if (signal == "takeOverFailed")
            connect(instance, &SingleInstance::takeOverFailed, this, destroy);
        instance->takeOver();
    } else {
        QCOMPARE(instance->start(), Role::Primary);
        if (signal == "activated") {
            connect(instance, &SingleInstance::activated, this, destroy);
            other.start();
        } else if (signal == "lost") {
            connect(instance, &SingleInstance::lost, this, destroy);
            LockFile thief(instance->lockPath() + QStringLiteral(".other"));
            thief.setRemoveOnRelease(false);
            QVERIFY(thief.tryAcquire());
            QCOMPARE(::rename(QFile::encodeName(thief.path()).constData(), QFile::encodeName(instance->lockPath()).constData()), 0);
            QTRY_VERIFY_WITH_TIMEOUT(isDeleted, kMust);
        } else if (signal == "handedOver") {
            connect(instance, &SingleInstance::handedOver, this, destroy);
            instance->restartAsync(
                QStringLiteral("sh"),
                {QStringLiteral("-c"), QStringLiteral("exec \"$0\" --once --folder \"$1\" >/dev/null"), QStringLiteral(INSTANCE_PROGRAM), path()});
        } else {
            connect(instance, &SingleInstance::restartFailed, this, destroy);
            instance->restartAsync(QStringLiteral("false"), {});
        }
    }
    QTRY_VERIFY_WITH_TIMEOUT(isDeleted, kMust);
    if (signal == "activated")
        QVERIFY(other.says("role ")); // Secondary and Done, or Primary if it saw the lock first
}

QTEST_GUILESS_MAIN(TestSingleInstance)
#include "tst_singleinstance.moc"
