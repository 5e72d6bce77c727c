// SPDX-License-Identifier: 0BSD
#include "remote.h"
#include "mainwindow.h"
#include "statuswidget.h"

#include <QtCore/qfile.h>
#include <QtCore/qmetaobject.h>
#include <QtGui/qpixmap.h>
#include <QtWidgets/qabstractbutton.h>

#include <cstdio>
#include <unistd.h>

using namespace QtLockFile;

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

void answer(const char *text)
{
    std::puts(text);
    std::fflush(stdout);
}

} // namespace

Remote::Remote(MainWindow *window)
    : QObject(window), m_window(window), m_input(STDIN_FILENO, QSocketNotifier::Read)
{
    connect(&m_input, &QSocketNotifier::activated, this, &Remote::read);
    for (StatusWidget *panel : window->findChildren<StatusWidget *>())
        connect(panel, &StatusWidget::changed, this, &Remote::answerWhenShown);
}

void Remote::read()
{
    char bytes[4096];
    const ssize_t count = ::read(STDIN_FILENO, bytes, sizeof bytes);
    if (count <= 0) {
        m_input.setEnabled(false);
        m_window->close();
        return;
    }
    m_buffer.append(bytes, count);
    for (qsizetype end; (end = m_buffer.indexOf('\n')) >= 0; m_buffer.remove(0, end + 1))
        obey(m_buffer.left(end));
}

void Remote::obey(const QByteArray &line)
{
    const qsizetype space = line.indexOf(' ');
    const QByteArray command = line.left(space);
    const QString argument = space < 0 ? QString() : QFile::decodeName(line.mid(space + 1));
    if (command == "expect") {
        m_expected = argument.toLatin1();
        answerWhenShown();
    } else if (command == "click") {
        auto *button = m_window->findChild<QAbstractButton *>(argument);
        if (!button || !button->isEnabled())
            return answer("failed: no such button, or not enabled");
        button->click();
        answer("done");
    } else if (command == "watch") {
        m_window->watch(argument);
        answer("done");
    } else if (command == "grab") {
        answer(m_window->grab().save(argument) ? "done" : "failed: the picture cannot be saved");
    } else {
        answer("failed: no such command");
    }
}

void Remote::answerWhenShown()
{
    if (m_expected.isEmpty())
        return;
    for (const StatusWidget *panel : m_window->findChildren<StatusWidget *>()) {
        if (shownBy(panel) == m_expected) {
            m_expected.clear();
            return answer("done");
        }
    }
}
