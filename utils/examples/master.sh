#!/bin/sh
# master.sh -- hands tasks to workers, while it is the leader. Start as many as you like.
#
#     master.sh            stands for election; runs `master.sh lead` each time it is elected
#
# What is to be done is in /tasks, who is there in /workers, who does what in /assign/WORKER/TASK.
set -u

zk() { "${ZK_CLI:-zk-cli}" -timeout "${ZK_TIMEOUT:-10000}" "$@"; }
there() { zk exists "$1" >/dev/null 2>&1; }

# The master before us may have died between any two steps. So each step is one that can be done
# again: a task is in a second place before it leaves the first, and is never given out twice.
give_back() { # worker who has gone
    for task in $(zk ls "/assign/$1"); do
        there "/status/$task" || there "/tasks/$task" ||
            zk create "/tasks/$task" "$(zk get "/assign/$1/$task")" >/dev/null
        zk delete "/assign/$1/$task"
    done
    zk delete "/assign/$1"
}

hand_out() { # task
    if ! there "/status/$1" && ! zk ls -R /assign | grep -q "/$1\$"; then
        worker=$(zk ls /workers | shuf -n 1)
        [ -n "$worker" ] || return
        zk create "/assign/$worker/$1" "$(zk get "/tasks/$1")" >/dev/null || return
    fi
    zk delete "/tasks/$1"
}

look_around() {
    workers=$(zk ls /workers)
    for worker in $(zk ls /assign); do
        echo "$workers" | grep -qx "$worker" || give_back "$worker"
    done
    for task in $(zk ls /tasks); do hand_out "$task"; done
}

case ${1:-stand} in
stand)
    for path in /workers /tasks /assign /status; do there "$path" || zk create "$path" >/dev/null; done
    exec "${ZK_CLI:-zk-cli}" -timeout "${ZK_TIMEOUT:-10000}" elect /master --data "$(hostname) $$" \
        -- "$0" lead
    ;;
lead)
    echo "$$ leads"
    # A line for each change, from both; several lines at once are worth one look.
    {
        zk watch /workers --children --initial &
        zk watch /tasks --children --initial
    } | while read -r kind path rest; do
        echo "$kind $path $rest" >&2
        look_around
    done
    ;;
*) echo "usage: master.sh" >&2 && exit 2 ;;
esac
