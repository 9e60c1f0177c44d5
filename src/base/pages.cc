// pages.cc -- see pages.h.

#include "base/pages.h"

#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "base/log.h"

namespace zk {

namespace {

constexpr size_t page = 4096;
constexpr size_t huge_page = huge_page_bytes;
constexpr size_t mapped_from = 2 * discard_bytes;
constexpr size_t huge_from = 4 * huge_page;

size_t round_up(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

}  // namespace

void* allocate_zeroed(size_t bytes) {
    void* block = nullptr;
    if (bytes < mapped_from) {
        block = calloc(1, bytes);
        ASSERT(block != nullptr);
    } else if (bytes < huge_from) {
        block = mmap(nullptr, round_up(bytes, page), PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        ASSERT(block != MAP_FAILED);
    } else {
        block = allocate_aligned(bytes);
    }
    return block;
}

// Mapped with room to spare, of which all but what begins at the border goes back.
void* allocate_aligned(size_t bytes) {
    size_t size = round_up(bytes, page);
    void* block = mmap(nullptr, size + huge_page, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ASSERT(block != MAP_FAILED);
    auto* begin = static_cast<uint8_t*>(block);
    size_t skip = round_up(reinterpret_cast<uintptr_t>(begin), huge_page) -
                  reinterpret_cast<uintptr_t>(begin);
    if (skip > 0) munmap(begin, skip);
    if (skip < huge_page) munmap(begin + skip + size, huge_page - skip);
    return begin + skip;
}

void populate_pages(void* begin, size_t bytes) {
    constexpr int populate_write = 23;  // MADV_POPULATE_WRITE, Linux 5.14; else they come when used
    madvise(begin, bytes, populate_write);
}

// Between these the kernel may use a huge page, and not at any other time: it would fill the holes
// that we leave (khugepaged).
void populate_huge_page(void* begin) {
    madvise(begin, huge_page_bytes, MADV_HUGEPAGE);
    populate_pages(begin, huge_page_bytes);
    madvise(begin, huge_page_bytes, MADV_NOHUGEPAGE);
}

void join_pages(void* huge) {
    constexpr int collapse = 25;  // MADV_COLLAPSE, Linux 6.1; without it all stays as it is
    madvise(huge, huge_page_bytes, MADV_HUGEPAGE);
    madvise(huge, huge_page_bytes, collapse);
    madvise(huge, huge_page_bytes, MADV_NOHUGEPAGE);
}

void share_pages(void* block, size_t bytes, bool with_child) {
    if (bytes < mapped_from) return;
    madvise(block, round_up(bytes, page), with_child ? MADV_DOFORK : MADV_DONTFORK);
}

void release_zeroed(void* block, size_t bytes) {
    if (bytes < mapped_from) {
        free(block);
        return;
    }
    int failed = munmap(block, round_up(bytes, page));
    ASSERT(failed == 0);
}

void discard_zeroed(void* block, size_t bytes, size_t from, size_t to) {
    auto* begin = static_cast<uint8_t*>(block) + from;
    if (bytes < mapped_from)
        memset(begin, 0, to - from);
    else
        madvise(begin, to - from, MADV_DONTNEED);
}

}  // namespace zk
