// SPDX-License-Identifier: 0BSD
#ifndef LOCKPANEL_H
#define LOCKPANEL_H

#include <QtLockFile/LockFile>

#include <QtWidgets/qgroupbox.h>

#include <memory>

QT_BEGIN_NAMESPACE
class QCheckBox;
class QLineEdit;
class QPushButton;
class QSpinBox;
QT_END_NAMESPACE

class StatusWidget;

/*! A lock file of the user's choice: watched without taking it, and with the buttons to take it. */
class LockPanel : public QGroupBox
{
    Q_OBJECT

public:
    explicit LockPanel(QWidget *parent = nullptr);
    ~LockPanel() override;

    /*! Empty as long as none is chosen. */
    QString path() const;

    /*! Shows the lock file at \a path, and tells whether it did: not while we hold another one or wait for it. */
    bool setPath(const QString &path);

Q_SIGNALS:
    /*! For the log: a \a kind such as "signal", and what happened. */
    void happened(const QString &kind, const QString &text);

private:
    QLayout *createPathRow();
    QLayout *createButtons();
    QLayout *createOptions();
    QPushButton *createButton(const QString &text, const char *name, const QString &toolTip, void (LockPanel::*slot)());
    void acquire();
    void tryAcquire();
    void cancel();
    void release();
    void applyOptions();
    void followLock();
    void updateControls();
    void choose();

    std::unique_ptr<QtLockFile::LockFile> m_lock;

    QLineEdit *m_path;
    QPushButton *m_choose;
    QPushButton *m_acquire;
    QPushButton *m_try;
    QPushButton *m_cancel;
    QPushButton *m_release;
    QCheckBox *m_keep;
    QSpinBox *m_timeout;
    StatusWidget *m_status;
};

#endif
