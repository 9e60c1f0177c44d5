// index.h -- finds a record's 32-bit number by the hash of its key.
//
// Layer 2. Owns two arrays of slots and nothing of the records: the caller says by a function
// whether a number found is the one it looks for. Eight bytes a slot:
//
//     slot: | u32 hash | u32 number |     number 0: free, number 2^32-1: was taken once
//
// Linear probing. Growth is incremental: a table twice as large is made, and each later change
// moves a few slots of the old one, so no single call costs more than a short walk. Lookups
// meanwhile ask both. Slots keep 32 bits of the hash, so moving never touches a record.

#pragma once

#include <bit>
#include <cstdint>
#include <cstdlib>

#include "base/log.h"

namespace zk {

class Index {
public:
    Index() = default;
    Index(const Index&) = delete;
    Index& operator=(const Index&) = delete;
    ~Index() {
        free(now_.slots);
        free(old_.slots);
    }

    // The number that `matches`, or 0.
    template <typename Matches>
    uint32_t find(uint64_t hash, Matches matches) const {
        uint32_t tag = static_cast<uint32_t>(hash);
        uint32_t number = find_in(now_, tag, matches);
        if (number == none && old_.slots != nullptr) number = find_in(old_, tag, matches);
        return number;
    }

    // Brings the slot's memory near before `find` asks for it.
    void prefetch(uint64_t hash) const {
        if (now_.slots) __builtin_prefetch(&now_.slots[static_cast<uint32_t>(hash) & now_.mask]);
    }

    // A number that may be the one: its slot has the tag. 0: there is surely none, or the slot
    // is too far to be worth it.
    uint32_t guess(uint64_t hash) const {
        if (now_.slots == nullptr) return none;
        uint32_t tag = static_cast<uint32_t>(hash);
        for (uint32_t step = 0; step < 8; ++step) {
            const Slot& slot = now_.slots[(tag + step) & now_.mask];
            if (slot.number == none) return none;
            if (slot.tag == tag && slot.number != dead) return slot.number;
        }
        return none;
    }

    // Requires: the key is not in the index.
    void insert(uint64_t hash, uint32_t number) {
        move_some();
        // `used` counts dead slots too: they make walks as long as live ones do.
        if ((now_.used + 1) * 4 > uint64_t{now_.size()} * 3) grow();
        place(now_, static_cast<uint32_t>(hash), number);
        ++count_;
    }

    // In which of `parts` equal parts of the table it belongs: who inserts very many goes through
    // the memory in order.
    uint32_t part_of(uint64_t hash, uint32_t parts) const {
        uint32_t at = static_cast<uint32_t>(hash) & now_.mask;
        return static_cast<uint32_t>(uint64_t{at} * parts >> std::bit_width(now_.mask));
    }

    // Makes room for so many in all, so that none of them makes the table grow. Takes long: before
    // anybody waits.
    void reserve(uint32_t count) {
        if (uint64_t{count} * 4 <= uint64_t{now_.size()} * 3) return;
        while (old_.slots != nullptr) move_some();
        uint64_t size = size_min;
        while (uint64_t{count} * 4 > size * 3) size *= 2;
        make(size);
        while (old_.slots != nullptr) move_some();
    }

    // Requires: it is there.
    void erase(uint64_t hash, uint32_t number) {
        move_some();
        uint32_t tag = static_cast<uint32_t>(hash);
        bool found = erase_in(now_, tag, number) || erase_in(old_, tag, number);
        ASSERT(found);
        --count_;
    }

    uint32_t count() const { return count_; }
    uint64_t bytes() const { return (uint64_t{now_.size()} + old_.size()) * sizeof(Slot); }

private:
    static constexpr uint32_t none = 0;
    static constexpr uint32_t dead = ~0u;
    static constexpr uint32_t size_min = 1024;
    static constexpr uint32_t moves_per_change = 16;

    struct Slot {
        uint32_t tag;
        uint32_t number;
    };
    struct Table {
        Slot* slots = nullptr;
        uint32_t mask = 0;
        uint64_t used = 0;

        uint32_t size() const { return slots ? mask + 1 : 0; }
    };

    template <typename Matches>
    static uint32_t find_in(const Table& table, uint32_t tag, Matches matches) {
        if (table.slots == nullptr) return none;
        for (uint32_t at = tag & table.mask;; at = (at + 1) & table.mask) {
            const Slot& slot = table.slots[at];
            if (slot.number == none) return none;
            if (slot.tag == tag && slot.number != dead && matches(slot.number)) return slot.number;
        }
    }

    static void place(Table& table, uint32_t tag, uint32_t number) {
        uint32_t at = tag & table.mask;
        while (table.slots[at].number != none && table.slots[at].number != dead)
            at = (at + 1) & table.mask;
        if (table.slots[at].number == none) ++table.used;
        table.slots[at] = {tag, number};
    }

    static bool erase_in(Table& table, uint32_t tag, uint32_t number) {
        if (table.slots == nullptr) return false;
        for (uint32_t at = tag & table.mask;; at = (at + 1) & table.mask) {
            Slot& slot = table.slots[at];
            if (slot.number == none) return false;
            if (slot.tag != tag || slot.number != number) continue;
            // Nothing walks past the end of a run, so the last slot of one need not stay dead.
            if (table.slots[(at + 1) & table.mask].number == none) {
                slot.number = none;
                --table.used;
                for (uint32_t back = (at - 1) & table.mask; table.slots[back].number == dead;
                     back = (back - 1) & table.mask) {
                    table.slots[back].number = none;
                    --table.used;
                }
            } else {
                slot.number = dead;
            }
            return true;
        }
    }

    void grow() {
        ASSERT(old_.slots == nullptr);
        // At most half full with all that is to come, and emptying the old one takes no more
        // changes than a quarter of the new one: so the new one is never full, and it is done
        // before the next growth. A large table of mostly dead slots therefore shrinks in steps.
        uint64_t size = size_min;
        while (size < uint64_t{count_} * 2 || size * moves_per_change < uint64_t{now_.size()} * 4)
            size *= 2;
        make(size);
    }

    void make(uint64_t size) {
        ASSERT(size <= uint64_t{1} << 31);
        old_ = now_;
        now_.slots = static_cast<Slot*>(calloc(size, sizeof(Slot)));
        ASSERT(now_.slots != nullptr);
        now_.mask = static_cast<uint32_t>(size - 1);
        now_.used = 0;
        moved_ = 0;
    }

    void move_some() {
        if (old_.slots == nullptr) return;
        for (uint32_t i = 0; i < moves_per_change && moved_ < old_.size(); ++i) move_one();
        finish_move();
    }
    void move_one() {
        Slot& slot = old_.slots[moved_++];
        if (slot.number == none || slot.number == dead) return;
        place(now_, slot.tag, slot.number);
        slot.number = dead;  // walks over the old table still pass here
    }
    void finish_move() {
        if (moved_ < old_.size()) return;
        free(old_.slots);
        old_ = {};
        moved_ = 0;
    }

    Table now_;
    Table old_;
    uint32_t moved_ = 0;  // slots of old_ below it are moved
    uint32_t count_ = 0;
};

}  // namespace zk
