// SPDX-License-Identifier: 0BSD
#ifndef REMOTE_H
#define REMOTE_H

#include <QtCore/qbytearray.h>
#include <QtCore/qsocketnotifier.h>

class MainWindow;

/*!
    Lets the guided tour and the tests drive a window from another process, by lines on standard input. Each is answered by one line on standard
    output, "done" or "failed: …"; the end of the input closes the window.

    expect PANEL STATUS [PID…]   answers when that StatusWidget shows that StatusWidget::Status, and exactly these processes, holder first
    click BUTTON                 presses a button
    watch PATH                   watches PATH in the second panel
    grab FILE                    saves a picture of the window

    PANEL and BUTTON are object names.
*/
class Remote : public QObject
{
    Q_OBJECT

public:
    explicit Remote(MainWindow *window);

private:
    void read();
    void obey(const QByteArray &line);
    void answerWhenShown();

    MainWindow *const m_window;
    QSocketNotifier m_input;
    QByteArray m_buffer;
    QByteArray m_expected;
};

#endif
