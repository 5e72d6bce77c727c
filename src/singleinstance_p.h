// SPDX-License-Identifier: 0BSD
#ifndef QTLOCKFILE_SINGLEINSTANCE_P_H
#define QTLOCKFILE_SINGLEINSTANCE_P_H

#include "folderwatch_p.h"
#include "inbox_p.h"
#include "instancefolder_p.h"
#include "lockfile.h"
#include "sentmessage_p.h"
#include "singleinstance.h"

#include <QtCore/qdeadlinetimer.h>
#include <QtCore/qsocketnotifier.h>
#include <QtCore/qtimer.h>

#include <deque>
#include <functional>
#include <memory>
#include <optional>

namespace QtLockFile {

// See singleinstance.cpp.
class SingleInstancePrivate
{
public:
    using Role = SingleInstance::Role;
    using Reply = SingleInstance::Reply;
    using Private = SingleInstance::QPrivateSignal;

    enum class Phase {
        Idle,
        Deciding,   // the lock is asked for without waiting
        Asking,     // the message is on its way, and we are in the queue in case the primary ends
        Watching,   // it was not picked up in time; we have left the queue
        TakingOver
    };

    SingleInstancePrivate(SingleInstance *instance, const QString &instanceId) : q(instance), id(instanceId) { }

    void refuse(const char *call, const QString &why);
    void begin(const char *call);
    bool openFolder();
    void makeLock();
    bool inherit();
    void onAcquired();
    void onFailed(const LockError &why);
    void decide(Role newRole);
    void setRole(Role newRole);
    void setReply(Reply newReply);

    void ask();
    Internal::InstanceMessage ownMessage() const;
    void listen();
    void look();
    void checkDeadline();
    void endAsking();
    void stopListening();
    bool isSettled() const;
    void waitForSomething();

    enum class Way { Lock, Inheritance };
    void becomePrimary(Way how);
    void receive();
    void deliverOne();
    void onLockLost();

    void emitLater(std::function<void()> emission);
    void emitDue();

    SingleInstance *const q;
    const QString id;
    SingleInstance::Scope scope = SingleInstance::Scope::PerUser;
    QString chosenFolder;
    std::chrono::milliseconds timeout{2000};
    std::optional<QByteArrayList> arguments;
    QByteArrayList environment;
    QByteArray payload;

    Phase phase = Phase::Idle;
    Role role = Role::Undecided;
    Reply reply = Reply::None;
    LockError error;
    QString refusal;
    std::deque<std::function<void()>> due; // signals that are to be emitted

    std::shared_ptr<Internal::InstanceFolder> folder;
    std::shared_ptr<Internal::Descriptor> wakeUp; // an eventfd(2): the lock has news
    std::unique_ptr<LockFile> lock;
    QMetaObject::Connection positions; // of the lock, while somebody wants to know
    Internal::FolderWatch watch;
    std::unique_ptr<QSocketNotifier> notifier; // of the watch
    std::unique_ptr<QTimer> ticker;            // instead, where there is no watch
    std::unique_ptr<QTimer> alarm;             // for the deadline
    QDeadlineTimer deadline{QDeadlineTimer::Forever};

    Internal::SentMessage sent;
    Internal::Inbox inbox;
    std::deque<std::shared_ptr<Internal::TakenMessage>> pending; // picked up, and not yet emitted
};

} // namespace QtLockFile

#endif
