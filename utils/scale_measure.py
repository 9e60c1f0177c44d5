"""What utils/scale measures: CPU, bytes and memory by role, in ensembles with observers.

CPU seconds are a process's own, all threads, to the nanosecond; its children, which write
snapshots, are not in them. On loopback the kernel's part of receiving is charged to who sends.

A CPU second holds less work while other programs share the cores. So a lone server, the yardstick,
gets the same number of sets of the same shape before each run; all CPU seconds are then told as if
the yardstick had always taken what it took at the median.
"""
import contextlib
import glob
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import time

from ensembles import Zkd, word
from figures import median, say

# Connections to a member, requests outstanding on each, operations.
SHAPES = {"64x16": (64, 16, 80_000), "16x1": (16, 1, 3_000)}
LEAST = 1e-9  # CPU seconds an operation: where what sessions cost was more than all
TIMEOUT_MS = 4000  # of idle sessions: short, so that there are pings to measure
SETTINGS = ["standaloneEnabled false", "snapCount 2000000000", "snapSizeLimitInKb 0"]
SOCK_DIAG, SOCK_DIAG_BY_FAMILY, INET_DIAG_INFO = 4, 20, 2


class Crowd(Zkd):
    """zkd with `observers` beside its voters, the last ones. Snapshots are off."""

    def __init__(self, options, voters, observers=0):
        super().__init__(options.scratch, options.port, voters + observers)
        self.options, self.voters, self.observers = options, voters, observers
        self.binary = os.path.abspath(options.zkd)
        self.name = f"{voters}+{observers}"
        self.places = 0  # that were made for new znodes

    def write_settings(self, member):
        super().write_settings(member)
        path = os.path.join(member.directory, "zk.conf")
        with open(path) as conf:
            lines = conf.read().splitlines()
        lines = [line.replace(";", ":observer;") if self.watches_only(line) else line
                 for line in lines]
        with open(path, "w") as conf:
            conf.write("\n".join(lines + SETTINGS) + "\n")

    def watches_only(self, line):
        found = re.match(r"server\.(\d+)=", line)
        return found is not None and int(found[1]) > self.voters

    def by_role(self):
        leader = self.leader()
        others = [member for member in self.members if member is not leader]
        return dict(leader=[leader],
                    follower=[member for member in others if member.number <= self.voters],
                    observer=[member for member in others if member.number > self.voters])

    def new_place(self, member):
        self.places += 1
        place = f"/scale{self.places}"
        subprocess.run([self.options.zk_cli, "--server", f"127.0.0.1:{member.port}", "create",
                        place], stdout=subprocess.DEVNULL, check=True)
        return place

    def bench(self, members, *arguments, below=""):
        return results(self.start_bench(members, *arguments, below=below))

    def start_bench(self, members, *arguments, below=""):
        servers = ",".join(f"127.0.0.1:{member.port}" for member in members) + below
        command = [self.options.bench, "-s", servers, "--keep", "--json", "-q",
                   *map(str, arguments)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


class Yardstick:
    """A lone server; how long the same sets took it each time, by shape."""

    def __init__(self, options):
        self.crowd = Crowd(options, 1)
        self.crowd.port += 70
        self.crowd.members[0].port += 70
        self.crowd.directory += "-yardstick"
        self.crowd.members[0].directory = os.path.join(self.crowd.directory, "1")
        self.crowd.members[0].log = os.path.join(self.crowd.directory, "1", "log")
        self.crowd.clear()
        self.crowd.start()
        self.crowd.bench(self.crowd.members, "-c", 16, "-d", 16, "-w", "fill")
        self.crowd.bench(self.crowd.members, "-c", 64, "-d", 16, "-w", "set", "-n", options.warm_up)

    def measure(self, shape):
        connections, depth, count = SHAPES[shape]
        count = max(int(count * self.crowd.options.share) // 2, 1000)
        began = cpu_seconds(self.crowd.members[0])
        self.crowd.bench(self.crowd.members, "-c", connections, "-d", depth, "-n", count, "-w",
                         "set")
        return (cpu_seconds(self.crowd.members[0]) - began) / count

    def end(self):
        self.crowd.stop()
        self.crowd.clear()


class Lost(Exception):
    """Connections were lost: another leader was elected."""


def results(process):
    try:
        output, errors = process.communicate()
    finally:
        process.kill()  # where this script was ended meanwhile
    if b"ConnectionLoss" in output:
        raise Lost
    if process.returncode != 0:
        sys.exit(f"scale: {' '.join(process.args)} failed: {(output + errors).decode()}")
    return json.loads(output)["results"]


@contextlib.contextmanager
def running(options, voters, observers=0, warm=True):
    """An ensemble that is up; a warm one has what loads read and set."""
    crowd = Crowd(options, voters, observers)
    crowd.clear()
    try:
        crowd.start()
        if warm:
            crowd.bench(crowd.by_role()["leader"], "-c", 16, "-d", 16, "-w", "fill")
            crowd.bench(crowd.members, "-c", 64, "-d", 16, "-w", "set,get", "-n", options.warm_up)
        yield crowd
    finally:
        crowd.stop()
        shutil.rmtree(crowd.directory, ignore_errors=True)


# -- counters --------------------------------------------------------------------------------------


def cpu_seconds(member):
    return time.clock_gettime(~member.process.pid << 3 | 2)  # Linux's clock of that process


def resident(member):
    with open(f"/proc/{member.process.pid}/status") as status:
        return int(re.search(r"VmRSS:\s+(\d+)", status.read())[1]) * 1024


def disk_writes(member):
    """What each of its threads has written: calls, bytes, bytes that went to the disk by itself."""
    pid, found = member.process.pid, {}
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/io") as io:
            counts = {name: int(count) for name, count in re.findall(r"(\w+): (\d+)", io.read())}
        found[int(thread) == pid, thread] = (counts["syscw"], counts["wchar"],
                                             counts["write_bytes"])
    return found


def log_bytes(before, after):
    """Those of the log, in whole blocks: begun by the loop itself. Where the file system does not
    do that a thread writes them, most often of all; another one zeroes new segments."""
    grown = {thread: [now - then for now, then in zip(counts, before.get(thread, (0, 0, 0)))]
             for thread, counts in after.items()}
    begun = sum(counts[2] for (is_loop, _), counts in grown.items() if is_loop)
    return begun or max(counts[:2] for (is_loop, _), counts in grown.items() if not is_loop)[1]


def metric(member, name):
    return int(re.search(rf"^zk_{name}\t(\d+)", word(member.port, "mntr", 10), re.M)[1])


def sockets(family):
    """(inode, ports, bytes sent, bytes received) of every TCP connection, as the kernel counts."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, SOCK_DIAG) as kernel:
        ask = struct.pack("=BBBBI48x", family, socket.IPPROTO_TCP, 1 << (INET_DIAG_INFO - 1), 0,
                          1 << 1)  # those that are established
        kernel.send(struct.pack("=IHHII", 16 + len(ask), SOCK_DIAG_BY_FAMILY, 0x301, 1, 0) + ask)
        while True:
            data = kernel.recv(1 << 20)
            while data:
                length, kind = struct.unpack_from("=IH", data)
                if kind != SOCK_DIAG_BY_FAMILY:
                    return
                yield from one_socket(data[16:length])
                data = data[(length + 3) & ~3:]


def one_socket(message):
    ports = struct.unpack_from(">HH", message, 4)
    inode, at = struct.unpack_from("=I", message, 68)[0], 72
    while at + 4 <= len(message):
        length, kind = struct.unpack_from("=HH", message, at)
        if kind == INET_DIAG_INFO:  # tcp_info: bytes_acked, bytes_received
            yield (inode, ports, *struct.unpack_from("=QQ", message, at + 4 + 120))
        at += (length + 3) & ~3


def open_files(member):
    found = set()
    for path in glob.glob(f"/proc/{member.process.pid}/fd/*"):
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            found.add(os.readlink(path))
    return found


def wire_bytes(crowd, member):
    """What that member has sent to the others, and received from them."""
    own = open_files(member)
    ports = {crowd.port + 18 + 2 * other.number for other in crowd.members}
    found = [counts for family in (socket.AF_INET, socket.AF_INET6)
             for inode, between, *counts in sockets(family)
             if ports & set(between) and f"socket:[{inode}]" in own]
    return sum(sent for sent, _ in found), sum(received for _, received in found)


# -- one measurement ------------------------------------------------------------------------------


def placed(crowd, where):
    """The members that clients are at: "all", or one of a role."""
    return crowd.members if where == "all" else crowd.by_role()[where][:1]


def load(crowd, where, workload, shape):
    """The rounds of a run of `workload`, each with, by role, means of its members:

    cpu_ROLE    CPU seconds an operation
    turns_ROLE  of its loop, an operation
    share_ROLE  of all operations, those asked for there
    cpu_own     of that follower that has all the clients, where there is one

    and of the leader, an operation: bytes `sent` to and `received` from the others, `log` bytes,
    `syncs`; `yard`: the yardstick's CPU seconds of a set just before.
    """
    rounds = [patient_load(crowd, where, workload, shape) for _ in range(crowd.options.rounds)]
    told = {name: median([each[name] for each in rounds]) for name in rounds[0]}
    say(f"  {crowd.name:5} {where:8} {workload:6} {shape:5} {told['rate']:11,.0f}/s; CPU µs: " +
        "  ".join(f"{name.removeprefix('cpu_')} {told[name] * 1e6:.2f}"
                  for name in told if name.startswith("cpu_") or name == "yard"))
    return rounds


def patient_load(crowd, where, workload, shape):
    """Again, where another leader was elected meanwhile: on a busy machine one may seem to hang."""
    for _ in range(5):
        crowd.await_all()
        leader = crowd.leader()
        with contextlib.suppress(Lost):
            told = one_load(crowd, where, workload, shape)
            if crowd.leader() is leader:
                return told
        say(f"  {crowd.name}: another leader was elected; once more")
        time.sleep(2)
    sys.exit(f"scale: {crowd.name} has no leader for long enough")


def one_load(crowd, where, workload, shape):
    connections, depth, count = SHAPES[shape]
    roles, at = crowd.by_role(), placed(crowd, where)
    connections *= len(at)
    count = max(int(count * crowd.options.share), 30 * connections, 2000)
    count *= dict(get=2 * len(at), mixed=len(at)).get(workload, 1)  # members share reads
    leader = roles["leader"][0]
    below = crowd.new_place(leader) if workload == "create" else ""
    yard = crowd.options.yardstick.measure(shape)
    # Making and ending sessions are writes, too: a run of one get each tells what they cost.
    empty = {member: -cpu_seconds(member) for member in crowd.members}
    crowd.bench(at, "-c", connections, "-n", connections, "-w", "get")
    before = counters(crowd, leader)
    result = crowd.bench(at, "-c", connections, "-d", depth, "-n", count, "-w",
                         workload, below=below)[0]
    after = counters(crowd, leader)
    for member in crowd.members:
        empty[member] += before["cpu"][member]
        after["cpu"][member] -= empty[member]
    count = result["operations"]
    told = dict(yard=yard, rate=result["operations_per_second"],
                p50=result["latency_ms"]["p50"] / 1e3, log=log_bytes(before["log"], after["log"]) / count)
    for name in ("sent", "received", "syncs"):
        told[name] = (after[name] - before[name]) / count

    def each(name, members):
        grown = [after[name][member] - before[name][member] for member in members]
        return sum(grown) / len(grown)

    asked = sum(after["asked"].values()) - sum(before["asked"].values())
    for role, members in roles.items():
        # One that has all clients differs from the others.
        rest = [member for member in members if where in ("all", "leader") or member not in at]
        if rest:
            told["cpu_" + role] = max(each("cpu", rest) / (count - connections), LEAST)
            told["turns_" + role] = each("turns", rest) / count
            told["share_" + role] = each("asked", rest) / asked
    if where not in ("all", "leader"):
        told["cpu_own"] = max(each("cpu", at) / (count - connections), LEAST)
        told["turns_own"] = each("turns", at) / count
    return told


def counters(crowd, leader):
    sent, received = wire_bytes(crowd, leader)
    return dict(cpu={member: cpu_seconds(member) for member in crowd.members},
                asked={member: metric(member, "packets_received") for member in crowd.members},
                turns={member: metric(member, "cnt_turn_us") for member in crowd.members},
                sent=sent, received=received, log=disk_writes(leader),
                syncs=metric(leader, "cnt_fsynctime"))


def alone(crowd, workload):
    """The p50 in seconds of one request at a time, at the leader: the least over the rounds."""
    leader = crowd.by_role()["leader"]
    return min(crowd.bench(leader, "-c", 1, "-w", workload, "-n",
                           max(int(3000 * crowd.options.share), 300))[0]["latency_ms"]["p50"]
               for _ in range(crowd.options.rounds)) / 1e3


def idle_cpu(crowd, seconds):
    """CPU seconds a second of each role's median member, with nobody connected."""
    roles = crowd.by_role()
    before = {member: cpu_seconds(member) for member in crowd.members}
    time.sleep(seconds)
    return {role: median([(cpu_seconds(member) - before[member]) / seconds for member in members])
            for role, members in roles.items() if members}


@contextlib.contextmanager
def holding(crowd, members, name, wanted, *arguments):
    """While zk-bench holds what it has made: since a word's answer at the first has `wanted`."""
    process = crowd.start_bench(members, "--hold", 3600, *arguments)
    try:
        while wanted not in word(members[0].port, name, 60):
            if process.poll() is not None:
                results(process)
                sys.exit(f"scale: {crowd.name} does not get to: {wanted}")
            time.sleep(0.2)
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate()


def idle_clients(crowd, where, count, seconds):
    """CPU seconds of a ping where the clients are, and at the leader; bytes of a connection."""
    member, leader = placed(crowd, where)[0], crowd.by_role()["leader"][0]
    seconds = max(seconds, 2)  # a ping of each, and one of some more
    quiet = idle_cpu(crowd, seconds)
    crowd.bench([member], "-w", "idle", "-c", 100)  # what the first ones cost is not theirs
    empty = {each: resident(each) for each in (member, leader)}
    with holding(crowd, [member], "srvr", f"Connections: {count + 2}", "-w", "idle", "-c", count,
                 "--timeout", TIMEOUT_MS):
        time.sleep(2)
        before = {each: cpu_seconds(each) for each in (member, leader)}
        pings, began = metric(member, "packets_received"), time.monotonic()
        time.sleep(seconds)
        took = time.monotonic() - began
        pings = metric(member, "packets_received") - pings
        cpu = {each: cpu_seconds(each) - before[each] for each in (member, leader)}
        grown = {each: (resident(each) - empty[each]) / count for each in (member, leader)}
    told = dict(quiet=quiet, ping=(cpu[member] - quiet[where] * took) / pings, connection=grown[member],
                pings=pings / took / count)
    if member is not leader:
        told.update(ping_leader=(cpu[leader] - quiet["leader"] * took) / pings,
                    session=grown[leader])
    say(f"  {crowd.name:5} {where:8} {count:,} idle connections: " + ", ".join(
        f"{name} {value * 1e6:.2f} µs" if name.startswith("ping") and name != "pings" else
        f"{name} {value:.2f}" for name, value in told.items() if name != "quiet"))
    return told


def watch_events(crowd, where):
    """CPU seconds of an event and of setting its watch anew, where the watchers are."""
    member, share = placed(crowd, where), crowd.options.share
    connections, znodes = (100, 100) if share == 1 else (20, 20)
    events = connections * znodes * max(int(10 * share), 2)
    found = []
    for _ in range(crowd.options.rounds):
        before = cpu_seconds(member[0])
        result = crowd.bench(member, "-c", connections, "-w", "watch", "--watched", znodes, "-n",
                             events)[0]
        found.append((cpu_seconds(member[0]) - before) / result["operations"])
    say(f"  {crowd.name:5} {where:8} watch: {median(found) * 1e6:.2f} µs an event")
    return median(found)


def memory(options):
    """Bytes of an empty server, of a znode and of a watch; of a lone server, resident."""
    count = options.znodes
    space = ["--znodes", count, "--parents", min(1000, count)]
    with running(options, 1, warm=False) as crowd:
        member = crowd.members
        empty = resident(member[0])
        crowd.bench(member, "-c", 16, "-d", 64, "-w", "fill", *space)
        full = resident(member[0])
        with holding(crowd, member, "wchs", f"Total watches:{count}", "-c", 16, "-d", 64, "-w",
                     "watches", *space):
            watched = resident(member[0])
    # Few watches find room in pages that are there: a page at least.
    told = dict(empty=empty, znode=(full - empty) / count, watch=max(watched - full, 4096) / count)
    say(f"  {count:,} znodes and watches: " +
        ", ".join(f"{name} {value:,.0f} B" for name, value in told.items()))
    return told
