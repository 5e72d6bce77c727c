// SPDX-License-Identifier: 0BSD
#ifndef INSTANCEPANEL_H
#define INSTANCEPANEL_H

#include <QtWidgets/qgroupbox.h>

QT_BEGIN_NAMESPACE
class QPushButton;
QT_END_NAMESPACE

namespace QtLockFile {
class SingleInstance;
}

/*! What makes this process the one instance: its lock and who queues for it, and buttons to try it out. */
class InstancePanel : public QGroupBox
{
    Q_OBJECT

public:
    explicit InstancePanel(QtLockFile::SingleInstance *instance, QWidget *parent = nullptr);

Q_SIGNALS:
    /*! For the log: a \a kind such as "signal", and what happened. */
    void happened(const QString &kind, const QString &text);

    /*! The user wants a fresh copy to take over. */
    void restartRequested();

private:
    QPushButton *createButton(const QString &text, const char *name, const QString &toolTip);
    void startAnother(const QStringList &arguments);
};

#endif
