// state_record.cc -- see state_record.h.

#include "storage/state_record.h"

#include <cstring>

#include "base/hash.h"

namespace zk {

namespace {

constexpr std::string_view magic = "ZKDVOTE\n";
constexpr uint32_t record_format = 2;
constexpr size_t record_size = 80;
constexpr uint32_t flag_voteless = 1;
constexpr uint32_t flag_distrusted = 2;

std::string file_path(const std::string& directory, int number) {
    return directory + "/vote." + std::to_string(number);
}

void encode(Buffer& out, const StateRecord& record) {
    out.append(magic);
    out.u32(record_format);
    out.u32(record.node);
    out.u64(record.ensemble);
    out.u64(record.seed);
    out.u64(record.term);
    out.u32(record.vote);
    out.u32((record.voteless ? flag_voteless : 0) | (record.distrusted ? flag_distrusted : 0));
    out.u64(record.committed);
    out.u64(record.birth);
    out.u64(record.sequence);
    out.u64(hash64(out.bytes()));
    ASSERT(out.size() == record_size);
}

std::optional<StateRecord> decode(Bytes bytes) {
    if (bytes.size() != record_size) return std::nullopt;
    if (load_u64(bytes.data() + record_size - 8) != hash64(bytes.first(record_size - 8)))
        return std::nullopt;
    Reader in(bytes);
    StateRecord record;
    if (as_text(in.bytes(magic.size())) != magic || in.u32() != record_format)
        return std::nullopt;
    record.node = in.u32();
    record.ensemble = in.u64();
    record.seed = in.u64();
    record.term = in.u64();
    record.vote = in.u32();
    uint32_t flags = in.u32();
    record.voteless = (flags & flag_voteless) != 0;
    record.distrusted = (flags & flag_distrusted) != 0;
    record.committed = in.u64();
    record.birth = in.u64();
    record.sequence = in.u64();
    return record;
}

// Are the bytes a record of a format that this version does not know?
bool of_other_format(Bytes bytes) {
    Reader in(bytes);
    if (as_text(in.bytes(magic.size())) != magic) return false;
    uint32_t format = in.u32();
    size_t covered = bytes.size() - 8;
    return in.left() >= 8 && format != record_format &&
           load_u64(bytes.data() + covered) == hash64(bytes.first(covered));
}

Result<void> write_both(Io& io, const std::string& directory, const StateRecord& record) {
    Buffer bytes;
    encode(bytes, record);
    for (int number : {1, 2}) {
        std::string path = file_path(directory, number);
        Result<uint64_t> size = io.file_size(path);
        std::vector<DiskOp> ops;
        // A file that is made anew gets its name when it is whole.
        bool fresh = !size || *size != record_size;
        std::string at = fresh ? path + ".tmp" : path;
        auto add = [&](DiskOpKind kind, const std::string& on, std::string to, Bytes data) {
            ops.push_back({.kind = kind, .path = on, .to = std::move(to), .offset = 0,
                           .size = record_size, .data = data});
        };
        if (fresh) add(DiskOpKind::create, at, {}, {});
        add(DiskOpKind::write, at, {}, bytes.bytes());
        add(DiskOpKind::sync, at, {}, {});
        if (fresh) add(DiskOpKind::rename, at, path, {});
        if (fresh) add(DiskOpKind::sync_dir, directory, {}, {});
        DiskResult done = io.run(ops);
        if (done.error != 0)
            return Error{.text = path + ": " + strerror(done.error), .code = done.error};
    }
    return {};
}

}  // namespace

Result<std::optional<StateRecord>> load_record(Io& io, const std::string& directory) {
    Result<std::vector<std::string>> names = io.list(directory);
    if (!names) return names.error();
    std::optional<StateRecord> best;
    std::optional<Error> unreadable;
    bool any = false;
    bool alike = true;
    for (int number : {1, 2}) {
        std::string path = file_path(directory, number);
        bool there = false;
        for (const std::string& name : *names) there = there || directory + "/" + name == path;
        alike = alike && there;
        if (!there) continue;
        any = true;
        uint8_t bytes[4 * record_size];  // another format's may be longer
        Result<size_t> got = io.read_at(path, 0, bytes);
        if (!got) {
            unreadable = got.error();
            alike = false;
            continue;
        }
        if (of_other_format(Bytes(bytes, *got)))
            return Error{.text = path + ": it is of a format that this version does not read"};
        std::optional<StateRecord> record = decode(Bytes(bytes, *got));
        alike = alike && record && (!best || *record == *best);
        if (record && (!best || record->sequence > best->sequence)) best = record;
    }
    if (unreadable && !best) return *unreadable;
    if (any && !best)
        return Error{.text = directory + ": neither vote.1 nor vote.2 is whole; this node does not "
                                         "know who it is"};
    // If both say the same, the first is synced. The only good copy is never overwritten with
    // anything but itself.
    if (best && !alike)
        if (Result<void> written = write_both(io, directory, *best); !written)
            return written.error();
    return best;
}

std::vector<DiskOp> record_ops(const std::string& directory, StateRecord& record, Buffer& bytes) {
    ++record.sequence;
    bytes.clear();
    encode(bytes, record);
    std::vector<DiskOp> ops;
    for (int number : {1, 2}) {
        std::string path = file_path(directory, number);
        ops.push_back({.kind = DiskOpKind::write, .path = path, .data = bytes.bytes()});
        ops.push_back({.kind = DiskOpKind::sync, .path = path});
    }
    return ops;
}

Result<void> store_record(Io& io, const std::string& directory, StateRecord& record) {
    ++record.sequence;
    return write_both(io, directory, record);
}

}  // namespace zk
