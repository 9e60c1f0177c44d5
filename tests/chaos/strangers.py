#!/usr/bin/python3
"""Does to the quorum ports of an ensemble what an open port has done to it, while the ensemble works.

During each attack a member is killed and must come back, and writes must go on; at the end the
memory of each member is small, what was turned away is counted, and the log was not flooded.

    strangers.py --zkd ./zkd [--seed N] [--port P]
"""
import argparse
import functools
import os
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "..", "utils")]
import ensembles  # noqa: E402
from crash import CREATE, SET, Connection, text  # noqa: E402

RESIDENT_MAX = 100 << 20
HELD = 200  # connections at a time, three times what a member bears unproven


def hold(sock, chance, held):
    held.append(sock)


def other_protocols(sock, chance, held):
    sock.sendall(chance.choice([b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00",
                                b"*1\r\n$4\r\nPING\r\n", b"ruok", b"SSH-2.0-x\r\n"]))


def long_lengths(sock, chance, held):
    sock.sendall(struct.pack(">I", chance.choice([0xffffffff, 0x7fffffff, 320 << 20, 129])) + bytes(100))
    held.append(sock)


def half_hellos(sock, chance, held):
    """The form of a hello, cut somewhere, its check wrong."""
    hello = struct.pack(">IIB", 39, chance.getrandbits(32), 1) + chance.randbytes(34)
    sock.sendall(hello[:chance.randrange(1, len(hello))])
    held.append(sock)


def noise(sock, chance, held):
    sock.sendall(chance.randbytes(chance.randrange(1, 100000)))


def resets(sock, chance, held):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class Flood(threading.Thread):
    """Connects to the ports again and again, some hundred times a second, and does `attack`."""

    def __init__(self, attack, ports, seed):
        super().__init__(daemon=True)
        self.attack, self.ports, self.chance = attack, ports, random.Random(seed)
        self.over, self.count = threading.Event(), 0

    def run(self):
        held = []
        while not self.over.wait(0.002):
            try:
                sock = socket.create_connection(("127.0.0.1", self.chance.choice(self.ports)), 1)
                self.count += 1
                sock.setblocking(True)
                sock.settimeout(1)
                kept = len(held)
                self.attack(sock, self.chance, held)
                if len(held) == kept:
                    sock.close()
            except OSError:
                pass
            while len(held) > HELD * len(self.ports):
                held.pop(0).close()
        for sock in held:
            sock.close()

    def end(self):
        self.over.set()
        self.join()


class Writer:
    """Writes at one member; a write must be answered soon."""

    def __init__(self, member):
        self.connection = Connection(member.port)
        err, _, _ = self.connection.call(CREATE, self.connection.create(b"/witness", b"w"))
        assert err in (0, -110), err

    def write(self):
        before = time.monotonic()
        err, _, _ = self.connection.call(SET, text(b"/witness") + text(b"x" * 100) + struct.pack(">i", -1))
        took = time.monotonic() - before
        assert err == 0, err
        assert took < 2, f"a write took {took:.1f} s"


def mntr(member, key):
    for line in ensembles.word(member.port, "mntr").splitlines():
        if line.startswith(f"zk_{key}\t"):
            return int(line.split("\t")[1])
    raise AssertionError(f"no {key} in mntr of server.{member.number}")


def resident(member):
    with open(f"/proc/{member.process.pid}/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS"))


def back_in_time(ensemble, member):
    """A follower is killed, and comes back beside the others."""
    member.send(signal.SIGKILL)
    member.wait()
    member.start()
    return ensemble.await_all(15)


def under(attack, ensemble, seed):
    flood = Flood(attack, [ensemble.port + 18 + 2 * member.number for member in ensemble.members], seed)
    flood.start()
    try:
        leader = ensemble.leader()
        writer = Writer(leader)
        for _ in range(50):
            writer.write()
            time.sleep(0.01)
        follower = next(member for member in ensemble.members if member is not leader)
        back_in_time(ensemble, follower)
        for _ in range(50):
            writer.write()
        writer = Writer(follower)
        writer.write()
    finally:
        flood.end()
    assert flood.count > 50, f"only {flood.count} connections"
    assert ensemble.leader() is leader, "the leader lost its place"


def impostor(ensemble):
    """A zkd with a member's id and place, but not the secret, changes nothing."""
    leader = ensemble.leader()
    victim = next(member for member in ensemble.members if member is not leader)
    victim.send(signal.SIGKILL)
    victim.wait()
    directory = tempfile.mkdtemp(dir=ensemble.directory)
    with open(os.path.join(victim.directory, "zk.conf")) as conf:
        said = conf.read().replace(victim.directory, directory)
    with open(os.path.join(directory, "secret"), "w") as secret:
        secret.write("another secret than theirs is\n")
    os.chmod(secret.name, 0o600)
    said = said.replace(os.path.join(ensemble.directory, "secret"), secret.name)
    with open(os.path.join(directory, "zk.conf"), "w") as conf:
        conf.write(said)
    os.mkdir(os.path.join(directory, "data"))
    shutil.copy(os.path.join(victim.directory, "data", "myid"), os.path.join(directory, "data"))
    before = mntr(leader, "links_refused")
    with open(os.path.join(directory, "log"), "wb") as log:
        process = subprocess.Popen([ensemble.binary, os.path.join(directory, "zk.conf")],
                                   stdout=log, stderr=log)
    try:
        writer = Writer(leader)
        end = time.monotonic() + 10
        while mntr(leader, "links_refused") == before:
            assert time.monotonic() < end, "the impostor was not noticed"
            writer.write()
        time.sleep(1)
        writer.write()
        with open(log.name) as log:
            said = log.read()
        assert process.poll() is None, said
        assert " leads" not in said, said
        assert mntr(leader, "synced_followers") == 1, "the impostor is counted"
    finally:
        process.kill()
        process.wait()
    victim.start()
    ensemble.await_all(15)


def bounded(ensemble, began):
    for member in ensemble.members:
        assert resident(member) < RESIDENT_MAX, f"server.{member.number}: {resident(member)} bytes"
        with open(member.log, errors="replace") as log:
            said = log.read()
        starts = said.count(" ready on ")
        complaints = said.count("is turned away")
        allowed = starts + (time.monotonic() - began) / 60 + 1
        assert 0 < complaints <= allowed, f"{complaints} complaints after {starts} starts"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--zkd", default="./zkd")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--port", type=int, default=22391)
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 32)
    print(f"strangers at the quorum port: seed {seed}")
    scratch = tempfile.mkdtemp(prefix="zkd-strangers-")
    ensembles.Zkd.binary = os.path.abspath(options.zkd)
    ensemble = ensembles.Zkd(scratch, options.port)
    began = time.monotonic()
    passed = failed = 0
    attacks = [hold, other_protocols, long_lengths, half_hellos, noise, resets]
    trials = [(each.__name__, functools.partial(under, each, ensemble, seed)) for each in attacks]
    trials += [("impostor", functools.partial(impostor, ensemble)),
               ("bounded", functools.partial(bounded, ensemble, began))]
    try:
        ensemble.start()
        for name, trial in trials:
            try:
                trial()
                passed += 1
            except (Exception, SystemExit) as failure:  # whatever it is, the attack hurt
                failed += 1
                print(f"{name}: {type(failure).__name__}: {failure}")
                break
        if failed:
            for member in ensemble.members:
                with open(member.log, errors="replace") as log:
                    print(f"server.{member.number}:\n{log.read()[-3000:]}")
    finally:
        ensemble.stop()
        shutil.rmtree(scratch, ignore_errors=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
