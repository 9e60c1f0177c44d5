#!/usr/bin/python3
"""Real zkd processes as an ensemble, made ill in every way that can be thought of, under clients that
know what may never happen.

    ensemble.py --zkd ./zkd [--nodes 3] [--minutes 1] [--seed N] [--faults kill_leader,split]

Nodes run in network namespaces where root may make them, else on loopback without broken networks.
Checked: linearizability of writes and of reads behind a sync; that no session sees time go back;
compare-and-set counters, sequences, queues, fenced locks (kazoo); watches before newer data;
ephemerals that live as long as their sessions; nothing acknowledged missing; that writes go on
wherever a majority can talk; that all nodes are equal at the end. The seed decides faults and loads;
the machine's own timing varies. Where something was wrong, everything stays in its directory.
"""
import argparse
import collections
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import linear  # noqa: E402
import programs  # noqa: E402
import raw  # noqa: E402
from cluster import Cluster, namespaces_work, run  # noqa: E402
from faults import Faults  # noqa: E402
from history import History  # noqa: E402

PATIENCE = 4.0      # within that time writes go on where a majority can talk
HEALING = 8.0       # within that time writes go on when all is healed
RECOVERY = 25.0     # within that time all nodes serve and agree when all is healed


class World:
    """What the programs share."""

    def __init__(self, servers, history, timeout_ms):
        self.servers, self.history, self.timeout_ms = servers, history, timeout_ms
        self.done = threading.Event()
        self.began = time.monotonic()
        # deque.append is atomic: many threads write, the end reads.
        for name in ("additions", "additions_unknown", "sequence", "put", "taken", "taken_unknown",
                     "mortal", "closed", "fenced"):
            setattr(self, name, collections.deque())
        self.lock = threading.Lock()
        self.left = []
        self.ill = False
        self.healed_at = self.began

    def let_die(self, path, session, now):
        with self.lock:
            self.left.append((path, session.session, session.heard, session.timeout_ms))

    def dying(self):
        with self.lock:
            return list(self.left)

    def died(self, row):
        with self.lock:
            self.left.remove(row)

    def ill_until(self, since):
        """When the ensemble was last known not to be well."""
        return max(since, time.monotonic() if self.ill else self.healed_at)


class Trial:
    def __init__(self, options):
        self.options = options
        self.began = time.monotonic()
        self.directory = tempfile.mkdtemp(prefix="zkd-ensemble-", dir=options.dir)
        self.story = open(os.path.join(self.directory, "story"), "w", buffering=1)
        self.history = History(self.say)
        disks = [options.nodes] if options.spaces else []
        settings = dict(tickTime=1000, initLimit=10, syncLimit=5, snapCount=options.snap_count,
                        preAllocSize=2048, minSessionTimeout=1000,
                        logLevel="debug")
        self.cluster = Cluster(options.zkd, self.directory, options.nodes, options.number,
                               options.port, settings, options.spaces, disks)
        self.world = World(self.cluster.addresses(), self.history, options.timeout)
        self.faults = Faults(self.cluster, options.seed + 1, self.say, options.absence)
        if options.faults:
            self.faults.only(options.faults.split(","))
        self.programs = []
        self.gaps = []      # of each round: the longest time without a write, and why

    def say(self, text):
        line = f"{time.strftime('%H:%M:%S')} {time.monotonic() - self.began:8.3f} {text}"
        self.story.write(line + "\n")
        if self.options.verbose or text.startswith("WRONG"):
            print(line if len(line) < 2000 else line[:2000] + "...", flush=True)

    # -- course

    def prepare(self):
        self.cluster.prepare()
        self.cluster.start()
        setup = raw.Session(self.world.servers, self.history.complain, 10000)
        # While they start: whoever comes too early is to be turned away, and nothing worse.
        until = time.monotonic() + 30
        while setup.socket is None:
            self.look_for_deaths()
            assert not self.history.complaints, "the ensemble does not come up"
            try:
                setup.connect(min(time.monotonic() + 0.5, until))
            except raw.Lost:
                assert time.monotonic() < until, "the ensemble does not come up:\n" + self.tails(4)
        for path in (b"/registers", b"/sequence", b"/queue", b"/ephemerals", b"/lock"):
            assert setup.create(path)[0] == raw.OK
        assert setup.create(b"/counter", b"0")[0] == raw.OK
        assert setup.create(b"/fence", b"")[0] == raw.OK
        setup.close()
        self.say(f"the ensemble serves; {self.cluster.leader().number} leads")

    def start_programs(self):
        chance = random.Random(self.options.seed)
        plan = [(programs.Registers, 5), (programs.Counter, 2), (programs.Sequence, 2),
                (programs.Queue, 3), (programs.Ephemerals, 3), (programs.Watcher, 1),
                (programs.Reaper, 1)]
        try:
            from kazoo_programs import Locker
            plan.append((Locker, 2))
        except ImportError:
            self.say("kazoo is not there: no locks")
        for kind, count in plan:
            for index in range(count):
                self.programs.append(kind(self.world, index, chance.randrange(1 << 32)))
        for program in self.programs:
            program.start()

    def ail(self):
        """Fault after fault, until the time is over."""
        end = time.monotonic() + self.options.minutes * 60
        rounds = 0
        while time.monotonic() < end and len(self.history.complaints) < 5:
            self.pause(self.faults.chance.uniform(0.3, 1.5))
            count = 2 if self.faults.chance.random() < self.options.double else 1
            self.one_round([None] * count)
            rounds += 1
            self.check_old_registers()
        return rounds

    def pause(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.look_for_deaths()
            time.sleep(min(0.1, max(end - time.monotonic(), 0)))

    def one_round(self, wanted):
        self.world.ill = True
        began = time.monotonic()
        faults = []
        try:
            for _ in wanted:
                fault = self.faults.next()
                self.say(f"fault: {fault.text}, for {fault.seconds:.2f} s")
                faults.append(fault)
            self.pause(max(fault.seconds for fault in faults))
        finally:
            for fault in reversed(faults):
                fault.heal()
            healed = time.monotonic()
            self.say("healed")
        self.await_writes(healed, faults)
        gap = self.history.longest_gap(began, time.monotonic())
        self.gaps.append((gap, ", ".join(fault.text for fault in faults)))
        if len(faults) == 1 and faults[0].majority and gap > PATIENCE:
            self.history.complain(f"no write for {gap:.1f} s though a majority could talk: "
                                  f"{faults[0].text}")
        self.world.healed_at = time.monotonic()
        self.world.ill = False

    def await_writes(self, healed, faults):
        """Whatever happened: soon after it is over, writes go on."""
        while self.history.writes_since(healed) == 0:
            self.look_for_deaths()
            if time.monotonic() - healed > HEALING:
                text = ", ".join(fault.text for fault in faults)
                self.history.complain(f"no write within {HEALING:.0f} s after: {text}\n" +
                                      self.tails(4))
                return
            time.sleep(0.01)
        took = time.monotonic() - healed
        if took > 0.5:
            self.say(f"the first write came {took:.2f} s after it")

    def look_for_deaths(self):
        for node in self.cluster.deaths():
            with node.lock:
                node.wanted_down = True
            self.history.complain(f"node {node.number} ended by itself, status "
                                  f"{node.process.returncode}:\n" + node.said()[-1500:])

    def look_for_words(self):
        """What no node may ever have to say of itself."""
        for number, node in self.cluster.nodes.items():
            for line in node.said().splitlines():
                if re.search(r"states? differs? |ASSERT|another ensemble|makes no sense|bad frame", line):
                    self.history.complain(f"node {number} said: {line}")
                    break

    def check_old_registers(self):
        """Those whose period is over, and with it all that could still be under way to them."""
        period = int((time.monotonic() - self.world.began - 15) / programs.PERIOD)
        with self.history.lock:
            names = [name for name in self.history.operations
                     if int(name.split(b"/")[2].split(b"-")[0]) < period]
        self.history.check(names)

    # -- the end

    def finish(self):
        """All is healed; the programs end; everything is judged."""
        self.say("the end: all nodes are to come back")
        for node in self.cluster.nodes.values():
            node.pause(False)
        if self.cluster.network is not None:
            self.cluster.network.heal()
        for node in self.cluster.nodes.values():
            node.start()
        self.pause(1.5)
        self.await_death_of_sessions()
        self.world.done.set()
        for program in self.programs:
            program.join(40)
            if program.is_alive():
                self.history.complain(f"{program.name} hangs")
        self.look_for_deaths()
        self.look_for_words()
        self.history.check()
        self.await_last_ephemerals()
        dumps = self.dumps()
        if dumps:
            self.check_end(next(iter(dumps.values())))
            self.compare(dumps)

    def await_death_of_sessions(self):
        self.world.healed_at = time.monotonic()
        until = time.monotonic() + 2 * self.options.timeout / 1000 + 4
        while self.world.dying() and time.monotonic() < until:
            time.sleep(0.1)

    def await_last_ephemerals(self):
        """Every client has left, so every ephemeral has to go."""
        began = time.monotonic()
        patience = 2 * self.options.timeout / 1000 + RECOVERY
        session = raw.Session(self.world.servers, self.history.complain, 10000)
        names = []
        while time.monotonic() < began + patience:
            try:
                if session.socket is None:
                    session.connect(began + patience)
                session.sync()
                names = session.children(b"/ephemerals")[1] + session.children(b"/lock")[1]
                if not names:
                    session.close()
                    return
            except (raw.Lost, raw.Expired):
                session.forget()
            time.sleep(0.1)
        self.history.complain(f"{len(names)} ephemerals are there {patience:.0f} s after their "
                              f"clients left, as {names[:3]}")

    def dumps(self):
        """The whole tree as each node has it, behind a sync."""
        dumps = {}
        for number in self.cluster.nodes:
            session = raw.Session([self.cluster.client_address(number)], self.history.complain,
                                  10000, patience=10)
            try:
                session.connect(time.monotonic() + RECOVERY)
                dumps[number] = self.dump(session)
                session.close()
            except (raw.Lost, raw.Expired):
                self.history.complain(f"node {number} does not serve {RECOVERY:.0f} s after all was "
                                      f"healed:\n{self.cluster.nodes[number].said()[-1500:]}")
        return dumps

    def dump(self, session):
        """Level after level, in pipelines."""
        tree = {}
        assert session.sync() == raw.OK
        level = [b"/"]
        while level:
            below = []
            for at in range(0, len(level), 200):
                paths = level[at:at + 200]
                gets = [(raw.GET, raw.text(path) + b"\0") for path in paths]
                lists = [(raw.CHILDREN, raw.text(path) + b"\0") for path in paths]
                replies = session.calls(gets + lists)
                for path, got, listed in zip(paths, replies, replies[len(paths):]):
                    if got[0] != raw.OK or listed[0] != raw.OK:
                        continue
                    data, end = raw.take_text(got[1], 0)
                    tree[path] = (data, raw.Stat(got[1], end).all())
                    base = path if path != b"/" else b""
                    below += [base + b"/" + name for name in raw.take_names(listed[1])]
            level = below
        return tree

    def compare(self, dumps):
        first, tree = next(iter(dumps.items()))
        for number, other in dumps.items():
            differ = [path for path in set(tree) | set(other)
                      if tree.get(path) != other.get(path) and path not in (b"/zookeeper",)]
            # The dumps' own sessions leave no trace; programs have ended.
            if differ:
                path = sorted(differ)[0]
                self.history.complain(f"nodes {first} and {number} differ in {len(differ)} znodes, "
                                      f"as {path}: {tree.get(path)} and {other.get(path)}")
        digests = {}
        for number, node in self.cluster.nodes.items():
            found = re.search(r"zk_digest\t(\S+)", node.word("mntr"))
            if found:
                digests[number] = found[1]
        if len(set(digests.values())) > 1:
            self.history.complain(f"digests differ: {digests}")

    def check_end(self, tree):
        self.check_counter(tree)
        self.check_sequence(tree)
        self.check_queue(tree)
        self.check_fences()
        self.check_ephemerals(tree)

    def check_counter(self, tree):
        final = int(tree[b"/counter"][0])
        values = collections.Counter(value for value, _, _ in self.world.additions)
        twice = [value for value, times in values.items() if times > 1]
        if twice:
            self.history.complain(f"the counter gave {twice[:5]} to more than one")
        if values and max(values) > final:
            self.history.complain(f"the counter is {final}, {max(values)} was acknowledged")
        missing = set(range(1, final + 1)) - set(values) - set(self.world.additions_unknown)
        if missing:
            self.history.complain(f"the counter reached {final}; nobody added {sorted(missing)[:5]}")

    def check_sequence(self, tree):
        rows = sorted(self.world.sequence)
        gone = [path for _, _, _, path in rows if path not in tree]
        if gone:
            self.history.complain(f"{len(gone)} acknowledged znodes are gone, as {gone[:3]}")
        numbers = collections.Counter(number for _, _, number, _ in rows)
        twice = [number for number, times in numbers.items() if times > 1]
        if twice:
            self.history.complain(f"sequence numbers {twice[:5]} were given twice")
        # Whoever began after another had ended has the greater number.
        by_end = sorted(rows, key=lambda row: row[1])
        at, most = 0, -1
        for began, _, number, path in rows:
            while at < len(by_end) and by_end[at][1] < began:
                most = max(most, by_end[at][2])
                at += 1
            if number < most:
                self.history.complain(f"{path} was asked for after {most} had been given")
                break

    def check_queue(self, tree):
        taken = collections.Counter(path for path, _ in self.world.taken)
        twice = [path for path, times in taken.items() if times > 1]
        if twice:
            self.history.complain(f"taken more than once: {twice[:3]}")
        unknown = set(self.world.taken_unknown)
        lost = [path for path, _ in self.world.put
                if path not in tree and path not in taken and path not in unknown]
        if lost:
            self.history.complain(f"{len(lost)} items were put and nobody took them: {lost[:3]}")
        back = [path for path in taken if path in tree]
        if back:
            self.history.complain(f"taken, and there again: {back[:3]}")

    def check_fences(self):
        last = (0, -1, "")
        for zxid, token, name in sorted(self.world.fenced):
            if token < last[1]:
                self.history.complain(f"{name} wrote with lock {token} at {zxid:x}, after {last[2]} "
                                      f"with lock {last[1]} at {last[0]:x}")
            last = (zxid, token, name)

    def check_ephemerals(self, tree):
        """None of a session that was closed; none at all by now but of clients that ended just now."""
        closed = {session for _, session in self.world.closed}
        for path, (_, stat) in tree.items():
            owner = stat[7]
            if owner in closed:
                self.history.complain(f"ephemeral {path} outlived its closed session {owner:x}")

    def tails(self, lines):
        return "\n".join(f"  {n}: " + "\n     ".join(node.said().splitlines()[-lines:])
                         for n, node in self.cluster.nodes.items())

    def report(self, rounds):
        counts = self.history.counts
        gap, why = max(self.gaps, default=(0.0, "no fault"))
        print(f"{rounds} rounds of faults, {counts['writes acknowledged']} writes acknowledged, "
              f"{self.history.checked} operations checked for linearizability, of "
              f"{self.history.unknown} the fate is unknown; {counts['connections lost']} connections "
              f"and {counts['sessions expired']} sessions lost, {counts['locks held']} locks held, "
              f"{counts['sessions left to die that died']} sessions died in time; longest time "
              f"without a write {gap:.1f} s ({why})"
              + (f"; {counts['writes refused']} writes refused" if counts["writes refused"] else ""))


def carry_out(options):
    trial = Trial(options)
    rounds = 0
    try:
        trial.prepare()
        trial.start_programs()
        rounds = trial.ail()
        trial.finish()
    except BaseException as failure:  # noqa: whatever it is, the trial failed
        trial.history.complain(f"{type(failure).__name__}: {failure}")
        if not isinstance(failure, Exception):
            raise
    finally:
        trial.world.done.set()
        keep = bool(trial.history.complaints)
        if keep:
            for node in trial.cluster.nodes.values():
                node.kill()
                if node.memory_disk:
                    shutil.copytree(node.data, node.data + "-kept", dirs_exist_ok=True)
        trial.cluster.remove()
    trial.report(rounds)
    wrong = len(trial.history.complaints)
    if keep:
        print(f"seed {options.seed}; story, logs and data are kept in {trial.directory}")
    else:
        shutil.rmtree(trial.directory)
    print(f"{rounds} passed, {wrong} failed")
    return 1 if wrong else 0


def read_options():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--zkd", default="./zkd")
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--faults", help="only these, by the names of the functions in faults.py")
    parser.add_argument("--absence", type=float, default=3.0, metavar="SECONDS",
                        help="the longest that a node is down or cut off (3)")
    parser.add_argument("--double", type=float, default=0.25, metavar="PART",
                        help="of rounds with two faults at a time (0.25)")
    parser.add_argument("--timeout", type=int, default=4000, metavar="MS", help="of sessions (4000)")
    parser.add_argument("--snap-count", type=int, default=400)
    parser.add_argument("--port", type=int, default=22400, help="the first, on loopback (22400)")
    parser.add_argument("--number", type=int, default=None,
                        help="of the networks' names and addresses, 1 to 250; two trials at the "
                             "same time need two")
    parser.add_argument("--loopback", action="store_true", help="no namespaces")
    parser.add_argument("--dir", default=None, help="where everything is kept while it runs")
    parser.add_argument("--verbose", action="store_true", help="the story as it happens")
    options = parser.parse_args()
    options.zkd = os.path.abspath(options.zkd)
    options.spaces = not options.loopback and namespaces_work()
    if options.seed is None:
        options.seed = random.SystemRandom().randrange(1 << 32)
    if options.number is None:
        options.number = os.getpid() % 250 + 1
    return options


def main():
    options = read_options()
    linear.self_test()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    where = "network namespaces" if options.spaces else "loopback: no broken networks"
    print(f"ensemble test: seed {options.seed}, {options.nodes} nodes, {options.minutes:g} minutes, "
          f"{where}", flush=True)
    return carry_out(options)


if __name__ == "__main__":
    sys.exit(main())
