# SPDX-License-Identifier: 0BSD
"""What the figures say: the table, the charts, and how the run before compares."""
import os
import platform
import subprocess
import tempfile

from bars import CROWDS, bars
from figures import Figures, spread, written

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
HERE = os.path.dirname(os.path.abspath(__file__))
RESULTS = f"{HERE}/results"  # of a whole run
README = f"{HERE}/../../README.md"
BEGIN, END = "<!-- benchmark: begin -->", "<!-- benchmark: end -->"


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
                        written(figures.median(disk, row, kind, "per second")), f"{figures.median(disk, row, kind, 'fewest/most'):.2f}",
                        f"{written(figures.median(disk, row, kind, 'worst wait ms'))} ms")))
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
    table = bars(figures)
    for (what, asked), cells in table.rows.items():
        print(f"{what} (bar: {asked})" if asked else what)
        for disk, cell in cells.items():
            print(f"    {disk}: {'' if cell.met is None else 'met: ' if cell.met else 'missed: '}{cell.text}")

    lines = [
        f"Measured on {machine()}, in several passes over all rows: the median and, in brackets, the middle half of the rounds, or all where they "
        "are few; *of* what the bar allows in the same round, where it is relative."]
    saved = f"{folder}/figures.tsv"
    is_whole = os.path.samefile(folder, RESULTS)
    if is_whole and os.path.exists(saved):
        count, apart = bars(Figures.load(saved)).agreement(table)
        lines[0] += f" The run before agrees with this one, within what is in brackets, in {count - len(apart)} of {count} figures."
        print(f"Compared to the run before, {count - len(apart)} of {count} figures agree within their spreads", *dict.fromkeys(apart), sep="\n    ")
    figures.save(saved)
    lines += ["", *table.markdown()]
    with open(f"{folder}/table.md", "w") as file:
        file.writelines(line + "\n" for line in [*lines, "", "All contenders:", "", *contenders(figures)])
    if is_whole:
        put_into_readme(lines)
    write_charts(figures, folder)
    print(f"The table and the charts are in {folder}")
