// arena.h -- where the bytes of one turn's reads lie.
//
// Layer 6. One for all connections, so that an idle connection has no buffer at all. Reads are put
// one behind the other; what was kept stays where it is until `reset`, after the turn.
//
//     chunk 0  | read | read | read | room for the next    |
//     chunk 1  |                                           |   made when chunk 0 is full
//
// Bounded: when all chunks are full there is no room before the next turn, and the bytes stay in
// the kernel, where TCP makes their sender wait. Chunks that were not needed for a while are given
// back.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/log.h"

namespace zk {

class ReadArena {
public:
    static constexpr size_t chunk_bytes = 256u << 10;
    static constexpr size_t read_bytes_max = 64u << 10;
    static constexpr size_t read_bytes_least = 16u << 10;
    static constexpr size_t chunks_max = 16;
    static constexpr size_t chunks_for_peers = 8;  // more: clients must not crowd them out

    // Room for one read, or nothing.
    std::span<uint8_t> room(bool peer) {
        if (chunk_ < chunks_.size() && chunk_bytes - used_ < read_bytes_least) {
            ++chunk_;
            used_ = 0;
        }
        if (chunk_ >= chunks_max + (peer ? chunks_for_peers : 0)) return {};
        if (chunk_ == chunks_.size()) chunks_.emplace_back(new uint8_t[chunk_bytes]);
        return {chunks_[chunk_].get() + used_, std::min(chunk_bytes - used_, read_bytes_max)};
    }

    // The first `size` bytes of the last room stay until `reset`.
    void keep(size_t size) {
        ASSERT(size <= chunk_bytes - used_);
        used_ += size;
    }

    size_t used() const { return chunk_ * chunk_bytes + used_; }

    void reset() {
        needed_ = std::max(needed_, chunk_ + 1);
        chunk_ = 0;
        used_ = 0;
    }

    // Gives back what no turn since the last `trim` needed. Requires: just reset.
    void trim() {
        ASSERT(chunk_ == 0);
        if (chunks_.size() > needed_) chunks_.resize(needed_);
        needed_ = 1;
    }

private:
    std::vector<std::unique_ptr<uint8_t[]>> chunks_;
    size_t chunk_ = 0;  // the one being filled; chunks_.size() before it is made
    size_t used_ = 0;   // of it
    size_t needed_ = 1;
};

}  // namespace zk
