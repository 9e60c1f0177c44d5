// acl.h -- who may do what: identities of a caller, access lists of znodes.
//
// Layer 2. Owns the interned lists: equal lists are stored once and a znode keeps a number. A list
// that nobody uses any more is forgotten at the next `collect`, so a number seen while an entry is
// applied stays good until the events of that entry are out.
//
// Semantics: protocol.md 3.4 to 3.6 (ZooKeeperServer.checkACL, PrepRequestProcessor.fixupACL).

#pragma once

#include <deque>
#include <map>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "wire/protocol.h"
#include "wire/records.h"

namespace zk {

// Who a connection proved to be, e.g. ("ip", "10.0.0.1"), ("digest", "bob:hash"), ("super", "").
struct Identity {
    std::string_view scheme;
    std::string_view id;

    bool operator==(const Identity&) const = default;
};
using Identities = std::span<const Identity>;

// Identities as bytes of an entry: scheme and id as texts, one pair after the other.
void encode(Buffer& out, const Identity& identity);
// Views into `bytes`; false if they are not such pairs.
bool decode(Bytes bytes, std::vector<Identity>& out);

using AclId = uint32_t;

class AclTable {
public:
    static constexpr AclId open = 1;       // world:anyone with all permissions
    static constexpr AclId read_only = 2;  // world:anyone with read

    AclTable();
    AclTable(const AclTable&) = delete;
    AclTable& operator=(const AclTable&) = delete;

    // What a create or setACL asks for, made fit to store: duplicates dropped, `auth` replaced by
    // what the caller is. On success `list` has one more user.
    Err intern_request(Bytes acls, Identities caller, AclId& list);

    void add_user(AclId list) {
        if (list > read_only) ++lists_[list].users;
    }
    void drop_user(AclId list);
    void collect();

    // Has somebody with these identities one of the permissions `perms` under the list?
    bool allows(AclId list, int32_t perms, Identities caller) const;

    Bytes bytes(AclId list) const { return as_bytes(lists_[list].bytes); }  // as on the wire
    uint64_t hash(AclId list) const { return lists_[list].hash; }  // of those bytes, odd
    const std::vector<Acl>& entries(AclId list) const { return lists_[list].entries; }
    bool has(AclId list) const {
        return list > 0 && list < lists_.size() && !lists_[list].bytes.empty();
    }

    // For snapshots: all numbers in use are below `end`; `restore` puts a list back in its place,
    // without users.
    AclId end() const { return static_cast<AclId>(lists_.size()); }
    bool restore(AclId list, Bytes bytes);
    void restored();

private:
    struct List {
        std::string bytes;         // empty: the number is free
        std::vector<Acl> entries;  // views into bytes
        uint64_t hash = 0;
        uint32_t users = 0;
    };

    AclId intern(std::string bytes);
    void fill(AclId list, std::string bytes);

    std::deque<List> lists_;
    std::vector<AclId> free_;
    std::vector<AclId> unused_;  // users went to 0 since the last collect
    std::map<std::string_view, AclId, std::less<>> by_bytes_;  // views into lists_
};

// The id text of a digest identity or access entry: user:base64(sha1(user:password)).
std::string digest_id(std::string_view user_and_password);

// The user part that whoAmI shows of an identity.
std::string_view user_name(const Identity& identity);

}  // namespace zk
