// log.h -- the log at work: the batch that is open, the one on its way to the disk, and the window
// of entries that are still of use.
//
// Layer 3. Knows the files and asks Io for all disk work; the entries in memory are the window's.
//
//     append --> open batch --flush--> in flight --on_disk--> durable --release--> kept --> gone
//
// One batch is in flight at a time; what is appended meanwhile is the next one. So a batch is what
// arrived during the last sync, and nobody waits for a timer.
//
// A tail that conflicts with the leader's is cut at once in memory. On the disk the next batch cuts
// it, for it begins a new segment that starts where the cut was made. Until that one has its name a
// start finds the old tail, whole or in part, and never new entries with it. What is in flight when
// its entries are cut is waited for: whatever became of it, the next segment supersedes it.
//
// Segments: the next one, `spare`, is made ahead of need on the bulk lane, zeros and all. A batch
// that does not fit into the active segment activates it: header, sync, name, sync of the
// directory, and then the batch, all in one list of ops. Failures:
//
//     no room to make the spare         full(): the node admits only what frees room; tried again
//     activation finds no room          nothing of the batch was written: cut_needed()
//     the batch itself finds no room    a torn tail, cut by the next segment: cut_needed(), too
//     any other failed write or sync    fatal(): the process must end; never tried again. So does
//                                       a lack of room where write and sync were one call

#pragma once

#include <algorithm>
#include <vector>

#include "base/io.h"
#include "storage/log_window.h"

namespace zk {

struct LogOptions {
    std::string directory;
    uint64_t segment_bytes = 16u << 20;
    uint64_t ensemble = 0;
    bool sync = true;
    uint64_t slow_sync_us = 1'000'000;  // told when it takes longer; 0: never
    uint64_t kept_bytes = 0;            // memory for released entries, for peers that lag
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
    uint64_t bytes = 0;  // of the entries after the snapshot
    // Entries that are durable and not all applied, and the last entry before them.
    Position base;
    std::vector<LogBatch> tail;
    uint64_t applied = 0;
};

class Log {
public:
    Log(Io& io, LogOptions options, LogStart start);
    Log(const Log&) = delete;
    Log& operator=(const Log&) = delete;

    // Makes a segment to write to, if there is none. At the start only: waits for the disk.
    Result<void> open();

    // A leader's: stamps the entry with the next zxid, which it returns, and adds it to the open
    // batch.
    uint64_t append(Entry entry);
    // A follower's. Requires: entry.zxid == last_zxid() + 1.
    void append_as_is(const Entry& entry);
    // Sends the next batch to the disk, if there is one and none is on its way.
    void flush();
    // True if the work was the log's.
    bool on_disk(Lane lane, uint64_t ticket, const DiskResult& result);
    void tick(uint64_t now_us);

    // Cuts all after zxid, durable or not. Requires: zxid <= last_zxid(), and nothing of what is
    // cut is released or committed.
    void truncate(uint64_t zxid);
    // Forgets all. Requires: a snapshot of this place is durable; the log goes on behind it.
    void start_anew(const Position& last);

    uint64_t last_zxid() const { return window_.last_zxid(); }
    uint64_t durable_zxid() const { return window_.durable_zxid(); }
    // Is it in the window, released or not?
    bool has(uint64_t zxid) const { return window_.has(zxid); }
    // Requires: in the window. The views are good until it is cut, or released and not kept.
    Entry at(uint64_t zxid) const;
    Bytes bytes_of(uint64_t zxid) const { return window_.bytes_of(zxid); }
    // Requires: in the window, or the one just before it.
    uint64_t term_of(uint64_t zxid) const { return window_.term_of(zxid); }
    // Entries up to here are applied. They may be ahead of this node's disk, and leave the window
    // only when they are durable, too.
    void release(uint64_t zxid);
    uint64_t released_zxid() const { return window_.released_zxid(); }
    // Is its place in the log known for good? Not before it is durable: what finds no room is
    // written again, elsewhere. Who wants a snapshot stops to apply until it is so.
    bool sealed(uint64_t zxid) const {
        return zxid >= window_.base().zxid && zxid <= durable_zxid();
    }
    // Requires: sealed, and in the window or the one just before it.
    Position position_of(uint64_t zxid) const;
    // Just before the window.
    const Position& base() const { return window_.base(); }
    // Of what is not released.
    uint64_t window_bytes() const { return window_.bytes(); }

    bool full() const { return full_; }
    bool cut_needed() const { return cut_needed_; }
    // Takes back what is neither durable nor committed; what is committed and not durable waits for
    // room. `cut` gets origin, session and op of each that is taken back; no views.
    void cut_back(std::vector<Entry>& cut);
    // Instead: all of it waits for room. What was sent to others is not taken back.
    void wait_for_room();
    const Error* fatal() const { return fatal_ ? &*fatal_ : nullptr; }

    // A batch is on its way to the disk, and since when.
    bool writing() const { return in_flight_ != 0; }
    uint64_t writing_since_us() const { return writing_since_us_; }

    // Entries up to here are committed: noted in the next header or end mark, for the next start.
    // Requires: zxid <= last_zxid(); they are never cut.
    void set_committed(uint64_t zxid);
    // The part that may be noted elsewhere: behind a cut there may be others on the disk until new
    // ones are durable.
    uint64_t committed_durable() const { return std::min(committed_, durable_zxid()); }

    // Nothing is open, waiting or in flight.
    bool idle() const { return in_flight_ == 0 && window_.all_written(); }
    // Requires: idle. An orderly end; idle again when it is on the disk.
    void end_mark();

    // Removes segments that hold nothing after this zxid. Not the active one. Oldest first and each
    // for good before the next: a crash in between must not leave a gap.
    void purge(uint64_t zxid);
    uint64_t file_bytes() const;
    size_t file_count() const { return segments_.size(); }
    const std::vector<SegmentFile>& segments() const { return segments_; }
    // Those that recovery applied are counted too.
    uint64_t appended_bytes() const { return appended_bytes_; }

private:
    void seal(LogBatch& batch, bool end);
    void activate(std::vector<DiskOp>& ops, uint64_t need, uint32_t& first_write);
    void submit(std::vector<DiskOp> ops);
    void make_spare();
    void spare_done(const DiskResult& result);
    void remove_spare(const std::string& path);
    void batch_done(const DiskResult& result);
    void no_room_for_batch(const DiskResult& result);
    void write_failed();
    void activation_failed();
    void purge_done(const DiskResult& result);
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
    uint64_t durable_batch_ = 0;

    LogWindow window_;
    uint64_t in_flight_ = 0;        // ticket; 0: none
    uint64_t writing_since_us_ = 0;
    uint32_t first_write_ = 0;      // in the list that is in flight: ops before it are activation
    bool end_in_flight_ = false;
    Buffer end_bytes_;
    Buffer header_bytes_;

    uint64_t committed_ = 0;
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
    uint64_t flush_retry_us_ = 0;   // what could not be cut back is not tried before
    std::optional<Error> fatal_;
};

}  // namespace zk
