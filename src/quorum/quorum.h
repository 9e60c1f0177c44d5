// quorum.h -- the consensus machine: who leads, and up to where the log is agreed.
//
// Layer 3. Owns role, term, vote, the commit position and what is known of each peer's log. Knows
// of entries only their zxids and terms. A deterministic machine: the time, messages and finished
// disk work go in by its functions; what it wants done is asked of it once a turn, in this order:
//
//     vote_to_write -> on the disk -> vote_written       nothing is said before
//     next_message                                       to peers, all but appends
//     wants_append(peer), make_append                    the node adds the entries
//     committed, next_barrier                            what may be applied, and answered
//
// Rules (Raft's; see README.md here for the argument and the differences):
//   1. A term never goes back, and its vote is on disk before anything is said in it.
//   2. A leader never rewrites its own log; a follower cuts only what conflicts with its leader's.
//   3. An entry is committed when a majority has it on disk and an entry of the leader's own term
//      is among those; all before it are committed with it.
//   4. Nobody is given a barrier before this term's first entry is committed, and before a
//      majority has said, after the barrier was asked for, that this leader leads.
//   5. Who may have forgotten what it said (`voteless`) does not vote, and what it has does not
//      count, until an entry of the current term that admits it again is committed.
//   6. Nobody stands for election who was not told by a majority that it could win (pre-vote), but
//      by leave of the leader; who hears a leader tells nobody so.
//   7. A leader that does not hear from a majority gives up (check-quorum).
//   8. Electorates count from their entry's appending on; in the joint phase both count.

#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "base/log.h"
#include "quorum/electorate.h"
#include "quorum/message.h"
#include "quorum/terms.h"

namespace zk {

enum class Role : uint8_t { follower, candidate, leader };

// What must survive a crash besides the log.
struct Vote {
    uint64_t term = 0;
    uint32_t member = 0;  // voted for in that term; 0: nobody

    bool operator==(const Vote&) const = default;
};

struct QuorumOptions {
    uint32_t self = 0;
    uint64_t seed = 0;  // of the random time-outs
    uint64_t heartbeat_us = 50'000;
    uint64_t election_us = 300'000;      // the least time-out; up to twice that is drawn
    uint64_t window_bytes = 4u << 20;    // of appends to one peer that it did not acknowledge
};

// What was found at the start.
struct QuorumStart {
    Vote vote;
    bool voteless = false;
    Terms terms;  // of the log, all of it durable
    uint64_t committed = 0;
    Electorate electorate;      // as of `committed`; changes behind it follow by `configured`
};

// How an append went in.
struct Accepted {
    bool good = false;   // it fits; if not, that was all
    uint64_t keep = 0;   // the log must be cut after this one; the last entry: nothing to cut
    uint64_t first = 0;  // from here on its entries are new; beyond its last: none is
};

class Quorum {
public:
    Quorum(const QuorumOptions& options, QuorumStart start);

    // What happens. Times are of a clock that stands still while this node does. `set_now` before a
    // turn's messages are told, `tick` when all are: then time-outs act.
    void set_now(uint64_t now_us) { now_us_ = std::max(now_us_, now_us); }
    void tick(uint64_t now_us);
    void connected(uint32_t peer);
    void lost(uint32_t peer);
    // Could a member that works as it should say this to this one? What could not must not be told.
    // `terms`: of an append's entries.
    bool plausible(const Message& message, std::span<const uint64_t> terms = {}) const;
    void receive(const Message& message);  // all but appends
    // `terms`: of the entries that came with it, the first one is message.zxid + 1.
    Accepted accept(const Message& append, std::span<const uint64_t> terms);
    void vote_written(const Vote& vote);
    // This member's own disk has all up to here.
    void durable(uint64_t zxid);
    // Requires: may_append. The entry is the next one.
    void appended(uint64_t zxid);
    // The entry, which was just appended or accepted, names the electorate.
    void configured(uint64_t zxid, Electorate electorate);
    // What follows found no room on this leader's disk, was sent to nobody and is cut from the log.
    void cut_back(uint64_t zxid);
    // A snapshot has taken the place of the log. Requires: beyond `committed`.
    void installed(uint64_t zxid, uint64_t term, Electorate electorate);
    // The peer needs a snapshot: no appends until it has acknowledged one, or its link is lost.
    void needs_snapshot(uint32_t peer);
    void readmitted() { voteless_ = false; }
    // Rule 5: this member lost, or no longer trusts, what it had.
    void forget_votes();

    // Hands over to the voter that is furthest, when it has all; meanwhile nothing is appended.
    // Given up after an election's time. False: there is nobody.
    // `unfit`: to whom it is not handed over.
    bool transfer(const std::set<uint32_t>& unfit = {});
    // Asks for a barrier, and gives its number. Numbers rise; one answer serves all before it.
    uint64_t ask_barrier();

    // What is to be done. At the end of a turn, before messages are taken.
    void end_turn();
    std::optional<Vote> vote_to_write();
    bool next_message(Message& message);
    bool wants_append(uint32_t peer) const;
    // Are entries to go with it? If not, only how far the others are.
    bool window_open(uint32_t peer) const;
    // The entries from next(peer) to `last`, of so many bytes; next(peer) - 1: none.
    // `term_before`: of the entry before the first, if it is before the base of the terms.
    Message make_append(uint32_t peer, uint64_t last, uint64_t bytes, uint64_t term_before = 0);
    bool next_barrier(uint64_t& number, uint64_t& zxid);
    uint64_t next_tick_us() const;

    Role role() const { return role_; }
    uint64_t term() const { return vote_.term; }
    uint32_t leader() const { return leader_; }  // 0: not known
    uint64_t committed() const { return committed_; }
    uint64_t last() const { return terms_.last(); }
    bool voteless() const { return voteless_; }
    const Electorate& electorate() const { return configs_.back().electorate; }
    // Of the last entry in the log that names one, as far as that is known.
    uint64_t electorate_zxid() const { return configs_.back().zxid; }
    bool may_append() const { return role_ == Role::leader && transfer_to_ == 0; }
    bool transferring() const { return transfer_to_ != 0; }
    // A new leader that has not appended its first entry.
    bool wants_first_entry() const { return role_ == Role::leader && term_start_ == 0; }
    const Terms& terms() const { return terms_; }
    uint64_t elections() const { return elections_; }         // this node won, since the start
    uint64_t election_us() const { return election_took_us_; }  // the last one, of losing to having

    // What a leader knows of a peer.
    enum class Stream : uint8_t { probe, stream, snapshot };
    struct Progress {
        Stream state = Stream::probe;
        bool connected = false;
        bool voteless = false;
        bool probing = false;      // a probe is on its way
        uint64_t next = 0;         // to be sent; match < next
        uint64_t match = 0;        // durable there, and the same as here
        uint64_t matched = 0;      // the same as here, perhaps not durable there
        uint64_t commit_sent = 0;
        uint64_t round = 0;        // of its last heartbeat_ack
        uint64_t heard_us = 0;
        uint64_t in_flight_bytes = 0;
        std::deque<std::pair<uint64_t, uint64_t>> in_flight;  // last zxid, bytes
    };
    // nullptr: it was never connected.
    const Progress* progress(uint32_t peer) const;
    const std::map<uint32_t, Progress>& peers() const { return peers_; }

private:
    friend struct QuorumState;  // of the tests: what two equal machines have equal

    struct Barrier {
        uint32_t peer;  // who asked; self too
        uint64_t number;
        uint64_t round;
    };
    struct Config {
        uint64_t zxid;
        Electorate electorate;
    };

    // election.cc
    bool electable() const;
    void follow(uint64_t term, uint32_t leader);
    void canvass();
    void ask_prevotes();
    void stand();
    void lead();
    void count_votes();
    bool fresh_enough(const Message& asked) const;
    bool hears_leader(uint32_t asker) const;
    void on_ask_prevote(const Message& asked);
    void on_prevote(const Message& message);
    void on_ask_vote(const Message& asked);
    void on_vote(const Message& message);
    void on_campaign(const Message& message);
    void tick_leader();
    bool newer_term(const Message& message);
    uint64_t draw_us(uint64_t least, uint64_t most);
    bool heard_majority(uint64_t since_us) const;

    // replication.cc
    void hear_leader(const Message& message);
    void learn_commit(uint64_t commit);
    void acknowledge(bool always);
    void heartbeat();
    void on_heartbeat(const Message& message);
    void on_acknowledged(const Message& message);
    void on_refused(const Message& message);
    void advance();
    void after_commit();
    void try_transfer();
    void ask_own_barrier();
    void settle_barriers();
    void send(MessageKind kind, uint32_t peer, Message message = {});
    void reset(Progress& progress);

    QuorumOptions options_;
    uint64_t random_;
    uint64_t now_us_ = 0;
    bool ticked_ = false;

    Role role_ = Role::follower;
    Vote vote_;
    Vote written_;          // on the disk
    bool writing_ = false;  // a record is on its way there
    bool voteless_;
    uint32_t leader_ = 0;
    Terms terms_;
    uint64_t durable_;
    uint64_t committed_;
    std::vector<Config> configs_;  // the one at work last; all but the first after `committed_`

    // Follower, candidate.
    uint64_t deadline_us_ = 0;  // of patience with leader, or with the election
    uint64_t heard_leader_us_ = 0;
    uint64_t leaderless_us_ = 0;  // since when
    uint64_t matched_ = 0;      // the log is that of this term's leader up to here
    uint64_t acked_ = 0;
    bool canvassing_ = false;   // candidate: prevotes are asked for, not votes
    uint64_t ask_again_us_ = 0;
    std::map<uint32_t, bool> votes_;  // prevotes, votes: what was answered

    // Leader.
    std::map<uint32_t, Progress> peers_;
    uint64_t term_start_ = 0;  // the first entry of this leader's term; 0: not appended yet
    uint64_t heartbeat_due_us_ = 0;
    uint64_t round_ = 0;
    bool round_wanted_ = false;
    uint32_t transfer_to_ = 0;
    bool transfer_told_ = false;
    uint64_t transfer_until_us_ = 0;
    uint64_t behind_at_ = 0;        // was committed at the time that follows; this leader's disk
    uint64_t behind_since_us_ = 0;  // has yet to have it
    std::vector<Barrier> barriers_;  // asked of this leader

    // This member's own barriers.
    uint64_t barrier_asked_ = 0;  // the last number
    uint64_t barrier_sent_ = 0;   // the last one that the present leader was asked for
    uint64_t barrier_done_ = 0;
    std::vector<std::pair<uint64_t, uint64_t>> barrier_answers_;  // number, zxid

    uint64_t elections_ = 0;
    uint64_t election_took_us_ = 0;
    std::deque<Message> out_;
};

}  // namespace zk
