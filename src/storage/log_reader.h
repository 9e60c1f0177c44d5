// log_reader.h -- reads entries that have left the log's window, for a peer that lags.
//
// Layer 3. Owns one place in the log's files, and one piece of entries. Reads by the bulk lane, a
// quarter of a megabyte at a time, and proves what it reads as a start does. Peers mostly want what
// follows the last piece, so the place is kept: only the first wish has to look for it, from the
// beginning of a segment.
//
//     want --> reading --> ready --> want ...        gone: purged, only a snapshot helps
//                                                    damaged: the file is; why() says where
//
// Reads nothing that is not durable and in the log: what was cut may still stand in a file.

#pragma once

#include "storage/log.h"

namespace zk {

// Consecutive entries, and the place of the one before them.
struct LogPiece {
    Position before;
    LogBatch entries;
};

class LogReader {
public:
    // `ticket`: of all reads, so another one for each reader, also for one that comes after one
    // whose read is under way; with the highest bit set.
    LogReader(Io& io, const Log& log, std::string directory, uint64_t ensemble, uint64_t ticket);

    enum class Status { idle, reading, ready, gone, damaged };

    // Entries from `from` on, up to `to` at most; the piece that was ready is given up. A wish that
    // is under way is forgotten. Requires: from <= to <= log.durable_zxid().
    void want(uint64_t from, uint64_t to);
    // True if the work was this reader's.
    bool on_disk(uint64_t ticket, DiskResult& result);

    Status status() const { return status_; }
    // When ready. At least one entry; more while they are a quarter of a megabyte at most.
    const LogPiece& piece() const { return piece_; }
    const std::string& why() const { return why_; }

private:
    bool stand_before(uint64_t zxid);
    void begin();
    void read_more(size_t wanted);
    void go_on();
    bool begin_segment();
    bool take_record();
    void stop(Status status, std::string why = {});
    std::string path() const { return directory_ + "/" + segment_name(number_); }

    Io& io_;
    const Log& log_;
    std::string directory_;
    uint64_t ensemble_;
    uint64_t ticket_;

    Status status_ = Status::idle;
    std::string why_;
    LogPiece piece_;
    uint64_t from_ = 0;
    uint64_t to_ = 0;
    bool in_flight_ = false;
    bool forgotten_ = false;  // what is in flight belongs to an earlier wish
    size_t asked_ = 0;

    // The place: a segment, and what was read of it and not taken yet.
    uint64_t number_ = 0;  // 0: none
    uint64_t until_ = 0;
    std::optional<SegmentWalk> walk_;  // once the header is read
    uint64_t file_size_ = 0;
    Buffer rest_;
};

}  // namespace zk
