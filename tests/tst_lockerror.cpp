// SPDX-License-Identifier: 0BSD
#include "environment.h"
#include "servedfolder.h"

#include <QtCore/qregularexpression.h>
#include <QtCore/qtranslator.h>
#include <QtTest/qsignalspy.h>

#include <cstring>
#include <functional>
#include <memory>
#include <vector>

#include <sys/socket.h>
#include <sys/un.h>

using namespace QtLockFile;
using State = LockFile::State;
using Code = LockError::Code;

namespace {

QByteArray native(const QString &path)
{
    return QFile::encodeName(path);
}

bool makeSocket(const QString &path)
{
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const QByteArray name = native(path);
    if (size_t(name.size()) >= sizeof address.sun_path)
        return false;
    std::memcpy(address.sun_path, name.constData(), size_t(name.size()));
    const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const bool ok = socket >= 0 && ::bind(socket, reinterpret_cast<const sockaddr *>(&address), sizeof address) == 0;
    ::close(socket);
    return ok;
}

bool link(const QString &target, const QString &path)
{
    return ::symlink(native(target).constData(), native(path).constData()) == 0;
}

// What an attempt comes to, in each of its forms.
std::vector<LockError> errorsAt(const QString &path, bool remove = true)
{
    std::vector<LockError> errors;
    for (const bool wait : {false, true}) {
        for (const auto timeout : {-1ms, 0ms}) {
            LockFile lock(path);
            lock.setTimeout(timeout);
            lock.setRemoveOnRelease(remove);
            bool acquired;
            if (wait) {
                lock.acquire();
                acquired = lock.waitForAcquired(kLong);
            } else {
                acquired = lock.tryAcquire();
            }
            errors.push_back(acquired || lock.state() != State::Released ? LockError() : lock.error());
        }
    }
    return errors;
}

QString describe(const LockError &error)
{
    return QStringLiteral("%1, %2 (%3): %4")
        .arg(nameOf(error.code()))
        .arg(error.systemError())
        .arg(QString::fromLocal8Bit(::strerror(error.systemError())), error.message());
}

// Operation, path and cause.
bool isComplete(const LockError &error, const QString &path, const char *operation)
{
    return error.path() == path && error.message().startsWith(QString::fromLatin1(operation)) && error.message().contains(path)
        && error.message().size() > qsizetype(std::strlen(operation)) + path.size() + 5 && error.message().endsWith(u'.');
}

using Prepare = std::function<bool(const Folder &)>;

} // namespace

// Each code, provoked for real.
class TestLockError : public QObject
{
    Q_OBJECT

    static void compare(const std::vector<LockError> &errors, const QString &path, Code code, int systemError, const char *operation)
    {
        for (const LockError &error : errors) {
            QVERIFY2(error.code() == code, qPrintable(describe(error)));
            QVERIFY2(error.systemError() == systemError, qPrintable(describe(error)));
            QVERIFY2(isComplete(error, path, operation), qPrintable(describe(error)));
            QCOMPARE(error.holder().pid(), qint64(-1));
        }
    }

private Q_SLOTS:
    void init() { QTest::failOnWarning(QRegularExpression(QStringLiteral("."))); }

    // The first, since an idle thread of an earlier one would do.
    void whereNoThreadCanBeHadAttemptsFailAndLocksAreStillLetGo()
    {
        NEEDS_ROOT("to become a user who may start no thread");
        const Folder folder;
        const Umask umask(0);
        LockFile held(folder.path());
        LockFile lock(folder.path());
        {
            const WithoutThreads none;
            QVERIFY(none.isOk());
            QVERIFY2(held.tryAcquire(), "it needs no thread");
            lock.acquire();
            QCOMPARE(lock.state(), State::Acquiring);
            QVERIFY(!lock.waitForAcquired(kLong));
            compare({lock.error()}, folder.path(), Code::System, EAGAIN, "Cannot start a thread ");
            held.release();
            QVERIFY(held.waitForReleased(kLong));
            QVERIFY(!held.error());
            auto inScope = std::make_unique<LockFile>(folder.path());
            QVERIFY(inScope->tryAcquire());
            inScope.reset();
        }
        QVERIFY(folder.isEmpty());
        lock.acquire();
        QVERIFY2(lock.waitForAcquired(kLong), "once there are threads again");
    }

    void noErrorIsEmpty()
    {
        const LockError none;
        QVERIFY(!none);
        QCOMPARE(none.code(), Code::None);
        QCOMPARE(none.systemError(), 0);
        QVERIFY(none.path().isEmpty());
        QVERIFY(none.message().isEmpty());
        QCOMPARE(none.holder(), LockParticipant());
        QString text;
        QDebug(&text) << none;
        QCOMPARE(text.trimmed(), QStringLiteral("LockError(QtLockFile::LockError::Code::None)"));
    }

    void isAValue()
    {
        const LockError error(Code::System, EIO, QStringLiteral("/lock"), QStringLiteral("Cannot lock /lock."), LockParticipant::ofProcess(1));
        LockError copy = error;
        QVERIFY(copy);
        QCOMPARE(copy, error);
        QCOMPARE(QVariant::fromValue(error).value<LockError>(), error);
        QVERIFY(copy != LockError());
        QVERIFY(error != LockError(Code::System, EIO, QStringLiteral("/lock"), QStringLiteral("Cannot lock /lock.")));
        const QMetaObject &meta = LockError::staticMetaObject;
        QCOMPARE(meta.property(meta.indexOfProperty("systemError")).readOnGadget(&error).toInt(), EIO);
        QCOMPARE(meta.property(meta.indexOfProperty("code")).readOnGadget(&error).value<Code>(), Code::System);
        QCOMPARE(meta.property(meta.indexOfProperty("holder")).readOnGadget(&error).value<LockParticipant>().pid(), 1);
        QCOMPARE(meta.property(meta.indexOfProperty("path")).readOnGadget(&error).toString(), error.path());
        QCOMPARE(meta.property(meta.indexOfProperty("message")).readOnGadget(&error).toString(), error.message());
    }

    void qDebugShowsCodeErrnoAndMessage()
    {
        QString text;
        QDebug(&text) << LockError(Code::NoSpace, ENOSPC, QStringLiteral("/lock"), QStringLiteral("Cannot create it."));
        QVERIFY(text.contains(QStringLiteral("NoSpace")));
        QVERIFY(text.contains(QString::number(ENOSPC)));
        QVERIFY(text.contains(QStringLiteral("Cannot create it.")));
    }

    // What lies at the path.

    void whatIsNotALockFileIsRefusedAtOnceAndLeftAlone_data()
    {
        QTest::addColumn<Prepare>("prepare");
        QTest::addColumn<int>("systemError");
        QTest::newRow("a folder") << Prepare([](const Folder &folder) { return ::mkdir(native(folder.path()).constData(), 0777) == 0; }) << EISDIR;
        QTest::newRow("a FIFO without a writer") << Prepare([](const Folder &folder) { return ::mkfifo(native(folder.path()).constData(), 0666) == 0; }) << 0;
        QTest::newRow("a socket") << Prepare([](const Folder &folder) { return makeSocket(folder.path()); }) << ENXIO;
        QTest::newRow("a symbolic link to an empty file")
            << Prepare([](const Folder &folder) { return write(folder.path("target")) && link(folder.path("target"), folder.path()); }) << ELOOP;
        QTest::newRow("a symbolic link that leads nowhere")
            << Prepare([](const Folder &folder) { return link(folder.path("nowhere"), folder.path()); }) << ELOOP;
        QTest::newRow("a symbolic link to itself") << Prepare([](const Folder &folder) { return link(folder.path(), folder.path()); }) << ELOOP;
        QTest::newRow("a symbolic link to a folder") << Prepare([](const Folder &folder) { return link(folder.folder(), folder.path()); }) << ELOOP;
    }

    void whatIsNotALockFileIsRefusedAtOnceAndLeftAlone()
    {
        QFETCH(const Prepare, prepare);
        QFETCH(const int, systemError);
        const Folder folder;
        QVERIFY(prepare(folder));
        struct stat before;
        QCOMPARE(::lstat(native(folder.path()).constData(), &before), 0);
        for (const bool remove : {true, false})
            compare(errorsAt(folder.path(), remove), folder.path(), Code::NotALockFile, systemError, "Cannot open ");
        struct stat after;
        QCOMPARE(::lstat(native(folder.path()).constData(), &after), 0);
        QCOMPARE(after.st_ino, before.st_ino);
        QVERIFY(!exists(folder.path("nowhere")));
    }

    void aDeviceIsNotALockFile() { compare(errorsAt(QStringLiteral("/dev/null")), QStringLiteral("/dev/null"), Code::NotALockFile, 0, "Cannot open "); }

    void aFifoWithBothEndsOpenIsRefusedToo()
    {
        const Folder folder;
        QCOMPARE(::mkfifo(native(folder.path()).constData(), 0666), 0);
        const int other = ::open(native(folder.path()).constData(), O_RDWR | O_CLOEXEC);
        QVERIFY(other >= 0);
        compare(errorsAt(folder.path()), folder.path(), Code::NotALockFile, 0, "Cannot open ");
        ::close(other);
    }

    void aFileWithContentIsRefusedWhereItWouldBeRemoved()
    {
        const Folder folder;
        QVERIFY(write(folder.path(), "x"));
        struct stat before;
        QCOMPARE(::lstat(native(folder.path()).constData(), &before), 0);
        compare(errorsAt(folder.path()), folder.path(), Code::NotALockFile, 0, "Cannot open ");
        struct stat after;
        QCOMPARE(::lstat(native(folder.path()).constData(), &after), 0);
        QCOMPARE(after.st_mtim.tv_nsec, before.st_mtim.tv_nsec);
        QCOMPARE(after.st_mtim.tv_sec, before.st_mtim.tv_sec);
        QCOMPARE(read(folder.path()), QByteArray("x"));
    }

    // The path itself.

    void anEmptyPathIsAnError()
    {
        const CurrentFolder current(QDir::tempPath());
        for (const LockError &error : errorsAt(QString())) {
            QCOMPARE(error.code(), Code::System);
            QCOMPARE(error.systemError(), ENOENT);
            QVERIFY(error.path().isEmpty());
            QVERIFY(!error.message().isEmpty());
        }
    }

    void aPathWithANulIsAnErrorAndNothingIsCreated()
    {
        const Folder folder;
        const QString path = folder.path() + QChar(0) + QStringLiteral("more");
        compare(errorsAt(path), path, Code::System, EINVAL, "Cannot open ");
        QVERIFY(folder.isEmpty());
    }

    void aComponentThatIsTooLongIsAnError()
    {
        const Folder folder;
        const QString path = folder.folder() + u'/' + QString(256, u'x');
        compare(errorsAt(path), path, Code::System, ENAMETOOLONG, "Cannot open ");
    }

    void aPathThatIsTooLongIsAnError()
    {
        const Folder folder;
        const QString path = folder.folder() + QStringLiteral("/.").repeated(2100) + QStringLiteral("/lock");
        compare(errorsAt(path), path, Code::System, ENAMETOOLONG, "Cannot open ");
    }

    void aMissingFolderIsAnErrorAndIsNotCreated()
    {
        const Folder folder;
        compare(errorsAt(folder.path("missing/lock")), folder.path("missing/lock"), Code::System, ENOENT, "Cannot create ");
        QVERIFY(folder.isEmpty());
    }

    void aFileInThePlaceOfTheFolderIsAnError()
    {
        const Folder folder;
        QVERIFY(write(folder.path("file")));
        compare(errorsAt(folder.path("file/lock")), folder.path("file/lock"), Code::System, ENOTDIR, "Cannot open ");
    }

    void aPathThatEndsInASlashIsNotALockFile()
    {
        const Folder folder;
        for (const LockError &error : errorsAt(folder.path() + u'/'))
            QVERIFY2(error.code() == Code::NotALockFile, qPrintable(describe(error)));
        QVERIFY(folder.isEmpty());
    }

    // Permission.

    void accessIsDenied_data()
    {
        QTest::addColumn<Prepare>("prepare");
        QTest::addColumn<QByteArray>("operation");
        const auto withMode = [](mode_t mode) {
            return Prepare([mode](const Folder &folder) { return write(folder.path()) && ::chmod(native(folder.path()).constData(), mode) == 0; });
        };
        QTest::newRow("to a file of another user") << withMode(0600) << QByteArray("Cannot open ");
        QTest::newRow("to a file that may only be read") << withMode(0644) << QByteArray("Cannot open ");
        QTest::newRow("to a file that may only be written") << withMode(0622) << QByteArray("Cannot open ");
        QTest::newRow("to create a file in the folder") << Prepare([](const Folder &folder) { return folder.setMode(0755); }) << QByteArray("Cannot create ");
        QTest::newRow("to look into the folder") << Prepare([](const Folder &folder) { return folder.setMode(0700); }) << QByteArray("Cannot open ");
    }

    void accessIsDenied()
    {
        NEEDS_ROOT("to act as another user");
        QFETCH(const Prepare, prepare);
        QFETCH(const QByteArray, operation);
        const Folder folder;
        QVERIFY(prepare(folder));
        const AsNobody nobody;
        QVERIFY(nobody.isOk());
        compare(errorsAt(folder.path()), folder.path(), Code::AccessDenied, EACCES, operation.constData());
    }

    // The file system.

    void aReadOnlyFileSystemIsNamed()
    {
        NEEDS_ROOT("to mount a file system");
        const Folder folder;
        const MemoryDisk disk(folder.folder(), "size=64k");
        if (!disk.isOk())
            SKIP("a file system cannot be mounted here");
        QVERIFY(write(folder.path("existing")));
        QVERIFY(disk.makeReadOnly());
        compare(errorsAt(folder.path("existing")), folder.path("existing"), Code::ReadOnlyFileSystem, EROFS, "Cannot open ");
        compare(errorsAt(folder.path("missing")), folder.path("missing"), Code::ReadOnlyFileSystem, EROFS, "Cannot create ");
    }

    void aFullDiskIsNamedAndAnExistingLockFileStillWorks()
    {
        NEEDS_ROOT("to mount a file system");
        const Folder folder;
        const MemoryDisk disk(folder.folder(), "size=64k,nr_inodes=2"); // the folder, and one file
        if (!disk.isOk())
            SKIP("a file system cannot be mounted here");
        QVERIFY(write(folder.path("existing")));
        compare(errorsAt(folder.path("missing")), folder.path("missing"), Code::NoSpace, ENOSPC, "Cannot create ");
        LockFile lock(folder.path("existing"));
        QVERIFY2(lock.tryAcquire(), qPrintable(describe(lock.error())));
    }

    void aFileSystemWithoutLocksIsUnsupported_data()
    {
        QTest::addColumn<int>("systemError");
        QTest::newRow("ENOLCK, as of a network file system whose lock service is down") << ENOLCK;
        QTest::newRow("EOPNOTSUPP") << EOPNOTSUPP;
        QTest::newRow("ENOSYS") << ENOSYS;
        QTest::newRow("EINVAL, as of a kernel without locks of open files") << EINVAL;
    }

    void aFileSystemWithoutLocksIsUnsupported()
    {
        NEEDS_ROOT("to mount a file system");
        QFETCH(const int, systemError);
        const Folder folder;
        const ServedFolder server(folder.folder(), QString::number(systemError));
        if (!server.isOk())
            SKIP(server.why().constData());
        compare(errorsAt(folder.path(), false), folder.path(), Code::Unsupported, systemError, "Cannot lock ");
    }

    void otherErrorsOfLockingAreNamedByTheirErrno()
    {
        NEEDS_ROOT("to mount a file system");
        const Folder folder;
        const ServedFolder server(folder.folder(), QString::number(EIO));
        if (!server.isOk())
            SKIP(server.why().constData());
        compare(errorsAt(folder.path(), false), folder.path(), Code::System, EIO, "Cannot lock ");
    }

    // The process.

    void aFullTableOfDescriptorsIsAnErrorThatPasses()
    {
        const Folder folder;
        QVERIFY(!errorsAt(folder.path()).front()); // threads are there, and what else is opened once
        LockFile lock(folder.path());
        {
            const WithoutDescriptors none;
            QVERIFY(none.isOk());
            compare(errorsAt(folder.path()), folder.path(), Code::System, EMFILE, "Cannot open ");
            QVERIFY(!lock.tryAcquire());
        }
        QVERIFY(lock.tryAcquire());
    }

    void aHeldLockCanBeReleasedWithAFullTableOfDescriptors()
    {
        const Folder folder;
        LockFile lock(folder.path());
        QVERIFY(lock.tryAcquire());
        {
            const WithoutDescriptors none;
            QVERIFY(none.isOk());
            lock.release();
            QVERIFY(lock.waitForReleased(kLong));
            QVERIFY(!lock.error());
        }
        QVERIFY(folder.isEmpty());
    }

    // Others.

    void aHeldLockIsNamedWithItsHolder()
    {
        const Folder folder;
        LockFile holder(folder.path());
        QVERIFY(holder.tryAcquire());
        LockFile lock(folder.path());
        lock.setTimeout(0ms);
        for (const bool wait : {false, true}) {
            if (wait)
                lock.acquire();
            else
                QVERIFY(!lock.tryAcquire());
            QVERIFY(!lock.waitForAcquired(kLong));
            const LockError error = lock.error();
            QCOMPARE(error.code(), Code::Held);
            QCOMPARE(error.systemError(), EWOULDBLOCK);
            QVERIFY2(isComplete(error, folder.path(), "Cannot lock "), qPrintable(describe(error)));
            QCOMPARE(error.holder(), LockParticipant::ofProcess(::getpid()));
            QVERIFY(error.message().contains(error.holder().description()));
        }
    }

    void aTimeoutIsNamedWithTheHolder()
    {
        const Folder folder;
        LockFile holder(folder.path());
        QVERIFY(holder.tryAcquire());
        LockFile lock(folder.path());
        lock.setTimeout(10ms);
        lock.acquire();
        QVERIFY(mustWithoutEventLoop([&] { return lock.position() == 1; }));
        QVERIFY(!lock.waitForAcquired(kLong));
        const LockError error = lock.error();
        QCOMPARE(error.code(), Code::TimedOut);
        QCOMPARE(error.systemError(), ETIMEDOUT);
        QVERIFY2(isComplete(error, folder.path(), "Cannot lock "), qPrintable(describe(error)));
        QCOMPARE(error.holder(), LockParticipant::ofProcess(::getpid()));
        QVERIFY(error.message().contains(error.holder().description()));
    }

    void aCancelIsAnInterruption()
    {
        const Folder folder;
        LockFile holder(folder.path());
        QVERIFY(holder.tryAcquire());
        LockFile lock(folder.path());
        lock.acquire();
        lock.cancel();
        QVERIFY(!lock.waitForAcquired(kLong));
        QCOMPARE(lock.error().code(), Code::Cancelled);
        QCOMPARE(lock.error().systemError(), EINTR);
        QVERIFY2(isComplete(lock.error(), folder.path(), "Cannot "), qPrintable(describe(lock.error())));
    }

    void aMisuseIsNamedAndTheNextAttemptClearsIt()
    {
        const Folder folder;
        LockFile lock(folder.path());
        QTest::ignoreMessage(QtWarningMsg, QRegularExpression(QStringLiteral("^LockFile::release: Cannot release ")));
        lock.release();
        QCOMPARE(lock.error().code(), Code::InvalidState);
        QVERIFY2(isComplete(lock.error(), folder.path(), "Cannot release "), qPrintable(describe(lock.error())));
        QVERIFY(lock.tryAcquire());
        QCOMPARE(lock.error(), LockError());
    }

    void theErrorOfAFailedAttemptStaysUntilTheNextOneEnds()
    {
        const Folder folder;
        LockFile lock(folder.path("later/lock"));
        QVERIFY(!lock.tryAcquire());
        const LockError error = lock.error();
        QVERIFY(stays([&] { return lock.error() == error; }));
        QVERIFY(QDir(folder.folder()).mkdir(QStringLiteral("later")));
        lock.acquire();
        QVERIFY(lock.waitForAcquired(kLong));
        QVERIFY(!lock.error());
    }

    void messagesCanBeTranslated()
    {
        class Translator : public QTranslator
        {
        public:
            QString translate(const char *context, const char *source, const char *, int) const override
            {
                if (qstrcmp(context, "QtLockFile") != 0)
                    return {};
                return QStringLiteral("«") + QString::fromUtf8(source) + QStringLiteral("»");
            }
            bool isEmpty() const override { return false; }
        };
        Translator translator;
        QVERIFY(QCoreApplication::installTranslator(&translator));
        const Folder folder;
        LockFile lock(folder.path());
        QVERIFY(lock.tryAcquire());
        LockFile other(folder.path());
        QVERIFY(!other.tryAcquire());
        QVERIFY2(other.error().message().startsWith(u'«'), qPrintable(other.error().message()));
        QTest::ignoreMessage(QtWarningMsg, QRegularExpression(QStringLiteral("^LockFile::release: «")));
        other.release();
        QVERIFY(other.error().message().startsWith(u'«'));
        QCoreApplication::removeTranslator(&translator);
    }

    void messagesLeaveThePathAsItIs()
    {
        const Folder folder;
        LockFile holder(folder.path("100%2 %1 %n"));
        QVERIFY(holder.tryAcquire());
        LockFile lock(holder.path());
        QVERIFY(!lock.tryAcquire());
        QVERIFY(lock.error().message().contains(holder.path()));
        QVERIFY(lock.error().message().contains(QString::number(::getpid())));
        QTest::ignoreMessage(QtWarningMsg, QRegularExpression(QRegularExpression::escape(lock.path())));
        lock.release();
        QVERIFY(lock.error().message().contains(holder.path()));
    }
};

QTEST_GUILESS_MAIN(TestLockError)
#include "tst_lockerror.moc"
