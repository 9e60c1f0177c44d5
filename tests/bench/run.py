#!/usr/bin/python3
"""zk-bench against zkd and against the null server, and what utils/compare makes of figures.

Small runs: what counts is that every workload asks what it says, finds its answers right, and that
paces, slices and shapes of trees are as wanted. $ZKD_BIN is the folder of zkd, zk-cli and zk-bench,
$BUILD that of the null server. The last line is `N passed, N failed`.
"""
import json
import os
import subprocess
import sys
import tempfile
import time
import types

sys.dont_write_bytecode = True
REPO = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(REPO, "utils"))
import figures  # noqa: E402
from servers import Null, Zkd  # noqa: E402

BIN = os.path.abspath(os.environ.get("ZKD_BIN", REPO))
BUILD = os.path.join(REPO, os.environ.get("BUILD", "build/normal"))
SMALL = ["-c", 4, "-d", 4, "--znodes", 400, "--parents", 4]
COUNTS = {"passed": 0, "failed": 0}


def check(what, right, found=""):
    COUNTS["passed" if right else "failed"] += 1
    print(f"{'ok  ' if right else 'FAIL'} {what}" + ("" if right else f": {found}"))


def every_workload_is_answered(server, workloads):
    for result in server.bench("-n", 200, "-w", ",".join(workloads), "--watched", 5, *SMALL):
        check(f"{server.name}: {result['workload']} finds its answers right",
              result["errors"] == 0 and result["operations"] > 0, result)


def a_pace_is_kept_and_told_by_the_second(server):
    result = server.bench("-w", "get", "--rate", 1000, "-t", 2.5, "--slices", *SMALL)[0]
    check("requests come at the pace that was asked for",
          2000 <= result["operations"] <= 2500, result)
    slices = [slice_["operations"] for slice_ in result["slices"]]
    check("each whole second has a slice", len(slices) == 2, slices)
    check("slices are of what was done in them", 0 < sum(slices) <= result["operations"], slices)


def a_stall_is_charged_to_all_who_would_have_asked(server):
    """The server stands for 0.6 s of 3: a fifth of all requests were due meanwhile."""
    process = server.start_bench("-w", "get", "--rate", 1000, "-n", 3000, *SMALL, "-d", 1000)
    time.sleep(1.5)
    server.pause(True)
    time.sleep(0.6)
    server.pause(False)
    latency = server.results(process)[0]["latency_ms"]
    check("a stall is charged to all who would have asked meanwhile", latency["p90"] > 100, latency)


def a_tree_has_the_shape_that_was_asked_for(server):
    server.bench("-w", "fill,get,exists,set,ls", "-n", 200, "--keep", "--znodes", 1000, "--parents",
                 4, "--large", 600, "--name", 24, "--empty", 50, "--size", 46)

    def cli(*words):
        where = f"127.0.0.1:{server.port}"
        return subprocess.run([os.path.join(BIN, "zk-cli"), "--server", where, *words],
                              stdout=subprocess.PIPE, check=True).stdout.decode()

    large = cli("ls", "/zk-bench/keys/p000004").split()
    check("the large directory has its children", len(large) == 600, len(large))
    check("names are as long as wanted", {len(name) for name in large} == {24}, large[:1])
    check("the others are spread", len(cli("ls", "/zk-bench/keys/p000001").split()) == 100)


def figures_say_what_was_measured():
    check("a ratio is how many times better ours is, in costs",
          figures.ratios([1, 2], [3, 8]) == [3, 4])
    check("and in gains", figures.ratios([6, 8], [3, 2], is_cost=False) == [2, 4])
    check("a spread is median, least, greatest",
          figures.spread([1, 2, 30]) == "2.00× (1.00–30.0)", figures.spread([1, 2, 30]))
    table = figures.Figures()
    table.add("a", "1", met=True)
    table.add("b", "2", met=False)
    check("what is missed is counted", table.missed == 1)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "README.md")
        with open(path, "w") as file:
            file.write(f"before\n{figures.BEGIN}\nold\n{figures.END}\nafter\n")
        figures.write_between_marks(path, "new")
        with open(path) as file:
            found = file.read()
    check("only what is between the marks is replaced",
          found == f"before\n{figures.BEGIN}\nnew\n{figures.END}\nafter\n", found)
    with open(os.path.join(REPO, "README.md")) as file:
        readme = file.read()
    check("the README has both marks",
          readme.count(figures.BEGIN) == 1 and readme.count(figures.END) == 1)


def fork_is_measured():
    done = subprocess.run([os.path.join(BUILD, "null-server"), "--fork", "1000000"],
                          stdout=subprocess.PIPE, check=True)
    check("the null server measures a fork", len(json.loads(done.stdout)["fork_us"]) == 5)


def free_port():
    found = subprocess.run([os.path.join(REPO, "tests", "free-port")], stdout=subprocess.PIPE,
                           check=True)
    return int(found.stdout)


def main():
    figures_say_what_was_measured()
    fork_is_measured()
    with tempfile.TemporaryDirectory(prefix="zk-bench-test-") as scratch:
        options = types.SimpleNamespace(
            scratch=scratch, zkd=os.path.join(BIN, "zkd"), bench=os.path.join(BIN, "zk-bench"),
            null_server=os.path.join(BUILD, "null-server"))
        null, zkd = Null(options, free_port()), Zkd(options, free_port())
        shared = ["fill", "create", "set", "get", "exists", "ls", "mixed", "multi", "creates",
                  "sessions", "idle"]
        try:
            null.start()
            every_workload_is_answered(null, shared)
            check("the null server syncs what is written", null.disk()["fdatasyncs"] > 0)
            zkd.start()
            every_workload_is_answered(zkd, shared + ["watch", "watches", "watch-all", "storm"])
            a_pace_is_kept_and_told_by_the_second(zkd)
            a_stall_is_charged_to_all_who_would_have_asked(zkd)
            a_tree_has_the_shape_that_was_asked_for(zkd)
        finally:
            null.kill()
            zkd.kill()
    print(f"{COUNTS['passed']} passed, {COUNTS['failed']} failed")
    return 1 if COUNTS["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
