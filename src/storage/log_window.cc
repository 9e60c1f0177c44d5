// log_window.cc -- see log_window.h.

#include "storage/log_window.h"

#include <algorithm>

namespace zk {

namespace {

constexpr size_t batch_bytes_max = 4u << 20;
constexpr size_t unused_max = 4;
constexpr size_t unused_bytes_max = 4 * batch_bytes_max;  // of all: a full one has twice that

// What a kept batch costs, which is more than its bytes if they are few.
uint64_t cost(const LogBatch& batch) {
    return sizeof batch + batch.bytes.capacity() + batch.offsets.capacity() * sizeof(uint32_t);
}

// A batch that was used again may have much more memory than it needs.
void shrink(LogBatch& batch) {
    size_t size = batch.bytes.size();
    if (batch.bytes.capacity() <= 4 * std::max<size_t>(size, 256)) return;
    Buffer small;
    small.reserve(size);
    small.append(batch.bytes.bytes());
    batch.bytes = std::move(small);
    batch.offsets.shrink_to_fit();
}

}  // namespace

void LogBatch::add(const Entry& entry) {
    offsets.push_back(static_cast<uint32_t>(bytes.size()));
    uint8_t* head = bytes.grow(record_head_size);
    memset(head, 0, record_head_size);
    store_u32(head + 8, static_cast<uint32_t>(encoded_size(entry)));
    encode(bytes, entry);
}

void LogBatch::cut(uint64_t zxid) {
    size_t left = zxid - first_zxid + 1;
    ASSERT(left < offsets.size());
    bytes.truncate(offsets[left]);
    offsets.resize(left);
}

LogWindow::LogWindow(const Position& base, std::vector<LogBatch>&& tail, uint64_t kept_bytes_max)
    : base_(base), released_(base.zxid), kept_bytes_max_(kept_bytes_max) {
    for (LogBatch& batch : tail) {
        ASSERT(batch.first_zxid == last_zxid() + 1);
        bytes_ += batch.bytes.size();
        batches_.push_back(std::make_unique<LogBatch>(std::move(batch)));
    }
    written_ = batches_.size();
}

void LogWindow::add(const Entry& entry) {
    ASSERT(entry.zxid == last_zxid() + 1);
    size_t closed = written_ + (in_flight_ ? 1 : 0);
    if (batches_.size() == closed || batches_.back()->bytes.size() >= batch_bytes_max) {
        if (unused_.empty()) {
            batches_.push_back(std::make_unique<LogBatch>());
        } else {
            batches_.push_back(std::move(unused_.back()));
            unused_.pop_back();
        }
        batches_.back()->first_zxid = entry.zxid;
    }
    LogBatch& batch = *batches_.back();
    size_t before = batch.bytes.size();
    batch.add(entry);
    bytes_ += batch.bytes.size() - before;
}

LogBatch* LogWindow::next() {
    ASSERT(!in_flight_);
    ASSERT(doomed_ == nullptr);
    return all_written() ? nullptr : batches_[written_].get();
}

void LogWindow::written() {
    if (in_flight_) ++written_;
    in_flight_ = false;
    if (doomed_ != nullptr) recycle(std::move(doomed_));
    keep_released();
}

bool LogWindow::put_back() {
    bool still_there = in_flight_;
    in_flight_ = false;
    if (doomed_ != nullptr) recycle(std::move(doomed_));
    return still_there;
}

void LogWindow::cut(uint64_t zxid) {
    ASSERT(zxid >= base_.zxid);
    while (!batches_.empty() && batches_.back()->first_zxid > zxid) {
        size_t at = batches_.size() - 1;
        ASSERT(at >= kept_);
        bytes_ -= batches_.back()->bytes.size();
        if (in_flight_ && at == written_) {
            doomed_ = std::move(batches_.back());
            in_flight_ = false;
        } else {
            recycle(std::move(batches_.back()));
        }
        batches_.pop_back();
        written_ = std::min(written_, at);
    }
    if (last_zxid() <= zxid) return;
    ASSERT(batches_.size() > kept_);
    LogBatch& batch = *batches_.back();
    bytes_ -= batch.bytes.size();
    batch.cut(zxid);
    bytes_ += batch.bytes.size();
}

void LogWindow::start_anew(const Position& base) {
    if (in_flight_) doomed_ = std::move(batches_[written_]);
    in_flight_ = false;
    batches_.clear();
    kept_ = written_ = 0;
    bytes_ = kept_bytes_ = 0;
    base_ = base;
    released_ = base.zxid;
}

void LogWindow::recycle(Owned batch) {
    size_t bytes = batch->bytes.capacity();
    for (const Owned& other : unused_) bytes += other->bytes.capacity();
    if (unused_.size() >= unused_max || bytes > unused_bytes_max) return;
    batch->bytes.clear();
    batch->offsets.clear();
    unused_.push_back(std::move(batch));
}

void LogWindow::release(uint64_t zxid) {
    released_ = std::max(released_, zxid);
    keep_released();
}

// Those that are released and durable are kept, the newest of them, while there is room.
void LogWindow::keep_released() {
    for (; kept_ < written_ && batches_[kept_]->last_zxid() <= released_; ++kept_) {
        LogBatch& batch = *batches_[kept_];
        bytes_ -= batch.bytes.size();
        if (kept_bytes_max_ > 0) shrink(batch);
        kept_bytes_ += cost(batch);
    }
    while (kept_ > 0 && kept_bytes_ > kept_bytes_max_) {
        Owned batch = std::move(batches_.front());
        batches_.pop_front();
        --kept_;
        --written_;
        kept_bytes_ -= cost(*batch);
        base_ = batch->position(batch->last_zxid());
        recycle(std::move(batch));
    }
}

const LogBatch& LogWindow::batch_of(uint64_t zxid) const {
    ASSERT(has(zxid));
    auto after = std::upper_bound(
        batches_.begin(), batches_.end(), zxid,
        [](uint64_t wanted, const Owned& batch) { return wanted < batch->first_zxid; });
    return **std::prev(after);
}

Bytes LogWindow::bytes_of(uint64_t zxid) const {
    return batch_of(zxid).bytes_of(zxid);
}

uint64_t LogWindow::term_of(uint64_t zxid) const {
    if (zxid == base_.zxid) return base_.term;
    return load_u64(batch_of(zxid).record(zxid) + record_head_size);
}

Position LogWindow::position_of(uint64_t zxid) const {
    return zxid == base_.zxid ? base_ : batch_of(zxid).position(zxid);
}

}  // namespace zk
