// heap.cc -- see heap.h.

#include "base/heap.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <utility>

#include "base/log.h"

namespace zk {

namespace {

constexpr size_t chunk_bytes = 2 * 1024 * 1024;
constexpr size_t head_bytes = 64;  // of a chunk: a pointer, and what keeps blocks at their borders
constexpr size_t notes_together = 128;
constexpr uint32_t kept_min = 8;
constexpr uint32_t idle_calls_max = 50;

}  // namespace

// The classes up to 128 bytes, 8 bytes apart; then eight to each doubling.
uint32_t Heap::class_of(size_t size) {
    if (size <= 128) return size == 0 ? 0 : static_cast<uint32_t>((size - 1) / 8);
    uint32_t bits = static_cast<uint32_t>(std::bit_width(size - 1)) - 1;
    uint32_t part = static_cast<uint32_t>((size - 1) >> (bits - 3)) & 7;
    return 16 + (bits - 7) * 8 + part;
}

uint32_t Heap::block_bytes(uint32_t number) {
    if (number < 16) return (number + 1) * 8;
    uint32_t bits = (number - 16) / 8 + 7;
    return (1u << bits) + ((number - 16) % 8 + 1) * (1u << (bits - 3));
}

Heap::Span* Heap::span_of(const void* at) {
    auto address = reinterpret_cast<uintptr_t>(at);
    auto* chunk = *reinterpret_cast<Chunk**>(address & ~(chunk_bytes - 1));
    return &chunk->spans[(address & (chunk_bytes - 1)) / span_bytes];
}

size_t Heap::place_of(const Span* span) {
    return static_cast<size_t>(span - span->chunk->spans);
}

// The first span has the chunk's head in front of it.
uint8_t* Heap::blocks_of(Span* span) {
    size_t place = place_of(span);
    return span->chunk->memory + (place == 0 ? head_bytes : place * span_bytes);
}

uint32_t Heap::capacity(Span* span) {
    bool first = place_of(span) == 0;
    uint32_t room = span_bytes - (first ? static_cast<uint32_t>(head_bytes) : 0);
    return std::min(room / block_bytes(span->class_of), words * 64);
}

uint32_t Heap::used_spans(const Chunk& chunk) {
    return spans_per_chunk - static_cast<uint32_t>(std::popcount(chunk.free_spans));
}

bool Heap::same_class(size_t one, size_t other) {
    return one <= class_max && other <= class_max && class_of(one) == class_of(other);
}

Heap::~Heap() {
    for (Chunk* chunk : chunks_) {
        while (chunk != nullptr) {
            Chunk* next = chunk->next;
            release_zeroed(chunk->memory, chunk_bytes);
            chunk = next;
        }
    }
    for (void* notes : notes_) release_zeroed(notes, notes_together * sizeof(Chunk));
    drop_ahead();
}

uint8_t* Heap::allocate(size_t size) {
    if (size > class_max) {
        auto* block = static_cast<uint8_t*>(malloc(size));
        ASSERT(block != nullptr);
        return block;
    }
    uint32_t number = class_of(size);
    Class& its = classes_[number];
    Span* span = nullptr;
    for (uint32_t fill = fills; span == nullptr && fill-- > 0;) span = its.by_fill[fill];
    if (span == nullptr && its.free_blocks > its.used_blocks / 5) span = revive(its);
    if (span == nullptr) span = take_span(number);
    uint32_t bytes = block_bytes(number);
    uint8_t* block = blocks_of(span) + size_t{take_block(span)} * bytes;
    ++span->used;
    file(span);
    --its.free_blocks;
    ++its.used_blocks;
    used_ += bytes;
    idle_ -= bytes;
    return block;
}

// Its first free block. Requires: it has one.
uint32_t Heap::take_block(Span* span) {
    uint64_t* free = span->free;
    while (free[span->first] == 0) {
        ++span->first;
        ASSERT(span->first < words);
    }
    uint64_t& word = free[span->first];
    uint32_t place = span->first * 64 + static_cast<uint32_t>(std::countr_zero(word));
    word &= word - 1;
    return place;
}

void Heap::release(uint8_t* block, size_t size) {
    if (size > class_max) {
        free(block);
        return;
    }
    uint32_t number = class_of(size);
    Span* span = span_of(block);
    ASSERT(span->class_of == number);
    ASSERT(span->used > 0);
    uint32_t bytes = block_bytes(number);
    uint32_t place = static_cast<uint32_t>(block - blocks_of(span)) / bytes;
    ASSERT(place < capacity(span));
    uint64_t& word = span->free[place / 64];
    ASSERT((word & 1ull << place % 64) == 0);
    word |= 1ull << place % 64;
    span->first = std::min(span->first, static_cast<uint16_t>(place / 64));
    --span->used;
    ++classes_[number].free_blocks;
    --classes_[number].used_blocks;
    used_ -= bytes;
    idle_ += bytes;
    if (span->used == 0)
        drop_span(span);
    else
        file(span);
}

// Not in the span that is filled next, and there is room for it elsewhere.
bool Heap::misplaced(const uint8_t* block, size_t size) const {
    if (size > class_max) return false;
    const Class& its = classes_[class_of(size)];
    Span* span = span_of(block);
    uint64_t may_be_free = capacity(span) + its.used_blocks / 32;
    if (span->fill == fills || its.free_blocks < may_be_free) return false;
    for (uint32_t fill = fills; fill-- > 0;)
        if (its.by_fill[fill] != nullptr) return its.by_fill[fill] != span;
    return false;
}

void Heap::freeze() {
    ASSERT(!freezing_);
    freezing_ = true;
    ++age_;
    for (void* chunk : hidden_) share_pages(chunk, chunk_bytes, true);
    hidden_ = ahead_;
    for (void* chunk : hidden_) share_pages(chunk, chunk_bytes, false);
    for (Class& its : classes_) {
        std::copy_n(its.by_fill, fills, its.frozen);
        std::fill_n(its.by_fill, fills, nullptr);
    }
}

// The younger spans in front: they are fewer to look through for the last of them.
void Heap::thaw() {
    if (!freezing_) return;
    freezing_ = false;
    young_ = nullptr;
    for (Class& its : classes_)
        for (uint32_t fill = 0; fill < fills; ++fill) {
            Span* older = std::exchange(its.frozen[fill], nullptr);
            Span* last = its.by_fill[fill];
            while (last != nullptr && last->next != nullptr) last = last->next;
            (last == nullptr ? its.by_fill[fill] : last->next) = older;
            if (older != nullptr) older->prev = last;
        }
}

// The emptiest of the frozen spans: its free blocks lie close together, a few in each page.
Heap::Span* Heap::revive(Class& its) {
    Span* span = nullptr;
    for (uint32_t fill = 0; span == nullptr && fill < fills; ++fill) span = its.frozen[fill];
    if (span == nullptr) return nullptr;
    unfile(span);
    span->age = age_;
    file(span);
    return span;
}

bool Heap::frozen(const uint8_t* block, size_t size) const {
    return freezing_ && size <= class_max && is_frozen(span_of(block));
}

Heap::Span*& Heap::list_of(const Span* span) {
    Class& its = classes_[span->class_of];
    return is_frozen(span) ? its.frozen[span->fill] : its.by_fill[span->fill];
}

// Into the list of its fill, if it is not there.
void Heap::file(Span* span) {
    uint32_t room = capacity(span);
    auto fill = static_cast<uint16_t>(uint32_t{span->used} * fills / room);
    if (fill == span->fill) return;
    unfile(span);
    span->fill = fill;
    if (fill == fills) return;
    Span*& head = list_of(span);
    span->prev = nullptr;
    span->next = head;
    if (head != nullptr) head->prev = span;
    head = span;
}

void Heap::unfile(Span* span) {
    if (span->fill >= fills) return;
    if (span->next != nullptr) span->next->prev = span->prev;
    if (span->prev != nullptr)
        span->prev->next = span->next;
    else
        list_of(span) = span->next;
    span->fill = fills;
}

// From the chunk that has the fewest left, so that others may become empty.
Heap::Span* Heap::take_span(uint32_t number) {
    Chunk* chunk = freezing_ ? young_chunk() : nullptr;
    for (uint32_t used = spans_per_chunk; chunk == nullptr && used-- > 0;) chunk = chunks_[used];
    if (chunk == nullptr) {
        add_chunk();
        chunk = chunks_[0];
    }
    unlink(chunk);
    uint32_t kept = chunk->free_spans & ~chunk->clean_spans;
    int place = std::countr_zero(kept != 0 ? kept : chunk->free_spans);
    if (kept != 0) --kept_spans_;
    chunk->free_spans &= ~(1u << place);
    chunk->clean_spans &= ~(1u << place);
    link(chunk);
    Span* span = &chunk->spans[place];
    ++used_spans_;
    *span = {.chunk = chunk, .prev = nullptr, .next = nullptr, .age = age_,
             .class_of = static_cast<uint16_t>(number), .used = 0, .first = 0, .fill = fills,
             .free = {}};
    uint32_t blocks = capacity(span);
    for (uint32_t word = 0; word < (blocks + 63) / 64; ++word)
        span->free[word] = ~0ull >> (word < blocks / 64 ? 0 : 64 - blocks % 64);
    file(span);
    classes_[number].free_blocks += blocks;
    idle_ += uint64_t{blocks} * block_bytes(number);
    return span;
}

Heap::Chunk* Heap::young_chunk() {
    if (young_ != nullptr && young_->free_spans != 0) return young_;
    young_ = nullptr;
    if (ahead_.empty()) return nullptr;
    add_chunk();
    young_ = chunks_[0];
    return young_;
}

void Heap::drop_span(Span* span) {
    unfile(span);
    uint32_t blocks = capacity(span);
    classes_[span->class_of].free_blocks -= blocks;
    idle_ -= uint64_t{blocks} * block_bytes(span->class_of);
    --used_spans_;
    Chunk* chunk = span->chunk;
    size_t place = place_of(span);
    unlink(chunk);
    chunk->free_spans |= 1u << place;
    if (place != 0 && kept_spans_ >= kept_min + used_spans_ / 256) {
        discard_zeroed(chunk->memory, chunk_bytes, place * span_bytes, (place + 1) * span_bytes);
        chunk->clean_spans |= 1u << place;
    } else {
        ++kept_spans_;
    }
    if (chunk->free_spans != ~0u || chunk_count_ == 1) {
        link(chunk);
        return;
    }
    if (chunk == young_) young_ = nullptr;
    kept_spans_ -= static_cast<uint32_t>(std::popcount(~chunk->clean_spans));
    release_chunk(chunk->memory);
    notes_free_.push_back(chunk);
    --chunk_count_;
}

Heap::Chunk* Heap::take_notes() {
    if (notes_free_.empty()) {
        constexpr size_t bytes = notes_together * sizeof(Chunk);
        auto* notes = static_cast<Chunk*>(allocate_zeroed(bytes));
        share_pages(notes, bytes, false);
        notes_.push_back(notes);
        for (size_t i = notes_together; i-- > 0;) notes_free_.push_back(notes + i);
    }
    Chunk* chunk = notes_free_.back();
    notes_free_.pop_back();
    return chunk;
}

// Its address may be something else's at the next freeze.
void Heap::release_chunk(void* memory) {
    std::erase(hidden_, memory);
    release_zeroed(memory, chunk_bytes);
}

void Heap::add_chunk() {
    if (ahead_.empty()) ahead_.push_back(allocate_aligned(chunk_bytes));
    Chunk* chunk = take_notes();
    chunk->memory = static_cast<uint8_t*>(ahead_.back());
    ahead_.pop_back();
    ++taken_;
    *reinterpret_cast<Chunk**>(chunk->memory) = chunk;
    ++chunk_count_;
    chunk->free_spans = chunk->clean_spans = ~0u;
    link(chunk);
}

void Heap::map_ahead(size_t bytes, std::vector<PageRange>& fresh) {
    idle_calls_ = 0;
    size_t wanted = bytes / chunk_bytes;
    if (ahead_.size() > wanted / 2) return;
    size_t missing = wanted - ahead_.size();
    auto* begin = static_cast<uint8_t*>(allocate_aligned(missing * chunk_bytes));
    for (size_t i = 0; i < missing; ++i)
        ahead_.insert(ahead_.begin(), begin + i * chunk_bytes);
    fresh.push_back({begin, missing * chunk_bytes});
}

void Heap::keep_ahead(bool wanted, std::vector<PageRange>& fresh) {
    constexpr size_t times = 4;
    size_t bytes = freezing_ ? ahead_for_fork() : std::min(ahead_max, times * taken_ * chunk_bytes);
    taken_ = 0;
    if (wanted && bytes > 0)
        map_ahead(bytes, fresh);
    else
        idle_calls_ = std::min(idle_calls_ + 1, idle_calls_max);
}

void Heap::drop_ahead() {
    for (void* chunk : ahead_) release_chunk(chunk);
    ahead_.clear();
}

void Heap::drop_some_ahead() {
    if (idle_calls_ < idle_calls_max || ahead_.empty()) return;
    release_chunk(ahead_.back());
    ahead_.pop_back();
}

void Heap::whole_ranges(std::vector<PageRange>& out) const {
    for (Chunk* chunk : chunks_)
        for (; chunk != nullptr; chunk = chunk->next)
            if (chunk->clean_spans == 0) out.push_back({chunk->memory, chunk_bytes});
}

void Heap::link(Chunk* chunk) {
    Chunk*& head = chunks_[used_spans(*chunk)];
    chunk->prev = nullptr;
    chunk->next = head;
    if (head != nullptr) head->prev = chunk;
    head = chunk;
}

void Heap::unlink(Chunk* chunk) {
    if (chunk->next != nullptr) chunk->next->prev = chunk->prev;
    if (chunk->prev != nullptr)
        chunk->prev->next = chunk->next;
    else
        chunks_[used_spans(*chunk)] = chunk->next;
}

}  // namespace zk
