#!/usr/bin/env bash
# golden.sh -- every command in each of its forms, word for word: plain, --json and --zkcli.
#
#     tests/cli/golden.sh                   against ./zkd
#     tests/cli/golden.sh --apache          against Apache ZooKeeper, and beside its own zkCli.sh
#     GOLDEN=update tests/cli/golden.sh     writes down what comes out now; read the difference!
#
# A transcript is made of runs of zk-cli:
#
#     $ get /a          its arguments, quoted as in a shell
#     < get /a          lines of its standard input
#     hello             its standard output; `\` alone behind it where no newline ended it
#     ! Node does ...   its standard error
#     ? 4               its exit status, where that is not 0

# shellcheck source=tests/cli/common.sh
. "$(dirname "$0")/common.sh"

# Runs what `$dir/words` and `$dir/in` say, and writes down how it went.
play() { # form
    local words=() form=()
    eval "words=($(cat "$dir/words"))"
    [ "$1" = plain ] || form=("--$1")
    zk "${form[@]}" "${words[@]}" <"$dir/in"
    alike "$dir/err"
    {
        printf '$ %s\n' "$(cat "$dir/words")"
        sed 's/^/< /' "$dir/in"
        cat "$dir/out"
        if [ -s "$dir/out" ] && [ "$(tail -c 1 "$dir/out" | wc -l)" -eq 0 ]; then printf '\n\\\n'; fi
        sed 's/^/! /' "$dir/err"
        [ "$status" -eq 0 ] || printf '? %s\n' "$status"
    } >>"$dir/transcript"
}

# Plays all runs of a transcript again, and compares.
transcript() { # form
    local file=tests/cli/golden/$1.txt line pending=
    : >"$dir/transcript"
    while IFS= read -r line; do
        case $line in
        '$ '*)
            [ -z "$pending" ] || play "$1"
            pending=yes
            printf '%s' "${line:2}" >"$dir/words"
            : >"$dir/in"
            ;;
        '< '*) printf '%s\n' "${line:2}" >>"$dir/in" ;;
        '#'*) [ -n "$pending" ] || printf '%s\n' "$line" >>"$dir/transcript" ;;
        esac
    done <"$file"
    [ -z "$pending" ] || play "$1"
    if [ "${GOLDEN:-}" = update ]; then cp "$dir/transcript" "$file"; fi
    diff -u --label "$file" "$file" --label "this time" "$dir/transcript"
    verdict "each line of $file is as it was" $?
    [ ! -s "$dir/transcript" ] || ! grep -q '^[$]' "$dir/transcript" ||
        passed=$((passed + $(grep -c '^[$]' "$dir/transcript") - 1))
    zk deleteall /g
}

# The same lines to the real zkCli.sh and to ours: what they show may differ in nothing.
beside_zkcli() {
    local lines=tests/cli/golden/zkcli.lines which
    zk deleteall /z
    java -cp "$java_classes" org.apache.zookeeper.ZooKeeperMain -server "$server" \
        <"$lines" >"$dir/real.out" 2>"$dir/real.err"
    echo "exit status $?" >>"$dir/real.out"
    "$cli" --zkcli -server "$server" <"$lines" >"$dir/ours.out" 2>"$dir/ours.err"
    echo "exit status $?" >>"$dir/ours.out"
    for which in real.out real.err ours.out ours.err; do
        alike "$dir/$which"
        # Not of the shell but of its libraries; and when a connection comes is a matter of luck.
        sed -E -i '/SLF4J|log4j|^JLine support/d' "$dir/$which"
    done
    diff -u --label zkCli.sh "$dir/real.out" --label "zk-cli --zkcli" "$dir/ours.out"
    verdict "--zkcli shows what zkCli.sh shows" $?
    diff -u --label zkCli.sh "$dir/real.err" --label "zk-cli --zkcli" "$dir/ours.err"
    verdict "and says on standard error what it says there" $?
}

begin
transcript plain
transcript json
transcript zkcli
if [ -n "$apache" ]; then beside_zkcli; fi
end
