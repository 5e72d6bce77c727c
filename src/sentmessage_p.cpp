// SPDX-License-Identifier: 0BSD
#include "sentmessage_p.h"
#include "inbox_p.h"
#include "lockbytes_p.h"

#include <QtCore/qrandom.h>

#include <cerrno>
#include <initializer_list>

#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

namespace QtLockFile::Internal {

namespace {

constexpr int kMostNames = 100;
constexpr int kMostReplyLooks = 3; // a message that is given back moves against the order of the looks, once
constexpr size_t kLongestReason = 64 * 1024;

int writeAll(int descriptor, const QByteArray &bytes)
{
    for (qsizetype done = 0; done < bytes.size();) {
        const ssize_t written = ::write(descriptor, bytes.constData() + done, size_t(bytes.size() - done));
        if (written < 0 && errno != EINTR)
            return errno;
        done += qMax<ssize_t>(written, 0);
    }
    return 0;
}

// One clock for all processes of the machine, so the names sort in the order in which the messages came.
QByteArray newName()
{
    timespec now = {};
    clock_gettime(CLOCK_MONOTONIC, &now);
    return QByteArray::number(qint64(now.tv_sec) * 1'000'000'000 + now.tv_nsec).rightJustified(19, '0') + '-' + QByteArray::number(::getpid()) + '-'
        + QByteArray::number(QRandomGenerator::system()->generate(), 16);
}

} // namespace

int SentMessage::send(int folder, const QByteArray &bytes)
{
    withdraw();
    m_folder = folder;
    for (int tries = 0; tries < kMostNames; ++tries) {
        const QByteArray unfinished = newName() + MessageSuffix::kUnfinished;
        Descriptor file(::openat(folder, unfinished.constData(), O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
        if (!file.isOpen() && errno == EEXIST)
            continue;
        int error = file.isOpen() ? 0 : errno;
        if (error == 0)
            error = tryLock(file.get(), LockKind::Write, kSenderByte);
        if (error == 0)
            error = writeAll(file.get(), bytes);
        if (error == 0) {
            m_name = newName(); // anew, because writing took its time
            if (::renameat(folder, unfinished.constData(), folder, (m_name + MessageSuffix::kMessage).constData()) == 0) {
                m_file = std::move(file);
                m_state = State::Waiting;
                return 0;
            }
            error = errno;
            if (error == ENOENT)
                continue; // seen before it was locked, and taken for what a crash had left
        }
        ::unlinkat(folder, unfinished.constData(), 0);
        return error;
    }
    return EBUSY;
}

SentMessage::State SentMessage::look()
{
    if (!isOnItsWay())
        return m_state;
    const auto exists = [this](const char *suffix) { return ::faccessat(m_folder, (m_name + suffix).constData(), F_OK, AT_SYMLINK_NOFOLLOW) == 0; };
    for (int looks = 0; looks < kMostReplyLooks; ++looks) {
        if (exists(MessageSuffix::kMessage))
            return m_state = State::Waiting;
        if (exists(MessageSuffix::kTaken))
            return m_state = State::Taken;
        State last = State::None;
        if (exists(MessageSuffix::kDone))
            last = State::Done;
        else if (exists(MessageSuffix::kRefused))
            last = State::Refused;
        else if (exists(MessageSuffix::kGone))
            last = State::Gone;
        if (last == State::None)
            continue;
        if (last == State::Refused) {
            QByteArray reason(kLongestReason, '\0');
            const ssize_t size = ::pread(m_file.get(), reason.data(), kLongestReason, 0);
            reason.truncate(qMax<ssize_t>(size, 0));
            if (!isMessage(reason)) // which could not be replaced by a reason
                m_reason = QString::fromUtf8(reason);
        }
        withdraw();
        return m_state = last;
    }
    withdraw();
    return m_state = State::Vanished;
}

void SentMessage::withdraw()
{
    if (m_file.isOpen()) {
        // In the order in which it moves, so that it cannot slip through.
        for (const char *suffix : {MessageSuffix::kMessage, MessageSuffix::kTaken, MessageSuffix::kDone, MessageSuffix::kRefused, MessageSuffix::kGone})
            ::unlinkat(m_folder, (m_name + suffix).constData(), 0);
    }
    m_file.reset();
    m_state = State::None;
}

} // namespace QtLockFile::Internal
