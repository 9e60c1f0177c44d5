// client.h -- one connection, as the node sees it: who it is, what it asked and was not told yet.
//
// Layer 5. Owned by Core. A client's requests stand in its queue in the order they came, and leave
// it from the front as they are answered; a write in the queue holds back all that is behind it.
// What reads ask is kept in `held`, one record after the other, so that waiting costs no allocation
// each.
//
//     queue   | write 7 | read 8 | read 9 | write 10 |        held   | body 8 | body 9 |
//
// Identities only grow, so a queued request keeps the ones it arrived with as a number: how many.

#pragma once

#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/io.h"
#include "state/acl.h"
#include "state/commands.h"

namespace zk {

// What a queued request waits for, and what becomes of it.
enum class PendingKind : uint8_t {
    write,    // its entry to be applied
    connect,  // the same, for the entry that creates or attaches the session
    close,    // the same, for the session's end
    upgrade,  // the same, for the entry that makes its local session everybody's; no reply
    end_local,  // its turn: the end of a local session
    sync,     // a barrier: all that was acknowledged when it came is applied here
    read,     // its turn; the record is in `held`
    refuse,   // its turn, to be told the error in `size`
    refuse_and_close,
};

struct Pending {
    PendingKind kind = PendingKind::read;
    uint16_t identities = 0;
    int32_t xid = 0;
    int32_t op = 0;
    uint32_t size = 0;  // read: of its record in `held`; write: if forwarded; refuse: the error
    uint64_t came_us = 0;
    uint64_t barrier = 0;  // sync
};

enum class Stage : uint8_t {
    fresh,       // nothing or less than a first frame came
    connecting,  // the entry for its session is on its way; nothing more is read meanwhile
    open,
    leaving,     // its session's end was asked for; nothing more is read
};

class Client {
public:
    Client(ClientId number, uint64_t attach_number, const Address& address, uint64_t now_us);

    ClientId id;
    uint64_t attach;  // never used again, not even after a restart
    Address from;
    Stage stage = Stage::fresh;
    bool has_read_only = false;  // its connect request had the byte
    bool paused = false;         // the edge does not read it
    bool dirty = false;          // in Core's list of those with something to flush
    bool waiting = false;        // in Core's list of those with frames left in `in`
    bool gone = false;           // closed; only its watches are left to forget
    bool heard = false;          // in Core's list of those whose session the leader is told of
    bool needs_leader = false;   // its next frame waits for one
    bool local = false;          // its session is known to this node alone; `slot` is in local_
    bool read_only = false;      // served without a quorum
    bool changing = false;       // waits for a reconfig: its entry is not the last that it takes
    bool at_barrier = false;     // in Core's list of those whose queue begins with a sync
    uint64_t barrier_passed = 0;  // by an entry of its own, though Core does not know of it yet
    uint32_t writes = 0;         // in the queue, that wait for their entry
    int64_t seen = 0;            // the zxid its connect request said
    int64_t session = 0;
    SessionSlot slot = 0;
    int32_t timeout_ms = 0;
    uint64_t requests = 0;       // writes proposed so far; the last part of their origin
    size_t unsent = 0;           // bytes that the edge still has
    uint64_t handed = 0;         // bytes given to the edge in all, and
    uint64_t fetched = 0;        // of them, gone by the last look for expired sessions
    size_t promised = 0;         // about what the reads in the queue will have to say
    size_t largest = 0;          // write in the queue
    size_t forwarded = 0;        // bytes of the writes in the queue that the leader was asked for
    uint64_t opened_us;

    Buffer in;   // an unfinished frame, or frames that wait
    Buffer out;  // packets for the end of the turn

    // The queue.
    bool idle() const { return head_ == queue_.size(); }
    size_t queued() const { return queue_.size() - head_; }
    Pending& front() { return queue_[head_]; }
    void push(const Pending& pending);
    void pop();
    Buffer held;

    // Who it is. The address comes first and is always there.
    Identities identities(size_t count) const { return {views_.data(), count}; }
    size_t identity_count() const { return views_.size(); }
    Bytes identity_bytes(size_t count) const;  // as in an entry
    // False: too many bytes of identities.
    bool add_identity(std::string_view scheme, std::string_view name);
    static constexpr size_t identity_bytes_max = 8192;

    // For `cons`.
    struct Counts {
        uint64_t received = 0;
        uint64_t sent = 0;
        int64_t established_ms = 0;
        int32_t last_op = 0;
        int32_t last_xid = -1;
        int64_t last_zxid = -1;
        uint64_t last_response_ms = 0;
        uint32_t last_latency_ms = 0;
        uint32_t min_latency_ms = ~0u;
        uint32_t max_latency_ms = 0;
        uint64_t total_latency_ms = 0;
    };
    Counts counts;

private:
    std::vector<Pending> queue_;
    size_t head_ = 0;
    std::string identity_text_;          // pairs, as in an entry
    std::vector<Identity> views_;        // into it
    std::vector<uint32_t> identity_ends_;
};

// "10.0.0.1" or "fe80::1": what ZooKeeper would call the address.
std::string ip_text(const Address& address);

}  // namespace zk
