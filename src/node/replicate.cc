// replicate.cc -- entries between nodes: from the leader to the others, and requests to the leader.
//
// The consensus machine says what is to be sent up to where; the log has the bytes. What comes from
// the leader goes into the log as it is. Requests that this node's clients make go to the leader in
// one frame a turn, under the term in which they were made, and are never sent twice: when leader
// or term change, or the link is lost, nobody knows what became of them, and the clients that wait
// for one are cut.

#include <cerrno>
#include <cstring>

#include "node/core.h"

namespace zk {

namespace {

constexpr size_t append_bytes_max = 256u << 10;  // of entries in one frame, or one that is larger
constexpr size_t link_bytes_max = 1u << 20;      // unsent, then nothing more is written to it
constexpr size_t held_forwards_max = 64u << 20;
constexpr uint64_t vote_ticket = uint64_t{1} << 63 | 1;

bool well_formed_membership(Bytes body) {
    MembershipEntry named;
    Reader in(body);
    decode(in, named);
    return in.ok() && !named.members.empty();
}

}  // namespace

bool Core::peer_came(LinkId link, const Address& from) {
    return links_ != nullptr && stage_ == StopStage::running && links_->came(link, from);
}

void Core::take_link(const Happening& happening) {
    switch (happening.kind) {
    case Happening::Kind::bytes: links_->bytes(happening.client, happening.bytes); break;
    case Happening::Kind::dialed: links_->dialed(happening.client); break;
    case Happening::Kind::drained: links_->drained(happening.client); break;
    case Happening::Kind::end:
    case Happening::Kind::reset: links_->ended(happening.client); break;
    }
}

bool Core::peer_frame(uint32_t peer, const Frame& frame) {
    switch (frame.kind) {
    case FrameKind::status: return take_status(peer, frame.payload);
    case FrameKind::form: return take_form(peer, frame.payload);
    default: break;
    }
    // It says more than this node can make sense of yet.
    if (!allies_.contains(peer) || failure_) return true;
    if (!taking_part_) take_part();
    switch (frame.kind) {
    case FrameKind::message: return take_message(peer, frame.payload);
    case FrameKind::append: return take_append(peer, frame.payload);
    case FrameKind::forward: return take_forward(peer, frame.payload);
    case FrameKind::heard: return take_heard(peer, frame.payload);
    case FrameKind::ask_snapshot: return take_ask_snapshot(peer, frame.payload);
    case FrameKind::snapshot: return take_snapshot(peer, frame.payload);
    case FrameKind::digests: return take_digests(peer, frame.payload);
    case FrameKind::differs: return take_differs(peer, frame.payload);
    default: return false;
    }
}

bool Core::take_message(uint32_t peer, Bytes payload) {
    Reader in(payload);
    Message message;
    decode(in, message);
    if (!in.ok() || message.kind == MessageKind::append) return false;
    message.peer = peer;
    if (!quorum_->plausible(message)) return false;
    quorum_->receive(message);
    return true;
}

bool Core::take_append(uint32_t peer, Bytes payload) {
    Reader in(payload);
    Message message;
    decode(in, message);
    message.peer = peer;
    if (!in.ok() || message.kind != MessageKind::append) return false;
    if (!quorum_->plausible(message)) return false;
    arrived_.clear();
    arrived_terms_.clear();
    while (in.left() > 0) {
        Entry entry;
        Bytes bytes = in.bytes(in.u32());
        if (!in.ok() || !decode(bytes, entry)) return false;
        if (entry.zxid != message.zxid + arrived_.size() + 1) return false;
        if (entry.op == entry_op::membership && !well_formed_membership(entry.body)) return false;
        arrived_.push_back(entry);
        arrived_terms_.push_back(entry.term);
    }
    if (message.zxid + arrived_.size() != message.last) return false;
    if (!quorum_->plausible(message, arrived_terms_)) return false;
    Accepted accepted = quorum_->accept(message, arrived_terms_);
    if (!accepted.good) return true;
    if (accepted.keep < log_->last_zxid()) {
        LOG(info, "entries after zxid 0x%llx were never agreed and are cut",
            static_cast<unsigned long long>(accepted.keep));
        log_->truncate(accepted.keep);
    }
    for (const Entry& entry : arrived_) {
        if (entry.zxid < accepted.first) continue;
        log_->append_as_is(entry);
        note_membership(entry);
    }
    return true;
}

// ---- what is to be said, at the end of a turn

void Core::talk() {
    turn_barrier_ = 0;
    if (!taking_part_) return links_->flush();
    quorum_->end_turn();
    write_vote();
    take_barriers();
    if (links_ == nullptr) return;
    Message message;
    while (quorum_->next_message(message)) {
        if (!links_->is_up(message.peer)) continue;
        encode(links_->begin(message.peer, FrameKind::message), message);
        links_->end(message.peer);
    }
    send_forwards();
    if (quorum_->role() == Role::leader)
        for (uint32_t peer : allies_) send_appends(peer);
    send_snapshots();
    receive_snapshot();
    links_->flush();
}

void Core::send_appends(uint32_t peer) {
    while (quorum_->wants_append(peer) && links_->unsent(peer) < link_bytes_max) {
        const Quorum::Progress& progress = *quorum_->progress(peer);
        uint64_t first = progress.next;
        uint64_t last = first - 1;
        size_t bytes = 0;
        const LogPiece* older = nullptr;
        if (first <= log_->base().zxid && first <= log_->last_zxid()) {
            if (!quorum_->window_open(peer)) return;
            older = older_entries(peer, first);
            if (older == nullptr) return;
        }
        auto bytes_of = [&](uint64_t zxid) {
            return older != nullptr ? older->entries.bytes_of(zxid) : log_->bytes_of(zxid);
        };
        uint64_t end = older != nullptr ? older->entries.last_zxid() : log_->last_zxid();
        while (quorum_->window_open(peer) && last < end && bytes < append_bytes_max)
            bytes += 4 + bytes_of(++last).size();
        uint64_t before = older != nullptr ? older->before.term : log_->term_of(first - 1);
        Message message = quorum_->make_append(peer, last, bytes, before);
        Buffer& out = links_->begin(peer, FrameKind::append);
        out.reserve(message_size + bytes);
        encode(out, message);
        for (uint64_t zxid = first; zxid <= last; ++zxid) {
            Bytes entry = bytes_of(zxid);
            out.u32(static_cast<uint32_t>(entry.size()));
            out.append(entry);
        }
        links_->end(peer);
    }
}

// ---- requests on their way to the leader

bool Core::may_write() const {
    if (stage_ != StopStage::running) return false;
    return quorum_->may_append() || (quorum_->role() == Role::follower && quorum_->leader() != 0);
}

// A request of one of this node's clients, or of its sessions.
void Core::submit(const Origin& origin, int64_t session, int32_t op, Bytes ids, Bytes body) {
    if (quorum_->role() == Role::leader) return propose(origin, session, op, ids, body);
    ASSERT(quorum_->leader() != 0);
    Entry entry{.term = 0, .zxid = 0, .time_ms = 0, .origin = origin, .session = session,
                .op = op, .ids = ids, .body = body};
    if (forwards_.empty()) forwards_.u64(quorum_->term());
    forwards_.u32(static_cast<uint32_t>(encoded_size(entry)));
    encode(forwards_, entry);
}

void Core::send_forwards() {
    if (forwards_.empty()) return;
    bool same = load_u64(forwards_.data()) == quorum_->term() && links_->is_up(quorum_->leader());
    if (same && mutated(Mutation::forward_twice) && links_->unsent(quorum_->leader()) > 0) {
        links_->begin(quorum_->leader(), FrameKind::forward).append(forwards_.bytes());
        links_->end(quorum_->leader());
    }
    if (same) {
        links_->begin(quorum_->leader(), FrameKind::forward).append(forwards_.bytes());
        links_->end(quorum_->leader());
    }
    forwards_.clear();
    if (forwards_.capacity() > (1u << 20)) forwards_.reset();
}

// What apply takes for granted. Of what servers make by themselves a leader takes nothing.
bool Core::forwardable(const Entry& entry) {
    std::vector<Identity> ids;
    if (!decode(entry.ids, ids)) return false;
    if (entry.op == static_cast<int32_t>(Op::create_session) ||
        entry.op == static_cast<int32_t>(Op::close_session) ||
        entry.op == entry_op::attach_session || entry.op == entry_op::upgrade_session)
        return true;
    const Command* command = find_command(entry.op);
    return command != nullptr && command->kind == CommandKind::write &&
           State::well_formed(entry.op, entry.body);
}

// What comes under another term is dropped: its clients have been cut, or will be.
bool Core::take_forward(uint32_t peer, Bytes payload) {
    Reader in(payload);
    if (in.u64() != quorum_->term() || quorum_->role() != Role::leader) return in.ok();
    // While it hands over it waits how that ends; and nothing overtakes what waits.
    if (!quorum_->may_append() || !held_forwards_.empty()) {
        if (held_forwards_.size() > held_forwards_max) return false;
        held_forwards_.u32(peer);
        held_forwards_.u32(static_cast<uint32_t>(payload.size()));
        held_forwards_.append(payload);
        return true;
    }
    while (in.left() > 0) {
        Entry entry;
        Bytes bytes = in.bytes(in.u32());
        if (!in.ok() || !decode(bytes, entry) || entry.origin.node != peer) return false;
        if (!forwardable(entry)) return false;
        const Command* command = find_command(entry.op);
        bool of_client = command != nullptr && command->kind == CommandKind::write;
        if (log_->full() && of_client && !admitted_when_full(entry.op, entry.body)) {
            ++metrics_.entries_refused_full;
            propose(entry.origin, entry.session, entry_op::refused, {}, {});
        } else {
            propose(entry.origin, entry.session, entry.op, entry.ids, entry.body);
        }
    }
    return true;
}

// ---- full disks

// What counts is the leader's: a peer whose disk is full acknowledges nothing for a while.
bool Core::full() const {
    if (quorum_->role() == Role::leader) return log_->full();
    auto leader = statuses_.find(quorum_->leader());
    return leader != statuses_.end() && leader->second.full;
}

// A leader that has no room hands over to somebody who has.
void Core::tell_room() {
    if (log_->full() != told_full_) {
        told_full_ = log_->full();
        tell_status();
    }
    if (!log_->full() || !quorum_->may_append()) return;
    std::set<uint32_t> unfit;
    for (const auto& [peer, status] : statuses_)
        if (status.full) unfit.insert(peer);
    if (quorum_->transfer(unfit)) LOG(warn, "this node's disk is full; handing over");
}

void Core::resume_forwards() {
    if (held_forwards_.empty() || !quorum_->may_append()) return;
    Buffer held;
    held.swap(held_forwards_);
    Reader in(held.bytes());
    while (in.left() > 0) {
        uint32_t peer = in.u32();
        take_forward(peer, in.bytes(in.u32()));
    }
}

// ---- sessions that were heard

void Core::hear(Client& client) {
    if (client.local) return local_.touch(client.slot, clock_ms());
    if (client.slot != 0) state_->sessions.touch(client.slot, clock_ms());
    if (quorum_->role() == Role::leader || client.heard) return;
    client.heard = true;
    heard_.push_back(client.id);
}

void Core::tell_heard() {
    if (heard_.empty()) return;
    uint32_t leader = quorum_->leader();
    bool linked = links_ != nullptr && quorum_->role() == Role::follower && leader != 0 &&
                  links_->is_up(leader);
    Buffer* out = linked ? &links_->begin(leader, FrameKind::heard) : nullptr;
    for (ClientId id : heard_) {
        Client* client = find_client(id);
        if (client == nullptr || !client->heard) continue;
        client->heard = false;
        bool told = out != nullptr && !client->gone && !mutated(Mutation::heard_untold);
        if (told) out->i64(client->session);
    }
    if (linked) links_->end(leader);
    heard_.clear();
}

bool Core::take_heard(uint32_t, Bytes payload) {
    Reader in(payload);
    if (payload.size() % 8 != 0) return false;
    while (in.left() > 0) {
        SessionSlot slot = state_->sessions.find(in.i64());
        if (slot != 0) state_->sessions.touch(slot, clock_ms());
    }
    return true;
}

// ---- votes on the disk

void Core::write_vote() {
    if (record_in_flight_) return;
    vote_in_flight_ = quorum_->vote_to_write();
    admission_in_flight_ = admission_due();
    bool distrust = differs_at_ != 0 && !record_.distrusted;
    if (!vote_in_flight_ && !admission_in_flight_ && !distrust) return;
    record_.distrusted = record_.distrusted || distrust;
    if (vote_in_flight_) {
        record_.term = vote_in_flight_->term;
        record_.vote = mutated(Mutation::forget_vote) ? 0 : vote_in_flight_->member;
    }
    record_.voteless = quorum_->voteless() && !admission_in_flight_;
    record_.committed = log_->committed_durable();
    record_in_flight_ = true;
    io_.submit(Lane::vote, vote_ticket, record_ops(config_.data_dir, record_, vote_bytes_));
}

// Where even what is there already takes room to be written (a file system that copies), a full
// disk keeps this node silent until there is some. A sync that failed is another matter.
void Core::retry_record() {
    if (!record_waits_) return;
    record_waits_ = false;
    io_.submit(Lane::vote, vote_ticket, record_ops(config_.data_dir, record_, vote_bytes_));
}

void Core::vote_done(const DiskResult& result) {
    bool sync = result.failed_op % 2 == 1;
    if (no_room(result.error) && !sync) {
        record_waits_ = true;
        return;
    }
    if (result.error != 0) {
        failure_ = Error{.text = "writing the vote in " + config_.data_dir +
                                 " failed: " + strerror(result.error),
                         .code = result.error};
        return;
    }
    record_in_flight_ = false;
    if (record_.distrusted) {
        failure_ = Error{.text = "the state of this server is not to be trusted"};
        begin_again_ = true;
        return;
    }
    if (vote_in_flight_) quorum_->vote_written(*vote_in_flight_);
    if (!admission_in_flight_) return;
    LOG(info, "this node has its vote again");
    admitted_at_ = 0;
    quorum_->readmitted();
}

// ---- members whose vote does not count (quorum.h, rule 5)

// A leader's: who has all by now is admitted again, once for each of its processes.
void Core::readmit() {
    if (!quorum_->may_append()) return;
    for (uint32_t peer : allies_) {
        const Quorum::Progress& progress = *quorum_->progress(peer);
        uint64_t boot = statuses_[peer].boot;
        bool caught_up = progress.state == Quorum::Stream::stream &&
                         progress.match >= quorum_->committed() && quorum_->committed() > 0;
        if (!progress.voteless || !caught_up || readmitted_[peer] == boot) continue;
        readmitted_[peer] = boot;
        body_.clear();
        body_.u32(peer);
        body_.u64(boot);
        propose({}, 0, entry_op::readmit, {}, body_.bytes());
    }
}

void Core::admit(const Entry& entry) {
    Reader in(entry.body);
    uint32_t member = in.u32();
    uint64_t boot = in.u64();
    if (!in.ok() || member != node_number_ || boot != boot_) return;
    admitted_at_ = entry.zxid;
    admitted_term_ = entry.term;
}

// The entry is committed, durable here, and of the term that this node is in.
bool Core::admission_due() const {
    return admitted_at_ != 0 && quorum_->voteless() && admitted_term_ == quorum_->term() &&
           log_->durable_zxid() >= admitted_at_;
}

// ---- barriers

void Core::take_barriers() {
    uint64_t number = 0;
    uint64_t zxid = 0;
    while (quorum_->next_barrier(number, zxid)) barriers_.emplace_back(number, zxid);
    uint64_t reached = barrier_reached_;
    while (!barriers_.empty() && barriers_.front().second <= state_->zxid()) {
        reached = std::max(reached, barriers_.front().first);
        barriers_.pop_front();
    }
    if (reached == barrier_reached_) return;
    barrier_reached_ = reached;
    std::vector<ClientId> waiting;
    std::swap(waiting, at_barrier_);
    for (ClientId id : waiting) {
        Client* client = find_client(id);
        if (client == nullptr || client->gone || !client->at_barrier) continue;
        client->at_barrier = false;
        answer_queue(*client);
    }
}

// ---- who leads

// A client that waits for an entry of its own will not hear what became of it: the entry may yet be
// committed, or not.
void Core::cut_uncertain(const char* why) {
    for (auto& client : clients_)
        if (client != nullptr && !client->gone && client->writes > 0) drop(*client, why);
    forwards_.clear();
}

void Core::notice_leader() {
    Allegiance now{.term = quorum_->term(), .leader = quorum_->leader(), .role = quorum_->role()};
    if (now == allegiance_ && !severed_) return;
    Allegiance before = allegiance_;
    allegiance_ = now;
    severed_ = false;
    // What is agreed is not uncertain.
    if (before.leader != 0) apply_committed();
    if (before.leader != 0 && !mutated(Mutation::keep_uncertain))
        cut_uncertain("the leader is gone, and with it what was asked of it");
    if (before.role == Role::leader && now.role != Role::leader) {
        state_->sessions.follow();
        held_forwards_.clear();
    }
    if (now.leader == 0) {
        if (before.leader != 0) leaderless_us_ = clock_us_;
        if (before.leader != 0) ++metrics_.lookings;
    } else {
        if (now.leader == node_number_ && before.leader != node_number_)
            metrics_.election_ms.add(quorum_->election_us() / 1000);
        else if (before.leader == 0)
            metrics_.election_ms.add((clock_us_ - leaderless_us_) / 1000);
        // A blank observer that was linked before the ensemble lived joins by this.
        if (before.leader == 0 && links_ != nullptr) tell_status();
        if (lost_quorum_) end_read_only();
        lost_quorum_ = false;
    }
    if (now.leader != before.leader && links_ != nullptr) {
        if (now.leader == node_number_)
            LOG(info, "term %llu: this node leads (elected in %llu ms)",
                static_cast<unsigned long long>(now.term),
                static_cast<unsigned long long>(quorum_->election_us() / 1000));
        else if (now.leader != 0)
            LOG(info, "term %llu: server.%u leads", static_cast<unsigned long long>(now.term),
                now.leader);
        else
            LOG(info, "term %llu: no leader", static_cast<unsigned long long>(now.term));
    }
    if (now.role == Role::leader && quorum_->wants_first_entry()) begin_to_lead();
}

void Core::begin_to_lead() {
    propose({}, 0, entry_op::no_op, {}, {});
    propose_rules();
    state_->sessions.lead(clock_ms(), static_cast<uint64_t>(config_.tick_ms));
    reaping_ = false;
    led_since_us_ = clock_us_;
    readmitted_.clear();
    compared_.clear();
}

// Without a quorum for too long: clients had better try elsewhere.
void Core::check_grace() {
    if (quorum_->leader() != 0 || lost_quorum_) return;
    uint64_t grace_us = static_cast<uint64_t>(
                            std::min(config_.loss_grace_ms, config_.session_timeout_min_ms / 2)) *
                        1000;
    if (clock_us_ - leaderless_us_ < grace_us) return;
    lost_quorum_ = true;
    for (auto& client : clients_)
        if (client != nullptr && !client->gone &&
            (client->stage != Stage::fresh || (client->needs_leader && !config_.read_only_mode)))
            drop(*client, "this node has no quorum");
}

}  // namespace zk
