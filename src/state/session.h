// session.h -- who is connected, and until when.
//
// Layer 2. Owns every Session. Replicated, except for deadlines, which only the leader keeps.
//
// Deadlines are rounded up to a tick and kept in buckets, so that a heartbeat costs at most one
// move between buckets:
//
//     bucket  12000  -> s1 s7
//             14000  -> s3
//
// Invariant: a session is in at most one bucket, and in exactly one while this node leads (`lead`).
// Does not close anything itself: `expired` names sessions, and the close travels through the log.

#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "base/slab.h"
#include "state/entry.h"
#include "state/index.h"
#include "state/tree.h"

namespace zk {

using SessionSlot = uint32_t;  // 0: none

struct Session {
    int64_t id;
    int32_t timeout_ms;
    uint8_t password[password_size];
    uint32_t owner_node;    // where its client is connected, and
    uint64_t owner_client;  // the client's attach number there
    ZnodeList ephemerals;
    uint64_t deadline_ms;  // its bucket; 0: none
    SessionSlot prev;      // in the bucket
    SessionSlot next;
};

class Sessions {
public:
    Sessions() = default;
    Sessions(const Sessions&) = delete;
    Sessions& operator=(const Sessions&) = delete;

    SessionSlot find(int64_t id) const;
    Session& operator[](SessionSlot slot) { return sessions_[slot]; }
    const Session& operator[](SessionSlot slot) const { return sessions_[slot]; }
    uint32_t count() const { return sessions_.count(); }
    // All slots are below `end`; those with a time-out of 0 are free.
    SessionSlot end() const { return sessions_.end(); }

    // Requires: the id is not 0 and not there.
    SessionSlot create(int64_t id, int32_t timeout_ms, Bytes password, const Origin& owner);
    // Requires: no ephemerals.
    void remove(SessionSlot slot);
    // Its client came back, perhaps elsewhere.
    void attach(SessionSlot slot, int32_t timeout_ms, const Origin& owner);
    uint64_t digest() const { return digest_; }

    // Deadlines, in milliseconds of a clock that stands still while this node does.
    void lead(uint64_t now_ms, uint64_t tick_ms);  // everyone gets a full time-out
    void follow();
    void touch(SessionSlot slot, uint64_t now_ms);
    // No deadline until it is touched again: its end is on its way.
    void suspend(SessionSlot slot) { leave(slot); }
    // At most `most` sessions whose deadline has passed; each is named until it is removed.
    void expired(uint64_t now_ms, size_t most, std::vector<int64_t>& out);
    const std::map<uint64_t, SessionSlot>& buckets() const { return buckets_; }

private:
    uint64_t term(const Session& session) const;
    void enter(SessionSlot slot, uint64_t deadline_ms);
    void leave(SessionSlot slot);

    Slab<Session, 8> sessions_;
    Index index_;
    std::map<uint64_t, SessionSlot> buckets_;
    uint64_t tick_ms_ = 0;  // 0: this node does not lead
    uint64_t digest_ = 0;
};

}  // namespace zk
