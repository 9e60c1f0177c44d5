// answers.cc -- from committed entries to what clients are told.
//
// For each entry, in zxid order: apply it, tell the watchers, answer the client that asked, and
// then answer the reads that this client had queued behind the write, up to its next write. That is
// what makes a pipeline behave as if each request had been sent alone.

#include "node/core.h"

namespace zk {

namespace {

// Entries applied in one turn, or znodes that they changed, before clients and disk get their share
// again.
constexpr uint32_t applies_per_turn = 4096;

}  // namespace

void Core::apply_committed() {
    uint64_t end = std::min(quorum_->committed(), state_->zxid() + applies_per_turn);
    if (mutated(Mutation::apply_uncommitted)) end = log_->last_zxid();
    if (snapshot_due_) end = std::min(end, std::max(log_->durable_zxid(), state_->zxid()));
    // Nothing is appended meanwhile, so what the entries point to stays where it is.
    Entry entries[Tree::Ahead::most];
    Tree::Ahead ahead(state_->tree);
    for (size_t changed = 0; state_->zxid() < end && changed < applies_per_turn;) {
        size_t count = std::min<uint64_t>(std::size(entries), end - state_->zxid());
        ahead.clear();
        for (size_t i = 0; i < count; ++i) {
            entries[i] = log_->at(state_->zxid() + 1 + i);
            ahead.add(path_of(entries[i].body));
        }
        ahead.fetch();
        for (size_t i = 0; i < count && changed < applies_per_turn; ++i) {
            apply(entries[i], ahead.key(i));
            changed += state_->changes.size();
        }
    }
    log_->release(state_->zxid());
}

void Core::apply(const Entry& entry, const PathKey& known) {
    pass_barriers(entry);
    reply_.clear();
    Applied applied = state_->apply(entry, reply_, known);
    ++metrics_.commits;
    if (entry.op == entry_op::readmit) admit(entry);
    if (!mutated(Mutation::event_after_reply)) tell(entry);
    answer_origin(entry, applied);
    if (mutated(Mutation::event_after_reply)) tell(entry);
    note_digest();
}

// A write that was asked behind a sync comes into the log behind all that the sync is to see. So
// when the write's turn has come, so has the sync's; and it must not be answered after the write.
void Core::pass_barriers(const Entry& entry) {
    if (entry.origin.node != node_number_) return;
    Client* client = find_client(static_cast<ClientId>(entry.origin.request >> 32));
    if (client == nullptr || client->attach != entry.origin.client) return;
    while (!client->gone && !client->idle() && client->front().kind == PendingKind::sync) {
        client->barrier_passed = client->front().barrier;
        answer_queue(*client);
    }
}

// Sends the entry's events. One event's packet is made once, however many wait for it.
void Core::tell(const Entry& entry) {
    const Event* made = nullptr;
    for (const Event& event : state_->events()) {
        Client* client = find_client(event.client);
        if (client == nullptr || client->gone) continue;
        Identities who = client->identities(client->identity_count());
        if (!state_->allows(event.acl, perm::read, who)) continue;
        if (made == nullptr || made->type != event.type || made->path != event.path) {
            made = &event;
            event_.clear();
            size_t at = begin_frame(event_);
            write_reply_header(event_, {.xid = xid_notification,
                                        .zxid = static_cast<int64_t>(entry.zxid),
                                        .err = Err::ok});
            encode(event_, WatcherEvent{.type = event.type,
                                        .state = state_sync_connected,
                                        .path = event.path});
            end_frame(event_, at);
        }
        client->out.append(event_.bytes());
        ++client->counts.sent;
        ++metrics_.packets_sent;
        mark_dirty(*client);
    }
}

void Core::answer_origin(const Entry& entry, const Applied& applied) {
    // Whoever asked for a session may be gone by now: it has a deadline from its first moment. Who
    // took it over may have asked for more time, and this node will hear of him only later.
    bool made = entry.op == static_cast<int32_t>(Op::create_session) ||
                entry.op == entry_op::upgrade_session || entry.op == entry_op::attach_session;
    if (made && applied.err == Err::ok)
        state_->sessions.touch(state_->sessions.find(Reader(reply_.bytes()).i64()), clock_ms());
    Client* client = nullptr;
    if (entry.origin.node == node_number_) {
        client = find_client(static_cast<ClientId>(entry.origin.request >> 32));
        bool same = client != nullptr && client->attach == entry.origin.client && !client->gone;
        if (!same || applied.held) client = nullptr;
    }
    if (client != nullptr) {
        ASSERT(!client->idle());
        Pending pending = client->front();
        ASSERT(pending.kind == PendingKind::write || pending.kind == PendingKind::connect ||
               pending.kind == PendingKind::close || pending.kind == PendingKind::upgrade);
        pop(*client);
        if (applied.moved) {
            drop(*client, "its session moved");
        } else if (pending.kind == PendingKind::connect) {
            answer_connect(*client, applied);
        } else if (pending.kind == PendingKind::upgrade) {
            client->slot = state_->sessions.find(client->session);
            if (applied.err != Err::ok) drop(*client, "its local session could not be upgraded");
            answer_queue(*client);
        } else {
            write_reply(*client, pending, static_cast<int64_t>(entry.zxid), applied.err,
                        reply_.bytes());
            answer_queue(*client);
        }
    }
    // A session that came back elsewhere takes the connection along that it has here; so does one
    // that came back here, to a connection that is gone by now.
    if (entry.op == entry_op::attach_session && applied.err == Err::ok && client == nullptr)
        settle_session(entry.session, "its session came back elsewhere");
    // And so does one that ended.
    if (entry.op == static_cast<int32_t>(Op::close_session) && !applied.moved)
        settle_session(entry.session, "its session ended");
}

void Core::answer_connect(Client& client, const Applied& applied) {
    if (applied.err != Err::ok) return refuse_connect(client);
    Reader in(reply_.bytes());
    ConnectResponse answer;
    answer.session = in.i64();
    answer.timeout_ms = in.i32();
    answer.password = in.bytes(password_size);
    answer.has_read_only = client.has_read_only;
    ASSERT(in.ok());
    if (client.seen > static_cast<int64_t>(state_->zxid()) && !mutated(Mutation::connect_ahead))
        return drop(client, "client is ahead");
    client.slot = state_->sessions.find(answer.session);
    ASSERT(client.slot != 0);
    welcome(client, answer);
}

// The session is this client's from now on.
void Core::welcome(Client& client, const ConnectResponse& answer) {
    size_t at = begin_frame(client.out);
    encode(client.out, answer);
    end_frame(client.out, at);
    client.stage = Stage::open;
    client.session = answer.session;
    // Two attaches may have been on their way at once; the later one in the log has the session.
    settle_session(answer.session, "its session came back on another connection");
    by_session_[answer.session] = client.id;
    hear(client);
    ++client.counts.sent;
    ++metrics_.packets_sent;
    mark_dirty(client);
    LOG(debug, "session 0x%llx on %s, time-out %d ms",
        static_cast<unsigned long long>(answer.session), ip_text(client.from).c_str(),
        answer.timeout_ms);
}

// What every client takes for an expired session: no time-out, no id, a password of zeros.
void Core::refuse_connect(Client& client) {
    static constexpr uint8_t zeros[password_size] = {};
    ConnectResponse answer;
    answer.password = Bytes(zeros, password_size);
    answer.has_read_only = client.has_read_only;
    size_t at = begin_frame(client.out);
    encode(client.out, answer);
    end_frame(client.out, at);
    drop(client, "no such session, or not its password");
}

// Answers from the front of the queue up to the next request that waits for an entry.
void Core::answer_queue(Client& client) {
    while (!client.gone && !client.idle()) {
        Pending pending = client.front();
        if (pending.kind == PendingKind::write || pending.kind == PendingKind::close ||
            pending.kind == PendingKind::upgrade)
            return;
        uint64_t reached = std::max(barrier_reached_, client.barrier_passed);
        if (mutated(Mutation::sync_without_barrier)) reached = pending.barrier;
        if (pending.kind == PendingKind::sync && pending.barrier > reached) {
            if (!client.at_barrier) at_barrier_.push_back(client.id);
            client.at_barrier = true;
            return;
        }
        pop(client);
        if (pending.kind == PendingKind::end_local) return end_local(client, pending);
        bool held = pending.kind == PendingKind::read || pending.kind == PendingKind::sync;
        answer_read(client, pending,
                    held ? client.held.bytes().first(pending.size) : Bytes());
        if (client.gone || !held) continue;
        client.held.consume(pending.size);
        held_bytes_ -= pending.size;
        if (client.held.empty() && client.held.capacity() > 4096) client.held.reset();
        drop_if_unread(client, client.out.size() + client.unsent);
    }
}

void Core::pop(Client& client) {
    if (client.front().op == static_cast<int32_t>(Op::reconfig)) client.changing = false;
    if (client.front().kind == PendingKind::write) {
        client.forwarded -= client.front().size;
        forwarded_ -= client.front().size;
    }
    client.pop();
    --outstanding_;
    if (!client.idle()) return;
    promised_ -= client.promised;
    client.promised = client.largest = 0;
}

void Core::answer_read(Client& client, const Pending& pending, Bytes body,
                       const PathKey& known) {
    // Taken before the read: a header must never be newer than what the reply shows.
    int64_t zxid = static_cast<int64_t>(state_->zxid());
    if (pending.kind == PendingKind::refuse_and_close) {
        write_reply(client, pending, -1, static_cast<Err>(static_cast<int32_t>(pending.size)), {});
        return drop(client, "an operation that there is not");
    }
    if (pending.kind == PendingKind::refuse)
        return write_reply(client, pending, zxid,
                           static_cast<Err>(static_cast<int32_t>(pending.size)), {});
    if (pending.op == static_cast<int32_t>(Op::ping)) {
        Pending ping = pending;
        ping.xid = xid_ping;
        return write_reply(client, ping, zxid, Err::ok, {});
    }
    Caller caller{.client = client.id,
                  .session = client.session,
                  .identities = client.identities(pending.identities)};
    size_t start = client.out.size();
    notices_.clear();
    size_t at = begin_frame(client.out);
    write_reply_header(client.out, {.xid = pending.xid, .zxid = zxid, .err = Err::ok});
    Err err =
        state_->read(static_cast<Op>(pending.op), body, caller, client.out, notices_, known);
    if (err == Err::system_error && may_complain(Complaint::reply))
        LOG(warn, "a %s of %s refused: its reply would be longer than maxResponseBytes, %llu",
            find_command(pending.op)->name.data(), ip_text(client.from).c_str(),
            static_cast<unsigned long long>(config_.response_bytes_max));
    if (!notices_.empty()) {
        client.out.truncate(start);
        client.out.append(notices_.bytes());
        made_ += notices_.size();
        return write_reply(client, pending, zxid, err, {});
    }
    client.out.patch_u32(at + 16, static_cast<uint32_t>(err));
    end_frame(client.out, at);
    account(client, pending, zxid, client.out.size() - start);
}

void Core::write_reply(Client& client, const Pending& pending, int64_t zxid, Err err,
                       Bytes body) {
    size_t at = begin_frame(client.out);
    write_reply_header(client.out, {.xid = pending.xid, .zxid = zxid, .err = err});
    if (err == Err::ok) client.out.append(body);
    end_frame(client.out, at);
    account(client, pending, zxid, client.out.size() - at);
}

void Core::account(Client& client, const Pending& pending, int64_t zxid, size_t bytes) {
    uint64_t latency_ms = (now_us_ - pending.came_us) / 1000;
    metrics_.latency_ms.add(latency_ms);
    (pending.kind == PendingKind::write ? metrics_.update_latency_ms : metrics_.read_latency_ms)
        .add(latency_ms);
    ++metrics_.packets_sent;
    made_ += bytes;
    metrics_.reply_bytes_last = bytes;
    metrics_.reply_bytes_max = std::max<uint64_t>(metrics_.reply_bytes_max, bytes);
    if (metrics_.reply_bytes_min == 0 || bytes < metrics_.reply_bytes_min)
        metrics_.reply_bytes_min = bytes;
    Client::Counts& counts = client.counts;
    ++counts.sent;
    counts.last_op = pending.op;
    counts.last_xid = pending.xid;
    counts.last_zxid = zxid;
    counts.last_response_ms = now_us_ / 1000;
    counts.last_latency_ms = static_cast<uint32_t>(latency_ms);
    counts.min_latency_ms = std::min(counts.min_latency_ms, counts.last_latency_ms);
    counts.max_latency_ms = std::max(counts.max_latency_ms, counts.last_latency_ms);
    counts.total_latency_ms += latency_ms;
    mark_dirty(client);
}

}  // namespace zk
