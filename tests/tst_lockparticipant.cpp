// SPDX-License-Identifier: 0BSD
#include "environment.h"

#include <QtCore/qfileinfo.h>
#include <QtCore/qscopeguard.h>

#include <csignal>
#include <sys/prctl.h>
#include <sys/wait.h>

using namespace QtLockFile;

namespace {

// The kernel's name of this process.
class ProcessName
{
public:
    explicit ProcessName(const QByteArray &name)
    {
        ::prctl(PR_GET_NAME, m_before);
        ::prctl(PR_SET_NAME, name.constData());
    }
    ProcessName(const ProcessName &) = delete;
    ProcessName &operator=(const ProcessName &) = delete;
    ~ProcessName() { ::prctl(PR_SET_NAME, m_before); }

private:
    char m_before[16] = {};
};

bool isStopped(qint64 pid)
{
    return LockParticipant::ofProcess(pid).isStopped();
}

} // namespace

class TestLockParticipant : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void nobodyIsNamedByDefault()
    {
        const LockParticipant nobody;
        QCOMPARE(nobody.pid(), qint64(-1));
        QVERIFY(nobody.processName().isEmpty());
        QVERIFY(!nobody.isThisProcess());
        QVERIFY(!nobody.isStopped());
        QCOMPARE(nobody.description(), QStringLiteral("an unknown process"));
    }

    void whatTheKernelDoesNotKnowIsNotGuessed_data()
    {
        QTest::addColumn<qint64>("pid");
        QTest::newRow("a process of another pid namespace") << qint64(0);
        QTest::newRow("a lock of an open file, or another machine") << qint64(-1);
        QTest::newRow("a remote pid, as NFS may give it") << qint64(-4711);
    }

    void whatTheKernelDoesNotKnowIsNotGuessed()
    {
        QFETCH(const qint64, pid);
        QCOMPARE(LockParticipant::ofProcess(pid), LockParticipant());
    }

    void thisProcessIsKnownByItsProgram()
    {
        const LockParticipant self = LockParticipant::ofProcess(::getpid());
        QCOMPARE(self.pid(), qint64(::getpid()));
        QVERIFY(self.isThisProcess());
        QVERIFY(!self.isStopped());
        // Longer than the fifteen bytes that the kernel keeps.
        QCOMPARE(self.processName(), QFileInfo(QCoreApplication::applicationFilePath()).fileName());
        QCOMPARE(self.description(), QStringLiteral("%1 (%2)").arg(self.processName()).arg(::getpid()));
    }

    void theKernelsNameIsShownAsItIs_data()
    {
        QTest::addColumn<QByteArray>("name");
        QTest::newRow("plain") << QByteArray("plain");
        QTest::newRow("a closing parenthesis") << QByteArray("a) S (b");
        QTest::newRow("parentheses alone") << QByteArray(")(");
        QTest::newRow("spaces") << QByteArray("two words");
        QTest::newRow("place markers") << QByteArray("100%2 of %1 %n");
        QTest::newRow("fifteen bytes of something else") << QByteArray("123456789012345");
        QTest::newRow("UTF-8") << QByteArray("Schlüssel");
    }

    void theKernelsNameIsShownAsItIs()
    {
        QFETCH(const QByteArray, name);
        const ProcessName process(name);
        const LockParticipant self = LockParticipant::ofProcess(::getpid());
        QCOMPARE(self.processName(), QString::fromLocal8Bit(name));
        QVERIFY(!self.isStopped());
        QCOMPARE(self.description(), QString::fromLocal8Bit(name) + QStringLiteral(" (") + QString::number(::getpid()) + u')');
    }

    void aProcessThatHasEndedHasNoName()
    {
        const pid_t child = ::fork();
        if (child == 0)
            ::_exit(0);
        QVERIFY(child > 0);
        int status;
        QCOMPARE(::waitpid(child, &status, 0), child);
        const LockParticipant gone = LockParticipant::ofProcess(child);
        QCOMPARE(gone.pid(), qint64(child));
        QVERIFY(gone.processName().isEmpty());
        QVERIFY(!gone.isThisProcess());
        QCOMPARE(gone.description(), QStringLiteral("process %1").arg(child));
    }

    void aStoppedProcessIsToldFromARunningOne()
    {
        const pid_t child = ::fork();
        if (child == 0) {
            for (;;)
                ::pause();
        }
        QVERIFY(child > 0);
        const auto reap = qScopeGuard([child] {
            ::kill(child, SIGKILL);
            ::waitpid(child, nullptr, 0);
        });
        QVERIFY(!isStopped(child));
        QCOMPARE(::kill(child, SIGSTOP), 0);
        QVERIFY(must([&] { return isStopped(child); }));
        QVERIFY(LockParticipant::ofProcess(child) != LockParticipant());
        QCOMPARE(::kill(child, SIGCONT), 0);
        QVERIFY(must([&] { return !isStopped(child); }));
    }

    void isAValueWithProperties()
    {
        const LockParticipant self = LockParticipant::ofProcess(::getpid());
        LockParticipant copy;
        QVERIFY(copy != self);
        copy = self;
        QCOMPARE(copy, self);
        QCOMPARE(QVariant::fromValue(self).value<LockParticipant>(), self);
        const QMetaObject &meta = LockParticipant::staticMetaObject;
        const auto property = [&](const char *name) { return meta.property(meta.indexOfProperty(name)).readOnGadget(&self); };
        QCOMPARE(property("pid").toLongLong(), qint64(::getpid()));
        QCOMPARE(property("processName").toString(), self.processName());
        QCOMPARE(property("isThisProcess").toBool(), true);
        QCOMPARE(property("isStopped").toBool(), false);
    }

    void qDebugShowsTheDescription()
    {
        QString text;
        QDebug(&text) << LockParticipant::ofProcess(::getpid()) << LockParticipant();
        QVERIFY(text.contains(LockParticipant::ofProcess(::getpid()).description()));
        QVERIFY(text.contains(QStringLiteral("an unknown process")));
    }
};

QTEST_GUILESS_MAIN(TestLockParticipant)
#include "tst_lockparticipant.moc"
