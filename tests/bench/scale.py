#!/usr/bin/python3
"""utils/scale: its model against points made from known constants, and a quick run of all of it.

$ZKD_BIN is the folder of zkd, zk-cli and zk-bench. The last line is `N passed, N failed`.
"""
import os
import subprocess
import sys
import tempfile
import xml.dom.minidom

sys.dont_write_bytecode = True
REPO = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(REPO, "utils"))
from scale_model import CHECK, FIT, WRITES, Model  # noqa: E402

BIN = os.path.abspath(os.environ.get("ZKD_BIN", REPO))
COUNTS = {"passed": 0, "failed": 0}
TRUE = dict(own=2e-6, taken=1.5e-6, peer=0.25e-6, follow=1e-6, observe=0.75e-6, serve=0.5e-6)
READ, READ_BETWEEN = 0.5e-6, 0.8e-6


def check(what, right, found=""):
    COUNTS["passed" if right else "failed"] += 1
    print(f"{'ok  ' if right else 'FAIL'} {what}" + ("" if right else f": {found}"))


def point(voters, observers, where, load, slow):
    """What would be measured if the model were right, on a machine that is `slow` times slower."""
    members = voters + observers
    share = dict.fromkeys(("leader", "follower", "observer"), 1 / members if where == "all" else 0)
    share["leader"] = 1 if where == "leader" else share["leader"]
    read = READ_BETWEEN if load.startswith("mixed") else READ
    part = dict(get=0, mixed=0.1).get(load.split()[0], 1)
    write = dict(leader=share["leader"] * TRUE["own"] + (1 - share["leader"]) * TRUE["taken"] +
                 TRUE["peer"] * (members - 1),
                 follower=TRUE["follow"] + share["follower"] * TRUE["serve"],
                 observer=TRUE["observe"] + share["observer"] * TRUE["serve"])
    round_ = dict(yard=slow * 1e-6, rate=1, p50=1, log=250, sent=200 * (members - 1), received=1,
                  syncs=0.1)
    for role, count in dict(leader=1, follower=voters - 1, observer=observers).items():
        if count:
            cpu = part * write[role] + (1 - part) * read * share[role]
            round_.update({"cpu_" + role: slow * cpu, "turns_" + role: 0.01,
                           "share_" + role: share[role]})
    if where == "follower":
        round_["cpu_own"] = slow * (TRUE["follow"] + TRUE["serve"])
    return dict(voters=voters, observers=observers, where=where, load=load, rounds=[round_])


def made_up():
    reads = ["get 64x16", "get 16x1", "mixed 64x16"]
    placed = dict(leader=WRITES + reads, follower=WRITES,
                  all=["set 64x16", "create 64x16"] + reads)
    loads = [point(*members, where, load, (1, 0.5, 2)[i % 3]) for i, members in enumerate(FIT + CHECK)
             for where in placed if sum(members) > 1 or where == "leader"
             for load in placed[where]]
    idle = [dict(members=members, quiet=dict(leader=0.001 * members[0], follower=0.001), ping=1e-5,
                 connection=1000, session=200) for members in ((1, 0), (3, 0))]
    return dict(loads=loads, idle=idle, memory=dict(empty=5e6, znode=200, watch=10),
                watch=[dict(members=(1, 0), event=1e-6)],
                latency=[dict(voters=n, observers=0, quiet={}, get=1e-4, set=n * 1e-4)
                         for n in (1, 3)])


def the_model_finds_constants_back():
    model = Model(made_up())
    for load in WRITES:
        found = model.cost[load]
        check(f"constants of {load} are found, whatever the machine was busy with",
              all(abs(found[name] / value - 1) < 1e-6 for name, value in TRUE.items()), found)
    worst = max(abs(predicted / measured - 1) for _, _, predicted, measured in model.checks())
    check("and predict the ensembles that they were not fitted to", worst < 1e-6, worst)
    check("a lone server is all leader", abs(model.carried("set 64x16", 1, 0) * 2e-6 - 1) < 1e-9)
    check("the busiest member limits writes",
          abs(model.carried("set 64x16", 3, 0) * (2e-6 / 3 + 1e-6 + 0.5e-6) - 1) < 1e-6)
    check("reads add up", abs(model.carried("get 64x16", 3, 10) - 13 / READ) < 1)
    check("as was measured", abs(model.measured("get 64x16", 3, 10) * READ / 13 - 1) < 1e-6)
    check("memory is what lies there", model.memory(10, 10, 10, 20) ==
          5e6 + 10 * 200 + 10 * 10 + 20 * 200 + 10 * 800)
    check("the leader's network carries each entry to each peer",
          model.limits(3, 0)["leader's network, 1 Gbit/s"] == 125e6 / 400)


def a_quick_run_tells_all():
    with tempfile.TemporaryDirectory(prefix="scale-test-") as scratch:
        readme, plot = os.path.join(scratch, "README.md"), os.path.join(scratch, "scale.svg")
        marks = "<!-- scale: written by utils/scale -->", "<!-- end of scale -->"
        with open(readme, "w") as file:
            file.write("before\n" + "\n".join(marks) + "\nafter\n")
        port = subprocess.run([os.path.join(REPO, "tests", "free-port")], stdout=subprocess.PIPE,
                              check=True).stdout.decode().strip()
        programs = [word for name in ("zkd", "zk-cli", "zk-bench")
                    for word in ("--" + name, os.path.join(BIN, name))]
        done = subprocess.run([os.path.join(REPO, "utils", "scale"), "--quick", "--readme", readme,
                               "--plot", plot, "--port", port, "--dir", scratch, *programs],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        check("a quick run ends well", done.returncode == 0, done.stderr[-1000:])
        with open(readme) as file:
            text = file.read()
        check("the README has its table", "| 7 + 10 observers |" in text and
              text.startswith("before\n") and text.endswith("after\n"), text)
        check("the plot is SVG with a dot for each that was measured",
              len(xml.dom.minidom.parse(plot).getElementsByTagName("circle")) == 12)
    with open(os.path.join(REPO, "README.md")) as file:
        text = file.read()
    check("the README has both marks, and shows the plot",
          all(text.count(mark) == 1 for mark in marks) and "](utils/scale.svg)" in text)


def main():
    the_model_finds_constants_back()
    a_quick_run_tells_all()
    print(f"{COUNTS['passed']} passed, {COUNTS['failed']} failed")
    return 1 if COUNTS["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
