// recipe_lock.cc -- lock and elect: a command that runs while we are first in a line.

#include <unistd.h>

#include "cli/contender.h"
#include "cli/handlers.h"
#include "cli/holder.h"
#include "cli/recipe_handlers.h"

namespace zk {

namespace {

constexpr uint64_t again_ms_min = 1000;  // between two terms, so that a bad command is no storm

// What is seen of us in the znode by who looks for whom they wait for.
std::string who_we_are() {
    char host[256] = "";
    gethostname(host, sizeof host - 1);
    return std::string(host) + " " + std::to_string(getpid());
}

Status read_plan(Shell& shell, const Args& args, Contender::Plan& plan) {
    if (Status bad = check_path(shell, args.word(0)); bad != Status::ok) return bad;
    plan.path = shell.resolved(args.word(0));
    plan.read = args.has("read");
    plan.grace_ms = grace_ms_default;
    plan.data = args.has("data") ? *args.value("data") : who_we_are();
    const std::string* slots = args.value("slots");
    if (slots != nullptr && (!parse_number(*slots, plan.slots) || plan.slots < 1))
        return shell.usage("--slots is to be a number from 1");
    if (plan.read && slots != nullptr) return shell.usage("--read and --slots exclude each other");
    const std::string* grace = args.value("grace");
    if (grace != nullptr && !parse_seconds(*grace, plan.grace_ms))
        return shell.usage("--grace is to be in seconds");
    return Status::ok;
}

}  // namespace

Status op_lock(Shell& shell, const Args& args) {
    if (args.command.empty()) return shell.usage("there is no command to run: -- command...");
    Contender::Plan plan;
    if (Status status = read_plan(shell, args, plan); status != Status::ok) return status;
    Recipe recipe(shell);
    if (Status status = recipe.begin(args); status != Status::ok) return status;
    Contender contender(shell, recipe, plan);
    if (Status status = contender.enter(); status != Status::ok) return status;
    bool lost = false;
    Status status = contender.run(args.command, lost);
    contender.leave();
    return lost ? Status::expired : status;
}

Status op_elect(Shell& shell, const Args& args) {
    if (args.command.empty()) return shell.usage("there is no command to run: -- command...");
    Contender::Plan plan;
    if (Status status = read_plan(shell, args, plan); status != Status::ok) return status;
    Recipe recipe(shell);
    if (Status status = recipe.begin(args); status != Status::ok) return status;
    Contender contender(shell, recipe, plan);
    uint64_t patience_ms = Recipe::never;  // of each standing
    if (args.has("timeout")) patience_ms = recipe.deadline_ms() - shell.session().now_ms();
    for (;;) {
        if (Status status = contender.enter(); status != Status::ok) return status;
        uint64_t next_ms = shell.session().now_ms() + again_ms_min;
        bool lost = false;
        Status status = contender.run(args.command, lost);
        contender.leave();
        bool cannot_run = !lost && (status == Status::unknown_command ||
                                    status == static_cast<Status>(126));
        if (recipe.signal() != 0 || cannot_run) return status;
        if (args.has("once")) return lost ? Status::expired : status;
        recipe.resume(Recipe::never);
        while (shell.session().now_ms() < next_ms)
            if (Status ended = recipe.wait(next_ms); ended != Status::ok) return ended;
        if (args.has("timeout")) recipe.resume(shell.session().now_ms() + patience_ms);
    }
}

}  // namespace zk
