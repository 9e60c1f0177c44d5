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
    if (!is_segment(path)) return;
    uint64_t batch = 0;
    while (bytes.size() >= record_head_size) {
        uint32_t length = load_u32(bytes.data() + 8);
        uint32_t kind = load_u32(bytes.data() + 12);
        ASSERT(bytes.size() - record_head_size >= length);
        Bytes payload = bytes.subspan(record_head_size, length);
        bool entry = (kind & 0xff) == record_entry;
        if (entry && batch == 0) batch = load_u64(payload.data() + 8);
        if (entry) add(path, payload, batch);
        bytes = bytes.subspan(record_head_size + length);
    }
}

void Ledger::add(const std::string& path, Bytes bytes, uint64_t batch) {
    Logged logged;
    logged.bytes = as_text(bytes);
    logged.path = path;
    logged.batch = batch;
    uint64_t zxid = load_u64(bytes.data() + 8);
    // What a start has found it may write again, as it was.
    if (const Logged* same = find(zxid); same != nullptr && same->bytes == as_text(bytes)) return;
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
