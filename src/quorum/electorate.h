// electorate.h -- whose voices count: the voters, and in a change of membership both sets of them.
//
// Layer 3. A plain value. While a change is under way (the joint phase of "joint consensus", see
// README.md here) what is agreed needs a majority of the voters before and one of those after.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "base/mutation.h"

namespace zk {

struct Electorate {
    std::vector<uint32_t> voters;    // ids, sorted
    std::vector<uint32_t> outgoing;  // those before, in the joint phase; else empty

    bool operator==(const Electorate&) const = default;

    bool votes(uint32_t id) const { return holds(voters, id) || holds(outgoing, id); }

    // Do those for whom `yes(id)` is true have a majority?
    template <typename Yes>
    bool majority(Yes&& yes) const {
        return majority_of(voters, yes) && (!joint() || majority_of(outgoing, yes));
    }

    // The highest position that a majority has, where `position(id)` is what each one has.
    template <typename At>
    uint64_t agreed(At&& position) const {
        uint64_t zxid = agreed_by(voters, position);
        return joint() ? std::min(zxid, agreed_by(outgoing, position)) : zxid;
    }

    // Calls `visit(id)` for each voter of either set, once.
    template <typename Visit>
    void each(Visit&& visit) const {
        for (uint32_t id : voters) visit(id);
        for (uint32_t id : outgoing)
            if (!holds(voters, id)) visit(id);
    }

private:
    bool joint() const { return !outgoing.empty() && !mutated(Mutation::forget_joint_phase); }
    static bool holds(const std::vector<uint32_t>& ids, uint32_t id) {
        return std::binary_search(ids.begin(), ids.end(), id);
    }
    template <typename Yes>
    static bool majority_of(const std::vector<uint32_t>& ids, Yes&& yes) {
        size_t count = 0;
        for (uint32_t id : ids)
            if (yes(id)) ++count;
        return count > ids.size() / 2;
    }
    template <typename At>
    static uint64_t agreed_by(const std::vector<uint32_t>& ids, At&& position) {
        if (ids.empty()) return 0;
        std::vector<uint64_t> all;
        for (uint32_t id : ids) all.push_back(position(id));
        auto middle = all.begin() + static_cast<std::ptrdiff_t>(ids.size() / 2);
        std::nth_element(all.begin(), middle, all.end(), std::greater<>());
        return *middle;
    }
};

}  // namespace zk
