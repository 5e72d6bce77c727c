// SPDX-License-Identifier: 0BSD
#ifndef STATUSWIDGET_H
#define STATUSWIDGET_H

#include <QtLockFile/LockQueue>

#include <QtCore/qelapsedtimer.h>
#include <QtCore/qtimer.h>
#include <QtWidgets/qframe.h>

#include <memory>

QT_BEGIN_NAMESPACE
class QLabel;
class QToolButton;
class QTreeWidget;
QT_END_NAMESPACE

namespace QtLockFile {
class LockWatcher;
}

/*!
    Shows one lock file, live: what state it is in, who holds it, who waits. It only watches; copy it into your own application.

    Whoever also has a LockFile on the path may tell what watching cannot know: showError(), showLost() and showWaiting().
*/
class StatusWidget : public QWidget
{
    Q_OBJECT

public:
    enum class Status {
        Nothing, //!< No path to watch, or no answer yet.
        Free,
        Waiting, //!< This process waits, whoever holds it.
        HeldByUs,
        HeldByOther,
        Error, //!< The lock cannot be had, or nothing can be told of it.
        Lost   //!< We hold a file that the path no longer leads to.
    };
    Q_ENUM(Status)

    explicit StatusWidget(QWidget *parent = nullptr);
    ~StatusWidget() override;

    /*! Watches \a path from now on; nothing where it is empty. */
    void setPath(const QString &path);

    /*! Shows the path, or leaves it out where it is shown already. Default: shows it. */
    void setPathVisible(bool visible);

    Status status() const { return m_status; }
    QtLockFile::LockQueue queue() const;

    /*! The state in words, such as "Held by firefox (1234) since 10:41, for 12 s". */
    QString text(bool withSeconds = true) const;

public Q_SLOTS:
    /*! Shows why the lock cannot be had, until it is told of no error. Not having it because others do is no such error. */
    void showError(const QtLockFile::LockError &error);

    /*! Shows that the file was removed from under us, or no longer does. */
    void showLost(bool lost);

    /*! Shows that we wait, also where the kernel cannot name who waits: behind a program that locks the whole file. */
    void showWaiting(bool waiting);

Q_SIGNALS:
    /*! Something else is shown now, the seconds aside. */
    void changed();

protected:
    void changeEvent(QEvent *event) override;
    void showEvent(QShowEvent *event) override;
    void hideEvent(QHideEvent *event) override;
    bool eventFilter(QObject *watched, QEvent *event) override;

private:
    Status statusNow() const;
    qint64 countedMilliseconds() const;
    QString headline() const;
    QString detail(bool withSeconds = true) const;
    bool isHolderStopped() const;
    void refresh();
    void tick();
    void updateBadge();
    void updateSeconds();
    void updatePath();
    void updateQueue();

    QString m_path;
    std::unique_ptr<QtLockFile::LockWatcher> m_watcher;
    bool m_seen = false;
    QtLockFile::LockError m_error;
    bool m_lost = false;
    bool m_waits = false;
    bool m_holderIsStopped = false;
    Status m_status = Status::Nothing;
    QElapsedTimer m_waiting; // since we were first seen in the queue
    QTimer m_second;

    QFrame *m_badge;
    QLabel *m_icon;
    QLabel *m_headline;
    QLabel *m_detail;
    QWidget *m_pathRow;
    QLabel *m_pathLabel;
    QToolButton *m_copy;
    QTreeWidget *m_list;
    QLabel *m_empty;
};

#endif
