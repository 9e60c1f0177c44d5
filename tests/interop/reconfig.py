#!/usr/bin/python3
"""Membership of real processes: --zkd FILE [--port N] [NAME...]

Starts zkd servers of its own, grows and shrinks ensembles through kazoo's reconfig, and looks at
what clients see. Each test is a function; the last line is `N passed, N failed`.
"""
import argparse
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback

from kazoo.client import KazooClient
from kazoo.exceptions import (BadArgumentsError, BadVersionError, ConnectionLoss, KazooException,
                              NewConfigNoQuorumError, NoAuthError, ReconfigInProcessError,
                              UnimplementedError)

SUPER = "super:D/InIHSb7yEEbrWz8b9l71RjZJU="
ZKD = None
BASE = 24000 + os.getpid() % 70 * 80


class Server:
    def __init__(self, home, number, lines, settings=()):
        self.number, self.home = number, f"{home}/{number}"
        os.makedirs(self.home + "/data")
        self.process = None
        self.write(lines, settings)

    @staticmethod
    def line(number, role="participant"):
        port = BASE + 10 * number
        return f"127.0.0.1:{port + 1}:{port + 2}:{role};127.0.0.1:{port}"

    @property
    def address(self):
        return f"127.0.0.1:{BASE + 10 * self.number}"

    def write(self, lines, settings=()):
        self.lines = lines
        words = {"dataDir": self.home + "/data", "tickTime": "1000", "initLimit": "10",
                 "syncLimit": "5", "standaloneEnabled": "false", "reconfigEnabled": "true",
                 "DigestAuthenticationProvider.superDigest": SUPER,
                 "4lw.commands.whitelist": "*"}
        words.update(settings)
        words.update({f"server.{id}": text for id, text in lines.items()})
        with open(self.home + "/zk.conf", "w") as file:
            file.writelines(f"{key}={value}\n" for key, value in words.items())
        with open(self.home + "/data/myid", "w") as file:
            file.write(str(self.number))

    def start(self, *arguments):
        self.log = open(self.home + "/log", "ab")
        self.process = subprocess.Popen([ZKD, self.home + "/zk.conf", *arguments],
                                        stderr=self.log, stdin=subprocess.DEVNULL)
        return self

    def stop(self, how=signal.SIGTERM):
        if self.process is None:
            return
        self.process.send_signal(how)
        self.process.wait(20)
        self.process = None

    def said(self):
        with open(self.home + "/log", errors="replace") as file:
            return file.read()


class Ensemble:
    """Servers by number; ends with all of them stopped."""

    def __init__(self, **settings):
        self.home = tempfile.mkdtemp(prefix="zkd-reconfig-")
        self.settings = settings
        self.servers = {}
        self.clients = []

    def __enter__(self):
        return self

    def __exit__(self, error, *_):
        for client in self.clients:
            client.stop()
            client.close()
        for server in self.servers.values():
            server.stop(signal.SIGKILL if error else signal.SIGTERM)
            if error:
                print(f"--- server {server.number} said last:\n{server.said()[-3000:]}")
        shutil.rmtree(self.home)

    def add(self, number, *known, role="participant"):
        """A server that knows of itself and of these."""
        lines = {id: Server.line(id) for id in known}
        lines[number] = Server.line(number, role)
        self.servers[number] = Server(self.home, number, lines, self.settings).start()
        return self.servers[number]

    def form(self, count):
        everybody = range(1, count + 1)
        for number in everybody:
            self.add(number, *everybody)
        return self

    def client(self, *numbers, admin=True):
        hosts = ",".join(self.servers[n].address for n in numbers or self.servers)
        client = KazooClient(hosts=hosts, timeout=8, randomize_hosts=False)
        client.start(20)
        if admin:
            client.add_auth("digest", "super:test")
        self.clients.append(client)
        return client

    def role(self, number):
        try:
            text = word(self.servers[number].address, "srvr")
        except OSError:
            return "down"
        for line in text.splitlines():
            if line.startswith("Mode: "):
                return line[6:]
        return "none"

    def leader(self):
        found = []

        def look():
            found[:] = [n for n in self.servers if self.role(n) == "leader"]
            return len(found) == 1
        until(look)
        return found[0]


def word(address, letters):
    host, port = address.split(":")
    with socket.create_connection((host, int(port)), timeout=2) as link:
        link.sendall(letters.encode())
        text = b""
        while True:
            more = link.recv(65536)
            if not more:
                return text.decode()
            text += more


def until(condition, seconds=15):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)


def raises(error, call, *arguments, **options):
    try:
        call(*arguments, **options)
    except error:
        return
    raise AssertionError(f"{error.__name__} was not raised")


def joining(*numbers, role="participant"):
    return ",".join(f"server.{n}={Server.line(n, role)}" for n in numbers)


def reconfig(client, joining=None, leaving=None, members=None, version=-1):
    """Once enough of the new voters have caught up."""
    deadline = time.monotonic() + 15
    while True:
        try:
            return client.reconfig(joining, leaving, members, from_config=version)
        except NewConfigNoQuorumError:
            assert time.monotonic() < deadline, "the new voters do not catch up"
            time.sleep(0.02)


def shown(data):
    """The ids, with - for observers, and the version."""
    lines = data.decode().split("\n")
    assert lines[-1].startswith("version="), data
    ids = [line.split("=")[0][7:] + ("-" if ":observer" in line else "") for line in lines[:-1]]
    return " ".join(ids), int(lines[-1][8:], 16)


def config(client):
    data, stat = client.get("/zookeeper/config")
    return shown(data) + (stat,)


def test_the_first_membership_is_that_of_the_file():
    with Ensemble().form(3) as all:
        zk = all.client()
        ids, version, stat = config(zk)
        assert ids == "1 2 3" and version == stat.mzxid and version > 1 << 32, (ids, version, stat)
        assert stat.version == -1 and stat.czxid == 0 and stat.aversion == -1, stat
        data, _ = zk.get("/zookeeper/config")
        assert data.decode().split("\n")[0] == "server.1=" + Server.line(1)


def test_errors():
    with Ensemble().form(3) as all:
        zk = all.client()
        _, version, _ = config(zk)
        raises(BadVersionError, zk.reconfig, None, None, None, from_config=version + 1)
        raises(KazooException, zk.reconfig, None, "x", None)
        raises(BadArgumentsError, zk.reconfig, "server.9=1:2", None, None)
        raises(BadArgumentsError, zk.reconfig, "9", None, None)
        raises(BadArgumentsError, zk.reconfig, "server.4=127.0.0.1:5:6", None, None)
        raises(BadArgumentsError, zk.reconfig, None, None, "foo=1")
        raises(BadArgumentsError, zk.reconfig, None, "1,2,3", None)
        raises(NewConfigNoQuorumError, zk.reconfig, joining(4, 5, 6, 7), None, None)
        nobody = all.client(admin=False)
        raises(NoAuthError, nobody.reconfig, None, "3", None)
        assert config(zk)[:2] == ("1 2 3", version)


def test_one_becomes_three_and_one_again():
    with Ensemble().form(1) as all:
        zk = all.client()
        zk.create("/a", b"before")
        events = []
        zk.get("/zookeeper/config", watch=events.append)
        all.add(2, 1)
        all.add(3, 1)
        before = config(zk)[1]
        data, stat = reconfig(zk, joining(2, 3), version=before)
        ids, version = shown(data)
        assert ids == "1 2 3" and version == stat.mzxid > before, (ids, version, stat)
        until(lambda: len(events) == 1)
        assert events[0].path == "/zookeeper/config" and events[0].type == "CHANGED"
        raises(BadVersionError, zk.reconfig, None, "3", None, from_config=before)
        two = all.client(2)
        two.sync("/")
        assert two.get("/a")[0] == b"before"
        assert two.get("/zookeeper/config")[0] == data
        # It is an ensemble of three: any one of them may be lost, the first one too.
        all.servers[1].stop(signal.SIGKILL)
        two.retry(two.set, "/a", b"after")
        all.servers[1].start()
        until(lambda: all.role(1) == "follower")
        # By way of a node that stays.
        zk = all.client(1)
        data, _ = reconfig(zk, leaving="2,3")
        assert shown(data)[0] == "1"
        all.servers[2].stop()
        all.servers[3].stop()
        until(lambda: all.role(1) == "leader")
        again = all.client(1)
        again.retry(again.set, "/a", b"alone")
        # And so it stays, whatever the file says.
        all.servers[1].stop()
        all.servers[1].write({n: Server.line(n) for n in (1, 2, 3)}, all.settings)
        all.servers[1].start()
        again.retry(again.set, "/a", b"still alone")
        assert "server.2" not in again.get("/zookeeper/config")[0].decode()
        assert "are not those of the ensemble" in all.servers[1].said()


def test_observers_come_and_change_their_role():
    with Ensemble().form(3) as all:
        zk = all.client(1, 2, 3)
        all.add(4, 1, 2, 3, role="observer")
        data, _ = reconfig(zk, joining(4, role="observer"))
        assert shown(data)[0] == "1 2 3 4-"
        four = all.client(4)
        four.create("/by-four", b"x")
        data, _ = reconfig(four, joining(4))
        assert shown(data)[0] == "1 2 3 4"
        data, _ = reconfig(four, joining(4, role="observer"))
        assert shown(data)[0] == "1 2 3 4-"
        data, _ = reconfig(four, leaving="4")
        assert shown(data)[0] == "1 2 3"
        # It goes on as one that follows without a vote.
        four.set("/by-four", b"y")
        zk.sync("/by-four")
        assert zk.get("/by-four")[0] == b"y"


def test_the_leader_can_be_removed():
    with Ensemble().form(3) as all:
        old = all.leader()
        rest = [n for n in (1, 2, 3) if n != old]
        zk = all.client(rest[0])
        zk.create("/a", b"0")
        data, _ = reconfig(zk, leaving=str(old))
        assert shown(data)[0] == " ".join(map(str, rest))
        until(lambda: all.role(old) != "leader")
        new = all.leader()
        assert new in rest
        zk.retry(zk.set, "/a", b"1")
        # The one that is out serves on, and disturbs nobody.
        out = all.client(old)
        out.retry(out.set, "/a", b"2")
        all.servers[old].stop(signal.SIGKILL)
        all.servers[old].start()
        until(lambda: all.role(old) in ("follower", "observer"))
        assert all.leader() == new
        zk.retry(zk.set, "/a", b"3")
        # And may come back.
        data, _ = reconfig(zk, joining(old))
        assert shown(data)[0] == "1 2 3"


def test_the_leader_answers_the_client_that_removes_it():
    with Ensemble().form(3) as all:
        old = all.leader()
        zk = all.client(old)
        data, _ = reconfig(zk, leaving=str(old))
        assert str(old) not in shown(data)[0].split()


def test_all_members_at_once_and_addresses():
    with Ensemble().form(3) as all:
        zk = all.client()
        _, version, _ = config(zk)
        lines = f"server.1={Server.line(1)}\nserver.2={Server.line(2)}\nversion=77"
        data, _ = reconfig(zk, members=lines, version=version)
        assert shown(data)[0] == "1 2"
        # Nobody but the two of them is left to agree.
        all.servers[3].stop(signal.SIGKILL)
        until(lambda: {all.role(1), all.role(2)} == {"leader", "follower"})
        left = all.client(1, 2)
        left.retry(left.create, "/a", b"")
        data, _ = reconfig(left, members=f"server.2={Server.line(2)},server.1={Server.line(1)}")
        assert shown(data)[0] == "1 2"


def test_a_change_survives_the_leader_that_began_it():
    with Ensemble().form(3) as all:
        zk = all.client()
        for round in range(4):
            leader = all.leader()
            other = [n for n in (1, 2, 3) if n != leader]
            via = all.client(other[0])
            out = []

            def change():
                try:
                    out.append(reconfig(via, leaving=str(other[1])))
                except ConnectionLoss:
                    out.append(None)
            thread = threading.Thread(target=change)
            thread.start()
            time.sleep(0.0005 * round)
            all.servers[leader].stop(signal.SIGKILL)
            all.servers[leader].start()
            thread.join()
            until(lambda: all.leader() != 0)
            zk.retry(zk.ensure_path, f"/round{round}")
            # Whichever way it went: another change is possible, and brings all back.

            def bring_back():
                try:
                    return reconfig(zk, joining(1, 2, 3))
                except (ConnectionLoss, ReconfigInProcessError):
                    return None
            until(bring_back)
            assert config(zk)[0] == "1 2 3"
            via.stop()


def test_a_new_ensemble_from_what_is_left():
    with Ensemble().form(3) as all:
        zk = all.client()
        zk.create("/kept", b"x")
        for n in (1, 2, 3):
            c = all.client(n)
            c.sync("/")
            assert c.exists("/kept")
        for n in (1, 2, 3):
            all.servers[n].stop(signal.SIGKILL)
        all.servers[2].start("--force-new-ensemble")
        two = all.client(2)
        assert two.get("/kept")[0] == b"x"
        assert config(two)[0] == "2"
        two.create("/new", b"y")
        # Who was lost and comes back is not let in.
        all.servers[3].start()
        until(lambda: "another ensemble" in all.servers[2].said() + all.servers[3].said())
        two.set("/new", b"z")
        all.servers[3].stop(signal.SIGKILL)
        # A second start with the word does nothing more.
        all.servers[2].stop()
        all.servers[2].start("--force-new-ensemble")
        two = all.client(2)
        assert two.get("/new")[0] == b"z"
        all.servers[2].stop(signal.SIGKILL)
        all.servers[2].start()
        # With an empty directory it is welcome.
        shutil.rmtree(all.servers[3].home + "/data")
        os.makedirs(all.servers[3].home + "/data")
        all.servers[3].write(all.servers[3].lines, all.settings)
        all.servers[3].start()
        two = all.client(2)
        data, _ = reconfig(two, joining(3))
        assert shown(data)[0] == "2 3"
        three = all.client(3)
        assert three.get("/new")[0] == b"z"


def main():
    global ZKD, BASE
    parser = argparse.ArgumentParser()
    parser.add_argument("--zkd", default=os.environ.get("ZKD", "./zkd"))
    parser.add_argument("--port", type=int, default=BASE)
    parser.add_argument("names", nargs="*")
    asked = parser.parse_args()
    ZKD, BASE = os.path.abspath(asked.zkd), asked.port
    passed = failed = 0
    for name, test in list(globals().items()):
        if not name.startswith("test_") or (asked.names and name[5:] not in asked.names):
            continue
        began = time.monotonic()
        try:
            test()
            passed += 1
            print(f"ok    {name[5:]} ({time.monotonic() - began:.1f} s)", flush=True)
        except Exception:  # pylint: disable=broad-except
            failed += 1
            print(f"FAIL  {name[5:]}", flush=True)
            traceback.print_exc()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
