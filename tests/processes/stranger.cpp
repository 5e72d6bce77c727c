// SPDX-License-Identifier: 0BSD
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iostream>
#include <string>

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

// A process that knows nothing of QtLockFile and puts locks on the bytes of a file, line by line, until its stdin closes.
// Says "ready PID" first.
//
//     own|classic  read|write  FIRST COUNT    locks the bytes, 0: to the end; of the open file or of the process; never waits
//     stop                                    stops itself, as SIGSTOP does; says "stopped" just before
//     unlock                                  all bytes
//
// Answers "locked", "unlocked" or "refused".

namespace {

enum ExitCode { Done = 0, BadCommand = 2, BadFile = 3 };

void say(const char *line)
{
    std::cout << line << std::endl;
}

bool setLock(int file, int command, short type, off_t first, off_t count)
{
    struct flock lock = {};
    lock.l_type = type;
    lock.l_whence = SEEK_SET;
    lock.l_start = first;
    lock.l_len = count;
    return fcntl(file, command, &lock) == 0;
}

} // namespace

int main(int argc, char **argv)
{
    if (argc != 2)
        return BadCommand;
    const int file = open(argv[1], O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (file < 0) {
        std::perror(argv[1]);
        return BadFile;
    }
    std::cout << "ready " << getpid() << std::endl;
    for (std::string command; std::cin >> command;) {
        if (command == "own" || command == "classic") {
            std::string kind;
            off_t first = 0;
            off_t count = 0;
            std::cin >> kind >> first >> count;
            const bool locked = setLock(file, command == "own" ? F_OFD_SETLK : F_SETLK, kind == "read" ? F_RDLCK : F_WRLCK, first, count);
            say(locked ? "locked" : "refused");
        } else if (command == "unlock") {
            setLock(file, F_OFD_SETLK, F_UNLCK, 0, 0);
            setLock(file, F_SETLK, F_UNLCK, 0, 0);
            say("unlocked");
        } else if (command == "stop") {
            say("stopped");
            raise(SIGSTOP);
        } else {
            std::fprintf(stderr, "stranger: what is \"%s\"?\n", command.c_str());
            return BadCommand;
        }
    }
    return Done;
}
