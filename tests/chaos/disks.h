// SPDX-License-Identifier: 0BSD
#ifndef QTLOCKFILE_CHAOS_DISKS_H
#define QTLOCKFILE_CHAOS_DISKS_H

#include <string>
#include <vector>

namespace Chaos {

struct Disk
{
    std::string name;
    std::string folder;
    std::string skipped; // why there is none; empty if there is one
};

// The file systems that can be had here. Those that have to be mounted are so in a mount namespace of this process alone,
// so that no other sees them and none outlives it.
class Disks
{
public:
    Disks();
    Disks(const Disks &) = delete;
    Disks &operator=(const Disks &) = delete;
    ~Disks();

    const std::vector<Disk> &all() const { return m_disks; }

private:
    void addImage(const char *type, const std::vector<std::string> &make, long megabytes);
    void addMount(const char *type, const std::string &options, const std::string &name);

    std::string m_scratch; // on the disk at hand
    std::string m_cannotMount;
    std::vector<std::string> m_mounted;
    std::vector<Disk> m_disks;
};

} // namespace Chaos

#endif
