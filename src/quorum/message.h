// message.h -- what the consensus machines of an ensemble say to each other.
//
// Layer 3. One record for all kinds, of fixed size on the wire; an append is followed by its
// entries, which the machine itself never sees. Which field means what, per kind:
//
//     kind            from      fields
//     heartbeat       leader    commit; round: to be sent back
//     heartbeat_ack   peer      round, zxid: durable and the leader's own; flag: voteless
//     append          leader    zxid, zxid_term: the entry before the first; last: the last entry
//                               (zxid: there is none); commit
//     append_ack      peer      zxid: durable up to here; last: matches up to here; flag: voteless
//     append_refused  peer      last: the `zxid` that does not match; zxid, zxid_term: try from
//                               here, where the peer has an entry of this term
//     ask_prevote     voter     term: the next one; zxid, zxid_term: the end of its log
//     prevote         peer      flag: yes
//     ask_vote        voter     zxid, zxid_term: the end of its log
//     vote            peer      flag: yes
//     campaign        leader    stand for election at once
//     ask_barrier     peer      round: the asker's number; flag: voteless
//     barrier         leader    round: that number; zxid: who has applied it may answer
//
// `term` is the sender's own, in ask_prevote and in a prevote that says yes the one asked for.

#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace zk {

enum class MessageKind : uint8_t {
    heartbeat = 1,
    heartbeat_ack,
    append,
    append_ack,
    append_refused,
    ask_prevote,
    prevote,
    ask_vote,
    vote,
    campaign,
    ask_barrier,
    barrier,
};
inline constexpr uint8_t message_kind_last = static_cast<uint8_t>(MessageKind::barrier);

struct Message {
    MessageKind kind = MessageKind::heartbeat;
    bool flag = false;
    uint32_t peer = 0;  // to whom, or from whom; not on the wire: the link knows
    uint64_t term = 0;
    uint64_t zxid = 0;
    uint64_t zxid_term = 0;
    uint64_t last = 0;
    uint64_t commit = 0;
    uint64_t round = 0;

    bool operator==(const Message&) const = default;
};

inline constexpr size_t message_size = 50;

void encode(Buffer& out, const Message& message);
// Leaves the reader failed where the bytes are no message.
void decode(Reader& in, Message& message);

}  // namespace zk
