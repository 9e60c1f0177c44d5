// recipe_handlers.h -- what the rows of table_recipes.cc run.

#pragma once

#include "cli/shell.h"

namespace zk {

// recipe_lock.cc
Status op_lock(Shell& shell, const Args& args);
Status op_elect(Shell& shell, const Args& args);
// recipe_watch.cc
Status op_watch(Shell& shell, const Args& args);
// recipe_wait.cc
Status op_wait(Shell& shell, const Args& args);
// recipe_queue.cc
Status op_queue(Shell& shell, const Args& args);
// recipe_group.cc
Status op_barrier(Shell& shell, const Args& args);
Status op_join(Shell& shell, const Args& args);

}  // namespace zk
