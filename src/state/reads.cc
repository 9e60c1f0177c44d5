// reads.cc -- the handlers of what is answered by this node's state alone: reads, and whatever is
// about a client's own watches. Paths are not checked: one that names nothing is absent.

#include <algorithm>

#include "state/commands.h"
#include "state/path.h"

namespace zk {

namespace {

// Reads need a znode and READ on it.
Err find_readable(const Read& call, std::string_view path, int32_t perms, ZnodeId& id) {
    if (path.data() == nullptr) return Err::marshalling_error;
    const State& state = call.state;
    id = state.tree.find(state.key(path));
    if (id == 0) return Err::no_node;
    return state.allows(state.tree[id].acl, perms, call.caller.identities) ? Err::ok
                                                                           : Err::no_auth;
}

void note_watch(Read& call, const PathWatch& asked, uint8_t modes) {
    if (asked.watch) call.state.watches.add(asked.path, call.caller.client, modes);
}

// The catch-up events of setWatches go out ahead of its reply, as packets of their own.
void write_event(Buffer& out, EventType type, std::string_view path) {
    size_t at = begin_frame(out);
    write_reply_header(out, {.xid = xid_notification, .zxid = -1, .err = Err::ok});
    encode(out, WatcherEvent{.type = type, .state = state_sync_connected, .path = path});
    end_frame(out, at);
}

uint8_t modes_asked(int32_t type) {
    switch (static_cast<WatcherType>(type)) {
    case WatcherType::children: return watch_mode::child;
    case WatcherType::data: return watch_mode::data;
    case WatcherType::any: return watch_mode::any;
    case WatcherType::persistent: return watch_mode::persistent;
    case WatcherType::persistent_recursive: return watch_mode::recursive;
    }
    return 0;
}

// Digest ids are shown to administrators only.
void write_masked(Buffer& out, const std::vector<Acl>& acls) {
    out.u32(static_cast<uint32_t>(acls.size()));
    for (const Acl& acl : acls) {
        out.i32(acl.perms);
        write_text(out, acl.scheme);
        if (acl.scheme != "digest") {
            write_text(out, acl.id);
            continue;
        }
        std::string masked(acl.id.substr(0, acl.id.find(':')));
        write_text(out, masked + ":x");
    }
}

}  // namespace

Err read_exists(Read& call, Op, Reader& body) {
    PathWatch asked;
    decode(body, asked);
    if (!body.ok()) return Err::marshalling_error;
    if (asked.path.find('\0') != asked.path.npos) return Err::bad_arguments;
    ZnodeId id = 0;
    Err err = find_readable(call, asked.path, perm::read, id);
    if (err == Err::ok || err == Err::no_node) note_watch(call, asked, watch_mode::data);
    if (err == Err::ok) encode(call.reply, call.state.tree.stat(id));
    return err;
}

Err read_get_data(Read& call, Op, Reader& body) {
    PathWatch asked;
    decode(body, asked);
    if (!body.ok()) return Err::marshalling_error;
    ZnodeId id = 0;
    if (Err err = find_readable(call, asked.path, perm::read, id); err != Err::ok) return err;
    note_watch(call, asked, watch_mode::data);
    write_buffer(call.reply, call.state.tree.data(id));
    encode(call.reply, call.state.tree.stat(id));
    return Err::ok;
}

Err read_get_acl(Read& call, Op, Reader& body) {
    std::string_view path = read_text(body);
    if (!body.ok()) return Err::marshalling_error;
    State& state = call.state;
    ZnodeId id = 0;
    Err err = find_readable(call, path, perm::read | perm::admin, id);
    if (err != Err::ok) return err;
    AclId acl = state.tree[id].acl;
    if (state.allows(acl, perm::admin, call.caller.identities))
        call.reply.append(state.acls.bytes(acl));
    else
        write_masked(call.reply, state.acls.entries(acl));
    encode(call.reply, state.tree.stat(id));
    return Err::ok;
}

// getChildren, and getChildren2 with the stat behind the names.
Err read_children(Read& call, Op op, Reader& body) {
    PathWatch asked;
    decode(body, asked);
    if (!body.ok()) return Err::marshalling_error;
    const Tree& tree = call.state.tree;
    ZnodeId id = 0;
    if (Err err = find_readable(call, asked.path, perm::read, id); err != Err::ok) return err;
    std::span<const ZnodeId> children = tree.children(id);
    call.reply.u32(static_cast<uint32_t>(children.size()));
    constexpr size_t ahead = 16;  // memory fetched while the names before are copied
    for (ZnodeId child : children.first(std::min(2 * ahead, children.size())))
        tree.prefetch_pointer(child);
    for (ZnodeId child : children.first(std::min(ahead, children.size())))
        tree.prefetch_name(child);
    for (size_t i = 0; i < children.size(); ++i) {
        if (i + 2 * ahead < children.size()) tree.prefetch_pointer(children[i + 2 * ahead]);
        if (i + ahead < children.size()) tree.prefetch_name(children[i + ahead]);
        write_text(call.reply, tree.name(children[i]));
        if (call.too_long()) return Err::system_error;
    }
    note_watch(call, asked, watch_mode::child);
    if (op == Op::get_children2) encode(call.reply, tree.stat(id));
    return Err::ok;
}

Err read_children_number(Read& call, Op, Reader& body) {
    std::string_view path = read_text(body);
    if (!body.ok()) return Err::marshalling_error;
    ZnodeId id = 0;
    if (Err err = find_readable(call, path, perm::read, id); err != Err::ok) return err;
    call.reply.u32(call.state.tree.descendants(id));
    return Err::ok;
}

Err read_ephemerals(Read& call, Op, Reader& body) {
    std::string_view prefix = read_text(body);
    if (!body.ok()) return Err::marshalling_error;
    if (prefix.find_first_not_of(" \t\r\n") == prefix.npos) prefix = "/";
    State& state = call.state;
    size_t count_at = call.reply.size();
    uint32_t count = 0;
    call.reply.u32(0);
    if (SessionSlot session = state.sessions.find(call.caller.session); session != 0) {
        ZnodeId id = state.sessions[session].ephemerals.head;
        for (; id != 0; id = state.tree.next_in_list(id)) {
            std::string path = state.tree.path(id);
            if (!path.starts_with(prefix)) continue;
            write_text(call.reply, path);
            if (call.too_long()) return Err::system_error;
            ++count;
        }
    }
    call.reply.patch_u32(count_at, count);
    return Err::ok;
}

// The barrier itself is the node's; what is left is to say the path back.
Err read_sync(Read& call, Op, Reader& body) {
    std::string_view path = read_text(body);
    if (!body.ok()) return Err::marshalling_error;
    write_text(call.reply, path);
    return Err::ok;
}

Err read_set_watches(Read& call, Op op, Reader& body) {
    SetWatches asked;
    decode(body, asked, op == Op::set_watches2);
    if (!body.ok()) return Err::marshalling_error;
    State& state = call.state;
    ClientId client = call.caller.client;
    for (std::string_view path : asked.data) {
        ZnodeId id = state.tree.find(path);
        if (id == 0)
            write_event(call.notices, EventType::deleted, path);
        else if (state.tree[id].mzxid > asked.relative_zxid)
            write_event(call.notices, EventType::data_changed, path);
        else
            state.watches.add(path, client, watch_mode::data);
    }
    for (std::string_view path : asked.exist) {
        if (state.tree.find(path) != 0)
            write_event(call.notices, EventType::created, path);
        else
            state.watches.add(path, client, watch_mode::data);
    }
    for (std::string_view path : asked.child) {
        ZnodeId id = state.tree.find(path);
        if (id == 0)
            write_event(call.notices, EventType::deleted, path);
        else if (state.tree.pzxid(id) > asked.relative_zxid)
            write_event(call.notices, EventType::children_changed, path);
        else
            state.watches.add(path, client, watch_mode::child);
    }
    for (std::string_view path : asked.persistent)
        state.watches.add(path, client, watch_mode::persistent);
    for (std::string_view path : asked.recursive)
        state.watches.add(path, client, watch_mode::recursive);
    return Err::ok;
}

Err read_add_watch(Read& call, Op, Reader& body) {
    PathNumber asked;
    decode(body, asked);
    if (!body.ok() || asked.path.data() == nullptr) return Err::marshalling_error;
    if (asked.number != 0 && asked.number != 1) return Err::marshalling_error;
    bool recursive = asked.number == static_cast<int32_t>(AddWatchMode::persistent_recursive);
    call.state.watches.add(asked.path, call.caller.client,
                           recursive ? watch_mode::recursive : watch_mode::persistent);
    call.reply.i32(0);
    return Err::ok;
}

Err read_watches(Read& call, Op op, Reader& body) {
    PathNumber asked;
    decode(body, asked);
    uint8_t wanted = modes_asked(asked.number);
    if (!body.ok() || wanted == 0) return Err::marshalling_error;
    Watches& watches = call.state.watches;
    if ((watches.modes(asked.path, call.caller.client) & wanted) == 0) return Err::no_watcher;
    // Checking never takes anything away: other parts of the client may share the watch.
    if (op == Op::remove_watches) watches.remove(asked.path, call.caller.client, wanted);
    return Err::ok;
}

Err read_who_am_i(Read& call, Op, Reader&) {
    call.reply.u32(static_cast<uint32_t>(call.caller.identities.size()));
    for (const Identity& identity : call.caller.identities) {
        write_text(call.reply, identity.scheme);
        write_text(call.reply, user_name(identity));
    }
    return Err::ok;
}

}  // namespace zk
