# SPDX-License-Identifier: 0BSD
# A peer that locks the whole file with fcntl.lockf, as peer.cpp does, and reports to the memory that arena.h describes.
import contextlib
import fcntl
import mmap
import os
import random
import sys
import time

MOMENT, HOLDER, NUMBER, OVER = range(4)
SEAT_WORDS = 16
LIFE, CONDEMNED, QUEUED, WAITS_UNTIL, FAULT, OTHER, FAULTS, COUNTS = range(8)
ACQUIRED, BY_PEERS, REFUSED = range(3)
OVERLAP, LOST_UPDATE, ORDER = range(1, 4)

descriptor, path, seat, removal, seed, seats, authors, most_numbers = sys.argv[1:]
seat, removal, seats, authors, most_numbers = map(int, (seat, removal, seats, authors, most_numbers))
random.seed(int(seed))
memory = mmap.mmap(int(descriptor), 0)
os.close(int(descriptor))
words = memoryview(memory).cast("Q")
mine = seats + seat * SEAT_WORDS
me = words[mine + LIFE] << 16 | seat + 1


def is_alive(other):
    if other == 0:
        return False
    its = seats + ((other & 0xFFFF) - 1) * SEAT_WORDS
    return not words[its + CONDEMNED] and words[its + LIFE] == other >> 16


def complain(fault, other):
    if words[mine + FAULTS] == 0:
        words[mine + OTHER] = other
        words[mine + FAULT] = fault
    words[mine + FAULTS] += 1


def check_order():
    for its in range(seats, authors, SEAT_WORDS):
        queued = words[its + QUEUED]
        waits_until = words[its + WAITS_UNTIL]
        if queued and time.monotonic_ns() < waits_until and not words[its + CONDEMNED] and words[its + QUEUED] == queued:
            complain(ORDER, words[its + LIFE] << 16 | (its - seats) // SEAT_WORDS + 1)


def acquire(wait):
    while True:
        file = open(path, "a+")
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            file.close()
            words[mine + COUNTS + REFUSED] += 1
            return None
        try:
            if os.path.samestat(os.fstat(file.fileno()), os.stat(path)):
                return file
        except FileNotFoundError:
            pass
        file.close()


def turn(wait):
    file = acquire(wait)
    if not file:
        return
    other = words[HOLDER]
    words[HOLDER] = me
    if is_alive(other):
        complain(OVERLAP, other)
    check_order()
    words[mine + COUNTS + ACQUIRED] += 1
    words[mine + COUNTS + BY_PEERS] += 1
    number = words[NUMBER]
    author = words[authors + number]
    words[authors + number] = me
    if is_alive(author):
        complain(LOST_UPDATE, author)
    if random.random() < 0.3:
        time.sleep(random.random() / 1000)
    words[NUMBER] = number + 1
    other = words[HOLDER]
    words[HOLDER] = 0
    if other != me:
        complain(OVERLAP, other)
    if removal == 2 or removal == 1 and random.random() < 0.5:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
    file.close()


while not words[OVER] and words[NUMBER] < most_numbers - 1000:
    turn(random.random() < 0.3)
    time.sleep(random.random() / 200)
turn(True)
