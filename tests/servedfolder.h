// SPDX-License-Identifier: 0BSD
#ifndef QTLOCKFILE_SERVEDFOLDER_H
#define QTLOCKFILE_SERVEDFOLDER_H

#include <QtCore/qbytearray.h>
#include <QtCore/qprocess.h>
#include <QtCore/qstring.h>

#include <sched.h>
#include <sys/mount.h>

// What is mounted by a test is mounted for the test alone, and goes with it however it ends, where it may have that:
// before there is a thread, since each has its own view from its beginning on.
inline const bool hasItsOwnMounts = ::unshare(CLONE_NEWNS) == 0 && ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;

// A folder in a file system that refuses locks, takes its time, or does not answer: processes/fileserver.cpp.
class ServedFolder
{
public:
    // `locks` is "kernel", "server", or an errno.
    explicit ServedFolder(const QString &folder, const QString &locks = QStringLiteral("kernel"))
    {
        m_server.setProcessChannelMode(QProcess::ForwardedErrorChannel);
        m_server.start(QStringLiteral(FILESERVER_PROGRAM), {folder, locks});
        m_why = hear();
        m_ok = m_why == "ready";
    }
    ServedFolder(const ServedFolder &) = delete;
    ServedFolder &operator=(const ServedFolder &) = delete;

    // Calls that were not answered fail.
    ~ServedFolder()
    {
        m_server.closeWriteChannel();
        m_server.waitForFinished(kPatience);
    }

    bool isOk() const { return m_ok; }

    // Why it is not.
    QByteArray why() const { return m_why; }

    // From now on the operation is answered at once, and what waits for an answer has it: lookup, getattr, open, create, unlink, lock.
    void answerAgain(const QByteArray &operation = "open") { ask("soon " + operation); }
    void answerLate(const QByteArray &operation) { ask("late " + operation); }
    void stopAnswering(const QByteArray &operation = "open") { ask("never " + operation); }

    // How many calls have not returned.
    int unanswered() { return ask("unanswered").mid(qsizetype(sizeof "unanswered")).toInt(); }

private:
    static constexpr int kPatience = 30'000;

    QByteArray ask(const QByteArray &line)
    {
        m_server.write(line + '\n');
        return hear();
    }

    QByteArray hear()
    {
        while (!m_server.canReadLine()) {
            if (!m_server.waitForReadyRead(kPatience))
                return "failed to start";
        }
        return m_server.readLine().trimmed();
    }

    QProcess m_server;
    QByteArray m_why;
    bool m_ok = false;
};

#endif
