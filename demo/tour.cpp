// SPDX-License-Identifier: 0BSD
#include "tour.h"
#include "console.h"

#include <QtCore/qdeadlinetimer.h>
#include <QtCore/qfile.h>

#include <chrono>

using namespace std::chrono_literals;

namespace {

constexpr auto kPatience = 60s; // for what takes a moment, however busy the machine is

bool complain(const QString &text)
{
    printLine(stderr, text);
    return false;
}

} // namespace

/*! A copy of this program with a window, driven by the lines that remote.h lists. It ends with us: its input closes. */
class Tour::Copy
{
public:
    explicit Copy(const QStringList &arguments)
    {
        m_process.setProcessChannelMode(QProcess::ForwardedErrorChannel);
        m_process.start(QCoreApplication::applicationFilePath(), arguments + QStringList{QStringLiteral("--remote")});
        m_process.waitForStarted();
    }

    ~Copy() { end(); }

    QString pid() const { return QString::number(m_process.processId()); }

    bool ask(const QString &line)
    {
        m_process.write(QFile::encodeName(line) + '\n');
        const QDeadlineTimer deadline(kPatience);
        while (!m_process.canReadLine() && m_process.waitForReadyRead(int(deadline.remainingTime()))) { }
        const QByteArray answer = m_process.readLine().trimmed();
        return answer == "done"
            || complain(tr("\"%1\": %2").arg(line, answer.isEmpty() ? tr("no answer") : QString::fromLocal8Bit(answer)));
    }

    bool expect(const QString &status, const QStringList &pids, const QString &panel = QStringLiteral("status"))
    {
        return ask((QStringList{QStringLiteral("expect"), panel, status} + pids).join(u' '));
    }

    bool click(const QString &button) { return ask(QStringLiteral("click ") + button); }

    bool end()
    {
        m_process.closeWriteChannel();
        if (m_process.state() == QProcess::NotRunning || m_process.waitForFinished(std::chrono::milliseconds(kPatience).count()))
            return m_process.exitStatus() == QProcess::NormalExit && m_process.exitCode() == 0;
        kill();
        return false;
    }

    void kill()
    {
        m_process.kill();
        m_process.waitForFinished();
    }

private:
    QProcess m_process;
};

Tour::Tour(const QString &folder) : m_folder(folder), m_lockPath(m_lockFolder.filePath(QStringLiteral("demo.lock")))
{
    m_page = tr("# A guided tour of the QtLockFile demo\n");
}

Tour::~Tour() = default;

int Tour::run()
{
    if (!m_lockFolder.isValid() || !m_folder.mkpath(QStringLiteral("."))) {
        complain(tr("Cannot create the folder %1.").arg(m_folder.path()));
        return 2;
    }
    const bool done = firstHolds() && secondIsRefused() && waitersQueue() && oneCancels() && waiterTakesOver() && waiterReleases()
        && fileIsRemoved() && allEnd() && writePage();
    if (!done)
        return complain(tr("The tour has failed.")), 2;
    printLine(stdout, m_folder.absoluteFilePath(QStringLiteral("index.md")));
    return 0;
}

bool Tour::firstHolds()
{
    m_first = std::make_unique<Copy>(QStringList{QStringLiteral("--lock"), m_lockPath});
    return m_first->expect(QStringLiteral("HeldByUs"), {m_first->pid()})
        && picture(m_first.get(), QStringLiteral("first-holds"), tr("The first copy holds the lock: it is the one instance."));
}

bool Tour::secondIsRefused()
{
    QProcess second;
    second.start(QCoreApplication::applicationFilePath(), {QStringLiteral("--lock"), m_lockPath});
    const bool ended = second.waitForFinished(std::chrono::milliseconds(kPatience).count());
    const QString said = QString::fromLocal8Bit(second.readAllStandardError());
    if (!ended || second.exitCode() != 0 || !said.contains(m_first->pid()))
        return complain(tr("The second copy was not refused: %1").arg(said));
    m_page += tr("\nA second copy ends without a window, and says who is in the way:\n") + QStringLiteral("\n    %1").arg(said);
    return true;
}

bool Tour::waitersQueue()
{
    const QStringList arguments{QStringLiteral("--lock"), m_lockPath, QStringLiteral("--wait")};
    m_waiter = std::make_unique<Copy>(arguments);
    if (!m_waiter->expect(QStringLiteral("Waiting"), {m_first->pid(), m_waiter->pid()}))
        return false;
    m_third = std::make_unique<Copy>(arguments);
    const QStringList everyone{m_first->pid(), m_waiter->pid(), m_third->pid()};
    return m_third->expect(QStringLiteral("Waiting"), everyone) && m_first->expect(QStringLiteral("HeldByUs"), everyone)
        && picture(m_third.get(), QStringLiteral("third-waits"), tr("Two more copies wait in line, without freezing; this one is the last."))
        && picture(m_first.get(), QStringLiteral("first-sees-the-queue"), tr("The first copy sees them come."));
}

bool Tour::oneCancels()
{
    return m_third->click(QStringLiteral("cancel")) && m_third->expect(QStringLiteral("HeldByOther"), {m_first->pid(), m_waiter->pid()})
        && picture(m_third.get(), QStringLiteral("third-cancels"), tr("The last one stops waiting and is out of the queue at once."));
}

bool Tour::waiterTakesOver()
{
    m_first->kill();
    return m_waiter->expect(QStringLiteral("HeldByUs"), {m_waiter->pid()})
        && picture(m_waiter.get(), QStringLiteral("waiter-takes-over"),
                   tr("The first copy was killed: the kernel hands the lock to the next in line."));
}

bool Tour::waiterReleases()
{
    if (!m_waiter->click(QStringLiteral("release")) || !m_waiter->expect(QStringLiteral("Free"), {}))
        return false;
    if (QFile::exists(m_lockPath))
        return complain(tr("The last one out has left %1 behind.").arg(m_lockPath));
    return picture(m_waiter.get(), QStringLiteral("waiter-releases"), tr("Released: nobody waits, so the file is gone as well."));
}

bool Tour::fileIsRemoved()
{
    return m_waiter->click(QStringLiteral("acquire")) && m_waiter->expect(QStringLiteral("HeldByUs"), {m_waiter->pid()})
        && m_third->ask(QStringLiteral("watch ") + m_lockPath)
        && m_third->expect(QStringLiteral("HeldByOther"), {m_waiter->pid()}, QStringLiteral("watched"))
        && picture(m_third.get(), QStringLiteral("third-watches"), tr("Any lock file can be watched without taking it."))
        && QFile::remove(m_lockPath) && m_waiter->expect(QStringLiteral("Lost"), {})
        && picture(m_waiter.get(), QStringLiteral("file-removed"), tr("Somebody has removed the file while it was held: the holder is told."));
}

bool Tour::allEnd()
{
    return (m_waiter->end() && m_third->end()) || complain(tr("A copy did not end well."));
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
