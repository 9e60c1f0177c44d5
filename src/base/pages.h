// pages.h -- large blocks of zeroed memory, straight from the system.
//
// Layer 0. Owns nothing. A large block is mapped: its pages come when they are first touched, and
// go back one part at a time, so that neither takes long at once. A small one is malloc's. What is
// as large as some huge pages begins at the border of one. It comes in small pages all the same: a
// huge one may take the kernel milliseconds to find. A thread may join them later: fork then copies
// one entry of the page table for 2 MB instead of 512.

#pragma once

#include <cstddef>

namespace zk {

// All zero; never nullptr.
void* allocate_zeroed(size_t bytes);
// `bytes` as asked for. nullptr is fine.
void release_zeroed(void* block, size_t bytes);

// The same, beginning at a multiple of 2 MB. Requires: at least 512 kB, for release_zeroed.
void* allocate_aligned(size_t bytes);

// Memory in use that begins at a multiple of 2 MB.
struct PageRange {
    void* begin;
    size_t bytes;
};
inline constexpr size_t huge_page_bytes = 2 * 1024 * 1024;
// Has the small pages there before they are first touched. For a thread that so spares another the
// waiting; it may be unmapped already.
void populate_pages(void* begin, size_t bytes);
// Makes one huge page of the small ones there, if the kernel can. Takes it from half a millisecond
// to some, in which other threads wait if they touch that memory or map any. It may be unmapped
// already.
void join_pages(void* huge_page);

// How much of a block is worth giving back while the rest is in use.
inline constexpr size_t discard_bytes = 256 * 1024;
// The bytes from `from` to `to` are not needed any more and read as zero from now on. Both are
// multiples of a page's size.
void discard_zeroed(void* block, size_t bytes, size_t from, size_t to);

}  // namespace zk
