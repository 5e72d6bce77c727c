// SPDX-License-Identifier: 0BSD
#ifndef MAINWINDOW_H
#define MAINWINDOW_H

#include <QtWidgets/qmainwindow.h>

QT_BEGIN_NAMESPACE
class QPlainTextEdit;
QT_END_NAMESPACE

namespace QtLockFile {
class Activation;
class SingleInstance;
}

class LockPanel;

/*! The window of the one instance: its own lock, any other lock file, and a log of every call and every signal. */
class MainWindow : public QMainWindow
{
    Q_OBJECT

public:
    /*! Shows \a instance, which has been started and has to outlive the window, and the lock file at \a lockPath, if any. */
    explicit MainWindow(QtLockFile::SingleInstance *instance, const QString &lockPath = QString(), QWidget *parent = nullptr);

    /*! Creates what is in the window. Happens by itself when the empty window has been painted, so that it is there sooner. */
    void createContents();

protected:
    void paintEvent(QPaintEvent *event) override;

private:
    QWidget *createLogPanel();
    void followInstance();
    void onActivated(const QtLockFile::Activation &activation);
    void restart();
    void log(const QString &kind, const QString &text);

    QtLockFile::SingleInstance *const m_instance;
    const QString m_lockPath; // to begin with
    LockPanel *m_lockPanel = nullptr;
    QPlainTextEdit *m_log = nullptr;
};

#endif
