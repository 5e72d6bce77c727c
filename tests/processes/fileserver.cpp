// SPDX-License-Identifier: 0BSD
// A file system that does what real ones do only on bad days: it refuses locks, takes its time, or does not answer,
// and then no signal ends the call. It has one folder, in which there may be one file, the empty "lock", from the
// start on.
//
//     fileserver FOLDER kernel|server|ERRNO     mounts it there; who keeps the locks: the kernel, or this server, which
//                                               grants each, or refuses each with ERRNO
//
// It speaks the protocol of /dev/fuse (fuse(4), linux/fuse.h) itself, since that is shorter than finding a library
// for it on each machine. Whoever mounts it has to be root. It is a process of its own, so that it ends with the test
// however the test ends, and then the kernel fails all that waits for an answer. In the test itself an unanswered call
// would keep the descriptor that could answer it, and nothing could end either.
//
// Says "ready", or "failed" and why. OPERATION is lookup, getattr, open, create, unlink or lock:
//     soon OPERATION       from now on it is answered at once, and so is what waits for an answer; all are at first
//     late OPERATION       answered after two seconds
//     never OPERATION      not answered
//     unanswered           says "unanswered" and how many calls wait for an answer
// Unmounts and ends when its stdin closes, or when the thread that started it ends: a test that was killed keeps its
// end of the pipe as long as one of its calls is not answered.

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds kLate{2};
constexpr uint64_t kFolder = FUSE_ROOT_ID;

enum class Pace { Soon, Late, Never };

struct Request
{
    fuse_in_header header;
    std::vector<char> body;
};

struct Waiting
{
    Clock::time_point until;
    Request request;
};

const char *folder = nullptr;
int device = -1;
bool keepsLocks = false; // the server, not the kernel
int lockError = 0;
uint64_t file = kFolder + 1; // the node of the file; each that is created is another
bool fileExists = true;
std::map<std::string, Pace> paces;
std::vector<Waiting> waiting;

std::string nameOf(uint32_t operation)
{
    switch (operation) {
    case FUSE_LOOKUP:
        return "lookup";
    case FUSE_GETATTR:
        return "getattr";
    case FUSE_OPEN:
        return "open";
    case FUSE_CREATE:
        return "create";
    case FUSE_UNLINK:
        return "unlink";
    case FUSE_GETLK:
    case FUSE_SETLK:
    case FUSE_SETLKW:
        return "lock";
    default:
        return {};
    }
}

void send(const Request &request, int error, const void *body, size_t size)
{
    fuse_out_header header{};
    header.unique = request.header.unique;
    header.error = -error;
    header.len = uint32_t(sizeof header + size);
    std::array<iovec, 2> parts{{{&header, sizeof header}, {const_cast<void *>(body), size}}};
    (void)!::writev(device, parts.data(), size > 0 ? 2 : 1);
}

template<typename Body>
void reply(const Request &request, const Body &body)
{
    send(request, 0, &body, sizeof body);
}

void refuse(const Request &request, int error)
{
    send(request, error, nullptr, 0);
}

void done(const Request &request)
{
    send(request, 0, nullptr, 0);
}

fuse_attr attributesOf(uint64_t node)
{
    fuse_attr result{};
    result.ino = node;
    result.mode = node == kFolder ? S_IFDIR | 0777 : S_IFREG | 0666;
    result.nlink = node == file && !fileExists ? 0 : 1;
    result.blksize = 4096;
    return result;
}

// No time is given for which the kernel may believe it without asking again.
fuse_entry_out entry()
{
    fuse_entry_out result{};
    result.nodeid = file;
    result.attr = attributesOf(file);
    return result;
}

// The name of an entry, which is the last thing in a request.
std::string entryIn(const Request &request, size_t before = 0)
{
    return request.body.size() > before ? std::string(request.body.data() + before) : std::string();
}

void answerLock(const Request &request)
{
    if (lockError != 0) {
        refuse(request, lockError);
    } else if (request.header.opcode == FUSE_GETLK) {
        fuse_lk_out out{};
        out.lk.type = F_UNLCK;
        reply(request, out);
    } else {
        done(request);
    }
}

void answer(const Request &request)
{
    switch (request.header.opcode) {
    case FUSE_INIT: {
        fuse_init_out out{};
        out.major = FUSE_KERNEL_VERSION;
        out.minor = 31;
        out.flags = keepsLocks ? uint32_t(FUSE_POSIX_LOCKS) : 0;
        out.max_write = 4096;
        reply(request, out);
        break;
    }
    case FUSE_LOOKUP:
        if (fileExists && entryIn(request) == "lock")
            reply(request, entry());
        else
            refuse(request, ENOENT);
        break;
    case FUSE_GETATTR:
    case FUSE_SETATTR: {
        fuse_attr_out out{};
        out.attr = attributesOf(request.header.nodeid);
        reply(request, out);
        break;
    }
    case FUSE_CREATE:
        if (fileExists || entryIn(request, sizeof(fuse_create_in)) != "lock") {
            refuse(request, fileExists ? EEXIST : EPERM);
        } else {
            ++file;
            fileExists = true;
            const struct
            {
                fuse_entry_out entry;
                fuse_open_out open;
            } out{entry(), {}};
            reply(request, out);
        }
        break;
    case FUSE_UNLINK:
        if (fileExists)
            done(request);
        else
            refuse(request, ENOENT);
        fileExists = false;
        break;
    case FUSE_OPEN:
        reply(request, fuse_open_out{});
        break;
    case FUSE_STATFS: {
        fuse_statfs_out out{};
        out.st.bsize = 4096;
        out.st.namelen = 255;
        reply(request, out);
        break;
    }
    case FUSE_RELEASE:
        done(request);
        break;
    case FUSE_GETLK:
    case FUSE_SETLK:
    case FUSE_SETLKW:
        answerLock(request);
        break;
    case FUSE_FORGET:
    case FUSE_BATCH_FORGET:
    case FUSE_INTERRUPT: // the signals of the impatient are not heard
        break;
    default:
        refuse(request, ENOSYS);
    }
}

void answerThose(bool (*isDue)(const Waiting &))
{
    const auto due = std::stable_partition(waiting.begin(), waiting.end(), [&](const Waiting &one) { return !isDue(one); });
    const std::vector<Waiting> answered(due, waiting.end());
    waiting.erase(due, waiting.end());
    for (const Waiting &one : answered)
        answer(one.request);
}

bool isOver(const Waiting &one)
{
    return one.until <= Clock::now();
}

bool isToBeSoon(const Waiting &one)
{
    return paces[nameOf(one.request.header.opcode)] == Pace::Soon;
}

// False when it was unmounted.
bool receive()
{
    static std::vector<char> buffer(size_t(FUSE_MIN_READ_BUFFER) * 16);
    const ssize_t size = ::read(device, buffer.data(), buffer.size());
    if (size < ssize_t(sizeof(fuse_in_header)))
        return size < 0 && (errno == EINTR || errno == ENOENT || errno == EAGAIN);
    Request request{};
    std::memcpy(&request.header, buffer.data(), sizeof request.header);
    request.body.assign(buffer.begin() + sizeof request.header, buffer.begin() + size);
    const std::string name = nameOf(request.header.opcode);
    const Pace pace = name.empty() ? Pace::Soon : paces[name];
    if (pace == Pace::Soon)
        answer(request);
    else
        waiting.push_back({pace == Pace::Late ? Clock::now() + kLate : Clock::time_point::max(), std::move(request)});
    return true;
}

void obey(const std::string &line)
{
    const size_t space = line.find(' ');
    const std::string word = line.substr(0, space);
    if (word == "unanswered") {
        std::printf("unanswered %zu\n", waiting.size());
    } else {
        paces[line.substr(space + 1)] = word == "late" ? Pace::Late : word == "never" ? Pace::Never : Pace::Soon;
        answerThose(isToBeSoon);
        std::printf("done\n");
    }
    std::fflush(stdout);
}

// False at the end of stdin.
bool listen()
{
    static std::string heard;
    std::array<char, 1000> buffer;
    const ssize_t size = ::read(STDIN_FILENO, buffer.data(), buffer.size());
    if (size <= 0)
        return size < 0 && errno == EINTR;
    heard.append(buffer.data(), size_t(size));
    for (size_t end; (end = heard.find('\n')) != std::string::npos; heard.erase(0, end + 1))
        obey(heard.substr(0, end));
    return true;
}

int untilNextAnswer()
{
    auto next = Clock::time_point::max();
    for (const Waiting &one : waiting)
        next = std::min(next, one.until);
    if (next == Clock::time_point::max())
        return -1;
    return int(std::max<int64_t>(0, std::chrono::ceil<std::chrono::milliseconds>(next - Clock::now()).count()));
}

void serve()
{
    for (;;) {
        std::array<pollfd, 2> ready{{{device, POLLIN, 0}, {STDIN_FILENO, POLLIN, 0}}};
        ::poll(ready.data(), ready.size(), untilNextAnswer());
        answerThose(isOver);
        if ((ready[0].revents & POLLERR) != 0 || (ready[0].revents != 0 && !receive()) || (ready[1].revents != 0 && !listen()))
            return;
    }
}

void endWithParent(int)
{
    ::umount2(folder, MNT_DETACH);
    ::_exit(0);
}

} // namespace

int main(int, char *arguments[])
{
    folder = arguments[1];
    const std::string locks = arguments[2];
    keepsLocks = locks != "kernel";
    lockError = keepsLocks && locks != "server" ? std::atoi(locks.c_str()) : 0;
    device = ::open("/dev/fuse", O_RDWR | O_CLOEXEC | O_NONBLOCK);
    const std::string options = "fd=" + std::to_string(device) + ",rootmode=40777,user_id=0,group_id=0";
    if (device < 0 || ::mount("tests", folder, "fuse", MS_NOSUID | MS_NODEV, options.c_str()) != 0) {
        std::printf("failed %s: %s\n", device < 0 ? "to open /dev/fuse" : "to mount", std::strerror(errno));
        return 0;
    }
    std::signal(SIGTERM, endWithParent);
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    std::printf("ready\n");
    std::fflush(stdout);
    serve();
    ::umount2(folder, MNT_DETACH);
    return 0;
}
