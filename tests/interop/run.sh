#!/bin/bash
# Real clients against zkd: kazoo and its recipes, Apache's C client, Apache's zkCli.sh.
#
# $ZKD is the binary; $INTEROP_PORT the port that it gets; or `--server host:port` names a server that
# runs already, and must be empty: Apache ZooKeeper (3.8 passes too), to see who is right. A client
# that is not installed is skipped with a line that says so. The last line is `N passed, N failed`.
set -u
here=$(cd "$(dirname "$0")" && pwd)
zkd=${ZKD:-$here/../../zkd}
port=${INTEROP_PORT:-22171}
address=127.0.0.1:$port
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || { kill $server && wait $server; } 2>/dev/null; rm -rf "$work"' EXIT
start_zkd() {
    cat >"$work/zk.conf" <<CONF
clientPort $port
clientPortAddress 127.0.0.1
dataDir $work/data
tickTime 1000
maxClientCnxns 0
4lw.commands.whitelist *
CONF
    "$zkd" "$work/zk.conf" 2>"$work/log" &
    server=$!
    for _ in $(seq 200); do
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
        sleep 0.05
    done
    kill -0 $server || { cat "$work/log"; exit 1; }
}
if [ "${1:-}" = --server ]; then
    address=$2
else
    start_zkd
fi

passed=0 failed=0
part() {
    local name=$1
    shift
    timeout 300 "$@" >"$work/out" 2>&1
    local status=$? line
    line=$(grep -E '^[0-9]+ passed, [0-9]+ failed' "$work/out" | tail -n 1)
    if [ -z "$line" ]; then
        failed=$((failed + 1))
        echo "$name: status $status"
        tail -n 20 "$work/out"
        return
    fi
    passed=$((passed + ${line%% passed*}))
    local bad
    bad=$(echo "$line" | sed -E 's/.*, ([0-9]+) failed.*/\1/')
    failed=$((failed + bad))
    [ "$bad" = 0 ] || grep -vE '^(Connection dropped|Transition to)' "$work/out"
    echo "$name: $line"
}

if /usr/bin/python3 -c 'import kazoo' 2>/dev/null; then
    part kazoo /usr/bin/python3 "$here/kazoo_recipes.py" --server "$address"
    [ -n "$server" ] && part reconfig /usr/bin/python3 "$here/reconfig.py" --zkd "$zkd"
else
    echo "kazoo: SKIPPED, python3-kazoo is not installed"
fi
if [ -e /usr/include/zookeeper/zookeeper.h ]; then
    if cc -DTHREADED -Wall -Wextra -Werror -o "$work/c_client" "$here/c_client.c" -lzookeeper_mt -lpthread; then
        part "C client" "$work/c_client" "$address"
    else
        failed=$((failed + 1))
    fi
else
    echo "C client: SKIPPED, libzookeeper-mt-dev is not installed"
fi
# Servers of its own, in an ensemble.
if [ -n "$server" ]; then
    part "roles and modes" "$here/modes.py" --zkd "$zkd" --port $((port + 20))
fi
if command -v java >/dev/null 2>&1 && [ -e /usr/share/java/zookeeper.jar ]; then
    part zkCli.sh "$here/zkcli_java.sh" "$address"
else
    echo "zkCli.sh: SKIPPED, zookeeper is not installed"
fi
echo "$passed passed, $failed failed"
[ $failed = 0 ]
