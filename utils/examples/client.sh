#!/bin/sh
# client.sh -- has a line for sh done by a worker, whichever, and prints what came of it.
#
#     client.sh 'date; hostname'
set -u

zk() { "${ZK_CLI:-zk-cli}" -timeout "${ZK_TIMEOUT:-10000}" "$@"; }

line=${1:?"usage: client.sh 'commands'"}
zk wait /tasks --timeout 60 || exit
task=$(zk create -s /tasks/task- "$line") || exit
task=${task##*/}
zk wait "/status/$task" || exit
result=$(zk get "/status/$task") || exit
zk delete "/status/$task"
echo "${result#*: }"
exit "${result%%:*}"
