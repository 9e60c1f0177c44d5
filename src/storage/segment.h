// segment.h -- the format of the log's files, and how one is read back.
//
// Layer 3. Holds no state. A segment `log.<number>` is one preallocated file:
//
//     header   magic  format  ensemble  number  salt  where it starts  batch before  size
//              committed  checksum
//     record   u64 checksum | u32 length | u16 tag | u16 kind | u64 batch | u64 chain | payload
//     record   ...
//     zeros    up to the end
//
// A record's checksum is XXH3 over all that follows it in the record, and then with the header's
// checksum, in which there is a random salt: bytes of another file, or planted by a client, are no
// record. Its tag is a part of that seed, so that a search for records hashes only where one may
// be. Each carries the checksum of the one before, across segments too, and its batch's number.
//
// Batch n + 1 is written only when n is synced. So a bad record is the torn end of a crash only if
// nothing of a later batch stands behind it; else it is damage, and the log must not be used as if
// it ended there. A file gets its name `log.*` only when its header is synced, so a bad header is
// always damage. An end mark, a batch of its own, proves all that is before it.
//
// Header and end mark say up to where entries were known to be committed when they were written.
// That is said of the log as it goes on from there: what is superseded by it is not meant.
//
// A segment that has a successor ends exactly where the successor says it starts; what may stand
// behind that was superseded. So a tail is cut, torn or in conflict, by starting a new segment.

#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "state/entry.h"

namespace zk {

// A place in the log: the last entry before it, and the checksum of that entry's record.
struct Position {
    uint64_t term = 0;
    uint64_t zxid = 0;
    uint64_t checksum = 0;

    bool operator==(const Position&) const = default;
};

struct SegmentHeader {
    uint64_t ensemble = 0;
    uint64_t number = 0;
    uint64_t salt = 0;
    Position start;
    uint64_t batch_before = 0;
    uint64_t size = 0;      // of the file; one that is shorter was cut
    uint64_t committed = 0;
    uint64_t checksum = 0;  // of the above; seeds those of the records
};

inline constexpr size_t segment_header_size = 96;
inline constexpr size_t record_head_size = 32;
inline constexpr size_t end_mark_size = record_head_size + 8;
inline constexpr uint32_t log_format = 3;

enum RecordKind : uint32_t { record_entry = 1, record_end = 2, record_last_of_batch = 0x100 };

std::string segment_name(uint64_t number);
// The number in a name; nothing if it is not a segment's.
std::optional<uint64_t> segment_number(const std::string& name);

void encode(Buffer& out, SegmentHeader& header);  // fills in the checksum
Result<SegmentHeader> decode_segment_header(Bytes bytes, const std::string& path);

// Completes a record that was begun with room for its head: all but batch, chain and checksum are
// there. Returns its checksum.
uint64_t seal_record(uint8_t* record, uint32_t kind, uint64_t batch, uint64_t previous,
                     uint64_t seed);

// What reading a segment found.
struct SegmentEnd {
    Position last;
    uint64_t chain = 0;        // checksum of the last good record, an entry's or an end mark's
    uint64_t batch = 0;        // of that record
    uint64_t offset = 0;       // behind it
    uint64_t batch_offset = 0;  // where its batch begins
    uint64_t committed = 0;     // as header or end mark say
    uint64_t torn_bytes = 0;   // behind that, up to the last byte that is not zero
    bool batch_ended = true;   // the last good record was the last of its batch
};

// What is damaged, and where. Its code is EBADMSG: a member of an ensemble can be repaired by the
// others.
Error damage(const std::string& path, uint64_t offset, const std::string& what);

// The way through the records of one segment, of which the reader has all or a part.
class SegmentWalk {
public:
    SegmentWalk(const SegmentHeader& header, std::string path);

    struct Taken {
        Entry entry;  // views into the record
        bool is_entry = false;
        Bytes record;  // head and all
        uint64_t checksum = 0;
    };

    const SegmentEnd& end() const { return end_; }
    // `rest`: what there is from end().offset on. Size of the record there, as far as `rest` tells:
    // take() needs no more than that.
    size_t wanted(Bytes rest) const;
    // Goes on behind that record. Nothing: there is no good one. Error: a good one that does not
    // belong there.
    Result<std::optional<Taken>> take(Bytes rest);

private:
    SegmentEnd end_;
    uint64_t seed_;
    std::string path_;
};

// Gets each entry, the checksum of its record, and the whole record, head and all.
using TakeEntry =
    std::function<Result<void>(const Entry& entry, uint64_t checksum, Bytes record)>;

// Reads the records of a whole file. `until`: where the successor starts; nothing: this is the last
// segment.
Result<SegmentEnd> read_segment(Bytes file, const SegmentHeader& header, const std::string& path,
                                const std::optional<Position>& until, const TakeEntry& take);

}  // namespace zk
