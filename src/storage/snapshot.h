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

// Reads a whole file into a fresh state. Any damage is an error with file and offset; the state is
// then good for nothing.
Result<Position> load_snapshot(Io& io, const std::string& path, uint64_t ensemble, State& state);

}  // namespace zk
