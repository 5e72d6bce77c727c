// SPDX-License-Identifier: 0BSD
#include "systemlocks_p.h"
#include "readfile_p.h"

#include <algorithm>
#include <charconv>
#include <cinttypes>
#include <cstdio>
#include <string>

#include <sys/sysmacros.h>

// Lines look like these; what an arrow stands before, however far it is indented, waits:
//
//     12: POSIX  ADVISORY  WRITE 1234 fe:00:5678 2305843009213693953 2305843009213693953
//     12: -> OFDLCK ADVISORY  READ  -1 fe:00:5678 0 EOF
//
// There may be thousands, of all programs, so a line is first looked through for the file.
//
// The kernel hands out no more than a page at once, and finds the next by counting: where locks came or went in
// between, one may be told of twice, or not at all.

namespace QtLockFile::Internal {

namespace {

// The next word of the text, which is shortened by it.
std::string_view takeWord(std::string_view *text)
{
    text->remove_prefix(std::min(text->find_first_not_of(' '), text->size()));
    const std::string_view word = text->substr(0, text->find(' '));
    text->remove_prefix(word.size());
    return word;
}

template<typename Number>
bool readNumber(std::string_view word, Number *number)
{
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), *number);
    return error == std::errc() && end == word.data() + word.size();
}

// Tells whether it is a line of that file.
bool readSystemLock(std::string_view line, std::string_view id, SystemLock *lock)
{
    if (line.find(id) == std::string_view::npos)
        return false;
    *lock = {};
    takeWord(&line); // "12:"
    std::string_view word = takeWord(&line);
    if (word == "->") {
        lock->waits = true;
        word = takeWord(&line);
    }
    if (word == "OFDLCK")
        lock->owner = SystemLock::Owner::OpenFile;
    else if (word != "POSIX")
        return false; // of flock(2), or a lease
    takeWord(&line);  // "ADVISORY"
    word = takeWord(&line);
    if (word == "READ")
        lock->kind = LockKind::Read;
    else if (word != "WRITE")
        return false;
    if (!readNumber(takeWord(&line), &lock->pid) || takeWord(&line) != id || !readNumber(takeWord(&line), &lock->bytes.first))
        return false;
    word = takeWord(&line);
    if (word == "EOF")
        lock->bytes.last = kEnd;
    else if (!readNumber(word, &lock->bytes.last))
        return false;
    return lock->bytes.first >= 0 && lock->bytes.last >= lock->bytes.first;
}

bool areEqual(const SystemLock &a, const SystemLock &b)
{
    return a.owner == b.owner && a.kind == b.kind && a.pid == b.pid && a.bytes.first == b.bytes.first && a.bytes.last == b.bytes.last;
}

} // namespace

std::vector<SystemLock> parseSystemLocks(std::string_view text, std::string_view id)
{
    struct Waiters
    {
        SystemLock behind;
        std::vector<SystemLock> locks;
    };
    std::vector<SystemLock> result;
    std::vector<Waiters> all;
    Waiters *current = nullptr; // of the last lock, if one has been read
    while (!text.empty()) {
        const std::string_view line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(line.size() + 1, text.size()));
        SystemLock lock;
        if (!readSystemLock(line, id, &lock))
            continue;
        if (!lock.waits) {
            result.push_back(lock);
            current = nullptr;
            continue;
        }
        if (result.empty())
            continue; // behind nothing that can be understood
        if (!current) {
            const SystemLock &behind = result.back();
            const auto told = std::find_if(all.begin(), all.end(), [&](const Waiters &one) { return areEqual(one.behind, behind); });
            // Two that share the same bytes look the same, but only behind the first of them anybody waits.
            if (told != all.end())
                all.erase(told);
            current = &all.emplace_back(Waiters{behind, {}});
        }
        current->locks.push_back(lock);
    }
    for (const Waiters &waiters : all)
        result.insert(result.end(), waiters.locks.begin(), waiters.locks.end());
    return result;
}

std::vector<SystemLock> systemLocksOf(FileId file)
{
    char id[64];
    std::snprintf(id, sizeof id, "%02x:%02x:%ju", major(file.device), minor(file.device), uintmax_t(file.inode));
    std::string text;
    readFile("/proc/locks", &text); // what it does not tell is asked
    return parseSystemLocks(text, id);
}

} // namespace QtLockFile::Internal
