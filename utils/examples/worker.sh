#!/bin/sh
# worker.sh -- does the tasks that the master gives it: each is a line for sh.
#
#     worker.sh NAME       joins /workers, and does what appears in /assign/NAME
#
# The result, what the task printed and its exit status, goes to /status/TASK.
set -u

zk() { "${ZK_CLI:-zk-cli}" -timeout "${ZK_TIMEOUT:-10000}" "$@"; }
there() { zk exists "$1" >/dev/null 2>&1; }

name=${1:?"usage: worker.sh NAME"}
case ${2:-join} in
join)
    # A znode of the last time is cleared away by the master, who gives its tasks to others.
    zk wait "/assign/$name" --gone --timeout 60 || exit
    exec "${ZK_CLI:-zk-cli}" -timeout "${ZK_TIMEOUT:-10000}" join /workers --name "$name" \
        --data "$(hostname) $$" -- "$0" "$name" serve
    ;;
serve)
    there "/assign/$name" || zk create "/assign/$name" >/dev/null
    zk watch "/assign/$name" --children --initial -- "$0" "$name" work
    ;;
work)
    task=${ZK_PATH##*/}
    case $ZK_EVENT:$ZK_PATH in
    present:/assign/*/* | created:/assign/*/*) ;;
    *) exit 0 ;; # our own znode, or the task that we deleted
    esac
    # Given to us a second time, by a master that could not know.
    if ! there "/status/$task"; then
        result=$(sh 2>&1)
        zk create "/status/$task" "$?: $result" >/dev/null
    fi
    zk delete "/assign/$name/$task"
    ;;
esac
