// SPDX-License-Identifier: 0BSD
#include "environment.h"

#include <QtCore/qelapsedtimer.h>
#include <QtCore/qregularexpression.h>
#include <QtCore/qset.h>
#include <QtTest/qsignalspy.h>

#include <functional>
#include <limits>

using namespace QtLockFile;
using State = LockFile::State;
using Code = LockError::Code;

namespace {

// A button, as far as a lock is concerned.
class Button : public QObject
{
    Q_OBJECT
Q_SIGNALS:
    void clicked(bool checked);
};

void ignoreWarning(const char *call)
{
    QTest::ignoreMessage(QtWarningMsg, QRegularExpression(QStringLiteral("^LockFile::%1: Cannot ").arg(QLatin1String(call))));
}

using Attempt = std::function<void(LockFile &)>;

void acquire(LockFile &lock)
{
    lock.acquire();
}

void tryAcquire(LockFile &lock)
{
    (void)lock.tryAcquire();
}

} // namespace

class TestLockFile : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void init() { QTest::failOnWarning(QRegularExpression(QStringLiteral("."))); }

    void constructionOnlyRemembers()
    {
        const Folder folder;
        const LockFile lock(folder.path());
        QVERIFY(folder.isEmpty());
        QCOMPARE(lock.path(), folder.path());
        QCOMPARE(lock.state(), State::Released);
        QVERIFY(!lock.isAcquired());
        QCOMPARE(lock.position(), -1);
        QCOMPARE(lock.fileDescriptor(), -1);
        QVERIFY(!lock.error());
        QVERIFY(lock.timeout() < 0ms);
        QVERIFY(lock.removeOnRelease());
        constexpr auto all = QFileDevice::ReadOwner | QFileDevice::WriteOwner | QFileDevice::ReadGroup | QFileDevice::WriteGroup | QFileDevice::ReadOther
            | QFileDevice::WriteOther;
        QCOMPARE(lock.permissions(), all);
    }

    void acquireCreatesAndLocksAnEmptyRegularFileAndReleaseRemovesIt()
    {
        const Folder folder;
        LockFile lock(folder.path());
        Record record(lock);

        lock.acquire();
        QCOMPARE(lock.state(), State::Acquiring);
        QCOMPARE(record.take(), QStringLiteral("Acquiring"));
        QCOMPARE(lock.fileDescriptor(), -1);
        QVERIFY(must([&] { return record.contains("acquired"); }));
        QCOMPARE(record.take(), QStringLiteral("Acquired, acquired"));
        QCOMPARE(lock.state(), State::Acquired);
        QVERIFY(lock.isAcquired());
        QVERIFY(!lock.error());

        struct stat file;
        QCOMPARE(::lstat(QFile::encodeName(folder.path()).constData(), &file), 0);
        QVERIFY(S_ISREG(file.st_mode));
        QCOMPARE(file.st_size, off_t(0));
        struct stat opened;
        QCOMPARE(::fstat(lock.fileDescriptor(), &opened), 0);
        QCOMPARE(opened.st_ino, file.st_ino);
        QCOMPARE(::fcntl(lock.fileDescriptor(), F_GETFD), FD_CLOEXEC);
        QVERIFY(!isFree(folder.path()));

        lock.release();
        QCOMPARE(lock.state(), State::Releasing);
        QCOMPARE(record.take(), QStringLiteral("Releasing"));
        QCOMPARE(lock.fileDescriptor(), -1);
        QVERIFY(must([&] { return record.contains("released"); }));
        QCOMPARE(record.take(), QStringLiteral("Released, released"));
        QVERIFY(folder.isEmpty());
        QVERIFY(isFree(folder.path()));
    }

    void anObjectCanBeAcquiredAgain()
    {
        const Folder folder;
        LockFile lock(folder.path());
        for (int round = 0; round < 50; ++round) {
            if (round % 2 == 0) {
                lock.acquire();
                QVERIFY(lock.waitForAcquired(kLong));
            } else {
                QVERIFY(lock.tryAcquire());
            }
            QVERIFY(!isFree(folder.path()));
            lock.release();
            QVERIFY(lock.waitForReleased(kLong));
            QVERIFY(folder.isEmpty());
        }
    }

    void theScopeReleasesAndRemoves()
    {
        const Folder folder;
        {
            LockFile lock(folder.path());
            QVERIFY(lock.tryAcquire());
            QVERIFY(exists(folder.path()));
        }
        QVERIFY(folder.isEmpty());
    }

    void eachAttemptEndsInExactlyOneSignalAndNeverBeforeTheCallHasReturned_data()
    {
        QTest::addColumn<Attempt>("attempt");
        QTest::addColumn<bool>("held");
        QTest::addColumn<int>("timeout");
        QTest::addColumn<bool>("cancelled");
        QTest::addColumn<bool>("possible");
        QTest::addColumn<QString>("end");
        const QString acquired = QStringLiteral("acquired");
        QTest::newRow("acquire() of a free lock") << Attempt(acquire) << false << -1 << false << true << acquired;
        QTest::newRow("acquire() of a free lock with time-out 0") << Attempt(acquire) << false << 0 << false << true << acquired;
        QTest::newRow("acquire() of a free lock with a time-out") << Attempt(acquire) << false << 60000 << false << true << acquired;
        QTest::newRow("acquire() of a held lock with time-out 0") << Attempt(acquire) << true << 0 << false << true << QStringLiteral("failed Held");
        QTest::newRow("acquire() of a held lock with a time-out") << Attempt(acquire) << true << 20 << false << true << QStringLiteral("failed TimedOut");
        QTest::newRow("acquire() of a held lock, cancelled") << Attempt(acquire) << true << -1 << true << true << QStringLiteral("failed Cancelled");
        QTest::newRow("acquire() of a free lock, cancelled") << Attempt(acquire) << false << -1 << true << true << QStringLiteral("failed Cancelled");
        QTest::newRow("acquire() where it is impossible") << Attempt(acquire) << false << -1 << false << false << QStringLiteral("failed System");
        QTest::newRow("acquire() where it is impossible, cancelled") << Attempt(acquire) << false << -1 << true << false << QStringLiteral("failed Cancelled");
        QTest::newRow("tryAcquire() of a free lock") << Attempt(tryAcquire) << false << -1 << false << true << acquired;
        QTest::newRow("tryAcquire() of a held lock") << Attempt(tryAcquire) << true << -1 << false << true << QStringLiteral("failed Held");
        QTest::newRow("tryAcquire() where it is impossible") << Attempt(tryAcquire) << false << -1 << false << false << QStringLiteral("failed System");
    }

    void eachAttemptEndsInExactlyOneSignalAndNeverBeforeTheCallHasReturned()
    {
        QFETCH(const Attempt, attempt);
        QFETCH(const bool, held);
        QFETCH(const int, timeout);
        QFETCH(const bool, cancelled);
        QFETCH(const bool, possible);
        QFETCH(const QString, end);
        for (const bool waiting : {false, true}) {
            const Folder folder;
            const QString path = possible ? folder.path() : folder.path("missing/lock");
            LockFile holder(path);
            QVERIFY(!held || holder.tryAcquire());
            LockFile lock(path);
            lock.setTimeout(std::chrono::milliseconds(timeout));
            QSignalSpy acquired(&lock, &LockFile::acquired);
            QSignalSpy failed(&lock, &LockFile::failed);
            Record record(lock);

            attempt(lock);
            if (cancelled)
                lock.cancel();
            QCOMPARE(acquired.size() + failed.size(), 0);
            if (waiting)
                (void)lock.waitForAcquired(kLong);
            else
                QVERIFY(must([&] { return acquired.size() + failed.size() > 0; }));
            QVERIFY(stays([&] { return acquired.size() + failed.size() == 1; }));
            QVERIFY2(record.take().endsWith(end), qPrintable(nameOf(lock.error().code())));
            QCOMPARE(lock.isAcquired(), end == QStringLiteral("acquired"));
            QCOMPARE(bool(lock.error()), !lock.isAcquired());
            if (!failed.isEmpty())
                QCOMPARE(failed.first().first().value<LockError>(), lock.error());
        }
    }

    void stateChangedComesInsideTheCall()
    {
        const Folder folder;
        LockFile lock(folder.path());
        Record record(lock);
        QVERIFY(lock.tryAcquire());
        QCOMPARE(record.take(), QStringLiteral("Acquired"));
        lock.release();
        QCOMPARE(record.take(), QStringLiteral("Releasing"));
        lock.acquire();
        QCOMPARE(record.take(), QStringLiteral("Acquiring"));
        lock.cancel();
        QCOMPARE(lock.state(), State::Acquiring);
        QVERIFY(record.isEmpty());
    }

    void signalsComeInOrderEvenIfTheStateHasMovedOn()
    {
        const Folder folder;
        LockFile lock(folder.path());
        Record record(lock);
        QVERIFY(lock.tryAcquire());
        lock.release();
        QVERIFY(lock.tryAcquire());
        lock.release();
        lock.acquire();
        QCOMPARE(record.take(), QStringLiteral("Acquired, Releasing, Released, Acquired, Releasing, Acquiring"));
        QVERIFY(must([&] { return lock.isAcquired(); }));
        QCoreApplication::processEvents();
        QCOMPARE(record.take(), QStringLiteral("acquired, released, acquired, released, Acquired, acquired"));
    }

    void releaseAndAcquireWithoutAnEventLoopBetweenLetsGoInBetween()
    {
        const Folder folder;
        LockFile lock(folder.path());
        LockFile other(folder.path());
        QVERIFY(lock.tryAcquire());
        other.acquire();
        QVERIFY(mustWithoutEventLoop([&] { return other.position() == 1; }));
        lock.release();
        lock.acquire();
        QVERIFY(other.waitForAcquired(kLong));
        QVERIFY(!lock.waitForAcquired(kShort));
        QCOMPARE(lock.state(), State::Acquiring);
        other.release();
        QVERIFY(lock.waitForAcquired(kLong));
    }

    void thePlaceInTheQueueIsNeverThatOfTheHoldBefore()
    {
        const Folder folder;
        LockFile lock(folder.path());
        LockFile other(folder.path());
        for (int round = 0; round < 200; ++round) {
            QVERIFY(lock.tryAcquire());
            other.acquire();
            QVERIFY(mustWithoutEventLoop([&] { return other.position() == 1; }));
            lock.release();
            lock.acquire();
            int position = -1;
            QVERIFY(mustWithoutEventLoop([&] { return (position = lock.position()) >= 0; }));
            QCOMPARE(position, 1);
            QVERIFY(other.waitForAcquired(kLong));
            other.release();
            QVERIFY(lock.waitForAcquired(kLong));
            lock.release();
            QVERIFY(lock.waitForReleased(kLong));
            QVERIFY(other.waitForReleased(kLong));
        }
    }

    void tryAcquireWhileReleasingTakesPlaceAfterTheRelease()
    {
        const Folder folder;
        LockFile lock(folder.path());
        Record record(lock);
        QVERIFY(lock.tryAcquire());
        lock.release();
        QCOMPARE(lock.state(), State::Releasing);
        QVERIFY(lock.tryAcquire());
        QVERIFY(lock.isAcquired());
        QVERIFY(!isFree(folder.path()));
        QVERIFY(lock.waitForAcquired(kLong));
        QCOMPARE(record.take(), QStringLiteral("Acquired, Releasing, Released, Acquired, acquired, released, acquired"));
    }

    void tryAcquireThatIsRefusedLeavesAloneWhatASlotHasBegunMeanwhile()
    {
        const Folder folder;
        LockFile lock(folder.path());
        QVERIFY(lock.tryAcquire());
        lock.release();
        connect(&lock, &LockFile::stateChanged, &lock, [&](State state) {
            if (state == State::Released) {
                lock.acquire();
                QVERIFY(mustWithoutEventLoop([&] { return lock.position() == 0; }));
            }
        });
        Record record(lock);
        ignoreWarning("tryAcquire");
        QVERIFY(!lock.tryAcquire());
        QCOMPARE(lock.state(), State::Acquiring);
        QVERIFY(lock.waitForAcquired(kLong));
        // The record's slot comes after the one that calls.
        QCOMPARE(record.take(), QStringLiteral("Acquiring, Released, acquired, released, Acquired, acquired"));
        lock.disconnect();
    }

    void tryAcquireTakesPlaceAfterEachReleaseThatASlotHasBegunMeanwhile()
    {
        const Folder folder;
        LockFile lock(folder.path());
        Record record(lock);
        QVERIFY(lock.tryAcquire());
        lock.release();
        int left = 3;
        connect(&lock, &LockFile::stateChanged, &lock, [&](State state) {
            if (state == State::Released && --left > 0) {
                QVERIFY(lock.tryAcquire());
                lock.release();
            }
        });
        QVERIFY(lock.tryAcquire());
        record.take();
        QVERIFY(lock.waitForAcquired(kLong));
        QCOMPARE(record.take(), QStringLiteral("acquired, released, acquired, released, acquired, released, acquired"));
    }

    void cancelledAttemptWhileReleasingStillReleases()
    {
        const Folder folder;
        LockFile lock(folder.path());
        Record record(lock);
        QVERIFY(lock.tryAcquire());
        lock.release();
        lock.acquire();
        lock.cancel();
        QVERIFY(lock.waitForReleased(kLong));
        QCOMPARE(record.take(), QStringLiteral("Acquired, Releasing, Acquiring, acquired, released, Released, failed Cancelled"));
        QVERIFY(folder.isEmpty());
    }

    void cancelWinsOverAGrantThatWasNotDelivered()
    {
        const Folder folder;
        LockFile lock(folder.path());
        Record record(lock);
        lock.acquire();
        QVERIFY(mustWithoutEventLoop([&] { return lock.position() == 0; }));
        QVERIFY(!isFree(folder.path()));
        lock.cancel();
        QVERIFY(must([&] { return record.contains("failed Cancelled"); }));
        QCOMPARE(record.take(), QStringLiteral("Acquiring, Released, failed Cancelled"));
        QVERIFY(folder.isEmpty());
        QVERIFY(isFree(folder.path()));
    }

    void cancelTwiceIsCancelledOnce()
    {
        const Folder folder;
        LockFile holder(folder.path());
        QVERIFY(holder.tryAcquire());
        LockFile lock(folder.path());
        Record record(lock);
        lock.acquire();
        lock.cancel();
        lock.cancel();
        QVERIFY(must([&] { return record.contains("failed Cancelled"); }));
        QVERIFY(stays([&] { return lock.state() == State::Released; }));
        QCOMPARE(record.take(), QStringLiteral("Acquiring, Released, failed Cancelled"));
    }

    void cancelOutsideAcquiringDoesNothingSilently()
    {
        const Folder folder;
        LockFile lock(folder.path());
        Record record(lock);
        lock.cancel();
        QVERIFY(lock.tryAcquire());
        lock.cancel();
        QVERIFY(lock.isAcquired());
        lock.release();
        lock.cancel();
        QVERIFY(lock.waitForReleased(kLong));
        QVERIFY(!lock.error());
        QCOMPARE(record.take(), QStringLiteral("Acquired, Releasing, acquired, Released, released"));
    }

    void aCallThatMakesNoSenseInTheStateChangesNothingAndWarns_data()
    {
        QTest::addColumn<State>("state");
        QTest::addColumn<QByteArray>("call");
        QTest::newRow("release() while Released") << State::Released << QByteArray("release");
        QTest::newRow("release() while Acquiring") << State::Acquiring << QByteArray("release");
        QTest::newRow("release() while Releasing") << State::Releasing << QByteArray("release");
        QTest::newRow("acquire() while Acquiring") << State::Acquiring << QByteArray("acquire");
        QTest::newRow("acquire() while Acquired") << State::Acquired << QByteArray("acquire");
        QTest::newRow("tryAcquire() while Acquiring") << State::Acquiring << QByteArray("tryAcquire");
        QTest::newRow("tryAcquire() while Acquired") << State::Acquired << QByteArray("tryAcquire");
    }

    void aCallThatMakesNoSenseInTheStateChangesNothingAndWarns()
    {
        QFETCH(const State, state);
        QFETCH(const QByteArray, call);
        const Folder folder;
        LockFile holder(folder.path());
        LockFile lock(folder.path());
        if (state == State::Acquiring) {
            QVERIFY(holder.tryAcquire());
            lock.acquire();
        } else if (state != State::Released) {
            QVERIFY(lock.tryAcquire());
            QVERIFY(lock.waitForAcquired(0ms));
        }
        if (state == State::Releasing)
            lock.release();
        QCOMPARE(lock.state(), state);
        Record record(lock);

        ignoreWarning(call.constData());
        if (call == "tryAcquire")
            QVERIFY(!lock.tryAcquire());
        else
            QVERIFY(QMetaObject::invokeMethod(&lock, call.constData()));
        QCOMPARE(lock.state(), state);
        QVERIFY(record.isEmpty());
        QCOMPARE(lock.error().code(), Code::InvalidState);
        QCOMPARE(lock.error().systemError(), 0);
        QCOMPARE(lock.error().path(), folder.path());
        QVERIFY(lock.error().message().contains(folder.path()));

        // What was under way ends as if nothing had been called.
        if (state == State::Acquiring) {
            holder.release();
            QVERIFY(lock.waitForAcquired(kLong));
            QVERIFY2(!lock.error(), "the attempt's own result takes the place of InvalidState");
            QCOMPARE(record.take(), QStringLiteral("Acquired, acquired"));
        } else if (state == State::Releasing) {
            QVERIFY(lock.waitForReleased(kLong));
            QCOMPARE(record.take(), QStringLiteral("Released, released"));
            QVERIFY(folder.isEmpty());
        } else {
            QVERIFY(stays([&] { return record.isEmpty() && lock.state() == state; }));
            QCOMPARE(exists(folder.path()), state == State::Acquired);
            QCOMPARE(lock.error().code(), Code::InvalidState);
        }
    }

    void timeoutEndsAWaitInTimeAndNamesTheHolder()
    {
        const Folder folder;
        LockFile holder(folder.path());
        QVERIFY(holder.tryAcquire());
        for (const bool waiting : {false, true}) {
            LockFile lock(folder.path());
            Record record(lock);
            lock.setTimeout(50ms);
            QElapsedTimer timer;
            timer.start();
            lock.acquire();
            QVERIFY(mustWithoutEventLoop([&] { return lock.position() == 1; }));
            if (waiting)
                QVERIFY(!lock.waitForAcquired(kLong));
            else
                QVERIFY(must([&] { return record.contains("failed TimedOut"); }));
            QVERIFY(timer.elapsed() >= 50);
            QCOMPARE(record.take(), QStringLiteral("Acquiring, Released, failed TimedOut"));
            QCOMPARE(lock.error().code(), Code::TimedOut);
            QVERIFY(lock.error().holder().isThisProcess());
        }
    }

    void aChangeOfTheTimeoutCountsForTheAttemptsToCome()
    {
        const Folder folder;
        LockFile holder(folder.path());
        QVERIFY(holder.tryAcquire());
        LockFile lock(folder.path());
        lock.acquire();
        lock.setTimeout(1ms);
        QVERIFY(stays([&] { return lock.state() == State::Acquiring; }));
        holder.release();
        QVERIFY(lock.waitForAcquired(kLong));
    }

    void aTimeoutThatHasNotPassedLeavesNothingBehind()
    {
        const Folder folder;
        LockFile lock(folder.path());
        Record record(lock);
        lock.setTimeout(kShort / 2);
        QVERIFY(mustWithoutEventLoop([&] { // on a busy machine it may pass
            record.take();
            lock.acquire();
            return lock.waitForAcquired(kLong);
        }));
        QVERIFY(stays([&] { return lock.isAcquired(); }));
        QCOMPARE(record.take(), QStringLiteral("Acquiring, Acquired, acquired"));
    }

    void negativeTimeoutsWait_data()
    {
        QTest::addColumn<int>("timeout");
        QTest::newRow("-1 ms") << -1;
        QTest::newRow("-5000 ms") << -5000;
        QTest::newRow("the lowest") << std::numeric_limits<int>::min();
    }

    void negativeTimeoutsWait()
    {
        QFETCH(const int, timeout);
        const Folder folder;
        LockFile holder(folder.path());
        QVERIFY(holder.tryAcquire());
        LockFile lock(folder.path());
        lock.setTimeout(std::chrono::milliseconds(timeout));
        lock.acquire();
        QVERIFY(stays([&] { return lock.state() == State::Acquiring; }));
        holder.release();
        QVERIFY(must([&] { return lock.isAcquired(); }));
    }

    void theLongestTimeoutWaits()
    {
        const Folder folder;
        LockFile holder(folder.path());
        QVERIFY(holder.tryAcquire());
        for (const auto timeout : {std::chrono::milliseconds(std::chrono::hours(24 * 365)), std::chrono::milliseconds::max()}) {
            LockFile lock(folder.path());
            lock.setTimeout(timeout);
            lock.acquire();
            QVERIFY(stays([&] { return lock.state() == State::Acquiring; }));
            QVERIFY(!lock.waitForAcquired(kShort));
            QCOMPARE(lock.state(), State::Acquiring);
        }
    }

    void waitForAcquiredThatExpiresLeavesTheAttemptRunning()
    {
        const Folder folder;
        LockFile holder(folder.path());
        QVERIFY(holder.tryAcquire());
        LockFile lock(folder.path());
        Record record(lock);
        lock.acquire();
        QVERIFY(!lock.waitForAcquired(0ms));
        QVERIFY(!lock.waitForAcquired(kShort));
        QVERIFY(!lock.waitForReleased(kShort));
        QCOMPARE(record.take(), QStringLiteral("Acquiring"));
        holder.release();
        QVERIFY(must([&] { return record.contains("acquired"); }));
    }

    void waitForDoesNotWaitForWhatIsNotUnderWay()
    {
        const Folder folder;
        LockFile lock(folder.path());
        QVERIFY(!lock.waitForAcquired());
        QVERIFY(lock.waitForReleased());
        QVERIFY(lock.tryAcquire());
        QVERIFY(lock.waitForAcquired());
        QVERIFY(!lock.waitForReleased());
        QVERIFY(lock.isAcquired());
        lock.release();
        QVERIFY2(!lock.waitForAcquired(), "it waits for the release to end, and then nothing is acquired");
        QCOMPARE(lock.state(), State::Released);
    }

    void waitForRunsNoEventLoop()
    {
        const Folder folder;
        LockFile holder(folder.path());
        QVERIFY(holder.tryAcquire());
        LockFile lock(folder.path());
        bool ran = false;
        QTimer::singleShot(0, this, [&] { ran = true; });
        lock.acquire();
        QVERIFY(!lock.waitForAcquired(kShort));
        QVERIFY(!ran);
        QVERIFY(must([&] { return ran; }));
    }

    void slotsMayCallTheSenderBack()
    {
        const Folder folder;
        LockFile lock(folder.path());
        Record record(lock);
        int rounds = 0;
        connect(&lock, &LockFile::acquired, &lock, &LockFile::release);
        connect(&lock, &LockFile::released, &lock, [&] {
            if (++rounds < 3)
                lock.acquire();
        });
        lock.acquire();
        QVERIFY(must([&] { return rounds == 3; }));
        const QString round = QStringLiteral("Acquiring, Acquired, acquired, Releasing, Released, released");
        QCOMPARE(record.take(), QStringList({round, round, round}).join(QStringLiteral(", ")));
    }

    void aSlotOfStateChangedMayReleaseAtOnce()
    {
        const Folder folder;
        LockFile lock(folder.path());
        Record record(lock);
        connect(&lock, &LockFile::stateChanged, &lock, [&](State state) {
            if (state == State::Acquired)
                lock.release();
        });
        lock.acquire();
        QVERIFY(must([&] { return record.contains("released"); }));
        QCOMPARE(record.take(), QStringLiteral("Acquiring, Acquired, Releasing, acquired, Released, released"));
        QVERIFY(lock.tryAcquire());
        QVERIFY(must([&] { return record.contains("released"); }));
        QCOMPARE(record.take(), QStringLiteral("Acquired, Releasing, acquired, Released, released"));
        QVERIFY(folder.isEmpty());
    }

    void aSlotOfFailedMayTryAgain()
    {
        const Folder folder;
        LockFile holder(folder.path());
        QVERIFY(holder.tryAcquire());
        LockFile lock(folder.path());
        connect(&lock, &LockFile::failed, &lock, [&] {
            holder.release();
            lock.acquire();
        });
        QVERIFY(!lock.tryAcquire());
        QVERIFY(must([&] { return lock.isAcquired(); }));
    }

    void aSlotMayRunANestedEventLoop()
    {
        const Folder folder;
        LockFile lock(folder.path());
        Record record(lock);
        connect(&lock, &LockFile::acquired, &lock, [&] {
            lock.release();
            QVERIFY(must([&] { return record.contains("released"); }));
        });
        lock.acquire();
        QVERIFY(must([&] { return record.contains("released"); }));
        QCOMPARE(record.take(), QStringLiteral("Acquiring, Acquired, acquired, Releasing, Released, released"));
    }

    void propertiesCanBeReadWrittenAndWatched()
    {
        const Folder folder;
        LockFile lock(folder.path());
        QCOMPARE(lock.property("path").toString(), folder.path());
        QCOMPARE(lock.property("state").value<State>(), State::Released);
        QCOMPARE(lock.property("position").toInt(), -1);
        QCOMPARE(lock.property("timeout").value<std::chrono::milliseconds>(), -1ms);
        QCOMPARE(lock.property("removeOnRelease").toBool(), true);

        QSignalSpy timeoutChanged(&lock, &LockFile::timeoutChanged);
        QSignalSpy removeChanged(&lock, &LockFile::removeOnReleaseChanged);
        QVERIFY(lock.setProperty("timeout", QVariant::fromValue<std::chrono::milliseconds>(5s)));
        QVERIFY(lock.setProperty("timeout", QVariant::fromValue<std::chrono::milliseconds>(5000ms)));
        QVERIFY(lock.setProperty("removeOnRelease", false));
        QVERIFY(lock.setProperty("removeOnRelease", false));
        QCOMPARE(lock.timeout(), 5000ms);
        QVERIFY(!lock.removeOnRelease());
        QCOMPARE(timeoutChanged.size(), 1);
        QCOMPARE(removeChanged.size(), 1);

        QVERIFY(lock.tryAcquire());
        QCOMPARE(lock.property("state").value<State>(), State::Acquired);
        QCOMPARE(lock.property("position").toInt(), 0);
        for (const char *name : {"state", "timeout", "removeOnRelease", "position"})
            QVERIFY2(lock.metaObject()->property(lock.metaObject()->indexOfProperty(name)).hasNotifySignal(), name);
        QVERIFY(!lock.property("path").isNull());
        QVERIFY(lock.metaObject()->property(lock.metaObject()->indexOfProperty("path")).isConstant());
    }

    void slotsAndSignalsHaveNoOverloadsAndNoDefaultArguments()
    {
        const QMetaObject &meta = LockFile::staticMetaObject;
        QSet<QByteArray> names;
        for (int i = meta.methodOffset(); i < meta.methodCount(); ++i) {
            const QMetaMethod method = meta.method(i);
            QVERIFY2(!names.contains(method.name()), method.name().constData());
            names.insert(method.name());
            QVERIFY2(!(method.attributes() & QMetaMethod::Cloned), method.name().constData());
        }
        QVERIFY(names.contains(QByteArray("acquire")));
        QVERIFY(names.contains(QByteArray("acquired")));
    }

    void aButtonDrivesIt()
    {
        const Folder folder;
        LockFile lock(folder.path());
        Button acquire;
        Button cancel;
        Button release;
        connect(&acquire, &Button::clicked, &lock, &LockFile::acquire);
        connect(&cancel, &Button::clicked, &lock, &LockFile::cancel);
        connect(&release, &Button::clicked, &lock, &LockFile::release);
        Q_EMIT acquire.clicked(false);
        QVERIFY(must([&] { return lock.isAcquired(); }));
        Q_EMIT cancel.clicked(false);
        Q_EMIT release.clicked(true);
        QCOMPARE(lock.state(), State::Releasing);
        QVERIFY(must([&] { return lock.state() == State::Released; }));
    }

    void enumsAndValuesAreKnownToTheMetaObjectSystem()
    {
        QCOMPARE(QMetaEnum::fromType<State>().keyCount(), 4);
        QCOMPARE(nameOf(State::Releasing), QStringLiteral("Releasing"));
        QCOMPARE(QMetaEnum::fromType<Code>().keyCount(), 11);
        QVERIFY(QMetaType::fromType<State>().isValid());
        QVERIFY(QMetaType::fromType<LockError>().isEqualityComparable());
        QVERIFY(QMetaType::fromType<LockParticipant>().isEqualityComparable());
        QCOMPARE(QMetaType::fromType<LockError>().name(), "QtLockFile::LockError");
        QCOMPARE(QMetaType::fromType<LockParticipant>().name(), "QtLockFile::LockParticipant");
    }

    void qDebugShowsPathAndState()
    {
        const Folder folder;
        LockFile lock(folder.path());
        QVERIFY(lock.tryAcquire());
        QString text;
        QDebug(&text) << lock << &lock << static_cast<LockFile *>(nullptr);
        QCOMPARE(text.count(folder.path()), 2);
        QCOMPARE(text.count(QStringLiteral("Acquired")), 2);
        QVERIFY(text.contains(QStringLiteral("LockFile(0x0)")));
    }

    void signalsCrossThreadsByQueuedConnection()
    {
        const Folder folder;
        LockFile lock(folder.path("missing/lock"));
        QSignalSpy failed(&lock, &LockFile::failed);
        LockError received;
        connect(
            &lock, &LockFile::failed, this, [&](const LockError &error) { received = error; }, Qt::QueuedConnection);
        QVERIFY(!lock.tryAcquire());
        QVERIFY(must([&] { return bool(received); }));
        QCOMPARE(received, lock.error());
    }
};

QTEST_GUILESS_MAIN(TestLockFile)
#include "tst_lockfile.moc"
