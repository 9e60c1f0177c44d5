"""compare.py -- are two answers the same, but for times, zxids and session ids?

Layer 1. Owns the relations that stand in for values which differ by right:

    zxids     a one-to-one map between the servers' zxids of successful writes, which keeps order
    times     on each server one time for one zxid (a multi, a closeSession)
    sessions  ids are compared by the step that opened the session

Every function returns None when all is well, and otherwise says what differs.
"""
import known
from wire import CREATES, SCHEMA, WRITES, inner


class Relations:
    def __init__(self):
        self.forth, self.back = {}, {}
        self.times = ({}, {})
        self.used = {}                      # names of known differences met -> how often

    def known(self, name):
        self.used[name] = self.used.get(name, 0) + 1

    def zxid(self, a, b):
        if a <= 0 or b <= 0:
            return a == b
        if self.forth.setdefault(a, b) != b or self.back.setdefault(b, a) != a:
            return False
        return True

    def time(self, side, zxid, time):
        return self.times[side].setdefault(zxid, time) == time

    def order(self):
        """Called when a program is over: pairs in the one order must be in the other."""
        pairs = sorted(self.forth.items())
        for (a, b), (c, d) in zip(pairs, pairs[1:]):
            if b >= d:
                return "zxids %#x < %#x of the oracle are %#x, %#x at zkd" % (a, c, b, d)
        return None


def same_text(a, b, relations):
    """Java writes a character above U+FFFF as two surrogates of three bytes each, and a lone
    surrogate that a watch was set on as U+FFFD."""
    if a is None or b is None:
        return False
    if a == b.replace("\ud800", "\ufffd"):
        relations.known("broken UTF-8")
        return True
    if a.encode("utf-16", "surrogatepass") != b.encode("utf-16", "surrogatepass"):
        return False
    relations.known("surrogates")
    return True


class Comparer:
    """Compares what two Sides (run.py) answered. `relations` outlives a program."""

    def __init__(self, relations, sides):
        self.relations, self.sides = relations, sides

    def stat(self, a, b):
        ra, rb = a[4:7] + a[8:10], b[4:7] + b[8:10]
        if ra != rb:
            return "stat: version, cversion, aversion, dataLength, numChildren %r, %r" % (ra, rb)
        owners = self.sides[0].session_name(a[7]), self.sides[1].session_name(b[7])
        if owners[0] != owners[1]:
            return "ephemeralOwner %s, %s" % owners
        relations = self.relations
        for at, name in ((0, "czxid"), (1, "mzxid"), (10, "pzxid")):
            if not relations.zxid(a[at], b[at]):
                return "%s %#x is not the oracle's %#x, which was %#x before" % (
                    name, b[at], a[at], relations.forth.get(a[at], -1))
        for side, stat in enumerate((a, b)):
            if not (relations.time(side, stat[0], stat[2]) and
                    relations.time(side, stat[1], stat[3])):
                return "ctime or mtime of %s is not the time of its zxid: %r" % (
                    self.sides[side].name, stat)
        return None

    def value(self, kind, a, b):
        if kind == "T":
            return self.stat(a, b)
        if a == b or kind == "s" and same_text(a, b, self.relations):
            return None
        if kind in "SWA" and a is not None and b is not None and sorted(a, key=repr) == sorted(b, key=repr):
            return None
        return "%r, %r" % (a, b)

    def fields(self, kinds, a, b):
        if len(a) != len(b):
            return "fields %r, %r" % (a, b)
        for kind, x, y in zip(kinds, a, b):
            problem = self.value(kind, x, y)
            if problem:
                return problem
        return None

    def multi(self, request, a, b):
        if len(a) != len(b):
            return "%d results, %d results" % (len(a), len(b))
        for number, (x, y) in enumerate(zip(a, b)):
            sub = request[1][number] if number < len(request[1]) else ("end",)
            for name, _, predicate in known.TOLERATED_RESULTS:
                if predicate(sub, x, y):
                    self.relations.known(name)
                    break
            else:
                if x[:2] != y[:2]:
                    return "result %d: %r, %r" % (number, x, y)
                kinds = {1: "s", 15: "sT", 5: "T", 4: "bT", 8: "S", -1: "i"}.get(x[0], "i")
                problem = self.fields(kinds, x[2:], y[2:])
                if problem:
                    return "result %d: %s" % (number, problem)
        return None

    def reply(self, request, a, b):
        problem = self.same_reply(request, a, b)
        if problem:
            for name, _, predicate, repair in known.TOLERATED:
                if predicate(request, a, b):
                    self.relations.known(name)
                    if repair:
                        for side, requests in zip(self.sides, repair(request)):
                            side.repairs.extend(requests)
                    return None
        return problem

    def same_reply(self, request, a, b):
        if a.xid != b.xid:
            return "xid %d, %d" % (a.xid, b.xid)
        if a.err != b.err:
            return "err %d, %d" % (a.err, b.err)
        if a.broken or b.broken:
            return "the body cannot be read: %s, %s" % (a.broken, b.broken)
        if a.rest != b.rest:
            return "bytes behind the record: %s, %s" % (a.rest.hex(), b.rest.hex())
        if (a.zxid <= 0 or b.zxid <= 0) and a.zxid != b.zxid:
            return "header zxid %d, %d" % (a.zxid, b.zxid)
        name = inner(request)[0]
        if a.err == 0 and name in WRITES and not self.failed(name, a):
            if not self.relations.zxid(a.zxid, b.zxid):
                return "header zxid %#x is not the oracle's %#x" % (b.zxid, a.zxid)
        if a.err or name not in SCHEMA or not a.fields:
            return None
        if name in ("multi", "multiRead"):
            return self.multi(inner(request), a.fields[0], b.fields[0])
        return self.fields(SCHEMA[name][2], a.fields, b.fields)

    @staticmethod
    def failed(name, reply):
        """A multi that failed has header err 0, and its zxid is a failed write's."""
        return name == "multi" and bool(reply.fields) and reply.fields[0][0][0] in (-1, "end")

    def event(self, a, b):
        if a.key() != b.key() and not (a.key()[:2] == b.key()[:2] and
                                       same_text(a.path, b.path, self.relations)):
            return "%r, %r" % (a, b)
        if a.zxid != b.zxid and not known.event_zxid(a.zxid, b.zxid):
            return "zxid of the event: %d, %d" % (a.zxid, b.zxid)
        if a.zxid != b.zxid:
            self.relations.known("event zxid")
        return None

    def events(self, a, b, ordered=True):
        if not ordered:
            a, b = (sorted(e, key=lambda e: (e.path, e.type)) for e in (a, b))
        if len(a) != len(b):
            return "%d events, %d events: %r, %r" % (len(a), len(b), a, b)
        for x, y in zip(a, b):
            problem = self.event(x, y)
            if problem:
                return problem
        return None


def created(request, reply):
    """What a request created, by the number of its result: [(number, path)]."""
    if reply.err or reply.broken or not reply.fields:
        return []
    if request[0] in CREATES:
        return [(None, reply.fields[0])]
    if request[0] == "multi":
        return [(number, result[2]) for number, result in enumerate(reply.fields[0])
                if result[0] in (1, 15)]
    return []
