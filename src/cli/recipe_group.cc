// recipe_group.cc -- barrier and join: who is there.

#include <unistd.h>

#include <algorithm>

#include "cli/handlers.h"
#include "cli/recipe.h"
#include "cli/recipe_handlers.h"

namespace zk {

namespace {

constexpr std::string_view inside_prefix = "in-";

// The double barrier. Who comes puts an ephemeral znode below the path, named by its session, so
// that nobody counts twice. The last one expected creates `ready`, which lets all pass, also those
// who were slow to look; the last to leave takes it away, and the barrier can be used again.
//
//     /round/in-10003a8f2c10000
//     /round/ready
class Barrier {
public:
    Barrier(Shell& shell, Recipe& recipe, std::string_view path)
        : shell_(shell), recipe_(recipe), path_(path == "/" ? "" : path) {}

    Status enter(int32_t count);
    Status leave();
    void withdraw() { recipe_.call(call::remove(own(), -1)); }

private:
    Status come();
    Err count_inside(int32_t& inside);
    std::string own() const {
        std::string name(inside_prefix);
        return shell_.full(path_ + "/" + name + hex_text(shell_.session().session()).substr(2));
    }
    std::string ready() const { return shell_.full(path_ + "/ready"); }

    Shell& shell_;
    Recipe& recipe_;
    std::string path_;
    int64_t made_in_ = 0;
};

Status Barrier::come() {
    shell_.hold_ephemerals();
    for (;;) {
        Err err = recipe_.call(create_call(own(), as_bytes(""), CreateMode::ephemeral)).header.err;
        made_in_ = recipe_.session();
        if (err == Err::ok || err == Err::node_exists) return Status::ok;
        if (err == Err::connection_loss || err == Err::session_expired) {
            recipe_.call(call::sync(shell_.full("/")));  // has a session, so that it has a name
            continue;
        }
        if (err != Err::no_node) return recipe_.fail(err, path_);
        Status made = recipe_.ensure(path_, CreateMode::container);
        if (made != Status::ok) return made;
    }
}

Err Barrier::count_inside(int32_t& inside) {
    inside = 0;
    SyncClient::Reply reply = recipe_.call(call::get_children(shell_.full(path_), true));
    std::optional<Children> got;
    if (reply.header.err == Err::ok) got = decode_children(reply.body);
    if (got)
        for (std::string_view name : got->names) inside += name.starts_with(inside_prefix) ? 1 : 0;
    return reply.header.err;
}

Status Barrier::enter(int32_t count) {
    for (;;) {
        recipe_.take_events();
        size_t seen = recipe_.connections();
        if (made_in_ == 0 || made_in_ != recipe_.session())
            if (Status status = come(); status != Status::ok) return status;
        Err err = recipe_.call(call::exists(ready(), true)).header.err;
        if (err == Err::ok) return Status::ok;
        int32_t inside = 0;
        if (err == Err::no_node) err = count_inside(inside);
        if (err == Err::ok && inside >= count)
            err = recipe_.call(create_call(ready(), as_bytes(""), CreateMode::persistent))
                      .header.err;
        else if (err == Err::ok) err = Err::no_node;  // not yet
        if (err == Err::ok || err == Err::node_exists) return Status::ok;
        if (err == Err::connection_loss || err == Err::session_expired) continue;
        if (err != Err::no_node) return recipe_.fail(err, path_);
        if (Status status = recipe_.wait_change(seen); status != Status::ok) return status;
    }
}

Status Barrier::leave() {
    Err err = Err::connection_loss;
    while (err == Err::connection_loss) err = recipe_.call(call::remove(own(), -1)).header.err;
    if (err != Err::ok && err != Err::no_node && err != Err::session_expired)
        return recipe_.fail(err, path_);
    for (;;) {
        recipe_.take_events();
        size_t seen = recipe_.connections();
        int32_t inside = 0;
        err = count_inside(inside);
        if (err == Err::no_node) return Status::ok;
        if (err == Err::session_expired) continue;
        if (err != Err::ok) return recipe_.fail(err, path_);
        if (inside == 0) {
            recipe_.call(call::remove(ready(), -1));
            return Status::ok;
        }
        if (Status status = recipe_.wait_change(seen); status != Status::ok) return status;
    }
}

// A znode that is there as long as a command runs; put there again in each new session.
class Membership {
public:
    Membership(Shell& shell, Recipe& recipe, const Args& args)
        : shell_(shell), recipe_(recipe), session_(shell.session()) {
        path_ = shell.resolved(args.word(0));
        if (path_ == "/") path_.clear();
        path_ += "/" + (args.has("name") ? *args.value("name") : default_name());
        if (const std::string* data = args.value("data")) data_ = *data;
    }

    const std::string& path() const { return path_; }
    Status begin();
    Status run(const std::vector<std::string>& command);

private:
    static std::string default_name() {
        char host[256] = "";
        gethostname(host, sizeof host - 1);
        return std::string(host) + "-" + std::to_string(getpid());
    }
    Err put();
    bool is_there();
    void leave();

    Shell& shell_;
    Recipe& recipe_;
    SyncClient& session_;
    std::string path_;
    std::string data_;
    int64_t made_in_ = 0;
    bool deleted_ = false;
};

// node_exists: it belongs to another session. A watch is left in any case.
Err Membership::put() {
    std::string full = shell_.full(path_);
    shell_.hold_ephemerals();
    for (;;) {
        Call create = create_call(full, as_bytes(data_), CreateMode::ephemeral);
        Err err = recipe_.call(create).header.err;
        if (err == Err::connection_loss || err == Err::session_expired) continue;
        if (err == Err::no_node) {
            std::string group = path_.substr(0, path_.rfind('/'));
            if (recipe_.ensure(group, CreateMode::persistent) != Status::ok) return err;
            continue;
        }
        if (err != Err::ok && err != Err::node_exists) return err;
        SyncClient::Reply reply = recipe_.call(call::exists(full, true));
        if (reply.header.err == Err::no_node || reply.header.err == Err::session_expired) continue;
        if (reply.header.err != Err::ok) return reply.header.err;
        std::optional<Stat> stat = decode_stat(reply.body);
        if (!stat || stat->ephemeral_owner != recipe_.session()) return Err::node_exists;
        made_in_ = recipe_.session();
        deleted_ = false;
        return Err::ok;
    }
}

// One of the same name may be our forerunner, whose session is about to expire: as long as that
// takes at the most we wait.
Status Membership::begin() {
    uint64_t until = session_.now_ms() + static_cast<uint64_t>(session_.session_timeout_ms()) * 2;
    bool told = false;
    for (;;) {
        recipe_.take_events();
        Err err = put();
        if (err == Err::ok) return Status::ok;
        if (err != Err::node_exists || session_.now_ms() >= until) return recipe_.fail(err, path_);
        if (!std::exchange(told, true)) shell_.warn("waiting: there is another " + path_);
        if (Status status = recipe_.wait(until); status != Status::ok) return status;
    }
}

bool Membership::is_there() {
    for (const Recipe::Event& event : recipe_.take_events()) {
        if (event.path != path_) continue;
        if (event.type == EventType::deleted) deleted_ = true;
        else session_.send(call::exists(shell_.full(path_), true), {});
    }
    return !deleted_ && recipe_.session() == made_in_;
}

Status Membership::run(const std::vector<std::string>& command) {
    Child::Plan plan;
    plan.command = command;
    plan.environment = {{"ZK_PATH", path_}, {"ZK_SESSION", hex_text(made_in_)}};
    Child child;
    Status status = recipe_.start(child, plan);
    if (status != Status::ok) {
        leave();
        return status;
    }
    recipe_.resume(Recipe::never);
    bool refused = false;
    for (;;) {
        recipe_.heed_children(true);
        if (child.ended()) break;
        if (int number = recipe_.take_signal()) {
            // It is the child that decides: SIGHUP may only make it read its settings again.
            child.pass_on(number);
            recipe_.forget_signal();
        }
        if (!refused && !is_there()) {
            Err err = put();
            refused = err != Err::ok && err != Err::request_timeout && err != Err::node_exists;
            if (refused) recipe_.fail(err, path_);
            if (err != Err::node_exists) continue;
        }
        session_.wait(Recipe::never);
    }
    leave();
    return child.status();
}

void Membership::leave() {
    recipe_.heed_children(false);
    recipe_.release_while_alive();
    Err err = Err::connection_loss;
    while (err == Err::connection_loss && recipe_.session() == made_in_ && !deleted_)
        err = recipe_.call(call::remove(shell_.full(path_), -1)).header.err;
}

}  // namespace

Status op_barrier(Shell& shell, const Args& args) {
    if (Status bad = check_path(shell, args.word(0)); bad != Status::ok) return bad;
    int32_t count = 0;
    const std::string* text = args.value("count");
    bool leave = args.has("leave");
    if (leave ? text != nullptr || !args.command.empty() : text == nullptr)
        return shell.usage("it takes --count n, or --leave");
    if (text != nullptr && (!parse_number(*text, count) || count < 1))
        return shell.usage("--count is to be a number from 1");
    Recipe recipe(shell);
    if (Status status = recipe.begin(args); status != Status::ok) return status;
    Barrier barrier(shell, recipe, shell.resolved(args.word(0)));
    if (leave) return barrier.leave();
    Status status = barrier.enter(count);
    if (status != Status::ok) {
        recipe.release_while_alive();
        barrier.withdraw();
        return status;
    }
    if (args.command.empty()) return status;
    recipe.resume(Recipe::never);
    status = recipe.run({.command = args.command, .environment = {}, .input = -1});
    if (recipe.signal() != 0) {
        recipe.release_while_alive();
        barrier.withdraw();
        return status;
    }
    Status left = barrier.leave();
    return status != Status::ok ? status : left;
}

Status op_join(Shell& shell, const Args& args) {
    if (args.command.empty()) return shell.usage("there is no command to run: -- command...");
    if (Status bad = check_path(shell, args.word(0)); bad != Status::ok) return bad;
    Recipe recipe(shell);
    if (Status status = recipe.begin(args); status != Status::ok) return status;
    Membership membership(shell, recipe, args);
    if (Status bad = check_path(shell, membership.path()); bad != Status::ok) return bad;
    if (Status status = membership.begin(); status != Status::ok) return status;
    return membership.run(args.command);
}

}  // namespace zk
