// SPDX-License-Identifier: 0BSD
#ifndef QTLOCKFILE_ACTIVATION_H
#define QTLOCKFILE_ACTIVATION_H

#include <QtLockFile/qtlockfile_export.h>

#include <QtCore/qbytearraylist.h>
#include <QtCore/qmetatype.h>
#include <QtCore/qobjectdefs.h>
#include <QtCore/qstringlist.h>

#include <memory>

namespace QtLockFile {

class ActivationData;

/*!
    Tells the primary what a second start of the application was about.

    A value; copies are of the same second start. What it carries comes from another process of the same user, byte
    for byte as that had it.

    **What it does not.** It does not vouch for what it carries: another program of the user can send what it likes.

    **Threads.** A value, for any thread; refuse() counts in that of the SingleInstance.
*/
class QTLOCKFILE_EXPORT Activation
{
    Q_GADGET
    Q_PROPERTY(QStringList arguments READ arguments CONSTANT)
    Q_PROPERTY(QString workingDirectory READ workingDirectory CONSTANT)
    Q_PROPERTY(QByteArray activationToken READ activationToken CONSTANT)
    Q_PROPERTY(QByteArray payload READ payload CONSTANT)

public:
    /*! An activation about nothing. */
    Activation();

    /*! The command line, the program's name first. Arguments that are no UTF-8 are exact only in rawArguments(). */
    QStringList arguments() const;

    /*! The command line as bytes. */
    QByteArrayList rawArguments() const;

    /*!
        The folder in which the second start took place; relative paths in arguments() are relative to it. Empty where
        it had been removed: then they lead nowhere.
    */
    QString workingDirectory() const;

    /*! The same as bytes. */
    QByteArray rawWorkingDirectory() const;

    /*! What the environment variable \a name was there, if SingleInstance::setEnvironment() selected it; else a null array. */
    QByteArray environment(const QByteArray &name) const;

    /*!
        The right to take the focus, which the launcher gave to the second start: XDG_ACTIVATION_TOKEN, else
        DESKTOP_STARTUP_ID; empty without either. To raise a window on Wayland, put it into this process's
        XDG_ACTIVATION_TOKEN just before QWindow::requestActivate(). On X11 the time at its end belongs into the
        request to the window manager. The demo's windowraiser.cpp does both.
    */
    QByteArray activationToken() const;

    /*! What the second start passed to SingleInstance::setPayload(). */
    QByteArray payload() const;

    /*!
        Makes the answer to the second start SingleInstance::Reply::Refused, with the \a reason for people. Counts
        within the slots of SingleInstance::activated() that run directly; the last call wins.
    */
    void refuse(const QString &reason) const;

private:
    friend class SingleInstancePrivate;
    std::shared_ptr<ActivationData> d;
};

} // namespace QtLockFile

Q_DECLARE_METATYPE(QtLockFile::Activation)

#endif
