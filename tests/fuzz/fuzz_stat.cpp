// SPDX-License-Identifier: 0BSD
#include "processstat_p.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>

// A process chooses its name and its command line itself. Whatever they are, the name comes out as it went in, and the
// state is the one that the kernel writes after it.

using namespace QtLockFile::Internal;

namespace {

void check(bool condition)
{
    if (!condition)
        std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const QByteArray bytes(reinterpret_cast<const char *>(data), qsizetype(size));
    const ProcessStat any = parseProcessStat(bytes);
    check(any.isKnown || any.name.isEmpty());

    const QByteArray name = bytes.left(15);
    const ProcessStat stat = parseProcessStat("1234 (" + name + ") T 1 1234 1234 0 -1");
    check(stat.isKnown && stat.name == name && stat.isStopped());

    const QByteArray whole = wholeName(name, bytes);
    check(whole.startsWith(name));
    check(whole == name || !whole.contains('/'));
    return 0;
}
