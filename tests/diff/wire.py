"""wire.py -- a small raw-socket ZooKeeper client: frames, handshake, every request and reply record.

Layer 0 of the differential test. Knows the bytes of the protocol and nothing else: no retries, no
pings of its own, no session keeping. A request is a tuple (name, field...) as in SCHEMA, so that a
program prints readably and can be pasted back:

    ("create", "/a", b"data", OPEN, 0)          ("multi", [("delete", "/a", -1), ...])

Three wrappers break a request on purpose: ("cut", request, n) sends its first n body bytes,
("patch", request, offset, bytes) overwrites body bytes, ("raw", opcode, bytes) is any body, and
("frame", bytes) goes out as it is, without header and length.
"""
import socket
import struct

OPEN = [(31, "world", "anyone")]

# Field kinds: s ustring, b buffer, i int, l long, z bool, A acl list, S vector of ustring,
# T Stat, M multi, W vector of (scheme, user), Q what a create answers (a path, see `decode`).
# name: (opcode, request fields, reply fields)
SCHEMA = {
    "create": (1, "sbAi", "s"), "create2": (15, "sbAi", "sT"),
    "createContainer": (19, "sbAi", "sT"), "createTTL": (21, "sbAil", "sT"),
    "delete": (2, "si", ""), "exists": (3, "sz", "T"), "getData": (4, "sz", "bT"),
    "setData": (5, "sbi", "T"), "getACL": (6, "s", "AT"), "setACL": (7, "sAi", "T"),
    "getChildren": (8, "sz", "S"), "sync": (9, "s", "s"), "ping": (11, "", ""),
    "getChildren2": (12, "sz", "ST"), "check": (13, "si", ""), "multi": (14, "M", "M"),
    "reconfig": (16, "sssl", "bT"),
    "checkWatches": (17, "si", ""), "removeWatches": (18, "si", ""), "multiRead": (22, "M", "M"),
    "deleteContainer": (20, "s", ""), "createSession": (-10, "i", ""), "closeSession": (-11, "", ""),
    "auth": (100, "isb", ""), "setWatches": (101, "lSSS", ""), "sasl": (102, "b", "b"),
    "getEphemerals": (103, "s", "S"), "getAllChildrenNumber": (104, "s", "i"),
    "setWatches2": (105, "lSSSSS", ""), "addWatch": (106, "si", "i"), "whoAmI": (107, "", "W"),
}
WRITES = {"create", "create2", "createContainer", "createTTL", "delete", "setData", "setACL",
          "multi", "closeSession", "reconfig"}
CREATES = {"create", "create2", "createContainer", "createTTL"}
STAT = struct.Struct(">qqqqiiiqiiq")
STAT_NAMES = ("czxid", "mzxid", "ctime", "mtime", "version", "cversion", "aversion", "owner",
              "dataLength", "numChildren", "pzxid")
HEADER = struct.Struct(">iqi")
PING_XID, EVENT_XID = -2, -1
PING = struct.pack(">iii", 8, PING_XID, 11)


class Hang(Exception):
    """The server neither answered nor closed within the time allowed."""


# ---- encoding ----------------------------------------------------------------------------------

def buffer(value):
    if value is None:
        return b"\xff\xff\xff\xff"
    if isinstance(value, str):
        value = value.encode("utf-8", "surrogatepass")
    return struct.pack(">i", len(value)) + value


def vector(values, one):
    if values is None:
        return b"\xff\xff\xff\xff"
    return struct.pack(">i", len(values)) + b"".join(one(v) for v in values)


def acl_entry(entry):
    return struct.pack(">i", entry[0]) + buffer(entry[1]) + buffer(entry[2])


def multi_body(ops, resolve):
    parts = []
    for op in ops:
        code, _, _ = SCHEMA[op[0]]
        parts.append(struct.pack(">ibi", code, 0, -1) + body(op, resolve))
    return b"".join(parts) + struct.pack(">ibi", -1, 1, -1)


def field(kind, value, resolve):
    if kind == "s":
        return buffer(resolve(value))
    if kind == "b":
        return buffer(value)
    if kind == "i":
        return struct.pack(">i", value)
    if kind == "l":
        return struct.pack(">q", resolve(value) if isinstance(value, str) else value)
    if kind == "z":
        return b"\x01" if value else b"\x00"
    if kind == "A":
        return vector(value, acl_entry)
    if kind == "S":
        return vector(value, lambda s: buffer(resolve(s)))
    return multi_body(value, resolve)


def same(value):
    return value


def body(request, resolve=same):
    """The bytes after the request header."""
    name = request[0]
    if name == "cut":
        return body(request[1], resolve)[:request[2]]
    if name == "patch":
        whole = body(request[1], resolve)
        offset = request[2]
        return whole[:offset] + request[3] + whole[offset + len(request[3]):]
    if name == "raw":
        return request[2]
    return b"".join(field(kind, value, resolve)
                    for kind, value in zip(SCHEMA[name][1], request[1:]))


def opcode(request):
    while request[0] in ("cut", "patch"):
        request = request[1]
    return request[1] if request[0] == "raw" else SCHEMA[request[0]][0]


def inner(request):
    """The request under the wrappers."""
    while request[0] in ("cut", "patch"):
        request = request[1]
    return request


def encode(xid, request, resolve=same):
    """A whole frame."""
    if request[0] == "frame":
        return request[1]
    payload = body(request, resolve)
    return struct.pack(">iii", len(payload) + 8, xid, opcode(request)) + payload


def connect_request(timeout, session=0, password=b"\0" * 16, zxid=0, flag=True):
    record = struct.pack(">iqiq", 0, zxid, timeout, session) + buffer(password)
    if flag is not None:
        record += b"\x01" if flag else b"\x00"
    return struct.pack(">i", len(record)) + record


# ---- decoding ----------------------------------------------------------------------------------

class Reader:
    def __init__(self, data, at=0):
        self.data, self.at = data, at

    def unpack(self, form):
        values = struct.unpack_from(form, self.data, self.at)
        self.at += struct.calcsize(form)
        return values

    def int(self):
        value, = struct.unpack_from(">i", self.data, self.at)
        self.at += 4
        return value

    def buffer(self):
        size = self.int()
        if size < 0:
            return None
        value = self.data[self.at:self.at + size]
        if len(value) != size:
            raise struct.error("buffer of %d bytes is cut" % size)
        self.at += size
        return value

    def string(self):
        value = self.buffer()
        return None if value is None else value.decode("utf-8", "surrogatepass")

    def vector(self, one):
        count = self.int()
        return None if count < 0 else [one() for _ in range(count)]

    def stat(self):
        value = STAT.unpack_from(self.data, self.at)
        self.at += STAT.size
        return value

    def rest(self):
        return self.data[self.at:]


def acl_of(reader):
    return (reader.int(), reader.string(), reader.string())


# What a sub-result of multi and multiRead carries, by its type.
RESULTS = {1: "s", 15: "sT", 2: "", 5: "T", 13: "", 4: "bT", 8: "S", -1: "i"}


def multi_results(reader):
    results = []
    while True:
        kind, done, err = reader.unpack(">ibi")
        if done:
            return results + [("end", kind, err)]
        results.append((kind, err) + decode(RESULTS[kind], reader))


def decode(kinds, reader):
    return tuple(READ[kind](reader) for kind in kinds)


READ = {"s": Reader.string, "b": Reader.buffer, "i": Reader.int, "T": Reader.stat,
        "A": lambda r: r.vector(lambda: acl_of(r)), "S": lambda r: r.vector(r.string),
        "W": lambda r: r.vector(lambda: (r.string(), r.string())), "M": multi_results}


class Event:
    __slots__ = ("zxid", "err", "type", "state", "path")

    def __init__(self, zxid, err, data):
        reader = Reader(data, HEADER.size)
        self.zxid, self.err = zxid, err
        self.type, self.state = reader.unpack(">ii")
        self.path = reader.string()

    def key(self):
        return (self.type, self.state, self.path, self.err)

    def __repr__(self):
        name = {1: "NodeCreated", 2: "NodeDeleted", 3: "NodeDataChanged",
                4: "NodeChildrenChanged"}.get(self.type, self.type)
        return "event %s %s state=%d zxid=%#x" % (name, self.path, self.state, self.zxid)


class Reply:
    __slots__ = ("xid", "zxid", "err", "raw", "fields", "rest", "broken")

    def __init__(self, xid, zxid, err, data):
        self.xid, self.zxid, self.err = xid, zxid, err
        self.raw, self.fields, self.rest, self.broken = data[HEADER.size:], (), b"", None

    def parse(self, request):
        """Reads the body as the answer to `request`; after an error the body is left raw."""
        request = inner(request)
        if self.err != 0 or request[0] in ("raw", "frame"):
            self.rest = self.raw
            return self
        reader = Reader(self.raw)
        try:
            self.fields = decode(SCHEMA[request[0]][2], reader)
            self.rest = reader.rest()
        except (struct.error, KeyError, UnicodeDecodeError) as problem:
            self.broken, self.rest = str(problem), self.raw
        return self

    def __repr__(self):
        text = "reply xid=%d zxid=%#x err=%d" % (self.xid, self.zxid, self.err)
        for value in self.fields:
            text += " " + show(value)
        if self.rest:
            text += " rest=%s" % self.rest.hex()
        return text + (" BROKEN %s" % self.broken if self.broken else "")


def show(value):
    if isinstance(value, tuple) and len(value) == 11:
        return "{" + " ".join("%s=%s" % (n, hex(v) if n in ("czxid", "mzxid", "pzxid", "owner") else v)
                              for n, v in zip(STAT_NAMES, value)) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(show(v) for v in value) + "]"
    return repr(value)


def parse_connect(data, flag):
    """(timeout, session, password, readOnly or None, bytes left)"""
    reader = Reader(data)
    _, timeout, session = reader.unpack(">iiq")
    password = reader.buffer()
    read_only = reader.unpack(">b")[0] if reader.at < len(data) else None
    return timeout, session, password, read_only, reader.rest()


class Connection:
    """One TCP connection. `message` gives the next Event, Reply, or None when the server closed."""

    def __init__(self, port, host="127.0.0.1", wait=10.0):
        self.sock = socket.create_connection((host, port), timeout=wait)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.pending, self.at, self.closed, self.xid = b"", 0, False, 0

    def send(self, data):
        if self.closed:
            return
        try:
            self.sock.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            pass                        # what the server said before it closed is still readable

    def frame(self):
        while True:
            have = len(self.pending) - self.at
            if have >= 4:
                size, = struct.unpack_from(">i", self.pending, self.at)
                if have >= 4 + size:
                    start = self.at + 4
                    self.at = start + size
                    return self.pending[start:self.at]
            try:
                more = self.sock.recv(262144)
            except ConnectionResetError:
                more = b""
            except socket.timeout:
                raise Hang("no answer in %.0f s" % self.sock.gettimeout()) from None
            if not more:
                self.closed = True
                self.sock.close()
                return None
            self.pending = self.pending[self.at:] + more
            self.at = 0

    def message(self):
        data = self.frame()
        if data is None:
            return None
        xid, zxid, err = HEADER.unpack_from(data)
        return Event(zxid, err, data) if xid == EVENT_XID else Reply(xid, zxid, err, data)

    def next_xid(self):
        self.xid += 1
        return self.xid

    def call(self, *request):
        """One request, its reply; events on the way are dropped. For set-up and cleaning."""
        self.send(encode(self.next_xid(), request))
        while True:
            message = self.message()
            if message is None:
                raise Hang("the server closed the connection on %r" % (request,))
            if isinstance(message, Reply):
                return message.parse(request)

    def calls(self, requests):
        """Many requests at once, their replies in order."""
        self.send(b"".join(encode(self.next_xid(), r) for r in requests))
        replies = []
        while len(replies) < len(requests):
            message = self.message()
            if message is None:
                raise Hang("the server closed the connection in a series of calls")
            if isinstance(message, Reply):
                replies.append(message.parse(requests[len(replies)]))
        return replies

    def open(self, timeout=30000, session=0, password=b"\0" * 16, zxid=0, flag=True):
        """The handshake; None if the server closed without an answer."""
        self.send(connect_request(timeout, session, password, zxid, flag))
        data = self.frame()
        return None if data is None else parse_connect(data, flag)

    def close(self):
        """Hangs up, and waits until the server did so too. A ZooKeeper that learns late of a
        connection's end forgets where its session is now (removeCnxnFromSessionMap takes out
        whatever connection stands there), and the session's next move leaves two connections."""
        if self.closed:
            return
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass                        # reset: over on both sides
        while self.frame() is not None:
            pass


def word(port, text, host="127.0.0.1", wait=10.0):
    """A four-letter word and its answer."""
    with socket.create_connection((host, port), timeout=wait) as sock:
        sock.sendall(text.encode())
        parts = []
        while True:
            try:
                part = sock.recv(65536)
            except ConnectionResetError:
                part = b""
            if not part:
                return b"".join(parts).decode("utf-8", "replace")
            parts.append(part)
