// client.cc -- see client.h.
//
// The happy path: connect_next, open_link, send_handshake, take_handshake, connection_up, then
// take_bytes for ever. Every failure of a connection ends in connection_lost, which fails what was
// sent and plans the next attempt; every end of a session in die or finish_close.

#include "client/client.h"

#include <algorithm>

#include "client/calls.h"

namespace zk {

namespace {

constexpr uint64_t retry_ms_first = 50;  // after a whole round of servers; doubles up to the next
constexpr uint64_t retry_ms_max = 1000;
constexpr uint64_t attempt_ms_max = 10'000;
constexpr uint64_t attempt_ms_first = 1000;  // of several servers; doubles each round
constexpr uint64_t ping_ms_max = 10'000;
constexpr uint64_t close_ms_max = 2'000;
constexpr size_t handshake_bytes_max = 1024;

Client* client_of(void* data) { return static_cast<Client*>(data); }

uint64_t next_random(uint64_t& seed) {  // splitmix64
    seed += 0x9e3779b97f4a7c15;
    uint64_t mixed = seed;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
    return mixed ^ (mixed >> 31);
}

}  // namespace

Client::Client(uv_loop_t* loop, ClientOptions options)
    : loop_(loop), options_(std::move(options)), seed_(options_.seed) {
    ASSERT(!options_.servers.empty());
    if (seed_ == 0) seed_ = uv_hrtime();
    if (options_.shuffle)
        for (size_t i = options_.servers.size(); i > 1; --i)
            std::swap(options_.servers[i - 1], options_.servers[next_random(seed_) % i]);
    session_ = options_.session;
    password_ = options_.password;
    password_.resize(password_size);
    timeout_ms_ = options_.session_timeout_ms;

    uv_prepare_init(loop, &flush_);
    flush_.data = this;
    uv_timer_init(loop, &timer_);
    timer_.data = this;
    uv_update_time(loop);
    open_link();
    arm_timer();
}

Client::~Client() { ASSERT(handles_ == 0); }

std::string Client::server() const {
    if (link_ != nullptr && !link_->address().empty()) return link_->address();
    return to_text(options_.servers[server_]);
}

// -- requests ------------------------------------------------------------------------------------

void Client::request(Op op, Bytes body, OnReply done) {
    begin_request(op).append(body);
    end_request(done);
}

Buffer& Client::begin_request(Op op) {
    building_at_ = begin_frame(out_);
    building_op_ = op;
    write_request_header(out_, next_xid_, op);
    return out_;
}

void Client::end_request(OnReply done) {
    end_frame(out_, building_at_);
    Pending row{.done = done, .xid = next_xid_, .op = building_op_, .watched = false};
    next_xid_ = next_xid_ == INT32_MAX ? 1 : next_xid_ + 1;
    if (options_.keep_watches) row.watched = note_asked();
    pending_.push(row);
    if (!probe_.out) begin_probe(row.xid);
    if (shook_hands_) {
        if (uv_is_active(reinterpret_cast<uv_handle_t*>(&flush_)) == 0)
            uv_prepare_start(&flush_, on_prepare);
    } else if (is_final(state_)) {
        uv_timer_start(&timer_, on_alarm, 0, 0);
    }
}

// Whether the request just built is about a watch, which its reply will decide on.
bool Client::note_asked() {
    Bytes body = out_.bytes().subspan(building_at_ + 12);
    std::string_view path;
    Watches::Kind kind = Watches::asked(building_op_, body, path);
    WatcherType type = WatcherType::any;
    if (building_op_ == Op::remove_watches) {
        Reader in(body);
        PathNumber record;
        decode(in, record);
        path = record.path;
        type = static_cast<WatcherType>(record.number);
    } else if (kind == Watches::none) {
        return false;
    }
    watching_.push_back({.kind = kind, .type = type, .path = std::string(path)});
    return true;
}

void Client::on_prepare(uv_prepare_t* handle) { client_of(handle->data)->flush(); }
void Client::on_alarm(uv_timer_t* timer) { client_of(timer->data)->on_timer(); }

void Client::flush() {
    if (uv_is_active(reinterpret_cast<uv_handle_t*>(&flush_))) uv_prepare_stop(&flush_);
    if (!shook_hands_ || out_.empty()) return;
    sent_at_ms_ = now_ms();
    link_->send(out_);
}

void Client::add_auth(std::string_view scheme, Bytes auth, OnReply done) {
    auths_.push_back({.scheme = std::string(scheme),
                      .auth = std::string(as_text(auth)),
                      .done = done});
    if (is_final(state_) || closing_) {
        // Told with the others that fail.
        begin_request(Op::auth);
        end_request(done);
        auths_.pop_back();
        return;
    }
    if (!shook_hands_) return;
    ask_auth(auths_.back(), out_);
    ++auths_sent_;
    flush();
}

void Client::ask_auth(const Auth& auth, Buffer& out) {
    size_t frame = begin_frame(out);
    write_request_header(out, xid_auth, Op::auth);
    encode(out, AuthPacket{.type = 0, .scheme = auth.scheme, .auth = as_bytes(auth.auth)});
    end_frame(out, frame);
}

// -- connecting ----------------------------------------------------------------------------------

// The next address of this server, else the next server; a pause after each round of all servers.
void Client::connect_next() {
    uint32_t choices = link_ != nullptr ? link_->choices() : 1;
    cut_link();
    if (choice_ + 1 < choices) {
        ++choice_;
        retry_at_ms_ = now_ms();
        return;
    }
    choice_ = 0;
    server_ = (server_ + 1) % options_.servers.size();
    ++failures_;
    uint64_t pause = 0;
    if (failures_ % options_.servers.size() == 0) {
        size_t rounds = std::min<size_t>(failures_ / options_.servers.size(), 10);
        pause = std::min(retry_ms_first << (rounds - 1), retry_ms_max);
        // Not all clients of a server that died are to come at the same moment.
        if (options_.shuffle) pause = pause / 2 + next_random(seed_) % pause;
    }
    retry_at_ms_ = now_ms() + pause;
}

void Client::open_link() {
    LinkEvents events;
    events.context = this;
    events.on_open = [](void* context) { client_of(context)->send_handshake(); };
    events.on_bytes = [](void* context, Buffer& in) { client_of(context)->take_bytes(in); };
    events.on_writable = [](void* context) { client_of(context)->flush(); };
    events.on_failed = [](void* context, std::string why) {
        client_of(context)->connection_lost(std::move(why));
    };
    link_ = Link::open(loop_, options_.servers[server_], choice_, events);
    uint64_t patience = options_.connect_timeout_ms;
    if (patience == 0) {
        patience = static_cast<uint64_t>(std::max(timeout_ms_, 1)) / options_.servers.size();
        patience = std::clamp<uint64_t>(patience, 100, attempt_ms_max);
        // A server that stalls takes connections and says nothing: the others are asked soon.
        size_t rounds = std::min<size_t>(failed_rounds(), 8);
        if (options_.servers.size() > 1) patience = std::min(patience, attempt_ms_first << rounds);
    }
    give_up_at_ms_ = now_ms() + (link_->refused().empty() ? patience : 0);
}

void Client::send_handshake() {
    Buffer hello;
    size_t frame = begin_frame(hello);
    encode(hello, ConnectRequest{.last_zxid_seen = last_zxid_,
                                 .timeout_ms = options_.session_timeout_ms,
                                 .session = session_,
                                 .password = as_bytes(password_),
                                 .read_only = options_.read_only});
    end_frame(hello, frame);
    link_->send(hello);
    probe_ = {.out = true, .xid = 0, .sent_at_ms = now_ms()};
}

void Client::take_handshake(Bytes frame) {
    Reader in(frame);
    ConnectResponse welcome;
    decode(in, welcome);
    if (!in.ok()) {
        connection_lost(link_->address() + " does not speak the ZooKeeper protocol");
        return;
    }
    if (welcome.timeout_ms <= 0) {
        die(ClientState::expired);
        return;
    }
    session_ = welcome.session;
    password_ = as_text(welcome.password);
    password_.resize(password_size);
    timeout_ms_ = welcome.timeout_ms;
    connection_up(welcome.read_only);
}

// Who we are, what we watch, then what was waiting: in this order, as ZooKeeper's own client does.
void Client::connection_up(bool read_only) {
    shook_hands_ = true;
    failures_ = 0;
    end_probe(0);
    heard_at_ms_ = sent_at_ms_ = now_ms();
    Buffer first;
    for (const Auth& auth : auths_) ask_auth(auth, first);
    auths_sent_ = auths_.size();
    auths_answered_ = 0;
    watches_.encode_all(first, last_zxid_);
    first.append(out_.bytes());
    out_.swap(first);
    flush();
    arm_timer();
    report(read_only ? ClientState::connected_read_only : ClientState::connected);
}

void Client::cut_link() {
    if (link_ != nullptr) link_->close();
    link_ = nullptr;
    shook_hands_ = false;
    probe_.out = false;
}

void Client::connection_lost(std::string why) {
    bool was_up = shook_hands_;
    if (closing_) {
        finish_close();
        return;
    }
    connect_next();
    if (was_up) retry_at_ms_ = now_ms();
    state_ = ClientState::connecting;
    arm_timer();
    if (was_up) {
        out_.clear();
        fail_pending(Err::connection_loss);
    }
    if (options_.events.on_trouble != nullptr)
        options_.events.on_trouble(options_.events.context, why);
    if (was_up && !closing_) report(ClientState::connecting);
}

void Client::reconnect() {
    if (link_ != nullptr && !closing_) connection_lost("connection given up");
}

// -- bytes ---------------------------------------------------------------------------------------

void Client::take_bytes(Buffer& in) {
    heard_at_ms_ = now_ms();
    Link* link = link_;
    // Consumed at the end: replies are read where they lie. A link that was cut lives on until
    // libuv calls back, and so do its bytes.
    size_t done = 0;
    while (in.size() - done >= 4) {
        const uint8_t* at = in.data() + done;
        size_t size = load_u32(at);
        size_t limit = shook_hands_ ? options_.reply_bytes_max : handshake_bytes_max;
        if (size > limit) {
            connection_lost(shook_hands_
                                ? link->address() + " sent a frame of " + std::to_string(size) +
                                      " bytes, more than " + std::to_string(limit)
                                : link->address() + " does not speak the ZooKeeper protocol");
            return;
        }
        if (in.size() - done - 4 < size) {
            link->expect(size + 4);
            break;
        }
        link->expect(0);
        done += 4 + size;
        if (!take_frame({at + 4, size}) || link_ != link) return;
    }
    in.consume(done);
}

bool Client::take_frame(Bytes frame) {
    if (!shook_hands_) {
        take_handshake(frame);
        return shook_hands_;
    }
    Reader in(frame);
    ReplyHeader header = read_reply_header(in);
    if (!in.ok()) {
        connection_lost(link_->address() + " sent a reply that is too short");
        return false;
    }
    switch (header.xid) {
    case xid_notification: take_event(header, in.rest()); return shook_hands_;
    case xid_ping: end_probe(xid_ping); return true;
    case xid_set_watches: return true;
    case xid_auth: take_auth_reply(header); return shook_hands_;
    default: return take_reply(header, in.rest());
    }
}

bool Client::take_reply(const ReplyHeader& header, Bytes body) {
    if (pending_.empty() || pending_.front().xid != header.xid) [[unlikely]] {
        connection_lost(link_->address() + " sent a reply that was not next in order");
        return false;
    }
    Pending request = pending_.pop();
    end_probe(request.xid);
    if (header.zxid > 0) last_zxid_ = header.zxid;
    if (request.watched) note_watch(header.err);
    if (request.done.run != nullptr)
        request.done.run(request.done.context, request.done.tag, header, body);
    if (closing_ && request.op == Op::close_session) {
        finish_close();
        return false;
    }
    return true;
}

void Client::note_watch(Err err) {
    Watching row = std::move(watching_.front());
    watching_.pop_front();
    if (row.kind != Watches::none)
        watches_.noted(row.kind, row.path, err);
    else if (err == Err::ok)
        watches_.removed(row.path, row.type);
}

void Client::take_event(const ReplyHeader& header, Bytes body) {
    Reader in(body);
    WatcherEvent event;
    decode(in, event);
    if (!in.ok()) {
        connection_lost(link_->address() + " sent an event that cannot be read");
        return;
    }
    watches_.fired(event.type, event.path);
    if (options_.events.on_watch == nullptr) return;
    event.path = local_path(options_.chroot, event.path);
    options_.events.on_watch(options_.events.context, event, header.zxid);
}

void Client::take_auth_reply(const ReplyHeader& header) {
    if (auths_answered_ == auths_sent_) {
        connection_lost(link_->address() + " sent an authentication reply that nobody asked for");
        return;
    }
    OnReply done = std::exchange(auths_[auths_answered_++].done, OnReply());
    if (header.err != Err::ok) die(ClientState::auth_failed);
    if (done.run != nullptr) done.run(done.context, done.tag, header, {});
}

// -- time ----------------------------------------------------------------------------------------

uint64_t Client::silence_max_ms() const {
    return static_cast<uint64_t>(timeout_ms_) * 2 / (watchful_ ? 6 : 3);
}

uint64_t Client::ping_after_ms() const {
    return std::min(static_cast<uint64_t>(timeout_ms_) / (watchful_ ? 6 : 3), ping_ms_max);
}

void Client::watchful(bool on) {
    watchful_ = on;
    if (!closing_) arm_timer();
}

// One probe at a time is enough; what is said of it may be early, never late.
void Client::begin_probe(int32_t xid) {
    probe_ = {.out = true, .xid = xid, .sent_at_ms = now_ms()};
}

void Client::end_probe(int32_t xid) {
    if (!probe_.out || probe_.xid != xid) return;
    probe_.out = false;
    renewed_at_ms_ = std::max(renewed_at_ms_, probe_.sent_at_ms);
}

void Client::arm_timer() {
    uint64_t at = 0;
    if (closing_) at = give_up_at_ms_;
    else if (is_final(state_)) return;
    else if (link_ == nullptr) at = retry_at_ms_;
    else if (!shook_hands_) at = give_up_at_ms_;
    else at = std::min(heard_at_ms_ + silence_max_ms(), sent_at_ms_ + ping_after_ms());
    uint64_t now = now_ms();
    uint64_t wait = at > now ? at - now : 0;
    uv_timer_start(&timer_, on_alarm, wait, 0);
}

void Client::on_timer() {
    uint64_t now = now_ms();
    if (closing_) {
        if (now >= give_up_at_ms_) finish_close();
        else arm_timer();
        return;
    }
    if (is_final(state_)) {
        fail_pending(Err::session_expired);
        return;
    }
    if (link_ == nullptr) {
        if (now >= retry_at_ms_) open_link();
    } else if (!shook_hands_) {
        if (now >= give_up_at_ms_) {
            std::string refused = link_->refused();
            const char* silent = link_->opened() ? " accepts connections but does not answer"
                                                 : " does not answer";
            connection_lost(refused.empty() ? server() + silent : refused);
        }
    } else if (now >= heard_at_ms_ + silence_max_ms()) {
        connection_lost(server() + " has not answered for " +
                        std::to_string(now - heard_at_ms_) + " ms");
    } else if (now >= sent_at_ms_ + ping_after_ms()) {
        size_t frame = begin_frame(out_);
        write_request_header(out_, xid_ping, Op::ping);
        end_frame(out_, frame);
        if (!probe_.out) begin_probe(xid_ping);
        flush();
    }
    if (!closing_) arm_timer();
}

// -- ends ----------------------------------------------------------------------------------------

// Only what is there now: a callback may well ask again.
void Client::fail_pending(Err err) {
    Ring<Pending> failed;
    failed.swap(pending_);
    watching_.clear();
    while (!failed.empty()) {
        OnReply done = failed.pop().done;
        if (done.run != nullptr) done.run(done.context, done.tag, ReplyHeader{.err = err}, {});
    }
}

void Client::die(ClientState state) {
    cut_link();
    out_.clear();
    if (closing_) {
        finish_close();
        return;
    }
    report(state);
    fail_pending(state == ClientState::auth_failed ? Err::auth_failed : Err::session_expired);
}

void Client::close() {
    if (closing_ || state_ == ClientState::closed) return;
    closing_ = true;
    give_up_at_ms_ = now_ms();
    if (shook_hands_) {
        begin_request(Op::close_session);
        end_request(OnReply());
        flush();
        give_up_at_ms_ += close_ms_max;
    }
    arm_timer();
}

void Client::abandon() {
    if (state_ == ClientState::closed) return;
    closing_ = true;
    give_up_at_ms_ = now_ms();
    arm_timer();
}

void Client::finish_close() {
    cut_link();
    out_.clear();
    if (state_ == ClientState::closed) return;
    state_ = ClientState::closed;
    fail_pending(Err::session_expired);
    auto on_closed = [](uv_handle_t* handle) {
        Client* client = client_of(handle->data);
        if (--client->handles_ > 0) return;
        // What callbacks asked for in the meantime. Those that ask again find nobody.
        client->fail_pending(Err::session_expired);
        client->report(ClientState::closed);
    };
    uv_close(reinterpret_cast<uv_handle_t*>(&flush_), on_closed);
    uv_close(reinterpret_cast<uv_handle_t*>(&timer_), on_closed);
}

void Client::report(ClientState state) {
    state_ = state;
    if (options_.events.on_state != nullptr)
        options_.events.on_state(options_.events.context, state);
}

}  // namespace zk
