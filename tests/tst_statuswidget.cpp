// SPDX-License-Identifier: 0BSD
#include "participant.h"
#include "statuswidget.h"

#include <QtLockFile/LockFile>

#include <QtCore/qscopeguard.h>
#include <QtCore/qtemporarydir.h>
#include <QtGui/qclipboard.h>
#include <QtWidgets/qapplication.h>
#include <QtWidgets/qframe.h>
#include <QtWidgets/qlabel.h>
#include <QtWidgets/qtoolbutton.h>
#include <QtWidgets/qtreewidget.h>

#include <algorithm>
#include <cmath>

#include <fcntl.h>
#include <unistd.h>

using namespace QtLockFile;
using Status = StatusWidget::Status;

namespace {

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

// The badge, the words and the list of the demo's status widget.
class TestStatusWidget : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init();

    void aWidgetWithoutAPathSaysSo();
    void aLockThatNobodyHoldsIsFree();
    void aLockOfThisProcessIsHeldByUs();
    void aLockOfAnotherProcessIsHeldByItsName();
    void aStoppedHolderIsShownAsStopped();
    void aHolderThatIsStoppedLaterIsShownAsStopped();
    void aHolderThatCannotBeNamedIsUnknown();
    void aWaiterKnowsItsPlace();
    void aWaiterThatCannotBeNamedWaitsAllTheSame();
    void theQueueIsListedInOrder();
    void whatCannotBeLockedSaysWhy();
    void aRemovedFileIsShownAsLost();
    void secondsAreCountedOnlyWhereThereAreSome();
    void thePathIsElidedShownWholeInTheToolTipAndCopied();
    void theBadgeIsReadableInLightAndDark_data();
    void theBadgeIsReadableInLightAndDark();

private:
    OtherPtr startHolder() const
    {
        OtherPtr holder = startParticipant(m_path);
        if (holder->ask("try") != "acquired")
            qWarning("the holder does not hold");
        return holder;
    }

    OtherPtr startWaiter() const
    {
        OtherPtr waiter = startParticipant(m_path);
        waiter->tell("acquire");
        if (!isLastInQueue(m_path, waiter->pid()))
            qWarning("the waiter does not wait");
        return waiter;
    }

    std::unique_ptr<QTemporaryDir> m_folder;
    QString m_path;
};

void TestStatusWidget::init()
{
    m_folder = std::make_unique<QTemporaryDir>();
    QVERIFY(m_folder->isValid());
    m_path = m_folder->filePath(QStringLiteral("test.lock"));
}

void TestStatusWidget::aWidgetWithoutAPathSaysSo()
{
    StatusWidget widget;
    QCOMPARE(widget.status(), Status::Nothing);
    QCOMPARE(widget.text(), QStringLiteral("Nothing watched, no file chosen"));
    widget.setPath(m_path);
    QCOMPARE(widget.text(), QStringLiteral("Looking at the file…"));
}

void TestStatusWidget::aLockThatNobodyHoldsIsFree()
{
    StatusWidget widget;
    widget.setPath(m_path);
    QVERIFY(must([&] { return widget.status() == Status::Free; }));
    QCOMPARE(widget.text(), QStringLiteral("Free, nobody holds it"));
}

void TestStatusWidget::aLockOfThisProcessIsHeldByUs()
{
    LockFile lock(m_path);
    QVERIFY(lock.tryAcquire());
    StatusWidget widget;
    widget.setPath(m_path);
    QVERIFY(must([&] { return widget.status() == Status::HeldByUs; }));
    QVERIFY2(widget.text(false).startsWith(QStringLiteral("Held by us since ")), qPrintable(widget.text()));
    lock.release();
    QVERIFY(must([&] { return widget.status() == Status::Free; }));
}

void TestStatusWidget::aLockOfAnotherProcessIsHeldByItsName()
{
    const OtherPtr holder = startHolder();
    StatusWidget widget;
    widget.setPath(m_path);
    QVERIFY(must([&] { return widget.status() == Status::HeldByOther; }));
    const QString expected = QStringLiteral("Held by participant (%1) since ").arg(holder->pid());
    QVERIFY(must([&] { return widget.text().startsWith(expected); }));
    holder->kill();
    QVERIFY(must([&] { return widget.status() == Status::Free; }));
}

void TestStatusWidget::aStoppedHolderIsShownAsStopped()
{
    const OtherPtr holder = startHolder();
    QVERIFY(holder->stop());
    StatusWidget widget;
    widget.setPath(m_path);
    QVERIFY(must([&] { return widget.status() == Status::HeldByOther; }));
    QVERIFY2(widget.text().endsWith(QStringLiteral(", stopped")), qPrintable(widget.text()));
    QCOMPARE(widget.findChild<QTreeWidget *>()->topLevelItem(0)->text(3), QStringLiteral("stopped"));
}

void TestStatusWidget::aHolderThatIsStoppedLaterIsShownAsStopped()
{
    const OtherPtr holder = startHolder();
    StatusWidget widget;
    widget.setPath(m_path);
    widget.show();
    QVERIFY(must([&] { return widget.status() == Status::HeldByOther; }));
    QVERIFY(!widget.text().contains(QStringLiteral("stopped")));
    QVERIFY(holder->stop());
    QVERIFY(must([&] { return widget.text().endsWith(QStringLiteral(", stopped")); }));
    QVERIFY(holder->goOn());
    QVERIFY(must([&] { return !widget.text().contains(QStringLiteral("stopped")); }));
}

void TestStatusWidget::aHolderThatCannotBeNamedIsUnknown()
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
    QVERIFY(must([&] { return widget.status() == Status::HeldByOther; }));
    QCOMPARE(widget.text(), QStringLiteral("Held by an unknown process (another machine or sandbox)"));
}

void TestStatusWidget::aWaiterKnowsItsPlace()
{
    OtherPtr holder = startHolder();
    OtherPtr waiter = startWaiter();
    LockFile lock(m_path);
    lock.acquire();
    StatusWidget widget;
    widget.setPath(m_path);
    QVERIFY(must([&] { return widget.text(false) == QStringLiteral("Waiting, 2nd in line"); }));
    QVERIFY2(widget.text().contains(QStringLiteral("in line, for ")), qPrintable(widget.text()));
    waiter.reset();
    QVERIFY(must([&] { return widget.text(false) == QStringLiteral("Waiting, next in line"); }));
    holder.reset();
    QVERIFY(must([&] { return widget.status() == Status::HeldByUs; }));
}

void TestStatusWidget::aWaiterThatCannotBeNamedWaitsAllTheSame()
{
    // Who locks the whole file locks our name tags, too.
    const int fd = ::open(QFile::encodeName(m_path).constData(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    QVERIFY(fd >= 0);
    const auto closing = qScopeGuard([fd] { ::close(fd); });
    struct flock whole = {};
    whole.l_type = F_WRLCK;
    QCOMPARE(::fcntl(fd, F_OFD_SETLK, &whole), 0);
    StatusWidget widget;
    widget.setPath(m_path);
    QVERIFY(must([&] { return widget.status() == Status::HeldByOther; }));
    widget.showWaiting(true);
    QCOMPARE(widget.status(), Status::Waiting);
    QCOMPARE(widget.text(), QStringLiteral("Waiting, for 0 s"));
    widget.showWaiting(false);
    QCOMPARE(widget.status(), Status::HeldByOther);
}

void TestStatusWidget::theQueueIsListedInOrder()
{
    const OtherPtr holder = startHolder();
    LockFile lock(m_path);
    lock.acquire();
    QVERIFY(isLastInQueue(m_path, ::getpid()));
    const OtherPtr last = startWaiter();

    StatusWidget widget;
    widget.setPath(m_path);
    const QTreeWidget *list = widget.findChild<QTreeWidget *>();
    QVERIFY(must([&] { return list->topLevelItemCount() == 3; }));
    const auto row = [list](int index) {
        QStringList texts;
        for (int column = 0; column < list->columnCount(); ++column)
            texts << list->topLevelItem(index)->text(column);
        return texts.join(u'|');
    };
    QCOMPARE(row(0), QStringLiteral("holds it|participant|%1|").arg(holder->pid()));
    QCOMPARE(row(1), QStringLiteral("1|tst_statuswidget|%1|this process").arg(getpid()));
    QCOMPARE(row(2), QStringLiteral("2|participant|%1|").arg(last->pid()));
    lock.cancel();
    QVERIFY(must([&] { return list->topLevelItemCount() == 2; }));
}

void TestStatusWidget::whatCannotBeLockedSaysWhy()
{
    StatusWidget widget;
    widget.setPath(m_folder->path());
    QVERIFY(must([&] { return widget.status() == Status::Error; }));
    QCOMPARE(widget.text(), QStringLiteral("Cannot be locked: not a lock file"));

    widget.setPath(m_path);
    widget.showError(LockError(LockError::Code::AccessDenied, EACCES, m_path, QStringLiteral("the whole sentence")));
    QCOMPARE(widget.text(), QStringLiteral("Cannot be locked: no permission"));
    QVERIFY(widget.findChild<QFrame *>()->toolTip().contains(QStringLiteral("the whole sentence")));
    widget.showError({});
    QVERIFY(must([&] { return widget.status() == Status::Free; }));
}

void TestStatusWidget::aRemovedFileIsShownAsLost()
{
    StatusWidget widget;
    widget.setPath(m_path);
    widget.showLost(true);
    QCOMPARE(widget.text(), QStringLiteral("The file was removed under us, others can lock the path now"));
    widget.showLost(false);
    QVERIFY(must([&] { return widget.status() == Status::Free; }));
}

void TestStatusWidget::secondsAreCountedOnlyWhereThereAreSome()
{
    StatusWidget widget;
    const QTimer *second = widget.findChild<QTimer *>();
    QVERIFY(second);
    widget.setPath(m_path);
    widget.show();
    QVERIFY(must([&] { return widget.status() == Status::Free; }));
    QVERIFY(!second->isActive());
    LockFile lock(m_path);
    QVERIFY(lock.tryAcquire());
    QVERIFY(must([&] { return widget.status() == Status::HeldByUs; }));
    QVERIFY(second->isActive());
    widget.hide();
    QVERIFY(!second->isActive());
    widget.show();
    QVERIFY(second->isActive());
    QVERIFY(must([&] { return !widget.text().endsWith(QStringLiteral(" for 0 s")); }));
    lock.release();
    QVERIFY(must([&] { return widget.status() == Status::Free; }));
    QVERIFY(!second->isActive());
}

void TestStatusWidget::thePathIsElidedShownWholeInTheToolTipAndCopied()
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

void TestStatusWidget::theBadgeIsReadableInLightAndDark_data()
{
    QTest::addColumn<QPalette>("palette");
    QTest::newRow("light") << QPalette(QColor(240, 240, 240));
    QTest::newRow("dark") << darkPalette();
}

void TestStatusWidget::theBadgeIsReadableInLightAndDark()
{
    QFETCH(QPalette, palette);
    const QPalette before = QApplication::palette();
    const auto restore = qScopeGuard([&before] { QApplication::setPalette(before); });
    StatusWidget widget;
    widget.setPath(m_path);
    QVERIFY(must([&] { return widget.status() == Status::Free; }));
    QApplication::setPalette(palette); // while it lives: it has to follow
    QVERIFY(must([&] { return widget.findChild<QFrame *>()->palette().color(QPalette::Window) == palette.color(QPalette::Window); }));
    const auto isReadable = [&widget] {
        const QPalette badge = widget.findChild<QFrame *>()->palette();
        return contrast(badge.color(QPalette::WindowText), badge.color(QPalette::Window)) >= 4.5;
    };
    QVERIFY(isReadable());
    LockFile lock(m_path);
    QVERIFY(lock.tryAcquire());
    QVERIFY(must([&] { return widget.status() == Status::HeldByUs; }));
    QVERIFY(isReadable());
    widget.showLost(true);
    QVERIFY(isReadable());
    lock.release();
    QVERIFY(lock.waitForReleased(kLong));
    widget.showLost(false);
    const OtherPtr holder = startHolder();
    QVERIFY(must([&] { return widget.status() == Status::HeldByOther; }));
    QVERIFY(isReadable());
    lock.acquire();
    QVERIFY(must([&] { return widget.status() == Status::Waiting; }));
    QVERIFY(isReadable());
}

int main(int argc, char *argv[])
{
    if (!qEnvironmentVariableIsSet("QT_QPA_PLATFORM"))
        qputenv("QT_QPA_PLATFORM", "offscreen");
    const QTemporaryDir runtime; // without one, Qt says on each start where it puts it
    qputenv("XDG_RUNTIME_DIR", QFile::encodeName(runtime.path()));
    qputenv("LC_ALL", "C.UTF-8"); // the texts are English
    const QApplication app(argc, argv);
    TestStatusWidget test;
    QTEST_SET_MAIN_SOURCE_PATH
    return QTest::qExec(&test, argc, argv);
}

#include "tst_statuswidget.moc"
