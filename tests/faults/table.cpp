// SPDX-License-Identifier: 0BSD
#include "table.h"

#include "faultycalls.h"

#include <algorithm>
#include <map>

#include <cstring>

namespace {

constexpr int kTriesToStrike = 3;

QString callAt(const Fault &fault)
{
    return QStringLiteral("%1 #%2").arg(QString::fromStdString(fault.call)).arg(fault.nth);
}

QString nameOfError(int error)
{
    return QString::fromLatin1(::strerrorname_np(error));
}

std::map<std::string, int> countsOf(const std::vector<std::string> &calls)
{
    std::map<std::string, int> result;
    for (const std::string &call : calls)
        ++result[call];
    return result;
}

} // namespace

QStringList Table::failEachCall(const QString &name, Scenario scenario, int share)
{
    m_scenarios.insert(name);
    std::map<std::string, int> counts;
    for (int round = 0; round < 3; ++round) { // what happens at the first use only is over then
        Trial trial{Fault()};
        scenario(trial);
        if (!trial.wrong().isEmpty())
            return trial.wrong();
        counts = countsOf(trial.calls());
    }
    QStringList wrong;
    int descriptors = openDescriptors();
    for (const auto &[call, count] : counts) {
        for (int nth = 1; nth <= count; ++nth) {
            int turn = nth; // each error's comes at another place
            for (const int error : FaultyCalls::errorsOf(call)) {
                if (turn++ % share != 0)
                    continue;
                const Fault fault{call, nth, error};
                bool hasStruck = false;
                for (int tries = 0; tries < kTriesToStrike && !hasStruck; ++tries) { // the threads may go another way
                    Trial trial(fault);
                    scenario(trial);
                    trial.expect(must([&] { return openDescriptors() <= descriptors; }), "a descriptor leaks");
                    descriptors = std::max(descriptors, openDescriptors());
                    hasStruck = FaultyCalls::hasStruck();
                    if (hasStruck)
                        add(name, fault, trial.outcome());
                    for (const QString &what : trial.wrong()) {
                        ++m_wrong;
                        wrong << QStringLiteral("%1 with %2: %3").arg(callAt(fault), nameOfError(error), what);
                    }
                }
                m_missed += !hasStruck;
            }
        }
    }
    return counts.empty() ? QStringList(QStringLiteral("nothing is called")) : wrong;
}

void Table::add(const QString &scenario, const Fault &fault, const QString &outcome)
{
    m_rows[{scenario, callAt(fault)}][outcome] << nameOfError(fault.error);
    m_calls.insert(QString::fromStdString(fault.call));
    m_errors.insert(fault.error);
    ++m_faults;
}

void Table::write()
{
    if (!m_file.open(QIODevice::WriteOnly))
        return;
    const QString sum = QStringLiteral("%1 faults: %2 functions, %3 places in %4 scenarios, %5 error numbers; %6 wrong outcomes; %7 that did not come")
                            .arg(m_faults)
                            .arg(m_calls.size())
                            .arg(m_rows.size())
                            .arg(m_scenarios.size())
                            .arg(m_errors.size())
                            .arg(m_wrong)
                            .arg(m_missed);
    QString text = QStringLiteral("# Each call fails once\n\n%1.\n\n| while | call | fails with | and then |\n|---|---|---|---|\n").arg(sum);
    for (auto row = m_rows.cbegin(); row != m_rows.cend(); ++row) {
        for (auto outcome = row.value().cbegin(); outcome != row.value().cend(); ++outcome)
            text += QStringLiteral("| %1 | %2 | %3 | %4 |\n").arg(row.key().first, row.key().second, outcome.value().join(u' '), outcome.key());
    }
    m_file.write(text.toUtf8());
    m_file.close();
    qInfo("%s. Each is in %s", qPrintable(sum), qPrintable(m_file.fileName()));
}
