// SPDX-License-Identifier: 0BSD
#include "demotest.h"

#include <QtLockFile/LockFile>
#include <QtLockFile/LockQueue>

#include <QtCore/qdir.h>
#include <QtCore/qscopeguard.h>
#include <QtGui/qguiapplication.h>
#include <QtGui/qimage.h>

#include <algorithm>
#include <csignal>

#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace QtLockFile;

// The demo as a program: its options and exit codes, and what its copies are to each other. Their windows are offscreen.
class TestDemoCommandLine : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init() { m_runtime = std::make_unique<Runtime>(); }

    void statusTellsByItsExitCode();
    void statusListsTheQueue();
    void statusIsOfTheOwnInstanceUnlessToldOtherwise();
    void whatIsPrintedCannotCommandTheTerminal();
    void wrongOptionsAreComplainedOf_data();
    void wrongOptionsAreComplainedOf();
    void helpAndVersionArePrinted();
    void textsAreInTheUsersLanguage();

    void aSecondStartEndsBeforeAnyWindow();
    void aSecondStartHandsOverItsLockFile();
    void aBusyInstanceRefusesAnotherLockFile();
    void aRuntimeFolderThatOthersMayEnterIsNotUsed();
    void aStartThatWaitsIsNoSecondStart();
    void aStartThatWaitsTakesOverFromAKilledOne();
    void aStartThatWaitsGivesUpInTime();
    void aWaitCanBeCancelled();
    void aStoppedInstanceIsAskedAbout();
    void anInstanceThatGoesOnAnswersAfterAll();
    void tryAgainReachesAnInstanceThatGoesOn();
    void quitLeavesAStoppedInstanceAlone_data() { addMoments(); }
    void quitLeavesAStoppedInstanceAlone();
    void aStoppedInstanceIsTakenOverFromWhenItEnds_data() { addMoments(); }
    void aStoppedInstanceIsTakenOverFromWhenItEnds();
    void theEndOfAStoppedInstanceNeedsNoButton();
    void aButtonStartsAnotherThatQueues();
    void aRestartKeepsTheQueue();
    void theTourEndsWellAndLeavesItsPictures();
    void aTourThatCannotSaveFails();

private:
    bool isStopped(qint64 pid) const
    {
        return ::kill(pid_t(pid), SIGSTOP) == 0 && must([pid] { return LockParticipant::ofProcess(pid).isStopped(); });
    }

    static void addMoments()
    {
        QTest::addColumn<bool>("isAsking");
        QTest::newRow("at rest") << false;
        QTest::newRow("while it asks again") << true;
    }

    // Clicks on the button of a dialog about a stopped instance.
    static bool clicks(Copy *copy, const QString &button, bool isAsking)
    {
        const QStringList again{QStringLiteral("click tryAgain"), QStringLiteral("await state again"), QStringLiteral("await state stopped")};
        if (!copy->ask(again.last()))
            return false;
        if (!isAsking)
            return copy->ask(QStringLiteral("click ") + button);
        // When it has asked in vain, asking begins anew at once.
        return std::all_of(again.begin(), again.end(), [copy](const QString &line) { return copy->ask(line); })
            && copy->askAtOnce({again.first(), QStringLiteral("click ") + button});
    }

    std::unique_ptr<Copy> startFirst() const
    {
        auto first = m_runtime->start();
        if (!first->expect(QStringLiteral("own"), QStringLiteral("HeldByUs"), {first->pid()}))
            qWarning("%s", qPrintable(first->error()));
        return first;
    }

    std::unique_ptr<Runtime> m_runtime;
};

void TestDemoCommandLine::statusTellsByItsExitCode()
{
    const QString path = m_runtime->path(QStringLiteral("test.lock"));
    const QStringList status{QStringLiteral("--status"), QStringLiteral("--lock")};
    Result result = m_runtime->runWithoutDisplay(status + QStringList{path});
    QCOMPARE(result.exitCode, 0);
    QCOMPARE(result.output, path + QStringLiteral(": free\n"));
    QVERIFY(!QFile::exists(path));

    LockFile lock(path);
    QVERIFY(lock.tryAcquire());
    result = m_runtime->runWithoutDisplay(status + QStringList{path});
    QCOMPARE(result.exitCode, 1);
    QVERIFY2(result.output.contains(QStringLiteral("held by tst_democommandline (%1)").arg(::getpid())), qPrintable(result.output));

    result = m_runtime->runWithoutDisplay(status + QStringList{m_runtime->path()});
    QCOMPARE(result.exitCode, 2);
    QVERIFY(result.errors.contains(m_runtime->path()));
}

void TestDemoCommandLine::statusListsTheQueue()
{
    const auto first = startFirst();
    const auto waiter = m_runtime->start({QStringLiteral("--wait")});
    QVERIFY(waiter->expect(QStringLiteral("status"), QStringLiteral("Waiting"), {first->pid(), waiter->pid()}));
    const Result result = m_runtime->runWithoutDisplay({QStringLiteral("--status")});
    QCOMPARE(result.exitCode, 1);
    QVERIFY2(result.output.contains(QStringLiteral("\n1. qtlockfile-demo (%1)\n").arg(waiter->pid())), qPrintable(result.output));
}

void TestDemoCommandLine::statusIsOfTheOwnInstanceUnlessToldOtherwise()
{
    // Where it has never run yet, nothing is made only to look.
    Result result = m_runtime->runWithoutDisplay({QStringLiteral("--status")});
    QCOMPARE(result.exitCode, 0);
    QCOMPARE(result.output, m_runtime->lockPath() + QStringLiteral(": free\n"));
    QVERIFY(!QFile::exists(m_runtime->path(QStringLiteral("qtlockfile-demo"))));
    const auto first = startFirst();
    result = m_runtime->runWithoutDisplay({QStringLiteral("--status")});
    QCOMPARE(result.exitCode, 1);
    QVERIFY2(result.output.startsWith(m_runtime->lockPath() + QStringLiteral(": held by qtlockfile-demo (%1)").arg(first->pid())), qPrintable(result.output));
    QVERIFY(first->end());
    result = m_runtime->runWithoutDisplay({QStringLiteral("--status")});
    QCOMPARE(result.exitCode, 0);
    QCOMPARE(result.output, m_runtime->lockPath() + QStringLiteral(": free\n"));
}

void TestDemoCommandLine::whatIsPrintedCannotCommandTheTerminal()
{
    const QString path = m_runtime->path(QStringLiteral("test.lock"));
    LockFile lock(path);
    QVERIFY(lock.tryAcquire());
    char before[16];
    QCOMPARE(::prctl(PR_GET_NAME, before), 0);
    QCOMPARE(::prctl(PR_SET_NAME, "a\033[2Jb"), 0);
    const auto restore = qScopeGuard([&before] { ::prctl(PR_SET_NAME, before); });
    const Result status = m_runtime->runWithoutDisplay({QStringLiteral("--status"), QStringLiteral("--lock"), path});
    QVERIFY2(status.output.contains(QStringLiteral("held by a?[2Jb (%1)").arg(::getpid())), qPrintable(status.output));
}

void TestDemoCommandLine::wrongOptionsAreComplainedOf_data()
{
    QTest::addColumn<QStringList>("arguments");
    QTest::addColumn<QString>("complaint");
    QTest::newRow("unknown, with a task") << QStringList{QStringLiteral("--status"), QStringLiteral("--no-such-option")} << QStringLiteral("no-such-option");
    QTest::newRow("unknown, with a window") << QStringList{QStringLiteral("--no-such-option")} << QStringLiteral("no-such-option");
    QTest::newRow("no number") << QStringList{QStringLiteral("--wait=soon")} << QStringLiteral("--wait");
    QTest::newRow("no path") << QStringList{QStringLiteral("--lock=")} << QStringLiteral("--lock");
    QTest::newRow("a file") << QStringList{QStringLiteral("file")} << QStringLiteral("file");
}

void TestDemoCommandLine::wrongOptionsAreComplainedOf()
{
    QFETCH(QStringList, arguments);
    QFETCH(QString, complaint);
    const Result result = m_runtime->run(arguments);
    QCOMPARE(result.exitCode, 2);
    QVERIFY2(result.errors.contains(complaint), qPrintable(result.errors));
}

void TestDemoCommandLine::helpAndVersionArePrinted()
{
    Result result = m_runtime->runWithoutDisplay({QStringLiteral("--help")});
    QCOMPARE(result.exitCode, 0);
    for (const char *option : {"--lock", "--wait", "--status", "--tour", "--version", "--help"})
        QVERIFY2(result.output.contains(QLatin1String(option)), option);
    QVERIFY(!result.output.contains(QStringLiteral("--remote")));
    result = m_runtime->runWithoutDisplay({QStringLiteral("--version")});
    QCOMPARE(result.exitCode, 0);
    QVERIFY(result.output.startsWith(QStringLiteral("qtlockfile-demo ")));
}

void TestDemoCommandLine::textsAreInTheUsersLanguage()
{
    m_runtime->environment().insert(QStringLiteral("LANGUAGE"), QStringLiteral("de"));
    m_runtime->environment().insert(QStringLiteral("LC_ALL"), QStringLiteral("de_DE.UTF-8"));
    const Result result = m_runtime->runWithoutDisplay({QStringLiteral("--help")});
    QVERIFY2(result.output.contains(QStringLiteral("Version ausgeben")), qPrintable(result.output));
}

void TestDemoCommandLine::aSecondStartEndsBeforeAnyWindow()
{
    const auto first = startFirst();
    const Result second = m_runtime->runWithoutDisplay({});
    QCOMPARE(second.exitCode, 0);
    QCOMPARE(second.output, QString());
    QCOMPARE(second.errors, QStringLiteral("qtlockfile-demo (%1) is running already.\n").arg(first->pid()));
    QVERIFY(first->expect(QStringLiteral("own"), QStringLiteral("HeldByUs"), {first->pid()}));
    QVERIFY(first->end());
}

void TestDemoCommandLine::aSecondStartHandsOverItsLockFile()
{
    const auto first = startFirst();
    QCOMPARE(m_runtime->runWithoutDisplay({QStringLiteral("--lock"), m_runtime->path(QStringLiteral("other.lock"))}).exitCode, 0);
    QVERIFY(first->expect(QStringLiteral("any"), QStringLiteral("Free"), {}));
    QVERIFY(first->ask(QStringLiteral("click acquire")));
    QVERIFY(must([&] { return QFile::exists(m_runtime->path(QStringLiteral("other.lock"))); }));
}

void TestDemoCommandLine::aBusyInstanceRefusesAnotherLockFile()
{
    const QString path = m_runtime->path(QStringLiteral("busy.lock"));
    const auto first = m_runtime->start({QStringLiteral("--lock"), path});
    QVERIFY(first->expect(QStringLiteral("any"), QStringLiteral("Free"), {}));
    QVERIFY(first->ask(QStringLiteral("click acquire")));
    QVERIFY(first->expect(QStringLiteral("any"), QStringLiteral("HeldByUs"), {first->pid()}));
    const Result second = m_runtime->runWithoutDisplay({QStringLiteral("--lock"), m_runtime->path(QStringLiteral("other.lock"))});
    QCOMPARE(second.exitCode, 1);
    QVERIFY2(second.errors.contains(path), qPrintable(second.errors));
    QCOMPARE(m_runtime->runWithoutDisplay({QStringLiteral("--lock"), path}).exitCode, 0);
}

void TestDemoCommandLine::aRuntimeFolderThatOthersMayEnterIsNotUsed()
{
    QCOMPARE(::chmod(QFile::encodeName(m_runtime->path()).constData(), 0777), 0);
    const Result result = m_runtime->runWithoutDisplay({QStringLiteral("--status")});
    QVERIFY2(!result.output.startsWith(m_runtime->path()), qPrintable(result.output));
}

void TestDemoCommandLine::aStartThatWaitsIsNoSecondStart()
{
    const auto first = m_runtime->start({QStringLiteral("--wait")});
    QVERIFY(first->expect(QStringLiteral("own"), QStringLiteral("HeldByUs"), {first->pid()}));
}

void TestDemoCommandLine::aStartThatWaitsTakesOverFromAKilledOne()
{
    const auto first = startFirst();
    const auto waiter = m_runtime->start({QStringLiteral("--wait")});
    QVERIFY(waiter->expect(QStringLiteral("status"), QStringLiteral("Waiting"), {first->pid(), waiter->pid()}));
    first->kill();
    QVERIFY(waiter->expect(QStringLiteral("own"), QStringLiteral("HeldByUs"), {waiter->pid()}));
}

void TestDemoCommandLine::aStartThatWaitsGivesUpInTime()
{
    const auto first = startFirst();
    const Result result = m_runtime->run({QStringLiteral("--wait=0.2")});
    QCOMPARE(result.exitCode, 1);
    QVERIFY2(result.errors.endsWith(QStringLiteral("qtlockfile-demo (%1) is still running.\n").arg(first->pid())), qPrintable(result.errors));
}

void TestDemoCommandLine::aWaitCanBeCancelled()
{
    const auto first = startFirst();
    const auto waiter = m_runtime->start({QStringLiteral("--wait")});
    QVERIFY(waiter->expect(QStringLiteral("status"), QStringLiteral("Waiting"), {first->pid(), waiter->pid()}));
    QVERIFY(waiter->ask(QStringLiteral("click cancelWait")));
    QCOMPARE(waiter->waitForExitCode(), 1);
    QVERIFY(first->expect(QStringLiteral("own"), QStringLiteral("HeldByUs"), {first->pid()}));
}

void TestDemoCommandLine::aStoppedInstanceIsAskedAbout()
{
    const auto first = startFirst();
    QVERIFY(isStopped(first->pid()));
    const auto goOn = qScopeGuard([&first] { ::kill(pid_t(first->pid()), SIGCONT); });
    const auto second = m_runtime->start();
    QVERIFY(second->ask(QStringLiteral("await state stopped")));
    QVERIFY(second->ask(QStringLiteral("await program qtlockfile-demo")));
    QVERIFY(second->ask(QStringLiteral("await pid %1").arg(first->pid())));
    QVERIFY(
        second->ask(QStringLiteral("await since %1").arg(QLocale::c().toString(LockQueue::of(m_runtime->lockPath()).since().time(), QLocale::ShortFormat))));
}

void TestDemoCommandLine::anInstanceThatGoesOnAnswersAfterAll()
{
    const auto first = startFirst();
    QVERIFY(isStopped(first->pid()));
    const auto second = m_runtime->start();
    QVERIFY(second->ask(QStringLiteral("await state stopped")));
    QCOMPARE(::kill(pid_t(first->pid()), SIGCONT), 0);
    QCOMPARE(second->waitForExitCode(), 0);
    QVERIFY(second->complaints().contains(QStringLiteral("(%1) is running already").arg(first->pid())));
}

void TestDemoCommandLine::tryAgainReachesAnInstanceThatGoesOn()
{
    const auto first = startFirst();
    QVERIFY(isStopped(first->pid()));
    const auto second = m_runtime->start();
    QVERIFY(second->ask(QStringLiteral("await state stopped")));
    QVERIFY(second->ask(QStringLiteral("click tryAgain")));
    QVERIFY(second->ask(QStringLiteral("await state again")));
    QVERIFY(second->ask(QStringLiteral("await state stopped"))); // in vain
    QVERIFY(second->ask(QStringLiteral("click tryAgain")));
    QCOMPARE(::kill(pid_t(first->pid()), SIGCONT), 0);
    QCOMPARE(second->waitForExitCode(), 0);
}

void TestDemoCommandLine::quitLeavesAStoppedInstanceAlone()
{
    QFETCH(const bool, isAsking);
    const auto first = startFirst();
    QVERIFY(isStopped(first->pid()));
    const auto goOn = qScopeGuard([&first] { ::kill(pid_t(first->pid()), SIGCONT); });
    const auto second = m_runtime->start();
    QVERIFY(clicks(second.get(), QStringLiteral("quit"), isAsking));
    QCOMPARE(second->waitForExitCode(), 1);
    QVERIFY(LockParticipant::ofProcess(first->pid()).isStopped());
    QVERIFY(LockQueue::of(m_runtime->lockPath()).waiters().isEmpty());
}

void TestDemoCommandLine::aStoppedInstanceIsTakenOverFromWhenItEnds()
{
    QFETCH(const bool, isAsking);
    const auto first = startFirst();
    QVERIFY(isStopped(first->pid()));
    const auto second = m_runtime->start();
    QVERIFY(clicks(second.get(), QStringLiteral("takeOver"), isAsking));
    QVERIFY(second->expect(QStringLiteral("status"), QStringLiteral("Waiting"), {first->pid(), second->pid()}));
    first->kill();
    QVERIFY(second->expect(QStringLiteral("own"), QStringLiteral("HeldByUs"), {second->pid()}));
}

void TestDemoCommandLine::theEndOfAStoppedInstanceNeedsNoButton()
{
    const auto first = startFirst();
    QVERIFY(isStopped(first->pid()));
    const auto second = m_runtime->start();
    QVERIFY(second->ask(QStringLiteral("await state stopped")));
    first->kill();
    QVERIFY(second->expect(QStringLiteral("own"), QStringLiteral("HeldByUs"), {second->pid()}));
}

void TestDemoCommandLine::aButtonStartsAnotherThatQueues()
{
    const auto first = startFirst();
    QVERIFY(first->ask(QStringLiteral("click queue")));
    QVERIFY(must([this] { return !LockQueue::of(m_runtime->lockPath()).waiters().isEmpty(); }));
    const LockParticipant waiter = LockQueue::of(m_runtime->lockPath()).waiters().constFirst();
    QCOMPARE(waiter.processName(), QStringLiteral("qtlockfile-demo"));
    QVERIFY(first->expect(QStringLiteral("own"), QStringLiteral("HeldByUs"), {first->pid(), waiter.pid()}));
    QCOMPARE(::kill(pid_t(waiter.pid()), SIGKILL), 0);
    QVERIFY(first->expect(QStringLiteral("own"), QStringLiteral("HeldByUs"), {first->pid()}));
}

void TestDemoCommandLine::aRestartKeepsTheQueue()
{
    const auto first = m_runtime->start({QStringLiteral("--lock"), m_runtime->path(QStringLiteral("other.lock"))});
    QVERIFY(first->expect(QStringLiteral("own"), QStringLiteral("HeldByUs"), {first->pid()}));
    const auto waiter = m_runtime->start({QStringLiteral("--wait")});
    QVERIFY(waiter->expect(QStringLiteral("status"), QStringLiteral("Waiting"), {first->pid(), waiter->pid()}));
    QVERIFY(first->ask(QStringLiteral("leave restart")));
    QCOMPARE(first->waitForExitCode(), 0);
    QVERIFY(must([this] { return LockQueue::of(m_runtime->lockPath()).holder().pid() > 0; }));
    const qint64 successor = LockQueue::of(m_runtime->lockPath()).holder().pid();
    QVERIFY(successor != first->pid() && successor != waiter->pid());
    QVERIFY2(first->expect(QStringLiteral("own"), QStringLiteral("HeldByUs"), {successor, waiter->pid()}), qPrintable(first->error()));
    QVERIFY(first->expect(QStringLiteral("any"), QStringLiteral("Free"), {})); // it shows the same lock file
    QVERIFY(first->end());                                                     // the successor
    QVERIFY(waiter->expect(QStringLiteral("own"), QStringLiteral("HeldByUs"), {waiter->pid()}));
}

void TestDemoCommandLine::theTourEndsWellAndLeavesItsPictures()
{
    const QDir folder(m_runtime->path(QStringLiteral("a new/tour")));
    m_runtime->environment().remove(QStringLiteral("XDG_RUNTIME_DIR"));
    const Result tour = m_runtime->run({QStringLiteral("--tour"), folder.path()});
    QVERIFY2(tour.exitCode == 0, qPrintable(tour.errors));
    const QStringList pictures = folder.entryList({QStringLiteral("*.png")}, QDir::Files, QDir::Name);
    QCOMPARE(pictures.size(), 11);
    QFile page(folder.filePath(QStringLiteral("index.md")));
    QVERIFY(page.open(QIODevice::ReadOnly));
    const QString text = QString::fromUtf8(page.readAll());
    QVERIFY(text.contains(QStringLiteral(" is running already.")));
    for (const QString &picture : pictures) {
        QVERIFY2(!QImage(folder.filePath(picture)).isNull(), qPrintable(picture));
        QVERIFY2(text.contains(QStringLiteral("](%1)").arg(picture)), qPrintable(picture));
    }
}

void TestDemoCommandLine::aTourThatCannotSaveFails()
{
    QCOMPARE(m_runtime->runWithoutDisplay({QStringLiteral("--tour"), QStringLiteral("/dev/null/tour")}).exitCode, 2);
}

int main(int argc, char *argv[])
{
    if (!qEnvironmentVariableIsSet("QT_QPA_PLATFORM"))
        qputenv("QT_QPA_PLATFORM", "offscreen");
    qputenv("LC_ALL", "C.UTF-8"); // the texts are English
    const QCoreApplication app(argc, argv);
    TestDemoCommandLine test;
    QTEST_SET_MAIN_SOURCE_PATH
    return QTest::qExec(&test, argc, argv);
}

#include "tst_democommandline.moc"
