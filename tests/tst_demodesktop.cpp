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

    void aButtonThatIsEnabledDoesWhatItSays_data();
    void aButtonThatIsEnabledDoesWhatItSays();
    void aButtonThatIsDisabledDoesNothing_data();
    void aButtonThatIsDisabledDoesNothing();
    void theApplicationsButtonsWorkInEveryState_data();
    void theApplicationsButtonsWorkInEveryState();
    void withoutALockThereIsNoRestart();
    void theFileMayBeKept();
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
            && DisplayProgram::run(QStringLiteral("xdotool"), {QStringLiteral("mousemove"), place[0], place[1], QStringLiteral("click"), QStringLiteral("1")},
                                   m_display->environment())
                   .has_value();
    }

    // How many lines of the log are of that kind.
    qint64 logged(Copy &copy, const char *text) const
    {
        QByteArray count;
        return copy.ask(QStringLiteral("count log ") + QLatin1String(text), &count) ? count.toLongLong() : -1;
    }

    bool isActive(qint64 pid) const
    {
        return must([this, pid] { return m_display->activePid() == pid; });
    }
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

    bool hasWindows(qint64 pid, qsizetype count) const
    {
        return must([&] { return m_display->windowsOf(pid).size() == count; });
    }
    bool type(const QString &text) const
    {
        return DisplayProgram::run(QStringLiteral("xdotool"), {QStringLiteral("type"), text}, m_display->environment()).has_value();
    }

    std::unique_ptr<Copy> startIn(const QByteArray &state);
    bool expectState(Copy &copy, const QByteArray &state) const;
    bool startAnother(Copy &first) const;
    qint64 successorOf(const Copy &first) const;

    std::unique_ptr<XDisplay> m_display;
    std::unique_ptr<Runtime> m_runtime;
    std::unique_ptr<LockFile> m_lock; // of somebody else
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
    m_lock.reset();
    // A window under the mouse would be clicked at by the next test.
    QVERIFY(must([this] { return m_display->activePid() < 0; }));
}

// A first start whose panel of any lock file is in that StatusWidget::Status.
std::unique_ptr<Copy> TestDemoDesktop::startIn(const QByteArray &state)
{
    if (state == "Nothing")
        m_path.clear();
    if (state == "Error")
        m_path = m_runtime->path(QStringLiteral("missing/test.lock"));
    if (state == "HeldByOther" || state == "Waiting") {
        m_lock = std::make_unique<LockFile>(m_path);
        if (!m_lock->tryAcquire())
            return nullptr;
    }
    auto first = startFirst(m_path.isEmpty() ? QStringList() : QStringList{QStringLiteral("--lock"), m_path});
    bool isReady = isActive(first->pid());
    if (state == "Waiting")
        isReady = isReady && expectState(*first, "HeldByOther") && click(*first, "acquire");
    if (state == "HeldByUs" || state == "Lost" || state == "Error")
        isReady = isReady && click(*first, "try");
    if (state == "Lost")
        isReady = isReady && expectState(*first, "HeldByUs") && QFile::remove(m_path);
    return isReady && expectState(*first, state) ? std::move(first) : nullptr;
}

bool TestDemoDesktop::expectState(Copy &copy, const QByteArray &state) const
{
    QList<qint64> pids;
    if (m_lock)
        pids << ::getpid();
    if (state == "HeldByUs" || state == "Waiting")
        pids << copy.pid();
    return expect(copy, "any", state.constData(), pids);
}

// Tells whether the window was called to the front once more by it.
bool TestDemoDesktop::startAnother(Copy &first) const
{
    const qint64 before = logged(first, "activated(): ");
    return click(first, "start") && must([&] { return logged(first, "activated(): ") == before + 1; }) && isActive(first.pid());
}

// The one that holds the lock after a restart.
qint64 TestDemoDesktop::successorOf(const Copy &first) const
{
    qint64 pid = -1;
    return must([&] { return (pid = LockQueue::of(m_runtime->lockPath()).holder().pid()) > 0 && pid != first.pid(); }) ? pid : -1;
}

void TestDemoDesktop::aButtonThatIsEnabledDoesWhatItSays_data()
{
    QTest::addColumn<QByteArray>("before");
    QTest::addColumn<QByteArray>("button");
    QTest::addColumn<QByteArray>("after");
    const auto row = [](const char *before, const char *button, const char *after) {
        QTest::addRow("%s: %s", before, button) << QByteArray(before) << QByteArray(button) << QByteArray(after);
    };
    row("Free", "try", "HeldByUs");
    row("Free", "acquire", "HeldByUs");
    row("HeldByOther", "try", "HeldByOther");
    row("HeldByOther", "acquire", "Waiting");
    row("Waiting", "cancel", "HeldByOther");
    row("HeldByUs", "release", "Free");
    row("Lost", "release", "Free");
    row("Error", "try", "Error");
    row("Error", "acquire", "Error");
    for (const char *state : {"Nothing", "Free", "HeldByOther", "Error"})
        row(state, "choose", state);
}

void TestDemoDesktop::aButtonThatIsEnabledDoesWhatItSays()
{
    QFETCH(QByteArray, before);
    QFETCH(QByteArray, button);
    QFETCH(QByteArray, after);
    const auto first = startIn(before);
    QVERIFY(first);
    const qint64 calls = logged(*first, "call ");
    QVERIFY(click(*first, button.constData()));
    if (button == "choose") {
        QVERIFY(hasWindows(first->pid(), 2));
        QVERIFY(must([&] { return m_display->activeTitle() == QStringLiteral("Choose a Lock File"); }));
        const QString chosen = m_runtime->path(QStringLiteral("chosen.lock"));
        QVERIFY(m_display->press(QStringLiteral("ctrl+a")));
        QVERIFY(type(chosen));
        QVERIFY(m_display->press(QStringLiteral("Return")));
        QVERIFY(hasWindows(first->pid(), 1));
        QVERIFY(expect(*first, "any", "Free", {}));
        QVERIFY(click(*first, "try"));
        QVERIFY(expect(*first, "any", "HeldByUs", {first->pid()}));
        QVERIFY(QFile::exists(chosen));
    } else {
        QVERIFY(must([&] { return logged(*first, "call ") == calls + 1; }));
        QVERIFY(expectState(*first, after));
    }
    QVERIFY(first->end());
}

void TestDemoDesktop::aButtonThatIsDisabledDoesNothing_data()
{
    QTest::addColumn<QByteArray>("state");
    QTest::addColumn<QList<QByteArray>>("buttons");
    const auto row = [](const char *state, const QList<QByteArray> &buttons) { QTest::newRow(state) << QByteArray(state) << buttons; };
    row("Nothing", {"acquire", "try", "cancel", "release"});
    row("Free", {"cancel", "release"});
    row("HeldByOther", {"cancel", "release"});
    row("Waiting", {"acquire", "try", "release", "choose"});
    row("HeldByUs", {"acquire", "try", "cancel", "choose"});
    row("Lost", {"acquire", "try", "cancel", "choose"});
    row("Error", {"cancel", "release"});
}

void TestDemoDesktop::aButtonThatIsDisabledDoesNothing()
{
    QFETCH(QByteArray, state);
    QFETCH(QList<QByteArray>, buttons);
    const auto first = startIn(state);
    QVERIFY(first);
    const qint64 calls = logged(*first, "call ");
    const qint64 signalsBefore = logged(*first, "signal ");
    for (const QByteArray &button : buttons)
        QVERIFY(click(*first, button.constData()));
    QVERIFY(startAnother(*first)); // the last click, and so those before, have arrived
    QCOMPARE(logged(*first, "call "), calls);
    QCOMPARE(logged(*first, "signal "), signalsBefore + 1); // that of the other start
    QVERIFY(expectState(*first, state));
    QVERIFY(hasWindows(first->pid(), 1));
    QVERIFY(first->end());
}

void TestDemoDesktop::theApplicationsButtonsWorkInEveryState_data()
{
    QTest::addColumn<QByteArray>("state");
    for (const char *state : {"Nothing", "Free", "HeldByOther", "Waiting", "HeldByUs", "Lost", "Error"})
        QTest::newRow(state) << QByteArray(state);
}

void TestDemoDesktop::theApplicationsButtonsWorkInEveryState()
{
    QFETCH(QByteArray, state);
    const auto first = startIn(state);
    QVERIFY(first);
    QVERIFY(startAnother(*first));

    QVERIFY(click(*first, "queue"));
    QVERIFY(must([this] { return LockQueue::of(m_runtime->lockPath()).waiters().size() == 1; }));
    const qint64 waiter = LockQueue::of(m_runtime->lockPath()).waiters().constFirst().pid();
    QVERIFY(expect(*first, "own", "HeldByUs", {first->pid(), waiter}));
    QVERIFY(isActive(waiter)); // its window has come
    QVERIFY(m_display->press(QStringLiteral("Escape")));
    QVERIFY(expect(*first, "own", "HeldByUs", {first->pid()}));
    QVERIFY(isActive(first->pid()));

    QVERIFY(click(*first, "copy"));
    {
        const Runtime elsewhere(m_display->environment());
        const auto other = elsewhere.start(); // into which it is pasted
        QVERIFY(expect(*other, "own", "HeldByUs", {other->pid()}));
        QVERIFY(isActive(other->pid()));
        QVERIFY(m_display->press(QStringLiteral("alt+p")));
        QVERIFY(m_display->press(QStringLiteral("ctrl+v")));
        QVERIFY(m_display->press(QStringLiteral("Return")));
        QVERIFY(expect(*other, "any", "HeldByOther", {first->pid()}));
        QVERIFY(other->end());
    }
    QVERIFY(isActive(first->pid()));
    QVERIFY(expectState(*first, state));

    QVERIFY(click(*first, "restart"));
    QCOMPARE(first->waitForExitCode(), 0);
    const qint64 successor = successorOf(*first);
    QVERIFY(isActive(successor));
    QVERIFY(expect(*first, "own", "HeldByUs", {successor}));
    QVERIFY(first->end());
}

void TestDemoDesktop::withoutALockThereIsNoRestart()
{
    QVERIFY(QDir().mkpath(m_runtime->lockPath())); // a folder where the lock file would be
    const auto first = m_runtime->start();
    QVERIFY(expect(*first, "own", "Error", {}));
    QVERIFY(isActive(first->pid()));
    const qint64 calls = logged(*first, "call ");
    QVERIFY(click(*first, "restart"));
    QVERIFY(click(*first, "choose")); // the click before it has arrived, too
    QVERIFY(hasWindows(first->pid(), 2));
    QVERIFY(m_display->press(QStringLiteral("Escape")));
    QVERIFY(hasWindows(first->pid(), 1));
    QCOMPARE(logged(*first, "call "), calls);
    QVERIFY(first->end());
}

void TestDemoDesktop::theFileMayBeKept()
{
    const auto first = startIn("Free");
    QVERIFY(first);
    for (const bool isKept : {false, true, false}) {
        QVERIFY(click(*first, "acquire"));
        QVERIFY(expectState(*first, "HeldByUs"));
        QVERIFY(click(*first, "release"));
        QVERIFY(expectState(*first, "Free"));
        QVERIFY(must([&] { return QFile::exists(m_path) == isKept; }));
        QVERIFY(click(*first, "keep"));
    }
    QVERIFY(first->end());
}

void TestDemoDesktop::theKeyboardAloneIsEnough()
{
    const auto first = startFirst();
    const qint64 pid = first->pid();
    QVERIFY(isActive(pid));
    const auto press = [this](const char *keys) { return m_display->press(QLatin1String(keys)); };

    // A lock file of the user's choice.
    QVERIFY(press("alt+p"));
    QVERIFY(type(m_path));
    QVERIFY(press("Return"));
    QVERIFY(expect(*first, "any", "Free", {}));
    QVERIFY(press("alt+t"));
    QVERIFY(expect(*first, "any", "HeldByUs", {pid}));
    QVERIFY(press("alt+r"));
    QVERIFY(expect(*first, "any", "Free", {}));
    QVERIFY(must([this] { return !QFile::exists(m_path); }));
    QVERIFY(press("alt+k"));
    QVERIFY(press("alt+a"));
    QVERIFY(expect(*first, "any", "HeldByUs", {pid}));
    QVERIFY(press("alt+r"));
    QVERIFY(expect(*first, "any", "Free", {}));
    QVERIFY(QFile::exists(m_path));
    LockFile lock(m_path);
    QVERIFY(lock.tryAcquire());
    QVERIFY(press("alt+a"));
    QVERIFY(expect(*first, "any", "Waiting", {::getpid(), pid}));
    QVERIFY(press("alt+c"));
    QVERIFY(expect(*first, "any", "HeldByOther", {::getpid()}));
    QVERIFY(press("alt+o"));
    QVERIFY(press("ctrl+a"));
    QVERIFY(type(QStringLiteral("1")));
    QVERIFY(press("alt+a"));
    QVERIFY(first->ask(QStringLiteral("await log failed(TimedOut)")));
    QVERIFY(expect(*first, "any", "HeldByOther", {::getpid()}));
    QVERIFY(press("alt+h"));
    QVERIFY(hasWindows(pid, 2));
    QVERIFY(press("Escape"));
    QVERIFY(hasWindows(pid, 1));
    QVERIFY(isActive(pid));

    QVERIFY(press("ctrl+o")); // does the same
    QVERIFY(hasWindows(pid, 2));
    QVERIFY(press("Escape"));
    QVERIFY(hasWindows(pid, 1));
    QVERIFY(isActive(pid));

    // The application's own.
    QVERIFY(press("alt+i"));
    QVERIFY(first->ask(QStringLiteral("await log activated()")));
    QVERIFY(isActive(pid));
    QVERIFY(press("alt+q"));
    QVERIFY(must([this] { return LockQueue::of(m_runtime->lockPath()).waiters().size() == 1; }));
    const qint64 waiter = LockQueue::of(m_runtime->lockPath()).waiters().constFirst().pid();
    QVERIFY(isActive(waiter));
    QVERIFY(press("alt+c"));
    QVERIFY(expect(*first, "own", "HeldByUs", {pid}));
    QVERIFY(isActive(pid));
    QVERIFY(press("alt+e"));
    QCOMPARE(first->waitForExitCode(), 0);
    const qint64 successor = successorOf(*first);
    QVERIFY(isActive(successor));
    QVERIFY(expect(*first, "own", "HeldByUs", {successor}));
    QVERIFY(press("ctrl+q"));
    QVERIFY(must([this] { return !LockQueue::of(m_runtime->lockPath()).isHeld(); }));
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
    QVERIFY(isActive(successorOf(*first)));
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
