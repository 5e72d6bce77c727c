// SPDX-License-Identifier: 0BSD
#include "mainwindow.h"
#include "statuswidget.h"

#include <QtLockFile/LockFile>

#include <QtCore/qprocess.h>
#include <QtCore/qregularexpression.h>
#include <QtCore/qscopeguard.h>
#include <QtCore/qtemporarydir.h>
#include <QtGui/qaccessible.h>
#include <QtGui/qclipboard.h>
#include <QtGui/qimage.h>
#include <QtTest/qtest.h>
#include <QtWidgets/qabstractspinbox.h>
#include <QtWidgets/qapplication.h>
#include <QtWidgets/qcheckbox.h>
#include <QtWidgets/qframe.h>
#include <QtWidgets/qlabel.h>
#include <QtWidgets/qlineedit.h>
#include <QtWidgets/qplaintextedit.h>
#include <QtWidgets/qpushbutton.h>
#include <QtWidgets/qspinbox.h>
#include <QtWidgets/qtoolbutton.h>
#include <QtWidgets/qtreewidget.h>

#include <cmath>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

using namespace QtLockFile;
using namespace std::chrono_literals;
using Status = StatusWidget::Status;

namespace {

constexpr int kMustHappen = 60'000; // milliseconds

#define MUST(condition) QTRY_VERIFY_WITH_TIMEOUT(condition, kMustHappen)

/*! A copy of the demo with a window of its own, driven over its standard input as the tour does; it ends with this object. */
class Copy
{
public:
    explicit Copy(const QStringList &arguments)
    {
        m_process.setProcessChannelMode(QProcess::ForwardedErrorChannel);
        m_process.start(QStringLiteral(DEMO_PROGRAM), arguments + QStringList{QStringLiteral("--remote")});
        m_process.waitForStarted(kMustHappen);
    }

    ~Copy()
    {
        ::kill(pid_t(pid()), SIGCONT);
        m_process.closeWriteChannel();
        if (!m_process.waitForFinished(kMustHappen))
            kill();
    }

    qint64 pid() const { return m_process.processId(); }

    bool ask(const QString &line)
    {
        m_process.write(QFile::encodeName(line) + '\n');
        while (!m_process.canReadLine() && m_process.waitForReadyRead(kMustHappen)) { }
        return m_process.readLine() == "done\n";
    }

    bool expect(const char *status, const QList<qint64> &pids)
    {
        QString line = QStringLiteral("expect status ") + QLatin1String(status);
        for (const qint64 one : pids)
            line += QStringLiteral(" %1").arg(one);
        return ask(line);
    }

    void kill()
    {
        m_process.kill();
        m_process.waitForFinished(kMustHappen);
    }

private:
    QProcess m_process;
};

struct Result
{
    int exitCode;
    QString output;
    QString errors;
};

/*! Runs the demo to its end where no window can be opened: any QApplication would abort. */
Result runWithoutDisplay(const QStringList &arguments, const QString &runtimeFolder = {})
{
    QProcess process;
    QProcessEnvironment environment = QProcessEnvironment::systemEnvironment();
    environment.insert(QStringLiteral("QT_QPA_PLATFORM"), QStringLiteral("there-is-none"));
    if (!runtimeFolder.isEmpty())
        environment.insert(QStringLiteral("XDG_RUNTIME_DIR"), runtimeFolder);
    process.setProcessEnvironment(environment);
    process.start(QStringLiteral(DEMO_PROGRAM), arguments);
    const bool ended = process.waitForFinished(kMustHappen) && process.exitStatus() == QProcess::NormalExit;
    return {ended ? process.exitCode() : -1, QString::fromLocal8Bit(process.readAllStandardOutput()),
            QString::fromLocal8Bit(process.readAllStandardError())};
}

// WCAG 2.1, relative luminance and contrast ratio
double luminance(const QColor &colour)
{
    const auto linear = [](float part) { return part <= 0.04045f ? part / 12.92 : std::pow((part + 0.055) / 1.055, 2.4); };
    return 0.2126 * linear(colour.redF()) + 0.7152 * linear(colour.greenF()) + 0.0722 * linear(colour.blueF());
}

double contrast(const QColor &a, const QColor &b)
{
    const double first = luminance(a);
    const double second = luminance(b);
    return (qMax(first, second) + 0.05) / (qMin(first, second) + 0.05);
}

QPalette darkPalette()
{
    QPalette palette(QColor(50, 50, 50));
    palette.setColor(QPalette::Base, QColor(30, 30, 30));
    return palette;
}

} // namespace

class tst_Demo : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init();

    void aWidgetWithoutAPathSaysSo();
    void aLockThatNobodyHoldsIsFree();
    void aLockOfThisProcessIsHeldByUs();
    void aLockOfAnotherProcessIsHeldByItsName();
    void aStoppedHolderIsShownAsStopped();
    void aHolderThatCannotBeNamedIsUnknown();
    void aWaiterKnowsItsPlace();
    void theQueueIsListedInOrder();
    void whatCannotBeLockedSaysWhy();
    void aRemovedFileIsShownAsLost();
    void secondsAreCountedOnlyWhereThereAreSome();
    void thePathIsElidedShownWholeInTheToolTipAndCopied();
    void theBadgeIsReadableInLightAndDark_data();
    void theBadgeIsReadableInLightAndDark();

    void buttonsAreEnabledWhereTheyMakeSense();
    void everyCallAndSignalIsLogged();
    void aFileRemovedWhileHeldIsShown();
    void anAttemptThatFailsForGoodIsShownUntilTheNext();
    void optionsReachTheLock();
    void anyFileCanBeWatched();
    void everyControlHasAnAccessibleName();
    void theTabKeyReachesEveryControl();
    void noTwoControlsShareAMnemonic();

    void statusTellsByItsExitCode();
    void statusListsTheQueue();
    void aSecondStartIsRefusedBeforeAnyWindow();
    void whatIsPrintedCannotCommandTheTerminal();
    void theLockLiesInTheRuntimeFolderOfTheUser();
    void aRuntimeFolderThatOthersMayEnterIsNotUsed();
    void aStartThatWaitsTakesOverFromAKilledOne();
    void aStartThatWaitsGivesUpInTime();
    void aButtonStartsAnotherThatQueues();
    void theTourEndsWellAndLeavesItsPictures();
    void aTourThatCannotSaveFails();

private:
    std::unique_ptr<QTemporaryDir> m_folder;
    QString m_path;
};

void tst_Demo::init()
{
    m_folder = std::make_unique<QTemporaryDir>();
    QVERIFY(m_folder->isValid());
    m_path = m_folder->filePath(QStringLiteral("test.lock"));
}

void tst_Demo::aWidgetWithoutAPathSaysSo()
{
    StatusWidget widget;
    QCOMPARE(widget.status(), Status::Nothing);
    QCOMPARE(widget.text(), QStringLiteral("Nothing watched, no file chosen"));
    widget.setPath(m_path);
    QCOMPARE(widget.text(), QStringLiteral("Looking at the file…"));
}

void tst_Demo::aLockThatNobodyHoldsIsFree()
{
    StatusWidget widget;
    widget.setPath(m_path);
    MUST(widget.status() == Status::Free);
    QCOMPARE(widget.text(), QStringLiteral("Free, nobody holds it"));
}

void tst_Demo::aLockOfThisProcessIsHeldByUs()
{
    LockFile lock(m_path);
    QVERIFY(lock.tryAcquire());
    StatusWidget widget;
    widget.setPath(m_path);
    MUST(widget.status() == Status::HeldByUs);
    QVERIFY2(widget.text(false).startsWith(QStringLiteral("Held by us since ")), qPrintable(widget.text()));
    lock.release();
    MUST(widget.status() == Status::Free);
}

void tst_Demo::aLockOfAnotherProcessIsHeldByItsName()
{
    Copy holder({QStringLiteral("--lock"), m_path});
    StatusWidget widget;
    widget.setPath(m_path);
    MUST(widget.status() == Status::HeldByOther);
    const QString expected = QStringLiteral("Held by qtlockfile-demo (%1) since ").arg(holder.pid());
    MUST(widget.text().startsWith(expected));
    holder.kill();
    MUST(widget.status() == Status::Free);
}

void tst_Demo::aStoppedHolderIsShownAsStopped()
{
    Copy holder({QStringLiteral("--lock"), m_path});
    QVERIFY(holder.expect("HeldByUs", {holder.pid()}));
    QCOMPARE(::kill(pid_t(holder.pid()), SIGSTOP), 0);
    MUST(LockParticipant::ofProcess(holder.pid()).isStopped());
    StatusWidget widget;
    widget.setPath(m_path);
    MUST(widget.status() == Status::HeldByOther);
    QVERIFY2(widget.text().endsWith(QStringLiteral(", stopped")), qPrintable(widget.text()));
    QCOMPARE(widget.findChild<QTreeWidget *>()->topLevelItem(0)->text(3), QStringLiteral("stopped"));
}

void tst_Demo::aHolderThatCannotBeNamedIsUnknown()
{
    // An open file description has no process that the kernel could name.
    const int fd = ::open(QFile::encodeName(m_path).constData(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    QVERIFY(fd >= 0);
    const auto closing = qScopeGuard([fd] { ::close(fd); });
    struct flock whole = {};
    whole.l_type = F_WRLCK;
    QCOMPARE(::fcntl(fd, F_OFD_SETLK, &whole), 0);
    StatusWidget widget;
    widget.setPath(m_path);
    MUST(widget.status() == Status::HeldByOther);
    QCOMPARE(widget.text(), QStringLiteral("Held by an unknown process (another machine or sandbox, since when is not known)"));
}

void tst_Demo::aWaiterKnowsItsPlace()
{
    auto holder = std::make_unique<Copy>(QStringList{QStringLiteral("--lock"), m_path});
    QVERIFY(holder->expect("HeldByUs", {holder->pid()}));
    auto waiter = std::make_unique<Copy>(QStringList{QStringLiteral("--lock"), m_path, QStringLiteral("--wait")});
    QVERIFY(waiter->expect("Waiting", {holder->pid(), waiter->pid()}));

    LockFile lock(m_path);
    lock.acquire();
    StatusWidget widget;
    widget.setPath(m_path);
    MUST(widget.text(false) == QStringLiteral("Waiting, 2nd in line"));
    QVERIFY2(widget.text().contains(QStringLiteral("in line, for ")), qPrintable(widget.text()));
    waiter.reset();
    MUST(widget.text(false) == QStringLiteral("Waiting, next in line"));
    holder.reset();
    MUST(widget.status() == Status::HeldByUs);
}

void tst_Demo::theQueueIsListedInOrder()
{
    Copy holder({QStringLiteral("--lock"), m_path});
    QVERIFY(holder.expect("HeldByUs", {holder.pid()}));
    LockFile lock(m_path);
    lock.acquire();
    Copy last({QStringLiteral("--lock"), m_path, QStringLiteral("--wait")});
    QVERIFY(last.expect("Waiting", {holder.pid(), getpid(), last.pid()}));

    StatusWidget widget;
    widget.setPath(m_path);
    const QTreeWidget *list = widget.findChild<QTreeWidget *>();
    MUST(list->topLevelItemCount() == 3);
    const auto row = [list](int index) {
        QStringList texts;
        for (int column = 0; column < list->columnCount(); ++column)
            texts << list->topLevelItem(index)->text(column);
        return texts.join(u'|');
    };
    QCOMPARE(row(0), QStringLiteral("holds it|qtlockfile-demo|%1|").arg(holder.pid()));
    QCOMPARE(row(1), QStringLiteral("1|tst_demo|%1|this process").arg(getpid()));
    QCOMPARE(row(2), QStringLiteral("2|qtlockfile-demo|%1|").arg(last.pid()));
    lock.cancel();
    MUST(list->topLevelItemCount() == 2);
}

void tst_Demo::whatCannotBeLockedSaysWhy()
{
    StatusWidget widget;
    widget.setPath(m_folder->path());
    MUST(widget.status() == Status::Error);
    QCOMPARE(widget.text(), QStringLiteral("Cannot be locked: not a lock file"));

    widget.setPath(m_path);
    widget.showError(LockError(LockError::Code::AccessDenied, EACCES, m_path, QStringLiteral("the whole sentence")));
    QCOMPARE(widget.text(), QStringLiteral("Cannot be locked: no permission"));
    QVERIFY(widget.findChild<QFrame *>()->toolTip().contains(QStringLiteral("the whole sentence")));
    widget.showError({});
    MUST(widget.status() == Status::Free);
}

void tst_Demo::aRemovedFileIsShownAsLost()
{
    StatusWidget widget;
    widget.setPath(m_path);
    widget.showLost(true);
    QCOMPARE(widget.text(), QStringLiteral("The file was removed under us, others can lock the path now"));
    widget.showLost(false);
    MUST(widget.status() == Status::Free);
}

void tst_Demo::secondsAreCountedOnlyWhereThereAreSome()
{
    StatusWidget widget;
    const QTimer *second = widget.findChild<QTimer *>();
    QVERIFY(second);
    widget.setPath(m_path);
    widget.show();
    MUST(widget.status() == Status::Free);
    QVERIFY(!second->isActive());
    LockFile lock(m_path);
    QVERIFY(lock.tryAcquire());
    MUST(widget.status() == Status::HeldByUs);
    QVERIFY(second->isActive());
    widget.hide();
    QVERIFY(!second->isActive());
    widget.show();
    QVERIFY(second->isActive());
    MUST(!widget.text().endsWith(QStringLiteral(" for 0 s")));
    lock.release();
    MUST(widget.status() == Status::Free);
    QVERIFY(!second->isActive());
}

void tst_Demo::thePathIsElidedShownWholeInTheToolTipAndCopied()
{
    const QString path = m_folder->filePath(QStringLiteral("<b>%1</b>.lock").arg(QString(200, u'x')));
    StatusWidget widget;
    widget.resize(300, 300);
    widget.setPath(path);
    widget.show();
    QVERIFY(QTest::qWaitForWindowExposed(&widget));
    QVERIFY(widget.width() <= 400);
    const QList<QLabel *> labels = widget.findChildren<QLabel *>();
    const auto label = std::find_if(labels.begin(), labels.end(), [](QLabel *one) { return one->text().endsWith(QStringLiteral(".lock")); });
    QVERIFY(label != labels.end());
    QVERIFY((*label)->text().contains(u'…'));
    QVERIFY((*label)->toolTip().contains(path.toHtmlEscaped()));
    widget.findChild<QToolButton *>()->click();
    QCOMPARE(QGuiApplication::clipboard()->text(), path);
}

void tst_Demo::theBadgeIsReadableInLightAndDark_data()
{
    QTest::addColumn<QPalette>("palette");
    QTest::newRow("light") << QPalette(QColor(240, 240, 240));
    QTest::newRow("dark") << darkPalette();
}

void tst_Demo::theBadgeIsReadableInLightAndDark()
{
    QFETCH(QPalette, palette);
    const QPalette before = QApplication::palette();
    const auto restore = qScopeGuard([&before] { QApplication::setPalette(before); });
    StatusWidget widget;
    widget.setPath(m_path);
    MUST(widget.status() == Status::Free);
    QApplication::setPalette(palette); // while it lives: it has to follow
    MUST(widget.findChild<QFrame *>()->palette().color(QPalette::Window) == palette.color(QPalette::Window));
    const auto isReadable = [&widget] {
        const QPalette badge = widget.findChild<QFrame *>()->palette();
        return contrast(badge.color(QPalette::WindowText), badge.color(QPalette::Window)) >= 4.5;
    };
    QVERIFY(isReadable());
    LockFile lock(m_path);
    QVERIFY(lock.tryAcquire());
    MUST(widget.status() == Status::HeldByUs);
    QVERIFY(isReadable());
    widget.showLost(true);
    QVERIFY(isReadable());
    lock.release();
    widget.showLost(false);
    Copy holder({QStringLiteral("--lock"), m_path});
    MUST(widget.status() == Status::HeldByOther);
    QVERIFY(isReadable());
    lock.acquire();
    MUST(widget.status() == Status::Waiting);
    QVERIFY(isReadable());
}

void tst_Demo::buttonsAreEnabledWhereTheyMakeSense()
{
    LockFile lock(m_path);
    MainWindow window(&lock);
    const auto button = [&window](const char *name) { return window.findChild<QPushButton *>(QLatin1String(name)); };
    const auto enabled = [&button] {
        QStringList names;
        for (const char *name : {"acquire", "try", "cancel", "release"}) {
            if (button(name)->isEnabled())
                names << QLatin1String(name);
        }
        return names.join(u' ');
    };
    QCOMPARE(enabled(), QStringLiteral("acquire try"));

    button("try")->click();
    QCOMPARE(enabled(), QStringLiteral("release"));
    button("release")->click();
    QCOMPARE(enabled(), QStringLiteral("acquire try")); // also while releasing
    MUST(lock.state() == LockFile::State::Released);

    LockFile other(m_path);
    QVERIFY(other.tryAcquire());
    button("acquire")->click();
    QCOMPARE(enabled(), QStringLiteral("cancel"));
    button("cancel")->click();
    MUST(enabled() == QStringLiteral("acquire try"));
    button("acquire")->click();
    other.release();
    MUST(enabled() == QStringLiteral("release"));
}

void tst_Demo::everyCallAndSignalIsLogged()
{
    LockFile lock(m_path);
    MainWindow window(&lock);
    const QPlainTextEdit *log = window.findChild<QPlainTextEdit *>();
    window.findChild<QPushButton *>(QStringLiteral("acquire"))->click();
    MUST(log->toPlainText().contains(QStringLiteral("acquired()")));
    window.findChild<QPushButton *>(QStringLiteral("release"))->click();
    MUST(log->toPlainText().contains(QStringLiteral("released()")));
    QStringList events;
    static const QRegularExpression form(QStringLiteral("^\\d\\d:\\d\\d:\\d\\d\\.\\d\\d\\d  (\\S+ +\\S.*)$"));
    for (const QString &line : log->toPlainText().split(u'\n')) {
        const QRegularExpressionMatch match = form.match(line);
        QVERIFY2(match.hasMatch(), qPrintable(line));
        if (!line.contains(QStringLiteral("positionChanged"))) // quick changes may be seen as one
            events << match.captured(1).simplified();
    }
    QCOMPARE(events, QStringList({QStringLiteral("call acquire()"), QStringLiteral("signal stateChanged(Acquiring)"),
                                  QStringLiteral("signal stateChanged(Acquired)"), QStringLiteral("signal acquired()"),
                                  QStringLiteral("call release()"), QStringLiteral("signal stateChanged(Releasing)"),
                                  QStringLiteral("signal stateChanged(Released)"), QStringLiteral("signal released()")}));
}

void tst_Demo::aFileRemovedWhileHeldIsShown()
{
    LockFile lock(m_path);
    QVERIFY(lock.tryAcquire());
    MainWindow window(&lock);
    const StatusWidget *status = window.findChild<StatusWidget *>(QStringLiteral("status"));
    MUST(status->status() == Status::HeldByUs);
    QVERIFY(QFile::remove(m_path));
    MUST(status->status() == Status::Lost);
    QVERIFY(window.findChild<QPlainTextEdit *>()->toPlainText().contains(QStringLiteral("lost()")));
    window.findChild<QPushButton *>(QStringLiteral("release"))->click();
    MUST(status->status() == Status::Free);
}

void tst_Demo::anAttemptThatFailsForGoodIsShownUntilTheNext()
{
    const QString folder = m_folder->filePath(QStringLiteral("later"));
    LockFile lock(folder + QStringLiteral("/test.lock"));
    MainWindow window(&lock);
    const StatusWidget *status = window.findChild<StatusWidget *>(QStringLiteral("status"));
    auto *attempt = window.findChild<QPushButton *>(QStringLiteral("try"));
    attempt->click();
    MUST(status->status() == Status::Error);
    QCOMPARE(status->text(), QStringLiteral("Cannot be locked: No such file or directory"));
    QVERIFY(QDir().mkdir(folder));
    attempt->click();
    MUST(status->status() == Status::HeldByUs);
}

void tst_Demo::optionsReachTheLock()
{
    LockFile lock(m_path);
    MainWindow window(&lock);
    auto *timeout = window.findChild<QSpinBox *>();
    QCOMPARE(timeout->text(), QStringLiteral("none"));
    timeout->setValue(5);
    QCOMPARE(lock.timeout(), 5s);
    timeout->setValue(0);
    QCOMPARE(lock.timeout(), 0ms);
    timeout->setValue(timeout->minimum());
    QVERIFY(lock.timeout() < 0ms);
    QVERIFY(lock.removeOnRelease());
    window.findChild<QCheckBox *>()->click();
    QVERIFY(!lock.removeOnRelease());
}

void tst_Demo::anyFileCanBeWatched()
{
    LockFile lock(m_path);
    LockFile other(m_folder->filePath(QStringLiteral("other.lock")));
    QVERIFY(other.tryAcquire());
    MainWindow window(&lock);
    const StatusWidget *watched = window.findChild<StatusWidget *>(QStringLiteral("watched"));
    QCOMPARE(watched->status(), Status::Nothing);
    auto *path = watched->parentWidget()->findChild<QLineEdit *>();
    QTest::keyClicks(path, other.path());
    QTest::keyClick(path, Qt::Key_Return);
    MUST(watched->status() == Status::HeldByUs);
    other.release();
    MUST(watched->status() == Status::Free);
    QVERIFY(!QFile::exists(other.path()));
}

void tst_Demo::everyControlHasAnAccessibleName()
{
    LockFile lock(m_path);
    MainWindow window(&lock);
    window.show();
    int controls = 0;
    for (QWidget *widget : window.findChildren<QWidget *>()) {
        const bool isPart = qobject_cast<QAbstractSpinBox *>(widget->parentWidget()) || qobject_cast<QLineEdit *>(widget->parentWidget());
        if (widget->focusPolicy() == Qt::NoFocus || isPart)
            continue;
        QAccessibleInterface *interface = QAccessible::queryAccessibleInterface(widget);
        QVERIFY(interface);
        QVERIFY2(!interface->text(QAccessible::Name).isEmpty(), widget->metaObject()->className());
        ++controls;
    }
    QVERIFY(controls >= 14);
    QVERIFY(!window.findChild<StatusWidget *>()->findChild<QFrame *>()->accessibleName().isEmpty());
}

void tst_Demo::theTabKeyReachesEveryControl()
{
    LockFile lock(m_path);
    MainWindow window(&lock);
    window.show();
    window.activateWindow();
    QVERIFY(QTest::qWaitForWindowActive(&window));
    QSet<QWidget *> unreached;
    for (QWidget *widget : window.findChildren<QWidget *>()) {
        if ((widget->focusPolicy() & Qt::TabFocus) && widget->isVisible() && widget->isEnabled() && !widget->focusProxy()
            && !qobject_cast<QAbstractSpinBox *>(widget->parentWidget()))
            unreached << widget;
    }
    QVERIFY(unreached.size() >= 12);
    const qsizetype most = unreached.size() + 2;
    for (qsizetype i = 0; i < most; ++i) {
        QTest::keyClick(&window, Qt::Key_Tab);
        unreached.remove(QApplication::focusWidget());
    }
    for (const QWidget *widget : unreached)
        qWarning() << widget;
    QVERIFY(unreached.isEmpty());
}

void tst_Demo::noTwoControlsShareAMnemonic()
{
    LockFile lock(m_path);
    MainWindow window(&lock);
    QStringList texts;
    for (const QAbstractButton *button : window.findChildren<QAbstractButton *>())
        texts << button->text();
    for (const QLabel *label : window.findChildren<QLabel *>()) {
        if (label->buddy())
            texts << label->text();
    }
    QStringList mnemonics;
    for (const QString &text : texts) {
        if (const QKeySequence key = QKeySequence::mnemonic(text); !key.isEmpty())
            mnemonics << key.toString();
    }
    QVERIFY(mnemonics.size() >= 11);
    QCOMPARE(mnemonics.removeDuplicates(), 0);
}

void tst_Demo::statusTellsByItsExitCode()
{
    const QStringList status{QStringLiteral("--status"), QStringLiteral("--lock")};
    Result result = runWithoutDisplay(status + QStringList{m_path});
    QCOMPARE(result.exitCode, 0);
    QCOMPARE(result.output, m_path + QStringLiteral(": free\n"));
    QVERIFY(!QFile::exists(m_path));

    LockFile lock(m_path);
    QVERIFY(lock.tryAcquire());
    result = runWithoutDisplay(status + QStringList{m_path});
    QCOMPARE(result.exitCode, 1);
    QVERIFY2(result.output.contains(QStringLiteral("held by tst_demo (%1)").arg(getpid())), qPrintable(result.output));

    result = runWithoutDisplay(status + QStringList{m_folder->path()});
    QCOMPARE(result.exitCode, 2);
    QVERIFY(result.errors.contains(m_folder->path()));
    result = runWithoutDisplay({QStringLiteral("--status"), QStringLiteral("--no-such-option")});
    QCOMPARE(result.exitCode, 2);
    QVERIFY(result.errors.contains(QStringLiteral("no-such-option")));
}

void tst_Demo::statusListsTheQueue()
{
    Copy holder({QStringLiteral("--lock"), m_path});
    QVERIFY(holder.expect("HeldByUs", {holder.pid()}));
    Copy waiter({QStringLiteral("--lock"), m_path, QStringLiteral("--wait")});
    QVERIFY(waiter.expect("Waiting", {holder.pid(), waiter.pid()}));
    const Result result = runWithoutDisplay({QStringLiteral("--status"), QStringLiteral("--lock"), m_path});
    QCOMPARE(result.exitCode, 1);
    QVERIFY2(result.output.contains(QStringLiteral("\n1. qtlockfile-demo (%1)\n").arg(waiter.pid())), qPrintable(result.output));
}

void tst_Demo::aSecondStartIsRefusedBeforeAnyWindow()
{
    Copy first({QStringLiteral("--lock"), m_path});
    QVERIFY(first.expect("HeldByUs", {first.pid()}));
    const Result second = runWithoutDisplay({QStringLiteral("--lock"), m_path});
    QCOMPARE(second.exitCode, 0);
    QCOMPARE(second.output, QString());
    QCOMPARE(second.errors, QStringLiteral("Already running: qtlockfile-demo (%1) holds %2.\n").arg(first.pid()).arg(m_path));
    QVERIFY(first.expect("HeldByUs", {first.pid()}));
}

void tst_Demo::whatIsPrintedCannotCommandTheTerminal()
{
    LockFile lock(m_path);
    QVERIFY(lock.tryAcquire());
    char before[16];
    QCOMPARE(::prctl(PR_GET_NAME, before), 0);
    QCOMPARE(::prctl(PR_SET_NAME, "a\033[2Jb"), 0);
    const auto restore = qScopeGuard([&before] { ::prctl(PR_SET_NAME, before); });
    const Result status = runWithoutDisplay({QStringLiteral("--status"), QStringLiteral("--lock"), m_path});
    QVERIFY2(status.output.contains(QStringLiteral("held by a?[2Jb (%1)").arg(getpid())), qPrintable(status.output));
    const Result second = runWithoutDisplay({QStringLiteral("--lock"), m_path});
    QVERIFY2(second.errors.contains(QStringLiteral("a?[2Jb (%1)").arg(getpid())), qPrintable(second.errors));
}

void tst_Demo::theLockLiesInTheRuntimeFolderOfTheUser()
{
    const Result result = runWithoutDisplay({QStringLiteral("--status")}, m_folder->path()); // QTemporaryDir makes it 0700
    QCOMPARE(result.exitCode, 0);
    QCOMPARE(result.output, m_folder->filePath(QStringLiteral("qtlockfile-demo.lock")) + QStringLiteral(": free\n"));
}

void tst_Demo::aRuntimeFolderThatOthersMayEnterIsNotUsed()
{
    QCOMPARE(::chmod(QFile::encodeName(m_folder->path()).constData(), 0777), 0);
    const Result open = runWithoutDisplay({QStringLiteral("--status")}, m_folder->path());
    QVERIFY2(!open.output.startsWith(m_folder->path()), qPrintable(open.output));

    QCOMPARE(::chmod(QFile::encodeName(m_folder->path()).constData(), 0700), 0);
    const QString link = m_folder->filePath(QStringLiteral("link"));
    QVERIFY(QFile::link(m_folder->path(), link));
    const Result linked = runWithoutDisplay({QStringLiteral("--status")}, link);
    QVERIFY2(!linked.output.startsWith(link), qPrintable(linked.output));
}

void tst_Demo::aStartThatWaitsTakesOverFromAKilledOne()
{
    Copy first({QStringLiteral("--lock"), m_path});
    QVERIFY(first.expect("HeldByUs", {first.pid()}));
    Copy waiter({QStringLiteral("--lock"), m_path, QStringLiteral("--wait")});
    QVERIFY(waiter.expect("Waiting", {first.pid(), waiter.pid()}));
    first.kill();
    QVERIFY(waiter.expect("HeldByUs", {waiter.pid()}));
}

void tst_Demo::aStartThatWaitsGivesUpInTime()
{
    Copy first({QStringLiteral("--lock"), m_path});
    QVERIFY(first.expect("HeldByUs", {first.pid()}));
    Copy waiter({QStringLiteral("--lock"), m_path, QStringLiteral("--wait=0.2")});
    MUST(waiter.ask(QStringLiteral("click try"))); // it waits no more
    QVERIFY(waiter.expect("HeldByOther", {first.pid()}));
    const Result result = runWithoutDisplay({QStringLiteral("--lock"), m_path, QStringLiteral("--wait=soon")});
    QCOMPARE(result.exitCode, 2);
}

void tst_Demo::aButtonStartsAnotherThatQueues()
{
    Copy first({QStringLiteral("--lock"), m_path});
    QVERIFY(first.expect("HeldByUs", {first.pid()}));
    QVERIFY(first.ask(QStringLiteral("click queue")));
    MUST(!LockQueue::of(m_path).waiters().isEmpty());
    const LockParticipant waiter = LockQueue::of(m_path).waiters().constFirst();
    QCOMPARE(waiter.processName(), QStringLiteral("qtlockfile-demo"));
    QVERIFY(first.expect("HeldByUs", {first.pid(), waiter.pid()}));
    QCOMPARE(::kill(pid_t(waiter.pid()), SIGKILL), 0);
    QVERIFY(first.expect("HeldByUs", {first.pid()}));
}

void tst_Demo::theTourEndsWellAndLeavesItsPictures()
{
    const QDir folder(m_folder->filePath(QStringLiteral("a new/tour")));
    QProcess tour;
    tour.setProcessChannelMode(QProcess::ForwardedErrorChannel);
    tour.start(QStringLiteral(DEMO_PROGRAM), {QStringLiteral("--tour"), folder.path()});
    QVERIFY(tour.waitForFinished(2 * kMustHappen));
    QCOMPARE(tour.exitCode(), 0);
    const QStringList pictures = folder.entryList({QStringLiteral("*.png")}, QDir::Files, QDir::Name);
    QCOMPARE(pictures.size(), 8);
    QFile page(folder.filePath(QStringLiteral("index.md")));
    QVERIFY(page.open(QIODevice::ReadOnly));
    const QString text = QString::fromUtf8(page.readAll());
    QVERIFY(text.contains(QStringLiteral("Already running: qtlockfile-demo (")));
    for (const QString &picture : pictures) {
        QVERIFY2(!QImage(folder.filePath(picture)).isNull(), qPrintable(picture));
        QVERIFY2(text.contains(QStringLiteral("](%1)").arg(picture)), qPrintable(picture));
    }
}

void tst_Demo::aTourThatCannotSaveFails()
{
    const Result result = runWithoutDisplay({QStringLiteral("--tour"), QStringLiteral("/dev/null/tour")});
    QCOMPARE(result.exitCode, 2);
}

int main(int argc, char *argv[])
{
    if (!qEnvironmentVariableIsSet("QT_QPA_PLATFORM"))
        qputenv("QT_QPA_PLATFORM", "offscreen");
    const QTemporaryDir runtime; // without one, Qt says on each start where it puts it
    qputenv("XDG_RUNTIME_DIR", QFile::encodeName(runtime.path()));
    const QApplication app(argc, argv);
    tst_Demo test;
    QTEST_SET_MAIN_SOURCE_PATH
    return QTest::qExec(&test, argc, argv);
}

#include "tst_demo.moc"
