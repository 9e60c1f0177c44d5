// mutation.h -- deliberate bugs, to show that the tests would see one.
//
// Layer 0. A normal build has none of them: `mutated` is a constant false, and the compiler drops
// what hangs on it. `make ... MUTATION=name` builds all with that one in, in a place of its own.
//
//     if (mutated(Mutation::vote_twice)) ...

#pragma once

#include <cstdint>

namespace zk {

enum class Mutation : uint8_t {
    none,
    // quorum
    commit_without_majority,
    commit_old_term,         // by counting who has it
    forget_joint_phase,      // only the new set counts
    vote_twice,              // in one term
    vote_unwritten,          // before the record is on the disk
    vote_for_shorter_log,
    acknowledge_undurable,
    accept_unchecked,        // whatever the entry before is
    accept_stale,            // of a leader whose term is over
    barrier_unconfirmed,     // without a round to a majority
    barrier_of_new_leader,   // before its first entry is committed
    count_voteless,
    // storage
    skip_fsync,              // of the log's batches
    skip_sync_dir,           // of a new segment
    forget_log,              // a start takes the newest snapshot for all there is
    purge_too_much,          // of the log: what only the last snapshot is behind
    forget_vote,             // the record has the term, but not for whom
    // state
    forget_ephemeral,        // the last one of a session that ends
    attach_unchecked,        // a write of the connection that lost the session
    expire_at_once,          // after a fail-over nobody gets a full time-out
    // node
    event_after_reply,
    sync_without_barrier,
    read_overtakes,          // the writes that were asked before it
    keep_uncertain,          // whom a leader that is gone owes an answer
    forward_twice,           // where the first time was not all of it
    heard_untold,            // the leader never hears of sessions elsewhere
    admit_at_once,           // whoever joins blank votes
    apply_uncommitted,
    connect_ahead,           // a client that has seen more
};

#ifdef ZKD_MUTATION
inline constexpr Mutation mutation_built = Mutation::ZKD_MUTATION;
#else
inline constexpr Mutation mutation_built = Mutation::none;
#endif

constexpr bool mutated(Mutation mutation) { return mutation == mutation_built; }

}  // namespace zk
