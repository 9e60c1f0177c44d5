// chance.h -- all luck of a simulated world, from one seed.
//
// Every component that needs luck has a Chance of its own, forked from the seed's, so that a draw
// more in one place does not change what happens in another. SplitMix64: small, fast, good enough.

#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <utility>
#include <vector>

namespace zk::sim {

class Chance {
public:
    explicit Chance(uint64_t seed) : state_(seed) {}

    uint64_t next() {
        state_ += 0x9e3779b97f4a7c15ull;
        uint64_t mixed = state_;
        mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9ull;
        mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111ebull;
        return mixed ^ (mixed >> 31);
    }
    Chance fork() { return Chance(next()); }

    // 0 ... count - 1. Requires: count > 0.
    uint64_t below(uint64_t count) { return next() % count; }
    // least ... most, both included.
    uint64_t between(uint64_t least, uint64_t most) { return least + below(most - least + 1); }
    // True `of_thousand` times in a thousand.
    bool permille(uint64_t of_thousand) { return below(1000) < of_thousand; }
    bool percent(uint64_t of_hundred) { return below(100) < of_hundred; }

    // Mostly near `least`, sometimes up to `most`: how long things take.
    uint64_t skewed(uint64_t least, uint64_t most) {
        uint64_t spread = most - least;
        uint64_t roll = below(100);
        uint64_t part = roll < 70 ? spread / 20 : roll < 95 ? spread / 4 : spread;
        return least + below(part + 1);
    }

    template <typename T>
    const T& pick(const std::vector<T>& from) {
        return from[below(from.size())];
    }
    template <typename T>
    T pick(std::initializer_list<T> from) {
        return from.begin()[below(from.size())];
    }
    template <typename T>
    void shuffle(std::vector<T>& items) {
        for (size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[below(i)]);
    }

private:
    uint64_t state_;
};

}  // namespace zk::sim
