// SPDX-License-Identifier: 0BSD
#ifndef NOTRESPONDINGDIALOG_H
#define NOTRESPONDINGDIALOG_H

#include <QtLockFile/LockWatcher>

#include <QtCore/qtimer.h>
#include <QtWidgets/qdialog.h>

#include <optional>

QT_BEGIN_NAMESPACE
class QLabel;
QT_END_NAMESPACE

namespace QtLockFile {
class SingleInstance;
}

/*!
    Asks the user what to do about a running instance that does not answer. It is never killed: it may hold what the user has not saved.

    Accepted when this process is to go on: it has become the primary, because the other one has ended, or it is to wait for that. Rejected when it
    is to quit: the user says so, or the other one has answered after all.
*/
class NotRespondingDialog : public QDialog
{
    Q_OBJECT

public:
    explicit NotRespondingDialog(QtLockFile::SingleInstance *instance, QWidget *parent = nullptr);

    void done(int result) override;

private:
    void ask();
    void onReplied();
    void update();

    QtLockFile::SingleInstance *const m_instance;
    QtLockFile::LockWatcher m_watcher;
    QTimer m_look;
    bool m_isAsking = false; // the instance is, whoever began it
    bool m_isTrying = false; // because the user said so
    std::optional<int> m_result;

    QLabel *m_headline;
    QLabel *m_program;
    QLabel *m_pid;
    QLabel *m_since;
    QLabel *m_state;
};

#endif
