// prefetch.h -- starts the memory's way to the processor.
//
// Layer 0. A function that only prefetches has no effect that GCC knows of (12.2, ipa-pure-const),
// and it drops calls to it: the empty asm is an effect. No instruction comes of it.

#pragma once

namespace zk {

inline void prefetch(const void* at) {
    __builtin_prefetch(at);
    asm volatile("" ::"r"(at));
}

}  // namespace zk
