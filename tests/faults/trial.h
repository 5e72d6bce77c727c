// SPDX-License-Identifier: 0BSD
#ifndef QTLOCKFILE_TRIAL_H
#define QTLOCKFILE_TRIAL_H

#include "environment.h"
#include "faultycalls.h"

#include <QtLockFile/LockError>
#include <QtLockFile/LockFile>

#include <cerrno>
#include <string>

// Which call is to fail, and how; none with an error of 0.
struct Fault
{
    std::string call;
    int nth = 0;
    int error = 0;
};

// A lock of somebody who knows nothing of the library, nor of faults.
class RawLock
{
public:
    static constexpr off_t kWholeFile = 0;
    static constexpr off_t kOneTicket = 1;

    RawLock(const QString &path, off_t length);
    ~RawLock() { ::close(m_file); }
    RawLock(const RawLock &) = delete;
    RawLock &operator=(const RawLock &) = delete;

    void unlock();

    // Whether anybody else has locked something.
    bool seesAnother() const;

    // Whether the file at the path is still this one.
    bool isAt(const QString &path) const;

    int descriptor() const { return m_file; }

private:
    const int m_file;
};

// One run of something with one fault, what came of it, and what of that is wrong.
class Trial
{
public:
    explicit Trial(const Fault &fault) : m_fault(fault) { }

    QString path() const { return m_folder.path(); }
    const Folder &folder() const { return m_folder; }
    int error() const { return m_fault.error; }

    // That another has the lock, fcntl_locking(2).
    bool saysItIsLocked() const { return m_fault.call == "fcntl" && (m_fault.error == EACCES || m_fault.error == EAGAIN); }

    // Whether the fault is what an errno is about.
    bool isMeantBy(int error) const;

    // Between them the fault comes.
    void arm(FaultyCalls::Threads threads = FaultyCalls::Threads::All);
    void disarm();

    void expect(bool condition, const char *otherwise);
    void note(const QString &outcome) { m_outcome << outcome; }

    // What the error says has to be what happened.
    void checkError(const QtLockFile::LockError &error);

    // Runs the event loop until the attempt has ended, and looks at how.
    bool checkAttempt(const QtLockFile::LockFile &lock, const Record &record);
    void checkRelease(QtLockFile::LockFile *lock);

    // That nothing is left of what was done, and that it can be done again.
    void checkEnd(QtLockFile::LockFile *lock);

    bool isLocked() const { return isLocked(path()); }
    static bool isLocked(const QString &path) { return exists(path) && RawLock(path, -1).seesAnother(); }

    QStringList wrong() const { return m_wrong; }
    QString outcome() const { return m_outcome.join(QStringLiteral(", ")); }
    std::vector<std::string> calls() const { return m_calls; }

private:
    const Fault m_fault;
    const Folder m_folder;
    QStringList m_wrong;
    QStringList m_outcome;
    std::vector<std::string> m_calls;
    bool m_told = false; // an error was
};

int openDescriptors();

#endif
