// SPDX-License-Identifier: 0BSD
#ifndef WINDOWRAISER_H
#define WINDOWRAISER_H

#include <QtCore/qbytearray.h>

QT_BEGIN_NAMESPACE
class QWidget;
QT_END_NAMESPACE

/*!
    Brings \a window to the user: shown, not minimized, above the others and with the focus, on X11 and on Wayland. \a activationToken is what a
    second start of the program was given by whatever launched it: QtLockFile::Activation::activationToken(). May be empty: on X11 the
    request then counts as the user's own, on Wayland it is up to the compositor whether the window comes to the front.
*/
void raiseWindow(QWidget *window, const QByteArray &activationToken);

#endif
