// pages_test.cc -- memory that a child has, has not, or has in common with its parent.

#include "base/pages.h"

#include <doctest/doctest.h>
#include <sys/mman.h>

#include <cstdint>
#include <initializer_list>

#include "child.h"

using namespace zk;

namespace {

constexpr size_t page = 4096;

bool resident(uint8_t* at) {
    unsigned char there = 0;
    return mincore(at, 1, &there) == 0 && (there & 1) != 0;
}
bool mapped(uint8_t* at) {
    unsigned char there = 0;
    return mincore(at, 1, &there) == 0;
}

}  // namespace

TEST_CASE("parts begin at their borders, are zero, and go one by one") {
    for (bool in_common : {true, false}) {
        uint8_t* parts = allocate_parts(3, in_common);
        CHECK(reinterpret_cast<uintptr_t>(parts) % part_bytes == 0);
        for (size_t at = 0; at < 3 * part_bytes; at += page) {
            REQUIRE(parts[at] == 0);
            parts[at] = 1;
        }
        release_part(parts + part_bytes);
        CHECK(!mapped(parts + part_bytes));
        CHECK(parts[part_bytes - page] == 1);
        CHECK(parts[2 * part_bytes] == 1);
        discard_in_part(parts + page, 2 * page);
        CHECK(!resident(parts + page));
        CHECK(!resident(parts + 2 * page));
        CHECK(parts[3 * page] == 1);
        CHECK(parts[page] == 0);
        release_part(parts);
        release_part(parts + 2 * part_bytes);
        CHECK(!mapped(parts));
        CHECK(!mapped(parts + 2 * part_bytes));
    }
}

TEST_CASE("what is written behind a fork a child sees in common parts, and nowhere else") {
    uint8_t* common = allocate_parts(1, true);
    uint8_t* own = allocate_parts(1, false);
    auto* block = static_cast<uint8_t*>(allocate_zeroed(part_bytes));
    LateChild child([=] { return common[page] == 7 && own[page] == 0 && block[page] == 0; });
    for (uint8_t* at : {common, own, block}) at[page] = 7;
    CHECK(child.good());
    release_part(common);
    release_part(own);
    release_zeroed(block, part_bytes);
}

TEST_CASE("a common part that is released takes no memory, though a child has it mapped") {
    uint8_t* part = allocate_parts(2, true);
    for (size_t at = 0; at < 2 * part_bytes; at += page) part[at] = 1;
    LateChild child([=] { return mapped(part) && !resident(part) && resident(part + part_bytes); });
    release_part(part);
    CHECK(child.good());
    release_part(part + part_bytes);
}

TEST_CASE("what is kept from a child it does not have") {
    auto* block = static_cast<uint8_t*>(allocate_zeroed(part_bytes));
    auto* small = static_cast<uint8_t*>(allocate_zeroed(100));
    keep_from_child(block, part_bytes);
    keep_from_child(small, 100);
    LateChild child([=] { return !mapped(block) && small[99] == 0; });
    CHECK(child.good());
    release_zeroed(block, part_bytes);
    release_zeroed(small, 100);
}
