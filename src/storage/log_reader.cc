// log_reader.cc -- see log_reader.h.

#include "storage/log_reader.h"

#include <cerrno>
#include <cstring>

namespace zk {

namespace {

constexpr size_t piece_size = 256u << 10;

}  // namespace

LogReader::LogReader(Io& io, const Log& log, std::string directory, uint64_t ensemble,
                     uint64_t ticket)
    : io_(io), log_(log), directory_(std::move(directory)), ensemble_(ensemble), ticket_(ticket) {}

void LogReader::want(uint64_t from, uint64_t to) {
    ASSERT(from <= to);
    ASSERT(to <= log_.durable_zxid());
    from_ = from;
    to_ = to;
    piece_ = {};
    why_.clear();
    status_ = Status::reading;
    if (in_flight_) {
        forgotten_ = true;
        return;
    }
    begin();
}

void LogReader::stop(Status status, std::string why) {
    status_ = status;
    why_ = std::move(why);
    if (status == Status::ready) return;
    number_ = 0;
    piece_ = {};
}

// Stands in the segment that has the entry, and not behind it; false: the log does not reach back
// so far.
bool LogReader::stand_before(uint64_t zxid) {
    const std::vector<SegmentFile>& all = log_.segments();
    uint64_t until = ~uint64_t{0};
    for (size_t i = all.size(); i-- > 0;) {
        if (all[i].start_zxid < zxid && zxid <= until) {
            bool here = number_ == all[i].number && (!walk_ || walk_->end().last.zxid < zxid);
            number_ = all[i].number;
            until_ = until;
            if (here) return true;
            walk_.reset();
            rest_.clear();
            return true;
        }
        until = std::min(until, all[i].start_zxid);
    }
    return false;
}

void LogReader::read_more(size_t wanted) {
    uint64_t offset = (walk_ ? walk_->end().offset : 0) + rest_.size();
    asked_ = std::max(piece_size, wanted - rest_.size());
    if (walk_) asked_ = std::min<uint64_t>(asked_, file_size_ - offset);
    in_flight_ = true;
    std::vector<DiskOp> ops;
    ops.push_back({.kind = DiskOpKind::read, .path = path(), .offset = offset, .size = asked_});
    io_.submit(Lane::bulk, ticket_, std::move(ops));
}

bool LogReader::on_disk(uint64_t ticket, DiskResult& result) {
    if (ticket != ticket_) return false;
    in_flight_ = false;
    if (forgotten_) {
        // The place is where it was before this read.
        forgotten_ = false;
        begin();
        return true;
    }
    if (result.error == ENOENT) {
        stop(Status::gone);
        return true;
    }
    if (result.error != 0) {
        stop(Status::damaged, path() + ": " + strerror(result.error));
        return true;
    }
    if (result.bytes.size() < asked_ && walk_) {
        uint64_t at = walk_->end().offset + rest_.size() + result.bytes.size();
        stop(Status::damaged, damage(path(), at, "the file ends too early").text);
        return true;
    }
    rest_.append(Bytes(result.bytes));
    if (!walk_ && !begin_segment()) return true;
    go_on();
    return true;
}

// The first piece of a file is there, and with it the header.
bool LogReader::begin_segment() {
    Result<SegmentHeader> header = decode_segment_header(rest_.bytes(), path());
    if (!header) {
        stop(Status::damaged, header.error().text);
        return false;
    }
    if (header->ensemble != ensemble_ || header->number != number_) {
        stop(Status::damaged, damage(path(), 0, "it is not the file of this name").text);
        return false;
    }
    // A piece that goes on from the segment before must end where this one starts.
    const std::vector<uint32_t>& taken = piece_.entries.offsets;
    if (!taken.empty() &&
        piece_.entries.position(piece_.entries.last_zxid()) != header->start) {
        Error bad = damage(path(), 0, "it does not start where the one before ends");
        stop(Status::damaged, bad.text);
        return false;
    }
    file_size_ = header->size;
    walk_.emplace(*header, path());
    rest_.consume(segment_header_size);
    return true;
}

void LogReader::begin() {
    if (!stand_before(from_)) return stop(Status::gone);
    go_on();
}

void LogReader::go_on() {
    for (;;) {
        bool none = piece_.entries.offsets.empty();
        uint64_t next = none ? from_ : piece_.entries.last_zxid() + 1;
        if (next > to_) return stop(Status::ready);
        if (walk_ && walk_->end().last.zxid >= until_ && !stand_before(next))
            return stop(Status::gone);
        if (!walk_) return read_more(segment_header_size);
        uint64_t left = file_size_ - walk_->end().offset;
        size_t wanted = walk_->wanted(rest_.bytes());
        if (wanted <= left && rest_.size() < wanted) return read_more(wanted);
        if (!none && piece_.entries.bytes.size() + wanted > piece_size)
            return stop(Status::ready);
        if (!take_record()) return;
    }
}

bool LogReader::take_record() {
    Position before = walk_->end().last;
    uint64_t offset = walk_->end().offset;
    Result<std::optional<SegmentWalk::Taken>> next = walk_->take(rest_.bytes());
    if (!next || !*next) {
        Error bad = next ? damage(path(), offset, "no good record, but the log goes on behind it")
                         : next.error();
        stop(Status::damaged, bad.text);
        return false;
    }
    const SegmentWalk::Taken& taken = **next;
    if (taken.is_entry && taken.entry.zxid >= from_) {
        LogBatch& entries = piece_.entries;
        if (entries.offsets.empty()) {
            piece_.before = before;
            entries.first_zxid = taken.entry.zxid;
        }
        entries.offsets.push_back(static_cast<uint32_t>(entries.bytes.size()));
        entries.bytes.append(taken.record);
    }
    rest_.consume(taken.record.size());
    return true;
}

}  // namespace zk
