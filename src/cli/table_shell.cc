// table_shell.cc -- commands of the shell itself, which zkCli.sh does not have.

#include <array>

#include "cli/handlers.h"

namespace zk {

namespace {

constexpr std::array rows = {
    Command{.name = "cd",
            .words = "[path]",
            .summary = "go to a znode: paths that do not begin with / are seen from there",
            .options = {},
            .examples = "cd /services\ncd ..\ncd -",
            .words_min = 0,
            .words_max = 1,
            .run = op_cd},
    Command{.name = "pwd",
            .words = "",
            .summary = "say which znode relative paths are seen from",
            .options = {},
            .examples = "",
            .words_min = 0,
            .words_max = 0,
            .run = op_pwd},
};

}  // namespace

std::span<const Command> shell_commands() { return rows; }

}  // namespace zk
