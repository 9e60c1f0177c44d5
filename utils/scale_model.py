"""The model of utils/scale: constants fitted to some points, predictions for the others.

A load's constants, in CPU seconds an operation; utils/scale says in words what they are:

    own     the leader's, of a write that its own client asked for, but for sending it on
    taken   the leader's, of a write that came from another member
    peer    the leader's for each other member
    follow  a follower's, of a write that nobody asked for there; observe: an observer's
    serve   a follower's or observer's beside that, of a write that its own client asked for
"""
from figures import median

CONSTANTS = ["own", "taken", "peer", "follow", "observe", "serve"]
FIT = [(1, 0), (3, 0), (3, 1)]              # voters, observers
CHECK = [(5, 0), (7, 0), (3, 3), (3, 10)]
WRITES = ["set 64x16", "create 64x16", "set 16x1", "create 16x1"]
MIXED_WRITES = 0.1
PING_SECONDS = 10   # zk-cli's, zk-bench's and ZooKeeper's clients: a third of the time-out of 30 s
IDLE_CPU = 0.1      # of a core, for idle clients
HEADROOM = {"1 Gbit/s": 125e6, "10 Gbit/s": 1.25e9}
DISK = 500e6        # bytes a second


class Point:
    """What one load took in one ensemble: medians over rounds, CPU on the yardstick's scale."""

    def __init__(self, raw, usual):
        self.voters, self.observers = raw["voters"], raw["observers"]
        self.where, self.load = raw["where"], raw["load"]
        shape = self.load.split()[1]
        scaled = [{name: value * usual[shape] / each["yard"] if name.startswith("cpu_")
                   else value for name, value in each.items()} for each in raw["rounds"]]
        self.of = {name: median([each[name] for each in scaled]) for name in scaled[0]}

    @property
    def members(self):
        return (self.voters, self.observers)

    def rows(self):
        """Each role's measured CPU an operation, beside how often it has each constant in it."""
        peers = self.voters + self.observers - 1
        share = {role: self.of.get("share_" + role, 0) for role in ("leader", "follower",
                                                                    "observer")}
        rows = dict(leader=dict(own=share["leader"], taken=1 - share["leader"], peer=peers),
                    follower=dict(follow=1, serve=share["follower"]),
                    observer=dict(observe=1, serve=share["observer"]),
                    own=dict(follow=1, serve=1))
        return {role: (parts, self.of["cpu_" + role]) for role, parts in rows.items()
                if "cpu_" + role in self.of}


def points_of(raw):
    yards = {}
    for each in raw["loads"]:
        yards.setdefault(each["load"].split()[1], []).extend(one["yard"] for one in each["rounds"])
    usual = {shape: median(values) for shape, values in yards.items()}
    return [Point(each, usual) for each in raw["loads"]]


def solve(matrix, right):
    """Gauss, with pivots."""
    size = len(right)
    rows = [list(row) + [value] for row, value in zip(matrix, right)]
    for at in range(size):
        pivot = max(range(at, size), key=lambda i: abs(rows[i][at]))
        rows[at], rows[pivot] = rows[pivot], rows[at]
        for i in range(size):
            if i != at:
                factor = rows[i][at] / rows[at][at]
                rows[i] = [a - factor * b for a, b in zip(rows[i], rows[at])]
    return [rows[i][size] / rows[i][i] for i in range(size)]


def fit(points, names=CONSTANTS):
    """The constants with the least squares of relative errors; what would be negative is 0."""
    rows = [row for point in points for row in point.rows().values()]
    weighed = [[parts.get(name, 0) / cpu for name in names] for parts, cpu in rows]
    size = range(len(names))
    matrix = [[sum(row[i] * row[j] for row in weighed) for j in size] for i in size]
    found = dict(zip(names, solve(matrix, [sum(row[i] for row in weighed) for i in size])))
    least = min(found, key=found.get)
    if found[least] < 0:
        return {**fit(points, [name for name in names if name != least]), least: 0.0}
    return found


class Model:
    def __init__(self, raw):
        self.raw, self.points = raw, points_of(raw)
        self.cost = {load: fit([point for point in self.points if point.load == load and
                                point.members in FIT]) for load in WRITES}
        self.read = {shape: self.at("get " + shape, (1, 0), "leader").of["cpu_leader"]
                     for shape in ("64x16", "16x1")}
        mixed = self.at("mixed 64x16", (1, 0), "leader").of["cpu_leader"]
        self.read_between = (mixed - MIXED_WRITES * self.cost["set 64x16"]["own"]) / \
            (1 - MIXED_WRITES)
        self.bytes = raw["memory"]
        self.idle = {tuple(each["members"]): each for each in raw["idle"]}
        lone, three = (self.idle[members]["quiet"] for members in ((1, 0), (3, 0)))
        self.beat = dict(base=lone["leader"], peer=(three["leader"] - lone["leader"]) / 2,
                         other=three["follower"])
        self.latency = {each["voters"]: each for each in raw["latency"]}
        sends = [point.of["sent"] / 2 for point in self.points if point.members == (3, 0) and
                 point.where == "leader" and point.load == "set 64x16"]
        self.sent = sends[0]
        self.log = self.at("set 64x16", (1, 0), "leader").of["log"]

    def at(self, load, members, where):
        return next((point for point in self.points if point.load == load and
                     point.members == members and point.where == where), None)

    # -- CPU an operation, by role, with clients spread evenly

    def write(self, load, voters, observers):
        cost, members = self.cost[load], voters + observers
        told = dict(leader=cost["own"] / members + cost["taken"] * (1 - 1 / members) +
                    cost["peer"] * (members - 1))
        if voters > 1:
            told["follower"] = cost["follow"] + cost["serve"] / members
        if observers:
            told["observer"] = cost["observe"] + cost["serve"] / members
        return told

    def mixed(self, voters, observers):
        reads = (1 - MIXED_WRITES) * self.read_between / (voters + observers)
        return {role: MIXED_WRITES * cpu + reads
                for role, cpu in self.write("set 64x16", voters, observers).items()}

    # -- what an ensemble carries

    def carried(self, what, voters, observers):
        if what == "get 64x16":
            return (voters + observers) / self.read["64x16"]
        costs = self.mixed(voters, observers) if what.startswith("mixed") else \
            self.write(what, voters, observers)
        return 1 / max(costs.values())

    def measured(self, what, voters, observers):
        """The same from measured CPU; nothing where it was not measured."""
        point = self.at(what, (voters, observers), "all" if voters + observers > 1 else "leader")
        if point is None:
            return None
        costs = {role: point.of["cpu_" + role] for role in ("leader", "follower", "observer")
                 if "cpu_" + role in point.of}
        if not what.startswith("get"):
            return 1 / max(costs.values())
        count = dict(leader=1, follower=voters - 1, observer=observers)
        return (voters + observers) / sum(costs[role] * count[role] for role in costs)

    def idle_clients(self, voters, observers):
        return (voters + observers) * IDLE_CPU * PING_SECONDS / self.idle[(1, 0)]["ping"]

    def memory(self, znodes, watches=0, connections=0, sessions=0):
        """Of one node: connections and watches are its own, sessions all of the ensemble's."""
        session = self.idle[(3, 0)]["session"]
        return self.bytes["empty"] + znodes * self.bytes["znode"] + \
            watches * self.bytes["watch"] + sessions * session + \
            connections * (self.idle[(3, 0)]["connection"] - session)

    def write_latency(self, voters):
        """Seconds of one write alone, at the leader: the p50 of a lone server and of three."""
        return self.latency[1 if voters == 1 else 3]["set"]

    def limits(self, voters, observers):
        """Sets a second where each thing ends, clients spread evenly; leaders send entries."""
        costs, peers = self.write("set 64x16", voters, observers), voters + observers - 1
        told = {f"CPU of the {role}" + ("" if role == "leader" else "s"): 1 / cpu
                for role, cpu in costs.items()}
        for name, rate in HEADROOM.items():
            told["leader's network, " + name] = rate / (self.sent * peers) if peers else None
        told["disk, 500 MB/s"] = DISK / (2 * self.log)
        return told

    # -- checks

    def checks(self):
        """(point, role, predicted CPU an operation, measured), of all that was not fitted."""
        for point in self.points:
            if point.load in WRITES and point.members in CHECK:
                cost = self.cost[point.load]
                for role, (parts, cpu) in point.rows().items():
                    yield point, role, sum(cost[name] * n for name, n in parts.items()), cpu
            elif point.load not in WRITES and point.members != (1, 0):
                yield from self.check_reads(point)

    def check_reads(self, point):
        """The writes of a mixed load cost what they do alone; its reads are where clients are."""
        mixed, shape = point.load.startswith("mixed"), point.load.split()[1]
        writes = MIXED_WRITES if mixed else 0
        read = self.read_between if mixed else self.read[shape]
        for role, (parts, cpu) in point.rows().items():
            share = point.of.get("share_" + role, 0)
            if share < 0.01 or cpu <= 0:
                continue
            cost = self.cost["set " + shape]
            yield point, role, (1 - writes) * read * share + writes * sum(
                cost[name] * n for name, n in parts.items()), cpu
