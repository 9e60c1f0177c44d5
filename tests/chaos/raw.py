"""A session over ZooKeeper's protocol, as bare as it can be, that watches what it is told.

One thread uses it. It goes from server to server, keeps its session, never sends anything twice, and
notes at once what no session may ever see: a zxid that goes back, an answer to something that was
not asked.
"""
import random
import socket
import struct
import time

OPEN_ACL = struct.pack(">iii", 1, 31, 5) + b"world" + struct.pack(">i", 6) + b"anyone"
CREATE, DELETE, EXISTS, GET, SET, CHILDREN, SYNC, PING, CLOSE = 1, 2, 3, 4, 5, 8, 9, 11, -11
EPHEMERAL, SEQUENTIAL = 1, 2
SYSTEM_ERROR, OK, NO_NODE, NODE_EXISTS, BAD_VERSION, NOT_EMPTY = -1, 0, -101, -110, -103, -111
EVENT_XID, PING_XID = -1, -2


class Lost(Exception):
    """The connection is gone; what was asked may have been done or not."""


class Expired(Exception):
    """The session is gone."""


def text(value):
    return struct.pack(">i", len(value)) + value


def take_text(body, at):
    size = struct.unpack_from(">i", body, at)[0]
    size = max(size, 0)
    return body[at + 4:at + 4 + size], at + 4 + size


def take_names(body):
    names, at = [], 4
    for _ in range(struct.unpack_from(">i", body)[0]):
        name, at = take_text(body, at)
        names.append(name)
    return names


class Stat:
    __slots__ = ("czxid", "mzxid", "ctime", "mtime", "version", "cversion", "aversion", "owner",
                 "size", "children", "pzxid")

    def __init__(self, body, at=0):
        values = struct.unpack_from(">qqqqiiiqiiq", body, at)
        for name, value in zip(self.__slots__, values):
            setattr(self, name, value)

    def all(self):
        return tuple(getattr(self, name) for name in self.__slots__)


class Session:
    """`complain(text)` is called with what may not be; `servers` are (host, port)."""

    def __init__(self, servers, complain, timeout_ms=4000, patience=None, seed=None):
        self.servers = list(servers)
        self.complain = complain
        self.wanted_ms = timeout_ms
        self.timeout_ms = timeout_ms
        self.patience = patience or timeout_ms / 1000 * 2 / 3
        self.chance = random.Random(seed)
        self.session, self.password, self.zxid = 0, b"\0" * 16, 0
        self.socket = None
        self.buffer = b""
        self.xid = 0
        self.server = None
        self.connections = 0
        self.events = []      # (type, path) not looked at yet
        self.heard = 0.0      # when a server last answered
        self.proven = 0.0     # when that was asked which the leader last saw of this session
        self.closing = False

    # -- connection

    def connect_once(self, server):
        """True: attached. Raises Expired."""
        self.drop()
        began = time.monotonic()
        try:
            connection = socket.create_connection(server, timeout=min(self.patience, 1.0))
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.socket, self.buffer = connection, b""
            hello = struct.pack(">iqiq", 0, self.zxid, self.wanted_ms, self.session)
            self.send(hello + text(self.password) + b"\0")
            reply = self.frame(time.monotonic() + min(self.patience, 1.5))
        except (OSError, Lost):
            self.drop()
            return False
        _, timeout_ms, session = struct.unpack_from(">iiq", reply)
        if timeout_ms <= 0:
            self.drop()
            alive = time.monotonic() - self.proven
            if not self.closing and alive < self.timeout_ms / 1000 * 0.95:
                self.complain(f"session {self.session:x} expired {alive:.2f} s after the leader saw "
                              f"it, time-out {self.timeout_ms} ms, says {server}")
            raise Expired()
        if self.session not in (0, session):
            self.complain(f"asked for session {self.session:x}, given {session:x}")
        self.session, self.timeout_ms = session, timeout_ms
        self.password = reply[20:36]
        self.server = server
        self.connections += 1
        self.events = []
        self.heard = time.monotonic()
        self.proven = began
        return True

    def connect(self, until):
        """Attached to some server, or Lost at that time, or Expired."""
        while True:
            for server in self.chance.sample(self.servers, len(self.servers)):
                if self.connect_once(server):
                    return
                if time.monotonic() > until:
                    raise Lost()
            time.sleep(0.02)

    def drop(self):
        if self.socket is not None:
            self.socket.close()
        self.socket = None

    def forget(self):
        """The next connection makes a new session."""
        self.drop()
        self.session, self.password, self.closing = 0, b"\0" * 16, False

    # -- frames

    def send(self, payload):
        try:
            self.socket.sendall(struct.pack(">i", len(payload)) + payload)
        except OSError:
            raise Lost() from None

    def frame(self, until):
        while True:
            if len(self.buffer) >= 4:
                size = struct.unpack_from(">i", self.buffer)[0]
                if len(self.buffer) >= 4 + size:
                    payload = self.buffer[4:4 + size]
                    self.buffer = self.buffer[4 + size:]
                    return payload
            left = until - time.monotonic()
            if left <= 0:
                raise Lost()
            try:
                self.socket.settimeout(left)
                got = self.socket.recv(1 << 18)
            except OSError:
                raise Lost() from None
            if not got:
                raise Lost()
            self.buffer += got

    def reply(self, xid, until):
        while True:
            payload = self.frame(until)
            got, zxid, err = struct.unpack_from(">iqi", payload)
            self.heard = time.monotonic()
            if got == EVENT_XID:
                kind, _ = struct.unpack_from(">ii", payload, 16)
                self.events.append((kind, take_text(payload, 24)[0]))
                continue
            if got == PING_XID:
                continue
            if got != xid:
                self.complain(f"reply {got} where {xid} was next")
                raise Lost()
            if 0 < zxid < self.zxid:
                self.complain(f"session {self.session:x} saw zxid {self.zxid:x}, then {zxid:x} "
                              f"from {self.server}")
            self.zxid = max(self.zxid, zxid)
            return err, payload[16:], zxid

    def calls(self, requests):
        """Sends them all at once, and gives all replies: (err, body, zxid)."""
        if self.socket is None:
            raise Lost()
        burst, xids = b"", []
        for op, body in requests:
            self.xid += 1
            xids.append(self.xid)
            payload = struct.pack(">ii", self.xid, op) + body
            burst += struct.pack(">i", len(payload)) + payload
            self.closing = self.closing or op == CLOSE
        began = time.monotonic()
        until = began + self.patience
        try:
            try:
                self.socket.settimeout(self.patience)
                self.socket.sendall(burst)
            except OSError:
                raise Lost() from None
            replies = [self.reply(xid, until) for xid in xids]
            if any(op in (CREATE, SET, DELETE) and reply[0] != SYSTEM_ERROR
                   for (op, _), reply in zip(requests, replies)):
                self.proven = began
            return replies
        except Lost:
            self.drop()
            raise

    def call(self, op, body):
        return self.calls([(op, body)])[0]

    # -- operations

    def create(self, path, data=b"", flags=0):
        err, body, zxid = self.call(CREATE, text(path) + text(data) + OPEN_ACL +
                                    struct.pack(">i", flags))
        return err, (take_text(body, 0)[0] if err == OK else None), zxid

    def set(self, path, data, version=-1):
        err, body, zxid = self.call(SET, text(path) + text(data) + struct.pack(">i", version))
        return err, (Stat(body) if err == OK else None), zxid

    def delete(self, path, version=-1):
        err, _, zxid = self.call(DELETE, text(path) + struct.pack(">i", version))
        return err, zxid

    def get(self, path, watch=False, sync=False):
        """(err, data, Stat); behind a sync in the same breath, where asked for."""
        requests = [(GET, text(path) + (b"\1" if watch else b"\0"))]
        if sync:
            requests.insert(0, (SYNC, text(path)))
        replies = self.calls(requests)
        if sync and replies[0][0] != OK:
            return replies[0][0], None, None
        err, body, _ = replies[-1]
        if err != OK:
            return err, None, None
        data, at = take_text(body, 0)
        return err, data, Stat(body, at)

    def children(self, path):
        err, body, _ = self.call(CHILDREN, text(path) + b"\0")
        return err, (take_names(body) if err == OK else [])

    def sync(self, path=b"/"):
        return self.call(SYNC, text(path))[0]

    def exists(self, path):
        err, body, _ = self.call(EXISTS, text(path) + b"\0")
        return err, (Stat(body) if err == OK else None)

    def ping(self):
        self.xid += 1
        self.send(struct.pack(">ii", PING_XID, PING))

    def close(self):
        try:
            self.call(CLOSE, b"")
        except Lost:
            pass
        self.drop()
