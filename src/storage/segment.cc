// segment.cc -- see segment.h.

#include "storage/segment.h"

#include <algorithm>
#include <cerrno>
#include <cinttypes>
#include <cstdio>
#include <cstring>

#include "base/hash.h"

namespace zk {

namespace {

constexpr std::string_view magic = "ZKDLOG\r\n";

uint32_t tag_of(uint64_t seed) { return static_cast<uint32_t>(seed >> 48) << 16; }

struct Record {
    uint64_t checksum;
    uint32_t length;
    uint32_t kind;  // without the tag
    uint64_t batch;
    uint64_t previous;
    Bytes payload;
};

// A record at `offset` whose checksum holds.
std::optional<Record> record_at(Bytes file, size_t offset, uint64_t seed) {
    if (file.size() - offset < record_head_size) return std::nullopt;
    const uint8_t* at = file.data() + offset;
    uint32_t length = load_u32(at + 8);
    uint32_t kind = load_u32(at + 12) ^ tag_of(seed);
    if (kind > 0xffff) return std::nullopt;
    if (file.size() - offset - record_head_size < length) return std::nullopt;
    Record record{.checksum = load_u64(at),
                  .length = length,
                  .kind = kind,
                  .batch = load_u64(at + 16),
                  .previous = load_u64(at + 24),
                  .payload = file.subspan(offset + record_head_size, length)};
    Bytes covered = file.subspan(offset + 8, record_head_size - 8 + length);
    if (checksum64(covered, seed) != record.checksum) return std::nullopt;
    return record;
}

// Does a record of a batch later than `batch` begin anywhere from `offset` to `end`?
std::optional<size_t> later_batch(Bytes file, size_t offset, size_t end, uint64_t batch,
                                  uint64_t seed) {
    for (; offset < end && file.size() - offset >= record_head_size; ++offset) {
        uint64_t found = load_u64(file.data() + offset + 16);
        if (found <= batch || found - batch > (uint64_t{1} << 40)) continue;
        if (record_at(file, offset, seed)) return offset;
    }
    return std::nullopt;
}

// How many bytes there are up to the last that is not zero. Mostly there are none.
size_t used_bytes(Bytes bytes) {
    static constexpr uint8_t zeros[4096] = {};
    size_t end = bytes.size();
    while (end >= sizeof zeros &&
           memcmp(bytes.data() + end - sizeof zeros, zeros, sizeof zeros) == 0)
        end -= sizeof zeros;
    while (end > 0 && bytes[end - 1] == 0) --end;
    return end;
}

}  // namespace

Error damage(const std::string& path, uint64_t offset, const std::string& what) {
    return Error{.text = path + ": damaged at offset " + std::to_string(offset) + ": " + what,
                 .code = EBADMSG};
}

std::string segment_name(uint64_t number) {
    char name[32];
    snprintf(name, sizeof name, "log.%016" PRIx64, number);
    return name;
}

std::optional<uint64_t> segment_number(const std::string& name) {
    uint64_t number = 0;
    char rest = 0;
    if (name.size() != 20 || sscanf(name.c_str(), "log.%16" SCNx64 "%c", &number, &rest) != 1)
        return std::nullopt;
    return number;
}

void encode(Buffer& out, SegmentHeader& header) {
    size_t start = out.size();
    out.append(magic);
    out.u32(log_format);
    out.u32(segment_header_size);
    out.u64(header.ensemble);
    out.u64(header.number);
    out.u64(header.salt);
    out.u64(header.start.term);
    out.u64(header.start.zxid);
    out.u64(header.start.checksum);
    out.u64(header.batch_before);
    out.u64(header.size);
    out.u64(header.committed);
    header.checksum = hash64(out.bytes().subspan(start));
    out.u64(header.checksum);
    ASSERT(out.size() - start == segment_header_size);
}

Result<SegmentHeader> decode_segment_header(Bytes bytes, const std::string& path) {
    if (bytes.size() < segment_header_size) return damage(path, 0, "shorter than its header");
    bytes = bytes.first(segment_header_size);
    if (as_text(bytes.first(magic.size())) != magic)
        return damage(path, 0, "it does not begin as a log does");
    Reader in(bytes.subspan(magic.size()));
    // Every format has a header of this length that ends with the checksum of the rest: a flipped
    // bit is not another version.
    if (load_u64(bytes.last(8).data()) != hash64(bytes.first(segment_header_size - 8)))
        return damage(path, 0, "the header's checksum does not hold");
    uint32_t format = in.u32();
    if (format != log_format)
        return Error{.text = path + ": format " + std::to_string(format) +
                             "; this version reads format " + std::to_string(log_format)};
    in.u32();
    SegmentHeader header;
    header.ensemble = in.u64();
    header.number = in.u64();
    header.salt = in.u64();
    header.start.term = in.u64();
    header.start.zxid = in.u64();
    header.start.checksum = in.u64();
    header.batch_before = in.u64();
    header.size = in.u64();
    header.committed = in.u64();
    header.checksum = in.u64();
    return header;
}

uint64_t seal_record(uint8_t* record, uint32_t kind, uint64_t batch, uint64_t previous,
                     uint64_t seed) {
    store_u32(record + 12, tag_of(seed) | kind);
    store_u64(record + 16, batch);
    store_u64(record + 24, previous);
    size_t covered = record_head_size - 8 + load_u32(record + 8);
    uint64_t checksum = checksum64(Bytes(record + 8, covered), seed);
    store_u64(record, checksum);
    return checksum;
}

namespace {

// Why a record whose checksum holds cannot stand where it does; nothing: it can.
const char* misplaced(const Record& record, const SegmentEnd& end, Entry& entry) {
    if (record.previous != end.chain) return "it does not follow the record before it";
    uint64_t batch = end.batch_ended ? end.batch + 1 : end.batch;
    if (record.batch != batch) return "its batch does not follow";
    uint32_t kind = record.kind & ~uint32_t{record_last_of_batch};
    if (kind == record_end)
        return record.payload.size() + record_head_size == end_mark_size ? nullptr
                                                                         : "it is no end mark";
    if (kind != record_entry || !decode(record.payload, entry)) return "it is no entry";
    if (entry.zxid != end.last.zxid + 1 || entry.term < end.last.term)
        return "its zxid does not follow";
    return nullptr;
}

// What to make of the end of the last segment.
Result<SegmentEnd> judge_end(Bytes file, const SegmentHeader& header, const std::string& path,
                             SegmentEnd end) {
    end.torn_bytes = used_bytes(file.subspan(end.offset));
    uint64_t torn = end.batch_ended ? end.batch + 1 : end.batch;
    std::optional<size_t> later =
        later_batch(file, end.offset, end.offset + end.torn_bytes, torn, header.checksum);
    if (later)
        return damage(path, end.offset, "the record is bad, yet a later one, synced after it, is "
                                        "good at offset " + std::to_string(*later));
    return end;
}

}  // namespace

SegmentWalk::SegmentWalk(const SegmentHeader& header, std::string path)
    : seed_(header.checksum), path_(std::move(path)) {
    end_.last = header.start;
    end_.chain = header.start.checksum;
    end_.batch = header.batch_before;
    end_.offset = end_.batch_offset = segment_header_size;
    end_.committed = header.committed;
}

size_t SegmentWalk::wanted(Bytes rest) const {
    if (rest.size() < record_head_size) return record_head_size;
    return record_head_size + load_u32(rest.data() + 8);
}

Result<std::optional<SegmentWalk::Taken>> SegmentWalk::take(Bytes rest) {
    std::optional<Record> record = record_at(rest, 0, seed_);
    if (!record) return std::optional<Taken>();
    Taken taken;
    if (const char* why = misplaced(*record, end_, taken.entry))
        return damage(path_, end_.offset, why);
    taken.is_entry = (record->kind & 0xff) == record_entry;
    taken.record = rest.first(record_head_size + record->length);
    taken.checksum = record->checksum;
    if (taken.is_entry)
        end_.last = {.term = taken.entry.term,
                     .zxid = taken.entry.zxid,
                     .checksum = record->checksum};
    else
        end_.committed = std::max(end_.committed, load_u64(record->payload.data()));
    if (end_.batch_ended) end_.batch_offset = end_.offset;
    end_.chain = record->checksum;
    end_.batch = record->batch;
    end_.batch_ended = (record->kind & record_last_of_batch) != 0;
    end_.offset += taken.record.size();
    return std::optional<Taken>(taken);
}

Result<SegmentEnd> read_segment(Bytes file, const SegmentHeader& header, const std::string& path,
                                const std::optional<Position>& until, const TakeEntry& take) {
    SegmentWalk walk(header, path);
    if (file.size() < header.size)
        return damage(path, file.size(), "the file ends here, and should at " +
                                             std::to_string(header.size));
    for (;;) {
        const SegmentEnd& end = walk.end();
        if (until && end.last.zxid == until->zxid) {
            if (end.last == *until) return end;
            return damage(path, end.offset, "the next segment starts elsewhere");
        }
        Result<std::optional<SegmentWalk::Taken>> next = walk.take(file.subspan(end.offset));
        if (!next) return next.error();
        if (!*next) {
            if (!until) return judge_end(file, header, path, end);
            return damage(path, end.offset, "no good record, but the log goes on from zxid " +
                                                std::to_string(until->zxid));
        }
        const SegmentWalk::Taken& taken = **next;
        if (!taken.is_entry) continue;
        if (Result<void> good = take(taken.entry, taken.checksum, taken.record); !good)
            return good.error();
    }
}

}  // namespace zk
