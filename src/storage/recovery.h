// recovery.h -- what the data directory holds, made into a state and a place to go on from.
//
// Layer 3. The newest good snapshot is loaded, and the log's entries after it are applied; a
// snapshot that is damaged is passed over with a warning if the log reaches back to an older one,
// and on to where the damaged one was taken. A torn end of the log is cut; any other damage is an
// error that names file and offset, and nothing is changed.
//
// A lone node's log is committed as far as it goes, and is applied. A member of an ensemble knows
// of less: what headers, end mark and state record say. What is behind that waits in the log's
// window; it is at most what came during the last segment or two.
//
// What was read is synced before anybody hears of it: a killed process may have left its last batch
// in the system's memory only. That batch is even written again: where the sync of it failed, and
// ended the process, the system may take its pages for clean, and a second sync does nothing.
//
// A log is there as soon as there is a snapshot. Snapshots alone are refused: the log's disk may
// not be mounted.
//
//     snapshot.<zxid>  +  log.<n> log.<n+1> ...  -->  State, LogStart

#pragma once

#include <memory>
#include <string>

#include "storage/log.h"
#include "storage/snapshot.h"
#include "storage/state_record.h"

namespace zk {

struct RecoveryOptions {
    std::string data_directory;
    std::string log_directory;
    uint64_t ensemble = 0;
    uint64_t seed = 0;
    uint64_t birth = 0;      // the zxid before the ensemble's first entry
    bool member = false;     // of an ensemble
    uint64_t committed = 0;  // as the state record has it; a member's
};

// Entries from this zxid on are of this term.
struct TermStart {
    uint64_t zxid = 0;
    uint64_t term = 0;

    bool operator==(const TermStart&) const = default;
};

struct Recovered {
    std::unique_ptr<State> state;
    LogStart log;
    uint64_t snapshot_zxid = 0;  // 0: none was there
    Position snapshot;
    std::vector<TermStart> terms;  // of the entries after the snapshot
    uint64_t entries = 0;        // applied from the log
    uint64_t torn_bytes = 0;     // cut off its end
    std::vector<uint64_t> snapshots;  // oldest first; none that was found damaged
};

// An error of code EBADMSG is damage: the files are of this node and cannot be used.
Result<Recovered> recover(Io& io, const RecoveryOptions& options);

// Is there anything of ours in the directories? An Apache ZooKeeper's data is an error: it is not
// ours to start blank beside it.
Result<bool> anything_there(Io& io, const std::string& data_directory,
                            const std::string& log_directory);

// Gives the files of log and snapshots, which are damaged, other names, `damaged.*`, for somebody
// to look at; such files of an earlier time are removed. Waits for the disk. Requires: the state
// record says that this node has no vote, for a crash in between may leave a log that is good and
// short.
Result<void> set_aside(Io& io, const std::string& data_directory,
                       const std::string& log_directory);

// What a crash left half-made. At the start only.
void remove_leftovers(Io& io, const std::string& directory);

}  // namespace zk
