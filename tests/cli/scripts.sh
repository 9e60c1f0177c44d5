#!/usr/bin/env bash
# scripts.sh -- what makes zk-cli a tool for scripts: data in and out, transactions, time limits,
# servers that are none, settings and secrets.
#
#     tests/cli/scripts.sh [--server host:port | --apache]

# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"

now_ms() { echo $(($(date +%s%N) / 1000000)); }

# -- data ----------------------------------------------------------------------------------------

test_data() {
    head -c 100000 /dev/urandom >"$dir/random"
    zk create /d "@$dir/random"
    "$cli" -server "$server$root" get -0 /d | cmp -s - "$dir/random"
    verdict "a file goes in by @ and comes out by get -0, byte for byte" $?
    zk set /d - <"$dir/random"
    "$cli" -server "$server$root" get -0 /d | cmp -s - "$dir/random"
    verdict "and by -, from standard input" $?
    "$cli" -server "$server$root" get -b /d | "$cli" -server "$server$root" create -b /d2 - >/dev/null
    "$cli" -server "$server$root" get -0 /d2 | cmp -s - "$dir/random"
    verdict "base64 goes through a pipe from one znode to another" $?
    base64 "$dir/random" >"$dir/random64"
    zk set -b /d2 "@$dir/random64"
    "$cli" -server "$server$root" get -0 /d2 | cmp -s - "$dir/random"
    verdict "base64 of a file may be in lines" $?
    zk set /d @@home
    zk get /d
    expect "@@ is a literal @" 0 "@home$nl" ""
    zk set /d "@$dir/nothing"
    expect "a file that is not there" 2 "" "$dir/nothing: No such file or directory$nl"
    printf 'set /d -\nget /d\n' | zk
    expect "in a script - is refused, as the commands come from there" 2 "" \
        "line 1: standard input is where the commands come from: - cannot be data$nl"
    printf 'set /d @%s\nget -b /d\n' "$dir/word" | zk
    expect "a script's error has its line" 2 "" "line 1: $dir/word: No such file or directory$nl"
    printf 'word' >"$dir/word"
    printf 'set /d @%s\nget -0 /d\nget -0 /d\n' "$dir/word" | zk
    expect "get -0 puts nothing between" 0 "wordword" ""
    zk create "/d/two words"
    zk create /d/x
    "$cli" -server "$server$root" ls -0 /d | xargs -0 printf '<%s>' >"$dir/out"
    : >"$dir/err" && status=0
    expect "ls -0 is for xargs -0" 0 "<two words><x>" ""
    zk --zkcli set /d -
    zk get /d
    expect "with --zkcli a - is a -" 0 "-$nl" ""
    zk deleteall /d
    zk delete /d2
}

# -- transactions --------------------------------------------------------------------------------

test_multi() {
    zk create /m 1
    printf '%s\n' '# several' 'create /m/a "two words"' '' 'set /m 2 -v 0' | zk multi -
    expect "multi takes its writes from standard input" 0 "create /m/a${nl}set /m$nl" ""
    printf '%s\n' 'delete /m/a' 'create /m/b' 'nonsense' >"$dir/writes"
    zk multi "@$dir/writes"
    expect "a file with a bad line sends nothing" 2 "" \
        "multi is made of create, set, delete and check, not of nonsense
that was line 3; nothing was sent$nl"
    zk ls /m
    expect "and nothing was done" 0 "a$nl" ""
    printf '%s\n' 'multi' 'delete /m/a' 'delete /m/gone' 'commit' 'get /m' | zk
    expect "a write that fails is named, and stops the script" 4 "" \
        "line 4: multi: write 2, delete: Node does not exist: /m/gone; nothing was done$nl"
    printf '%s\n' 'multi' 'delete /m/a' 'create nopath' 'commit' 'get /m' | zk --keep-going
    expect "with --keep-going a spoiled transaction is not sent either" 2 "2$nl" \
        "line 3: Path must start with / character
line 4: nothing was sent, because of line 3$nl"
    printf '%s\n' 'commit' | zk
    expect "commit needs a multi" 2 "" "line 1: commit without a multi$nl"
    printf '%s\n' multi 'create -e /m/e' commit 'getEphemerals' | zk
    expect "an ephemeral znode of a multi belongs to the session" 0 "create /m/e$nl/m/e$nl" ""
    zk exists /m/e
    [ "$status" -eq 4 ]
    verdict "and goes with it" $?
    seq -f 'create /m/many-%.0f' 5000 >"$dir/writes"
    zk multi "@$dir/writes"
    [ "$status" -eq 0 ] && [ "$(wc -l <"$dir/out")" -eq 5000 ]
    verdict "5000 writes are one" $?
    zk deleteall /m
}

test_conditions() {
    local i
    zk create /n 0
    for i in 1 2 3 4 5 6 7 8; do
        yes 'incr /n' | head -50 | "$cli" -server "$server$root" >"$dir/incr.$i" &
        pids[i]=$!
    done
    for i in 1 2 3 4 5 6 7 8; do wait "${pids[i]}"; done
    zk get /n
    expect "eight programs count to 400 together" 0 "400$nl" ""
    [ "$(sort -n "$dir"/incr.* | uniq | wc -l)" -eq 400 ]
    verdict "and each saw a number of its own" $?
    zk set /n 9223372036854775807
    zk incr /n
    expect "a number does not overflow" 1 "" "the number would not fit into 64 bits$nl"
    zk cas /n 9223372036854775807 free
    expect "cas changes what is as expected" 0 "" ""
    for i in 1 2 3 4 5 6 7 8; do
        "$cli" -server "$server$root" cas /n free "taken $i" 2>/dev/null && echo "$i" &
        pids[i]=$!
    done >"$dir/winners"
    for i in 1 2 3 4 5 6 7 8; do wait "${pids[i]}"; done
    [ "$(wc -l <"$dir/winners")" -eq 1 ]
    verdict "of eight that cas at once one wins" $?
    zk get /n
    expect "and it is what it says" 0 "taken $(cat "$dir/winners")$nl" ""
    zk cas /none a b
    expect "cas of a znode that is not there" 4 "" "Node does not exist: /none$nl"
    zk delete /n
}

# -- time limits, and servers that are none ------------------------------------------------------

test_deadline() {
    local begin
    # Two writes meet in the middle: the server is stopped, so only the deadline can end it.
    if [ -z "$zkd_pid" ]; then
        echo "not run: a stopped server (it is not ours)"
    else
        begin=$(now_ms)
        kill -STOP "$zkd_pid"
        zk --deadline 300ms get /
        kill -CONT "$zkd_pid"
        [ "$status" -eq 8 ] && [ "$(wc -l <"$dir/err")" -eq 1 ] && [ $(($(now_ms) - begin)) -lt 2000 ]
        verdict "--deadline ends what waits for a server that has stopped" $?
        # A pipe with no end: lines come, but the last one never does.
        begin=$(now_ms)
        mkfifo "$dir/fifo"
        exec 9<>"$dir/fifo"
        printf 'get /\nls /\n' >&9
        timeout 20 "$cli" --deadline 300ms -server "$server$root" <"$dir/fifo" >"$dir/out" 2>"$dir/err"
        status=$?
        exec 9>&-
        [ "$status" -eq 8 ] && [ "$(wc -l <"$dir/err")" -eq 1 ] && [ $(($(now_ms) - begin)) -lt 2000 ]
        verdict "and a script whose next line does not come" $?
    fi
    zk --deadline 300ms wait /never
    expect "--deadline ends a wait" 8 "" "not done after 300 ms$nl"
    zk --deadline 300ms lock /deadline -- sleep 60
    expect "and a command that holds a lock" 8 "" "not done after 300 ms$nl"
    zk ls /deadline
    expect "which is given back" 0 "" ""
    zk delete /deadline
    zk --deadline 1m exists /
    expect "a deadline that is kept does nothing" 0 "true$nl" ""
    zk --deadline soon exists /
    expect "a deadline is a time" 2 "" "zk-cli: a deadline is written 500ms, 5s or 2m, not \"soon\"$nl"
}

test_output() {
    local words
    for words in "exists /" "help get" "--help" "--man" "--version" "--completion bash" \
        "-json exists /" "export /"; do
        # shellcheck disable=SC2086  # words
        "$cli" -server "$server$root" $words >/dev/full 2>"$dir/err"
        [ $? -eq 1 ] && grep -q 'standard output: No space left on device' "$dir/err" &&
            [ "$(wc -l <"$dir/err")" -eq 1 ]
        verdict "a full disk is told: $words" $?
    done
    mkfifo "$dir/pipe"
    cat "$dir/pipe" >"$dir/got" &
    zk export / "$dir/pipe"
    [ "$status" -eq 0 ] && [ -p "$dir/pipe" ] && wait $! && [ -s "$dir/got" ]
    verdict "an export writes to a pipe, and does not take its place" $?
    head -c 1000000 /dev/zero | tr '\0' x >"$dir/large"
    zk create /large "@$dir/large"
    /usr/bin/python3 - "$cli" "$server$root" <<'END'
import os, subprocess, sys

ours, theirs = os.pipe()
os.set_blocking(theirs, False)
command = [sys.argv[1], "-server", sys.argv[2], "get", "/large"]
process = subprocess.Popen(command, stdout=theirs)
os.close(theirs)
got = 0
while part := os.read(ours, 4096):
    got += len(part)
sys.exit(process.wait() or got != 1000001)
END
    verdict "a pipe that somebody made non-blocking gets everything" $?
}

test_wrong_servers() {
    if ! /usr/bin/python3 -c '' 2>/dev/null; then
        echo "not run: wrong servers (python3 is not installed)"
        return
    fi
    coproc /usr/bin/python3 tests/cli/wrong_servers.py
    local wrong_pid=$COPROC_PID kind place begin
    local from=${COPROC[0]}
    while read -r kind place <&"$from" && [ "$kind" != ready ]; do
        if [ "$kind" = late ]; then
            "$cli" -server "$place" create -e /e >"$dir/out" 2>"$dir/err"
            status=$?
            expect "who leaves is told of no watch" 0 "/e$nl" ""
            continue
        fi
        begin=$(now_ms)
        "$cli" -server "$place" -timeout 3000 get / >"$dir/out" 2>"$dir/err"
        status=$?
        [ "$status" -eq 3 ] && [ ! -s "$dir/out" ] && [ "$(wc -l <"$dir/err")" -eq 1 ] &&
            grep -q "^$place" "$dir/err" && [ $(($(now_ms) - begin)) -lt 4500 ]
        verdict "a server that is $kind: one line that names it, and status 3" $?
    done
    kill "$wrong_pid"
    wait "$wrong_pid" 2>/dev/null
    "$cli" -server no.such.host.invalid:2181 --deadline 20s get / >"$dir/out" 2>"$dir/err"
    [ $? -eq 3 ] && grep -q '^cannot look up no.such.host.invalid: ' "$dir/err"
    verdict "a name that nobody knows" $?
}

# -- a write whose fate is unknown ---------------------------------------------------------------

test_lost() {
    if [ -z "$zkd_pid" ] || ! command -v ss >/dev/null; then
        echo "not run: a lost write (the server is not ours, or there is no ss)"
        return
    fi
    local answer end=$((SECONDS + 20))
    coproc "$cli" -server "$server$root" 2>"$dir/err"
    local to=${COPROC[1]} from=${COPROC[0]} pid=$COPROC_PID
    printf 'exists /\n' >&"$to"
    read -r answer <&"$from"
    kill -STOP "$zkd_pid"
    printf 'create /lost x\nls /\n' >&"$to"
    # Until the request lies with the server, which does not read it any more.
    until ss -Htn "sport = :$port" | awk '$2 > 0 { found = 1 } END { exit !found }'; do
        [ "$SECONDS" -lt "$end" ] || break
    done
    stop_zkd KILL
    start_zkd
    wait "$pid"
    status=$?
    [ "$answer" = true ] && [ "$status" -eq 9 ] &&
        grep -q '^line 2: KeeperErrorCode = ConnectionLoss for /lost (' "$dir/err"
    verdict "a write whose connection was lost is not repeated: status 9, and the script stops" $?
    zk deleteall /lost
}

# -- settings and secrets ------------------------------------------------------------------------

# zk-cli without any option.
bare() {
    "$cli" "$@" >"$dir/out" 2>"$dir/err"
    status=$?
    alike "$dir/out"
    sed -i "s,$dir,DIR,g" "$dir/err"
}

test_settings() {
    zk create /c found
    printf '# mine\nservers = %s\njson yes\n' "$server$root" >"$dir/.zk-cli"
    bare getAllChildrenNumber /c
    expect ".zk-cli in the home says where to connect, and how to show" 0 '{"path":"/c","count":0}'"$nl" ""
    bare --style plain get /c
    expect "the command line overrules it" 0 "found$nl" ""
    ZK_CLI_STYLE=zkcli bare getAllChildrenNumber /c
    [ "$(tail -1 "$dir/out")" = 0 ]
    verdict "the environment does, too" $?
    printf 'servers %s\nnonsense 1\n' "$server$root" >"$dir/.zk-cli"
    bare get /c
    expect "an unknown setting is told" 2 "" "zk-cli: DIR/.zk-cli, line 2: there is no setting nonsense$nl"
    printf 'servers %s\n' "$server$root" >"$dir/.zk-cli"
    chmod 666 "$dir/.zk-cli"
    bare get /c
    expect "a file that others may change is not believed" 2 "" \
        "zk-cli: DIR/.zk-cli may be changed by others, so it is not read (chmod 600)$nl"
    mv "$dir/.zk-cli" "$dir/elsewhere"
    chmod 600 "$dir/elsewhere"
    ZK_CLI_CONFIG=$dir/elsewhere bare get /c
    expect "ZK_CLI_CONFIG names another file" 0 "found$nl" ""
    ZK_CLI_CONFIG=$dir/no bare get /c
    expect "which has to be there" 2 "" "zk-cli: DIR/no: No such file or directory$nl"
    zk delete /c
}

test_secrets() {
    printf 'digest:bob:secret\n' >"$dir/auth"
    chmod 600 "$dir/auth"
    zk --auth-file "$dir/auth" create /s mine auth:x:cdrwa
    expect "--auth-file says who one is" 0 "/s$nl" ""
    zk get /s
    expect "which others are not" 7 "" "Insufficient permission : /s$nl"
    ZK_AUTH_FILE=$dir/auth zk get /s
    expect "ZK_AUTH_FILE does the same" 0 "mine$nl" ""
    ZK_AUTH=digest:bob:secret zk get /s
    expect "and ZK_AUTH" 0 "mine$nl" ""
    ZK_AUTH=digest-bob zk get /s
    expect "a bad ZK_AUTH is not repeated" 2 "" \
        "zk-cli: ZK_AUTH: an identity is written scheme:auth, as in digest:user:password$nl"
    ZK_AUTH=nonsense:x zk get /s
    [ "$status" -eq 7 ]
    verdict "an identity that the server does not believe is status 7" $?
    printf 'auth digest:bob:secret\n' >"$dir/.zk-cli"
    chmod 600 "$dir/.zk-cli"
    zk get /s
    expect "and so is the config file" 0 "mine$nl" ""
    chmod 644 "$dir/.zk-cli"
    bare get /s
    expect "unless others may read it" 2 "" \
        "zk-cli: DIR/.zk-cli has secrets and may be read by others (chmod 600)$nl"
    rm "$dir/.zk-cli"
    printf 'bob:secret\n' >"$dir/word"
    printf 'addauth digest @%s\nget /s\n' "$dir/word" | zk
    expect "addauth reads a file" 0 "mine$nl" ""
    zk -auth digest:bob:secret get /s
    expect "there is no option for what all could see" 2 "" \
        "zk-cli: unknown option -auth (see --help)$nl"
    ZK_AUTH=digest:bob:secret zk delete /s
}

# -- pipelines, and two pipes --------------------------------------------------------------------

test_pipeline() {
    local begin took answer
    zk create /p
    begin=$(now_ms)
    seq -f 'create /p/%.0f x' 10000 | zk --pipeline
    took=$(($(now_ms) - begin))
    seq -f '/p/%.0f' 10000 | cmp -s - "$dir/out"
    verdict "10 000 pipelined creates keep their order ($took ms)" $?
    coproc "$cli" -server "$server$root" --pipeline 2>"$dir/err"
    local to=${COPROC[1]} from=${COPROC[0]} pid=$COPROC_PID
    printf 'get /p/1\n' >&"$to"
    read -r -t 10 answer <&"$from"
    [ "$answer" = x ]
    verdict "who waits for a reply before the next line gets it, pipeline or not" $?
    printf 'quit\n' >&"$to"
    wait "$pid"
    verdict "and the end" $?
    zk deleteall /p
}

begin
test_data
test_multi
test_conditions
test_deadline
test_output
test_wrong_servers
test_lost
test_settings
test_secrets
test_pipeline
end
