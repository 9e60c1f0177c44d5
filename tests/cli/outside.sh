#!/usr/bin/env bash
# outside.sh -- what zk-cli gives to shells and to man: completion as bash and zsh would ask for it.
#
#     CLI_TEST_PORT=24100 tests/cli/outside.sh     starts ./zkd there; last line `N passed, N failed`

set -u
cd "$(dirname "$0")/../.." || exit 1
dir=$(mktemp -d /tmp/zk-cli-outside.XXXXXX)
mkdir "$dir/bin"
ln -s "$(realpath "${ZK_CLI:-./zk-cli}")" "$dir/bin/zk-cli"
PATH=$dir/bin:$PATH
port=${CLI_TEST_PORT:-24100}
export ZK_SERVERS=127.0.0.1:$port
passed=0 failed=0

printf 'dataDir %s/data\nclientPort %s\n' "$dir" "$port" >"$dir/zk.conf"
"${ZKD:-./zkd}" "$dir/zk.conf" >"$dir/zkd.log" 2>&1 &
zkd_pid=$!
trap 'kill -9 $zkd_pid; wait $zkd_pid 2>/dev/null; rm -rf "$dir"' EXIT
zk-cli -waitforconnection -timeout 10000 create /fruit x >/dev/null || exit 1
zk-cli create /fruit/apple x >/dev/null
zk-cli create '/fruit/two words' x >/dev/null

is() { # name, wanted, got
    if [ "$2" = "$3" ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        printf 'FAILED: %s\nwanted:\n%s\ngot:\n%s\n' "$1" "$2" "$3"
    fi
}

# What bash would offer for a line.
offered() {
    bash -c '. <(zk-cli --completion bash)
        COMP_LINE=$1 COMP_POINT=${#1}
        _zk_cli
        printf "%s\n" "${COMPREPLY[@]}"' - "$1"
}

is "commands" "getAcl
getAllChildrenNumber" "$(offered 'zk-cli getA')"
is "options of the program" "--keep-going " "$(offered 'zk-cli --kee')"
is "options of a command" "-s
-v" "$(offered 'zk-cli setAcl -' | grep -e -s -e -v)"
is "paths" "/fruit/apple
/fruit/two\\ words" "$(offered 'zk-cli get /fruit/')"
is "the rest of a path" "/fruit/" "$(offered 'zk-cli get /fr')"
is "a path behind options" "/fruit/apple " "$(offered "zk-cli --server $ZK_SERVERS stat -w /fruit/a")"
is "no server: nothing, and soon" "" "$(timeout 5 zk-cli --complete 'zk-cli --server 127.0.0.1:1 get /f')"
is "a chroot" "/apple " "$(offered "zk-cli --server $ZK_SERVERS/fruit get /a")"

if command -v zsh >/dev/null; then
    zk-cli --completion zsh | zsh -n
    is "zsh reads its script" 0 $?
fi
zk-cli --completion fish >/dev/null 2>&1
is "another shell is refused" 2 $?
if command -v groff >/dev/null; then
    is "groff has nothing to say of the man page" "" "$(zk-cli --man | groff -man -ww -Tutf8 2>&1 >/dev/null)"
fi
zk-cli --help | sed '1,/^Commands:/d; /^help COMMAND/d' | cut -d' ' -f1 | sort >"$dir/rows"
zk-cli --man | sed -n '/^.SH COMMANDS/,/^.SH EXIT/s/^.SS "\([A-Za-z]*\).*/\1/p' | sort >"$dir/man"
is "the man page has every command" "$(cat "$dir/rows")" "$(cat "$dir/man")"

echo "$passed passed, $failed failed"
[ $failed = 0 ]
