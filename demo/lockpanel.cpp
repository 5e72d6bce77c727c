// SPDX-License-Identifier: 0BSD
#include "lockpanel.h"
#include "statuswidget.h"

#include <QtCore/qfileinfo.h>
#include <QtCore/qmetaobject.h>
#include <QtCore/qvariant.h>
#include <QtGui/qshortcut.h>
#include <QtWidgets/qboxlayout.h>
#include <QtWidgets/qcheckbox.h>
#include <QtWidgets/qfiledialog.h>
#include <QtWidgets/qlabel.h>
#include <QtWidgets/qlineedit.h>
#include <QtWidgets/qpushbutton.h>
#include <QtWidgets/qspinbox.h>

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

LockPanel::LockPanel(QWidget *parent) : QGroupBox(tr("Any lock file"), parent)
{
    m_status = new StatusWidget;
    m_status->setObjectName(QStringLiteral("any"));
    m_status->setPathVisible(false);

    auto *layout = new QVBoxLayout(this);
    layout->addLayout(createPathRow());
    layout->addWidget(m_status, 1);
    layout->addLayout(createOptions());
    layout->addLayout(createButtons());
    updateControls();
}

LockPanel::~LockPanel() = default;

QLayout *LockPanel::createPathRow()
{
    m_path = new QLineEdit;
    m_path->setObjectName(QStringLiteral("path"));
    m_path->setPlaceholderText(tr("Path of a lock file"));
    m_path->setAccessibleName(tr("Path of the lock file"));
    connect(m_path, &QLineEdit::editingFinished, this, [this] {
        if (m_path->isModified()) // comes also when the focus merely passes by
            setPath(m_path->text());
    });
    auto *label = new QLabel(tr("&Path:"));
    label->setBuddy(m_path);
    m_choose = new QPushButton(tr("C&hoose…"));
    new QShortcut(QKeySequence::Open, m_choose, m_choose, &QPushButton::click); // setShortcut() would take the mnemonic's place
    m_choose->setObjectName(QStringLiteral("choose"));
    m_choose->setToolTip(tr("Choose a lock file to watch"));
    connect(m_choose, &QPushButton::clicked, this, &LockPanel::choose);

    auto *row = new QHBoxLayout;
    row->addWidget(label);
    row->addWidget(m_path, 1);
    row->addWidget(m_choose);
    return row;
}

QPushButton *LockPanel::createButton(const QString &text, const char *name, const QString &toolTip, void (LockPanel::*slot)())
{
    auto *button = new QPushButton(text);
    button->setObjectName(QLatin1String(name));
    button->setToolTip(toolTip);
    connect(button, &QPushButton::clicked, this, slot);
    return button;
}

QLayout *LockPanel::createButtons()
{
    m_acquire = createButton(tr("&Acquire"), "acquire", tr("Wait in the queue until the lock is ours: acquire()"), &LockPanel::acquire);
    m_try = createButton(tr("&Try"), "try", tr("Have the lock at once or not at all: tryAcquire()"), &LockPanel::tryAcquire);
    m_cancel = createButton(tr("&Cancel"), "cancel", tr("Stop waiting: cancel()"), &LockPanel::cancel);
    m_release = createButton(tr("&Release"), "release", tr("Let the lock go; the next in line has it at once: release()"), &LockPanel::release);
    auto *row = new QHBoxLayout;
    for (QPushButton *button : {m_acquire, m_try, m_cancel, m_release})
        row->addWidget(button);
    return row;
}

QLayout *LockPanel::createOptions()
{
    m_keep = new QCheckBox(tr("&Keep the file"));
    m_keep->setObjectName(QStringLiteral("keep"));
    m_keep->setToolTip(tr("Leave the lock file in place after releasing: setRemoveOnRelease(false)"));
    connect(m_keep, &QCheckBox::toggled, this, &LockPanel::applyOptions);

    m_timeout = new QSpinBox;
    m_timeout->setRange(kNoTimeout, 3600);
    m_timeout->setSpecialValueText(tr("none"));
    m_timeout->setSuffix(tr(" s"));
    m_timeout->setValue(kNoTimeout);
    m_timeout->setToolTip(tr("How long Acquire waits: setTimeout()"));
    m_timeout->setAccessibleName(tr("Time-out"));
    connect(m_timeout, &QSpinBox::valueChanged, this, &LockPanel::applyOptions);
    auto *label = new QLabel(tr("Time-&out:"));
    label->setBuddy(m_timeout);

    auto *row = new QHBoxLayout;
    row->addWidget(m_keep);
    row->addStretch();
    row->addWidget(label);
    row->addWidget(m_timeout);
    return row;
}

QString LockPanel::path() const
{
    return m_lock ? m_lock->path() : QString();
}

bool LockPanel::setPath(const QString &path)
{
    if (m_lock && m_lock->state() != LockFile::State::Released)
        return QFileInfo(path).absoluteFilePath() == m_lock->path();
    m_lock.reset();
    if (!path.isEmpty()) {
        m_lock = std::make_unique<LockFile>(path);
        applyOptions();
        followLock();
    }
    m_path->setText(this->path());
    m_path->setToolTip(this->path().toHtmlEscaped());
    m_status->setPath(this->path());
    updateControls();
    return true;
}

void LockPanel::choose()
{
    // A lock file that is not there yet may be chosen, and one that is there is not overwritten.
    const QString path = QFileDialog::getSaveFileName(this, tr("Choose a Lock File"), m_path->text(), QString(), nullptr, QFileDialog::DontConfirmOverwrite);
    if (!path.isEmpty())
        setPath(path);
}

void LockPanel::acquire()
{
    Q_EMIT happened(tr("call"), QStringLiteral("acquire()"));
    m_lock->acquire();
}

void LockPanel::tryAcquire()
{
    Q_EMIT happened(tr("call"), QStringLiteral("tryAcquire()"));
    (void)m_lock->tryAcquire(); // its signal follows
}

void LockPanel::cancel()
{
    Q_EMIT happened(tr("call"), QStringLiteral("cancel()"));
    m_lock->cancel();
}

void LockPanel::release()
{
    Q_EMIT happened(tr("call"), QStringLiteral("release()"));
    m_lock->release();
}

void LockPanel::applyOptions()
{
    if (!m_lock)
        return;
    m_lock->setRemoveOnRelease(!m_keep->isChecked());
    m_lock->setTimeout(m_timeout->value() < 0 ? -1ms : std::chrono::seconds(m_timeout->value()));
}

// Every signal of the lock is logged; some also change what is shown.
void LockPanel::followLock()
{
    const LockFile *lock = m_lock.get();
    const auto signal = [this](const QString &text) { Q_EMIT happened(tr("signal"), text); };
    connect(lock, &LockFile::stateChanged, this, [this, signal](LockFile::State state) {
        signal(QStringLiteral("stateChanged(%1)").arg(nameOf(state)));
        if (state == LockFile::State::Acquiring || state == LockFile::State::Acquired)
            m_status->showError({});
        if (state != LockFile::State::Acquired)
            m_status->showLost(false);
        m_status->showWaiting(state == LockFile::State::Acquiring);
        updateControls();
    });
    connect(lock, &LockFile::positionChanged, this, [signal](int position) { signal(QStringLiteral("positionChanged(%1)").arg(position)); });
    connect(lock, &LockFile::acquired, this, [signal] { signal(QStringLiteral("acquired()")); });
    connect(lock, &LockFile::failed, this, [this, signal](const LockError &error) {
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
    connect(lock, &LockFile::released, this, [this, signal] {
        const LockError error = m_lock->error();
        signal(error ? QStringLiteral("released(): %1").arg(brief(error)) : QStringLiteral("released()"));
    });
    connect(lock, &LockFile::lost, this, [this, signal] {
        signal(QStringLiteral("lost()"));
        m_status->showLost(true);
    });
    connect(lock, &LockFile::timeoutChanged, this,
            [signal](std::chrono::milliseconds timeout) { signal(QStringLiteral("timeoutChanged(%1 ms)").arg(timeout.count())); });
    connect(lock, &LockFile::removeOnReleaseChanged, this,
            [signal](bool remove) { signal(QStringLiteral("removeOnReleaseChanged(%1)").arg(QVariant(remove).toString())); });
}

void LockPanel::updateControls()
{
    const LockFile::State state = m_lock ? m_lock->state() : LockFile::State::Released;
    const bool mayBegin = m_lock && (state == LockFile::State::Released || state == LockFile::State::Releasing);
    m_acquire->setEnabled(mayBegin);
    m_try->setEnabled(mayBegin);
    m_cancel->setEnabled(state == LockFile::State::Acquiring);
    m_release->setEnabled(state == LockFile::State::Acquired);
    m_path->setReadOnly(state != LockFile::State::Released); // still to be selected and copied
    m_choose->setEnabled(state == LockFile::State::Released);
}
