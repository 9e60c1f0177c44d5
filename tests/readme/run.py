#!/usr/bin/python3
"""Runs the commands of README.md as they are written, in a fresh directory, in their order.

Every `sh` block is taken. A line that starts the server is left running; lines that begin with
`make` are asked of make without being done (`make -n`), since this is part of a `make test` itself;
all others must end with status 0. $ZKD_BIN is the folder of the binaries, by default the repo's.
"""
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

REPO = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.path.abspath(os.environ.get("ZKD_BIN", REPO))


def blocks():
    with open(os.path.join(REPO, "README.md")) as readme:
        return re.findall(r"```sh\n(.*?)```", readme.read(), re.S)


def wait_for(port, process):
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return True
        except OSError:
            time.sleep(0.01)
    return False


def run_line(line, where, servers):
    """None if all is well, else what went wrong."""
    if line.startswith("make"):
        asked = line.replace("…", "7")
        done = subprocess.run(asked.replace("make", f"make -n -C {REPO}", 1), shell=True, cwd=where,
                              capture_output=True, text=True)
        return None if done.returncode == 0 else done.stderr[-500:]
    if re.fullmatch(r"\./zkd \S*zk\.conf.*", line) and "--check" not in line:
        server = subprocess.Popen(line.split(), cwd=where, stderr=subprocess.PIPE)
        servers.append(server)
        if wait_for(2181, server):
            return None
        server.kill()
        return "the server does not listen: " + server.stderr.read().decode()[-500:]
    done = subprocess.run(line, shell=True, cwd=where, capture_output=True, text=True,
                          executable="/bin/sh", timeout=60)
    if done.returncode != 0:
        return f"status {done.returncode}: {done.stdout[-300:]}{done.stderr[-500:]}"
    return None


def main():
    where = tempfile.mkdtemp(prefix="zkd-readme-")
    for name in ("zkd", "zk-cli", "zk-bench"):
        os.symlink(os.path.join(BIN, name), os.path.join(where, name))
    shutil.copy(os.path.join(REPO, "zk.conf"), where)
    os.mkdir(os.path.join(where, "utils"))
    shutil.copy(os.path.join(REPO, "utils", "create-ensemble"), os.path.join(where, "utils"))
    servers = []
    passed = failed = 0
    for line in "".join(blocks()).splitlines():
        line = line.split("  #")[0].strip()
        if not line:
            continue
        wrong = run_line(line, where, servers)
        if wrong is None:
            passed += 1
        else:
            failed += 1
            print(f"README: {line}\n    {wrong}")
    for server in servers:
        server.terminate()
        if server.wait(timeout=10) != 0:
            failed += 1
            print(f"the server ended with status {server.returncode}")
    shutil.rmtree(where)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
