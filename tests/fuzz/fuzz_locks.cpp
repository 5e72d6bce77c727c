// SPDX-License-Identifier: 0BSD
#include "systemlocks_p.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

// Other processes decide what stands in /proc/locks. Whatever it is, what comes out are locks on bytes that there are; what
// was written as the kernel does comes out as it went in; and what the kernel tells of twice has no more waiters than once.

using namespace QtLockFile::Internal;

namespace {

constexpr char kId[] = "fe:00:5678";

void check(bool condition)
{
    if (!condition)
        std::abort();
}

bool operator==(const SystemLock &a, const SystemLock &b)
{
    return a.owner == b.owner && a.kind == b.kind && a.waits == b.waits && a.pid == b.pid && a.bytes.first == b.bytes.first && a.bytes.last == b.bytes.last;
}

std::string lineOf(const SystemLock &lock, size_t number)
{
    const bool isOfFile = lock.owner == SystemLock::Owner::OpenFile;
    return std::to_string(number) + ": " + (lock.waits ? "-> " : "") + (isOfFile ? "OFDLCK ADVISORY  " : "POSIX  ADVISORY  ")
        + (lock.kind == LockKind::Read ? "READ  " : "WRITE ") + std::to_string(lock.pid) + ' ' + kId + ' ' + std::to_string(lock.bytes.first) + ' '
        + (lock.bytes.last == kEnd ? "EOF" : std::to_string(lock.bytes.last)) + '\n';
}

// A lock from five bytes, unlike all others by its first byte.
SystemLock lockFrom(const uint8_t *data, size_t number)
{
    SystemLock lock;
    lock.owner = data[0] & 1 ? SystemLock::Owner::OpenFile : SystemLock::Owner::Process;
    lock.kind = data[0] & 2 ? LockKind::Read : LockKind::Write;
    lock.waits = number > 0 && (data[0] & 4);
    lock.pid = lock.owner == SystemLock::Owner::OpenFile ? -1 : 1 + data[1];
    lock.bytes.first = decltype(lock.bytes.first)(number * 1000 + data[2]);
    lock.bytes.last = data[0] & 8 ? kEnd : lock.bytes.first + data[3] * data[4];
    return lock;
}

void checkWritten(const uint8_t *data, size_t size)
{
    constexpr size_t kBytes = 5;
    std::string text;
    std::string twice;
    std::string record; // a lock, and those who wait for it
    std::vector<SystemLock> written;
    for (size_t number = 0; (number + 1) * kBytes <= size; ++number) {
        const SystemLock lock = lockFrom(data + number * kBytes, number);
        if (!lock.waits) {
            twice += record + record;
            record.clear();
        }
        written.push_back(lock);
        record += lineOf(lock, number);
        text += lineOf(lock, number);
        text += "7: FLOCK  ADVISORY  WRITE 12 " + std::string(kId) + " 0 EOF\n8: POSIX  ADVISORY  WRITE 12 fe:00:9 0 EOF\n";
    }
    twice += record + record;
    std::stable_partition(written.begin(), written.end(), [](const SystemLock &lock) { return !lock.waits; });
    const std::vector<SystemLock> read = parseSystemLocks(text, kId);
    check(std::equal(read.begin(), read.end(), written.begin(), written.end(), [](const SystemLock &a, const SystemLock &b) { return a == b; }));

    const auto waits = [](const SystemLock &lock) { return lock.waits; };
    const std::vector<SystemLock> again = parseSystemLocks(twice, kId);
    check(std::count_if(again.begin(), again.end(), waits) == std::count_if(written.begin(), written.end(), waits));
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const std::string text(reinterpret_cast<const char *>(data), size);
    for (const SystemLock &lock : parseSystemLocks(text, kId))
        check(lock.bytes.first >= 0 && lock.bytes.last >= lock.bytes.first);
    checkWritten(data, size);
    return 0;
}
