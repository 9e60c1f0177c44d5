// ledger.cc -- see ledger.h.

#include "ledger.h"

#include "storage/segment.h"

namespace zk::sim {

namespace {

bool is_segment(const std::string& path) {
    return segment_number(path.substr(path.rfind('/') + 1)).has_value();
}

}  // namespace

void Ledger::written(const std::string& path, Bytes bytes) {
    if (!is_segment(path) || bytes.size() < record_head_size) return;
    bool entries = (load_u32(bytes.data() + 12) & 0xff) == record_entry;
    if (entries) last_batch_ = load_u64(bytes.data() + record_head_size + 8);
    while (bytes.size() >= record_head_size) {
        uint32_t length = load_u32(bytes.data() + 8);
        uint32_t kind = load_u32(bytes.data() + 12);
        ASSERT(bytes.size() - record_head_size >= length);
        if ((kind & 0xff) == record_entry) add(path, bytes.subspan(record_head_size, length));
        bytes = bytes.subspan(record_head_size + length);
    }
}

void Ledger::add(const std::string& path, Bytes bytes) {
    Logged logged;
    logged.bytes = as_text(bytes);
    logged.path = path;
    uint64_t zxid = load_u64(bytes.data() + 8);
    if (entries_.empty()) first_ = zxid;
    if (zxid <= acknowledged_)
        return story_.fail("zxid %llu is written anew, yet it was acknowledged (up to %llu): lost",
                           static_cast<unsigned long long>(zxid),
                           static_cast<unsigned long long>(acknowledged_));
    if (zxid < first_ || zxid > first_ + entries_.size())
        return story_.fail("zxid %llu is written, the last one was %llu: a gap",
                           static_cast<unsigned long long>(zxid),
                           static_cast<unsigned long long>(last()));
    entries_.resize(zxid - first_);
    durable_ = std::min(durable_, zxid - 1);
    entries_.push_back(std::move(logged));
    Logged& kept = entries_.back();
    bool good = decode(as_bytes(kept.bytes), kept.entry);
    ASSERT(good);
    story_.mix(as_bytes(kept.bytes));
    if (on_entry) on_entry(kept);
}

void Ledger::synced(const std::string& path) {
    for (uint64_t zxid = durable_ + 1; zxid <= last(); ++zxid) {
        const Logged* logged = find(zxid);
        if (logged == nullptr || logged->path != path) break;
        durable_ = zxid;
    }
}

}  // namespace zk::sim
