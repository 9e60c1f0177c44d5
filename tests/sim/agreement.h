// agreement.h -- looks at where the nodes of an ensemble stand after each of their turns.
//
// Owns what was ever seen of that. Rules:
//   1. What a node has applied never goes back in the life of its process.
//   2. At equal zxid all nodes have the same digest, and the last entry is of the same term.
//   3. One term has one leader, ever; a process's term never goes back.
//   4. What is applied is committed: a majority has it on disk (truth.h).
//   5. Who is not among the voters leads no longer than it needs to commit one entry.

#pragma once

#include <functional>
#include <map>
#include <unordered_map>

#include "node/node.h"
#include "queue.h"
#include "truth.h"

namespace zk::sim {

class Agreement {
public:
    Agreement(Story& story, Queue& queue, Truth& truth)
        : story_(story), queue_(queue), truth_(truth) {}

    // By the membership as it is agreed.
    std::function<bool(uint32_t node)> may_lead;
    void started(uint32_t node, const Standing& standing);
    void stands(uint32_t node, const Standing& standing);

    // Who leads in the newest term that has a leader, or in this one; 0: nobody was seen.
    uint32_t leader() const { return leaders_.empty() ? 0 : leaders_.rbegin()->second; }
    uint32_t leader_of(uint64_t term) const {
        auto found = leaders_.find(term);
        return found == leaders_.end() ? 0 : found->second;
    }
    // When some node last began or ceased to lead or to follow somebody.
    uint64_t changed_us() const { return changed_us_; }
    size_t terms() const { return leaders_.size(); }

private:
    struct Of {
        uint64_t term = 0;
        uint64_t applied_zxid = 0;
        uint32_t leader = 0;
        Role role = Role::follower;
    };
    struct Mark {
        uint64_t digest;
        uint64_t term;
    };

    Story& story_;
    Queue& queue_;
    Truth& truth_;
    std::map<uint32_t, Of> nodes_;
    std::map<uint64_t, uint32_t> leaders_;  // by term
    std::unordered_map<uint64_t, Mark> marks_;  // by zxid
    uint64_t changed_us_ = 0;
};

}  // namespace zk::sim
