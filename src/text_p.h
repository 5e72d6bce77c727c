// SPDX-License-Identifier: 0BSD
#ifndef QTLOCKFILE_TEXT_P_H
#define QTLOCKFILE_TEXT_P_H

#include <QtCore/qstring.h>

// lupdate knows this macro by the option that translations/update gives it.
#define QTLOCKFILE_TEXTS(Context) \
public: \
    static QString tr(const char *text, const char *comment = nullptr, int n = -1) \
    { \
        return translated(#Context, text, comment, n); \
    }

namespace QtLockFile::Internal {

// The library's texts for people, in the language of QLocale().
class Text
{
    QTLOCKFILE_TEXTS(QtLockFile)

private:
    static QString translated(const char *context, const char *text, const char *comment, int n);
};

} // namespace QtLockFile::Internal

#endif
