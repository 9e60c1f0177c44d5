"""A lock of kazoo's, held by several clients in turn, with a fence; and kazoo's counter.

The holder of a lock writes to the fence only together with a check that its lock znode still exists,
in one transaction. In the order of their zxids, what the fence was told must then rise: whoever once
lost the lock never writes again.
"""
import logging
import threading
import time

from kazoo.client import KazooClient
from kazoo.exceptions import KazooException
from kazoo.handlers.threading import KazooTimeoutError
from kazoo.retry import ForceRetryError

logging.getLogger("kazoo").setLevel(logging.CRITICAL)
FENCE = "/fence"


class Locker(threading.Thread):
    def __init__(self, world, index, seed):
        super().__init__(daemon=True, name=f"locker-{index}")
        self.world, self.history, self.seed = world, world.history, seed

    def client(self):
        hosts = ",".join(f"{host}:{port}" for host, port in self.world.servers)
        return KazooClient(hosts=hosts, timeout=self.world.timeout_ms / 1000,
                           connection_retry=dict(max_tries=-1, delay=0.05, max_delay=0.3),
                           command_retry=dict(max_tries=2, delay=0.05, max_delay=0.3))

    def run(self):
        client = self.client()
        try:
            client.start(timeout=30)
            while not self.world.done.is_set():
                try:
                    self.hold(client)
                except (KazooException, KazooTimeoutError, ForceRetryError):
                    self.history.count("lock attempts that failed")
                    self.world.done.wait(0.1)
        except KazooTimeoutError:
            if not self.world.done.is_set():
                self.history.complain(f"{self.name}: kazoo had no connection within 30 s")
        finally:
            client.stop()
            client.close()

    def hold(self, client):
        lock = client.Lock("/lock", self.name)
        if not lock.acquire(timeout=2):
            return
        try:
            token = int(lock.node[-10:])
            for _ in range(3):
                transaction = client.transaction()
                transaction.check("/lock/" + lock.node, -1)
                transaction.set_data(FENCE, f"{token} {self.name}".encode())
                results = transaction.commit()
                if isinstance(results[1], Exception):
                    self.history.count("fences that held")
                    break
                self.world.fenced.append((results[1].mzxid, token, self.name))
                self.history.wrote()
                time.sleep(0.005)
        finally:
            lock.release()
            self.history.count("locks held")
