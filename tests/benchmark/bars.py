# SPDX-License-Identifier: 0BSD
"""Which bars are met: what is measured, what is asked of it, and what was found."""
import collections
import statistics

from figures import span, spread, written

CROWDS = (4, 16, 64, 256, 1000)

# What is shown; whether it is enough, or None where nothing is asked; from where to where each of its values lies, as it is written.
Cell = collections.namedtuple("Cell", "text met spans")


class Table:
    def __init__(self, disks):
        self.disks = disks
        self.rows = {}

    def add(self, disk, what, asked, text, met, *values):
        """VALUES: all that was measured of each figure whose spread the text tells."""
        spans = [tuple(float(written(end)) for end in span(each)) for each in values]
        self.rows.setdefault((what, asked), {})[disk] = Cell(text, met, spans)

    def ratio(self, disk, what, asked, unit, ours, reference, remark=""):
        """Compared within each round, in which the machine was as fast for one as for the other; what counts is the median of that."""
        ratios = [a / b for a, b in zip(ours, reference)]
        text = f"{spread(ratios)}: {written(statistics.median(ours))} of {written(statistics.median(reference))} {unit}{remark}"
        self.add(disk, what, asked, text, statistics.median(ratios) <= 1, ratios)

    def times_less(self, disk, what, asked, least, ours, other):
        ratios = [b / a for a, b in zip(ours, other)]
        self.add(disk, what, asked, f"{spread(ratios)} ×", statistics.median(ratios) >= least, ratios)

    def at_most(self, disk, what, asked, unit, values, most):
        self.add(disk, what, asked, f"{spread(values)} {unit}".strip(), statistics.median(values) <= most, values)

    def markdown(self):
        lines = [("measured", "bar", *self.disks), ["---"] * (2 + len(self.disks))]
        for (what, asked), cells in self.rows.items():
            lines.append((what, asked, *(shown(cells[disk]) if disk in cells else "" for disk in self.disks)))
        return [f"| {' | '.join(line)} |" for line in lines]

    def agreement(self, other):
        """How many figures there are in both, and those whose spreads have nothing in common."""
        count = 0
        apart = []
        for (what, asked), cells in self.rows.items():
            for disk, cell in cells.items():
                known = other.rows.get((what, asked), {}).get(disk, Cell("", None, []))
                for (low, high), (other_low, other_high) in zip(cell.spans, known.spans):
                    count += 1
                    if low > other_high or other_low > high:
                        apart.append(f"{disk}: {what}: {cell.text}, and {known.text}")
        return count, apart


def shown(cell):
    return cell.text if cell.met is None else f"{'met' if cell.met else '**missed**'}: {cell.text}"


def bars(figures):
    table = Table(figures.disks())
    for rows in (cycle_bars, eventloop_bars, slow_disk_bars, hand_over_bars, crowd_bars, growth_bars, waiting_bars, look_bars, startup_bars):
        for disk in figures.disks():
            rows(figures, table, disk)
    return table


def cycle_bars(figures, table, disk):
    if not figures.has(disk, "cycle", "ours-remove", "us"):
        return

    def of(kind):
        return figures.all(disk, "cycle", kind, "us")

    what = "`tryAcquire()`, `release()`, `waitForReleased()`, uncontended"
    for way, text in (("remove", "removing"), ("keep", "keeping")):
        reference = [1.5 * a + b for a, b in zip(of(f"bare-{way}"), figures.all(disk, "cycle", "thread", "us there and back"))]
        table.ratio(disk, f"{what}, {text}", "1.5 × bare calls + thread hand-over and back", "µs", of(f"ours-{way}"), reference)
    table.times_less(
        disk, f"{what}, against QLockFile", "10 × faster; faster on tmpfs", 1 if disk == "tmpfs" else 10, of("ours-remove"), of("qlockfile"))


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
        table.at_most(disk, f"{what}, 99.9th percentile", "1 ms", "µs", figures.all(disk, "caller", call, "us 99.9 %"), 1000)


def slow_disk_bars(figures, table, disk):
    if not figures.has(disk, "slow disk", "acquire()", "us"):
        return
    for call in ("acquire()", "release()"):
        what = f"spent by the caller inside `{call}` on a FUSE disk whose `open` takes 2 s"
        table.at_most(disk, what, "1 ms", "µs", figures.all(disk, "slow disk", call, "us"), 1000)
    gaps = figures.all(disk, "slow disk", "longest gap between turns of the event loop", "ms")
    table.at_most(disk, "longest gap between turns of the event loop meanwhile", "20 ms", "ms", gaps, 20)


def hand_over_bars(figures, table, disk):
    if not figures.has(disk, "hand-over", "ours-remove", "us"):
        return
    ours = figures.all(disk, "hand-over", "ours-remove", "us")
    what = "`release()` in one process → `acquired()` slot in another"
    kernel, thread = (written(figures.median(disk, "hand-over", kind, "us")) for kind in ("whole-keep", "thread"))
    table.ratio(
        disk, what, "1.5 × (fcntl hand-over + 2 thread hand-overs), one after the other as here", "µs", ours,
        [1.5 * value for value in figures.all(disk, "hand-over", "chain", "us")], f" (each alone: {kernel} + 2 × {thread})")
    middle = statistics.median(ours)
    polled = figures.all(disk, "hand-over", "qlockfile", "us")
    table.times_less(disk, f"{what}, against QLockFile", "500 × less", 500, [middle] * len(polled), polled)


def crowd_bars(figures, table, disk):
    sizes = [size for size in CROWDS if figures.has(disk, f"crowd of {size}", "ours-remove", "per second")]
    if not sizes:
        return
    what = f"{', '.join(map(str, sizes))} processes, 500 µs critical section, removing: "

    def all_of(kind, quantity):
        return [figures.all(disk, f"crowd of {size}", kind, quantity) for size in sizes if figures.has(disk, f"crowd of {size}", kind, quantity)]

    def compared(kind):
        return [[a / max(b, 1) for a, b in zip(*pair)] for pair in zip(all_of("ours-remove", "per second"), all_of(kind, "per second"))]

    def each(asked, name, values, is_enough=None):
        met = all(is_enough(statistics.median(value)) for value in values) if is_enough else None
        table.add(disk, what + name, asked, " / ".join(map(spread, values)), met, *values)

    each("0.95", "throughput, compared to the whole-file lock without removal", compared("whole-keep"), lambda value: value >= 0.95)
    each("", "throughput, compared to bare calls in strict order, turns known beforehand", compared("turns"))
    each("0.9", "fewest/most acquisitions of one process", all_of("ours-remove", "fewest/most"), lambda value: value >= 0.9)
    each("1.05", "opens per acquisition", all_of("ours-remove", "opens"), lambda value: value <= 1.05)
    wait = "worst wait / (processes × mean hand-over period)"
    each("1.5", wait, all_of("ours-remove", "worst wait / (processes x period)"), lambda value: value <= 1.5)
    each("", f"{wait}, of bare calls in strict order", all_of("turns", "worst wait / (processes x period)"))


def growth_bars(figures, table, disk):
    walk = "one walk of the kernel's list"
    if not figures.has(disk, "queue of 1000", walk, "us"):
        return

    def grown(quantity):
        return [b / a for a, b in zip(*(figures.all(disk, f"queue of {size}", quantity, "us") for size in (1, 1000)))]

    for cost, text in (("join", "joining a queue"), ("leave", "leaving a queue")):
        first, last = (figures.median(disk, f"queue of {size}", cost, "us") for size in (1, 1000))
        table.add(
            disk, f"{text} of 1000, compared to one of 1", "no more than one walk of the kernel's list of locks",
            f"{spread(grown(cost))} × of {written(statistics.median(grown(walk)))} ×: {written(first)} → {written(last)} µs",
            statistics.median(grown(cost)) <= statistics.median(grown(walk)), grown(cost))


def waiting_bars(figures, table, disk):
    row = "1000 waiting"
    if not figures.has(disk, row, "each", "KiB"):
        return
    for contender, quantity, name, asked, unit, limit in (
            ("each", "KiB", "resident, each", "32 KiB", "KiB", 32), ("all", "wake-ups", "wake-ups in 10 s", "none", "", 0),
            ("all", "ms of CPU", "CPU in 10 s, of which the asking takes some", "none", "ms", 1), ("all cancelled", "ms", "all cancelled", "1 s", "ms", 1000)):
        table.at_most(disk, f"1000 `LockFile`s waiting in one process: {name}", asked, unit, figures.all(disk, row, contender, quantity), limit)


def look_bars(figures, table, disk):
    asked = "median 10 ms, all 50 ms"

    def add(what, row, extra=""):
        if figures.has(disk, row, "ours", "us"):
            values = [value / 1000 for value in figures.all(disk, row, "ours", "us")]
            worst = max(figures.all(disk, row, "ours", "us worst")) / 1000
            table.add(
                disk, what, asked, f"{spread(values)}, worst {written(worst)} ms{extra}", statistics.median(values) < 10 and worst < 50, values)

    for size in (0, 10, 100, 1000):
        names = figures.all(disk, f"of() with {size}", "reading /proc/PID/stat of all", "us")
        extra = f"; reading `/proc/PID/stat` of all takes {written(statistics.median(names) / 1000)} ms" if size == 1000 and names else ""
        add(f"`LockQueue::of()` with {size} processes waiting", f"of() with {size}", extra)
        if size == 10:
            add("the same, every 100 ms, where the kernel waits before it hands out /proc/locks", "of() with 10, seldom")
    if figures.has(disk, "1000 waiting", "LockQueue::of()", "us"):
        values = [value / 1000 for value in figures.all(disk, "1000 waiting", "LockQueue::of()", "us")]
        table.at_most(disk, "`LockQueue::of()` with 1000 waiting in one process", asked, "ms", values, 10)
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
