// rules.h -- the settings that change what an entry's result is.
//
// Layer 2. They are part of the replicated state: all nodes must use the same ones, whatever their
// files say. A leader whose file differs from the state proposes an entry with its own.
// On disk and in entries: one u32 of bits, so that an unknown bit is noticed.

#pragma once

#include "base/bytes.h"

namespace zk {

struct Rules {
    bool enforce_quota = false;
    bool skip_acl = false;
    bool extended_types = false;
    bool reconfig = false;

    bool operator==(const Rules&) const = default;

    uint32_t bits() const {
        return (enforce_quota ? 1u : 0u) | (skip_acl ? 2u : 0u) | (extended_types ? 4u : 0u) |
               (reconfig ? 8u : 0u);
    }
    // False: bits that this version does not know.
    bool set_bits(uint32_t bits) {
        enforce_quota = (bits & 1) != 0;
        skip_acl = (bits & 2) != 0;
        extended_types = (bits & 4) != 0;
        reconfig = (bits & 8) != 0;
        return bits < 16;
    }
};

}  // namespace zk
