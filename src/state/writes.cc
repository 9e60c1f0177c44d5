// writes.cc -- the handlers of single writes. Each checks everything, in ZooKeeper's order,
// before it changes anything: the first check that fails decides.

#include <climits>
#include <cstdio>

#include "state/commands.h"
#include "state/path.h"

namespace zk {

namespace {

// Is there a session to act for, and does it still belong to this client? The latter is asked in
// State::apply, before any handler runs. A local session is its own node's affair (entry.h).
Err check_session(const Write& call) {
    return call.session == 0 && call.entry.session != 0 ? Err::session_expired : Err::ok;
}

bool version_fits(int32_t asked, int32_t actual) { return asked == -1 || asked == actual; }

struct CreatePlan {
    CreateMode mode = CreateMode::persistent;
    ZnodeKind kind = ZnodeKind::persistent;
    int64_t owner = 0;
};

// What the opcode, the flags and the ttl together ask for.
Err plan_create(const Write& call, const CreateRequest& asked, CreatePlan& plan) {
    if (asked.flags < 0 || asked.flags > 6) return Err::bad_arguments;
    plan.mode = static_cast<CreateMode>(asked.flags);
    bool ttl_ignored = call.op == Op::create_ttl && call.in_multi && !is_ttl(plan.mode);
    if (is_ttl(plan.mode)) {
        if (!call.state.rules.extended_types) return Err::unimplemented;
        if (asked.ttl_ms < 1 || asked.ttl_ms > ttl_ms_max) return Err::bad_arguments;
        plan.kind = ZnodeKind::ttl;
        plan.owner = asked.ttl_ms;
        return Err::ok;
    }
    if (call.op == Op::create_ttl && !ttl_ignored) return Err::bad_arguments;
    bool container = plan.mode == CreateMode::container && call.in_multi;
    if (call.op == Op::create_container || container) {
        plan.kind = ZnodeKind::container;
    } else if (is_ephemeral(plan.mode)) {
        if (call.entry.session == 0) return Err::ephemeral_on_local_session;
        plan.kind = ZnodeKind::ephemeral;
        plan.owner = call.entry.session;
    }
    return Err::ok;
}

std::string_view sequential_name(State& state, std::string_view path, ZnodeId parent) {
    char digits[16];
    int size = snprintf(digits, sizeof digits, "%010d", state.tree.raw_cversion(parent));
    std::string name(path);
    name.append(digits, static_cast<size_t>(size));
    return state.keep(std::move(name));
}

// All checks that need the final name.
Err check_place(const State& state, const PathKey& key, const PathKey& above, ZnodeId parent,
                size_t bytes) {
    std::string_view path = key.path;
    // The parent is there, so its path is good; but "/" names the root only where it stands alone.
    bool good = path == "/" ||
                (above.path != "/" && valid_name(path.substr(above.path.size() + 1)));
    if (!good) return Err::bad_arguments;
    if (state.tree.find(key) != 0) return Err::node_exists;
    if (state.tree[parent].kind == ZnodeKind::ephemeral) return Err::no_children_for_ephemerals;
    if (state.rules.enforce_quota &&
        !state.quotas.allows(path, static_cast<int64_t>(bytes), 1))
        return Err::quota_exceeded;
    return Err::ok;
}

// The limit on ephemerals is zkd's own, and so is the error: a kind of quota.
bool one_too_many(const Write& call, ZnodeKind kind) {
    const State& state = call.state;
    uint32_t most = state.rules.session_ephemerals_max;
    return kind == ZnodeKind::ephemeral && most > 0 &&
           state.sessions[call.session].ephemerals.count >= most;
}

// Path and permissions of deletes: not special, and something to look for.
Err find_parent(const Write& call, std::string_view path, PathKey& above, ZnodeId& parent) {
    if (path.data() == nullptr) return Err::marshalling_error;
    bool bad = path.find('/') == path.npos || path.find('\0') != path.npos || special_path(path);
    if (bad) return Err::bad_arguments;
    above = call.state.key_above(path);
    parent = call.state.tree.find(above);
    return parent == 0 ? Err::no_node : Err::ok;
}

// What is there has a good path: only one that names nothing has to be looked at, and "", which
// finds the root.
Err find_valid(const Write& call, const PathKey& key, ZnodeId& id) {
    id = call.state.tree.find(key);
    if (id != 0 && !key.path.empty()) return Err::ok;
    return valid_path(key.path) ? Err::no_node : Err::bad_arguments;
}

}  // namespace

Op create_result(Op op, int32_t flags) {
    if (op == Op::create_ttl)
        return flags >= static_cast<int32_t>(CreateMode::container) ? Op::create2 : Op::create;
    if (op == Op::create && flags != static_cast<int32_t>(CreateMode::container))
        return Op::create;
    return Op::create2;
}

Err write_create(Write& call, Reader& body) {
    State& state = call.state;
    CreateRequest asked;
    decode(body, asked, call.op == Op::create_ttl);
    CreatePlan plan;
    if (Err err = plan_create(call, asked, plan); err != Err::ok) return err;
    if (Err err = check_session(call); err != Err::ok) return err;
    std::string_view path = asked.path;
    if (path.data() == nullptr) return Err::marshalling_error;
    if (path.find('/') == path.npos || path.find('\0') != path.npos) return Err::bad_arguments;
    AclId acl = AclTable::open;
    if (Err err = state.acls.intern_request(asked.acls, call.caller, acl); err != Err::ok)
        return err;
    auto refuse = [&](Err err) {
        state.acls.drop_user(acl);
        return err;
    };
    PathKey above = state.key_above(path);
    ZnodeId parent = state.tree.find(above);
    if (parent == 0) return refuse(Err::no_node);
    AclId parent_acl = state.tree[parent].acl;
    if (!state.allows(parent_acl, perm::create, call.caller)) return refuse(Err::no_auth);
    if (is_sequential(plan.mode)) path = sequential_name(state, path, parent);
    PathKey key = state.key(path);
    if (Err err = check_place(state, key, above, parent, asked.data.size()); err != Err::ok)
        return refuse(err);
    if (one_too_many(call, plan.kind)) return refuse(Err::quota_exceeded);

    ZnodeId id = state.tree.create(key, above, parent,
                                   {.data = asked.data,
                                    .acl = acl,
                                    .kind = plan.kind,
                                    .owner = plan.owner,
                                    .list = state.list_of(plan.kind, plan.owner),
                                    .zxid = static_cast<int64_t>(call.entry.zxid),
                                    .time_ms = call.entry.time_ms});
    state.changes.push_back({.type = EventType::created,
                             .id = id,
                             .path = path,
                             .acl = acl,
                             .parent_acl = parent_acl});
    state.quotas.created(path, asked.data.size());
    write_text(call.reply, path);
    call.result = create_result(call.op, asked.flags);
    bool with_stat = call.in_multi ? call.result == Op::create2 : call.op != Op::create;
    if (with_stat) encode(call.reply, state.tree.stat(id));
    return Err::ok;
}

Err write_delete(Write& call, Reader& body) {
    State& state = call.state;
    PathVersion asked;
    decode(body, asked);
    if (Err err = check_session(call); err != Err::ok) return err;
    PathKey above;
    ZnodeId parent = 0;
    if (Err err = find_parent(call, asked.path, above, parent); err != Err::ok) return err;
    if (!state.allows(state.tree[parent].acl, perm::remove, call.caller)) return Err::no_auth;
    PathKey key = state.key(asked.path);
    ZnodeId id = state.tree.find(key);
    if (id == 0) return Err::no_node;
    if (!version_fits(asked.version, state.tree[id].version)) return Err::bad_version;
    if (state.tree.child_count(id) > 0) return Err::not_empty;
    state.remove_znode(key, above, id, static_cast<int64_t>(call.entry.zxid));
    return Err::ok;
}

Err write_set_data(Write& call, Reader& body) {
    State& state = call.state;
    SetDataRequest asked;
    decode(body, asked);
    if (Err err = check_session(call); err != Err::ok) return err;
    PathKey key = call.state.key(asked.path);
    ZnodeId id = 0;
    if (Err err = find_valid(call, key, id); err != Err::ok) return err;
    if (!state.allows(state.tree[id].acl, perm::write, call.caller)) return Err::no_auth;
    int64_t more = static_cast<int64_t>(asked.data.size()) -
                   static_cast<int64_t>(state.tree.data(id).size());
    if (state.rules.enforce_quota && !state.quotas.allows(asked.path, more, 0))
        return Err::quota_exceeded;
    if (!version_fits(asked.version, state.tree[id].version)) return Err::bad_version;
    state.tree.set_data(key, id, asked.data, static_cast<int64_t>(call.entry.zxid),
                        call.entry.time_ms);
    state.changes.push_back({.type = EventType::data_changed,
                             .id = id,
                             .path = asked.path,
                             .acl = state.tree[id].acl,
                             .parent_acl = 0});
    encode(call.reply, state.tree.stat(id));
    state.quotas.data_changed(asked.path, more);
    return Err::ok;
}

Err write_set_acl(Write& call, Reader& body) {
    State& state = call.state;
    SetAclRequest asked;
    decode(body, asked);
    if (Err err = check_session(call); err != Err::ok) return err;
    PathKey key = state.key(asked.path);
    ZnodeId id = 0;
    Err found = find_valid(call, key, id);
    if (found == Err::bad_arguments) return found;
    AclId acl = AclTable::open;
    if (Err err = state.acls.intern_request(asked.acls, call.caller, acl); err != Err::ok)
        return err;
    auto refuse = [&](Err err) {
        state.acls.drop_user(acl);
        return err;
    };
    if (found != Err::ok) return refuse(found);
    if (!state.allows(state.tree[id].acl, perm::admin, call.caller)) return refuse(Err::no_auth);
    if (!version_fits(asked.version, state.tree.aversion(id))) return refuse(Err::bad_version);
    state.tree.set_acl(key, id, acl);
    encode(call.reply, state.tree.stat(id));
    return Err::ok;
}

Err write_check(Write& call, Reader& body) {
    PathVersion asked;
    decode(body, asked);
    if (Err err = check_session(call); err != Err::ok) return err;
    PathKey key = call.state.key(asked.path);
    ZnodeId id = 0;
    if (Err err = find_valid(call, key, id); err != Err::ok) return err;
    const State& state = call.state;
    if (!state.allows(state.tree[id].acl, perm::read, call.caller)) return Err::no_auth;
    return version_fits(asked.version, state.tree[id].version) ? Err::ok : Err::bad_version;
}

// Made by the leader's reaper alone: no session, no permissions, but the znode must be the one that
// was found, and still be empty.
Err write_delete_container(Write& call, Reader& body) {
    State& state = call.state;
    ReapZnode asked;
    decode(body, asked);
    PathKey key = state.key(asked.path);
    ZnodeId id = state.tree.find(key);
    if (id == 0 || id == Tree::root) return Err::no_node;
    const Znode& znode = state.tree[id];
    bool same = znode.czxid == asked.czxid && znode.mtime == asked.mtime;
    bool kind = znode.kind == ZnodeKind::container || znode.kind == ZnodeKind::ttl;
    if (!same || !kind) return Err::bad_version;
    if (state.tree.child_count(id) > 0) return Err::not_empty;
    PathKey above = state.key_above(asked.path);
    state.remove_znode(key, above, id, static_cast<int64_t>(call.entry.zxid));
    return Err::ok;
}

}  // namespace zk
