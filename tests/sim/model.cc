// model.cc -- see model.h: what entries do.

#include "model.h"

#include <algorithm>
#include <climits>

#include "state/acl.h"
#include "state/commands.h"
#include "state/membership.h"

namespace zk::sim {

namespace {

std::string parent_of(std::string_view path) {
    size_t slash = path.rfind('/');
    return slash == 0 ? "/" : std::string(path.substr(0, slash));
}
std::string name_of(std::string_view path) { return std::string(path.substr(path.rfind('/') + 1)); }

// PathUtils.validatePath, for the characters that simulated clients use: ASCII, and two-byte UTF-8
// from U+00A0 on.
bool good_path(std::string_view path) {
    if (path.empty() || path[0] != '/') return false;
    if (path == "/") return true;
    if (path.back() == '/') return false;
    std::string part;
    for (size_t i = 1; i <= path.size(); ++i) {
        if (i < path.size() && path[i] != '/') {
            unsigned char c = static_cast<unsigned char>(path[i]);
            if (c < 0x20 || c == 0x7f) return false;
            part += path[i];
            continue;
        }
        if (part.empty() || part == "." || part == "..") return false;
        part.clear();
    }
    return true;
}

bool is_special(std::string_view path) {
    return path == "/" || path == "/zookeeper" || path == "/zookeeper/quota" ||
           path == "/zookeeper/config";
}

std::vector<std::string> split(std::string_view text, char at) {
    std::vector<std::string> parts(1);
    for (char c : text) {
        if (c == at)
            parts.emplace_back();
        else
            parts.back() += c;
    }
    while (!parts.empty() && parts.back().empty()) parts.pop_back();
    return parts;
}

// "10.0.0.1" as a number; nothing: no such address.
std::optional<uint32_t> parse_ip(std::string_view text) {
    if (text.empty() || text.back() == '.') return std::nullopt;
    std::vector<std::string> parts = split(text, '.');
    if (parts.size() != 4) return std::nullopt;
    uint32_t ip = 0;
    for (const std::string& part : parts) {
        if (part.empty() || part.size() > 3) return std::nullopt;
        uint32_t value = 0;
        for (char c : part) {
            if (c < '0' || c > '9') return std::nullopt;
            value = value * 10 + static_cast<uint32_t>(c - '0');
        }
        if (value > 255) return std::nullopt;
        ip = ip << 8 | value;
    }
    return ip;
}

struct IpRange {
    uint32_t ip;
    int bits;
};
std::optional<IpRange> parse_ip_range(std::string_view text) {
    size_t slash = text.find('/');
    std::optional<uint32_t> ip = parse_ip(text.substr(0, slash));
    if (!ip) return std::nullopt;
    if (slash == text.npos) return IpRange{*ip, 32};
    std::string bits(text.substr(slash + 1));
    if (bits.empty() || bits.size() > 2 || bits.find_first_not_of("0123456789") != bits.npos)
        return std::nullopt;
    int count = std::stoi(bits);
    if (count > 32) return std::nullopt;
    return IpRange{*ip, count};
}

bool id_fits(const ModelAcl& acl, const std::string& id) {
    if (acl.scheme != "ip") return acl.id == id;
    std::optional<IpRange> range = parse_ip_range(acl.id);
    std::optional<uint32_t> mine = parse_ip(id);
    if (!range || !mine) return false;
    if (range->bits == 0) return true;
    return (range->ip ^ *mine) >> (32 - range->bits) == 0;
}

void append_stat(std::string& reply, const ModelZnode& znode) {
    Buffer out;
    encode(out, znode.stat());
    reply += out.text();
}

void append_text(std::string& reply, std::string_view text) {
    Buffer out;
    write_text(out, text);
    reply += out.text();
}

bool version_fits(int32_t asked, int32_t actual) { return asked == -1 || asked == actual; }

std::optional<std::string> owned(Bytes bytes) {
    if (bytes.data() == nullptr) return std::nullopt;
    return std::string(as_text(bytes));
}

void append_multi_header(std::string& reply, int32_t type, bool done, int32_t err) {
    Buffer out;
    encode(out, MultiHeader{.type = type, .done = done, .err = err});
    reply += out.text();
}

// The type of a create's result within a multi.
int32_t result_type(Op op, int32_t flags) {
    bool stat = op == Op::create2 || op == Op::create_container || flags == 4;
    if (op == Op::create_ttl) stat = flags >= 4;
    return stat ? static_cast<int32_t>(Op::create2) : static_cast<int32_t>(Op::create);
}

bool makes(Op op) {
    return op == Op::create || op == Op::create2 || op == Op::create_container ||
           op == Op::create_ttl;
}

}  // namespace

Stat ModelZnode::stat() const {
    int32_t count = static_cast<int32_t>(children.size());
    return {.czxid = czxid,
            .mzxid = mzxid,
            .ctime = ctime,
            .mtime = mtime,
            .version = version,
            .cversion = 2 * created - count,
            .aversion = aversion,
            .ephemeral_owner = kind == ModelKind::ephemeral ? owner : 0,
            .data_length = data ? static_cast<int32_t>(data->size()) : 0,
            .num_children = count,
            .pzxid = pzxid};
}

Model::Model() {
    AclList open{{.perms = 31, .scheme = "world", .id = "anyone"}};
    AclList read_only{{.perms = 1, .scheme = "world", .id = "anyone"}};
    for (const char* path : {"/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config"}) {
        ModelZnode& znode = znodes_[path];
        znode.data = "";
        znode.acl = std::string_view(path) == "/zookeeper/config" ? read_only : open;
    }
    znodes_["/zookeeper/config"].aversion = -1;
    znodes_["/"].children.insert("zookeeper");
    znodes_["/zookeeper"].children = {"quota", "config"};
}

ModelZnode* Model::find(std::string_view path) {
    auto found = znodes_.find(path.empty() ? "/" : std::string(path));
    return found == znodes_.end() ? nullptr : &found->second;
}

bool Model::allows(const AclList& acl, int32_t perms, const Who& who) const {
    if (skip_acl_ || acl.empty()) return true;
    for (const auto& [scheme, id] : who)
        if (scheme == "super") return true;
    for (const ModelAcl& entry : acl) {
        if ((entry.perms & perms) == 0) continue;
        if (entry.scheme == "world" && entry.id == "anyone") return true;
        for (const auto& [scheme, id] : who)
            if (scheme == entry.scheme && id_fits(entry, id)) return true;
    }
    return false;
}

// What is stored for the list that was asked for (PrepRequestProcessor.fixupACL).
Err Model::fix_acl(Bytes bytes, const Who& who, AclList& out) const {
    Reader in(bytes);
    AclList asked;
    for (const Acl& acl : read_acls(in)) {
        ModelAcl mine{.perms = acl.perms,
                      .scheme = std::string(acl.scheme),
                      .id = std::string(acl.id)};
        if (std::find(asked.begin(), asked.end(), mine) == asked.end()) asked.push_back(mine);
    }
    if (asked.empty()) return Err::invalid_acl;
    for (const ModelAcl& acl : asked) {
        bool good = false;
        if (acl.scheme == "world") {
            good = acl.id == "anyone";
            out.push_back(acl);
        } else if (acl.scheme == "auth") {
            for (const auto& [scheme, id] : who) {
                if (scheme != "digest") continue;
                out.push_back({.perms = acl.perms, .scheme = scheme, .id = id});
                good = true;
            }
        } else if (acl.scheme == "digest") {
            good = split(acl.id, ':').size() == 2;
            out.push_back(acl);
        } else if (acl.scheme == "ip") {
            good = parse_ip_range(acl.id).has_value();
            out.push_back(acl);
        }
        if (!good) return Err::invalid_acl;
    }
    return Err::ok;
}

ModelOutcome Model::apply(const Entry& entry) {
    ASSERT(zxid_ == 0 || entry.zxid == zxid_ + 1);
    zxid_ = entry.zxid;
    changes_.clear();
    events_.clear();
    ModelOutcome outcome;
    if (entry.op == entry_op::no_op || entry.op == entry_op::readmit) return outcome;
    if (entry.op == entry_op::refused)
        return {.err = Err::system_error, .moved = false, .reply = ""};
    if (entry.op == entry_op::rules) {
        uint32_t bits = Reader(entry.body).u32();
        skip_acl_ = (bits & 2) != 0;
        extended_ = (bits & 4) != 0;
        reconfig_ = (bits & 8) != 0;
        alone_ = (bits & 16) != 0;
        return outcome;
    }
    if (entry.op == entry_op::membership) {
        outcome = show_membership(entry);
    } else if (entry.op == static_cast<int32_t>(Op::delete_container)) {
        outcome = reap(entry);
    } else if (entry.op == static_cast<int32_t>(Op::create_session) ||
               entry.op == static_cast<int32_t>(Op::close_session) ||
               entry.op == entry_op::attach_session) {
        outcome = apply_session(entry);
    } else {
        auto session = sessions_.find(entry.session);
        if (session != sessions_.end() && (session->second.owner_node != entry.origin.node ||
                                           session->second.owner_client != entry.origin.client))
            return {.err = Err::session_moved, .moved = true, .reply = ""};
        std::vector<Identity> identities;
        bool good = decode(entry.ids, identities);
        ASSERT(good);
        Op op = entry.op == entry_op::reconfig ? Op::reconfig : static_cast<Op>(entry.op);
        Write write{.entry = entry, .who = {}, .op = op, .in_multi = false};
        for (const Identity& identity : identities)
            write.who.emplace_back(identity.scheme, identity.id);
        Reader in(entry.body);
        outcome = write.op == Op::multi ? multi(write, in) : run(write, in);
    }
    if (outcome.err != Err::ok) outcome.reply.clear();
    fire();
    return outcome;
}

ModelOutcome Model::apply_session(const Entry& entry) {
    if (entry.op == entry_op::attach_session) return attach(entry);
    if (entry.op == static_cast<int32_t>(Op::close_session)) return close(entry);
    Reader in(entry.body);
    NewSession asked;
    decode(in, asked);
    int64_t id = session_id(entry);
    ModelSession& session = sessions_[id];
    session = {.timeout_ms = asked.timeout_ms,
               .password = std::string(as_text(asked.password)),
               .owner_node = entry.origin.node,
               .owner_client = entry.origin.client};
    Buffer out;
    out.i64(id);
    out.i32(session.timeout_ms);
    out.append(session.password);
    return {.err = Err::ok, .moved = false, .reply = std::string(out.text())};
}

int64_t Model::session_id(const Entry& entry) {
    Reader in(entry.body);
    NewSession asked;
    decode(in, asked);
    return static_cast<int64_t>(uint64_t{entry.origin.node & 0xff} << 56 |
                                (entry.zxid & ((uint64_t{1} << 40) - 1)) << 16 | asked.chance);
}

ModelOutcome Model::attach(const Entry& entry) {
    Reader in(entry.body);
    AttachSession asked;
    decode(in, asked);
    auto found = sessions_.find(entry.session);
    if (found == sessions_.end() || found->second.password != as_text(asked.password))
        return {.err = Err::session_expired, .moved = false, .reply = ""};
    ModelSession& session = found->second;
    session.timeout_ms = asked.timeout_ms;
    session.owner_node = entry.origin.node;
    session.owner_client = entry.origin.client;
    Buffer out;
    out.i64(entry.session);
    out.i32(session.timeout_ms);
    out.append(session.password);
    return {.err = Err::ok, .moved = false, .reply = std::string(out.text())};
}

ModelOutcome Model::close(const Entry& entry) {
    auto found = sessions_.find(entry.session);
    if (found == sessions_.end()) return {};
    bool by_owner = found->second.owner_node == entry.origin.node &&
                    found->second.owner_client == entry.origin.client;
    if (entry.origin.node != 0 && !by_owner)
        return {.err = Err::session_moved, .moved = true, .reply = ""};
    std::vector<std::string> mine;
    for (const auto& [path, znode] : znodes_)
        if (znode.kind == ModelKind::ephemeral && znode.owner == entry.session)
            mine.push_back(path);
    for (const std::string& path : mine) take_away(path, static_cast<int64_t>(entry.zxid));
    sessions_.erase(found);
    return {};
}

// A reaper's entry must fit the rules of containers and TTLs, and may come too late.
ModelOutcome Model::reap(const Entry& entry) {
    Reader in(entry.body);
    ReapZnode asked;
    decode(in, asked);
    ModelZnode* znode = find(asked.path);
    if (entry.origin.node != 0) broken_ = "a client's deleteContainer is in the log";
    if (znode == nullptr) return {.err = Err::no_node, .moved = false, .reply = ""};
    bool same = znode->czxid == asked.czxid && znode->mtime == asked.mtime;
    bool kind = znode->kind == ModelKind::container || znode->kind == ModelKind::ttl;
    if (!same || !kind) return {.err = Err::bad_version, .moved = false, .reply = ""};
    if (!znode->children.empty()) return {.err = Err::not_empty, .moved = false, .reply = ""};
    if (znode->kind == ModelKind::container && znode->created == 0)
        broken_ = "a container that never had a child was reaped: " + std::string(asked.path);
    if (znode->kind == ModelKind::ttl && entry.time_ms - znode->mtime <= znode->ttl_ms)
        broken_ = "a TTL znode was reaped before its time: " + std::string(asked.path);
    take_away(std::string(asked.path), static_cast<int64_t>(entry.zxid));
    return {};
}

void Model::take_away(const std::string& path, int64_t zxid) {
    ModelZnode* parent = find(parent_of(path));
    changes_.push_back({.type = EventType::deleted,
                        .path = path,
                        .acl = znodes_[path].acl,
                        .parent_acl = parent->acl});
    parent->children.erase(name_of(path));
    parent->pzxid = zxid;
    znodes_.erase(path);
}

ModelOutcome Model::multi(const Write& write, Reader& in) {
    auto before = znodes_;
    std::vector<Err> verdicts;
    ModelOutcome all;
    Err failed = Err::ok;
    for (;;) {
        MultiHeader header;
        decode(in, header);
        if (header.done) break;
        Write part{.entry = write.entry,
                   .who = write.who,
                   .op = static_cast<Op>(header.type),
                   .in_multi = true};
        if (failed != Err::ok) {
            // Only to get past it.
            auto kept = znodes_;
            auto kept_changes = changes_;
            run(part, in);
            znodes_ = std::move(kept);
            changes_ = std::move(kept_changes);
            verdicts.push_back(Err::runtime_inconsistency);
            continue;
        }
        Reader look = in;
        CreateRequest create_record;
        if (makes(part.op)) decode(look, create_record, part.op == Op::create_ttl);
        ModelOutcome one = run(part, in);
        verdicts.push_back(one.err);
        failed = one.err;
        int32_t type = makes(part.op) ? result_type(part.op, create_record.flags) : header.type;
        append_multi_header(all.reply, type, false, 0);
        all.reply += one.reply;
    }
    if (failed != Err::ok) {
        znodes_ = std::move(before);
        changes_.clear();
        all.reply.clear();
        for (Err verdict : verdicts) {
            append_multi_header(all.reply, -1, false, static_cast<int32_t>(verdict));
            Buffer code;
            code.i32(static_cast<int32_t>(verdict));
            all.reply += code.text();
        }
    }
    append_multi_header(all.reply, -1, true, -1);
    return all;
}

ModelOutcome Model::run(const Write& write, Reader& in) {
    switch (write.op) {
    case Op::remove: return remove(write, in);
    case Op::set_data: return set_data(write, in);
    case Op::set_acl: return set_acl(write, in);
    case Op::check: return check(write, in);
    case Op::reconfig: return reconfig(write, in);
    default: break;
    }
    ASSERT(makes(write.op));
    return create(write, in);
}

// Opcode against flags.
Err Model::plan(const Write& write, const CreateRequest& asked, ModelZnode& znode) const {
    if (asked.flags < 0 || asked.flags > 6) return Err::bad_arguments;
    bool ttl_flag = asked.flags >= 5;
    if (ttl_flag) {
        if (!extended_) return Err::unimplemented;
        if (asked.ttl_ms < 1 || asked.ttl_ms >= int64_t{1} << 40) return Err::bad_arguments;
        znode.kind = ModelKind::ttl;
        znode.ttl_ms = asked.ttl_ms;
        return Err::ok;
    }
    if (write.op == Op::create_ttl && !write.in_multi) return Err::bad_arguments;
    if (write.op == Op::create_container || (asked.flags == 4 && write.in_multi)) {
        znode.kind = ModelKind::container;
    } else if (asked.flags == 1 || asked.flags == 3) {
        znode.kind = ModelKind::ephemeral;
        znode.owner = write.entry.session;
    }
    return Err::ok;
}

ModelOutcome Model::create(const Write& write, Reader& in) {
    CreateRequest asked;
    decode(in, asked, write.op == Op::create_ttl);
    auto refused = [](Err err) { return ModelOutcome{.err = err, .moved = false, .reply = ""}; };
    ModelZnode znode;
    if (Err err = plan(write, asked, znode); err != Err::ok) return refused(err);
    if (!alive(write.entry)) return refused(Err::session_expired);
    if (asked.path.data() == nullptr) return refused(Err::marshalling_error);
    std::string path(asked.path);
    if (path.find('/') == path.npos || path.find('\0') != path.npos)
        return refused(Err::bad_arguments);
    if (Err err = fix_acl(asked.acls, write.who, znode.acl); err != Err::ok) return refused(err);
    std::string parent_path = path.substr(0, path.rfind('/'));
    ModelZnode* parent = find(parent_path);
    if (parent == nullptr) return refused(Err::no_node);
    if (!allows(parent->acl, perm::create, write.who)) return refused(Err::no_auth);
    if (asked.flags == 2 || asked.flags == 3 || asked.flags == 6) {
        char digits[16];
        snprintf(digits, sizeof digits, "%010d", parent->created);
        path += digits;
    }
    if (!good_path(path)) return refused(Err::bad_arguments);
    if (find(path) != nullptr) return refused(Err::node_exists);
    if (parent->kind == ModelKind::ephemeral) return refused(Err::no_children_for_ephemerals);

    znode.data = owned(asked.data);
    znode.czxid = znode.mzxid = znode.pzxid = static_cast<int64_t>(write.entry.zxid);
    znode.ctime = znode.mtime = write.entry.time_ms;
    parent->children.insert(name_of(path));
    if (parent->created < INT_MAX) ++parent->created;
    parent->pzxid = znode.czxid;
    changes_.push_back({.type = EventType::created,
                        .path = path,
                        .acl = znode.acl,
                        .parent_acl = parent->acl});
    ModelOutcome done;
    append_text(done.reply, path);
    bool stat = write.in_multi
                    ? result_type(write.op, asked.flags) == static_cast<int32_t>(Op::create2)
                    : write.op != Op::create;
    if (stat) append_stat(done.reply, znode);
    znodes_[path] = std::move(znode);
    return done;
}

ModelOutcome Model::remove(const Write& write, Reader& in) {
    PathVersion asked;
    decode(in, asked);
    auto refused = [](Err err) { return ModelOutcome{.err = err, .moved = false, .reply = ""}; };
    if (!alive(write.entry)) return refused(Err::session_expired);
    if (asked.path.data() == nullptr) return refused(Err::marshalling_error);
    std::string path(asked.path);
    if (path.find('/') == path.npos || path.find('\0') != path.npos || is_special(path))
        return refused(Err::bad_arguments);
    ModelZnode* parent = find(path.substr(0, path.rfind('/')));
    if (parent == nullptr) return refused(Err::no_node);
    if (!allows(parent->acl, perm::remove, write.who)) return refused(Err::no_auth);
    ModelZnode* znode = find(path);
    if (znode == nullptr) return refused(Err::no_node);
    if (!version_fits(asked.version, znode->version)) return refused(Err::bad_version);
    if (!znode->children.empty()) return refused(Err::not_empty);
    take_away(path, static_cast<int64_t>(write.entry.zxid));
    return {};
}

// The file's servers, or what a change of them came to.
ModelOutcome Model::show_membership(const Entry& entry) {
    MembershipEntry named;
    Reader in(entry.body);
    decode(in, named);
    auto same = [&](const std::vector<Member>& members) {
        return membership_text(members, 0) == membership_text(named.members, 0);
    };
    ModelZnode* znode = find("/zookeeper/config");
    if (!named.before.empty()) {
        if (!membership_.change || !same(membership_.change->members))
            broken_ = "a change of the membership becomes another one";
        membership_.change.emplace().members = named.members;
        return {};
    }
    if (!membership_.members.empty() &&
        (!membership_.change || !same(membership_.change->members)))
        broken_ = "the membership changes without a joint phase";
    membership_ = {.version = entry.zxid, .members = named.members, .change = {}};
    if (znode == nullptr) return {};
    znode->data = membership_text(named.members, entry.zxid);
    znode->version = -1;
    znode->mzxid = static_cast<int64_t>(entry.zxid);
    znode->mtime = entry.time_ms;
    changes_.push_back({.type = EventType::data_changed,
                        .path = "/zookeeper/config",
                        .acl = znode->acl,
                        .parent_acl = {}});
    Buffer out;
    write_buffer(out, as_bytes(*znode->data));
    encode(out, znode->stat());
    return {.err = Err::ok, .reply = std::string(out.text())};
}

// What lines mean, and which sets may be, is asked of src/state: unit tests know that.
ModelOutcome Model::reconfig(const Write& write, Reader& in) {
    if (!reconfig_) return {.err = Err::reconfig_disabled};
    if (!alive(write.entry)) return {.err = Err::session_expired};
    if (membership_.members.empty()) return {.err = Err::unimplemented};
    std::vector<uint32_t> ready;
    if (write.entry.op == entry_op::reconfig) ready = decode_ready(in);
    ReconfigRequest asked;
    decode(in, asked);
    if (membership_.change) return {.err = Err::reconfig_in_progress};
    bool fits = asked.config_version == -1 ||
                static_cast<uint64_t>(asked.config_version) == membership_.version;
    if (!fits) return {.err = Err::bad_version};
    std::vector<Member> next;
    Err err = plan_members(asked, membership_.members, alone_, next);
    if (err != Err::ok) return {.err = err};
    if (!enough_ready(next, ready)) return {.err = Err::new_config_no_quorum};
    ModelZnode* znode = find("/zookeeper/config");
    if (znode == nullptr) return {.err = Err::no_node};
    if (!allows(znode->acl, perm::write, write.who)) return {.err = Err::no_auth};
    membership_.change.emplace().members = std::move(next);
    return {.err = Err::ok, .held = true};
}

ModelOutcome Model::set_data(const Write& write, Reader& in) {
    SetDataRequest asked;
    decode(in, asked);
    auto refused = [](Err err) { return ModelOutcome{.err = err, .moved = false, .reply = ""}; };
    if (!alive(write.entry)) return refused(Err::session_expired);
    if (!good_path(asked.path)) return refused(Err::bad_arguments);
    ModelZnode* znode = find(asked.path);
    if (znode == nullptr) return refused(Err::no_node);
    if (!allows(znode->acl, perm::write, write.who)) return refused(Err::no_auth);
    if (!version_fits(asked.version, znode->version)) return refused(Err::bad_version);
    znode->data = owned(asked.data);
    ++znode->version;
    znode->mzxid = static_cast<int64_t>(write.entry.zxid);
    znode->mtime = write.entry.time_ms;
    changes_.push_back({.type = EventType::data_changed,
                        .path = std::string(asked.path),
                        .acl = znode->acl,
                        .parent_acl = {}});
    ModelOutcome done;
    append_stat(done.reply, *znode);
    return done;
}

ModelOutcome Model::set_acl(const Write& write, Reader& in) {
    SetAclRequest asked;
    decode(in, asked);
    auto refused = [](Err err) { return ModelOutcome{.err = err, .moved = false, .reply = ""}; };
    if (!alive(write.entry)) return refused(Err::session_expired);
    if (!good_path(asked.path)) return refused(Err::bad_arguments);
    AclList acl;
    if (Err err = fix_acl(asked.acls, write.who, acl); err != Err::ok) return refused(err);
    ModelZnode* znode = find(asked.path);
    if (znode == nullptr) return refused(Err::no_node);
    if (!allows(znode->acl, perm::admin, write.who)) return refused(Err::no_auth);
    if (!version_fits(asked.version, znode->aversion)) return refused(Err::bad_version);
    znode->acl = std::move(acl);
    ++znode->aversion;
    ModelOutcome done;
    append_stat(done.reply, *znode);
    return done;
}

ModelOutcome Model::check(const Write& write, Reader& in) {
    PathVersion asked;
    decode(in, asked);
    auto refused = [](Err err) { return ModelOutcome{.err = err, .moved = false, .reply = ""}; };
    if (!alive(write.entry)) return refused(Err::session_expired);
    if (!good_path(asked.path)) return refused(Err::bad_arguments);
    ModelZnode* znode = find(asked.path);
    if (znode == nullptr) return refused(Err::no_node);
    if (!allows(znode->acl, perm::read, write.who)) return refused(Err::no_auth);
    return refused(version_fits(asked.version, znode->version) ? Err::ok : Err::bad_version);
}

}  // namespace zk::sim
