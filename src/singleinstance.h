// SPDX-License-Identifier: 0BSD
#ifndef QTLOCKFILE_SINGLEINSTANCE_H
#define QTLOCKFILE_SINGLEINSTANCE_H

#include <QtLockFile/activation.h>
#include <QtLockFile/lockerror.h>
#include <QtLockFile/lockparticipant.h>
#include <QtLockFile/qtlockfile_export.h>

#include <QtCore/qbytearraylist.h>
#include <QtCore/qdeadlinetimer.h>
#include <QtCore/qobject.h>
#include <QtCore/qstringlist.h>

#include <chrono>
#include <memory>

namespace QtLockFile {

class SingleInstancePrivate;

/*!
    Makes an application run once per user, and lets each further start talk to the one that runs.

    \code
    QtLockFile::SingleInstance instance(QStringLiteral("org.example.editor"));
    if (instance.start() != QtLockFile::SingleInstance::Role::Primary) {
        qInfo("%s", qUtf8Printable(instance.message()));
        return instance.isAnswered() ? 0 : 1;
    }
    QObject::connect(&instance, &QtLockFile::SingleInstance::activated, &window, &MainWindow::openWhatWasAsked);
    \endcode

    **What it guarantees.** A kernel lock decides who is the primary, and nothing else does: there is at most one, a
    crash needs no clean-up, and no process id is guessed. What a second start sends is handled at most once, in the
    order in which it was sent, and the second start learns what became of it. A primary that does not answer is
    neither believed nor killed.

    **What it does not.** Another user's instance is another instance. It protects from other users, not from other
    programs of the same user. A primary that crashes takes with it what it had already picked up: the senders learn
    it (Reply::Gone), and nothing that may have caused the crash is handed on to the next. What nobody has picked up
    is handled by the next primary if its sender still waits, and is dropped otherwise.

    **Where.** A folder of the user's alone in $XDG_RUNTIME_DIR (XDG Base Directory Specification), else in
    /run/user/UID, else in /tmp/qtlockfile-UID; owner and mode are checked. It holds the lock, mode 0600, and the
    messages. It stays when the application ends: removing it would race with the next start.

    **Threads.** An object is used from the thread that it lives in, and stays there once it has been started, since
    its lock does. Nothing waits but start() and restart(), and the first start of a successor until the former
    primary has let go. start() works without a QCoreApplication and without an event loop, so that a second start can
    be gone before it has made one; activated() needs the event loop. A child made by fork(2) is to leave the object
    alone.
*/
class QTLOCKFILE_EXPORT SingleInstance : public QObject
{
    Q_OBJECT
    Q_DISABLE_COPY_MOVE(SingleInstance)
    Q_PROPERTY(QString id READ id CONSTANT)
    Q_PROPERTY(QtLockFile::SingleInstance::Role role READ role NOTIFY roleChanged)
    Q_PROPERTY(QtLockFile::SingleInstance::Reply reply READ reply NOTIFY replied)
    Q_PROPERTY(int position READ position NOTIFY positionChanged)

public:
    /*! What this process is to the application. */
    enum class Role {
        Undecided, //!< Not started, being decided, or handed over by restart().
        Primary,   //!< The lock is ours: be the application.
        Secondary, //!< Another holds the lock: see reply() and primary().
        Failed     //!< It could not be told, and error() says why. Not the same as another's being there.
    };
    Q_ENUM(Role)

    /*! What became of the message that a second start sends. */
    enum class Reply {
        None,          //!< Nothing yet.
        Answering,     //!< The primary's event loop has picked the message up. Its slots run, perhaps for long: they may show a dialog.
        Done,          //!< The primary's slots have run.
        NotResponding, //!< The primary did not pick the message up in time. It is still there for when it does.
        Gone,          //!< The primary ended before it was done. If nobody was quicker we are the primary now: see role().
        Refused,       //!< The primary refused it: see refusal().
        Failed         //!< The message could not be delivered: see error().
    };
    Q_ENUM(Reply)

    /*! Among whom there is one instance. */
    enum class Scope {
        PerUser,   //!< One for each user of the machine.
        PerSession //!< One for each display of a user: $WAYLAND_DISPLAY, else $DISPLAY without the screen.
    };
    Q_ENUM(Scope)

    /*! The largest payload() in bytes: 1 MiB. */
    static constexpr qsizetype MaximumPayload = 1024 * 1024;

    /*! Remembers \a id, which may be any text that is not empty: no two make the same file name. Does no file system access. */
    explicit SingleInstance(const QString &id, QObject *parent = nullptr);

    /*!
        Releases the lock, and emits nothing. Messages that nobody has picked up stay for the next primary. Waits as
        ~LockFile() does.
    */
    ~SingleInstance() override;

    /*! What makes this application one. */
    QString id() const;

    /*! Whether the instance is one for each user, the default, or for each display. */
    Scope scope() const;

    /*! Sets the scope. Counts, like all setters here, for the next start. */
    void setScope(Scope scope);

    /*! Uses a folder of the caller's choice instead: within \a folder, which has to exist, one for the id is made. */
    void setFolder(const QString &folder);

    /*! How long a second start waits for the primary to answer; negative: for ever. Default: 2 s. */
    std::chrono::milliseconds timeout() const;

    /*! Sets the time-out; it counts from the sending of the message. */
    void setTimeout(std::chrono::milliseconds timeout);

    /*!
        Sets what a second start sends as its command line. Default: this process's own, exact to the byte
        (/proc/self/cmdline, proc(5)); where that cannot be read nothing is sent, and reply() is Failed.
    */
    void setArguments(const QByteArrayList &arguments);

    /*! Selects the environment variables \a names to be sent. Default: none, but for the activation token. */
    void setEnvironment(const QByteArrayList &names);

    /*!
        Sets what else a second start sends: at most MaximumPayload bytes. More is refused with a warning, and error()
        is InvalidState.
    */
    void setPayload(const QByteArray &payload);

    /*!
        Finds out the role and returns it. As primary at once. As secondary it sends the message and waits for the
        reply, at most timeout(): until it is final, or is Answering when the time is over. Runs no event loop; the
        signals that are due are emitted from inside. Called again as secondary it tries again, and does not send anew
        what is still on its way. Not allowed as primary or while a start or a take-over is under way: then nothing
        changes and error() is InvalidState.
    */
    Role start();

    /*! What the calls and signals so far have led to. */
    Role role() const;

    /*! What the primary has made of our message. */
    Reply reply() const;

    /*! Tells whether the primary is alive and has our message: reply() is Answering or Done. */
    bool isAnswered() const;

    /*! Why the primary refused. */
    QString refusal() const;

    /*! Why role() or reply() is Failed, why the take-over or the restart failed, or which call was refused (InvalidState). */
    LockError error() const;

    /*! What came of it, in a translated sentence for the user; empty as primary. */
    QString message() const;

    /*! Who holds the lock now, as far as the kernel tells. Asks at each call; names nobody when the lock is free. */
    LockParticipant primary() const;

    /*! While a take-over waits: how many are before us, the primary included. Otherwise as LockFile::position(). */
    int position() const;

    /*!
        The folder of this application. Before the first start it is the one that a start would use as things are now:
        it need not exist, and is not made. Empty where none can be used.
    */
    QString folder() const;

    /*!
        The path of the lock file in folder(), and empty as that is. Known before the first start, so that
        LockQueue::of(), or a LockWatcher, can tell of an application without taking part.
    */
    QString lockPath() const;

    /*!
        As primary: starts \a program with \a arguments and hands the lock over to it, so that those who wait keep
        their places and nobody can come between. The program has to start() a SingleInstance of the same id, scope
        and folder, before it starts other processes; it is primary when that returns. Waits for that until \a
        deadline, running no event loop, and tells whether it happened. If so, role() is Undecided, the messages that
        we have not handled are the successor's, and this process should quit. If not, nothing has changed, error()
        says why, and a program that was started but did not answer has been ended. A \a program without a slash is
        looked for in $PATH. handedOver() or restartFailed() follows as after restartAsync().
    */
    [[nodiscard]] bool restart(const QString &program, const QStringList &arguments, QDeadlineTimer deadline = QDeadlineTimer(std::chrono::seconds(30)));

public Q_SLOTS:
    /*!
        As start(), but returns at once: decided() follows, then for a secondary replied(). Goes on until the reply is
        final: a primary that was NotResponding may be Answering later.
    */
    void startAsync();

    /*!
        Waits in the queue of the lock until we are the primary, and returns at once: exactly one of becamePrimary()
        and takeOverFailed() follows. Our message is taken back, unless it has been picked up. Does nothing but warn,
        with error() InvalidState, as primary, before the first start and while another is under way.
    */
    void takeOver();

    /*!
        Ends the take-over: takeOverFailed() with Cancelled follows, even if the lock has been granted meanwhile. Does
        nothing if there is none.
    */
    void cancelTakeOver();

    /*!
        As restart(), but returns at once, so that a window stays alive meanwhile: exactly one of handedOver() and
        restartFailed() follows, at the latest after 30 s. Until then we are the primary, and handle messages. Does
        nothing but warn, with error() InvalidState, if we are not the primary or a restart is under way. Destroying
        the object, or losing the lock, ends the program that was started.
    */
    void restartAsync(const QString &program, const QStringList &arguments);

Q_SIGNALS:
    /*! The role that a start has led to. Follows each start once: after startAsync() has returned, or from inside start(). */
    void decided(QtLockFile::SingleInstance::Role role, QPrivateSignal);

    /*! role() is now \a role, for whichever reason. */
    void roleChanged(QtLockFile::SingleInstance::Role role, QPrivateSignal);

    /*! reply() is now \a reply. Done, Gone, Refused and Failed are final; nothing follows them. */
    void replied(QtLockFile::SingleInstance::Reply reply, QPrivateSignal);

    /*!
        The lock is ours: by a start, because the primary ended while we waited for its answer, by a take-over, or by
        inheritance.
    */
    void becamePrimary(QPrivateSignal);

    /*!
        As primary: a second start has asked for something. Comes from the event loop, once for each, in the order in
        which they were sent; also in the event loop of a dialog that a slot is showing. The second start learns that
        it is done when the direct slots have returned.
    */
    void activated(const QtLockFile::Activation &activation, QPrivateSignal);

    /*! position() is now \a position, in a take-over. Costs nothing unless connected before takeOver(). */
    void positionChanged(int position, QPrivateSignal);

    /*! The take-over ended without the lock, because of \a error. */
    void takeOverFailed(const QtLockFile::LockError &error, QPrivateSignal);

    /*! The successor that restart() or restartAsync() has started is the primary now, and role() is Undecided: quit. */
    void handedOver(QPrivateSignal);

    /*! There is no successor, because of \a error, and we are the primary still. */
    void restartFailed(const QtLockFile::LockError &error, QPrivateSignal);

    /*! We were the primary, and are not any more: our lock file was removed and another has the new one. role() is Secondary. */
    void lost(QPrivateSignal);

private:
    friend class SingleInstancePrivate;
    std::unique_ptr<SingleInstancePrivate> const d;
};

} // namespace QtLockFile

#endif
