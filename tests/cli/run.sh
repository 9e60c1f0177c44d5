#!/usr/bin/env bash
# run.sh -- zk-cli as a script sees it: output, messages, exit status; and as a person does.
#
#     tests/cli/run.sh                          starts ./zkd on a port of its own
#     tests/cli/run.sh --server 127.0.0.1:2181  against any ZooKeeper service that runs there
#
# With ./zkd the server is also restarted under a living session. See common.sh.

# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"

# -- commands as arguments -----------------------------------------------------------------------

test_commands() {
    zk create /a "hello world"
    expect "create shows the path and nothing else" 0 "/a$nl" ""
    zk get /a
    expect "get shows the data and a newline" 0 "hello world$nl" ""
    zk get -s /a
    expect "get -s shows the stat too" 0 "hello world$nl$(stat_of 0 0 0x0 11 0)$nl" ""
    zk set -s /a xyz
    expect "set -s shows the stat" 0 "$(stat_of 0 1 0x0 3 0)$nl" ""
    zk set /a xyz -v 7
    expect "a wrong version is refused" 6 "" "version No is not valid : /a$nl"
    zk create -s /a/n- 1
    expect "a sequential znode's path has its number" 0 "/a/n-0000000000$nl" ""
    zk create -s /a/n- 2
    zk ls /a
    expect "ls shows a name a line, sorted" 0 "n-0000000000${nl}n-0000000001$nl" ""
    zk ls -R /a
    expect "ls -R shows a path a line" 0 "/a$nl/a/n-0000000000$nl/a/n-0000000001$nl" ""
    zk stat /a
    expect "stat shows eleven lines" 0 "$(stat_of 2 1 0x0 3 2)$nl" ""
    zk exists /a
    expect "exists says true" 0 "true$nl" ""
    zk exists /no
    expect "exists says false, with a status for if" 4 "false$nl" "Node does not exist: /no$nl"
    zk getAllChildrenNumber /a
    expect "getAllChildrenNumber counts" 0 "2$nl" ""
    zk delete /a
    expect "a znode with children is not deleted" 11 "" "Node not empty: /a$nl"
    zk create /a
    expect "a znode is not created twice" 5 "" "Node already exists: /a$nl"
    zk create /no/x
    expect "a znode needs a parent" 4 "" "Node does not exist: /no/x$nl"
    zk sync /
    expect "sync is silent" 0 "" ""
    zk deleteall /a
    expect "deleteall is silent" 0 "" ""
    zk get /a
    expect "what was deleted is not there" 4 "" "Node does not exist: /a$nl"
    zk create -c /box
    expect "a container is created" 0 "/box$nl" ""
    zk delete /box
    zk create -e /eph
    zk exists /eph
    expect "an ephemeral znode goes with the program that made it" 4 "false$nl" \
        "Node does not exist: /eph$nl"
}

test_usage() {
    zk nonsense
    expect "an unknown command has a status of its own" 127 "" \
        "Command not found: nonsense (help lists the commands)$nl"
    zk get
    expect "too few arguments" 2 "" \
        "get: too few arguments${nl}usage: get [-s] [-w] [-b] [-x] [-0] path$nl"
    zk get -q /
    expect "an unknown option" 2 "" \
        "get: Unrecognized option: -q${nl}usage: get [-s] [-w] [-b] [-x] [-0] path$nl"
    zk get a
    expect "a path without a slash" 2 "" "Path must start with / character$nl"
    zk create -c -e /x
    expect "options that exclude each other" 2 "" "create: -c cannot be combined with -s or -e.\
 Containers cannot be ephemeral or sequential.${nl}usage: create [-s] [-e] [-c] [-t ttl] [-b]\
 path [data|@file|-] [acl]$nl"
    zk create /x data world:anyone:q
    expect "a permission that does not exist" 2 "" "Unknown perm type: q$nl"
    zk -server a:b ls /
    expect "a bad server" 2 "" \
        "zk-cli: bad server \"a:b\": the port is to be a number from 1 to 65535$nl"
    "$cli" -server 127.0.0.1:1 ls / >"$dir/out" 2>"$dir/err"
    status=$?
    expect "no server" 3 "" "cannot connect to 127.0.0.1:1: connection refused$nl"
    zk version
    grep -q '^ZooKeeper CLI version: zk-cli [0-9]' "$dir/out"
    verdict "version tells the version" $?
    "$cli" help create >"$dir/out" && grep -q '^create \[-s\]' "$dir/out"
    verdict "help needs no server" $?
}

test_access() {
    zk create /acl x
    zk getAcl /acl
    expect "getAcl shows who may what" 0 "'world,'anyone$nl: cdrwa$nl" ""
    zk setAcl /acl world:anyone:ra
    zk set /acl y
    expect "what is not allowed is refused" 7 "" "Insufficient permission : /acl$nl"
    zk setAcl -s /acl world:anyone:cdrwa
    sed -n 8p "$dir/out" | grep -qx 'aclVersion = 2'
    verdict "setAcl -s shows the stat" $?
    printf '%s\n' 'addauth digest bob:secret' 'create /bobs x auth:x:cdrwa' 'whoami' |
        zk
    grep -qx 'digest: bob' "$dir/out"
    verdict "whoami knows who was added by addauth" $?
    zk get /bobs
    expect "others may not read what is bob's" 7 "" "Insufficient permission : /bobs$nl"
    zk addauth nonsense x
    [ "$status" -eq 7 ] && grep -q AuthFailed "$dir/err"
    verdict "a refused identity is an error" $?
    printf '%s\n' 'addauth digest bob:secret' 'delete /bobs' 'delete /acl' | zk
    expect "a script that says who it is may delete" 0 "" ""
}

# -- scripts -------------------------------------------------------------------------------------

test_scripts() {
    printf '%s\n' '# a comment' '' 'create /s "two\nlines"' "set /s 'it is'" 'get /s' | zk
    expect "lines of a script are run in order" 0 "/s${nl}it is$nl" ""
    printf 'get /s\nget /gone\nget /s\n' | zk
    expect "a script stops at its first error and names the line" 4 "it is$nl" \
        "line 2: Node does not exist: /gone$nl"
    printf 'get /s\nget /gone\nnonsense\nget /s' | zk --keep-going
    expect "--keep-going does not stop, and the first failure decides" 4 "it is${nl}it is$nl" \
        "line 2: Node does not exist: /gone
line 3: Command not found: nonsense (help lists the commands)$nl"
    printf 'get "/s\n' | zk
    expect "a quote that is not closed" 2 "" "line 1: missing closing \"$nl"
    printf 'get /s\nquit\nget /s\n' | zk
    expect "quit ends a script" 0 "it is$nl" ""
    printf '' | zk
    expect "an empty script does nothing" 0 "" ""
    printf '%s\n' 'get -w /s' 'set /s changed' | zk
    expect "events go to stderr" 0 "it is$nl" \
        "WatchedEvent state:SyncConnected type:NodeDataChanged path:/s$nl"
    printf '%s\n' 'addWatch /s' 'create /s/x' 'removewatches /s' 'delete /s/x' | zk
    expect "removewatches ends events" 0 "/s/x$nl" \
        "WatchedEvent state:SyncConnected type:NodeCreated path:/s/x$nl"
    printf '%s\n' 'create -e /e1' 'create -e /e2' 'getEphemerals' | zk
    expect "getEphemerals lists this session's" 0 "/e1$nl/e2$nl/e1$nl/e2$nl" ""
    printf '%s\n' 'get /s' 'history' | zk
    expect "history numbers the lines" 0 "changed${nl}0 - get /s${nl}1 - history$nl" ""
    zk delete /s
}

test_binary() {
    zk create /bin
    zk get /bin
    expect "no data is an empty line" 0 "$nl" ""
    printf 'set /bin "\\x00\\xff\\n\\x01"\n' | zk
    zk get /bin
    printf '\000\377\n\001\n' | cmp -s - "$dir/out"
    verdict "data is shown byte for byte" $?
    zk get -b /bin
    expect "get -b shows base64" 0 "AP8KAQ==$nl" ""
    zk set -b /bin AP8KAQ==
    zk get -x /bin
    expect "get -x shows a hex dump" 0 \
        "         +-------------------------------------------------+
         |  0  1  2  3  4  5  6  7  8  9  a  b  c  d  e  f |
+--------+-------------------------------------------------+----------------+
|00000000| 00 ff 0a 01                                     |....            |
+--------+-------------------------------------------------+----------------+$nl" ""
    zk delete /bin
}

test_many() {
    zk create /many
    seq -f 'create /many/%.0f x' 2000 | zk
    seq -f '/many/%.0f' 2000 | cmp -s - "$dir/out"
    verdict "2000 piped creates are done in order" $?
    seq -f 'delete /many/%.0f' 2000 | zk --pipeline
    expect "2000 pipelined deletes are silent" 0 "" ""
    printf 'create /many/a\ncreate /many/a\ncreate /many/b\n' | zk --pipeline
    expect "a pipelined script names the line that failed, and what had gone before" 5 \
        "/many/a$nl/many/b$nl" "line 2: Node already exists: /many/a
1 later lines had been sent already; 0 of them failed too$nl"
    zk deleteall /many
}

test_servers() {
    zk create /f found
    "$cli" -server "127.0.0.1:1,$server$root" get /f >"$dir/out" 2>"$dir/err"
    status=$?
    expect "dead servers of the list are passed over" 0 "found$nl" ""
    "$cli" -server 127.0.0.1:1,127.0.0.1:2 get /f >"$dir/out" 2>"$dir/err"
    status=$?
    [ "$status" -eq 3 ] && [ "$(wc -l <"$dir/err")" -eq 1 ]
    verdict "where all are dead there is one line and status 3" $?
    ZK_SERVERS=$server$root "$cli" get /f >"$dir/out" 2>"$dir/err"
    status=$?
    expect "servers come from ZK_SERVERS" 0 "found$nl" ""
    zk delete /f
}

# -- a session across a restart of the server ----------------------------------------------------

test_restart() {
    if [ -z "$zkd_pid" ]; then
        echo "not run: restart (the server is not ours)"
        return
    fi
    zk create /r x
    coproc "$cli" -server "$server$root" 2>"$dir/events"
    local cli_pid=$COPROC_PID answer
    local to=${COPROC[1]} from=${COPROC[0]}
    printf 'create -e /r/mine x\nget -w /r\n' >&"$to"
    read -r answer <&"$from"
    read -r answer <&"$from"
    stop_zkd KILL
    start_zkd
    printf 'getEphemerals\n' >&"$to"
    read -r answer <&"$from"
    [ "$answer" = /r/mine ]
    verdict "a session and its ephemerals outlive a kill -9 of the server" $?
    zk set /r y
    printf 'get /r\n' >&"$to"
    read -r answer <&"$from"
    [ "$answer" = y ]
    verdict "the same program reads on after the restart" $?
    printf 'quit\n' >&"$to"
    wait "$cli_pid"
    verdict "and ends well" $?
    grep -qx 'WatchedEvent state:SyncConnected type:NodeDataChanged path:/r' "$dir/events"
    verdict "its watch was set again and has fired" $?
    zk deleteall /r
}

# -- a session that is lost ----------------------------------------------------------------------

test_expiry() {
    coproc "$cli" -server "$server$root" -timeout 1000 2>"$dir/err"
    local cli_pid=$COPROC_PID answer
    local to=${COPROC[1]} from=${COPROC[0]}
    printf 'create -e /mine x\n' >&"$to"
    read -r answer <&"$from"
    kill -STOP "$cli_pid"
    local end=$((SECONDS + 20))
    while [ "$("$cli" -server "$server$root" exists /mine 2>/dev/null)" = true ]; do
        [ "$SECONDS" -lt "$end" ] || break
    done
    kill -CONT "$cli_pid"
    printf 'get /mine\ncreate /new x\n' >&"$to"
    wait "$cli_pid"
    status=$?
    : >"$dir/out"
    # How it learns of it is a matter of luck: between commands, or by a command's failure.
    sed -i -e 's/KeeperErrorCode = Session expired for .*/EXPIRED/' \
        -e 's/the session has expired; .*/EXPIRED/' "$dir/err"
    expect "a script does not go on unaware in another session" 10 "" "line 2: EXPIRED$nl"
}

# -- a terminal ----------------------------------------------------------------------------------

test_terminal() {
    if ! command -v expect >/dev/null; then
        echo "not run: terminal (expect is not installed)"
        return
    fi
    zk create /word x
    HOME=$dir NO_COLOR=1 command expect tests/cli/repl.exp "$cli" "$server$root" >"$dir/out" 2>&1
    local good=$?
    [ "$good" -eq 0 ] || tail -5 "$dir/out"
    verdict "the prompt: completion, history, events, Ctrl-C, Ctrl-D" "$good"
    [ "$(stat -c %a "$dir/.zk_cli_history")" = 600 ]
    verdict "the history is nobody else's business" $?
    grep -q secret "$dir/.zk_cli_history"
    [ $? -eq 1 ]
    verdict "and keeps no secrets" $?
    zk deleteall /word
    zk delete /hé
}

begin
test_commands
test_usage
test_access
test_scripts
test_binary
test_many
test_servers
test_restart
test_expiry
test_terminal
end
