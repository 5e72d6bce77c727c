// SPDX-License-Identifier: 0BSD
#include "instancepanel.h"
#include "statuswidget.h"

#include <QtLockFile/SingleInstance>

#include <QtCore/qcoreapplication.h>
#include <QtCore/qprocess.h>
#include <QtGui/qshortcut.h>
#include <QtWidgets/qboxlayout.h>
#include <QtWidgets/qpushbutton.h>

using namespace QtLockFile;

InstancePanel::InstancePanel(SingleInstance *instance, QWidget *parent) : QGroupBox(tr("This application"), parent)
{
    auto *status = new StatusWidget;
    status->setObjectName(QStringLiteral("own"));
    status->setPath(instance->lockPath());
    status->showError(instance->error());

    QPushButton *another = createButton(tr("Start another &instance"), "start",
                                        tr("Start this program once more. It finds this one running, calls it to the front, says so on the standard "
                                           "error output, and ends without a window."));
    new QShortcut(QKeySequence::New, another, another, &QPushButton::click); // setShortcut() would take the mnemonic's place
    connect(another, &QPushButton::clicked, this, [this] { startAnother({}); });
    QPushButton *waiter = createButton(tr("Start one that &queues"), "queue",
                                       tr("Start this program once more, to wait for its turn. It appears in the queue above, and takes over when all "
                                          "before it have ended."));
    connect(waiter, &QPushButton::clicked, this, [this] { startAnother({QStringLiteral("--wait")}); });
    QPushButton *restart =
        createButton(tr("R&estart"), "restart", tr("Hand over to a fresh copy of this program. Who queues keeps its place, and nobody can slip in."));
    restart->setEnabled(instance->role() == SingleInstance::Role::Primary);
    connect(restart, &QPushButton::clicked, this, &InstancePanel::restartRequested);
    connect(instance, &SingleInstance::roleChanged, restart,
            [restart](SingleInstance::Role role) { restart->setEnabled(role == SingleInstance::Role::Primary); });

    auto *buttons = new QHBoxLayout;
    for (QPushButton *button : {another, waiter, restart})
        buttons->addWidget(button);
    auto *layout = new QVBoxLayout(this);
    layout->addWidget(status, 1);
    layout->addLayout(buttons);
}

QPushButton *InstancePanel::createButton(const QString &text, const char *name, const QString &toolTip)
{
    auto *button = new QPushButton(text);
    button->setObjectName(QLatin1String(name));
    button->setToolTip(toolTip);
    return button;
}

void InstancePanel::startAnother(const QStringList &arguments)
{
    qint64 pid = 0;
    if (QProcess::startDetached(QCoreApplication::applicationFilePath(), arguments, QString(), &pid))
        Q_EMIT happened(tr("started"), tr("process %1").arg(pid));
    else
        Q_EMIT happened(tr("started"), tr("nothing: %1 cannot be run").arg(QCoreApplication::applicationFilePath()));
}
