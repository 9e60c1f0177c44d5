#!/usr/bin/env bash
# recipes.sh -- zk-cli's recipes as a script sees them: output, exit status, and who holds what when.
#
#     tests/cli/recipes.sh                          starts ./zkd on a port of its own
#     tests/cli/recipes.sh --apache                 Apache ZooKeeper
#     tests/cli/recipes.sh --server 127.0.0.1:2181  against any ZooKeeper service that runs there
#
# Nothing sleeps to be in time: what has to come first is waited for. A server of our own is also
# killed and started again. The last line is `N passed, N failed`.

# shellcheck disable=SC2016  # the $ are for the commands that zk-cli runs
tick_ms=500  # so that sessions may be short
# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"
cli=$(realpath "$cli")
export dir cli
tab='	'

quiet() {
    "$cli" -server "$server$root" -timeout 4000 "$@" >/dev/null 2>&1
}

# A recipe in the background; its process is $!. Its output goes to files of that name.
behind() { # name, words
    local name=$1
    shift
    : >"$dir/$name.out"
    "$cli" -server "$server$root" -timeout 4000 -waitforconnection "$@" \
        >"$dir/$name.out" 2>"$dir/$name.err" </dev/null &
}

# Waits until so many children are there.
line_of() { # path, count
    local tries=0
    while [ "$("$cli" -server "$server$root" ls "$1" 2>/dev/null | wc -l)" -ne "$2" ]; do
        tries=$((tries + 1))
        [ $tries -lt 500 ] || { echo "never $2 children in $1" && return 1; }
        sleep 0.02
    done
}

lines_of() { # file, count
    # Whoever writes it is behind, and may not have made it yet.
    until_file "$1" || return 1
    local tries=0
    while [ "$(wc -l <"$1")" -lt "$2" ]; do
        tries=$((tries + 1))
        [ $tries -lt 500 ] || { echo "never $2 lines in $1" && return 1; }
        sleep 0.02
    done
}

until_file() {
    local tries=0
    while [ ! -e "$1" ]; do
        tries=$((tries + 1))
        [ $tries -lt 500 ] || { echo "no $1" && return 1; }
        sleep 0.02
    done
}

# -- lock ----------------------------------------------------------------------------------------

test_lock() {
    zk lock /locks/a -- echo inside
    expect "lock runs the command" 0 "inside$nl" ""
    zk ls /locks/a
    [ ! -s "$dir/out" ]
    verdict "and leaves nothing behind" $?
    zk lock /locks/a -- sh -c 'exit 3'
    expect "the exit status is the command's" 3 "" ""
    zk lock /locks/a -- sh -c 'kill -TERM $$'
    expect "or 128 and its signal" 143 "" ""
    zk lock /locks/a -- /no/such/command
    expect "or 127" 127 "" "cannot run /no/such/command: No such file or directory$nl"
    zk lock /locks/a
    expect "without a command it is a usage error" 2 "" "$(
        echo "lock: there is no command to run: -- command..."
        "$cli" help lock | sed -n '1s/^/usage: /p'
    )$nl"
    echo 'lock /locks/a' | zk
    [ "$status" -eq 2 ]
    verdict "in a script, too" $?
    printf '%s\n' 'lock /locks/a -- cat' 'exists /locks' | zk
    expect "a command does not read the rest of the script" 0 "true$nl" ""
    zk lock /locks/a -- sh -c '"$cli" -server "$0" get "$ZK_LOCK_PATH" >"$dir/got" &&
        echo "$ZK_FENCE $ZK_SESSION"' "$server$root"
    grep -qE '^[1-9][0-9]* 0x[0-9a-f]+$' "$dir/out"
    verdict "the command knows its znode, fencing token and session" $?
    local before
    before=$(cut -d' ' -f1 "$dir/out")
    zk lock /locks/a -- sh -c 'echo "$ZK_FENCE"'
    [ "$(cat "$dir/out")" -gt "$before" ]
    verdict "a later holder's fencing token is larger" $?

    behind first lock /locks/a -- sh -c 'read -r word <"$dir/go"'
    local first=$!
    line_of /locks/a 1
    zk lock /locks/a --timeout 0.1 -- echo inside
    expect "who waits too long is told so" 8 "" "timed out$nl"
    line_of /locks/a 1
    verdict "and is no longer in the line" $?
    zk lock /locks/a --read --timeout 0.1 -- echo inside
    expect "a reader waits for a writer" 8 "" "timed out$nl"
    behind second lock /locks/a -- echo second
    local second=$!
    line_of /locks/a 2
    kill -KILL $second
    wait $second 2>/dev/null
    behind third lock /locks/a -- echo third
    local third=$!
    line_of /locks/a 3
    [ ! -s "$dir/third.out" ]
    verdict "one waits for the other" $?
    echo >"$dir/go"
    wait $third && [ "$(cat "$dir/third.out")" = third ] && [ ! -s "$dir/second.out" ]
    verdict "a waiter that is killed is not waited for longer than its session" $?
    wait $first
}

test_readers_and_slots() {
    behind reader lock /locks/rw --read -- sh -c 'read -r word <"$dir/go"'
    local reader=$!
    line_of /locks/rw 1
    zk lock /locks/rw --read --timeout 5 -- echo reading
    expect "readers share it" 0 "reading$nl" ""
    zk lock /locks/rw --timeout 0.1 -- echo writing
    expect "a writer waits for a reader" 8 "" "timed out$nl"
    echo >"$dir/go"
    wait $reader
    behind one lock /locks/s --slots 2 -- sh -c 'read -r word <"$dir/go"'
    local one=$!
    line_of /locks/s 1
    zk lock /locks/s --slots 2 --timeout 5 -- echo two
    expect "two slots hold two" 0 "two$nl" ""
    behind two lock /locks/s --slots 2 -- sh -c 'read -r word <"$dir/go2"'
    local two=$!
    line_of /locks/s 2
    zk lock /locks/s --slots 2 --timeout 0.1 -- echo three
    expect "but not three" 8 "" "timed out$nl"
    echo >"$dir/go2"
    wait $two
    zk lock /locks/s --slots 2 --timeout 5 -- echo three
    expect "until one of them has gone, whichever" 0 "three$nl" ""
    echo >"$dir/go"
    wait $one
    zk lock /locks/s --slots 0 -- true
    [ "$status" -eq 2 ]
    verdict "no slots are no lock" $?
}

test_ends() {
    rm -f "$dir/child"
    behind held lock /locks/e -- sh -c 'echo $$ >"$dir/child.new"; mv "$dir/child.new" "$dir/child"
        exec sleep 100'
    local held=$!
    until_file "$dir/child"
    kill -TERM $held
    wait $held
    local code=$?
    [ $code -eq 143 ] && ! kill -0 "$(cat "$dir/child")" 2>/dev/null
    verdict "SIGTERM is passed on" $?
    line_of /locks/e 0
    verdict "and the lock given back" $?

    rm -f "$dir/child"
    behind held lock /locks/e -- sh -c 'sleep 100 & echo $! >"$dir/child.new"
        mv "$dir/child.new" "$dir/child"; wait'
    held=$!
    until_file "$dir/child"
    kill -KILL $held
    wait $held 2>/dev/null
    local tries=0
    while kill -0 "$(cat "$dir/child")" 2>/dev/null && [ $tries -lt 100 ]; do
        tries=$((tries + 1))
        sleep 0.02
    done
    [ $tries -lt 100 ]
    verdict "the command and its children die with zk-cli" $?

    rm -f "$dir/child"
    behind held lock /locks/f -- sh -c 'echo x >"$dir/child"; exec sleep 100'
    held=$!
    until_file "$dir/child"
    zk ls /locks/f
    zk delete "/locks/f/$(cat "$dir/out")"
    wait $held
    code=$?
    [ $code -eq 10 ] && grep -q 'was deleted: the command is stopped' "$dir/held.err"
    verdict "a lock that is taken away ends the command" $?

    rm -f "$dir/child"
    behind waiter lock /locks/g -- sh -c 'echo x >"$dir/child"; exec sleep 100'
    held=$!
    until_file "$dir/child"
    behind second lock /locks/g -- true
    local second=$!
    line_of /locks/g 2
    kill -INT $second
    wait $second
    [ $? -eq 130 ] && line_of /locks/g 1
    verdict "who is interrupted while waiting leaves the line" $?
    kill -STOP $held
    quiet lock /locks/g --timeout 20 -- true
    verdict "one that is stopped loses the lock" $?
    kill -CONT $held
    wait $held
    [ $? -eq 10 ]
    verdict "and finds its command ended when it goes on" $?
}

test_outages() {
    [ -n "$zkd_pid" ] || return 0
    rm -f "$dir/child"
    behind held lock /locks/o -- sh -c 'echo x >"$dir/child"; read -r word <"$dir/go"; echo done'
    local held=$!
    until_file "$dir/child"
    stop_zkd KILL
    start_zkd
    line_of /locks/o 1
    behind second lock /locks/o -- echo second
    local second=$!
    line_of /locks/o 2
    stop_zkd KILL
    start_zkd
    echo >"$dir/go"
    wait $held && [ "$(cat "$dir/held.out")" = "done" ]
    verdict "a holder outlives a restart of the server" $?
    wait $second && [ "$(cat "$dir/second.out")" = second ]
    verdict "so does who waits" $?

    rm -f "$dir/child"
    behind held lock /locks/o --grace 1 -- sh -c 'trap "echo told; exit 0" TERM
        echo x >"$dir/child"; while :; do sleep 0.1; done'
    held=$!
    until_file "$dir/child"
    local begun=$SECONDS
    stop_zkd KILL
    wait $held
    local code=$?
    [ $code -eq 10 ] && [ "$(cat "$dir/held.out")" = told ] && [ $((SECONDS - begun)) -le 6 ]
    verdict "without a server the command is told before the session can end" $?
    start_zkd

    quiet create /w
    behind watcher -json watch /w --recursive --initial --count 5
    local watcher=$!
    behind waiter wait /w/c --equals 2
    local waiter=$!
    lines_of "$dir/watcher.out" 1
    stop_zkd KILL
    start_zkd
    quiet create /w/c 1
    lines_of "$dir/watcher.out" 2
    kill -STOP $watcher
    quiet set /w/c 2
    stop_zkd KILL
    start_zkd
    wait $waiter
    verdict "wait goes on after a restart" $?
    kill -CONT $watcher
    lines_of "$dir/watcher.out" 3
    quiet deleteall /w
    wait $watcher
    sed -i -E 's/"zxid":[0-9]+,//' "$dir/watcher.out"
    cmp - "$dir/watcher.out" <<'END'
{"event":"present","path":"/w","version":0,"data":null}
{"event":"created","path":"/w/c","version":0,"data":"1"}
{"event":"changed","path":"/w/c","version":1,"data":"2"}
{"event":"deleted","path":"/w/c","version":1}
{"event":"deleted","path":"/w","version":0}
END
    verdict "so does watch, and misses nothing" $?
}

# A znode that is known, and may not be listed any more when all is read anew.
test_hidden_while_out() {
    [ -n "$zkd_pid" ] || return 0
    printf '%s\n' 'create /h' 'create /h/a' 'create /h/a/b' | quiet
    behind seer watch /h --recursive --initial --count 8
    local seer=$!
    lines_of "$dir/seer.out" 3
    quiet setAcl /h/a world:anyone:cda
    stop_zkd KILL
    start_zkd
    quiet create /h/y
    lines_of "$dir/seer.out" 4
    quiet setAcl /h/a world:anyone:cdra
    quiet set /h/a/b 1
    lines_of "$dir/seer.out" 5
    quiet setAcl /h/a world:anyone:cda
    stop_zkd KILL
    start_zkd
    quiet create /h/z
    lines_of "$dir/seer.out" 6
    quiet delete /h/a/b
    quiet delete /h/a
    stop_zkd KILL
    start_zkd
    wait $seer
    cut -f 1,2 "$dir/seer.out" | tr '\t' ' ' | sort | cmp - <(sort <<'END'
present /h
present /h/a
present /h/a/b
created /h/y
changed /h/a/b
created /h/z
deleted /h/a/b
deleted /h/a
END
    )
    verdict "what was hidden meanwhile is not called deleted, what was deleted is" $?
}

# -- elect and join ------------------------------------------------------------------------------

test_elect() {
    zk elect /office --once -- sh -c 'echo leading; exit 4'
    expect "elect --once ends with its command" 4 "leading$nl" ""
    behind leader elect /office --data one -- sh -c 'echo leading; exec sleep 100'
    local leader=$!
    line_of /office 1
    behind other elect /office --data two -- sh -c 'echo leading; exec sleep 100'
    local other=$!
    line_of /office 2
    lines_of "$dir/leader.out" 1
    [ ! -s "$dir/other.out" ]
    verdict "there is one leader at a time" $?
    zk ls /office
    local first
    first=$(sed -E 's/(.*__)(.*)/\2 \1\2/' "$dir/out" | sort | head -1 | cut -d' ' -f2)
    zk get "/office/$first"
    [ "$(cat "$dir/out")" = one ]
    verdict "who can be asked who it is" $?
    zk delete "/office/$first"
    lines_of "$dir/other.out" 1
    line_of /office 2
    verdict "one that loses its office stands again" $?
    kill -TERM $other
    wait $other
    [ $? -eq 143 ]
    verdict "a signal ends it for good" $?
    lines_of "$dir/leader.out" 2
    verdict "and the other is elected again" $?
    kill -TERM $leader
    wait $leader
}

# What could not be taken out of the line without a server is in the way when there is one again,
# and the session lives on.
test_elect_after_outage() {
    [ -n "$zkd_pid" ] || return 0
    behind ruler elect /throne -- sh -c 'echo leading; exec sleep 100'
    local ruler=$!
    lines_of "$dir/ruler.out" 1
    stop_zkd KILL
    lines_of "$dir/ruler.err" 1
    sleep 3
    start_zkd
    lines_of "$dir/ruler.out" 2
    verdict "a leader does not wait for its own forerunner" $?
    kill -TERM $ruler
    wait $ruler
}

test_join() {
    zk join /group --name me --data hi -- "$cli" -server "$server$root" get /group/me
    expect "join puts a znode there while the command runs" 0 "hi$nl" ""
    zk ls /group
    expect "and not longer" 0 "" ""
    behind member join /group --name me --data new -- sh -c 'read -r word <"$dir/go"; exit 7'
    local member=$!
    line_of /group 1
    quiet delete /group/me
    quiet wait /group/me --equals new --timeout 10
    verdict "a member that is thrown out comes again" $?
    echo >"$dir/go"
    wait $member
    [ $? -eq 7 ]
    verdict "join ends as its command does" $?
    zk join /group --name a/../b -- true
    [ "$status" -eq 2 ]
    verdict "a bad name is a usage error" $?
}

# -- watch and wait ------------------------------------------------------------------------------

test_member_hung_up() {
    behind daemon join /daemons --name d -- sh -c 'trap "echo settings read" HUP; echo ready
        while ! [ -e "$dir/daemon.end" ]; do sleep 0.05; done'
    local daemon=$!
    lines_of "$dir/daemon.out" 1
    kill -HUP $daemon
    lines_of "$dir/daemon.out" 2
    quiet delete /daemons/d
    quiet wait /daemons/d --timeout 10
    verdict "a member whose command outlives a signal is put back, too" $?
    echo >"$dir/daemon.end"
    wait $daemon
}

test_watch() {
    printf '%s\n' 'create /t x' 'create /t/a 1' 'create /t/a/b 2' | quiet
    zk watch /t --initial --count 1
    sed -i -E "s/[0-9]+${tab}0\$/N${tab}0/" "$dir/out"
    expect "watch --initial tells what is there" 0 "present${tab}/t${tab}N${tab}0$nl" ""
    zk watch /t --initial --recursive --count 3 -- sh -c 'echo "$ZK_EVENT $ZK_PATH $ZK_VERSION $(cat)"'
    expect "a command gets path, version and data" 0 \
        "present /t 0 x${nl}present /t/a 0 1${nl}present /t/a/b 0 2$nl" ""
    if [ -z "$apache" ]; then  # 3.8 lets everybody know that a znode is there
        quiet create /t/Hidden secret world:anyone:cda
        zk watch /t --initial --recursive --count 3 -- sh -c 'echo "$ZK_PATH"'
        expect "what may not be read is left out, and named" 0 "/t${nl}/t/a${nl}/t/a/b$nl" \
            "Insufficient permission : /t/Hidden (left out, with all below)$nl"
        quiet create /t/Hidden/in 1
        behind above watch /t --initial --recursive --count 6
        local above=$!
        lines_of "$dir/above.out" 3
        quiet set /t/Hidden/in 2
        quiet create /t/z
        lines_of "$dir/above.out" 4
        [ "$(cut -f 1,2 "$dir/above.out" | tail -1)" = "created${tab}/t/z" ]
        verdict "and so is what happens below" $?
        quiet setAcl /t/Hidden world:anyone:cdra
        quiet create /t/Hidden/more
        quiet delete /t/Hidden/more
        wait $above
        [ "$(cut -f 1,2 "$dir/above.out" | sed 1,4d)" = \
            "created${tab}/t/Hidden${nl}created${tab}/t/Hidden/in" ]
        verdict "until it may be read" $?
        quiet delete /t/Hidden/in
        quiet delete /t/Hidden
        quiet delete /t/z
    fi
    zk -json watch /t --initial --children --count 2
    expect "JSON has the data" 0 \
        '{"event":"present","path":"/t","zxid":N,"version":0,"data":"x"}'"$nl"'{"event":"present","path":"/t/a","zxid":N,"version":0,"data":"1"}'"$nl" ""
    zk watch /t --timeout 0.1
    expect "watch --timeout ends" 8 "" "timed out$nl"
    zk watch /t --initial --count 1 -- sh -c 'exit 6'
    expect "the status is that of the first command that failed" 6 "" ""

    behind changes watch /t --count 3 --initial
    local changes=$!
    lines_of "$dir/changes.out" 1
    quiet set /t y
    lines_of "$dir/changes.out" 2
    quiet deleteall /t
    wait $changes && [ "$(cut -f1,2 "$dir/changes.out")" = \
        "present$tab/t${nl}changed$tab/t${nl}deleted$tab/t" ]
    verdict "watch tells changes and the end" $?
}

test_wait() {
    zk wait /x --timeout 0.1
    expect "wait can time out" 8 "" "timed out$nl"
    zk wait /x --gone
    expect "what is not there is gone" 0 "" ""
    behind waiter wait /x
    local waiter=$!
    quiet create /x 1
    wait $waiter
    verdict "wait sees it come" $?
    behind waiter wait /x --equals 'a b'
    waiter=$!
    quiet set /x 'a b'
    wait $waiter
    verdict "and change" $?
    behind waiter wait /x --gone
    waiter=$!
    quiet delete /x
    wait $waiter
    verdict "and go" $?
    zk wait /x --gone --equals y
    [ "$status" -eq 2 ]
    verdict "one condition at a time" $?
}

# -- queue and barrier ---------------------------------------------------------------------------

test_queue() {
    zk queue pop /q
    expect "there is nothing in a queue that is not there" 4 "" "Node does not exist: /q$nl"
    zk -json queue push /q one
    grep -qE '^\{"path":"/q/[0-9a-f]{32}__item__0000000000"\}$' "$dir/out"
    verdict "push says where the item is" $?
    for item in two three; do quiet queue push /q $item; done
    zk queue peek /q
    expect "peek shows the oldest" 0 "one$nl" ""
    zk queue pop /q
    expect "pop takes it" 0 "one$nl" ""
    zk queue pop /q -- sh -c 'cat; exit 5'
    expect "a command that fails leaves it" 5 "two" ""
    zk queue pop /q -- cat
    expect "one that succeeds takes it" 0 "two" ""
    behind worker queue pop /q -- sh -c 'read -r word <"$dir/go"; exit 1'
    local worker=$!
    local item
    item=$("$cli" -server "$server$root" ls /q)
    quiet wait "/q/$item/claim" --timeout 10
    zk queue pop /q
    expect "what is being worked on is nobody else's" 4 "" "nothing in the queue$nl"
    behind other queue pop /q --timeout 20
    local other=$!
    echo >"$dir/go"
    wait $worker
    wait $other
    [ "$(cat "$dir/other.out")" = three ]
    verdict "until the worker fails" $?
    zk queue pop /q --timeout 0.1
    expect "pop can time out" 8 "" "timed out$nl"
    behind waiter -json queue pop /q --wait
    local waiter=$!
    printf '\377\000' | quiet queue push /q -
    wait $waiter
    grep -q '"base64":"/wA="' "$dir/waiter.out"
    verdict "pop --wait waits; items are bytes" $?
    zk queue pop /q x
    [ "$status" -eq 2 ]
    verdict "pop takes no data" $?
}

test_barrier() {
    behind one barrier /b --count 3
    local one=$!
    line_of /b 1
    zk barrier /b --count 3 --timeout 0.1
    expect "a barrier can time out" 8 "" "timed out$nl"
    line_of /b 1
    verdict "and who gave up does not count" $?
    behind two barrier /b --count 3
    local two=$!
    line_of /b 2
    zk barrier /b --count 3
    expect "the last one opens it" 0 "" ""
    wait $one && wait $two
    verdict "for all" $?
    printf '%s\n' 'barrier /b --leave' | zk
    expect "who leaves last closes it" 0 "" ""
    local pids=()
    for each in 1 2 3; do
        behind "$each" barrier /c --count 3 -- sh -c 'echo in >>"$dir/c"; wc -l <"$dir/c" >/dev/null
            echo out >>"$dir/c"'
        pids+=($!)
    done
    local good=0
    for each in "${pids[@]}"; do wait "$each" || good=1; done
    [ $good -eq 0 ] && line_of /c 0
    verdict "with a command all wait for each other's end, too" $?
}

test_claims() {
    zk queue push /u secret
    local item
    item=$(cat "$dir/out")
    quiet setAcl "$item" world:anyone:cdwa
    printf '%s\n' 'queue pop /u' "create $item/claim" | zk --keep-going
    expect "an item that cannot be read is set free at once" 7 "$item/claim$nl" \
        "line 1: Insufficient permission : /u$nl"
    quiet delete "$item/claim"
    quiet setAcl "$item" world:anyone:cdrwa
    printf '%s\n' 'queue pop /u -- /no/such/command' "create $item/claim" | zk --keep-going
    expect "and so is one whose command cannot be run" 127 "$item/claim$nl" \
        "line 1: cannot run /no/such/command: No such file or directory$nl"
}

# Events and the environment name znodes from the root, so what `cd` is for has to be done before.
test_relative() {
    quiet create /d x
    quiet create /d/watched x
    printf '%s\n' 'cd /d' 'watch watched --recursive --initial --count 2 --timeout 10' >"$dir/far.zk"
    "$cli" -server "$server$root" <"$dir/far.zk" >"$dir/near.out" 2>&1 &
    local near=$!
    lines_of "$dir/near.out" 1
    quiet set /d/watched y
    wait $near && [ "$(cut -f1,2,4 "$dir/near.out")" = \
        "present$tab/d/watched${tab}0${nl}changed$tab/d/watched${tab}1" ]
    verdict "a relative path is watched as what it is" $?
    printf '%s\n' 'cd /d' 'lock l -- sh -c "echo \$ZK_LOCK_PATH >\"$dir/path\"; exec sleep 20"' \
        >"$dir/far.zk"
    "$cli" -server "$server$root" <"$dir/far.zk" >/dev/null 2>"$dir/lock.err" &
    local lock=$!
    lines_of "$dir/path" 1
    quiet delete "$(cat "$dir/path")"
    wait $lock
    [ $? -eq 10 ] && grep -q "^line 2: /d/l/.* was deleted" "$dir/lock.err"
    verdict "a relative lock that is deleted ends the command" $?
    printf '%s\n' 'cd /d' 'queue push q x' 'queue peek q' | zk --json
    [ "$(grep -c '^{"path":"/d/q/' "$dir/out")" -eq 2 ]
    verdict "a queue says where an item is" $?
}

test_nohup() {
    trap '' HUP
    behind nohup lock /n -- sh -c 'echo >"$dir/nohup"; read -r word <"$dir/go"; echo done'
    local nohup=$!
    trap - HUP
    until_file "$dir/nohup"
    pkill -HUP -P $nohup
    kill -HUP $nohup
    echo >"$dir/go"
    wait $nohup && [ "$(cat "$dir/nohup.out")" = "done" ]
    verdict "under nohup neither we nor the command are hung up" $?
}

test_example() {
    tests/cli/master_worker.sh "$cli" "$server$root" >"$dir/example" 2>&1
    local good=$?
    [ $good -eq 0 ] || tail -20 "$dir/example"
    verdict "the master-worker example works" $good
}

begin
mkfifo "$dir/go" "$dir/go2"
test_lock
test_readers_and_slots
test_ends
test_outages
test_hidden_while_out
test_elect
test_elect_after_outage
test_join
test_member_hung_up
test_watch
test_wait
test_queue
test_barrier
test_relative
test_claims
test_nohup
test_example
end
