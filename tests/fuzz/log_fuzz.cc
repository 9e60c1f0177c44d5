// log_fuzz.cc -- the reader of the log's segments, fed with anything.
//
// The input is what stands behind a good header. Since nobody guesses checksums, records are given
// good ones first where the first byte says so, so that what they hold is fuzzed too. Or the input
// says how to write a good log and how to damage it; then what is read must be a prefix of it, and
// one changed byte may cost no more than the last batch.

#include <cstdlib>
#include <cstring>

#include "storage/segment.h"

using namespace zk;

namespace {

struct Written {
    Buffer file;
    SegmentHeader header;
    std::vector<uint8_t> bodies;  // of each entry, one byte
    size_t before_last = 0;       // entries in all batches but the last
};

// Three bits of each byte are the size of a batch; 0 ends the log.
Written write_log(Reader& in) {
    Written log;
    log.header = {.ensemble = 1, .number = 1, .salt = 5, .start = {}, .batch_before = 0, .size = 0,
                  .committed = 0, .checksum = 0};
    encode(log.file, log.header);
    uint64_t previous = 0;
    for (uint64_t batch = 1; batch <= 8; ++batch) {
        uint8_t shape = in.u8();
        int count = shape & 7;
        if (count == 0) break;
        log.before_last = log.bodies.size();
        for (int i = 1; i <= count; ++i) {
            uint8_t body = static_cast<uint8_t>(shape + i);
            log.bodies.push_back(body);
            Entry entry{.term = batch, .zxid = log.bodies.size(), .time_ms = 0, .origin = {},
                        .session = 0, .op = 1, .ids = {}, .body = {&body, 1}};
            size_t at = log.file.size();
            memset(log.file.grow(record_head_size), 0, record_head_size);
            log.file.patch_u32(at + 8, static_cast<uint32_t>(encoded_size(entry)));
            encode(log.file, entry);
            previous = seal_record(log.file.data() + at,
                                   record_entry | (i == count ? record_last_of_batch : 0u), batch,
                                   previous, log.header.checksum);
        }
    }
    memset(log.file.grow(300), 0, 300);
    return log;
}

void damage_and_read(Reader in) {
    Written log = write_log(in);
    int changes = 0;
    for (; in.left() >= 3 && changes < 20; ++changes) {
        size_t at = in.u16();
        uint8_t with = in.u8();
        at = segment_header_size + at % (log.file.size() - segment_header_size);
        log.file.data()[at] = static_cast<uint8_t>(log.file.data()[at] ^ with);
    }
    size_t read = 0;
    Result<SegmentEnd> end = read_segment(
        log.file.bytes(), log.header, "fuzz", std::nullopt,
        [&](const Entry& entry, uint64_t, Bytes) -> Result<void> {
            if (read >= log.bodies.size() || entry.body.size() != 1) abort();
            if (entry.zxid != read + 1 || entry.body[0] != log.bodies[read]) abort();
            ++read;
            return {};
        });
    if (!end) return;
    if (changes <= 1 && read < log.before_last) abort();
    if (changes == 0 && (read != log.bodies.size() || end->torn_bytes != 0)) abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size < 1 || size > (1u << 16)) return 0;
    if ((data[0] & 2) != 0) {
        damage_and_read(Reader(Bytes(data + 1, size - 1)));
        return 0;
    }
    bool seal = (data[0] & 1) != 0;
    SegmentHeader header{.ensemble = 1,
                         .number = 1,
                         .salt = 5,
                         .start = {},
                         .batch_before = 0,
                         .size = 0,
                         .committed = 0,
                         .checksum = 0};
    Buffer file;
    encode(file, header);
    file.append(Bytes(data + 1, size - 1));
    if (seal) {
        // Walk as a reader would, and make each record in the way a good one.
        size_t at = segment_header_size;
        uint64_t previous = 0;
        for (uint64_t batch = 1; file.size() - at >= record_head_size; ++batch) {
            uint8_t* record = file.data() + at;
            uint32_t left = static_cast<uint32_t>(file.size() - at - record_head_size);
            uint32_t length = load_u32(record + 8) % 200;
            if (length > left) length = left;
            store_u32(record + 8, length);
            uint32_t kind = (record[12] & 1) != 0 ? record_end : record_entry;
            if (kind == record_entry && length >= 16) {
                store_u64(record + record_head_size, 1);
                store_u64(record + record_head_size + 8, batch);
            }
            previous = seal_record(record, kind | record_last_of_batch, batch, previous,
                                   header.checksum);
            at += record_head_size + length;
        }
    }
    uint64_t last = 0;
    Result<SegmentEnd> end = read_segment(
        file.bytes(), header, "fuzz", std::nullopt,
        [&](const Entry& entry, uint64_t, Bytes) -> Result<void> {
            if (entry.zxid != last + 1) abort();
            last = entry.zxid;
            return {};
        });
    if (end && end->last.zxid != last) abort();
    (void)decode_segment_header(Bytes(data, size), "fuzz");
    return 0;
}
