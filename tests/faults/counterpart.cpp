// SPDX-License-Identifier: 0BSD
#include "counterpart.h"

#include "environment.h"
#include "instancemessage_p.h"

#include <QtCore/qfileinfo.h>
#include <QtCore/qlogging.h>

#include <cstdio>

using namespace QtLockFile::Internal;

namespace {

std::mutex warningsMutex; // guards the warnings
QByteArrayList warnings;

void onMessage(QtMsgType type, const QMessageLogContext &, const QString &text)
{
    if (type == QtFatalMsg)
        std::fprintf(stderr, "%s\n", qPrintable(text));
    const std::lock_guard guard(warningsMutex);
    warnings << text.toUtf8();
}

} // namespace

RawMessage::RawMessage(const QString &folder, const char *name, Sender sender) : m_folder(folder), m_name(name)
{
    InstanceMessage message;
    message.arguments = {m_name.left(m_name.indexOf('.'))};
    const QByteArray bytes = encode(message);
    const QByteArray path = QFile::encodeName(folder + u'/') + m_name;
    const QByteArray unfinished = path + ".new";
    m_file = ::open(unfinished.constData(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    struct flock lock = {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    lock.l_len = 1;
    if (m_file < 0 || ::fcntl(m_file, F_OFD_SETLK, &lock) != 0 || ::write(m_file, bytes.constData(), size_t(bytes.size())) != bytes.size()
        || ::rename(unfinished.constData(), path.constData()) != 0)
        qFatal("a message of the test's own could not be written");
    if (sender == Sender::Ended)
        ::close(std::exchange(m_file, -1));
    m_name = message.arguments.first();
}

RawMessage::~RawMessage()
{
    if (m_file >= 0)
        ::close(m_file);
}

QByteArray RawMessage::state() const
{
    for (const char *state : {".message", ".taken", ".new", ".done", ".refused", ".gone", ".rejected"}) {
        if (exists(m_folder + u'/' + QString::fromLatin1(m_name + state)))
            return state;
    }
    return {};
}

QByteArray RawMessage::content() const
{
    char bytes[4096];
    const ssize_t size = ::pread(m_file, bytes, sizeof bytes, 0);
    return QByteArray(bytes, qMax<ssize_t>(size, 0));
}

RawPrimary::RawPrimary(const QString &folder, std::function<void(const QString &)> answer)
    : m_folder(folder), m_answer(std::move(answer)), m_thread([this] { run(); })
{
}

RawPrimary::~RawPrimary()
{
    m_ends = true;
    m_thread.join();
}

QByteArrayList RawPrimary::messages() const
{
    const std::lock_guard guard(m_mutex);
    return m_messages;
}

void RawPrimary::run()
{
    const QString end = QStringLiteral(".message");
    while (!m_ends) {
        for (const QString &name : QDir(m_folder).entryList({u'*' + end}, QDir::Files)) {
            const QString path = m_folder + u'/' + name.chopped(end.size());
            {
                const std::lock_guard guard(m_mutex);
                m_messages << read(path + end);
            }
            m_answer(path);
        }
        usleep(200);
    }
}

void setState(const QString &message, const char *before, const char *after)
{
    const QByteArray path = QFile::encodeName(message);
    ::rename((path + before).constData(), (path + after).constData());
}

Warnings::Warnings()
{
    const std::lock_guard guard(warningsMutex);
    warnings.clear();
    qInstallMessageHandler(onMessage);
}

Warnings::~Warnings()
{
    qInstallMessageHandler(nullptr);
}

bool Warnings::contain(const QByteArray &text) const
{
    const std::lock_guard guard(warningsMutex);
    return std::any_of(warnings.cbegin(), warnings.cend(), [&](const QByteArray &warning) { return warning.contains(text); });
}
