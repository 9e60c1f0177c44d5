// records.cc -- see records.h.

#include "wire/records.h"

namespace zk {

namespace {

// Where a null string points is nullptr; an empty one points here, if nowhere better.
constexpr uint8_t nowhere = 0;

// Walks over a vector of ACLs without making anything of it.
Bytes skip_acls(Reader& in) {
    Bytes before = in.rest();
    Count entries = read_count(in, 12);
    for (uint32_t i = 0; i < entries.count && in.ok(); ++i) {
        in.i32();
        read_text(in);
        read_text(in);
    }
    if (!in.ok()) return {};
    return before.first(before.size() - in.left());
}

}  // namespace

Bytes read_buffer(Reader& in) {
    int32_t size = in.i32();
    if (size == -1) return {};
    if (size < -1) {
        in.fail();
        return {};
    }
    Bytes bytes = in.bytes(static_cast<size_t>(size));
    if (size == 0) return {&nowhere, 0};
    return bytes;
}

std::string_view read_text(Reader& in) { return as_text(read_buffer(in)); }

Count read_count(Reader& in, size_t element_bytes_min) {
    int32_t count = in.i32();
    if (count < 0) return {.count = 0, .null = true};
    if (static_cast<uint64_t>(count) * element_bytes_min > in.left()) in.fail();
    if (!in.ok()) return {};
    return {.count = static_cast<uint32_t>(count), .null = false};
}

std::vector<std::string_view> read_texts(Reader& in) {
    std::vector<std::string_view> texts;
    Count count = read_count(in, 4);
    texts.reserve(count.count);
    for (uint32_t i = 0; i < count.count; ++i) texts.push_back(read_text(in));
    return texts;
}

void write_texts(Buffer& out, std::span<const std::string_view> texts) {
    out.u32(static_cast<uint32_t>(texts.size()));
    for (std::string_view text : texts) write_text(out, text);
}

RequestHeader read_request_header(Reader& in) {
    RequestHeader header;
    header.xid = in.i32();
    header.op = in.i32();
    return header;
}

void write_request_header(Buffer& out, int32_t xid, Op op) {
    out.i32(xid);
    out.i32(static_cast<int32_t>(op));
}

ReplyHeader read_reply_header(Reader& in) {
    ReplyHeader header;
    header.xid = in.i32();
    header.zxid = in.i64();
    header.err = static_cast<Err>(in.i32());
    return header;
}

void write_reply_header(Buffer& out, const ReplyHeader& header) {
    uint8_t* at = out.grow(reply_header_size);
    store_u32(at, static_cast<uint32_t>(header.xid));
    store_u64(at + 4, static_cast<uint64_t>(header.zxid));
    store_u32(at + 12, static_cast<uint32_t>(header.err));
}

void decode(Reader& in, ConnectRequest& record) {
    record.protocol_version = in.i32();
    record.last_zxid_seen = in.i64();
    record.timeout_ms = in.i32();
    record.session = in.i64();
    record.password = read_buffer(in);
    record.has_read_only = in.ok() && in.left() > 0;
    record.read_only = record.has_read_only && in.boolean();
}

void encode(Buffer& out, const ConnectRequest& record) {
    out.i32(record.protocol_version);
    out.i64(record.last_zxid_seen);
    out.i32(record.timeout_ms);
    out.i64(record.session);
    write_buffer(out, record.password);
    if (record.has_read_only) out.boolean(record.read_only);
}

void decode(Reader& in, ConnectResponse& record) {
    record.protocol_version = in.i32();
    record.timeout_ms = in.i32();
    record.session = in.i64();
    record.password = read_buffer(in);
    record.has_read_only = in.ok() && in.left() > 0;
    record.read_only = record.has_read_only && in.boolean();
}

void encode(Buffer& out, const ConnectResponse& record) {
    out.i32(record.protocol_version);
    out.i32(record.timeout_ms);
    out.i64(record.session);
    write_buffer(out, record.password);
    if (record.has_read_only) out.boolean(record.read_only);
}

void decode(Reader& in, Stat& record) {
    record.czxid = in.i64();
    record.mzxid = in.i64();
    record.ctime = in.i64();
    record.mtime = in.i64();
    record.version = in.i32();
    record.cversion = in.i32();
    record.aversion = in.i32();
    record.ephemeral_owner = in.i64();
    record.data_length = in.i32();
    record.num_children = in.i32();
    record.pzxid = in.i64();
}

void encode(Buffer& out, const Stat& record) {
    uint8_t* at = out.grow(68);
    store_u64(at, static_cast<uint64_t>(record.czxid));
    store_u64(at + 8, static_cast<uint64_t>(record.mzxid));
    store_u64(at + 16, static_cast<uint64_t>(record.ctime));
    store_u64(at + 24, static_cast<uint64_t>(record.mtime));
    store_u32(at + 32, static_cast<uint32_t>(record.version));
    store_u32(at + 36, static_cast<uint32_t>(record.cversion));
    store_u32(at + 40, static_cast<uint32_t>(record.aversion));
    store_u64(at + 44, static_cast<uint64_t>(record.ephemeral_owner));
    store_u32(at + 52, static_cast<uint32_t>(record.data_length));
    store_u32(at + 56, static_cast<uint32_t>(record.num_children));
    store_u64(at + 60, static_cast<uint64_t>(record.pzxid));
}

std::vector<Acl> read_acls(Reader& in) {
    std::vector<Acl> acls;
    Count count = read_count(in, 12);
    acls.reserve(count.count);
    for (uint32_t i = 0; i < count.count; ++i) {
        Acl acl;
        acl.perms = in.i32();
        acl.scheme = read_text(in);
        acl.id = read_text(in);
        acls.push_back(acl);
    }
    return acls;
}

void write_acls(Buffer& out, std::span<const Acl> acls) {
    out.u32(static_cast<uint32_t>(acls.size()));
    for (const Acl& acl : acls) {
        out.i32(acl.perms);
        write_text(out, acl.scheme);
        write_text(out, acl.id);
    }
}

void decode(Reader& in, CreateRequest& record, bool with_ttl) {
    record.path = read_text(in);
    record.data = read_buffer(in);
    record.acls = skip_acls(in);
    record.flags = in.i32();
    record.ttl_ms = with_ttl ? in.i64() : -1;
}

void encode(Buffer& out, const CreateRequest& record, bool with_ttl) {
    write_text(out, record.path);
    write_buffer(out, record.data);
    out.append(record.acls);
    out.i32(record.flags);
    if (with_ttl) out.i64(record.ttl_ms);
}

void decode(Reader& in, PathVersion& record) {
    record.path = read_text(in);
    record.version = in.i32();
}

void encode(Buffer& out, const PathVersion& record) {
    write_text(out, record.path);
    out.i32(record.version);
}

void decode(Reader& in, SetDataRequest& record) {
    record.path = read_text(in);
    record.data = read_buffer(in);
    record.version = in.i32();
}

void encode(Buffer& out, const SetDataRequest& record) {
    write_text(out, record.path);
    write_buffer(out, record.data);
    out.i32(record.version);
}

void decode(Reader& in, SetAclRequest& record) {
    record.path = read_text(in);
    record.acls = skip_acls(in);
    record.version = in.i32();
}

void encode(Buffer& out, const SetAclRequest& record) {
    write_text(out, record.path);
    out.append(record.acls);
    out.i32(record.version);
}

void decode(Reader& in, PathWatch& record) {
    record.path = read_text(in);
    record.watch = in.boolean();
}

void encode(Buffer& out, const PathWatch& record) {
    write_text(out, record.path);
    out.boolean(record.watch);
}

void decode(Reader& in, PathNumber& record) {
    record.path = read_text(in);
    record.number = in.i32();
}

void encode(Buffer& out, const PathNumber& record) {
    write_text(out, record.path);
    out.i32(record.number);
}

void decode(Reader& in, AuthPacket& record) {
    record.type = in.i32();
    record.scheme = read_text(in);
    record.auth = read_buffer(in);
}

void encode(Buffer& out, const AuthPacket& record) {
    out.i32(record.type);
    write_text(out, record.scheme);
    write_buffer(out, record.auth);
}

// A null vector is an error here, and nowhere else.
static std::vector<std::string_view> read_watch_paths(Reader& in) {
    bool null = Reader(in).i32() < 0;
    std::vector<std::string_view> paths = read_texts(in);
    if (null) in.fail();
    return paths;
}

void decode(Reader& in, SetWatches& record, bool second) {
    record.relative_zxid = in.i64();
    record.data = read_watch_paths(in);
    record.exist = read_watch_paths(in);
    record.child = read_watch_paths(in);
    if (!second) return;
    record.persistent = read_watch_paths(in);
    record.recursive = read_watch_paths(in);
}

void encode(Buffer& out, const SetWatches& record, bool second) {
    out.i64(record.relative_zxid);
    write_texts(out, record.data);
    write_texts(out, record.exist);
    write_texts(out, record.child);
    if (!second) return;
    write_texts(out, record.persistent);
    write_texts(out, record.recursive);
}

void decode(Reader& in, MultiHeader& record) {
    record.type = in.i32();
    record.done = in.boolean();
    record.err = in.i32();
}

void encode(Buffer& out, const MultiHeader& record) {
    out.i32(record.type);
    out.boolean(record.done);
    out.i32(record.err);
}

void decode(Reader& in, ReconfigRequest& record) {
    record.joining = read_text(in);
    record.leaving = read_text(in);
    record.members = read_text(in);
    record.config_version = in.i64();
}

void encode(Buffer& out, const ReconfigRequest& record) {
    write_text(out, record.joining);
    write_text(out, record.leaving);
    write_text(out, record.members);
    out.i64(record.config_version);
}

void decode(Reader& in, WatcherEvent& record) {
    record.type = static_cast<EventType>(in.i32());
    record.state = in.i32();
    record.path = read_text(in);
}

void encode(Buffer& out, const WatcherEvent& record) {
    out.i32(static_cast<int32_t>(record.type));
    out.i32(record.state);
    write_text(out, record.path);
}

}  // namespace zk
