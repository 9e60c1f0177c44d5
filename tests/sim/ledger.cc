// ledger.cc -- see ledger.h.

#include "ledger.h"

#include "storage/segment.h"

namespace zk::sim {

namespace {

unsigned long long number(uint64_t value) { return static_cast<unsigned long long>(value); }

std::optional<uint64_t> segment_of(const std::string& path) {
    return segment_number(path.substr(path.rfind('/') + 1));
}

}  // namespace

void Ledger::written(const std::string& path, Bytes bytes) {
    std::optional<uint64_t> segment = segment_of(path);
    if (!segment) return;
    uint64_t batch = 0;
    while (bytes.size() >= record_head_size) {
        uint32_t length = load_u32(bytes.data() + 8);
        uint32_t kind = load_u32(bytes.data() + 12);
        ASSERT(bytes.size() - record_head_size >= length);
        Bytes payload = bytes.subspan(record_head_size, length);
        bool entry = (kind & 0xff) == record_entry;
        if (entry && batch == 0) batch = load_u64(payload.data() + 8);
        if (entry) add(path, *segment, payload, batch);
        bytes = bytes.subspan(record_head_size + length);
    }
}

// Does the file say that this is where its log begins?
bool Ledger::starts_anew(const std::string& path, uint64_t zxid) const {
    const std::vector<uint8_t>* file = disk_.read(path);
    if (file == nullptr || file->size() < segment_header_size) return false;
    Result<SegmentHeader> header =
        decode_segment_header(Bytes(file->data(), segment_header_size), path);
    return header && header->start.zxid + 1 == zxid;
}

void Ledger::add(const std::string& path, uint64_t segment, Bytes bytes, uint64_t batch) {
    uint64_t zxid = load_u64(bytes.data() + 8);
    const Logged* logged = truth_.seen(bytes);
    if (logged == nullptr) return;
    // What a start has found it may write again, as it was.
    if (const Held* same = find(zxid); same != nullptr && same->logged == logged) {
        held_[zxid - first_].segment = segment;
        return;
    }
    bool anew = held_.empty() || zxid < first_ || zxid > first_ + held_.size();
    if (anew) {
        if (!held_.empty() && !starts_anew(path, zxid))
            return story_.fail("zxid %llu is written, the last one was %llu: a gap", number(zxid),
                               number(last()));
        held_.clear();
        first_ = zxid;
    }
    for (uint64_t at = zxid; at <= last(); ++at)
        if (find(at)->logged == truth_.committed(at))
            return story_.fail("zxid %llu is written, and with that zxid %llu is lost, yet it was "
                               "committed", number(zxid), number(at));
    held_.resize(zxid - first_);
    durable_ = anew ? zxid - 1 : std::min(durable_, zxid - 1);
    held_.push_back({.logged = logged, .segment = segment, .batch = batch});
}

void Ledger::synced(const std::string& path) {
    std::optional<uint64_t> segment = segment_of(path);
    if (!segment) return;
    for (uint64_t zxid = durable_ + 1; zxid <= last(); ++zxid) {
        const Held* held = find(zxid);
        if (held == nullptr || held->segment != *segment) break;
        durable_ = zxid;
    }
}

// What is behind was never on the disk for good, and is lost.
void Ledger::recovered(uint64_t last_zxid) {
    while (!held_.empty() && last() > last_zxid) held_.pop_back();
    durable_ = std::min(durable_, std::max(last(), first_ - 1));
}

// A leader may have heard of an entry that it was here, and count it: that is as if the loss had
// come a moment later.
void Ledger::lost(uint32_t number) {
    for (uint64_t zxid = std::max(first_, truth_.committed() + 1); zxid <= durable_; ++zxid)
        find(zxid)->logged->lost_by |= uint64_t{1} << number;
    held_.clear();
    first_ = 1;
    durable_ = 0;
}

bool Ledger::holds(const Logged& logged) const {
    uint64_t zxid = logged.entry.zxid;
    if (zxid > durable_) return false;
    // What is before the log's beginning is in a snapshot, which holds what is committed.
    if (zxid < first_) return truth_.committed(zxid) == &logged;
    return find(zxid)->logged == &logged;
}

}  // namespace zk::sim
