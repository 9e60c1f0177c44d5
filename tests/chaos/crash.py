#!/usr/bin/python3
"""Kills a real zkd with kill -9 under pipelined load, again and again, and looks what is left.

Each round: the server starts on the same data directory; what was acknowledged in all rounds before
must be there, and every session that was alive must let itself be attached again, with its ephemeral
znode; then several connections write in deep pipelines until the server is killed, at a random
moment. Nothing acknowledged may be missing. What was not acknowledged may be there or not, but whole.

    crash.py --zkd ./zkd --rounds 200 [--seed N]

The seed decides loads and moments; the machine's own timing still varies.
"""
import argparse
import os
import random
import selectors
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

OPEN_ACL = struct.pack(">iii", 1, 31, 5) + b"world" + struct.pack(">i", 6) + b"anyone"
CREATE, DELETE, EXISTS, GET, SET, MULTI, CHILDREN = 1, 2, 3, 4, 5, 14, 8
EPHEMERAL = 1


def text(value):
    return struct.pack(">i", len(value)) + value


def frame(payload):
    return struct.pack(">i", len(payload)) + payload


class Connection:
    """One raw connection with a session of its own; replies come in order."""

    def __init__(self, port, session=0, password=b"\0" * 16, zxid=0, timeout=40000):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.xid = 0
        self.waiting = []  # what each outstanding request would prove, in order
        self.socket.sendall(
            frame(struct.pack(">iqiq", 0, zxid, timeout, session) + text(password) + b"\0"))
        reply = self.read_frame()
        _, self.timeout, self.session = struct.unpack(">iiq", reply[:16])
        self.password = reply[20:36]

    def read_frame(self):
        while True:
            if len(self.buffer) >= 4:
                size = struct.unpack(">i", self.buffer[:4])[0]
                if len(self.buffer) >= 4 + size:
                    payload = self.buffer[4:4 + size]
                    self.buffer = self.buffer[4 + size:]
                    return payload
            got = self.socket.recv(262144)
            if not got:
                raise ConnectionError("closed")
            self.buffer += got

    def encode(self, op, body):
        self.xid += 1
        return frame(struct.pack(">ii", self.xid, op) + body)

    def call(self, op, body):
        self.socket.sendall(self.encode(op, body))
        reply = self.read_frame()
        _, zxid, err = struct.unpack(">iqi", reply[:16])
        return err, reply[16:], zxid

    def create(self, path, data, flags=0):
        return text(path) + text(data) + OPEN_ACL + struct.pack(">i", flags)

    def close(self):
        self.socket.close()


class Server:
    def __init__(self, zkd, directory, port):
        self.zkd, self.directory, self.port = zkd, directory, port
        self.log = open(os.path.join(directory, "zkd.log"), "ab")
        self.conf = os.path.join(directory, "zk.conf")
        with open(self.conf, "w") as out:
            out.write(f"clientPort {port}\nclientPortAddress 127.0.0.1\n"
                      f"dataDir {directory}/data\ntickTime 2000\nsnapCount 2000\n"
                      "preAllocSize 1024\nmaxClientCnxns 0\n")

    def start(self):
        self.process = subprocess.Popen([self.zkd, self.conf], stdout=self.log, stderr=self.log)
        deadline = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                if self.process.poll() is not None:
                    raise RuntimeError("zkd ended at its start; see its log: " + self.tail())
                if time.monotonic() > deadline:
                    raise RuntimeError("zkd does not listen: " + self.tail())
                time.sleep(0.005)

    def tail(self):
        with open(os.path.join(self.directory, "zkd.log"), "rb") as log:
            return log.read()[-2000:].decode(errors="replace")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


class Round:
    """What is known to be true, over all rounds."""

    def __init__(self):
        self.znodes = {}    # path -> data, acknowledged
        self.values = {}    # path -> last acknowledged number set
        self.attempts = {}  # path -> last number asked for
        self.sessions = {}  # session -> (password, ephemeral path)
        self.zxid = 0


def check(server, known):
    """Everything acknowledged is there; every session is alive with its ephemeral."""
    reader = Connection(server.port)
    err, body, _ = reader.call(CHILDREN, text(b"/crash") + b"\0")
    names = set()
    if err == 0:
        count = struct.unpack(">i", body[:4])[0]
        at = 4
        for _ in range(count):
            size = struct.unpack(">i", body[at:at + 4])[0]
            names.add(body[at + 4:at + 4 + size])
            at += 4 + size
    missing = [path for path in known.znodes if path[len(b"/crash/"):] not in names]
    if missing:
        raise AssertionError(f"{len(missing)} acknowledged znodes are gone: {missing[:5]}")
    for path in random.sample(list(known.znodes), min(50, len(known.znodes))):
        err, body, _ = reader.call(GET, text(path) + b"\0")
        size = struct.unpack(">i", body[:4])[0] if err == 0 else 0
        if err != 0 or body[4:4 + size] != known.znodes[path]:
            raise AssertionError(f"{path} has other data than was acknowledged (err {err})")
    for path, value in known.values.items():
        err, body, _ = reader.call(GET, text(path) + b"\0")
        size = struct.unpack(">i", body[:4])[0] if err == 0 else 0
        got = int(body[4:4 + size] or b"-1") if err == 0 else -1
        if not value <= got <= known.attempts[path]:
            raise AssertionError(f"{path} is {got}, acknowledged {value}, "
                                 f"asked for up to {known.attempts[path]}")
    # Both halves of a multi, or none.
    pairs = {name[2:] for name in names if name.startswith(b"ma")}
    others = {name[2:] for name in names if name.startswith(b"mb")}
    if pairs != others:
        raise AssertionError(f"half a multi: {sorted(pairs ^ others)[:5]}")
    reader.close()
    for session, (password, path) in list(known.sessions.items()):
        back = Connection(server.port, session, password, known.zxid)
        if back.session != session:
            raise AssertionError(f"session {session:x} did not survive")
        err, _, _ = back.call(EXISTS, text(path) + b"\0")
        if err != 0:
            raise AssertionError(f"ephemeral {path} of session {session:x} is gone")
        back.close()


def multi(a, b):
    def header(kind, done):
        return struct.pack(">iBi", kind, done, -1)
    return header(CREATE, 0) + a + header(CREATE, 0) + b + header(-1, 1)


def next_request(connection, known, chance, number):
    kind = chance.random()
    if kind < 0.6:
        path = b"/crash/n%d" % number
        data = chance.randbytes(chance.randrange(0, 400))
        return connection.encode(CREATE, connection.create(path, data)), ("znode", path, data)
    if kind < 0.8:
        # Of its own connection alone: numbers rise there in the order they are applied.
        path = b"/values/v%d" % connection.index
        known.attempts[path] = number
        body = text(path) + text(b"%d" % number) + struct.pack(">i", -1)
        return connection.encode(SET, body), ("value", path, number)
    a, b = b"/crash/ma%d" % number, b"/crash/mb%d" % number
    body = multi(connection.create(a, b"1"), connection.create(b, b"2"))
    return connection.encode(MULTI, body), ("multi", a, b)


def learn(connection, known, payload):
    xid, zxid, err = struct.unpack(">iqi", payload[:16])
    kind, path, value = connection.waiting.pop(0)
    known.zxid = max(known.zxid, zxid)
    if err != 0:
        raise AssertionError(f"{kind} {path}: error {err}")
    if kind == "znode":
        known.znodes[path] = value
    elif kind == "value":
        known.values[path] = max(known.values.get(path, 0), value)
    else:
        known.znodes[path], known.znodes[value] = b"1", b"2"


def load(server, known, chance, numbers):
    """Writes from several connections, in pipelines, until the server is killed under them."""
    connections = [Connection(server.port) for _ in range(chance.randrange(1, 6))]
    for index, connection in enumerate(connections):
        connection.index = index
        path = b"/crash/e%d" % next(numbers)
        err, _, zxid = connection.call(CREATE, connection.create(path, b"", EPHEMERAL))
        assert err == 0, err
        known.sessions[connection.session] = (connection.password, path)
        known.zxid = max(known.zxid, zxid)
    selector = selectors.DefaultSelector()
    for connection in connections:
        connection.socket.setblocking(False)
        selector.register(connection.socket, selectors.EVENT_READ, connection)
    depth = chance.choice([1, 8, 64, 256])
    end = time.monotonic() + chance.uniform(0.01, 0.25)
    alive = True
    while alive and time.monotonic() < end:
        for connection in connections:
            burst = b""
            while len(connection.waiting) < depth:
                request, proof = next_request(connection, known, chance, next(numbers))
                connection.waiting.append(proof)
                burst += request
            try:
                connection.socket.setblocking(True)
                connection.socket.sendall(burst)
                connection.socket.setblocking(False)
            except OSError:
                alive = False
        drain(selector, known, 0.002)
    server.kill()
    drain(selector, known, 0.0)
    for connection in connections:
        connection.close()


def drain(selector, known, patience):
    for key, _ in selector.select(patience):
        connection = key.data
        try:
            while True:
                got = connection.socket.recv(262144)
                if not got:
                    break
                connection.buffer += got
        except (BlockingIOError, ConnectionError):
            pass
        while len(connection.buffer) >= 4:
            size = struct.unpack(">i", connection.buffer[:4])[0]
            if len(connection.buffer) < 4 + size:
                break
            learn(connection, known, connection.buffer[4:4 + size])
            connection.buffer = connection.buffer[4 + size:]


def prepare(server):
    setup = Connection(server.port)
    for path in (b"/crash", b"/values"):
        setup.call(CREATE, setup.create(path, b""))
    for i in range(5):
        setup.call(CREATE, setup.create(b"/values/v%d" % i, b"0"))
    setup.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--zkd", default="./zkd")
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--port", type=int, default=22181)
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 32)
    print(f"crash test: seed {seed}, {options.rounds} rounds")
    chance = random.Random(seed)
    directory = tempfile.mkdtemp(prefix="zkd-crash-")
    server = Server(os.path.abspath(options.zkd), directory, options.port)
    known = Round()
    numbers = iter(range(1, 1 << 60))
    done = 0
    try:
        server.start()
        prepare(server)
        for done in range(options.rounds):
            check(server, known)
            # Old sessions would pile up: keep the newest few for the rounds to come.
            known.sessions = dict(list(known.sessions.items())[-12:])
            load(server, known, chance, numbers)
            server.start()
        check(server, known)
        done = options.rounds
        server.kill()
    except Exception as failure:  # noqa: whatever it is, the round failed
        print(f"round {done}: {type(failure).__name__}: {failure}")
        print(f"the data directory is kept: {directory}; its log ends:\n{server.tail()}")
        print(f"{done} passed, 1 failed")
        server.process.kill()
        return 1
    shutil.rmtree(directory)
    print(f"{len(known.znodes)} acknowledged writes were there after {options.rounds} kills")
    print(f"{done} passed, 0 failed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
