// heap.cc -- see heap.h.

#include "base/heap.h"

#include <algorithm>
#include <bit>
#include <cstdlib>

#include "base/log.h"

namespace zk {

namespace {

constexpr size_t chunk_bytes = part_bytes;
constexpr size_t head_bytes = 64;  // of a chunk: a pointer, and what keeps blocks at their borders
constexpr size_t notes_together = 128;
constexpr uint32_t kept_min = 8;
constexpr uint32_t idle_calls_max = 50;
constexpr uint32_t weight_unit = 1 << 20;

constexpr uint32_t size_of_class(uint32_t number) {
    if (number < 16) return (number + 1) * 8;
    uint32_t bits = (number - 16) / 8 + 7;
    return (1u << bits) + ((number - 16) % 8 + 1) * (1u << (bits - 3));
}

template <typename Of>
constexpr std::array<uint32_t, 64> each_class(Of of) {
    std::array<uint32_t, 64> all = {};
    uint32_t number = 0;
    for (uint32_t& one : all) one = of(size_of_class(number++));
    return all;
}

// What stands for the division of a span's bytes by those of a class.
constexpr auto inverses = each_class([](uint32_t size) {
    return static_cast<uint32_t>(((1ull << 32) + size - 1) / size);
});

}  // namespace

constinit const std::array<uint32_t, Heap::classes> Heap::class_sizes =
    each_class([](uint32_t size) { return size; });

// The classes up to 128 bytes, 8 bytes apart; then eight to each doubling.
uint32_t Heap::class_of(size_t size) {
    if (size <= 128) return size == 0 ? 0 : static_cast<uint32_t>((size - 1) / 8);
    uint32_t bits = static_cast<uint32_t>(std::bit_width(size - 1)) - 1;
    uint32_t part = static_cast<uint32_t>((size - 1) >> (bits - 3)) & 7;
    return 16 + (bits - 7) * 8 + part;
}

Heap::Span* Heap::span_of(const uint8_t* at) {
    return &(*head_of(at))->spans[reinterpret_cast<uintptr_t>(at) % chunk_bytes / span_bytes];
}

size_t Heap::place_of(const Span* span) {
    return static_cast<size_t>(span - span->chunk->spans);
}

// The first span has the chunk's head in front of it.
uint8_t* Heap::blocks_of(const Span* span) {
    size_t place = place_of(span);
    return span->chunk->memory + (place == 0 ? head_bytes : place * span_bytes);
}

Heap::Spot Heap::spot_of(const uint8_t* block) {
    Span* span = span_of(block);
    auto offset = static_cast<uint64_t>(block - blocks_of(span));
    return {span, static_cast<uint32_t>(offset * inverses[span->class_of] >> 32)};
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
            release_part(chunk->memory);
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
    Span* span = its.filled != 0 ? its.by_fill[std::bit_width(its.filled) - 1] : take_span(number);
    take_part(span);
    uint32_t bytes = class_sizes[number];
    uint8_t* block = blocks_of(span) + size_t{take_block(span)} * bytes;
    ++span->used;
    file(span);
    --its.free_blocks;
    ++its.used_blocks;
    used_ += bytes;
    idle_ -= bytes;
    return block;
}

// Its first block that may be taken. Requires: it has one.
uint32_t Heap::take_block(Span* span) {
    bool frozen = in_age(span);
    auto open = [&] {
        const Bits& word = span->bits[span->first];
        return frozen ? word.free & word.young : word.free;
    };
    uint64_t bits = open();
    while (bits == 0) {
        ++span->first;
        ASSERT(span->first < words);
        bits = open();
    }
    span->bits[span->first].free ^= bits & -bits;
    return span->first * 64 + static_cast<uint32_t>(std::countr_zero(bits));
}

void Heap::release(uint8_t* block, size_t size) {
    if (size > class_max) {
        free(block);
        return;
    }
    uint32_t number = class_of(size);
    auto [span, place] = spot_of(block);
    ASSERT(span->class_of == number);
    ASSERT(span->used > 0);
    ASSERT(place < span->room);
    uint64_t bit = 1ull << place % 64;
    Bits& word = span->bits[place / 64];
    ASSERT((word.free & bit) == 0);
    take_part(span);
    uint32_t bytes = class_sizes[number];
    word.free |= bit;
    --span->used;
    --classes_[number].used_blocks;
    used_ -= bytes;
    if (in_age(span) && (word.young & bit) == 0) {
        if (span->held++ == 0) holding_.push_back(span);
        held_ += bytes;
        return;
    }
    span->first = std::min(span->first, static_cast<uint16_t>(place / 64));
    ++classes_[number].free_blocks;
    idle_ += bytes;
    if (span->used + span->held == 0)
        drop_span(span);
    else
        file(span);
}

// Not in the span that is filled next, and there is room for it elsewhere.
bool Heap::misplaced(const uint8_t* block, size_t size) const {
    if (size > class_max) return false;
    const Class& its = classes_[class_of(size)];
    Span* span = span_of(block);
    uint64_t may_be_free = span->room + its.used_blocks / 32;
    if (span->fill == fills || its.free_blocks < may_be_free) return false;
    return its.by_fill[std::bit_width(its.filled) - 1] != span;
}

void Heap::freeze() {
    ASSERT(!freezing_);
    freezing_ = true;
    ++age_;
}

void Heap::thaw() {
    freezing_ = false;
    young_ = nullptr;
    settling_.insert(settling_.end(), holding_.begin(), holding_.end());
    holding_.clear();
}

// Not of this freeze's age: nothing came or went there since, and what is in use was so before.
bool Heap::is_young(const uint8_t* block) const {
    auto [span, place] = spot_of(block);
    return in_age(span) && (span->bits[place / 64].young >> place % 64 & 1) != 0;
}

// Before a block of it comes or goes.
void Heap::take_part(Span* span) {
    if (in_age(span)) return;
    if (span->held > 0) settle(span);
    if (!freezing_) return;
    span->age = age_;
    for (Bits& word : span->bits) word.young = word.free;
}

// Requires: no child looks at what it held back.
void Heap::settle(Span* span) {
    uint64_t bytes = uint64_t{span->held} * class_sizes[span->class_of];
    held_ -= bytes;
    idle_ += bytes;
    classes_[span->class_of].free_blocks += span->held;
    span->held = span->first = 0;
    file(span);
}

// Of those that have settled since, or hold back for another child by now, it passes by some.
void Heap::settle_some() {
    for (uint32_t looks = 0; looks < 16 && !settling_.empty(); ++looks) {
        Span* span = settling_.back();
        settling_.pop_back();
        if (span->held == 0 || in_age(span)) continue;
        settle(span);
        if (span->used == 0) drop_span(span);
        return;
    }
}

// Into the list of its fill, if it is not there.
void Heap::file(Span* span) {
    auto fill = static_cast<uint16_t>((span->used + span->held) * span->weight / weight_unit);
    if (fill == span->fill) return;
    unfile(span);
    span->fill = fill;
    if (fill == fills) return;
    Class& its = classes_[span->class_of];
    Span*& head = its.by_fill[fill];
    span->prev = nullptr;
    span->next = head;
    if (head != nullptr) head->prev = span;
    head = span;
    its.filled |= 1u << fill;
}

void Heap::unfile(Span* span) {
    if (span->fill >= fills) return;
    Class& its = classes_[span->class_of];
    if (span->next != nullptr) span->next->prev = span->prev;
    if (span->prev != nullptr)
        span->prev->next = span->next;
    else
        its.by_fill[span->fill] = span->next;
    if (its.by_fill[span->fill] == nullptr) its.filled &= ~(1u << span->fill);
    span->fill = fills;
}

Heap::Span* Heap::take_span(uint32_t number) {
    Chunk* chunk = chunk_with_room();
    unlink(chunk);
    uint32_t kept = chunk->free_spans & ~chunk->clean_spans;
    int place = std::countr_zero(kept != 0 ? kept : chunk->free_spans);
    if (kept != 0) --kept_spans_;
    chunk->free_spans &= ~(1u << place);
    chunk->clean_spans &= ~(1u << place);
    link(chunk);
    Span* span = &chunk->spans[place];
    ++used_spans_;
    uint32_t bytes = class_sizes[number];
    uint32_t room = span_bytes - (place == 0 ? static_cast<uint32_t>(head_bytes) : 0);
    uint32_t blocks = std::min(room / bytes, words * 64);
    *span = {.chunk = chunk, .prev = nullptr, .next = nullptr, .age = 0,
             .weight = (fills * weight_unit + blocks - 1) / blocks,
             .class_of = static_cast<uint16_t>(number), .room = static_cast<uint16_t>(blocks),
             .used = 0, .held = 0, .first = 0, .fill = fills, .bits = {}};
    for (uint32_t word = 0; word < (blocks + 63) / 64; ++word)
        span->bits[word].free = ~0ull >> (word < blocks / 64 ? 0 : 64 - blocks % 64);
    file(span);
    classes_[number].free_blocks += blocks;
    idle_ += uint64_t{blocks} * bytes;
    return span;
}

// The one that has the fewest spans left, so that others may become empty; behind a freeze one that
// was mapped ahead, for its pages may be there.
Heap::Chunk* Heap::chunk_with_room() {
    if (freezing_ && young_ != nullptr && young_->free_spans != 0) return young_;
    bool ahead = freezing_ && !ahead_.empty();
    Chunk* chunk = nullptr;
    for (uint32_t used = spans_per_chunk; !ahead && chunk == nullptr && used-- > 0;)
        chunk = chunks_[used];
    if (chunk != nullptr) return chunk;
    add_chunk();
    if (ahead) young_ = chunks_[0];
    return chunks_[0];
}

// Requires: nothing of it is in use or held back.
void Heap::drop_span(Span* span) {
    unfile(span);
    classes_[span->class_of].free_blocks -= span->room;
    idle_ -= uint64_t{span->room} * class_sizes[span->class_of];
    --used_spans_;
    Chunk* chunk = span->chunk;
    size_t place = place_of(span);
    unlink(chunk);
    chunk->free_spans |= 1u << place;
    if (place != 0 && kept_spans_ >= kept_min + used_spans_ / 256) {
        discard_in_part(chunk->memory + place * span_bytes, span_bytes);
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
    release_part(chunk->memory);
    notes_free_.push_back(chunk);
    --chunk_count_;
}

Heap::Chunk* Heap::take_notes() {
    if (notes_free_.empty()) {
        constexpr size_t bytes = notes_together * sizeof(Chunk);
        auto* notes = static_cast<Chunk*>(allocate_zeroed(bytes));
        keep_from_child(notes, bytes);
        notes_.push_back(notes);
        for (size_t i = notes_together; i-- > 0;) notes_free_.push_back(notes + i);
    }
    Chunk* chunk = notes_free_.back();
    notes_free_.pop_back();
    return chunk;
}

void Heap::add_chunk() {
    if (ahead_.empty()) ahead_.push_back(allocate_parts(1, true));
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
    uint8_t* begin = allocate_parts(missing, true);
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

bool Heap::drop_ahead(size_t most) {
    for (; most > 0 && !ahead_.empty(); --most) {
        release_part(ahead_.back());
        ahead_.pop_back();
    }
    return ahead_.empty();
}

void Heap::drop_some_ahead() {
    if (idle_calls_ >= idle_calls_max) drop_ahead(1);
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
