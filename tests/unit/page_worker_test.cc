// page_worker_test.cc -- pages that are there before anybody writes to them.

#include "edge/page_worker.h"

#include <doctest/doctest.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
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

TEST_CASE("enlarged memory lies in huge pages where whole ones fit, if there are any") {
    constexpr size_t bytes = 3 * huge_page_bytes;
    auto* block = static_cast<uint8_t*>(allocate_aligned(bytes));
    PageWorker worker;
    std::vector<PageRange> ranges = {{block, 2 * huge_page_bytes + 8192}};
    REQUIRE(worker.start(PageWork::enlarge, ranges));
    while (worker.busy()) usleep(100);
    std::vector<uint8_t> there(bytes / 4096);
    REQUIRE(mincore(block, bytes, there.data()) == 0);
    CHECK(std::count(there.begin(), there.end(), 1) == 2 * 512 + 2);
    if (!in_huge_page(block)) MESSAGE("a kernel without huge pages");
    release_zeroed(block, bytes);
}

TEST_CASE("once a child is gone, unshared memory is written to without a fault") {
    constexpr size_t bytes = huge_page_bytes;
    auto* block = static_cast<uint8_t*>(allocate_aligned(bytes));
    auto write_all = [&] {
        rusage before{};
        rusage after{};
        getrusage(RUSAGE_THREAD, &before);
        for (size_t at = 0; at < bytes; at += 4096) ++block[at];
        getrusage(RUSAGE_THREAD, &after);
        return after.ru_minflt - before.ru_minflt;
    };
    madvise(block, bytes, MADV_NOHUGEPAGE);
    write_all();
    pid_t child = fork();
    if (child == 0) _exit(0);
    waitpid(child, nullptr, 0);
    PageWorker worker;
    std::vector<PageRange> ranges = {{block, bytes / 2}};
    REQUIRE(worker.start(PageWork::unshare, ranges));
    while (worker.busy()) usleep(100);
    CHECK(write_all() == bytes / 2 / 4096);  // the other half's
    release_zeroed(block, bytes);
}

TEST_CASE("memory moves to a huge page that was found, and what it holds with it") {
    auto* block = static_cast<uint8_t*>(allocate_aligned(huge_page_bytes));
    madvise(block, huge_page_bytes, MADV_NOHUGEPAGE);
    for (size_t at = 0; at < huge_page_bytes; ++at) block[at] = static_cast<uint8_t>(at * at >> 7);
    PageWorker worker;
    void* found = worker.take_huge_page();
    CHECK(found == nullptr);
    while (worker.busy()) usleep(100);
    found = worker.take_huge_page();
    if (found == nullptr) {
        MESSAGE("a kernel without huge pages, or one before 6.7");
        return;
    }
    CHECK(!in_huge_page(block));
    move_to_huge_page(block, found);
    CHECK(in_huge_page(block));
    size_t wrong = 0;
    for (size_t at = 0; at < huge_page_bytes; ++at)
        wrong += block[at] != static_cast<uint8_t>(at * at >> 7);
    CHECK(wrong == 0);
    unsigned char there = 0;
    CHECK(mincore(found, 1, &there) == -1);
    // It is the child's, too: what was found had not been.
    pid_t child = fork();
    if (child == 0) _exit(block[12345] == static_cast<uint8_t>(12345 * 12345 >> 7) ? 0 : 1);
    int status = 1;
    waitpid(child, &status, 0);
    CHECK(status == 0);
    release_zeroed(block, huge_page_bytes);
}

TEST_CASE("who looked for a huge page does other work next") {
    PageWorker worker;
    worker.take_huge_page();
    auto* block = static_cast<uint8_t*>(allocate_aligned(huge_page_bytes));
    std::vector<PageRange> ranges = {{block, huge_page_bytes}};
    while (!worker.start(PageWork::populate, ranges)) usleep(100);  // as soon as it is done
    while (worker.busy()) usleep(100);
    unsigned char there = 0;
    CHECK((mincore(block, 1, &there) == 0 && (there & 1) != 0));
    release_zeroed(block, huge_page_bytes);
}

TEST_CASE("a busy worker takes nothing, and what is unmapped does no harm") {
    constexpr size_t bytes = 64 * huge_page_bytes;
    auto* block = static_cast<uint8_t*>(allocate_aligned(bytes));
    release_zeroed(block, bytes);
    PageWorker worker;
    std::vector<PageRange> many(50'000, {block, bytes});
    REQUIRE(worker.start(PageWork::populate, many));
    std::vector<PageRange> others = {{block, bytes}};
    CHECK(!worker.start(PageWork::unshare, others));
    CHECK(others.size() == 1);
    worker.stop();
    while (worker.busy()) usleep(100);
    CHECK(worker.start(PageWork::unshare, others));
}
