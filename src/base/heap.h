// heap.h -- blocks of bytes that may be moved: znodes with their names and data.
//
// Layer 0. Owns its chunks of 2 MB. A block has no header: whoever has it knows its size, and there
// is one owner who can be told a new place. So, unlike malloc's, this memory can be packed again
// when values of one size were replaced by those of another.
//
//     chunk 2 MB: | pointer to its notes | span 64 kB | span 64 kB |     at a multiple of 2 MB
//     span:       | block | block | free | block | ...                   all of one size class
//     notes:      of each span: how full it is, two bits for each block
//
// Classes are 8 bytes apart up to 128, and an eighth of a power of two above. A block comes from
// the fullest span of its class that has room; so spans with little in them tend to empty. What
// does not fit a class is malloc's. A block that goes is not touched.
//
// To pack: while `scattered`, walk over the owners, a few at a time, and give each block that is
// `misplaced` a new place. Empty spans go back to the system, but for a few.
//
// Chunks are memory that a forked child has in common with us (pages.h). So between `freeze` and
// `thaw`, while it reads, the blocks of before the freeze stay as they are. Who has to write to one
// that is `frozen` takes a new block for it instead, and what is released of them is held back:
//
//     free:   | 1 | 0 | 0 | 1 | 0 |    nobody has it
//     young:  | 1 | 0 | 0 | 0 | 1 |    the child does not look at it: what was free at the freeze
//               |           |   `-- taken since
//               |           `-- held back
//               `-- may be taken
//
// The second bits are those of the last freeze only if the span is of its age: a span takes part in
// a freeze with the first block that comes or goes. What was held back is settled after the thaw,
// span by span, and no later than at the next block that comes or goes there.
//
// New chunks are mapped ahead, if wished: another thread may find their pages.

#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/pages.h"
#include "base/prefetch.h"

namespace zk {

class Heap {
public:
    Heap() = default;
    Heap(const Heap&) = delete;
    Heap& operator=(const Heap&) = delete;
    ~Heap();

    // Never nullptr, whatever the size.
    uint8_t* allocate(size_t size);
    void release(uint8_t* block, size_t size);

    // May a block of one size hold as many bytes as the other without another place?
    static bool same_class(size_t one, size_t other);

    // Is so much idle that packing pays? Never while frozen.
    bool scattered() const { return idle_ > slack + used_ / 48 && !freezing_; }
    // How much, from 1 to 16.
    uint32_t disorder() const {
        return static_cast<uint32_t>(std::clamp<uint64_t>(idle_ * 32 / (used_ + 1), 1, 16));
    }
    // Should this block be moved: allocate another, copy, release this one?
    bool misplaced(const uint8_t* block, size_t size) const;

    void freeze();
    void thaw();
    bool frozen() const { return freezing_; }
    // Must a block of that size be left as it is, and another taken?
    bool frozen(const uint8_t* block, size_t size) const {
        return freezing_ && size <= class_max && !is_young(block);
    }
    // Behind a freeze: starts the way to the processor of what `frozen` and `release` look at. The
    // first is for some blocks together, before the second.
    static void prefetch_head(const uint8_t* block) { prefetch(head_of(block)); }
    static void prefetch_notes(const uint8_t* block, size_t size) {
        if (size > class_max) return;
        const auto* span = reinterpret_cast<const uint8_t*>(span_of(block));
        for (size_t lines = 0; lines < 3; ++lines) prefetch(span + lines * 64);
    }

    // Is anything still held back that no child needs? A span of it is settled.
    bool settling() const { return !settling_.empty(); }
    void settle_some();

    // Has half so many bytes of chunks, or more, mapped before they are needed, and adds what is
    // new of them. They count nowhere yet.
    void map_ahead(size_t bytes, std::vector<PageRange>& fresh);
    // Some of these go again. True: none are left.
    bool drop_ahead(size_t most = SIZE_MAX);
    // The same for what it took of late, and always behind a freeze. To be called ten times a
    // second, or every few megabytes of a log. What is not needed for some seconds goes again, a
    // chunk with each `drop_some_ahead`.
    void keep_ahead(bool wanted, std::vector<PageRange>& fresh);
    void drop_some_ahead();
    // Behind a fork.
    size_t ahead_for_fork() const { return std::clamp<uint64_t>(used_ / 16, 4u << 20, ahead_max); }
    static constexpr size_t ahead_max = 32 * 1024 * 1024;

    uint64_t used_bytes() const { return used_; }  // of blocks, each as large as its class
    static size_t class_bytes(size_t size) {       // 0: malloc's, which is not counted
        return size > class_max ? 0 : class_sizes[class_of(size)];
    }
    uint64_t idle_bytes() const { return idle_; }  // of spans that have at least one block
    uint64_t held_bytes() const { return held_; }  // of blocks that are held back
    uint32_t span_count() const { return used_spans_; }

private:
    static constexpr size_t slack = 1024 * 1024;
    static constexpr size_t class_max = 8192;
    static constexpr uint32_t classes = 64;
    static constexpr uint32_t span_bytes = 64 * 1024;
    static constexpr uint32_t spans_per_chunk = 32;
    static constexpr uint32_t fills = 8;  // lists of spans, by how full they are
    static constexpr uint32_t words = 16;  // of bits: for as many blocks of 64 bytes as a span has
    static const std::array<uint32_t, classes> class_sizes;

    struct Chunk;
    struct Bits {
        uint64_t free;
        uint64_t young;
    };
    struct alignas(64) Span {
        Chunk* chunk;
        Span* prev;
        Span* next;
        uint32_t age;     // of the last freeze that it took part in
        uint32_t weight;  // of a block, of which all together weigh a bit more than `fills` units
        uint16_t class_of;
        uint16_t room;   // blocks
        uint16_t used;
        uint16_t held;
        uint16_t first;  // the first of its words with a block to take, or one before it
        uint16_t fill;   // the list it is in; fills: it is full and in none
        Bits bits[words];
    };
    struct Chunk {
        uint8_t* memory;
        Chunk* prev;
        Chunk* next;
        uint32_t free_spans;   // a bit each
        uint32_t clean_spans;  // of the free: never used, or given back
        Span spans[spans_per_chunk];
    };
    struct Class {
        Span* by_fill[fills];
        uint32_t filled;       // a bit for each list that has a span
        uint64_t free_blocks;  // of spans in use, but for what is held back
        uint64_t used_blocks;
    };
    struct Spot {
        Span* span;
        uint32_t place;
    };

    static uint32_t class_of(size_t size);
    static Chunk* const* head_of(const uint8_t* at) {
        return reinterpret_cast<Chunk* const*>(at - reinterpret_cast<uintptr_t>(at) % part_bytes);
    }
    static Span* span_of(const uint8_t* at);
    static size_t place_of(const Span* span);
    static uint8_t* blocks_of(const Span* span);
    static Spot spot_of(const uint8_t* block);
    static uint32_t used_spans(const Chunk& chunk);
    bool in_age(const Span* span) const { return freezing_ && span->age == age_; }
    bool is_young(const uint8_t* block) const;
    void take_part(Span* span);
    void settle(Span* span);
    Span* take_span(uint32_t number);
    Chunk* chunk_with_room();
    void drop_span(Span* span);
    void add_chunk();
    void link(Chunk* chunk);
    void unlink(Chunk* chunk);
    uint32_t take_block(Span* span);
    Chunk* take_notes();
    void file(Span* span);
    void unfile(Span* span);

    Class classes_[classes] = {};
    Chunk* chunks_[spans_per_chunk + 1] = {};  // by how many spans are in use
    std::vector<void*> notes_;         // mapped for some chunks together
    std::vector<Chunk*> notes_free_;   // of them
    std::vector<void*> ahead_;   // chunks without notes yet, the next one last
    Chunk* young_ = nullptr;     // the last one of them that was taken behind a freeze
    uint32_t taken_ = 0;       // chunks since the last `keep_ahead`
    uint32_t idle_calls_ = 0;  // of it, in a row
    uint32_t chunk_count_ = 0;
    uint32_t kept_spans_ = 0;  // of the free ones, those not clean
    uint32_t used_spans_ = 0;
    uint64_t used_ = 0;
    uint64_t idle_ = 0;
    uint64_t held_ = 0;
    std::vector<Span*> holding_;   // that hold back, since this freeze
    std::vector<Span*> settling_;  // did, before; some may have settled since
    uint32_t age_ = 0;  // how often it was frozen
    bool freezing_ = false;
};

}  // namespace zk
