// SPDX-License-Identifier: 0BSD
#include "demotest.h"
#include "display.h"

#include <QtLockFile/LockFile>
#include <QtLockFile/LockQueue>

#include <QtCore/qscopeguard.h>

using namespace QtLockFile;

// The demo as a user has it: on a real X server with a window manager, with the mouse and with the keyboard alone. What it leads to is seen in the
// lock files and on the screen; Copy is used to find out where a button is, and to start and end the processes.
class TestDemoDesktop : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase();
    void init();
    void cleanup();

    void everyButtonDoesWhatItSays();
    void theKeyboardAloneIsEnough();
    void aSecondStartBringsTheFirstToTheFront_data();
    void aSecondStartBringsTheFirstToTheFront();
    void aSecondStartThatQueuesLeavesTheFirstWhereItIs();
    void aStoppedInstanceIsAskedAboutAndRaisedWhenItGoesOn();
    void quitInTheQuestionEndsTheSecondStart();
    void aKilledInstanceIsTakenOverFrom();
    void restartOpensAnotherWindow();

private:
    // Presses and releases the mouse in the middle of a widget of that name.
    bool click(Copy &copy, const char *name) const
    {
        QByteArray where;
        if (!copy.ask(QStringLiteral("await ") + QLatin1String(name)) || !copy.ask(QStringLiteral("where ") + QLatin1String(name), &where))
            return false;
        const QStringList place = QString::fromLatin1(where).split(u' ');
        return place.size() == 2
            && DisplayProgram::run(QStringLiteral("xdotool"),
                                   {QStringLiteral("mousemove"), place[0], place[1], QStringLiteral("click"), QStringLiteral("1")}, m_display->environment())
                   .has_value();
    }

    bool isActive(qint64 pid) const { return must([this, pid] { return m_display->activePid() == pid; }); }
    bool expect(Copy &copy, const char *panel, const char *status, const QList<qint64> &pids) const
    {
        const bool isShown = copy.expect(QLatin1String(panel), QLatin1String(status), pids);
        if (!isShown)
            qWarning("%s", qPrintable(copy.error()));
        return isShown;
    }
    std::unique_ptr<Copy> startFirst(const QStringList &arguments = {}) const
    {
        auto first = m_runtime->start(arguments);
        expect(*first, "own", "HeldByUs", {first->pid()});
        return first;
    }
    bool stop(qint64 pid) const
    {
        return ::kill(pid_t(pid), SIGSTOP) == 0 && must([pid] { return LockParticipant::ofProcess(pid).isStopped(); });
    }

    std::unique_ptr<XDisplay> m_display;
    std::unique_ptr<Runtime> m_runtime;
    QString m_path;
};

void TestDemoDesktop::initTestCase()
{
    m_display = std::make_unique<XDisplay>();
    if (m_display->isMissing())
        QSKIP(qPrintable(m_display->problem()));
    QVERIFY2(m_display->isOk(), qPrintable(m_display->problem()));
}

void TestDemoDesktop::init()
{
    m_runtime = std::make_unique<Runtime>(m_display->environment());
    m_path = m_runtime->path(QStringLiteral("test.lock"));
}

void TestDemoDesktop::cleanup()
{
    // A window under the mouse would be clicked at by the next test.
    QVERIFY(must([this] { return m_display->activePid() < 0; }));
}

void TestDemoDesktop::everyButtonDoesWhatItSays()
{
    const auto first = startFirst({QStringLiteral("--lock"), m_path});
    const qint64 pid = first->pid();
    QVERIFY(isActive(pid));
    QVERIFY(expect(*first, "any", "Free", {}));

    QVERIFY(click(*first, "try"));
    QVERIFY(expect(*first, "any", "HeldByUs", {pid}));
    QVERIFY(click(*first, "release"));
    QVERIFY(expect(*first, "any", "Free", {}));
    QVERIFY(must([this] { return !QFile::exists(m_path); }));

    LockFile lock(m_path);
    QVERIFY(lock.tryAcquire());
    QVERIFY(expect(*first, "any", "HeldByOther", {::getpid()}));
    QVERIFY(click(*first, "try")); // in vain
    QVERIFY(expect(*first, "any", "HeldByOther", {::getpid()}));
    QVERIFY(click(*first, "acquire"));
    QVERIFY(expect(*first, "any", "Waiting", {::getpid(), pid}));
    QVERIFY(click(*first, "acquire")); // disabled
    QVERIFY(click(*first, "cancel"));
    QVERIFY(expect(*first, "any", "HeldByOther", {::getpid()}));
    QVERIFY(click(*first, "keep"));
    QVERIFY(click(*first, "acquire"));
    QVERIFY(expect(*first, "any", "Waiting", {::getpid(), pid}));
    lock.release();
    QVERIFY(expect(*first, "any", "HeldByUs", {pid}));
    QVERIFY(click(*first, "release"));
    QVERIFY(expect(*first, "any", "Free", {}));
    QVERIFY(QFile::exists(m_path)); // kept

    QVERIFY(click(*first, "queue"));
    QVERIFY(must([this] { return LockQueue::of(m_runtime->lockPath()).waiters().size() == 1; }));
    const qint64 waiter = LockQueue::of(m_runtime->lockPath()).waiters().constFirst().pid();
    QVERIFY(isActive(waiter)); // its window has come
    QVERIFY(m_display->press(QStringLiteral("Escape")));
    QVERIFY(expect(*first, "own", "HeldByUs", {pid}));
    QVERIFY(isActive(pid));

    QVERIFY(click(*first, "choose"));
    QVERIFY(must([&] { return m_display->windowsOf(pid).size() == 2; }));
    QVERIFY(m_display->press(QStringLiteral("Escape")));
    QVERIFY(must([&] { return m_display->windowsOf(pid).size() == 1; }));
    QVERIFY(first->end());
}

void TestDemoDesktop::theKeyboardAloneIsEnough()
{
    const auto first = startFirst();
    const qint64 pid = first->pid();
    QVERIFY(isActive(pid));
    const auto press = [this](const char *keys) { return m_display->press(QLatin1String(keys)); };
    QVERIFY(press("alt+p"));
    QVERIFY(DisplayProgram::run(QStringLiteral("xdotool"), {QStringLiteral("type"), m_path}, m_display->environment()).has_value());
    QVERIFY(press("Return"));
    QVERIFY(expect(*first, "any", "Free", {}));
    QVERIFY(press("alt+a"));
    QVERIFY(expect(*first, "any", "HeldByUs", {pid}));
    QVERIFY(press("alt+r"));
    QVERIFY(expect(*first, "any", "Free", {}));
    LockFile lock(m_path);
    QVERIFY(lock.tryAcquire());
    QVERIFY(press("alt+a"));
    QVERIFY(expect(*first, "any", "Waiting", {::getpid(), pid}));
    QVERIFY(press("alt+c"));
    QVERIFY(expect(*first, "any", "HeldByOther", {::getpid()}));
    QVERIFY(press("ctrl+q"));
    QCOMPARE(first->waitForExitCode(), 0);
}

void TestDemoDesktop::aSecondStartBringsTheFirstToTheFront_data()
{
    QTest::addColumn<bool>("isMinimized");
    QTest::newRow("from behind another window") << false;
    QTest::newRow("from minimized") << true;
}

void TestDemoDesktop::aSecondStartBringsTheFirstToTheFront()
{
    QFETCH(bool, isMinimized);
    const auto first = startFirst();
    QVERIFY(isActive(first->pid()));
    const Runtime elsewhere(m_display->environment());
    const auto other = elsewhere.start();
    QVERIFY(isActive(other->pid()));
    if (isMinimized) {
        QVERIFY(m_display->minimize(first->pid()));
        QVERIFY(must([&] { return !m_display->isVisible(first->pid()); }));
    }
    const Result second = m_runtime->run({});
    QCOMPARE(second.exitCode, 0);
    QCOMPARE(second.errors, QStringLiteral("qtlockfile-demo (%1) is running already.\n").arg(first->pid()));
    QVERIFY(isActive(first->pid()));
    QVERIFY(m_display->isVisible(first->pid()));
    QVERIFY(first->end());
    QVERIFY(other->end());
}

void TestDemoDesktop::aSecondStartThatQueuesLeavesTheFirstWhereItIs()
{
    const auto first = startFirst();
    QVERIFY(isActive(first->pid()));
    const auto waiter = m_runtime->start({QStringLiteral("--wait")});
    QVERIFY(expect(*waiter, "status", "Waiting", {first->pid(), waiter->pid()}));
    QVERIFY(isActive(waiter->pid()));
    QVERIFY(click(*waiter, "cancelWait"));
    QCOMPARE(waiter->waitForExitCode(), 1);
    QVERIFY(isActive(first->pid()));
    QVERIFY(first->end());
}

void TestDemoDesktop::aStoppedInstanceIsAskedAboutAndRaisedWhenItGoesOn()
{
    const auto first = startFirst();
    QVERIFY(isActive(first->pid()));
    QVERIFY(stop(first->pid()));
    const auto second = m_runtime->start();
    QVERIFY(second->ask(QStringLiteral("await state stopped")));
    QVERIFY(isActive(second->pid()));
    QVERIFY(click(*second, "tryAgain"));
    QVERIFY(second->ask(QStringLiteral("await state again")));
    QCOMPARE(::kill(pid_t(first->pid()), SIGCONT), 0);
    QCOMPARE(second->waitForExitCode(), 0);
    QVERIFY(isActive(first->pid()));
    QVERIFY(first->end());
}

void TestDemoDesktop::quitInTheQuestionEndsTheSecondStart()
{
    const auto first = startFirst();
    QVERIFY(stop(first->pid()));
    const auto goOn = qScopeGuard([&first] { ::kill(pid_t(first->pid()), SIGCONT); });
    const auto second = m_runtime->start();
    QVERIFY(second->ask(QStringLiteral("await state stopped")));
    QVERIFY(isActive(second->pid()));
    QVERIFY(m_display->press(QStringLiteral("alt+q")));
    QCOMPARE(second->waitForExitCode(), 1);
    QVERIFY(LockParticipant::ofProcess(first->pid()).isStopped());
}

void TestDemoDesktop::aKilledInstanceIsTakenOverFrom()
{
    const auto first = startFirst();
    QVERIFY(stop(first->pid()));
    const auto second = m_runtime->start();
    QVERIFY(second->ask(QStringLiteral("await state stopped")));
    QVERIFY(click(*second, "takeOver"));
    QVERIFY(expect(*second, "status", "Waiting", {first->pid(), second->pid()}));
    first->kill();
    QVERIFY(expect(*second, "own", "HeldByUs", {second->pid()}));
    QVERIFY(isActive(second->pid()));
    QVERIFY(m_display->activeTitle().contains(QString::number(second->pid())));
    QVERIFY(second->end());
}

void TestDemoDesktop::restartOpensAnotherWindow()
{
    const auto first = startFirst();
    QVERIFY(isActive(first->pid()));
    QVERIFY(first->ask(QStringLiteral("leave restart")));
    QCOMPARE(first->waitForExitCode(), 0);
    qint64 successor = -1;
    QVERIFY(must([&] { return (successor = LockQueue::of(m_runtime->lockPath()).holder().pid()) > 0; }));
    QVERIFY(successor != first->pid());
    QVERIFY(isActive(successor));
    QVERIFY(first->end());
}

int main(int argc, char *argv[])
{
    qputenv("LC_ALL", "C.UTF-8"); // the texts are English
    const QCoreApplication app(argc, argv);
    TestDemoDesktop test;
    QTEST_SET_MAIN_SOURCE_PATH
    return QTest::qExec(&test, argc, argv);
}

#include "tst_demodesktop.moc"
