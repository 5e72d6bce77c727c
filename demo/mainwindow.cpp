// SPDX-License-Identifier: 0BSD
#include "mainwindow.h"
#include "statuswidget.h"

#include <QtCore/qmetaobject.h>
#include <QtCore/qprocess.h>
#include <QtCore/qdatetime.h>
#include <QtCore/qfileinfo.h>
#include <QtGui/qaction.h>
#include <QtGui/qfontdatabase.h>
#include <QtWidgets/qapplication.h>
#include <QtWidgets/qboxlayout.h>
#include <QtWidgets/qcheckbox.h>
#include <QtWidgets/qfiledialog.h>
#include <QtWidgets/qgroupbox.h>
#include <QtWidgets/qlabel.h>
#include <QtWidgets/qlineedit.h>
#include <QtWidgets/qplaintextedit.h>
#include <QtWidgets/qpushbutton.h>
#include <QtWidgets/qspinbox.h>
#include <QtWidgets/qsplitter.h>

using namespace QtLockFile;
using namespace std::chrono_literals;

namespace {

constexpr int kNoTimeout = -1;

QString nameOf(LockFile::State state)
{
    return QString::fromLatin1(QMetaEnum::fromType<LockFile::State>().valueToKey(int(state)));
}

// The folder is shown above the log already.
QString brief(const LockError &error)
{
    return error.message().replace(error.path(), QFileInfo(error.path()).fileName());
}

} // namespace

MainWindow::MainWindow(LockFile *lock, QWidget *parent) : QMainWindow(parent), m_lock(lock)
{
    setWindowTitle(tr("QtLockFile demo – process %1").arg(QCoreApplication::applicationPid()));

    auto *panels = new QSplitter;
    panels->addWidget(createLockPanel());
    panels->addWidget(createWatchPanel());
    panels->setChildrenCollapsible(false);
    panels->setSizes({10000, 10000});
    auto *all = new QSplitter(Qt::Vertical);
    all->addWidget(panels);
    all->addWidget(createLogPanel());
    all->setChildrenCollapsible(false);
    all->setStretchFactor(0, 3);
    all->setStretchFactor(1, 2);
    auto *frame = new QWidget;
    auto *layout = new QVBoxLayout(frame);
    layout->addWidget(all);
    setCentralWidget(frame);
    resize(fontMetrics().averageCharWidth() * 150, fontMetrics().height() * 42);

    auto *quit = new QAction(tr("Quit"), this);
    quit->setShortcuts({QKeySequence::Quit, QKeySequence::Close});
    connect(quit, &QAction::triggered, this, &QWidget::close);
    addAction(quit);

    followLock();
    updateButtons();
}

QWidget *MainWindow::createLockPanel()
{
    auto *panel = new QGroupBox(tr("Our lock"));

    m_acquire = new QPushButton(tr("&Acquire"));
    m_acquire->setObjectName(QStringLiteral("acquire"));
    m_acquire->setToolTip(tr("Wait in the queue until the lock is ours: acquire()"));
    connect(m_acquire, &QPushButton::clicked, this, &MainWindow::acquire);
    m_try = new QPushButton(tr("&Try"));
    m_try->setObjectName(QStringLiteral("try"));
    m_try->setToolTip(tr("Have the lock at once or not at all: tryAcquire()"));
    connect(m_try, &QPushButton::clicked, this, [this] {
        call(QStringLiteral("tryAcquire()"));
        (void)m_lock->tryAcquire(); // its signal follows
    });
    m_cancel = new QPushButton(tr("&Cancel"));
    m_cancel->setObjectName(QStringLiteral("cancel"));
    m_cancel->setToolTip(tr("Stop waiting: cancel()"));
    connect(m_cancel, &QPushButton::clicked, this, [this] {
        call(QStringLiteral("cancel()"));
        m_lock->cancel();
    });
    m_release = new QPushButton(tr("&Release"));
    m_release->setObjectName(QStringLiteral("release"));
    m_release->setToolTip(tr("Let the lock go; the next in line has it at once: release()"));
    connect(m_release, &QPushButton::clicked, this, [this] {
        call(QStringLiteral("release()"));
        m_lock->release();
    });
    auto *buttons = new QHBoxLayout;
    for (QPushButton *button : {m_acquire, m_try, m_cancel, m_release})
        buttons->addWidget(button);

    m_keep = new QCheckBox(tr("&Keep the file"));
    m_keep->setToolTip(tr("Leave the lock file in place after releasing: setRemoveOnRelease(false)"));
    m_keep->setChecked(!m_lock->removeOnRelease());
    connect(m_keep, &QCheckBox::toggled, m_lock, [this](bool keep) { m_lock->setRemoveOnRelease(!keep); });

    m_timeout = new QSpinBox;
    m_timeout->setRange(kNoTimeout, 3600);
    m_timeout->setSpecialValueText(tr("none"));
    m_timeout->setSuffix(tr(" s"));
    m_timeout->setToolTip(tr("How long Acquire waits: setTimeout()"));
    m_timeout->setAccessibleName(tr("Time-out"));
    m_timeout->setValue(m_lock->timeout() < 0ms ? kNoTimeout
                                               : int(std::chrono::duration_cast<std::chrono::seconds>(m_lock->timeout()).count()));
    connect(m_timeout, &QSpinBox::valueChanged, m_lock, [this](int seconds) {
        m_lock->setTimeout(seconds < 0 ? -1ms : std::chrono::seconds(seconds));
    });
    auto *timeoutLabel = new QLabel(tr("Time-&out:"));
    timeoutLabel->setBuddy(m_timeout);
    auto *options = new QHBoxLayout;
    options->addWidget(m_keep);
    options->addStretch();
    options->addWidget(timeoutLabel);
    options->addWidget(m_timeout);

    m_status = new StatusWidget;
    m_status->setObjectName(QStringLiteral("status"));
    m_status->setPath(m_lock->path());

    auto *layout = new QVBoxLayout(panel);
    layout->addLayout(buttons);
    layout->addWidget(m_status, 1);
    layout->addLayout(options);
    return panel;
}

QWidget *MainWindow::createWatchPanel()
{
    auto *panel = new QGroupBox(tr("Any lock file, only watched"));

    m_watchedPath = new QLineEdit;
    m_watchedPath->setPlaceholderText(tr("Path of a lock file"));
    m_watchedPath->setAccessibleName(tr("Path of the lock file to watch"));
    m_watchedPath->setClearButtonEnabled(true);
    connect(m_watchedPath, &QLineEdit::editingFinished, this, [this] {
        if (m_watchedPath->isModified()) // comes also when the focus merely passes by
            watch(m_watchedPath->text());
    });
    auto *label = new QLabel(tr("&Watch:"));
    label->setBuddy(m_watchedPath);
    auto *choose = new QPushButton(tr("C&hoose…"));
    choose->setToolTip(tr("Choose a lock file to watch (%1)").arg(QKeySequence(QKeySequence::Open).toString(QKeySequence::NativeText)));
    connect(choose, &QPushButton::clicked, this, [this] {
        const QString path = QFileDialog::getOpenFileName(this, tr("Watch a Lock File"), m_watchedPath->text());
        if (!path.isEmpty())
            watch(path);
    });
    auto *open = new QAction(tr("Choose a lock file to watch"), this);
    open->setShortcut(QKeySequence::Open);
    connect(open, &QAction::triggered, choose, &QPushButton::click);
    addAction(open);
    auto *path = new QHBoxLayout;
    path->addWidget(label);
    path->addWidget(m_watchedPath, 1);
    path->addWidget(choose);

    m_watched = new StatusWidget;
    m_watched->setObjectName(QStringLiteral("watched"));
    m_watched->setPathVisible(false);

    auto *layout = new QVBoxLayout(panel);
    layout->addLayout(path);
    layout->addWidget(m_watched, 1);
    return panel;
}

QWidget *MainWindow::createLogPanel()
{
    auto *panel = new QWidget;

    m_log = new QPlainTextEdit;
    m_log->setReadOnly(true);
    m_log->setTabChangesFocus(true);
    m_log->setMaximumBlockCount(1000);
    m_log->setFont(QFontDatabase::systemFont(QFontDatabase::FixedFont));
    m_log->setAccessibleName(tr("Calls and signals, with their times"));
    auto *label = new QLabel(tr("Calls and si&gnals"));
    label->setBuddy(m_log);

    auto *another = new QPushButton(tr("Start another &instance"));
    another->setObjectName(QStringLiteral("start"));
    another->setToolTip(tr("Starts this program once more. It finds the lock held, says by whom on the standard error output, "
                           "and ends without a window (%1)").arg(QKeySequence(QKeySequence::New).toString(QKeySequence::NativeText)));
    connect(another, &QPushButton::clicked, this, [this] { startAnother({}); });
    auto *waiter = new QPushButton(tr("Start one that &queues"));
    waiter->setObjectName(QStringLiteral("queue"));
    waiter->setToolTip(tr("Starts this program once more, to wait for the lock in a window of its own. "
                          "It appears in the queue above, and has the lock when all before it are gone"));
    connect(waiter, &QPushButton::clicked, this, [this] { startAnother({QStringLiteral("--wait")}); });
    auto *start = new QAction(tr("Start another instance"), this);
    start->setShortcut(QKeySequence::New);
    connect(start, &QAction::triggered, another, &QPushButton::click);
    addAction(start);

    auto *header = new QHBoxLayout;
    header->addWidget(label);
    header->addStretch();
    header->addWidget(another);
    header->addWidget(waiter);
    auto *layout = new QVBoxLayout(panel);
    layout->setContentsMargins({});
    layout->addLayout(header);
    layout->addWidget(m_log, 1);
    return panel;
}

// Every signal of the lock is logged; some also change what is shown.
void MainWindow::followLock()
{
    const auto signal = [this](const QString &text) { log(tr("signal"), text); };
    connect(m_lock, &LockFile::stateChanged, this, [this, signal](LockFile::State state) {
        signal(QStringLiteral("stateChanged(%1)").arg(nameOf(state)));
        if (state == LockFile::State::Acquiring || state == LockFile::State::Acquired)
            m_status->showError({});
        if (state != LockFile::State::Acquired)
            m_status->showLost(false);
        updateButtons();
    });
    connect(m_lock, &LockFile::positionChanged, this,
            [signal](int position) { signal(QStringLiteral("positionChanged(%1)").arg(position)); });
    connect(m_lock, &LockFile::acquired, this, [signal] { signal(QStringLiteral("acquired()")); });
    connect(m_lock, &LockFile::failed, this, [this, signal](const LockError &error) {
        const QMetaEnum codes = QMetaEnum::fromType<LockError::Code>();
        signal(QStringLiteral("failed(%1): %2").arg(QLatin1String(codes.valueToKey(int(error.code()))), brief(error)));
        switch (error.code()) {
        case LockError::Code::Held:
        case LockError::Code::TimedOut:
        case LockError::Code::Cancelled:
            break; // the queue says it all
        default:
            m_status->showError(error);
        }
    });
    connect(m_lock, &LockFile::released, this, [this, signal] {
        const LockError error = m_lock->error();
        signal(error ? QStringLiteral("released(): %1").arg(brief(error)) : QStringLiteral("released()"));
    });
    connect(m_lock, &LockFile::lost, this, [this, signal] {
        signal(QStringLiteral("lost()"));
        m_status->showLost(true);
    });
    connect(m_lock, &LockFile::timeoutChanged, this, [signal](std::chrono::milliseconds timeout) {
        signal(QStringLiteral("timeoutChanged(%1 ms)").arg(timeout.count()));
    });
    connect(m_lock, &LockFile::removeOnReleaseChanged, this,
            [signal](bool remove) { signal(QStringLiteral("removeOnReleaseChanged(%1)").arg(QVariant(remove).toString())); });
}

void MainWindow::updateButtons()
{
    const LockFile::State state = m_lock->state();
    const bool mayBegin = state == LockFile::State::Released || state == LockFile::State::Releasing;
    m_acquire->setEnabled(mayBegin);
    m_try->setEnabled(mayBegin);
    m_cancel->setEnabled(state == LockFile::State::Acquiring);
    m_release->setEnabled(state == LockFile::State::Acquired);
}

void MainWindow::acquire()
{
    call(QStringLiteral("acquire()"));
    m_lock->acquire();
}

void MainWindow::watch(const QString &path)
{
    m_watchedPath->setText(path);
    m_watchedPath->setToolTip(path.toHtmlEscaped());
    m_watched->setPath(path);
}

void MainWindow::startAnother(const QStringList &moreArguments)
{
    qint64 pid = 0;
    const QStringList arguments = QStringList{QStringLiteral("--lock"), m_lock->path()} + moreArguments;
    if (QProcess::startDetached(QCoreApplication::applicationFilePath(), arguments, QString(), &pid))
        log(tr("started"), tr("process %1").arg(pid));
    else
        log(tr("started"), tr("nothing: %1 cannot be run").arg(QCoreApplication::applicationFilePath()));
}

void MainWindow::call(const QString &text)
{
    log(tr("call"), text);
}

void MainWindow::log(const QString &kind, const QString &text)
{
    const QString time = QTime::currentTime().toString(QStringLiteral("HH:mm:ss.zzz"));
    m_log->appendPlainText(QStringLiteral("%1  %2 %3").arg(time, kind.leftJustified(8), text));
}
