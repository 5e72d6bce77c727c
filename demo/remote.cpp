// SPDX-License-Identifier: 0BSD
#include "remote.h"
#include "statuswidget.h"

#include <QtCore/qfile.h>
#include <QtCore/qmetaobject.h>
#include <QtGui/qevent.h>
#include <QtGui/qpixmap.h>
#include <QtWidgets/qabstractbutton.h>
#include <QtWidgets/qapplication.h>
#include <QtWidgets/qlabel.h>
#include <QtWidgets/qlineedit.h>
#include <QtWidgets/qplaintextedit.h>

#include <chrono>
#include <cstdio>
#include <unistd.h>

using namespace QtLockFile;
using namespace std::chrono_literals;

namespace {

QByteArray shownBy(const StatusWidget *panel)
{
    const LockQueue queue = panel->queue();
    QByteArray shown = panel->objectName().toLatin1();
    shown.append(' ').append(QMetaEnum::fromType<StatusWidget::Status>().valueToKey(int(panel->status())));
    if (queue.isHeld())
        shown.append(' ').append(QByteArray::number(queue.holder().pid()));
    for (const LockParticipant &waiter : queue.waiters())
        shown.append(' ').append(QByteArray::number(waiter.pid()));
    return shown;
}

QWidget *widgetOf(const QString &name)
{
    for (QWidget *widget : QApplication::allWidgets()) {
        if (widget->objectName() == name && widget->isVisible())
            return widget;
    }
    return nullptr;
}

QString textOf(const QWidget *widget)
{
    if (const auto *label = qobject_cast<const QLabel *>(widget))
        return label->text();
    const auto *log = qobject_cast<const QPlainTextEdit *>(widget);
    return log ? log->toPlainText() : QString();
}

QWidget *uppermostWindow()
{
    if (QWidget *dialog = QApplication::activeModalWidget())
        return dialog;
    for (QWidget *window : QApplication::topLevelWidgets()) {
        if (window->isVisible())
            return window;
    }
    return nullptr;
}

void answer(const QByteArray &text)
{
    std::puts(text.constData());
    std::fflush(stdout);
}

} // namespace

Remote::Remote(QObject *parent) : QObject(parent), m_input(STDIN_FILENO, QSocketNotifier::Read)
{
    connect(&m_input, &QSocketNotifier::activated, this, &Remote::read);
    connect(&m_look, &QTimer::timeout, this, &Remote::answerWhenMet);
    QCoreApplication::instance()->installEventFilter(this);
}

bool Remote::eventFilter(QObject *watched, QEvent *event)
{
    if (event->type() == QEvent::Paint && watched->isWidgetType()) {
        QCoreApplication::instance()->removeEventFilter(this);
        m_isPainted = true;
        if (m_expected == "painted")
            QMetaObject::invokeMethod(this, &Remote::answerWhenMet, Qt::QueuedConnection); // when it is all painted
    }
    return false;
}

void Remote::read()
{
    char bytes[4096];
    const ssize_t count = ::read(STDIN_FILENO, bytes, sizeof bytes);
    if (count <= 0) {
        m_input.setEnabled(false);
        QApplication::closeAllWindows(); // a dialog's loop ends with it
        QCoreApplication::quit();
        return;
    }
    m_buffer.append(bytes, count);
    for (qsizetype end; (end = m_buffer.indexOf('\n')) >= 0;) {
        const QByteArray line = m_buffer.left(end);
        m_buffer.remove(0, end + 1);
        obey(line);
    }
}

void Remote::obey(const QByteArray &line)
{
    const qsizetype space = line.indexOf(' ');
    const QByteArray command = space < 0 ? line : line.left(space);
    const QString argument = space < 0 ? QString() : QFile::decodeName(line.mid(space + 1));
    if (command == "expect" || command == "await") {
        m_expected = command == "expect" ? argument.toLatin1() : QByteArray();
        m_awaited = command == "await" ? argument : QString();
        m_look.start(10ms);
    } else if (command == "painted") {
        m_expected = command;
        answerWhenMet();
    } else if (command == "where") {
        const QWidget *widget = widgetOf(argument);
        const QPoint middle = widget ? widget->mapToGlobal(widget->rect().center()) : QPoint();
        answer(widget ? "done " + QByteArray::number(middle.x()) + ' ' + QByteArray::number(middle.y()) : "failed: no such widget");
    } else if (command == "count") {
        const QString text = textOf(widgetOf(argument.section(u' ', 0, 0)));
        answer("done " + QByteArray::number(text.count(argument.section(u' ', 1))));
    } else if (command == "click") {
        click(argument);
    } else if (command == "leave") {
        m_input.setEnabled(false);
        click(argument);
    } else if (command == "type") {
        auto *field = qobject_cast<QLineEdit *>(widgetOf(QStringLiteral("path")));
        if (!field || field->isReadOnly())
            return answer("failed: no such field, or not to be changed");
        field->setText(argument);
        field->setModified(true);
        Q_EMIT field->editingFinished();
        answer("done");
    } else if (command == "grab") {
        QWidget *window = uppermostWindow();
        answer(window && window->grab().save(argument) ? "done" : "failed: the picture cannot be saved");
    } else {
        answer("failed: no such command");
    }
}

void Remote::click(const QString &name)
{
    auto *button = qobject_cast<QAbstractButton *>(widgetOf(name));
    if (!button || !button->isEnabled())
        return answer("failed: no such button, or not enabled");
    answer("done");
    QMetaObject::invokeMethod(button, &QAbstractButton::click, Qt::QueuedConnection); // it may open a dialog, which would keep us
}

void Remote::answerWhenMet()
{
    bool isMet = false;
    if (m_expected == "painted") {
        isMet = m_isPainted;
    } else if (!m_expected.isEmpty()) {
        for (const QWidget *widget : QApplication::allWidgets()) {
            const auto *panel = qobject_cast<const StatusWidget *>(widget);
            isMet = isMet || (panel && panel->isVisible() && shownBy(panel) == m_expected);
        }
    } else {
        const QString name = m_awaited.section(u' ', 0, 0);
        const QString text = m_awaited.section(u' ', 1);
        const QWidget *widget = widgetOf(name);
        isMet = widget && textOf(widget).contains(text);
    }
    if (!isMet)
        return;
    m_look.stop();
    answer("done");
}
