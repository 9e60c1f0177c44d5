// log_window.h -- the entries of the log that are in memory: those that are not written yet, those
// that are not applied yet, and some more for peers that lag.
//
// Layer 3. Owns the batches. An entry is encoded once, as the record that goes to the disk; apply
// and the peers read the same bytes. Knows nothing of files: Log tells it what became durable.
//
//     base_ | kept: released and durable | durable | in flight | waiting, the last one is open
//           0                            kept_     written_
//
// Batches are in the order of zxids, without gaps, and none is empty. A cut takes entries off the
// end. The bytes of a batch that is in flight stay where they are until it is back, even if all of
// it was cut: then it is `doomed_`.

#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "storage/segment.h"

namespace zk {

// Records, heads and all, one behind the other.
struct LogBatch {
    Buffer bytes;
    uint64_t first_zxid = 0;
    std::vector<uint32_t> offsets;  // of records, in bytes

    uint64_t last_zxid() const { return first_zxid + offsets.size() - 1; }
    const uint8_t* record(uint64_t zxid) const {
        return bytes.data() + offsets[zxid - first_zxid];
    }
    // The encoded entry.
    Bytes bytes_of(uint64_t zxid) const {
        return {record(zxid) + record_head_size, load_u32(record(zxid) + 8)};
    }
    // Requires: sealed.
    Position position(uint64_t zxid) const {
        return {.term = load_u64(record(zxid) + record_head_size),
                .zxid = zxid,
                .checksum = load_u64(record(zxid))};
    }
    // Begins a record: all but batch, chain and checksum.
    void add(const Entry& entry);
    // Requires: it begins at or before zxid, and ends after it.
    void cut(uint64_t zxid);
};

class LogWindow {
public:
    // `tail`: entries after the base that are durable, and not applied.
    LogWindow(const Position& base, std::vector<LogBatch>&& tail, uint64_t kept_bytes_max);

    // The last entry before the first that is here.
    const Position& base() const { return base_; }
    uint64_t last_zxid() const {
        return batches_.empty() ? base_.zxid : batches_.back()->last_zxid();
    }
    uint64_t durable_zxid() const {
        return written_ == 0 ? base_.zxid : batches_[written_ - 1]->last_zxid();
    }
    uint64_t released_zxid() const { return released_; }
    // Of what is not released.
    uint64_t bytes() const { return bytes_; }

    // Requires: entry.zxid == last_zxid() + 1.
    void add(const Entry& entry);

    // The batch to be written next; nullptr: there is none. Requires: none is in flight.
    LogBatch* next();
    void take_next() { in_flight_ = true; }
    // What is in flight is durable. Or nothing of it is, and it waits again; false: all of it was
    // cut meanwhile.
    void written();
    bool put_back();
    bool all_written() const { return batches_.size() == written_; }

    // Cuts all after zxid. Requires: nothing of it is released.
    void cut(uint64_t zxid);
    // Forgets all.
    void start_anew(const Position& base);

    // Entries up to here are applied.
    void release(uint64_t zxid);

    bool has(uint64_t zxid) const { return zxid > base_.zxid && zxid <= last_zxid(); }
    // Requires: has(zxid).
    Bytes bytes_of(uint64_t zxid) const;
    // Requires: has(zxid), or it is the base.
    uint64_t term_of(uint64_t zxid) const;
    // Requires the same, and that it is durable or in flight.
    Position position_of(uint64_t zxid) const;

private:
    using Owned = std::unique_ptr<LogBatch>;

    const LogBatch& batch_of(uint64_t zxid) const;
    void recycle(Owned batch);
    void keep_released();

    Position base_;
    std::deque<Owned> batches_;
    std::vector<Owned> unused_;
    Owned doomed_;
    size_t kept_ = 0;     // <= written_
    size_t written_ = 0;  // durable
    bool in_flight_ = false;  // batches_[written_]
    uint64_t released_ = 0;
    uint64_t bytes_ = 0;
    uint64_t kept_bytes_ = 0;
    uint64_t kept_bytes_max_ = 0;
};

}  // namespace zk
