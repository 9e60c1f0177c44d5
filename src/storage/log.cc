// log.cc -- see log.h.

#include "storage/log.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/mutation.h"

namespace zk {

namespace {

constexpr uint64_t first_segment_bytes = 1u << 20;  // quickly made, at the first start
constexpr uint64_t spare_retry_after_us = 1'000'000;
// Tickets of the log have this bit clear; others on the same lanes set it.
constexpr uint64_t foreign_ticket = uint64_t{1} << 63;

}  // namespace

Log::Log(Io& io, LogOptions options, LogStart start)
    : io_(io),
      options_(std::move(options)),
      segments_(std::move(start.segments)),
      batch_(start.batch),
      chain_(start.go_on ? start.chain : start.last.checksum),
      sealed_(start.last),
      seed_(start.seed),
      offset_(start.offset),
      active_(start.go_on),
      durable_batch_(start.batch),
      window_(start.tail.empty() ? start.last : start.base, std::move(start.tail),
              options_.kept_bytes),
      committed_(start.applied),
      appended_bytes_(start.bytes) {
    ASSERT(window_.last_zxid() == sealed_.zxid);
    window_.release(start.applied);
}

Result<void> Log::open() {
    now_us_ = io_.now_us();
    if (!active_) {
        std::vector<DiskOp> ops;
        uint32_t first_write = 0;
        uint64_t size = std::min(options_.segment_bytes, first_segment_bytes);
        activate(ops, size - segment_header_size, first_write);
        DiskResult made = io_.run(ops);
        if (made.error != 0)
            return Error{.text = ops[made.failed_op].path + ": " + strerror(made.error),
                         .code = made.error};
    }
    make_spare();
    return {};
}

uint64_t Log::random64() {
    uint8_t bytes[8];
    io_.random(bytes);
    return load_u64(bytes);
}

uint64_t Log::append(Entry entry) {
    entry.zxid = last_zxid() + 1;
    append_as_is(entry);
    return entry.zxid;
}

void Log::append_as_is(const Entry& entry) {
    window_.add(entry);
    appended_bytes_ += record_head_size + encoded_size(entry);
}

// Fills in what was not known when the records were begun: chain, batch number, checksums.
void Log::seal(LogBatch& batch, bool end) {
    ++batch_;
    for (size_t i = 0; i < batch.offsets.size(); ++i) {
        uint8_t* record = batch.bytes.data() + batch.offsets[i];
        bool last = i + 1 == batch.offsets.size();
        uint32_t kind = end ? record_end : record_entry;
        if (last) kind |= record_last_of_batch;
        chain_ = seal_record(record, kind, batch_, chain_, seed_);
        if (end) continue;
        sealed_ = {.term = load_u64(record + record_head_size),
                   .zxid = load_u64(record + record_head_size + 8),
                   .checksum = chain_};
    }
}

// Adds the ops that make a new segment the active one, with room for `need` bytes of records.
void Log::activate(std::vector<DiskOp>& ops, uint64_t need, uint32_t& first_write) {
    std::string from = spare_path_;
    before_ = {.open = active_, .offset = offset_, .seed = seed_, .chain = chain_, .spare = {}};
    uint64_t size = spare_size_;
    if (!spare_ready_ || need + segment_header_size > spare_size_) {
        from = options_.directory + "/spare.next";
        size = std::max(active_ ? options_.segment_bytes : 0, need + segment_header_size);
        ops.push_back({.kind = DiskOpKind::create, .path = from, .to = {}, .offset = 0,
                       .size = size, .data = {}});
    } else {
        spare_ready_ = false;
        before_.spare = from;
    }
    uint64_t number = segments_.empty() ? 1 : segments_.back().number + 1;
    SegmentHeader header{.ensemble = options_.ensemble,
                         .number = number,
                         .salt = random64(),
                         .start = sealed_,
                         .batch_before = batch_,
                         .size = size,
                         .committed = committed_,
                         .checksum = 0};
    header_bytes_.clear();
    encode(header_bytes_, header);
    seed_ = header.checksum;
    chain_ = sealed_.checksum;
    offset_ = segment_header_size;
    active_ = true;
    segments_.push_back({.number = number, .start_zxid = sealed_.zxid, .size = size});
    auto add = [&](DiskOpKind kind, const std::string& path, std::string to, Bytes data) {
        ops.push_back({.kind = kind, .path = path, .to = std::move(to), .offset = 0, .size = 0,
                       .data = data});
    };
    add(DiskOpKind::write, from, {}, header_bytes_.bytes());
    add(DiskOpKind::sync, from, {}, {});
    add(DiskOpKind::rename, from, path_of(number), {});
    if (!mutated(Mutation::skip_sync_dir))
        add(DiskOpKind::sync_dir, options_.directory, {}, {});
    first_write = static_cast<uint32_t>(ops.size());
}

void Log::flush() {
    if (in_flight_ != 0 || cut_needed_ || fatal_) return;
    LogBatch* next = window_.next();
    if (next == nullptr || now_us_ < flush_retry_us_) return;
    LogBatch& batch = *next;
    std::vector<DiskOp> ops;
    ops.reserve(8);
    first_write_ = 0;
    size_t size = batch.bytes.size();
    // Room is kept for an end mark.
    bool fits = active_ && offset_ + size + end_mark_size <= segments_.back().size;
    if (!fits) activate(ops, size + end_mark_size, first_write_);
    seal(batch, false);
    std::string path = path_of(segments_.back().number);
    ops.push_back({.kind = DiskOpKind::write, .path = path, .to = {}, .offset = offset_, .size = 0,
                   .data = batch.bytes.bytes()});
    if (options_.sync && !mutated(Mutation::skip_fsync))
        ops.push_back({.kind = DiskOpKind::sync, .path = path, .to = {}, .offset = 0, .size = 0,
                       .data = {}});
    offset_ += size;
    window_.take_next();
    submit(std::move(ops));
    if (!full_ && now_us_ >= spare_retry_us_) make_spare();
}

void Log::submit(std::vector<DiskOp> ops) {
    in_flight_ = next_ticket_++;
    writing_since_us_ = io_.now_us();
    io_.submit(Lane::log, in_flight_, std::move(ops));
}

void Log::end_mark() {
    ASSERT(idle());
    // No room for it is no harm: the log ends as after a crash.
    if (!active_ || offset_ + end_mark_size > segments_.back().size) return;
    LogBatch mark;
    mark.offsets.push_back(0);
    memset(mark.bytes.grow(record_head_size), 0, record_head_size);
    mark.bytes.patch_u32(8, end_mark_size - record_head_size);
    mark.bytes.u64(committed_);
    seal(mark, true);
    end_bytes_ = std::move(mark.bytes);
    std::string path = path_of(segments_.back().number);
    std::vector<DiskOp> ops;
    ops.push_back({.kind = DiskOpKind::write, .path = path, .to = {}, .offset = offset_, .size = 0,
                   .data = end_bytes_.bytes()});
    ops.push_back({.kind = DiskOpKind::sync, .path = path, .to = {}, .offset = 0, .size = 0,
                   .data = {}});
    offset_ += end_mark_size;
    first_write_ = 0;
    end_in_flight_ = true;
    submit(std::move(ops));
}

bool Log::on_disk(Lane lane, uint64_t ticket, const DiskResult& result) {
    if ((ticket & foreign_ticket) != 0) return false;
    if (lane == Lane::log && ticket == in_flight_) {
        batch_done(result);
        return true;
    }
    if (lane == Lane::bulk && ticket == spare_ticket_) {
        spare_done(result);
        return true;
    }
    if (lane == Lane::bulk && ticket == purge_ticket_) purge_done(result);
    return lane == Lane::bulk;
}

void Log::batch_done(const DiskResult& result) {
    in_flight_ = 0;
    bool end = end_in_flight_;
    end_in_flight_ = false;
    if (result.error != 0) {
        // Until the new segment has its name, nothing of the batch can be on the disk, and what is
        // left of the file is no part of the log. The last op of the activation, the sync of the
        // directory, comes after the name.
        if (no_room(result.error)) {
            if (end) return;  // the log ends as after a crash
            bool activation = result.failed_op + 1 < first_write_;
            if (activation || result.failed_op == first_write_) return no_room_for_batch(result);
        }
        fatal_ = Error{.text = "writing the log in " + options_.directory +
                               " failed: " + strerror(result.error),
                       .code = result.error};
        return;
    }
    if (options_.slow_sync_us > 0 && result.took_us > options_.slow_sync_us)
        LOG(warn, "writing the log took %llu ms (fsync.warningthresholdms): the disk is slow",
            static_cast<unsigned long long>(result.took_us / 1000));
    durable_batch_ = batch_;
    if (!end) window_.written();
}

void Log::no_room_for_batch(const DiskResult& result) {
    // If all of it was cut meanwhile, nobody need be told.
    cut_needed_ = window_.put_back();
    sealed_ = window_.position_of(durable_zxid());
    batch_ = durable_batch_;
    if (result.failed_op < first_write_)
        activation_failed();
    else
        write_failed();
    full_ = !spare_ready_;
    flush_retry_us_ = 0;
}

void Log::activation_failed() {
    segments_.pop_back();
    active_ = before_.open;
    offset_ = before_.offset;
    seed_ = before_.seed;
    chain_ = before_.chain;
    LOG(error, "no room in %s for the next segment of the log (%llu bytes): writes are refused "
               "until there is",
        options_.directory.c_str(), static_cast<unsigned long long>(options_.segment_bytes));
    if (!before_.spare.empty()) remove_spare(before_.spare);
}

// Where a file system writes elsewhere than over what is there (btrfs, ZFS), a preallocated segment
// may find no room either. Part of the batch is in the file, never all: a torn tail, cut as every
// one is, by the next segment.
void Log::write_failed() {
    active_ = false;
    LOG(error, "no room in %s to write to the log, though its segment has its room: writes are "
               "refused until there is",
        options_.directory.c_str());
}

void Log::remove_spare(const std::string& path) {
    std::vector<DiskOp> ops;
    ops.push_back({.kind = DiskOpKind::remove, .path = path, .to = {}, .offset = 0, .size = 0,
                   .data = {}});
    io_.submit(Lane::bulk, next_ticket_++, std::move(ops));
}

void Log::make_spare() {
    if (spare_ready_ || spare_ticket_ != 0) return;
    spare_ticket_ = next_ticket_++;
    spare_size_ = options_.segment_bytes;
    spare_path_ = options_.directory + "/spare." + std::to_string(spare_ticket_);
    std::vector<DiskOp> ops;
    ops.push_back({.kind = DiskOpKind::create, .path = spare_path_, .to = {}, .offset = 0,
                   .size = spare_size_, .data = {}});
    ops.push_back({.kind = DiskOpKind::sync, .path = spare_path_, .to = {}, .offset = 0,
                   .size = 0, .data = {}});
    io_.submit(Lane::bulk, spare_ticket_, std::move(ops));
}

void Log::spare_done(const DiskResult& result) {
    spare_ticket_ = 0;
    if (result.error == 0) {
        spare_ready_ = true;
        flush_retry_us_ = 0;
        if (full_) LOG(info, "there is room in %s again", options_.directory.c_str());
        full_ = false;
        return;
    }
    spare_retry_us_ = now_us_ + spare_retry_after_us;
    // The next try makes another file. One that was not even made leaves nothing.
    if (result.failed_op > 0) remove_spare(spare_path_);
    if (no_room(result.error)) {
        if (!full_)
            LOG(error, "no room in %s for the next segment of the log (%llu bytes): only deletes "
                       "and sessions are admitted until there is",
                options_.directory.c_str(),
                static_cast<unsigned long long>(options_.segment_bytes));
        full_ = true;
        return;
    }
    LOG(warn, "%s: %s; trying again", spare_path_.c_str(), strerror(result.error));
}

void Log::tick(uint64_t now_us) {
    now_us_ = now_us;
    if (!spare_ready_ && spare_ticket_ == 0 && now_us >= spare_retry_us_) make_spare();
}

void Log::truncate(uint64_t zxid) {
    ASSERT(zxid <= last_zxid());
    ASSERT(zxid >= std::max(released_zxid(), committed_));
    if (zxid < sealed_.zxid) {
        // The disk has some of what is cut, or is about to: a new segment supersedes it. Not where
        // the segment before the active one ends with entries that stay.
        if (zxid < durable_zxid()) before_.open = false;
        sealed_ = window_.position_of(zxid);
        active_ = false;
    }
    window_.cut(zxid);
}

void Log::set_committed(uint64_t zxid) {
    ASSERT(zxid <= last_zxid());
    committed_ = std::max(committed_, zxid);
}

void Log::start_anew(const Position& last) {
    window_.start_anew(last);
    sealed_ = last;
    committed_ = last.zxid;
    active_ = false;
    before_.open = false;
    cut_needed_ = false;
}

Entry Log::at(uint64_t zxid) const {
    Entry entry;
    bool good = decode(window_.bytes_of(zxid), entry);
    ASSERT(good);
    ASSERT(entry.zxid == zxid);
    return entry;
}

Position Log::position_of(uint64_t zxid) const {
    ASSERT(sealed(zxid));
    return window_.position_of(zxid);
}

void Log::release(uint64_t zxid) {
    ASSERT(zxid <= last_zxid());
    window_.release(zxid);
}

void Log::wait_for_room() {
    ASSERT(in_flight_ == 0);
    cut_needed_ = false;
    flush_retry_us_ = now_us_ + spare_retry_after_us;
}

void Log::cut_back(std::vector<Entry>& cut) {
    ASSERT(in_flight_ == 0);
    uint64_t keep = std::max({durable_zxid(), released_zxid(), committed_});
    for (uint64_t zxid = keep + 1; zxid <= last_zxid(); ++zxid) {
        cut.push_back(at(zxid));
        cut.back().ids = cut.back().body = {};
    }
    if (keep < last_zxid()) window_.cut(keep);
    cut_needed_ = false;
    // They wait, and are tried no more often than a spare is made.
    if (!window_.all_written()) flush_retry_us_ = now_us_ + spare_retry_after_us;
}

void Log::purge(uint64_t zxid) {
    if (purge_ticket_ != 0) return;
    std::vector<DiskOp> ops;
    purging_ = 0;
    // A segment whose activation is on its way may yet find no room; then the one before goes on.
    size_t there = segments_.size() - (in_flight_ != 0 && first_write_ > 0 ? 1 : 0);
    while (purging_ + 1 < there && segments_[purging_ + 1].start_zxid <= zxid) {
        ops.push_back({.kind = DiskOpKind::remove, .path = path_of(segments_[purging_].number),
                       .to = {}, .offset = 0, .size = 0, .data = {}});
        ops.push_back({.kind = DiskOpKind::sync_dir, .path = options_.directory, .to = {},
                       .offset = 0, .size = 0, .data = {}});
        ++purging_;
    }
    if (purging_ == 0) return;
    purge_ticket_ = next_ticket_++;
    io_.submit(Lane::bulk, purge_ticket_, std::move(ops));
}

// What could not be removed is tried again with the next purge, before anything newer.
void Log::purge_done(const DiskResult& result) {
    purge_ticket_ = 0;
    if (result.error != 0)
        LOG(warn, "removing old files of the log in %s failed: %s", options_.directory.c_str(),
            strerror(result.error));
    size_t gone = result.error != 0 ? result.failed_op / 2 : purging_;
    segments_.erase(segments_.begin(), segments_.begin() + static_cast<ptrdiff_t>(gone));
}

uint64_t Log::file_bytes() const {
    uint64_t bytes = 0;
    for (const SegmentFile& segment : segments_) bytes += segment.size;
    return bytes;
}

}  // namespace zk
