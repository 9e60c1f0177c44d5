// pages.cc -- see pages.h.

#include "base/pages.h"

#include <sys/mman.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "base/log.h"

namespace zk {

namespace {

constexpr size_t page = 4096;
constexpr size_t mapped_from = 2 * discard_bytes;

size_t round_up(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

uint8_t* map(size_t bytes, int flags) {
    void* block = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | flags, -1, 0);
    return block == MAP_FAILED ? nullptr : static_cast<uint8_t*>(block);
}

}  // namespace

void* allocate_zeroed(size_t bytes) {
    void* block =
        bytes < mapped_from ? calloc(1, bytes) : map(round_up(bytes, page), MAP_PRIVATE);
    ASSERT(block != nullptr);
    return block;
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

void keep_from_child(void* block, size_t bytes) {
    if (bytes >= mapped_from) madvise(block, round_up(bytes, page), MADV_DONTFORK);
}

// Mapped with room to spare, of which all but what begins at the border goes back.
uint8_t* allocate_parts(size_t count, bool in_common) {
    size_t wanted = count * part_bytes;
    size_t bytes = wanted + part_bytes;
    uint8_t* block = in_common ? map(bytes, MAP_SHARED) : nullptr;
    if (block == nullptr) block = map(bytes, MAP_PRIVATE);
    ASSERT(block != nullptr);
    size_t skip = -reinterpret_cast<uintptr_t>(block) & (part_bytes - 1);
    if (skip > 0) munmap(block, skip);
    munmap(block + skip + wanted, part_bytes - skip);
    return block + skip;
}

// Memory in common goes only when nobody maps any of it, or when told so. Where a process has as
// many mappings as it may, none can be taken out of the midst of a larger one: its addresses stay
// taken.
void release_part(void* part) {
    discard_in_part(part, part_bytes);
    int failed = munmap(part, part_bytes);
    ASSERT(failed == 0 || errno == ENOMEM);
}

void discard_in_part(void* begin, size_t bytes) {
    if (madvise(begin, bytes, MADV_REMOVE) != 0) madvise(begin, bytes, MADV_DONTNEED);
}

void populate_pages(void* begin, size_t bytes) {
    constexpr int populate_write = 23;  // MADV_POPULATE_WRITE, Linux 5.14; else they come when used
    madvise(begin, bytes, populate_write);
}

}  // namespace zk
