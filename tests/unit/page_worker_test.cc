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

TEST_CASE("populated memory is there, zero, and nothing beside it") {
    constexpr size_t page = 4096;
    constexpr size_t bytes = huge_page_bytes;
    auto* block = static_cast<uint8_t*>(allocate_aligned(bytes));
    madvise(block, bytes, MADV_NOHUGEPAGE);
    if (madvise(block, page, populate_write) != 0) {
        MESSAGE("a kernel that cannot populate");
        return;
    }
    PageWorker worker;
    std::vector<PageRange> ranges = {{block, bytes / 2}};
    REQUIRE(worker.start(PageWork::populate, ranges));
    CHECK(ranges.empty());
    while (worker.busy()) usleep(100);
    std::vector<uint8_t> there(bytes / page);
    REQUIRE(mincore(block, bytes, there.data()) == 0);
    auto middle = there.begin() + static_cast<long>(there.size() / 2);
    CHECK(std::count(there.begin(), middle, 1) == static_cast<long>(there.size() / 2));
    CHECK(std::count(middle, there.end(), 1) == 0);
    CHECK(std::all_of(block, block + bytes, [](uint8_t byte) { return byte == 0; }));
    release_zeroed(block, bytes);
}

TEST_CASE("a busy worker takes nothing, and what is unmapped does no harm") {
    constexpr size_t bytes = 64 * huge_page_bytes;
    auto* block = static_cast<uint8_t*>(allocate_aligned(bytes));
    release_zeroed(block, bytes);
    PageWorker worker;
    std::vector<PageRange> many(50'000, {block, bytes});
    REQUIRE(worker.start(PageWork::populate, many));
    std::vector<PageRange> others = {{block, bytes}};
    CHECK(!worker.start(PageWork::join, others));
    CHECK(others.size() == 1);
    worker.stop();
    while (worker.busy()) usleep(100);
    CHECK(worker.start(PageWork::join, others));
}
