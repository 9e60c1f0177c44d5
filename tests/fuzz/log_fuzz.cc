// log_fuzz.cc -- the reader of the log's segments, fed with anything.
//
// The input is what stands behind a good header. Since nobody guesses checksums, records are given
// good ones first where the first byte says so, so that what they hold is fuzzed too.

#include <cstdlib>

#include "storage/segment.h"

using namespace zk;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size < 1 || size > (1u << 16)) return 0;
    bool seal = (data[0] & 1) != 0;
    SegmentHeader header{.ensemble = 1,
                         .number = 1,
                         .salt = 5,
                         .start = {},
                         .batch_before = 0,
                         .size = 0,
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
        [&](const Entry& entry, uint64_t) -> Result<void> {
            if (entry.zxid != last + 1) abort();
            last = entry.zxid;
            return {};
        });
    if (end && end->last.zxid != last) abort();
    decode_segment_header(Bytes(data, size), "fuzz");
    return 0;
}
