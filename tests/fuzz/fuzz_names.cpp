// SPDX-License-Identifier: 0BSD
#include "inbox_p.h"
#include "instancemessage_p.h"

#include <QtCore/qloggingcategory.h>
#include <QtCore/qtemporarydir.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <set>
#include <string>

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

// A file in the inbox may be called anything. A whole message is picked up if its name says that it is one, exactly once,
// whatever stands before that; what the name says to be left over goes; any other file stays as it is.

using namespace QtLockFile::Internal;

namespace {

void check(bool condition)
{
    if (!condition)
        std::abort();
}

std::set<std::string> namesIn(int folder)
{
    std::set<std::string> result;
    DIR *const stream = ::fdopendir(::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    check(stream);
    while (const dirent *const entry = ::readdir(stream))
        result.insert(entry->d_name);
    ::closedir(stream);
    result.erase(".");
    result.erase("..");
    return result;
}

bool endsWithAny(const QByteArray &name, std::initializer_list<const char *> suffixes)
{
    return std::any_of(suffixes.begin(), suffixes.end(), [&](const char *suffix) { return name.endsWith(suffix); });
}

void write(int folder, const QByteArray &name)
{
    static const QByteArray bytes = encode({});
    const Descriptor file(::openat(folder, name.constData(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    check(file.isOpen() && ::write(file.get(), bytes.constData(), size_t(bytes.size())) == bytes.size());
}

void checkName(const std::shared_ptr<InstanceFolder> &folder, const QByteArray &name)
{
    if (name.isEmpty() || name.size() > 255 || name.contains('/') || name.contains('\0') || name == "." || name == "..")
        return; // no name of a file
    write(folder->descriptor(), name);
    Inbox inbox;
    inbox.open(folder);
    std::vector<std::shared_ptr<TakenMessage>> taken = inbox.take();
    check(inbox.isComplete());
    const bool isMessage = name.endsWith(MessageSuffix::kMessage);
    check(taken.size() == (isMessage ? 1 : 0));
    if (isMessage) {
        const std::string base = name.chopped(qsizetype(std::strlen(MessageSuffix::kMessage))).toStdString();
        check(namesIn(folder->descriptor()) == std::set<std::string>{base + MessageSuffix::kTaken});
        check(inbox.take().empty());
        taken.front()->giveBack();
        check(namesIn(folder->descriptor()) == std::set<std::string>{name.toStdString()});
        taken = inbox.take();
        check(taken.size() == 1);
        taken.front()->done(); // for which nobody waits
    }
    const bool stays = !isMessage
        && !endsWithAny(name, {MessageSuffix::kUnfinished, MessageSuffix::kTaken, MessageSuffix::kDone, MessageSuffix::kRefused, MessageSuffix::kGone});
    check(namesIn(folder->descriptor()) == (stays ? std::set<std::string>{name.toStdString()} : std::set<std::string>()));
    ::unlinkat(folder->descriptor(), name.constData(), 0);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
extern "C" int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const QTemporaryDir place;
    static const auto folder = [] {
        QLoggingCategory::setFilterRules(QStringLiteral("qtlockfile.*=false"));
        auto result = std::make_shared<InstanceFolder>();
        check(result->open(place.path(), "inbox"));
        return result;
    }();
    const QByteArray bytes(reinterpret_cast<const char *>(data), qsizetype(size));
    checkName(folder, bytes);
    checkName(folder, bytes.left(100) + MessageSuffix::kMessage);
    return 0;
}
