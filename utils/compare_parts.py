"""The parts of utils/compare. Each starts what it needs, adds figures, leaves nothing running."""
import json
import os
import signal
import subprocess
import time

from ensemble_loads import run_loads, started
from ensembles import word
from figures import median, ratios, say, size_text, spread
from servers import Load, Null, Redis, Zkd, ZooKeeper

# What zkd is to be beside another server: so many times better in a figure, at the median.
LOADS = [
    Load("get 64x16", 64, 16, "get", (), [("redis", "cpu", 1.0), ("ZooKeeper", "cpu", 20)]),
    Load("get 16x1", 16, 1, "get", (), [("null server", "cpu", 0.7)]),
    Load("get 1x1", 1, 1, "get"),
    Load("set 64x16", 64, 16, "set", (), [("redis", "cpu", 0.5), ("ZooKeeper", "cpu", 10)]),
    Load("set 16x1", 16, 1, "set"),
    Load("set 1x1", 1, 1, "set", (), [("null server", "p50", 1 / 1.1)]),
    Load("set 1x1 pinned", 1, 1, "set", (), [("null server", "p50", 1 / 1.1)], is_pinned=True),
    Load("create 64x16", 64, 16, "create", (), [("ZooKeeper", "cpu", 12)]),
    Load("multi of 10 creates 64x16", 64, 16, "creates", ("--batch", 10),
         [("ZooKeeper", "cpu", 12)]),
    Load("ls of 100 children 64x16", 64, 16, "ls", ("--znodes", 10_000, "--parents", 100),
         [("ZooKeeper", "cpu", 10)]),
    Load("sessions 256x1", 256, 1, "sessions", (), [("ZooKeeper", "rate", 5)]),
]
FIGURE_NAMES = dict(cpu="CPU s / 100 000", rate="ops/s", p50="p50 ms", p99="p99 ms")
NAME_BYTES, DATA_BYTES, EMPTY_PERCENT = 24, 46, 50  # of a znode in production


def servers_of(options):
    """zkd and, unless it is to run alone, those beside it: all that are measured in turn."""
    kinds = [Zkd] if options.alone else [Zkd, ZooKeeper, Redis, Null]
    return [kind(options, options.port + i) for i, kind in enumerate(kinds)
            if kind is Zkd or kind.name in options.beside]


def pair_of(options):
    return [server for server in servers_of(options) if server.name in ("zkd", "ZooKeeper")]


def takes(server, load):
    return server.name != "redis" or load.workload in Redis.WORKLOADS


# -- loads ---------------------------------------------------------------------------------------


def run_load(options, loads, figures, raw):
    chosen = [load for load in LOADS if not options.loads or load.name in options.loads]
    servers = [server for server in servers_of(options)
               if any(takes(server, load) for load in chosen)]
    try:
        for server in servers:
            server.clear()
            server.start()
            say(f"warming {server.name} up, {options.warm_up:g} s")
            server.warm_up(options.warm_up)
            server.pause(True)
        for load in chosen:
            measure_load(options, load, servers, loads, figures, raw)
    finally:
        for server in servers:
            server.kill()
            server.clear()


def measure_load(options, load, servers, loads, figures, raw):
    runs = {server.name: [] for server in servers if takes(server, load)}
    for _ in range(options.rounds):
        for server in servers:
            if server.name not in runs:
                continue
            server.pause(False)
            if load.is_pinned:
                server.run_on({options.processor})
            time.sleep(0.3)
            runs[server.name].append(server.run(load, options.seconds))
            if load.is_pinned:
                server.run_on(os.sched_getaffinity(0))
            server.pause(True)
    raw += [dict(load=load.name, server=name, **result)
            for name, results in runs.items() for result in results]
    loads.add(load.name, runs)
    for beside, key, least in load.targets:
        if beside not in runs:
            continue
        ours, theirs = ([run[key] for run in runs[name]] for name in ("zkd", beside))
        better = ratios(ours, theirs, key != "rate")
        pattern = "{:,.0f}" if key == "rate" else "{:.3f}"
        figures.add(f"{load.name}: {FIGURE_NAMES[key]}", pattern.format(median(ours)),
                    f"{pattern.format(median(theirs))} {beside}", spread(better),
                    f"≥ {least:.2g}×", median(better) >= least)


# -- beside ZooKeeper ----------------------------------------------------------------------------


def run_start(options, _loads, figures, _raw):
    measured = {}
    for server in pair_of(options):
        took = dict(start=[], stop=[], resident=[])
        for _ in range(options.starts):
            server.clear()
            took["start"].append(server.start())
            time.sleep(0.5)
            took["resident"].append(server.resident())
            took["stop"].append(server.stop())
        server.clear()
        measured[server.name] = took
    for key, label, scale, unit, target in [
            ("start", "empty: exec to first reply", 1e3, "ms", 30),
            ("stop", "empty: SIGTERM to exit", 1e3, "ms", 100),
            ("resident", "empty: resident memory", 1e-6, "MB", 6)]:
        values = {name: [value * scale for value in took[key]] for name, took in measured.items()}
        ours, theirs = values["zkd"], values.get("ZooKeeper")
        figures.add(label, f"{median(ours):.1f} {unit}",
                    f"{median(theirs):.1f} {unit} ZooKeeper" if theirs else "",
                    spread(ratios(ours, theirs)) if theirs else "", f"≤ {target} {unit}",
                    median(ours) <= target)


def memory_of(server):
    live = server.live()  # first: it collects garbage
    return server.resident(), live


def each(before, after, count):
    """Bytes of each of `count` things, between two measurements of ZooKeeper's memory."""
    text = f"{(after[0] - before[0]) / count:,.0f} B resident"
    if before[1] is not None and after[1] is not None:
        text += f", {(after[1] - before[1]) / count:,.0f} B live"
    return text + " ZooKeeper"


def wait_for_snapshot(server):
    """Until none has been under way for a second."""
    quiet = 0
    while quiet < 10:
        quiet = 0 if server.has_children() else quiet + 1
        time.sleep(0.1)


def restarts(server):
    """Seconds to the first reply after SIGTERM, and after kill -9."""
    server.stop()
    after_term = server.start()
    server.stop(signal.SIGKILL)
    return after_term, server.start()


def run_memory(options, _loads, figures, _raw):
    count = options.znodes
    space = ["--znodes", count, "--parents", min(1000, count)]
    full, watched, started = {}, {}, {}
    for server in pair_of(options):
        say(f"{server.name}: {count:,} znodes")
        server.clear()
        server.start()
        empty = memory_of(server)
        server.bench("-c", 16, "-d", 64, "-w", "fill", "--keep", *space)
        wait_for_snapshot(server)
        full[server.name] = (empty, memory_of(server))
        with server.holding("wchs", f"Total watches:{count}", "-c", 16, "-d", 64, "-w", "watches",
                            "--keep", *space):
            watched[server.name] = (full[server.name][1], memory_of(server))
        started[server.name] = restarts(server)
        server.stop()
        server.clear()
    add_memory(count, full, watched, started, figures)


def add_memory(count, full, watched, started, figures):
    total = full["zkd"][1][0] / count
    beside, better = "", ""
    if "ZooKeeper" in full:
        resident, live = full["ZooKeeper"][1]
        better = spread([resident / count / total])
        beside = f"{resident / count:,.0f} B resident" + \
            (f", {live / count:,.0f} B live" if live is not None else "") + " ZooKeeper"
    figures.add(f"{count:,} znodes of 100 bytes: memory of each, all told", f"{total:,.0f} B",
                beside, better)
    mine = (watched["zkd"][1][0] - watched["zkd"][0][0]) / count
    figures.add(f"{count:,} watches on them: memory of each", f"{mine:,.0f} B",
                each(*watched["ZooKeeper"], count) if "ZooKeeper" in watched else "")
    for i, how in enumerate(("SIGTERM", "kill -9")):
        ours = started["zkd"][i]
        theirs = started["ZooKeeper"][i] if "ZooKeeper" in started else None
        figures.add(f"restart with them to first reply, after {how}", f"{ours:.2f} s",
                    f"{theirs:.2f} s ZooKeeper" if theirs else "",
                    spread([theirs / ours]) if theirs else "")


def run_idle(options, _loads, figures, _raw):
    count, found = options.connections, {}
    for server in pair_of(options):
        server.clear()
        server.start()
        server.bench("-w", "idle", "-c", 100)  # what the first ones cost is not theirs
        before = memory_of(server)
        with server.holding("srvr", f"Connections: {count + 2}", "-w", "idle", "-c", count):
            found[server.name] = (before, memory_of(server))
        server.stop()
        server.clear()
    mine = (found["zkd"][1][0] - found["zkd"][0][0]) / count
    figures.add(f"{count:,} idle connections: memory of each", size_text(round(mine)),
                each(*found["ZooKeeper"], count) if "ZooKeeper" in found else "", "",
                "≤ 2,048 B", mine <= 2048)


def run_fanout(options, _loads, figures, _raw):
    """One transaction of sets; every connection watches every znode of it."""
    connections, znodes = (100, 100) if options.quick else (1000, 100)
    events = connections * znodes
    took = {}
    for server in pair_of(options):
        server.clear()
        server.start()
        rounds = 3 + options.rounds
        latency = server.bench("-c", connections, "-w", "watch", "--watched", znodes, "-n",
                               events * rounds)[0]["latency_ms"]
        took[server.name] = latency
        server.stop()
        server.clear()

    def text(latency):
        return f"{latency['p50']:.0f} ms, worst {latency['max']:.0f} ms"

    theirs = took.get("ZooKeeper")
    figures.add(f"a multi of {znodes} sets to {events:,} watchers over {connections:,} "
                "connections, to the last event", text(took["zkd"]),
                text(theirs) + " ZooKeeper" if theirs else "",
                spread([theirs["p50"] / took["zkd"]["p50"]]) if theirs else "",
                "≤ 200 ms", took["zkd"]["p50"] <= 200)


def run_three(options, _loads, figures, _raw):
    with started(options, options.scratch, options.port + 10) as ensembles:
        run_loads(options, ensembles, figures, "three nodes, ")


# -- zkd by itself -------------------------------------------------------------------------------


def run_worst(options, _loads, figures, raw):
    """The worst of many writes, beside what the disk itself did, in both servers' runs."""
    operations = options.writes
    results = {}
    for kind in (Zkd, Null):
        server = kind(options, options.port)
        server.clear()
        server.start()
        server.bench("-c", 16, "-w", "fill", "--keep")
        if kind is Zkd:
            word(server.port, "srst")  # the fsyncs until here do not count
        result = server.bench("-c", 16, "-d", 1, "-w", "set", "-n", operations, "--slices",
                              "--keep")[0]
        raw.append(dict(load="worst", server=server.name, **result))
        if kind is Zkd:
            disk_ms = server.metric("max_fsynctime")
            server.stop()
        else:
            disk = server.disk()
        results[server.name] = result
        server.clear()
    ours, limit = results["zkd"]["latency_ms"], results["null server"]["latency_ms"]
    figures.add(f"{operations:,} sets 16x1: the worst latency", f"{ours['max']:.1f} ms",
                f"{limit['max']:.1f} ms null server", "", "≤ 50 ms", ours["max"] <= 50)
    figures.add("the disk's own worst fdatasync in the same run", f"{disk_ms} ms",
                f"{disk['worst_us'] / 1e3:.1f} ms null server (p50 {disk['p50_us']} µs, "
                f"p99 {disk['p99_us']} µs)")
    seconds = [slice_["operations"] for slice_ in results["zkd"].get("slices", [])]
    if seconds:
        figures.add("the fewest writes in any second of it", f"{min(seconds):,}",
                    f"{median(seconds):,.0f} at the median", "", "≥ 1", min(seconds) > 0)


def large_space(options):
    """zk-bench's options for a tree as in production: a tenth of the znodes in one directory."""
    count = options.large_znodes
    return ["--znodes", count, "--large", count // 10, "--parents", max(count * 9 // 1000, 1),
            "--name", NAME_BYTES, "--size", DATA_BYTES, "--empty", EMPTY_PERCENT, "--keep"]


def large_tree(options, *extra):
    """zkd with that tree: started, and filled where no earlier part has done that."""
    server = Zkd(options, options.port, extra)
    server.directory += "-large"
    if options.large_is_filled:
        server.start()
        return server
    server.clear()
    server.start()
    say(f"zkd: {options.large_znodes:,} znodes")
    server.bench("-c", 16, "-d", 64, "-w", "fill", *large_space(options))
    wait_for_snapshot(server)
    options.large_is_filled = True
    return server


def wait_for_rest(server):
    """Until it has given back what it kept mapped for more of the same, half a minute at most."""
    since, least = time.monotonic(), server.resident()
    end = since + 30
    while time.monotonic() < min(since + 3, end):
        time.sleep(0.2)
        if server.resident() < least - 500_000:
            since, least = time.monotonic(), server.resident()


def run_memory10(options, _loads, figures, _raw):
    count = options.large_znodes
    options.large_is_filled = False  # the memory of a server that has made them all itself
    server = large_tree(options)
    wait_for_rest(server)
    payload = NAME_BYTES + DATA_BYTES * (100 - EMPTY_PERCENT) / 100
    resident = server.resident()
    each_znode = resident / count - payload
    figures.add(f"{count:,} znodes as in production: resident bytes of each, name and data "
                f"({payload:.0f}) taken off", f"{each_znode:.0f} B", "", "", "≤ 150 B",
                each_znode <= 150)
    connections = 1000
    server.bench("-c", connections, "-w", "idle", *large_space(options))
    resident = server.resident()  # what connections cost is not the watches'
    with server.holding("wchs", f"Total watches:{count}", "-c", connections, "-d", 64, "-w",
                        "watches", *large_space(options)):
        each_watch = (server.resident() - resident) / count
    figures.add(f"{count:,} watches, one on each of them: memory of each", f"{each_watch:.1f} B",
                "", "", "≤ 24 B", each_watch <= 24)
    for how, seconds in zip(("SIGTERM", "kill -9"), restarts(server)):
        figures.add(f"cold start with {count:,} znodes to first reply, after {how}",
                    f"{seconds:.2f} s", "", "", "≤ 4 s", seconds <= 4)
    figures.add("resident bytes of each after that start, taken off as above",
                f"{server.resident() / count - payload:.0f} B")
    server.stop()
    measure_watches(options, connections, count, figures)


def measure_watches(options, connections, count, figures):
    """All connections watch the same znodes."""
    server = Zkd(options, options.port)
    server.clear()
    server.start()
    znodes = count // connections
    space = ["--znodes", znodes, "--parents", min(100, znodes), "--keep"]
    server.bench("-c", connections, "-w", "fill,idle", "-d", 1, *space)
    before = server.resident()
    with server.holding("wchs", f"Total watches:{znodes * connections}", "-c", connections,
                        "-d", 16, "-w", "watch-all", *space):
        each_watch = (server.resident() - before) / (znodes * connections)
    server.stop()
    server.clear()
    figures.add(f"{znodes * connections:,} watches, {connections:,} on each of {znodes:,} znodes: "
                "memory of each", f"{each_watch:.1f} B", "", "", "≤ 24 B", each_watch <= 24)


# -- a snapshot under load -----------------------------------------------------------------------


def run_snapshot(options, _loads, figures, raw):
    """Sets at half the rate that saturates it: without a snapshot, then through some."""
    space = large_space(options)
    never = ["--snapCount", "2000000000", "--snapSizeLimitInKb", "0"]
    server = large_tree(options, *never)
    full = server.bench("-c", 64, "-d", 16, "-w", "set", "-t", options.seconds, *space)[0]
    rate = int(full["operations_per_second"] / 2)
    paced = ["-c", 64, "-d", 256, "-w", "set", "-t", options.paced_seconds, "--rate", rate,
             "--slices", *space]
    before = server.bench(*paced)[0]
    disk_ms = server.metric("max_fsynctime")
    server.stop()
    limit = paced_limit(options, rate)
    # After a second or two: a set is some 250 bytes of log.
    limit_kb = max(rate * 250 * 2 // 1024, 64)
    server = large_tree(options, "--snapCount", "2000000000", "--snapSizeLimitInKb", str(limit_kb))
    process = server.start_bench(*paced)
    spans, forks = snapshot_spans(server, process)
    during = server.results(process)[0]
    raw += [dict(load="before", **before), dict(load="during", spans=spans, **during)]
    wait_for_snapshot(server)
    resident = server.resident()
    server.stop()
    add_snapshot(before, during, slices_within(during, spans), rate, figures)
    figures.add("the same pace on a server that only writes and syncs: p99.9, and its disk's worst",
                f"{limit['p99.9']:.1f} ms, {limit['worst']:.1f} ms",
                f"{disk_ms} ms zkd's disk, before")
    add_fork(options, forks, resident, figures)


def paced_limit(options, rate):
    """What the disk makes of so many sets a second: the null server's p99.9, its worst fdatasync."""
    server = Null(options, options.port)
    server.clear()
    server.start()
    result = server.bench("-c", 64, "-d", 256, "-w", "set", "-t", options.paced_seconds, "--rate",
                          rate, "--keep")[0]
    worst_us = server.disk()["worst_us"]
    server.clear()
    return {"p99.9": result["latency_ms"]["p99.9"], "worst": worst_us / 1e3}


def snapshot_spans(server, process):
    """When snapshots were under way while `process` ran: [began, ended], monotonic seconds; and how
    long their forks held the loop up."""
    spans, forks, running = [], [], False
    while process.poll() is None:
        now, was = time.monotonic(), running
        running = server.has_children()
        if running and not was:
            spans.append([now - 0.02, now])
            forks.append(server.metric("snapshot_fork_us"))
        if running or was:
            spans[-1][1] = now
        time.sleep(0.01)
    return spans, forks


def slices_within(result, spans):
    """Those seconds of a run in which a snapshot was under way, for a part of them at least."""
    began = result["started"]
    return [slice_ for i, slice_ in enumerate(result.get("slices", []))
            if any(start < began + i + 1 and end > began + i for start, end in spans)]


def add_snapshot(before, during, slices, rate, figures):
    if not slices:
        raise SystemExit("compare: no snapshot was taken within the run; raise --paced-seconds")
    quiet = [slice_["operations"] for slice_ in before["slices"]]
    busy = [slice_["operations"] for slice_ in slices]
    share = sum(busy) / len(busy) / (sum(quiet) / len(quiet))
    figures.add(f"sets a second during a snapshot, {rate:,} wanted",
                f"{sum(busy) / len(busy):,.0f}", f"{sum(quiet) / len(quiet):,.0f} before",
                spread([share]), "≥ 0.98×", share >= 0.98)
    p999, part = during["latency_ms"]["p99.9"], len(slices) / len(during["slices"])
    figures.add(f"p99.9 of the run that snapshots took {part:.0%} of", f"{p999:.1f} ms",
                f"{before['latency_ms']['p99.9']:.1f} ms before", "", "≤ 30 ms", p999 <= 30)
    worst = [slice_["p99.9"] for slice_ in slices]
    figures.add("p99.9 of a second with a snapshot: the median second, and the worst",
                f"{median(worst):.1f} ms, {max(worst):.1f} ms",
                f"{median(s['p99.9'] for s in before['slices']):.1f} ms, "
                f"{max(s['p99.9'] for s in before['slices']):.1f} ms before")


def add_fork(options, forks, resident, figures):
    done = subprocess.run([options.null_server, "--fork", str(resident)], stdout=subprocess.PIPE,
                          check=True)
    bare = json.loads(done.stdout)["fork_us"]
    ratio = median(forks) / median(bare)
    figures.add(f"fork of {resident / 1e6:,.0f} MB resident: the loop stands",
                f"{median(forks) / 1e3:.1f} ms ({min(forks) / 1e3:.1f}–{max(forks) / 1e3:.1f})",
                f"{median(bare) / 1e3:.1f} ms a bare fork "
                f"({min(bare) / 1e3:.1f}–{max(bare) / 1e3:.1f})", spread([1 / ratio]),
                "≤ 1.2 × the bare one", ratio <= 1.2)


# What each part is called, and whether it runs where nothing else is asked for.
PARTS = dict(load=(run_load, True), start=(run_start, True), idle=(run_idle, True),
             memory=(run_memory, True), fanout=(run_fanout, True), three=(run_three, False),
             worst=(run_worst, False), memory10=(run_memory10, False),
             snapshot=(run_snapshot, False))
