// SPDX-License-Identifier: 0BSD
#ifndef TOUR_H
#define TOUR_H

#include <QtCore/qcoreapplication.h>
#include <QtCore/qdir.h>
#include <QtCore/qprocess.h>
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
    class Copy;

    bool firstHolds();
    bool secondIsRefused();
    bool waitersQueue();
    bool oneCancels();
    bool waiterTakesOver();
    bool waiterReleases();
    bool fileIsRemoved();
    bool allEnd();
    bool picture(Copy *copy, const QString &name, const QString &sentence);
    bool writePage() const;

    QDir m_folder;
    QTemporaryDir m_lockFolder;
    QString m_lockPath;
    QString m_page;
    int m_pictures = 0;
    std::unique_ptr<Copy> m_first;
    std::unique_ptr<Copy> m_waiter;
    std::unique_ptr<Copy> m_third;
};

#endif
