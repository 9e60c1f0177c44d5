// twin_column_test.cc -- records that stay as they were for a child, wherever they are by now.

#include "base/twin_column.h"

#include <doctest/doctest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <random>
#include <vector>

using namespace zk;

namespace {

using Column64 = TwinColumn<uint64_t>;
constexpr uint32_t page_records = 512;

bool mapped(const void* at) {
    unsigned char there = 0;
    auto page = reinterpret_cast<uintptr_t>(at) & ~uintptr_t{4095};
    return mincore(reinterpret_cast<void*>(page), 1, &there) == 0;
}

bool resident(const void* at) {
    unsigned char there = 0;
    auto page = reinterpret_cast<uintptr_t>(at) & ~uintptr_t{4095};
    return mincore(reinterpret_cast<void*>(page), 1, &there) == 0 && (there & 1) != 0;
}

void grow(Column64& column, uint32_t count) {
    for (uint32_t id = 0; id < count; ++id) {
        column.reach(id);
        column.edit(id) = id;
    }
}

void settle(Column64& column) {
    for (int i = 0; i < 10'000; ++i) column.move_some();
}

}  // namespace

TEST_CASE("records are what was written last, through freezes and thaws in any order") {
    uint64_t seed = 1;
    if (const char* given = getenv("TWIN_SEED")) seed = strtoull(given, nullptr, 10);
    CAPTURE(seed);
    std::mt19937_64 chance(seed);
    Column64 column;
    std::vector<uint64_t> model;
    std::vector<const uint64_t*> seen;  // by a child, and what is there
    std::vector<uint64_t> seen_values;
    bool frozen = false;
    for (uint64_t step = 0; step < 200'000; ++step) {
        uint64_t what = chance() % 1000;
        if (what < 300 || model.empty()) {
            auto id = static_cast<uint32_t>(model.size());
            column.reach(id);
            CHECK(column[id] == 0);
            column.edit(id) = step;
            model.push_back(step);
        } else if (what < 900) {
            auto id = static_cast<uint32_t>(chance() % model.size());
            column.edit(id) = step;
            model[id] = step;
        } else if (what < 997) {
            column.move_some();
        } else {
            for (size_t i = 0; i < seen.size(); ++i) REQUIRE(*seen[i] == seen_values[i]);
            seen.clear();
            seen_values.clear();
            bool whole = !column.moving();
            frozen ? column.thaw() : column.freeze();
            frozen = !frozen;
            for (uint32_t id = 0; frozen && whole && id < model.size(); id += 37) {
                seen.push_back(&column[id]);
                seen_values.push_back(model[id]);
            }
        }
    }
    for (uint32_t id = 0; id < model.size(); ++id) REQUIRE(column[id] == model[id]);
}

TEST_CASE("a child has one side and not the other, which takes a page for the first write to it") {
    Column64 column;
    grow(column, 10 * page_records);
    std::vector<PageRange> spare;
    column.spare(spare);
    REQUIRE(spare.size() == 1);
    CHECK(spare[0].bytes == 10 * page_records * sizeof(uint64_t));
    const uint64_t* before = &column[page_records];
    column.freeze();
    pid_t child = fork();
    if (child == 0) {
        bool good = !mapped(spare[0].begin) && mapped(before);
        for (uint32_t id = 0; id < 10 * page_records; ++id) good &= column[id] == id;
        _exit(good ? 0 : 1);
    }
    int status = 1;
    waitpid(child, &status, 0);
    CHECK(status == 0);
    column.edit(page_records) = 7;
    CHECK(&column[page_records] != before);
    CHECK(*before == page_records);
    CHECK(&column[page_records + 1] == &column[page_records] + 1);
    CHECK(&column[2 * page_records] == before + page_records);
    CHECK(column[page_records + 1] == page_records + 1);
    // New ones lie beside the copies: nobody else's pages have to be copied for them.
    uint32_t next = 10 * page_records;
    column.reach(next);
    CHECK(&column[next] == &column[page_records] + 9 * page_records);
}

TEST_CASE("after the thaw all moves, a page at a time, and the old pages go back") {
    Column64 column;
    constexpr uint32_t pages = 200;
    grow(column, pages * page_records);
    const uint64_t* old = &column[0];
    column.freeze();
    settle(column);
    CHECK(&column[0] == old);  // not before
    CHECK(column.moving());
    column.thaw();
    column.move_some();
    CHECK(&column[0] != old);
    CHECK(&column[page_records] == old + page_records);
    settle(column);
    CHECK(!column.moving());
    for (uint32_t page = 0; page < pages; ++page) {
        CHECK(&column[page * page_records] == &column[0] + page * page_records);
        CHECK(column[page * page_records] == page * page_records);
        CHECK(!resident(old + page * page_records));
    }
    // The other way, and with pages made ready meanwhile: they stay.
    column.freeze();
    column.thaw();
    for (uint32_t page = 0; page < pages + 8; ++page) column.move_some();
    CHECK(!column.moving());
    std::vector<PageRange> spare;
    column.spare(spare);
    populate_pages(spare[0].begin, spare[0].bytes);
    settle(column);
    CHECK(&column[0] == old);
    CHECK(resident(spare[0].begin));
}

TEST_CASE("a freeze before all have moved leaves the child both sides") {
    Column64 column;
    grow(column, 10 * page_records);
    column.freeze();
    column.edit(0) = 100;
    column.thaw();
    column.freeze();
    CHECK(column.moving());
    pid_t child = fork();
    if (child == 0) {
        bool good = column[0] == 100;
        for (uint32_t id = 1; id < 10 * page_records; ++id) good &= column[id] == id;
        _exit(good ? 0 : 1);
    }
    int status = 1;
    waitpid(child, &status, 0);
    CHECK(status == 0);
    column.thaw();
    settle(column);
    CHECK(!column.moving());
    CHECK(column[0] == 100);
}
