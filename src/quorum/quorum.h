// quorum.h -- the consensus machine: who leads, and up to where the log is agreed.
//
// Layer 3. Owns role, term, vote and the commit position. Knows nothing of what an entry means. A
// deterministic machine: events go in by its functions, and what it wants done is asked of it
// after each turn. In this version an ensemble has one member; the interface is that of many:
//
//     start          -> `vote_to_write`: the new term must be on disk before anybody leads in it
//     vote_written   -> role() is leader; the node appends a no-op of the term
//     appended(zxid), durable(zxid)         -> committed() rises
//     read_barrier()                        -> a zxid; whoever has applied it may answer reads that
//                                              see all that was acknowledged before
//
// Rules (Raft's, see "In Search of an Understandable Consensus Algorithm", Ongaro and Ousterhout):
//   1. A term never goes back, and its vote is on disk before it leaves this node.
//   2. A leader never overwrites its own log.
//   3. An entry is committed when a majority has it on disk and an entry of the leader's own term
//      is among those; all before it are committed with it.
//   4. Nobody is asked for a barrier before this term's first entry is committed.

#pragma once

#include <cstdint>
#include <optional>

#include "base/log.h"

namespace zk {

enum class Role : uint8_t { follower, candidate, leader };

// What must survive a crash besides the log.
struct Vote {
    uint64_t term = 0;
    uint32_t member = 0;  // voted for in that term; 0: nobody

    bool operator==(const Vote&) const = default;
};

class Quorum {
public:
    // `vote` as it was read from disk; `last_zxid` is the end of the log, all of it durable.
    Quorum(uint32_t self, Vote vote, uint64_t last_zxid)
        : self_(self), vote_(vote), last_(last_zxid), durable_(last_zxid) {}

    // Stands for election.
    void start();

    // The record that must be written now, if any; ask once, then call vote_written.
    std::optional<Vote> vote_to_write();
    void vote_written();

    // Requires: leader. The entry is the next one.
    void appended(uint64_t zxid);
    // This member's own disk has all up to here.
    void durable(uint64_t zxid);
    // What follows was never written and is cut from the log.
    void cut_back(uint64_t zxid);

    Role role() const { return role_; }
    uint64_t term() const { return vote_.term; }
    uint32_t leader() const { return role_ == Role::leader ? self_ : 0; }
    uint64_t committed() const { return committed_; }
    // Nothing while this member cannot know: not the leader, or rule 4.
    std::optional<uint64_t> read_barrier() const;

private:
    void advance();

    uint32_t self_;
    Vote vote_;
    bool vote_unwritten_ = false;
    Role role_ = Role::follower;
    uint64_t last_;
    uint64_t durable_;           // durable_ <= last_
    uint64_t committed_ = 0;     // committed_ <= durable_ where there is one member
    uint64_t term_start_ = 0;    // the first entry of this leader's term; 0: not appended yet
};

}  // namespace zk
