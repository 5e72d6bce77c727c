# SPDX-License-Identifier: 0BSD
"""What the figures say: each bar met or missed, the table, and the data of the charts."""
import collections
import os
import platform
import statistics
import subprocess
import tempfile

NAMES = {
    "ours-remove": "this library",
    "ours-keep": "this library, keeping the file",
    "bare-remove": "the bare calls",
    "bare-keep": "the bare calls, keeping the file",
    "whole-remove": "whole-file lock, removing",
    "whole-keep": "whole-file lock, keeping the file",
    "chain": "bare threads that hand over a whole-file lock",
    "turns": "bare calls in strict order, turns known beforehand",
    "boost": "boost::interprocess::file_lock",
    "qlockfile": "QLockFile",
    "filelock": "Python filelock",
    "portalocker": "Python portalocker",
}
CROWDS = (4, 16, 64, 256, 1000)
HERE = os.path.dirname(os.path.abspath(__file__))
RESULTS = f"{HERE}/results"  # of a whole run
README = f"{HERE}/../../README.md"
BEGIN, END = "<!-- benchmark: begin -->", "<!-- benchmark: end -->"


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
        return self.values.get(key, [])

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
    """What is measured, what is asked, and on each disk what was found and whether that is enough."""

    def __init__(self, disks):
        self.disks = disks
        self.rows = {}

    def add(self, disk, what, asked, found, met):
        self.rows.setdefault((what, asked), {})[disk] = f"{'met' if met else '**missed**'}: {found}" if asked else found

    def ratio(self, disk, what, asked, unit, ours, reference):
        """Compared within each round; what counts is the median of that."""
        ratio = statistics.median(a / b for a, b in zip(ours, reference))
        self.add(disk, what, asked, f"{spread(ours)} of {figure(statistics.median(reference))} {unit}", ratio <= 1)

    def markdown(self):
        lines = [("measured", "bar", *self.disks), ["---"] * (2 + len(self.disks))]
        lines += [(*row, *(cells.get(disk, "") for disk in self.disks)) for row, cells in self.rows.items()]
        return [f"| {' | '.join(line)} |" for line in lines]


def bars(figures):
    table = Table(figures.disks())
    for rows in (cycle_bars, eventloop_bars, slow_disk_bars, hand_over_bars, crowd_bars, growth_bars, waiting_bars, look_bars, startup_bars):
        for disk in figures.disks():
            rows(figures, table, disk)
    return table


def cycle_bars(figures, table, disk):
    if not figures.has(disk, "cycle", "ours-remove", "us"):
        return
    hand_over = figures.all(disk, "cycle", "thread", "us there and back")
    what = "`tryAcquire()`, `release()`, `waitForReleased()`, uncontended"
    for way, text in (("remove", "removing"), ("keep", "keeping")):
        bare = figures.all(disk, "cycle", f"bare-{way}", "us")
        table.ratio(
            disk, f"{what}, {text}", "1.5 × bare calls + thread hand-over and back", "µs", figures.all(disk, "cycle", f"ours-{way}", "us"),
            [1.5 * a + b for a, b in zip(bare, hand_over)])
    qt = figures.median(disk, "cycle", "qlockfile", "us") / figures.median(disk, "cycle", "ours-remove", "us")
    table.add(disk, f"{what}, against QLockFile", "10 × faster; faster on tmpfs", f"{figure(qt)} ×", qt >= (1 if disk == "tmpfs" else 10))


def eventloop_bars(figures, table, disk):
    if not figures.has(disk, "acquired", "ours", "us"):
        return
    reference = [2 * a + b for a, b in zip(figures.all(disk, "acquired", "empty call", "us"), figures.all(disk, "acquired", "bare calls", "us"))]
    table.ratio(
        disk, "`acquire()` → `acquired()` slot, uncontended", "2 × empty queued call to an idle thread and back + bare calls", "µs",
        figures.all(disk, "acquired", "ours", "us"), reference)
    bare = figures.all(disk, "caller", "bare hand-over", "us")
    for call in ("acquire()", "release()"):
        what = f"spent by the caller inside `{call}`"
        table.ratio(disk, what, "1.5 × bare hand-over to an idle thread", "µs", figures.all(disk, "caller", call, "us"), [1.5 * value for value in bare])
        worst = figures.all(disk, "caller", call, "us 99.9 %")
        table.add(disk, f"{what}, 99.9th percentile", "1 ms", f"{spread(worst)} µs", statistics.median(worst) < 1000)


def slow_disk_bars(figures, table, disk):
    if not figures.has(disk, "slow disk", "acquire()", "us"):
        return
    for call in ("acquire()", "release()"):
        worst = max(figures.all(disk, "slow disk", call, "us"))
        table.add(disk, f"spent by the caller inside `{call}` on a FUSE disk whose `open` takes 2 s", "1 ms", f"worst {figure(worst)} µs", worst < 1000)
    gap = max(figures.all(disk, "slow disk", "longest gap between turns of the event loop", "ms"))
    table.add(disk, "longest gap between turns of the event loop meanwhile", "20 ms", f"{figure(gap)} ms", gap <= 20)


def hand_over_bars(figures, table, disk):
    if not figures.has(disk, "hand-over", "ours-remove", "us"):
        return
    thread = figures.median(disk, "hand-over", "thread", "us")
    kernel = figures.median(disk, "hand-over", "whole-keep", "us")
    ours = figures.all(disk, "hand-over", "ours-remove", "us")
    what = "`release()` in one process → `acquired()` slot in another"
    parts = f"alone: {figure(kernel)} + 2 × {figure(thread)}"
    chain = figures.median(disk, "hand-over", "chain", "us")
    table.add(
        disk, what, "1.5 × (fcntl hand-over + 2 thread hand-overs)", f"{spread(ours)} of 1.5 × {figure(chain)} µs, one after the other as here ({parts})",
        statistics.median(ours) <= 1.5 * chain)
    qt = figures.median(disk, "hand-over", "qlockfile", "us") / statistics.median(ours)
    table.add(disk, f"{what}, against QLockFile", "500 × less", f"{figure(qt)} ×", qt >= 500)


def crowd_bars(figures, table, disk):
    sizes = [size for size in CROWDS if figures.has(disk, f"crowd of {size}", "ours-remove", "per second")]
    if not sizes:
        return
    what = f"{', '.join(map(str, sizes))} processes, 500 µs critical section, removing: "

    def each(asked, name, values, met):
        medians = [statistics.median(value) for value in values]
        table.add(disk, what + name, asked, " / ".join(f"{value:.2f}" for value in medians), all(map(met, medians)))

    def all_of(kind, quantity):
        return [figures.all(disk, f"crowd of {size}", kind, quantity) for size in sizes if figures.has(disk, f"crowd of {size}", kind, quantity)]

    def compared(kind):
        return [[a / max(b, 1) for a, b in zip(*pair)] for pair in zip(all_of("ours-remove", "per second"), all_of(kind, "per second"))]

    each("0.95", "throughput, compared to the whole-file lock without removal", compared("whole-keep"), lambda value: value >= 0.95)
    each("", "throughput, compared to bare calls in strict order, turns known beforehand", compared("turns"), lambda value: True)
    each("0.9", "fewest/most acquisitions of one process", all_of("ours-remove", "fewest/most"), lambda value: value >= 0.9)
    each("1.05", "opens per acquisition", all_of("ours-remove", "opens"), lambda value: value <= 1.05)
    for kind, whose, asked in (("ours-remove", "", "1.5"), ("turns", ", of bare calls in strict order", "")):
        each(
            asked, f"worst wait / (processes × mean hand-over period){whose}", all_of(kind, "worst wait / (processes x period)"),
            lambda value: not asked or value <= 1.5)


def growth_bars(figures, table, disk):
    walk = "one walk of the kernel's list"
    if not figures.has(disk, "queue of 1000", walk, "us"):
        return
    grown = figures.median(disk, "queue of 1000", walk, "us") / figures.median(disk, "queue of 1", walk, "us")
    for cost, text in (("join", "joining a queue"), ("leave", "leaving a queue")):
        first, last = (figures.median(disk, f"queue of {size}", cost, "us") for size in (1, 1000))
        table.add(
            disk, f"{text} of 1000, compared to one of 1", "no more than one walk of the kernel's list of locks",
            f"{figure(first)} → {figure(last)} µs, {figure(last / first)} × of {figure(grown)} ×", last / first <= grown)


def waiting_bars(figures, table, disk):
    row = "1000 waiting"
    if not figures.has(disk, row, "each", "KiB"):
        return
    for contender, quantity, name, asked, unit, limit in (
            ("each", "KiB", "resident, each", "32 KiB", "KiB", 32), ("all", "wake-ups", "wake-ups in 10 s", "none", "", 0),
            ("all", "ms of CPU", "CPU in 10 s, of which the asking takes some", "none", "ms", 1), ("all cancelled", "ms", "all cancelled", "1 s", "ms", 1000)):
        value = figures.median(disk, row, contender, quantity)
        table.add(disk, f"1000 `LockFile`s waiting in one process: {name}", asked, f"{figure(value)} {unit}".strip(), value <= limit)


def look_bars(figures, table, disk):
    asked = "median 10 ms, all 50 ms"

    def add(what, row, extra=""):
        if figures.has(disk, row, "ours", "us"):
            values = figures.all(disk, row, "ours", "us")
            worst = max(figures.all(disk, row, "ours", "us worst"))
            table.add(
                disk, what, asked, f"{figure(statistics.median(values) / 1000)}, worst {figure(worst / 1000)} ms{extra}",
                statistics.median(values) < 10000 and worst < 50000)

    for size in (0, 10, 100, 1000):
        names = figures.all(disk, f"of() with {size}", "reading /proc/PID/stat of all", "us")
        extra = f"; reading `/proc/PID/stat` of all takes {figure(statistics.median(names) / 1000)} ms" if size == 1000 and names else ""
        add(f"`LockQueue::of()` with {size} processes waiting", f"of() with {size}", extra)
        if size == 10:
            add("the same, every 100 ms, where the kernel waits before it hands out /proc/locks", "of() with 10, seldom")
    if figures.has(disk, "1000 waiting", "LockQueue::of()", "us"):
        value = figures.median(disk, "1000 waiting", "LockQueue::of()", "us")
        table.add(disk, "`LockQueue::of()` with 1000 waiting in one process", asked, f"{figure(value / 1000)} ms", value < 10000)
    add("an acquire elsewhere → `queueChanged()`", "acquire elsewhere")
    add("a release elsewhere → `queueChanged()`", "release elsewhere")
    add("a kill elsewhere → `queueChanged()`", "kill elsewhere")
    add("`rm` → `lost()`", "rm")


def startup_bars(figures, table, disk):
    for quantity, text, share in (
            ("ms to the first paint", "the demo: from exec to the first paint", 1.2),
            ("ms to the exit of a second start", "the demo, second start: from exec to exit", 0.8)):
        if figures.has(disk, "startup", "demo", quantity):
            reference = [share * value for value in figures.all(disk, "startup", "bare", quantity)]
            table.ratio(disk, text, f"{share} × bare program", "ms", figures.all(disk, "startup", "demo", quantity), reference)


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
    """Only of a run of all rows: one data file per chart, and gnuplot's pictures of them."""
    disks = figures.disks()
    sizes = [size for size in CROWDS if figures.has(disks[-1], f"crowd of {size}", "ours-remove", "per second")]
    queues = [size for size in (1, 3, 10, 30, 100, 300, 1000) if figures.has(disks[-1], f"queue of {size}", "join", "us")]
    if not (sizes and queues and all(figures.has(disk, row, "ours-remove", "us") for disk in disks for row in ("cycle", "hand-over"))):
        return
    with tempfile.TemporaryDirectory() as data:
        def save(name, lines):
            with open(f"{data}/{name}.dat", "w") as file:
                file.writelines("\t".join(map(str, line)) + "\n" for line in lines)

        for row in ("cycle", "hand-over"):
            save(row, [
                [f'"{name}"', *(figures.median(disk, row, kind, "us") if figures.has(disk, row, kind, "us") else "NaN" for disk in disks)]
                for kind, name in NAMES.items() if any(figures.has(disk, row, kind, "us") for disk in disks)])
        save("crowd", [
            [size, *(figures.median(disks[-1], f"crowd of {size}", kind, quantity)
                     for kind in ("ours-remove", "whole-keep") for quantity in ("per second", "fewest/most"))]
            for size in sizes])
        save("growth", [
            [size, *(figures.median(disks[-1], f"queue of {size}", cost, "us") for cost in ("join", "leave", "place", "one walk of the kernel's list"))]
            for size in queues])
        script = f"{HERE}/charts.gp"
        subprocess.run(["gnuplot", "-e", f"disks='{' '.join(disks)}'; results='{os.path.abspath(folder)}'", script], cwd=data, check=True)


def put_into_readme(lines):
    with open(README) as file:
        text = file.read()
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    with open(README, "w") as file:
        file.write("\n".join((f"{before}{BEGIN}", "", *lines, "", f"{END}{after}")))


def write(figures, folder):
    os.makedirs(folder, exist_ok=True)
    if not figures.disks():
        print("Nothing was measured")
        return
    with open(f"{folder}/figures.tsv", "w") as file:
        for key, values in figures.values.items():
            file.write("\t".join(key) + "\t" + " ".join(figure(value) for value in values) + "\n")
    table = bars(figures)
    for (what, asked), cells in table.rows.items():
        print(f"{what} (bar: {asked})")
        for disk, found in cells.items():
            print(f"    {disk}: {found.replace('*', '')}")
    lines = [f"Measured on {machine()}: the median and, in brackets, the middle half of the rounds.", "", *table.markdown()]
    with open(f"{folder}/table.md", "w") as file:
        file.writelines(line + "\n" for line in [*lines, "", "All contenders:", "", *contenders(figures)])
    if os.path.samefile(folder, RESULTS):
        put_into_readme(lines)
    write_charts(figures, folder)
    print(f"The table and the charts are in {folder}")
