// SPDX-License-Identifier: 0BSD
#include "instancemessage_p.h"
#include "readfile_p.h"

#include <QtCore/qendian.h>

#include <cerrno>
#include <cstdlib>
#include <string>

#include <unistd.h>

// The magic line; the length of all in eight bytes; then fields: a letter, the length in four bytes, the content. Numbers are
// big-endian. Letters that the reader does not know are passed over, so that later versions can say more.
//
// Not QDataStream: reading a list, it reserves as much memory as a number in the file says.

namespace QtLockFile::Internal {

namespace {

constexpr QByteArrayView kMagic("QtLockFile message 1\n");
constexpr qsizetype kLengthSize = 8;
constexpr qsizetype kFieldHead = 5;

void append(QByteArray *bytes, char letter, const QByteArray &content)
{
    char length[4];
    qToBigEndian(quint32(content.size()), length);
    *bytes += letter;
    bytes->append(length, sizeof length);
    *bytes += content;
}

} // namespace

int readCommandLine(QByteArrayList *arguments)
{
    std::string text;
    if (const int error = readFile(kCommandLine, &text))
        return error;
    *arguments = QByteArray::fromStdString(text).split('\0');
    arguments->removeLast(); // each ends with a NUL
    return 0;
}

int readWorkingDirectory(QByteArray *path)
{
    char *const name = ::getcwd(nullptr, 0); // as long as it may be, getcwd(3)
    if (!name)
        return errno == ENOENT ? 0 : errno;
    *path = name;
    std::free(name);
    return 0;
}

void readEnvironment(const QByteArrayList &names, InstanceMessage *message)
{
    for (const QByteArray &name : names) {
        if (qEnvironmentVariableIsSet(name.constData()))
            message->environment.insert(name, qgetenv(name.constData()));
    }
    message->activationToken = qgetenv("XDG_ACTIVATION_TOKEN");
    if (message->activationToken.isEmpty())
        message->activationToken = qgetenv("DESKTOP_STARTUP_ID");
}

QByteArray encode(const InstanceMessage &message)
{
    QByteArray bytes = kMagic.toByteArray() + QByteArray(kLengthSize, '\0');
    for (const QByteArray &argument : message.arguments)
        append(&bytes, 'A', argument);
    append(&bytes, 'D', message.workingDirectory);
    for (auto it = message.environment.begin(); it != message.environment.end(); ++it)
        append(&bytes, 'E', it.key() + '=' + it.value());
    append(&bytes, 'T', message.activationToken);
    append(&bytes, 'P', message.payload);
    qToBigEndian(quint64(bytes.size()), bytes.data() + kMagic.size());
    return bytes;
}

bool isMessage(const QByteArray &bytes)
{
    return bytes.startsWith(kMagic);
}

bool decode(const QByteArray &bytes, InstanceMessage *message)
{
    *message = {};
    qsizetype at = kMagic.size() + kLengthSize;
    if (bytes.size() < at || !isMessage(bytes) || qFromBigEndian<quint64>(bytes.constData() + kMagic.size()) != quint64(bytes.size()))
        return false;
    while (at < bytes.size()) {
        if (bytes.size() - at < kFieldHead)
            return false;
        const char letter = bytes.at(at);
        const qsizetype length = qFromBigEndian<quint32>(bytes.constData() + at + 1);
        at += kFieldHead;
        if (length > bytes.size() - at)
            return false;
        const QByteArray content = bytes.mid(at, length);
        at += length;
        switch (letter) {
        case 'A':
            message->arguments.append(content);
            break;
        case 'D':
            message->workingDirectory = content;
            break;
        case 'E': {
            const qsizetype equals = content.indexOf('=');
            if (equals <= 0)
                return false;
            message->environment.insert(content.left(equals), content.mid(equals + 1));
            break;
        }
        case 'T':
            message->activationToken = content;
            break;
        case 'P':
            message->payload = content;
            break;
        default:
            break;
        }
    }
    return message->payload.size() <= kLargestPayload;
}

} // namespace QtLockFile::Internal
