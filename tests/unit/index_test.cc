// index_test.cc -- the hash table of numbers against a std::map, while it grows and shrinks.

#include "state/index.h"

#include <doctest/doctest.h>
#include <sys/mman.h>

#include <cstdlib>
#include <iostream>
#include <map>
#include <random>
#include <vector>

#include "base/hash.h"
#include "child.h"

using namespace zk;

namespace {

// INDEX_SEED=n repeats a run.
uint64_t seed() {
    const char* text = getenv("INDEX_SEED");
    return text ? strtoull(text, nullptr, 10) : std::random_device()();
}

uint64_t hash_of(uint64_t key) {
    return hash64(Bytes(reinterpret_cast<const uint8_t*>(&key), sizeof key));
}

// Keys and the numbers they have, both in the index and in a map.
struct Pair {
    Index index;
    std::map<uint64_t, uint32_t> model;
    std::vector<uint64_t> key_of{0};  // by number
    std::vector<uint32_t> free;

    uint32_t find(uint64_t key) const {
        return index.find(hash_of(key), [&](uint32_t number) { return key_of[number] == key; });
    }
    void insert(uint64_t key) {
        uint32_t number = 0;
        if (free.empty()) {
            number = static_cast<uint32_t>(key_of.size());
            key_of.push_back(key);
        } else {
            number = free.back();
            free.pop_back();
            key_of[number] = key;
        }
        index.insert(hash_of(key), number);
        model[key] = number;
    }
    void erase(uint64_t key) {
        uint32_t number = model.at(key);
        index.erase(hash_of(key), number);
        model.erase(key);
        key_of[number] = ~uint64_t{0};
        free.push_back(number);
    }
    bool same(uint64_t key) const {
        auto at = model.find(key);
        return find(key) == (at == model.end() ? 0 : at->second);
    }
};

}  // namespace

TEST_CASE("an empty index finds nothing") {
    Index index;
    CHECK(index.find(5, [](uint32_t) { return true; }) == 0);
    CHECK(index.count() == 0);
    CHECK(index.bytes() == 0);
}

TEST_CASE("keys of the same hash are told apart by the caller") {
    Index index;
    for (uint32_t number = 1; number <= 20; ++number) index.insert(42, number);
    for (uint32_t number = 1; number <= 20; ++number)
        CHECK(index.find(42, [&](uint32_t found) { return found == number; }) == number);
    index.erase(42, 7);
    CHECK(index.find(42, [](uint32_t found) { return found == 7; }) == 0);
    CHECK(index.find(42, [](uint32_t found) { return found == 20; }) == 20);
}

TEST_CASE("an index does what a map does, while it grows, shrinks and grows again") {
    uint64_t from = seed();
    INFO("INDEX_SEED=", from);
    std::mt19937_64 chance(from);
    Pair pair;
    uint64_t keys = 40000;
    for (int phase = 0; phase < 12; ++phase) {
        // More births than deaths, then the reverse: down to few keys in a large table.
        uint64_t births = phase % 2 == 0 ? 7 : 2;
        for (int step = 0; step < 20000; ++step) {
            uint64_t key = chance() % keys;
            bool there = pair.model.count(key) > 0;
            if (chance() % 10 < births) {
                if (!there) pair.insert(key);
            } else if (there) {
                pair.erase(key);
            } else if (!pair.model.empty()) {
                auto at = pair.model.lower_bound(key);
                pair.erase(at == pair.model.end() ? pair.model.begin()->first : at->first);
            }
            REQUIRE(pair.same(key));
            REQUIRE(pair.same(chance() % keys));
        }
        REQUIRE(pair.index.count() == pair.model.size());
        for (uint64_t key = 0; key < keys; ++key) REQUIRE(pair.same(key));
    }
}

TEST_CASE("a queue, whose oldest goes as a new one comes, does not make the table grow") {
    Pair pair;
    for (uint64_t key = 0; key < 300; ++key) pair.insert(key);
    for (uint64_t key = 300; key < 200000; ++key) {
        pair.insert(key);
        pair.erase(key - 300);
    }
    CHECK(pair.index.count() == 300);
    CHECK(pair.index.bytes() <= 1024 * 8);
    for (uint64_t key = 199700; key < 200000; ++key) CHECK(pair.find(key) != 0);
}

TEST_CASE("keys whose hashes lie side by side at a table's end are found while it changes size") {
    // Their run goes round the end, past the slot where the passage to a new table begins.
    constexpr uint32_t last = ~0u;
    for (uint32_t others : {0u, 40u, 300u, 5000u}) {
        Index index;
        for (uint32_t i = 0; i < others; ++i) index.insert(hash_of(i), 1000 + i);
        for (uint32_t number = 1; number <= 200; ++number) {
            index.insert(last - number % 3, number);
            for (uint32_t i = 1; i <= number; ++i)
                REQUIRE(index.find(last - i % 3, [=](uint32_t at) { return at == i; }) == i);
        }
        for (uint32_t number = 1; number <= 200; ++number) {
            index.erase(last - number % 3, number);
            for (uint32_t i = number + 1; i <= 200; ++i)
                REQUIRE(index.find(last - i % 3, [=](uint32_t at) { return at == i; }) == i);
            REQUIRE(index.find(last - number % 3, [=](uint32_t at) { return at == number; }) == 0);
        }
        for (uint32_t i = 0; i < others; ++i)
            REQUIRE(index.find(hash_of(i), [=](uint32_t at) { return at == 1000 + i; }) > 0);
        CHECK(index.count() == others);
    }
}

TEST_CASE("a table of a million is never less than a quarter empty, nor more than half") {
    Index index;
    for (uint32_t i = 1; i <= 1'000'000; ++i) {
        index.insert(hash_of(i), i);
        if (i < 1000 || i % 997 != 0) continue;
        // While it grows there are two arrays, of which one goes back as the other is filled.
        REQUIRE(index.bytes() >= uint64_t{i} * 8 * 4 / 3);
        REQUIRE(index.bytes() <= uint64_t{i} * 8 * 4 / 3 * 5 / 2 + 1000);
    }
    for (uint32_t i = 1; i <= 1'000'000; ++i)
        REQUIRE(index.find(hash_of(i), [=](uint32_t at) { return at == i; }) == i);
    for (uint32_t i = 1; i <= 1'000'000; ++i) index.erase(hash_of(i), i);
    CHECK(index.bytes() == 0);
}

TEST_CASE("a child that is forked later does not have a large table") {
    Index index;
    for (uint32_t i = 1; i <= 1'200'000; ++i) index.insert(hash_of(i), i);
    index.keep_from_child();
    LateChild child([&] {
        unsigned char there = 0;
        return mincore(index.range().begin, 1, &there) == -1;
    });
    CHECK(child.good());
}
