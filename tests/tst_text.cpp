// SPDX-License-Identifier: 0BSD
#include <QtLockFile/LockError>
#include <QtLockFile/LockFile>
#include <QtLockFile/LockQueue>

#include <QtCore/qlocale.h>
#include <QtCore/qtemporarydir.h>
#include <QtCore/qtranslator.h>
#include <QtTest/qtest.h>

using namespace QtLockFile;

// As an application has that words something differently.
class OwnWords : public QTranslator
{
    Q_OBJECT

public:
    QString translate(const char *context, const char *text, const char *, int) const override
    {
        return qstrcmp(context, "QtLockFile") == 0 && qstrcmp(text, "free") == 0 ? QStringLiteral("all yours") : QString();
    }
    bool isEmpty() const override { return false; }
};

class TestText : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void cleanup() { QLocale::setDefault(QLocale::c()); }

    void theLanguageIsThatOfTheLocale_data()
    {
        QTest::addColumn<QString>("locale");
        QTest::addColumn<QString>("text");
        QTest::newRow("Germany") << "de_DE"
                                 << "frei";
        QTest::newRow("Austria") << "de_AT"
                                 << "frei";
        QTest::newRow("America") << "en_US"
                                 << "free";
        QTest::newRow("a language that there is no translation into") << "tlh"
                                                                      << "free";
        QTest::newRow("the language of programs") << "C"
                                                  << "free";
    }

    void theLanguageIsThatOfTheLocale()
    {
        QFETCH(QString, locale);
        QLocale::setDefault(QLocale(locale));
        QTEST(LockQueue().description(), "text");
    }

    void aSentenceIsTranslatedAsAWhole()
    {
        const QTemporaryDir folder;
        LockFile lock(folder.path());
        QLocale::setDefault(QLocale(QLocale::German));
        QVERIFY(!lock.tryAcquire());
        QCOMPARE(lock.error().message(), QStringLiteral("Die Sperrdatei %1 kann nicht geöffnet werden: es ist keine reguläre Datei.").arg(folder.path()));
    }

    void numbersHaveTheirForm()
    {
        const QTemporaryDir folder;
        const QString path = folder.filePath(QStringLiteral("a.lock"));
        LockFile holder(path);
        QVERIFY(holder.tryAcquire());
        QLocale::setDefault(QLocale(QLocale::German));
        LockFile first(path);
        first.acquire();
        QTRY_COMPARE(first.position(), 1);
        QVERIFY2(LockQueue::of(path).description().endsWith(QStringLiteral(", 1 wartet")), qPrintable(LockQueue::of(path).description()));
        LockFile second(path);
        second.acquire();
        QTRY_COMPARE(second.position(), 2);
        QVERIFY2(LockQueue::of(path).description().endsWith(QStringLiteral(", 2 warten")), qPrintable(LockQueue::of(path).description()));
        QLocale::setDefault(QLocale::c());
        QVERIFY2(LockQueue::of(path).description().endsWith(QStringLiteral(", 2 waiting")), qPrintable(LockQueue::of(path).description()));
    }

    void theWordsOfTheApplicationComeFirst()
    {
        OwnWords words;
        QCoreApplication::installTranslator(&words);
        QLocale::setDefault(QLocale(QLocale::German));
        QCOMPARE(LockQueue().description(), QStringLiteral("all yours"));
        QCOMPARE(LockParticipant().description(), QStringLiteral("ein unbekannter Prozess"));
        QCoreApplication::removeTranslator(&words);
        QCOMPARE(LockQueue().description(), QStringLiteral("frei"));
    }
};

QTEST_GUILESS_MAIN(TestText)
#include "tst_text.moc"
