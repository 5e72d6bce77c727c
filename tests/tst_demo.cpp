// SPDX-License-Identifier: 0BSD
#include "demotest.h"
#include "lockpanel.h"
#include "mainwindow.h"
#include "notrespondingdialog.h"
#include "statuswidget.h"
#include "waitdialog.h"

#include <QtLockFile/LockFile>
#include <QtLockFile/SingleInstance>

#include <QtCore/qregularexpression.h>
#include <QtCore/qtranslator.h>
#include <QtGui/qaccessible.h>
#include <QtWidgets/qabstractbutton.h>
#include <QtWidgets/qapplication.h>
#include <QtWidgets/qcheckbox.h>
#include <QtWidgets/qframe.h>
#include <QtWidgets/qlabel.h>
#include <QtWidgets/qlineedit.h>
#include <QtWidgets/qplaintextedit.h>
#include <QtWidgets/qpushbutton.h>
#include <QtWidgets/qspinbox.h>

using namespace QtLockFile;
using Status = StatusWidget::Status;

// The demo's windows, offscreen and within this process.
class TestDemo : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init();

    void theWindowIsThereBeforeItsContents();
    void theWindowShowsItsInstance();
    void anInstanceThatCannotBeLockedSaysWhy();
    void withoutALockFileThereIsNothingToPress();
    void buttonsAreEnabledWhereTheyMakeSense();
    void everyCallAndSignalIsLogged();
    void aFileRemovedWhileHeldIsShown();
    void anAttemptThatFailsForGoodIsShownUntilTheNext();
    void aDocumentIsNeitherRemovedNorChanged();
    void optionsReachTheLock();
    void anyFileCanBeWatched();
    void thePathStaysWhileTheLockIsHeld();

    void everyControlHasAnAccessibleName_data() { windows(); }
    void everyControlHasAnAccessibleName();
    void theTabKeyReachesEveryControl_data() { windows(); }
    void theTabKeyReachesEveryControl();
    void noTwoControlsShareAMnemonic_data();
    void noTwoControlsShareAMnemonic();

private:
    void windows();
    std::unique_ptr<QWidget> makeWindow(const QByteArray &name);

    QPushButton *button(const QWidget &window, const char *name) const { return window.findChild<QPushButton *>(QLatin1String(name)); }
    StatusWidget *status(const QWidget &window, const char *name) const { return window.findChild<StatusWidget *>(QLatin1String(name)); }
    QString enabledButtons(const QWidget &window) const;

    std::unique_ptr<QTemporaryDir> m_folder;
    QString m_path;
    std::unique_ptr<LockFile> m_silent; // of a first instance that does not answer, where ours is the second
    std::unique_ptr<SingleInstance> m_instance;
};

void TestDemo::init()
{
    m_instance.reset();
    m_folder = std::make_unique<QTemporaryDir>();
    QVERIFY(m_folder->isValid());
    m_path = m_folder->filePath(QStringLiteral("test.lock"));
    m_instance = std::make_unique<SingleInstance>(QStringLiteral("test"));
    m_instance->setFolder(m_folder->path());
    QCOMPARE(m_instance->start(), SingleInstance::Role::Primary);
}

void TestDemo::windows()
{
    QTest::addColumn<QByteArray>("name");
    QTest::addColumn<int>("controls");
    QTest::newRow("the main window") << QByteArray("main") << 14;
    QTest::newRow("the question about one that does not respond") << QByteArray("notResponding") << 3;
    QTest::newRow("the wait") << QByteArray("wait") << 3;
}

std::unique_ptr<QWidget> TestDemo::makeWindow(const QByteArray &name)
{
    if (name == "main") {
        auto window = std::make_unique<MainWindow>(m_instance.get(), m_path);
        window->createContents();
        return window;
    }
    const QString lockPath = m_instance->lockPath();
    m_instance.reset();
    m_silent = std::make_unique<LockFile>(lockPath);
    (void)m_silent->tryAcquire();
    m_instance = std::make_unique<SingleInstance>(QStringLiteral("test"));
    m_instance->setFolder(m_folder->path());
    m_instance->setTimeout(0ms);
    m_instance->start();
    if (name == "wait")
        return std::make_unique<WaitDialog>(m_instance.get());
    return std::make_unique<NotRespondingDialog>(m_instance.get());
}

QString TestDemo::enabledButtons(const QWidget &window) const
{
    QStringList names;
    for (const char *name : {"acquire", "try", "cancel", "release"}) {
        if (button(window, name)->isEnabled())
            names << QLatin1String(name);
    }
    return names.join(u' ');
}
void TestDemo::theWindowIsThereBeforeItsContents()
{
    MainWindow window(m_instance.get());
    QVERIFY(!window.centralWidget());
    const QSize size = window.size();
    window.show();
    QVERIFY(must([&] { return window.centralWidget() != nullptr; }));
    QCOMPARE(window.size(), size); // it all fits in
}

void TestDemo::theWindowShowsItsInstance()
{
    MainWindow window(m_instance.get());
    window.createContents();
    QVERIFY(must([&] { return status(window, "own")->status() == Status::HeldByUs; }));
    QVERIFY(button(window, "restart")->isEnabled());
}

void TestDemo::anInstanceThatCannotBeLockedSaysWhy()
{
    SingleInstance instance(QStringLiteral("test"));
    instance.setFolder(m_folder->filePath(QStringLiteral("missing")));
    QCOMPARE(instance.start(), SingleInstance::Role::Failed);
    MainWindow window(&instance);
    window.createContents();
    QCOMPARE(status(window, "own")->status(), Status::Error);
    QCOMPARE(status(window, "own")->text(), QStringLiteral("Cannot be locked: No such file or directory"));
    QVERIFY(!button(window, "restart")->isEnabled());
}

void TestDemo::withoutALockFileThereIsNothingToPress()
{
    MainWindow window(m_instance.get());
    window.createContents();
    QCOMPARE(enabledButtons(window), QString());
    QCOMPARE(status(window, "any")->status(), Status::Nothing);
}

void TestDemo::buttonsAreEnabledWhereTheyMakeSense()
{
    MainWindow window(m_instance.get(), m_path);
    window.createContents();
    QCOMPARE(enabledButtons(window), QStringLiteral("acquire try"));

    button(window, "try")->click();
    QCOMPARE(enabledButtons(window), QStringLiteral("release"));
    button(window, "release")->click();
    QCOMPARE(enabledButtons(window), QStringLiteral("acquire try")); // also while releasing
    QVERIFY(must([&] { return status(window, "any")->status() == Status::Free && !QFile::exists(m_path); }));

    LockFile other(m_path);
    QVERIFY(other.tryAcquire());
    button(window, "acquire")->click();
    QCOMPARE(enabledButtons(window), QStringLiteral("cancel"));
    button(window, "cancel")->click();
    QVERIFY(must([&] { return enabledButtons(window) == QStringLiteral("acquire try"); }));
    button(window, "acquire")->click();
    other.release();
    QVERIFY(must([&] { return enabledButtons(window) == QStringLiteral("release"); }));
}

void TestDemo::everyCallAndSignalIsLogged()
{
    MainWindow window(m_instance.get(), m_path);
    window.createContents();
    const QPlainTextEdit *log = window.findChild<QPlainTextEdit *>();
    window.findChild<QPushButton *>(QStringLiteral("acquire"))->click();
    QVERIFY(must([&] { return log->toPlainText().contains(QStringLiteral("acquired()")); }));
    window.findChild<QPushButton *>(QStringLiteral("release"))->click();
    QVERIFY(must([&] { return log->toPlainText().contains(QStringLiteral("released()")); }));
    QStringList events;
    static const QRegularExpression form(QStringLiteral("^\\d\\d:\\d\\d:\\d\\d\\.\\d\\d\\d  (\\S+ +\\S.*)$"));
    for (const QString &line : log->toPlainText().split(u'\n')) {
        const QRegularExpressionMatch match = form.match(line);
        QVERIFY2(match.hasMatch(), qPrintable(line));
        if (!line.contains(QStringLiteral("positionChanged"))) // quick changes may be seen as one
            events << match.captured(1).simplified();
    }
    QCOMPARE(
        events,
        QStringList({QStringLiteral("call start(): Primary"), QStringLiteral("call acquire()"), QStringLiteral("signal stateChanged(Acquiring)"),
                     QStringLiteral("signal stateChanged(Acquired)"), QStringLiteral("signal acquired()"), QStringLiteral("call release()"),
                     QStringLiteral("signal stateChanged(Releasing)"), QStringLiteral("signal stateChanged(Released)"), QStringLiteral("signal released()")}));
}

void TestDemo::aFileRemovedWhileHeldIsShown()
{
    MainWindow window(m_instance.get(), m_path);
    window.createContents();
    const StatusWidget *status = window.findChild<StatusWidget *>(QStringLiteral("any"));
    button(window, "try")->click();
    QVERIFY(must([&] { return status->status() == Status::HeldByUs; }));
    QVERIFY(QFile::remove(m_path));
    QVERIFY(must([&] { return status->status() == Status::Lost; }));
    QVERIFY(window.findChild<QPlainTextEdit *>()->toPlainText().contains(QStringLiteral("lost()")));
    window.findChild<QPushButton *>(QStringLiteral("release"))->click();
    QVERIFY(must([&] { return status->status() == Status::Free; }));
}

void TestDemo::anAttemptThatFailsForGoodIsShownUntilTheNext()
{
    const QString folder = m_folder->filePath(QStringLiteral("later"));
    MainWindow window(m_instance.get(), folder + QStringLiteral("/test.lock"));
    window.createContents();
    const StatusWidget *status = window.findChild<StatusWidget *>(QStringLiteral("any"));
    auto *attempt = window.findChild<QPushButton *>(QStringLiteral("try"));
    attempt->click();
    QVERIFY(must([&] { return status->status() == Status::Error; }));
    QCOMPARE(status->text(), QStringLiteral("Cannot be locked: No such file or directory"));
    QVERIFY(QDir().mkdir(folder));
    attempt->click();
    QVERIFY(must([&] { return status->status() == Status::HeldByUs; }));
}

void TestDemo::aDocumentIsNeitherRemovedNorChanged()
{
    QFile document(m_path);
    QVERIFY(document.open(QIODevice::ReadWrite) && document.write("dear diary") > 0 && document.flush());
    MainWindow window(m_instance.get(), m_path);
    window.createContents();
    button(window, "acquire")->click();
    QVERIFY(must([&] { return status(window, "any")->text() == QStringLiteral("Cannot be locked: not a lock file"); }));
    window.findChild<QCheckBox *>()->click(); // keeps the file
    button(window, "acquire")->click();
    QVERIFY(must([&] { return status(window, "any")->status() == Status::HeldByUs; }));
    button(window, "release")->click();
    QVERIFY(must([&] { return enabledButtons(window) == QStringLiteral("acquire try"); }));
    QVERIFY(document.seek(0));
    QCOMPARE(document.readAll(), QByteArray("dear diary"));
    QVERIFY(QFile::exists(m_path));
}

void TestDemo::optionsReachTheLock()
{
    MainWindow window(m_instance.get(), m_path);
    window.createContents();
    const QPlainTextEdit *log = window.findChild<QPlainTextEdit *>();
    auto *timeout = window.findChild<QSpinBox *>();
    QCOMPARE(timeout->text(), QStringLiteral("none"));
    timeout->setValue(5);
    QVERIFY(log->toPlainText().endsWith(QStringLiteral("timeoutChanged(5000 ms)")));
    timeout->setValue(0);
    QVERIFY(log->toPlainText().endsWith(QStringLiteral("timeoutChanged(0 ms)")));
    window.findChild<QCheckBox *>()->click();
    QVERIFY(log->toPlainText().endsWith(QStringLiteral("removeOnReleaseChanged(false)")));
    LockFile other(m_path);
    QVERIFY(other.tryAcquire());
    button(window, "acquire")->click(); // 0 s: not at all
    QVERIFY(must([&] { return log->toPlainText().contains(QStringLiteral("failed(Held)")); }));
    timeout->setValue(timeout->minimum());
    QVERIFY(log->toPlainText().endsWith(QStringLiteral("timeoutChanged(-1 ms)")));
    other.release();
    QVERIFY(must([&] { return !other.isAcquired() && !QFile::exists(m_path); }));
    button(window, "try")->click();
    button(window, "release")->click();
    QVERIFY(must([&] { return log->toPlainText().endsWith(QStringLiteral("released()")); }));
    QVERIFY(QFile::exists(m_path));
}

void TestDemo::anyFileCanBeWatched()
{
    LockFile other(m_folder->filePath(QStringLiteral("other.lock")));
    QVERIFY(other.tryAcquire());
    MainWindow window(m_instance.get());
    window.createContents();
    const StatusWidget *watched = window.findChild<StatusWidget *>(QStringLiteral("any"));
    QCOMPARE(watched->status(), Status::Nothing);
    auto *path = window.findChild<QLineEdit *>(QStringLiteral("path"));
    QTest::keyClicks(path, other.path());
    QTest::keyClick(path, Qt::Key_Return);
    QVERIFY(must([&] { return watched->status() == Status::HeldByUs; }));
    other.release();
    QVERIFY(must([&] { return watched->status() == Status::Free; }));
    QVERIFY(must([&] { return !QFile::exists(other.path()); })); // free first, tidied second
}

void TestDemo::thePathStaysWhileTheLockIsHeld()
{
    LockPanel panel;
    QVERIFY(panel.path().isEmpty());
    QVERIFY(panel.setPath(m_path));
    button(panel, "try")->click();
    QVERIFY(!panel.setPath(m_folder->filePath(QStringLiteral("other.lock"))));
    QVERIFY(panel.setPath(m_path)); // it is shown already
    QCOMPARE(panel.path(), m_path);
    QVERIFY(panel.findChild<QLineEdit *>(QStringLiteral("path"))->isReadOnly());
    button(panel, "release")->click();
    QVERIFY(must([&] { return panel.setPath(QString()); }));
    QVERIFY(panel.path().isEmpty());
    QCOMPARE(status(panel, "any")->status(), Status::Nothing);
}

namespace {

// By what it is to assistive technology, so that no control is forgotten.
bool isControl(const QAccessibleInterface *interface)
{
    switch (interface->role()) {
    case QAccessible::PushButton:
    case QAccessible::CheckBox:
    case QAccessible::EditableText:
    case QAccessible::SpinBox:
    case QAccessible::Tree:
    case QAccessible::Dialog:
    case QAccessible::ColumnHeader:
        return !interface->state().invisible;
    default:
        return false;
    }
}

int countNamed(QAccessibleInterface *interface, QStringList *nameless)
{
    int named = 0;
    const bool isPart = interface->parent() && interface->parent()->role() == QAccessible::SpinBox;
    if (isControl(interface) && !isPart) {
        if (interface->text(QAccessible::Name).isEmpty())
            *nameless << QString::fromLatin1(interface->object() ? interface->object()->metaObject()->className() : "cell");
        else
            ++named;
    }
    for (int i = 0; i < interface->childCount(); ++i) {
        if (QAccessibleInterface *child = interface->child(i))
            named += countNamed(child, nameless);
    }
    return named;
}

} // namespace

void TestDemo::everyControlHasAnAccessibleName()
{
    QFETCH(QByteArray, name);
    QFETCH(int, controls);
    const std::unique_ptr<QWidget> window = makeWindow(name);
    window->show();
    QAccessibleInterface *interface = QAccessible::queryAccessibleInterface(window.get());
    QVERIFY(interface);
    QStringList nameless;
    const int named = countNamed(interface, &nameless);
    QVERIFY2(nameless.isEmpty(), qPrintable(nameless.join(u' ')));
    QVERIFY2(named >= controls, qPrintable(QString::number(named)));
    for (const StatusWidget *panel : window->findChildren<StatusWidget *>())
        QVERIFY(!panel->findChild<QFrame *>()->accessibleName().isEmpty());
}

void TestDemo::theTabKeyReachesEveryControl()
{
    QFETCH(QByteArray, name);
    QFETCH(int, controls);
    const std::unique_ptr<QWidget> window = makeWindow(name);
    window->show();
    window->activateWindow();
    QVERIFY(QTest::qWaitForWindowActive(window.get()));
    QSet<QWidget *> unreached;
    for (QWidget *widget : window->findChildren<QWidget *>()) {
        if ((widget->focusPolicy() & Qt::TabFocus) && widget->isVisible() && widget->isEnabled() && !widget->focusProxy()
            && !qobject_cast<QAbstractSpinBox *>(widget->parentWidget()))
            unreached << widget;
    }
    QVERIFY(unreached.size() >= qMin(controls, 12));
    const qsizetype most = unreached.size() + 2;
    for (qsizetype i = 0; i < most; ++i) {
        QTest::keyClick(window.get(), Qt::Key_Tab);
        unreached.remove(QApplication::focusWidget());
    }
    for (const QWidget *widget : unreached)
        qWarning() << widget;
    QVERIFY(unreached.isEmpty());
}

void TestDemo::noTwoControlsShareAMnemonic_data()
{
    QTest::addColumn<QByteArray>("name");
    QTest::addColumn<QString>("language");
    QTest::addColumn<int>("least");
    for (const QString &language : {QStringLiteral("en"), QStringLiteral("de")}) {
        QTest::addRow("the main window, %s", qPrintable(language)) << QByteArray("main") << language << 11;
        QTest::addRow("the question, %s", qPrintable(language)) << QByteArray("notResponding") << language << 3;
        QTest::addRow("the wait, %s", qPrintable(language)) << QByteArray("wait") << language << 1;
    }
}

void TestDemo::noTwoControlsShareAMnemonic()
{
    QFETCH(QByteArray, name);
    QFETCH(QString, language);
    QFETCH(int, least);
    QTranslator translator;
    if (language != QStringLiteral("en") && translator.load(QStringLiteral(":/i18n/qtlockfile-demo_") + language))
        QCoreApplication::installTranslator(&translator);
    const std::unique_ptr<QWidget> window = makeWindow(name);
    QStringList texts;
    for (const QAbstractButton *button : window->findChildren<QAbstractButton *>())
        texts << button->text();
    for (const QLabel *label : window->findChildren<QLabel *>()) {
        if (label->buddy())
            texts << label->text();
    }
    QStringList mnemonics;
    for (const QString &text : texts) {
        if (const QKeySequence key = QKeySequence::mnemonic(text); !key.isEmpty())
            mnemonics << key.toString();
    }
    QVERIFY(mnemonics.size() >= least);
    QCOMPARE(mnemonics.removeDuplicates(), 0);
}

int main(int argc, char *argv[])
{
    if (!qEnvironmentVariableIsSet("QT_QPA_PLATFORM"))
        qputenv("QT_QPA_PLATFORM", "offscreen");
    const QTemporaryDir runtime; // without one, Qt says on each start where it puts it
    qputenv("XDG_RUNTIME_DIR", QFile::encodeName(runtime.path()));
    qputenv("LC_ALL", "C.UTF-8"); // the texts are English
    const QApplication app(argc, argv);
    TestDemo test;
    QTEST_SET_MAIN_SOURCE_PATH
    return QTest::qExec(&test, argc, argv);
}

#include "tst_demo.moc"
