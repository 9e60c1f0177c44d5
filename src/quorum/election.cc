// election.cc -- see quorum.h: time, terms, votes, who leads.

#include "quorum/quorum.h"

#include <algorithm>

#include "base/mutation.h"

namespace zk {

namespace {

constexpr uint64_t lost_leader_us = 15'000;  // at most, before who lost its leader stands
constexpr uint64_t ask_again_us = 20'000;    // of those who refused a prevote
constexpr uint64_t last_resort = 10;         // elections' times, before who has no vote stands

}  // namespace

Quorum::Quorum(const QuorumOptions& options, QuorumStart start)
    : options_(options),
      random_(options.seed * 2 + 1),
      vote_(start.vote),
      written_(start.vote),
      voteless_(start.voteless),
      terms_(std::move(start.terms)),
      durable_(terms_.last()),
      committed_(start.committed) {
    ASSERT(committed_ >= terms_.base());
    ASSERT(committed_ <= terms_.last());
    // A log may hold entries of a term whose record did not reach the disk any more. Nothing was
    // said in it then.
    if (terms_.last_term() > vote_.term) vote_ = {.term = terms_.last_term(), .member = 0};
    matched_ = committed_;
    configs_.push_back({.zxid = committed_, .electorate = std::move(start.electorate)});
}

uint64_t Quorum::draw_us(uint64_t least, uint64_t most) {
    random_ ^= random_ << 13;
    random_ ^= random_ >> 7;
    random_ ^= random_ << 17;
    return least + random_ % (most - least + 1);
}

void Quorum::forget_votes() {
    voteless_ = true;
    if (role_ != Role::follower) follow(vote_.term, 0);
}

bool Quorum::electable() const {
    // By an entry that may yet be cut nobody leaves: it may be the only one with a log to win by.
    return !voteless_ && std::any_of(configs_.begin(), configs_.end(), [&](const Config& config) {
        return config.electorate.votes(options_.self);
    });
}

void Quorum::tick(uint64_t now_us) {
    ASSERT(now_us >= now_us_);
    bool first = !ticked_;
    ticked_ = true;
    now_us_ = now_us;
    if (role_ == Role::leader) return tick_leader();
    if (first) {
        leaderless_us_ = now_us;
        deadline_us_ = now_us + draw_us(options_.election_us / 2, options_.election_us);
        // Whoever is alone need not wait for anybody.
        if (electable() && electorate() == Electorate{.voters = {options_.self}, .outgoing = {}})
            return stand();
    }
    if (role_ == Role::candidate && canvassing_ && now_us >= ask_again_us_) ask_prevotes();
    if (now_us >= deadline_us_) canvass();
}

uint64_t Quorum::next_tick_us() const {
    if (role_ == Role::leader) return heartbeat_due_us_;
    if (role_ == Role::candidate && canvassing_) return std::min(deadline_us_, ask_again_us_);
    return deadline_us_;
}

void Quorum::tick_leader() {
    if (now_us_ >= heartbeat_due_us_) heartbeat();
    // Rule 7.
    uint64_t patience_us = 2 * options_.election_us;
    if (now_us_ > patience_us && !heard_majority(now_us_ - patience_us)) {
        LOG(warn, "term %llu: a majority was not heard for %llu ms, so this node leads no longer",
            static_cast<unsigned long long>(vote_.term),
            static_cast<unsigned long long>(patience_us / 1000));
        return follow(vote_.term, 0);
    }
    if (transfer_to_ != 0 && now_us_ >= transfer_until_us_) {
        transfer_to_ = 0;
        transfer_told_ = false;
    }
    // What the others have had for so long, and this disk has not: its time is up.
    if (durable_ >= behind_at_) {
        behind_at_ = committed_;
        behind_since_us_ = now_us_;
    }
    if (transfer_to_ == 0 && now_us_ - behind_since_us_ > options_.election_us) {
        behind_since_us_ = now_us_;
        if (transfer())
            LOG(warn, "this node's disk is slower than those of the others; handing over");
    }
}

bool Quorum::heard_majority(uint64_t since_us) const {
    return electorate().majority([&](uint32_t id) {
        if (id == options_.self) return true;
        const Progress* peer = progress(id);
        return peer != nullptr && peer->heard_us >= since_us;
    });
}

// Becomes a follower, of `leader` if it is known.
void Quorum::follow(uint64_t term, uint32_t leader) {
    ASSERT(term >= vote_.term);
    if (term > vote_.term) {
        vote_ = {.term = term, .member = 0};
        matched_ = committed_;
        acked_ = 0;
        barrier_sent_ = 0;
    }
    if (leader != leader_ || role_ == Role::leader) {
        if (leader_ != 0 && leader == 0) leaderless_us_ = now_us_;
        if (leader != 0) {
            acked_ = 0;
            election_took_us_ = now_us_ - leaderless_us_;
        }
        barrier_sent_ = 0;
    }
    role_ = Role::follower;
    leader_ = leader;
    canvassing_ = false;
    votes_.clear();
    barriers_.clear();
    term_start_ = 0;
    transfer_to_ = 0;
    transfer_told_ = false;
    deadline_us_ = now_us_ + draw_us(options_.election_us, 2 * options_.election_us);
    if (leader != 0) heard_leader_us_ = now_us_;
}

void Quorum::connected(uint32_t peer) {
    ASSERT(peer != options_.self);
    Progress& progress = peers_[peer];
    reset(progress);
    progress.connected = true;
    progress.heard_us = now_us_;
    // So that nobody waits for the next heartbeat.
    if (role_ == Role::leader) heartbeat_due_us_ = 0;
}

// A process that ends closes its sockets: the leader may be dead, and this is the first to know.
void Quorum::lost(uint32_t peer) {
    auto found = peers_.find(peer);
    if (found == peers_.end()) return;
    reset(found->second);
    found->second.connected = false;
    // Who comes back may be another process, that counts its barriers from the start again.
    std::erase_if(barriers_, [&](const Barrier& barrier) { return barrier.peer == peer; });
    std::erase_if(out_, [&](const Message& message) { return message.peer == peer; });
    if (peer == transfer_to_) transfer_to_ = 0, transfer_told_ = false;
    if (role_ != Role::follower || peer != leader_) return;
    follow(vote_.term, 0);
    deadline_us_ = now_us_ + draw_us(0, lost_leader_us);
}

// Rule 6: would others vote for this node?
void Quorum::canvass() {
    deadline_us_ = now_us_ + draw_us(options_.election_us, 2 * options_.election_us);
    if (!electable()) {
        if (leader_ != 0) follow(vote_.term, 0);
        // Where a voter was lost for good, the voters may need the log of one that has no vote. It
        // asks seldom, so that in all other cases one of them is first.
        uint64_t patience_us = last_resort * options_.election_us;
        if (voteless_ || now_us_ - leaderless_us_ < patience_us) return;
        deadline_us_ = now_us_ + draw_us(patience_us, 2 * patience_us);
    }
    if (leader_ != 0) leaderless_us_ = now_us_;
    role_ = Role::candidate;
    leader_ = 0;
    canvassing_ = true;
    barrier_sent_ = 0;
    votes_ = {{options_.self, true}};
    ask_prevotes();
    count_votes();
}

// Those who refused, too: what kept them, a leader that they heard, may be over in a moment.
void Quorum::ask_prevotes() {
    ask_again_us_ = electable() ? now_us_ + ask_again_us : deadline_us_;
    electorate().each([&](uint32_t id) {
        auto answered = votes_.find(id);
        if (answered != votes_.end() && answered->second) return;
        send(MessageKind::ask_prevote, id,
             {.term = vote_.term + 1, .zxid = terms_.last(), .zxid_term = terms_.last_term()});
    });
}

// Stands for election in the next term. The votes are asked for when its own is on the disk.
void Quorum::stand() {
    if (leader_ != 0) leaderless_us_ = now_us_;
    role_ = Role::candidate;
    leader_ = 0;
    canvassing_ = false;
    barrier_sent_ = 0;
    vote_ = {.term = vote_.term + 1, .member = options_.self};
    matched_ = committed_;
    votes_.clear();
    deadline_us_ = now_us_ + draw_us(options_.election_us, 2 * options_.election_us);
    electorate().each([&](uint32_t id) {
        send(MessageKind::ask_vote, id, {.zxid = terms_.last(), .zxid_term = terms_.last_term()});
    });
}

std::optional<Vote> Quorum::vote_to_write() {
    if (writing_ || vote_ == written_) return std::nullopt;
    writing_ = true;
    return vote_;
}

void Quorum::vote_written(const Vote& vote) {
    writing_ = false;
    written_ = vote;
    if (vote_ != written_ || role_ != Role::candidate || canvassing_) return;
    votes_[options_.self] = true;
    count_votes();
}

void Quorum::count_votes() {
    if (role_ != Role::candidate) return;
    bool won = electorate().majority([&](uint32_t id) {
        auto answered = votes_.find(id);
        return answered != votes_.end() && answered->second;
    });
    if (!won) return;
    if (canvassing_) return stand();
    lead();
}

void Quorum::lead() {
    role_ = Role::leader;
    leader_ = options_.self;
    ++elections_;
    election_took_us_ = now_us_ - leaderless_us_;
    term_start_ = 0;
    barriers_.clear();
    barrier_sent_ = 0;
    behind_at_ = committed_;
    behind_since_us_ = now_us_;
    for (auto& [id, progress] : peers_) {
        progress.match = 0;  // of an earlier term, when this log was another one
        reset(progress);
        progress.heard_us = now_us_;
    }
    heartbeat();
}

// Is the candidate's log at least as good as this one?
bool Quorum::fresh_enough(const Message& asked) const {
    if (mutated(Mutation::vote_for_shorter_log)) return true;
    if (asked.zxid_term != terms_.last_term()) return asked.zxid_term > terms_.last_term();
    return asked.zxid >= terms_.last();
}

bool Quorum::hears_leader(uint32_t asker) const {
    if (role_ == Role::leader) return true;
    return leader_ != 0 && leader_ != asker &&
           now_us_ - heard_leader_us_ < options_.election_us;
}

// True: it was of a newer term, and this node is in that term now. If it was at the head of things
// it goes on from there at once.
bool Quorum::newer_term(const Message& message) {
    if (message.term <= vote_.term) return false;
    bool ahead = role_ == Role::leader || (role_ == Role::candidate && canvassing_);
    follow(message.term, 0);
    if (ahead) deadline_us_ = now_us_ + draw_us(0, lost_leader_us);
    return true;
}

void Quorum::on_ask_prevote(const Message& asked) {
    bool able = !voteless_ || mutated(Mutation::count_voteless);
    bool yes = able && asked.term > vote_.term && fresh_enough(asked) &&
               !hears_leader(asked.peer);
    send(MessageKind::prevote, asked.peer,
         {.flag = yes, .term = yes ? asked.term : vote_.term});
}

void Quorum::on_prevote(const Message& message) {
    if (!message.flag) {
        newer_term(message);
        return;
    }
    if (role_ != Role::candidate || !canvassing_ || message.term != vote_.term + 1) return;
    votes_[message.peer] = true;
    count_votes();
}

void Quorum::on_ask_vote(const Message& asked) {
    newer_term(asked);
    bool able = !voteless_ || mutated(Mutation::count_voteless);
    bool free = vote_.member == 0 || vote_.member == asked.peer || mutated(Mutation::vote_twice);
    bool yes = able && free && asked.term == vote_.term && fresh_enough(asked);
    if (yes) {
        follow(vote_.term, leader_);
        vote_.member = asked.peer;
    }
    send(MessageKind::vote, asked.peer, {.flag = yes});
}

void Quorum::on_vote(const Message& message) {
    if (newer_term(message)) return;
    if (role_ != Role::candidate || canvassing_ || message.term != vote_.term) return;
    votes_[message.peer] = message.flag;
    count_votes();
    if (role_ != Role::candidate || message.flag) return;
    // Votes were split, as two stood at once: what cannot be won any more is not waited for.
    bool open = electorate().majority([&](uint32_t id) {
        auto answered = votes_.find(id);
        if (answered != votes_.end()) return answered->second;
        const Progress* peer = progress(id);
        return id == options_.self || (peer != nullptr && peer->connected);
    });
    if (!open) deadline_us_ = std::min(deadline_us_, now_us_ + draw_us(0, lost_leader_us));
}

void Quorum::on_campaign(const Message& message) {
    if (message.term != vote_.term || role_ != Role::follower || !electable()) return;
    stand();
}

}  // namespace zk
