// SPDX-License-Identifier: 0BSD
#ifndef QTLOCKFILE_INSTANCEFOLDER_P_H
#define QTLOCKFILE_INSTANCEFOLDER_P_H

#include "descriptor_p.h"
#include "lockerror.h"

#include <QtCore/qbytearray.h>
#include <QtCore/qstring.h>

namespace QtLockFile::Internal {

// A file name for the id: the id itself where it is a plain name, else one that tells any two ids apart.
QByteArray fileNameFor(const QString &id);

// What tells the display sessions of a user apart; empty without a display.
QString displaySession();

// The folder of one application of one user, where the lock and the messages lie. What is in it is reached through
// the descriptor that was checked, so that nobody can put another folder in its place.
class InstanceFolder
{
public:
    // Where open() would find or make the folder, as things are now; empty if it could not. Makes nothing and warns of
    // nothing.
    static QString expectedPath(const QString &chosen, const QByteArray &name);

    // Finds or makes the folder `name`, in `chosen` or, if that is empty, where the user's runtime files belong.
    // Tells whether it can be trusted.
    bool open(const QString &chosen, const QByteArray &name);

    // Of the folder, open or not; empty as long as it is not known where it lies.
    QString path() const { return m_path; }
    int descriptor() const { return m_descriptor.get(); }

    // Why open() returned false.
    LockError error() const { return m_error; }

    enum class Trust { Ours, Foreign, Unknown };

    // Tells whether the folder is still this user's alone. Where that is unknown errno says why.
    Trust trust() const;

    bool isSameAs(const InstanceFolder &other) const;

private:
    enum class Attempt { Done, Elsewhere, Failed };

    // Also what of it cannot be told just now, by an errno, and what was said to be it and is not.
    static Descriptor openRuntimeFolder(QString *path, int *error, QString *passedOver);
    static Attempt lookIn(int base, const QByteArray &name);
    static Attempt lookForFallbackFolder(const QByteArray &name);

    Attempt openIn(int base, const QString &basePath, const QByteArray &name);
    Descriptor openFallbackFolder(QString *path);
    bool check(const Descriptor &folder, const QString &path);
    void fail(int error, const QString &path, const QString &message);
    void failWith(int error, const QString &path);

    Descriptor m_descriptor;
    QString m_path;
    LockError m_error;
};

} // namespace QtLockFile::Internal

#endif
