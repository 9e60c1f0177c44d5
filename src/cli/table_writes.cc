// table_writes.cc -- several writes as one, and writes that depend on what is there.

#include <array>

#include "cli/handlers.h"

namespace zk {

namespace {

constexpr OptionRow with_stat{.name = "s", .value = "", .help = "show the stat as well"};
constexpr OptionRow base64{.name = "b", .value = "", .help = "the data is given as base64"};

constexpr std::array cas_options = {with_stat, base64};
constexpr std::array incr_options = {
    OptionRow{.name = "c", .value = "", .help = "create it where it is not there, from 0"},
};
constexpr std::array check_options = {
    OptionRow{.name = "v", .value = "version", .help = "only if this is the version"},
};

constexpr std::array rows = {
    Command{.name = "abort",
            .words = "",
            .summary = "forget the lines since multi",
            .options = {},
            .examples = "",
            .words_min = 0,
            .words_max = 0,
            .json = "aborted (how many writes)",
            .run = op_abort},
    Command{.name = "cas",
            .words = "path old|@file new|@file",
            .summary = "replace a znode's data if it is as expected; else exit status 6",
            .options = cas_options,
            .examples = "cas /leader host1 host2",
            .words_min = 3,
            .words_max = 3,
            .json = "path, stat",
            .run = op_cas},
    Command{.name = "check",
            .words = "path",
            .summary = "see that a znode is there, and has that version; else exit status 4 or 6",
            .options = check_options,
            .examples = "check /config -v 3",
            .words_min = 1,
            .words_max = 1,
            .json = "path",
            .run = op_check},
    Command{.name = "commit",
            .words = "",
            .summary = "send the lines since multi, as one",
            .options = {},
            .examples = "",
            .words_min = 0,
            .words_max = 0,
            .json = "as multi",
            .run = op_commit},
    Command{.name = "incr",
            .words = "path [by]",
            .summary = "add to the number that is a znode's data; show what came of it",
            .options = incr_options,
            .examples = "incr /builds\nincr -c /hits 10\nincr /stock -1",
            .words_min = 1,
            .words_max = 2,
            .json = "path, value, stat",
            .run = op_incr},
    Command{.name = "multi",
            .words = "[create...|set...|delete...|check... [; ...]|@file|-]",
            .summary = "several writes as one: all, or none; without words: the lines to commit",
            .options = {},
            .examples = "multi create /a x ';' set /b y ';' delete -v 3 /c\n"
                        "multi @writes.txt\n"
                        "multi\n  check /lock -v 7\n  set /state done\ncommit",
            .words_min = 0,
            .words_max = SIZE_MAX,
            .raw = true,
            .json = "op, path, stat: a value for each write",
            .run = op_multi},
};

}  // namespace

std::span<const Command> write_commands() { return rows; }

}  // namespace zk
