// sim_client.cc -- see sim_client.h.

#include "sim_client.h"

namespace zk::sim {

SimClient::SimClient(World world, Habits habits, Chance chance)
    : world_(world), habits_(habits), chance_(chance) {
    address_.ip[10] = address_.ip[11] = 0xff;
    const uint8_t ip[4] = {10, 0, 0, static_cast<uint8_t>(1 + habits.number % 4)};
    std::copy(ip, ip + 4, address_.ip + 12);
    address_.port = static_cast<uint16_t>(40000 + habits.number);
    password_.assign(password_size, '\0');
}

std::string SimClient::where() const {
    return "client " + std::to_string(habits_.number) + " (link " +
           std::to_string(link_ == nullptr ? 0 : link_->number) + ", " +
           std::to_string(asked_.size()) + " unanswered, " + std::to_string(todo_.size()) +
           " to ask)";
}

void SimClient::ask(Draft draft) {
    todo_.push_back(std::move(draft));
    if (todo_.size() > 1) return;
    world_.queue.after(1, [this] { act(); });
}

void SimClient::connect() {
    if (mute_) return;
    node_ = only_ != 0 ? only_ : node_ == 0 || chance_.percent(20)
                                     ? static_cast<uint32_t>(chance_.between(1, world_.plan.nodes))
                                     : node_ % world_.plan.nodes + 1;
    link_ = &world_.network.connect(host(), address_, node_);
    End& end = link_->ends[0];
    end.read_us = habits_.read_us;
    end.on_bytes = [this, mine = link_](Bytes bytes) {
        if (mine == link_) on_bytes(bytes);
    };
    end.on_closed = [this, mine = link_] {
        if (mine == link_) on_closed();
    };
    in_.clear();
    greeted_ = open_ = leaving_ = false;
    asked_.clear();
    ConnectRequest request{.protocol_version = 0,
                           .last_zxid_seen = zxid_,
                           .timeout_ms = habits_.timeout_ms,
                           .session = session_,
                           .password = as_bytes(password_),
                           .read_only = false,
                           .has_read_only = !habits_.old};
    Buffer out;
    size_t at = begin_frame(out);
    encode(out, request);
    end_frame(out, at);
    TELL(world_.story, "client %u connects to n%u by link %u, session 0x%llx",
         habits_.number, node_, link_->number, static_cast<unsigned long long>(session_));
    connection_ = &world_.checker.connecting(*link_, request, out.size());
    world_.network.client_send(*link_, out.bytes());
    last_sent_us_ = last_heard_us_ = world_.queue.now_us();
    watch_over();
    // Some do not wait for the answer.
    if (!calm_ && chance_.percent(10)) send(random_draft(chance_, habits_.taste), next_xid_++);
}

// A server that says nothing may be gone without a word.
void SimClient::watch_over() {
    world_.queue.after(habits_.patience_us / 2 + 1, [this, mine = link_] {
        if (mine != link_ || mute_) return;
        bool waits = !greeted_ || leaving_ || !asked_.empty();
        uint64_t silent_us = world_.queue.now_us() - last_heard_us_;
        if (waits && silent_us > habits_.patience_us) return give_up();
        if (!waits) last_heard_us_ = world_.queue.now_us();
        watch_over();
    });
}

void SimClient::give_up() {
    TELL(world_.story, "client %u waits no longer for n%u", habits_.number, node_);
    world_.network.client_close(*link_, true);
    on_closed();
}

void SimClient::on_closed() {
    TELL(world_.story, "client %u loses link %u", habits_.number, link_->number);
    link_ = nullptr;
    connection_ = nullptr;
    open_ = false;
    asked_.clear();
    uint64_t wait_us = chance_.between(100, 50'000);
    if (!calm_ && chance_.percent(5))
        wait_us = static_cast<uint64_t>(habits_.timeout_ms) * chance_.between(200, 3000);
    world_.queue.after(wait_us, [this] {
        if (link_ == nullptr) connect();
    });
}

void SimClient::on_bytes(Bytes bytes) {
    in_ += as_text(bytes);
    last_heard_us_ = world_.queue.now_us();
    Link* mine = link_;
    while (mine == link_ && in_.size() >= 4) {
        uint32_t length = load_u32(as_bytes(in_).data());
        if (in_.size() - 4 < length) return;
        std::string frame = in_.substr(4, length);
        in_.erase(0, 4 + length);
        take_frame(as_bytes(frame));
    }
}

void SimClient::take_frame(Bytes frame) {
    if (!greeted_) return take_connect(frame);
    Reader in(frame);
    ReplyHeader header = read_reply_header(in);
    if (header.xid == xid_notification) {
        WatcherEvent event;
        decode(in, event);
        auto watch = watches_.find(std::string(event.path));
        if (watch == watches_.end()) return;
        Watch& has = watch->second;
        has.data = has.exist = has.child = false;
        if (!has.persistent && !has.recursive) watches_.erase(watch);
        return;
    }
    if (header.xid != xid_ping && header.zxid > 0) zxid_ = header.zxid;
    if (header.xid == xid_auth || asked_.empty()) return;
    Asked asked = std::move(asked_.front());
    asked_.pop_front();
    note_watch(asked, header.err);
    if (asked.draft.kind == RequestKind::close) {
        session_ = 0;
        password_.assign(password_size, '\0');
        zxid_ = 0;
        watches_.clear();
    }
    act();
}

void SimClient::take_connect(Bytes frame) {
    greeted_ = true;
    Reader in(frame);
    ConnectResponse got;
    decode(in, got);
    if (got.session == 0) {
        session_ = 0;
        password_.assign(password_size, '\0');
        watches_.clear();
        leaving_ = true;
        return;
    }
    bool again = session_ == got.session;
    session_ = got.session;
    password_ = as_text(got.password);
    timeout_ms_ = got.timeout_ms;
    open_ = true;
    if (again && !watches_.empty()) set_watches();
    act_later();
}

void SimClient::note_watch(const Asked& asked, Err err) {
    const Draft& draft = asked.draft;
    if (!draft.watch || (err != Err::ok && !(err == Err::no_node && draft.op == Op::exists)))
        return;
    Watch& watch = watches_[draft.path];
    if (draft.op == Op::get_children || draft.op == Op::get_children2)
        watch.child = true;
    else if (draft.op == Op::add_watch)
        (draft.body.back() == 1 ? watch.recursive : watch.persistent) = true;
    else
        (err == Err::ok ? watch.data : watch.exist) = true;
}

void SimClient::set_watches() {
    SetWatches all{.relative_zxid = zxid_,
                   .data = {},
                   .exist = {},
                   .child = {},
                   .persistent = {},
                   .recursive = {}};
    bool second = false;
    for (const auto& [path, watch] : watches_) {
        if (watch.data) all.data.push_back(path);
        if (watch.exist) all.exist.push_back(path);
        if (watch.child) all.child.push_back(path);
        if (watch.persistent) all.persistent.push_back(path);
        if (watch.recursive) all.recursive.push_back(path);
        second = second || watch.persistent || watch.recursive;
    }
    Buffer out;
    encode(out, all, second);
    Draft draft{.kind = RequestKind::read,
                .op = second ? Op::set_watches2 : Op::set_watches,
                .body = std::string(out.text()),
                .path = {},
                .proof = {}};
    send(std::move(draft), xid_set_watches);
}

void SimClient::act_later() {
    uint32_t mine = ++acts_;
    uint64_t now_us = world_.queue.now_us();
    uint64_t wait_us = static_cast<uint64_t>(timeout_ms_) * 1000 / 6 + 1;
    if (!calm_ && think_until_us_ > now_us) wait_us = std::min(wait_us, think_until_us_ - now_us);
    world_.queue.after(wait_us, [this, mine] {
        if (mine == acts_) act();
    });
}

void SimClient::act() {
    if (link_ == nullptr || !open_ || leaving_ || mute_) return;
    uint64_t now_us = world_.queue.now_us();
    if (now_us < silent_until_us_ && !calm_) return act_later();
    while (!todo_.empty() && asked_.size() < 50) {
        Draft next = std::move(todo_.front());
        todo_.pop_front();
        send(std::move(next), next_xid_++);
        if (leaving_) return;
    }
    bool ping_due = now_us - last_sent_us_ >= static_cast<uint64_t>(timeout_ms_) * 1000 / 3;
    if (ping_due) send(ping_draft(), xid_ping);
    if (!calm_) act_at_random();
    if (link_ != nullptr && open_) act_later();
}

void SimClient::act_at_random() {
    uint64_t now_us = world_.queue.now_us();
    if (now_us >= think_until_us_) {
        think_until_us_ = now_us + 1 + chance_.below(2 * habits_.think_us);
        burst_left_ = chance_.between(1, habits_.burst);
        if (habits_.restless && chance_.percent(8)) return restless_act();
    }
    for (; burst_left_ > 0 && asked_.size() < habits_.depth && !leaving_; --burst_left_)
        send(chance_.permille(habits_.reconfig_permille)
                 ? reconfig_draft(chance_, world_.plan.nodes)
                 : random_draft(chance_, habits_.taste),
             next_xid_++);
}

void SimClient::send(Draft draft, int32_t xid) {
    if (draft.kind == RequestKind::auth) xid = xid_auth;
    std::string frame = frame_of(draft, xid);
    bool large = frame.size() - 4 > world_.plan.config.request_bytes_max;
    RequestKind kind = large ? RequestKind::fatal : draft.kind;
    Request request{.kind = kind,
                    .xid = xid,
                    .op = static_cast<int32_t>(draft.op),
                    .body = draft.body,
                    .proofs = 0,
                    .zxid = 0,
                    .outcome = {}};
    bool proves = !draft.proof.empty();
    if (kind == RequestKind::auth) {
        if (proves) world_.checker.proving(*connection_, draft.proof);
        request.outcome.emplace();
        if (!proves) request.outcome->err = Err::auth_failed;
    }
    TELL(world_.story, "link %u asks xid %d op %d %s", link_->number, xid,
         static_cast<int>(draft.op), shown(as_bytes(draft.body), 70).c_str());
    world_.checker.asking(*connection_, std::move(request), frame.size());
    leaving_ = kind == RequestKind::close || kind == RequestKind::unknown ||
               kind == RequestKind::fatal || (kind == RequestKind::auth && !proves);
    last_sent_us_ = world_.queue.now_us();
    if (kind != RequestKind::auth) asked_.push_back({.xid = xid, .draft = std::move(draft)});
    world_.network.client_send(*link_, as_bytes(frame));
}

void SimClient::restless_act() {
    switch (chance_.below(7)) {
    case 0: return hang_up(true);
    case 1: return hang_up(false);
    case 2: return send(close_draft(), next_xid_++);
    case 3:
        silent_until_us_ = world_.queue.now_us() +
                           static_cast<uint64_t>(timeout_ms_) * chance_.between(300, 2500);
        return;
    case 4:
        // Comes back while the old connection still stands.
        world_.network.client_vanish(*link_);
        link_ = nullptr;
        return connect();
    case 5: return stranger(false);
    case 6: return stranger(true);
    }
}

// A half-close leaves the other direction open: what was asked may still be answered.
void SimClient::hang_up(bool reset) {
    TELL(world_.story, "client %u %s link %u", habits_.number, reset ? "resets" : "half-closes",
         link_->number);
    world_.network.client_close(*link_, reset);
    if (reset)
        on_closed();
    else
        leaving_ = true;
}

// Somebody else who knows this session's id but not its password, or a future zxid.
void SimClient::stranger(bool ahead) {
    Link& link = world_.network.connect(host(), address_, node_);
    std::string password(password_size, 'x');
    ConnectRequest request{.protocol_version = 0,
                           .last_zxid_seen = ahead ? int64_t{1} << 40 : 0,
                           .timeout_ms = 1000,
                           .session = session_,
                           .password = as_bytes(ahead ? password_ : password),
                           .read_only = false,
                           .has_read_only = true};
    Buffer out;
    size_t at = begin_frame(out);
    encode(out, request);
    end_frame(out, at);
    TELL(world_.story, "a stranger connects by link %u%s", link.number,
         ahead ? " from the future" : " with a wrong password");
    world_.checker.connecting(link, request, out.size()).may_connect = !ahead;
    world_.network.client_send(link, out.bytes());
}

}  // namespace zk::sim
