"""generate.py -- random programs for the differential test, the same ones for the same seed.

Layer 1: knows which requests exist and which make trouble, nothing of sockets or of comparing. A
program is a list of steps

    (id, slot, "open", timeout, flag)                 a new session on connection number `slot`
    (id, slot, "attach", step, password, zxid, flag)  again onto the session that `step` opened
    (id, slot, "drop")                                the socket is closed, the session stays
    (id, slot, "expire")                              the session is left to die, and awaited
    (id, slot, "send", [request, ...])                requests at once; requests as in wire.SCHEMA

A path may hold "<12.0>": the path that the first request of step 12 created, as the server at hand
answered it. So names of sequential znodes come back in later steps, and a shortened program still
runs ("/gone12.0" stands in for what was not created). A zxid may be "@12": the one in the header of
the last reply of step 12.

The universe of paths is small, so that steps meet. Each program draws its own weights: one is nearly
all multi, another has many sessions, a third looks at quotas. What must not be generated, because
3.8 and 3.9 part for good there, is said in known.py.
"""
import base64
import hashlib
import random

from wire import CREATES, OPEN, WRITES, body

SLOTS = 5
NAMES = ("a", "b", "c")
PLAIN = ["/a", "/b", "/c", "/a/a", "/a/b", "/a/c", "/b/a", "/b/b", "/a/b/a", "/a/b/c", "/b/a/b"]
SYSTEM = ["/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config", "/zookeeper/x",
          "/zookeeper/quota/a", "/zookeeper/quota/a/zookeeper_limits"]
INVALID = ["", "a", "a/b", "//", "/a/", "/a//b", "/.", "/..", "/a/./b", "/a/../b", "/a/.", "/a/..",
           "/\0", "/a\0b", "/a/\x01", "/\x1f", "/\x7f", "/\x9f", "/a/\ue000", "/\uf8ff", "/\ufff0",
           "/\uffff", "/\ufff9x", "/\U0001f600", "/\ud800", None, "/a/\u00a0b", "/...", "/a/.b",
           "/\u00e9", "/a/\u65e5\u672c", "/zookeeperx", "/ ", "/a b", "//a", "/a/b/"]
DATA = [None, b"", b"x", b"0", b"hello", b"\0\xff\x80", b"x" * 40, b"y" * 1000]
VERSIONS = [-1] * 10 + [0, 0, 0, 1, 1, 2, 3, -2, 7, 2147483647, -2147483648]


def digest_id(text):
    user = text.split(b":")[0].decode()
    return user + ":" + base64.b64encode(hashlib.sha1(text).digest()).decode()


USERS = [b"ann:1", b"bob:2", b"ann:3"]
IDS = [("world", "anyone")] * 6 + [("digest", digest_id(u)) for u in USERS] * 2 + [
    ("auth", ""), ("auth", ""), ("auth", "any"), ("ip", "127.0.0.1"), ("ip", "127.0.0.0/8"),
    ("ip", "10.1.2.3"), ("ip", "127.0.0.1/32"), ("ip", "0.0.0.0/0")]
BAD_IDS = [("world", "bob"), ("world", ""), ("foo", "bar"), ("", ""), (None, "x"), (None, None),
           ("digest", "nocolon"), ("digest", "a:b:c"), ("digest", ""), ("digest", ":x"),
           ("digest", "a:"), ("digest", ":"), ("ip", "1.2.3"), ("ip", "1.2.3.4/33"), ("ip", ""),
           ("ip", "1.2.3.4/-1"), ("ip", "1.2.3.4.5"), ("ip", "1.2.3.4/"), ("ip", "300.1.1.1"),
           ("ip", "1.2.3.4/8/8"), ("ip", "host"), ("super", ""), ("super", "x"), ("sasl", "x"),
           ("x509", "CN=x"), ("World", "anyone"), ("ip", "1.2.3.4/a"), ("ip", "1.2.3.4/32")]
PERMS = [31, 31, 31, 31, 1, 1, 2, 4, 8, 16, 15, 30, 3, 5, 9, 17, 0, 32, 63, -1, 99]
BAD_OPCODES = [10, 23, 50, 99, 108, 109, 1000, -1, -2, -12, 0, 2147483647]
BAD_FRAMES = [b"\xff\xff\xff\xff", b"\0\0\0\0", b"\0\0\0\x04\0\0\0\x01", b"\x7f\xff\xff\xff",
              b"\x80\0\0\0", b"\0\x10\0\0", b"\0\0\0\x07\0\0\0\x01\0\0\0", b"ruok", b"srvr",
              b"GET / HTTP/1.0\r\n\r\n"]
LIMITS = ["count=2,bytes=-1", "count=-1,bytes=10", "count=2,bytes=10", "count=-1,bytes=-1",
          "count=-1,bytes=-1=;byteHardLimit=10;countHardLimit=-1",
          "count=-1,bytes=-1=;byteHardLimit=-1;countHardLimit=3",
          "count=-1,bytes=-1=;byteHardLimit=50;countHardLimit=4",
          "count=1,bytes=1=;byteHardLimit=100;countHardLimit=5",
          "count=1,bytes=-1=;byteHardLimit=0;countHardLimit=0",
          "count=5,bytes=100=;byteHardLimit=-1;countHardLimit=-1"]
QUOTA_PATHS = ["/q", "/q/a", "/q/b", "/q/a/a", "/q/a/b", "/r", "/r/a"]
QUOTA_ROOTS = ["/q", "/q/a", "/r"]

WEIGHTS = {
    "create": 16, "create2": 6, "createContainer": 2, "createTTL": 3, "delete": 11, "exists": 7,
    "getData": 7, "setData": 9, "getACL": 3, "setACL": 3, "getChildren": 4, "getChildren2": 5,
    "getAllChildrenNumber": 2, "getEphemerals": 1, "sync": 1, "ping": 1, "multi": 8, "multiRead": 3,
    "addWatch": 4, "checkWatches": 2, "removeWatches": 3, "setWatches": 2, "setWatches2": 2,
    "auth": 2, "whoAmI": 1, "closeSession": 1.2, "drop": 1, "attach": 1.5, "open": 1, "expire": 0.1,
    "burst": 6, "malformed": 2, "badop": 0.4, "frame": 0.3, "reconfig": 0.1, "sasl": 0.1, "quota": 1,
}
# In a burst, and always alone, for the reasons in `burst`.
NOT_IN_BURST = {"burst", "closeSession", "drop", "attach", "open", "expire", "badop", "frame",
                "quota", "auth", "malformed"}


class Generator:
    def __init__(self, seed, steps=150):
        self.random = random.Random(seed)
        self.steps, self.program = steps, []
        self.refs = []                      # texts like "<3.0>" for what was created sequentially
        self.sessions = []                  # steps that opened one
        self.alive = {}                     # slot -> step that opened its session
        self.detached = []
        self.kinds = {}                     # (slot, path) -> the one watch mode used there
        self.likely = []                    # what should exist, if all went well
        self.watched = {}                   # slot -> paths it asked to watch
        self.at = 0
        self.sub = 0
        choose = self.random
        self.weights = {name: weight * choose.choice((0, 0.5, 1, 1, 2, 4))
                        for name, weight in WEIGHTS.items()}
        for name in ("create", "open"):
            self.weights[name] = max(self.weights[name], WEIGHTS[name])
        self.weights["expire"] = WEIGHTS["expire"]
        self.quota = choose.random() < 0.25
        if self.quota:
            self.weights["quota"], self.weights["burst"] = 6, 0
        else:
            self.weights["quota"] = 0
        self.guarded = choose.choice((0, 0.12, 0.12, 0.5))       # share of ACLs that are not open
        self.in_burst = False
        self.odd = choose.choice((0.01, 0.05, 0.2))
        self.names = list(self.weights)
        self.burst_names = [n for n in self.names if n not in NOT_IN_BURST]

    # ---- values ----

    def pick(self, values):
        return values[int(self.random.random() * len(values))]

    def chance(self, share):
        return self.random.random() < share

    def there(self):
        """A path that probably exists, or any."""
        if self.likely and self.chance(0.65):
            return self.pick(self.likely)
        return self.path()

    def absent(self):
        """A path that can probably be created, or any."""
        if self.chance(0.5):
            parent = self.pick(self.likely) if self.likely and self.chance(0.7) else ""
            path = parent + "/" + self.pick(NAMES)
            if path.count("/") < 5 and path not in self.likely:
                return path
        return self.path()

    def path(self):
        """Any path; mostly one of the plain ones."""
        roll = self.random.random()
        if roll < self.odd:
            return self.pick(INVALID)
        if roll < self.odd + 0.06:
            return self.pick(SYSTEM)
        if roll < self.odd + 0.22 and self.refs:
            ref = self.pick(self.refs[-6:])
            return ref + "/" + self.pick(NAMES) if self.chance(0.15) else ref
        if self.quota and roll < 0.75:
            return self.pick(QUOTA_PATHS)
        return self.pick(PLAIN)

    def data(self, path):
        """Nothing but soft limits where limits belong."""
        if path is not None and "zookeeper_limits" in path:
            return self.pick(LIMITS[:4]).encode()
        return self.pick(DATA)

    def acl(self):
        if not self.chance(self.guarded):
            return OPEN
        roll = self.random.random()
        if roll < 0.04:
            return self.pick([None, []])
        entries = [(self.pick(PERMS),) + self.pick(IDS) for _ in range(self.pick((1, 1, 2, 2, 3)))]
        if roll < 0.2:
            entries.insert(self.random.randrange(len(entries) + 1),
                           (self.pick(PERMS),) + self.pick(BAD_IDS))
        elif roll < 0.3:
            entries.append(entries[0])
        return entries

    def watch(self, slot, path):
        """Whether to ask for a one-shot watch: only where this slot never uses another mode."""
        return self.chance(0.45) and self.kind(slot, path) == "once"

    def kind(self, slot, path):
        key = (slot, path)
        if key not in self.kinds:
            self.kinds[key] = self.pick(("once", "once", "persistent", "recursive"))
        return self.kinds[key]

    def paths_of_kind(self, slot, kind):
        paths = [self.there() for _ in range(self.pick((0, 1, 1, 2, 3)))]
        return [p for p in paths if p not in (None, "/\ud800") and self.kind(slot, p) == kind]

    # ---- requests ----

    def create(self, name):
        path = self.absent()
        flags = self.pick((0, 0, 0, 0, 0, 0, 1, 2, 2, 3))
        if self.chance(0.03):
            flags = self.pick((4, 5, 6, 7, -1, 100))
        if name == "createContainer":
            flags = self.pick((4, 4, 4, 4, 0, 2, 5))
        if name == "createTTL":
            flags = self.pick((5, 5, 5, 6, 6, 6, 0, 1, 4))
        if flags in (2, 3, 6) and path is not None:
            if self.chance(0.3):
                path = path.rstrip("/") + "/"
            self.refs.append("<%d.%d>" % (self.at, self.sub))
        elif flags not in (1, 3) and path and path not in self.likely:
            if path[0] == "/" and (path.rfind("/") == 0 or path[:path.rfind("/")] in self.likely):
                self.likely.append(path)
        request = (name, path, self.data(path), self.acl(), flags)
        if name == "createTTL":
            ttls = (1, 1000, 3600000, 5, 60000, 2 ** 40 - 1, 2 ** 40, 0, 10 ** 15, -1, -2)
            request += (self.pick(ttls if flags in (5, 6) else ttls[:-2]),)
        return request

    def multi(self):
        ops = []
        for self.sub in range(self.pick((0, 1, 1, 2, 2, 3, 3, 4, 6))):
            name = self.pick(("create", "create", "create2", "delete", "setData", "check", "create",
                              "delete", "setData", "check", "createContainer", "createTTL"))
            request = self.request(name, 0)
            if self.quota and any(o[0] != "check" for o in ops):
                continue
            if request[0] in CREATES and request[4] not in (0, 1, 2, 3) and self.chance(0.9):
                request = request[:4] + (self.pick((0, 1)),) + request[5:]
                if name == "createTTL":
                    request = request[:5] + (1000,)
            if name == "createContainer" and request[4] in (1, 3):
                request = request[:4] + (request[4] - 1,)
            ops.append(request)
        self.sub = 0
        if self.chance(0.03):
            ops.append(self.request(self.pick(("getData", "getChildren", "exists", "setACL",
                                               "sync")), 0))
        return ("multi", ops)

    def multi_read(self):
        ops = []
        for _ in range(self.pick((0, 1, 2, 3, 5))):
            name = self.pick(("getData", "getChildren"))
            ops.append((name, self.there(), self.chance(0.3)))
        if self.chance(0.05):
            ops.append(self.request(self.pick(("exists", "delete", "check")), 0))
        return ("multiRead", ops)

    def set_watches(self, name, slot):
        zxid = self.pick((0, 2 ** 62, 2 ** 62, -1, None))
        zxid = "@%d" % self.random.randrange(self.at) if zxid is None and self.at else zxid or 0
        lists = [self.paths_of_kind(slot, "once") for _ in range(3)]
        if name == "setWatches2":
            lists += [self.paths_of_kind(slot, "persistent"), self.paths_of_kind(slot, "recursive")]
        if self.chance(0.02):
            null = self.random.randrange(len(lists))     # ZooKeeper acts on the lists before it
            lists[:null + 1] = [[]] * null + [None]
        return (name, zxid) + tuple(lists)

    def remove_watches(self, name, slot):
        path = self.path()
        if self.watched.get(slot) and self.chance(0.7):
            path = self.pick(self.watched[slot][-6:])
        kind = self.kind(slot, path)
        if self.chance(0.05):
            return (name, path, self.pick((0, 6, -1, 99)))
        if kind == "once":
            return (name, path, self.pick((1, 2, 3)))
        if name == "removeWatches" and self.chance(0.4) and not self.in_burst:
            return (name, path, {"persistent": 4, "recursive": 5}[kind])
        return (name, path, 3)

    def auth(self):
        roll = self.random.random()
        if roll < 0.75:
            return ("auth", 0, "digest", self.pick(USERS))
        if roll < 0.82:
            return ("auth", 0, "digest", b"super:test")
        return ("auth",) + self.pick([
            (0, "digest", b""), (0, "digest", b"blah"), (0, "digest", None), (7, "ip", b"1.2.3.4"),
            (0, "foo", b"x"), (0, None, b"x"), (0, "", b""), (0, "world", b"anyone"),
            (0, "auth", b""), (0, "super", b"x"), (0, "sasl", b"x"), (0, "digest", b"a:b:c")])

    def request(self, name, slot):
        if name in CREATES:
            return self.create(name)
        if name in ("exists", "getData", "getChildren", "getChildren2"):
            path = self.there()
            if name == "exists" and self.in_burst and self.guarded:
                return (name, path, False)
            watch = self.watch(slot, path)
            if watch:
                self.watched.setdefault(slot, []).append(path)
            return (name, path, watch)
        if name in ("delete", "check"):
            path = self.there()
            if name == "delete" and path in self.likely:
                below = [p for p in self.likely if p.startswith(path + "/")]
                path = self.pick(below) if below and self.chance(0.8) else path
                self.likely.remove(path)
            return (name, path, self.pick(VERSIONS))
        if name == "setData":
            path = self.there()
            return (name, path, self.data(path), self.pick(VERSIONS))
        if name == "setACL":
            path = self.there()
            if path == "/" and self.chance(0.8):
                path = "/a"
            return (name, path, self.acl(), self.pick(VERSIONS))
        if name in ("getACL", "getAllChildrenNumber", "sync"):
            return (name, self.there())
        if name == "getEphemerals":
            return (name, self.pick(["/", "", None, " ", "/a", "/a/", "a", "/b"]))
        if name == "multi":
            return self.multi()
        if name == "multiRead":
            return self.multi_read()
        if name == "addWatch":
            for _ in range(5):
                path = self.there()
                kind = self.kind(slot, path)
                if kind != "once" and path is not None:
                    self.watched.setdefault(slot, []).append(path)
                    return (name, path, {"persistent": 0, "recursive": 1}[kind])
            return (name, self.path(), self.pick((2, 3, -1)))
        if name in ("checkWatches", "removeWatches"):
            return self.remove_watches(name, slot)
        if name in ("setWatches", "setWatches2"):
            return self.set_watches(name, slot)
        if name == "auth":
            return self.auth()
        if name == "reconfig":
            return (name, self.pick((None, "", "server.1=h:1:2:3")), None, None, -1)
        if name == "sasl":
            return (name, b"token")
        return (name,)

    def malformed(self, slot):
        name = self.pick(("create", "create2", "delete", "exists", "getData", "setData", "getACL",
                          "setACL", "getChildren", "getChildren2", "multi", "multiRead", "addWatch",
                          "setWatches", "setWatches2", "removeWatches", "checkWatches", "sync",
                          "getEphemerals", "getAllChildrenNumber", "auth", "createContainer"))
        request = self.request(name, slot)
        size = len(body(request, lambda v: 0 if isinstance(v, str) and v[:1] == "@" else v))
        if size == 0:
            return request
        if name == "auth" or self.chance(0.6):
            return ("cut", request, self.random.randrange(size))
        if name in ("multi", "multiRead", "setWatches", "setWatches2", "addWatch"):
            return ("cut", request, size - 1)
        value = self.pick((-2, -1, 0, 2147483647, 1000000, -2147483648, 1))
        return ("patch", request, 0, value.to_bytes(4, "big", signed=True))

    def quota_request(self):
        root = self.pick(QUOTA_ROOTS)
        node = "/zookeeper/quota" + root
        limits, stats = node + "/zookeeper_limits", node + "/zookeeper_stats"
        return self.pick([
            ("create", "/zookeeper/quota/q", b"", OPEN, 0), ("create", node, b"", OPEN, 0),
            ("create", limits, self.pick(LIMITS).encode(), OPEN, 0),
            ("create", limits, self.pick(LIMITS).encode(), OPEN, 0),
            ("create", stats, self.pick((b"", b"count=0,bytes=0", b"count=9,bytes=9")), OPEN, 0),
            ("create", stats, b"count=0,bytes=0", OPEN, 0),
            ("setData", limits, self.pick(LIMITS).encode(), -1), ("getData", stats, False),
            ("getData", stats, False), ("getData", limits, False), ("delete", limits, -1),
            ("delete", stats, -1), ("delete", node, -1), ("create", root, self.pick(DATA), OPEN, 0),
            ("setData", root, self.pick(DATA), -1), ("create", root + "/a", b"abc", OPEN, 1)])

    def burst(self, slot):
        """Pipelined requests. An auth comes first or not at all: the servers handle it when it
        arrives, so behind a write it is anybody's guess whether events see its identity. What
        known.py repairs behind a step does not come either."""
        self.in_burst = True
        requests = [self.auth_ok()] if self.chance(0.1) else []
        weights = [self.weights[n] for n in self.burst_names]
        size = self.pick((2, 3, 4, 6, 10, 20))
        while len(requests) < size:
            self.sub = len(requests)
            name = self.random.choices(self.burst_names, weights)[0]
            if name in WRITES and any(r[0] == "setACL" for r in requests):
                name = "getACL"              # known.py: a write behind a setACL
            requests.append(self.request(name, slot))
            if name == "multi":              # its refs would name sub-requests of another request
                self.refs = [r for r in self.refs if not r.startswith("<%d." % self.at)]
        self.sub, self.in_burst = 0, False
        return requests

    def auth_ok(self):
        return ("auth", 0, "digest", self.pick(USERS))

    # ---- steps ----

    def emit(self, slot, *rest):
        self.program.append((self.at, slot) + rest)
        self.at += 1

    def open(self, slot):
        self.sessions.append(self.at)
        self.alive[slot] = self.at
        self.emit(slot, "open", self.pick((40000, 50000, 59999, 60000, 100000, 2147483647)),
                  self.pick((True, False, False, None)))

    def step(self):
        slot = self.random.randrange(SLOTS)
        if slot not in self.alive:
            if self.detached and self.chance(0.5):
                return self.attach(slot, self.detached.pop(), "good")
            return self.open(slot)
        name = self.random.choices(self.names, list(self.weights.values()))[0]
        if name == "open":
            self.detached.append(self.alive[slot])
            return self.open(slot)           # the old socket is dropped by it
        if name == "attach":
            target = self.pick(self.sessions)
            return self.attach(slot, target, self.pick(("good", "good", "good", "bad", "null",
                                                        "short")))
        if name in ("drop", "expire"):
            if name == "drop":
                self.detached.append(self.alive[slot])
            del self.alive[slot]
            return self.emit(slot, name)
        self.send(slot, name)

    def send(self, slot, name):
        if name == "burst":
            return self.emit(slot, "send", self.burst(slot))
        if name == "quota":
            return self.emit(slot, "send", [self.quota_request()])
        if name == "malformed":
            request = self.malformed(slot)
            self.refs = [r for r in self.refs if not r.startswith("<%d." % self.at)]
            self.emit(slot, "send", [request])
        elif name == "badop":
            self.emit(slot, "send", [("raw", self.pick(BAD_OPCODES), b"\0\0\0\2/a")])
        elif name == "frame":
            self.emit(slot, "send", [("frame", self.pick(BAD_FRAMES))])
        else:
            self.emit(slot, "send", [self.request(name, slot)])
        if name in ("badop", "frame", "closeSession"):
            if name != "closeSession":
                self.detached.append(self.alive[slot])
            del self.alive[slot]

    def attach(self, slot, target, password):
        for other, session in list(self.alive.items()):
            if session == target or other == slot:
                del self.alive[other]
        zxid = self.pick(("0", "0", "seen", "seen", "ahead")) if self.chance(0.3) else "seen"
        if password == "good" and zxid != "ahead":
            self.alive[slot] = target
        else:
            self.detached.append(target)
        self.emit(slot, "attach", target, password, zxid, self.pick((True, False, None)))

    def generate(self):
        for slot in range(self.pick((1, 2, 3, SLOTS))):
            self.open(slot)
        if self.chance(0.8):
            self.likely = ["/a", "/b", "/a/b", "/a/a", "/c", "/b/a"] + (
                ["/q", "/q/a", "/r"] if self.quota else [])
            self.emit(0, "send", [("create", path, self.pick(DATA), OPEN, 0)
                                  for path in self.likely])
        while self.at < self.steps:
            self.step()
        return self.program


def generate(seed, steps=150):
    return Generator(seed, steps).generate()


def operations(program):
    """How many operations a program is worth."""
    return sum(len(step[3]) if step[2] == "send" else 1 for step in program)
