// SPDX-License-Identifier: 0BSD
#ifndef QTLOCKFILE_INBOX_P_H
#define QTLOCKFILE_INBOX_P_H

#include "instancefolder_p.h"
#include "instancemessage_p.h"
#include "lockbytes_p.h"

#include <QtCore/qset.h>

#include <memory>
#include <vector>

#include <sys/stat.h>

namespace QtLockFile::Internal {

// What has become of a message is the end of its file's name.
namespace MessageSuffix {
constexpr char kUnfinished[] = ".new";
constexpr char kMessage[] = ".message";
constexpr char kTaken[] = ".taken";
constexpr char kDone[] = ".done";
constexpr char kRefused[] = ".refused";
constexpr char kGone[] = ".gone";
constexpr char kRejected[] = ".rejected";
}

// Locks on the message's file that tell who is still there, however he might end.
constexpr Bytes kSenderByte{0, 0};
constexpr Bytes kTakerByte{1, 1};

// A message that the primary has picked up. It is to end with one of these calls; if it ends without, others see that
// its taker is gone.
class TakenMessage
{
public:
    TakenMessage(std::shared_ptr<InstanceFolder> folder, const QByteArray &name, Descriptor file)
        : m_folder(std::move(folder)), m_name(name), m_file(std::move(file))
    {
    }

    InstanceMessage content;

    void done();
    void refuse(const QString &reason);

    // As if it had not been taken.
    void giveBack();

private:
    void end(const char *suffix);
    bool moveTo(const char *suffix);

    const std::shared_ptr<InstanceFolder> m_folder;
    const QByteArray m_name; // without the suffix
    Descriptor m_file;
};

// The primary's side of the messages in a folder.
class Inbox
{
public:
    void open(std::shared_ptr<InstanceFolder> folder);

    // Drops what was sent to a primary that has ended without a successor and nobody waits for any more.
    void dropAbandoned();

    // Picks up the messages that have come, in order, and tidies up. Whatever is not a message as it should be is
    // removed with a warning.
    std::vector<std::shared_ptr<TakenMessage>> take();

    // Tells whether take() has seen to everything. Otherwise something was used up that may be there again in a moment.
    bool isComplete() const { return m_isComplete; }

private:
    QByteArrayList names();
    std::shared_ptr<TakenMessage> takeOne(const QByteArray &name);
    void tidy(const QByteArray &name);
    Descriptor openFile(const QByteArray &name, int flags, struct stat *status);
    bool isForLater(int error);
    void rejectOrLeave(const QByteArray &name, int error, const char *why);
    void reject(const QByteArray &name, const char *why);
    void remove(const QByteArray &name);

    std::shared_ptr<InstanceFolder> m_folder;
    bool m_isComplete = true;
    bool m_hasDropped = true; // what was abandoned
    bool m_hasWarned = false; // that the folder cannot be read
};

} // namespace QtLockFile::Internal

#endif
