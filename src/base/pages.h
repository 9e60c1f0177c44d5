// pages.h -- large blocks of zeroed memory, straight from the system.
//
// Layer 0. Owns nothing. A large block is mapped: its pages come when they are first touched, and
// go back one part at a time, so that neither takes long at once. A small one is malloc's. What is
// as large as some huge pages asks for those: fork copies one entry of the page table for 2 MB
// instead of 512.

#pragma once

#include <cstddef>

namespace zk {

// All zero; never nullptr.
void* allocate_zeroed(size_t bytes);
// `bytes` as asked for. nullptr is fine.
void release_zeroed(void* block, size_t bytes);

// The same, beginning at a multiple of 2 MB. Requires: at least 512 kB, for release_zeroed.
void* allocate_aligned(size_t bytes);
// May the kernel use huge pages here?
void advise_huge(void* block, size_t bytes, bool huge);
// The next huge page at or behind `at` is one again, if writes beside a forked child split it.
// Takes some of a millisecond, most of it to copy 2 MB. Returns where it ends, or the block's end.
size_t join_huge(void* block, size_t bytes, size_t at);

// How much of a block is worth giving back while the rest is in use.
inline constexpr size_t discard_bytes = 256 * 1024;
// The bytes from `from` to `to` are not needed any more and read as zero from now on. Both are
// multiples of a page's size.
void discard_zeroed(void* block, size_t bytes, size_t from, size_t to);

}  // namespace zk
