// ledger.h -- every entry that a server's log ever got, read off its disk as it was written.
//
// Owns a copy of each entry, in zxid order. This is how the simulator knows in which order writes
// took effect, those included whose answer nobody saw. What was written and lost by a crash is
// replaced when the server writes that zxid anew; it must never do so with what it acknowledged.

#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <string>

#include "state/entry.h"
#include "story.h"

namespace zk::sim {

struct Logged {
    std::string bytes;
    Entry entry;  // views into bytes
    std::string path;
    uint64_t batch = 0;  // the first zxid of what was written with it
};

class Ledger {
public:
    explicit Ledger(Story& story) : story_(story) {}

    // What SimDisk tells.
    void written(const std::string& path, Bytes bytes);
    void synced(const std::string& path);
    // Told of each new entry.
    std::function<void(const Logged& logged)> on_entry;

    const Logged* find(uint64_t zxid) const {
        bool there = zxid >= first_ && zxid < first_ + entries_.size();
        return there ? &entries_[zxid - first_] : nullptr;
    }
    uint64_t first() const { return first_; }
    uint64_t last() const { return entries_.empty() ? 0 : first_ + entries_.size() - 1; }
    // All up to here is on the disk for good.
    uint64_t durable() const { return durable_; }
    // Somebody was told of all up to here.
    uint64_t acknowledged() const { return acknowledged_; }
    void acknowledge(uint64_t zxid) { acknowledged_ = std::max(acknowledged_, zxid); }

private:
    void add(const std::string& path, Bytes bytes, uint64_t batch);

    Story& story_;
    std::deque<Logged> entries_;
    uint64_t first_ = 0;
    uint64_t durable_ = 0;
    uint64_t acknowledged_ = 0;
};

}  // namespace zk::sim
