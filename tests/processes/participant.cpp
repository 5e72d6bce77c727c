// SPDX-License-Identifier: 0BSD
#include <QtLockFile/LockFile>

#include <QtCore/qcoreapplication.h>
#include <QtCore/qfile.h>
#include <QtCore/qmetaobject.h>
#include <QtCore/qrandom.h>
#include <QtCore/qsocketnotifier.h>

#include <cstdio>
#include <string>

#include <fcntl.h>
#include <unistd.h>

// A process with one LockFile that does what it is told, line by line, and lives until its stdin closes. Says "ready PID" first.
//
//     acquire, try, cancel, release    the calls of LockFile
//     again                            release and acquire in one go
//     timeout MS, keep, remove         its properties; they answer nothing
//     serve LOG                        acquires, appends its pid to LOG while it holds, releases
//     crowd N INSIDE                   N times: acquires or tries or cancels, and while it holds makes and removes INSIDE, which
//                                      must not be there; answers "crowded"
//     loop                             acquires and releases until "halt"
//     position                         answers "position N"
//
// What happens is answered when it happens: "acquired", "failed CODE PID-OF-HOLDER", "released".

using namespace QtLockFile;

namespace {

enum ExitCode { Done = 0, BadCommand = 2, BadFile = 3, TwoHold = 4 };

void say(const QByteArray &line)
{
    std::fputs((line + '\n').constData(), stdout);
    std::fflush(stdout);
}

class Participant : public QObject
{
public:
    explicit Participant(const QString &path) : m_lock(path)
    {
        connect(&m_lock, &LockFile::acquired, this, [this] { onAcquired(); });
        connect(&m_lock, &LockFile::failed, this, [this](const LockError &error) { onFailed(error); });
        connect(&m_lock, &LockFile::released, this, [this] { onReleased(); });
        connect(&m_stdin, &QSocketNotifier::activated, this, [this] { read(); });
    }

private:
    enum class Mode { Told, Serve, Crowd, Loop };

    void read()
    {
        char bytes[4096];
        const ssize_t count = ::read(STDIN_FILENO, bytes, sizeof bytes);
        if (count <= 0) {
            m_stdin.setEnabled(false);
            QCoreApplication::quit();
            return;
        }
        m_input.append(bytes, qsizetype(count));
        for (qsizetype end; (end = m_input.indexOf('\n')) >= 0;) {
            const QByteArray line = m_input.left(end);
            m_input.remove(0, end + 1);
            obey(line);
        }
    }

    void obey(const QByteArray &line)
    {
        const QList<QByteArray> words = line.split(' ');
        const QByteArray &command = words[0];
        if (command == "acquire") {
            m_lock.acquire();
        } else if (command == "try") {
            (void)m_lock.tryAcquire();
        } else if (command == "cancel") {
            m_lock.cancel();
        } else if (command == "release") {
            m_lock.release();
        } else if (command == "again") {
            m_lock.release();
            m_lock.acquire();
        } else if (command == "timeout" && words.size() == 2) {
            m_lock.setTimeout(std::chrono::milliseconds(words[1].toInt()));
        } else if (command == "keep") {
            m_lock.setRemoveOnRelease(false);
        } else if (command == "remove") {
            m_lock.setRemoveOnRelease(true);
        } else if (command == "serve" && words.size() == 2) {
            m_mode = Mode::Serve;
            m_file = words[1];
            m_lock.acquire();
        } else if (command == "crowd" && words.size() == 3) {
            m_mode = Mode::Crowd;
            m_left = words[1].toInt();
            m_file = words[2];
            next();
        } else if (command == "loop") {
            m_mode = Mode::Loop;
            m_left = 1;
            next();
        } else if (command == "halt") {
            m_left = 0;
        } else if (command == "position") {
            say("position " + QByteArray::number(m_lock.position()));
        } else {
            std::fprintf(stderr, "participant: what is \"%s\"?\n", line.constData());
            QCoreApplication::exit(BadCommand);
        }
    }

    void next()
    {
        if (m_left <= 0) {
            say(m_mode == Mode::Crowd ? "crowded" : "halted");
            m_mode = Mode::Told;
            return;
        }
        if (m_mode == Mode::Loop) {
            m_lock.acquire();
            return;
        }
        --m_left;
        switch (QRandomGenerator::global()->bounded(8)) {
        case 0:
        case 1:
            (void)m_lock.tryAcquire();
            break;
        case 2:
            m_lock.acquire();
            m_lock.cancel();
            break;
        case 3:
            m_lock.acquire();
            QMetaObject::invokeMethod(&m_lock, &LockFile::cancel, Qt::QueuedConnection);
            break;
        default:
            m_lock.acquire();
        }
    }

    void onAcquired()
    {
        switch (m_mode) {
        case Mode::Told:
            say("acquired");
            return;
        case Mode::Serve:
            if (!append(m_file, QByteArray::number(::getpid()) + '\n'))
                QCoreApplication::exit(BadFile);
            break;
        case Mode::Crowd: {
            const int inside = ::open(m_file.constData(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
            if (inside < 0 || ::close(inside) != 0 || ::unlink(m_file.constData()) != 0) {
                say("two hold");
                QCoreApplication::exit(TwoHold);
                return;
            }
            break;
        }
        case Mode::Loop:
            break;
        }
        m_lock.release();
    }

    void onFailed(const LockError &error)
    {
        if (m_mode == Mode::Told || m_mode == Mode::Serve)
            say("failed " + QByteArray(QMetaEnum::fromType<LockError::Code>().valueToKey(int(error.code()))) + ' ' + QByteArray::number(error.holder().pid()));
        else if (error.code() == LockError::Code::Held || error.code() == LockError::Code::Cancelled)
            QMetaObject::invokeMethod(
                this, [this] { next(); }, Qt::QueuedConnection);
        else
            say("failed " + error.message().toLocal8Bit());
    }

    void onReleased()
    {
        if (m_mode == Mode::Told || m_mode == Mode::Serve)
            say("released");
        else
            next();
    }

    static bool append(const QByteArray &path, const QByteArray &text)
    {
        QFile file(QString::fromLocal8Bit(path));
        return file.open(QIODevice::WriteOnly | QIODevice::Append | QIODevice::Unbuffered) && file.write(text) == text.size();
    }

    LockFile m_lock;
    QSocketNotifier m_stdin{STDIN_FILENO, QSocketNotifier::Read};
    QByteArray m_input;
    Mode m_mode = Mode::Told;
    int m_left = 0;
    QByteArray m_file;
};

} // namespace

int main(int argc, char **argv)
{
    QCoreApplication application(argc, argv);
    if (argc != 2)
        return BadCommand;
    Participant participant(QString::fromLocal8Bit(argv[1]));
    say("ready " + QByteArray::number(::getpid()));
    return application.exec();
}
