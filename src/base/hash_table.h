// hash_table.h -- a set of small slots that grows and shrinks a little at each change.
//
// Layer 0. Owns an array of slots, two while it changes size. A Slot is a few bytes, says by `hash`
// where it belongs and by `free` whether it is one; a zeroed slot must be free. Linear probing; a
// slot that is taken away is filled from behind, so there are no dead ones, and a search ends at
// the first free slot.
//
//     home of a slot = hash * size / 2^32        so slots lie in the order of their hashes, roughly
//
//     old:  | moved, free, given back | runs not yet moved      |
//     now:  | moved runs                      | not touched yet                                 |
//
// To change size, runs of slots move from the old array to the new one, in order. A slot is where
// its home is: in the new array if its old home has been passed, else still in the old one. Thus a
// search looks in one place, the new array's memory is touched from its beginning to its end, and
// the old one's goes back meanwhile. The passage begins behind a free slot and stops only behind
// one, so that no run is torn.
//
// Full to three quarters, it grows by half, or by a third where it is so large that memory counts
// for more than moving and new pages; below an eighth, it shrinks.
//
// A zeroed table is an empty one; it may lie in a Slab. There is no destructor: `clear` frees.

#pragma once

#include <cstdint>
#include <vector>

#include "base/log.h"
#include "base/pages.h"
#include "base/prefetch.h"

namespace zk {

template <typename Slot>
class HashTable {
public:
    // The slot of this hash that `matches`, or nullptr. Good until the next change.
    template <typename Matches>
    Slot* find(uint32_t hash, Matches matches) const {
        if (now_ == nullptr) return nullptr;
        if (old_ != nullptr) {
            uint32_t home = home_of(hash, old_size_);
            if (!passed(home)) return search(old_, old_size_, home, matches);
        }
        return search(now_, now_size_, home_of(hash, now_size_), matches);
    }

    // Brings memory near before `find` asks for it.
    void prefetch(uint32_t hash) const {
        if (now_ == nullptr) return;
        if (old_ != nullptr) zk::prefetch(&old_[home_of(hash, old_size_)]);
        zk::prefetch(&now_[home_of(hash, now_size_)]);
    }

    // A slot of this hash that is close to its home, or a free one.
    Slot guess(uint32_t hash) const {
        if (now_ == nullptr) return {};
        bool in_old = old_ != nullptr && !passed(home_of(hash, old_size_));
        const Slot* slots = in_old ? old_ : now_;
        uint32_t size = in_old ? old_size_ : now_size_;
        uint32_t at = home_of(hash, size);
        for (uint32_t step = 0; step < 8; ++step, at = after(at, size))
            if (slots[at].free() || slots[at].hash() == hash) return slots[at];
        return {};
    }

    // Requires: it is not there, and not free.
    void insert(Slot slot) {
        pass_some();
        if ((uint64_t{count_} + 1) * 4 > uint64_t{now_size_} * 3)
            resize(grown(now_size_));
        uint32_t hash = slot.hash();
        if (old_ != nullptr && !passed(home_of(hash, old_size_))) {
            place(old_, old_size_, slot);
            ++old_count_;
        } else {
            place(now_, now_size_, slot);
            if (old_ == nullptr) start_ = 0;
        }
        ++count_;
    }

    // Makes room for so many in all, at once.
    void reserve(uint32_t count) {
        uint64_t size = uint64_t{count} * 4 / 3 + 1;
        ASSERT(size < (1u << 31));
        if (size <= now_size_) return;
        resize(static_cast<uint32_t>(size));
        while (old_ != nullptr) pass_some();
    }

    // Requires: it was found, and nothing has changed since.
    void erase(Slot* slot) {
        take(slot);
        pass_some();
        if (now_size_ > size_min && count_ < now_size_ / 8) resize(now_size_ / 3);
        if (count_ == 0) clear();
    }

    // Takes away any slot; false: there is none. Empties a table a few slots at a time; what comes
    // meanwhile is taken as well, but makes it begin anew.
    bool pop(Slot& slot) {
        while (count_ > 0) {
            bool in_old = old_ != nullptr;
            Slot& at = in_old ? old_[passing()] : now_[start_];
            if (!at.free()) {
                slot = at;
                take(&at);
                return true;
            }
            if (in_old)
                pass_free();
            else
                step_over();
        }
        clear();
        return false;
    }

    // Calls `what` with every slot, which may change it as long as its hash stays.
    template <typename What>
    void each(What what) const {
        for (uint32_t at = 0; at < old_size_; ++at)
            if (!old_[at].free()) what(old_[at]);
        for (uint32_t at = 0; at < now_size_; ++at)
            if (!now_[at].free()) what(now_[at]);
    }

    void clear() {
        release_zeroed(now_, uint64_t{now_size_} * sizeof(Slot));
        release_zeroed(old_, uint64_t{old_size_} * sizeof(Slot));
        *this = {};
    }

    // The array that was made last.
    PageRange range() const { return {now_, size_t{now_size_} * sizeof(Slot)}; }

    // See pages.h. Of the arrays that it has now.
    void keep_from_child() {
        zk::keep_from_child(now_, uint64_t{now_size_} * sizeof(Slot));
        zk::keep_from_child(old_, uint64_t{old_size_} * sizeof(Slot));
    }

    uint32_t count() const { return count_; }
    uint64_t bytes() const { return (uint64_t{now_size_} + old_size_) * sizeof(Slot); }

private:
    static constexpr uint32_t size_min = 6;
    static constexpr uint32_t passes_per_change = 32;
    static constexpr uint32_t size_of_one_go = 64;
    static constexpr uint32_t large = (16u << 20) / sizeof(Slot);

    static uint32_t grown(uint32_t size) { return size + size / (size < large ? 2 : 3) + 6; }

    static uint32_t home_of(uint32_t hash, uint32_t size) {
        return static_cast<uint32_t>((uint64_t{hash} * size) >> 32);
    }
    static uint32_t after(uint32_t at, uint32_t size) { return at + 1 == size ? 0 : at + 1; }
    // How far `to` lies behind `from`, round the end.
    static uint32_t distance(uint32_t from, uint32_t to, uint32_t size) {
        return to >= from ? to - from : to + size - from;
    }

    template <typename Matches>
    static Slot* search(Slot* slots, uint32_t size, uint32_t at, Matches matches) {
        for (; !slots[at].free(); at = after(at, size))
            if (matches(slots[at])) return &slots[at];
        return nullptr;
    }

    static void place(Slot* slots, uint32_t size, Slot slot) {
        uint32_t at = home_of(slot.hash(), size);
        while (!slots[at].free()) at = after(at, size);
        slots[at] = slot;
    }

    bool passed(uint32_t home) const { return distance(start_, home, old_size_) < passed_; }

    // Frees a slot, and fills the gap with those behind it that do not belong behind it.
    void take(Slot* slot) {
        bool in_old = old_ != nullptr && slot >= old_ && slot < old_ + old_size_;
        Slot* slots = in_old ? old_ : now_;
        uint32_t size = in_old ? old_size_ : now_size_;
        uint32_t gap = static_cast<uint32_t>(slot - slots);
        for (uint32_t at = after(gap, size); !slots[at].free(); at = after(at, size)) {
            uint32_t home = home_of(slots[at].hash(), size);
            if (distance(home, at, size) < distance(gap, at, size)) continue;
            slots[gap] = slots[at];
            gap = at;
        }
        slots[gap] = Slot{};
        if (in_old) --old_count_;
        --count_;
    }

    void resize(uint32_t size) {
        while (old_ != nullptr) pass_some();
        ASSERT(size < (1u << 31));
        if (size < size_min) size = size_min;
        old_ = now_;
        old_size_ = now_size_;
        old_count_ = count_;
        now_size_ = size;
        now_ = static_cast<Slot*>(allocate_zeroed(uint64_t{size} * sizeof(Slot)));
        start_ = 0;
        passed_ = 0;
        if (old_ == nullptr) return;
        while (!old_[start_].free()) ++start_;
        start_ = after(start_, old_size_);
        while (old_ != nullptr && old_size_ <= size_of_one_go) pass_some();
    }

    void pass_some() {
        if (old_ == nullptr) return;
        for (uint32_t n = 0; n < passes_per_change && old_ != nullptr; ++n) {
            for (Slot* slot = &old_[passing()]; !slot->free(); slot = &old_[passing()]) {
                place(now_, now_size_, *slot);
                *slot = Slot{};
                --old_count_;
                ++passed_;
                ++n;
            }
            pass_free();
        }
    }

    uint32_t passing() const {
        uint64_t at = uint64_t{start_} + passed_;
        while (at >= old_size_) at -= old_size_;
        return static_cast<uint32_t>(at);
    }

    void pass_free() {
        ++passed_;
        give_back(old_, old_size_, start_, passing());
        if (old_count_ > 0) return;
        release_zeroed(old_, uint64_t{old_size_} * sizeof(Slot));
        old_ = nullptr;
        old_size_ = start_ = passed_ = 0;
    }

    void step_over() {
        if (++start_ == now_size_) start_ = 0;
        give_back(now_, now_size_, 0, start_);
    }

    // All slots from `from` up to `to` are free and will not be used again.
    static void give_back(Slot* slots, uint32_t size, uint32_t from, uint32_t to) {
        constexpr uint32_t part = discard_bytes / sizeof(Slot);
        if (to % part != 0 || to < from + part) return;
        size_t end = size_t{to} * sizeof(Slot);
        discard_zeroed(slots, size_t{size} * sizeof(Slot), end - discard_bytes, end);
    }

    Slot* now_ = nullptr;
    Slot* old_ = nullptr;
    uint32_t now_size_ = 0;
    uint32_t old_size_ = 0;
    uint32_t count_ = 0;      // of both
    uint32_t old_count_ = 0;  // slots of old_ in use
    uint32_t start_ = 0;      // where the passage began, behind a free slot; without one, see pop
    uint32_t passed_ = 0;     // slots of old_, from there on, that are moved
};

}  // namespace zk
