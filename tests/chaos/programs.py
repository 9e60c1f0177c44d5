"""What clients do while the ensemble is ill, and what each of them knows to be wrong.

Each program is a thread with a session of its own. `step` does one thing; a lost connection or an
expired session is part of life, and what was under way is recorded as unknown.
"""
import random
import threading
import time

import linear
import raw

PERIOD = 3.0     # seconds that a register is used: their histories stay short
REGISTERS = 3    # at a time


class Program(threading.Thread):
    name_of = "program"

    def __init__(self, world, index, seed):
        super().__init__(daemon=True, name=f"{self.name_of}-{index}")
        self.world, self.history = world, world.history
        self.index = index
        self.chance = random.Random(seed)
        self.session = raw.Session(world.servers, self.history.complain, world.timeout_ms,
                                   seed=seed)
        self.numbers = 0
        self.pause = 0.01

    def unique(self):
        self.numbers += 1
        return b"%s-%d" % (self.name.encode(), self.numbers)

    def run(self):
        try:
            while not self.world.done.is_set():
                try:
                    if self.session.socket is None:
                        self.session.connect(time.monotonic() + 1)
                        self.attached()
                    self.step()
                except raw.Lost:
                    self.session.drop()
                    self.history.count("connections lost")
                except raw.Expired:
                    self.history.count("sessions expired")
                    self.expired()
                    self.session.forget()
                self.world.done.wait(self.chance.uniform(0, 2 * self.pause))
            self.finish()
        except raw.Lost:
            pass
        except Exception as failure:  # noqa: a program that fails is a finding
            self.history.complain(f"{self.name}: {type(failure).__name__}: {failure}")
            raise
        finally:
            self.session.drop()

    def attached(self):
        pass

    def expired(self):
        pass

    def finish(self):
        pass

    def expect(self, err, allowed, what):
        if err == raw.SYSTEM_ERROR:  # a full disk; that it lasts is found out elsewhere
            self.history.count("writes refused")
            time.sleep(0.02)
        elif err not in allowed:
            self.history.complain(f"{self.name}: {what}: error {err}")
        if err == raw.OK:
            self.history.wrote()


class Registers(Program):
    """Sets, compare-and-sets, creates, deletes, reads behind a sync, of a few znodes at a time."""

    name_of = "register"

    def znode(self):
        period = int((time.monotonic() - self.world.began) / PERIOD)
        return b"/registers/%d-%d" % (period, self.chance.randrange(REGISTERS))

    def step(self):
        znode = self.znode()
        kind = self.chance.random()
        began = time.monotonic()
        try:
            if kind < 0.35:
                self.read(znode, began)
            elif kind < 0.40:
                self.remove(znode, began)
            elif kind < 0.55:
                self.read_stale(znode)
            else:
                self.write(znode, began, compare=kind < 0.8)
        except raw.Lost:
            self.history.count("fates unknown")
            raise

    def read(self, znode, began):
        err, data, stat = self.session.get(znode, sync=True)
        ended = time.monotonic()
        self.expect(err, (raw.OK, raw.NO_NODE), "sync and read")
        result = (data, stat.version) if err == raw.OK else linear.NONE
        self.history.add(znode, began, ended, "read", None, result)

    def read_stale(self, znode):
        # May be old, but not older than what the session saw: raw.Session sees to it.
        err, _, stat = self.session.get(znode)
        if err == raw.OK and stat.mzxid > self.session.zxid:
            self.history.complain(f"{self.name}: {znode} was changed at {stat.mzxid:x}, the reply "
                                  f"says {self.session.zxid:x}")

    def write(self, znode, began, compare):
        version = -1
        if compare:
            err, _, stat = self.session.get(znode)
            if err == raw.OK:
                version = stat.version
            began = time.monotonic()
        else:
            err = raw.OK if self.chance.random() < 0.9 else raw.NO_NODE
        value = self.unique()
        if err == raw.NO_NODE:
            kind, argument = "create", value
            call = lambda: self.session.create(znode, value)[0]  # noqa
            names = {raw.OK: linear.OK, raw.NODE_EXISTS: linear.EXISTS}
        else:
            kind, argument = "set", (value, version)
            names = {raw.NO_NODE: linear.NONE, raw.BAD_VERSION: linear.BAD}

            def call():
                err, stat, _ = self.session.set(znode, value, version)
                if stat is not None:
                    names[raw.OK] = stat.version
                return err
        self.record(znode, began, kind, argument, call, names)

    def remove(self, znode, began):
        self.record(znode, began, "delete", -1, lambda: self.session.delete(znode)[0],
                    {raw.OK: linear.OK, raw.NO_NODE: linear.NONE})

    def record(self, znode, began, kind, argument, call, names):
        try:
            err = call()
        except raw.Lost:
            self.history.add(znode, began, None, kind, argument, None)
            raise
        ended = time.monotonic()
        if err == raw.SYSTEM_ERROR:
            return self.history.count("writes refused")
        if err not in names and err != raw.OK:
            self.history.complain(f"{self.name}: {kind} {znode}: error {err}")
            return
        if err == raw.OK:
            self.history.wrote()
        self.history.add(znode, began, ended, kind, argument, names[err])


class Counter(Program):
    """Adds one to a number by compare-and-set; each version is given out once, to one."""

    name_of = "counter"
    PATH = b"/counter"

    def step(self):
        err, data, stat = self.session.get(self.PATH)
        if err != raw.OK:
            self.expect(err, (), "the counter")
            return
        value = int(data) + 1
        try:
            err, after, _ = self.session.set(self.PATH, b"%d" % value, stat.version)
        except raw.Lost:
            self.world.additions_unknown.append(value)
            raise
        self.expect(err, (raw.OK, raw.BAD_VERSION), "add")
        if err == raw.OK:
            self.world.additions.append((value, after.version, self.name))


class Sequence(Program):
    """Sequential creates: numbers rise in real time, and nothing acknowledged is ever gone."""

    name_of = "sequence"

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.pause = 0.05

    def step(self):
        began = time.monotonic()
        burst = self.chance.choice([1, 1, 1, 4, 16])
        requests = []
        for _ in range(burst):
            body = (raw.text(b"/sequence/n-") + raw.text(self.unique()) + raw.OPEN_ACL +
                    b"\0\0\0\2")
            requests.append((raw.CREATE, body))
        replies = self.session.calls(requests)
        ended = time.monotonic()
        last = -1
        for err, body, _ in replies:
            self.expect(err, (raw.OK,), "sequential create")
            if err != raw.OK:
                continue
            path = raw.take_text(body, 0)[0]
            number = int(path[-10:])
            if number <= last:
                self.history.complain(f"{self.name}: {number} after {last} in one pipeline")
            last = number
            self.world.sequence.append((began, ended, number, path))


class Queue(Program):
    """Puts items in and takes the oldest out: by a delete that one client alone is told succeeded."""

    name_of = "queue"

    def step(self):
        if self.chance.random() < 0.5:
            item = self.unique()
            err, path, _ = self.session.create(b"/queue/q-", item, raw.SEQUENTIAL)
            self.expect(err, (raw.OK,), "put")
            if err == raw.OK:
                self.world.put.append((path, self.name))
            return
        err, names = self.session.children(b"/queue")
        self.expect(err, (raw.OK,), "list the queue")
        for name in sorted(names)[:3]:
            path = b"/queue/" + name
            try:
                err, _ = self.session.delete(path)
            except raw.Lost:
                self.world.taken_unknown.append(path)
                raise
            self.expect(err, (raw.OK, raw.NO_NODE), "take")
            if err == raw.OK:
                self.world.taken.append((path, self.name))
                return


class Ephemerals(Program):
    """Holds an ephemeral znode as long as its session lives, and sometimes lets a session die."""

    name_of = "ephemeral"

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.path = None
        self.pause = 0.03

    def step(self):
        if self.path is None:
            path = b"/ephemerals/" + self.unique()
            try:
                err, _, _ = self.session.create(path, b"%x" % self.session.session, raw.EPHEMERAL)
            except raw.Lost:
                # Whose it is is known; it goes with the session.
                self.world.mortal.append((path, self.session.session))
                raise
            self.expect(err, (raw.OK,), "create an ephemeral")
            self.path = path if err == raw.OK else None
            self.world.mortal.append((path, self.session.session))
            return
        err, stat = self.session.exists(self.path)
        if err != raw.OK or stat.owner != self.session.session:
            self.history.complain(f"{self.name}: ephemeral {self.path} of the living session "
                                  f"{self.session.session:x}: error {err}")
            self.path = None
        kind = self.chance.random()
        if kind < 0.01:
            self.world.let_die(self.path, self.session, time.monotonic())
            self.path = None
            self.session.forget()
            raise raw.Lost()
        if kind < 0.03:
            path, session = self.path, self.session.session
            self.path = None
            err, _, _ = self.session.call(raw.CLOSE, b"")
            self.session.forget()
            if err == raw.OK:
                self.world.closed.append((path, session))
            raise raw.Lost()

    def expired(self):
        self.path = None

    def finish(self):
        if self.path is not None and self.session.socket is not None:
            self.session.close()


class Watcher(Program):
    """Reads with a watch: who sees newer data on the same connection had the event before."""

    name_of = "watcher"

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.armed = None

    def attached(self):
        self.armed = None

    def step(self):
        path = Counter.PATH
        if self.armed is None:
            self.session.events.clear()
            err, _, stat = self.session.get(path, watch=True)
            self.armed = stat.mzxid if err == raw.OK else None
            return
        err, _, stat = self.session.get(path)
        if err != raw.OK:
            return
        told = any(event[1] == path for event in self.session.events)
        if stat.mzxid != self.armed and not told:
            self.history.complain(f"{self.name}: saw {path} of {stat.mzxid:x} before the event for "
                                  f"the watch set at {self.armed:x}")
        if stat.mzxid < self.armed:
            self.history.complain(f"{self.name}: {path} went from {self.armed:x} back to "
                                  f"{stat.mzxid:x}")
        if told:
            self.armed = None


class Reaper(Program):
    """Looks whether the ephemerals of sessions that were left to die go when they should."""

    name_of = "reaper"

    def step(self):
        self.world.done.wait(0.1)
        for row in self.world.dying():
            path, session, heard, timeout_ms = row
            err, _, stat = self.session.get(path, sync=True)
            now = time.monotonic()
            if err == raw.NO_NODE:
                self.world.died(row)
                # `heard` is when the last answer was here, so the server cannot count from earlier
                # than its request: a little less than the time-out is right.
                if now - heard < timeout_ms / 1000 * 0.6:
                    self.history.complain(f"ephemeral {path} of session {session:x} went after "
                                          f"{now - heard:.2f} s, time-out {timeout_ms} ms")
                self.history.count("sessions left to die that died")
            elif err == raw.OK and now - self.world.ill_until(heard) > 2 * timeout_ms / 1000 + 3:
                self.world.died(row)
                self.history.complain(f"ephemeral {path} of session {session:x} is there "
                                      f"{now - heard:.1f} s after its client left")
