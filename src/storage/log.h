// log.h -- the log at work: the batch that is open, the one on its way to the disk, and the window
// of entries that are still of use.
//
// Layer 3. Owns the batches in memory and knows the files; asks Io for all disk work. An entry is
// encoded once, as the record that goes to the disk; apply reads the same bytes.
//
//     append --> open batch --flush--> in flight --on_disk--> durable --release--> gone
//
// One batch is in flight at a time; what is appended meanwhile is the next one. So a batch is what
// arrived during the last fdatasync, and nobody waits for a timer.
//
// Segments: the next one, `spare`, is made ahead of need on the bulk lane, zeros and all. A batch
// that does not fit into the active segment activates it: header, sync, name, sync of the
// directory, and then the batch, all in one list of ops. Failures:
//
//     no room to make the spare         full(): the node admits only what frees room; tried again
//     activation finds no room          nothing of the batch was written: cut_needed()
//     the batch itself finds no room    a torn tail, cut by the next segment: cut_needed(), too
//     any other failed write or sync    fatal(): the process must end; never tried again

#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "base/io.h"
#include "storage/segment.h"

namespace zk {

struct LogOptions {
    std::string directory;
    uint64_t segment_bytes = 16u << 20;
    uint64_t ensemble = 0;
    bool sync = true;
    uint64_t slow_sync_us = 1'000'000;  // told when it takes longer; 0: never
};

struct SegmentFile {
    uint64_t number = 0;
    uint64_t start_zxid = 0;  // the last entry before it
    uint64_t size = 0;
};

// Where a log goes on, as recovery found it.
struct LogStart {
    Position last;
    uint64_t batch = 0;
    std::vector<SegmentFile> segments;  // oldest first
    bool go_on = false;                 // in the last of them, and then:
    uint64_t offset = 0;
    uint64_t chain = 0;
    uint64_t seed = 0;  // its header's checksum
    uint64_t bytes = 0;  // of the entries that were applied
};

class Log {
public:
    Log(Io& io, LogOptions options, LogStart start);
    Log(const Log&) = delete;
    Log& operator=(const Log&) = delete;

    // Makes a segment to write to, if there is none. At the start only: waits for the disk.
    Result<void> open();

    // Stamps the entry with the next zxid, which it returns, and adds it to the open batch.
    uint64_t append(Entry entry);
    // Sends the next batch to the disk, if there is one and none is on its way.
    void flush();
    // True if the work was the log's.
    bool on_disk(Lane lane, uint64_t ticket, const DiskResult& result);
    void tick(uint64_t now_us);

    uint64_t last_zxid() const { return last_zxid_; }
    uint64_t durable_zxid() const { return durable_zxid_; }
    // Requires: appended, and not released. The views are good until it is released.
    Entry at(uint64_t zxid) const;
    // Entries up to here are applied. Those that are durable too are forgotten.
    void release(uint64_t zxid);
    // Requires: durable, and in the window or the last one released.
    Position position_of(uint64_t zxid) const;
    uint64_t window_bytes() const { return window_bytes_; }

    bool full() const { return full_; }
    bool cut_needed() const { return cut_needed_; }
    // Takes back all that is not durable. `cut` gets origin, session and op of each; no views.
    void cut_back(std::vector<Entry>& cut);
    const Error* fatal() const { return fatal_ ? &*fatal_ : nullptr; }

    // Nothing is open, waiting or in flight.
    bool idle() const { return in_flight_ == 0 && batches_.size() == written_; }
    // Requires: idle. An orderly end; idle again when it is on the disk.
    void end_mark();

    // Removes segments that hold nothing after this zxid. Not the active one. Oldest first and each
    // for good before the next: a crash in between must not leave a gap.
    void purge(uint64_t zxid);
    uint64_t file_bytes() const;
    size_t file_count() const { return segments_.size(); }
    // Those that recovery applied are counted too.
    uint64_t appended_bytes() const { return appended_bytes_; }

private:
    struct Batch {
        Buffer bytes;
        uint64_t first_zxid = 0;
        std::vector<uint32_t> offsets;  // of records, in bytes
        uint64_t last_zxid() const { return first_zxid + offsets.size() - 1; }
    };

    Batch& open_batch();
    void seal(Batch& batch, bool end);
    void activate(std::vector<DiskOp>& ops, uint64_t need, uint32_t& first_write);
    void make_spare();
    void spare_done(const DiskResult& result);
    void remove_spare(const std::string& path);
    void batch_done(const DiskResult& result);
    void write_failed();
    void activation_failed();
    void purge_done(const DiskResult& result);
    const uint8_t* record_of(uint64_t zxid) const;
    std::string path_of(uint64_t number) const {
        return options_.directory + "/" + segment_name(number);
    }
    uint64_t random64();

    Io& io_;
    LogOptions options_;
    std::vector<SegmentFile> segments_;  // the last one is active

    // The chain, as of the last sealed batch.
    uint64_t batch_ = 0;
    uint64_t chain_ = 0;
    Position sealed_;

    // The active segment, and what was active before, should activation find no room.
    struct Active {
        bool open = false;
        uint64_t offset = 0;
        uint64_t seed = 0;
        uint64_t chain = 0;
        std::string spare;  // that was to become the new segment; empty: one was made in place
    };
    uint64_t seed_ = 0;
    uint64_t offset_ = 0;
    bool active_ = false;
    Active before_;
    Position durable_position_;
    uint64_t durable_batch_ = 0;

    // Batches: [0, written_) durable, then one in flight if in_flight_, then waiting; the last is
    // open.
    std::deque<std::unique_ptr<Batch>> batches_;
    std::vector<std::unique_ptr<Batch>> unused_;
    size_t written_ = 0;
    uint64_t in_flight_ = 0;        // ticket; 0: none
    uint32_t first_write_ = 0;      // in the list that is in flight: ops before it are activation
    bool end_in_flight_ = false;
    Buffer end_bytes_;
    Buffer header_bytes_;

    uint64_t last_zxid_ = 0;
    uint64_t durable_zxid_ = 0;
    Position released_;
    uint64_t window_bytes_ = 0;
    uint64_t appended_bytes_ = 0;

    uint64_t next_ticket_ = 1;
    uint64_t spare_ticket_ = 0;  // being made; 0: no
    bool spare_ready_ = false;
    std::string spare_path_;        // a new name each time: the lanes do not wait for each other
    uint64_t spare_size_ = 0;
    uint64_t spare_retry_us_ = 0;
    uint64_t purge_ticket_ = 0;     // of the first `purging_` segments; 0: no
    size_t purging_ = 0;
    uint64_t now_us_ = 0;
    bool full_ = false;
    bool cut_needed_ = false;
    std::optional<Error> fatal_;
};

}  // namespace zk
