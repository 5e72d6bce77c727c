#!/usr/bin/python3
# SPDX-License-Identifier: 0BSD
"""Measures all rows with all contenders, alternating, and hands the figures to report.py. Started by `run`."""
import argparse
import os
import random
import statistics
import subprocess
import tempfile
import threading
import time

import report
from figures import Figures

here = os.path.dirname(os.path.abspath(__file__))
PYTHON = ("filelock", "portalocker")
REMOVING = ["ours-remove", "bare-remove", "whole-remove", "qlockfile"]
KEEPING = ["ours-keep", "bare-keep", "whole-keep", "boost", *PYTHON]
ORDERED = "turns"
LOCKS = ["ours-remove", "ours-keep", "whole-keep", "whole-remove", "boost", "qlockfile", *PYTHON]
POLLERS = ["qlockfile", *PYTHON]
PASSES = 4  # over all rows, since a machine that others use is not as fast in one minute as in another


class Program:
    """A contender: does what it is told, line by line, and ends when its stdin closes."""

    def __init__(self, build, kind, path):
        command = ["/usr/bin/python3", f"{here}/peer.py"] if kind in PYTHON else [f"{build}/benchmark-contender"]
        self.process = subprocess.Popen([*command, kind, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()

    def tell(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def answer(self):
        words = self.process.stdout.readline().split()
        if not words:
            raise RuntimeError(f"{self.process.args} ended")
        return [float(word) for word in words[1:]]

    def ask(self, command):
        self.tell(command)
        return self.answer()


class Benchmark:
    def __init__(self, arguments):
        self.build = arguments.build
        self.quick = arguments.quick
        self.only = arguments.only
        self.figures = Figures()
        self.number = 0  # of the pass

    def rounds(self, count):
        return 2 if self.quick else count

    def add(self, row, contender, quantity, value):
        self.figures.add(self.disk, row, contender, quantity, value)

    def run_program(self, name, *arguments):
        output = subprocess.run([f"{self.build}/benchmark-{name}", *map(str, arguments)], stdout=subprocess.PIPE, text=True, check=True).stdout
        for line in output.splitlines():
            row, contender, quantity, value = line.split("\t")
            self.add(row, contender, quantity, float(value))

    def measure(self, disks):
        passes = 1 if self.quick else PASSES
        for self.number in range(passes):
            for disk, folder in disks:
                print(f"Pass {self.number + 1} of {passes}, {disk}", flush=True)
                self.measure_on(disk, folder)

    def measure_on(self, disk, folder):
        self.disk = disk
        for row in (self.cycles, self.eventloop, self.hand_overs, self.crowds, self.growth, self.waiting, self.looks, self.startup):
            if self.only and row.__name__ not in self.only:
                continue
            start = time.monotonic()
            with tempfile.TemporaryDirectory(prefix="qtlockfile-benchmark-", dir=folder) as self.folder:
                row()
            print(f"    {row.__name__}, {time.monotonic() - start:.0f} s", flush=True)

    # Uncontended; each round in another order.
    def cycles(self):
        programs = {kind: Program(self.build, kind, f"{self.folder}/{kind}") for kind in REMOVING + KEEPING}
        for kind in programs:
            programs[kind].ask("cycle 20")  # to warm up
        for number in range(self.rounds(40)):
            kinds = list(programs)
            random.Random(number).shuffle(kinds)
            for kind in kinds:
                count = 10 if kind == "qlockfile" else 50
                self.add("cycle", kind, "us", programs[kind].ask(f"cycle {count}")[0] / 1000)
            call, there, back = programs["bare-keep"].ask("thread 50")
            self.add("cycle", "thread", "us there", there / 1000)
            self.add("cycle", "thread", "us there and back", back / 1000)
        for program in programs.values():
            program.__exit__()

    def eventloop(self):
        for _ in range(self.rounds(2)):
            self.run_program("eventloop", self.folder, 2000)
        if self.disk == "tmpfs":
            if self.number == 0:
                subprocess.run([f"{self.build}/benchmark-eventloop", "--slow", self.folder, "1"], stdout=subprocess.DEVNULL)  # to warm up
            self.run_program("eventloop", "--slow", self.folder, 1)

    # From the release in one process to the grant in another, which has been waiting for a while.
    def hand_overs(self):
        pollers = [threading.Thread(target=self.hand_over, args=(kind, 4, 0.1, 2.0)) for kind in POLLERS]
        for thread in pollers:
            thread.start()
        for thread in pollers:
            thread.join()
        kinds = ["chain", *(kind for kind in LOCKS if kind not in POLLERS)]
        with Program(self.build, "bare-keep", "") as bare:
            for number in range(self.rounds(3)):
                for kind in random.Random(number).sample(kinds, len(kinds)):
                    self.hand_over(kind, 10, 0.01, 0.03)
                times = []
                for _ in range(10):
                    time.sleep(random.uniform(0.01, 0.03))
                    times.append(bare.ask("thread 1")[1] / 1000)
                self.add("hand-over", "thread", "us", statistics.median(times))

    def hand_over(self, kind, count, shortest, longest):
        path = f"{self.folder}/{kind}"
        times = []
        with Program(self.build, kind, path) as holder, Program(self.build, kind, path) as waiter:
            holder.ask("acquire")
            for _ in range(count):
                waiter.tell("acquire")
                time.sleep(random.uniform(shortest, longest))
                released = holder.ask("release")[0]
                acquired = waiter.answer()[0]
                times.append((acquired - released) / 1000)
                holder, waiter = waiter, holder
            holder.ask("release")
        self.add("hand-over", kind, "us", statistics.median(times))

    def crowds(self):
        for size in (4, 16) if self.quick else (4, 16, 64, 256, 1000):
            seconds = max(1 if self.quick else 2, 52 * size / 1450)
            kinds = ["ours-remove", "whole-keep", *([ORDERED] if size < 1000 else [])]
            for kind in kinds[:: 1 if self.number % 2 else -1]:
                # Nobody's turns are counted in that of the lock without order: some of its processes never have one.
                self.crowd("crowd", kind, size, min(seconds, 8) if kind == "whole-keep" else seconds, 500)
        if self.number > 0:
            return
        for size in (4,) if self.quick else (4, 16, 64):
            for kind in LOCKS:
                self.crowd("crowd", kind, size, 1.5, 500) if kind not in ("ours-remove", "whole-keep") and size == 16 else None
                self.crowd("rush", kind, size, 1.5, 0)

    def crowd(self, row, kind, size, seconds, hold):
        with Program(self.build, kind, f"{self.folder}/{kind}") as program:
            duration, opens, cpu, worst, *counts = program.ask(f"crowd {size} {int(seconds * 1000)} {hold * 1000}")
        total = max(sum(counts), 1)
        row = f"{row} of {size}"
        self.add(row, kind, "per second", sum(counts) / duration)
        self.add(row, kind, "fewest/most", min(counts) / max(*counts, 1))
        self.add(row, kind, "worst wait ms", worst / 1e6)
        self.add(row, kind, "worst wait / (processes x period)", worst / 1e9 / (size * duration / total))
        self.add(row, kind, "fewest", min(counts))
        self.add(row, kind, "us of CPU", cpu / 1000 / total)
        if opens >= 0:
            self.add(row, kind, "opens", opens / total)

    def growth(self):
        self.run_program("growth", f"{self.folder}/lock", 15)

    def waiting(self):
        self.run_program("waiting", f"{self.folder}/lock", 2 if self.quick else 10, 1000)

    def looks(self):
        self.run_program("look", f"{self.folder}/lock", f"{self.build}/benchmark-contender", 5 if self.quick else 20)

    # The demo next to bare programs, both on the offscreen platform; the disk does not matter.
    def startup(self):
        demo = f"{self.build}/../../demo/qtlockfile-demo"
        if self.disk != "tmpfs" or not os.path.exists(demo):
            return
        environment = dict(os.environ, QT_QPA_PLATFORM="offscreen", XDG_RUNTIME_DIR=self.folder)
        painting = dict(environment, LD_PRELOAD=os.path.abspath(f"{self.build}/libbenchmark-firstpaint.so"))
        bare = f"{self.build}/benchmark-bare"

        def first_paint(*command):
            start = time.monotonic_ns()
            output = subprocess.run(command, env=painting, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
            return (int(output.split()[-1]) - start) / 1e6

        def exit_after(*command):
            start = time.monotonic_ns()
            subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            return (time.monotonic_ns() - start) / 1e6

        first_paint(demo), first_paint(bare, "window")  # to warm up
        for _ in range(self.rounds(12)):
            self.add("startup", "demo", "ms to the first paint", first_paint(demo))
            self.add("startup", "bare", "ms to the first paint", first_paint(bare, "window"))
        first = subprocess.Popen([demo], env=dict(painting, FIRST_PAINT_STAYS="1"), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        first.stdout.readline()
        threading.Thread(target=first.stdout.read, daemon=True).start()
        for _ in range(self.rounds(12)):
            self.add("startup", "demo", "ms to the exit of a second start", exit_after(demo))
            self.add("startup", "bare", "ms to the exit of a second start", exit_after(bare))
        first.kill()
        first.wait()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build", help="the folder with the programs")
    parser.add_argument("results", help="the folder for the table and the charts")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", nargs="*", help="the rows to measure, such as cycles")
    parser.add_argument("--disk", action="append", metavar="NAME=FOLDER", required=True)
    arguments = parser.parse_args()
    benchmark = Benchmark(arguments)
    benchmark.measure([disk.split("=", 1) for disk in arguments.disk])
    report.write(benchmark.figures, arguments.results)


if __name__ == "__main__":
    main()
