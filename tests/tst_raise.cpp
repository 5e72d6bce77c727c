// SPDX-License-Identifier: 0BSD
#include "display.h"
#include "instancetest.h"

#include <QtCore/qregularexpression.h>

// The window of the first start has the focus after a second start, on a real X server with a window manager and on a real Wayland compositor.
class TestRaise : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void onX11_data();
    void onX11();
    void onWayland_data();
    void onWayland();
    void withoutTokenNothingIsStolenOnWayland();

private:
    std::unique_ptr<XDisplay> m_x11; // from the first test on that needs it
    std::unique_ptr<SwayDisplay> m_sway;
};

namespace {

const QString kWindowed = QStringLiteral(WINDOWED_PROGRAM);

// A second start that is answered.
bool startsAgain(const QProcessEnvironment &environment, const QString &folder, const char *variable = nullptr, const QByteArray &token = QByteArray())
{
    Program second(kWindowed, {folder});
    second.in(environment);
    if (variable)
        second.withVariable(QString::fromLatin1(variable), QString::fromLatin1(token));
    second.start();
    return second.ends() && second.exitCode() == 0;
}

// As launchers on X11 give it, with the time of the user's click.
QByteArray startupId(quint32 time)
{
    return "test/launcher/1-0-host_TIME" + QByteArray::number(time);
}

} // namespace

void TestRaise::onX11_data()
{
    QTest::addColumn<QByteArray>("before");
    QTest::addColumn<bool>("withToken");
    QTest::newRow("from behind another window, from a terminal") << QByteArray("behind") << false;
    QTest::newRow("from behind another window, from a launcher") << QByteArray("behind") << true;
    QTest::newRow("from minimized, from a terminal") << QByteArray("minimized") << false;
    QTest::newRow("from minimized, from a launcher") << QByteArray("minimized") << true;
    QTest::newRow("from minimized by the program") << QByteArray("minimize") << false;
    QTest::newRow("from hidden") << QByteArray("hide") << false;
}

void TestRaise::onX11()
{
    QFETCH(const QByteArray, before);
    QFETCH(const bool, withToken);
    if (!m_x11)
        m_x11 = std::make_unique<XDisplay>();
    const XDisplay &display = *m_x11;
    if (display.isMissing())
        SKIP(qPrintable(display.problem()));
    QVERIFY2(display.isOk(), qPrintable(display.problem()));
    const QTemporaryDir folder;
    Program first(kWindowed, {folder.path()});
    first.in(display.environment()).start();
    QVERIFY(first.says("ready "));
    QTRY_COMPARE_WITH_TIMEOUT(display.activePid(), first.pid(), kMust);

    Program bystander(QStringLiteral(BYSTANDER_PROGRAM));
    bystander.in(display.environment()).start();
    QVERIFY(bystander.says("ready "));
    QTRY_VERIFY_WITH_TIMEOUT(display.isVisible(bystander.pid()), kMust);
    if (before == "minimized") {
        QVERIFY(display.minimize(first.pid()));
    } else if (before != "behind") {
        first.tell(before);
    }
    if (before != "behind")
        QTRY_VERIFY_WITH_TIMEOUT(!display.isVisible(first.pid()), kMust);
    // The user works with the other window, and so it is newer than anything that the first one saw.
    QVERIFY(display.click(bystander.pid()));
    const quint32 time = bystander.lineWith("clicked ").trimmed().toUInt();
    QVERIFY(time > 0);
    QTRY_COMPARE_WITH_TIMEOUT(display.activePid(), bystander.pid(), kMust);

    QVERIFY(startsAgain(display.environment(), folder.path(), withToken ? "DESKTOP_STARTUP_ID" : nullptr, startupId(time + 1)));
    QVERIFY(first.says("activated "));
    QTRY_COMPARE_WITH_TIMEOUT(display.activePid(), first.pid(), kMust);
    QVERIFY(display.isVisible(first.pid()));
}

void TestRaise::onWayland_data()
{
    QTest::addColumn<QByteArray>("before");
    QTest::newRow("from another workspace") << QByteArray();
    QTest::newRow("from minimized, on another workspace") << QByteArray("minimize");
    QTest::newRow("from hidden") << QByteArray("hide");
}

void TestRaise::onWayland()
{
    QFETCH(const QByteArray, before);
    if (!m_sway)
        m_sway = std::make_unique<SwayDisplay>("focus_on_window_activation focus");
    const SwayDisplay &display = *m_sway;
    if (display.isMissing())
        SKIP(qPrintable(display.problem()));
    QVERIFY2(display.isOk(), qPrintable(display.problem()));
    QVERIFY(display.command(QStringLiteral("workspace first")));
    const QTemporaryDir folder;
    Program first(kWindowed, {folder.path()});
    first.in(display.environment()).start();
    QVERIFY(first.says("ready "));
    QTRY_COMPARE_WITH_TIMEOUT(display.activePid(), first.pid(), kMust);
    if (!before.isEmpty())
        first.tell(before);
    if (before == "hide")
        QTRY_VERIFY_WITH_TIMEOUT(display.activePid() != first.pid(), kMust);
    QVERIFY(display.command(QStringLiteral("workspace second")));

    Program bystander(QStringLiteral(BYSTANDER_PROGRAM));
    bystander.in(display.environment()).start();
    QVERIFY(bystander.says("ready "));
    QTRY_COMPARE_WITH_TIMEOUT(display.activePid(), bystander.pid(), kMust);

    Program launcher(QStringLiteral("python3"), {QStringLiteral(ACTIVATIONTOKEN_SCRIPT)});
    launcher.in(display.environment()).start();
    const QByteArray token = launcher.lineWith("").trimmed();
    QVERIFY(!token.isEmpty());
    QVERIFY(startsAgain(display.environment(), folder.path(), "XDG_ACTIVATION_TOKEN", token));
    QVERIFY(first.says("activated " + token));
    QTRY_COMPARE_WITH_TIMEOUT(display.activePid(), first.pid(), kMust);
}

// That it is the token which does it.
void TestRaise::withoutTokenNothingIsStolenOnWayland()
{
    if (!m_sway)
        m_sway = std::make_unique<SwayDisplay>("focus_on_window_activation focus");
    const SwayDisplay &display = *m_sway;
    if (display.isMissing())
        SKIP(qPrintable(display.problem()));
    QVERIFY2(display.isOk(), qPrintable(display.problem()));
    QVERIFY(display.command(QStringLiteral("workspace first")));
    const QTemporaryDir folder;
    Program first(kWindowed, {folder.path()});
    first.in(display.environment()).start();
    QVERIFY(first.says("ready "));
    QTRY_COMPARE_WITH_TIMEOUT(display.activePid(), first.pid(), kMust);
    QVERIFY(display.command(QStringLiteral("workspace second")));
    Program bystander(QStringLiteral(BYSTANDER_PROGRAM));
    bystander.in(display.environment()).start();
    QVERIFY(bystander.says("ready "));
    QTRY_COMPARE_WITH_TIMEOUT(display.activePid(), bystander.pid(), kMust);
    QVERIFY(startsAgain(display.environment(), folder.path(), "XDG_ACTIVATION_TOKEN", "made up"));
    QVERIFY(first.says("activated made up"));
    QTest::qWait(int(kShort.count()));
    QCOMPARE(display.activePid(), bystander.pid());
}

QTEST_GUILESS_MAIN(TestRaise)
#include "tst_raise.moc"
