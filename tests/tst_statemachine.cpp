// SPDX-License-Identifier: 0BSD
#include "sanitizer.h"
#include "statemachine/play.h"

#include <QtCore/qtemporarydir.h>

#include <algorithm>
#include <csignal>
#include <random>

#include <unistd.h>

// Random sequences of everything that can be done to a LockFile, against a model of it. What fails is shrunk to the fewest
// steps that still do, and printed as such.
//
// QTLOCKFILE_SEED=N makes the sequences of a run that printed it. How far a thread got in the meantime is the kernel's choice.

using namespace StateMachine;

namespace {

constexpr int kSteps = kHasAddressSanitizer ? 20'000 : 100'000;
constexpr int kStepsForLong = 2'000'000;
constexpr int kMostOfASequence = 60;
constexpr int kTriesToFailAgain = 5;                  // where it is a race
constexpr std::chrono::milliseconds kImpatience = 3s; // while shrinking what hangs

using Sequence = std::vector<Step>;

class Chance
{
public:
    explicit Chance(unsigned seed) : m_engine(seed) { }

    int below(int end) { return int(m_engine() % unsigned(end)); }

    Step step()
    {
        static const std::vector<Do> choices = [] {
            std::vector<Do> all;
            const auto add = [&](int weight, Do what) { all.insert(all.end(), size_t(weight), what); };
            add(14, Do::Acquire);
            add(8, Do::TryAcquire);
            add(7, Do::Cancel);
            add(12, Do::Release);
            add(3, Do::LookForAcquired);
            add(3, Do::LookForReleased);
            add(6, Do::WaitForAcquired);
            add(5, Do::WaitForReleased);
            add(6, Do::ProcessEvents);
            add(8, Do::ProcessAllEvents);
            add(4, Do::SetTimeout);
            add(2, Do::SetRemoveOnRelease);
            add(1, Do::SetPermissions);
            add(2, Do::DeleteAndCreate);
            add(1, Do::UseInAnotherThread);
            add(4, Do::AskPosition);
            add(8, Do::InNextSlot);
            add(5, Do::RivalTries);
            add(4, Do::RivalReleases);
            add(4, Do::NeighbourTries);
            add(4, Do::NeighbourReleases);
            add(4, Do::OutsiderRemoves);
            return all;
        }();
        Step step{choices[size_t(below(int(choices.size())))]};
        switch (step.what) {
        case Do::SetTimeout: {
            constexpr int timeouts[] = {-1, 0, 1, 60'000};
            step.number = timeouts[below(4)];
            break;
        }
        case Do::SetRemoveOnRelease:
        case Do::SetPermissions:
            step.number = below(2);
            break;
        case Do::InNextSlot: {
            constexpr Do actions[] = {Do::Acquire,         Do::TryAcquire,  Do::Cancel,          Do::Release,
                                      Do::DeleteAndCreate, Do::AskPosition, Do::LookForAcquired, Do::LookForReleased};
            step.number = below(int(std::size(kSignals)));
            // A wait within stateChanged() would deliver before the call that changed it returns.
            for (int count = 1 + below(3); count > 0; --count)
                step.inSlot.push_back(actions[below(step.number < kStateSignals ? 6 : 8)]);
            break;
        }
        default:
            break;
        }
        return step;
    }

private:
    std::mt19937 m_engine;
};

// What is played, for the case that it crashes: then nothing can be shrunk.
QByteArray played;

void tellWhatWasPlayed(int signal)
{
    [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, played.constData(), size_t(played.size()));
    std::signal(signal, SIG_DFL);
    std::raise(signal);
}

QByteArray textOf(const Sequence &sequence)
{
    QByteArray text;
    for (const Step &step : sequence)
        text += "    " + describe(step).toLocal8Bit() + '\n';
    return text;
}

class tst_StateMachine : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void initTestCase();
    void everySequenceOfCallsDoesWhatTheModelSays();

private:
    QString play(const Sequence &sequence, bool lookAtQueue, std::chrono::milliseconds limit);
    bool failsAgain(const Sequence &sequence, bool lookAtQueue, QString *how);
    Sequence shrink(Sequence sequence, bool lookAtQueue, QString *how);

    QTemporaryDir m_folder;
    QString m_path;
    OtherPtr m_neighbour;
    int m_unclear = 0;
};

void tst_StateMachine::initTestCase()
{
    QVERIFY(m_folder.isValid());
    m_path = m_folder.filePath(QStringLiteral("lock"));
    m_neighbour = startParticipant(m_path);
    if (!kHasAddressSanitizer) // which tells more
        std::signal(SIGSEGV, tellWhatWasPlayed);
}

QString tst_StateMachine::play(const Sequence &sequence, bool lookAtQueue, std::chrono::milliseconds limit)
{
    played = "Crashed within the sequence:\n" + textOf(sequence);
    Play play(m_path, *m_neighbour, lookAtQueue, limit);
    const QString wrong = play.play(sequence);
    m_unclear += play.isUnclear();
    return wrong;
}

bool tst_StateMachine::failsAgain(const Sequence &sequence, bool lookAtQueue, QString *how)
{
    for (int i = 0; i < kTriesToFailAgain; ++i) {
        if (const QString wrong = play(sequence, lookAtQueue, kImpatience); !wrong.isEmpty()) {
            *how = wrong;
            return true;
        }
    }
    return false;
}

// Leaves out ever smaller parts, as long as what remains fails, in whatever way.
Sequence tst_StateMachine::shrink(Sequence sequence, bool lookAtQueue, QString *how)
{
    for (size_t part = sequence.size() / 2; part > 0;) {
        bool isShorter = false;
        for (size_t from = 0; from + part <= sequence.size();) {
            Sequence rest = sequence;
            rest.erase(rest.begin() + qsizetype(from), rest.begin() + qsizetype(from + part));
            if (failsAgain(rest, lookAtQueue, how)) {
                sequence = rest;
                isShorter = true;
            } else {
                from += part;
            }
        }
        if (!isShorter || part > sequence.size())
            part /= 2;
    }
    return sequence;
}

void tst_StateMachine::everySequenceOfCallsDoesWhatTheModelSays()
{
    const bool hasSeed = qEnvironmentVariableIsSet("QTLOCKFILE_SEED");
    const unsigned seed = hasSeed ? qEnvironmentVariable("QTLOCKFILE_SEED").toUInt() : std::random_device()();
    qInfo("QTLOCKFILE_SEED=%u", seed);
    Chance chance(seed);
    const int steps = qEnvironmentVariableIsSet("QTLOCKFILE_LONG") ? kStepsForLong : kSteps;
    int sequences = 0;
    m_unclear = 0;
    for (int done = 0; done < steps; ++sequences) {
        const bool lookAtQueue = chance.below(3) == 0;
        Sequence sequence(size_t(2 + chance.below(kMostOfASequence - 1)));
        std::generate(sequence.begin(), sequence.end(), [&] { return chance.step(); });
        QString wrong = play(sequence, lookAtQueue, kLong);
        done += int(sequence.size());
        if (wrong.isEmpty())
            continue;
        QString text = QStringLiteral("Step %1 or before: %2\nThe shortest sequence that fails%3:\n")
                           .arg(QString::number(done), wrong, lookAtQueue ? QStringLiteral(", with lost() and positionChanged() connected") : QString());
        text += QString::fromLocal8Bit(textOf(shrink(sequence, lookAtQueue, &wrong)));
        QFAIL(qPrintable(text + wrong));
    }
    if (m_unclear > 0)
        qInfo("%d of %d sequences were not played to the end, since the machine or the outsider made it unclear what has to be", m_unclear, sequences);
}

} // namespace

QTEST_GUILESS_MAIN(tst_StateMachine)
#include "tst_statemachine.moc"
