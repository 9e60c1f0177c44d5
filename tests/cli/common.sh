# shellcheck shell=bash disable=SC2034  # it is sourced, and what it sets is used there
#
# common.sh -- what the tests of zk-cli share: a server, a chroot, checks. To be sourced.
#
#     --server 127.0.0.1:2181   any ZooKeeper service that runs there; else ./zkd is started
#     --apache                  Apache ZooKeeper is started, which is to be installed
#     --cli path                another zk-cli
#
# `tick_ms`, if it is set before, is the tickTime of the server that is started.
# Everything happens below a znode of its own, which is zk-cli's chroot: $root. `begin` comes first;
# `end` says `N passed, N failed` and ends.

set -u
shopt -s lastpipe  # `... | zk` sets variables here
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1

cli=${ZK_CLI:-./zk-cli}
zkd=${ZKD:-./zkd}
port=${CLI_TEST_PORT:-24100}
server=
zkd_pid=
apache=
apache_pid=
passed=0
failed=0
status=0
root=
dir=$(mktemp -d /tmp/zk-cli-test.XXXXXX)
nl='
'
java_classes='/usr/share/java/*'
# Nobody's settings but those of the tests.
unset ZK_SERVERS ZK_AUTH ZK_AUTH_FILE ZK_CLI_CONFIG ZK_CLI_STYLE
export HOME=$dir

while [ $# -gt 0 ]; do
    case $1 in
    --server) server=$2 && shift 2 ;;
    --apache) apache=yes && shift ;;
    --cli) cli=$2 && shift 2 ;;
    *) echo "usage: $0 [--server host:port | --apache] [--cli path]" >&2 && exit 2 ;;
    esac
done

# -- a server ------------------------------------------------------------------------------------

wait_for_server() { # pid's name, log
    "$cli" -server "$server" -waitforconnection -timeout 20000 exists / >/dev/null && return
    echo "$1 did not start:" >&2
    tail -5 "$2" >&2
    exit 1
}

start_zkd() {
    "$zkd" "$dir/zk.conf" >>"$dir/zkd.log" 2>&1 &
    zkd_pid=$!
    wait_for_server zkd "$dir/zkd.log"
}

stop_zkd() {
    [ -n "$zkd_pid" ] || return 0
    kill "-$1" "$zkd_pid" 2>/dev/null
    wait "$zkd_pid" 2>/dev/null
    zkd_pid=
}

start_apache() {
    cat >"$dir/zoo.cfg" <<CONFIG
clientPort=$port
clientPortAddress=127.0.0.1
dataDir=$dir/apache
admin.enableServer=false
extendedTypesEnabled=true
enforceQuota=true
${tick_ms:+tickTime=$tick_ms}
CONFIG
    java -Xmx256m -Dzookeeper.extendedTypesEnabled=true -cp "$java_classes" \
        org.apache.zookeeper.server.quorum.QuorumPeerMain "$dir/zoo.cfg" >"$dir/apache.log" 2>&1 &
    apache_pid=$!
    wait_for_server "Apache ZooKeeper" "$dir/apache.log"
}

finish() {
    stop_zkd KILL
    if [ -n "$apache_pid" ]; then
        kill "$apache_pid" 2>/dev/null
        wait "$apache_pid" 2>/dev/null
    fi
    rm -rf "$dir"
}
trap finish EXIT

begin() {
    if [ -z "$server" ]; then
        server=127.0.0.1:$port
        mkdir -p "$dir/data" "$dir/apache"
        printf 'clientPort %s\nclientPortAddress 127.0.0.1\ndataDir %s/data\n' "$port" "$dir" \
            >"$dir/zk.conf"
        [ -z "${tick_ms:-}" ] || echo "tickTime $tick_ms" >>"$dir/zk.conf"
        if [ -n "$apache" ]; then start_apache; else start_zkd; fi
    fi
    zk create "/zk-cli-test-$$"
    [ "$status" -eq 0 ] || { cat "$dir/err" >&2 && exit 1; }
    root=/zk-cli-test-$$
}

end() {
    local base=$root
    root=
    zk deleteall "$base"
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ]
    exit
}

# -- checks --------------------------------------------------------------------------------------

verdict() { # name, 0 if good
    if [ "$2" -eq 0 ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED: $1"
    fi
}

# What varies from run to run is made to look alike.
alike() { # file
    sed -E -i -e 's/(Zxid|Owner) = 0x[1-9a-f][0-9a-f]*$/\1 = N/' \
        -e 's/^(.time) = .* [0-9]{4}$/\1 = T/' \
        -e 's/"(.zxid|.time|ephemeralOwner|zxid)":-?[1-9][0-9]*/"\1":N/g' \
        -e 's/"session":"0x[0-9a-f]*"/"session":N/' -e 's/ zxid: -?[0-9]+$//' \
        -e "s,$server,SERVER,g" -e "s,${root:-no root},ROOT,g" "$1"
}

# zk-cli below the chroot.
zk() {
    "$cli" -server "$server$root" "$@" >"$dir/out" 2>"$dir/err"
    status=$?
    alike "$dir/out"
}

# The last run ended with this status and said this, on stdout and on stderr.
expect() { # name, status, stdout, stderr
    printf '%s' "$3" >"$dir/want_out"
    printf '%s' "$4" >"$dir/want_err"
    local good=0
    [ "$status" -eq "$2" ] || { good=1 && echo "exit status $status, not $2"; }
    diff -u --label wanted "$dir/want_out" --label stdout "$dir/out" || good=1
    diff -u --label wanted "$dir/want_err" --label stderr "$dir/err" || good=1
    verdict "$1" "$good"
}

stat_of() { # cversion, dataVersion, ephemeralOwner, dataLength, numChildren
    printf '%s\n' "cZxid = N" "ctime = T" "mZxid = N" "mtime = T" "pZxid = N" "cversion = $1" \
        "dataVersion = $2" "aclVersion = 0" "ephemeralOwner = $3" "dataLength = $4" \
        "numChildren = $5"
}
