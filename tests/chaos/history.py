"""What was asked and what became of it, kept by many threads, and judged at the end.

    history.begin() -> token; history.end(token, ...)    one operation of one znode, for linear.py
    history.wrote(now)                                   a write was acknowledged, for the longest gap
    history.complain(text)                               what may never be was seen
"""
import collections
import threading
import time

import linear


class History:
    def __init__(self, log=None):
        self.lock = threading.Lock()
        self.operations = collections.defaultdict(list)  # znode -> operations as linear.py has them
        self.checked = 0
        self.unknown = 0
        self.complaints = []
        self.writes = collections.deque()   # times of acknowledged writes
        self.counts = collections.Counter()
        self.log = log or (lambda text: None)

    def complain(self, text):
        with self.lock:
            self.complaints.append(text)
        self.log(f"WRONG: {text}")

    def count(self, what, by=1):
        with self.lock:
            self.counts[what] += by

    def wrote(self):
        with self.lock:
            self.counts["writes acknowledged"] += 1
            self.writes.append(time.monotonic())

    def writes_since(self, moment):
        with self.lock:
            return sum(1 for at in reversed(self.writes) if at >= moment) if self.writes else 0

    def longest_gap(self, begin, end):
        with self.lock:
            times = [begin] + sorted(at for at in self.writes if begin <= at <= end) + [end]
        return max(b - a for a, b in zip(times, times[1:]))

    def add(self, znode, began, ended, kind, argument, result):
        with self.lock:
            self.operations[znode].append((began, ended, kind, argument, result))
            if ended is None:
                self.unknown += 1

    def check(self, znodes=None):
        """Judges these znodes' histories (all), and forgets them."""
        with self.lock:
            names = list(self.operations) if znodes is None else \
                [name for name in znodes if name in self.operations]
            taken = {name: self.operations.pop(name) for name in names}
        for name, operations in taken.items():
            try:
                wrong = linear.check(operations)
            except linear.TooLong as too_long:
                self.count("histories too long to check")
                self.log(f"{name}: {too_long}")
                continue
            self.checked += len(operations)
            if wrong is not None:
                begin = min(op[0] for op in operations)
                lines = [f"    {op[0] - begin:9.4f} " +
                         (f"{op[1] - begin:9.4f}" if op[1] is not None else "  unknown") +
                         f" {op[2]} {op[3]} -> {op[4]}"
                         for op in sorted(operations, key=lambda op: op[0])]
                stuck = [f"{op[2]} {op[3]} -> {op[4]} at {op[0] - begin:.4f}" for op in wrong[:3]]
                self.complain(f"{name} is not linearizable; nothing fits {'; '.join(stuck)}\n" +
                              "\n".join(lines))
