// agreement.cc -- see agreement.h.

#include "agreement.h"

namespace zk::sim {

namespace {

unsigned long long number(uint64_t value) { return static_cast<unsigned long long>(value); }

}  // namespace

void Agreement::started(uint32_t node, const Standing& standing) {
    // A term that was not on the disk yet may be forgotten: nothing was said in it.
    nodes_[node].term = 0;
    nodes_[node].applied_zxid = 0;
    nodes_[node].leader = 0;
    nodes_[node].role = Role::follower;
    stands(node, standing);
}

void Agreement::stands(uint32_t node, const Standing& standing) {
    Of& of = nodes_[node];
    if (standing.term < of.term)
        story_.fail("n%u goes back from term %llu to %llu", node, number(of.term),
                    number(standing.term));
    if (standing.applied_zxid < of.applied_zxid)
        story_.fail("n%u goes back from zxid %llu to %llu", node, number(of.applied_zxid),
                    number(standing.applied_zxid));
    if (standing.role == Role::leader) {
        auto [leader, fresh] = leaders_.insert({standing.term, node});
        if (leader->second != node)
            story_.fail("n%u leads in term %llu, and so does n%u", node, number(standing.term),
                        leader->second);
        if (standing.applied_term == standing.term && may_lead && !may_lead(node))
            story_.fail("n%u goes on to lead and is none of the voters", node);
        if (fresh) TELL(story_, "n%u leads in term %llu", node, number(standing.term));
    }
    if (of.leader != standing.leader || of.role != standing.role || of.term != standing.term)
        changed_us_ = queue_.now_us();
    bool moved = standing.applied_zxid != of.applied_zxid;
    of = {.term = standing.term,
          .applied_zxid = standing.applied_zxid,
          .leader = standing.leader,
          .role = standing.role};
    if (!moved) return;
    truth_.applied(standing.applied_zxid);
    const Logged* committed = truth_.committed(standing.applied_zxid);
    // Before the first entry there is nothing to agree on.
    if (committed == nullptr) return;
    if (committed->entry.term != standing.applied_term)
        story_.fail("n%u has applied zxid %llu of term %llu; it was committed in term %llu", node,
                    number(standing.applied_zxid), number(standing.applied_term),
                    number(committed->entry.term));
    Mark mark{.digest = standing.digest, .term = standing.applied_term};
    const Mark& other = marks_.insert({standing.applied_zxid, mark}).first->second;
    if (other.digest != mark.digest || other.term != mark.term)
        story_.fail("n%u has digest %llx, term %llu at zxid %llu; another node had %llx, %llu",
                    node, number(mark.digest), number(mark.term), number(standing.applied_zxid),
                    number(other.digest), number(other.term));
}

}  // namespace zk::sim
