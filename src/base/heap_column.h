// heap_column.h -- a column of records that a forked child reads while they are written to.
//
// Layer 0. Owns a record for each number, in groups of 64 that are blocks of a heap (heap.h), and
// where the groups are:
//
//     groups_:  | * | * | * |          the child has a copy of this
//                 |   |   `-> 64 records
//                 |   `-> 64 records         <- as the child sees them
//                 |     > 64 records         <- where they went to when one was written to
//                 `-> 64 records
//
// While the heap is frozen a group moves to another block before it is first written to.

#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "base/heap.h"

namespace zk {

template <typename T>
class HeapColumn {
public:
    explicit HeapColumn(Heap& heap) : heap_(heap) {}

    // Has room for that number. Requires: it is at most one higher than the highest before. What
    // was never used is zero.
    void reach(uint32_t id) {
        if (id / together < groups_.size()) return;
        uint32_t number = id / together;
        if (number % 64 == 0) moved_.push_back(0);
        moved_[number / 64] |= 1ull << number % 64;
        groups_.push_back(reinterpret_cast<T*>(heap_.allocate(bytes)));
        memset(static_cast<void*>(groups_.back()), 0, bytes);
    }
    // With the heap's.
    void freeze() { std::fill(moved_.begin(), moved_.end(), 0); }

    const T& operator[](uint32_t id) const { return groups_[id / together][id % together]; }
    // To be written to at once: it may be elsewhere after the next change.
    T& edit(uint32_t id) {
        uint32_t number = id / together;
        if (must_move(number)) {
            move(groups_[number]);
            moved_[number / 64] |= 1ull << number % 64;
        }
        return groups_[number][id % together];
    }
    // As the heap's, for what `edit` will look at.
    void prefetch_head(uint32_t id) const {
        if (must_move(id / together)) Heap::prefetch_head(block_of(groups_[id / together]));
    }
    void prefetch_notes(uint32_t id) const {
        if (must_move(id / together)) Heap::prefetch_notes(block_of(groups_[id / together]), bytes);
    }

    // Takes part in the heap's packing, with the group that begins with `id`, if one does.
    void pack(uint32_t id) {
        if (id % together != 0) return;
        T*& group = groups_[id / together];
        if (heap_.misplaced(block_of(group), bytes)) move(group);
    }
    // Those of numbers below `end` are not asked for again.
    void drop(uint32_t end) {
        for (; dropped_ < end / together; ++dropped_)
            heap_.release(block_of(groups_[dropped_]), bytes);
    }

    uint64_t size() const { return (groups_.size() - dropped_) * bytes; }  // in bytes

private:
    static constexpr uint32_t together = 64;
    static constexpr size_t bytes = together * sizeof(T);

    bool must_move(uint32_t number) const {
        return heap_.frozen() && (moved_[number / 64] >> number % 64 & 1) == 0;
    }
    static uint8_t* block_of(T* group) { return reinterpret_cast<uint8_t*>(group); }
    void move(T*& group) {
        uint8_t* block = heap_.allocate(bytes);
        memcpy(block, group, bytes);
        heap_.release(block_of(group), bytes);
        group = reinterpret_cast<T*>(block);
    }

    Heap& heap_;
    std::vector<T*> groups_;
    std::vector<uint64_t> moved_;  // a bit for each group: since the freeze, or made since
    uint32_t dropped_ = 0;
};

}  // namespace zk
