// SPDX-License-Identifier: 0BSD
#include "mainwindow.h"
#include "commandline.h"
#include "instancepanel.h"
#include "lockpanel.h"
#include "windowraiser.h"

#include <QtLockFile/SingleInstance>

#include <QtCore/qdatetime.h>
#include <QtCore/qfileinfo.h>
#include <QtCore/qmetaobject.h>
#include <QtGui/qaction.h>
#include <QtGui/qfontdatabase.h>
#include <QtWidgets/qboxlayout.h>
#include <QtWidgets/qlabel.h>
#include <QtWidgets/qmessagebox.h>
#include <QtWidgets/qplaintextedit.h>
#include <QtWidgets/qsplitter.h>

using namespace QtLockFile;

namespace {

QString nameOf(SingleInstance::Role role)
{
    return QString::fromLatin1(QMetaEnum::fromType<SingleInstance::Role>().valueToKey(int(role)));
}

} // namespace

MainWindow::MainWindow(SingleInstance *instance, const QString &lockPath, QWidget *parent) : QMainWindow(parent), m_instance(instance), m_lockPath(lockPath)
{
    setWindowTitle(tr("QtLockFile demo – process %1").arg(QCoreApplication::applicationPid()));
    resize(900, 590); // not asked of the fonts, which take as long to load as the rest of the window

    auto *quit = new QAction(tr("Quit"), this);
    quit->setShortcuts({QKeySequence::Quit, QKeySequence::Close});
    connect(quit, &QAction::triggered, this, &QWidget::close);
    addAction(quit);

    followInstance();
}

void MainWindow::createContents()
{
    if (centralWidget())
        return;
    QWidget *logPanel = createLogPanel(); // first: the others may have something to say
    log(tr("call"), QStringLiteral("start(): %1").arg(nameOf(m_instance->role())));
    auto *instancePanel = new InstancePanel(m_instance);
    connect(instancePanel, &InstancePanel::happened, this, &MainWindow::log);
    connect(instancePanel, &InstancePanel::restartRequested, this, &MainWindow::restart);
    m_lockPanel = new LockPanel;
    connect(m_lockPanel, &LockPanel::happened, this, &MainWindow::log);
    m_lockPanel->setPath(m_lockPath);

    auto *panels = new QSplitter;
    panels->addWidget(instancePanel);
    panels->addWidget(m_lockPanel);
    panels->setChildrenCollapsible(false);
    panels->setSizes({10000, 10000});
    auto *all = new QSplitter(Qt::Vertical);
    all->addWidget(panels);
    all->addWidget(logPanel);
    all->setChildrenCollapsible(false);
    all->setStretchFactor(0, 3);
    all->setStretchFactor(1, 2);
    auto *frame = new QWidget;
    auto *layout = new QVBoxLayout(frame);
    layout->addWidget(all);
    setCentralWidget(frame);
}

void MainWindow::paintEvent(QPaintEvent *event)
{
    QMainWindow::paintEvent(event);
    if (!centralWidget())
        QMetaObject::invokeMethod(this, &MainWindow::createContents, Qt::QueuedConnection);
}

QWidget *MainWindow::createLogPanel()
{
    m_log = new QPlainTextEdit;
    m_log->setObjectName(QStringLiteral("log"));
    m_log->setReadOnly(true);
    m_log->setTabChangesFocus(true);
    m_log->setMaximumBlockCount(1000);
    m_log->setFont(QFontDatabase::systemFont(QFontDatabase::FixedFont));
    m_log->setAccessibleName(tr("Calls and signals, with their times"));
    auto *label = new QLabel(tr("Calls and si&gnals"));
    label->setBuddy(m_log);

    auto *panel = new QWidget;
    auto *layout = new QVBoxLayout(panel);
    layout->setContentsMargins({});
    layout->addWidget(label);
    layout->addWidget(m_log, 1);
    return panel;
}

void MainWindow::followInstance()
{
    connect(m_instance, &SingleInstance::roleChanged, this,
            [this](SingleInstance::Role role) { log(tr("signal"), QStringLiteral("roleChanged(%1)").arg(nameOf(role))); });
    connect(m_instance, &SingleInstance::lost, this, [this] { log(tr("signal"), QStringLiteral("lost(): %1").arg(m_instance->message())); });
    connect(m_instance, &SingleInstance::activated, this, &MainWindow::onActivated);
    connect(m_instance, &SingleInstance::handedOver, this, &QWidget::close);
    connect(m_instance, &SingleInstance::restartFailed, this, [this](const LockError &error) {
        log(tr("signal"), QStringLiteral("restartFailed()"));
        QMessageBox::warning(this, tr("QtLockFile demo"), error.message());
    });
}

void MainWindow::onActivated(const Activation &activation)
{
    createContents();
    QStringList arguments = activation.arguments();
    if (!arguments.isEmpty())
        arguments.first() = QFileInfo(arguments.first()).fileName();
    arguments.removeAll(QStringLiteral("--remote")); // only how a tour drives it
    log(tr("signal"), QStringLiteral("activated(): %1").arg(arguments.join(u' ')));
    const CommandLine asked(activation.arguments(), activation.workingDirectory());
    if (asked.waits())
        return; // it queues, and wants nothing of us
    if (!asked.lockPath().isEmpty() && !m_lockPanel->setPath(asked.lockPath()))
        activation.refuse(tr("It is busy with %1.").arg(m_lockPanel->path()));
    raiseWindow(this, activation.activationToken());
}

void MainWindow::restart()
{
    QStringList arguments;
    if (!m_lockPanel->path().isEmpty())
        arguments << QStringLiteral("--lock") << m_lockPanel->path();
    if (QCoreApplication::arguments().contains(QStringLiteral("--remote")))
        arguments << QStringLiteral("--remote");
    log(tr("call"), QStringLiteral("restartAsync()"));
    m_instance->restartAsync(QCoreApplication::applicationFilePath(), arguments);
}

void MainWindow::log(const QString &kind, const QString &text)
{
    if (!m_log)
        return; // nothing has happened yet but the start
    const QString time = QTime::currentTime().toString(QStringLiteral("HH:mm:ss.zzz"));
    m_log->appendPlainText(QStringLiteral("%1  %2 %3").arg(time, kind.leftJustified(8), text));
}
