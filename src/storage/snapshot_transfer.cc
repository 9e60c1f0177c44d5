// snapshot_transfer.cc -- see snapshot_transfer.h.

#include "storage/snapshot_transfer.h"

#include <algorithm>
#include <cinttypes>
#include <cstring>

namespace zk {

namespace {

constexpr size_t piece_size = 256u << 10;
constexpr size_t waiting_max = 4 * piece_size;

std::string temporary_name(uint64_t zxid) {
    char name[48];
    snprintf(name, sizeof name, "received.%016" PRIx64 ".tmp", zxid);
    return name;
}

}  // namespace

SnapshotSender::SnapshotSender(Io& io, const std::string& directory, uint64_t zxid,
                               uint64_t ensemble, uint64_t ticket)
    : io_(io), path_(directory + "/" + snapshot_name(zxid)), ensemble_(ensemble),
      ticket_(ticket) {
    id_.zxid = zxid;
    Result<uint64_t> size = io_.file_size(path_);
    if (!size) {
        fail(size.error().text);
    } else {
        id_.size = *size;
        read(0, snapshot_header_size);
    }
}

void SnapshotSender::fail(std::string why) {
    status_ = Status::failed;
    why_ = std::move(why);
}

void SnapshotSender::read(uint64_t offset, uint64_t size) {
    asked_ = size;
    in_flight_ = true;
    std::vector<DiskOp> ops;
    ops.push_back({.kind = DiskOpKind::read, .path = path_, .offset = offset, .size = size});
    io_.submit(Lane::bulk, ticket_, std::move(ops));
}

void SnapshotSender::start(uint64_t offset) {
    ASSERT(status_ == Status::open);
    ASSERT(offset <= id_.size);
    status_ = Status::sending;
    offset_ = read_to_ = offset;
    read_ahead();
}

void SnapshotSender::read_ahead() {
    if (in_flight_ || !ahead_.empty() || read_to_ == id_.size) return;
    read(read_to_, std::min<uint64_t>(piece_size, id_.size - read_to_));
}

void SnapshotSender::pop() {
    ASSERT(ready());
    offset_ += piece_.size();
    piece_ = std::exchange(ahead_, {});
    read_ahead();
}

bool SnapshotSender::on_disk(uint64_t ticket, DiskResult& result) {
    if (ticket != ticket_) return false;
    in_flight_ = false;
    if (status_ == Status::failed) return true;
    if (result.error != 0) {
        fail(path_ + ": " + strerror(result.error));
    } else if (result.bytes.size() != asked_) {
        fail(damage(path_, read_to_ + result.bytes.size(), "the file ends too early").text);
    } else if (status_ == Status::opening) {
        Result<SnapshotHeader> header =
            decode_snapshot_header(Bytes(result.bytes), path_, ensemble_);
        if (!header) {
            fail(header.error().text);
            return true;
        }
        id_.checksum = header->checksum;
        status_ = Status::open;
    } else {
        read_to_ += asked_;
        (piece_.empty() ? piece_ : ahead_) = std::move(result.bytes);
        read_ahead();
    }
    return true;
}

SnapshotReceiver::SnapshotReceiver(Io& io, std::string directory, const SnapshotId& id,
                                   uint64_t ensemble, uint64_t state_seed, uint64_t ticket)
    : io_(io),
      directory_(std::move(directory)),
      temporary_(directory_ + "/" + temporary_name(id.zxid)),
      id_(id),
      ticket_(ticket),
      state_(std::make_unique<State>(state_seed)),
      parser_("the snapshot from a peer", id.size, ensemble, *state_,
              SnapshotParser::Pace::in_turns) {}

size_t SnapshotReceiver::room() const {
    size_t held = waiting_.size() + writing_.size();
    return held < waiting_max ? waiting_max - held : 0;
}

void SnapshotReceiver::take(Bytes bytes) {
    ASSERT(status_ == Status::receiving);
    if (parser_.done()) return;  // what comes now is the sender's mistake, and changes nothing
    offset_ += bytes.size();
    if (Result<void> good = parser_.feed(bytes); !good) return fail(good.error());
    const std::optional<SnapshotHeader>& header = parser_.header();
    if (header && (header->last.zxid != id_.zxid || header->checksum != id_.checksum))
        return fail({.text = "the snapshot from a peer is not the one that was announced"});
    waiting_.append(bytes);
    if (!in_flight_) write();
}

// All that waits, and at the end the name. One list at a time, so memory is bounded by the sender's
// patience.
void SnapshotReceiver::write() {
    naming_ = parser_.done();
    if (waiting_.size() < piece_size && !naming_) return;
    std::vector<DiskOp> ops;
    if (!made_)
        ops.push_back({.kind = DiskOpKind::create, .path = temporary_, .size = id_.size});
    made_ = true;
    writing_.swap(waiting_);
    if (!writing_.empty())
        ops.push_back({.kind = DiskOpKind::write, .path = temporary_, .offset = written_,
                       .data = writing_.bytes()});
    written_ += writing_.size();
    if (naming_) {
        std::string name = directory_ + "/" + snapshot_name(id_.zxid);
        ops.push_back({.kind = DiskOpKind::sync, .path = temporary_});
        ops.push_back({.kind = DiskOpKind::rename, .path = temporary_, .to = name});
        ops.push_back({.kind = DiskOpKind::sync_dir, .path = directory_});
    }
    list_size_ = static_cast<uint32_t>(ops.size());
    in_flight_ = true;
    io_.submit(Lane::bulk, ticket_, std::move(ops));
}

void SnapshotReceiver::fail(Error why) {
    status_ = Status::failed;
    why_ = std::move(why);
    waiting_.reset();
    abandon();
}

void SnapshotReceiver::abandon() {
    if (status_ == Status::receiving) status_ = Status::failed;
    if (status_ == Status::done || fatal_ || in_flight_ || !made_) return;
    made_ = false;
    in_flight_ = true;
    std::vector<DiskOp> ops;
    ops.push_back({.kind = DiskOpKind::remove, .path = temporary_});
    list_size_ = 0;
    io_.submit(Lane::bulk, ticket_, std::move(ops));
}

bool SnapshotReceiver::on_disk(uint64_t ticket, const DiskResult& result) {
    if (ticket != ticket_) return false;
    in_flight_ = false;
    writing_.clear();
    if (status_ == Status::failed) {
        // What was in flight when it failed; or its removal.
        if (list_size_ > 0) abandon();
        return true;
    }
    if (result.error != 0) {
        fatal_ = naming_ && result.failed_op + 1 == list_size_;
        fail({.text = temporary_ + ": " + strerror(result.error), .code = result.error});
        return true;
    }
    if (naming_)
        status_ = Status::done;
    else
        write();
    return true;
}

}  // namespace zk
