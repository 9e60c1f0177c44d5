// membership.h -- who is in the ensemble, as the log knows it, and what a `reconfig` makes of that.
//
// Layer 2. A plain value, part of the replicated state. A change goes through the log in three
// entries, so that at no time two majorities can be without a node in common:
//
//     reconfig           judged: access, version, arguments, no other change under way, and whether
//                        enough of the new voters are ready   --> `change` is set
//     membership, joint  from its appending on both majorities count, the old and the new
//                        --> `change->joint`
//     membership         the new ones alone count   --> `members`, `version`, /zookeeper/config;
//                        this is what the client that asked is answered with
//
// The last two are made by whoever leads, from what it finds in the state: a new leader goes on
// where the old one was. An ensemble's first membership is such a last entry, without a change.
//
// Which nodes are ready is a fact of the moment, so the leader puts them in front of the request:
//
//     reconfig     u32 count   u32 id ...   the client's record
//     membership   members   members before; none: not joint
//     members      u32 count   (u32 id, line) ...

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "state/entry.h"
#include "wire/options.h"
#include "wire/records.h"

namespace zk {

struct MembershipChange {
    std::vector<Member> members;  // that are to be
    Origin origin;                // who asked; is answered at the end
    bool joint = false;           // the joint entry is applied

    bool operator==(const MembershipChange&) const = default;
};

struct Membership {
    uint64_t version = 0;         // the zxid of the entry that made it
    std::vector<Member> members;  // by id; none: this node is alone, and no change is possible
    std::optional<MembershipChange> change;

    bool operator==(const Membership&) const = default;
};

inline constexpr int64_t member_id_max = 255;

// What /zookeeper/config shows; nothing where there are no members.
std::string membership_text(std::span<const Member> members, uint64_t version);

// The members that a request asks for, in ZooKeeper's order of checks: `now` with some joined and
// some left, or all anew. `alone_enabled`: one voter is too few, as standaloneEnabled wants it.
Err plan_members(const ReconfigRequest& asked, std::span<const Member> now, bool alone_enabled,
                 std::vector<Member>& next);

// Are more than half of the voters among `ready`?
bool enough_ready(std::span<const Member> members, std::span<const uint32_t> ready);

void encode(Buffer& out, const Membership& membership);
// Leaves the reader failed where it makes no sense.
void decode(Reader& in, Membership& membership);

// The body of an entry_op::membership.
struct MembershipEntry {
    std::vector<Member> members;
    std::vector<Member> before;  // the joint phase; else none
};
void encode(Buffer& out, const MembershipEntry& entry);
void decode(Reader& in, MembershipEntry& entry);

// What stands before the client's record in an entry_op::reconfig.
void encode_ready(Buffer& out, std::span<const uint32_t> ready);
std::vector<uint32_t> decode_ready(Reader& in);

}  // namespace zk
