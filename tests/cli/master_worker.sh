#!/usr/bin/env bash
# master_worker.sh -- runs utils/examples, kills a master and a worker, and wants all results.
#
#     tests/cli/master_worker.sh zk-cli host:port/chroot
# shellcheck disable=SC2016  # the $ are for the workers
set -u
cd "$(dirname "$0")/../../utils/examples" || exit 1
export ZK_CLI=$1 ZK_SERVERS=$2/example ZK_TIMEOUT=2000
tasks=12
dir=$(mktemp -d /tmp/zk-example.XXXXXX)
started=()
finish() {
    kill -TERM "${started[@]}" 2>/dev/null
    wait
    "$ZK_CLI" -server "${ZK_SERVERS%/example}" deleteall /example
    rm -rf "$dir"
}
trap finish EXIT
behind() {
    "$@" >>"$dir/log" 2>&1 </dev/null &
    started+=($!)
}
fail() {
    echo "$1"
    tail -30 "$dir/log"
    exit 1
}

"$ZK_CLI" -server "${ZK_SERVERS%/example}" create /example >/dev/null || exit 1
behind ./master.sh
first=$!
"$ZK_CLI" wait /status --timeout 10 || fail "there is no master"
behind ./worker.sh one
one=$!
behind ./worker.sh two
behind ./master.sh
[ "$(timeout 60 ./client.sh 'echo $((6 * 7))')" = 42 ] || fail "a task is not done"
timeout 60 ./client.sh 'exit 3'
[ $? -eq 3 ] || fail "a task's status is not the client's"

clients=()
for ((n = 0; n < tasks; n++)); do
    timeout 90 ./client.sh "sleep 0.2; echo $n" >"$dir/result.$n" 2>>"$dir/log" &
    clients+=($!)
    [ $n -ne 4 ] || kill -KILL $one
    [ $n -ne 8 ] || kill -KILL $first
done
behind ./worker.sh three
for each in "${clients[@]}"; do wait "$each" || fail "a client failed"; done
for ((n = 0; n < tasks; n++)); do
    [ "$(cat "$dir/result.$n")" = $n ] || fail "task $n came to $(cat "$dir/result.$n")"
done
[ -z "$("$ZK_CLI" ls /tasks)" ] || fail "a task is left"
echo "all $((tasks + 2)) tasks were done"
