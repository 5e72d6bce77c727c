// SPDX-License-Identifier: 0BSD
#include "windowraiser.h"

#include <QtGui/qguiapplication.h>
#include <QtGui/qwindow.h>
#include <QtWidgets/qwidget.h>

#if QT_CONFIG(xcb)
#    include <cstdlib>
#    include <xcb/xcb.h>
#endif

// Window systems keep programs from taking the focus away from what the user is doing. A program has to show that the user asked for it, and whom
// he asked is the second start, not this process.
//
// Wayland: the compositor gave the second start a token (xdg-activation-v1). Qt's plugin presents the one that it finds in XDG_ACTIVATION_TOKEN when
// a window is activated, and removes it. A compositor ignores it for a window that is not on the screen yet, so a hidden one is activated once it is.
//
// X11: QWidget::activateWindow() sends the time of the last event that this process had, which is long ago if the user has worked with other windows
// since, and window managers refuse what is older than their user's last action. Startup notification hands over the right time, at the end of
// DESKTOP_STARTUP_ID. So the request (_NET_ACTIVE_WINDOW, Extended Window Manager Hints) is sent with that. Without it, say after a start from a
// terminal, the request is marked as a direct action of the user, which it is: he has just started the program.

namespace {

#if QT_CONFIG(xcb)
// "…_TIME12345", of the freedesktop.org specification for startup notification; 0 without.
xcb_timestamp_t timeIn(const QByteArray &startupId)
{
    constexpr char kMark[] = "_TIME";
    const qsizetype at = startupId.lastIndexOf(kMark);
    return at < 0 ? XCB_CURRENT_TIME : xcb_timestamp_t(std::strtoul(startupId.constData() + at + sizeof kMark - 1, nullptr, 10));
}

void activateOnX11(xcb_connection_t *connection, xcb_window_t window, const QByteArray &startupId)
{
    enum : uint32_t { FromApplication = 1, FromUser = 2 };
    constexpr char kRequest[] = "_NET_ACTIVE_WINDOW";
    const xcb_timestamp_t time = timeIn(startupId);

    const auto atomCookie = xcb_intern_atom(connection, false, sizeof kRequest - 1, kRequest);
    const auto rootCookie = xcb_get_geometry(connection, window);
    xcb_intern_atom_reply_t *const atom = xcb_intern_atom_reply(connection, atomCookie, nullptr);
    xcb_get_geometry_reply_t *const geometry = xcb_get_geometry_reply(connection, rootCookie, nullptr);
    if (atom && geometry) {
        xcb_client_message_event_t request = {};
        request.response_type = XCB_CLIENT_MESSAGE;
        request.format = 32;
        request.window = window;
        request.type = atom->atom;
        request.data.data32[0] = time == XCB_CURRENT_TIME ? FromUser : FromApplication;
        request.data.data32[1] = time;
        xcb_send_event(connection, false, geometry->root, XCB_EVENT_MASK_SUBSTRUCTURE_NOTIFY | XCB_EVENT_MASK_SUBSTRUCTURE_REDIRECT,
                       reinterpret_cast<const char *>(&request));
        xcb_flush(connection);
    }
    std::free(atom);
    std::free(geometry);
}
#endif

void activate(QWidget *window, const QByteArray &activationToken)
{
#if QT_CONFIG(xcb)
    const auto *x11 = qGuiApp->nativeInterface<QNativeInterface::QX11Application>();
    if (x11 && QGuiApplication::platformName() == QLatin1String("xcb")) // the offscreen plugin has the interface too, and no windows of X11
        return activateOnX11(x11->connection(), xcb_window_t(window->winId()), activationToken);
#endif
    if (!activationToken.isEmpty())
        qputenv("XDG_ACTIVATION_TOKEN", activationToken);
    window->activateWindow();
    qunsetenv("XDG_ACTIVATION_TOKEN"); // it is used up, and no program that we start is to try it again
}

// Activates a window when it has come to the screen.
class ActivationOnceExposed : public QObject
{
public:
    ActivationOnceExposed(QWidget *window, const QByteArray &token) : QObject(window->windowHandle()), m_window(window), m_token(token)
    {
        window->windowHandle()->installEventFilter(this);
    }

    bool eventFilter(QObject *, QEvent *event) override
    {
        if (event->type() == QEvent::Expose && m_window->windowHandle()->isExposed()) {
            m_window->windowHandle()->removeEventFilter(this);
            QMetaObject::invokeMethod(
                this,
                [this] { // once its first picture is there
                    activate(m_window, m_token);
                    deleteLater();
                },
                Qt::QueuedConnection);
        }
        return false;
    }

private:
    QWidget *const m_window;
    const QByteArray m_token;
};

} // namespace

void raiseWindow(QWidget *window, const QByteArray &activationToken)
{
    const bool wasHidden = !window->isVisible();
    window->setWindowState(window->windowState() & ~Qt::WindowMinimized); // stays maximized, or full screen
    window->show();
    window->raise();
    if (wasHidden && !window->windowHandle()->isExposed())
        new ActivationOnceExposed(window, activationToken); // a child of the window
    else
        activate(window, activationToken);
}
