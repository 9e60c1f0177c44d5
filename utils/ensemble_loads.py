"""Loads on whole ensembles: zkd's beside ZooKeeper's, connections spread over all members.

CPU seconds are of all members together. Shared by utils/compare and utils/compare-ensemble.
"""
import contextlib
import json
import os
import subprocess
import sys

from ensembles import Zkd, ZooKeeper
from figures import median, ratios, say, spread

# name, connections, depth, workload, targets: how many times better
LOADS = [("set 64x16", 64, 16, "set", dict(cpu=8, throughput=2)),
         ("create 64x16", 64, 16, "create", {}),
         ("get 64x16", 64, 16, "get", {})]


def bench(options, ensemble, ports, connections, depth, workload, seconds):
    pids = ",".join(str(member.process.pid) for member in ensemble.members)
    servers = ",".join(f"127.0.0.1:{port}" for port in ports)
    command = [options.bench, "-s", servers, "--pid", pids, "--json", "-q", "-c", str(connections),
               "-d", str(depth), "-t", str(seconds), "-w", workload]
    done = subprocess.run(command, stdout=subprocess.PIPE)
    if done.returncode != 0:
        sys.exit(f"compare-ensemble: {' '.join(command)} failed: {done.stdout.decode()}")
    result = json.loads(done.stdout)["results"][0]
    return dict(cpu=result["server_cpu_seconds_per_100k"],
                throughput=result["operations_per_second"],
                p50=result["latency_ms"]["p50"], p99=result["latency_ms"]["p99"])


@contextlib.contextmanager
def started(options, scratch, port, count=3):
    """The ensembles, up and warm; zkd's alone where options.alone says so."""
    Zkd.binary = os.path.abspath(options.zkd)
    ensembles = [Zkd(scratch, port, count)]
    if not options.alone:
        ensembles.append(ZooKeeper(scratch, port + 10, count))
    try:
        for ensemble in ensembles:
            ensemble.start()
            say(f"warming {ensemble.name} up, {options.warm_up:g} s")
            bench(options, ensemble, ensemble.ports(), 64, 16, "set", options.warm_up)
        yield ensembles
    finally:
        for ensemble in ensembles:
            ensemble.stop()
            ensemble.clear()


def run_loads(options, ensembles, table, title=""):
    for name, connections, depth, workload, targets in LOADS:
        if options.loads and name not in options.loads:
            continue
        runs = {ensemble.name: [] for ensemble in ensembles}
        for _ in range(options.rounds):
            for ensemble in ensembles:
                runs[ensemble.name].append(bench(options, ensemble, ensemble.ports(), connections,
                                                 depth, workload, options.seconds))
        for key, label, pattern, cost in [("cpu", "CPU s / 100k, all servers", "{:.3f}", True),
                                          ("throughput", "ops/s", "{:,.0f}", False),
                                          ("p50", "p50 ms", "{:.2f}", True),
                                          ("p99", "p99 ms", "{:.2f}", True)]:
            values = {who: [run[key] for run in results] for who, results in runs.items()}
            ours, theirs = values["zkd"], values.get("ZooKeeper")
            mine = pattern.format(median(ours))
            if not theirs:
                table.add(f"{title}{name}: {label}", mine)
                continue
            better, target = ratios(ours, theirs, cost), targets.get(key)
            table.add(f"{title}{name}: {label}", mine,
                      f"{pattern.format(median(theirs))} ZooKeeper", spread(better),
                      f"≥ {target}×" if target else "", median(better) >= target if target else None)
