// model_reads.cc -- see model.h: what reads say, and whom changes tell.

#include <algorithm>

#include "model.h"

namespace zk::sim {

namespace {

std::string parent_of(const std::string& path) {
    size_t slash = path.rfind('/');
    return slash == 0 ? "/" : path.substr(0, slash);
}

// The empty path reads as the root, but is not above anything: a watch there never fires.
bool below(const std::string& path, const std::string& base) {
    if (base.empty()) return false;
    if (path == base || base == "/") return true;
    return path.size() > base.size() && path.compare(0, base.size(), base) == 0 &&
           path[base.size()] == '/';
}

ModelOutcome refused(Err err) { return {.err = err, .moved = false, .reply = ""}; }
ModelOutcome answered(const Buffer& out) {
    return {.err = Err::ok, .moved = false, .reply = std::string(out.text())};
}

void write_data(Buffer& out, const ModelZnode& znode) {
    write_buffer(out, znode.data ? as_bytes(*znode.data) : Bytes());
}

}  // namespace

// One table, or both for a deletion, told once a connection.
void Model::fire_at(const std::string& path, EventType type, const AclList& acl, bool data_table,
                    bool child_table) {
    for (auto& [connection, paths] : watches_) {
        bool told = false;
        for (auto at = paths.begin(); at != paths.end();) {
            ModelWatch& watch = at->second;
            bool here = at->first == path;
            if (data_table && ((here && watch.in_data_table()) ||
                               (watch.recursive && below(path, at->first))))
                told = true;
            if (child_table && here && watch.in_child_table()) told = true;
            if (here && data_table) watch.data = false;
            if (here && child_table) watch.child = false;
            at = watch.any() ? std::next(at) : paths.erase(at);
        }
        if (told)
            events_[connection].push_back({.zxid = static_cast<int64_t>(zxid_),
                                           .type = type,
                                           .path = path,
                                           .acl = acl});
    }
}

void Model::fire() {
    for (const Change& change : changes_) {
        bool gone = change.type == EventType::deleted;
        fire_at(change.path, change.type, change.acl, true, gone);
        if (change.type == EventType::data_changed) continue;
        fire_at(parent_of(change.path), EventType::children_changed, change.parent_acl, false,
                true);
    }
}

Err Model::readable(std::string_view path, int32_t perms, const Who& who, ModelZnode*& znode) {
    if (path.data() == nullptr) return Err::marshalling_error;
    znode = find(path);
    if (znode == nullptr) return Err::no_node;
    return allows(znode->acl, perms, who) ? Err::ok : Err::no_auth;
}

ModelOutcome Model::read(Op op, Bytes body, const Asker& asker, std::vector<ModelEvent>& notices) {
    Reader in(body);
    ModelZnode* znode = nullptr;
    Buffer out;
    switch (op) {
    case Op::exists:
    case Op::get_data: {
        PathWatch asked;
        decode(in, asked);
        if (!in.ok()) return refused(Err::marshalling_error);
        Err err = readable(asked.path, perm::read, *asker.who, znode);
        bool watched = err == Err::ok || (err == Err::no_node && op == Op::exists);
        if (asked.watch && watched) watch(asker.connection, asked.path).data = true;
        if (err != Err::ok) return refused(err);
        if (op == Op::get_data) write_data(out, *znode);
        encode(out, znode->stat());
        return answered(out);
    }
    case Op::get_acl: {
        std::string_view path = read_text(in);
        return in.ok() ? read_acl(path, *asker.who) : refused(Err::marshalling_error);
    }
    case Op::get_children:
    case Op::get_children2: {
        PathWatch asked;
        decode(in, asked);
        return in.ok() ? read_children(op, asked, asker) : refused(Err::marshalling_error);
    }
    case Op::get_all_children_number: {
        std::string_view path = read_text(in);
        if (!in.ok()) return refused(Err::marshalling_error);
        Err err = readable(path, perm::read, *asker.who, znode);
        if (err != Err::ok) return refused(err);
        std::string base = path.empty() ? "/" : std::string(path);
        uint32_t count = 0;
        for (const auto& [other, at] : znodes_)
            if (other != base && below(other, base)) ++count;
        out.u32(count);
        return answered(out);
    }
    case Op::get_ephemerals: return read_ephemerals(in, asker);
    case Op::sync: {
        std::string_view path = read_text(in);
        if (!in.ok()) return refused(Err::marshalling_error);
        write_text(out, path);
        return answered(out);
    }
    case Op::multi_read: return read_multi(in, asker);
    case Op::set_watches:
    case Op::set_watches2: return set_watches(op, in, asker, notices);
    case Op::add_watch:
    case Op::check_watches:
    case Op::remove_watches: return watch_lists(op, in, asker);
    case Op::who_am_i:
        out.u32(static_cast<uint32_t>(asker.who->size()));
        for (const auto& [scheme, id] : *asker.who) {
            write_text(out, scheme);
            write_text(out, scheme == "digest" ? id.substr(0, id.find(':')) : id);
        }
        return answered(out);
    case Op::ping: return {};
    default: break;
    }
    return refused(Err::unimplemented);
}

ModelOutcome Model::read_acl(std::string_view path, const Who& who) {
    ModelZnode* znode = nullptr;
    Err err = readable(path, perm::read | perm::admin, who, znode);
    if (err != Err::ok) return refused(err);
    bool hidden = !allows(znode->acl, perm::admin, who);
    Buffer out;
    out.u32(static_cast<uint32_t>(znode->acl.size()));
    for (const ModelAcl& acl : znode->acl) {
        out.i32(acl.perms);
        write_text(out, acl.scheme);
        bool mask = hidden && acl.scheme == "digest";
        write_text(out, mask ? acl.id.substr(0, acl.id.find(':')) + ":x" : acl.id);
    }
    encode(out, znode->stat());
    return answered(out);
}

// The names in the order of the model; whoever compares sorts both.
ModelOutcome Model::read_children(Op op, const PathWatch& asked, const Asker& asker) {
    ModelZnode* znode = nullptr;
    Err err = readable(asked.path, perm::read, *asker.who, znode);
    if (err != Err::ok) return refused(err);
    if (asked.watch) watch(asker.connection, asked.path).child = true;
    Buffer out;
    out.u32(static_cast<uint32_t>(znode->children.size()));
    for (const std::string& name : znode->children) write_text(out, name);
    if (op == Op::get_children2) encode(out, znode->stat());
    return answered(out);
}

ModelOutcome Model::read_ephemerals(Reader& in, const Asker& asker) {
    std::string_view prefix = read_text(in);
    if (!in.ok()) return refused(Err::marshalling_error);
    if (prefix.find_first_not_of(" \t\r\n") == prefix.npos) prefix = "/";
    std::vector<std::string> mine;
    for (const auto& [path, znode] : znodes_)
        if (znode.kind == ModelKind::ephemeral && znode.owner == asker.session &&
            path.compare(0, prefix.size(), prefix) == 0)
            mine.push_back(path);
    Buffer out;
    out.u32(static_cast<uint32_t>(mine.size()));
    for (const std::string& path : mine) write_text(out, path);
    return answered(out);
}

ModelOutcome Model::read_multi(Reader& in, const Asker& asker) {
    Buffer out;
    for (;;) {
        MultiHeader header;
        decode(in, header);
        if (!in.ok()) return refused(Err::marshalling_error);
        if (header.done) break;
        PathWatch asked;
        decode(in, asked);
        Op op = static_cast<Op>(header.type);
        if (!in.ok() || (op != Op::get_data && op != Op::get_children))
            return refused(Err::marshalling_error);
        Buffer body;
        encode(body, PathWatch{.path = asked.path, .watch = false});
        std::vector<ModelEvent> none;
        ModelOutcome one = read(op, body.bytes(), asker, none);
        if (one.err == Err::ok) {
            encode(out, MultiHeader{.type = header.type, .done = false, .err = 0});
            out.append(one.reply);
            continue;
        }
        int32_t code = static_cast<int32_t>(one.err);
        encode(out, MultiHeader{.type = -1, .done = false, .err = code});
        out.i32(code);
    }
    encode(out, MultiHeader{});
    return answered(out);
}

// What was missed is told at once; for the rest it waits again.
ModelOutcome Model::set_watches(Op op, Reader& in, const Asker& asker,
                                std::vector<ModelEvent>& notices) {
    SetWatches asked;
    decode(in, asked, op == Op::set_watches2);
    if (!in.ok()) return refused(Err::marshalling_error);
    auto note = [&](EventType type, std::string_view path) {
        notices.push_back({.zxid = -1, .type = type, .path = std::string(path), .acl = {}});
    };
    for (std::string_view path : asked.data) {
        ModelZnode* znode = find(path);
        if (znode == nullptr)
            note(EventType::deleted, path);
        else if (znode->mzxid > asked.relative_zxid)
            note(EventType::data_changed, path);
        else
            watch(asker.connection, path).data = true;
    }
    for (std::string_view path : asked.exist) {
        if (find(path) != nullptr)
            note(EventType::created, path);
        else
            watch(asker.connection, path).data = true;
    }
    for (std::string_view path : asked.child) {
        ModelZnode* znode = find(path);
        if (znode == nullptr)
            note(EventType::deleted, path);
        else if (znode->pzxid > asked.relative_zxid)
            note(EventType::children_changed, path);
        else
            watch(asker.connection, path).child = true;
    }
    for (std::string_view path : asked.persistent) watch(asker.connection, path).persistent = true;
    for (std::string_view path : asked.recursive) watch(asker.connection, path).recursive = true;
    return {};
}

// addWatch, checkWatches, removeWatches.
ModelOutcome Model::watch_lists(Op op, Reader& in, const Asker& asker) {
    PathNumber asked;
    decode(in, asked);
    if (!in.ok()) return refused(Err::marshalling_error);
    if (op == Op::add_watch) {
        if (asked.path.data() == nullptr || asked.number < 0 || asked.number > 1)
            return refused(Err::marshalling_error);
        ModelWatch& mine = watch(asker.connection, asked.path);
        (asked.number == 1 ? mine.recursive : mine.persistent) = true;
        return {.err = Err::ok, .moved = false, .reply = std::string(4, '\0')};
    }
    if (asked.number < 1 || asked.number > 5) return refused(Err::marshalling_error);
    auto& paths = watches_[asker.connection];
    auto found = paths.find(std::string(asked.path));
    if (found == paths.end()) return refused(Err::no_watcher);
    ModelWatch& mine = found->second;
    bool there = asked.number == 1   ? mine.child
                 : asked.number == 2 ? mine.data
                 : asked.number == 3 ? mine.any()
                 : asked.number == 4 ? mine.persistent
                                     : mine.recursive;
    if (!there) return refused(Err::no_watcher);
    if (op == Op::check_watches) return {};
    if (asked.number == 1) mine.child = false;
    if (asked.number == 2) mine.data = false;
    if (asked.number == 3) mine = {};
    if (asked.number == 4) mine.persistent = false;
    if (asked.number == 5) mine.recursive = false;
    if (!mine.any()) paths.erase(found);
    return {};
}

}  // namespace zk::sim
