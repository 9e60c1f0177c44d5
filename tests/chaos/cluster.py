"""An ensemble of real zkd processes on this machine, and the network between them.

With root's rights each node lives in a network namespace of its own, on one bridge, so that the
network can be broken; without, all are on loopback and the network stays whole.

    node 1: 10.213.K.1 --- veth --+
    node 2: 10.213.K.2 --- veth --+-- bridge 10.213.K.254: the clients
    node 3: 10.213.K.3 --- veth --+

One direction between two nodes is cut by a neighbour entry that leads nowhere: what is sent is lost
without a word, as on a real network. One direction is slowed by a route through a tun device, from
which this process carries the packets on, later (the kernel here may lack netem).
"""
import fcntl
import heapq
import os
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time

NOWHERE = "02:00:00:00:de:ad"
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 1, 0x1000


def run(*command, quiet=False):
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if result.returncode != 0 and not quiet:
        raise RuntimeError(f"{' '.join(command)}: {result.stdout.decode().strip()}")
    return result.returncode == 0


def namespaces_work():
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return False
    name = f"zkchaos{os.getpid()}"
    if not run("ip", "netns", "add", name, quiet=True):
        return False
    works = run("ip", "link", "add", name[:14] + "t", "type", "veth", "peer", "name", "eth0", "netns",
                name, quiet=True)
    run("ip", "netns", "del", name, quiet=True)
    return works


class Relay:
    """Carries packets between tun devices of nodes, each direction with a delay of its own."""

    def __init__(self):
        self.devices = {}   # fd -> node
        self.nodes = {}     # node -> fd
        self.delays = {}    # (from, to) -> (seconds, jitter)
        self.queue = []
        self.count = 0
        self.last = {}      # (from, to) -> when the last packet leaves: none overtakes another
        self.running = True
        self.thread = None

    def add(self, node, name):
        fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22s", name.encode(), IFF_TUN | IFF_NO_PI, b""))
        self.devices[fd], self.nodes[node] = node, fd

    def start(self):
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def stop(self):
        self.running = False
        if self.thread is not None:
            self.thread.join()
        for fd in self.devices:
            os.close(fd)

    def work(self):
        while self.running:
            wait = 0.1
            if self.queue:
                wait = min(max(self.queue[0][0] - time.monotonic(), 0), wait)
            ready, _, _ = select.select(list(self.devices), [], [], wait)
            for fd in ready:
                self.take(fd)
            now = time.monotonic()
            while self.queue and self.queue[0][0] <= now:
                _, _, to, packet = heapq.heappop(self.queue)
                try:
                    os.write(self.nodes[to], packet)
                except OSError:
                    pass

    def take(self, fd):
        for _ in range(64):
            try:
                packet = os.read(fd, 65536)
            except OSError:
                return
            if len(packet) < 20 or packet[0] >> 4 != 4:
                continue
            way = (self.devices[fd], packet[19])
            if way[1] not in self.nodes:
                continue
            seconds, jitter = self.delays.get(way, (0, 0))
            self.count += 1
            at = time.monotonic() + seconds + jitter * (self.count * 7919 % 1000) / 1000
            at = max(at, self.last.get(way, 0))
            self.last[way] = at
            heapq.heappush(self.queue, (at, self.count, way[1], packet))


class Network:
    """Namespaces, bridge, cuts. `whole` is False where only loopback is to be had."""

    def __init__(self, count, number):
        self.count, self.number = count, number
        self.bridge = f"zkc{number}"
        self.relay = Relay()
        self.cuts = set()   # (from, to)
        self.slow = set()
        self.lock = threading.RLock()

    def namespace(self, node):
        return f"zkc{self.number}n{node}"

    def address(self, node):
        return f"10.213.{self.number}.{node}"

    def inside(self, node, *command, quiet=False):
        return run("ip", "-n", self.namespace(node), *command, quiet=quiet)

    def start(self):
        self.remove()
        run("ip", "link", "add", self.bridge, "type", "bridge")
        run("ip", "addr", "add", self.address(254) + "/24", "dev", self.bridge)
        run("ip", "link", "set", self.bridge, "up")
        for node in range(1, self.count + 1):
            name, outside = self.namespace(node), f"{self.bridge}v{node}"
            run("ip", "netns", "add", name)
            run("ip", "link", "add", outside, "type", "veth", "peer", "name", "eth0", "netns", name)
            run("ip", "link", "set", outside, "master", self.bridge)
            run("ip", "link", "set", outside, "up")
            self.inside(node, "addr", "add", self.address(node) + "/24", "dev", "eth0")
            self.inside(node, "link", "set", "eth0", "up")
            self.inside(node, "link", "set", "lo", "up")
            try:
                self.add_slow_way(node, name)
            except OSError:
                pass  # no tun device: links are never slow
        if self.relay.nodes:
            self.relay.start()

    def add_slow_way(self, node, name):
        device = f"{self.bridge}t{node}"
        self.relay.add(node, device)
        run("ip", "link", "set", device, "netns", name)
        self.inside(node, "link", "set", device, "mtu", "1400", "up")
        for key in ("all", device, "eth0"):
            subprocess.run(["ip", "netns", "exec", name, "sh", "-c",
                            f"echo 0 >/proc/sys/net/ipv4/conf/{key}/rp_filter"], check=False)

    def cut(self, sender, receiver, cut=True):
        """What `sender` sends to `receiver` is lost."""
        with self.lock:
            if ((sender, receiver) in self.cuts) == cut:
                return
            (self.cuts.add if cut else self.cuts.discard)((sender, receiver))
            address = self.address(receiver)
            if cut:
                self.inside(sender, "neigh", "replace", address, "lladdr", NOWHERE, "dev", "eth0",
                            "nud", "permanent")
            else:
                self.inside(sender, "neigh", "del", address, "dev", "eth0", quiet=True)

    def delay(self, sender, receiver, seconds, jitter):
        """Slows one direction; 0: no more."""
        with self.lock:
            address, way = self.address(receiver) + "/32", (sender, receiver)
            if seconds > 0 and sender in self.relay.nodes and receiver in self.relay.nodes:
                self.relay.delays[way] = (seconds, jitter)
                self.slow.add(way)
                self.inside(sender, "route", "replace", address, "dev", f"{self.bridge}t{sender}",
                            "src", self.address(sender))
            elif way in self.slow:
                self.slow.discard(way)
                self.inside(sender, "route", "del", address, quiet=True)
                self.relay.delays.pop(way, None)

    def link(self, node, up):
        run("ip", "link", "set", f"{self.bridge}v{node}", "up" if up else "down")

    def heal(self):
        with self.lock:
            for sender, receiver in list(self.cuts):
                self.cut(sender, receiver, False)
            for sender, receiver in list(self.slow):
                self.delay(sender, receiver, 0, 0)
            for node in range(1, self.count + 1):
                self.link(node, True)

    def remove(self):
        self.relay.stop()
        for node in range(1, self.count + 1):
            run("ip", "netns", "del", self.namespace(node), quiet=True)
        run("ip", "link", "del", self.bridge, quiet=True)
        self.relay = Relay()


class Node:
    """One zkd process with its directory."""

    def __init__(self, cluster, number):
        self.cluster, self.number = cluster, number
        self.directory = os.path.join(cluster.directory, str(number))
        self.data = os.path.join(self.directory, "data")
        self.log_path = os.path.join(self.directory, "log")
        self.process = None
        self.stopped = False
        self.starts = 0
        self.lock = threading.RLock()
        self.wanted_down = False
        self.memory_disk = False

    def address(self):
        return self.cluster.client_address(self.number)

    def start(self):
        with self.lock:
            if self.running():
                return
            command = [self.cluster.zkd, os.path.join(self.directory, "zk.conf")]
            if self.cluster.network is not None:
                name = self.cluster.network.namespace(self.number)
                command = ["ip", "netns", "exec", name] + command
            with open(self.log_path, "ab") as log:
                self.process = subprocess.Popen(command, stdout=log, stderr=log,
                                                start_new_session=True)
            self.starts += 1
            self.stopped = self.wanted_down = False

    def running(self):
        return self.process is not None and self.process.poll() is None

    def send(self, number):
        if self.running():
            self.process.send_signal(number)

    def kill(self):
        with self.lock:
            self.wanted_down = True
            self.send(signal.SIGKILL)
            if self.process is not None:
                self.process.wait()
            self.stopped = False

    def terminate(self, patience=20):
        """How long the orderly end took."""
        with self.lock:
            self.wanted_down = True
            began = time.monotonic()
            self.send(signal.SIGTERM)
            try:
                self.process.wait(patience)
            except subprocess.TimeoutExpired:
                self.kill()
                return None
            return time.monotonic() - began

    def pause(self, paused):
        with self.lock:
            self.stopped = paused and self.running()
            self.send(signal.SIGSTOP if paused else signal.SIGCONT)

    def child(self):
        """The process that writes a snapshot, if there is one."""
        if not self.running():
            return None
        try:
            with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children") as children:
                found = children.read().split()
                return int(found[0]) if found else None
        except OSError:
            return None

    def said(self):
        try:
            with open(self.log_path, errors="replace") as log:
                return log.read()
        except OSError:
            return ""

    def word(self, word, patience=1.0):
        try:
            with socket.create_connection(self.address(), timeout=patience) as connection:
                connection.sendall(word.encode())
                answer = b""
                while block := connection.recv(65536):
                    answer += block
                return answer.decode(errors="replace")
        except OSError:
            return ""


class Cluster:
    def __init__(self, zkd, directory, count, number, port, settings, spaces=True, memory_disks=()):
        self.zkd, self.directory, self.count, self.port = zkd, directory, count, port
        self.network = Network(count, number) if spaces else None
        self.nodes = {n: Node(self, n) for n in range(1, count + 1)}
        self.settings = settings
        self.memory_disks = memory_disks if spaces else ()

    def client_address(self, node):
        if self.network is not None:
            return (self.network.address(node), 2181)
        return ("127.0.0.1", self.port + node)

    def addresses(self):
        return [self.client_address(node) for node in self.nodes]

    def prepare(self):
        if self.network is not None:
            self.network.start()
        with open(os.path.join(self.directory, "secret"), "w") as secret:
            secret.write("known to the nodes of this test alone\n")
        os.chmod(secret.name, 0o600)
        for number, node in self.nodes.items():
            os.makedirs(node.data)
            if number in self.memory_disks:
                run("mount", "-t", "tmpfs", "-o", "size=48m", "zkchaos", node.data)
                node.memory_disk = True
            with open(os.path.join(node.data, "myid"), "w") as myid:
                myid.write(f"{number}\n")
            self.write_settings(number, node)

    def write_settings(self, number, node):
        host, port = self.client_address(number)
        lines = [f"dataDir {node.data}", f"clientPortAddress {host}", f"clientPort {port}",
                 f"quorum.secretFile {self.directory}/secret", "standaloneEnabled false",
                 "4lw.commands.whitelist *", "maxClientCnxns 0"]
        lines += [f"{key} {value}" for key, value in self.settings.items()]
        for other in self.nodes:
            host, port = self.client_address(other)
            quorum = 2888 if self.network is not None else self.port + 20 + 2 * other
            lines.append(f"server.{other}={host}:{quorum}:{quorum + 1};{host}:{port}")
        with open(os.path.join(node.directory, "zk.conf"), "w") as conf:
            conf.write("\n".join(lines) + "\n")

    def start(self):
        for node in self.nodes.values():
            node.start()

    def leader(self):
        """The node that says it leads, of those that run; of several the one of the latest term."""
        best = (0, None)
        for node in self.nodes.values():
            if not node.running():
                continue
            said = node.said()
            cut = max(said.rfind(" ready on "), 0)
            terms = re.findall(r"term (\d+): (this node leads|server\.\d+ leads|no leader)", said[cut:])
            if terms and terms[-1][1] == "this node leads":
                best = max(best, (int(terms[-1][0]), node.number))
        return self.nodes[best[1]] if best[1] is not None else None

    def deaths(self):
        """Nodes that ended though nobody ended them."""
        dead = []
        for node in self.nodes.values():
            with node.lock:
                if node.process is not None and not node.wanted_down and not node.running():
                    dead.append(node)
        return dead

    def remove(self):
        for node in self.nodes.values():
            node.kill()
            if node.memory_disk:
                run("umount", "-l", node.data, quiet=True)
        if self.network is not None:
            self.network.remove()
