// rules.h -- the settings that change what an entry's result is.
//
// Layer 2. They are part of the replicated state: all nodes must use the same ones, whatever their
// files say. A leader whose file differs from the state proposes an entry with its own.
// On disk and in entries: a u32 of bits, so that an unknown one is noticed, and the numbers.

#pragma once

#include "base/bytes.h"

namespace zk {

struct Rules {
    bool enforce_quota = false;
    bool skip_acl = false;
    bool extended_types = false;
    bool reconfig = false;
    bool alone_enabled = false;           // standaloneEnabled: no ensembles of one voter
    uint32_t session_ephemerals_max = 0;  // 0: no limit

    bool operator==(const Rules&) const = default;
};

inline void encode(Buffer& out, const Rules& rules) {
    out.u32((rules.enforce_quota ? 1u : 0u) | (rules.skip_acl ? 2u : 0u) |
            (rules.extended_types ? 4u : 0u) | (rules.reconfig ? 8u : 0u) |
            (rules.alone_enabled ? 16u : 0u));
    out.u32(rules.session_ephemerals_max);
}

// Leaves the reader failed where there are bits that this version does not know.
inline void decode(Reader& in, Rules& rules) {
    uint32_t bits = in.u32();
    if (bits >= 32) in.fail();
    rules.enforce_quota = (bits & 1) != 0;
    rules.skip_acl = (bits & 2) != 0;
    rules.extended_types = (bits & 4) != 0;
    rules.reconfig = (bits & 8) != 0;
    rules.alone_enabled = (bits & 16) != 0;
    rules.session_ephemerals_max = in.u32();
}

}  // namespace zk
