// SPDX-License-Identifier: 0BSD
#include "waitdialog.h"
#include "statuswidget.h"

#include <QtLockFile/SingleInstance>

#include <QtCore/qtimer.h>
#include <QtWidgets/qboxlayout.h>
#include <QtWidgets/qdialogbuttonbox.h>
#include <QtWidgets/qlabel.h>
#include <QtWidgets/qpushbutton.h>

using namespace QtLockFile;
using namespace std::chrono_literals;

WaitDialog::WaitDialog(SingleInstance *instance, std::chrono::milliseconds patience, QWidget *parent) : QDialog(parent), m_instance(instance)
{
    setObjectName(QStringLiteral("wait"));
    setWindowTitle(tr("QtLockFile demo – waiting"));

    auto *text = new QLabel(tr("This copy of the program opens its window as soon as those before it have ended."));
    text->setWordWrap(true);
    auto *status = new StatusWidget;
    status->setObjectName(QStringLiteral("status"));
    status->setPath(instance->lockPath());
    auto *buttons = new QDialogButtonBox(QDialogButtonBox::Cancel);
    QPushButton *cancel = buttons->button(QDialogButtonBox::Cancel);
    cancel->setObjectName(QStringLiteral("cancelWait"));
    cancel->setText(tr("&Cancel"));
    cancel->setFocus();
    connect(buttons, &QDialogButtonBox::rejected, this, &WaitDialog::reject);

    auto *layout = new QVBoxLayout(this);
    layout->addWidget(text);
    layout->addWidget(status, 1);
    layout->addWidget(buttons);
    resize(fontMetrics().averageCharWidth() * 70, fontMetrics().height() * 20);

    connect(instance, &SingleInstance::becamePrimary, this, &WaitDialog::accept);
    connect(instance, &SingleInstance::takeOverFailed, this, [this] { done(Rejected); });
    instance->takeOver();
    if (patience >= 0ms)
        QTimer::singleShot(patience, this, &WaitDialog::reject);
}

void WaitDialog::reject()
{
    m_instance->cancelTakeOver(); // takeOverFailed() follows
}
