// pages.cc -- see pages.h.

#include "base/pages.h"

#include <fcntl.h>
#include <sys/ioctl.h>
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

// PAGEMAP_SCAN, Linux 6.7 (Documentation/admin-guide/mm/pagemap.rst), which older headers do not
// have.
struct ScanRegion {
    uint64_t start, end, categories;
};
struct ScanArg {
    uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
    uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};
constexpr unsigned long pagemap_scan = _IOWR('f', 16, ScanArg);
constexpr uint64_t page_is_huge = 1 << 6;

enum class Found : uint8_t { no, yes, unknown };

Found scan_huge(const void* begin) {
    static const int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    auto start = reinterpret_cast<uint64_t>(begin);
    ScanRegion region{};
    ScanArg arg{.size = sizeof arg, .flags = 0, .start = start, .end = start + huge_page,
                .walk_end = 0, .vec = reinterpret_cast<uint64_t>(&region), .vec_len = 1,
                .max_pages = 0, .category_inverted = 0, .category_mask = page_is_huge,
                .category_anyof_mask = 0, .return_mask = page_is_huge};
    int regions = ioctl(pagemap, pagemap_scan, &arg);
    if (regions < 0) return Found::unknown;
    return regions == 1 && region.start == start && region.end == start + huge_page ? Found::yes
                                                                                   : Found::no;
}

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

void* find_huge_page() {
    void* begin = allocate_aligned(huge_page);
    populate_huge_page(begin);
    share_pages(begin, huge_page, false);
    if (scan_huge(begin) == Found::yes) return begin;
    release_zeroed(begin, huge_page);
    return nullptr;
}

bool in_huge_page(const void* begin) { return scan_huge(begin) != Found::no; }

void move_to_huge_page(void* begin, void* fresh) {
    share_pages(fresh, huge_page, true);
    memcpy(fresh, begin, huge_page);
    void* moved = mremap(fresh, huge_page, huge_page, MREMAP_MAYMOVE | MREMAP_FIXED, begin);
    ASSERT(moved == begin);
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
