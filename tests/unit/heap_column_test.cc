// heap_column_test.cc -- records that stay as they were for a child, wherever they are by now.

#include "base/heap_column.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <random>
#include <vector>

#include "child.h"

using namespace zk;

namespace {

using Column64 = HeapColumn<uint64_t>;
constexpr uint32_t together = 64;

void grow(Column64& column, uint32_t count) {
    for (uint32_t id = 0; id < count; ++id) {
        column.reach(id);
        column.edit(id) = id;
    }
}

}  // namespace

TEST_CASE("records are what was written last, and to each child what they were") {
    uint64_t seed = 1;
    if (const char* given = getenv("COLUMN_SEED")) seed = strtoull(given, nullptr, 10);
    CAPTURE(seed);
    std::mt19937_64 chance(seed);
    Heap heap;
    Column64 column(heap);
    std::vector<uint64_t> model;
    auto same = [&] {
        bool good = true;
        for (uint32_t id = 0; id < model.size(); ++id) good &= column[id] == model[id];
        return good;
    };
    for (int round = 0; round < 30; ++round) {
        heap.freeze();
        column.freeze();
        LateChild child(same);
        for (uint64_t step = 0; step < 5'000; ++step) {
            uint64_t what = chance() % 1000;
            if (what < 100 || model.empty()) {
                auto id = static_cast<uint32_t>(model.size());
                column.reach(id);
                CHECK(column[id] == 0);
                column.edit(id) = step;
                model.push_back(step);
            } else {
                auto id = static_cast<uint32_t>(chance() % model.size());
                column.edit(id) = step;
                model[id] = step;
            }
        }
        REQUIRE(child.good());
        REQUIRE(same());
        heap.thaw();
        for (uint64_t steps = chance() % 100; steps > 0; --steps) heap.settle_some();
    }
}

TEST_CASE("what a freeze has seen moves once, with those beside it, and nothing else does") {
    Heap heap;
    Column64 column(heap);
    grow(column, 10 * together);
    const uint64_t* before = &column[together];
    const uint64_t* next = &column[2 * together];
    column.edit(together) = 5;
    CHECK(&column[together] == before);
    heap.freeze();
    column.freeze();
    column.edit(together + 1) = 7;
    const uint64_t* moved = &column[together];
    CHECK(moved != before);
    CHECK(before[1] == together + 1);
    CHECK(moved[0] == 5);
    CHECK(moved[1] == 7);
    CHECK(moved[63] == 2 * together - 1);
    CHECK(&column[2 * together] == next);
    column.edit(together + 2) = 8;
    CHECK(&column[together] == moved);
    heap.thaw();
    column.edit(2 * together) = 9;
    CHECK(&column[2 * together] == next);
}

TEST_CASE("a column is packed with the heap, and gives all of it back") {
    Heap heap;
    constexpr uint32_t groups = 4'000;
    std::vector<uint8_t*> others;
    uint32_t id = 0;
    {
        Column64 column(heap);
        for (; id < groups * together; ++id) {
            column.reach(id);
            column.edit(id) = id;
            for (int i = 0; id % together == 0 && i < 4; ++i) others.push_back(heap.allocate(512));
        }
        for (uint8_t* block : others) heap.release(block, 512);
        CHECK(heap.scattered());
        for (uint32_t at = 0; at < id; ++at) column.pack(at);
        CHECK(!heap.scattered());
        bool same = true;
        for (uint32_t at = 0; at < id; ++at) same &= column[at] == at;
        CHECK(same);
        CHECK(column.size() == heap.used_bytes());
        column.drop(id / 2);
        CHECK(heap.used_bytes() == groups / 2 * 512);
        CHECK(column.size() == heap.used_bytes());
        CHECK(column[id / 2] == id / 2);
        column.drop(id);
    }
    CHECK(heap.used_bytes() == 0);
    CHECK(heap.idle_bytes() == 0);
}
