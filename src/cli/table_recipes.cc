// table_recipes.cc -- the recipes: what people build of ZooKeeper, as commands.

#include <array>

#include "cli/recipe_handlers.h"

namespace zk {

namespace {

constexpr OptionRow with_timeout{
    .name = "timeout", .value = "seconds", .help = "wait so long at the most (status 8)"};
constexpr OptionRow with_grace{.name = "grace",
                               .value = "seconds",
                               .help = "from SIGTERM to SIGKILL when it is lost (5), if that long"};

constexpr std::array lock_options = {
    with_timeout,
    OptionRow{.name = "read", .value = "", .help = "shared with other readers"},
    OptionRow{.name = "slots", .value = "n", .help = "so many may hold it at a time (1)"},
    OptionRow{.name = "data", .value = "text", .help = "of our znode (host and process)"},
    with_grace,
};
constexpr std::array elect_options = {
    with_timeout,
    OptionRow{.name = "data", .value = "text", .help = "of our znode (host and process)"},
    OptionRow{.name = "once", .value = "", .help = "end with the command, do not stand again"},
    with_grace,
};
constexpr std::array watch_options = {
    OptionRow{.name = "recursive", .value = "", .help = "all below it too, at all depths"},
    OptionRow{.name = "children", .value = "", .help = "its children coming and going, too"},
    OptionRow{.name = "initial", .value = "", .help = "tell first what is there"},
    OptionRow{.name = "count", .value = "n", .help = "end after so many changes"},
    with_timeout,
};
constexpr std::array queue_options = {
    with_timeout,
    OptionRow{.name = "wait", .value = "", .help = "pop, peek: as long as it takes"},
};
constexpr std::array barrier_options = {
    OptionRow{.name = "count", .value = "n", .help = "how many have to come"},
    OptionRow{.name = "leave", .value = "", .help = "leave it, and wait until all have left"},
    with_timeout,
};
constexpr std::array join_options = {
    OptionRow{.name = "name", .value = "name", .help = "of our znode (host and process)"},
    OptionRow{.name = "data", .value = "text", .help = "of our znode (empty)"},
};
constexpr std::array wait_options = {
    OptionRow{.name = "exists", .value = "", .help = "until it is there, which is the default"},
    OptionRow{.name = "gone", .value = "", .help = "until it is not there"},
    OptionRow{.name = "equals", .value = "text", .help = "until this is its data"},
    with_timeout,
};

constexpr std::array rows = {
    Command{.name = "barrier",
            .words = "path",
            .summary = "wait until so many have come; with a command, until all have ended theirs",
            .options = barrier_options,
            .examples = "barrier /start --count 3\n"
                        "barrier /round --count 3 --timeout 60 -- ./one-round",
            .words_min = 1,
            .words_max = 1,
            .runs = true,
            .run = op_barrier},
    Command{.name = "elect",
            .words = "path",
            .summary = "run a command while we are the leader, and stand again after it",
            .options = elect_options,
            .examples = "elect /master --data host1:8080 -- ./master\n"
                        "elect /nightly --once -- ./backup",
            .words_min = 1,
            .words_max = 1,
            .runs = true,
            .run = op_elect},
    Command{.name = "join",
            .words = "group",
            .summary = "be a member of a group, an ephemeral znode, while a command runs",
            .options = join_options,
            .examples = "join /workers --name w1 --data 10.0.0.7:9000 -- ./worker",
            .words_min = 1,
            .words_max = 1,
            .runs = true,
            .run = op_join},
    Command{.name = "lock",
            .words = "path",
            .summary = "run a command while we hold a lock; its status is ours",
            .options = lock_options,
            .examples = "lock /locks/backup --timeout 10 -- ./backup --all\n"
                        "lock /locks/build --slots 4 -- make\n"
                        "lock /locks/db --read -- sh -c 'echo my fencing token is $ZK_FENCE'",
            .words_min = 1,
            .words_max = 1,
            .runs = true,
            .run = op_lock},
    Command{.name = "queue",
            .words = "push|pop|peek path [data|@file|-]",
            .summary = "a queue: push an item, pop or look at the oldest one",
            .options = queue_options,
            .examples = "queue push /jobs 'convert a.png'\n"
                        "queue push /jobs @picture.png\n"
                        "queue pop /jobs --timeout 60\n"
                        "queue pop /jobs --wait -- ./worker",
            .words_min = 2,
            .words_max = 3,
            .runs = true,
            .run = op_queue},
    Command{.name = "wait",
            .words = "path",
            .summary = "wait until a znode is there, is gone, or holds some data",
            .options = wait_options,
            .examples = "wait /ready --timeout 30\nwait /lock --gone\nwait /state --equals done",
            .words_min = 1,
            .words_max = 1,
            .run = op_wait},
    Command{.name = "watch",
            .words = "path",
            .summary = "tell each change of a znode, or run a command for each",
            .options = watch_options,
            .examples = "watch /config --initial\n"
                        "watch /app --recursive --count 10\n"
                        "watch /config -- sh -c 'cat >config.new && mv config.new config'",
            .words_min = 1,
            .words_max = 1,
            .runs = true,
            .run = op_watch},
};

}  // namespace

std::span<const Command> recipe_commands() { return rows; }

}  // namespace zk
