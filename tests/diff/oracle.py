"""oracle.py -- starts and stops the two servers that are compared, each in a directory of its own.

Owns the processes and their temporary directories. Both get the same zoo.cfg keys. Apache ZooKeeper
comes from Debian's package (its `zookeeper.jar` names the other jars in its manifest).
"""
import glob
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import wire

SUPER = b"super:test"
SETTINGS = {
    "tickTime": "100", "minSessionTimeout": "200", "maxSessionTimeout": "60000",
    "maxClientCnxns": "0", "extendedTypesEnabled": "true", "enforceQuota": "true",
    "4lw.commands.whitelist": "*", "forceSync": "no", "clientPortAddress": "127.0.0.1",
    "DigestAuthenticationProvider.superDigest": "super:D/InIHSb7yEEbrWz8b9l71RjZJU=",
    "admin.enableServer": "false",
}
JAVA = ["java", "-Xms256m", "-Xmx512m", "-XX:+UseSerialGC", "-Dorg.slf4j.simpleLogger.defaultLogLevel=off",
        "-Dorg.slf4j.simpleLogger.log.org.apache.zookeeper.server.ZooKeeperCriticalThread=error",
        "-Dznode.container.checkIntervalMs=86400000"]


def free_port(first=23100, last=23999):
    for port in range(first + os.getpid() % 400, last):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise SystemExit("no free port between %d and %d" % (first, last))


def jar():
    for pattern in ("/usr/share/java/zookeeper.jar", "/usr/share/zookeeper/lib/zookeeper-3*.jar"):
        found = sorted(glob.glob(pattern))
        if found:
            return found[0]
    raise SystemExit("Apache ZooKeeper is missing: apt-get install zookeeper")


class Server:
    """A running server. `kind` is "zookeeper" or the path of a zkd binary."""

    def __init__(self, kind, port=None, settings=None):
        self.kind = "zookeeper" if kind == "zookeeper" else "zkd"
        self.port = port or free_port()
        self.home = tempfile.mkdtemp(prefix="zkd-diff-")
        self.process = None
        config = dict(SETTINGS, clientPort=str(self.port), dataDir=self.home + "/data")
        config.update(settings or {})
        if self.kind == "zkd":
            config["znode.container.checkIntervalMs"] = "86400000"
        with open(self.home + "/zoo.cfg", "w") as file:
            file.writelines("%s=%s\n" % pair for pair in sorted(config.items()))
        self.command = [os.path.abspath(kind), "zoo.cfg"]
        if self.kind == "zookeeper":
            main = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
            logger = "/usr/share/java/slf4j-simple.jar"          # so that a death says why
            self.command = JAVA + ["-cp", jar() + ":" + logger, main, "zoo.cfg"]
        self.start()

    def start(self):
        self.output = open(self.home + "/output", "ab")
        self.process = subprocess.Popen(self.command, cwd=self.home, stdin=subprocess.DEVNULL,
                                        stdout=self.output, stderr=self.output)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                if "Mode:" in wire.word(self.port, "srvr"):
                    return self
            except OSError:
                pass
            time.sleep(0.02)
        said = self.said()
        self.stop()
        raise SystemExit("%s did not start:\n%s" % (" ".join(self.command), said))

    def said(self, lines=30):
        with open(self.home + "/output", errors="replace") as file:
            return "".join(file.readlines()[-lines:])

    def dead(self):
        return self.process.poll() is not None

    def stop(self, keep=False):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.output.close()
        if not keep:
            shutil.rmtree(self.home, ignore_errors=True)

    def sessions(self):
        """Ids of the sessions that the server counts as alive."""
        found = set()
        for line in wire.word(self.port, "dump").split("ephemeral nodes dump:")[0].splitlines():
            text = line.strip()
            if text.startswith("0x"):
                found.add(int(text.split()[0], 16))
        return found
