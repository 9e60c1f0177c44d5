// records.h -- the records of the ZooKeeper client protocol (zookeeper.jute), both ways.
//
// Layer 1. Holds no state. A decoded record is made of views into the frame it came from, so it
// lives no longer than the frame. Null strings and buffers (length -1) are views whose data() is
// nullptr; empty ones have a pointer and no size. The two are different on the wire and stay so.
//
//     frame      int32 length, then `length` bytes
//     request    int32 xid, int32 opcode, record
//     reply      int32 xid, int64 zxid, int32 err, record unless err != 0
//
// `decode` reads all fields of a record; bad input leaves the reader failed (see Reader). Counts
// and lengths are checked against what is left of the frame before anything is made of them.

#pragma once

#include <vector>

#include "base/bytes.h"
#include "wire/protocol.h"

namespace zk {

// Primitives.
std::string_view read_text(Reader& in);
Bytes read_buffer(Reader& in);
// In line, for a list of children has a million of them.
inline void write_buffer(Buffer& out, Bytes bytes) {
    if (bytes.data() == nullptr) {
        out.i32(-1);
        return;
    }
    uint8_t* at = out.grow(4 + bytes.size());
    store_u32(at, static_cast<uint32_t>(bytes.size()));
    memcpy(at + 4, bytes.data(), bytes.size());
}
inline void write_text(Buffer& out, std::string_view text) { write_buffer(out, as_bytes(text)); }
// Reads a vector's count: -1 (and, as jute does, any negative number) is none at all. Fails where
// `element_bytes_min` times the count cannot fit in what is left.
struct Count {
    uint32_t count = 0;
    bool null = false;
};
Count read_count(Reader& in, size_t element_bytes_min);
std::vector<std::string_view> read_texts(Reader& in);
void write_texts(Buffer& out, std::span<const std::string_view> texts);

// Frames. `begin_frame` leaves room for the length, `end_frame` fills it in.
inline size_t begin_frame(Buffer& out) {
    size_t at = out.size();
    out.u32(0);
    return at;
}
inline void end_frame(Buffer& out, size_t at) {
    out.patch_u32(at, static_cast<uint32_t>(out.size() - at - 4));
}

struct RequestHeader {
    int32_t xid = 0;
    int32_t op = 0;
};
inline constexpr size_t request_header_size = 8;
RequestHeader read_request_header(Reader& in);
void write_request_header(Buffer& out, int32_t xid, Op op);

struct ReplyHeader {
    int32_t xid = 0;
    int64_t zxid = 0;
    Err err = Err::ok;
};
inline constexpr size_t reply_header_size = 16;
ReplyHeader read_reply_header(Reader& in);
void write_reply_header(Buffer& out, const ReplyHeader& header);

struct ConnectRequest {
    int32_t protocol_version = 0;
    int64_t last_zxid_seen = 0;
    int32_t timeout_ms = 0;
    int64_t session = 0;
    Bytes password;
    bool read_only = false;
    bool has_read_only = true;  // old clients leave the byte out, and then get none back
};
void decode(Reader& in, ConnectRequest& record);
void encode(Buffer& out, const ConnectRequest& record);

struct ConnectResponse {
    int32_t protocol_version = 0;
    int32_t timeout_ms = 0;
    int64_t session = 0;
    Bytes password;
    bool read_only = false;
    bool has_read_only = true;
};
void decode(Reader& in, ConnectResponse& record);
void encode(Buffer& out, const ConnectResponse& record);

struct Stat {
    int64_t czxid = 0;
    int64_t mzxid = 0;
    int64_t ctime = 0;
    int64_t mtime = 0;
    int32_t version = 0;
    int32_t cversion = 0;
    int32_t aversion = 0;
    int64_t ephemeral_owner = 0;
    int32_t data_length = 0;
    int32_t num_children = 0;
    int64_t pzxid = 0;
};
void decode(Reader& in, Stat& record);
void encode(Buffer& out, const Stat& record);

struct Acl {
    int32_t perms = 0;
    std::string_view scheme;
    std::string_view id;

    bool operator==(const Acl&) const = default;
};
std::vector<Acl> read_acls(Reader& in);  // a null vector and an empty one read alike
void write_acls(Buffer& out, std::span<const Acl> acls);

// create, create2, createContainer; createTTL adds the ttl.
struct CreateRequest {
    std::string_view path;
    Bytes data;
    Bytes acls;  // the vector as it came, checked to be well formed; read_acls reads it
    int32_t flags = 0;
    int64_t ttl_ms = -1;
};
void decode(Reader& in, CreateRequest& record, bool with_ttl);
void encode(Buffer& out, const CreateRequest& record, bool with_ttl);

// delete and check; setData and setACL look alike but for their middles.
struct PathVersion {
    std::string_view path;
    int32_t version = -1;
};
void decode(Reader& in, PathVersion& record);
void encode(Buffer& out, const PathVersion& record);

struct SetDataRequest {
    std::string_view path;
    Bytes data;
    int32_t version = -1;
};
void decode(Reader& in, SetDataRequest& record);
void encode(Buffer& out, const SetDataRequest& record);

struct SetAclRequest {
    std::string_view path;
    Bytes acls;
    int32_t version = -1;
};
void decode(Reader& in, SetAclRequest& record);
void encode(Buffer& out, const SetAclRequest& record);

// exists, getData, getChildren, getChildren2.
struct PathWatch {
    std::string_view path;
    bool watch = false;
};
void decode(Reader& in, PathWatch& record);
void encode(Buffer& out, const PathWatch& record);

// addWatch (mode), checkWatches and removeWatches (type).
struct PathNumber {
    std::string_view path;
    int32_t number = 0;
};
void decode(Reader& in, PathNumber& record);
void encode(Buffer& out, const PathNumber& record);

struct AuthPacket {
    int32_t type = 0;
    std::string_view scheme;
    Bytes auth;
};
void decode(Reader& in, AuthPacket& record);
void encode(Buffer& out, const AuthPacket& record);

struct SetWatches {
    int64_t relative_zxid = 0;
    std::vector<std::string_view> data;
    std::vector<std::string_view> exist;
    std::vector<std::string_view> child;
    std::vector<std::string_view> persistent;  // setWatches2 only, as the next
    std::vector<std::string_view> recursive;
};
void decode(Reader& in, SetWatches& record, bool second);
void encode(Buffer& out, const SetWatches& record, bool second);

struct MultiHeader {
    int32_t type = -1;
    bool done = true;
    int32_t err = -1;
};
void decode(Reader& in, MultiHeader& record);
void encode(Buffer& out, const MultiHeader& record);

struct ReconfigRequest {
    std::string_view joining;
    std::string_view leaving;
    std::string_view members;
    int64_t config_version = -1;
};
void decode(Reader& in, ReconfigRequest& record);
void encode(Buffer& out, const ReconfigRequest& record);

struct WatcherEvent {
    EventType type = EventType::none;
    int32_t state = state_sync_connected;
    std::string_view path;
};
void decode(Reader& in, WatcherEvent& record);
void encode(Buffer& out, const WatcherEvent& record);

}  // namespace zk
