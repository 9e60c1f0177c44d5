#!/usr/bin/python3
"""run.py -- the differential test: the same random programs to zkd and to Apache ZooKeeper.

    tests/diff/run.py --zkd ./zkd --seed 7 --ops 100000
    tests/diff/run.py --zkd ./zkd --seed 7 --index 31 --shrink

A step goes to both servers, its answers are read and compared, and then a barrier: a ping on every
connection that could have heard something, read up to its reply, so that the events of a step are
told before the next step begins. At the end of a program the whole trees are compared, sessions are
closed, the trees emptied; the two servers live on for the next program.

At a difference: seed, step, the program's tail, both answers; exit 1.
"""
import argparse
import os
import re
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import cases  # noqa: E402
import compare  # noqa: E402
import generate  # noqa: E402
import known  # noqa: E402
import oracle  # noqa: E402
import wire  # noqa: E402

REF = re.compile(r"<(\d+)\.(\d+)>")
KEPT = ("/", "/zookeeper", "/zookeeper/config", "/zookeeper/quota")
WATCHING = {"exists", "getData", "getChildren", "getChildren2", "addWatch", "setWatches",
            "setWatches2", "cut", "patch"}
QUIET = {"exists", "getData", "getACL", "getChildren", "getChildren2", "getAllChildrenNumber",
         "getEphemerals", "sync", "ping", "checkWatches", "removeWatches", "whoAmI", "multiRead",
         "addWatch", "setWatches", "setWatches2"}
OVERTAKES = {"auth", "sasl"}
REPAIR_XID = 999999                      # outside of what a program counts up to
SAFE_ERRORS = (0, -101, -102, -103, -108, -110, -111, -114, -121, -125)


class Difference(Exception):
    pass


class Side:
    """One server as a program sees it: its connections by slot, its sessions by step."""

    def __init__(self, number, kind):
        self.number, self.server = number, oracle.Server(kind)
        self.name = ("oracle", "zkd")[number]
        self.top = 0                        # greatest header zxid seen
        self.forget()

    def forget(self):
        self.slots, self.sessions, self.names, self.owner = {}, {}, {}, {}
        self.results, self.marks, self.repairs, self.watching = {}, {}, [], set()

    def session_name(self, owner):
        if owner == 0:
            return "none"
        return self.names.get(owner, "unknown %#x" % owner)

    def resolve(self, text):
        if not isinstance(text, str):
            return text
        if text.startswith("@"):
            return self.marks.get(int(text[1:]), 0)
        if "<" not in text:
            return text
        return REF.sub(lambda m: self.results.get((int(m[1]), int(m[2])),
                                                  "/gone%s.%s" % (m[1], m[2])), text)

    def live(self, slot):
        connection = self.slots.get(slot)
        return connection if connection and not connection.closed else None

    # ---- a step: sent on both sides first, then read on both ----

    def send(self, step):
        number, slot, kind = step[:3]
        if kind == "send":
            connection, self.sent = self.live(slot), []
            if not connection:
                return
            parts = []
            for request in step[3]:
                xid = self.xid(connection, request, number, len(parts))
                self.sent.append((xid, request))
                parts.append(wire.encode(xid, request, self.resolve))
            connection.send(b"".join(parts))
        elif kind == "open":
            self.handshake(number, slot, step[3], 0, b"\0" * 16, 0, step[4])
        elif kind == "attach":
            session, password = self.sessions.get(step[3], (0, b"\0" * 16))
            password = {"good": password, "null": None, "short": password[:7],
                        "bad": bytes(16)}[step[4]]
            zxid = {"0": 0, "seen": self.top, "ahead": 2 ** 62}[step[5]]
            self.handshake(step[3], slot, 60000, session, password, zxid, step[6])
        elif self.live(slot):                # drop, expire
            self.slots[slot].close()

    def xid(self, connection, request, number, place):
        """Most clients count; the servers must not care (but -1 and -2 would confuse this test)."""
        kind = request[0]
        if kind == "ping":
            return -2
        if kind == "auth" and number % 2:
            return -4
        if kind in ("setWatches", "setWatches2") and number % 2:
            return -8
        return connection.next_xid() if number % 17 else place - 1000000

    def handshake(self, session_step, slot, timeout, session, password, zxid, flag):
        if self.live(slot):
            self.slots[slot].close()
        self.watching.discard(slot)
        connection = self.slots[slot] = wire.Connection(self.server.port)
        connection.send(wire.connect_request(timeout, session, password, zxid, flag))
        self.owner[slot] = session_step

    def read(self, step):
        """The answers on the step's own connection: a list of Events, (index, Reply), None."""
        _, slot, kind = step[:3]
        connection = self.live(slot)
        if connection is None:
            return []
        if kind in ("open", "attach"):
            return [self.read_handshake(step, connection)]
        if kind != "send":
            return []
        items, waiting = [], [(i,) + s for i, s in enumerate(self.sent) if s[1][0] != "frame"]
        while waiting:
            message = connection.message()
            if message is None:
                items.append(None)
                break
            if isinstance(message, wire.Event):
                items.append(message)
                continue
            index, xid, request = self.match(waiting, message)
            items.append((index, message.parse(request)))
            self.learn(step[0], index, request, message, len(self.sent))
        return items

    @staticmethod
    def match(waiting, reply):
        """Replies come in order, but for those of auth and sasl."""
        head = waiting[0]
        if head[1] != reply.xid:
            for place, other in enumerate(waiting):
                if other[1] == reply.xid and wire.inner(other[2])[0] in OVERTAKES:
                    return waiting.pop(place)
            if wire.inner(head[2])[0] not in OVERTAKES:
                return waiting.pop(0)
            return waiting.pop(1 if len(waiting) > 1 else 0)
        return waiting.pop(0)

    def learn(self, number, index, request, reply, burst):
        if reply.zxid > 0:
            if reply.zxid < self.top:
                raise Difference("%s: header zxid went back from %#x to %#x: %r" % (
                    self.name, self.top, reply.zxid, reply))
            self.top = self.marks[number] = reply.zxid
        for sub, path in compare.created(request, reply):
            self.results[(number, index if sub is None else sub)] = path

    def read_handshake(self, step, connection):
        data = connection.frame()
        if data is None:
            return ("handshake", "closed without an answer")
        timeout, session, password, read_only, rest = wire.parse_connect(data, True)
        if step[2] == "open":
            self.sessions[step[0]] = (session, password)
            self.names[session] = "session of step %d" % step[0]
        name = self.session_name(session)
        if timeout <= 0:
            return ("handshake", timeout, session, password, read_only, rest)
        if step[2] == "attach" and (session, password) != self.sessions.get(step[3]):
            raise Difference("%s: another id or password at re-attach" % self.name)
        return ("handshake", timeout, name, len(password), read_only, rest)

    # ---- the barrier ----

    def ping(self, slots):
        for slot in slots:
            self.slots[slot].send(wire.PING)

    def await_close(self, slot):
        connection, deadline = self.live(slot), time.monotonic() + 2
        while connection and not connection.closed and time.monotonic() < deadline:
            connection.send(wire.PING)
            message = connection.message()
            if message is not None:
                if isinstance(message, wire.Event) or message.xid != -2:
                    raise Difference("%s: instead of closing: %r" % (self.name, message))
                time.sleep(0.002)

    def pong(self, slots):
        """Events per slot, up to the ping's reply; "closed" where the server closed."""
        heard = {}
        for slot in slots:
            connection, events = self.slots[slot], []
            while True:
                message = connection.message()
                if message is None:
                    heard[slot] = (events, "closed")
                    break
                if isinstance(message, wire.Event):
                    events.append(message)
                    continue
                if message.xid != -2 or message.err or message.raw:
                    raise Difference("%s: slot %d: not the reply to a ping: %r" % (
                        self.name, slot, message))
                heard[slot] = (events, "open")
                break
        return heard

    # ---- between programs ----

    def admin(self):
        connection = wire.Connection(self.server.port)
        connection.open(60000)
        connection.call("auth", 0, "digest", oracle.SUPER)
        return connection

    def walk(self, admin):
        """[(path, data reply, ACL reply, names)] of the whole tree, in one order."""
        tree, level = [], ["/"]
        while level:
            requests = []
            for path in level:
                requests += [("getData", path, False), ("getACL", path),
                             ("getChildren2", path, False)]
            replies, below = admin.calls(requests), []
            for at, path in enumerate(level):
                three = replies[3 * at:3 * at + 3]
                names = sorted(three[2].fields[0]) if three[2].err == 0 else []
                tree.append((path, three))
                below += [(path if path != "/" else "") + "/" + name for name in names]
            level = below
        return tree

    def clean(self, admin, tree):
        """Closes the program's sessions and empties the tree."""
        for slot, connection in self.slots.items():
            connection.close()
        for session, password in self.sessions.values():
            connection = wire.Connection(self.server.port)
            answer = connection.open(60000, session, password)
            if answer and answer[0] > 0:
                connection.call("closeSession")
            connection.close()
        paths = [path for path, _ in tree if path not in KEPT]
        requests = [("setACL", path, wire.OPEN, -1) for path in KEPT]
        requests += [("setData", path, b"", -1) for path in KEPT]
        requests += [("delete", path, -1) for path in reversed(paths)]
        admin.calls(requests)
        left = admin.call("getAllChildrenNumber", "/").fields[0]
        admin.call("closeSession")
        admin.close()
        self.forget()
        return left


class Runner:
    def __init__(self, zkd):
        self.zkd = zkd
        self.relations = compare.Relations()
        self.sides, self.fresh = None, False
        self.start()

    def start(self):
        self.relations = compare.Relations()
        self.sides = (Side(0, "zookeeper"), Side(1, self.zkd))
        self.comparer = compare.Comparer(self.relations, self.sides)

    def stop(self):
        for side in self.sides:
            side.server.stop()

    def restart(self):
        used = self.relations.used
        self.stop()
        self.start()
        self.relations.used = used

    def program(self, steps):
        """Runs one program. Returns None, or (step number, text) of the first difference."""
        number = -1
        try:
            for step in steps:
                number = step[0]
                problem = self.step(step)
                if problem:
                    return number, problem
            number = -1
            return self.finish()
        except (Difference, wire.Hang, OSError) as problem:
            return number, self.dead() or "%s: %s" % (type(problem).__name__, problem)

    def dead(self):
        for side in self.sides:
            time.sleep(0.05)
            if side.server.dead():
                return "%s died, exit code %s; it said:\n%s" % (
                    side.name, side.server.process.returncode, side.server.said())
        return None

    def step(self, step):
        a, b = self.sides
        slot, kind = step[1], step[2]
        if kind == "expire":
            return self.expire(slot)
        for side in self.sides:
            side.send(step)
        items = a.read(step), b.read(step)
        problem = self.own(step, *items)
        if problem:
            return "slot %d: %s\noracle: %s\nzkd:    %s" % ((slot, problem) + tuple(
                "\n        ".join(map(repr, i)) for i in items))
        if kind == "send" and any(r[0] in WATCHING for r in step[3]):
            for side in self.sides:
                side.watching.add(slot)
        self.repair(slot)
        if self.doomed(step, items[0]):
            for side in self.sides:
                side.await_close(slot)
        return self.barrier(self.listeners(step, items[0]), self.ordered(step))

    @staticmethod
    def doomed(step, items):
        """After such an answer a server closes, but not at once."""
        if step[2] != "send":
            return False
        return any(r[0] in ("frame", "closeSession") for r in step[3]) or any(
            isinstance(i, tuple) and i[1].err in (-6, -115) and i[1].zxid <= 0 for i in items)

    @staticmethod
    def ordered(step):
        return step[2] == "send" and all(r[0] != "closeSession" for r in step[3])

    def listeners(self, step, items):
        """Slots that may have heard something of this step, or may have been closed by it."""
        a = self.sides[0]
        if step[2] == "attach":
            return [s for s in a.slots if a.live(s)]
        if step[2] != "send":
            return []
        slots = set()
        if not all(r[0] in QUIET for r in step[3]):
            slots |= a.watching
        for request, item in zip(step[3], [i for i in items if isinstance(i, tuple)]):
            if item[1].err not in SAFE_ERRORS or request[0] in ("closeSession", "auth"):
                slots.add(step[1])
        if None in items or any(r[0] == "frame" for r in step[3]):
            slots.add(step[1])
        return sorted(s for s in slots if a.live(s))

    def own(self, step, a, b):
        """Compares what came on the step's own connection."""
        if step[2] in ("open", "attach"):
            return None if a == b else "handshake"
        if step[2] != "send":
            return None
        requests = step[3]
        split = [self.without_auth(requests, items) for items in (a, b)]
        for (i, x), (j, y) in zip(split[0][1], split[1][1]):
            problem = self.comparer.reply(requests[i], x, y)
            if i != j or problem:
                return "request %d: %s" % (i, problem)
        a, b = split[0][0], split[1][0]
        if [self.shape(i) for i in a] != [self.shape(i) for i in b]:
            return "other events or replies, or in another order"
        if len(split[0][1]) != len(split[1][1]):
            return "another number of replies to auth"
        if not self.ordered(step):
            events = [[i for i in items if isinstance(i, wire.Event)] for items in (a, b)]
            problem = self.comparer.events(*events, ordered=False)
            if problem:
                return problem
        for x, y in zip(a, b):
            if isinstance(x, wire.Event):
                problem = self.comparer.event(x, y) if self.ordered(step) else None
            elif x is None:
                problem = None
            else:
                problem = self.comparer.reply(requests[x[0]], x[1], y[1])
                problem = problem and "request %d %r: %s" % (x[0], requests[x[0]], problem)
            if problem:
                return problem
        return None

    @staticmethod
    def shape(item):
        if item is None:
            return "closed"
        return "event" if isinstance(item, wire.Event) else item[0]

    @staticmethod
    def without_auth(requests, items):
        """Replies to auth and sasl may overtake others, so they are compared apart."""
        rest, auth = [], []
        for item in items:
            is_auth = isinstance(item, tuple) and wire.inner(requests[item[0]])[0] in OVERTAKES
            (auth if is_auth and len(requests) > 1 else rest).append(item)
        return rest, auth

    def repair(self, slot):
        for side in self.sides:
            for request in side.repairs:
                connection = side.live(slot)
                if connection:
                    connection.send(wire.encode(REPAIR_XID, request, side.resolve))
                    connection.message()
            side.repairs.clear()

    def barrier(self, slots, ordered=True):
        if not slots:
            return None
        a, b = self.sides
        a.ping(slots)
        b.ping(slots)
        heard = a.pong(slots), b.pong(slots)
        for slot in slots:
            x, y = heard[0][slot], heard[1][slot]
            problem = self.comparer.events(x[0], y[0], ordered)
            if not problem and x[1] != y[1]:
                problem = "%s, %s" % (x[1], y[1])
            if problem:
                return "slot %d, events up to the barrier: %s\noracle: %r\nzkd:    %r" % (
                    slot, problem, x, y)
        return None

    def expire(self, slot):
        """The slot's session gets the least time-out, loses its socket, and is awaited."""
        if not self.sides[0].live(slot):
            return None
        gone = []
        for side in self.sides:
            session, password = side.sessions[side.owner[slot]]
            side.slots[slot].close()
            connection = wire.Connection(side.server.port)
            answer = connection.open(1, session, password)
            if not answer or answer[0] != 200:
                return "%s: re-attach with time-out 1: %r" % (side.name, answer)
            connection.close()
            gone.append(session)
        for side, session in zip(self.sides, gone):
            deadline = time.monotonic() + 10
            while session in side.server.sessions():
                if time.monotonic() > deadline:
                    return "%s: the session does not expire" % side.name
                time.sleep(0.02)
        return self.barrier([s for s in self.sides[0].slots if self.sides[0].live(s)], False)

    def finish(self):
        """Compares the trees, then cleans up. The sessions that are left are as many."""
        admins = [side.admin() for side in self.sides]
        trees = [side.walk(admin) for side, admin in zip(self.sides, admins)]
        paths = [[path for path, _ in tree] for tree in trees]
        if paths[0] != paths[1]:
            return -1, "trees: only the oracle has %s, only zkd has %s" % (
                sorted(set(paths[0]) - set(paths[1])), sorted(set(paths[1]) - set(paths[0])))
        for (path, x), (_, y) in zip(*trees):
            for request, p, q in zip((("getData",), ("getACL",), ("getChildren2",)), x, y):
                problem = self.comparer.reply(request, p, q)
                if problem:
                    return -1, "tree, %s %s: %s\noracle: %r\nzkd:    %r" % (
                        request[0], path, problem, p, q)
        left = [side.clean(admin, tree) for side, admin, tree in zip(self.sides, admins, trees)]
        if left != [3, 3] and left != [4, 4]:
            return -1, "znodes left after cleaning: %r" % left
        counts = [len(side.server.sessions()) for side in self.sides]
        if counts[0] != counts[1]:
            return -1, "sessions left: %d, %d" % tuple(counts)
        order = self.relations.order()
        return (-1, order) if order else None


# ---- shrinking -----------------------------------------------------------------------------------

def sort_of(failure):
    """What a failure is about: the first line of its text without slots, numbers and paths."""
    return re.sub(r"slot \d+|0x[0-9a-f]+|\(.*\)|\d{3,}", "", failure[1].split("\n")[0])


def shrink(runner, steps, failure, budget=60):
    """Fewer steps, then fewer requests a step, as long as the same sort of failure remains."""
    deadline, sort = time.monotonic() + budget, sort_of(failure)

    def fails(candidate):
        if time.monotonic() > deadline:
            return False
        found = runner.program(candidate)
        if found:
            runner.restart()
        return bool(found) and sort_of(found) == sort

    runner.restart()
    size = max(1, len(steps) // 2)
    while size:
        at = len(steps)
        while at > 0:
            candidate = steps[:max(0, at - size)] + steps[at:]
            if len(candidate) < len(steps) and fails(candidate):
                steps = candidate
            at -= size
        size //= 2
    for number, step in enumerate(steps):
        if step[2] != "send":
            continue
        for at in range(len(step[3]) - 1, -1, -1):
            requests = steps[number][3][:at] + steps[number][3][at + 1:]
            candidate = list(steps)
            candidate[number] = steps[number][:3] + (requests,)
            if requests and fails(candidate):
                steps = candidate
    return steps


def listing(steps):
    """As Python, with long data made short."""
    text = "".join("    %r,\n" % (step,) for step in steps)
    return re.sub(r"b'(.)(\1{30,})'", lambda m: "b'%s' * %d" % (m[1], len(m[2]) + 1), text)


def report(runner, seed, index, steps, failure, options):
    number, text = failure
    print("\nseed %d, program %d, step %d:\n%s" % (seed, index, number, text))
    tail = [s for s in steps if number < 0 or s[0] <= number]
    if options.shrink:
        tail = shrink(runner, tail, failure)
        again = runner.program(tail)
        print("\nshrunk to:\n%s" % listing(tail))
        if again:
            print("step %d: %s" % again)
    else:
        print("\nthe program's tail:\n%s" % listing(tail[-12:]))
    print("again: tests/diff/run.py --zkd %s --seed %d --index %d --length %d [--shrink]" % (
        options.zkd, seed, index, options.length))
    sys.stdout.flush()


def main():
    sys.stdout.reconfigure(errors="backslashreplace")
    parser = argparse.ArgumentParser(description="zkd against Apache ZooKeeper, step by step")
    parser.add_argument("--zkd", default="./zkd", help='the binary; "zookeeper" for the oracle itself')
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--ops", type=int, default=5000, help="operations in all")
    parser.add_argument("--length", type=int, default=150, help="steps of a program")
    parser.add_argument("--programs", type=int, default=0, help="stop after so many programs")
    parser.add_argument("--index", type=int, default=-1, help="only this program of the seed")
    parser.add_argument("--replay", help="a file with the steps of one program, as printed")
    parser.add_argument("--shrink", action="store_true")
    parser.add_argument("--keep-going", action="store_true", help="go on after a difference")
    options = parser.parse_args()
    runner = Runner(options.zkd)
    try:
        return run(runner, options)
    finally:
        runner.stop()


def programs(options):
    """(index, steps), without end."""
    if options.replay:
        with open(options.replay) as file:
            yield 0, list(eval("[" + file.read() + "]", {}))
        return
    index = max(0, options.index)
    while True:
        yield index, generate.generate((options.seed << 20) + index, options.length)
        if options.index >= 0:
            return
        index += 1


def run_cases(zkd):
    """On a server of their own: programs need both servers to have lived through the same."""
    server = oracle.Server(zkd)
    try:
        return cases.run(server)
    finally:
        server.stop()


def run(runner, options):
    print("seed %d" % options.seed, flush=True)
    passed = failed = done = 0
    began = time.monotonic()
    if options.zkd != "zookeeper" and options.index < 0 and not options.replay:
        passed, failed = run_cases(options.zkd)
    for index, steps in programs(options):
        failure = runner.program(steps)
        done += generate.operations(steps)
        passed, failed = (passed, failed + 1) if failure else (passed + 1, failed)
        if failure:
            report(runner, options.seed, index, steps, failure, options)
            if not options.keep_going:
                break
            runner.restart()
        if done >= options.ops or index + 1 == options.programs:
            break
    took = time.monotonic() - began
    for name, count in sorted(runner.relations.used.items()):
        print("known difference: %s, %d times" % (name, count))
    print("%d operations in %.1f s (%.0f/s)" % (done, took, done / took))
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
