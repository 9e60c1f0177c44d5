#!/usr/bin/python3
"""Debian's kazoo and its recipes against a running server: --server host:port.

Each test is a function; the last line is `N passed, N failed`.
"""
import argparse
import socket
import sys
import threading
import time

from kazoo.client import KazooClient, KazooState
from kazoo.exceptions import (BadVersionError, ConnectionLoss, InvalidACLError, NoAuthError,
                              NoChildrenForEphemeralsError, NodeExistsError, NoNodeError,
                              NotEmptyError, RolledBackError)
from kazoo.recipe.cache import TreeCache
from kazoo.recipe.watchers import ChildrenWatch, DataWatch
from kazoo.security import OPEN_ACL_UNSAFE, make_acl, make_digest_acl

SERVER = None


def client(**options):
    options.setdefault("timeout", 10.0)
    made = KazooClient(hosts=SERVER, **options)
    made.start(timeout=15)
    return made


def until(condition, seconds=10):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)


def raises(error, call, *arguments, **options):
    try:
        call(*arguments, **options)
    except error:
        return
    raise AssertionError(f"{error.__name__} was not raised")


def test_basics(zk, root):
    path = zk.create(root + "/a", b"one")
    assert path == root + "/a"
    data, stat = zk.get(path)
    assert data == b"one" and stat.version == 0 and stat.dataLength == 3
    stat = zk.set(path, b"two", version=0)
    assert stat.version == 1
    raises(BadVersionError, zk.set, path, b"x", version=0)
    raises(NodeExistsError, zk.create, path)
    raises(NoNodeError, zk.get, root + "/none")
    zk.create(path + "/b")
    raises(NotEmptyError, zk.delete, path)
    assert zk.get_children(root) == ["a"]
    names, stat = zk.get_children(path, include_data=True)
    assert names == ["b"] and stat.numChildren == 1
    zk.delete(path, recursive=True)
    assert zk.exists(path) is None
    assert zk.sync(root) == root


def test_sequential_and_ephemeral(zk, root):
    names = [zk.create(root + "/s-", sequence=True) for _ in range(3)]
    assert [name[-10:] for name in names] == ["%010d" % i for i in range(3)]
    other = client()
    mine = other.create(root + "/e", ephemeral=True)
    assert zk.get(mine)[1].ephemeralOwner == other.client_id[0]
    raises(NoChildrenForEphemeralsError, zk.create, mine + "/child")
    other.stop()
    other.close()
    until(lambda: zk.exists(mine) is None)


def test_null_and_big_data(zk, root):
    path = zk.create(root + "/big", b"b" * 1000000)
    assert zk.get(path)[0] == b"b" * 1000000
    raises(ConnectionLoss, zk.set, path, b"x" * (2 << 20))
    until(lambda: zk.connected)
    assert len(zk.get(path)[0]) == 1000000


def test_transactions(zk, root):
    transaction = zk.transaction()
    transaction.create(root + "/t", b"1")
    transaction.create(root + "/t/c")
    transaction.set_data(root + "/t", b"2")
    transaction.check(root + "/t", 1)
    transaction.delete(root + "/t/c")
    results = transaction.commit()
    assert results[0] == root + "/t" and results[2].version == 1, results
    failing = zk.transaction()
    failing.create(root + "/u")
    failing.delete(root + "/none")
    failing.create(root + "/v")
    results = failing.commit()
    assert isinstance(results[0], RolledBackError) and isinstance(results[1], NoNodeError), results
    assert zk.exists(root + "/u") is None


def test_acl_and_digest(zk, root):
    secret = client(auth_data=[("digest", "bob:builder")])
    path = root + "/secret"
    secret.create(path, b"s", acl=[make_digest_acl("bob", "builder", all=True)])
    assert secret.get(path)[0] == b"s"
    raises(NoAuthError, zk.get, path)
    zk.add_auth("digest", "bob:builder")
    assert zk.get(path)[0] == b"s"
    acls, _ = secret.get_acls(path)
    assert acls[0].id.id.startswith("bob:")
    secret.stop()
    secret.close()


def test_watches(zk, root):
    seen = []
    path = root + "/w"
    assert zk.exists(path, watch=seen.append) is None
    zk.create(path)
    until(lambda: len(seen) == 1)
    zk.get(path, watch=seen.append)
    zk.get_children(path, watch=seen.append)
    zk.set(path, b"x")
    zk.create(path + "/c")
    until(lambda: len(seen) == 3)
    assert [event.type for event in seen] == ["CREATED", "CHANGED", "CHILD"], seen


def test_data_and_children_watch(zk, root):
    data, children = [], []
    DataWatch(zk, root + "/d", lambda value, stat: data.append(value) and None)
    zk.create(root + "/d", b"1")
    zk.set(root + "/d", b"2")
    until(lambda: data and data[-1] == b"2")
    ChildrenWatch(zk, root + "/d", lambda names: children.append(sorted(names)) and None)
    zk.create(root + "/d/a")
    zk.create(root + "/d/b")
    until(lambda: children and children[-1] == ["a", "b"])


def test_session_comes_back(zk, root):
    states = []
    other = client()
    other.add_listener(states.append)
    session = other.client_id[0]
    path = other.create(root + "/kept", ephemeral=True)
    seen = []
    other.get(root, watch=None)
    other.get_children(root, watch=seen.append)
    other._connection._socket.shutdown(socket.SHUT_RDWR)
    until(lambda: KazooState.SUSPENDED in states)
    until(lambda: other.connected)
    assert other.client_id[0] == session
    assert zk.exists(path)
    zk.create(root + "/later")
    until(lambda: seen)
    other.stop()
    other.close()


def test_lock(zk, root):
    holders, most = [], []

    def work(number):
        mine = client()
        for _ in range(5):
            with mine.Lock(root + "/lock", str(number)):
                holders.append(number)
                most.append(len(holders))
                holders.remove(number)
        mine.stop()
        mine.close()
    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(most) == 20 and max(most) == 1, most


def test_read_write_locks(zk, root):
    reader, writer = zk.ReadLock(root + "/rw"), zk.WriteLock(root + "/rw")
    assert reader.acquire(timeout=5)
    assert zk.ReadLock(root + "/rw").acquire(timeout=5)
    try:
        assert not writer.acquire(timeout=0.2)
    except Exception as error:  # noqa: kazoo raises LockTimeout
        assert type(error).__name__ == "LockTimeout"


def test_semaphore(zk, root):
    first, second = zk.Semaphore(root + "/sem", max_leases=2), zk.Semaphore(root + "/sem", max_leases=2)
    assert first.acquire(timeout=5) and second.acquire(timeout=5)
    assert len(first.lease_holders()) == 2
    first.release()
    second.release()


def test_election(zk, root):
    led = []
    clients = [client() for _ in range(3)]
    threads = [threading.Thread(target=one.Election(root + "/el", str(i)).run, args=(led.append, i))
               for i, one in enumerate(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(led) == [0, 1, 2]
    for one in clients:
        one.stop()
        one.close()


def test_queues(zk, root):
    queue = zk.Queue(root + "/q")
    for i in range(10):
        queue.put(b"%d" % i)
    assert len(queue) == 10
    assert [queue.get() for _ in range(10)] == [b"%d" % i for i in range(10)]
    locking = zk.LockingQueue(root + "/lq")
    locking.put_all([b"a", b"b"])
    assert locking.get(timeout=5) == b"a" and locking.consume()
    assert locking.get(timeout=5) == b"b" and locking.consume()


def test_barriers(zk, root):
    barrier = zk.Barrier(root + "/b")
    barrier.create()
    assert not barrier.wait(0.1)
    threading.Timer(0.1, barrier.remove).start()
    assert barrier.wait(10)
    through = []
    clients = [client() for _ in range(3)]

    def pass_it(one):
        double = one.DoubleBarrier(root + "/db", 3)
        double.enter()
        through.append("in")
        double.leave()
        through.append("out")
    threads = [threading.Thread(target=pass_it, args=(one,)) for one in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert through.count("in") == 3 and through.count("out") == 3, through
    for one in clients:
        one.stop()
        one.close()


def test_counter_and_party(zk, root):
    counter = zk.Counter(root + "/n")
    for _ in range(5):
        counter += 2
    assert counter.value == 10
    party = zk.Party(root + "/p", "me")
    party.join()
    assert list(party) == ["me"] and len(party) == 1
    party.leave()
    shallow = zk.ShallowParty(root + "/p2", "me")
    shallow.join()
    assert list(shallow) == ["me"]


def test_counters_of_many(zk, root):
    clients = [client() for _ in range(3)]

    def count(one):
        counter = one.Counter(root + "/many")
        for _ in range(10):
            counter += 1
    threads = [threading.Thread(target=count, args=(one,)) for one in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert zk.Counter(root + "/many").value == 30
    for one in clients:
        one.stop()
        one.close()


def test_a_party_loses_who_leaves_or_dies(zk, root):
    other = client()
    mine, theirs = zk.Party(root + "/party", "me"), other.Party(root + "/party", "they")
    mine.join()
    theirs.join()
    assert sorted(mine) == ["me", "they"]
    other.stop()
    other.close()
    until(lambda: list(mine) == ["me"])


def test_the_lock_of_a_dead_client_is_free(zk, root):
    other = client()
    held = other.Lock(root + "/dead", "other")
    assert held.acquire(timeout=5)
    mine = zk.Lock(root + "/dead", "mine")
    assert not mine.acquire(blocking=False)
    assert mine.contenders()[0] == "other"
    other.stop()
    other.close()
    assert mine.acquire(timeout=10)
    mine.release()


def test_an_expired_session_is_told_and_its_ephemerals_go(zk, root):
    other = client(timeout=2.0)
    path = other.create(root + "/mortal", ephemeral=True)
    states, old = [], other.client_id[0]
    other.add_listener(states.append)
    gone = []
    assert zk.exists(path, watch=gone.append)
    session, password = other.client_id
    other._connection._socket.shutdown(socket.SHUT_RDWR)
    until(lambda: KazooState.SUSPENDED in states)
    other.stop()
    other.close()
    until(lambda: gone and gone[0].type == "DELETED", 15)
    late = KazooClient(hosts=SERVER, timeout=2.0, client_id=(session, password))
    late.add_listener(states.append)
    late.start(timeout=15)
    assert late.client_id[0] != old
    late.stop()
    late.close()


def test_a_wrong_password_does_not_get_a_session(zk, root):
    session, _ = zk.client_id
    thief = KazooClient(hosts=SERVER, client_id=(session, b"x" * 16))
    thief.start(timeout=15)
    assert thief.client_id[0] != session
    thief.stop()
    thief.close()
    until(lambda: zk.connected)


def test_lists_of_permissions(zk, root):
    path = zk.create(root + "/acl", b"")
    stat = zk.set_acls(path, [make_acl("world", "anyone", read=True, admin=True)], version=0)
    assert stat.aversion == 1
    raises(BadVersionError, zk.set_acls, path, OPEN_ACL_UNSAFE, version=0)
    raises(NoAuthError, zk.set, path, b"x")
    acls, stat = zk.get_acls(path)
    assert acls == [make_acl("world", "anyone", read=True, admin=True)] and stat.aversion == 1
    raises(InvalidACLError, zk.create, root + "/none", acl=[make_acl("nobody", "x", all=True)])
    zk.set_acls(path, OPEN_ACL_UNSAFE)


def test_create_with_stat(zk, root):
    path, stat = zk.create(root + "/two", b"12", include_data=True)
    assert path == root + "/two" and stat.dataLength == 2 and stat.czxid == stat.mzxid
    assert zk.exists(path) == stat
    path, stat = zk.create(root + "/two/", b"", sequence=True, include_data=True)
    assert path == root + "/two/0000000000" and stat.version == 0


def test_tree_cache(zk, root):
    cache = TreeCache(zk, root + "/tree")
    cache.start()
    zk.ensure_path(root + "/tree/a/b")
    zk.set(root + "/tree/a/b", b"leaf")
    path = root + "/tree/a/b"
    until(lambda: cache.get_data(path) and cache.get_data(path).data == b"leaf")
    zk.delete(root + "/tree/a", recursive=True)
    until(lambda: not cache.get_children(root + "/tree", set()))
    cache.close()


def test_chroot(zk, root):
    below = client()
    below.chroot = root
    below.create("/x", b"1")
    assert zk.get(root + "/x")[0] == b"1"
    below.stop()
    below.close()


def test_words(zk, root):
    assert zk.command(b"ruok") == "imok"
    assert zk.server_version() >= (3, 8, 0)
    assert "Mode: standalone" in zk.command(b"srvr")
    assert "zk_znode_count\t" in zk.command(b"mntr")


def test_pipeline(zk, root):
    asked = [zk.create_async(root + "/p%d" % i, b"x") for i in range(2000)]
    asked += [zk.get_async(root + "/p%d" % i) for i in range(2000)]
    for answer in asked:
        answer.get(timeout=30)
    assert len(zk.get_children(root)) == 2000


def main():
    global SERVER
    parser = argparse.ArgumentParser()
    parser.add_argument("--server", default="127.0.0.1:2181")
    SERVER = parser.parse_args().server
    passed = failed = 0
    tests = [(name, test) for name, test in globals().items() if name.startswith("test_")]
    for name, test in tests:
        zk = client()
        root = "/interop-" + name
        zk.ensure_path(root)
        try:
            test(zk, root)
            passed += 1
        except Exception as failure:  # noqa: whatever it is
            failed += 1
            print(f"{name}: {type(failure).__name__}: {failure}")
        zk.stop()
        zk.close()
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
