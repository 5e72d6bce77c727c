// SPDX-License-Identifier: 0BSD
#ifndef QTLOCKFILE_STATEMACHINE_PLAY_H
#define QTLOCKFILE_STATEMACHINE_PLAY_H

#include "model.h"
#include "step.h"

#include "../participant.h"

#include <memory>
#include <optional>
#include <vector>

namespace StateMachine {

// Counts the warnings of LockFile instead of printing them.
class WarningCount
{
public:
    WarningCount();
    WarningCount(const WarningCount &) = delete;
    WarningCount &operator=(const WarningCount &) = delete;
    ~WarningCount();

    int take(); // since the last time
};

// Plays one sequence on real objects, and says what was wrong first.
class Play
{
public:
    // Each wait that must end is given up after the limit.
    Play(const QString &path, Other &neighbour, bool lookAtQueue, std::chrono::milliseconds limit);
    ~Play();

    // The first thing that is wrong, and empty where nothing is.
    QString play(const std::vector<Step> &steps);

    // The machine was so slow that anything may be, or the outsider struck at a moment from which on anything may be, and the
    // sequence was not played to its end.
    bool isUnclear() const { return m_isUnclear; }

private:
    enum class Within { Acquire, Try, Release, Wait, EventLoop };

    struct Slot
    {
        QString signal;
        std::vector<Do> actions;
    };

    class Scope
    {
    public:
        Scope(std::vector<Within> &stack, Within within) : m_stack(stack) { m_stack.push_back(within); }
        ~Scope() { m_stack.pop_back(); }
        Scope(const Scope &) = delete;
        Scope &operator=(const Scope &) = delete;

    private:
        std::vector<Within> &m_stack;
    };

    void create();
    void destroy();
    void perform(const Step &step);
    void act(Do what);
    void acquire();
    void tryAcquire();
    void cancel();
    void release();
    void wait(State target, bool forLong);
    void processEvents(bool all);
    void askPosition();
    void useInAnotherThread();
    void rivalTries();
    void rivalReleases();
    void neighbourTries();
    void neighbourReleases();
    void outsiderRemoves();
    void expectWarnings(int count, const char *call);
    void expectPropertyChanges(int count, const char *signal);
    void checkHolder(qint64 named, qint64 pid, const char *who);
    void checkAttempt(const Model::Other &other, bool acquired, const char *who);
    bool isAllDone() const;
    bool isLost() const;
    void check();
    void finish();
    void wrong(const QString &what);
    bool failed() const { return !m_wrong.isEmpty() || m_isUnclear; }

    void onStateChanged(State state);
    void onAcquired();
    void onSignal(const QString &signal);
    void onLost();
    void runSlot(const QString &signal);

    const QString m_path;
    Other &m_neighbourProcess;
    const bool m_lookAtQueue;
    const std::chrono::milliseconds m_limit;
    WarningCount m_warnings;
    std::unique_ptr<LockFile> m_lock;
    std::unique_ptr<LockFile> m_rival;
    Model m_model;
    std::vector<Within> m_within;
    unsigned m_try = 0; // the number of the tryAcquire() under way
    std::optional<Slot> m_slot;
    int m_positionTold = -1;
    int m_propertyChanges = 0; // told and not yet expected
    QString m_wrong;
    bool m_isUnclear = false;
    bool m_isCountLate = false;
    bool m_isStruck = false;
};

} // namespace StateMachine

#endif
