"""Single servers that are compared: zkd, Apache ZooKeeper, redis-server and the null server.

Each is started on a port and a directory of its own. `run` puts a load on it and says what it took:
CPU seconds of the server per 100 000 operations, operations a second, latencies in ms.
"""
import contextlib
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

from ensembles import word


def hello():
    """A ConnectRequest for a new session."""
    body = struct.pack(">iqiqi16sb", 0, 0, 30000, 0, 16, bytes(16), 0)
    return struct.pack(">i", len(body)) + body


def first_reply(port, deadline, question=hello(), least=36):
    """Waits for an answer at the port; the time when it was here.

    ZooKeeper never answers who comes before it serves: ask anew, soon.
    """
    while time.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=0.1) as connection:
                connection.sendall(question)
                if len(connection.recv(64)) >= least:
                    return time.monotonic()
        except OSError:
            pass
        time.sleep(0.0002)
    return None


class Server:
    """One process. `options` has scratch (a directory), zkd, bench and null_server (programs)."""

    question, least_answer = hello(), 36

    def __init__(self, options, port, extra=()):
        self.options, self.port, self.extra = options, port, list(extra)
        self.directory = os.path.join(options.scratch, self.name.replace(" ", "-"))
        self.process = None

    def start(self):
        """Starts it; the seconds from exec to the first reply."""
        os.makedirs(self.directory, exist_ok=True)
        command = self.command() + self.extra
        with open(self.directory + ".log", "ab") as log, open(self.directory + ".out", "wb") as out:
            began = time.monotonic()
            self.process = subprocess.Popen(command, stdout=out, stderr=log)
        answered = first_reply(self.port, began + 300, self.question, self.least_answer)
        if answered is None or self.process.poll() is not None:
            sys.exit(f"compare: {self.name} does not start; see {log.name}")
        return answered - began

    def stop(self, how=signal.SIGTERM):
        """Ends it; the seconds that it took."""
        began = time.monotonic()
        self.process.send_signal(how)
        self.process.wait()
        self.process = None
        return time.monotonic() - began

    def kill(self):
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def clear(self):
        shutil.rmtree(self.directory, ignore_errors=True)

    def pause(self, paused):
        self.process.send_signal(signal.SIGSTOP if paused else signal.SIGCONT)

    def resident(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            for line in status:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1]) * 1024
        return 0

    def cpu_seconds(self):
        """Of all its threads, to the nanosecond; Linux makes the clock's id from the process's."""
        return time.clock_gettime(~self.process.pid << 3 | 2)

    def run_on(self, processors):
        """Puts all its threads there, as `taskset -a` does."""
        for thread in os.listdir(f"/proc/{self.process.pid}/task"):
            with contextlib.suppress(ProcessLookupError):  # threads end, too
                os.sched_setaffinity(int(thread), processors)

    def has_children(self):
        """Whether a snapshot is being written, without asking the server."""
        pid = self.process.pid
        with open(f"/proc/{pid}/task/{pid}/children") as children:
            return children.read().strip() != ""

    def live(self):
        """Bytes that are really in use, where that can be told apart from the resident ones."""
        return None

    def metric(self, name):
        """Of mntr; 0 where it has none of that name."""
        found = re.search(rf"^zk_{name}\t(\d+)", word(self.port, "mntr", 60), re.M)
        return int(found[1]) if found else 0

    def start_bench(self, *arguments):
        """zk-bench in the background: its process, for `results` or `release`."""
        command = [self.options.bench, "-s", f"127.0.0.1:{self.port}", "--pid",
                   str(self.process.pid), "--json", "-q", *map(str, arguments)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def bench(self, *arguments):
        return self.results(self.start_bench(*arguments))

    @staticmethod
    def results(process):
        output, errors = process.communicate()
        if process.returncode != 0:
            said = (output + errors).decode()
            sys.exit(f"compare: {' '.join(process.args)} failed: {said}")
        return json.loads(output)["results"]

    @contextlib.contextmanager
    def holding(self, name, wanted, *arguments):
        """While zk-bench holds what it has made: since a word's answer has `wanted` in it."""
        process = self.start_bench("--hold", 3600, *arguments)
        while wanted not in word(self.port, name, 60):
            if process.poll() is not None:
                self.results(process)
                sys.exit(f"compare: {self.name} does not get to: {wanted}")
            time.sleep(0.5)
        try:
            yield
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate()

    def warm_up(self, seconds):
        third = max(seconds / 3, 0.2)
        self.bench("-c", 64, "-d", 16, "-t", third, "-w", "create,set,get")

    def run(self, load, seconds):
        result = self.bench("-c", load.connections, "-d", load.depth, "-t", seconds, "-w",
                            load.workload, *load.arguments)[0]
        latency = result["latency_ms"]
        return dict(cpu=result["server_cpu_seconds_per_100k"], rate=result["operations_per_second"],
                    p50=latency["p50"], p99=latency["p99"], p999=latency["p99.9"])


class Zkd(Server):
    name = "zkd"

    def command(self):
        return [self.options.zkd, "--clientPort", str(self.port), "--clientPortAddress",
                "127.0.0.1", "--dataDir", self.directory, "--tickTime", "2000",
                "--maxClientCnxns", "0"]


class ZooKeeper(Server):
    name = "ZooKeeper"

    def command(self):
        path = os.path.join(self.options.scratch, "zoo.cfg")
        with open(path, "w") as config:
            config.write(f"dataDir={self.directory}\nclientPort={self.port}\n"
                         "clientPortAddress=127.0.0.1\ntickTime=2000\nmaxClientCnxns=0\n"
                         "forceSync=yes\nadmin.enableServer=false\n4lw.commands.whitelist=*\n")
        return ["java", "-Xmx1g", "-cp", "/usr/share/java/zookeeper.jar",
                "org.apache.zookeeper.server.quorum.QuorumPeerMain", path]

    def live(self):
        if shutil.which("jcmd") is None:
            return None
        pid = str(self.process.pid)
        subprocess.run(["jcmd", pid, "GC.run"], stdout=subprocess.DEVNULL, check=True)
        text = subprocess.run(["jcmd", pid, "GC.heap_info"], stdout=subprocess.PIPE,
                              check=True).stdout.decode()
        for line in text.splitlines():
            if " used " in line and "heap" in line:
                number = line.split(" used ")[1].split()[0].rstrip("K,")
                return int(number) * 1024
        return None


class Null(Server):
    """utils/null_server.cc: the limit. A write is one of its turn's batch, fdatasynced."""

    name = "null server"

    def command(self):
        return [self.options.null_server, "--port", str(self.port), "--file",
                os.path.join(self.directory, "batches")]

    def disk(self):
        """Stops it; what its fdatasyncs took."""
        self.stop()
        with open(self.directory + ".out") as out:
            return json.load(out)


class Redis(Server):
    """Without persistence, under redis-benchmark: 10 000 keys of 100 bytes, as zk-bench's."""

    name = "redis"
    question, least_answer = b"PING\r\n", 7
    WORKLOADS = {"get": "get", "set": "set"}
    PILOT = 20_000  # requests that tell how many make up the wanted seconds

    def __init__(self, options, port):
        super().__init__(options, port)
        self.rates = {}

    def command(self):
        return ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "",
                "--appendonly", "no", "--dir", self.directory]

    def benchmark(self, load, count):
        command = ["redis-benchmark", "-p", str(self.port), "-t", self.WORKLOADS[load.workload],
                   "-c", str(load.connections), "-P", str(load.depth), "-n", str(int(count)),
                   "-d", "100", "-r", "10000", "--precision", "3"]
        before = self.cpu_seconds()
        done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
        cpu = self.cpu_seconds() - before
        text = done.stdout.decode().replace("\r", "\n")
        rate = float(re.search(r"throughput summary: ([\d.]+)", text)[1])
        reached = re.findall(r"^([\d.]+)% <= ([\d.]+) milliseconds",
                             text.split("Cumulative")[0], re.M)
        at = {wanted: next(float(ms) for percent, ms in reached if float(percent) >= wanted)
              for wanted in (50, 99, 99.9)}
        self.rates[load.name] = rate
        return dict(cpu=cpu * 1e5 / count, rate=rate, p50=at[50], p99=at[99], p999=at[99.9])

    def warm_up(self, seconds):
        load = Load("warm-up", 64, 16, "set")
        self.benchmark(load, self.PILOT)
        self.benchmark(load, max(self.rates[load.name] * seconds, 200_000))

    def run(self, load, seconds):
        if load.name not in self.rates:
            self.benchmark(load, self.PILOT)
        return self.benchmark(load, max(self.rates[load.name] * seconds, self.PILOT))


class Load:
    """What is asked of a server: `arguments` go to zk-bench."""

    def __init__(self, name, connections, depth, workload, arguments=(), targets=(),
                 is_pinned=False):
        self.name, self.connections, self.depth = name, connections, depth
        self.workload, self.arguments = workload, arguments
        self.is_pinned = is_pinned  # the servers run on one processor, the same for all
        self.targets = targets  # (server beside zkd, figure, how many times better)
