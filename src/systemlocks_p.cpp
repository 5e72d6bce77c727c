// SPDX-License-Identifier: 0BSD
#include "systemlocks_p.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cinttypes>
#include <cstdio>
#include <string>

#include <fcntl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

// Lines look like these; what an arrow stands before, however far it is indented, waits:
//
//     12: POSIX  ADVISORY  WRITE 1234 fe:00:5678 2305843009213693953 2305843009213693953
//     12: -> OFDLCK ADVISORY  READ  -1 fe:00:5678 0 EOF
//
// There may be thousands, of all programs, so a line is first looked through for the file.

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

std::string readAll(const char *path)
{
    std::string text;
    const int descriptor = ::open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return text;
    char page[4096]; // the kernel hands out no more at once
    for (;;) {
        const ssize_t size = ::read(descriptor, page, sizeof page);
        if (size > 0)
            text.append(page, size_t(size));
        else if (size == 0 || errno != EINTR)
            break;
    }
    ::close(descriptor);
    return text;
}

} // namespace

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

std::vector<SystemLock> systemLocksOf(FileId file)
{
    char id[64];
    std::snprintf(id, sizeof id, "%02x:%02x:%ju", major(file.device), minor(file.device), uintmax_t(file.inode));
    std::vector<SystemLock> result;
    const std::string text = readAll("/proc/locks");
    for (std::string_view left = text; !left.empty();) {
        const std::string_view line = left.substr(0, left.find('\n'));
        left.remove_prefix(std::min(line.size() + 1, left.size()));
        if (SystemLock lock; readSystemLock(line, id, &lock))
            result.push_back(lock);
    }
    return result;
}

} // namespace QtLockFile::Internal
