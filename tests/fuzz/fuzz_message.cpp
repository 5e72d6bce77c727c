// SPDX-License-Identifier: 0BSD
#include "instancemessage_p.h"

#include <cstddef>
#include <cstdint>
#include <cstdlib>

// What lies in the inbox may be anything. Whatever is taken for a message says the same after it was written anew, and
// what is written anew stays as it is from then on.

using namespace QtLockFile::Internal;

namespace {

bool operator==(const InstanceMessage &a, const InstanceMessage &b)
{
    return a.arguments == b.arguments && a.workingDirectory == b.workingDirectory && a.environment == b.environment && a.activationToken == b.activationToken
        && a.payload == b.payload;
}

void check(bool condition)
{
    if (!condition)
        std::abort();
}

void checkBytes(const QByteArray &bytes)
{
    InstanceMessage message;
    if (!decode(bytes, &message))
        return;
    const QByteArray written = encode(message);
    InstanceMessage again;
    check(decode(written, &again));
    check(again == message);
    check(encode(again) == written);
    check(!decode(written + 'x', &again));
    check(!decode(written.chopped(1), &again));
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const QByteArray bytes(reinterpret_cast<const char *>(data), qsizetype(size));
    checkBytes(bytes);

    // The magic line and the length are right, so that more gets past them.
    QByteArray whole = encode({}).left(29) + bytes;
    for (int i = 0; i < 8; ++i)
        whole[21 + i] = char(quint64(whole.size()) >> (56 - 8 * i));
    checkBytes(whole);

    // A message with this in it comes through as it is.
    InstanceMessage message;
    message.arguments = bytes.split('\n');
    message.workingDirectory = bytes.left(100);
    message.environment.insert("NAME", bytes);
    message.activationToken = bytes.right(100);
    message.payload = bytes;
    InstanceMessage read;
    check(decode(encode(message), &read));
    check(read == message);
    return 0;
}
