// SPDX-License-Identifier: 0BSD
#include "instancefolder_p.h"
#include "lockerror_p.h"
#include "passingerror_p.h"
#include "text_p.h"

#include <QtCore/qcryptographichash.h>
#include <QtCore/qfile.h>
#include <QtCore/qloggingcategory.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include <fcntl.h>
#include <sys/stat.h>

// Which folder, so that all processes of a user find the same one.
//
// $XDG_RUNTIME_DIR, if it is what the XDG Base Directory Specification says it must be: the user's own and closed to
// others. A process without that variable (cron, su, ssh without pam_systemd) looks where systemd-logind makes it
// (/run/user/UID, pam_systemd(8)), or it would not meet those that have it. Else a folder in /tmp that carries the
// uid. Not $TMPDIR, which differs between processes, and not the home folder, which several machines may share.
// Everybody can make a folder in /tmp first: that one is refused and never used.
//
// A runtime folder in which nothing can be made, read-only or otherwise, is passed over with a warning: for all
// processes alike. Where something is used up, space or memory or descriptors, it is not: that is different a minute
// later, and then two processes would be in different places.
//
// Sticky, because clean-up of runtime folders leaves that alone (same specification), and because it costs nothing.

namespace QtLockFile::Internal {

namespace {

Q_LOGGING_CATEGORY(logFolder, "qtlockfile.singleinstance")

constexpr int kOpenFolder = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
constexpr mode_t kFolderMode = 01700;
constexpr qsizetype kLongestPlainName = 100;
constexpr qsizetype kReadablePart = 60;

bool isPlain(char16_t c)
{
    return (c >= u'a' && c <= u'z') || (c >= u'A' && c <= u'Z') || (c >= u'0' && c <= u'9') || c == u'.' || c == u'_' || c == u'-';
}

InstanceFolder::Trust trustIn(int descriptor)
{
    struct stat status;
    if (::fstat(descriptor, &status) != 0)
        return InstanceFolder::Trust::Unknown;
    const bool isOurs = S_ISDIR(status.st_mode) && status.st_uid == ::geteuid() && (status.st_mode & 077) == 0;
    return isOurs ? InstanceFolder::Trust::Ours : InstanceFolder::Trust::Foreign;
}

QString fallbackPath()
{
    return QStringLiteral("/tmp/qtlockfile-%1").arg(::geteuid());
}

QString pathIn(const QString &basePath, const QByteArray &name)
{
    return (basePath.endsWith(u'/') ? basePath : basePath + u'/') + QFile::decodeName(name);
}

// Another folder is tried where nothing can be made, and for no other reason.
bool isHopeless(int error)
{
    return error == EROFS || error == EACCES || error == EPERM;
}

} // namespace

QByteArray fileNameFor(const QString &id)
{
    const auto plain = [](QChar c) { return isPlain(c.unicode()); };
    if (!id.isEmpty() && id.size() <= kLongestPlainName && !id.startsWith(u'.') && std::all_of(id.begin(), id.end(), plain))
        return id.toLatin1();
    // The ~ is in no plain name. The hash is of the UTF-16, since unpaired surrogates would all be the same in UTF-8.
    QByteArray name;
    const QString readable = id.left(kReadablePart);
    for (const QChar c : readable)
        name += plain(c) ? char(c.unicode()) : '_';
    const QByteArrayView whole(reinterpret_cast<const char *>(id.utf16()), id.size() * 2);
    if (name.startsWith('.'))
        name[0] = '_';
    return name + '~' + QCryptographicHash::hash(whole.toByteArray(), QCryptographicHash::Sha256).toHex().left(32);
}

QString displaySession()
{
    if (qEnvironmentVariableIsSet("WAYLAND_DISPLAY"))
        return qEnvironmentVariable("WAYLAND_DISPLAY");
    QString display = qEnvironmentVariable("DISPLAY");
    const qsizetype colon = display.lastIndexOf(u':');
    const qsizetype screen = display.indexOf(u'.', std::max<qsizetype>(colon, 0));
    return colon < 0 || screen < 0 ? display : display.left(screen); // ":0.1" is a screen of ":0"
}

void InstanceFolder::fail(int error, const QString &path, const QString &message)
{
    const LockError::Code code = lockErrorFor(path, {Outcome::Result::Failed, Operation::Create, error}).code();
    m_error = LockError(code, error, path, message);
}

void InstanceFolder::failWith(int error, const QString &path)
{
    fail(error, path, Text::tr("Cannot use the folder %1: %2.").arg(path, QString::fromLocal8Bit(std::generic_category().message(error).c_str())));
}

InstanceFolder::Trust InstanceFolder::trust() const
{
    return trustIn(m_descriptor.get());
}

// Of a folder that was just opened, or errno says why not. Tells whether it can be used.
bool InstanceFolder::check(const Descriptor &folder, const QString &path)
{
    const Trust trust = folder.isOpen() ? trustIn(folder.get()) : Trust::Unknown;
    if (trust == Trust::Unknown)
        failWith(errno, path);
    else if (trust == Trust::Foreign)
        fail(EACCES, path, Text::tr("The folder %1 is not this user's alone, so it is not used.").arg(path));
    return trust == Trust::Ours;
}

bool InstanceFolder::isSameAs(const InstanceFolder &other) const
{
    struct stat ours;
    struct stat theirs;
    return m_path == other.m_path && ::fstat(m_descriptor.get(), &ours) == 0 && ::fstat(other.m_descriptor.get(), &theirs) == 0 && ours.st_dev == theirs.st_dev
        && ours.st_ino == theirs.st_ino;
}

QString InstanceFolder::expectedPath(const QString &chosen, const QByteArray &name)
{
    QString basePath = chosen;
    int error = 0;
    QString passedOver;
    const Descriptor base =
        chosen.isEmpty() ? openRuntimeFolder(&basePath, &error, &passedOver) : Descriptor(::open(QFile::encodeName(chosen).constData(), kOpenFolder));
    if (error != 0)
        return {};
    Attempt attempt = base.isOpen() ? lookIn(base.get(), name) : Attempt::Elsewhere;
    if (attempt == Attempt::Elsewhere && chosen.isEmpty()) {
        basePath = fallbackPath();
        attempt = lookForFallbackFolder(name);
    }
    return attempt == Attempt::Done ? pathIn(basePath, name) : QString();
}

// What openIn() would come to.
InstanceFolder::Attempt InstanceFolder::lookIn(int base, const QByteArray &name)
{
    const Descriptor folder(::openat(base, name.constData(), kOpenFolder | O_NOFOLLOW));
    if (folder.isOpen())
        return trustIn(folder.get()) == Trust::Ours ? Attempt::Done : Attempt::Failed;
    if (errno != ENOENT)
        return Attempt::Failed;
    if (::faccessat(base, ".", W_OK | X_OK, AT_EACCESS) == 0)
        return Attempt::Done;
    return isHopeless(errno) ? Attempt::Elsewhere : Attempt::Failed;
}

// The same, after openFallbackFolder().
InstanceFolder::Attempt InstanceFolder::lookForFallbackFolder(const QByteArray &name)
{
    const Descriptor folder(::open(QFile::encodeName(fallbackPath()).constData(), kOpenFolder | O_NOFOLLOW));
    if (folder.isOpen())
        return trustIn(folder.get()) == Trust::Ours ? lookIn(folder.get(), name) : Attempt::Failed;
    return errno == ENOENT ? Attempt::Done : Attempt::Failed; // it would be made
}

bool InstanceFolder::open(const QString &chosen, const QByteArray &name)
{
    m_error = {};
    m_descriptor.reset();
    m_path.clear();
    if (!chosen.isEmpty()) {
        const Descriptor base(::open(QFile::encodeName(chosen).constData(), kOpenFolder));
        if (!base.isOpen())
            failWith(errno, chosen);
        else
            openIn(base.get(), chosen, name);
        return m_descriptor.isOpen();
    }
    QString basePath;
    QString passedOver;
    int error = 0;
    const Descriptor runtime = openRuntimeFolder(&basePath, &error, &passedOver);
    if (error != 0) {
        failWith(error, basePath);
        return false;
    }
    if (!passedOver.isEmpty())
        qCWarning(logFolder, "SingleInstance: XDG_RUNTIME_DIR is %s, which is not a folder of this user alone and is not used", qUtf8Printable(passedOver));
    if (runtime.isOpen()) {
        if (openIn(runtime.get(), basePath, name) != Attempt::Elsewhere)
            return m_descriptor.isOpen();
        qCWarning(logFolder, "SingleInstance: nothing can be made in %s, so /tmp is used instead", qUtf8Printable(basePath));
    }
    const Descriptor fallback = openFallbackFolder(&basePath);
    if (fallback.isOpen())
        openIn(fallback.get(), basePath, name);
    return m_descriptor.isOpen();
}

Descriptor InstanceFolder::openRuntimeFolder(QString *path, int *error, QString *passedOver)
{
    const QString fromEnvironment = qEnvironmentVariable("XDG_RUNTIME_DIR");
    const QString usual = QStringLiteral("/run/user/%1").arg(::geteuid());
    for (const QString &candidate : {fromEnvironment, usual}) {
        if (!candidate.startsWith(u'/')) // the specification: relative paths are to be ignored
            continue;
        Descriptor folder(::open(QFile::encodeName(candidate).constData(), kOpenFolder));
        const Trust trust = folder.isOpen() ? trustIn(folder.get()) : Trust::Unknown;
        if (trust == Trust::Ours) {
            *path = candidate;
            return folder;
        }
        if (trust == Trust::Unknown && isPassing(errno)) { // see above: the next process may find it
            *error = errno;
            *path = candidate;
            return Descriptor();
        }
        if (candidate == fromEnvironment)
            *passedOver = candidate;
    }
    return Descriptor();
}

Descriptor InstanceFolder::openFallbackFolder(QString *path)
{
    *path = fallbackPath();
    const QByteArray native = QFile::encodeName(*path);
    if (::mkdir(native.constData(), kFolderMode) != 0 && errno != EEXIST) {
        failWith(errno, *path);
        return Descriptor();
    }
    Descriptor folder(::open(native.constData(), kOpenFolder | O_NOFOLLOW));
    return check(folder, *path) ? std::move(folder) : Descriptor();
}

InstanceFolder::Attempt InstanceFolder::openIn(int base, const QString &basePath, const QByteArray &name)
{
    m_path = pathIn(basePath, name);
    if (::mkdirat(base, name.constData(), kFolderMode) != 0 && errno != EEXIST) {
        const int error = errno;
        failWith(error, m_path);
        return isHopeless(error) ? Attempt::Elsewhere : Attempt::Failed;
    }
    Descriptor folder(::openat(base, name.constData(), kOpenFolder | O_NOFOLLOW));
    if (!check(folder, m_path))
        return Attempt::Failed;
    m_descriptor = std::move(folder);
    m_error = {};
    return Attempt::Done;
}

} // namespace QtLockFile::Internal
