// replication.cc -- see quorum.h: the leader's log to the others, what is committed, barriers.

#include "quorum/quorum.h"

#include <algorithm>

#include "base/mutation.h"

namespace zk {

void Quorum::send(MessageKind kind, uint32_t peer, Message message) {
    auto found = peers_.find(peer);
    if (peer == options_.self || found == peers_.end() || !found->second.connected) return;
    message.kind = kind;
    message.peer = peer;
    if (message.term == 0) message.term = vote_.term;
    out_.push_back(message);
}

// Rule 1: while the record is not on the disk nothing is said at all.
bool Quorum::next_message(Message& message) {
    if (vote_ != written_ && !mutated(Mutation::vote_unwritten)) return false;
    if (out_.empty()) return false;
    message = out_.front();
    out_.pop_front();
    return true;
}

const Quorum::Progress* Quorum::progress(uint32_t peer) const {
    auto found = peers_.find(peer);
    return found == peers_.end() ? nullptr : &found->second;
}

// What else a peer may say can do harm to what it acknowledges itself, but to nothing here.
bool Quorum::plausible(const Message& message, std::span<const uint64_t> terms) const {
    constexpr uint64_t leap_max = uint64_t{1} << 40;
    if (message.term > vote_.term && message.term - vote_.term > leap_max) return false;
    bool of_leader =
        message.kind == MessageKind::heartbeat || message.kind == MessageKind::append;
    if (of_leader && role_ == Role::leader && message.term == vote_.term) {
        LOG(error, "server.%u leads in term %llu, and so does this node", message.peer,
            static_cast<unsigned long long>(message.term));
        return false;
    }
    // An old leader is told so.
    if (message.term < vote_.term) return true;
    uint64_t before = message.zxid_term;
    for (size_t i = 0; i < terms.size(); ++i) {
        if (terms[i] < before || terms[i] > message.term) return false;
        before = terms[i];
        // What is committed is not cut, and what follows it is of no earlier term.
        if (message.zxid + 1 + i > committed_ && before < *terms_.at(committed_)) return false;
    }
    return true;
}

void Quorum::receive(const Message& message) {
    ASSERT(peers_.contains(message.peer));
    switch (message.kind) {
    case MessageKind::ask_prevote: return on_ask_prevote(message);
    case MessageKind::prevote: return on_prevote(message);
    case MessageKind::ask_vote: return on_ask_vote(message);
    case MessageKind::vote: return on_vote(message);
    case MessageKind::heartbeat: return on_heartbeat(message);
    case MessageKind::append: ASSERT(!"appends go to `accept`"); return;
    case MessageKind::campaign: newer_term(message); return on_campaign(message);
    case MessageKind::heartbeat_ack:
    case MessageKind::append_ack:
    case MessageKind::append_refused:
    case MessageKind::ask_barrier:
    case MessageKind::barrier: break;
    }
    if (newer_term(message) || message.term < vote_.term) return;
    if (message.kind == MessageKind::barrier) {
        if (message.peer != leader_ || message.round <= barrier_done_) return;
        barrier_done_ = message.round;
        barrier_answers_.emplace_back(message.round, message.zxid);
        return;
    }
    if (role_ != Role::leader) return;
    Progress& progress = peers_[message.peer];
    progress.heard_us = now_us_;
    switch (message.kind) {
    case MessageKind::heartbeat_ack:
        progress.round = std::max(progress.round, message.round);
        on_acknowledged(message);
        settle_barriers();
        break;
    case MessageKind::append_ack: on_acknowledged(message); break;
    case MessageKind::append_refused: on_refused(message); break;
    case MessageKind::ask_barrier:
        progress.voteless = message.flag;
        barriers_.push_back({.peer = message.peer, .number = message.round, .round = round_ + 1});
        settle_barriers();
        break;
    default: break;
    }
}

// ---- the follower's side

// A message that only the leader of its term sends.
void Quorum::hear_leader(const Message& message) {
    ASSERT(role_ != Role::leader || message.term > vote_.term);
    if (message.term > vote_.term || leader_ != message.peer) follow(message.term, message.peer);
    heard_leader_us_ = now_us_;
    deadline_us_ = now_us_ + draw_us(options_.election_us, 2 * options_.election_us);
}

void Quorum::learn_commit(uint64_t commit) {
    committed_ = std::max(committed_, std::min(commit, matched_));
}

void Quorum::on_heartbeat(const Message& message) {
    if (message.term < vote_.term) return send(MessageKind::heartbeat_ack, message.peer);
    hear_leader(message);
    learn_commit(message.commit);
    send(MessageKind::heartbeat_ack, message.peer,
         {.flag = voteless_,
          .zxid = std::min(matched_, durable_),
          .last = matched_,
          .round = message.round});
}

// Says what is durable here and the leader's own, when it is more than was said.
void Quorum::acknowledge(bool always) {
    if (role_ != Role::follower || leader_ == 0) return;
    uint64_t zxid = std::min(matched_, durable_);
    if (mutated(Mutation::acknowledge_undurable)) zxid = matched_;
    if (zxid <= acked_ && !always) return;
    acked_ = std::max(acked_, zxid);
    send(MessageKind::append_ack, leader_, {.flag = voteless_, .zxid = zxid, .last = matched_});
}

Accepted Quorum::accept(const Message& append, std::span<const uint64_t> terms) {
    if (append.term < vote_.term && !mutated(Mutation::accept_stale)) {
        // The old leader learns of the new term by it.
        send(MessageKind::append_refused, append.peer,
             {.zxid = terms_.last(), .last = append.zxid});
        return {};
    }
    if (!mutated(Mutation::accept_stale) || append.term >= vote_.term) hear_leader(append);
    // What is committed here is the leader's own in any case.
    std::optional<uint64_t> mine = terms_.at(append.zxid);
    bool fits = append.zxid <= committed_ || (mine && *mine == append.zxid_term);
    if (mutated(Mutation::accept_unchecked)) fits = mine.has_value();
    if (!fits) {
        uint64_t hint = mine ? terms_.last_of(append.zxid_term) : terms_.last();
        hint = std::max(std::min(hint, append.zxid - 1), committed_);
        send(MessageKind::append_refused, append.peer,
             {.zxid = hint, .zxid_term = *terms_.at(hint), .last = append.zxid});
        return {};
    }
    Accepted result{.good = true, .keep = terms_.last(), .first = append.zxid + 1};
    uint64_t last = append.zxid + terms.size();
    for (uint64_t zxid = append.zxid + 1; zxid <= last; ++zxid) {
        uint64_t term = terms[zxid - append.zxid - 1];
        std::optional<uint64_t> here = terms_.at(zxid);
        if (zxid <= committed_ || (here && *here == term)) {
            result.first = zxid + 1;
            continue;
        }
        if (here) {
            ASSERT(zxid > committed_);
            result.keep = zxid - 1;
            terms_.cut(zxid - 1);
            durable_ = std::min(durable_, zxid - 1);
            matched_ = std::min(matched_, zxid - 1);
            while (configs_.back().zxid > zxid - 1 && configs_.size() > 1) configs_.pop_back();
        }
        terms_.append(term);
    }
    matched_ = std::max(matched_, last);
    learn_commit(append.commit);
    // What brought nothing new has its answer at once; the rest when it is on the disk.
    acknowledge(result.first > last);
    return result;
}

void Quorum::durable(uint64_t zxid) {
    ASSERT(zxid <= terms_.last());
    if (zxid <= durable_) return;
    durable_ = zxid;
    if (role_ == Role::leader) return advance();
    acknowledge(false);
}

void Quorum::configured(uint64_t zxid, Electorate electorate) {
    ASSERT(zxid <= terms_.last());
    ASSERT(zxid > configs_.back().zxid);
    configs_.push_back({.zxid = zxid, .electorate = std::move(electorate)});
}

void Quorum::installed(uint64_t zxid, uint64_t term, Electorate electorate) {
    ASSERT(role_ != Role::leader);
    ASSERT(zxid > committed_);
    terms_ = Terms(zxid, term);
    durable_ = committed_ = matched_ = zxid;
    configs_.clear();
    configs_.push_back({.zxid = zxid, .electorate = std::move(electorate)});
    acked_ = 0;
    acknowledge(true);
}

// ---- the leader's side

void Quorum::reset(Progress& progress) {
    bool connected = progress.connected;
    uint64_t heard_us = progress.heard_us;
    uint64_t next = progress.match > 0 ? progress.match + 1 : terms_.last() + 1;
    progress = {};
    progress.connected = connected;
    progress.heard_us = heard_us;
    progress.next = next;
}

void Quorum::heartbeat() {
    heartbeat_due_us_ = now_us_ + options_.heartbeat_us;
    for (auto& [id, progress] : peers_)
        send(MessageKind::heartbeat, id, {.commit = committed_, .round = round_});
}

void Quorum::end_turn() {
    ask_own_barrier();
    if (role_ == Role::leader) {
        try_transfer();
        if (round_wanted_) {
            round_wanted_ = false;
            ++round_;
            heartbeat();
        }
    }
    while (configs_.size() > 1 && configs_[1].zxid <= committed_) configs_.erase(configs_.begin());
}

void Quorum::appended(uint64_t zxid) {
    ASSERT(may_append());
    ASSERT(zxid == terms_.last() + 1);
    terms_.append(vote_.term);
    if (term_start_ == 0) term_start_ = zxid;
}

void Quorum::cut_back(uint64_t zxid) {
    ASSERT(zxid >= durable_);
    ASSERT(zxid >= committed_);
    terms_.cut(zxid);
    while (configs_.back().zxid > zxid && configs_.size() > 1) configs_.pop_back();
    if (term_start_ > zxid) term_start_ = 0;
    for (auto& [id, progress] : peers_) {
        if (progress.next <= zxid + 1) continue;
        // Probed at an end that is no more; that answer is not waited for.
        ASSERT(progress.state != Stream::stream);
        progress.next = zxid + 1;
        progress.probing = false;
    }
}

void Quorum::needs_snapshot(uint32_t peer) { peers_[peer].state = Stream::snapshot; }

bool Quorum::wants_append(uint32_t peer) const {
    const Progress* to = progress(peer);
    if (role_ != Role::leader || to == nullptr || !to->connected) return false;
    switch (to->state) {
    case Stream::snapshot: return false;
    case Stream::probe: return !to->probing;
    case Stream::stream: break;
    }
    bool entries = to->next <= terms_.last() && to->in_flight_bytes < options_.window_bytes;
    return entries || to->commit_sent < std::min(committed_, to->next - 1);
}

bool Quorum::window_open(uint32_t peer) const {
    return progress(peer)->in_flight_bytes < options_.window_bytes;
}

Message Quorum::make_append(uint32_t peer, uint64_t last, uint64_t bytes, uint64_t term_before) {
    Progress& to = peers_[peer];
    ASSERT(wants_append(peer));
    ASSERT(last + 1 >= to.next);
    ASSERT(last <= terms_.last());
    std::optional<uint64_t> before = terms_.at(to.next - 1);
    Message message{.kind = MessageKind::append,
                    .flag = false,
                    .peer = peer,
                    .term = vote_.term,
                    .zxid = to.next - 1,
                    .zxid_term = before ? *before : term_before,
                    .last = last,
                    .commit = committed_};
    if (to.state == Stream::probe) {
        to.probing = true;
        return message;
    }
    if (last >= to.next) {
        to.in_flight.emplace_back(last, bytes);
        to.in_flight_bytes += bytes;
    }
    to.next = last + 1;
    to.commit_sent = committed_;
    return message;
}

void Quorum::on_acknowledged(const Message& message) {
    Progress& from = peers_[message.peer];
    from.voteless = message.flag;
    bool snapshot_over = from.state == Stream::snapshot && message.zxid >= from.next;
    // A heartbeat's answer proves nothing of a log that this leader has not looked at yet.
    bool of_append = message.kind == MessageKind::append_ack;
    if (from.state == Stream::stream || of_append) {
        from.match = std::max(from.match, std::min(message.zxid, terms_.last()));
        from.matched = std::max(from.matched, std::min(message.last, terms_.last()));
    }
    if (of_append && (from.state == Stream::probe || snapshot_over)) {
        from.state = Stream::stream;
        from.probing = false;
        from.next = from.matched + 1;
        from.commit_sent = 0;
        from.in_flight.clear();
        from.in_flight_bytes = 0;
    }
    from.next = std::max(from.next, from.match + 1);
    while (!from.in_flight.empty() && from.in_flight.front().first <= from.match) {
        from.in_flight_bytes -= from.in_flight.front().second;
        from.in_flight.pop_front();
    }
    advance();
    settle_barriers();
}

void Quorum::on_refused(const Message& message) {
    Progress& from = peers_[message.peer];
    if (from.state == Stream::snapshot) return;
    // An answer to what was sent before we knew better.
    if (from.state == Stream::probe && message.last != from.next - 1) return;
    if (message.last + 1 > from.next) return;
    from.state = Stream::probe;
    from.probing = false;
    from.in_flight.clear();
    from.in_flight_bytes = 0;
    from.match = from.matched = std::min(from.match, message.zxid);
    // What matches has at most the term that the peer has at its hint.
    uint64_t hint = std::min({message.zxid, message.last - 1, terms_.last()});
    if (hint > terms_.base()) hint = std::min(hint, terms_.last_of(message.zxid_term));
    from.next = hint + 1;
}

// Rule 3.
void Quorum::advance() {
    if (role_ != Role::leader || term_start_ == 0) return;
    uint64_t zxid = electorate().agreed([&](uint32_t id) -> uint64_t {
        if (id == options_.self) return durable_;
        const Progress* peer = progress(id);
        if (peer == nullptr) return 0;
        return peer->voteless && !mutated(Mutation::count_voteless) ? 0 : peer->match;
    });
    if (mutated(Mutation::commit_without_majority)) zxid = durable_;
    if (zxid < term_start_ && !mutated(Mutation::commit_old_term)) return;
    if (zxid <= committed_) return;
    committed_ = zxid;
    settle_barriers();
    after_commit();
}

// A leader that is a member no longer leaves when all know.
void Quorum::after_commit() {
    if (configs_.back().zxid > committed_ || electorate().votes(options_.self)) return;
    LOG(info, "term %llu: this node is no voter any more and leads no longer",
        static_cast<unsigned long long>(vote_.term));
    heartbeat();
    if (transfer_to_ == 0) transfer();
    if (transfer_to_ != 0)
        send(MessageKind::campaign, transfer_to_);
    follow(vote_.term, 0);
}

// ---- handing over

bool Quorum::transfer(const std::set<uint32_t>& unfit) {
    if (role_ != Role::leader) return false;
    uint32_t best = 0;
    for (const auto& [id, peer] : peers_) {
        bool able = peer.connected && !peer.voteless && peer.state == Stream::stream &&
                    electorate().votes(id) && id != options_.self && !unfit.contains(id);
        if (able && (best == 0 || peer.match > peers_[best].match)) best = id;
    }
    if (best == 0) return false;
    transfer_to_ = best;
    transfer_told_ = false;
    transfer_until_us_ = now_us_ + options_.election_us;
    try_transfer();
    return true;
}

void Quorum::try_transfer() {
    if (transfer_to_ == 0 || transfer_told_ || peers_[transfer_to_].match < terms_.last()) return;
    transfer_told_ = true;
    send(MessageKind::campaign, transfer_to_);
}

// ---- barriers

uint64_t Quorum::ask_barrier() { return ++barrier_asked_; }

// Once of each leader there is: to be told twice does no harm.
void Quorum::ask_own_barrier() {
    if (leader_ == 0 || barrier_sent_ == barrier_asked_ || barrier_done_ == barrier_asked_) return;
    barrier_sent_ = barrier_asked_;
    if (role_ != Role::leader)
        return send(MessageKind::ask_barrier, leader_,
                    {.flag = voteless_, .round = barrier_asked_});
    barriers_.push_back({.peer = options_.self, .number = barrier_asked_, .round = round_ + 1});
    settle_barriers();
}

// Rule 4. Who asks says by it, after it was asked itself, that this leader leads.
void Quorum::settle_barriers() {
    if (role_ != Role::leader || barriers_.empty()) return;
    bool known = term_start_ != 0 && committed_ >= term_start_;
    if (mutated(Mutation::barrier_of_new_leader)) known = true;
    size_t kept = 0;
    for (const Barrier& barrier : barriers_) {
        bool leads = known && electorate().majority([&](uint32_t id) {
            if (id == options_.self) return true;
            const Progress* peer = progress(id);
            if (peer == nullptr || peer->voteless) return false;
            return id == barrier.peer || peer->round >= barrier.round;
        });
        if (!leads && !(known && mutated(Mutation::barrier_unconfirmed))) {
            round_wanted_ = round_wanted_ || barrier.round > round_;
            barriers_[kept++] = barrier;
        } else if (barrier.peer != options_.self) {
            send(MessageKind::barrier, barrier.peer,
                 {.zxid = committed_, .round = barrier.number});
        } else if (barrier.number > barrier_done_) {
            barrier_done_ = barrier.number;
            barrier_answers_.emplace_back(barrier.number, committed_);
        }
    }
    barriers_.resize(kept);
}

bool Quorum::next_barrier(uint64_t& number, uint64_t& zxid) {
    if (barrier_answers_.empty()) return false;
    number = barrier_answers_.front().first;
    zxid = barrier_answers_.front().second;
    barrier_answers_.erase(barrier_answers_.begin());
    return true;
}

}  // namespace zk
