// acl.cc -- see acl.h.

#include "state/acl.h"

#include <openssl/evp.h>

#include <algorithm>
#include <charconv>

#include "base/hash.h"

namespace zk {

namespace {

struct Ip {
    uint8_t bytes[16] = {};
    size_t size = 0;
};

bool parse_ipv4(std::string_view text, Ip& ip) {
    ip.size = 4;
    for (size_t part = 0; part < 4; ++part) {
        size_t end = part < 3 ? text.find('.') : text.size();
        if (end == std::string_view::npos || end == 0 || end > 10) return false;
        unsigned value = 0;
        auto [rest, error] = std::from_chars(text.data(), text.data() + end, value);
        if (error != std::errc() || rest != text.data() + end || value > 255) return false;
        ip.bytes[part] = static_cast<uint8_t>(value);
        text.remove_prefix(part < 3 ? end + 1 : end);
    }
    return true;
}

// Groups of hexadecimal digits with at most one "::"; a zone after '%' is ignored.
bool parse_ipv6(std::string_view text, Ip& ip) {
    text = text.substr(0, text.find('%'));
    ip.size = 16;
    uint16_t groups[8] = {};
    size_t count = 0;
    size_t gap = 8;
    if (text.starts_with("::")) {
        gap = 0;
        text.remove_prefix(2);
    }
    while (!text.empty()) {
        if (count == 8) return false;
        size_t end = std::min(text.find(':'), text.size());
        unsigned value = 0;
        auto [rest, error] = std::from_chars(text.data(), text.data() + end, value, 16);
        if (end == 0 || end > 4 || error != std::errc() || rest != text.data() + end) return false;
        groups[count++] = static_cast<uint16_t>(value);
        text.remove_prefix(end);
        if (text.empty()) break;
        text.remove_prefix(1);
        if (text.starts_with(':')) {
            if (gap != 8) return false;
            gap = count;
            text.remove_prefix(1);
        } else if (text.empty()) {
            return false;
        }
    }
    if (gap == 8 && count != 8) return false;
    size_t missing = 8 - count;
    if (gap != 8 && missing == 0) return false;
    for (size_t i = 0; i < count; ++i) {
        size_t at = i < gap ? i : i + missing;
        ip.bytes[at * 2] = static_cast<uint8_t>(groups[i] >> 8);
        ip.bytes[at * 2 + 1] = static_cast<uint8_t>(groups[i]);
    }
    return true;
}

bool parse_ip(std::string_view text, Ip& ip) {
    return text.find(':') == std::string_view::npos ? parse_ipv4(text, ip) : parse_ipv6(text, ip);
}

// "address" or "address/bits".
bool parse_ip_range(std::string_view text, Ip& ip, size_t& bits) {
    size_t slash = text.find('/');
    if (!parse_ip(text.substr(0, slash), ip)) return false;
    bits = ip.size * 8;
    if (slash == std::string_view::npos) return true;
    std::string_view number = text.substr(slash + 1);
    size_t value = 0;
    auto [rest, error] = std::from_chars(number.data(), number.data() + number.size(), value);
    if (error != std::errc() || rest != number.data() + number.size() || value > bits) return false;
    bits = value;
    return true;
}

bool ip_matches(std::string_view address, std::string_view range) {
    Ip mine;
    Ip wanted;
    size_t bits = 0;
    if (!parse_ip_range(range, wanted, bits) || !parse_ip(address, mine)) return false;
    if (mine.size != wanted.size) return false;
    size_t whole = bits / 8;
    if (!std::equal(mine.bytes, mine.bytes + whole, wanted.bytes)) return false;
    if (bits % 8 == 0) return true;
    int mask = 0xff << (8 - bits % 8);
    return ((mine.bytes[whole] ^ wanted.bytes[whole]) & mask) == 0;
}

// Exactly two parts when split at ':', empty ones at the end not counted.
bool digest_valid(std::string_view id) {
    while (id.ends_with(':')) id.remove_suffix(1);
    size_t colon = id.find(':');
    return colon != std::string_view::npos && id.find(':', colon + 1) == std::string_view::npos;
}

bool ip_valid(std::string_view id) {
    Ip ip;
    size_t bits = 0;
    return parse_ip_range(id, ip, bits);
}

bool text_matches(std::string_view mine, std::string_view wanted) { return mine == wanted; }

// The authentication schemes that this server has.
struct Scheme {
    std::string_view name;
    bool authenticated;  // counts for `auth` entries
    bool (*valid)(std::string_view id);
    bool (*matches)(std::string_view mine, std::string_view wanted);
};
constexpr Scheme schemes[] = {
    {.name = "digest", .authenticated = true, .valid = digest_valid, .matches = text_matches},
    {.name = "ip", .authenticated = false, .valid = ip_valid, .matches = ip_matches},
};

const Scheme* find_scheme(std::string_view name) {
    for (const Scheme& scheme : schemes)
        if (scheme.name == name) return &scheme;
    return nullptr;
}

bool is_world(const Acl& acl) { return acl.scheme == "world" && acl.id == "anyone"; }

Err expand_auth(int32_t perms, Identities caller, std::vector<Acl>& fit) {
    bool any = false;
    for (const Identity& identity : caller) {
        const Scheme* scheme = find_scheme(identity.scheme);
        if (scheme == nullptr || !scheme->authenticated) continue;
        any = true;
        fit.push_back({.perms = perms, .scheme = identity.scheme, .id = identity.id});
    }
    return any ? Err::ok : Err::invalid_acl;
}

// PrepRequestProcessor.fixupACL.
Err make_fit(std::span<const Acl> asked, Identities caller, std::vector<Acl>& fit) {
    std::vector<Acl> distinct;
    for (const Acl& acl : asked)
        if (std::find(distinct.begin(), distinct.end(), acl) == distinct.end())
            distinct.push_back(acl);
    if (distinct.empty()) return Err::invalid_acl;
    for (const Acl& acl : distinct) {
        if (acl.scheme.data() == nullptr) return Err::invalid_acl;
        if (acl.scheme == "auth") {
            Err err = expand_auth(acl.perms, caller, fit);
            if (err != Err::ok) return err;
            continue;
        }
        if (acl.scheme == "world" && acl.id.data() == nullptr) return Err::marshalling_error;
        if (!is_world(acl)) {
            const Scheme* scheme = find_scheme(acl.scheme);
            if (scheme == nullptr) return Err::invalid_acl;
            if (acl.id.data() == nullptr) return Err::marshalling_error;
            if (!scheme->valid(acl.id)) return Err::invalid_acl;
        }
        fit.push_back(acl);
    }
    return Err::ok;
}

std::string to_bytes(std::span<const Acl> acls) {
    Buffer out;
    write_acls(out, acls);
    return std::string(out.text());
}

std::string world_list(int32_t perms) {
    Acl acl{.perms = perms, .scheme = "world", .id = "anyone"};
    return to_bytes({&acl, 1});
}

}  // namespace

void encode(Buffer& out, const Identity& identity) {
    write_text(out, identity.scheme);
    write_text(out, identity.id);
}

bool decode(Bytes bytes, std::vector<Identity>& out) {
    Reader in(bytes);
    while (in.ok() && in.left() > 0) {
        Identity identity;
        identity.scheme = read_text(in);
        identity.id = read_text(in);
        out.push_back(identity);
    }
    return in.ok();
}

AclTable::AclTable() {
    fill(open, world_list(perm::all));
    fill(read_only, world_list(perm::read));
}

void AclTable::fill(AclId list, std::string bytes) {
    if (pieces_.size() <= list / piece_lists) pieces_.resize(list / piece_lists + 1);
    auto& piece = pieces_[list / piece_lists];
    if (piece == nullptr) piece = std::make_unique<Piece>();
    end_ = std::max(end_, list + 1);
    List& filled = at(list);
    filled.bytes = std::move(bytes);
    Reader in(as_bytes(filled.bytes));
    filled.entries = read_acls(in);
    filled.hash = hash64(as_bytes(filled.bytes)) | 1;
    by_bytes_.emplace(filled.bytes, list);
}

AclId AclTable::free_number() {
    if (free_.empty()) return end_;
    Numbers& numbers = free_.back();
    AclId list = numbers.first++;
    if (numbers.first == numbers.end) free_.pop_back();
    return list;
}

AclId AclTable::intern(std::string bytes) {
    auto known = by_bytes_.find(bytes);
    if (known != by_bytes_.end()) return known->second;
    AclId list = free_number();
    fill(list, std::move(bytes));
    return list;
}

Err AclTable::intern_request(Bytes acls, Identities caller, AclId& list) {
    if (std::ranges::equal(acls, bytes(open))) {  // nearly always
        list = open;
        return Err::ok;
    }
    Reader in(acls);
    std::vector<Acl> asked = read_acls(in);
    std::vector<Acl> fit;
    Err err = make_fit(asked, caller, fit);
    if (err != Err::ok) return err;
    list = intern(to_bytes(fit));
    add_user(list);
    return Err::ok;
}

void AclTable::drop_user(AclId list) {
    if (list <= read_only) return;
    ASSERT(at(list).users > 0);
    if (--at(list).users == 0) unused_.push_back(list);
}

void AclTable::collect() {
    for (AclId list : unused_) {
        List& left = at(list);
        if (left.users > 0 || left.bytes.empty()) continue;
        by_bytes_.erase(left.bytes);
        left.entries.clear();
        left.bytes.clear();
        free_.push_back({.first = list, .end = list + 1});
    }
    unused_.clear();
}

bool AclTable::restore(AclId list, Bytes bytes) {
    constexpr AclId most = 1u << 30;  // there is no memory for so many
    if (list <= read_only || list >= most || has(list)) return false;
    Reader in(bytes);
    read_acls(in);
    if (!in.ok() || in.left() > 0) return false;
    fill(list, std::string(as_text(bytes)));
    return true;
}

void AclTable::restored() {
    AclId unseen = read_only + 1;
    for (AclId list = unseen; list < end_; ++list) {
        if (pieces_[list / piece_lists] == nullptr) {
            list |= piece_lists - 1;  // its last
            continue;
        }
        if (!has(list)) continue;
        if (list > unseen) free_.push_back({.first = unseen, .end = list});
        unseen = list + 1;
        if (at(list).users == 0) unused_.push_back(list);
    }
}

bool AclTable::allows(AclId list, int32_t perms, Identities caller) const {
    if (list == open) return true;
    const std::vector<Acl>& acls = entries(list);
    if (acls.empty()) return true;
    for (const Identity& identity : caller)
        if (identity.scheme == "super") return true;
    for (const Acl& acl : acls) {
        if ((acl.perms & perms) == 0) continue;
        if (is_world(acl)) return true;
        const Scheme* scheme = find_scheme(acl.scheme);
        if (scheme == nullptr) continue;
        for (const Identity& identity : caller)
            if (identity.scheme == acl.scheme && scheme->matches(identity.id, acl.id)) return true;
    }
    return false;
}

std::string digest_id(std::string_view user_and_password) {
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    int done = EVP_Digest(user_and_password.data(), user_and_password.size(), hash, &size,
                          EVP_sha1(), nullptr);
    ASSERT(done == 1);
    char text[64];
    int length = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text), hash,
                                 static_cast<int>(size));
    std::string id(user_and_password.substr(0, user_and_password.find(':')));
    id += ':';
    id.append(text, static_cast<size_t>(length));
    return id;
}

std::string_view user_name(const Identity& identity) {
    if (identity.scheme != "digest") return identity.id;
    return identity.id.substr(0, identity.id.find(':'));
}

}  // namespace zk
