// core.cc -- see core.h: start and stop, the turn, clocks, snapshots.

#include "node/core.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace zk {

namespace {

constexpr uint64_t tick_us = 100'000;            // clocks are looked at ten times a second
constexpr uint32_t settles_per_turn = 64;        // before a snapshot
constexpr uint64_t prepare_us_max = 2'000'000;   // before a snapshot
constexpr uint64_t stall_us = 2 * tick_us;       // more than this between turns is a stall
constexpr uint32_t forgets_per_turn = 5'000;     // watches of clients that left
constexpr uint32_t forgets_per_close = 16;       // as long as a close takes
constexpr size_t expiries_per_turn = 1'000;
constexpr size_t reap_looks_per_tick = 2'000;
constexpr uint32_t looks_max = 4;                // at the sockets, for more of a batch
constexpr uint64_t snapshot_bytes_per_znode = 64;  // about, beside path and data
constexpr uint64_t snapshot_retry_after_us = 10'000'000;
constexpr uint64_t kept_bytes = 16u << 20;      // of the log in memory, for peers that lag
constexpr uint64_t purge_ticket = uint64_t{1} << 63;  // none of the log's

}  // namespace

Core::Core(Io& io, const Config& config) : io_(io), config_(config) {}

std::string Core::log_directory() const {
    return config_.data_log_dir.empty() ? config_.data_dir : config_.data_log_dir;
}

// Finds out who this node is, reads what it has, and stands for election.
Result<void> Core::start() {
    now_us_ = started_us_ = last_turn_us_ = io_.now_us();
    local_.lead(clock_ms(), static_cast<uint64_t>(config_.tick_ms));
    node_number_ = config_.my_id > 0 ? static_cast<uint32_t>(config_.my_id) : 1;
    Result<std::optional<StateRecord>> record = load_record(io_, config_.data_dir);
    if (!record) return record.error();
    if (record->has_value()) {
        Result<void> done =
            finish_founding(io_, config_.data_dir, log_directory(), (*record)->ensemble);
        if (!done) return done;
    }
    Result<bool> there = anything_there(io_, config_.data_dir, log_directory());
    if (!there) return there.error();
    // A term of 0: the first start ended before there was a log.
    if (record->has_value() && !*there && (*record)->term > 0 && !(*record)->voteless)
        return Error{.text = config_.data_dir + ": there are vote.1 and vote.2, but neither a log "
                                                "nor a snapshot; put them back, or give this node "
                                                "an empty directory"};
    if (!record->has_value() && *there)
        return Error{.text = config_.data_dir + ": there is a log or a snapshot, but neither "
                                                "vote.1 nor vote.2; put them back, or give this "
                                                "node an empty directory"};
    remove_leftovers(io_, config_.data_dir);
    remove_leftovers(io_, log_directory());
    clock_us_ = 1;
    if (record->has_value()) {
        record_ = **record;
        if (config_.force_new_ensemble)
            if (Result<void> done = found_anew(); !done) return done;
    } else if (config_.force_new_ensemble) {
        return Error{.text = config_.data_dir + ": there is nothing here to found a new ensemble "
                                                "with, as --force-new-ensemble wants it"};
    } else if (several()) {
        start_blank();
        // Whoever connects before it has joined may be served when it has.
        next_attach_ = first_sequence() << 32 | 1;
        open_links();
        metrics_.lookings = 1;
        start_alone();
        return {};
    } else {
        uint8_t chance[16];
        io_.random(chance);
        record_ = {.ensemble = load_u64(chance), .seed = load_u64(chance + 8)};
        record_.node = node_number_;
        record_.sequence = first_sequence();
    }
    // Written at each start, so that no earlier process of this node had this one's numbers of
    // clients; and before the log: a log whose ensemble nobody knows is of no use.
    Result<void> stored = store_record(io_, config_.data_dir, record_);
    if (!stored) return stored;
    boot_ = record_.sequence;
    next_attach_ = boot_ << 32 | 1;
    Result<void> recovered =
        record_.distrusted ? recover_by_others({.text = "the state of this server was found wrong"})
                           : recover(record->has_value());
    // A beginning anew may have been cut short, with the log set aside and a snapshot still there.
    int code = recovered ? 0 : recovered.error().code;
    if ((code == EBADMSG || (code == ENOENT && record_.voteless)) && several())
        recovered = recover_by_others(recovered.error());
    if (!recovered) return recovered;
    if (several()) {
        tell_of_members();
        open_links();
        start_alone();
        return {};
    }
    if (Result<void> good = check_alone(); !good) return good;
    taking_part_ = true;
    return lead();
}

// The disk lost what this node had, and the others have it too. First of all its vote goes: it
// cannot know any more what it acknowledged.
Result<void> Core::recover_by_others(const Error& damage) {
    LOG(error, "%s", damage.text.c_str());
    LOG(error, "this node begins anew, without a vote, and gets its data from the others; what is "
               "damaged is kept as damaged.*");
    record_.voteless = true;
    record_.committed = record_.birth = empty_zxid(record_.birth);
    Result<void> done = store_record(io_, config_.data_dir, record_);
    if (!done) return done;
    done = set_aside(io_, config_.data_dir, log_directory());
    if (!done) return done;
    if (record_.distrusted) {
        record_.distrusted = false;
        done = store_record(io_, config_.data_dir, record_);
        if (!done) return done;
    }
    return recover(false);
}

// Nothing is known, not even the ensemble: there is a machine and a state, both empty.
void Core::start_blank() {
    state_ = std::make_unique<State>(0);
    state_->format(0);
    quorum_ = std::make_unique<Quorum>(QuorumOptions{.self = node_number_}, QuorumStart{});
}

Result<void> Core::recover(bool known) {
    uint64_t before_us = io_.now_us();
    Result<Recovered> found = zk::recover(io_, {.data_directory = config_.data_dir,
                                                .log_directory = log_directory(),
                                                .ensemble = record_.ensemble,
                                                .seed = record_.seed,
                                                .birth = record_.birth,
                                                .member = several(),
                                                .committed = record_.committed});
    if (!found) return found.error();
    state_ = std::move(found->state);
    state_->limits.reply_bytes_max = config_.response_bytes_max;
    snapshot_zxid_ = std::max(found->snapshot_zxid, record_.birth);
    snapshots_ = found->snapshots;
    if (known)
        LOG(info, "recovered zxid 0x%llx: snapshot of 0x%llx and %llu entries of the log, "
                  "%u znodes, %u sessions, in %llu ms",
            static_cast<unsigned long long>(state_->zxid()),
            static_cast<unsigned long long>(snapshot_zxid_),
            static_cast<unsigned long long>(found->entries), state_->tree.count(),
            state_->sessions.count(),
            static_cast<unsigned long long>((io_.now_us() - before_us) / 1000));
    if (found->torn_bytes > 0)
        LOG(warn, "the last batch of the log was torn by a crash: %llu bytes, never acknowledged, "
                  "are left out",
            static_cast<unsigned long long>(found->torn_bytes));
    Position last = found->log.last;
    ASSERT(last.zxid >= state_->zxid());
    Terms terms(found->snapshot.zxid, found->snapshot.term);
    uint64_t term = found->snapshot.term;
    for (const TermStart& next : found->terms) {
        terms.append_to(next.zxid - 1, term);
        term = next.term;
    }
    terms.append_to(last.zxid, term);
    ASSERT(terms.last() == last.zxid);
    ASSERT(terms.last_term() == last.term);
    log_ = std::make_unique<Log>(
        io_,
        LogOptions{.directory = log_directory(),
                   .segment_bytes = config_.segment_bytes,
                   .ensemble = record_.ensemble,
                   .sync = config_.force_sync,
                   .slow_sync_us = static_cast<uint64_t>(config_.sync_warning_ms) * 1000,
                   .kept_bytes = several() ? kept_bytes : 0},
        std::move(found->log));
    uint8_t chance[8];
    io_.random(chance);
    quorum_ = std::make_unique<Quorum>(
        QuorumOptions{.self = record_.node,
                      .seed = load_u64(chance),
                      .heartbeat_us = static_cast<uint64_t>(config_.heartbeat_ms) * 1000,
                      .election_us = static_cast<uint64_t>(config_.election_ms) * 1000},
        QuorumStart{.vote = {.term = record_.term, .member = record_.vote},
                    .voteless = record_.voteless,
                    .terms = std::move(terms),
                    .committed = state_->zxid(),
                    .electorate = configured_electorate()});
    note_tail();
    return log_->open();
}

Result<void> Core::lead() {
    quorum_->tick(clock_us_);
    std::optional<Vote> vote = quorum_->vote_to_write();
    ASSERT(vote.has_value());
    record_.term = vote->term;
    record_.vote = vote->member;
    if (Result<void> stored = store_record(io_, config_.data_dir, record_); !stored)
        return stored;
    quorum_->vote_written(*vote);
    ASSERT(quorum_->role() == Role::leader);
    notice_leader();
    log_->flush();
    return {};
}

void Core::propose_rules() {
    Rules mine{.enforce_quota = config_.enforce_quota,
               .skip_acl = config_.skip_acl,
               .extended_types = config_.extended_types,
               .reconfig = config_.reconfig_enabled,
               .alone_enabled = config_.standalone_enabled,
               .session_ephemerals_max = config_.session_ephemerals_max};
    if (mine == state_->rules) return;
    body_.clear();
    encode(body_, mine);
    propose({}, 0, entry_op::rules, {}, body_.bytes());
}

bool Core::turn() {
    now_us_ = io_.now_us();
    // While this node stood still nobody could reach it: such time counts against no session.
    clock_us_ += std::min(now_us_ - last_turn_us_, stall_us);
    // What came meanwhile may still lie in the sockets: it is heard before anybody is expired.
    if (now_us_ - last_turn_us_ > stall_us) last_tick_us_ = now_us_;
    last_turn_us_ = now_us_;
    if (fatal() != nullptr) return false;
    std::swap(happenings_, taken_);
    hear_peers();
    if (log_ == nullptr) return blank_turn();
    quorum_->durable(log_->durable_zxid());
    if (taking_part_) quorum_->tick(clock_us_);
    notice_leader();
    apply_committed();
    // Not before: the writes of a client's queue are answered in their order.
    if (log_->cut_needed() && links_ != nullptr) log_->wait_for_room();
    if (log_->cut_needed() && state_->zxid() == log_->durable_zxid()) cut_back_log();
    take_barriers();
    made_applying_ = made_;
    if (!waiting_.empty()) resume_waiting();
    for (const Happening& happening : taken_)
        if (!mine(happening)) take(happening);
    taken_.clear();
    resume_forwards();
    if (now_us_ - last_tick_us_ >= tick_us) clocks();
    readmit();
    change_members();
    talk();
    notice_leader();
    log_->set_committed(quorum_->committed());
    take_snapshot_if_due();
    bool gathering = gather();
    if (!gathering) log_->flush();
    flush();
    forget_watches();
    if (stage_ != StopStage::running) stop_step();
    next_turn_us_ = wake_us();
    bool more = state_->zxid() < std::min(quorum_->committed(), log_->last_zxid());
    return gathering || more || !gone_.empty() || may_resume();
}

bool Core::mine(const Happening& happening) const {
    return links_ != nullptr && links_->mine(happening.client);
}

// What came over links goes first: it may say that more is committed, or who leads.
void Core::hear_peers() {
    if (links_ == nullptr) return;
    quorum_->set_now(clock_us_);
    links_->tick(clock_us_);
    for (const Happening& happening : taken_)
        if (mine(happening)) take_link(happening);
}

// Not in an ensemble yet: there are words, and links to those with whom to form one.
bool Core::blank_turn() {
    for (const Happening& happening : taken_)
        if (!mine(happening)) take(happening);
    taken_.clear();
    if (now_us_ - last_tick_us_ >= tick_us) {
        last_tick_us_ = now_us_;
        expire_handshakes();
    }
    links_->flush();
    flush();
    forget_watches();
    if (stage_ != StopStage::running) stop_step();
    next_turn_us_ = wake_us();
    return !gone_.empty();
}

// The machines' times are of a clock that stands still at times; the world's goes on.
uint64_t Core::wake_us() const {
    uint64_t clock_us = clock_us_ + tick_us;
    if (taking_part_ && links_ != nullptr) clock_us = std::min(clock_us, quorum_->next_tick_us());
    if (links_ != nullptr) clock_us = std::min(clock_us, links_->next_tick_us());
    return now_us_ + (clock_us > clock_us_ ? clock_us - clock_us_ : 0);
}

const Error* Core::fatal() const {
    if (failure_) return &*failure_;
    return log_ == nullptr ? nullptr : log_->fatal();
}

// A batch is on the disk, its writers are being told, and the next one waits already. Who is told
// often writes again at once, and would then sit out the sync of the others, and these his. So the
// sockets are looked at a few times more, as long as each look brings an entry: then all are in one
// batch. With two or four clients of one request each this is a third of the CPU time and of the
// latency; with many it is a tenth.
bool Core::gather() {
    uint64_t durable = log_->durable_zxid();
    uint64_t last = log_->last_zxid();
    if (durable != gathered_after_) {
        gathered_after_ = gathered_ = durable;
        looks_left_ = looks_max;
    }
    if (last == gathered_) looks_left_ = 0;
    if (looks_left_ == 0) return false;
    --looks_left_;
    gathered_ = last;
    return true;
}

// Has the flush, or an apply, made room for somebody who waits? Nothing else would wake us.
bool Core::may_resume() {
    for (ClientId id : waiting_) {
        Client* client = find_client(id);
        if (client != nullptr && !client->gone && may_take(*client)) return true;
    }
    return false;
}

// Who has no turn in this one is among the first of the next.
void Core::resume_waiting() {
    std::vector<ClientId> waiting;
    std::swap(waiting, waiting_);
    for (auto at = waiting.begin(); at != waiting.end(); ++at) {
        if (made_enough()) {
            waiting_.insert(waiting_.begin(), at, waiting.end());
            return;
        }
        ClientId id = *at;
        Client* client = find_client(id);
        if (client == nullptr || client->gone || !client->waiting) continue;
        if (!may_take(*client)) {
            waiting_.push_back(id);
            continue;
        }
        client->waiting = false;
        size_t used = take_frames(*client, client->in.bytes());
        if (client->gone) continue;
        client->in.consume(used);
        held_bytes_ -= used;
        if (client->in.empty()) client->in.reset();
        if (!client->waiting && client->paused) {
            client->paused = false;
            io_.pause(id, false);
        }
    }
}

void Core::clocks() {
    last_tick_us_ = now_us_;
    log_->tick(now_us_);
    if (stage_ != StopStage::running) return;
    retry_record();
    hear_waiting();
    tell_heard();
    if (links_ != nullptr) tell_digests();
    check_grace();
    if (links_ != nullptr) tell_room();
    if (rules_cut_ && !log_->full() && quorum_->may_append()) {
        rules_cut_ = false;
        propose_rules();
    }
    expire_handshakes();
    expire_sessions();
    expire_local();
    reap();
    maybe_snapshot();
    keep_pages_ahead();
    if (config_.purge_interval_ms > 0 && now_us_ >= next_purge_us_) purge();
}

void Core::expire_handshakes() {
    while (handshakes_head_ < handshakes_.size()) {
        Handshake next = handshakes_[handshakes_head_];
        if (next.deadline_us > now_us_) break;
        ++handshakes_head_;
        Client* client = find_client(next.client);
        if (client == nullptr || client->gone || client->attach != next.attach) continue;
        if (client->stage != Stage::fresh) continue;
        ++metrics_.sessionless_expired;
        drop(*client, "no session within nio.sessionlessCnxnTimeout");
    }
    if (handshakes_head_ > 1024 && handshakes_head_ * 2 > handshakes_.size()) {
        handshakes_.erase(handshakes_.begin(),
                          handshakes_.begin() + static_cast<ptrdiff_t>(handshakes_head_));
        handshakes_head_ = 0;
    }
}

void Core::expire_sessions() {
    if (!quorum_->may_append()) return;
    expired_.clear();
    state_->sessions.expired(clock_ms(), expiries_per_turn, expired_);
    for (int64_t session : expired_) {
        LOG(info, "session 0x%llx expired", static_cast<unsigned long long>(session));
        ++metrics_.sessions_expired;
        // Out of its bucket, so that it is not named again while the entry is on its way.
        state_->sessions.suspend(state_->sessions.find(session));
        propose({}, session, static_cast<int32_t>(Op::close_session), {}, {});
    }
}

// A client that is not read counts as heard, for its pings may lie in its socket; but not if it is
// not read because it does not read either: such a client may be dead.
void Core::hear_waiting() {
    Buffer nothing;
    for (ClientId id : waiting_) {
        Client* client = find_client(id);
        if (client == nullptr || client->gone || client->stage != Stage::open) continue;
        set_unsent(*client, io_.send(id, nothing));
        uint64_t fetched = client->handed - std::min<uint64_t>(client->unsent, client->handed);
        if (client->unsent == 0 || fetched != client->fetched) hear(*client);
        client->fetched = fetched;
    }
}

void Core::reap() {
    if (config_.reap_interval_ms == 0 || !quorum_->may_append()) return;
    if (!reaping_) {
        if (now_us_ < next_reap_us_) return;
        next_reap_us_ = now_us_ + static_cast<uint64_t>(config_.reap_interval_ms) * 1000;
        reaping_ = true;
    }
    reap_bodies_.clear();
    size_t find = std::max<size_t>(1, config_.reap_per_minute_max / 600);  // ten ticks a second
    bool round = state_->reap({.now_ms = io_.wall_ms(),
                               .never_used_ms = config_.reap_never_used_ms,
                               .look_at = reap_looks_per_tick,
                               .find = find},
                              reap_bodies_);
    for (const std::string& body : reap_bodies_)
        propose({}, 0, static_cast<int32_t>(Op::delete_container), {}, as_bytes(body));
    if (round) reaping_ = false;
}

void Core::drop(Client& client, const char* why) {
    if (client.gone) return;
    LOG(debug, "connection from %s ends: %s", ip_text(client.from).c_str(), why);
    client.gone = true;
    if (!client.paused) io_.pause(client.id, true);
    client.paused = true;
    auto mine = by_session_.find(client.session);
    if (mine != by_session_.end() && mine->second == client.id) by_session_.erase(mine);
    auto address = per_address_.find(ip_text(client.from));
    if (address != per_address_.end() && --address->second == 0) per_address_.erase(address);
    --client_count_;
    outstanding_ -= client.queued();
    held_bytes_ -= client.in.size() + client.held.size();
    promised_ -= client.promised;
    forwarded_ -= client.forwarded;
    client.forwarded = 0;
    set_unsent(client, 0);
    gone_.push_back(client.id);
}

void Core::set_unsent(Client& client, size_t bytes) {
    unsent_ += bytes;
    unsent_ -= client.unsent;
    client.unsent = bytes;
}

// Requests are taken more slowly where replies are not read, but events come whether or not. When
// all clients together are told too much, those go who have more than their share.
void Core::drop_if_unread(Client& client, size_t bytes) {
    bool share = unsent_ > config_.output_max && bytes > config_.output_max / client_count_;
    if (bytes <= config_.client_output_max && !share) return;
    if (share && may_complain(Complaint::unsent))
        LOG(warn, "connection from %s closed: %zu bytes unsent, and of all clients together more "
                  "than totalOutputLimit, %llu",
            ip_text(client.from).c_str(), bytes,
            static_cast<unsigned long long>(config_.output_max));
    else if (may_complain(Complaint::unsent))
        LOG(warn, "connection from %s closed: %zu bytes unsent, clientOutputLimit is %llu",
            ip_text(client.from).c_str(), bytes,
            static_cast<unsigned long long>(config_.client_output_max));
    drop(client, "it does not read its replies");
}

// The last of a client: what it was told goes out, its watches go away, and then its number.
void Core::forget_watches() {
    uint32_t budget = forgets_per_turn;
    size_t kept = 0;
    for (size_t i = 0; i < gone_.size(); ++i) {
        Client& client = *clients_[gone_[i]];
        bool done = client.stage == Stage::leaving;  // and says nothing more
        if (!client.out.empty() && !done) io_.send(client.id, client.out);
        if (budget == 0 || !state_->watches.forget(client.id, budget)) {
            budget = 0;
            if (!client.out.empty()) io_.send(client.id, client.out);
            gone_[kept++] = gone_[i];
            continue;
        }
        budget -= std::min(budget, forgets_per_close);
        if (done)
            io_.send_and_close(client.id, client.out);
        else
            io_.close(client.id);
        clients_[gone_[i]].reset();
    }
    gone_.resize(kept);
}

void Core::mark_dirty(Client& client) {
    if (client.dirty) return;
    client.dirty = true;
    dirty_.push_back(client.id);
}

bool Core::may_complain(Complaint about) {
    uint64_t& last_us = complained_us_[static_cast<size_t>(about)];
    if (last_us != 0 && now_us_ - last_us < 1'000'000) return false;
    last_us = now_us_;
    return true;
}

void Core::flush() {
    for (ClientId id : dirty_) {
        Client* client = find_client(id);
        if (client == nullptr) continue;
        client->dirty = false;
        if (client->gone || client->out.empty()) continue;
        metrics_.bytes_sent += client->out.size();
        client->handed += client->out.size();
        set_unsent(*client, io_.send(id, client->out));
        client->out.clear();
        if (client->out.capacity() > 65536 || client->unsent > 0) client->out.reset();
        drop_if_unread(*client, client->unsent);
    }
    dirty_.clear();
    made_ = made_applying_ = 0;
}

void Core::disk_done(Lane lane, uint64_t ticket, const DiskResult& result) {
    if (lane == Lane::vote) return vote_done(result);
    if (lane == Lane::bulk && catch_up_done(ticket, result)) return;
    if (lane == Lane::bulk && ticket == purge_ticket && result.error != 0)
        LOG(warn, "removing old snapshots in %s failed: %s; the next start tries again",
            config_.data_dir.c_str(), strerror(result.error));
    if (!log_->on_disk(lane, ticket, result)) return;
    if (lane == Lane::log) metrics_.fsync_ms.add(result.took_us / 1000);
}

// The disk has no room for the newest entries: nothing of them was written, so they never were.
void Core::cut_back_log() {
    std::vector<Entry> cut;
    log_->cut_back(cut);
    quorum_->cut_back(log_->last_zxid());
    for (const Entry& entry : cut) {
        ++metrics_.entries_refused_full;
        if (entry.origin.node != node_number_ || entry.op == entry_op::membership) {
            rules_cut_ = rules_cut_ || entry.op == entry_op::rules;
            SessionSlot slot = state_->sessions.find(entry.session);
            if (slot != 0) state_->sessions.touch(slot, clock_ms());
            continue;
        }
        Client* client = find_client(static_cast<ClientId>(entry.origin.request >> 32));
        if (client == nullptr || client->attach != entry.origin.client || client->gone) continue;
        Pending pending = client->front();
        pop(*client);
        if (pending.kind != PendingKind::write) {
            drop(*client, "the disk is full");
            continue;
        }
        write_reply(*client, pending, static_cast<int64_t>(state_->zxid()), Err::system_error, {});
        answer_queue(*client);
    }
}

void Core::maybe_snapshot() {
    if (snapshot_running_ || now_us_ < snapshot_retry_us_) return;
    if (snapshot_due_) return take_snapshot_if_due();
    uint64_t entries = state_->zxid() - snapshot_zxid_;
    uint64_t bytes = log_->appended_bytes() - log_bytes_at_snapshot_;
    // The log must have grown by as much as a snapshot has, too: then the work of snapshots stays
    // in proportion to that of writes, however large the tree and however fast they come.
    uint64_t size = state_->tree.data_bytes() + state_->tree.count() * snapshot_bytes_per_znode;
    bool due = (entries >= config_.snapshot_entries && bytes >= size) ||
               (config_.snapshot_log_bytes > 0 && bytes >= config_.snapshot_log_bytes);
    // A full disk waits for no threshold, where a purge would make room.
    due = due || snapshot_wanted_ ||
          (log_->full() && config_.purge_interval_ms > 0 && log_->file_count() > 1);
    // Where the newest could not be read, another of the same zxid is better than none.
    bool again = snapshot_wanted_ && (snapshots_.empty() || snapshots_.back() != state_->zxid());
    if (!again && !(due && entries > 0)) {
        prepare_until_us_ = 0;
        return;
    }
    snapshot_due_ = memory_prepared();
    take_snapshot_if_due();
}

// Pages that the tree will need behind the fork are found by then: a new one takes the kernel up to
// 10 us where the host of a virtual machine has to find it, too.
bool Core::memory_prepared() {
    if (prepare_until_us_ == 0) {
        prepare_until_us_ = now_us_ + prepare_us_max;
        state_->tree.map_for_fork(to_populate_);
    }
    if (!to_populate_.empty()) io_.work_on_pages(PageWork::at_leisure, to_populate_);
    bool settled = state_->tree.settle(settles_per_turn);
    bool waits = !settled || !to_populate_.empty() || io_.pages_busy();
    if (waits && now_us_ < prepare_until_us_) return false;
    prepare_until_us_ = 0;
    return true;
}

void Core::keep_pages_ahead() {
    if (prepare_until_us_ != 0) return;
    state_->tree.keep_ahead(to_populate_);
    if (!to_populate_.empty()) io_.work_on_pages(PageWork::at_leisure, to_populate_);
}

// Not before the last entry applied is on this disk, too: until then nothing more is applied.
void Core::take_snapshot_if_due() {
    if (!snapshot_due_ || snapshot_running_ || !log_->sealed(state_->zxid())) return;
    snapshot_due_ = snapshot_wanted_ = false;
    snapshot_next_zxid_ = state_->zxid();
    snapshot_started_us_ = now_us_;
    snapshot_job_ = make_snapshot_job(*state_, record_.ensemble,
                                      log_->position_of(state_->zxid()), io_.wall_ms());
    std::string path = config_.data_dir + "/" + snapshot_name(snapshot_next_zxid_);
    log_bytes_at_fork_ = log_->appended_bytes();
    state_->tree.freeze();
    Result<void> forked = io_.fork_snapshot(path, write_snapshot, snapshot_job_.get());
    snapshot_running_ = true;
    if (!forked) snapshot_done(forked.error());
}

void Core::snapshot_done(const Result<void>& result) {
    snapshot_running_ = false;
    state_->tree.thaw();
    for (auto& old : old_states_) old->tree.thaw();
    snapshot_job_.reset();
    if (!result) {
        ++metrics_.snapshot_errors;
        ++snapshot_failures_;
        found_no_room(result.error());
        snapshot_retry_us_ = now_us_ + snapshot_retry_after_us;
        LOG(error, "snapshot of zxid 0x%llx failed (%u in a row): %s; the log grows meanwhile",
            static_cast<unsigned long long>(snapshot_next_zxid_), snapshot_failures_,
            result.error().text.c_str());
        return;
    }
    snapshot_failures_ = 0;
    no_room_ = false;
    snapshot_zxid_ = std::max(snapshot_zxid_, snapshot_next_zxid_);
    snapshots_.push_back(snapshot_next_zxid_);
    std::sort(snapshots_.begin(), snapshots_.end());
    log_bytes_at_snapshot_ = log_bytes_at_fork_;
    ++metrics_.snapshots;
    metrics_.snapshot_ms.add((io_.now_us() - snapshot_started_us_) / 1000);
    LOG(info, "snapshot of zxid 0x%llx written in %llu ms",
        static_cast<unsigned long long>(snapshot_zxid_),
        static_cast<unsigned long long>((io_.now_us() - snapshot_started_us_) / 1000));
    purge();
}

// A snapshot did not fit. In an ensemble the others have what the older files are kept for.
void Core::found_no_room(const Error& why) {
    if (!several() || !no_room(why.code)) return;
    no_room_ = true;
    purge();
}

// Keeps the newest few snapshots, and the log from the oldest of them on; all of the log while they
// are fewer, lest all hang on one file. Where there is no room there is no choice.
void Core::purge() {
    next_purge_us_ = now_us_ + config_.purge_interval_ms * 1000;
    if (config_.purge_interval_ms == 0 || snapshots_.empty() || !outgoing_.empty()) return;
    std::vector<DiskOp> ops;
    size_t keep = no_room_ ? 1 : std::max<size_t>(1, config_.purge_keeps);
    while (snapshots_.size() > keep) {
        ops.push_back({.kind = DiskOpKind::remove,
                       .path = config_.data_dir + "/" + snapshot_name(snapshots_.front()),
                       .to = {},
                       .offset = 0,
                       .size = 0,
                       .data = {}});
        snapshots_.erase(snapshots_.begin());
    }
    if (!ops.empty()) io_.submit(Lane::bulk, purge_ticket, std::move(ops));
    if (snapshots_.size() >= keep || log_->full())
        log_->purge(mutated(Mutation::purge_too_much) ? state_->zxid() : snapshots_.front());
}

Standing Core::standing() const {
    return {.role = quorum_->role(),
            .term = quorum_->term(),
            .leader = quorum_->leader(),
            .applied_zxid = state_->zxid(),
            .applied_term = state_->term(),
            .digest = state_->digest(),
            .committed = quorum_->committed(),
            .last_zxid = log_ == nullptr ? 0 : log_->last_zxid(),
            .voteless = log_ == nullptr || quorum_->voteless(),
            .next_attach = next_attach_};
}

void Core::stop() {
    if (stage_ != StopStage::running) return;
    stage_ = StopStage::handing_over;
    if (!quorum_->transfer()) drain();
}

void Core::hand_over() {
    if (quorum_->role() != Role::leader) {
        LOG(info, "asked to hand over, but this node does not lead");
    } else if (quorum_->transfer()) {
        LOG(info, "handing over, as asked");
    } else {
        LOG(warn, "asked to hand over, but nobody could take over");
    }
}

void Core::drain() {
    stage_ = StopStage::draining;
    for (auto& client : clients_)
        if (client != nullptr) drop(*client, "the server stops");
}

void Core::stop_step() {
    // The others have another leader, or there is nobody to take over.
    if (stage_ == StopStage::handing_over && !quorum_->transferring()) drain();
    if (log_ == nullptr) {
        if (gone_.empty()) stage_ = StopStage::stopped;
        return;
    }
    // As long as there are links, there is always more to write.
    if (stage_ == StopStage::draining && gone_.empty() && links_ != nullptr) links_->close_all();
    if (stage_ == StopStage::draining && gone_.empty() && log_->idle()) {
        log_->end_mark();
        stage_ = StopStage::marking;
    } else if (stage_ == StopStage::marking && log_->idle()) {
        stage_ = StopStage::stopped;
    }
}

}  // namespace zk
