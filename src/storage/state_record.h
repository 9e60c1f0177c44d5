// state_record.h -- the little that a node must remember besides log and snapshots: who it is, its
// ensemble, its term and its vote.
//
// Layer 3. Two files, `vote.1` and `vote.2`, of 80 bytes each; the second is written after the
// first is synced, so one of them is whole whatever happens. The newer good one counts, and loading
// it brings the other up to it: what a node acts on must not hang on one file, nor on an unsynced
// one.

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/io.h"

namespace zk {

struct StateRecord {
    uint64_t ensemble = 0;  // made by chance when the ensemble forms
    uint64_t seed = 0;      // of the state's hashes, the same for all members
    uint32_t node = 0;
    uint64_t term = 0;
    uint32_t vote = 0;
    // This node is blank or was repaired: it may have forgotten what it once acknowledged, so its
    // votes and acknowledgements must not count.
    bool voteless = false;
    // What is on this disk is known to be wrong, and is not to be used.
    bool distrusted = false;
    // Entries up to here are committed, and were durable here when this was written.
    uint64_t committed = 0;
    uint64_t birth = 0;  // the zxid before the first entry that the ensemble ever had
    uint64_t sequence = 0;  // of writes of this record

    bool operator==(const StateRecord&) const = default;
};

// Nothing: neither file is there. Error: files, but no good one. Waits for the disk.
Result<std::optional<StateRecord>> load_record(Io& io, const std::string& directory);
// Waits for the disk.
Result<void> store_record(Io& io, const std::string& directory, StateRecord& record);
// The same for the vote lane, where nobody waits. Requires: both files are there, as they are when
// the record was loaded or stored. `bytes` must live until the list is done; lists of one node must
// not be under way at the same time but on one lane.
std::vector<DiskOp> record_ops(const std::string& directory, StateRecord& record, Buffer& bytes);

}  // namespace zk
