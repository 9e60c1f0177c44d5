// entry.h -- one line of the replicated log: a request, as every node will apply it.
//
// Layer 2. An entry holds what a client asked for, never the result: apply is a pure function of
// (state, entry), so all nodes compute the same. Its bytes are made once, when the leader proposes
// it, and the same bytes go to the disk, to the peers and to apply:
//
//     u64 term   u64 zxid   i64 time_ms   u32 origin.node   i32 op   u64 origin.client
//     u64 origin.request   i64 session   u32 ids_size   ids   body
//
// `session` is 0 where a server asks, and where the client's session is a local one: then only its
// own node knows it, and vouches for it. An id that the state does not know is of a session that
// ended, and such a request fails.
// `ids` are the caller's identities as (scheme, id) pairs of texts; `body` is the record of the
// client protocol as it came, or one of the records below for the entries that only servers make.

#pragma once

#include "base/bytes.h"
#include "wire/protocol.h"

namespace zk {

// Whose request it is: which node took it, over which of its clients (a number never used again
// in the life of that node), and which of that client's requests. The answer is matched by this,
// never by xid.
struct Origin {
    uint32_t node = 0;
    uint64_t client = 0;
    uint64_t request = 0;

    bool operator==(const Origin&) const = default;
};

// Entries that no client can send. Numbers outside of the protocol's.
namespace entry_op {
inline constexpr int32_t no_op = 1000;           // a new leader's first entry; body empty
inline constexpr int32_t rules = 1001;           // rules that change results; see rules.h
inline constexpr int32_t attach_session = 1002;  // a client takes over its session again
inline constexpr int32_t upgrade_session = 1003;  // a local session becomes everybody's; NewSession
inline constexpr int32_t readmit = 1004;         // a member's vote counts again: u32 id, u64 boot
inline constexpr int32_t membership = 1005;      // who is in the ensemble; see membership.h
inline constexpr int32_t refused = 1007;         // a request that found no room; body empty
inline constexpr int32_t reconfig = 1006;        // a client's, with what the leader knows of nodes
}  // namespace entry_op

struct Entry {
    uint64_t term = 0;
    uint64_t zxid = 0;
    int64_t time_ms = 0;  // the leader's wall clock
    Origin origin;
    int64_t session = 0;
    int32_t op = 0;
    Bytes ids;
    Bytes body;
};

inline constexpr size_t entry_head_size = 60;

inline size_t encoded_size(const Entry& entry) {
    return entry_head_size + entry.ids.size() + entry.body.size();
}

inline void encode(Buffer& out, const Entry& entry) {
    uint8_t* at = out.grow(entry_head_size);
    store_u64(at, entry.term);
    store_u64(at + 8, entry.zxid);
    store_u64(at + 16, static_cast<uint64_t>(entry.time_ms));
    store_u32(at + 24, entry.origin.node);
    store_u32(at + 28, static_cast<uint32_t>(entry.op));
    store_u64(at + 32, entry.origin.client);
    store_u64(at + 40, entry.origin.request);
    store_u64(at + 48, static_cast<uint64_t>(entry.session));
    store_u32(at + 56, static_cast<uint32_t>(entry.ids.size()));
    out.append(entry.ids);
    out.append(entry.body);
}

// Views into `bytes`. False: the bytes are no entry.
inline bool decode(Bytes bytes, Entry& entry) {
    Reader in(bytes);
    entry.term = in.u64();
    entry.zxid = in.u64();
    entry.time_ms = in.i64();
    entry.origin.node = in.u32();
    entry.op = in.i32();
    entry.origin.client = in.u64();
    entry.origin.request = in.u64();
    entry.session = in.i64();
    uint32_t ids_size = in.u32();
    entry.ids = in.bytes(ids_size);
    entry.body = in.rest();
    return in.ok();
}

// The path that a body begins with, or none: most do.
inline std::string_view path_of(Bytes body) {
    Reader in(body);
    std::string_view path = as_text(in.bytes(in.u32()));
    return in.ok() && path.starts_with('/') ? path : std::string_view();
}

}  // namespace zk
