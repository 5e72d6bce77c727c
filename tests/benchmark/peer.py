#!/usr/bin/python3
# SPDX-License-Identifier: 0BSD
"""peer.py KIND PATH: as contender.cpp, for Python's filelock and portalocker. What it does not know it answers with -1."""
import mmap
import os
import signal
import struct
import sys
import time

kind, path = sys.argv[1:]
now = time.monotonic_ns

if kind == "filelock":
    from filelock import FileLock

    lock = FileLock(path)
    acquire, release = lock.acquire, lock.release
else:
    import portalocker

    lock = portalocker.Lock(path, timeout=1e9, mode="a")
    acquire, release = lock.acquire, lock.release

MEMBER = struct.Struct("QqqQQ")  # count, requested, worst, CPU at the first that counts and at the last


def take_part(memory, offset, begin, end, hold):
    count = worst = first = last = 0
    while True:
        requested = now()
        MEMBER.pack_into(memory, offset, count, requested, worst, first, last)
        acquire()
        at = now()
        if begin <= at < end:
            worst = max(worst, at - requested)
            last = time.process_time_ns()
            first = first or last
            count += 1
        MEMBER.pack_into(memory, offset, count, 0, worst, first, last)
        done = at + hold
        while now() < done:
            pass
        release()


def crowd(size, milliseconds, hold):
    memory = mmap.mmap(-1, MEMBER.size * size)
    begin = now() + 300_000_000 + size * (1_500_000 + hold)
    end = begin + milliseconds * 1_000_000
    pids = []
    for i in range(size):
        pid = os.fork()
        if pid == 0:
            take_part(memory, MEMBER.size * i, begin, end, hold)
        pids.append(pid)
    time.sleep((end - now()) / 1e9)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    for pid in pids:
        os.waitpid(pid, 0)
    os.unlink(path)
    members = [MEMBER.unpack_from(memory, MEMBER.size * i) for i in range(size)]
    cpu = sum((m[4] - m[3]) * m[0] // (m[0] - 1) - hold * m[0] for m in members if m[0] > 1)
    worst = max(max(m[2], end - m[1] if 0 < m[1] < end else 0) for m in members)
    return f"crowd {milliseconds / 1000} -1 {cpu} {worst} " + " ".join(str(m[0]) for m in members)


for line in sys.stdin:
    command, *numbers = line.split()
    numbers = list(map(int, numbers))
    if command == "cycle":
        start = now()
        for _ in range(numbers[0]):
            acquire()
            release()
        answer = f"cycle {(now() - start) // numbers[0]}"
    elif command == "acquire":
        acquire()
        answer = f"acquired {now()}"
    elif command == "release":
        start = now()
        release()
        answer = f"released {start}"
    else:
        answer = crowd(*numbers)
    print(answer, flush=True)
