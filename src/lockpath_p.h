// SPDX-License-Identifier: 0BSD
#ifndef QTLOCKFILE_LOCKPATH_P_H
#define QTLOCKFILE_LOCKPATH_P_H

#include <QtCore/qdir.h>
#include <QtCore/qfile.h>
#include <QtCore/qstring.h>

#include <string>

namespace QtLockFile::Internal {

// Not QDir::absoluteFilePath(), which cleans the path: "a/../b" is not "b" where a is a link.
inline QString absolutePath(const QString &path)
{
    return path.isEmpty() || path.startsWith(u'/') ? path : QDir::currentPath() + u'/' + path;
}

inline std::string nativePath(const QString &path)
{
    return QFile::encodeName(path).toStdString();
}

} // namespace QtLockFile::Internal

#endif
