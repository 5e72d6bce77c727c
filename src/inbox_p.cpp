// SPDX-License-Identifier: 0BSD
#include "inbox_p.h"

#include <QtCore/qloggingcategory.h>

#include <algorithm>
#include <cerrno>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

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

namespace QtLockFile::Internal {

namespace {

Q_LOGGING_CATEGORY(logInbox, "qtlockfile.singleinstance")

bool isLocked(int file, Bytes byte)
{
    FoundLock lock;
    return findLock(file, LockKind::Write, byte, &lock) == 0 && lock.found;
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

QByteArray readAll(int file, qsizetype size)
{
    QByteArray bytes(size, '\0');
    qsizetype done = 0;
    while (done < size) {
        const ssize_t got = ::pread(file, bytes.data() + done, size_t(size - done), done);
        if (got == 0 || (got < 0 && errno != EINTR))
            break;
        done += qMax<ssize_t>(got, 0);
    }
    bytes.truncate(done);
    return bytes;
}

} // namespace

void TakenMessage::end(const char *suffix)
{
    if (!m_file.isOpen())
        return;
    const int folder = m_folder->descriptor();
    const QByteArray ended = m_name + suffix;
    ::renameat(folder, (m_name + MessageSuffix::kTaken).constData(), folder, ended.constData());
    if (!isLocked(m_file.get(), kSenderByte))
        ::unlinkat(folder, ended.constData(), 0); // nobody is there to read it
    m_file.reset();
}

void TakenMessage::done()
{
    end(MessageSuffix::kDone);
}

void TakenMessage::refuse(const QString &reason)
{
    if (!m_file.isOpen())
        return;
    const QByteArray bytes = reason.toUtf8();
    // In place: the sender reads it only under its new name. On a full disk it learns of the refusal without the reason.
    if (::ftruncate(m_file.get(), 0) != 0 || ::pwrite(m_file.get(), bytes.constData(), size_t(bytes.size()), 0) != bytes.size())
        qCWarning(logInbox, "SingleInstance: the reason for a refusal could not be written");
    end(MessageSuffix::kRefused);
}

void TakenMessage::giveBack()
{
    if (!m_file.isOpen())
        return;
    const int folder = m_folder->descriptor();
    ::renameat(folder, (m_name + MessageSuffix::kTaken).constData(), folder, (m_name + MessageSuffix::kMessage).constData());
    m_file.reset();
}

QByteArrayList Inbox::names() const
{
    QByteArrayList result;
    const int copy = ::openat(m_folder->descriptor(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *const folder = copy < 0 ? nullptr : ::fdopendir(copy);
    if (!folder) {
        if (copy >= 0)
            ::close(copy);
        return result;
    }
    while (const dirent *const entry = ::readdir(folder))
        result.append(entry->d_name);
    ::closedir(folder);
    std::sort(result.begin(), result.end());
    return result;
}

void Inbox::remove(const QByteArray &name)
{
    ::unlinkat(m_folder->descriptor(), name.constData(), 0);
}

void Inbox::reject(const QByteArray &name, const char *why)
{
    qCWarning(logInbox, "SingleInstance: %s in %s is not acted on: %s", name.constData(), qUtf8Printable(m_folder->path()), why);
    const int folder = m_folder->descriptor();
    if (::unlinkat(folder, name.constData(), 0) != 0 && ::unlinkat(folder, name.constData(), AT_REMOVEDIR) != 0)
        ::renameat(folder, name.constData(), folder, (name + MessageSuffix::kRejected).constData()); // so that it is met once only
}

Descriptor Inbox::openFile(const QByteArray &name, int flags)
{
    struct stat status;
    if (::fstatat(m_folder->descriptor(), name.constData(), &status, AT_SYMLINK_NOFOLLOW) != 0)
        return Descriptor();
    const char *problem = problemOf(status);
    Descriptor file;
    if (!problem) {
        file = Descriptor(::openat(m_folder->descriptor(), name.constData(), flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
        if (file.isOpen())
            problem = ::fstat(file.get(), &status) == 0 ? problemOf(status) : "it cannot be inspected"; // removed meanwhile is no problem
        else if (errno != ENOENT)
            problem = "it cannot be opened";
    }
    if (problem) {
        reject(name, problem);
        return Descriptor();
    }
    return file;
}

void Inbox::dropAbandoned()
{
    for (const QByteArray &name : names()) {
        if (!name.endsWith(MessageSuffix::kMessage))
            continue;
        const Descriptor file = openFile(name, O_RDONLY);
        if (!file.isOpen() || isLocked(file.get(), kSenderByte))
            continue;
        qCWarning(logInbox, "SingleInstance: a message to an instance that has ended is dropped, since its sender has ended too");
        remove(name);
    }
}

std::vector<std::shared_ptr<TakenMessage>> Inbox::take()
{
    std::vector<std::shared_ptr<TakenMessage>> result;
    for (const QByteArray &name : names()) {
        if (!name.endsWith(MessageSuffix::kMessage))
            tidy(name);
        else if (std::shared_ptr<TakenMessage> message = takeOne(name))
            result.push_back(std::move(message));
    }
    return result;
}

std::shared_ptr<TakenMessage> Inbox::takeOne(const QByteArray &name)
{
    Descriptor file = openFile(name, O_RDWR);
    struct stat status;
    if (!file.isOpen() || ::fstat(file.get(), &status) != 0)
        return nullptr;
    InstanceMessage content;
    if (!decode(readAll(file.get(), status.st_size), &content)) {
        reject(name, "it is not a whole message");
        return nullptr;
    }
    if (tryLock(file.get(), LockKind::Write, kTakerByte) != 0)
        return nullptr; // another is just taking it
    const int folder = m_folder->descriptor();
    const QByteArray base = withoutSuffix(name);
    if (::renameat(folder, name.constData(), folder, (base + MessageSuffix::kTaken).constData()) != 0)
        return nullptr; // taken back by the sender
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
    const Descriptor file = openFile(name, O_RDONLY);
    if (!file.isOpen() || (taken && isLocked(file.get(), kTakerByte)))
        return;
    if (!isLocked(file.get(), kSenderByte))
        remove(name);
    else if (taken)
        ::renameat(m_folder->descriptor(), name.constData(), m_folder->descriptor(), (withoutSuffix(name) + MessageSuffix::kGone).constData());
}

} // namespace QtLockFile::Internal
