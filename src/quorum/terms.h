// terms.h -- which term each entry of the log has, as runs: nearly all entries have their
// neighbour's.
//
// Layer 3. A plain value. Knows the entries after `base`, and base itself; what is before is
// committed and not asked for.
//
//     base 100, term 3 | 101..250 term 3 | 251..260 term 5 | 261.. term 6

#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/log.h"

namespace zk {

class Terms {
public:
    Terms() = default;
    // The last entry that is known of is `base`.
    Terms(uint64_t base, uint64_t term) : base_(base), base_term_(term), last_(base) {}

    bool operator==(const Terms&) const = default;

    uint64_t base() const { return base_; }
    uint64_t last() const { return last_; }
    uint64_t last_term() const { return runs_.empty() ? base_term_ : runs_.back().term; }

    // Nothing for an entry before the base, or after the last one.
    std::optional<uint64_t> at(uint64_t zxid) const {
        if (zxid < base_ || zxid > last_) return std::nullopt;
        for (size_t i = runs_.size(); i-- > 0;)
            if (zxid >= runs_[i].first) return runs_[i].term;
        return base_term_;
    }

    // The next entry. Terms never fall.
    void append(uint64_t term) {
        ASSERT(term >= last_term());
        ++last_;
        if (term != last_term() || runs_.empty()) runs_.push_back({.first = last_, .term = term});
    }

    // All up to `last`, if there are any.
    void append_to(uint64_t last, uint64_t term) {
        if (last <= last_) return;
        append(term);
        last_ = last;
    }

    // All after this one are gone.
    void cut(uint64_t zxid) {
        ASSERT(zxid >= base_);
        if (zxid >= last_) return;
        last_ = zxid;
        while (!runs_.empty() && runs_.back().first > zxid) runs_.pop_back();
    }

    // The last entry of at most this term; base where there is none.
    uint64_t last_of(uint64_t term) const {
        uint64_t end = last_;
        for (size_t i = runs_.size(); i-- > 0 && runs_[i].term > term;) end = runs_[i].first - 1;
        return end;
    }

private:
    struct Run {
        uint64_t first;
        uint64_t term;
        bool operator==(const Run&) const = default;
    };
    uint64_t base_ = 0;
    uint64_t base_term_ = 0;
    uint64_t last_ = 0;
    std::vector<Run> runs_;
};

}  // namespace zk
