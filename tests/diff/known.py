"""known.py -- what may differ between the oracle (Debian's 3.8.0) and zkd (which follows 3.9.5).

Three lists, each entry with its reason. Nothing else may differ.

TOLERATED     (name, reason, predicate): a pair of answers to one request, or of events, that are not
              the same. The predicate sees the pair and must be as narrow as the reason. `repair`
              requests, if any, are then sent to the oracle so that both states agree again.
NOT_GENERATED what would make the two part for good, so that the generator leaves it out. Each
              has a case in cases.py, which says what zkd itself must answer.
ALWAYS        differences that compare.py never looks at, because no server promises them.
"""
from wire import inner

ALWAYS = [
    "times, zxids and session ids: only their relations are compared (compare.Relations)",
    "header zxids of reads and of failed writes: each server's must grow and cover what the body shows",
    "the order of names in getChildren, getEphemerals and whoAmI, and of events of one session's end",
    "session passwords: 16 bytes on both sides",
]

NOT_GENERATED = [
    "top-level check (13): 3.8.0 never answers it; 3.9.3 and later say -6 and close",
    "deleteContainer (20) from a client: 3.8.0 deletes without asking; zkd says -6 and closes",
    "createSession (-10) from a client: 3.8.0 answers a bare ConnectResponse; zkd says -6 and closes",
    "createTTL with a negative ttl and flags that are not a TTL's ends the oracle's process; zkd "
    "says -8",
    "two watch modes of one connection on one path: since 3.9 they coexist, before the later one "
    "replaced the earlier",
    "removeWatches and checkWatches of types 1 and 2 on a path with a persistent watch: before 3.9 "
    "they ended it",
    "checkWatches of types 4 and 5: not in 3.8",
    "hard quotas in bursts, and two writes below one quota in a multi: zkd counts what was applied, "
    "ZooKeeper only what was committed",
]


def removal_by_mode(request, a, b):
    return (request[0] == "removeWatches" and request[2] in (4, 5)
            and a.err == -5 and b.err in (0, -121))


def broken_utf8(request, a, b):
    path = inner(request)[1] if len(inner(request)) > 1 else None
    if not isinstance(path, str) or not any("\ud800" <= c <= "\udfff" for c in path):
        return False
    return b.err == -8 and a.err in (-101, 0, -121)


def create2_in_multi(request, a, b):
    """One sub-result: (type, err, ...) of each."""
    return (request[0] == "create2" and a[:2] == (1, 0) and b[:2] == (15, 0) and a[2] == b[2])


# (name, reason, predicate(request, oracle's reply, zkd's reply), repair(request) or None)
TOLERATED = [
    ("removal by mode", "removeWatches types 4 and 5 came with 3.9", removal_by_mode,
     lambda request: [("removeWatches", request[1], 3)]),
    ("broken UTF-8", "zkd refuses a path that is not UTF-8, Java reads on with U+FFFD",
     broken_utf8, None),
]
# The same for one sub-result of a multi.
TOLERATED_RESULTS = [
    ("create2 in multi", "answers a Stat since 3.8.2 (ZOOKEEPER-4026)", create2_in_multi),
]


def event_zxid(oracle, zkd):
    """Events carry their transaction's zxid since 3.9, and -1 before; catch-up events always -1."""
    return oracle == -1 and (zkd == -1 or zkd > 0)
