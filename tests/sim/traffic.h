// traffic.h -- what machines say to each other, counted: frames, bytes, entries.
//
// Owns the counts of a run. Fed with all that machines hand to the network, it cuts the frames of
// src/quorum/frame.h by their lengths; nothing else of them is looked at but the kind.

#pragma once

#include <array>
#include <map>
#include <string>

#include "network.h"
#include "quorum/frame.h"

namespace zk::sim {

class Traffic {
public:
    void sent(const Link& link, int from, Bytes bytes);
    // A line a kind. `entries`: committed in all; `nodes`: machines that have them.
    std::string table(uint64_t entries, uint32_t nodes) const;

private:
    struct Count {
        uint64_t frames = 0;
        uint64_t bytes = 0;
        uint64_t entries = 0;
        uint64_t entry_bytes = 0;
    };

    void frame(Bytes whole);

    std::map<std::pair<uint32_t, int>, std::string> unfinished_;  // by link and end
    std::array<Count, frame_kind_last + 1> counts_;
};

}  // namespace zk::sim
