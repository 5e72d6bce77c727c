// SPDX-License-Identifier: 0BSD
#ifndef COPY_H
#define COPY_H

#include <QtCore/qprocess.h>
#include <QtCore/qstring.h>
#include <QtCore/qstringlist.h>
#include <QtCore/qtemporaryfile.h>

/*!
    Another copy of the demo, driven by the lines that remote.h lists. It ends with this object.

    The lines go through a socket that is not the process's own: when it restarts, its successor goes on to listen there.
*/
class Copy
{
    Q_DISABLE_COPY_MOVE(Copy)

public:
    Copy(const QString &program, const QStringList &arguments, const QProcessEnvironment &environment = QProcessEnvironment::systemEnvironment());
    ~Copy();

    qint64 pid() const { return m_pid; }

    /*! Sends \a line and waits for the answer; tells whether it is "done", and what else it says. */
    bool ask(const QString &line, QByteArray *more = nullptr);

    /*! Sends the \a lines at once, so that little can happen in between, and waits for all answers. */
    bool askAtOnce(const QStringList &lines);

    /*! Waits until the panel shows the status and the processes. */
    bool expect(const QString &panel, const QString &status, const QList<qint64> &pids);

    /*! Why the last ask() failed. */
    QString error() const { return m_error; }

    /*! Ends it, as its input ends, and tells whether it ended well. */
    bool end();

    /*! SIGKILL. */
    void kill();

    /*! What it has said on standard error so far, and its successor. */
    QString complaints() const;

    /*! Waits until it has ended by itself; -1 where it does not, or crashes. */
    int waitForExitCode();

private:
    bool send(const QString &line);
    bool readAnswer(const QString &line, QByteArray *more = nullptr);
    QByteArray readLine();

    QTemporaryFile m_errors; // no pipe of the process, which would be closed to its successor
    QProcess m_process;
    qint64 m_pid = 0;
    int m_socket = -1;
    QByteArray m_buffer;
    QString m_error;
};

#endif
