// table_trees.cc -- the commands about whole subtrees: one row a command, and its options.

#include <array>

#include "cli/trees.h"

namespace zk {

namespace {

constexpr OptionRow with_levels{.name = "L", .value = "levels", .help = "no deeper than this"};

constexpr std::array tree_options = {
    with_levels,
    OptionRow{.name = "n", .value = "", .help = "names alone, without sizes and ages"},
    OptionRow{.name = "t", .value = "", .help = "times of change, not ages"},
    OptionRow{.name = "d", .value = "", .help = "draw it, though no terminal is there"},
};
constexpr std::array find_options = {
    OptionRow{.name = "name", .value = "glob", .help = "the last name is like this: *, ?, [a-z]"},
    OptionRow{.name = "path", .value = "glob", .help = "the whole path is like this"},
    OptionRow{.name = "size", .value = "[+-]N", .help = "bytes of data: more, less; k, M"},
    OptionRow{.name = "children", .value = "[+-]N", .help = "how many children"},
    OptionRow{.name = "mtime", .value = "[+-]age", .help = "changed longer ago, or since: smhdw"},
    OptionRow{.name = "ctime", .value = "[+-]age", .help = "created longer ago, or since"},
    OptionRow{.name = "kind", .value = "kind", .help = "persistent or ephemeral"},
    OptionRow{.name = "owner", .value = "session", .help = "the ephemerals of this session"},
    OptionRow{.name = "contains", .value = "text", .help = "in the data"},
    with_levels,
    OptionRow{.name = "0", .value = "", .help = "a NUL behind each path, for xargs -0"},
};
constexpr std::array du_options = {
    OptionRow{.name = "h", .value = "", .help = "sizes like 1.2K"},
    OptionRow{.name = "L", .value = "levels", .help = "a line down to this depth (1)"},
};
constexpr OptionRow without_acl{
    .name = "no-acl", .value = "", .help = "leave ACLs out: anyone may do everything"};
constexpr OptionRow with_existing{
    .name = "existing", .value = "how", .help = "what is there already: fail, skip or overwrite"};
constexpr std::array export_options = {
    OptionRow{.name = "stats", .value = "", .help = "with the stat of each znode"},
    OptionRow{.name = "ephemerals", .value = "", .help = "ephemeral znodes, too"},
    without_acl,
};
constexpr std::array import_options = {
    with_existing,
    OptionRow{.name = "ephemerals", .value = "", .help = "ephemeral znodes as persistent ones"},
    without_acl,
};
constexpr std::array diff_options = {
    OptionRow{.name = "q", .value = "", .help = "paths alone: - + ! removed, added, changed"},
    OptionRow{.name = "ephemerals", .value = "", .help = "ephemeral znodes, too"},
    OptionRow{.name = "no-acl", .value = "", .help = "whatever the ACLs are"},
};
constexpr std::array top_options = {
    OptionRow{.name = "n", .value = "times", .help = "so often, and then end; 1 for programs"},
    OptionRow{.name = "i", .value = "seconds", .help = "between two looks (1)"},
};
constexpr std::array cp_options = {
    OptionRow{.name = "r", .value = "", .help = "all below it too"},
    with_existing,
    OptionRow{.name = "ephemerals", .value = "", .help = "ephemeral znodes as persistent ones"},
    without_acl,
};
constexpr std::array mv_options = {
    OptionRow{.name = "ephemerals", .value = "", .help = "ephemeral znodes as persistent ones"},
    without_acl,
};

constexpr std::array rows = {
    Command{.name = "count",
            .words = "[path]",
            .summary = "count the znodes below one, at all depths",
            .options = {},
            .examples = "count /queue",
            .words_min = 0,
            .words_max = 1,
            .json = "path, znodes",
            .here = true,
            .run = op_count},
    Command{.name = "cp",
            .words = "from to",
            .summary = "copy a znode, or a subtree: data and ACLs, without ephemerals; sequence "
                       "numbers start anew",
            .options = cp_options,
            .examples = "cp /config /config.old\ncp -r /app /app-copy\n"
                        "cp -r --existing overwrite /staging /production",
            .words_min = 2,
            .words_max = 2,
            .json = "from, to, znodes",
            .run = op_cp},
    Command{.name = "diff",
            .words = "from to",
            .summary = "show how two subtrees differ, each /path, @export-file or host:port/path; "
                       "status 1 if they do",
            .options = diff_options,
            .examples = "diff /staging /production\ndiff /config @config.json\n"
                        "diff -q /config zk9:2181/config",
            .words_min = 2,
            .words_max = 2,
            .json = "path, change, from, to",
            .run = op_diff},
    Command{.name = "du",
            .words = "[path]",
            .summary = "add up data and znodes: bytes, znodes, path, for each child and in all",
            .options = du_options,
            .examples = "du -h /\ndu -L 0 /config",
            .words_min = 0,
            .words_max = 1,
            .json = "path, bytes, znodes",
            .here = true,
            .run = op_du},
    Command{.name = "edit",
            .words = "path",
            .summary = "change a znode's data in $VISUAL or $EDITOR, unless somebody else has",
            .options = {},
            .examples = "edit /config",
            .words_min = 1,
            .words_max = 1,
            .json = "path, changed, version",
            .run = op_edit},
    Command{.name = "export",
            .words = "[path] [file]",
            .summary = "write a subtree as lines of JSON, with data and ACLs",
            .options = export_options,
            .examples = "export /config config.json\nexport / | gzip >backup.gz",
            .words_min = 0,
            .words_max = 2,
            .json = "path, data or base64, acl, ephemeral, stat",
            .run = op_export},
    Command{.name = "find",
            .words = "[path]",
            .summary = "list the paths of all znodes that satisfy each of the options",
            .options = find_options,
            .examples = "find / -name 'lock-*' -kind ephemeral\nfind /config -size +100k\n"
                        "find /jobs -mtime +7d -children 0\nfind / -owner 0x1000001f2a40003",
            .words_min = 0,
            .words_max = 1,
            .json = "path, stat",
            .here = true,
            .run = op_find},
    Command{.name = "import",
            .words = "[file] [path]",
            .summary = "make the znodes of an export's lines, with a path (or /) in place of the "
                       "exported one",
            .options = import_options,
            .examples = "import config.json /config\nimport --existing overwrite - /config",
            .words_min = 0,
            .words_max = 2,
            .json = "created, skipped, overwritten, ephemerals",
            .run = op_import},
    Command{.name = "mv",
            .words = "from to",
            .summary = "move a subtree: in one transaction up to 1000 znodes, else copy, then "
                       "delete; sequence numbers start anew",
            .options = mv_options,
            .examples = "mv /app/old /app/new",
            .words_min = 2,
            .words_max = 2,
            .json = "from, to, znodes",
            .run = op_mv},
    Command{.name = "top",
            .words = "",
            .summary = "show who keeps the server busy: requests and replies a second, by "
                       "connection",
            .options = top_options,
            .examples = "top\ntop -n 1\ntop -i 10 -n 6",
            .words_min = 0,
            .words_max = 0,
            .json = "time, server, mode, version, received, sent, outstanding, znodes, "
                    "connections",
            .run = op_top},
    Command{.name = "tree",
            .words = "[path]",
            .summary = "draw a subtree with sizes and ages; for programs: path, bytes, time, kind",
            .options = tree_options,
            .examples = "tree /\ntree -L 2 /kafka\ntree -n /config",
            .words_min = 0,
            .words_max = 1,
            .json = "path, depth, bytes, children, mtime, kind",
            .here = true,
            .run = op_tree},
};

}  // namespace

std::span<const Command> tree_commands() { return rows; }

}  // namespace zk
