"""Figures of several servers side by side: ratios with their spread, and their tables."""
import os
import shlex
import statistics
import sys

BEGIN, END = "<!-- figures: written by make compare -->", "<!-- end of figures -->"


def say(text):
    print(text, file=sys.stderr, flush=True)


def median(values):
    return statistics.median(values)


def ratios(ours, theirs, is_cost=True):
    """How many times better ours are, run by run."""
    return [(b / a if is_cost else a / b) if a and b else 0 for a, b in zip(ours, theirs)]


def spread(values):
    """Median, least, greatest."""
    text = f"{short(median(values))}×"
    if len(values) > 1:
        text += f" ({short(min(values))}–{short(max(values))})"
    return text


def short(ratio):
    return f"{ratio:.2f}" if ratio < 10 else f"{ratio:.1f}" if ratio < 100 else f"{ratio:.0f}"


def size_text(count):
    return f"{count:,} B"


class Loads:
    """A row each for a load and a server: the measured figures, and how zkd's compare."""

    # key, heading, pattern, whether less is better
    COLUMNS = [("cpu", "server CPU s / 100 000", "{:.3f}", True),
               ("rate", "ops/s", "{:,.0f}", False),
               ("p50", "p50 ms", "{:.3f}", True), ("p99", "p99 ms", "{:.3f}", True),
               ("p999", "p99.9 ms", "{:.3f}", True)]

    def __init__(self):
        self.rows = []

    def add(self, load, runs):
        """`runs`: by name of the server, zkd first, its results, round by round."""
        for name, results in runs.items():
            cells = []
            for key, _, pattern, is_cost in self.COLUMNS:
                values = [result[key] for result in results]
                text = pattern.format(median(values))
                if name != "zkd":
                    ours = [result[key] for result in runs["zkd"]]
                    text += " · " + spread(ratios(ours, values, is_cost))
                cells.append(text)
            first = name == "zkd"
            self.rows.append([load if first else "", f"**{name}**" if first else name] + cells)
            say(f"  {load:15} {name:12} " + "  ".join(
                f"{column[1]} {cell}" for column, cell in zip(self.COLUMNS, cells)))

    def markdown(self):
        heads = ["load", "server"] + [column[1] for column in self.COLUMNS]
        return table(heads, self.rows, right_from=2) if self.rows else ""


class Figures:
    """A row each for a figure that has a target, or stands for itself."""

    def __init__(self, judges=True):
        self.judges = judges
        self.rows, self.missed = [], 0

    def add(self, what, ours, beside="", better="", target="", met=None):
        if not self.judges:
            target, met = "", None  # it is of the full measure
        self.missed += met is False
        verdict = "" if met is None else "met" if met else "**missed**"
        self.rows.append([what, ours, beside, better, target, verdict])
        say("  " + ", ".join(filter(None, [f"{what}: {ours}", beside, better, target, verdict])))

    def markdown(self):
        heads = ["figure", "zkd", "beside it", "zkd is better by", "target", ""]
        return table(heads, self.rows) if self.rows else ""


def table(heads, rows, right_from=None):
    left = len(heads) if right_from is None else right_from
    rule = ["---"] * left + ["---:"] * (len(heads) - left)
    lines = [heads, rule] + rows
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def circumstances(busy):
    """What somebody needs to know who wants to see the same figures."""
    command = shlex.join([os.path.relpath(sys.argv[0])] + sys.argv[1:])
    text = f"`{command}`, {os.cpu_count()} CPUs, Linux {os.uname().release}"
    if busy > 0.5:
        text += (f". Something else was running too (load average {busy:.1f} at the start): "
                 "rates and latencies are not to be trusted")
    return text + "."


def write_between_marks(path, text, begin=BEGIN, end=END):
    """Replaces what the file has between its two marks; the rest stays."""
    with open(path) as file:
        whole = file.read()
    if whole.count(begin) != 1 or whole.count(end) != 1 or whole.index(begin) > whole.index(end):
        sys.exit(f"{path} does not have the marks {begin} and {end} once each, in this order")
    head, tail = whole[:whole.index(begin)], whole[whole.index(end):]
    with open(path + ".new", "w") as file:
        file.write(f"{head}{begin}\n{text}\n{tail}")
    os.replace(path + ".new", path)
