// SPDX-License-Identifier: 0BSD
#include "disks.h"
#include "round.h"

#include "../sanitizer.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <random>
#include <string>

#include <sys/prctl.h>

// Plays on each file system in turn, and reports. Exit codes: 0 nothing was found, 1 something was, 2 it could not be played.
//
//     chaos            for 30 seconds in all (under AddressSanitizer 10), with QTLOCKFILE_LONG=1 for 10 minutes; the environment's QTLOCKFILE_SEED is what
//                      the processes' choices and the kills come from, not what the kernel makes of them
//     chaos --prove    whether the checker finds what is done wrong on purpose

using namespace Chaos;
using namespace std::chrono_literals;

namespace {

constexpr std::chrono::milliseconds kShortPlay = kHasAddressSanitizer ? 10s : 30s; // there to watch the memory, here to play
constexpr std::chrono::milliseconds kLongPlay = 10min;
constexpr std::chrono::milliseconds kLongestRound = 3s; // each end is checked
constexpr std::chrono::milliseconds kPatience = 30s;
constexpr std::uint64_t kFewestAcquisitions = 100; // on each disk, of thousands

constexpr std::chrono::milliseconds kProof = 1s;
constexpr std::chrono::milliseconds kShortPatience = 3s; // where a hang is what is wanted
constexpr unsigned kRoundsToSeeIt = 10;                  // on a machine that is so busy that nothing happens

struct Kind
{
    const char *name;
    Removal removal;
    bool kills;
};
constexpr Kind kKinds[] = {
    {"all remove the file, some are killed", Removal::All, true},
    {"some remove, some keep, some are killed", Removal::Some, true},
    {"all keep the file, some are killed", Removal::None, true},
    {"all remove the file, none is killed", Removal::All, false},
};

void print(const Tally &tally)
{
    for (const std::string &line : tally.lines)
        std::printf("    VIOLATION %s\n", line.c_str());
    std::fflush(stdout);
}

int play(unsigned seed)
{
    const Disks disks;
    int played = 0;
    for (const Disk &disk : disks.all())
        played += disk.skipped.empty();
    if (played == 0)
        return 2;
    const char *const wish = std::getenv("QTLOCKFILE_LONG");
    const auto share = (wish && *wish ? kLongPlay : kShortPlay) / (played * int(std::size(kKinds)));
    const int rounds = std::max(1, int(share / kLongestRound));
    std::mt19937 random(seed);
    Tally all;
    for (const Disk &disk : disks.all()) {
        if (!disk.skipped.empty()) {
            std::printf("%s: skipped, %s\n", disk.name.c_str(), disk.skipped.c_str());
            continue;
        }
        Tally onDisk;
        for (const Kind &kind : kKinds) {
            Game game;
            game.path = disk.folder + "/lock";
            game.removal = kind.removal;
            game.kills = kind.kills;
            for (int round = 0; round < rounds; ++round) {
                const Tally tally = Round(game, unsigned(random()), kPatience).play(share / rounds);
                if (tally.allFaults() > 0)
                    std::printf("%s, %s:\n", disk.name.c_str(), kind.name);
                print(tally);
                onDisk.add(tally);
                if (tally.faults[std::size_t(Fault::Hang)] > 0)
                    return 1; // each more would take as long
            }
        }
        std::printf("%s: %s\n", disk.name.c_str(), onDisk.summary().c_str());
        std::fflush(stdout);
        if (onDisk.counts[std::size_t(Count::Acquired)] < kFewestAcquisitions) {
            std::printf("    That is too little to prove anything\n");
            return 1;
        }
        all.add(onDisk);
    }
    std::printf("In all: %s\n", all.summary().c_str());
    return all.allFaults() == 0 ? 0 : 1;
}

int prove(unsigned seed)
{
    struct Proof
    {
        const char *deed;
        Sabotage sabotage;
        Fault fault;
        Removal removal;
    };
    constexpr Proof proofs[] = {
        {"one comes in without the lock", Sabotage::EnterUnlocked, Fault::Overlap, Removal::Some},
        {"one counts on without the lock", Sabotage::UpdateUnlocked, Fault::LostUpdate, Removal::Some},
        {"one comes in again without queueing", Sabotage::EnterAgain, Fault::Order, Removal::Some},
        {"one removes the file under the others", Sabotage::UnlinkUnasked, Fault::WrongFile, Removal::Some},
        {"one takes another's lock for his own", Sabotage::ClaimTheName, Fault::WrongName, Removal::Some},
        {"one is given what he has cancelled", Sabotage::CancelTooLate, Fault::Granted, Removal::Some},
        {"one is refused where he should wait", Sabotage::TryForWaiting, Fault::Failed, Removal::Some},
        {"none removes the file that all should", Sabotage::KeepTheFile, Fault::LeftFile, Removal::All},
        {"one removes the file that all should keep", Sabotage::RemoveTheFile, Fault::LostFile, Removal::None},
        {"one never lets go", Sabotage::NeverLetGo, Fault::Hang, Removal::Some},
        {"one dies, and nobody has killed him", Sabotage::DieUnseen, Fault::Crash, Removal::Some},
        {"a child keeps the lock when its parent is gone", Sabotage::ChildKeepsLock, Fault::LeftLock, Removal::None},
    };
    const Disks disks;
    int missed = 0;
    for (const Proof &proof : proofs) {
        Game game;
        game.path = disks.all().front().folder + "/lock";
        game.removal = proof.removal;
        game.kills = false;
        game.sabotage = proof.sabotage;
        bool isSeen = false;
        for (unsigned round = 0; round < kRoundsToSeeIt && !isSeen; ++round)
            isSeen = Round(game, seed + round, kShortPatience).play(kProof).faults[std::size_t(proof.fault)] > 0;
        std::printf("%s: %s, %s\n", proof.deed, describe(proof.fault), isSeen ? "seen" : "NOT SEEN");
        std::fflush(stdout);
        missed += !isSeen;
    }
    return missed == 0 ? 0 : 1;
}

} // namespace

int main(int argc, char **argv)
{
    const bool isProof = argc == 2 && std::string(argv[1]) == "--prove";
    if (argc > 1 && !isProof) {
        std::fprintf(stderr, "Usage: chaos [--prove]\n");
        return 2;
    }
    const char *const wish = std::getenv("QTLOCKFILE_SEED");
    const unsigned seed = wish && *wish ? unsigned(std::strtoul(wish, nullptr, 10)) : std::random_device()();
    std::printf("QTLOCKFILE_SEED=%u\n", seed);
    ::prctl(PR_SET_CHILD_SUBREAPER, 1); // children of those who are killed are to be seen to end
    return isProof ? prove(seed) : play(seed);
}
