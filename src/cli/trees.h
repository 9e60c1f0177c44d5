// trees.h -- commands about whole subtrees: what the rows of table_trees.cc run, and what they
// share.

#pragma once

#include "cli/shell.h"
#include "cli/walk.h"

namespace zk {

// tree.cc: looking on.
Status op_tree(Shell& shell, const Args& args);
Status op_du(Shell& shell, const Args& args);
Status op_count(Shell& shell, const Args& args);
// find.cc
Status op_find(Shell& shell, const Args& args);
// export.cc and import.cc
Status op_export(Shell& shell, const Args& args);
Status op_import(Shell& shell, const Args& args);

// copy.cc
Status op_cp(Shell& shell, const Args& args);
Status op_mv(Shell& shell, const Args& args);
// diff.cc
Status op_diff(Shell& shell, const Args& args);
// edit.cc
Status op_edit(Shell& shell, const Args& args);
// top.cc
Status op_top(Shell& shell, const Args& args);

// Shared.
// The word at `index`, where it is not there the directory of `cd` or "/", as a full path; refused
// where it cannot be one.
Status tree_path(Shell& shell, const Args& args, size_t index, std::string& path);
// The number given with an option, which is not negative; `number` stays where it is not there.
Status read_count_option(Shell& shell, const Args& args, std::string_view name, size_t& number);
// What became of a walk that gives no more: told on standard error where it is not all of it.
Status end_of_walk(Shell& shell, const Walk& walk, Walk::Step step, const std::string& root);
Status tell_denied(Shell& shell, const Walk& walk);
// Of a copy that would not have the ACLs of `path`, since the server does not tell all of them.
Status tell_hidden(Shell& shell, const std::string& path);
// What a walk of this path leaves out of copies and exports: the server's own znodes.
inline std::string system_below(std::string_view full_path) {
    return full_path == "/" ? "/zookeeper" : "";
}
// Nobody reads any more, or Ctrl-C: there is no use in going on.
inline bool no_reader(const Shell& shell) { return shell.wants_quit(); }

}  // namespace zk
