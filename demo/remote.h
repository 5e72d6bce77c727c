// SPDX-License-Identifier: 0BSD
#ifndef REMOTE_H
#define REMOTE_H

#include <QtCore/qbytearray.h>
#include <QtCore/qsocketnotifier.h>
#include <QtCore/qtimer.h>

/*!
    Lets the guided tour and the tests drive the windows of this process from another one, by lines on standard input. Each is answered by one line
    on standard output, "done", or "failed: …"; the end of the input ends the process.

    expect PANEL STATUS [PID…]   answers when that StatusWidget shows that StatusWidget::Status, and exactly these processes, holder first
    await NAME [TEXT]            answers when a widget of that name is visible and, if it is a label or a log, shows a text that contains TEXT
    painted                      answers when a window has been painted for the first time
    where NAME                   answers "done X Y": where the middle of a widget is on the screen
    count NAME TEXT              answers "done N": how often a label or a log shows TEXT
    click BUTTON                 presses a button
    leave BUTTON                 presses a button, and leaves what follows on standard input to another process
    type TEXT                    puts TEXT into the field "path" and presses Return
    grab FILE                    saves a picture of the uppermost window

    PANEL, NAME and BUTTON are object names.
*/
class Remote : public QObject
{
    Q_OBJECT

public:
    explicit Remote(QObject *parent);

protected:
    bool eventFilter(QObject *watched, QEvent *event) override;

private:
    void read();
    void obey(const QByteArray &line);
    void click(const QString &name);
    void answerWhenMet();

    QSocketNotifier m_input;
    QTimer m_look; // while something is expected
    QByteArray m_buffer;
    bool m_isPainted = false;
    QByteArray m_expected;
    QString m_awaited;
};

#endif
