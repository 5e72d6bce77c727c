// SPDX-License-Identifier: 0BSD
#include "inbox_p.h"
#include "passingerror_p.h"

#include <QtCore/qloggingcategory.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>

#include <dirent.h>
#include <fcntl.h>

// Messages are files beside the lock, and what has become of one is the end of its name, so that each step is one
// rename(2), which is whole or not at all, and both sides can be stopped or killed anywhere:
//
//     NAME.new       the sender is writing
//     NAME.message   sent, and nobody has seen it
//     NAME.taken     the primary's event loop has picked it up
//     NAME.done      the slots have run                 NAME.refused   not acted on; the file says why
//     NAME.gone      the primary ended before that
//
// Who is still there is told by locks on the file, one of the sender and one of the taker, and not by process ids:
// the kernel drops them with their owner. A file in a state in which its owner is waited for, but gone, is cleaned up
// by the next who looks.
//
// A message that a primary took and then crashed on is not given to the next one, which it might crash too. One that
// nobody took is, as long as its sender waits; what was sent to the same primary is handled in any case.
//
// Nobody but the user, and root, can put a file into the folder, and yet each is checked on the open descriptor
// before it is read. Opening must not have effects, so that what is no regular file is not opened at all, and what
// takes its place meanwhile cannot block.
//
// That something is used up, memory or descriptors, is no fault of a message: it is left where it is, with those
// behind it, and looked at again. Where it cannot be told whether somebody has a lock, somebody has.

namespace QtLockFile::Internal {

namespace {

Q_LOGGING_CATEGORY(logInbox, "qtlockfile.singleinstance")

// Once more where it fails, for what nobody comes back to.
template<typename Call>
bool worksInTwo(Call call)
{
    bool works = false;
    for (int tries = 0; tries < 2 && !works; ++tries)
        works = call();
    return works;
}

bool mayBeLocked(int file, Bytes byte)
{
    FoundLock lock;
    return !worksInTwo([&] { return findLock(file, LockKind::Write, byte, &lock) == 0; }) || lock.found;
}

QByteArray textOf(int error)
{
    return QByteArray::fromStdString(std::generic_category().message(error));
}

QByteArray withoutSuffix(const QByteArray &name)
{
    return name.left(name.lastIndexOf('.'));
}

// What is wrong with a message's file, null if nothing is.
const char *problemOf(const struct stat &status)
{
    if (!S_ISREG(status.st_mode))
        return "it is not a regular file";
    if (status.st_uid != ::geteuid())
        return "it belongs to somebody else";
    if ((status.st_mode & 077) != 0)
        return "others may access it";
    if (status.st_nlink > 1)
        return "it has other names";
    if (status.st_size > kLargestMessage)
        return "it is too large";
    return nullptr;
}

// Returns 0 or an errno.
int readAll(int file, qsizetype size, QByteArray *bytes)
{
    bytes->resize(size);
    qsizetype done = 0;
    while (done < size) {
        const ssize_t got = ::pread(file, bytes->data() + done, size_t(size - done), done);
        if (got < 0 && errno != EINTR)
            return errno;
        if (got == 0)
            break;
        done += qMax<ssize_t>(got, 0);
    }
    bytes->truncate(done);
    return 0;
}

} // namespace

// If it is in vain the next look takes the taker for gone.
bool TakenMessage::moveTo(const char *suffix)
{
    const int folder = m_folder->descriptor();
    const QByteArray before = m_name + MessageSuffix::kTaken;
    const QByteArray after = m_name + suffix;
    if (worksInTwo([&] { return ::renameat(folder, before.constData(), folder, after.constData()) == 0; }))
        return true;
    if (errno != ENOENT) // else the sender has taken it back
        qCWarning(logInbox, "SingleInstance: %s in %s cannot be renamed: %s", before.constData(), qUtf8Printable(m_folder->path()), textOf(errno).constData());
    return false;
}

void TakenMessage::end(const char *suffix)
{
    if (moveTo(suffix) && !mayBeLocked(m_file.get(), kSenderByte))
        ::unlinkat(m_folder->descriptor(), (m_name + suffix).constData(), 0); // nobody is there to read it
    m_file.reset();
}

void TakenMessage::done()
{
    end(MessageSuffix::kDone);
}

void TakenMessage::refuse(const QString &reason)
{
    const QByteArray bytes = reason.toUtf8();
    // In place: the sender reads it only under its new name. On a full disk it learns of the refusal without the
    // reason, and sees that what is in the file is none where that could not be emptied.
    if (::ftruncate(m_file.get(), 0) != 0 || ::pwrite(m_file.get(), bytes.constData(), size_t(bytes.size()), 0) != bytes.size())
        qCWarning(logInbox, "SingleInstance: the reason for a refusal could not be written");
    end(MessageSuffix::kRefused);
}

void TakenMessage::giveBack()
{
    moveTo(MessageSuffix::kMessage);
    m_file.reset();
}

void Inbox::open(std::shared_ptr<InstanceFolder> folder)
{
    m_folder = std::move(folder);
    m_hasDropped = true;
}

// All of them, or none where that cannot be done: what comes first would not be known.
QByteArrayList Inbox::names()
{
    QByteArrayList result;
    int error = 0;
    Descriptor copy(::openat(m_folder->descriptor(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    DIR *const folder = copy.isOpen() ? ::fdopendir(copy.get()) : nullptr;
    if (!folder) {
        error = errno;
    } else {
        copy.release(); // it is the stream's
        errno = 0;
        while (const dirent *const entry = ::readdir(folder))
            result.append(entry->d_name);
        error = errno;
        ::closedir(folder);
    }
    if (error != 0) {
        m_isComplete = false;
        if (!std::exchange(m_hasWarned, true))
            qCWarning(logInbox, "SingleInstance: the messages in %s cannot be seen: %s", qUtf8Printable(m_folder->path()), textOf(error).constData());
        return {};
    }
    m_hasWarned = false;
    std::sort(result.begin(), result.end());
    return result;
}

void Inbox::remove(const QByteArray &name)
{
    if (!worksInTwo([&] { return ::unlinkat(m_folder->descriptor(), name.constData(), 0) == 0; }) && errno != ENOENT)
        qCWarning(logInbox, "SingleInstance: %s in %s cannot be removed: %s", name.constData(), qUtf8Printable(m_folder->path()), textOf(errno).constData());
}

void Inbox::reject(const QByteArray &name, const char *why)
{
    qCWarning(logInbox, "SingleInstance: %s in %s is not acted on: %s", name.constData(), qUtf8Printable(m_folder->path()), why);
    const int folder = m_folder->descriptor();
    if (::unlinkat(folder, name.constData(), 0) != 0 && ::unlinkat(folder, name.constData(), AT_REMOVEDIR) != 0)
        ::renameat(folder, name.constData(), folder, (name + MessageSuffix::kRejected).constData()); // so that it is met once only
}

bool Inbox::isForLater(int error)
{
    if (!isPassing(error))
        return false;
    m_isComplete = false;
    return true;
}

// Removed meanwhile is no problem, and an answer that cannot be tidied up may be one that its sender can read.
void Inbox::rejectOrLeave(const QByteArray &name, int error, const char *why)
{
    if (error != ENOENT && !isForLater(error) && name.endsWith(MessageSuffix::kMessage))
        reject(name, why);
}

Descriptor Inbox::openFile(const QByteArray &name, int flags, struct stat *status)
{
    const int folder = m_folder->descriptor();
    if (::fstatat(folder, name.constData(), status, AT_SYMLINK_NOFOLLOW) != 0) {
        rejectOrLeave(name, errno, "it cannot be inspected");
        return Descriptor();
    }
    const char *problem = problemOf(*status);
    Descriptor file;
    if (!problem) {
        file = Descriptor(::openat(folder, name.constData(), flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
        if (!file.isOpen()) {
            rejectOrLeave(name, errno, "it cannot be opened");
            return Descriptor();
        }
        if (::fstat(file.get(), status) != 0) {
            rejectOrLeave(name, errno, "it cannot be inspected");
            return Descriptor();
        }
        problem = problemOf(*status);
    }
    if (problem) {
        reject(name, problem);
        return Descriptor();
    }
    return file;
}

void Inbox::dropAbandoned()
{
    m_isComplete = true;
    for (const QByteArray &name : names()) {
        if (!name.endsWith(MessageSuffix::kMessage))
            continue;
        struct stat status;
        const Descriptor file = openFile(name, O_RDONLY, &status);
        if (!file.isOpen() || mayBeLocked(file.get(), kSenderByte))
            continue;
        qCWarning(logInbox, "SingleInstance: a message to an instance that has ended is dropped, since its sender has ended too");
        remove(name);
    }
    m_hasDropped = m_isComplete;
}

std::vector<std::shared_ptr<TakenMessage>> Inbox::take()
{
    std::vector<std::shared_ptr<TakenMessage>> result;
    if (!m_hasDropped)
        dropAbandoned();
    if (!m_hasDropped)
        return result;
    m_isComplete = true;
    bool isStuck = false; // at a message that the next ones are not to overtake
    for (const QByteArray &name : names()) {
        if (!name.endsWith(MessageSuffix::kMessage)) {
            tidy(name);
        } else if (!isStuck) {
            if (std::shared_ptr<TakenMessage> message = takeOne(name))
                result.push_back(std::move(message));
            else
                isStuck = !m_isComplete;
        }
    }
    return result;
}

std::shared_ptr<TakenMessage> Inbox::takeOne(const QByteArray &name)
{
    struct stat status;
    Descriptor file = openFile(name, O_RDWR, &status);
    if (!file.isOpen())
        return nullptr;
    QByteArray bytes;
    int error = readAll(file.get(), status.st_size, &bytes);
    if (error != 0) {
        rejectOrLeave(name, error, "it cannot be read");
        return nullptr;
    }
    InstanceMessage content;
    if (!decode(bytes, &content)) {
        reject(name, "it is not a whole message");
        return nullptr;
    }
    error = tryLock(file.get(), LockKind::Write, kTakerByte);
    if (error == EAGAIN)
        return nullptr; // another is just taking it
    if (error != 0) {
        rejectOrLeave(name, error, "it cannot be locked");
        return nullptr;
    }
    const int folder = m_folder->descriptor();
    const QByteArray base = withoutSuffix(name);
    if (::renameat(folder, name.constData(), folder, (base + MessageSuffix::kTaken).constData()) != 0) { // ENOENT: taken back by the sender
        rejectOrLeave(name, errno, "it cannot be renamed");
        return nullptr;
    }
    auto message = std::make_shared<TakenMessage>(m_folder, base, std::move(file));
    message->content = std::move(content);
    return message;
}

void Inbox::tidy(const QByteArray &name)
{
    const bool taken = name.endsWith(MessageSuffix::kTaken);
    const bool isOurs = taken || name.endsWith(MessageSuffix::kUnfinished) || name.endsWith(MessageSuffix::kDone) || name.endsWith(MessageSuffix::kRefused)
        || name.endsWith(MessageSuffix::kGone);
    if (!isOurs)
        return;
    struct stat status;
    const Descriptor file = openFile(name, O_RDONLY, &status);
    if (!file.isOpen() || (taken && mayBeLocked(file.get(), kTakerByte)))
        return;
    const int folder = m_folder->descriptor();
    if (!mayBeLocked(file.get(), kSenderByte))
        remove(name);
    else if (taken && ::renameat(folder, name.constData(), folder, (withoutSuffix(name) + MessageSuffix::kGone).constData()) != 0)
        rejectOrLeave(name, errno, "it cannot be renamed");
}

} // namespace QtLockFile::Internal
