// SPDX-License-Identifier: 0BSD
#include "disks.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

namespace Chaos {

namespace {

// Runs it, and returns what it said when it failed; empty: it did not.
std::string run(const std::vector<std::string> &words)
{
    std::string command;
    for (const std::string &word : words)
        command += '\'' + word + "' ";
    std::FILE *const pipe = ::popen((command + "2>&1 </dev/null").c_str(), "re");
    if (!pipe)
        return std::strerror(errno);
    std::string said;
    char bytes[512];
    while (const std::size_t count = std::fread(bytes, 1, sizeof bytes, pipe))
        said.append(bytes, count);
    if (::pclose(pipe) == 0)
        return {};
    said = said.substr(0, said.find('\n'));
    return said.empty() ? words.front() + " failed" : said;
}

std::string typeOf(const std::string &folder)
{
    struct statfs status;
    if (::statfs(folder.c_str(), &status) != 0)
        return "unknown";
    switch (static_cast<unsigned long>(status.f_type)) {
    case 0xef53:
        return "ext4";
    case 0x01021994:
        return "tmpfs";
    case 0x58465342:
        return "xfs";
    case 0x9123683e:
        return "btrfs";
    case 0x794c7630:
        return "overlay";
    default:
        break;
    }
    char hexadecimal[32];
    std::snprintf(hexadecimal, sizeof hexadecimal, "type 0x%lx", static_cast<unsigned long>(status.f_type));
    return hexadecimal;
}

} // namespace

Disks::Disks()
{
    std::string folder = std::filesystem::current_path() / "chaos-XXXXXX";
    if (!::mkdtemp(folder.data())) {
        m_disks.push_back({"the disk at hand", {}, std::string("no folder there: ") + std::strerror(errno)});
        return;
    }
    m_scratch = folder;
    const std::string atHand = typeOf(m_scratch);
    m_disks.push_back({atHand + ", the disk at hand", m_scratch, {}});
    if (::geteuid() != 0)
        m_cannotMount = "only root can mount it";
    else if (::unshare(CLONE_NEWNS) != 0)
        m_cannotMount = std::string("no mount namespace to be had: ") + std::strerror(errno);
    else if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 && ::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0
             && errno != EINVAL) // EINVAL: a plain chroot, whose root is no mount point
        m_cannotMount = std::string("mounts cannot be kept private: ") + std::strerror(errno);

    if (atHand != "ext4")
        addImage("ext4", {"mkfs.ext4", "-q", "-F"}, 64);
    addMount("tmpfs", "size=64m", "tmpfs");
    addImage("xfs", {"mkfs.xfs", "-q", "-f"}, 320);
    addImage("btrfs", {"mkfs.btrfs", "-q", "-f"}, 128);

    // Overlaid on the memory disk: an upper folder on an overlay, which the disk at hand may be, is refused.
    const std::string memory = m_scratch + "/tmpfs";
    for (const char *part : {"/lower", "/upper", "/work"})
        ::mkdir((memory + part).c_str(), 0777);
    addMount("overlay", "lowerdir=" + memory + "/lower,upperdir=" + memory + "/upper,workdir=" + memory + "/work", "overlayfs");
}

Disks::~Disks()
{
    for (auto folder = m_mounted.rbegin(); folder != m_mounted.rend(); ++folder)
        ::umount2(folder->c_str(), MNT_DETACH);
    std::error_code ignored;
    if (!m_scratch.empty())
        std::filesystem::remove_all(m_scratch, ignored);
}

// A file system in a sparse file, for whose loop device the kernel cares: it goes with the mount.
void Disks::addImage(const char *type, const std::vector<std::string> &make, long megabytes)
{
    Disk disk{type, m_scratch + '/' + type, m_cannotMount};
    const std::string image = disk.folder + ".image";
    std::vector<std::string> command = make;
    command.push_back(image);
    if (disk.skipped.empty() && (::close(::open(image.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600)) != 0 || ::truncate(image.c_str(), megabytes << 20) != 0))
        disk.skipped = std::string("no image file: ") + std::strerror(errno);
    if (disk.skipped.empty())
        disk.skipped = run(command);
    if (disk.skipped.empty() && ::mkdir(disk.folder.c_str(), 0777) != 0)
        disk.skipped = std::strerror(errno);
    if (disk.skipped.empty())
        disk.skipped = run({"mount", "-o", "loop", "-t", type, image, disk.folder});
    if (disk.skipped.empty())
        m_mounted.push_back(disk.folder);
    m_disks.push_back(disk);
}

void Disks::addMount(const char *type, const std::string &options, const std::string &name)
{
    Disk disk{name, m_scratch + '/' + type, m_cannotMount};
    if (disk.skipped.empty() && (::mkdir(disk.folder.c_str(), 0777) != 0 || ::mount("chaos", disk.folder.c_str(), type, 0, options.c_str()) != 0))
        disk.skipped = std::strerror(errno);
    if (disk.skipped.empty())
        m_mounted.push_back(disk.folder);
    m_disks.push_back(disk);
}

} // namespace Chaos
