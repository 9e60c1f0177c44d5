// truth.h -- every entry that any machine's log ever got, and which of them are committed.
//
// Owns a copy of each entry. An entry is known by its zxid and its term: two machines never have
// different bytes for one pair. Of several terms' entries at one zxid at most one is ever
// committed. It is when a node has applied that zxid: at that moment the same entry must be on the
// disks of a majority, for good. From then on it is the only one:
//
//     zxid        7        8        9        10
//     versions    t1       t1,t2    t2       t2,t3
//     committed   t1       t2       -        -

#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "state/entry.h"
#include "story.h"

namespace zk::sim {

struct Logged {
    std::string bytes;
    Entry entry;        // views into bytes
    std::string wrong;  // what is wrong should it ever be committed
    mutable uint64_t lost_by = 0;  // machines that had it for good, until their disk was lost
};

class Truth {
public:
    explicit Truth(Story& story) : story_(story) {}

    // An entry as it came onto some disk; nullptr: that broke a rule.
    Logged* seen(Bytes bytes);
    // Told of each that nobody had seen before.
    std::function<void(Logged& logged)> on_entry;
    std::function<void(const Logged& logged)> on_commit;
    // Is it on the disks of a majority?
    std::function<bool(const Logged& logged)> on_majority;

    // Somebody has applied all up to here.
    void applied(uint64_t zxid);
    // 0: none yet.
    uint64_t committed() const { return committed_; }
    const Logged* committed(uint64_t zxid) const {
        return zxid <= committed_ ? slot_committed(zxid) : nullptr;
    }
    uint64_t first() const { return first_; }
    uint64_t last() const { return slots_.empty() ? 0 : first_ + slots_.size() - 1; }

private:
    struct Slot {
        std::vector<std::unique_ptr<Logged>> versions;
        const Logged* committed = nullptr;
    };
    const Logged* slot_committed(uint64_t zxid) const {
        return zxid >= first_ && zxid <= last() ? slots_[zxid - first_].committed : nullptr;
    }
    void once(const Entry& entry);

    Story& story_;
    std::deque<Slot> slots_;
    uint64_t first_ = 0;
    uint64_t committed_ = 0;
    struct Place {
        uint64_t zxid;
        uint64_t term;
    };
    std::map<std::pair<std::pair<uint32_t, uint64_t>, uint64_t>, Place> origins_;
};

}  // namespace zk::sim
