"""What is done to the ensemble, one fault after the other or several at a time.

Each function does it and returns a Fault: what it was, for how long, how it is healed, and whether a
majority that can talk stays meanwhile; then writes must go on.
"""
import os
import random
import shutil
import time

import raw


class Fault:
    def __init__(self, text, seconds, heal, majority):
        self.text, self.seconds, self.heal, self.majority = text, seconds, heal, majority


class Faults:
    def __init__(self, cluster, seed, log, absence=3.0):
        self.cluster, self.chance, self.log = cluster, random.Random(seed), log
        self.absence = absence  # the longest that a node is away
        self.network = cluster.network
        spaces = self.network is not None
        # Columns: weight, what to do.
        self.table = [
            (10, self.kill_one), (14, self.kill_leader), (5, self.kill_all),
            (4, self.kill_some), (8, self.kill_in_snapshot),
            (6, self.stop_one), (8, self.stop_leader), (4, self.pause_all),
            (5, self.pause_one), (9, self.pause_leader),
            (9 if spaces else 0, self.isolate_leader), (7 if spaces else 0, self.isolate_one),
            (7 if spaces else 0, self.split), (8 if spaces else 0, self.one_way_leader),
            (6 if spaces else 0, self.one_way), (4 if spaces else 0, self.flap),
            (5 if spaces else 0, self.bad_pair),
            (7 if spaces and os.path.exists("/dev/net/tun") else 0, self.slow_links),
            (5 if cluster.memory_disks else 0, self.full_disk),
            (4, self.lose_disk), (4, self.damage),
        ]

    def next(self):
        weights = [weight for weight, _ in self.table]
        _, make = self.chance.choices(self.table, weights)[0]
        return make()

    def only(self, names):
        rows = [row for row in self.table if row[1].__name__ in names]
        if rows:
            self.table = [(max(row[0], 1), row[1]) for row in rows]

    # -- helpers

    def majority(self):
        return self.cluster.count // 2 + 1

    def some(self):
        return self.cluster.nodes[self.chance.randrange(1, self.cluster.count + 1)]

    def leader(self):
        return self.cluster.leader() or self.some()

    def away(self):
        return self.chance.choice([0.0, 0.05, 0.3, 1.0, self.absence]) * self.chance.uniform(0.5, 1)

    def others(self, node):
        return [n for n in self.cluster.nodes if n != node.number]

    # -- processes

    def down(self, what, nodes):
        def heal():
            order = list(nodes)
            self.chance.shuffle(order)
            for node in order:
                node.start()
                time.sleep(self.chance.choice([0, 0, 0.02, 0.2]))
        return Fault(what, self.away(), heal,
                     self.cluster.count - len(nodes) >= self.majority())

    def kill_one(self, node=None):
        node = node or self.some()
        node.kill()
        return self.down(f"kill -9 of {node.number}", [node])

    def kill_leader(self):
        node = self.leader()
        node.kill()
        return self.down(f"kill -9 of the leader {node.number}", [node])

    def kill_all(self):
        nodes = list(self.cluster.nodes.values())
        self.chance.shuffle(nodes)
        for node in nodes:
            node.kill()
        return self.down("kill -9 of all", nodes)

    def kill_some(self):
        count = self.chance.randrange(2, self.cluster.count)
        nodes = self.chance.sample(list(self.cluster.nodes.values()), count)
        for node in nodes:
            node.kill()
        return self.down(f"kill -9 of {[node.number for node in nodes]}", nodes)

    def kill_in_snapshot(self):
        """Waits a moment for somebody to write one."""
        until = time.monotonic() + 2
        while time.monotonic() < until:
            for node in self.cluster.nodes.values():
                if node.child() is not None:
                    node.kill()
                    return self.down(f"kill -9 of {node.number} while it wrote a snapshot", [node])
            time.sleep(0.0005)
        return self.kill_one()

    def stop_one(self, node=None):
        node = node or self.some()
        took = node.terminate() if node.running() and not node.stopped else 0
        text = f"SIGTERM of {node.number}"
        if took is None:
            text += ", which did not end within 20 s"
        return self.down(text, [node])

    def stop_leader(self):
        return self.stop_one(self.leader())

    def complete(self):
        """All run, and all have their votes: one may lose what it has."""
        words = [node.word("mntr", 0.3) if node.running() and not node.stopped else ""
                 for node in self.cluster.nodes.values()]
        return all("zk_voteless\t0" in word for word in words)

    def lose_disk(self):
        """A node comes back with nothing but its number."""
        node = self.some()
        if not self.complete():
            return self.kill_one(node)
        node.kill()
        for name in os.listdir(node.data):
            if name != "myid":
                path = os.path.join(node.data, name)
                shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)
        return self.down(f"the disk of {node.number} lost", [node])

    def damage(self):
        """Bytes change in what a node wrote long ago: not at the log's end, which might be torn."""
        node = self.some()
        if not self.complete():
            return self.kill_one(node)
        node.kill()
        names = sorted(os.listdir(node.data))
        logs = [name for name in names if name.startswith("log.")][:-2]
        snapshots = [name for name in names if name.startswith("snapshot.")
                     and not name.endswith(".tmp")]
        choice = self.chance.choice([names for names in (logs, snapshots) if names] or [[]])
        if not choice:
            return self.down(f"kill -9 of {node.number}", [node])
        name = choice[-1]
        with open(os.path.join(node.data, name), "r+b") as file:
            size = os.fstat(file.fileno()).st_size
            at = self.chance.randrange(size // 8, size // 2) if size > 64 else size // 2
            file.seek(at)
            old = file.read(4)
            file.seek(at)
            file.write(bytes(byte ^ 0x5a for byte in old))
        return self.down(f"four bytes of {name} of {node.number} changed, at {at} of {size}", [node])

    def paused(self, nodes, seconds):
        for node in nodes:
            node.pause(True)

        def heal():
            for node in nodes:
                node.pause(False)
        return Fault(f"SIGSTOP of {[node.number for node in nodes]}", seconds, heal,
                     self.cluster.count - len(nodes) >= self.majority())

    def stall(self):
        """Beyond an election's time, sometimes beyond a session's."""
        return self.chance.choice([0.2, 0.8, 1.5, 2.5, 6.0]) * self.chance.uniform(0.7, 1)

    def pause_one(self):
        return self.paused([self.some()], self.stall())

    def pause_leader(self):
        return self.paused([self.leader()], self.stall())

    def pause_all(self):
        return self.paused(list(self.cluster.nodes.values()), self.stall())

    # -- the network

    def cut(self, ways, text, majority, seconds=None):
        for sender, receiver in ways:
            self.network.cut(sender, receiver)

        def heal():
            for sender, receiver in ways:
                self.network.cut(sender, receiver, False)
        return Fault(text, seconds or self.chance.uniform(0.3, 1.0) * self.absence, heal, majority)

    def isolate(self, node):
        ways = [(node.number, n) for n in self.others(node)]
        ways += [(n, node.number) for n in self.others(node)]
        return self.cut(ways, f"{node.number} cut off", True)

    def isolate_leader(self):
        return self.isolate(self.leader())

    def isolate_one(self):
        return self.isolate(self.some())

    def split(self):
        numbers = list(self.cluster.nodes)
        self.chance.shuffle(numbers)
        at = self.chance.randrange(1, len(numbers))
        left, right = numbers[:at], numbers[at:]
        ways = [(a, b) for a in left for b in right] + [(b, a) for a in left for b in right]
        return self.cut(ways, f"split {left} from {right}", True)

    def one_way_of(self, node):
        others = self.others(node)
        if self.chance.random() < 0.4:
            others = self.chance.sample(others, self.chance.randrange(1, len(others) + 1))
        if self.chance.random() < 0.5:
            return self.cut([(node.number, n) for n in others],
                            f"{node.number} is not heard by {others}", True)
        return self.cut([(n, node.number) for n in others],
                        f"{node.number} does not hear {others}", True)

    def one_way_leader(self):
        return self.one_way_of(self.leader())

    def one_way(self):
        return self.one_way_of(self.some())

    def bad_pair(self):
        """Two do not reach each other; all others reach both."""
        a, b = self.chance.sample(list(self.cluster.nodes), 2)
        return self.cut([(a, b), (b, a)], f"{a} and {b} do not reach each other", True)

    def flap(self):
        """A cable that is pulled: clients lose it too."""
        node = self.some()
        self.network.link(node.number, False)
        return Fault(f"the cable of {node.number} pulled", self.away() + 0.1,
                     lambda: self.network.link(node.number, True), True)

    def slow_links(self):
        node = self.some()
        seconds = self.chance.choice([0.005, 0.03, 0.1])
        ways = [(node.number, n) for n in self.others(node)]
        if self.chance.random() < 0.6:
            ways += [(n, node.number) for n in self.others(node)]
        for sender, receiver in ways:
            self.network.delay(sender, receiver, seconds, seconds)

        def heal():
            for sender, receiver in ways:
                self.network.delay(sender, receiver, 0, 0)
        return Fault(f"links of {node.number} are slow: {seconds * 1000:.0f} to "
                     f"{seconds * 2000:.0f} ms", self.absence, heal, True)

    # -- the disk

    def write_much(self):
        """More than the segments hold that are made ahead."""
        session = raw.Session(self.cluster.addresses(), self.log, 10000)
        try:
            session.connect(time.monotonic() + 2)
            for _ in range(80):
                err, _, _ = session.set(b"/much", self.chance.randbytes(100_000))
                if err == raw.NO_NODE:
                    session.create(b"/much")
            session.close()
        except (raw.Lost, raw.Expired):
            session.drop()

    def full_disk(self):
        number = self.chance.choice(list(self.cluster.memory_disks))
        node = self.cluster.nodes[number]
        path = os.path.join(node.data, "filler")
        left = self.chance.choice([0, 0, 5000, 200000])
        with open(path, "wb") as filler:
            room = os.statvfs(node.data)
            try:
                os.posix_fallocate(filler.fileno(), 0, max(room.f_bavail * room.f_frsize - left, 1))
            except OSError:
                pass

        self.write_much()

        def heal():
            # A disk that was lost meanwhile has lost this, too.
            if os.path.exists(path):
                os.unlink(path)
        return Fault(f"the disk of {number} is full but for {left} bytes", self.absence, heal, True)
