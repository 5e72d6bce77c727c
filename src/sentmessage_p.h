// SPDX-License-Identifier: 0BSD
#ifndef QTLOCKFILE_SENTMESSAGE_P_H
#define QTLOCKFILE_SENTMESSAGE_P_H

#include "descriptor_p.h"

#include <QtCore/qbytearray.h>
#include <QtCore/qstring.h>

namespace QtLockFile::Internal {

// The sender's side of a message: see inbox_p.cpp.
class SentMessage
{
public:
    enum class State { None, Waiting, Taken, Done, Refused, Gone, Vanished };

    // Puts the message into the folder, which has to stay open. Returns 0 or an errno.
    int send(int folder, const QByteArray &bytes);

    // Tells whether its last answer has yet to be seen.
    bool isOnItsWay() const { return m_state == State::Waiting || m_state == State::Taken; }

    // What has become of it. After an answer that is the last the file is removed.
    State look();

    // Why it was refused.
    QString reason() const { return m_reason; }

    // Removes it, whatever has become of it.
    void withdraw();

private:
    int m_folder = -1;
    QByteArray m_name;
    Descriptor m_file; // its lock tells the primary that we are still there
    State m_state = State::None;
    QString m_reason;
};

} // namespace QtLockFile::Internal

#endif
