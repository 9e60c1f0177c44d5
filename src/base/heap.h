// heap.h -- blocks of bytes that may be moved: znodes with their names and data.
//
// Layer 0. Owns its chunks of 2 MB. A block has no header: whoever has it knows its size, and there
// is one owner who can be told a new place. So, unlike malloc's, this memory can be packed again
// when values of one size were replaced by those of another.
//
//     chunk 2 MB: | pointer to its notes | span 64 kB | span 64 kB |     at a multiple of 2 MB
//     span:       | block | block | free | block | ...                   all of one size class
//     notes:      of each span: how full it is, a bit for each free block
//
// Classes are 8 bytes apart up to 128, and an eighth of a power of two above. A block comes from
// the fullest span of its class that has room; so spans with little in them tend to empty. What
// does not fit a class is malloc's. A block that goes is not touched.
//
// To pack: while `scattered`, walk over the owners, a few at a time, and give each block that is
// `misplaced` a new place. Empty spans go back to the system, but for a few.
//
// While a forked child looks at this memory, each page that is written to is copied first. Between
// `freeze` and `thaw` new blocks lie together in spans of their own, and who replaces one that is
// `frozen` takes a new block for it instead: a small part of a page instead of a whole one. Once a
// fifth of a class is free because of that, its emptiest spans are used on. Spans of their own
// come from chunks that were mapped ahead, if there are: another thread may have found their pages.
// Those chunks are kept from the child, and so are the notes: no page of them has to be copied.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/pages.h"

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

    // Is so much idle that packing pays? Behind a freeze that costs copies of pages.
    bool scattered() const { return idle_ > slack + used_ / (freezing_ ? 4 : 48); }
    // How much, from 1 to 16.
    uint32_t disorder() const {
        return static_cast<uint32_t>(std::clamp<uint64_t>(idle_ * 32 / (used_ + 1), 1, 16));
    }
    // Should this block be moved: allocate another, copy, release this one?
    bool misplaced(const uint8_t* block, size_t size) const;

    void freeze();
    void thaw();
    // Should a block of that size be left as it is, and another taken?
    bool frozen(const uint8_t* block, size_t size) const;

    // Has half so many bytes of chunks, or more, mapped before they are needed, and adds what is
    // new of them. They count nowhere yet.
    void map_ahead(size_t bytes, std::vector<PageRange>& fresh);
    void drop_ahead();
    // The same for what it took of late, and always behind a freeze. To be called ten times a
    // second. What is not needed for some seconds goes again, a chunk with each `drop_some_ahead`.
    void keep_ahead(bool wanted, std::vector<PageRange>& fresh);
    void drop_some_ahead();
    // Behind a fork.
    size_t ahead_for_fork() const { return std::clamp<uint64_t>(used_ / 16, 4u << 20, ahead_max); }
    static constexpr size_t ahead_max = 32 * 1024 * 1024;

    // What may lie in huge pages: chunks without holes.
    void whole_ranges(std::vector<PageRange>& out) const;

    uint64_t used_bytes() const { return used_; }  // of blocks, each as large as its class
    static size_t class_bytes(size_t size) {       // 0: malloc's, which is not counted
        return size > class_max ? 0 : block_bytes(class_of(size));
    }
    uint64_t idle_bytes() const { return idle_; }  // of spans that have at least one block

private:
    static constexpr size_t slack = 1024 * 1024;
    static constexpr size_t class_max = 8192;
    static constexpr uint32_t classes = 64;
    static constexpr uint32_t span_bytes = 64 * 1024;
    static constexpr uint32_t spans_per_chunk = 32;
    static constexpr uint32_t fills = 8;  // lists of spans, by how full they are
    static constexpr uint32_t words = 16;  // of bits: for as many blocks of 64 bytes as a span has

    struct Chunk;
    struct Span {
        Chunk* chunk;
        Span* prev;
        Span* next;
        uint32_t age;  // taken after so many freezes
        uint16_t class_of;
        uint16_t used;   // blocks
        uint16_t first;  // the first of its words with a free block, or one before it
        uint16_t fill;   // the list it is in; fills: it is full and in none
        uint64_t free[words];  // a bit for each block
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
        Span* frozen[fills];   // those from before the freeze, until the thaw
        uint64_t free_blocks;  // of spans in use
        uint64_t used_blocks;
    };

    static uint32_t class_of(size_t size);
    static uint32_t block_bytes(uint32_t number);
    static Span* span_of(const void* at);
    static size_t place_of(const Span* span);
    static uint8_t* blocks_of(Span* span);
    static uint32_t capacity(Span* span);
    static uint32_t used_spans(const Chunk& chunk);
    Span* take_span(uint32_t number);
    Chunk* young_chunk();
    void drop_span(Span* span);
    void add_chunk();
    void release_chunk(void* memory);
    void link(Chunk* chunk);
    void unlink(Chunk* chunk);
    bool is_frozen(const Span* span) const { return freezing_ && span->age != age_; }
    Span*& list_of(const Span* span);
    static uint32_t take_block(Span* span);
    Span* revive(Class& its);
    Chunk* take_notes();
    void file(Span* span);
    void unfile(Span* span);

    Class classes_[classes] = {};
    Chunk* chunks_[spans_per_chunk + 1] = {};  // by how many spans are in use
    std::vector<void*> notes_;         // mapped for some chunks together
    std::vector<Chunk*> notes_free_;   // of them
    std::vector<void*> ahead_;   // chunks without notes yet, the next one last
    Chunk* young_ = nullptr;  // the last one of them that was taken behind a freeze
    std::vector<void*> hidden_;  // those that were ahead at the last freeze: not the child's
    uint32_t taken_ = 0;       // of those that were ahead, or not, since the last `keep_ahead`
    uint32_t idle_calls_ = 0;  // of it, in a row
    uint32_t chunk_count_ = 0;
    uint32_t kept_spans_ = 0;  // of the free ones, those not clean
    uint32_t used_spans_ = 0;
    uint64_t used_ = 0;
    uint64_t idle_ = 0;
    uint32_t age_ = 0;  // how often it was frozen
    bool freezing_ = false;
};

}  // namespace zk
