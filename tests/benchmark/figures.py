# SPDX-License-Identifier: 0BSD
"""What was measured, and how it is written."""
import collections
import statistics

FEW = 8  # values of which all count for the spread, and not only the middle half


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

    def save(self, path):
        with open(path, "w") as file:
            for key, values in self.values.items():
                file.write("\t".join(key) + "\t" + " ".join(f"{value:.5g}" for value in values) + "\n")

    @classmethod
    def load(cls, path):
        figures = cls()
        with open(path) as file:
            for line in file:
                *key, values = line.rstrip("\n").split("\t")
                figures.values[tuple(key)] = [float(value) for value in values.split()]
        return figures


def span(values):
    """From where to where the middle half lies, or all where there are few."""
    if len(values) < FEW:
        return min(values), max(values)
    low, _, high = statistics.quantiles(values, n=4)
    return low, high


def spread(values):
    """The median and, in brackets, from where to where."""
    low, high = map(written, span(values))
    return written(statistics.median(values)) + (f" ({low}–{high})" if low != high else "")


def written(value):
    if abs(value) >= 100 or value == 0:
        return f"{value:.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
