#!/bin/bash
# Apache's own shell, zkCli.sh of Debian's package, against a running server: zkcli_java.sh host:port.
# What it prints is compared with what it prints against Apache ZooKeeper.
set -u
server=${1:-127.0.0.1:2181}
passed=0 failed=0
out=$(mktemp)
trap 'rm -f "$out"' EXIT

cli() {
    java -cp "/etc/zookeeper/conf:/usr/share/java/*" -Dzookeeper.root.logger=OFF \
        -Dlog4j.configuration= org.apache.zookeeper.ZooKeeperMain -server "$server" 2>&1 |
        grep -vE '^(log4j|SLF4J|Connecting|Welcome|JLine|$)|WATCHER|type:None|^\[zk:'
}

# Runs commands in one session and looks for lines in their order.
expect() {
    local name=$1 commands=$2
    shift 2
    printf '%s\nquit\n' "$commands" | cli >"$out"
    local at=0 line found
    for line in "$@"; do
        found=$(tail -n +$((at + 1)) "$out" | grep -nF -- "$line" | head -n 1 | cut -d: -f1)
        if [ -z "$found" ]; then
            failed=$((failed + 1))
            echo "zkCli.sh, $name: no line with '$line' in:"
            sed 's/^/    /' "$out"
            return
        fi
        at=$((at + found))
    done
    passed=$((passed + 1))
}

expect "znodes" \
    $'create /j one\nget /j\nset /j two\nget -s /j\nls /\ncreate /j\ndelete /none' \
    "Created /j" "one" "two" "dataVersion = 1" ", zookeeper]" "Node already exists: /j" \
    "Node does not exist: /none"
expect "sequential, ephemeral, container" \
    $'create -s /j/s- x\ncreate -e /j/e\ncreate -c /j/c\nls /j\nstat /j' \
    "Created /j/s-0000000000" "Created /j/e" "Created /j/c" "[c, e, s-0000000000]" "numChildren = 3"
expect "the ephemeral is gone with its session" $'ls /j' "[c, s-0000000000]"
expect "permissions" \
    $'addauth digest ann:pw\ncreate /k secret auth:ann:cdrwa\ngetAcl /k\nget /k' \
    "Created /k" "'digest,'ann:" ": cdrwa" "secret"
expect "who has none" $'get /k' "Insufficient permission : /k"
expect "quotas" $'create /quoted x\nsetquota -n 5 /quoted\nlistquota /quoted' \
    "Output quota for /quoted count=5,bytes=-1" "Output stat for /quoted count=1,bytes=1"
expect "hard quotas and their end" \
    $'setquota -N 2 /quoted\nlistquota /quoted\ndelquota /quoted\nlistquota /quoted' \
    "Output quota for /quoted count=5,bytes=-1=;byteHardLimit=-1;countHardLimit=2" \
    "quota for /quoted does not exist."
expect "watches" \
    $'create /l x\naddWatch /l\nset /l y\ncreate /l/a z\naddWatch -m PERSISTENT /l/a\ndelete /l/a' \
    "type:NodeDataChanged path:/l" "type:NodeCreated path:/l/a" "type:NodeDeleted path:/l/a"
expect "one-shot watches" $'get -w /l\nset /l 1\nset /l 2\nls -w /l\ncreate /l/b\nstat -w /l/b' \
    "y" "type:NodeDataChanged path:/l" "[]" "type:NodeChildrenChanged path:/l"
expect "changing permissions" \
    $'setAcl /l world:anyone:ra\ngetAcl -s /l\nset /l x\nsetAcl -v 7 /l world:anyone:cdrwa' \
    "'world,'anyone" ": ra" "aclVersion = 1" "Insufficient permission : /l" \
    "version No is not valid : /l"
expect "versions" $'create /v x\nset -v 0 /v y\nset -v 0 /v z\ndelete -v 0 /v\ndelete -v 1 /v\nls /v' \
    "version No is not valid : /v" "version No is not valid : /v" "Node does not exist: /v"
expect "the whole tree" $'create /w\ncreate /w/x\ncreate /w/x/y\nls -R /w\ndelete /w\ngetEphemerals' \
    "/w" "/w/x" "/w/x/y" "Node not empty: /w" "[]"
expect "counting" $'getAllChildrenNumber /j\nwhoami\nsync /j' "2" "ip: " "Sync is OK"
expect "deleteall" $'setAcl /l world:anyone:cdrwa\ndeleteall /l\ndeleteall /w\ndeleteall /j\ndeleteall /quoted\nls /j' "Node does not exist: /j"

echo "$passed passed, $failed failed"
[ $failed = 0 ]
