// index.h -- finds a record's 32-bit number by the hash of its key.
//
// Layer 2. Owns a table of slots and nothing of the records: the caller says by a function whether
// a number found is the one it looks for. Eight bytes a slot; eight to twelve of sixteen are in use
// as it grows, down to two of sixteen once most are removed:
//
//     slot: | u32 hash | u32 number |     number 0: free
//
// Slots keep 32 bits of the hash, so growing never touches a record. No single call costs more than
// a short walk: see hash_table.h.

#pragma once

#include <cstdint>

#include "base/hash_table.h"
#include "base/log.h"

namespace zk {

class Index {
public:
    Index() = default;
    Index(const Index&) = delete;
    Index& operator=(const Index&) = delete;
    ~Index() { slots_.clear(); }

    // The number that `matches`, or 0.
    template <typename Matches>
    uint32_t find(uint64_t hash, Matches matches) const {
        uint32_t tag = static_cast<uint32_t>(hash);
        const Slot* slot = slots_.find(
            tag, [&](const Slot& at) { return at.tag == tag && matches(at.number); });
        return slot == nullptr ? 0 : slot->number;
    }

    // Brings the slot's memory near before `find` asks for it.
    void prefetch(uint64_t hash) const { slots_.prefetch(static_cast<uint32_t>(hash)); }

    // A number that may be the one: its slot has the tag. 0: there is surely none, or the slot
    // is too far to be worth it.
    uint32_t guess(uint64_t hash) const { return slots_.guess(static_cast<uint32_t>(hash)).number; }

    // Requires: the key is not in the index.
    void insert(uint64_t hash, uint32_t number) {
        slots_.insert({.tag = static_cast<uint32_t>(hash), .number = number});
    }

    // In which of `parts` equal parts of the table it belongs: who inserts very many goes through
    // the memory in order.
    static uint32_t part_of(uint64_t hash, uint32_t parts) {
        return static_cast<uint32_t>(uint64_t{static_cast<uint32_t>(hash)} * parts >> 32);
    }

    // Makes room for so many in all, so that none of them makes the table grow. Takes long: before
    // anybody waits.
    void reserve(uint32_t count) { slots_.reserve(count); }

    // Requires: it is there.
    void erase(uint64_t hash, uint32_t number) {
        Slot* slot = slots_.find(static_cast<uint32_t>(hash),
                                 [=](const Slot& at) { return at.number == number; });
        ASSERT(slot != nullptr);
        slots_.erase(slot);
    }

    // A child that is forked later has no use for it, and must not look at it.
    void keep_from_child() { slots_.keep_from_child(); }

    // Its memory, which nobody touched yet if room was reserved.
    PageRange range() const { return slots_.range(); }

    uint32_t count() const { return slots_.count(); }
    uint64_t bytes() const { return slots_.bytes(); }

private:
    struct Slot {
        uint32_t tag = 0;
        uint32_t number = 0;

        uint32_t hash() const { return tag; }
        bool free() const { return number == 0; }
    };

    HashTable<Slot> slots_;
};

}  // namespace zk
