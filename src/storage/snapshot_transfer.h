// snapshot_transfer.h -- a snapshot's way from one node's disk to another's, as the bytes of its
// file.
//
// Layer 3. Who sends reads pieces of 256 KB, one ahead. Who receives proves each chunk, makes a
// state of it, and writes the same bytes to `received.<zxid>.tmp`; when all of it is there and
// synced it gets its name, and only then may anybody act on it. What was received stays when a link
// is lost: a sender that has the same file goes on at offset().
//
//     SnapshotSender  piece() ------------------> take()  SnapshotReceiver
//     snapshot.<zxid>                              received.<zxid>.tmp -> snapshot.<zxid>
//
// All disk work goes by the bulk lane, under a ticket of the caller's with the highest bit set: one
// that nobody else has, not even one who is gone and whose work may still be under way. A receiver
// that is busy() must not go: the disk reads its bytes.

#pragma once

#include "storage/snapshot.h"

namespace zk {

class SnapshotSender {
public:
    // The file's size is asked for at once; all else waits for the disk in the background. The file
    // must not be purged meanwhile.
    SnapshotSender(Io& io, const std::string& directory, uint64_t zxid, uint64_t ensemble,
                   uint64_t ticket);

    // opening: its header is being read; then id() holds, and start() is due.
    enum class Status { opening, open, sending, failed };
    Status status() const { return status_; }
    const std::string& why() const { return why_; }
    const SnapshotId& id() const { return id_; }

    // Pieces from this offset on.
    void start(uint64_t offset);
    bool ready() const { return status_ == Status::sending && !piece_.empty(); }
    uint64_t offset() const { return offset_; }  // of the piece
    Bytes piece() const { return piece_; }
    void pop();
    bool at_end() const { return status_ == Status::sending && offset_ == id_.size; }

    bool busy() const { return in_flight_; }

    // True if the work was this sender's.
    bool on_disk(uint64_t ticket, DiskResult& result);

private:
    void read(uint64_t offset, uint64_t size);
    void read_ahead();
    void fail(std::string why);

    Io& io_;
    std::string path_;
    uint64_t ensemble_;
    uint64_t ticket_;
    SnapshotId id_;
    Status status_ = Status::opening;
    std::string why_;
    std::vector<uint8_t> piece_;
    std::vector<uint8_t> ahead_;
    uint64_t offset_ = 0;
    uint64_t read_to_ = 0;
    uint64_t asked_ = 0;
    bool in_flight_ = false;
};

class SnapshotReceiver {
public:
    SnapshotReceiver(Io& io, std::string directory, const SnapshotId& id, uint64_t ensemble,
                     uint64_t state_seed, uint64_t ticket);

    // done: the file is durable, and state() and last() hold. failed: start again with another one.
    enum class Status { receiving, done, failed };
    Status status() const { return status_; }
    const Error& why() const { return why_; }
    // The file got its name, and nobody knows whether it has it for good: the process must end.
    bool fatal() const { return fatal_; }
    const SnapshotId& id() const { return id_; }

    // What comes next. When there is no room the sender is to wait.
    uint64_t offset() const { return offset_; }
    size_t room() const;
    // Requires: receiving.
    void take(Bytes bytes);

    // When done; once.
    std::unique_ptr<State> state() { return std::move(state_); }
    const Position& last() const { return parser_.header()->last; }

    // Removes what there is on the disk, unless it is done. Nothing may be in flight (busy).
    bool busy() const { return in_flight_; }
    void abandon();

    // True if the work was this receiver's.
    bool on_disk(uint64_t ticket, const DiskResult& result);

private:
    void write();
    void fail(Error why);

    Io& io_;
    std::string directory_;
    std::string temporary_;
    SnapshotId id_;
    uint64_t ticket_;
    std::unique_ptr<State> state_;
    SnapshotParser parser_;
    Status status_ = Status::receiving;
    Error why_;
    bool fatal_ = false;
    uint64_t offset_ = 0;   // received
    uint64_t written_ = 0;  // given to the disk
    Buffer waiting_;
    Buffer writing_;
    bool in_flight_ = false;
    bool made_ = false;     // the file
    bool naming_ = false;   // the list in flight ends with the name
    uint32_t list_size_ = 0;
};

}  // namespace zk
