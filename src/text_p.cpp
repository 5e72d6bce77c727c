// SPDX-License-Identifier: 0BSD
#include "text_p.h"
#include "forkguard_p.h"

#include <QtCore/qcoreapplication.h>
#include <QtCore/qlocale.h>
#include <QtCore/qtranslator.h>

#ifdef QTLOCKFILE_TRANSLATED
#    include "qtlockfile_de.h"
#endif

// Translations are looked up in a table inside the library, and not through a translator that is installed in the
// application: a second start has something to say before there is an application object, a library does not change
// an application at its start, and a static library is linked without initialisers that nobody refers to. An
// application that has translators of its own for our texts comes first, though.

namespace QtLockFile::Internal {

namespace {

// As QCoreApplication::translate() puts the number in, which it does also where nothing is translated.
QString withNumber(QString text, int n)
{
    return n < 0 ? text : text.replace(QLatin1String("%n"), QString::number(n));
}

#ifdef QTLOCKFILE_TRANSLATED

// Never destroyed: threads that outlive main() may have something to say.
const QTranslator *german()
{
    static const QTranslator *const translator = [] {
        auto *loaded = new QTranslator;
        [[maybe_unused]] const bool isValid = loaded->load(qtlockfile_de, int(sizeof(qtlockfile_de)));
        Q_ASSERT(isValid);
        return loaded;
    }();
    return translator;
}

// The first of the user's languages that there is. Texts stand in English in the source.
const QTranslator *translatorFor(const QLocale &locale)
{
    const QStringList languages = locale.uiLanguages();
    for (const QString &name : languages) {
        const QLocale::Language language = QLocale(name).language();
        if (language == QLocale::German)
            return german();
        if (language == QLocale::English || language == QLocale::C)
            break;
    }
    return nullptr;
}

#else

const QTranslator *translatorFor(const QLocale &)
{
    return nullptr;
}

#endif

} // namespace

QString Text::translated(const char *context, const char *text, const char *comment, int n)
{
    QString byApplication = QCoreApplication::translate(context, text, comment, n);
    if (byApplication != withNumber(QString::fromUtf8(text), n))
        return byApplication;
    const QTranslator *translator = nullptr;
    {
        const ForkGuard guard; // the first use of QLocale makes what all others wait for
        translator = translatorFor(QLocale());
    }
    const QString byUs = translator ? translator->translate(context, text, comment, n) : QString();
    return byUs.isEmpty() ? byApplication : withNumber(byUs, n);
}

} // namespace QtLockFile::Internal
