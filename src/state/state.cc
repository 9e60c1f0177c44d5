// state.cc -- see state.h: applying entries, firing watches, reaping, snapshots.

#include "state/state.h"

#include <openssl/crypto.h>

#include "base/hash.h"
#include "base/mutation.h"
#include "state/commands.h"
#include "state/path.h"

namespace zk {

namespace {

// A session's id: who made it, when in the log, and a little chance. Unique because a zxid is.
int64_t make_session_id(const Entry& entry, uint16_t chance) {
    uint64_t node = entry.origin.node & 0xff;
    uint64_t when = entry.zxid & ((uint64_t{1} << 40) - 1);
    return static_cast<int64_t>(node << 56 | when << 16 | chance);
}

void write_session(Buffer& out, const Session& session) {
    out.i64(session.id);
    out.i32(session.timeout_ms);
    out.append(Bytes(session.password, password_size));
}

// Sections of a snapshot.
enum Section : uint32_t { section_meta = 1, section_acls, section_sessions, section_znodes };

constexpr uint32_t state_format = 3;  // 3: the digest's terms

constexpr uint64_t znode_bytes_min = 54;  // of a record

void save_znode(Buffer& out, const Tree& tree, ZnodeId id, int64_t depth) {
    const Znode& znode = tree[id];
    out.u32(static_cast<uint32_t>(depth));
    out.u8(static_cast<uint8_t>(znode.kind));
    write_text(out, tree.name(id));
    write_buffer(out, tree.data(id));
    out.u32(znode.acl);
    out.i64(znode.czxid);
    out.i64(znode.mzxid);
    out.i64(znode.ctime);
    out.i64(znode.mtime);
    out.i32(znode.version);
    out.boolean(znode.extra != 0);
    if (znode.extra == 0) return;
    out.i64(tree.pzxid(id));
    out.i64(tree.owner(id));
    out.i32(tree.raw_cversion(id));
    out.i32(tree.aversion(id));
}

}  // namespace

State::State(uint64_t seed)
    : tree(seed, acls), quotas(tree), watches(seed, tree), seed_(seed) {}

void State::restore_special(std::string_view path, ZnodeId parent, AclId acl, int32_t aversion) {
    Tree::Saved saved{
        .znode = {}, .extra = {}, .name = split_path(path).name, .data = as_bytes("")};
    saved.extra.aversion = aversion;
    saved.znode.acl = acl;
    tree.restore(path, parent, saved, nullptr);
}

void State::format(uint64_t zxid) {
    zxid_ = zxid;
    // Restored, not created: they do not count in their parents' cversion, as in ZooKeeper.
    restore_special("/zookeeper", Tree::root, AclTable::open);
    ZnodeId top = tree.find("/zookeeper");
    restore_special("/zookeeper/quota", top, AclTable::open);
    // Its list is set, not born with it, and by way of "any version": -1.
    restore_special("/zookeeper/config", top, AclTable::read_only, -1);
}

uint64_t State::digest() const {
    Buffer bytes;
    encode(bytes, rules);
    return tree.digest() + sessions.digest() + hash64(bytes.bytes(), seed_) + membership_digest_;
}

ZnodeList* State::list_of(ZnodeKind kind, int64_t owner) {
    switch (kind) {
    case ZnodeKind::persistent: return nullptr;
    case ZnodeKind::ephemeral: return &sessions[sessions.find(owner)].ephemerals;
    case ZnodeKind::container:
    case ZnodeKind::ttl: return &reapable;
    }
    return nullptr;
}

void State::remove_znode(const PathKey& key, const PathKey& above, ZnodeId id, int64_t zxid) {
    const Znode& znode = tree[id];
    if (id == reap_at_) reap_at_ = tree.next_in_list(id);
    changes.push_back({.type = EventType::deleted,
                       .id = id,
                       .path = key.path,
                       .acl = znode.acl,
                       .parent_acl = tree[tree.parent(id)].acl});
    size_t bytes = tree.data(id).size();
    tree.remove(key, above, id, zxid, list_of(znode.kind, tree.owner(id)));
    quotas.removed(key.path, bytes);
}

Applied State::apply(const Entry& entry, Buffer& reply, const PathKey& known) {
    ASSERT(entry.zxid == zxid_ + 1);
    known_ = known;
    acls.collect();
    changes.clear();
    kept_.clear();
    events_.clear();
    size_t reply_start = reply.size();
    Applied applied = run(entry, reply);
    if (applied.err != Err::ok || applied.moved) {
        ASSERT(changes.empty());
        reply.truncate(reply_start);
    }
    known_ = {};
    fire();
    tree.sweep();
    zxid_ = entry.zxid;
    term_ = entry.term;
    return applied;
}

Applied State::run(const Entry& entry, Buffer& reply) {
    switch (entry.op) {
    case entry_op::refused: return {.err = Err::system_error};
    case entry_op::no_op:
    case entry_op::readmit: return {};
    case entry_op::rules: {
        Reader in(entry.body);
        decode(in, rules);
        ASSERT(in.ok());
        return {};
    }
    case static_cast<int32_t>(Op::create_session):
    case static_cast<int32_t>(Op::close_session):
    case entry_op::upgrade_session:
    case entry_op::attach_session: return run_session(entry, reply);
    case entry_op::membership: return run_membership(entry, reply);
    default: break;
    }
    bool reconfig = entry.op == entry_op::reconfig;
    const Command* command =
        find_command(reconfig ? static_cast<int32_t>(Op::reconfig) : entry.op);
    ASSERT(command != nullptr);
    ASSERT(command->write != nullptr);
    SessionSlot session = sessions.find(entry.session);
    if (session != 0) {
        const Session& owner = sessions[session];
        bool owns = owner.owner_node == entry.origin.node &&
                    owner.owner_client == entry.origin.client;
        if (!owns && !mutated(Mutation::attach_unchecked))
            return {.err = Err::session_moved, .moved = true};
    }
    identities_.clear();
    bool good = decode(entry.ids, identities_);
    ASSERT(good);
    Write call{.state = *this,
               .entry = entry,
               .caller = identities_,
               .session = session,
               .op = command->op,
               .in_multi = false,
               .reply = reply,
               .result = command->op};
    Reader body(entry.body);
    Err err = command->write(call, body);
    return {.err = err, .moved = false, .held = reconfig && err == Err::ok};
}

Applied State::run_session(const Entry& entry, Buffer& reply) {
    Reader in(entry.body);
    bool upgrade = entry.op == entry_op::upgrade_session;
    if (upgrade || entry.op == static_cast<int32_t>(Op::create_session)) {
        NewSession asked;
        decode(in, asked);
        int64_t id = upgrade ? entry.session : make_session_id(entry, asked.chance);
        if (!in.ok() || asked.password.size() != password_size || asked.timeout_ms <= 0 ||
            id == 0 || sessions.find(id) != 0)
            return {.err = Err::session_expired};
        SessionSlot slot = sessions.create(id, asked.timeout_ms, asked.password, entry.origin);
        write_session(reply, sessions[slot]);
        return {};
    }
    SessionSlot slot = sessions.find(entry.session);
    if (entry.op == entry_op::attach_session) {
        AttachSession asked;
        decode(in, asked);
        if (slot == 0 || !in.ok() || asked.password.size() != password_size ||
            asked.timeout_ms <= 0 ||
            CRYPTO_memcmp(asked.password.data(), sessions[slot].password, password_size) != 0)
            return {.err = Err::session_expired};
        sessions.attach(slot, asked.timeout_ms, entry.origin);
        write_session(reply, sessions[slot]);
        return {};
    }
    if (slot == 0) return {};
    bool by_server = entry.origin.node == 0;
    bool by_owner = sessions[slot].owner_node == entry.origin.node &&
                    sessions[slot].owner_client == entry.origin.client;
    if (!by_server && !by_owner) return {.err = Err::session_moved, .moved = true};
    while (sessions[slot].ephemerals.head != 0) {
        ZnodeId id = sessions[slot].ephemerals.head;
        if (mutated(Mutation::forget_ephemeral) && sessions[slot].ephemerals.count == 1) return {};
        std::string_view path = keep(tree.path(id));
        remove_znode(tree.key(path), tree.key(split_path(path).parent), id,
                     static_cast<int64_t>(entry.zxid));
    }
    sessions.remove(slot);
    return {};
}

void State::fire() {
    for (const Change& change : changes) {
        switch (change.type) {
        case EventType::created:
            watches.created(change.path, change.id, change.acl, change.parent_acl, events_);
            break;
        case EventType::deleted:
            watches.deleted(change.path, change.id, change.acl, change.parent_acl, events_);
            break;
        case EventType::data_changed:
            watches.data_changed(change.path, change.id, change.acl, events_);
            break;
        case EventType::children_changed:
        case EventType::none: break;
        }
    }
}

Err State::read(Op op, Bytes body, const Caller& caller, Buffer& reply, Buffer& notices,
                const PathKey& known) {
    const Command* command = find_command(static_cast<int32_t>(op));
    ASSERT(command != nullptr);
    ASSERT(command->read != nullptr);
    Read call{.state = *this,
              .caller = caller,
              .reply = reply,
              .notices = notices,
              .start = reply.size()};
    Reader in(body);
    known_ = known;
    Err err = command->read(call, op, in);
    known_ = {};
    if (err != Err::ok) reply.truncate(call.start);
    return err;
}

bool State::well_formed(int32_t op, Bytes body) {
    const Command* command = find_command(op);
    Reader in(body);
    return command != nullptr && command->well_formed != nullptr && command->well_formed(in);
}

bool State::reap(const Reaping& how, std::vector<std::string>& bodies) {
    if (reap_at_ == 0) reap_at_ = reapable.head;
    for (size_t looked = 0; looked < how.look_at && reap_at_ != 0; ++looked) {
        ZnodeId id = reap_at_;
        if (bodies.size() >= how.find) return false;
        reap_at_ = tree.next_in_list(id);
        if (tree.child_count(id) > 0) continue;
        const Znode& znode = tree[id];
        int64_t age_ms = how.now_ms - znode.mtime;
        bool unused = tree.raw_cversion(id) == 0;
        bool due = znode.kind == ZnodeKind::ttl ? age_ms > tree.owner(id)
                   : unused ? how.never_used_ms > 0 && age_ms > how.never_used_ms
                            : true;
        if (!due) continue;
        Buffer body;
        encode(body, ReapZnode{.czxid = znode.czxid, .mtime = znode.mtime, .path = tree.path(id)});
        bodies.emplace_back(body.text());
    }
    return reap_at_ == 0;
}

void State::save(void* context, Emit emit) const {
    Buffer record;
    record.u32(state_format);
    record.u64(seed_);
    encode(record, rules);
    encode(record, membership);
    record.u32(tree.count());
    emit(context, section_meta, record.bytes());
    for (AclId acl = AclTable::read_only + 1; acl < acls.end(); ++acl) {
        if (!acls.has(acl)) continue;
        record.clear();
        record.u32(acl);
        write_buffer(record, acls.bytes(acl));
        emit(context, section_acls, record.bytes());
    }
    for (SessionSlot slot = 1; slot < sessions.end(); ++slot) {
        const Session& session = sessions[slot];
        if (session.timeout_ms == 0) continue;
        record.clear();
        write_session(record, session);
        record.u32(session.owner_node);
        record.u64(session.owner_client);
        emit(context, section_sessions, record.bytes());
    }
    int64_t depth = 0;
    for (ZnodeId id = Tree::root; id != 0; id = tree.next_in_walk(id, depth)) {
        record.clear();
        save_znode(record, tree, id, depth);
        emit(context, section_znodes, record.bytes());
    }
}

static Error twins() { return {.text = "two znodes until here have the same path"}; }

Result<uint64_t> State::load(uint32_t section, Reader& in) {
    uint64_t count = 0;
    bool good = true;
    if (section == section_znodes) {
        good = load_znodes(in, count);
        if (good && tree.unplaced() >= load_together_ && !tree.place()) return twins();
    } else {
        for (; good && in.left() > 0; ++count) {
            switch (section) {
            case section_meta: good = load_meta(in); break;
            case section_acls: good = load_acl(in); break;
            case section_sessions: good = load_session(in); break;
            default: good = false;
            }
            good = good && in.ok();
        }
    }
    if (good && count > 0) return count;
    return Error{.text = "a record of section " + std::to_string(section) + " makes no sense"};
}

bool State::load_meta(Reader& in) {
    uint32_t format = in.u32();
    uint64_t seed = in.u64();
    decode(in, rules);
    decode(in, membership);
    membership_changed();
    uint64_t count = in.u32();
    if (!in.ok() || format != state_format || seed != seed_) return false;
    constexpr uint64_t most = 1u << 30;  // of a table; there is no memory for so many
    tree.expect(static_cast<uint32_t>(std::min({count, load_bytes_ / znode_bytes_min, most})));
    return true;
}

bool State::load_acl(Reader& in) {
    AclId acl = in.u32();
    Bytes bytes = read_buffer(in);
    return in.ok() && acls.restore(acl, bytes);
}

bool State::load_session(Reader& in) {
    int64_t id = in.i64();
    int32_t timeout_ms = in.i32();
    Bytes password = in.bytes(password_size);
    Origin owner{.node = in.u32()};
    owner.client = in.u64();
    if (!in.ok() || id == 0 || timeout_ms <= 0 || sessions.find(id) != 0) return false;
    sessions.create(id, timeout_ms, password, owner);
    return true;
}

bool State::load_znodes(Reader& in, uint64_t& count) {
    for (; in.left() > 0; ++count)
        if (!load_znode(in)) return false;
    return true;
}

bool State::load_znode(Reader& in) {
    Tree::Saved saved{};
    uint32_t depth = in.u32();
    uint8_t kind = in.u8();
    saved.name = read_text(in);
    saved.data = read_buffer(in);
    saved.znode.kind = static_cast<ZnodeKind>(kind);
    saved.znode.acl = in.u32();
    saved.znode.czxid = in.i64();
    saved.znode.mzxid = in.i64();
    saved.znode.ctime = in.i64();
    saved.znode.mtime = in.i64();
    saved.znode.version = in.i32();
    saved.extra.pzxid = saved.znode.czxid;
    if (in.boolean()) {
        saved.extra.pzxid = in.i64();
        saved.extra.owner = in.i64();
        saved.extra.cversion = in.i32();
        saved.extra.aversion = in.i32();
    }
    bool is_root = load_way_.empty();
    if (!in.ok() || kind > static_cast<uint8_t>(ZnodeKind::ttl) || !acls.has(saved.znode.acl))
        return false;
    if (depth > load_way_.size() || (depth == 0) != is_root || saved.name.empty() != is_root ||
        saved.name.find('/') != saved.name.npos)
        return false;
    bool ephemeral = saved.znode.kind == ZnodeKind::ephemeral;
    if (ephemeral && sessions.find(saved.extra.owner) == 0) return false;
    if (is_root && saved.znode.kind != ZnodeKind::persistent) return false;
    complete_below(depth);
    ZnodeId parent = 0;
    if (!is_root) {
        parent = load_way_.back().id;
        if (tree[parent].kind == ZnodeKind::ephemeral) return false;
        load_path_.resize(load_way_.back().path_size);
        load_path_ += '/';
        load_path_ += saved.name;
    }
    uint64_t hash = tree.hash_path(load_path_);
    ZnodeList* list = list_of(saved.znode.kind, saved.extra.owner);
    ZnodeId id = tree.put_back(hash, load_path_.size(), parent, saved, list);
    load_way_.push_back({.id = id, .hash = hash, .path_size = load_path_.size()});
    return true;
}

// Of those further down on the way no more children come.
void State::complete_below(size_t depth) {
    while (load_way_.size() > depth) {
        tree.complete(load_way_.back().hash, load_way_.back().id);
        load_way_.pop_back();
    }
}

Result<void> State::load_end(uint64_t zxid, uint64_t term, uint64_t digest) {
    complete_below(0);
    load_path_.clear();
    if (!tree.place_rest()) return twins();
    acls.restored();
    quotas.rebuild();
    zxid_ = zxid;
    term_ = term;
    if (this->digest() == digest) return {};
    return Error{.text = "the digest of what was loaded is not the one in the file"};
}

}  // namespace zk
