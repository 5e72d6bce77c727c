// SPDX-License-Identifier: 0BSD
#ifndef QTLOCKFILE_INSTANCEMESSAGE_P_H
#define QTLOCKFILE_INSTANCEMESSAGE_P_H

#include <QtCore/qbytearray.h>
#include <QtCore/qbytearraylist.h>
#include <QtCore/qmap.h>

namespace QtLockFile::Internal {

constexpr qsizetype kLargestPayload = 1024 * 1024;
constexpr qsizetype kLargestMessage = 8 * 1024 * 1024; // arguments and environment of a process are less than 6 MiB, execve(2)

// What a second start tells the first. All bytes, because paths and arguments are bytes on Linux, whatever they look like.
struct InstanceMessage
{
    QByteArrayList arguments;
    QByteArray workingDirectory;
    QMap<QByteArray, QByteArray> environment;
    QByteArray activationToken;
    QByteArray payload;
};

constexpr char kCommandLine[] = "/proc/self/cmdline"; // proc(5)

// The command line of this process, exact to the byte. Returns 0 or an errno.
int readCommandLine(QByteArrayList *arguments);

// Its folder; empty where that was removed. Returns 0 or an errno.
int readWorkingDirectory(QByteArray *path);

// Its variables of these names, and its activation token.
void readEnvironment(const QByteArrayList &names, InstanceMessage *message);

QByteArray encode(const InstanceMessage &message);

// Whether this is the beginning of one.
bool isMessage(const QByteArray &bytes);

// False where the bytes are not a whole message and nothing but one.
bool decode(const QByteArray &bytes, InstanceMessage *message);

} // namespace QtLockFile::Internal

#endif
