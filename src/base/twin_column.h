// twin_column.h -- a column of records that a forked child reads while they are written to.
//
// Layer 0. Owns room for each record on two sides. All of them lie on one side until `freeze`. From
// then on a page of them is copied to the other before one of its records is first written to, in a
// fraction of the time in which the kernel would copy it. The side for the copies is kept from the
// child, so that its pages need none.
//
//     one side:    | page | page | page | page |      what the child reads
//     the other:   |      | page |      | page |      what was written to since, or is new
//     sides_:          0      1      0      1         where it is now
//
// After `thaw`, `move_some` brings the rest over, and the first side's pages go back to the system.
// A freeze before that is done leaves the copying to the kernel.

#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "base/pages.h"
#include "base/slab.h"

namespace zk {

template <typename T>
class TwinColumn {
public:
    // As a column's.
    void reach(uint32_t id) {
        columns_[0].reach(id);
        columns_[1].reach(id);
        uint32_t page = id / page_records;
        for (; pages_ <= page; ++pages_) {
            if (pages_ % 64 == 0) sides_.push_back(0);
            put_side(pages_, moving_ ? 1 - side_ : side_);
        }
    }

    const T& operator[](uint32_t id) const {
        return columns_[moving_ ? side_of(id / page_records) : side_][id];
    }
    // To be written to at once: it may be elsewhere after the next freeze.
    T& edit(uint32_t id) {
        uint32_t page = id / page_records;
        if (moving_ && side_of(page) == side_) move(page);
        return columns_[side_of(page)][id];
    }

    // Before a fork, and after its child's end.
    void freeze() {
        columns_[side_].share(true);
        columns_[1 - side_].share(moving_);
        moving_ = frozen_ = true;
        passed_ = 0;
    }
    void thaw() { frozen_ = false; }
    // Looks at some pages and moves one, or gives some back.
    void move_some() {
        if (frozen_ || passed_ == pages_) return;
        uint32_t end = std::min(pages_, (passed_ / some + 1) * some);
        if (!moving_) {
            columns_[1 - side_].discard(passed_ * page_records, end * page_records);
            passed_ = end;
            return;
        }
        while (passed_ < end && side_of(passed_) != side_) ++passed_;
        if (passed_ < end) move(passed_);
        if (passed_ < pages_) return;
        side_ = 1 - side_;
        moving_ = false;
        passed_ = 0;
    }
    bool moving() const { return moving_; }
    // Where copies will go, for another thread to populate. Requires: not moving.
    void spare(std::vector<PageRange>& fresh) {
        columns_[1 - side_].used_ranges(pages_ * page_records, fresh);
        passed_ = pages_;
    }

    // As a column's, of the side that is in use.
    void map_ahead(uint32_t next, uint32_t end, std::vector<PageRange>& fresh) {
        columns_[side_].map_ahead(next, end, fresh);
    }
    void whole_ranges(uint32_t next, std::vector<PageRange>& out) const {
        if (!moving_) columns_[side_].whole_ranges(next, out);
    }

private:
    static constexpr uint32_t page_bytes = 4096;
    static constexpr uint32_t page_records = page_bytes / sizeof(T);
    static_assert(page_bytes % sizeof(T) == 0);
    static constexpr uint32_t some = discard_bytes / page_bytes;

    uint32_t side_of(uint32_t page) const { return sides_[page / 64] >> page % 64 & 1; }
    void put_side(uint32_t page, uint32_t side) {
        uint64_t bit = 1ull << page % 64;
        sides_[page / 64] = (sides_[page / 64] & ~bit) | (side != 0 ? bit : 0);
    }
    void move(uint32_t page) {
        uint32_t first = page * page_records;
        memcpy(&columns_[1 - side_][first], &columns_[side_][first], page_bytes);
        put_side(page, 1 - side_);
    }

    Column<T> columns_[2];
    std::vector<uint64_t> sides_;  // a bit for each page
    uint32_t pages_ = 0;
    uint32_t side_ = 0;      // where all are that did not move
    uint32_t passed_ = 0;    // pages that `move_some` is done with
    bool moving_ = false;    // since a freeze
    bool frozen_ = false;
};

}  // namespace zk
