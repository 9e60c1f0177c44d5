// founding.h -- a new ensemble from what one node of a lost one has.
//
// Layer 3. All files of a node carry its ensemble's id, so a new ensemble takes new files: one
// snapshot of the state as it is, and a log that begins behind it. In this order, so that a crash
// leaves the old ensemble or the new one, and nothing in between:
//
//     write_founding    `founding`, a snapshot under the new id, whole and synced
//     store_record      the new id: from here on the new ensemble is the one
//     finish_founding   the old files become `replaced.*`, then `founding` gets its name; done
//                       again at each start that finds such a file
//
// A `founding` that is not of the record's ensemble never came to be, and is removed.

#pragma once

#include <string>

#include "base/io.h"
#include "storage/snapshot.h"

namespace zk {

// At the start only, all of it: waits for the disk.
Result<void> write_founding(Io& io, const std::string& data_directory, const State& state,
                            uint64_t ensemble, const Position& last);
Result<void> finish_founding(Io& io, const std::string& data_directory,
                             const std::string& log_directory, uint64_t ensemble);

}  // namespace zk
