// SPDX-License-Identifier: 0BSD
#include "queuemonitor_p.h"

#include "lockthread_p.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <climits>
#include <list>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/statfs.h>
#include <time.h>
#include <unistd.h>

// Looks at queues when something happens, on one thread for the whole process: inotify(7) allows a user 128 instances
// by default.
//
// What happens. Kernel locks raise no event of their own, so participants announce what they do: who draws a ticket
// touches the file's time stamps (IN_ATTRIB), and so does who leaves without closing; otherwise leaving, like the end
// of a process, closes it (IN_CLOSE). A file that is removed or replaced loses a link (IN_ATTRIB); one that is moved
// says so. The file is kept open between looks: opening it for each would be an event itself, and we would wake
// ourselves for ever.
//
// When to look. The event can come a moment before the lock: a peer opens and then locks, and the kernel tells of a
// close before it drops the locks. So look at once, and again 5 and 25 ms after the last event; and however fast the
// events come, pause between two looks for some time, the longer the more the look cost.
//
// Where. On the file; on its folder while there is none; on the nearest ancestor while there is no folder either; and
// for moves on all folders above. Always first the watch, then the look, so nothing falls between. Where a watch is
// impossible or blind, look every two seconds.

namespace QtLockFile::Internal {

using std::chrono::milliseconds;

struct QueueSubscriber
{
    std::string path;
    bool isNew = true; // for the monitor's thread alone
    std::mutex mutex;  // guards the callback, also while it runs
    QueueSubscription::Callback callback;

    void tell(const QueueLook &look)
    {
        const std::lock_guard guard(mutex);
        if (callback)
            callback(look);
    }
};

namespace {

using Clock = std::chrono::steady_clock;
using Subscribers = std::vector<std::shared_ptr<QueueSubscriber>>;

constexpr std::array kLooksAfterEvent{milliseconds(0), milliseconds(5), milliseconds(25)};
constexpr milliseconds kShortestPause{1};
constexpr milliseconds kLongestPause{20};
constexpr milliseconds kWholeAtLatest{250}; // after an event, however much else happens
constexpr int kPausePerLook = 4;            // a fifth of a processor at most, unless the queue is very long
constexpr milliseconds kSlowPoll{2000};
constexpr int kMostMoves = 10; // of the file while it is being looked for; then look again soon

constexpr uint32_t kMoved = IN_MOVE_SELF | IN_DELETE_SELF;
constexpr uint32_t kFileEvents = IN_ATTRIB | IN_OPEN | IN_CLOSE | kMoved;
constexpr uint32_t kFolderEvents = IN_CREATE | IN_MOVED_TO | IN_ATTRIB | kMoved | IN_ONLYDIR; // while the file is missing
constexpr uint32_t kAncestorEvents = kMoved | IN_ONLYDIR;                                     // of all that the path leads through

// Whether others can change files of this kind without inotify's knowing: the magic numbers of statfs(2).
bool isBlind(const std::string &path)
{
    struct statfs status;
    if (::statfs(path.c_str(), &status) != 0)
        return false;
    switch (uint32_t(status.f_type)) {
    case 0x6969:     // NFS
    case 0x517B:     // SMB
    case 0xFF534D42: // CIFS
    case 0xFE534D42: // SMB2
    case 0x65735546: // FUSE
    case 0x01021997: // 9P
    case 0x5346414F: // AFS
    case 0x00C36400: // Ceph
    case 0x73757245: // Coda
    case 0x47504653: // GPFS
    case 0x0BD00BD0: // Lustre
        return true;
    default:
        return false;
    }
}

// Of this thread: on a busy machine a look takes long that costs little.
Clock::duration cpuTime()
{
    timespec time{}; // of a call that may fail
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

// Whether the path can be opened again without anything happening there.
bool endsUnseen(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOMEM || error == EIO;
}

std::string parentOf(const std::string &path)
{
    const size_t end = path.find_last_not_of('/', path.rfind('/'));
    return end == std::string::npos ? "/" : path.substr(0, end + 1);
}

// All above the path, from the root down.
std::vector<std::string> ancestorsOf(const std::string &path)
{
    std::vector<std::string> ancestors;
    std::string folder = path;
    do {
        folder = parentOf(folder);
        ancestors.push_back(folder);
    } while (folder != "/");
    std::reverse(ancestors.begin(), ancestors.end());
    return ancestors;
}

// Who was seen waiting without a ticket, and was not looked for this time, is taken to be waiting still.
void keepTicketless(const QueueLook &before, QueueLook *look)
{
    if (look->participants.empty() || before.participants.empty() || !(before.file == look->file))
        return;
    const pid_t holder = look->participants.front().pid;
    for (auto it = before.participants.begin() + 1; it != before.participants.end(); ++it) {
        if (it->ticket < 0 && (it->pid <= 0 || it->pid != holder))
            look->participants.push_back(*it);
    }
}

class Watch;

// The inotify instance and who is interested in which of its watches.
class Events
{
public:
    explicit Events(int descriptor) : m_descriptor(descriptor) { }

    int add(const std::string &path, uint32_t mask, Watch *watch);
    void remove(int id, Watch *watch);
    void read(Clock::time_point now);

private:
    const int m_descriptor;
    std::map<int, std::vector<Watch *>> m_interested;
};

// One path.
class Watch
{
public:
    Watch(std::string path, Events *events) : m_path(std::move(path)), m_ancestors(ancestorsOf(m_path)), m_events(events) { }
    ~Watch();
    Watch(const Watch &) = delete;
    Watch &operator=(const Watch &) = delete;

    void onEvent(const char *name, Clock::time_point now);
    void onWatchGone(int id);
    Clock::time_point nextLook() const;
    void look(const Subscribers &subscribers, Clock::time_point now);

private:
    void settle();
    bool watchFolder(const std::string &folder, uint32_t mask);
    void dropAll();

    const std::string m_path;
    const std::vector<std::string> m_ancestors;
    Events *const m_events;
    OpenFile m_file;
    int m_fileWatch = -1;
    std::vector<int> m_folderWatches;
    std::string m_awaited; // what has to appear in the watched folder
    bool m_poll = false;   // events do not tell everything
    int m_error = 0;

    Clock::time_point m_event = Clock::now();
    size_t m_looksDone = 0; // since the event
    Clock::time_point m_lastLook{};
    Clock::time_point m_wholeDue = Clock::time_point::max(); // at the latest
    Clock::time_point m_pauseUntil{};
    bool m_looked = false;
    QueueLook m_look;
};

int Events::add(const std::string &path, uint32_t mask, Watch *watch)
{
    // The same file has the same id for all who are interested, with the events of all.
    const int id = ::inotify_add_watch(m_descriptor, path.c_str(), mask | IN_MASK_ADD);
    if (id >= 0)
        m_interested[id].push_back(watch);
    return id;
}

void Events::remove(int id, Watch *watch)
{
    const auto interested = m_interested.find(id);
    if (interested == m_interested.end())
        return;
    std::vector<Watch *> &watches = interested->second;
    const auto it = std::find(watches.begin(), watches.end(), watch);
    if (it != watches.end())
        watches.erase(it);
    if (watches.empty()) {
        ::inotify_rm_watch(m_descriptor, id);
        m_interested.erase(interested);
    }
}

void Events::read(Clock::time_point now)
{
    alignas(inotify_event) char buffer[16 * (sizeof(inotify_event) + NAME_MAX + 1)];
    ssize_t size;
    while ((size = ::read(m_descriptor, buffer, sizeof buffer)) > 0) {
        for (ssize_t at = 0; at < size;) {
            const auto *event = reinterpret_cast<const inotify_event *>(buffer + at);
            at += ssize_t(sizeof(inotify_event) + event->len);
            if (event->mask & IN_Q_OVERFLOW) {
                for (const auto &[id, watches] : m_interested) {
                    for (Watch *watch : watches)
                        watch->onEvent(nullptr, now);
                }
                continue;
            }
            const auto interested = m_interested.find(event->wd);
            if (interested == m_interested.end())
                continue; // of a watch that was removed
            for (Watch *watch : interested->second) {
                watch->onEvent(event->len > 0 ? event->name : nullptr, now);
                if (event->mask & IN_IGNORED)
                    watch->onWatchGone(event->wd);
            }
            if (event->mask & IN_IGNORED)
                m_interested.erase(interested);
        }
    }
}

Watch::~Watch()
{
    dropAll();
}

void Watch::dropAll()
{
    if (m_fileWatch >= 0)
        m_events->remove(std::exchange(m_fileWatch, -1), this);
    for (const int id : std::exchange(m_folderWatches, {}))
        m_events->remove(id, this);
}

bool Watch::watchFolder(const std::string &folder, uint32_t mask)
{
    const int id = m_events->add(folder, mask, this);
    if (id >= 0)
        m_folderWatches.push_back(id);
    return id >= 0;
}

// The name is that of the file in a watched folder.
void Watch::onEvent(const char *name, Clock::time_point now)
{
    if (name && name != m_awaited)
        return;
    m_event = now;
    m_looksDone = 0;
    m_wholeDue = std::min(m_wholeDue, now + kWholeAtLatest);
}

void Watch::onWatchGone(int id)
{
    if (m_fileWatch == id)
        m_fileWatch = -1;
    m_folderWatches.erase(std::remove(m_folderWatches.begin(), m_folderWatches.end(), id), m_folderWatches.end());
}

Clock::time_point Watch::nextLook() const
{
    if (m_looksDone < kLooksAfterEvent.size())
        return std::max(m_event + kLooksAfterEvent[m_looksDone], m_pauseUntil);
    return m_poll ? m_lastLook + kSlowPoll : Clock::time_point::max();
}

// Brings the watches to where the file is, or will be.
void Watch::settle()
{
    if (m_file.isOpen() && m_fileWatch >= 0 && m_file.checkPath(m_path) == 0)
        return;
    for (int moves = 0; moves < kMostMoves; ++moves) {
        dropAll();
        m_file.close();
        m_poll = false;

        m_error = m_file.openToLook(m_path);
        if (m_file.isOpen()) {
            // By the descriptor: the path may lead elsewhere by now.
            m_fileWatch = m_events->add("/proc/self/fd/" + std::to_string(m_file.descriptor()), kFileEvents, this);
            for (const std::string &folder : m_ancestors)
                watchFolder(folder, kAncestorEvents);
            m_poll = m_fileWatch < 0 || isBlind(m_path);
            if (m_file.checkPath(m_path) != ESTALE)
                return;
            continue; // it was removed before it was watched
        }

        // From the root down: what moves once it is watched is told, and what was moved before is found where it is now.
        size_t there = 0;
        while (there < m_ancestors.size() && (watchFolder(m_ancestors[there], kAncestorEvents) || (errno != ENOENT && errno != ENOTDIR)))
            ++there;
        const std::string &folder = m_ancestors[std::max<size_t>(there, 1) - 1];
        const std::string &below = there < m_ancestors.size() ? m_ancestors[there] : m_path;
        m_awaited = below.substr(below.rfind('/') + 1);
        m_poll = !watchFolder(folder, kFolderEvents) || isBlind(folder) || endsUnseen(m_error);
        if (m_error != ENOENT || ::access(below.c_str(), F_OK) != 0)
            return;
        // It was created before its folder was watched.
    }
    m_poll = true;
}

void Watch::look(const Subscribers &subscribers, Clock::time_point now)
{
    const Clock::duration cpuBefore = cpuTime();
    m_lastLook = now;
    m_looksDone = std::min(m_looksDone + 1, kLooksAfterEvent.size());
    settle();
    QueueLook look;
    look.error = m_error == ENOENT ? 0 : m_error;
    look.file = m_file.id();
    if (m_file.isOpen()) {
        // The whole takes its time, and can wait until things have calmed down, but not for ever.
        const bool wantsWhole = m_looksDone == kLooksAfterEvent.size() || now >= m_wholeDue;
        look = lookAtQueue(m_file, wantsWhole ? Extent::Whole : Extent::Tickets);
        if (look.isWhole)
            m_wholeDue = Clock::time_point::max();
        else
            keepTicketless(m_look, &look);
    }
    const bool changed = !std::exchange(m_looked, true) || !(look == m_look);
    m_look = std::move(look);
    for (const auto &subscriber : subscribers) {
        if (changed || subscriber->isNew)
            subscriber->tell(m_look);
    }
    m_pauseUntil = Clock::now() + std::clamp<Clock::duration>(kPausePerLook * (cpuTime() - cpuBefore), kShortestPause, kLongestPause);
}

struct Monitor
{
    void closeAll()
    {
        for (const int descriptor : {inotify, wake}) {
            if (descriptor >= 0)
                ::close(descriptor);
        }
    }

    std::mutex mutex; // guards all of this
    std::map<std::string, Subscribers> subscribers;
    bool running = false;
    bool changed = false; // there are subscribers that the thread does not know yet, or knows and should not
    int inotify = -1;     // may stay so while it runs
    int wake = -1;
};

Monitor *monitorOfProcess = nullptr; // replaced in a forked child, which has no thread; never destroyed, the thread may outlive main()

Monitor &monitor()
{
    static const bool once = [] {
        monitorOfProcess = new Monitor;
        LockThread::prepareForFork(); // a thread is started with the mutex locked
        pthread_atfork([] { monitorOfProcess->mutex.lock(); }, [] { monitorOfProcess->mutex.unlock(); },
                       [] {
                           if (monitorOfProcess->running)
                               monitorOfProcess->closeAll();
                           monitorOfProcess = new Monitor;
                       });
        return true;
    }();
    (void)once;
    return *monitorOfProcess;
}

// At load: a child forked in the midst of the first use would wait for ever for a thread that it does not have to end it.
[[maybe_unused]] const Monitor &monitorPreparedForFork = monitor();

// Runs until nobody is left who wants to know.
void watchQueues(Monitor *all)
{
    Events events(all->inotify);
    std::map<std::string, Watch> watches;
    for (;;) {
        std::vector<std::map<std::string, Watch>::node_type> ended; // closed without the mutex: that may take as long as a file server pleases
        std::map<std::string, Subscribers> due;
        auto wakeUp = Clock::time_point::max();
        {
            const std::lock_guard guard(all->mutex);
            for (auto it = watches.begin(); it != watches.end();) {
                const auto next = std::next(it);
                if (!all->subscribers.count(it->first))
                    ended.push_back(watches.extract(it));
                it = next;
            }
            if (!ended.empty())
                continue;
            if (all->subscribers.empty()) {
                all->closeAll();
                all->running = false;
                return;
            }
            const auto now = Clock::now();
            for (auto &[path, subscribers] : all->subscribers) {
                const auto [watch, added] = watches.try_emplace(path, path, &events);
                bool anyNew = false;
                if (all->changed) {
                    for (const auto &subscriber : subscribers)
                        anyNew |= subscriber->isNew;
                }
                const auto next = watch->second.nextLook();
                if (anyNew || next <= now)
                    due.emplace(path, subscribers);
                else
                    wakeUp = std::min(wakeUp, next);
            }
            all->changed = false;
        }
        for (auto &[path, subscribers] : due) {
            Watch &watch = watches.at(path);
            watch.look(subscribers, Clock::now());
            for (const auto &subscriber : subscribers)
                subscriber->isNew = false;
            wakeUp = std::min(wakeUp, watch.nextLook());
        }
        std::array<pollfd, 2> ready{{{all->inotify, POLLIN, 0}, {all->wake, POLLIN, 0}}};
        timespec timeout{};
        if (wakeUp != Clock::time_point::max()) {
            const auto left = std::chrono::nanoseconds(std::max(Clock::duration::zero(), wakeUp - Clock::now())).count();
            timeout = {time_t(left / 1'000'000'000), long(left % 1'000'000'000)};
        }
        ::ppoll(ready.data(), ready.size(), wakeUp == Clock::time_point::max() ? nullptr : &timeout, nullptr);
        uint64_t wakes;
        if (ready[1].revents)
            (void)!::read(all->wake, &wakes, sizeof wakes);
        if (ready[0].revents)
            events.read(Clock::now());
    }
}

// With the mutex locked.
int startThread(Monitor *all)
{
    all->inotify = ::inotify_init1(IN_CLOEXEC | IN_NONBLOCK); // where the user has too many it fails, as each watch then does
    all->wake = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int error = all->wake < 0 ? errno : 0;
    if (error == 0)
        error = LockThread::run([all] { watchQueues(all); });
    if (error == 0) {
        all->running = true;
        return 0;
    }
    all->closeAll();
    return error;
}

} // namespace

QueueSubscription::QueueSubscription(std::string path, Callback callback) : m_subscriber(std::make_shared<QueueSubscriber>()), m_forks(forkCount())
{
    m_subscriber->path = std::move(path);
    m_subscriber->callback = std::move(callback);
    Monitor &all = monitor();
    int error = 0;
    {
        const std::lock_guard guard(all.mutex);
        if (!all.running)
            error = startThread(&all);
        if (error == 0) {
            all.subscribers[m_subscriber->path].push_back(m_subscriber);
            all.changed = true;
            const uint64_t one = 1;
            (void)!::write(all.wake, &one, sizeof one);
            m_isWatching = true;
            return;
        }
    }
    QueueLook look;
    look.error = error;
    m_subscriber->tell(look);
}

QueueSubscription::~QueueSubscription()
{
    if (m_forks != forkCount())
        return; // the parent's; its thread may have been in the callback when this copy was made
    Monitor &all = monitor();
    {
        const std::lock_guard guard(all.mutex);
        const auto it = all.subscribers.find(m_subscriber->path);
        if (it != all.subscribers.end()) {
            Subscribers &others = it->second;
            others.erase(std::remove(others.begin(), others.end(), m_subscriber), others.end());
            if (others.empty()) {
                all.subscribers.erase(it);
                const uint64_t one = 1;
                (void)!::write(all.wake, &one, sizeof one);
            }
        }
    }
    const std::lock_guard guard(m_subscriber->mutex);
    m_subscriber->callback = nullptr;
}

} // namespace QtLockFile::Internal
