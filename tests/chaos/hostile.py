#!/usr/bin/python3
"""Does to a real zkd what a port on the Internet has done to it, and looks that only the sender pays.

After each attack a witness, who was connected all along, must be answered at once and correctly, and
the server's memory must not have grown beyond what its limits allow.

    hostile.py --zkd ./zkd [--seed N] [--connections 10000]
"""
import argparse
import os
import random
import resource
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from crash import (CREATE, EPHEMERAL, EXISTS, GET, Connection, frame,  # noqa: E402
                   text)

MEGABYTE = 1 << 20
HANDSHAKE_MS = 3000
OUTPUT_LIMIT = 8 * MEGABYTE


class Target:
    def __init__(self, zkd, port):
        self.directory = tempfile.mkdtemp(prefix="zkd-hostile-")
        self.port = port
        conf = os.path.join(self.directory, "zk.conf")
        with open(conf, "w") as out:
            out.write(f"clientPort {port}\nclientPortAddress 127.0.0.1\n"
                      f"dataDir {self.directory}/data\ntickTime 2000\nmaxClientCnxns 0\n"
                      f"nio.sessionlessCnxnTimeout {HANDSHAKE_MS}\n"
                      f"maxResponseBytes {OUTPUT_LIMIT}\nclientOutputLimit {OUTPUT_LIMIT}\n")
        self.log_path = os.path.join(self.directory, "log")
        self.log = open(self.log_path, "wb")
        # A sanitizer keeps what was freed for a while; not so much that it looks like a leak.
        environment = dict(os.environ, ASAN_OPTIONS="quarantine_size_mb=8:" +
                           os.environ.get("ASAN_OPTIONS", ""))
        self.process = subprocess.Popen([zkd, conf], stdout=self.log, stderr=self.log,
                                        env=environment)
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError("zkd did not start: " + self.said())
                time.sleep(0.01)
        self.witness = Connection(port)
        err, _, _ = self.witness.call(CREATE, self.witness.create(b"/witness", b"w"))
        assert err == 0

    def said(self):
        with open(self.log_path, "rb") as log:
            return log.read().decode(errors="replace")

    def resident(self):
        with open(f"/proc/{self.process.pid}/status") as status:
            for line in status:
                if line.startswith("VmRSS"):
                    return int(line.split()[1]) * 1024
        raise RuntimeError("zkd is gone: " + self.said()[-2000:])

    def check_witness(self):
        assert self.process.poll() is None, "zkd ended: " + self.said()[-2000:]
        before = time.monotonic()
        err, body, _ = self.witness.call(GET, text(b"/witness") + b"\0")
        took = time.monotonic() - before
        assert err == 0 and body[4:5] == b"w", (err, body)
        assert took < 2.0, f"the witness waited {took:.1f} s"

    def raw(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def end(self):
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.directory)


def closed(sock, patience=10):
    """Reads until the other side closes; False if it does not."""
    sock.settimeout(patience)
    try:
        while sock.recv(65536):
            pass
        return True
    except ConnectionError:
        return True
    except socket.timeout:
        return False


def bad_lengths(target, chance):
    for length in (-1, -2147483648, 2147483647, 1048576, 0, 7):
        for with_session in (False, True):
            sock = Connection(target.port).socket if with_session else target.raw()
            payload = b"x" * max(0, min(length, 64))
            sock.sendall(struct.pack(">i", length) + payload)
            if length == 7 and not with_session:
                sock.sendall(b"")
            assert closed(sock), f"length {length} was not refused"
            sock.close()


def random_frames(target, chance):
    for _ in range(300):
        connection = Connection(target.port)
        try:
            for _ in range(chance.randrange(1, 20)):
                op = chance.choice([chance.randrange(0, 110), chance.randrange(-2**31, 2**31),
                                    CREATE, GET, 14, 22, 101, 105, 106, 100])
                body = chance.randbytes(chance.randrange(0, 200))
                connection.socket.sendall(connection.encode(op, body))
        except OSError:
            pass
        connection.close()


def cut_frames(target, chance):
    whole = frame(struct.pack(">ii", 1, CREATE) + Connection.create(None, b"/c", b"d"))
    for end in range(len(whole)):
        connection = Connection(target.port)
        connection.socket.sendall(whole[:end])
        connection.close()
        sock = target.raw()
        sock.sendall(frame(struct.pack(">iqiq", 0, 0, 4000, 0) + text(b"\0" * 16))[:end])
        sock.close()


def bad_paths(target, chance):
    connection = Connection(target.port)
    for path in (b"/a\0b", b"/..", b"/a/../b", b"/\xff\xfe", b"/\xc0\x80", b"/a//b", b"", b"a",
                 b"/\xed\xa0\x80", b"/" + b"x" * 900000, b"/" * 100000, b"/\xf0\x9f\x98\x80"):
        err, _, _ = connection.call(CREATE, connection.create(path, b""))
        want = (0,) if len(path) == 900001 else (-8, -101)
        assert err in want, (path[:20], err)
        for op, body in ((GET, text(path) + b"\1"), (3, text(path) + b"\1"), (8, text(path) + b"\1"),
                         (106, text(path) + struct.pack(">i", 1)),
                         (18, text(path) + struct.pack(">i", 3))):
            connection.call(op, body)
    connection.close()


def other_protocols(target, chance):
    for hello, said in ((b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP"),
                        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 200, "TLS")):
        sock = target.raw()
        sock.sendall(hello)
        assert closed(sock), hello[:4]
        lines = [line for line in target.said().splitlines() if said in line]
        assert len(lines) == 1, lines


def never_reads(target, chance):
    setup = Connection(target.port)
    err, _, _ = setup.call(CREATE, setup.create(b"/big", b"b" * 900000))
    assert err == 0, err
    before = target.resident()
    greedy = Connection(target.port)
    greedy.socket.settimeout(1)
    burst = b"".join(greedy.encode(GET, text(b"/big") + b"\0") for _ in range(2000))
    try:
        greedy.socket.sendall(burst)
    except (socket.timeout, OSError):
        pass
    for _ in range(20):
        target.check_witness()
        time.sleep(0.02)
    grown = target.resident() - before
    assert grown < 64 * MEGABYTE, f"{grown >> 20} MB for a client that does not read"
    greedy.close()
    setup.close()


def dead_reader(target, chance):
    """A client that stops reading, with much unsent and more asked: its session ends all the same."""
    setup = Connection(target.port)
    setup.call(CREATE, setup.create(b"/much", b"m" * 900000))
    dead = Connection(target.port, timeout=4000)
    err, _, _ = dead.call(CREATE, dead.create(b"/dead", b"", EPHEMERAL))
    assert err == 0, err
    dead.socket.sendall(b"".join(dead.encode(GET, text(b"/much") + b"\0") for _ in range(100)))
    deadline = time.monotonic() + 20
    while setup.call(EXISTS, text(b"/dead") + b"\0")[0] == 0:
        assert time.monotonic() < deadline, "its ephemeral znode is still there"
        time.sleep(0.1)
    dead.close()
    setup.close()


def slow_reader(target, chance):
    """A client that reads slowly, and whose pings wait behind what it asked: its session lives."""
    setup = Connection(target.port)
    setup.call(CREATE, setup.create(b"/slow", b"s" * 900000))
    slow = Connection(target.port, timeout=4000)
    slow.socket.sendall(b"".join(slow.encode(GET, text(b"/slow") + b"\0") for _ in range(30)))
    left = 30
    while left > 0:
        slow.socket.sendall(frame(struct.pack(">ii", -2, 11)))
        reply = slow.read_frame()
        if reply[:4] == struct.pack(">i", -2):
            continue
        assert len(reply) > 900000
        left -= 1
        time.sleep(0.4)
        target.check_witness()
    slow.socket.sendall(frame(struct.pack(">ii", -3, EXISTS) + text(b"/slow") + b"\0"))
    while True:
        reply = slow.read_frame()
        if reply[:4] == struct.pack(">i", -3):
            break
    assert struct.unpack(">iqi", reply[:16])[2] == 0
    slow.close()
    setup.close()


def crowd_that_never_reads(target, chance):
    """Each within its own limit; together they must be, too."""
    setup = Connection(target.port)
    setup.call(CREATE, setup.create(b"/crowd", b"c" * 3000))
    before = target.resident()
    crowd = []
    for _ in range(600):
        connection = Connection(target.port)
        connection.socket.setblocking(False)
        burst = b"".join(connection.encode(GET, text(b"/crowd") + b"\0") for _ in range(1500))
        try:
            connection.socket.send(burst)
        except BlockingIOError:
            pass
        crowd.append(connection)
    time.sleep(1)
    for _ in range(10):
        target.check_witness()
    grown = target.resident() - before
    assert grown < 1500 * MEGABYTE, f"{grown >> 20} MB for those who do not read"
    for connection in crowd:
        connection.close()
    setup.close()


def reads_behind_a_write(target, chance):
    """A write and then many large reads, in one go, of a client that reads: it gets them all."""
    setup = Connection(target.port)
    setup.call(CREATE, setup.create(b"/large", b"l" * 900000))
    before = target.resident()
    client = Connection(target.port)
    client.socket.sendall(
        client.encode(CREATE, client.create(b"/before", b"")) +
        b"".join(client.encode(GET, text(b"/large") + b"\0") for _ in range(300)))
    assert struct.unpack(">iqi", client.read_frame()[:16])[2] == 0
    for xid in range(2, 302):
        reply = client.read_frame()
        assert struct.unpack(">iqi", reply[:16])[::2] == (xid, 0) and len(reply) > 900000
    grown = target.resident() - before
    assert grown < 64 * MEGABYTE, f"{grown >> 20} MB for reads behind a write"
    client.close()
    setup.close()


def long_passwords(target, chance):
    """A session that there is not, and its password is long: not even worth a place in the log."""
    def log_bytes():
        files = os.listdir(target.directory + "/data")
        return sum(1 for name in files if name.startswith("log."))
    before = log_bytes()
    for _ in range(60):
        sock = target.raw()
        sock.sendall(frame(struct.pack(">iqiq", 0, 0, 4000, 77) + text(b"p" * 1000000) + b"\0"))
        reply = sock.recv(64)
        assert reply[:20] == struct.pack(">iiiq", 37, 0, 0, 0), reply
        sock.close()
    assert log_bytes() <= before + 1


def half_frames(target, chance):
    """A megabyte but for its last byte, from many at once: bounded in all."""
    before = target.resident()
    socks = []
    for _ in range(100):
        connection = Connection(target.port)
        connection.socket.sendall(struct.pack(">i", 1000000) + b"h" * 999000)
        socks.append(connection)
    target.check_witness()
    grown = target.resident() - before
    assert grown < 300 * MEGABYTE, f"{grown >> 20} MB for half frames"
    for connection in socks:
        connection.close()


def make_silent(count):
    def silent(target, chance):
        """Connections that send nothing."""
        before = target.resident()
        socks = [target.raw() for _ in range(count)]
        target.check_witness()
        each = (target.resident() - before) / count
        assert each < 4096, f"{each:.0f} bytes for an idle connection"
        deadline = time.monotonic() + 4 * HANDSHAKE_MS / 1000
        while socks and time.monotonic() < deadline:
            target.check_witness()
            socks[0].settimeout(0.5)
            try:
                if not socks[0].recv(1):
                    socks.pop(0).close()
            except socket.timeout:
                pass
            except ConnectionError:
                socks.pop(0).close()
        assert not socks, f"{len(socks)} silent connections are still open"
    return silent


def many_watches_on_nothing(target, chance):
    connection = Connection(target.port)
    for batch in range(20):
        burst = b"".join(connection.encode(3, text(b"/none/%d/%d" % (batch, i)) + b"\1")
                         for i in range(500))
        connection.socket.sendall(burst)
        for _ in range(500):
            connection.read_frame()
    connection.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--zkd", default="./zkd")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--port", type=int, default=22191)
    parser.add_argument("--connections", type=int, default=10000)
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 32)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    count = min(options.connections, hard - 200)
    print(f"hostile input: seed {seed}, {count} silent connections")
    attacks = [bad_lengths, random_frames, cut_frames, bad_paths, other_protocols, never_reads,
               dead_reader, slow_reader, crowd_that_never_reads, reads_behind_a_write,
               long_passwords, half_frames, make_silent(count), many_watches_on_nothing]
    target = Target(os.path.abspath(options.zkd), options.port)
    passed = failed = 0
    for attack in attacks:
        try:
            attack(target, random.Random(seed))
            target.check_witness()
            passed += 1
        except Exception as failure:  # noqa: whatever it is, the attack hurt
            failed += 1
            print(f"{attack.__name__}: {type(failure).__name__}: {failure}")
            if target.process.poll() is not None:
                print(target.said()[-3000:])
                break
    target.end()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
