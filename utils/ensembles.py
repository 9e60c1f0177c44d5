"""Ensembles of zkd and of Apache ZooKeeper on this machine, for the scripts that compare them.

Both get the same: loopback, tickTime 2000, initLimit 10, syncLimit 5, fsync on, a directory a server.
"""
import os
import re
import shutil
import signal
import socket
import subprocess
import time

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def word(port, name, patience=1.0):
    """A four-letter word's answer, or nothing."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=patience) as connection:
            connection.sendall(name.encode())
            answer = b""
            while block := connection.recv(65536):
                answer += block
            return answer.decode(errors="replace")
    except OSError:
        return ""


class Member:
    def __init__(self, ensemble, number):
        self.ensemble, self.number = ensemble, number
        self.port = ensemble.port + number - 1
        self.directory = os.path.join(ensemble.directory, str(number))
        self.log = os.path.join(self.directory, "log")
        self.log_begin = 0  # of what its last start says
        self.process = None

    def start(self):
        with open(self.log, "ab") as log:
            self.log_begin = os.fstat(log.fileno()).st_size
            self.process = subprocess.Popen(self.ensemble.command(self), stdout=log, stderr=log,
                                            start_new_session=True, cwd=self.directory)

    def send(self, number):
        self.process.send_signal(number)

    def wait(self):
        self.process.wait()

    def cpu_seconds(self):
        with open(f"/proc/{self.process.pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Ensemble:
    """`count` members below a directory, client ports from `port` on, others 20 above."""

    def __init__(self, scratch, port, count=3):
        self.directory = os.path.join(scratch, self.name)
        self.port, self.count = port, count
        self.members = [Member(self, number) for number in range(1, count + 1)]

    def ports(self):
        return [member.port for member in self.members]

    def start(self):
        for member in self.members:
            os.makedirs(os.path.join(member.directory, "data"), exist_ok=True)
            with open(os.path.join(member.directory, "data", "myid"), "w") as myid:
                myid.write(f"{member.number}\n")
            self.write_settings(member)
        for member in self.members:
            member.start()
        self.await_all()

    def await_all(self, patience=60):
        """Until every member has a leader or is it. The seconds that it took."""
        began = time.monotonic()
        while True:
            if self.leader() is not None and all(self.ready(member) for member in self.members):
                return time.monotonic() - began
            if time.monotonic() > began + patience:
                raise SystemExit(f"{self.name} does not come up; see {self.directory}/*/log")
            time.sleep(0.02)

    def pause(self, paused):
        for member in self.members:
            member.send(signal.SIGSTOP if paused else signal.SIGCONT)

    def cpu_seconds(self):
        return sum(member.cpu_seconds() for member in self.members)

    def stop(self):
        for member in self.members:
            if member.process is not None:
                member.process.kill()
                member.wait()
                member.process = None

    def clear(self):
        shutil.rmtree(self.directory, ignore_errors=True)


class Zkd(Ensemble):
    name = "zkd"
    binary = os.path.join(TOP, "zkd")

    def write_settings(self, member):
        secret = os.path.join(self.directory, "secret")
        with open(secret, "w") as file:
            file.write("for the servers of this comparison alone\n")
        os.chmod(secret, 0o600)
        lines = [f"dataDir {member.directory}/data", "clientPortAddress 127.0.0.1",
                 f"clientPort {member.port}", "tickTime 2000", "initLimit 10", "syncLimit 5",
                 "maxClientCnxns 0", "4lw.commands.whitelist *", f"quorum.secretFile {secret}"]
        lines += [f"server.{other.number}=127.0.0.1:{self.port + 18 + 2 * other.number}:"
                  f"{self.port + 19 + 2 * other.number};127.0.0.1:{other.port}"
                  for other in self.members]
        with open(os.path.join(member.directory, "zk.conf"), "w") as conf:
            conf.write("\n".join(lines) + "\n")

    def command(self, member):
        return [self.binary, os.path.join(member.directory, "zk.conf")]

    def last_role(self, member):
        """(term, role) as its log says."""
        with open(member.log, errors="replace") as log:
            log.seek(member.log_begin)
            said = log.read()
        found = re.findall(r"term (\d+): (this node leads|server\.\d+ leads|no leader)", said)
        return (int(found[-1][0]), found[-1][1]) if found else (0, "no leader")

    def leader(self):
        best = (0, None)
        for member in self.members:
            if member.process is None or member.process.poll() is not None:
                continue
            term, role = self.last_role(member)
            if role == "this node leads" and term > best[0]:
                best = (term, member)
        return best[1]

    def ready(self, member):
        return member.process.poll() is None and self.last_role(member)[1] != "no leader"


class ZooKeeper(Ensemble):
    name = "ZooKeeper"

    @staticmethod
    def is_there():
        return shutil.which("java") is not None and \
            os.path.exists("/usr/share/java/zookeeper.jar")

    def write_settings(self, member):
        lines = [f"dataDir={member.directory}/data", "clientPortAddress=127.0.0.1",
                 f"clientPort={member.port}", "tickTime=2000", "initLimit=10", "syncLimit=5",
                 "maxClientCnxns=0", "4lw.commands.whitelist=*", "forceSync=yes",
                 "admin.enableServer=false"]
        lines += [f"server.{other.number}=127.0.0.1:{self.port + 18 + 2 * other.number}:"
                  f"{self.port + 19 + 2 * other.number}" for other in self.members]
        with open(os.path.join(member.directory, "zoo.cfg"), "w") as conf:
            conf.write("\n".join(lines) + "\n")

    def command(self, member):
        return ["java", "-Xmx512m", "-cp", "/usr/share/java/zookeeper.jar",
                "org.apache.zookeeper.server.quorum.QuorumPeerMain",
                os.path.join(member.directory, "zoo.cfg")]

    def mode(self, member):
        found = re.search(r"Mode: (\w+)", word(member.port, "srvr", 0.5))
        return found[1] if found else None

    def leader(self):
        for member in self.members:
            if member.process is not None and member.process.poll() is None and \
                    self.mode(member) == "leader":
                return member
        return None

    def ready(self, member):
        return self.mode(member) in ("leader", "follower")
