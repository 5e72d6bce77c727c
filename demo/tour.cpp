// SPDX-License-Identifier: 0BSD
#include "tour.h"
#include "console.h"
#include "instance.h"

#include <QtLockFile/LockQueue>

#include <QtCore/qdeadlinetimer.h>
#include <QtCore/qfile.h>
#include <QtCore/qthread.h>

#include <chrono>
#include <csignal>

using namespace QtLockFile;
using namespace std::chrono_literals;

namespace {

constexpr auto kPatience = 60s; // for what takes a moment, however busy the machine is

bool complain(const QString &text)
{
    printLine(stderr, text);
    return false;
}

} // namespace

Tour::Tour(const QString &folder)
    : m_folder(folder), m_environment(QProcessEnvironment::systemEnvironment()), m_lockPath(m_runtime.filePath(instanceId() + QStringLiteral("/lock"))),
      m_otherPath(m_runtime.filePath(QStringLiteral("example.lock")))
{
    m_environment.insert(QStringLiteral("XDG_RUNTIME_DIR"), m_runtime.path());
    m_page = tr("# A guided tour of the QtLockFile demo\n");
}

Tour::~Tour()
{
    if (m_successor > 0)
        ::kill(pid_t(m_successor), SIGKILL); // it may be stopped
}

int Tour::run()
{
    if (!m_runtime.isValid() || !m_folder.mkpath(QStringLiteral("."))) {
        complain(tr("Cannot create the folder %1.").arg(m_folder.path()));
        return 2;
    }
    const bool done = firstStarts() && secondRaisesIt() && waitersQueue() && oneCancels() && firstRestarts() && nobodyAnswers() && waiterTakesOver()
        && anyLockIsTaken() && fileIsRemoved() && allEnd() && writePage();
    if (!done) {
        for (const Copy *copy : {m_first.get(), m_waiter.get(), m_last.get()}) {
            if (copy && !copy->error().isEmpty())
                complain(copy->error() + u' ' + copy->complaints());
        }
        return complain(tr("The tour has failed.")), 2;
    }
    printLine(stdout, m_folder.absoluteFilePath(QStringLiteral("index.md")));
    return 0;
}

std::unique_ptr<Copy> Tour::start(const QStringList &arguments) const
{
    return std::make_unique<Copy>(QCoreApplication::applicationFilePath(), arguments, m_environment);
}

bool Tour::firstStarts()
{
    m_first = start({});
    return m_first->expect(QStringLiteral("own"), QStringLiteral("HeldByUs"), {m_first->pid()})
        && picture(m_first.get(), QStringLiteral("first-start"), tr("The first copy holds the lock of the application: it is the one instance."));
}

bool Tour::secondRaisesIt()
{
    QProcess second;
    second.setProcessEnvironment(m_environment);
    second.start(QCoreApplication::applicationFilePath(), {QStringLiteral("--lock"), m_otherPath});
    const bool ended = second.waitForFinished(std::chrono::milliseconds(kPatience).count());
    const QString said = QString::fromLocal8Bit(second.readAllStandardError());
    if (!ended || second.exitCode() != 0 || !said.contains(QString::number(m_first->pid())))
        return complain(tr("The second copy did not find the first: %1").arg(said));
    m_page += tr("\nA second copy, started with `--lock`, ends without a window, and says who runs already:\n") + QStringLiteral("\n    %1").arg(said);
    return m_first->expect(QStringLiteral("any"), QStringLiteral("Free"), {})
        && picture(m_first.get(), QStringLiteral("second-start"),
                   tr("It has called the first window to the front, which now shows what the second was asked for."));
}

bool Tour::waitersQueue()
{
    m_waiter = start({QStringLiteral("--wait")});
    if (!m_waiter->expect(QStringLiteral("status"), QStringLiteral("Waiting"), {m_first->pid(), m_waiter->pid()}))
        return false;
    m_last = start({QStringLiteral("--wait")});
    const QList<qint64> everyone{m_first->pid(), m_waiter->pid(), m_last->pid()};
    return m_last->expect(QStringLiteral("status"), QStringLiteral("Waiting"), everyone)
        && m_first->expect(QStringLiteral("own"), QStringLiteral("HeldByUs"), everyone)
        && picture(m_last.get(), QStringLiteral("waiting"), tr("Two more copies, started with `--wait`, queue without freezing. This one is the last."))
        && picture(m_first.get(), QStringLiteral("queue"), tr("The first copy sees them come."));
}

bool Tour::oneCancels()
{
    if (!m_last->ask(QStringLiteral("click cancelWait")) || m_last->waitForExitCode() != 1)
        return complain(tr("The wait was not cancelled."));
    return m_first->expect(QStringLiteral("own"), QStringLiteral("HeldByUs"), {m_first->pid(), m_waiter->pid()})
        && picture(m_first.get(), QStringLiteral("cancelled"), tr("The last one was cancelled, and is out of the queue at once."));
}

bool Tour::firstRestarts()
{
    if (!m_first->ask(QStringLiteral("leave restart")))
        return false;
    const QDeadlineTimer deadline(kPatience);
    LockParticipant holder;
    do {
        QThread::msleep(10); // the queue is looked at from outside, and tells nobody when it changes
        holder = LockQueue::of(m_lockPath).holder();
    } while ((holder.pid() < 0 || holder.pid() == m_first->pid()) && !deadline.hasExpired());
    if (holder.pid() < 0 || holder.pid() == m_first->pid())
        return complain(tr("Nobody has taken over."));
    m_successor = holder.pid();
    return m_first->expect(QStringLiteral("own"), QStringLiteral("HeldByUs"), {m_successor, m_waiter->pid()})
        && picture(m_first.get(), QStringLiteral("restarted"),
                   tr("*Restart* has handed the lock to a fresh copy, with another process number. Who was next in line still is."));
}

bool Tour::nobodyAnswers()
{
    ::kill(pid_t(m_successor), SIGSTOP);
    m_last = start({});
    return m_last->ask(QStringLiteral("await notResponding"))
        && m_last->ask(QStringLiteral("await state ") + QCoreApplication::translate("NotRespondingDialog", "stopped"))
        && picture(m_last.get(), QStringLiteral("not-responding"),
                   tr("That copy was stopped, so another start gets no answer. It asks what to do, and kills nobody."))
        && m_last->ask(QStringLiteral("click takeOver"))
        && m_last->expect(QStringLiteral("status"), QStringLiteral("Waiting"), {m_successor, m_waiter->pid(), m_last->pid()})
        && picture(m_last.get(), QStringLiteral("wait-and-take-over"), tr("*Wait and take over* queues, behind the one that waits already."));
}

bool Tour::waiterTakesOver()
{
    ::kill(pid_t(m_successor), SIGKILL);
    return m_waiter->expect(QStringLiteral("own"), QStringLiteral("HeldByUs"), {m_waiter->pid(), m_last->pid()})
        && picture(m_waiter.get(), QStringLiteral("take-over"),
                   tr("The stopped copy was killed: the kernel hands the lock to the next in line, which opens its window."));
}

bool Tour::anyLockIsTaken()
{
    return m_waiter->ask(QStringLiteral("type ") + m_otherPath) && m_waiter->expect(QStringLiteral("any"), QStringLiteral("Free"), {})
        && m_waiter->ask(QStringLiteral("click acquire")) && m_waiter->expect(QStringLiteral("any"), QStringLiteral("HeldByUs"), {m_waiter->pid()})
        && picture(m_waiter.get(), QStringLiteral("any-lock"), tr("Any other lock file can be watched, and taken. The log has each call and each signal."));
}

bool Tour::fileIsRemoved()
{
    return QFile::remove(m_otherPath) && m_waiter->expect(QStringLiteral("any"), QStringLiteral("Lost"), {})
        && picture(m_waiter.get(), QStringLiteral("file-removed"), tr("Somebody has removed the file while it was held: the holder is told."));
}

bool Tour::allEnd()
{
    if (!m_last->ask(QStringLiteral("click cancelWait")) || m_last->waitForExitCode() != 1 || !m_waiter->end())
        return complain(tr("A copy did not end well."));
    return !LockQueue::of(m_lockPath).isHeld() || complain(tr("The lock is still held."));
}

bool Tour::picture(Copy *copy, const QString &name, const QString &sentence)
{
    const QString file = QStringLiteral("%1-%2.png").arg(++m_pictures, 2, 10, QLatin1Char('0')).arg(name);
    m_page += QStringLiteral("\n%1\n\n![%1](%2)\n").arg(sentence, file);
    return copy->ask(QStringLiteral("grab ") + m_folder.absoluteFilePath(file));
}

bool Tour::writePage() const
{
    QFile page(m_folder.filePath(QStringLiteral("index.md")));
    return (page.open(QIODevice::WriteOnly) && page.write(m_page.toUtf8()) >= 0 && page.flush()) || complain(page.errorString());
}
