// slab.h -- records of one type, named by 32-bit numbers.
//
// Layer 0. A Slab owns its records and gives out their numbers. Number 0 is never given out: it
// means "none". Freed numbers are used again, neighbours one after the other as far as can be: who
// comes together lies together then, also after millions have come and gone.
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
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
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

// Numbers to be used again: a bit for each in blocks of 4096, a summary of each block, and which
// blocks have any. They are taken from one block until it has none, the lowest first.
class FreeNumbers {
public:
    bool empty() const { return with_some_.empty(); }

    void add(uint32_t number) {
        uint32_t at = number / block_numbers;
        if (at >= blocks_.size()) blocks_.resize(at + 1);
        if (blocks_[at] == nullptr) blocks_[at] = std::make_unique<Block>();
        Block& block = *blocks_[at];
        if (block.words_with_some == 0) with_some_.push_back(at);
        uint32_t word = number % block_numbers / 64;
        block.words_with_some |= 1ull << word;
        block.words[word] |= 1ull << number % 64;
    }

    // Requires: not empty.
    uint32_t take() {
        uint32_t at = with_some_.back();
        Block& block = *blocks_[at];
        auto word = static_cast<uint32_t>(std::countr_zero(block.words_with_some));
        auto bit = static_cast<uint32_t>(std::countr_zero(block.words[word]));
        block.words[word] &= block.words[word] - 1;
        if (block.words[word] == 0) block.words_with_some &= block.words_with_some - 1;
        if (block.words_with_some == 0) with_some_.pop_back();
        return at * block_numbers + word * 64 + bit;
    }

private:
    static constexpr uint32_t block_numbers = 64 * 64;
    struct Block {
        uint64_t words_with_some = 0;  // a bit each
        uint64_t words[64] = {};
    };

    std::vector<std::unique_ptr<Block>> blocks_;  // nullptr: none was ever freed there
    std::vector<uint32_t> with_some_;
};

template <typename T, uint32_t chunk_bits = 12>
class Slab {
public:
    // A zeroed record.
    uint32_t allocate() {
        uint32_t id = 0;
        if (!free_.empty()) {
            id = free_.take();
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
        free_.add(id);
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
    FreeNumbers free_;
    uint32_t next_ = 1;
    uint32_t count_ = 0;
};

}  // namespace zk
