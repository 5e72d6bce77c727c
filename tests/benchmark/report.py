# SPDX-License-Identifier: 0BSD
"""What the figures say: each bar met or missed, the table, and the data of the charts."""
import collections
import os
import platform
import statistics
import subprocess
import sys

NAMES = {
    "ours-remove": "this library",
    "ours-keep": "this library, keeping the file",
    "bare-remove": "the bare calls",
    "bare-keep": "the bare calls, keeping the file",
    "whole-remove": "whole-file lock, removing",
    "whole-keep": "whole-file lock, keeping the file",
    "boost": "boost::interprocess::file_lock",
    "qlockfile": "QLockFile",
    "filelock": "Python filelock",
    "portalocker": "Python portalocker",
}
CROWDS = (4, 16, 64, 256, 1000)


class Figures:
    """Values by disk, row, contender and quantity, in the order of the rounds."""

    def __init__(self):
        self.values = collections.defaultdict(list)

    def add(self, *key_and_value):
        *key, value = key_and_value
        self.values[tuple(key)].append(value)

    def disks(self):
        return list(dict.fromkeys(key[0] for key in self.values))

    def has(self, *key):
        return key in self.values

    def all(self, *key):
        return self.values[key]

    def median(self, *key):
        return statistics.median(self.values[key])


def spread(values):
    """The median and, in brackets, the middle half."""
    if len(values) < 3:
        return "–".join(figure(value) for value in sorted(set(values)))
    low, middle, high = statistics.quantiles(values, n=4)
    return f"{figure(middle)} ({figure(low)}–{figure(high)})"


def figure(value):
    if abs(value) >= 100 or value == int(value):
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


class Table:
    """Rows of what was measured, what was found, what is asked, and whether that is met."""

    def __init__(self):
        self.rows = []

    def add(self, disk, what, found, asked, met):
        self.rows.append((what, disk, found, asked, "met" if met else "**missed**"))

    def ratio(self, disk, what, unit, ours, reference, asked):
        """The bar is compared within each round; what it says is their median."""
        ratios = [a / b for a, b in zip(ours, reference)]
        self.add(
            disk, what, f"{spread(ours)} {unit}", f"{asked} = {figure(statistics.median(reference))} {unit}; {spread(ratios)} of it",
            statistics.median(ratios) <= 1)

    def markdown(self):
        head = ("measured", "disk", "this library", "bar", "")
        return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *self.rows)]


def bars(figures):
    table = Table()
    for disk in figures.disks():
        cycle_bars(figures, table, disk)
        eventloop_bars(figures, table, disk)
        crowd_bars(figures, table, disk)
        queue_bars(figures, table, disk)
        look_bars(figures, table, disk)
        for quantity, text, share in (
                ("ms to the first paint", "the demo: from exec to the first paint", 1.2),
                ("ms to the exit of a second start", "the demo, second start: from exec to exit", 0.8)):
            if figures.has(disk, "startup", "demo", quantity):
                reference = [share * value for value in figures.all(disk, "startup", "bare", quantity)]
                table.ratio("", text, "ms", figures.all(disk, "startup", "demo", quantity), reference, f"{share} × bare program")
    return table


def cycle_bars(figures, table, disk):
    if not figures.has(disk, "cycle", "ours-remove", "us"):
        return
    hand_over = figures.all(disk, "cycle", "thread", "us there and back")
    for way, text in (("remove", "removing"), ("keep", "keeping")):
        ours = figures.all(disk, "cycle", f"ours-{way}", "us")
        bare = figures.all(disk, "cycle", f"bare-{way}", "us")
        table.ratio(
            disk, f"`tryAcquire()`, `release()`, `waitForReleased()`, uncontended, {text}", "µs", ours,
            [1.5 * a + b for a, b in zip(bare, hand_over)], "1.5 × bare calls + thread hand-over")
    qt = figures.median(disk, "cycle", "qlockfile", "us") / figures.median(disk, "cycle", "ours-remove", "us")
    asked = 1 if disk == "tmpfs" else 10
    table.add(disk, "the same, against QLockFile", f"{figure(qt)} × faster", f"{asked} × faster", qt >= asked)


def eventloop_bars(figures, table, disk):
    if figures.has(disk, "acquired", "ours", "us"):
        reference = [2 * a + b for a, b in zip(figures.all(disk, "acquired", "empty call", "us"), figures.all(disk, "acquired", "bare calls", "us"))]
        table.ratio(
            disk, "`acquire()` → `acquired()` slot, uncontended", "µs", figures.all(disk, "acquired", "ours", "us"), reference,
            "2 × empty queued call and back + bare calls")
        reference = [1.5 * value for value in figures.all(disk, "caller", "bare hand-over", "us")]
        for call in ("acquire()", "release()"):
            table.ratio(
                disk, f"spent by the caller inside `{call}`", "µs", figures.all(disk, "caller", call, "us"), reference, "1.5 × bare hand-over to an idle thread")
            worst = figures.all(disk, "caller", call, "us 99.9 %")
            bare = figures.median(disk, "caller", "bare hand-over", "us 99.9 %")
            table.add(
                disk, f"the same, 99.9th percentile of `{call}`", f"{spread(worst)} µs", f"1000 µs (bare hand-over: {figure(bare)} µs)",
                statistics.median(worst) < 1000)
    if figures.has(disk, "slow disk", "acquire()", "us"):
        for call in ("acquire()", "release()"):
            values = figures.all(disk, "slow disk", call, "us")
            table.add("FUSE", f"the same where `open` takes 2 s, `{call}`", f"worst {figure(max(values))} µs", "1000 µs", max(values) < 1000)
        gap = figures.all(disk, "slow disk", "longest gap between turns of the event loop", "ms")
        table.add("FUSE", "longest gap between turns of the event loop meanwhile", f"{figure(max(gap))} ms", "20 ms", max(gap) <= 20)
    if figures.has(disk, "hand-over", "ours-remove", "us"):
        thread = figures.median(disk, "hand-over", "thread", "us")
        kernel = figures.median(disk, "hand-over", "whole-keep", "us")
        ours = figures.all(disk, "hand-over", "ours-remove", "us")
        median = statistics.median(ours)
        bar = 1.5 * (kernel + 2 * thread)
        table.add(
            disk, "`release()` in one process → `acquired()` slot in another", f"{spread(ours)} µs",
            f"1.5 × (fcntl hand-over + 2 thread hand-overs) = 1.5 × ({figure(kernel)} + 2 × {figure(thread)}) = {figure(bar)} µs", median <= bar)
        qt = figures.median(disk, "hand-over", "qlockfile", "us") / median
        table.add(disk, "the same, against QLockFile", f"{figure(qt)} × faster", "500 × faster", qt >= 500)


def crowd_bars(figures, table, disk):
    for size in CROWDS:
        row = f"crowd of {size}"
        if not figures.has(disk, row, "ours-remove", "per second"):
            continue
        what = f"{size} processes, 500 µs critical section: "
        ours = figures.all(disk, row, "ours-remove", "per second")
        ratios = [a / b for a, b in zip(ours, figures.all(disk, row, "whole-keep", "per second"))]
        table.add(
            disk, what + "acquisitions per second", f"{spread(ours)}", f"0.95 × whole-file lock without removal; {spread(ratios)} of it",
            statistics.median(ratios) >= 0.95)
        for quantity, name, asked, met in (
                ("fewest/most", "fewest/most of one process", "0.9", lambda value: value >= 0.9),
                ("opens", "opens per acquisition", "1.05", lambda value: value <= 1.05),
                ("worst wait / (processes x period)", "worst wait / (processes × period)", "1.5", lambda value: value <= 1.5)):
            values = figures.all(disk, row, "ours-remove", quantity)
            table.add(disk, what + name, spread(values), asked, met(statistics.median(values)))


def queue_bars(figures, table, disk):
    walk = "one walk of the kernel's list"
    if figures.has(disk, "queue of 1000", walk, "us"):
        grown = figures.median(disk, "queue of 1000", walk, "us") / figures.median(disk, "queue of 1", walk, "us")
        for cost, text in (("join", "joining a queue of 1000"), ("leave", "leaving it")):
            ours = figures.median(disk, "queue of 1000", cost, "us")
            ratio = ours / figures.median(disk, "queue of 1", cost, "us")
            table.add(disk, text, f"{figure(ours)} µs, {figure(ratio)} × as long as with 1", f"{figure(grown)} ×, as the kernel's walk of its list", ratio <= grown)
    row = "1000 waiting"
    if figures.has(disk, row, "each", "KiB"):
        for contender, quantity, name, asked, met in (
                ("each", "KiB", "1000 `LockFile`s waiting in one process: resident, each", "32 KiB", lambda value: value <= 32),
                ("all", "wake-ups", "the same: wake-ups in 10 s", "0", lambda value: value == 0),
                ("all", "ms of CPU", "the same: CPU in 10 s", "0 ms", lambda value: value < 1),
                ("all cancelled", "ms", "the same: all cancelled", "1000 ms", lambda value: value <= 1000)):
            value = figures.median(disk, row, contender, quantity)
            table.add(disk, name, f"{figure(value)} {asked.split()[-1] if ' ' in asked else ''}".strip(), asked, met(value))


def look_bars(figures, table, disk):
    for size in (0, 10, 100, 1000):
        row = f"of() with {size}"
        if not figures.has(disk, row, "ours", "us"):
            continue
        values = figures.all(disk, row, "ours", "us")
        worst = max(figures.all(disk, row, "ours", "us worst"))
        names = figures.median(disk, row, "reading /proc/PID/stat of all", "us")
        table.add(
            disk, f"`LockQueue::of()` with {size} processes waiting", f"{spread(values)} µs, worst {figure(worst)}",
            f"median 10 ms, all 50 ms (opening and reading their `/proc/PID/stat`: {figure(names)} µs)",
            statistics.median(values) < 10000 and worst < 50000)
    if figures.has(disk, "1000 waiting", "LockQueue::of()", "us"):
        value = figures.median(disk, "1000 waiting", "LockQueue::of()", "us")
        table.add(disk, "`LockQueue::of()` with 1000 waiting in one process", f"{figure(value)} µs", "median 10 ms", value < 10000)
    for row, text in (("acquire elsewhere", "an acquire elsewhere → `queueChanged()`"), ("release elsewhere", "a release elsewhere → `queueChanged()`"),
                      ("kill elsewhere", "a kill elsewhere → `queueChanged()`"), ("rm", "`rm` → `lost()`")):
        if not figures.has(disk, row, "ours", "us"):
            continue
        values = figures.all(disk, row, "ours", "us")
        worst = max(figures.all(disk, row, "ours", "us worst"))
        table.add(
            disk, text, f"{spread(values)} µs, worst {figure(worst)}", "median 10 ms, all 50 ms", statistics.median(values) < 10000 and worst < 50000)


def contenders(figures):
    """Every contender's figures side by side."""
    head = ["", "disk", "cycle, µs", "hand-over, µs"]
    rushes = [size for size in CROWDS if any(figures.has(disk, f"rush of {size}", "ours-remove", "per second") for disk in figures.disks())]
    head += ["16 processes, 500 µs: per second; fewest/most; worst wait"]
    head += [f"{size} processes, no critical section: per second; fewest/most; worst wait" for size in rushes]
    lines = [f"| {' | '.join(head)} |", "|" + " --- |" * len(head)]
    for disk in figures.disks():
        for kind, name in NAMES.items():
            cells = [name, disk]
            for row in ("cycle", "hand-over"):
                cells.append(spread(figures.all(disk, row, kind, "us")) if figures.has(disk, row, kind, "us") else "")
            for row in ["crowd of 16"] + [f"rush of {size}" for size in rushes]:
                if figures.has(disk, row, kind, "per second"):
                    cells.append("; ".join((
                        figure(figures.median(disk, row, kind, "per second")), f"{figures.median(disk, row, kind, 'fewest/most'):.2f}",
                        f"{figure(figures.median(disk, row, kind, 'worst wait ms'))} ms")))
                else:
                    cells.append("")
            if any(cells[2:]):
                lines.append(f"| {' | '.join(cells)} |")
    return lines


def machine():
    try:
        with open("/proc/cpuinfo") as info:
            processor = next(line.split(":")[1].strip() for line in info if line.startswith("model name"))
    except (OSError, StopIteration):
        processor = platform.machine()
    return f"Linux {platform.release().split('-')[0]}, {os.cpu_count()} × {processor}"


def write_charts(figures, folder):
    """One data file per chart, and gnuplot's pictures of them."""
    def save(name, lines):
        with open(f"{folder}/{name}.dat", "w") as data:
            data.writelines(line + "\n" for line in lines)

    disks = figures.disks()
    for name, row in (("cycle", "cycle"), ("hand-over", "hand-over")):
        save(name, [
            "\t".join([f'"{text}"'] + [f"{figures.median(disk, row, kind, 'us'):.2f}" if figures.has(disk, row, kind, "us") else "NaN" for disk in disks])
            for kind, text in NAMES.items() if any(figures.has(disk, row, kind, "us") for disk in disks)])
    disk = disks[-1]
    save("crowd", [
        "\t".join([str(size)] + [
            f"{figures.median(disk, f'crowd of {size}', kind, quantity):.4f}"
            for kind in ("ours-remove", "whole-keep") for quantity in ("per second", "worst wait ms", "fewest/most")])
        for size in CROWDS if figures.has(disk, f"crowd of {size}", "ours-remove", "per second")])
    save("growth", [
        "\t".join([str(size)] + [
            f"{figures.median(disk, f'queue of {size}', cost, 'us'):.2f}" for cost in ("join", "leave", "place", "one walk of the kernel's list")])
        for size in (1, 3, 10, 30, 100, 300, 1000) if figures.has(disk, f"queue of {size}", "join", "us")])
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "charts.gp")
    subprocess.run(["gnuplot", "-e", f"disks='{' '.join(disks)}'", script], cwd=folder, check=True)
    for name in ("cycle", "hand-over", "crowd", "growth"):
        os.remove(f"{folder}/{name}.dat")


def write(figures, folder):
    os.makedirs(folder, exist_ok=True)
    table = bars(figures)
    for what, disk, found, asked, met in table.rows:
        print(f"{met.strip('*'):6}  {disk:6}  {what}: {found} (bar: {asked})")
    lines = [
        "<!-- benchmark: begin -->", f"Measured on {machine()}: the median and, in brackets, the middle half of the rounds.", "", *table.markdown(), "",
        "All contenders:", "", *contenders(figures), "<!-- benchmark: end -->"]
    with open(f"{folder}/table.md", "w") as file:
        file.writelines(line + "\n" for line in lines)
    with open(f"{folder}/figures.tsv", "w") as file:
        for key, values in figures.values.items():
            file.write("\t".join(key) + "\t" + " ".join(figure(value) for value in values) + "\n")
    try:
        write_charts(figures, folder)
    except (subprocess.CalledProcessError, OSError, LookupError, statistics.StatisticsError) as error:
        print(f"no charts: {error}", file=sys.stderr)
    print(f"The table and the charts are in {folder}")
