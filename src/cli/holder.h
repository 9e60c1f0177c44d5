// holder.h -- runs a command only as long as what protects it is certain to be ours.
//
// What protects it is an ephemeral znode of our session: a lock, a claim. Invariant: the command
// runs only while the session is known to live. That is `safe` until two thirds of the session
// timeout after the youngest request that was answered; then the command is told (SIGTERM), and it
// is killed before the timeout is over. Its warden sees to that even if we are stopped ourselves.
//
//     answered request      2/3: SIGTERM     19/20: SIGKILL    timeout: others may have it
//     |------------------------|----------------|-----------------|
//
// Where it is lost without a warning (the znode deleted by hand, the session closed by a server),
// the command is told at once and killed after `grace_ms`.

#pragma once

#include "cli/recipe.h"

namespace zk {

struct Held {
    std::string path;       // as events say it, so from the root; a watch on it has been set
    int64_t session = 0;    // that owns it
    uint64_t grace_ms = 0;  // from SIGTERM to SIGKILL, if there is time
};

// The command's status, run as `child`. `lost`: it was told to stop. Afterwards the recipe is
// released.
Status run_held(Shell& shell, Recipe& recipe, const Held& held, const Child::Plan& plan,
                Child& child, bool& lost);

inline constexpr uint64_t grace_ms_default = 5000;

}  // namespace zk
