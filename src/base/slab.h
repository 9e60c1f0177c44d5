// slab.h -- records of one type, named by 32-bit numbers.
//
// Layer 0. A Slab owns its records and gives out their numbers. A freed number is used again, last
// freed first. Number 0 is never given out: it means "none". A free record holds the number of the
// next free one in its first bytes.
//
// They live in chunks that are never moved, so growing costs one chunk and a pointer stays good
// until its record is freed.
//
//     chunk 0: | - | 1 | 2 | ... | 4095 |     chunk 1: | 4096 | ...
//
// Some chunks are mapped together. What is not in use yet takes no memory: nothing was written
// there.

#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <type_traits>
#include <vector>

#include "base/log.h"
#include "base/pages.h"

namespace zk {

// A slab's memory, whoever has its numbers.
template <typename T, uint32_t chunk_bits = 12>
class Column {
    static_assert(std::is_trivially_copyable_v<T>);

public:
    Column() = default;
    Column(const Column&) = delete;
    Column& operator=(const Column&) = delete;
    ~Column() {
        for (size_t i = 0; i < chunks_.size(); i += chunks_together)
            release_zeroed(chunks_[i], run_bytes);
    }

    // Has room for that number. Requires: it is at most one higher than the highest before. What
    // was never used is zero.
    void reach(uint32_t id) {
        if ((id >> chunk_bits) >= chunks_.size()) add_chunk();
    }

    T& operator[](uint32_t id) { return chunks_[id >> chunk_bits][id & (chunk_size - 1)]; }
    const T& operator[](uint32_t id) const {
        return chunks_[id >> chunk_bits][id & (chunk_size - 1)];
    }

    // Maps another run if the last one is in use by numbers up to `next`, and adds of it what
    // numbers below `end` take.
    void map_ahead(uint32_t next, uint32_t end, std::vector<PageRange>& fresh) {
        size_t first = (chunks_.size() + chunks_together - 1) / chunks_together * chunks_together;
        bool in_use = (next >> chunk_bits) + chunks_together >= first;
        if (!in_use || end <= first << chunk_bits) return;
        while (chunks_.size() < first + chunks_together) add_chunk();
        size_t records = end - (first << chunk_bits);
        fresh.push_back({chunks_[first], std::min(run_bytes, records * sizeof(T))});
    }

private:
    static constexpr uint32_t chunk_size = 1u << chunk_bits;
    static constexpr size_t chunks_together = chunk_bits < 12 ? 1 : 64;
    static constexpr size_t run_bytes = sizeof(T) * chunk_size * chunks_together;

    void add_chunk() {
        ASSERT(chunks_.size() < (1ull << (32 - chunk_bits)));
        if (chunks_.size() % chunks_together != 0) {
            chunks_.push_back(chunks_.back() + chunk_size);
            return;
        }
        chunks_.push_back(static_cast<T*>(allocate_zeroed(run_bytes)));
    }

    std::vector<T*> chunks_;
};

template <typename T, uint32_t chunk_bits = 12>
class Slab {
    static_assert(sizeof(T) >= sizeof(uint32_t));

public:
    // A zeroed record.
    uint32_t allocate() {
        uint32_t id = free_;
        if (id != 0) {
            memcpy(&free_, static_cast<const void*>(&records_[id]), sizeof free_);
        } else {
            records_.reach(next_);
            id = next_++;
        }
        memset(static_cast<void*>(&records_[id]), 0, sizeof(T));
        ++count_;
        return id;
    }

    void release(uint32_t id) {
        ASSERT(id != 0);
        ASSERT(count_ > 0);
        memcpy(static_cast<void*>(&records_[id]), &free_, sizeof free_);
        free_ = id;
        --count_;
    }

    T& operator[](uint32_t id) { return records_[id]; }
    const T& operator[](uint32_t id) const { return records_[id]; }

    // As a column's.
    void map_ahead(uint32_t end, std::vector<PageRange>& fresh) {
        records_.map_ahead(next_, end, fresh);
    }

    uint32_t count() const { return count_; }
    uint32_t end() const { return next_; }  // all numbers ever given out are below it

private:
    Column<T, chunk_bits> records_;
    uint32_t free_ = 0;
    uint32_t next_ = 1;
    uint32_t count_ = 0;
};

}  // namespace zk
