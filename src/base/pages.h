// pages.h -- large blocks of zeroed memory, straight from the system.
//
// Layer 0. Owns nothing. A large block is mapped: its pages come when they are first touched, and
// go back one part at a time, so that neither takes long at once. A small one is malloc's.
//
// What is mapped privately costs a fork an entry of the page table for each 4 kB, and whoever
// writes there behind it a copied page. Parts are in common with the child instead: the fork copies
// nothing of them, and it is their owner who must leave alone what the child looks at.

#pragma once

#include <cstddef>
#include <cstdint>

namespace zk {

// All zero; never nullptr.
void* allocate_zeroed(size_t bytes);
// `bytes` as asked for. nullptr is fine.
void release_zeroed(void* block, size_t bytes);

// How much of a block is worth giving back while the rest is in use.
inline constexpr size_t discard_bytes = 256 * 1024;
// The bytes from `from` to `to` are not needed any more and read as zero from now on. Both are
// multiples of a page's size.
void discard_zeroed(void* block, size_t bytes, size_t from, size_t to);

// A child that is forked later does not have that block and must not touch it; a fork takes no time
// for it. Of a block of malloc's it always has a copy.
void keep_from_child(void* block, size_t bytes);

inline constexpr size_t part_bytes = 2 * 1024 * 1024;
// So many of them, one behind the other, each at a multiple of its size, to be released one by one.
// `in_common`: what is written there, a child that was forked since sees, too. Else it has a copy,
// as it has where the system refuses.
uint8_t* allocate_parts(size_t count, bool in_common);
void release_part(void* part);
// Whole pages within a part. Neither these nor a part that is released may be of use to a child.
void discard_in_part(void* begin, size_t bytes);

// Memory in use.
struct PageRange {
    void* begin;
    size_t bytes;
};
// What a thread can do for another, which so need not wait for pages: have them there before they
// are touched, as soon as can be or at leisure. The memory may be unmapped already.
enum class PageWork : uint8_t { in_haste, at_leisure };
void populate_pages(void* begin, size_t bytes);

}  // namespace zk
