// membership.cc -- see membership.h: texts, requests, records, and the entries that change it.

#include "state/membership.h"

#include <algorithm>
#include <charconv>

#include "base/hash.h"
#include "state/commands.h"

namespace zk {

namespace {

constexpr std::string_view blanks = " \t\r\f";
constexpr std::string_view config_path = "/zookeeper/config";

std::string_view trim(std::string_view text) {
    size_t first = text.find_first_not_of(blanks);
    if (first == text.npos) return {};
    return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

template <typename Visit>
Err each_part(std::string_view text, std::string_view separators, Visit&& visit) {
    while (!text.empty()) {
        size_t end = std::min(text.find_first_of(separators), text.size());
        std::string_view part = trim(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
        if (part.empty()) continue;
        if (Err err = visit(part); err != Err::ok) return err;
    }
    return Err::ok;
}

bool parse_id(std::string_view text, int64_t& id, int base = 10) {
    if (text.starts_with('+')) text.remove_prefix(1);
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id, base);
    return error == std::errc() && end == text.data() + text.size();
}

// A name goes into texts that others take apart again.
bool plain_host(std::string_view host) {
    return std::all_of(host.begin(), host.end(), [](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               std::string_view(".-_:%").find(c) != std::string_view::npos;
    });
}

Err parse_member(int64_t id, std::string_view line, Member& member) {
    if (id < 1 || id > member_id_max) return Err::bad_arguments;
    if (!read_member(line, member).empty()) return Err::bad_arguments;
    member.id = id;
    bool plain = plain_host(member.client_address);
    for (const MemberAddress& address : member.addresses)
        plain = plain && plain_host(address.host);
    return plain ? Err::ok : Err::bad_arguments;
}

void erase_member(std::vector<Member>& members, int64_t id) {
    std::erase_if(members, [&](const Member& member) { return member.id == id; });
}

void put_member(std::vector<Member>& members, const Member& member) {
    erase_member(members, member.id);
    auto at = std::find_if(members.begin(), members.end(),
                           [&](const Member& other) { return other.id > member.id; });
    members.insert(at, member);
}

// What many servers may have at once, as all of a test on one machine.
bool special_host(std::string_view host) {
    return host.empty() || host == "0.0.0.0" || host == "::" || host == "localhost" ||
           host == "::1" || host.starts_with("127.");
}

// Every host and port of it that nobody else may have.
std::vector<std::pair<std::string_view, uint16_t>> places(const Member& member) {
    std::vector<std::pair<std::string_view, uint16_t>> all;
    for (const MemberAddress& address : member.addresses) {
        if (special_host(address.host)) continue;
        all.emplace_back(address.host, address.peer_port);
        all.emplace_back(address.host, address.election_port);
    }
    if (member.client_port != 0 && !special_host(member.client_address))
        all.emplace_back(member.client_address, member.client_port);
    return all;
}

bool share_a_place(const Member& one, const Member& other) {
    // Of the ports for the servers not even loopback's: two would never be told apart.
    for (const MemberAddress& mine : one.addresses)
        for (const MemberAddress& its : other.addresses)
            if (mine.host == its.host && mine.peer_port == its.peer_port) return true;
    auto taken = places(other);
    for (const auto& place : places(one))
        if (std::find(taken.begin(), taken.end(), place) != taken.end()) return true;
    return false;
}

size_t count_voters(std::span<const Member> members) {
    return static_cast<size_t>(std::count_if(
        members.begin(), members.end(), [](const Member& member) { return !member.observer; }));
}

// "server.4=host:port:port;port": the number is what stands behind the last dot before the =.
Err join_member(std::string_view joiner, std::vector<Member>& next) {
    size_t equals = joiner.find('=');
    // Java's split forgets empty ends, and so "4=" has one part.
    while (joiner.ends_with('=')) joiner.remove_suffix(1);
    if (equals >= joiner.size() || joiner.find('=', equals + 1) != joiner.npos)
        return Err::bad_arguments;
    std::string_view name = trim(joiner.substr(0, equals));
    int64_t id = 0;
    if (!parse_id(name.substr(name.rfind('.') + 1), id)) return Err::marshalling_error;
    Member member;
    if (Err err = parse_member(id, trim(joiner.substr(equals + 1)), member); err != Err::ok)
        return err;
    if (member.client_port == 0) return Err::bad_arguments;
    for (const Member& other : next)
        if (other.id != id && share_a_place(member, other)) return Err::bad_arguments;
    put_member(next, member);
    return Err::ok;
}

Err plan_some(const ReconfigRequest& asked, std::vector<Member>& next) {
    Err err = each_part(asked.leaving, ",", [&](std::string_view part) {
        int64_t id = 0;
        if (!parse_id(part, id)) return Err::marshalling_error;
        erase_member(next, id);
        return Err::ok;
    });
    if (err != Err::ok) return err;
    return each_part(asked.joining, ",",
                     [&](std::string_view part) { return join_member(part, next); });
}

// A line of Java's properties: the key ends at a blank, "=" or ":".
Err read_line(std::string_view line, std::vector<Member>& next) {
    if (line.starts_with('#') || line.starts_with('!')) return Err::ok;
    size_t end = std::min(line.find_first_of("=: \t"), line.size());
    std::string_view key = line.substr(0, end);
    std::string_view value = trim(line.substr(end));
    if (value.starts_with('=') || value.starts_with(':')) value = trim(value.substr(1));
    int64_t number = 0;
    if (key == "version") return parse_id(value, number, 16) ? Err::ok : Err::marshalling_error;
    if (!key.starts_with("server.")) return Err::bad_arguments;
    if (!parse_id(key.substr(7), number)) return Err::marshalling_error;
    Member member;
    if (Err err = parse_member(number, value, member); err != Err::ok) return err;
    put_member(next, member);
    return Err::ok;
}

Err plan_all(std::string_view lines, bool alone_enabled, std::vector<Member>& next) {
    next.clear();
    Err err = each_part(lines, ",\n", [&](std::string_view line) { return read_line(line, next); });
    if (err != Err::ok) return err;
    // These ZooKeeper does not catch where it catches the others.
    size_t voters = count_voters(next);
    size_t observers = next.size() - voters;
    if (voters == 0 && (!alone_enabled || observers > 0)) return Err::marshalling_error;
    if (voters == 1 && alone_enabled && observers > 0) return Err::marshalling_error;
    for (size_t i = 0; i < next.size(); ++i)
        for (size_t k = 0; k < i; ++k)
            if (share_a_place(next[i], next[k])) return Err::bad_arguments;
    return Err::ok;
}

void write_members(Buffer& out, std::span<const Member> members) {
    out.u32(static_cast<uint32_t>(members.size()));
    for (const Member& member : members) {
        out.u32(static_cast<uint32_t>(member.id));
        write_text(out, member_text(member));
    }
}

void read_members(Reader& in, std::vector<Member>& members) {
    members.clear();
    uint32_t count = in.u32();
    if (count > member_id_max) return in.fail();
    for (uint32_t i = 0; i < count && in.ok(); ++i) {
        Member member;
        int64_t id = in.u32();
        if (parse_member(id, read_text(in), member) != Err::ok) return in.fail();
        if (!members.empty() && members.back().id >= id) return in.fail();
        members.push_back(std::move(member));
    }
}

}  // namespace

std::string membership_text(std::span<const Member> members, uint64_t version) {
    if (members.empty()) return {};
    std::string text;
    for (const Member& member : members)
        text += "server." + std::to_string(member.id) + "=" + member_text(member) + "\n";
    char digits[32];
    snprintf(digits, sizeof digits, "version=%llx", static_cast<unsigned long long>(version));
    return text + digits;
}

Err plan_members(const ReconfigRequest& asked, std::span<const Member> now, bool alone_enabled,
                 std::vector<Member>& next) {
    next.assign(now.begin(), now.end());
    Err err = asked.members.data() != nullptr ? plan_all(asked.members, alone_enabled, next)
                                              : plan_some(asked, next);
    if (err != Err::ok) return err;
    return count_voters(next) < (alone_enabled ? 2u : 1u) ? Err::bad_arguments : Err::ok;
}

bool enough_ready(std::span<const Member> members, std::span<const uint32_t> ready) {
    auto votes = [&](const Member& member) {
        return !member.observer && std::find(ready.begin(), ready.end(),
                                             static_cast<uint32_t>(member.id)) != ready.end();
    };
    auto count = std::count_if(members.begin(), members.end(), votes);
    return static_cast<size_t>(count) > count_voters(members) / 2;
}

void encode(Buffer& out, const Membership& membership) {
    out.u64(membership.version);
    write_members(out, membership.members);
    out.boolean(membership.change.has_value());
    if (!membership.change) return;
    const MembershipChange& change = *membership.change;
    write_members(out, change.members);
    out.u32(change.origin.node);
    out.u64(change.origin.client);
    out.u64(change.origin.request);
    out.boolean(change.joint);
}

void decode(Reader& in, Membership& membership) {
    membership.version = in.u64();
    read_members(in, membership.members);
    membership.change.reset();
    if (!in.boolean()) return;
    MembershipChange& change = membership.change.emplace();
    read_members(in, change.members);
    change.origin.node = in.u32();
    change.origin.client = in.u64();
    change.origin.request = in.u64();
    change.joint = in.boolean();
}

void encode(Buffer& out, const MembershipEntry& entry) {
    write_members(out, entry.members);
    write_members(out, entry.before);
}

void decode(Reader& in, MembershipEntry& entry) {
    read_members(in, entry.members);
    read_members(in, entry.before);
}

void encode_ready(Buffer& out, std::span<const uint32_t> ready) {
    out.u32(static_cast<uint32_t>(ready.size()));
    for (uint32_t id : ready) out.u32(id);
}

std::vector<uint32_t> decode_ready(Reader& in) {
    std::vector<uint32_t> ready;
    uint32_t count = in.u32();
    for (uint32_t i = 0; i < count && in.ok(); ++i) ready.push_back(in.u32());
    return ready;
}

// ---- the entries

// ZooKeeper's checks in its order. All there is to say comes with the change's last entry.
Err write_reconfig(Write& call, Reader& body) {
    State& state = call.state;
    if (!state.rules.reconfig) return Err::reconfig_disabled;
    if (call.session == 0 && call.entry.session != 0) return Err::session_expired;
    const Membership& now = state.membership;
    if (now.members.empty()) return Err::unimplemented;
    std::vector<uint32_t> ready;
    if (call.entry.op == entry_op::reconfig) ready = decode_ready(body);
    ReconfigRequest asked;
    decode(body, asked);
    if (now.change) return Err::reconfig_in_progress;
    if (asked.config_version != -1 && static_cast<uint64_t>(asked.config_version) != now.version)
        return Err::bad_version;
    std::vector<Member> next;
    Err err = plan_members(asked, now.members, state.rules.alone_enabled, next);
    if (err != Err::ok) return err;
    if (!enough_ready(next, ready)) return Err::new_config_no_quorum;
    ZnodeId id = state.tree.find(config_path);
    if (id == 0) return Err::no_node;
    if (!state.allows(state.tree[id].acl, perm::write, call.caller)) return Err::no_auth;
    state.begin_change(std::move(next), call.entry.origin);
    return Err::ok;
}

void State::begin_change(std::vector<Member> next, const Origin& origin) {
    membership.change = {.members = std::move(next), .origin = origin};
    membership_changed();
}

Applied State::run_membership(const Entry& entry, Buffer& reply) {
    MembershipEntry asked;
    Reader in(entry.body);
    decode(in, asked);
    ASSERT(in.ok());
    ASSERT(!asked.members.empty());
    if (!asked.before.empty()) {
        if (!membership.change) membership.change.emplace();
        membership.change->members = std::move(asked.members);
        membership.change->joint = true;
        membership_changed();
        return {};
    }
    membership = {.version = entry.zxid, .members = std::move(asked.members), .change = {}};
    membership_changed();
    show_membership(static_cast<int64_t>(entry.zxid), entry.time_ms);
    ZnodeId id = tree.find(config_path);
    if (id == 0) return {};
    changes.push_back({.type = EventType::data_changed,
                       .id = id,
                       .path = config_path,
                       .acl = tree[id].acl,
                       .parent_acl = 0});
    write_buffer(reply, tree.data(id));
    encode(reply, tree.stat(id));
    return {};
}

// Its version stays at -1, as in ZooKeeper: that of the membership is in the text.
void State::show_membership(int64_t zxid, int64_t time_ms) {
    ZnodeId id = tree.find(config_path);
    if (id == 0) return;
    std::string text = membership_text(membership.members, membership.version);
    int64_t more = static_cast<int64_t>(text.size()) - static_cast<int64_t>(tree.data(id).size());
    tree.set_data(tree.key(config_path), id, as_bytes(text), zxid, time_ms);
    tree.set_version(tree.key(config_path), id, -1);
    quotas.data_changed(config_path, more);
}

void State::membership_changed() {
    Buffer bytes;
    encode(bytes, membership);
    membership_digest_ = membership == Membership() ? 0 : hash64(bytes.bytes(), seed_ ^ 1);
}

void State::found_anew(std::vector<Member> members, int64_t time_ms) {
    membership = {.version = members.empty() ? 0 : zxid_, .members = std::move(members),
                  .change = {}};
    membership_changed();
    show_membership(static_cast<int64_t>(zxid_), time_ms);
}

}  // namespace zk
