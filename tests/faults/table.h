// SPDX-License-Identifier: 0BSD
#ifndef QTLOCKFILE_TABLE_H
#define QTLOCKFILE_TABLE_H

#include "trial.h"

#include <QtCore/qfile.h>
#include <QtCore/qmap.h>
#include <QtCore/qset.h>

#include <utility>

using Scenario = void (*)(Trial &);

// Which call failed with what, and what came of it: one line for all errors with the same outcome.
class Table
{
public:
    explicit Table(const QString &file) : m_file(file) { }

    // Runs the scenario once for each call in it and each error with which that call can fail. Which calls these are is found
    // out by a run in which none fails. Returns what is wrong. With a `share` of n only
    // every nth of them comes.
    QStringList failEachCall(const QString &name, Scenario scenario, int share = 1);

    void write();

    // Whether most of what was to fail did come.
    bool hasStruck() const { return m_missed <= m_faults; }

private:
    void add(const QString &scenario, const Fault &fault, const QString &outcome);

    QFile m_file;
    QMap<std::pair<QString, QString>, QMap<QString, QStringList>> m_rows;
    QSet<QString> m_scenarios;
    QSet<QString> m_calls;
    QSet<int> m_errors;
    int m_faults = 0;
    int m_wrong = 0;
    int m_missed = 0; // the calls did not come that were to fail
};

#endif
