// acl.h -- who may do what: identities of a caller, access lists of znodes.
//
// Layer 2. Owns the interned lists: equal lists are stored once and a znode keeps a number. A list
// that nobody uses any more is forgotten at the next `collect`, so a number seen while an entry is
// applied stays good until the events of that entry are out.
//
// Semantics: ZooKeeper's, ZooKeeperServer.checkACL and PrepRequestProcessor.fixupACL.

#pragma once

#include <array>
#include <map>
#include <memory>
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
        if (list > read_only) ++at(list).users;
    }
    void drop_user(AclId list);
    void collect();

    // Has somebody with these identities one of the permissions `perms` under the list?
    bool allows(AclId list, int32_t perms, Identities caller) const;

    // Requires of the list that there is one, as has() tells.
    Bytes bytes(AclId list) const { return as_bytes(at(list).bytes); }  // as on the wire
    uint64_t hash(AclId list) const { return at(list).hash; }           // of those bytes, odd
    const std::vector<Acl>& entries(AclId list) const { return at(list).entries; }
    bool has(AclId list) const {
        return list > 0 && list < end_ && pieces_[list / piece_lists] != nullptr &&
               !at(list).bytes.empty();
    }

    // For snapshots: all numbers in use are below `end`; `restore` puts a list back in its place,
    // without users.
    AclId end() const { return end_; }
    bool restore(AclId list, Bytes bytes);
    void restored();

private:
    struct List {
        std::string bytes;         // empty: the number is free
        std::vector<Acl> entries;  // views into bytes
        uint64_t hash = 0;
        uint32_t users = 0;
    };

    // Room for lists comes in pieces that stay where they are. A snapshot's numbers may leave most
    // of them out: what nobody has takes no room, here or among the free ones.
    static constexpr AclId piece_lists = 256;
    using Piece = std::array<List, piece_lists>;
    struct Numbers {
        AclId first;
        AclId end;
    };

    List& at(AclId list) { return (*pieces_[list / piece_lists])[list % piece_lists]; }
    const List& at(AclId list) const { return (*pieces_[list / piece_lists])[list % piece_lists]; }
    AclId intern(std::string bytes);
    AclId free_number();
    void fill(AclId list, std::string bytes);

    std::vector<std::unique_ptr<Piece>> pieces_;
    AclId end_ = 1;              // 0 is no list
    std::vector<Numbers> free_;  // below end_
    std::vector<AclId> unused_;  // users went to 0 since the last collect
    std::map<std::string_view, AclId, std::less<>> by_bytes_;  // views into lists
};

// The id text of a digest identity or access entry: user:base64(sha1(user:password)).
std::string digest_id(std::string_view user_and_password);

// The user part that whoAmI shows of an identity.
std::string_view user_name(const Identity& identity);

}  // namespace zk
