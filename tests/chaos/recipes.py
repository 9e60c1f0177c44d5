#!/usr/bin/python3
"""recipes.py -- zk-cli's lock, elect, queue and semaphore under attack.

    tests/chaos/recipes.py --seconds 30 --seed 7
    tests/chaos/recipes.py --server 127.0.0.1:2181    any ZooKeeper service; it is not restarted

Twenty processes want one lock, others a lock for readers and writers, three slots, an office; some
push items, others pop them. Meanwhile holders are killed (-9), stopped for longer than their
session lasts, so are their commands, and the server is killed (-9) and started again.

The judge is what locks protect in real life: a resource of its own, outside of ZooKeeper. Whoever
holds a lock connects to it and says its fencing token; the judge answers when the visit is over.
A connection that is open is somebody inside, so a command that lives on after its lock is seen.

    FAILED if   more are inside than may be; a token comes that is older than one already seen and
                is not refused; an item acknowledged is never done, or popped twice; a znode or a
                process is left over at the end; nothing happened

First, without attacks, the hand-over of the contended lock is measured, from the command of one
holder to that of the next: it says what time it is, and ends. The last line is `N passed, N failed`.
"""
import argparse
import asyncio
import os
import random
import shutil
import signal
import statistics
import sys
import tempfile
import time

REPO = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SESSION_MS = 2000
# What runs under a lock: it says who it is, waits for the judge's word, and leaves.
VISITOR = ('exec 3<>"/dev/tcp/127.0.0.1/$JUDGE"; echo "enter $1 $ZK_FENCE $PPID $$ $2" >&3; '
           'read -r word <&3 || exit 9; echo leave >&3; read -r word <&3; exit 0')
# What works on a queue: it says what it has read.
WORKER = ('exec 3<>"/dev/tcp/127.0.0.1/$JUDGE"; read -r item; echo "done $item" >&3; '
          'read -r word <&3 || exit 9; exit 0')


class Resource:
    def __init__(self, name, most):
        self.name, self.most = name, most
        self.inside = {}  # writer -> (fence, shared, pid of zk-cli, pid of the command)
        self.newest = 0
        self.visits = self.refused = self.killed = 0

    def enter(self, who, fence, shared, holder, child, faults):
        if self.most == 1 and not shared and fence < self.newest:
            self.refused += 1
            return False
        self.newest = max(self.newest, fence)
        others = self.inside.values()
        if self.most == 1:
            if any(not (shared and other[1]) for other in others):
                faults.append(f"{self.name}: {fence} came in while {list(others)} were inside")
        elif len(self.inside) >= self.most:
            faults.append(f"{self.name}: {len(self.inside) + 1} inside")
        self.visits += 1
        self.inside[who] = (fence, shared, holder, child)
        return True


class Judge:
    def __init__(self, rng):
        self.rng = rng
        self.faults = []
        self.resources = {name: Resource(name, most)
                          for name, most in (("lock", 1), ("rw", 1), ("slots", 3), ("office", 1))}
        self.done = {}  # item -> how often
        self.port = 0

    async def start(self):
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]

    async def serve(self, reader, writer):
        resource = None
        try:
            words = (await reader.readline()).decode().split()
            if words and words[0] == "done" and len(words) == 2:
                await self.stay(reader, self.rng.uniform(0, 0.05))
                self.done[words[1]] = self.done.get(words[1], 0) + 1
                writer.write(b"thanks\n")
            elif words and words[0] == "enter":
                resource = self.resources[words[1]]
                shared = len(words) > 5 and words[5] == "read"
                if not resource.enter(writer, int(words[2]), shared, int(words[3]), int(words[4]),
                                      self.faults):
                    resource = None
                    return
                length = self.rng.choice((0, 0.01, 0.05, 0.3))
                if resource.name == "office":
                    length = self.rng.uniform(1, 4)
                if await self.stay(reader, length):
                    writer.write(b"enough\n")
                    gone = await reader.readline()
                    if gone == b"leave\n":
                        resource.inside.pop(writer)
                        resource = None
                        writer.write(b"bye\n")
            await writer.drain()
        except (ConnectionError, OSError):
            pass
        finally:
            if resource is not None:
                resource.killed += 1
                resource.inside.pop(writer)
            writer.close()

    @staticmethod
    async def stay(reader, seconds):
        """False: the visitor has gone meanwhile."""
        try:
            await asyncio.wait_for(reader.read(1), seconds)
            return False
        except asyncio.TimeoutError:
            return True


class Trial:
    def __init__(self, options):
        self.options = options
        self.rng = random.Random(options.seed)
        self.judge = Judge(self.rng)
        self.dir = tempfile.mkdtemp(prefix="zk-recipes.")
        self.zkd = None
        self.over = False
        self.processes = set()
        self.statuses = {}
        self.attacks = {}
        self.pushed = {"once": set(), "least": set()}  # acknowledged
        self.popped = {}    # item -> how often it was printed
        self.unsure = 0     # pops that were killed or did not know
        self.passed = self.failed = 0

    def check(self, name, good, detail=""):
        if good:
            self.passed += 1
        else:
            self.failed += 1
            print(f"FAILED: {name} {detail}")

    # -- processes ----------------------------------------------------------------------------------

    async def start_server(self):
        if self.options.server:
            return
        conf = os.path.join(self.dir, "zk.conf")
        if not os.path.exists(conf):
            os.makedirs(os.path.join(self.dir, "data"))
            with open(conf, "w", encoding="utf-8") as out:
                out.write(f"clientPort {self.options.port}\nclientPortAddress 127.0.0.1\n"
                          f"dataDir {self.dir}/data\ntickTime 500\nmaxClientCnxns 0\n")
        log = open(os.path.join(self.dir, "zkd.log"), "ab")
        self.zkd = await asyncio.create_subprocess_exec(self.options.zkd, conf, stdout=log,
                                                        stderr=log)
        log.close()

    async def zk(self, *words, stdin=asyncio.subprocess.DEVNULL, note=None):
        """Runs zk-cli: (exit status, stdout)."""
        server = self.options.server or f"127.0.0.1:{self.options.port}"
        env = dict(os.environ, JUDGE=str(self.judge.port))
        made = await asyncio.create_subprocess_exec(
            self.options.cli, "-server", server + "/recipes" if words[0] != "create" else server,
            "-timeout", str(SESSION_MS), *words, stdin=stdin, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE, env=env)
        self.processes.add(made)
        if note is not None:
            note.add(made.pid)
        out, err = await made.communicate()
        self.processes.discard(made)
        if note is not None:
            note.discard(made.pid)
        key = (words[0], made.returncode)
        self.statuses[key] = self.statuses.get(key, 0) + 1
        if made.returncode not in (0, -9, 3, 8, 9, 10, 128 + 9):
            print(f"{words[:4]}: status {made.returncode}: {err.decode()[-300:]}")
        if made.returncode == 3:
            await asyncio.sleep(0.1)
        return made.returncode, out.decode()

    # -- what runs ----------------------------------------------------------------------------------

    async def visit(self, resource, *options):
        recipe = "elect" if resource == "office" else "lock"
        words = [recipe, f"/{resource}", *options]
        if recipe == "elect":
            words.append("--once")
        shared = "read" if "--read" in options else "write"
        while not self.over:
            await self.zk(*words, "--", "bash", "-c", VISITOR, "visitor", resource, shared)

    async def push(self, queue, name):
        number = 0
        while not self.over:
            number += 1
            item = f"{name}-{number}"
            status, _ = await self.zk("queue", "push", f"/{queue}", item)
            if status == 0:
                self.pushed[queue].add(item)
            await asyncio.sleep(self.rng.uniform(0, 0.05))

    async def pop(self):
        while not self.over:
            status, out = await self.zk("queue", "pop", "/once", "--timeout", "1", note=self.poppers)
            if status in (-9, 9, 10):
                self.unsure += 1
            if out.strip():
                self.popped[out.strip()] = self.popped.get(out.strip(), 0) + 1

    async def work(self):
        while not self.over:
            await self.zk("queue", "pop", "/least", "--timeout", "1", "--", "bash", "-c", WORKER,
                          note=self.poppers)

    poppers = set()

    # -- attacks ------------------------------------------------------------------------------------

    def someone_inside(self):
        found = [(resource, row) for resource in self.judge.resources.values()
                 for row in resource.inside.values()]
        return self.rng.choice(found) if found else None

    def hit(self, pid, number):
        try:
            os.kill(pid, number)
            return True
        except ProcessLookupError:
            return False

    async def stop_for(self, pid, seconds):
        if self.hit(pid, signal.SIGSTOP):
            await asyncio.sleep(seconds)
            self.hit(pid, signal.SIGCONT)

    async def attack(self):
        stops = []
        while not self.over:
            await asyncio.sleep(self.rng.uniform(0.05, 0.4))
            kind = self.rng.choices(
                ("kill", "kill any", "stop", "stop command", "kill command", "kill popper",
                 "server"), (6, 4, 4, 1, 2, 3, 0 if self.options.server else 1.5))[0]
            inside = self.someone_inside()
            if kind == "server":
                self.zkd.kill()
                await self.zkd.wait()
                await asyncio.sleep(self.rng.choice((0, 0.2, 1)))
                await self.start_server()
            elif kind == "kill any" and self.processes:
                self.hit(self.rng.choice(sorted(p.pid for p in self.processes)), signal.SIGKILL)
            elif kind == "kill popper" and self.poppers:
                self.hit(self.rng.choice(sorted(self.poppers)), signal.SIGKILL)
            elif inside is not None and kind == "kill":
                self.hit(inside[1][2], signal.SIGKILL)
            elif inside is not None and kind == "kill command":
                self.hit(inside[1][3], signal.SIGKILL)
            elif inside is not None and kind.startswith("stop"):
                pid = inside[1][2 if kind == "stop" else 3]
                seconds = self.rng.choice((0.3, 1, 1.6, 3)) * SESSION_MS / 1000
                stops.append(asyncio.ensure_future(self.stop_for(pid, seconds)))
            else:
                continue
            self.attacks[kind] = self.attacks.get(kind, 0) + 1
        for each in stops:
            await each

    # -- the trial ----------------------------------------------------------------------------------

    async def line_of(self, length):
        until = time.monotonic() + 60
        while len((await self.zk("ls", "/line"))[1].split()) < length:
            if time.monotonic() > until:
                raise TimeoutError(f"no line of {length} within a minute")
            await asyncio.sleep(0.05)

    async def calm_phase(self):
        """Rounds in which all stand in line before the first one leaves; each says the time."""
        spans = []
        for _ in range(self.options.rounds):
            await self.zk("create", "/recipes/line")
            end, begin = os.pipe()
            first = asyncio.ensure_future(self.zk("lock", "/line", "--", "cat", stdin=end))
            await self.line_of(1)
            tasks = [asyncio.ensure_future(self.zk("lock", "/line", "--", "date", "+%s%N"))
                     for _ in range(self.options.processes)]
            await self.line_of(1 + self.options.processes)
            os.close(begin)
            os.close(end)
            ran = await asyncio.wait_for(asyncio.gather(*tasks), 60)
            await first
            times = sorted(int(out) for status, out in ran if status == 0)
            spans += [(b - a) / 1e6 for a, b in zip(times, times[1:])]
            await self.zk("delete", "/line")
        spans.sort()
        median = statistics.median(spans)
        print(f"hand-over among {self.options.processes} processes: median {median:.2f} ms, "
              f"90 % {spans[len(spans) * 9 // 10]:.2f} ms, {len(spans)} times")
        # On a machine that has other work it takes its turn.
        limit = 5 * max(1, os.getloadavg()[0] / os.cpu_count())
        self.check(f"the hand-over takes less than {limit:.0f} ms in the median", median < limit)

    async def storm(self):
        tasks = [self.visit("lock") for _ in range(self.options.processes)]
        tasks += [self.visit("rw", "--read") for _ in range(4)]
        tasks += [self.visit("rw") for _ in range(2)]
        tasks += [self.visit("slots", "--slots", "3") for _ in range(6)]
        tasks += [self.visit("office") for _ in range(4)]
        tasks += [self.push(queue, f"{queue}{n}") for queue in self.pushed for n in range(2)]
        tasks += [self.pop() for _ in range(3)] + [self.work() for _ in range(3)]
        running = [asyncio.ensure_future(task) for task in [*tasks, self.attack()]]
        await asyncio.sleep(self.options.seconds)
        self.over = True
        done, pending = await asyncio.wait(running, timeout=60)
        self.check("all come to an end", not pending, f"{len(pending)} do not")
        for task in done:
            task.result()
        for task in pending:
            task.cancel()
        for process in list(self.processes):
            process.kill()

    async def drain(self):
        """What is left in the queues."""
        while True:
            status, out = await self.zk("queue", "pop", "/once", "--timeout", "4")
            if status != 0:
                break
            self.popped[out.strip()] = self.popped.get(out.strip(), 0) + 1
        while True:
            status, _ = await self.zk("queue", "pop", "/least", "--timeout", "4", "--", "bash",
                                      "-c", WORKER)
            if status != 0:
                break

    async def verdict(self):
        judge = self.judge
        self.check("nobody comes in while others are inside", not judge.faults,
                   "\n  ".join(judge.faults[:10]))
        for resource in judge.resources.values():
            print(f"{resource.name}: {resource.visits} visits, {resource.killed} cut short, "
                  f"{resource.refused} refused")
            self.check(f"{resource.name}: there were visits", resource.visits > 3)
        lost = self.pushed["once"] - set(self.popped)
        twice = [item for item, times in self.popped.items() if times > 1]
        print(f"queue: {len(self.pushed['once'])} pushed, {len(self.popped)} popped, "
              f"{len(lost)} lost by {self.unsure} killed or unsure pops; "
              f"{len(self.pushed['least'])} pushed, {len(judge.done)} done, "
              f"{sum(n > 1 for n in judge.done.values())} more than once")
        self.check("nothing is popped twice", not twice, str(twice[:5]))
        self.check("only who is killed loses an item", len(lost) <= self.unsure, str(lost))
        undone = self.pushed["least"] - set(judge.done)
        self.check("nothing is left undone", not undone, str(sorted(undone)[:5]))
        self.check("something went through both queues", len(self.popped) > 3 < len(judge.done))
        for name in ("lock", "rw", "slots", "office", "once", "least"):
            deadline = time.monotonic() + 10
            while True:
                _, out = await self.zk("ls", f"/{name}")
                if not out.strip() or time.monotonic() > deadline:
                    break
                await asyncio.sleep(0.2)
            self.check(f"nothing is left in /{name}", not out.strip(), out)
        print("attacks:", dict(sorted(self.attacks.items())))
        print("exit statuses:", {f"{name} {status}": count for (name, status), count
                                 in sorted(self.statuses.items())})

    def leftovers(self):
        """Commands of ours that still run: they all have the judge's port in their environment."""
        found = []
        mark = f"JUDGE={self.judge.port}".encode()
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/environ", "rb") as environ:
                    if mark in environ.read().split(b"\0"):
                        found.append(int(pid))
            except OSError:
                continue
        return found

    async def run(self):
        try:
            await self.judge.start()
            await self.start_server()
            status, _ = await self.zk("create", "/recipes")
            while status == 3:
                status, _ = await self.zk("create", "/recipes")
            await self.calm_phase()
            await self.storm()
            await self.drain()
            await self.verdict()
            left = self.leftovers()
            for _ in range(50):
                if not left:
                    break
                await asyncio.sleep(0.1)
                left = self.leftovers()
            self.check("no process is left over", not left, str(left))
            for pid in left:
                self.hit(pid, signal.SIGKILL)
        finally:
            if self.zkd is not None:
                self.zkd.kill()
                await self.zkd.wait()
            shutil.rmtree(self.dir, ignore_errors=True)
        if self.failed:
            print(f"again: tests/chaos/recipes.py --seed {self.options.seed} "
                  f"--seconds {self.options.seconds}")
        print(f"{self.passed} passed, {self.failed} failed")
        return self.failed == 0


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--zkd", default=os.environ.get("ZKD", os.path.join(REPO, "zkd")))
    parser.add_argument("--cli", default=os.environ.get("ZK_CLI", os.path.join(REPO, "zk-cli")))
    parser.add_argument("--server", help="a service that runs already; it is not attacked")
    parser.add_argument("--port", type=int, default=25210)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--rounds", type=int, default=5, help="of the hand-over, before")
    parser.add_argument("--processes", type=int, default=20, help="that want the one lock")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 31))
    options = parser.parse_args()
    options.zkd, options.cli = os.path.abspath(options.zkd), os.path.abspath(options.cli)
    print(f"seed {options.seed}", flush=True)
    sys.exit(0 if asyncio.run(Trial(options).run()) else 1)


if __name__ == "__main__":
    main()
