// handlers.h -- what the rows of the command table run. One function a command, by its name.

#pragma once

#include "cli/shell.h"

namespace zk {

// data.cc: one znode.
Status op_create(Shell& shell, const Args& args);
Status op_get(Shell& shell, const Args& args);
Status op_set(Shell& shell, const Args& args);
Status op_ls(Shell& shell, const Args& args);
Status op_stat(Shell& shell, const Args& args);
Status op_exists(Shell& shell, const Args& args);
Status op_delete(Shell& shell, const Args& args);
Status op_sync(Shell& shell, const Args& args);

// subtree.cc: a znode and all below it.
Status op_deleteall(Shell& shell, const Args& args);
Status op_all_children_number(Shell& shell, const Args& args);
Status list_subtree(Shell& shell, const Args& args);
// Calls `visit` for the children of a znode, and theirs, and so on, as `ls -R` shows them. Paths
// are full ones; a znode that has gone meanwhile has no children. Stops where visit is not ok.
struct SubtreeVisitor {
    void* context = nullptr;
    Status (*visit)(void* context, Shell& shell, const std::string& path) = nullptr;
};
Status walk_subtree(Shell& shell, const std::string& path, bool watch, SubtreeVisitor visitor);

// quota.cc: limits on a znode and all below it.
Status op_listquota(Shell& shell, const Args& args);
Status op_setquota(Shell& shell, const Args& args);
Status op_delquota(Shell& shell, const Args& args);

// conditions.cc: writes that depend on what is there.
Status op_cas(Shell& shell, const Args& args);
Status op_incr(Shell& shell, const Args& args);
Status op_check(Shell& shell, const Args& args);

// multi.cc: several writes as one.
Status op_multi(Shell& shell, const Args& args);
Status op_commit(Shell& shell, const Args& args);
Status op_abort(Shell& shell, const Args& args);

// access.cc: who may do what.
Status op_addauth(Shell& shell, const Args& args);
Status op_get_acl(Shell& shell, const Args& args);
Status op_set_acl(Shell& shell, const Args& args);
Status op_whoami(Shell& shell, const Args& args);

// members.cc: who is in the ensemble.
Status op_config(Shell& shell, const Args& args);
Status op_reconfig(Shell& shell, const Args& args);

// session_commands.cc: the session, its watches, and the shell itself.
Status op_add_watch(Shell& shell, const Args& args);
Status op_remove_watches(Shell& shell, const Args& args);
Status op_printwatches(Shell& shell, const Args& args);
Status op_ephemerals(Shell& shell, const Args& args);
Status op_connect(Shell& shell, const Args& args);
Status op_close(Shell& shell, const Args& args);
Status op_quit(Shell& shell, const Args& args);
Status op_help(Shell& shell, const Args& args);
Status op_history(Shell& shell, const Args& args);
Status op_redo(Shell& shell, const Args& args);
Status op_version(Shell& shell, const Args& args);

// place.cc: where relative paths are seen from.
Status op_cd(Shell& shell, const Args& args);
Status op_pwd(Shell& shell, const Args& args);

// Shared: a path that no server would take is refused here, with zkCli.sh's words.
Status check_path(Shell& shell, std::string_view path, bool sequential = false);
// For `create`, by itself or as a part of `multi`. `acls` is what the call points into.
Status read_create(Shell& shell, const Args& args, CreateWords& words);
call::Create create_of(const CreateWords& words, std::vector<Acl>& acls);
// The value of -v, -1 if there is none.
Status read_version(Shell& shell, const Args& args, int32_t& version);
// Names, as `ls` shows them: [a, b] for people, a line each for programs.
void show_names(Shell& shell, std::vector<std::string_view> names);
// {"path": ...} with the first word, to be added to.
Json path_json(Shell& shell, const Args& args);
// For commands that have done what they were told to: nothing, or with --json the path.
Status show_done(Shell& shell, const Args& args);
// For commands with nothing to show but, with -s, the stat that the reply consists of.
Status show_stat_if_asked(Shell& shell, const Args& args, Bytes body);
Status show_nothing(Shell& shell, const Args& args, Bytes body);

}  // namespace zk
