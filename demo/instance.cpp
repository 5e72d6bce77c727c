// SPDX-License-Identifier: 0BSD
#include "instance.h"

#include <QtCore/qfileinfo.h>

#include <unistd.h>

QString instanceId()
{
    return QStringLiteral("qtlockfile-demo");
}

// SingleInstance makes its folder in the first of these that is the user's alone.
QString instanceLockPath()
{
    const QString user = QString::number(::geteuid());
    for (const QString &folder : {qEnvironmentVariable("XDG_RUNTIME_DIR"), QStringLiteral("/run/user/") + user, QStringLiteral("/tmp/qtlockfile-") + user}) {
        const QFileInfo ours(folder + u'/' + instanceId());
        if (ours.isDir() && ours.ownerId() == ::geteuid())
            return ours.filePath() + QStringLiteral("/lock");
    }
    return {};
}
