// page_worker_test.cc -- pages that are there before anybody writes to them.

#include "edge/page_worker.h"

#include <doctest/doctest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>

using namespace zk;

namespace {

constexpr int populate_write = 23;  // MADV_POPULATE_WRITE

}  // namespace

TEST_CASE("populated memory is there, zero, and nothing beside it, in haste or at leisure") {
    constexpr size_t page = 4096;
    constexpr size_t bytes = part_bytes;
    uint8_t* block = allocate_parts(1, true);
    if (madvise(block, page, populate_write) != 0) {
        MESSAGE("a kernel that cannot populate");
        return;
    }
    PageWorker worker;
    for (PageWork work : {PageWork::in_haste, PageWork::at_leisure}) {
        size_t half = work == PageWork::in_haste ? 0 : bytes / 4;
        std::vector<PageRange> ranges = {{block + half, bytes / 4}};
        REQUIRE(worker.start(work, ranges));
        CHECK(ranges.empty());
        while (worker.busy()) usleep(100);
    }
    std::vector<uint8_t> there(bytes / page);
    REQUIRE(mincore(block, bytes, there.data()) == 0);
    auto middle = there.begin() + static_cast<long>(there.size() / 2);
    CHECK(std::count(there.begin(), middle, 1) == static_cast<long>(there.size() / 2));
    CHECK(std::count(middle, there.end(), 1) == 0);
    CHECK(std::all_of(block, block + bytes, [](uint8_t byte) { return byte == 0; }));
    release_part(block);
}

TEST_CASE("a busy worker takes nothing, and what is unmapped does no harm") {
    constexpr size_t bytes = 64 * part_bytes;
    void* block = allocate_zeroed(bytes);
    release_zeroed(block, bytes);
    PageWorker worker;
    std::vector<PageRange> many(50'000, {block, bytes});
    REQUIRE(worker.start(PageWork::in_haste, many));
    std::vector<PageRange> others = {{block, bytes}};
    CHECK(!worker.start(PageWork::at_leisure, others));
    CHECK(others.size() == 1);
    worker.stop();
    while (worker.busy()) usleep(100);
    CHECK(worker.start(PageWork::at_leisure, others));
}
