"""known.py -- what may differ between the oracle (Debian's 3.8.0) and zkd, which follows 3.9.5.

Every entry has its reason; nothing else may differ. Four lists:

ALWAYS             what compare.py does not look at, because no server promises it.
TOLERATED          pairs of answers to one request: (name, reason, predicate, repair). The predicate
                   sees the request, the oracle's reply and zkd's, and must be as narrow as the
                   reason. `repair` gives requests for the oracle and for zkd that make their states
                   agree again, or is None. run.py prints how often each entry was met.
TOLERATED_RESULTS  the same for one result of a multi.
NOT_GENERATED      what would part the two for good, so that generate.py leaves it out. Each has a
                   case in cases.py that says what zkd must answer.
"""
from wire import body, inner

ALWAYS = [
    "times, zxids and session ids: only their relations are compared (compare.Relations)",
    "header zxids of reads and of failed writes: each server's must grow",
    "the order of names in getChildren, getEphemerals and whoAmI, of ACL entries that \"auth\" was "
    "expanded to, and of events of one session's end",
    "characters above U+FFFF: Java writes two surrogates of three bytes each, zkd echoes the four",
    "session passwords: 16 bytes on both sides",
]

NOT_GENERATED = [
    "a check (13) outside of a multi: 3.8.0 never answers it; 3.9.3 and later say -6 and close",
    "deleteContainer (20) from a client: 3.8.0 deletes without asking; zkd says -6 and closes",
    "createSession (-10) from a client: 3.8.0 answers a bare ConnectResponse; zkd says -6 and closes",
    "createTTL with a negative ttl and flags that are not a TTL's ends the oracle; zkd says -8",
    "createContainer in a multi with an ephemeral flag: 3.8.0 makes an ephemeral, 3.9 a container",
    "two watch modes of one connection on one path: since 3.9 they live side by side, before that "
    "the later one replaced the earlier",
    "removeWatches and checkWatches of types 1 and 2 on a path with a persistent watch: before 3.9 "
    "they took that too; checkWatches of types 4 and 5: not in 3.8",
    "a null list in setWatches behind lists that are not empty: ZooKeeper acts on those, then says "
    "-5; zkd says -5 and does nothing",
    "IPv6 addresses in ACLs: new in 3.9.5 (ZOOKEEPER-4240)",
    "an ACL entry (auth, null) twice: Java fails when it compares the two; zkd sees one",
    "hard quotas in bursts, and two writes below one quota in a multi: zkd counts what was applied, "
    "ZooKeeper only what was committed",
    "limits that are not key=number: ZooKeeper answers -5 to every write below them; zkd takes what "
    "it can read",
    "a write behind a setACL in one burst: ZooKeeper judges it by the list before if the setACL is "
    "not committed yet (its pending changes forget the list); zkd by the new one",
]


# ---- replies: predicate(request, a = the oracle's, b = zkd's) ------------------------------------

def removal_by_mode(request, a, b):
    return (request[0] == "removeWatches" and request[2] in (4, 5)
            and a.err == -5 and b.err in (0, -121))


def check_of_anybody(request, a, b):
    if inner(request)[0] != "checkWatches" or b.err not in (0, -121):
        return False
    if body(request)[:4] == b"\0\0\0\0":
        return a.err == -121 and b.err == 0
    slash = body(request)[4:5] in (b"/", b"<")
    return a.err == 0 and b.err == -121 or a.err == -5 and not slash


def unreadable_exists(request, a, b):
    return request[0] == "exists" and a.err == 0 and b.err == -102


def body_of_bad_multi_read(request, a, b):
    return inner(request)[0] == "multiRead" and a.err == b.err == -5 and b.rest == b""


def null_path_in_multi(request, a, b):
    return (request[0] == "multi" and a.err == b.err == -5
            and a.rest == b"\xff\xff\xff\xff\1\xff\xff\xff\xff" and b.rest == b""
            and any(op[1] is None for op in request[1]))


def odd_flags_in_multi(request, a, b):
    """All or nothing: nothing on both sides."""
    return (request[0] == "multi" and b.err == -5
            and any(op[0] in ("create", "create2", "createContainer") and op[4] not in range(5)
                    for op in request[1])
            and (a.err == -5 or a.err == 0 and a.fields[0][0][0] == -1))


def null_in_acl(request):
    return any(None in entry for field in request if isinstance(field, list) for entry in field)


def null_in_acl_twice(request, a, b):
    if request[0] == "multi":
        return (a.err == -5 and b.err == 0 and any(r[1:] == (-114, -114) for r in b.fields[0])
                and any(null_in_acl(op) for op in request[1]))
    return a.err == -5 and b.err == -114 and null_in_acl(inner(request))


def count_below_nothing(request, a, b):
    """The path is "": by itself, or in a request that was patched."""
    return (inner(request)[0] == "getAllChildrenNumber" and a.err == b.err == 0
            and body(request)[:4] == b"\0\0\0\0" and a.fields[0] == b.fields[0] + 1)


def broken_utf8(request, a, b):
    return (request[0] == "sync" and a.err == b.err == 0 and isinstance(request[1], str)
            and any("\ud800" <= c <= "\udfff" for c in request[1]))


TOLERATED = [
    ("removal by mode", "removeWatches types 4 and 5 came with 3.9", removal_by_mode,
     lambda request: ([("removeWatches", request[1], 3)], [])),
    ("check of watches", "before 3.9 anybody's watch on the path will do for checkWatches, a path "
     "without a slash is -5, and none is found on \"\"", check_of_anybody, None),
    ("unreadable exists", "READ is asked for exists since 3.8.4 and 3.9.2", unreadable_exists,
     lambda request: ([], [("setWatches", 2 ** 62, [request[1]] if request[2] else [], [], [])])),
    ("body of a bad multiRead", "ZooKeeper puts the results so far behind the error",
     body_of_bad_multi_read, None),
    ("null path in multi", "3.8 puts an empty multi's body behind the error", null_path_in_multi,
     None),
    ("odd flags in multi", "since 3.9 create flags outside 0..4 make a multi unreadable (-5)",
     odd_flags_in_multi, None),
    ("null in an ACL twice", "Java fails when it compares two entries with nulls, before it judges "
     "them", null_in_acl_twice, None),
    ("count below nothing", "in Java the root is in the table twice, and once below the path \"\"",
     count_below_nothing, None),
    ("broken UTF-8", "sync echoes the bytes that came, Java what it read: U+FFFD", broken_utf8,
     None),
]


# ---- one result of a multi: (type, err, ...) of each ---------------------------------------------

def create2_in_multi(request, a, b):
    return (request[0] in ("create2", "createContainer") and a[:2] == (1, 0)
            and b[:2] == (15, 0) and a[2] == b[2])


TOLERATED_RESULTS = [
    ("create2 in multi", "it and createContainer answer a Stat since 3.8.2 (ZOOKEEPER-4026)",
     create2_in_multi),
]


def event_zxid(oracle, zkd):
    """Events carry their transaction's zxid since 3.9, and -1 before; catch-up events always -1."""
    return oracle == -1 and (zkd == -1 or zkd > 0)
