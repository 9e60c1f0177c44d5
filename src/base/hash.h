// hash.h -- the one hash of the project: XXH3, 64 bits.
//
// Layer 0. Used for the znode table, for checksums on disk and between peers, and for the digest.
// Not a cryptographic hash; where secrets matter, libcrypto is used.

#pragma once

#include "base/bytes.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

namespace zk {

inline uint64_t hash64(Bytes bytes, uint64_t seed = 0) {
    return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}
inline uint64_t hash64(std::string_view text, uint64_t seed = 0) {
    return XXH3_64bits_withSeed(text.data(), text.size(), seed);
}

// Of a record. XXH3 makes a secret of its own from a seed for what is longer than 240 bytes, which
// costs more than to hash that much; so here the seed is hashed in behind.
inline uint64_t checksum64(Bytes bytes, uint64_t seed) {
    uint64_t both[] = {hash64(bytes), seed};
    return hash64(Bytes(reinterpret_cast<const uint8_t*>(both), sizeof both));
}

}  // namespace zk
