// contender.cc -- see contender.h.
//
// The happy path: stand, wait_turn, take_hold, run, leave. A lost reply leads to find_own; a lost
// session while waiting to stand again, at the end of the line. What may happen while the command
// runs is holder.cc's.

#include "cli/contender.h"

#include <algorithm>

#include "cli/holder.h"

namespace zk {

namespace {

constexpr std::string_view lock_tag = "__lock__";
constexpr std::string_view read_tag = "__rlock__";

}  // namespace

Contender::Contender(Shell& shell, Recipe& recipe, Plan plan)
    : shell_(shell), recipe_(recipe), session_(shell.session()), plan_(std::move(plan)) {
    if (plan_.path == "/") plan_.path.clear();
}

// -- standing in line ----------------------------------------------------------------------------

Status Contender::enter() {
    for (;;) {
        Status status = stand();
        if (status == Status::ok) status = wait_turn();
        if (status == Status::ok) return Status::ok;
        if (status != Status::expired) {
            leave();
            return status;
        }
    }
}

Status Contender::stand() {
    if (Err err = take_back(); err != Err::ok) return recipe_.fail(err, plan_.path);
    guid_ = new_guid();
    shell_.hold_ephemerals();
    std::string wanted =
        shell_.full(plan_.path + "/" + guid_ + std::string(plan_.read ? read_tag : lock_tag));
    for (;;) {
        SyncClient::Reply reply = recipe_.call(
            create_call(wanted, as_bytes(plan_.data), CreateMode::ephemeral_sequential));
        Err err = reply.header.err;
        made_in_ = recipe_.session();
        if (err == Err::ok) {
            std::optional<std::string_view> path = decode_created(reply.body);
            if (!path) return shell_.malformed();
            name_ = path->substr(path->rfind('/') + 1);
            return Status::ok;
        }
        if (err == Err::connection_loss) {
            err = find_own();
            if (err == Err::ok) return Status::ok;
        }
        if (err == Err::session_expired || err == Err::connection_loss) continue;
        if (err == Err::no_node) {
            Status made = recipe_.ensure(plan_.path, CreateMode::container);
            if (made != Status::ok) return made;
            continue;
        }
        return recipe_.fail(err, plan_.path);
    }
}

// What became of a create without a reply. connection_loss: nothing, as it seems. The server asked
// now may be another one, behind the first: hence the sync.
Err Contender::find_own() {
    Err err = recipe_.call(call::sync(shell_.full(plan_.path))).header.err;
    if (err != Err::ok) return err;
    Result<std::vector<Rival>> line = rivals(false, err);
    if (!line) return err;
    std::erase_if(*line, [&](const Rival& each) { return !each.name.starts_with(guid_); });
    if (line->empty()) return Err::connection_loss;
    std::sort(line->begin(), line->end(),
              [](const Rival& a, const Rival& b) { return precedes(a.number, b.number); });
    name_ = line->front().name;
    made_in_ = recipe_.session();
    // Had both attempts succeeded after all, the later one would be in the way of all others.
    for (size_t i = 1; i < line->size(); ++i)
        recipe_.call(call::remove(shell_.full(plan_.path + "/" + (*line)[i].name), -1));
    return Err::ok;
}

Result<std::vector<Contender::Rival>> Contender::rivals(bool watch, Err& err) {
    SyncClient::Reply reply = recipe_.call(call::get_children(shell_.full(plan_.path), watch));
    err = reply.header.err;
    if (err != Err::ok) return Error{};
    std::vector<Rival> found;
    std::optional<Children> got = decode_children(reply.body);
    if (!got) return found;
    for (std::string_view name : got->names) {
        int32_t number = 0;
        bool read = parse_sequence(name, read_tag, number);
        if (read || parse_sequence(name, lock_tag, number))
            found.push_back({.name = std::string(name), .number = number, .read = read});
    }
    return found;
}

// The last of those who keep us from holding it, and how many there are.
const Contender::Rival* Contender::blocker(const std::vector<Rival>& line, const Rival& own,
                                           int32_t& before) const {
    const Rival* last = nullptr;
    before = 0;
    for (const Rival& each : line) {
        if (!precedes(each.number, own.number)) continue;
        if (own.read && each.read) continue;
        ++before;
        if (last == nullptr || precedes(last->number, each.number)) last = &each;
    }
    return last;
}

// Status::expired: our znode has gone, and with it our place.
Status Contender::wait_turn() {
    for (;;) {
        Err err = Err::ok;
        Result<std::vector<Rival>> line = rivals(plan_.slots > 1, err);
        if (!line && err == Err::no_node) return Status::expired;
        if (!line && err == Err::session_expired) return Status::expired;
        if (!line) return recipe_.fail(err, plan_.path);
        auto own = std::find_if(line->begin(), line->end(),
                                [&](const Rival& each) { return each.name == name_; });
        if (own == line->end()) return Status::expired;
        int32_t before = 0;
        const Rival* last = blocker(*line, *own, before);
        Status status = Status::ok;
        bool held = false;
        if (before < plan_.slots) {
            status = take_hold(held);
        } else {
            if (shell_.human() && !std::exchange(told_waiting_, true))
                shell_.warn("waiting: " + std::to_string(before) + " before us");
            status = wait_for(plan_.slots == 1 ? last->name : "");
        }
        if (status != Status::ok || held) return status;
    }
}

Status Contender::wait_for(const std::string& name) {
    size_t connections = recipe_.connections();
    if (!name.empty()) {
        std::string path = shell_.full(plan_.path + "/" + name);
        Err err = recipe_.call(call::exists(path, true)).header.err;
        if (err == Err::no_node) return Status::ok;
        if (err == Err::session_expired) return Status::expired;
        if (err != Err::ok) return recipe_.fail(err, plan_.path);
    }
    // Any event will do: looking once more does no harm. So will a new connection.
    while (recipe_.take_events().empty() && recipe_.connections() == connections) {
        if (recipe_.session() != made_in_) return Status::expired;
        if (Status status = recipe_.wait(); status != Status::ok) return status;
    }
    return Status::ok;
}

// We are first in line; the session and the znode are still the same, and are watched from now on.
Status Contender::take_hold(bool& held) {
    recipe_.take_events();
    SyncClient::Reply reply = recipe_.call(call::exists(own_path(), true));
    Err err = reply.header.err;
    if (err == Err::no_node || err == Err::session_expired) return Status::expired;
    if (err != Err::ok) return recipe_.fail(err, plan_.path);
    std::optional<Stat> stat = decode_stat(reply.body);
    if (!stat) return shell_.malformed();
    if (stat->ephemeral_owner != recipe_.session()) return Status::expired;
    fence_ = stat->czxid;
    held = true;
    return Status::ok;
}

void Contender::leave() {
    // Signals no longer count, but without a server the session has to expire by itself.
    recipe_.release_while_alive();
    take_back();
}

// Ok: no znode of this session is in the line. After an error `stand` tries again, since the
// session may live on, and the old znode would be before the new one for ever.
Err Contender::take_back() {
    while (!guid_.empty() && recipe_.session() == made_in_) {
        Err err = name_.empty() ? find_own() : Err::ok;
        if (err == Err::connection_loss) break;  // it was never made
        if (err == Err::ok) err = recipe_.call(call::remove(own_path(), -1)).header.err;
        if (err == Err::ok || err == Err::no_node || err == Err::session_expired) break;
        if (err != Err::connection_loss) return err;
    }
    guid_.clear();
    name_.clear();
    return Err::ok;
}

Status Contender::run(const std::vector<std::string>& command, bool& lost) {
    std::string path = plan_.path + "/" + name_;
    Child::Plan plan;
    plan.command = command;
    plan.environment = {{"ZK_LOCK_PATH", path},
                        {"ZK_FENCE", std::to_string(fence_)},
                        {"ZK_SESSION", hex_text(made_in_)}};
    Held held{.path = path, .session = made_in_, .grace_ms = plan_.grace_ms};
    return run_held(shell_, recipe_, held, plan, child_, lost);
}

}  // namespace zk
