// state.h -- the replicated state machine: what a log of entries makes of an empty tree.
//
// Layer 2. Owns the znodes, access lists, sessions, quotas, settings and membership, which are the
// same on every node at the same zxid, and this node's watches, which are not.
//
//     apply(entry)  -->  verdict, reply record, events     the only way to change anything
//     read(...)     -->  verdict, reply record             may note a watch
//
// Apply is a pure function of (state, entry): no clock, no chance, no settings of this node's file.
// Its parts are open to the handlers of this room (writes.cc, reads.cc, multi.cc); other rooms
// look at them and change nothing.

#pragma once

#include <deque>
#include <string>
#include <vector>

#include "base/result.h"
#include "state/acl.h"
#include "state/entry.h"
#include "state/membership.h"
#include "state/path.h"
#include "state/quota.h"
#include "state/session.h"
#include "state/rules.h"
#include "state/tree.h"
#include "state/watch.h"

namespace zk {

// What an entry did, told to the node that took the request.
struct Applied {
    Err err = Err::ok;
    bool moved = false;  // the session is another client's now: close the connection, no reply
    bool held = false;   // the answer comes with a later entry of the same origin
};

// Who reads: this node's client, and what it had proved to be when it asked.
struct Caller {
    ClientId client = 0;
    int64_t session = 0;
    Identities identities;
};

// Limits of this node on what a read may answer.
struct ReadLimits {
    size_t reply_bytes_max = 128u << 20;
};

class State {
public:
    // `seed` keys the hashes; all members of an ensemble have the same one, and nobody else.
    explicit State(uint64_t seed);
    State(const State&) = delete;
    State& operator=(const State&) = delete;

    // Makes the znodes that a fresh server has. Instead of loading a snapshot.
    void format(uint64_t zxid = 0);

    // Requires: entry.zxid = zxid() + 1. Adds the reply record to `reply` (nothing if the verdict
    // is an error). The events are in `events` until the next apply.
    // `known`: the key of a path in the entry, if the caller happens to have it; else {}.
    Applied apply(const Entry& entry, Buffer& reply, const PathKey& known = {});
    const std::vector<Event>& events() const { return events_; }

    // Answers a request that changes nothing but this client's watches. `notices` gets whole
    // packets that must reach the client before the reply; where there are any, the reply has no
    // record.
    Err read(Op op, Bytes body, const Caller& caller, Buffer& reply, Buffer& notices,
             const PathKey& known = {});

    // Could an entry of this kind be made of this body? If not, its sender gets marshalling_error
    // and no entry is made.
    static bool well_formed(int32_t op, Bytes body);

    uint64_t zxid() const { return zxid_; }
    uint64_t term() const { return term_; }
    uint64_t digest() const;

    // Containers without children and TTL znodes past their time: entries to propose, as bodies of
    // deleteContainer. Looks at some of the candidates at each call and remembers where it was.
    struct Reaping {
        int64_t now_ms = 0;
        int64_t never_used_ms = 0;  // containers that never had a child; 0: never
        size_t look_at = 0;
        size_t find = 0;
    };
    bool reap(const Reaping& how, std::vector<std::string>& bodies);  // true: once round

    // Snapshots: records in sections, each to be loaded in the order it was saved.
    using Emit = void (*)(void* context, uint32_t section, Bytes record);
    void save(void* context, Emit emit) const;
    // `load` takes all records that there are in `in`, and says how many.
    // `bytes`: as long as the whole may be. `together`: so many znodes at most, and what one
    // `load` brings, are placed in the index in one go.
    void load_begin(uint64_t bytes, size_t together) {
        load_bytes_ = bytes;
        load_together_ = together;
    }
    Result<uint64_t> load(uint32_t section, Reader& in);
    Result<void> load_end(uint64_t zxid, uint64_t term, uint64_t digest);

    // The parts.
    AclTable acls;
    Tree tree;
    Sessions sessions;
    Quotas quotas;
    Rules rules;
    Membership membership;
    Watches watches;
    ZnodeList reapable;  // containers and TTL znodes
    ReadLimits limits;

    bool allows(AclId list, int32_t perms, Identities caller) const {
        return rules.skip_acl || acls.allows(list, perms, caller);
    }

    // Changes of the entry at hand, whose watches fire once it has succeeded.
    struct Change {
        EventType type;
        ZnodeId id;
        std::string_view path;  // in the entry, or kept by keep()
        AclId acl;
        AclId parent_acl;
    };
    std::vector<Change> changes;
    // Of a path in the request at hand, or in the operation of it that comes next.
    void know(const PathKey& key) { known_ = key; }
    PathKey key(std::string_view path) const { return is_known(path) ? known_ : tree.key(path); }
    // Of its parent's path. Requires: there is a '/'.
    PathKey key_above(std::string_view path) const {
        std::string_view parent = split_path(path).parent;
        if (!is_known(path) || known_.above == 0) return tree.key(parent);
        return {.path = parent, .hash = known_.above};
    }
    std::string_view keep(std::string text) { return kept_.emplace_back(std::move(text)); }

    // Removes a znode with all that belongs to it, and notes the change.
    void remove_znode(const PathKey& key, const PathKey& above, ZnodeId id, int64_t zxid);
    ZnodeList* list_of(ZnodeKind kind, int64_t owner);
    // A change of membership was asked for, and nothing speaks against it.
    void begin_change(std::vector<Member> next, const Origin& origin);

    // An ensemble is founded with what this state holds: by its operator, not by an entry.
    void found_anew(std::vector<Member> members, int64_t time_ms);

private:
    bool is_known(std::string_view path) const {
        return path.data() == known_.path.data() && path.size() == known_.path.size() &&
               !path.empty();
    }
    Applied run(const Entry& entry, Buffer& reply);
    void fire();
    Applied run_session(const Entry& entry, Buffer& reply);
    Applied run_membership(const Entry& entry, Buffer& reply);
    void show_membership(int64_t zxid, int64_t time_ms);
    void membership_changed();
    bool load_meta(Reader& in);
    bool load_acl(Reader& in);
    bool load_session(Reader& in);
    bool load_znodes(Reader& in, uint64_t& count);
    bool load_znode(Reader& in);
    void complete_below(size_t depth);
    void restore_special(std::string_view path, ZnodeId parent, AclId acl, int32_t aversion = 0);

    uint64_t seed_;
    PathKey known_;  // only within apply and read
    uint64_t zxid_ = 0;
    uint64_t term_ = 0;
    uint64_t membership_digest_ = 0;
    std::vector<Identity> identities_;  // of the entry at hand
    std::deque<std::string> kept_;
    std::vector<Event> events_;
    ZnodeId reap_at_ = 0;

    // While a snapshot is loaded: the way from the root to the last znode.
    struct Step {
        ZnodeId id;
        uint64_t hash;
        size_t path_size;
    };
    std::vector<Step> load_way_;
    std::string load_path_;
    uint64_t load_bytes_ = 0;
    size_t load_together_ = 0;
};

}  // namespace zk
