// SPDX-License-Identifier: 0BSD
#ifndef WAITDIALOG_H
#define WAITDIALOG_H

#include <QtWidgets/qdialog.h>

#include <chrono>

namespace QtLockFile {
class SingleInstance;
}

/*!
    Waits in the queue until this process is the primary instance, and shows its place and for how long. Accepted when it is; rejected when the user
    cancels or the time is over.
*/
class WaitDialog : public QDialog
{
    Q_OBJECT

public:
    /*! Gives up after \a patience; never where that is negative. */
    explicit WaitDialog(QtLockFile::SingleInstance *instance, std::chrono::milliseconds patience = std::chrono::milliseconds(-1), QWidget *parent = nullptr);

    /*! Ends the wait; the lock may have been granted meanwhile, and is let go then. */
    void reject() override;

private:
    QtLockFile::SingleInstance *const m_instance;
};

#endif
