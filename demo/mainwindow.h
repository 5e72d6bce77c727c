// SPDX-License-Identifier: 0BSD
#ifndef MAINWINDOW_H
#define MAINWINDOW_H

#include <QtLockFile/LockFile>

#include <QtWidgets/qmainwindow.h>

QT_BEGIN_NAMESPACE
class QCheckBox;
class QLineEdit;
class QPlainTextEdit;
class QPushButton;
class QSpinBox;
QT_END_NAMESPACE

class StatusWidget;

/*! The window: a lock to play with, another one to watch, and a log of every call and every signal. */
class MainWindow : public QMainWindow
{
    Q_OBJECT

public:
    /*! Shows \a lock, which may be acquired already and has to outlive the window. */
    explicit MainWindow(QtLockFile::LockFile *lock, QWidget *parent = nullptr);

    /*! Begins to wait for the lock, as the button does. */
    void acquire();

    /*! Watches the file at \a path in the second panel. */
    void watch(const QString &path);

private:
    QWidget *createLockPanel();
    QWidget *createWatchPanel();
    QWidget *createLogPanel();
    void followLock();
    void call(const QString &text);
    void log(const QString &kind, const QString &text);
    void updateButtons();
    void startAnother(const QStringList &moreArguments);

    QtLockFile::LockFile *const m_lock;

    QPushButton *m_acquire;
    QPushButton *m_try;
    QPushButton *m_cancel;
    QPushButton *m_release;
    QCheckBox *m_keep;
    QSpinBox *m_timeout;
    StatusWidget *m_status;
    QLineEdit *m_watchedPath;
    StatusWidget *m_watched;
    QPlainTextEdit *m_log;
};

#endif
