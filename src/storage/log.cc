// log.cc -- see log.h.

#include "storage/log.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace zk {

namespace {

constexpr size_t batch_bytes_max = 4u << 20;
constexpr size_t keep_unused = 4;
constexpr uint64_t first_segment_bytes = 1u << 20;  // quickly made, at the first start
constexpr uint64_t spare_retry_after_us = 1'000'000;
// Tickets of the log have this bit clear; others on the same lanes set it.
constexpr uint64_t foreign_ticket = uint64_t{1} << 63;

// A file that may not grow so large is as good as none.
bool no_room(int error) { return error == ENOSPC || error == EDQUOT || error == EFBIG; }

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
      durable_position_(start.last),
      durable_batch_(start.batch),
      last_zxid_(start.last.zxid),
      durable_zxid_(start.last.zxid),
      released_(start.last),
      appended_bytes_(start.bytes) {}

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

Log::Batch& Log::open_batch() {
    size_t sealed = written_ + (in_flight_ != 0 && !end_in_flight_ ? 1 : 0);
    bool none = batches_.size() == sealed;
    if (none || batches_.back()->bytes.size() >= batch_bytes_max) {
        if (unused_.empty()) {
            batches_.push_back(std::make_unique<Batch>());
        } else {
            batches_.push_back(std::move(unused_.back()));
            unused_.pop_back();
        }
        batches_.back()->first_zxid = last_zxid_ + 1;
    }
    return *batches_.back();
}

uint64_t Log::append(Entry entry) {
    Batch& batch = open_batch();
    entry.zxid = ++last_zxid_;
    size_t before = batch.bytes.size();
    batch.offsets.push_back(static_cast<uint32_t>(before));
    uint8_t* head = batch.bytes.grow(record_head_size);
    memset(head, 0, record_head_size);
    store_u32(head + 8, static_cast<uint32_t>(encoded_size(entry)));
    encode(batch.bytes, entry);
    window_bytes_ += batch.bytes.size() - before;
    appended_bytes_ += batch.bytes.size() - before;
    return last_zxid_;
}

// Fills in what was not known when the records were begun: chain, batch number, checksums.
void Log::seal(Batch& batch, bool end) {
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
    add(DiskOpKind::sync_dir, options_.directory, {}, {});
    first_write = static_cast<uint32_t>(ops.size());
}

void Log::flush() {
    if (in_flight_ != 0 || cut_needed_ || fatal_ || batches_.size() == written_) return;
    Batch& batch = *batches_[written_];
    std::vector<DiskOp> ops;
    ops.reserve(8);
    first_write_ = 0;
    size_t size = batch.bytes.size();
    // Room is kept for an end mark.
    bool fits = active_ && offset_ + size + record_head_size <= segments_.back().size;
    if (!fits) activate(ops, size + record_head_size, first_write_);
    seal(batch, false);
    std::string path = path_of(segments_.back().number);
    ops.push_back({.kind = DiskOpKind::write, .path = path, .to = {}, .offset = offset_, .size = 0,
                   .data = batch.bytes.bytes()});
    if (options_.sync)
        ops.push_back({.kind = DiskOpKind::sync, .path = path, .to = {}, .offset = 0, .size = 0,
                       .data = {}});
    offset_ += size;
    in_flight_ = next_ticket_++;
    io_.submit(Lane::log, in_flight_, std::move(ops));
    if (!full_ && now_us_ >= spare_retry_us_) make_spare();
}

void Log::end_mark() {
    ASSERT(idle());
    // No room for it is no harm: the log ends as after a crash.
    if (!active_ || offset_ + record_head_size > segments_.back().size) return;
    Batch mark;
    mark.offsets.push_back(0);
    memset(mark.bytes.grow(record_head_size), 0, record_head_size);
    seal(mark, true);
    end_bytes_ = std::move(mark.bytes);
    std::string path = path_of(segments_.back().number);
    std::vector<DiskOp> ops;
    ops.push_back({.kind = DiskOpKind::write, .path = path, .to = {}, .offset = offset_, .size = 0,
                   .data = end_bytes_.bytes()});
    ops.push_back({.kind = DiskOpKind::sync, .path = path, .to = {}, .offset = 0, .size = 0,
                   .data = {}});
    offset_ += record_head_size;
    first_write_ = 0;
    end_in_flight_ = true;
    in_flight_ = next_ticket_++;
    io_.submit(Lane::log, in_flight_, std::move(ops));
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
            if (result.failed_op + 1 < first_write_) return activation_failed();
            if (result.failed_op == first_write_) return write_failed();
        }
        fatal_ = Error{.text = "writing the log in " + options_.directory +
                               " failed: " + strerror(result.error),
                       .code = result.error};
        return;
    }
    if (options_.slow_sync_us > 0 && result.took_us > options_.slow_sync_us)
        LOG(warn, "writing the log took %llu ms (fsync.warningthresholdms): the disk is slow",
            static_cast<unsigned long long>(result.took_us / 1000));
    durable_position_ = sealed_;
    durable_batch_ = batch_;
    if (end) return;
    durable_zxid_ = batches_[written_]->last_zxid();
    ++written_;
}

void Log::activation_failed() {
    segments_.pop_back();
    active_ = before_.open;
    offset_ = before_.offset;
    seed_ = before_.seed;
    chain_ = before_.chain;
    cut_needed_ = true;
    full_ = !spare_ready_;
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
    cut_needed_ = true;
    full_ = !spare_ready_;
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

const uint8_t* Log::record_of(uint64_t zxid) const {
    for (const auto& batch : batches_) {
        if (zxid > batch->last_zxid()) continue;
        ASSERT(zxid >= batch->first_zxid);
        return batch->bytes.data() + batch->offsets[zxid - batch->first_zxid];
    }
    ASSERT(!"the entry is in the window");
    return nullptr;
}

Entry Log::at(uint64_t zxid) const {
    const uint8_t* record = record_of(zxid);
    Entry entry;
    bool good = decode(Bytes(record + record_head_size, load_u32(record + 8)), entry);
    ASSERT(good);
    ASSERT(entry.zxid == zxid);
    return entry;
}

Position Log::position_of(uint64_t zxid) const {
    if (zxid == released_.zxid) return released_;
    const uint8_t* record = record_of(zxid);
    return {.term = load_u64(record + record_head_size),
            .zxid = zxid,
            .checksum = load_u64(record)};
}

void Log::release(uint64_t zxid) {
    while (written_ > 0 && batches_.front()->last_zxid() <= zxid) {
        std::unique_ptr<Batch> batch = std::move(batches_.front());
        batches_.pop_front();
        --written_;
        const uint8_t* last = batch->bytes.data() + batch->offsets.back();
        released_ = {.term = load_u64(last + record_head_size),
                     .zxid = load_u64(last + record_head_size + 8),
                     .checksum = load_u64(last)};
        window_bytes_ -= batch->bytes.size();
        if (unused_.size() >= keep_unused || batch->bytes.capacity() > (1u << 20)) continue;
        batch->bytes.clear();
        batch->offsets.clear();
        unused_.push_back(std::move(batch));
    }
}

void Log::cut_back(std::vector<Entry>& cut) {
    ASSERT(in_flight_ == 0);
    for (size_t i = written_; i < batches_.size(); ++i) {
        const Batch& batch = *batches_[i];
        for (uint64_t zxid = batch.first_zxid; zxid <= batch.last_zxid(); ++zxid) {
            cut.push_back(at(zxid));
            cut.back().ids = cut.back().body = {};
        }
        window_bytes_ -= batch.bytes.size();
    }
    batches_.resize(written_);
    last_zxid_ = durable_zxid_;
    cut_needed_ = false;
    sealed_ = durable_position_;
    batch_ = durable_batch_;
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
