// SPDX-License-Identifier: 0BSD
#include "statuswidget.h"

#include <QtLockFile/LockWatcher>

#include <QtCore/qlocale.h>
#include <QtGui/qclipboard.h>
#include <QtGui/qevent.h>
#include <QtGui/qguiapplication.h>
#include <QtWidgets/qheaderview.h>
#include <QtWidgets/qlabel.h>
#include <QtWidgets/qlayout.h>
#include <QtWidgets/qstyle.h>
#include <QtWidgets/qtoolbutton.h>
#include <QtWidgets/qtreewidget.h>

#include <algorithm>

// All that is shown follows from the watcher's queue, and from the error, the loss and the wait that we were told of. Each change of one of
// them calls refresh(), which shows everything anew. A timer runs only while seconds are counted and somebody can see them.

using namespace QtLockFile;

namespace {

enum Column { Place, Program, Pid, Remark };

// The place in line of this process: 1 is next; 0 if it does not wait.
int placeIn(const LockQueue &queue)
{
    const QList<LockParticipant> waiters = queue.waiters();
    const auto we = std::find_if(waiters.begin(), waiters.end(), [](const LockParticipant &one) { return one.isThisProcess(); });
    return we == waiters.end() ? 0 : int(we - waiters.begin()) + 1;
}

QString ordinal(int n)
{
    const int lastTwo = n % 100;
    const int last = lastTwo > 10 && lastTwo < 20 ? 0 : n % 10;
    switch (last) {
    case 1:
        return StatusWidget::tr("%L1st", "ordinal number ending in 1, but not in 11").arg(n);
    case 2:
        return StatusWidget::tr("%L1nd", "ordinal number ending in 2, but not in 12").arg(n);
    case 3:
        return StatusWidget::tr("%L1rd", "ordinal number ending in 3, but not in 13").arg(n);
    default:
        return StatusWidget::tr("%L1th", "any other ordinal number").arg(n);
    }
}

QString durationText(qint64 milliseconds)
{
    const qint64 seconds = milliseconds / 1000;
    if (seconds < 60)
        return StatusWidget::tr("%1 s").arg(seconds);
    if (seconds < 3600)
        return StatusWidget::tr("%1 min %2 s").arg(seconds / 60).arg(seconds % 60);
    if (seconds < 86400)
        return StatusWidget::tr("%1 h %2 min").arg(seconds / 3600).arg(seconds / 60 % 60);
    return StatusWidget::tr("%1 d %2 h").arg(seconds / 86400).arg(seconds / 3600 % 24);
}

// The time alone where it is today's.
QString clockText(const QDateTime &time)
{
    const QLocale locale;
    return time.date() == QDate::currentDate() ? locale.toString(time.time(), QLocale::ShortFormat) : locale.toString(time, QLocale::ShortFormat);
}

QString causeText(const LockError &error)
{
    switch (error.code()) {
    case LockError::Code::AccessDenied:
        return StatusWidget::tr("no permission");
    case LockError::Code::NotALockFile:
        return StatusWidget::tr("not a lock file");
    case LockError::Code::NoSpace:
        return StatusWidget::tr("no space left");
    case LockError::Code::ReadOnlyFileSystem:
        return StatusWidget::tr("read-only file system");
    case LockError::Code::Unsupported:
        return StatusWidget::tr("no such locks on this file system");
    default:
        return qt_error_string(error.systemError());
    }
}

QStyle::StandardPixmap iconFor(StatusWidget::Status status)
{
    switch (status) {
    case StatusWidget::Status::Waiting:
        return QStyle::SP_BrowserReload;
    case StatusWidget::Status::HeldByUs:
        return QStyle::SP_DialogApplyButton;
    case StatusWidget::Status::HeldByOther:
        return QStyle::SP_DialogNoButton;
    case StatusWidget::Status::Error:
        return QStyle::SP_MessageBoxCritical;
    case StatusWidget::Status::Lost:
        return QStyle::SP_MessageBoxWarning;
    case StatusWidget::Status::Free:
        return QStyle::SP_DialogYesButton;
    case StatusWidget::Status::Nothing:
        break;
    }
    return QStyle::SP_FileIcon;
}

QColor hueFor(StatusWidget::Status status)
{
    switch (status) {
    case StatusWidget::Status::Waiting:
        return QColor(30, 120, 220);
    case StatusWidget::Status::HeldByUs:
        return QColor(30, 160, 70);
    case StatusWidget::Status::HeldByOther:
        return QColor(245, 150, 0);
    case StatusWidget::Status::Error:
    case StatusWidget::Status::Lost:
        return QColor(220, 50, 60);
    case StatusWidget::Status::Nothing:
    case StatusWidget::Status::Free:
        break;
    }
    return {};
}

// A tint of the background, so that text stays as readable as it was, in light and in dark.
QColor tinted(const QColor &background, const QColor &hue)
{
    if (!hue.isValid())
        return background;
    constexpr qreal part = 0.18;
    return QColor::fromRgbF(float(background.redF() * (1 - part) + hue.redF() * part), float(background.greenF() * (1 - part) + hue.greenF() * part),
                            float(background.blueF() * (1 - part) + hue.blueF() * part));
}

// Names of files and programs are others' words: never markup.
QString toolTipText(const QString &text)
{
    return text.isEmpty() ? text : QStringLiteral("<qt>%1</qt>").arg(text.toHtmlEscaped());
}

void elide(QLabel *label, const QString &text)
{
    label->setText(label->fontMetrics().elidedText(text, Qt::ElideMiddle, label->width()));
}

QLabel *plainLabel()
{
    auto *label = new QLabel;
    label->setTextFormat(Qt::PlainText);
    return label;
}

} // namespace

StatusWidget::StatusWidget(QWidget *parent)
    : QWidget(parent), m_second(this), m_badge(new QFrame), m_icon(new QLabel), m_headline(plainLabel()), m_detail(plainLabel()), m_pathRow(new QWidget),
      m_pathLabel(plainLabel()), m_copy(new QToolButton), m_list(new QTreeWidget), m_empty(plainLabel())
{
    QFont font = m_headline->font();
    font.setBold(true);
    if (font.pointSizeF() > 0) // where it is given in points
        font.setPointSizeF(font.pointSizeF() * 1.3);
    m_headline->setFont(font);
    m_badge->setFrameShape(QFrame::StyledPanel);
    m_badge->setAutoFillBackground(true);

    auto *words = new QVBoxLayout;
    words->setSpacing(0);
    words->addWidget(m_headline);
    words->addWidget(m_detail);
    auto *badge = new QHBoxLayout(m_badge);
    badge->addWidget(m_icon, 0, Qt::AlignTop);
    badge->addLayout(words, 1);

    for (QLabel *label : {m_headline, m_detail, m_pathLabel}) {
        label->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred);
        label->installEventFilter(this);
    }
    m_pathLabel->setAccessibleName(tr("Path of the lock file"));
    m_copy->setObjectName(QStringLiteral("copy"));
    m_copy->setIcon(QIcon::fromTheme(QStringLiteral("edit-copy")));
    m_copy->setText(tr("Copy"));
    m_copy->setAutoRaise(!m_copy->icon().isNull());
    m_copy->setToolTip(tr("Copy the path to the clipboard"));
    m_copy->setAccessibleName(tr("Copy the path"));
    connect(m_copy, &QToolButton::clicked, this, [this] { QGuiApplication::clipboard()->setText(m_path); });
    auto *path = new QHBoxLayout(m_pathRow);
    path->setContentsMargins({});
    path->addWidget(m_pathLabel, 1);
    path->addWidget(m_copy);

    m_list->setHeaderLabels({tr("Place"), tr("Program"), tr("PID"), tr("Remark")});
    m_list->setRootIsDecorated(false);
    m_list->setUniformRowHeights(true);
    m_list->setAllColumnsShowFocus(true);
    m_list->setTabKeyNavigation(false);
    m_list->header()->setSectionsMovable(false);
    m_list->header()->setStretchLastSection(false);
    m_list->header()->setSectionResizeMode(Program, QHeaderView::Stretch);
    m_list->header()->setSectionResizeMode(Remark, QHeaderView::Stretch);
    const auto fit = [this](Column column, const QString &text) { // wide enough from the start: columns that jump are hard to read
        m_list->setColumnWidth(column, m_list->fontMetrics().horizontalAdvance(text + QStringLiteral("MM")));
    };
    fit(Place, tr("holds it"));
    fit(Pid, QStringLiteral("4194304")); // the highest there is, proc(5)
    m_list->setAccessibleName(tr("Who holds the lock and who waits for it"));
    m_empty->setAlignment(Qt::AlignCenter);
    m_empty->setWordWrap(true);
    m_empty->setForegroundRole(QPalette::PlaceholderText);
    auto *viewport = new QVBoxLayout(m_list->viewport());
    viewport->addWidget(m_empty);

    auto *all = new QVBoxLayout(this);
    all->setContentsMargins({});
    all->addWidget(m_badge);
    all->addWidget(m_pathRow);
    all->addWidget(m_list, 1);

    m_second.setSingleShot(true);
    m_second.setTimerType(Qt::PreciseTimer);
    connect(&m_second, &QTimer::timeout, this, &StatusWidget::tick);
    refresh();
}

StatusWidget::~StatusWidget() = default;

void StatusWidget::setPath(const QString &path)
{
    m_path = path;
    m_seen = false;
    m_error = {};
    m_lost = false;
    m_waits = false;
    m_watcher.reset();
    if (!path.isEmpty()) {
        m_watcher = std::make_unique<LockWatcher>(path);
        m_path = m_watcher->path();
        connect(m_watcher.get(), &LockWatcher::queueChanged, this, [this] {
            m_seen = true;
            refresh();
        });
    }
    refresh();
}

void StatusWidget::setPathVisible(bool visible)
{
    m_pathRow->setVisible(visible);
}

LockQueue StatusWidget::queue() const
{
    return m_watcher ? m_watcher->queue() : LockQueue();
}

void StatusWidget::showError(const LockError &error)
{
    m_error = error;
    refresh();
}

void StatusWidget::showLost(bool lost)
{
    m_lost = lost;
    refresh();
}

void StatusWidget::showWaiting(bool waiting)
{
    m_waits = waiting;
    refresh();
}

StatusWidget::Status StatusWidget::statusNow() const
{
    const LockQueue queue = this->queue();
    if (m_lost)
        return Status::Lost;
    if (m_error || queue.error())
        return Status::Error;
    if (!m_seen)
        return Status::Nothing;
    if (queue.isHeld() && queue.holder().isThisProcess())
        return Status::HeldByUs;
    if (placeIn(queue) > 0 || (m_waits && queue.isHeld()))
        return Status::Waiting;
    return queue.isHeld() ? Status::HeldByOther : Status::Free;
}

// -1 where there is nothing to count.
qint64 StatusWidget::countedMilliseconds() const
{
    switch (m_status) {
    case Status::Waiting:
        return m_waiting.elapsed();
    case Status::HeldByUs:
    case Status::HeldByOther:
        if (queue().since().isValid())
            return qMax<qint64>(0, queue().since().msecsTo(QDateTime::currentDateTime()));
        break;
    default:
        break;
    }
    return -1;
}

QString StatusWidget::headline() const
{
    switch (m_status) {
    case Status::Nothing:
        return m_watcher ? tr("Looking at the file…") : tr("Nothing watched");
    case Status::Free:
        return tr("Free");
    case Status::Waiting:
        return tr("Waiting");
    case Status::HeldByUs:
        return tr("Held by us");
    case Status::HeldByOther:
        return tr("Held by %1", "a program and its process id").arg(queue().holder().description());
    case Status::Error:
        return tr("Cannot be locked");
    case Status::Lost:
        return tr("The file was removed under us");
    }
    return {};
}

QString StatusWidget::detail(bool withSeconds) const
{
    const LockQueue queue = this->queue();
    const qint64 counted = countedMilliseconds();
    QStringList parts;
    switch (m_status) {
    case Status::Nothing:
        if (!m_watcher)
            parts << tr("no file chosen");
        break;
    case Status::Free:
        parts << tr("nobody holds it");
        break;
    case Status::Waiting:
        if (const int place = placeIn(queue); place > 0)
            parts << (place == 1 ? tr("next in line") : tr("%1 in line", "3rd in line").arg(ordinal(place)));
        if (withSeconds)
            parts << tr("for %1", "has been waiting for 12 s").arg(durationText(counted));
        break;
    case Status::HeldByOther:
        if (queue.holder().pid() < 0) {
            parts << tr("another machine or sandbox");
            break;
        }
        Q_FALLTHROUGH();
    case Status::HeldByUs:
        parts << (counted < 0 ? tr("since when is not known") : tr("since %1").arg(clockText(queue.since())));
        break;
    case Status::Error:
        parts << causeText(m_error ? m_error : queue.error());
        break;
    case Status::Lost:
        parts << tr("others can lock the path now");
        break;
    }
    if (withSeconds && counted >= 0 && m_status != Status::Waiting)
        parts << tr("for %1", "has been held for 12 s").arg(durationText(counted));
    if (m_status == Status::HeldByOther && m_holderIsStopped)
        parts << tr("stopped");
    return parts.join(tr(", ", "between parts of a list"));
}

QString StatusWidget::text(bool withSeconds) const
{
    const QString detail = this->detail(withSeconds);
    if (detail.isEmpty())
        return headline();
    QString pattern = tr("%1, %2", "state, detail: Waiting, 3rd in line");
    if (m_status == Status::Error)
        pattern = tr("%1: %2", "state, detail: Cannot be locked: no permission");
    else if (m_status == Status::HeldByOther && queue().holder().pid() < 0)
        pattern = tr("%1 (%2)", "state, detail: Held by an unknown process (another machine or sandbox)");
    else if (queue().since().isValid() && (m_status == Status::HeldByUs || m_status == Status::HeldByOther))
        pattern = tr("%1 %2", "state, detail: Held by us since 10:41");
    return pattern.arg(headline(), detail);
}

void StatusWidget::refresh()
{
    m_status = statusNow();
    m_holderIsStopped = isHolderStopped();
    if (m_status != Status::Waiting)
        m_waiting.invalidate();
    else if (!m_waiting.isValid())
        m_waiting.start();
    updateBadge();
    updatePath();
    updateQueue();
    m_badge->setAccessibleName(text(false));
    Q_EMIT changed();
}

void StatusWidget::updateBadge()
{
    const int size = style()->pixelMetric(QStyle::PM_LargeIconSize, nullptr, this);
    m_icon->setPixmap(style()->standardIcon(iconFor(m_status), nullptr, this).pixmap(QSize(size, size), devicePixelRatio()));
    QPalette colours = palette();
    colours.setColor(QPalette::Window, tinted(colours.color(QPalette::Window), hueFor(m_status)));
    m_badge->setPalette(colours);
    m_badge->setToolTip(toolTipText(m_status == Status::Error ? (m_error ? m_error : queue().error()).message() : text(false)));
    elide(m_headline, headline());
    updateSeconds();
}

void StatusWidget::updateSeconds()
{
    elide(m_detail, detail());
    const qint64 counted = countedMilliseconds();
    if (counted >= 0 && isVisible())
        m_second.start(int(1000 - counted % 1000));
    else
        m_second.stop();
}

// Nobody tells of a process that is stopped or goes on.
void StatusWidget::tick()
{
    if (isHolderStopped() == m_holderIsStopped)
        updateSeconds();
    else
        refresh();
}

bool StatusWidget::isHolderStopped() const
{
    return queue().isHeld() && LockParticipant::ofProcess(queue().holder().pid()).isStopped();
}

void StatusWidget::updatePath()
{
    elide(m_pathLabel, m_path);
    m_pathLabel->setToolTip(toolTipText(m_path));
    m_pathLabel->setAccessibleDescription(m_path);
    m_copy->setEnabled(!m_path.isEmpty());
}

void StatusWidget::updateQueue()
{
    const LockQueue queue = this->queue();
    QList<LockParticipant> everyone = queue.waiters();
    if (queue.isHeld())
        everyone.prepend(queue.holder());

    // Rows are kept, so that neither the selection nor the scroll position jumps.
    while (m_list->topLevelItemCount() > everyone.size())
        delete m_list->takeTopLevelItem(m_list->topLevelItemCount() - 1);
    while (m_list->topLevelItemCount() < everyone.size())
        m_list->addTopLevelItem(new QTreeWidgetItem);
    for (int row = 0; row < everyone.size(); ++row) {
        const LockParticipant &one = everyone.at(row);
        const bool isHolder = row == 0 && queue.isHeld();
        QStringList remarks;
        if (one.isThisProcess())
            remarks << tr("this process");
        if (isHolder ? m_holderIsStopped : one.isStopped())
            remarks << tr("stopped");
        QTreeWidgetItem *item = m_list->topLevelItem(row);
        item->setText(Place, isHolder ? tr("holds it") : tr("%L1", "place in the queue").arg(queue.isHeld() ? row : row + 1));
        item->setText(Program, one.processName().isEmpty() ? tr("unknown") : one.processName());
        item->setText(Pid, one.pid() < 0 ? tr("unknown") : QString::number(one.pid()));
        item->setSizeHint(Place, QSize(0, m_list->fontMetrics().height() * 3 / 2));
        item->setText(Remark, remarks.join(tr(", ")));
    }
    m_empty->setVisible(everyone.isEmpty());
    if (m_status == Status::Lost)
        m_empty->setText(tr("We still hold the removed file. Nobody holds the path."));
    else if (!m_watcher)
        m_empty->setText(tr("Choose a lock file to see who holds it and who waits for it."));
    else
        m_empty->setText(m_seen && !queue.error() ? tr("Nobody holds the lock, and nobody waits for it.") : QString());
}

void StatusWidget::changeEvent(QEvent *event)
{
    if (event->type() == QEvent::PaletteChange || event->type() == QEvent::StyleChange)
        updateBadge();
    QWidget::changeEvent(event);
}

void StatusWidget::showEvent(QShowEvent *event)
{
    QWidget::showEvent(event);
    updateSeconds();
}

void StatusWidget::hideEvent(QHideEvent *event)
{
    QWidget::hideEvent(event);
    updateSeconds();
}

bool StatusWidget::eventFilter(QObject *watched, QEvent *event)
{
    if (event->type() == QEvent::Resize) {
        elide(m_headline, headline());
        elide(m_detail, detail());
        elide(m_pathLabel, m_path);
    }
    return QWidget::eventFilter(watched, event);
}
