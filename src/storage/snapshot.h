// snapshot.h -- the format of a snapshot's file, written by a forked child, read at a start.
//
// Layer 3. Holds no state; what the records mean is the state's own affair (State::save, load).
//
//     header    magic  version  ensemble  zxid, term and record checksum of the last entry  time
//     chunk     u32 section  u32 length  u64 checksum | records, whole ones, about a megabyte
//     chunk     ...
//     footer    chunk head; payload: chunk count  record count  digest  (offset, section, length)*
//     trailer   u64 offset of the footer  u64 checksum
//
// All checksums are XXH3, seeded with the header's, and a chunk's with its number too. A file gets
// its name `snapshot.<zxid>` only when it is whole and synced.

#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/io.h"
#include "state/state.h"
#include "storage/segment.h"

namespace zk {

std::string snapshot_name(uint64_t zxid);
std::optional<uint64_t> snapshot_zxid(const std::string& name);

// What a child needs, made before the fork: it should allocate as little as can be.
struct SnapshotJob {
    const State* state = nullptr;
    uint64_t ensemble = 0;
    Position last;
    int64_t wall_ms = 0;
    Buffer chunk;
    Buffer index;
};
std::unique_ptr<SnapshotJob> make_snapshot_job(const State& state, uint64_t ensemble,
                                               Position last, int64_t wall_ms);

// As Io::fork_snapshot wants it; `job` is a SnapshotJob.
bool write_snapshot(const void* job, Sink sink);

// Which snapshot: two nodes' of the same zxid are different files.
struct SnapshotId {
    uint64_t zxid = 0;
    uint64_t checksum = 0;  // of its header
    uint64_t size = 0;

    bool operator==(const SnapshotId&) const = default;
};

// What the header tells. Requires: `bytes` is as long as a header, or longer.
inline constexpr size_t snapshot_header_size = 64;
struct SnapshotHeader {
    Position last;
    uint64_t checksum = 0;
};
Result<SnapshotHeader> decode_snapshot_header(Bytes bytes, const std::string& path,
                                              uint64_t ensemble);

// Makes a state of a snapshot's bytes, which come in order and in pieces of any size. Each chunk is
// proved before the state hears of it.
class SnapshotParser {
public:
    // In turns: no chunk leaves work to a later one.
    enum class Pace { at_once, in_turns };
    // `size`: of the whole. The state must be a fresh one.
    SnapshotParser(std::string path, uint64_t size, uint64_t ensemble, State& state, Pace pace);

    // After an error the state is good for nothing.
    Result<void> feed(Bytes bytes);
    // All is there and proved.
    bool done() const { return expect_ == Expect::nothing; }
    // Once there are bytes enough for it.
    const std::optional<SnapshotHeader>& header() const { return header_; }

private:
    enum class Expect { header, head, payload, trailer, nothing };

    size_t wanted() const;
    Result<void> step(Bytes bytes);
    Result<void> take_head(Bytes bytes);
    Result<void> take_chunk(Bytes payload);
    Result<void> take_footer(Bytes payload);
    Result<void> take_trailer(Bytes bytes);

    std::string path_;
    uint64_t size_;
    uint64_t ensemble_;
    State& state_;
    Expect expect_ = Expect::header;
    uint64_t offset_ = 0;  // of what is expected
    Buffer rest_;  // of what is expected, if not all of it came at once
    std::optional<SnapshotHeader> header_;
    uint32_t section_ = 0;
    uint32_t length_ = 0;
    uint64_t checksum_ = 0;
    uint64_t chunks_ = 0;
    uint64_t records_ = 0;
    uint64_t chunk_offset_ = 0;
};

// Reads a whole file into a fresh state. Any damage is an error with file and offset; the state is
// then good for nothing.
Result<Position> load_snapshot(Io& io, const std::string& path, uint64_t ensemble, State& state);

}  // namespace zk
