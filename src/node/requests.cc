// requests.cc -- from bytes to requests: frames, handshake, identities, proposals.
//
// A frame is looked at where it lies. A write becomes an entry at once; a read is answered at once
// unless its client has a write in flight, behind which it then waits. A client that has too much
// outstanding is not read on: its frames stay in `in` until there is room.

#include <openssl/crypto.h>

#include <algorithm>

#include "node/core.h"

namespace zk {

namespace {

constexpr size_t output_bytes_soft = 4u << 20;  // of one client: then no more of it is taken
constexpr size_t output_bytes_little = 16u << 10;  // or of this, where all have much
constexpr size_t forwarded_max = 32u << 20;      // of all clients: the leader must hold them
constexpr size_t child_bytes = 32;               // of a name in a reply, about

bool looks_like_http(uint32_t word) {
    return word == 0x47455420 /* GET  */ || word == 0x504f5354 /* POST */ ||
           word == 0x48454144 /* HEAD */ || word == 0x50555420 /* PUT  */ ||
           word == 0x4f505449 /* OPTI */ || word == 0x434f4e4e /* CONN */;
}

bool looks_like_tls(uint32_t word) {
    return (word >> 8) == 0x160301 || (word >> 8) == 0x160302 || (word >> 8) == 0x160303;
}

// Is it answered without a quorum? ZooKeeper refuses the rest by one error.
bool serves_readers(const Command& command) {
    if (command.op == Op::sync || command.op == Op::check || command.op == Op::delete_container)
        return false;
    return command.kind != CommandKind::write;
}

}  // namespace

bool Core::open(ClientId id, const Address& from) {
    std::string ip = ip_text(from);
    uint32_t& count = per_address_[ip];
    uint32_t most = config_.clients_per_address_max;
    if ((most > 0 && count >= most) ||
        (config_.clients_max > 0 && client_count_ >= config_.clients_max)) {
        bool all = !(most > 0 && count >= most);
        ++metrics_.connections_rejected;
        if (may_complain(Complaint::refused))
            LOG(warn, "connection from %s refused: %s %u reached", ip.c_str(),
                all ? "maxCnxns" : "maxClientCnxns", all ? config_.clients_max : most);
        if (count == 0) per_address_.erase(ip);
        return false;
    }
    if (stage_ != StopStage::running) return false;
    ++count;
    ++client_count_;
    if (id >= clients_.size()) clients_.resize(id + 1);
    ASSERT(clients_[id] == nullptr);
    now_us_ = io_.now_us();
    clients_[id] = std::make_unique<Client>(id, next_attach_++, from, now_us_);
    clients_[id]->counts.established_ms = io_.wall_ms();
    if (config_.handshake_timeout_ms > 0) {
        uint64_t deadline = now_us_ + static_cast<uint64_t>(config_.handshake_timeout_ms) * 1000;
        handshakes_.push_back(
            {.deadline_us = deadline, .client = id, .attach = clients_[id]->attach});
    }
    return true;
}

void Core::take(const Happening& happening) {
    Client* client = find_client(happening.client);
    if (client == nullptr || client->gone) return;
    switch (happening.kind) {
    case Happening::Kind::bytes: take_bytes(*client, happening.bytes); break;
    case Happening::Kind::drained:
        set_unsent(*client, 0);
        break;
    // A client that is done sending is done: its session lives on until it comes back or expires.
    case Happening::Kind::end: drop(*client, "the client closed the connection"); break;
    case Happening::Kind::reset: drop(*client, "the connection broke"); break;
    case Happening::Kind::dialed: break;
    }
}

void Core::take_bytes(Client& client, Bytes bytes) {
    metrics_.bytes_received += bytes.size();
    if (client.stage == Stage::leaving) return;
    if (client.in.empty()) {
        size_t used = take_frames(client, bytes);
        if (client.gone || used == bytes.size()) return;
        bytes = bytes.subspan(used);
        client.in.append(bytes);
        held_bytes_ += bytes.size();
    } else {
        client.in.append(bytes);
        held_bytes_ += bytes.size();
        size_t used = take_frames(client, client.in.bytes());
        if (client.gone) return;
        client.in.consume(used);
        held_bytes_ -= used;
        if (client.in.empty()) client.in.reset();
    }
    if (held_bytes_ > config_.input_max) {
        if (may_complain(Complaint::held))
            LOG(warn,
                "connection from %s closed: the requests of all clients hold more than "
                "totalInputLimit, %llu bytes",
                ip_text(client.from).c_str(), static_cast<unsigned long long>(config_.input_max));
        drop(client, "too many bytes held");
    }
}

bool Core::may_take(const Client& client) const {
    if (client.stage == Stage::connecting || client.stage == Stage::leaving) return false;
    if (client.needs_leader && !may_write() && !serves_read_only()) return false;
    if (client.changing) return false;
    size_t output = client.out.size() + client.unsent + client.promised;
    bool tight = unsent_ + promised_ + made_ >= config_.output_max / 8;
    return !made_enough() && client.queued() < config_.client_outstanding_max &&
           forwarded_ < forwarded_max &&
           output < (tight ? output_bytes_little : output_bytes_soft) &&
           (log_ == nullptr || log_->window_bytes() < config_.input_max / 2);
}

// About how long the reply to a read will be that waits behind a write.
size_t Core::expected_bytes(const Client& client, int32_t op, Bytes body) const {
    switch (static_cast<Op>(op)) {
    case Op::get_data:
    case Op::get_children:
    case Op::get_children2: {
        Reader in(body);
        ZnodeId id = state_->tree.find(read_text(in));
        if (op != static_cast<int32_t>(Op::get_data))
            return id == 0 ? 0 : state_->tree.child_count(id) * child_bytes;
        return std::max(client.largest, id == 0 ? 0 : state_->tree.data(id).size());
    }
    // Of any length; nothing else is taken before it is answered.
    case Op::multi_read:
    case Op::get_ephemerals: return output_bytes_soft;
    default: return 0;
    }
}

// There are frames in `in`, or there will be, that cannot be taken now.
void Core::wait(Client& client) {
    if (!client.paused) {
        client.paused = true;
        io_.pause(client.id, true);
    }
    if (client.waiting) return;
    client.waiting = true;
    waiting_.push_back(client.id);
}

// Brings near what the next reads are about. Returns how many bytes they are.
size_t Core::look_ahead(Tree::Ahead& ahead, Bytes frames) {
    ahead.clear();
    size_t at = 0;
    for (size_t i = 0; i < Tree::Ahead::most && frames.size() - at >= 4; ++i) {
        uint32_t length = load_u32(frames.data() + at);
        if (frames.size() - at - 4 < length || length < request_header_size) break;
        Bytes frame = frames.subspan(at + 4, length);
        const Command* command = find_command(static_cast<int32_t>(load_u32(frame.data() + 4)));
        if (command == nullptr || command->kind != CommandKind::read) break;
        ahead.add(path_of(frame.subspan(request_header_size)));
        at += 4 + length;
    }
    ahead.fetch();
    return at;
}

// Takes whole frames off the front of `bytes`; returns how many bytes that were.
size_t Core::take_frames(Client& client, Bytes bytes) {
    size_t used = 0;
    Tree::Ahead ahead(state_->tree);
    size_t seen = client.stage == Stage::open ? 0 : bytes.size();
    size_t next = 0;
    while (!client.gone && client.stage != Stage::leaving) {
        Bytes rest = bytes.subspan(used);
        if (rest.size() < 4) break;
        // Behind a write reads are for later, and so is it.
        if (used == seen && client.idle()) {
            seen += look_ahead(ahead, rest);
            next = 0;
        }
        if (!may_take(client)) {
            wait(client);
            break;
        }
        uint32_t length = load_u32(rest.data());
        if (client.stage == Stage::fresh && take_word(client, length)) return bytes.size();
        if (client.stage == Stage::fresh && (lost_quorum_ || !taking_part_) &&
            !serves_read_only()) {
            drop(client, "this node has no quorum");
            break;
        }
        if (length > config_.request_bytes_max) {
            if (may_complain(Complaint::large))
                LOG(warn, "connection from %s closed: request of %d bytes, jute.maxbuffer is %llu",
                    ip_text(client.from).c_str(), static_cast<int32_t>(length),
                    static_cast<unsigned long long>(config_.request_bytes_max));
            drop(client, "request too large");
            break;
        }
        if (rest.size() - 4 < length) break;
        if (!may_write() && !serves_read_only() &&
            needs_leader(client, rest.subspan(4, length))) {
            client.needs_leader = true;
            wait(client);
            break;
        }
        client.needs_leader = false;
        used += 4 + length;
        ++metrics_.packets_received;
        ++client.counts.received;
        Bytes frame = rest.subspan(4, length);
        if (client.stage == Stage::fresh)
            connect(client, frame);
        else
            request(client, frame, ahead.key(next++));
    }
    return used;
}

// Is the frame one that goes through the log, or asks the leader?
bool Core::needs_leader(const Client& client, Bytes frame) {
    if (client.stage == Stage::fresh) return true;
    if (frame.size() < 8) return false;
    int32_t op = static_cast<int32_t>(load_u32(frame.data() + 4));
    const Command* command = find_command(op);
    return op == static_cast<int32_t>(Op::sync) || op == static_cast<int32_t>(Op::close_session) ||
           (command != nullptr && command->kind == CommandKind::write);
}

// The first four bytes of a connection may be no length but a word, or another protocol.
bool Core::take_word(Client& client, uint32_t word) {
    char letters[5] = {};
    store_u32(reinterpret_cast<uint8_t*>(letters), word);
    Buffer text;
    if (answer_word(letters, client, text)) {
        client.out.append(text.bytes());
    } else if (looks_like_http(word)) {
        if (may_complain(Complaint::http))
            LOG(warn, "connection from %s closed: an HTTP request on the client port",
                ip_text(client.from).c_str());
        client.out.append(
            "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n"
            "This is the client port of a ZooKeeper server; it does not speak HTTP.\n");
    } else if (looks_like_tls(word)) {
        if (may_complain(Complaint::tls))
            LOG(warn, "connection from %s closed: a TLS hello on the plain client port",
                ip_text(client.from).c_str());
    } else {
        return false;
    }
    drop(client, "answered a word");
    return true;
}

void Core::connect(Client& client, Bytes frame) {
    Reader in(frame);
    ConnectRequest asked;
    decode(in, asked);
    if (!in.ok()) return drop(client, "bad connect request");
    client.seen = asked.last_zxid_seen;
    // What a client saw the leader has committed; another node may not have heard of it yet.
    bool ahead = asked.last_zxid_seen > static_cast<int64_t>(quorum_->committed());
    if (ahead && quorum_->role() == Role::leader) {
        if (may_complain(Complaint::ahead))
            LOG(info, "connection from %s closed: it has seen zxid 0x%llx, this server 0x%llx",
                ip_text(client.from).c_str(), static_cast<unsigned long long>(asked.last_zxid_seen),
                static_cast<unsigned long long>(quorum_->committed()));
        return drop(client, "client is ahead");
    }
    client.has_read_only = asked.has_read_only;
    client.stage = Stage::connecting;
    client.timeout_ms = std::clamp(asked.timeout_ms, config_.session_timeout_min_ms,
                                   config_.session_timeout_max_ms);
    if (connect_local(client, asked)) return;
    body_.clear();
    int32_t op = static_cast<int32_t>(Op::create_session);
    if (asked.session == 0) {
        uint8_t chance[password_size + 2];
        io_.random(chance);
        NewSession record{.timeout_ms = client.timeout_ms,
                          .chance = static_cast<uint16_t>(chance[0] << 8 | chance[1]),
                          .password = Bytes(chance + 2, password_size)};
        encode(body_, record);
    } else {
        // Before the password is even looked at, as in ZooKeeper: two connections never share.
        settle_session(asked.session, "its session came back on another connection");
        // Nobody's, and it may be long: nothing for the log.
        if (asked.password.size() != password_size) return refuse_connect(client);
        op = entry_op::attach_session;
        AttachSession record{.timeout_ms = client.timeout_ms, .password = asked.password};
        encode(body_, record);
    }
    client.session = asked.session;
    submit(next_origin(client), asked.session, op, {}, body_.bytes());
    enqueue(client, {.kind = PendingKind::connect,
                     .identities = 1,
                     .xid = 0,
                     .op = static_cast<int32_t>(Op::create_session),
                     .size = 0,
                     .came_us = now_us_});
}

Origin Core::next_origin(Client& client) {
    return {.node = node_number_,
            .client = client.attach,
            .request = uint64_t{client.id} << 32 | (client.requests++ & 0xffffffff)};
}

void Core::enqueue(Client& client, const Pending& pending) {
    client.push(pending);
    ++outstanding_;
}

// Who comes back in time, here or elsewhere, must not be expired while the entry is on its way.
void Core::touch_if_known(int64_t id, Bytes body) {
    AttachSession asked;
    Reader in(body);
    decode(in, asked);
    SessionSlot slot = state_->sessions.find(id);
    if (slot == 0 || asked.password.size() != password_size) return;
    const Session& session = state_->sessions[slot];
    if (CRYPTO_memcmp(asked.password.data(), session.password, password_size) != 0) return;
    state_->sessions.touch(slot, clock_ms());
}

// Ends the connection that this node has for the session, if it has one.
void Core::settle_session(int64_t session, const char* why) {
    auto found = by_session_.find(session);
    if (found == by_session_.end()) return;
    Client* other = find_client(found->second);
    ASSERT(other != nullptr);
    drop(*other, why);
}

void Core::request(Client& client, Bytes frame, const PathKey& known) {
    Reader in(frame);
    RequestHeader header = read_request_header(in);
    if (!in.ok()) return drop(client, "no request header");
    Bytes body = in.rest();
    hear(client);
    Pending pending{.kind = PendingKind::read,
                    .identities = static_cast<uint16_t>(client.identity_count()),
                    .xid = header.xid,
                    .op = header.op,
                    .size = 0,
                    .came_us = now_us_};
    if (header.op == static_cast<int32_t>(Op::auth)) return request_auth(client, header.xid, body);
    if (header.op == static_cast<int32_t>(Op::sasl)) {
        // Not configured here: ZooKeeper says yes to everything, with a null token.
        body_.clear();
        write_buffer(body_, {});
        return write_reply(client, pending, 0, Err::ok, body_.bytes());
    }
    const Command* command = find_command(header.op);
    if (client.read_only && command != nullptr && !serves_readers(*command)) {
        pending.kind = PendingKind::refuse;
        pending.size = static_cast<uint32_t>(Err::not_read_only);
    } else if (command == nullptr || command->kind == CommandKind::refused) {
        pending.kind = PendingKind::refuse_and_close;
        pending.size = static_cast<uint32_t>(Err::unimplemented);
    } else if (header.op == static_cast<int32_t>(Op::close_session)) {
        return request_close(client, pending);
    } else if (command->kind == CommandKind::write) {
        return request_write(client, pending, body);
    } else if (command->op == Op::sync) {
        return request_sync(client, pending, body);
    }
    if (client.idle() || mutated(Mutation::read_overtakes)) {
        answer_read(client, pending, body, known);
        return;
    }
    if (pending.kind == PendingKind::read) {
        pending.size = static_cast<uint32_t>(body.size());
        client.held.append(body);
        held_bytes_ += body.size();
        size_t promised = expected_bytes(client, pending.op, body);
        client.promised += promised;
        promised_ += promised;
    }
    enqueue(client, pending);
}

// Asks for a barrier, the turn's: see quorum.h, rule 4.
void Core::request_sync(Client& client, Pending pending, Bytes body) {
    if (turn_barrier_ == 0) turn_barrier_ = quorum_->ask_barrier();
    pending.kind = PendingKind::sync;
    pending.barrier = turn_barrier_;
    pending.size = static_cast<uint32_t>(body.size());
    client.held.append(body);
    held_bytes_ += body.size();
    bool first = client.idle();
    enqueue(client, pending);
    if (first) answer_queue(client);
}

void Core::request_write(Client& client, Pending pending, Bytes body) {
    Err err = Err::ok;
    if (!State::well_formed(pending.op, body)) {
        err = Err::marshalling_error;
    } else if (full() && !admitted_when_full(pending.op, body)) {
        ++metrics_.entries_refused_full;
        err = Err::system_error;
    } else {
        pending.kind = PendingKind::write;
        if (quorum_->role() != Role::leader) pending.size = static_cast<uint32_t>(body.size());
        client.forwarded += pending.size;
        forwarded_ += pending.size;
        client.largest = std::max(client.largest, body.size());
        bool upgrade = client.local && config_.local_sessions_upgrading &&
                       makes_ephemeral(static_cast<Op>(pending.op), body);
        if (upgrade) make_global(client, PendingKind::upgrade);
        submit(next_origin(client), client.local ? 0 : client.session, pending.op,
               client.identity_bytes(pending.identities), body);
        enqueue(client, pending);
        client.changing = pending.op == static_cast<int32_t>(Op::reconfig);
        return;
    }
    pending.kind = PendingKind::refuse;
    pending.size = static_cast<uint32_t>(err);
    if (client.idle()) {
        answer_read(client, pending, {});
        return;
    }
    enqueue(client, pending);
}

void Core::request_close(Client& client, Pending pending) {
    client.stage = Stage::leaving;
    if (client.local) {
        pending.kind = PendingKind::end_local;
        bool first = client.idle();
        enqueue(client, pending);
        if (first) answer_queue(client);
        return;
    }
    pending.kind = PendingKind::close;
    submit(next_origin(client), client.session, pending.op, {}, {});
    enqueue(client, pending);
}

// What may still be written where the disk has no room: what frees some, and sessions.
bool Core::admitted_when_full(int32_t op, Bytes body) {
    if (op == static_cast<int32_t>(Op::remove)) return true;
    if (op != static_cast<int32_t>(Op::multi)) return false;
    Reader in(body);
    for (;;) {
        MultiHeader header;
        decode(in, header);
        if (header.done || !in.ok()) return in.ok();
        Op part = static_cast<Op>(header.type);
        if (part != Op::remove && part != Op::check) return false;
        PathVersion record;
        decode(in, record);
    }
}

void Core::propose(const Origin& origin, int64_t session, int32_t op, Bytes ids, Bytes body) {
    ASSERT(quorum_->role() == Role::leader);
    if (op == entry_op::attach_session) touch_if_known(session, body);
    if (op == static_cast<int32_t>(Op::reconfig) && links_ != nullptr)
        return propose_reconfig(origin, session, ids, body);
    Entry entry{.term = quorum_->term(),
                .zxid = 0,
                .time_ms = io_.wall_ms(),
                .origin = origin,
                .session = session,
                .op = op,
                .ids = ids,
                .body = body};
    metrics_.proposal_bytes_last = encoded_size(entry);
    metrics_.proposal_bytes.add(metrics_.proposal_bytes_last);
    entry.zxid = log_->append(entry);
    quorum_->appended(entry.zxid);
    note_membership(entry);
}

// addauth takes effect at once, ahead of what is queued; queued requests keep what they came with.
void Core::request_auth(Client& client, int32_t xid, Bytes body) {
    Reader in(body);
    AuthPacket packet;
    decode(in, packet);
    if (!in.ok()) return drop(client, "bad auth packet");
    Err err = authenticate(client, packet);
    Pending pending{.kind = PendingKind::read,
                    .identities = 1,
                    .xid = xid,
                    .op = static_cast<int32_t>(Op::auth),
                    .size = 0,
                    .came_us = now_us_};
    write_reply(client, pending, 0, err, {});
    if (err == Err::ok) return;
    ++metrics_.auth_failed;
    if (may_complain(Complaint::auth))
        LOG(info, "authentication of %s by scheme %.*s failed", ip_text(client.from).c_str(),
            static_cast<int>(std::min<size_t>(packet.scheme.size(), 64)), packet.scheme.data());
    drop(client, "authentication failed");
}

Err Core::authenticate(Client& client, const AuthPacket& packet) {
    if (packet.scheme == "ip") return Err::ok;
    if (packet.scheme != "digest") return Err::auth_failed;
    if (packet.auth.data() == nullptr) return Err::auth_failed;
    std::string id = digest_id(as_text(packet.auth));
    if (!config_.super_digest.empty() && id == config_.super_digest &&
        !client.add_identity("super", ""))
        return Err::auth_failed;
    if (client.add_identity("digest", id)) return Err::ok;
    LOG(warn, "%s has more than %zu bytes of identities", ip_text(client.from).c_str(),
        Client::identity_bytes_max);
    return Err::auth_failed;
}

}  // namespace zk
