// SPDX-License-Identifier: 0BSD
#ifndef TOUR_H
#define TOUR_H

#include "copy.h"

#include <QtCore/qcoreapplication.h>
#include <QtCore/qdir.h>
#include <QtCore/qtemporarydir.h>

#include <memory>

/*!
    Plays what the demo is about with real processes, copies of this program, and saves pictures of their windows and a page that explains them.
    Nothing is timed: each step waits until the windows show what it leads to.
*/
class Tour
{
    Q_DECLARE_TR_FUNCTIONS(Tour)

public:
    /*! Saves into \a folder, which is created where it is missing. */
    explicit Tour(const QString &folder);
    ~Tour();

    /*! Returns the exit code of the program: 0 if each step came out as it should. */
    int run();

private:
    std::unique_ptr<Copy> start(const QStringList &arguments) const;
    bool firstStarts();
    bool secondRaisesIt();
    bool waitersQueue();
    bool oneCancels();
    bool firstRestarts();
    bool nobodyAnswers();
    bool waiterTakesOver();
    bool anyLockIsTaken();
    bool fileIsRemoved();
    bool allEnd();
    bool picture(Copy *copy, const QString &name, const QString &sentence);
    bool writePage() const;

    QDir m_folder;
    QTemporaryDir m_runtime; // an instance of the user's own is left alone
    QProcessEnvironment m_environment;
    QString m_lockPath;  // of the instance
    QString m_otherPath; // of the lock to play with
    QString m_page;
    int m_pictures = 0;
    std::unique_ptr<Copy> m_first;
    qint64 m_successor = 0; // of the first; speaks through it
    std::unique_ptr<Copy> m_waiter;
    std::unique_ptr<Copy> m_last;
};

#endif
