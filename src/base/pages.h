// pages.h -- large blocks of zeroed memory, straight from the system.
//
// Layer 0. Owns nothing. A large block is mapped: its pages come when they are first touched, and
// go back one part at a time, so that neither takes long at once. A small one is malloc's. What is
// as large as some huge pages begins at the border of one. It comes in small pages all the same: a
// huge one may take the kernel milliseconds to find. With the help of a thread it may move to those
// later: a fork then copies one entry of the page table for 2 MB instead of 512.

#pragma once

#include <cstddef>
#include <cstdint>

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
// What a thread can do for another, which so need not wait. The memory may be unmapped already.
enum class PageWork : uint8_t {
    populate,  // small pages are there before they are touched, as soon as can be
    enlarge,   // the same at leisure, and in huge pages where there is nothing yet
    unshare,   // at leisure: what a fork has made read-only may be written to again
};
// Has pages there, of whatever size, to be written to.
void populate_pages(void* begin, size_t bytes);
// Finds a huge page for memory that was not touched yet; if the kernel has none, small ones.
void populate_huge_page(void* begin);

// So that others need not wait while the kernel looks for a huge page and zeroes it, which takes up
// to some milliseconds: a thread finds one, and the owner of the memory moves into it, in half of
// one. nullptr: the kernel has none.
void* find_huge_page();
// True as well where that cannot be told: a kernel before Linux 6.7.
bool in_huge_page(const void* begin);
// What is there goes on in the pages of `fresh`, whose address is gone then.
void move_to_huge_page(void* begin, void* fresh);

// Whether a child that is forked later has that memory, too. What it has is copied where one of the
// two writes to it; what it has not, it must not touch, and a fork takes no time for it. Of a block
// of malloc's it always has it.
void share_pages(void* block, size_t bytes, bool with_child);

// How much of a block is worth giving back while the rest is in use.
inline constexpr size_t discard_bytes = 256 * 1024;
// The bytes from `from` to `to` are not needed any more and read as zero from now on. Both are
// multiples of a page's size.
void discard_zeroed(void* block, size_t bytes, size_t from, size_t to);

}  // namespace zk
