// SPDX-License-Identifier: 0BSD
#ifndef TRANSLATIONS_H
#define TRANSLATIONS_H

#include <QtCore/qcoreapplication.h>
#include <QtCore/qlibraryinfo.h>
#include <QtCore/qlocale.h>
#include <QtCore/qtranslator.h>

/*! Loads the demo's texts in the user's language, and Qt's own where they are installed. Needs an application object. */
inline void loadTranslations()
{
    const auto load = [](const QString &name, const QString &folder) {
        auto *translator = new QTranslator(QCoreApplication::instance());
        if (translator->load(QLocale(), name, QStringLiteral("_"), folder))
            QCoreApplication::installTranslator(translator);
    };
    load(QStringLiteral("qtbase"), QLibraryInfo::path(QLibraryInfo::TranslationsPath));
    load(QStringLiteral("qtlockfile-demo"), QStringLiteral(":/i18n"));
}

#endif
