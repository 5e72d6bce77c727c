// SPDX-License-Identifier: 0BSD
// As careless as a compiler allows that is asked for no warnings, and as Qt allows that is asked to forbid nothing.
#include <QCoreApplication>
#include <QTemporaryDir>
#include <QtLockFile/LockFile>

#ifdef _FILE_OFFSET_BITS
#    error "a definition of the library's own has leaked"
#endif

class Counter : public QObject
{
    Q_OBJECT

public:
    int count = 0;

signals:
    void counted(int count);

public slots:
    void increase() { emit counted(++count); }
};

int main(int argc, char *argv[])
{
    int unused;
    QCoreApplication app(argc, argv);
    QTemporaryDir folder;
    QString name = "careless.lock";
    QtLockFile::LockFile lock(folder.filePath(name));
    Counter counter;
    foreach (int app, (QList<int>{1, 2})) {
        char narrow = app + 'a';
        QObject::connect(&lock, SIGNAL(acquired()), &counter, SLOT(increase()));
    }
    if (!lock.tryAcquire())
        return 1;
    lock.waitForAcquired();
    return counter.count == 2 ? 0 : 2;
}

#include "lax.moc"
