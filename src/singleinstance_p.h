// SPDX-License-Identifier: 0BSD
#ifndef QTLOCKFILE_SINGLEINSTANCE_P_H
#define QTLOCKFILE_SINGLEINSTANCE_P_H

#include "folderwatch_p.h"
#include "inbox_p.h"
#include "instancefolder_p.h"
#include "lockfile.h"
#include "sentmessage_p.h"
#include "singleinstance.h"
#include "successor_p.h"

#include <QtCore/qdeadlinetimer.h>
#include <QtCore/qloggingcategory.h>
#include <QtCore/qsocketnotifier.h>
#include <QtCore/qtimer.h>

#include <deque>
#include <functional>
#include <memory>
#include <optional>

namespace QtLockFile {

Q_DECLARE_LOGGING_CATEGORY(logInstance)

// For what is replaced in a slot of its own; until the event loop deletes it, it is its parent's.
struct DeleteLater
{
    void operator()(QSocketNotifier *notifier) const
    {
        notifier->setEnabled(false);
        notifier->deleteLater();
    }
    void operator()(QTimer *timer) const
    {
        timer->stop();
        timer->deleteLater();
    }
};
using NotifierPtr = std::unique_ptr<QSocketNotifier, DeleteLater>;
using TimerPtr = std::unique_ptr<QTimer, DeleteLater>;

// What SingleInstance is made of: see singleinstance_p.cpp.
class SingleInstancePrivate
{
public:
    using Role = SingleInstance::Role;
    using Reply = SingleInstance::Reply;
    using Private = SingleInstance::QPrivateSignal;

    enum class Phase {
        Idle,
        Deciding,  // the lock is asked for without waiting
        Asking,    // the message is on its way, and we are in the queue in case the primary ends
        Watching,  // it was not picked up in time; we have left the queue
        TakingOver // we wait in the queue, and for nothing else
    };

    SingleInstancePrivate(SingleInstance *instance, const QString &instanceId) : q(instance), id(instanceId) { }

    // singleinstance_p.cpp: from a start to a role.
    void refuse(const char *call, const QString &why);
    bool begin(const char *call);
    QByteArray folderName() const;
    static QString lockPathIn(const QString &folderPath);
    bool openFolder();
    void makeLock();
    bool inherit();
    void attempt(std::chrono::milliseconds patience);
    bool isResultOfTheLast();
    void onAcquired();
    void onFailed(const LockError &why);
    void setRole(Role newRole);
    void decide(Role newRole);
    void setReply(Reply newReply);
    void emitLater(std::function<void()> emission);
    void emitDue();
    void listenLater();
    void listen();
    void stopListening();

    // singleinstance_secondary_p.cpp: what becomes of our message, and the take-over.
    void ask();
    bool send();
    void look();
    void checkDeadline();
    std::chrono::milliseconds remainingTime() const;
    void endAsking();
    bool isSettled() const;
    void waitForSomething();
    void takeOver();
    void cancelTakeOver();

    // singleinstance_primary_p.cpp: being the primary, and handing over.
    enum class Way { Lock, Inheritance };
    void becomePrimary(Way how);
    void receive();
    void receiveLater();
    void deliverOne();
    void giveBackPending();
    void onLockLost();
    bool beginRestart(const char *call, const QString &program, const QStringList &programArguments);
    void awaitSuccessor();
    void endRestart(int failure);

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
    int attempts = 0;                              // at the lock, whose results have yet to come
    std::optional<std::chrono::milliseconds> next; // the attempt that is to follow the one that is being cancelled
    QMetaObject::Connection positions;             // of the lock, while somebody wants to know
    Internal::FolderWatch watch;
    NotifierPtr notifier; // of the watch
    TimerPtr ticker;      // instead, where there is no watch
    TimerPtr alarm;       // for the deadline
    TimerPtr again;       // for messages that could not be received
    QDeadlineTimer deadline{QDeadlineTimer::Forever};

    Internal::SentMessage sent;
    Internal::Inbox inbox;
    std::deque<std::shared_ptr<Internal::TakenMessage>> pending; // picked up, and not yet emitted

    std::unique_ptr<Internal::Successor> successor; // in a restart; after the lock, since it is to go first
    QString successorProgram;
    NotifierPtr successorNotifier;
    TimerPtr successorAlarm;
};

} // namespace QtLockFile

#endif
