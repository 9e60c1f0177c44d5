#!/usr/bin/python3
"""cases.py -- what zkd must answer where a comparison with the oracle is of no use.

One case for each entry of known.NOT_GENERATED, and for limits that random programs do not reach.
A case is a function named by a sentence; it gets a Bench with a fresh top-level znode "/case".
"""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import oracle  # noqa: E402
import wire  # noqa: E402
from wire import OPEN  # noqa: E402

NO_NODE, NO_AUTH, BAD_ARGUMENTS, UNREADABLE, UNKNOWN_OP = -101, -102, -8, -5, -6
INVALID_ACL, NO_WATCHER, QUOTA, NODE_EXISTS = -114, -121, -125, -110


class Wrong(Exception):
    pass


def same(got, wanted):
    if got != wanted:
        raise Wrong("got %r, expected %r" % (got, wanted))


class Bench:
    """Connections to the server, and verbs that say what happened on them."""

    def __init__(self, port):
        self.port, self.open_ones = port, []
        self.a = self.connect()
        self.a.call("create", "/case", b"", OPEN, 0)

    def connect(self, **how):
        connection = wire.Connection(self.port)
        connection.open(**how)
        self.open_ones.append(connection)
        return connection

    def messages(self, connection, *requests):
        """Sends them at once; all that comes back: errs of replies, (type, path) of events."""
        connection.send(b"".join(wire.encode(connection.next_xid(), r) for r in requests))
        heard, replies = [], 0
        while replies < len(requests):
            message = connection.message()
            if message is None:
                return heard + ["closed"]
            if isinstance(message, wire.Event):
                heard.append((message.type, message.path))
            else:
                heard.append(message.err)
                replies += 1
        return heard

    def err(self, connection, *request):
        return self.messages(connection, request)

    def refused(self, *request):
        """The errs of one request on a connection of its own, up to its end."""
        connection = self.connect()
        connection.send(wire.encode(1, request))
        heard = []
        while True:
            message = connection.message()
            if message is None:
                return heard
            heard.append((message.zxid, message.err))

    def close(self):
        admin = self.connect()
        admin.call("auth", 0, "digest", oracle.SUPER)
        level, paths = ["/case"], []
        while level:
            paths += level
            level = [p + "/" + name for p in level
                     for name in (admin.call("getChildren", p, False).fields or [[]])[0]]
        for path in reversed(paths):
            admin.call("delete", path, -1)
        for connection in self.open_ones:
            if not connection.closed:
                connection.send(wire.encode(1, ("closeSession",)))
                while connection.message() is not None:
                    pass


# ---- refusals ------------------------------------------------------------------------------------

def a_check_outside_of_a_multi_is_refused(bench):
    same(bench.refused("check", "/case", -1), [(-1, UNKNOWN_OP)])


def a_client_cannot_send_delete_container(bench):
    same(bench.refused("deleteContainer", "/case"), [(-1, UNKNOWN_OP)])
    same(bench.err(bench.a, "exists", "/case", False), [0])


def a_client_cannot_send_create_session(bench):
    same(bench.refused("createSession", 10000), [(-1, UNKNOWN_OP)])


def a_negative_ttl_is_refused_whatever_the_flags(bench):
    for flags in range(7):
        for ttl in (-1, -2, -2 ** 63):
            same(bench.err(bench.a, "createTTL", "/case/t", b"", OPEN, flags, ttl),
                 [BAD_ARGUMENTS])


def what_is_not_utf_8_is_no_path_to_a_write_and_absent_to_a_read(bench):
    for path in (b"/case/\xff", b"/case/\xc0\x80", b"/case/\xed\xa0\x80", b"/\xf5\x80\x80\x80"):
        for request in (("create", path, b"", OPEN, 0), ("setData", path, b"", -1),
                        ("setACL", path, OPEN, -1)):
            same(bench.err(bench.a, *request), [BAD_ARGUMENTS])
        for request in (("delete", path, -1), ("exists", path, True), ("getACL", path),
                        ("getData", path, False), ("getChildren", path, False)):
            same(bench.err(bench.a, *request), [NO_NODE])


def a_null_list_in_set_watches_spoils_the_whole_request(bench):
    same(bench.err(bench.a, "setWatches", 0, ["/case"], None, ["/case"]), [UNREADABLE])
    same(bench.err(bench.a, "removeWatches", "/case", 3), [NO_WATCHER])


def an_acl_may_name_an_ipv6_address(bench):
    for text, err in (("::1", 0), ("::1/128", 0), ("1:2:3:4:5:6:7:8", 0), ("fe80::/10", 0),
                      ("1:2", INVALID_ACL), ("::1::2", INVALID_ACL), ("::12345", INVALID_ACL),
                      ("::1/129", INVALID_ACL), ("1:2:3:4:5:6:7:8:9", INVALID_ACL),
                      ("g::", INVALID_ACL)):
        same([text] + bench.err(bench.a, "setACL", "/case", OPEN + [(31, "ip", text)], -1),
             [text, err])


# ---- watches -------------------------------------------------------------------------------------

def watch_modes_live_side_by_side_on_one_path(bench):
    a = bench.a
    same(bench.messages(a, ("addWatch", "/case", 0), ("getData", "/case", True),
                        ("addWatch", "/case", 1), ("setData", "/case", b"", -1)),
         [0, 0, 0, (3, "/case"), 0])
    same(bench.messages(a, ("setData", "/case", b"", -1), ("create", "/case/x", b"", OPEN, 0)),
         [(3, "/case"), 0, (1, "/case/x"), (4, "/case"), 0])
    same(bench.messages(a, ("removeWatches", "/case", 4), ("setData", "/case/x", b"", -1),
                        ("delete", "/case/x", -1)), [0, (3, "/case/x"), 0, (2, "/case/x"), 0])


def removing_by_type_takes_only_watches_of_that_type(bench):
    a = bench.a
    same(bench.messages(a, ("addWatch", "/case", 0), ("removeWatches", "/case", 1),
                        ("removeWatches", "/case", 2), ("removeWatches", "/case", 5),
                        ("checkWatches", "/case", 4), ("checkWatches", "/case", 5),
                        ("removeWatches", "/case", 4), ("removeWatches", "/case", 4)),
         [0, NO_WATCHER, NO_WATCHER, NO_WATCHER, 0, NO_WATCHER, 0, NO_WATCHER])
    same(bench.messages(a, ("addWatch", "/case", 1), ("getChildren", "/case", True),
                        ("removeWatches", "/case", 5), ("checkWatches", "/case", 1),
                        ("checkWatches", "/case", 2), ("removeWatches", "/case", 3),
                        ("checkWatches", "/case", 3)),
         [0, 0, 0, 0, NO_WATCHER, 0, NO_WATCHER])


def an_event_has_the_zxid_of_its_write_and_a_catch_up_has_none(bench):
    a = bench.a
    a.call("getData", "/case", True)
    a.send(wire.encode(7, ("setData", "/case", b"", -1)) +
           wire.encode(8, ("setWatches", 0, ["/case"], [], [])))
    event, write, catch_up, _ = [a.message() for _ in range(4)]
    same((event.zxid, catch_up.zxid, catch_up.path), (write.zxid, -1, "/case"))


def exists_needs_read_and_leaves_no_watch_without(bench):
    a = bench.a
    same(bench.messages(a, ("setACL", "/case", [(30, "world", "anyone")], -1),
                        ("exists", "/case", True), ("checkWatches", "/case", 3),
                        ("setACL", "/case", OPEN, -1)), [0, NO_AUTH, NO_WATCHER, 0])


# ---- first in, first out, in effect --------------------------------------------------------------

def a_write_is_judged_by_the_acl_that_was_set_just_before(bench):
    readable = [(17, "world", "anyone")]
    same(bench.messages(bench.a, ("setACL", "/case", readable, -1), ("setData", "/case", b"", -1),
                        ("create", "/case/x", b"", OPEN, 0), ("setACL", "/case", OPEN, -1),
                        ("setData", "/case", b"", -1)), [0, NO_AUTH, NO_AUTH, 0, 0])


def a_pipeline_of_write_read_watch_write_acts_as_if_sent_one_by_one(bench):
    for number in range(50):
        path = "/case/p%d" % number
        same(bench.messages(bench.a, ("create", path, b"1", OPEN, 0), ("getData", path, True),
                            ("setData", path, b"2", 0), ("getChildren", path, True),
                            ("create", path + "/c", b"", OPEN, 0), ("exists", path + "/d", True),
                            ("multi", [("create", path + "/d", b"", OPEN, 0),
                                       ("delete", path + "/d", 0)]), ("delete", path + "/c", 0)),
             [0, 0, (3, path), 0, 0, (4, path), 0, NO_NODE, (1, path + "/d"), 0, 0])


def quotas_count_what_was_applied_in_the_same_burst_and_multi(bench):
    a, quota = bench.a, "/zookeeper/quota/case"
    limit = b"count=-1,bytes=-1=;byteHardLimit=-1;countHardLimit=3"
    made = bench.messages(a, ("create", quota, b"", OPEN, 0),
                          ("create", quota + "/zookeeper_limits", limit, OPEN, 0),
                          ("create", quota + "/zookeeper_stats", b"", OPEN, 0),
                          ("create", "/case/1", b"", OPEN, 0), ("create", "/case/2", b"", OPEN, 0),
                          ("create", "/case/3", b"", OPEN, 0), ("delete", "/case/2", -1))
    failed = a.call("multi", [("create", "/case/%d" % n, b"", OPEN, 0) for n in (4, 5)])
    for path in ("/zookeeper_limits", "/zookeeper_stats", ""):
        a.call("delete", quota + path, -1)
    same(made, [0, 0, 0, 0, 0, QUOTA, 0])
    same([result[1] for result in failed.fields[0][:2]], [0, QUOTA])
    same(bench.err(a, "exists", "/case/4", False), [NO_NODE])


def unreadable_limits_do_not_bar_writes(bench):
    quota = "/zookeeper/quota/case"
    made = bench.messages(bench.a, ("create", quota, b"", OPEN, 0),
                          ("create", quota + "/zookeeper_limits", b"garbage", OPEN, 0),
                          ("create", "/case/1", b"x", OPEN, 0),
                          ("delete", quota + "/zookeeper_limits", -1), ("delete", quota, -1))
    same(made, [0, 0, 0, 0, 0])


def a_container_in_a_multi_is_never_ephemeral(bench):
    b = bench.connect()
    reply = b.call("multi", [("createContainer", "/case/c", b"", OPEN, 1)])
    same((reply.fields[0][0][0], reply.fields[0][0][3][7]), (15, 0))
    same(b.call("closeSession").err, 0)
    same(bench.err(bench.a, "exists", "/case/c", False), [0])


# ---- limits and the handshake --------------------------------------------------------------------

def a_frame_may_have_1048575_bytes_and_not_one_more(bench):
    fixed = len(wire.encode(1, ("setData", "/case", b"", -1))) - 4
    data = b"x" * (1048575 - fixed)
    same(bench.a.call("setData", "/case", data, -1).fields[0][8], len(data))
    same(bench.refused("setData", "/case", data + b"x", -1), [])


def a_time_out_is_brought_between_least_and_most(bench):
    for asked, given in ((1, 200), (-5, 200), (0, 200), (12345, 12345), (10 ** 9, 60000)):
        connection = wire.Connection(bench.port)
        same(connection.open(timeout=asked)[0], given)
        connection.call("closeSession")


def requests_behind_the_handshake_are_answered_after_it(bench):
    connection = wire.Connection(bench.port)
    connection.send(wire.connect_request(30000) + wire.encode(1, ("exists", "/case", False)) +
                    wire.encode(2, ("closeSession",)))
    same(wire.parse_connect(connection.frame(), True)[0], 30000)
    same([connection.message().err, connection.message().err, connection.message()], [0, 0, None])


CASES = [value for value in list(globals().values())
         if callable(value) and getattr(value, "__module__", "") == __name__
         and value.__name__ not in ("same", "run", "Wrong", "Bench")]


def run(server):
    """Runs all cases on a running server; (passed, failed)."""
    passed = failed = 0
    for case in CASES:
        try:
            bench = Bench(server.port)
            try:
                case(bench)
            finally:
                bench.close()
            passed += 1
        except (Wrong, wire.Hang, OSError) as problem:
            failed += 1
            print("%s: %s" % (case.__name__.replace("_", " "), problem))
    return passed, failed


def main():
    server = oracle.Server(sys.argv[1] if len(sys.argv) > 1 else "./zkd")
    try:
        passed, failed = run(server)
    finally:
        server.stop()
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
