#!/usr/bin/env bash
# trees.sh -- the commands about subtrees: tree, find, du, count, cp, mv, diff, export, import,
# edit, top; as a script sees them.
#
#     tests/cli/trees.sh [--server host:port | --apache]

# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"
export TMPDIR=$dir

# Times are made to look alike.
alike() { # file
    sed -E -i -e 's/[0-9-]{10}T[0-9:.]{12}Z/TIME/' -e 's/"mtime":[0-9]+/"mtime":T/' "$1"
}

lines() { printf '%s\n' "$@"; }
tab=$(printf '\t')

# A million would be much here; enough for several transactions, and more than one would hold.
make_many() { # path, count
    seq -f '{"path":"/n%05g","data":"some data"}' 1 "$2" >"$dir/many.json"
    zk create "$1" top
    zk import "$dir/many.json" "$1"
}

# -- looking -------------------------------------------------------------------------------------

test_looking() {
    zk create /app root
    zk create /app/b bb
    zk create /app/b/c "$(printf '%3000s' x)"
    zk create /app/a-1 ''
    zk create /app/é x
    zk tree -n /app
    expect "tree lists parents before children, those by name" 0 \
        "$(lines /app /app/a-1 /app/b /app/b/c /app/é)$nl" ""
    zk tree -L 1 /app
    expect "and for programs size, time and kind" 0 "$(lines \
        "/app${tab}4${tab}TIME${tab}persistent" "/app/a-1${tab}0${tab}TIME${tab}persistent" \
        "/app/b${tab}2${tab}TIME${tab}persistent" "/app/é${tab}1${tab}TIME${tab}persistent")$nl" ""
    zk tree -dn /app
    expect "tree -d draws" 0 "$(lines /app '├── a-1' '├── b' '│   └── c' '└── é')$nl" ""
    zk --json tree -L 0 /app
    expect "tree as JSON" 0 "$(lines '{"path":"/app","depth":0,"bytes":4,"children":3,"mtime":T,"kind":"persistent"}')$nl" ""
    zk tree /none
    expect "tree of what is not there" 4 "" "Node does not exist: /none$nl"
    zk du /app
    expect "du adds up bytes and znodes" 0 "$(lines "0${tab}1${tab}/app/a-1" \
        "3002${tab}2${tab}/app/b" "1${tab}1${tab}/app/é" "3007${tab}5${tab}/app")$nl" ""
    zk du -h -L 0 /app
    expect "du -h is short" 0 "2.9K${tab}5${tab}/app$nl" ""
    zk --json du -L 0 /app
    expect "du as JSON" 0 '{"path":"/app","bytes":3007,"znodes":5}'"$nl" ""
    zk count /app
    expect "count counts what is below" 0 "4$nl" ""
    zk --json count /app
    expect "count as JSON" 0 '{"path":"/app","znodes":4}'"$nl" ""
    zk count
    expect "without a path it is the root" 0 "5$nl" ""
    zk count /none
    expect "count of what is not there" 4 "" "Node does not exist: /none$nl"
}

test_find() {
    zk find /app -name '[ab]*'
    expect "find by name" 0 "$(lines /app /app/a-1 /app/b)$nl" ""
    zk find /app -path '*/b/*'
    expect "find by path" 0 "/app/b/c$nl" ""
    zk find /app -size +1k
    expect "find what is large" 0 "/app/b/c$nl" ""
    zk find /app -size 0
    expect "find what is empty" 0 "/app/a-1$nl" ""
    zk find /app -mtime +5m
    expect "find what is old" 0 "" ""
    zk find /app -mtime -1h -name c -children 0
    expect "all conditions are to hold" 0 "/app/b/c$nl" ""
    zk find /app -contains oot
    expect "find in the data" 0 "/app$nl" ""
    zk find /app -L 0
    expect "find no deeper than that" 0 "/app$nl" ""
    zk find -0 /app -name b
    [ "$(od -An -c "$dir/out" | tr -d ' ')" = '/app/b\0' ]
    verdict "find -0 ends paths with a NUL" $?
    zk find /app -size x
    expect "what cannot be read is a matter of usage" 2 "" "$(head -1 "$dir/err")$nl$(tail -n +2 "$dir/err")$nl"
    coproc "$cli" -server "$server$root" 2>/dev/null
    local pid=$COPROC_PID to=${COPROC[1]} from=${COPROC[0]} answer session
    printf 'create -e /app/eph x\n' >&"$to"
    read -r answer <&"$from"
    verdict "an ephemeral znode is made: $answer" $?
    zk find / -kind ephemeral
    expect "find ephemerals" 0 "/app/eph$nl" ""
    session=$("$cli" -server "$server$root" stat /app/eph | sed -n 's/ephemeralOwner = //p')
    zk find / -owner "$session"
    expect "find what a session owns" 0 "/app/eph$nl" ""
    zk find / -owner 0x1
    expect "and nobody else" 0 "" ""
    zk cp -r /app /copy
    expect "cp leaves ephemerals out, and says so" 0 "" "/app/eph is ephemeral and left out$nl"
    zk export /app
    grep -q eph "$dir/out"
    [ $? -eq 1 ]
    verdict "so does export" $?
    zk mv /app /moved
    expect "mv does not move them" 1 "" "/app/eph is ephemeral and cannot be moved; nothing was done (--ephemerals makes it persistent)$nl"
    zk cp --ephemerals /app/eph /copy/eph
    zk find /copy -kind persistent -name eph
    expect "unless as persistent ones" 0 "/copy/eph$nl" ""
    zk deleteall /copy
    printf 'quit\n' >&"$to"
    wait "$pid"
}

# -- copies --------------------------------------------------------------------------------------

test_copies() {
    zk setAcl /app/b/c world:anyone:r,ip:127.0.0.1:cdrwa
    zk cp -r /app /copy
    expect "cp is silent" 0 "" ""
    zk diff /app /copy
    expect "a copy differs in nothing, ACLs included" 0 "" ""
    zk cp -r /app /copy
    expect "cp does not overwrite" 5 "" "Node already exists: /copy${nl}nothing was done$nl"
    zk set /copy/b other
    zk delete /copy/a-1
    zk cp -r --existing skip /app /copy
    zk diff -q /app /copy
    expect "cp --existing skip adds what is missing" 1 "! /b$nl" ""
    zk cp -r --existing overwrite /app /copy
    zk diff -q /app /copy
    expect "cp --existing overwrite makes them alike" 0 "" ""
    zk cp /app /alone
    zk find /alone
    expect "without -r it is one znode" 0 "/alone$nl" ""
    zk cp -r /app /app/b/x
    expect "nothing is copied below itself" 2 "" "/app/b/x is below /app$nl"
    zk cp /app /none/x
    expect "a copy wants a parent" 4 "" "Node does not exist: /none/x${nl}nothing was done$nl"
    zk mv /copy /moved
    expect "mv is silent" 0 "" ""
    zk diff -q /app /moved
    expect "what was moved is the same" 0 "" ""
    zk exists /copy
    expect "and gone from where it was" 4 "false$nl" "Node does not exist: /copy$nl"
    zk mv /moved /app
    expect "mv does not overwrite" 5 "" "Node already exists: /app${nl}nothing was done$nl"
    zk --json mv /moved /copy
    expect "mv as JSON" 0 '{"from":"/moved","to":"/copy","znodes":5}'"$nl" ""
    zk deleteall /copy
    zk delete /alone
    make_many /many 3000
    zk cp -r /many /more
    zk diff /many /more
    expect "a large tree is copied, too" 0 "" ""
    zk mv /more /moved
    expect "and moved" 0 "" ""
    zk diff /many /moved
    expect "with all that was in it" 0 "" ""
    zk exists /more
    expect "to be gone afterwards" 4 "false$nl" "Node does not exist: /more$nl"
    zk create /more x
    zk create /more/n02500 mine
    zk cp -r /many /more
    [ "$status" -eq 5 ] && grep -q 'the copy at /more is not whole' "$dir/err"
    verdict "a large copy that ends early says so" $?
    zk cp -r --existing skip /many /more
    zk diff -q /many /more
    expect "and can be gone on with" 1 "$(lines '! /' '! /n02500')$nl" ""
    zk deleteall /more
    zk deleteall /moved
    zk deleteall /many
}

# -- differences ---------------------------------------------------------------------------------

test_diff() {
    zk create /x "$(lines one two three four five six seven eight)"
    zk create /x/gone old
    zk create /x/same s
    zk cp -r /x /y
    zk set /y "$(lines one two three four FIVE six seven eight)"
    zk delete /y/gone
    zk create /y/new "$(lines a b)"
    zk setAcl /y/same world:anyone:cdrwa,ip:10.0.0.1:r
    zk diff /x /y
    expect "diff shows what differs, in lines" 1 "$(lines '--- /x' '+++ /y' '@@ / data @@' ' two' \
        ' three' ' four' '-five' '+FIVE' ' six' ' seven' ' eight' '@@ /gone removed @@' '-old' \
        '@@ /new added @@' '+a' '+b' '@@ /same acl @@' ' world:anyone:cdrwa' '+ip:10.0.0.1:r')$nl" ""
    zk diff -q --no-acl /x /y
    expect "or in short" 1 "$(lines '! /' '- /gone' '+ /new')$nl" ""
    zk --json diff /x/same /y/new
    expect "or as JSON" 1 '{"path":"/","change":"changed","from":{"data":"s"},"to":{"data":"a\nb"}}'"$nl" ""
    zk diff -q /x "$server$root/y"
    expect "the other may be another server's" 1 "$(lines '! /' '- /gone' '+ /new' '! /same')$nl" ""
    zk export /x "$dir/x.json"
    zk diff /x "@$dir/x.json"
    expect "or an export" 0 "" ""
    zk diff -q "@$dir/x.json" /y
    expect "on either side" 1 "$(lines '! /' '- /gone' '+ /new' '! /same')$nl" ""
    tac "$dir/x.json" >"$dir/reverse.json"
    zk diff /x "@$dir/reverse.json"
    grep -q 'not in the order of an export' "$dir/err"
    verdict "a file in another order is refused" $?
    zk diff /x /none
    expect "what is not there cannot be compared" 4 "" "Node does not exist: /none$nl"
    zk diff /x 127.0.0.1:1/x
    expect "nor what no server has" 3 "" "cannot connect to 127.0.0.1:1: connection refused$nl"
    zk deleteall /x
    zk deleteall /y
}

# -- export and import ---------------------------------------------------------------------------

test_export() {
    zk create /e ''
    zk create '/e/a "quoted" \ name' "line${nl}line"
    zk create /e/acl x world:anyone:rc,ip:127.0.0.1:cdrwa
    printf '\0\377\r\n' >"$dir/binary"
    zk create /e/binary "@$dir/binary"
    zk create /e/none
    zk export /e
    expect "an export is lines of JSON, sorted" 0 "$(lines '{"path":"/","data":""}' \
        '{"path":"/a \"quoted\" \\ name","data":"line\nline"}' \
        '{"path":"/acl","data":"x","acl":[{"scheme":"world","id":"anyone","perms":"cr"},{"scheme":"ip","id":"127.0.0.1","perms":"cdrwa"}]}' \
        '{"path":"/binary","base64":"AP8NCg=="}' '{"path":"/none","data":null}')$nl" ""
    cp "$dir/out" "$dir/e.json"
    zk export /e "$dir/file.json"
    expect "into a file it is silent" 0 "" ""
    cmp -s "$dir/file.json" "$dir/e.json" && [ ! -e "$dir/file.json.partial" ]
    verdict "and the same" $?
    zk import "$dir/e.json" /f
    expect "import is silent" 0 "" ""
    zk diff /e /f
    expect "what was imported is what was exported" 0 "" ""
    zk import "$dir/e.json" /f
    expect "import does not overwrite" 5 "" "Node already exists: /f${nl}import stopped; 0 znodes were created (--existing skip or overwrite goes on from there)$nl"
    zk set /f/none other
    zk delete /f/binary
    zk --json import --existing skip "$dir/e.json" /f
    expect "import --existing skip adds what is missing" 0 '{"created":1,"skipped":4,"overwritten":0,"ephemerals":0}'"$nl" ""
    zk diff -q /e /f
    expect "and nothing else" 1 "! /none$nl" ""
    zk --json import --existing overwrite "$dir/e.json" /f
    expect "import --existing overwrite makes them alike" 0 '{"created":0,"skipped":0,"overwritten":5,"ephemerals":0}'"$nl" ""
    zk diff -q /e /f
    expect "ACLs included" 0 "" ""
    zk import - /g <"$dir/e.json"
    zk diff -q /e /g
    expect "import reads standard input" 0 "" ""
    zk import --no-acl "$dir/e.json" /h
    zk diff -q /e /h
    expect "import --no-acl leaves ACLs out" 1 "! /acl$nl" ""
    printf '{"path":"/","data":"x"}\n\n{"path":"/a","data":\n' >"$dir/bad.json"
    zk import "$dir/bad.json" /bad
    expect "a bad line is told by number" 1 "" "$dir/bad.json: line 3: this is no JSON${nl}import stopped; 1 znodes were created$nl"
    zk import "$dir/none.json" /bad
    expect "a file that is not there is told" 1 "" "$dir/none.json: No such file or directory$nl"
    zk export --stats /e
    grep -q '"stat":{"czxid":[0-9]*,"mzxid":' "$dir/out"
    verdict "export --stats shows stats" $?
    zk export /none "$dir/nothing.json"
    expect "what is not there is not exported" 4 "" "Node does not exist: /none$nl"
    [ ! -e "$dir/nothing.json" ]
    verdict "and leaves no file" $?
    local each
    for each in /e /f /g /h /bad; do zk deleteall "$each"; done
}

test_many() {
    make_many /many 20000
    expect "many are imported" 0 "" ""
    zk count /many
    expect "all of them" 0 "20000$nl" ""
    zk export /many "$dir/many.out"
    tail -n +2 "$dir/many.out" | cmp -s - "$dir/many.json"
    verdict "and exported as they were" $?
    zk --json import --existing skip "$dir/many.out" /many
    expect "those that exist are passed over" 0 '{"created":0,"skipped":20001,"overwritten":0,"ephemerals":0}'"$nl" ""
    # A walk while others delete: what has gone is passed over.
    "$cli" -server "$server$root" deleteall /many 2>/dev/null &
    local pid=$! bad=0
    while kill -0 "$pid" 2>/dev/null; do
        zk tree -n /many
        [ "$status" -eq 0 ] || [ "$status" -eq 4 ] || bad=1
        [ "$status" -eq 4 ] || [ ! -s "$dir/err" ] || bad=1
    done
    wait "$pid"
    verdict "znodes that vanish during a walk are passed over" "$bad"
    # Data that is much more than a walk may hold at a time, behind a directory.
    zk create /big x
    zk create /big/a x
    zk create /big/a/b x
    head -c 900000 /dev/zero | tr '\0' z >"$dir/large"
    local i
    for i in $(seq 1 15); do printf 'create /big/z%02d @%s\n' "$i" "$dir/large"; done >"$dir/script"
    "$cli" -server "$server$root" --pipeline <"$dir/script" >/dev/null
    zk export /big "$dir/big.json"
    [ "$(wc -c <"$dir/big.json")" -gt 13500000 ] && [ "$(wc -l <"$dir/big.json")" -eq 18 ]
    verdict "large data is exported, too" $?
    zk import "$dir/big.json" /big2
    zk diff /big /big2
    expect "and imported" 0 "" ""
    zk deleteall /big
    zk deleteall /big2
}

# -- what may not be read ------------------------------------------------------------------------

test_access() {
    zk create /s x
    zk create /s/a x
    zk create /s/hidden x digest:bob:aGFzaA==:r
    zk create /s/z x
    zk export /s
    expect "what may not be read is told once, and the rest is shown" 7 \
        "$(lines '{"path":"/","data":"x"}' '{"path":"/a","data":"x"}' '{"path":"/z","data":"x"}')$nl" \
        "Insufficient permission : /s/hidden (left out, with all below)$nl"
    zk mv /s /t
    expect "it is not moved" 7 "" "Insufficient permission : /s/hidden (left out, with all below)${nl}nothing was done$nl"
    zk exists /t
    expect "nor is anything else" 4 "false$nl" "Node does not exist: /t$nl"
    zk --json cp -r /s /t
    expect "copies go without, and say so" 7 "" '{"error":"no_auth","message":"Insufficient permission : /s/hidden (left out, with all below)","path":"/s/hidden"}'"$nl"
    zk deleteall /t
    zk delete /s/hidden
    zk create /s/digest x digest:bob:aGFzaA==:cdrwa,world:anyone:r
    zk cp -r /s /t
    expect "an ACL that is not told is not copied" 7 "" "the server hides digests in the ACL of /s/digest from whom it does not allow to change it (addauth, or --no-acl)${nl}nothing was done$nl"
    zk export /s
    [ "$status" -eq 7 ] && [ "$(wc -l <"$dir/out")" -eq 4 ]
    verdict "an export with such an ACL is not called good" $?
    zk cp -r --no-acl /s /t
    expect "unless nobody asks for ACLs" 0 "" ""
    zk deleteall /t
    zk delete /s/digest
    zk deleteall /s
}

# -- edit and top --------------------------------------------------------------------------------

test_edit() {
    zk create /ed 'one two'
    EDITOR="sed -i s/two/three/" VISUAL='' zk edit /ed
    expect "edit is silent" 0 "" ""
    zk get /ed
    expect "and sets what was edited" 0 "one three$nl" ""
    VISUAL=true zk --json edit /ed
    expect "what is not changed is not set" 0 '{"path":"/ed","changed":false,"version":1}'"$nl" ""
    VISUAL="echo four >" zk --json edit /ed
    expect "edit as JSON" 0 '{"path":"/ed","changed":true,"version":2}'"$nl" ""
    [ "$("$cli" -server "$server$root" get /ed | wc -c)" -eq 5 ]
    verdict "the newline that editors put at the end is taken away" $?
    VISUAL="$cli -server $server$root set /ed theirs; echo mine >" zk edit /ed
    [ "$status" -eq 6 ] && grep -q '^/ed was changed meanwhile; nothing was set$' "$dir/err"
    verdict "what somebody else has changed is not overwritten" $?
    zk get /ed
    expect "it is as they left it" 0 "theirs$nl" ""
    VISUAL="$cli -server $server$root set /ed again; echo mine >" zk edit /ed
    grep -q '^mine$' "$(sed -n 's/^the edited text is in //p' "$dir/err")"
    verdict "and the edited text is kept" $?
    VISUAL=false zk edit /ed
    expect "an editor that fails sets nothing" 1 "" "the editor failed with status 1; nothing was set$nl"
    zk edit /none
    expect "what is not there is not edited" 4 "" "Node does not exist: /none$nl"
    zk delete /ed
}

test_top() {
    zk top -n 2 -i 0.1
    [ "$status" -eq 0 ] && [ "$(grep -c "${tab}total${tab}" "$dir/out")" -eq 2 ]
    verdict "top shows as many looks as asked for" $?
    if [ -z "$zkd_pid" ]; then
        echo "not run: top, by connection (the server is not ours)"
        return
    fi
    grep -q 'the server may not answer cons' "$dir/err"
    verdict "top says why connections are not shown" $?
    stop_zkd KILL
    echo "4lw.commands.whitelist *" >>"$dir/zk.conf"
    start_zkd
    zk --json top -i 0.1
    [ "$status" -eq 0 ] && grep -q '"connections":\[{"client":"' "$dir/out"
    verdict "top as JSON" $?
}

begin
test_looking
test_find
test_copies
zk deleteall /app
test_diff
test_export
test_many
test_access
test_edit
test_top

end
