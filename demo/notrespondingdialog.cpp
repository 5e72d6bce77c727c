// SPDX-License-Identifier: 0BSD
#include "notrespondingdialog.h"

#include <QtLockFile/SingleInstance>

#include <QtCore/qlocale.h>
#include <QtWidgets/qdialogbuttonbox.h>
#include <QtWidgets/qformlayout.h>
#include <QtWidgets/qlabel.h>
#include <QtWidgets/qpushbutton.h>
#include <QtWidgets/qstyle.h>

#include <chrono>

// The dialog asks once more by itself, and so goes on to listen: an answer that comes late, or the other's end, needs no button.

using namespace QtLockFile;
using namespace std::chrono_literals;
using Reply = SingleInstance::Reply;
using Role = SingleInstance::Role;

NotRespondingDialog::NotRespondingDialog(SingleInstance *instance, QWidget *parent)
    : QDialog(parent), m_instance(instance), m_watcher(instance->lockPath()), m_headline(new QLabel), m_program(new QLabel), m_pid(new QLabel),
      m_since(new QLabel), m_state(new QLabel)
{
    setObjectName(QStringLiteral("notResponding"));
    setWindowTitle(tr("QtLockFile demo"));
    const int width = fontMetrics().averageCharWidth() * 60;

    auto *icon = new QLabel;
    const int size = style()->pixelMetric(QStyle::PM_MessageBoxIconSize, nullptr, this);
    icon->setPixmap(style()->standardIcon(QStyle::SP_MessageBoxWarning, nullptr, this).pixmap(QSize(size, size), devicePixelRatio()));
    icon->setAlignment(Qt::AlignTop);
    QFont bold = m_headline->font();
    bold.setBold(true);
    m_headline->setFont(bold);
    m_program->setObjectName(QStringLiteral("program"));
    m_pid->setObjectName(QStringLiteral("pid"));
    m_since->setObjectName(QStringLiteral("since"));
    m_state->setObjectName(QStringLiteral("state"));
    auto *advice = new QLabel(tr("It may hold what is not saved, so it is not ended by force. This copy can wait until it ends, and then takes over."));
    for (QLabel *label : {m_headline, advice}) {
        label->setWordWrap(true);
        label->setMinimumWidth(width);
    }

    auto *path = new QLabel(fontMetrics().elidedText(instance->lockPath(), Qt::ElideMiddle, width * 2 / 3));
    path->setToolTip(QStringLiteral("<qt>%1</qt>").arg(instance->lockPath().toHtmlEscaped()));
    path->setAccessibleName(instance->lockPath());
    for (QLabel *label : {m_headline, m_program, m_pid, m_since, m_state, path})
        label->setTextFormat(Qt::PlainText); // the names of programs and files are others' words
    auto *facts = new QFormLayout;
    facts->setVerticalSpacing(fontMetrics().height() / 3);
    facts->addRow(tr("Program:"), m_program);
    facts->addRow(tr("Process:"), m_pid);
    facts->addRow(tr("Running since:"), m_since);
    facts->addRow(tr("State:"), m_state);
    facts->addRow(tr("Lock file:"), path);

    auto *buttons = new QDialogButtonBox;
    auto *tryAgain = new QPushButton(tr("&Try again"));
    auto *quit = new QPushButton(tr("&Quit"));
    auto *takeOver = new QPushButton(tr("&Wait and take over"));
    buttons->addButton(tryAgain, QDialogButtonBox::ActionRole);
    buttons->addButton(takeOver, QDialogButtonBox::ActionRole);
    buttons->addButton(quit, QDialogButtonBox::RejectRole);
    tryAgain->setObjectName(QStringLiteral("tryAgain"));
    takeOver->setObjectName(QStringLiteral("takeOver"));
    quit->setObjectName(QStringLiteral("quit"));
    tryAgain->setDefault(true);
    connect(tryAgain, &QPushButton::clicked, this, [this] {
        m_isTrying = true;
        ask();
        update();
    });
    connect(takeOver, &QPushButton::clicked, this, &QDialog::accept);
    connect(quit, &QPushButton::clicked, this, &QDialog::reject);

    auto *layout = new QGridLayout(this);
    layout->setSizeConstraint(QLayout::SetFixedSize);
    layout->addWidget(icon, 0, 0, 4, 1);
    layout->addWidget(m_headline, 0, 1);
    layout->addLayout(facts, 1, 1);
    layout->addWidget(advice, 2, 1);
    layout->addWidget(buttons, 3, 0, 1, 2);
    layout->setColumnStretch(1, 1);
    layout->setHorizontalSpacing(fontMetrics().height());
    layout->setVerticalSpacing(fontMetrics().height());

    connect(instance, &SingleInstance::replied, this, &NotRespondingDialog::onReplied);
    connect(instance, &SingleInstance::becamePrimary, this, &QDialog::accept);
    connect(instance, &SingleInstance::decided, this, [this](Role role) {
        if (m_result || role == Role::Failed)
            reject();
    });
    connect(&m_watcher, &LockWatcher::queueChanged, this, [this](const LockQueue &queue) {
        if (!queue.isHeld() && !queue.error())
            ask(); // nobody is in the way any more
        update();
    });
    m_look.start(500ms); // the kernel tells nobody that a process was stopped
    connect(&m_look, &QTimer::timeout, this, &NotRespondingDialog::update);
    ask();
    update();
}

void NotRespondingDialog::done(int result)
{
    if (!m_result)
        m_result = result;
    // Who has just asked anew finds out in a moment whether it is the primary; until then it can neither wait for that nor say what it was.
    setEnabled(m_instance->role() != Role::Undecided);
    if (isEnabled())
        QDialog::done(*m_result);
}

void NotRespondingDialog::ask()
{
    if (m_isAsking)
        return;
    m_isAsking = true;
    m_instance->startAsync();
}

void NotRespondingDialog::onReplied()
{
    const Reply reply = m_instance->reply();
    if (reply == Reply::NotResponding || reply == Reply::Gone) {
        m_isAsking = false;
        m_isTrying = false;
        update();
    }
    if (reply == Reply::Gone && m_instance->role() != Role::Primary)
        ask(); // another one was quicker
    else if (reply != Reply::NotResponding && reply != Reply::Gone && reply != Reply::None)
        reject(); // it has answered, if only to refuse
}

void NotRespondingDialog::update()
{
    const LockQueue queue = m_watcher.queue();
    const LockParticipant holder = queue.isHeld() ? LockParticipant::ofProcess(queue.holder().pid()) : m_instance->primary();
    const auto known = [](const QString &text) { return text.isEmpty() ? tr("not known") : text; };
    m_program->setText(known(holder.processName()));
    m_pid->setText(known(holder.pid() < 0 ? QString() : QString::number(holder.pid())));
    const QDateTime since = queue.since();
    const QLocale locale;
    m_since->setText(known(!since.isValid()                           ? QString()
                               : since.date() == QDate::currentDate() ? locale.toString(since.time(), QLocale::ShortFormat)
                                                                      : locale.toString(since, QLocale::ShortFormat)));
    m_state->setText(m_isTrying ? tr("being asked again…") : holder.isStopped() ? tr("stopped") : tr("not answering"));
    m_headline->setText(holder.isStopped() ? tr("The program is running already, but it was stopped and cannot answer.")
                                           : tr("The program is running already, but it does not answer."));
}
