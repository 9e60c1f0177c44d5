// checker.cc -- see checker.h: what was asked, which entries came of it, the order of a turn.

#include "checker.h"

#include <algorithm>

#include "state/acl.h"
#include "state/commands.h"
#include "state/membership.h"

namespace zk::sim {

namespace {

constexpr size_t connect_number = ~size_t{0};
constexpr uint64_t excuse_us = 6'000'000;
// Shorter ones a server may not notice: its clocks tick ten times a second.
constexpr uint64_t short_stall_us = 300'000;

constexpr uint64_t history_us = 15'000'000;   // of when a session was heard
constexpr uint64_t history_step_us = 20'000;
constexpr uint64_t decision_us = 2'500'000;   // from an expiry's decision to its entry on a disk

std::string ip_text(const Address& from) {
    std::string text;
    for (size_t i = 12; i < 16; ++i) text += (i > 12 ? "." : "") + std::to_string(from.ip[i]);
    return text;
}

// A reconfig's entry has before the request what its leader knew.
bool asks_for(const Request& request, const Entry& entry) {
    if (entry.op != entry_op::reconfig)
        return request.op == entry.op && request.body == as_text(entry.body);
    Reader in(entry.body);
    decode_ready(in);
    return request.op == static_cast<int32_t>(Op::reconfig) && request.body == as_text(in.rest());
}

}  // namespace

Checker::Checker(Story& story, Queue& queue, Truth& truth, Agreement& agreement, const Plan& plan)
    : story_(story),
      queue_(queue),
      truth_(truth),
      agreement_(agreement),
      plan_(plan),
      sites_(first_client_host) {}

void Checker::fail(const Connection& connection, const char* what, const std::string& more) {
    story_.fail("link %u, session 0x%llx: %s%s%s", connection.link->number,
                static_cast<unsigned long long>(connection.session), what,
                more.empty() ? "" : ": ", more.c_str());
}

Connection* Checker::find(const Link& link) {
    auto found = connections_.find(link.number);
    return found == connections_.end() ? nullptr : &found->second;
}

Connection& Checker::connecting(Link& link, const ConnectRequest& asked, size_t frame_bytes) {
    Connection& connection = connections_[link.number];
    connection.link = &link;
    connection.node = link.node();
    connection.asked = asked;
    connection.asked_password = as_text(asked.password);
    connection.asked.password = {};
    connection.who.emplace_back("ip", ip_text(link.from));
    connection.sent_bytes = frame_bytes;
    connection.frame_ends.push_back(frame_bytes);
    return connection;
}

Connection& Checker::connecting_raw(Link& link) {
    Connection& connection = connections_[link.number];
    connection.link = &link;
    connection.node = link.node();
    connection.raw = true;
    return connection;
}

void Checker::asking(Connection& connection, Request request, size_t frame_bytes) {
    connection.sent_bytes += frame_bytes;
    if (request.kind == RequestKind::fatal) {
        connection.must_close = true;
        return;
    }
    connection.frame_ends.push_back(connection.sent_bytes);
    request.proofs = connection.who.size();
    request.floor = truth_.committed();
    if (request.kind == RequestKind::auth)
        connection.auths.push_back(std::move(request));
    else
        connection.requests.push_back(std::move(request));
}

void Checker::proving(Connection& connection, const std::string& id) {
    std::pair<std::string, std::string> proof{"digest", id};
    for (const auto& known : connection.who)
        if (known == proof) return;
    connection.who.push_back(proof);
}

Who Checker::who(const Connection& connection, size_t proofs) const {
    return Who(connection.who.begin(), connection.who.begin() + static_cast<ptrdiff_t>(proofs));
}

// A whole request that is at the server's socket counts, read or not.
void Checker::arrived(Link& link) {
    Connection* connection = find(link);
    if (connection == nullptr || connection->raw) return;
    bool whole = false;
    auto& ends = connection->frame_ends;
    while (!ends.empty() && ends.front() <= link.ends[1].arrived) {
        ends.pop_front();
        whole = true;
    }
    int64_t session = session_of(*connection);
    if (whole && session != 0) heard(session, link.node());
}

// Unless the connection broke first: then nobody can read it any more.
void Checker::unread(Link& link) {
    Connection* connection = find(link);
    int64_t session = connection == nullptr ? 0 : session_of(*connection);
    if (session == 0) return;
    Heard& of = heard_[session];
    of.excused_until_us = queue_.now_us() + of.timeout_us + excuse_us;
}

// Whom its requests keep alive; 0: nobody.
int64_t Checker::session_of(const Connection& connection) const {
    if (connection.closed || connection.raw) return 0;
    if (connection.session != 0 || connection.asked.session == 0 || !connection.may_connect)
        return connection.session;
    auto known = heard_.find(connection.asked.session);
    bool mine = known != heard_.end() && known->second.password == connection.asked_password;
    return mine ? connection.asked.session : 0;
}

void Checker::heard(int64_t session, uint32_t node) {
    Heard& of = heard_[session];
    uint64_t now_us = queue_.now_us();
    if (now_us - of.last_us >= of.timeout_us) of.excused_until_us = now_us + excuse_us;
    of.last_us = now_us;
    of.stood_us = 0;
    if (!of.times.empty() && now_us - of.times.back().us < history_step_us) return;
    of.times.push_back({.us = now_us, .node = node});
    while (now_us - of.times.front().us > history_us) of.times.pop_front();
}

void Checker::disturbed(uint32_t node, uint64_t until_us) {
    for (uint32_t each = 1; each < sites_.size(); ++each)
        if (node == 0 || node == each)
            sites_[each].disturbed_us = std::max(sites_[each].disturbed_us, until_us);
}

void Checker::server_stands(uint32_t node, uint64_t for_us) {
    disturbed(node, queue_.now_us() + for_us);
    if (for_us <= short_stall_us) return;
    for (auto& [session, of] : heard_) of.stood_us += for_us - short_stall_us;
}

void Checker::sent(Link& link, Bytes bytes) {
    Connection* connection = find(link);
    story_.mix(link.number);
    story_.mix(bytes);
    if (connection == nullptr) return;
    if (!connection->live) {
        connection->live = true;
        site_of(*connection).live.push_back(connection);
    }
    connection->out += as_text(bytes);
}

void Checker::server_closed(Link& link) {
    Connection* connection = find(link);
    if (connection == nullptr) return;
    connection->closed = true;
    // A request that came in the same moment may not have been looked at any more; so the session
    // may end as if it had not come.
    auto known = heard_.find(connection->session);
    bool unread = link.ends[1].paused || !link.ends[1].inbox.empty();
    uint64_t turned_us = site_of(*connection).turned_us;
    if (known != heard_.end() && (unread || known->second.last_us >= turned_us))
        known->second.excused_until_us = queue_.now_us() + known->second.timeout_us;
}

void Checker::accepted(Link& link) {
    Connection* connection = find(link);
    if (connection == nullptr) return;
    auto [at, fresh] = by_attach_.insert({{link.node(), link.attach}, connection});
    // A node in no ensemble yet has no record to take its numbers from, and takes no session.
    bool blank = link.attach >> 32 == 0;
    if (!fresh && !blank)
        story_.fail("link %u gets an attach number that was used before", link.number);
    site_of(*connection).accepted.push_back(connection);
}

void Checker::process_started(uint32_t node) {
    disturbed(node, queue_.now_us());
    if (!alone()) return;
    for (auto& [session, of] : heard_) {
        of.last_us = queue_.now_us();
        of.stood_us = 0;
        of.excused_until_us = 0;
    }
}

void Checker::process_ended(uint32_t node) {
    Site& site = sites_[node];
    disturbed(node, queue_.now_us());
    for (Connection* connection : site.accepted) {
        connection->closed = true;
        connection->out.clear();
    }
    site.accepted.clear();
    site.live.clear();
    std::erase_if(asked_, [](const auto& asked) { return asked.second.connection->closed; });
    site.model.forget_all_watches();
    site.restarted = true;
}

// An entry came onto some disk first: whose is it, and is it what that connection had to ask next?
void Checker::entry(Logged& logged) {
    const Entry& entry = logged.entry;
    TELL(story_, "zxid %llu on disk: term %llu, op %d, session 0x%llx, from n%u, attach %llx",
         static_cast<unsigned long long>(entry.zxid), static_cast<unsigned long long>(entry.term),
         entry.op, static_cast<unsigned long long>(entry.session), entry.origin.node,
         static_cast<unsigned long long>(entry.origin.client));
    session_entry(logged);
    if (entry.origin.node == 0 || entry.op == entry_op::membership) return;
    auto found = by_attach_.find({entry.origin.node, entry.origin.client});
    if (found == by_attach_.end()) return story_.fail("an entry from a connection never taken");
    // Where the connection is gone nobody waits for it.
    if (!found->second->closed) match(*found->second, logged);
}

// Rule 7, and what is to be known of sessions for it. Whether the entry will be committed is not
// known yet: of what is wrong a note is taken.
void Checker::session_entry(Logged& logged) {
    const Entry& entry = logged.entry;
    Reader in(entry.body);
    uint64_t now_us = queue_.now_us();
    if (entry.op == static_cast<int32_t>(Op::create_session)) {
        NewSession record;
        decode(in, record);
        Heard& of = heard_[Model::session_id(entry)];
        of = {.last_us = now_us,
              .stood_us = 0,
              .excused_until_us = 0,
              .timeout_us = static_cast<uint64_t>(record.timeout_ms) * 1000,
              .password = std::string(as_text(record.password)),
              .times = {{.us = now_us, .node = entry.origin.node}}};
    } else if (entry.op == entry_op::attach_session) {
        auto known = heard_.find(entry.session);
        // Until it is applied the old one may count.
        if (known != heard_.end()) known->second.excused_until_us = now_us + excuse_us;
    } else if (entry.op == static_cast<int32_t>(Op::close_session) && entry.origin.node == 0) {
        logged.wrong = expiry(entry);
    }
}

void Checker::committed(const Logged& logged) {
    const Entry& entry = logged.entry;
    if (entry.op != entry_op::attach_session) return;
    Reader in(entry.body);
    AttachSession record;
    decode(in, record);
    auto known = heard_.find(entry.session);
    if (known == heard_.end() || known->second.password != as_text(record.password)) return;
    known->second.timeout_us = static_cast<uint64_t>(record.timeout_ms) * 1000;
}

std::string Checker::expiry(const Entry& entry) {
    auto known = heard_.find(entry.session);
    if (known == heard_.end()) return {};
    const Heard& of = known->second;
    uint64_t now_us = queue_.now_us();
    if (now_us <= of.excused_until_us) return {};
    if (!alone()) return expiry_in_ensemble(entry, of);
    uint64_t silent_us = now_us - of.last_us;
    uint64_t slack_us = of.timeout_us / 1'000'000 * plan_.drift_ppm_max + plan_.drift_ppm_max;
    if (silent_us + slack_us >= of.timeout_us + of.stood_us) return {};
    char text[300];
    snprintf(text, sizeof text,
             "session 0x%llx is expired %llu ms after its last request, for %llu of which the "
             "server stood still; its time-out is %llu ms",
             static_cast<unsigned long long>(entry.session),
             static_cast<unsigned long long>(silent_us / 1000),
             static_cast<unsigned long long>(of.stood_us / 1000),
             static_cast<unsigned long long>(of.timeout_us / 1000));
    return text;
}

bool Checker::overdue(int64_t session) const {
    auto known = heard_.find(session);
    if (known == heard_.end()) return true;
    uint64_t since_us = std::max(known->second.last_us, agreement_.changed_us());
    return queue_.now_us() > since_us + known->second.timeout_us + 2'000'000;
}

// What a node hears takes its time to the leader, and an expiry its time to the disk. So only those
// count who were heard again and again, where nothing went wrong meanwhile.
std::string Checker::expiry_in_ensemble(const Entry& entry, const Heard& of) {
    uint64_t now_us = queue_.now_us();
    uint64_t way_us = 300'000 + 10 * plan_.delay_us_max;
    uint64_t since_us = now_us - std::min(now_us, of.timeout_us + decision_us);
    uint32_t leader = agreement_.leader_of(entry.term);
    bool calm = agreement_.changed_us() < since_us && plan_.resets_permille == 0 &&
                sites_[leader].disturbed_us < since_us && of.times.front().us <= since_us;
    if (!calm || leader == 0) return {};
    uint64_t last_us = since_us;
    uint64_t gap_us = 0;
    for (const Heard::Time& time : of.times) {
        if (time.us < since_us || time.us > now_us - way_us) continue;
        if (sites_[time.node].disturbed_us >= since_us) return {};
        gap_us = std::max(gap_us, time.us - last_us);
        last_us = time.us;
    }
    gap_us = std::max(gap_us, now_us - last_us);
    if (gap_us + way_us + of.timeout_us / 10 >= of.timeout_us) return {};
    return "session " + std::to_string(entry.session) + " is expired though it was heard every " +
           std::to_string(gap_us / 1000) + " ms; its time-out is " +
           std::to_string(of.timeout_us / 1000) + " ms";
}

// Rule 3.
void Checker::match(Connection& connection, const Logged& logged) {
    const Entry& entry = logged.entry;
    if (entry.op == static_cast<int32_t>(Op::create_session) ||
        entry.op == entry_op::attach_session) {
        bool made = entry.op == static_cast<int32_t>(Op::create_session);
        if (made != (connection.asked.session == 0) || entry.session != connection.asked.session)
            fail(connection, "its entry is of another session than it asked for");
        if (connection.connect_zxid != 0 && connection.connect_zxid != entry.zxid)
            fail(connection, "two entries for one connect request");
        // A follower finds out only when the entry comes back to it.
        if (!connection.may_connect && alone()) fail(connection, "taken though it has seen more");
        connection.connect_zxid = entry.zxid;
        asked_[&logged] = {&connection, connect_number};
        return;
    }
    size_t end = connection.answered + connection.requests.size();
    for (; connection.matched < end; ++connection.matched) {
        Request& request = connection.requests[connection.matched - connection.answered];
        if (request.kind != RequestKind::write && request.kind != RequestKind::close) continue;
        bool same = asks_for(request, entry);
        bool refused = entry.op == entry_op::refused && queue_.now_us() < full_until_us_;
        same = same || (refused && request.kind == RequestKind::write);
        if (!same && queue_.now_us() < full_until_us_) continue;
        if (!same)
            return fail(connection, "its entry is not what it asked next",
                        "xid " + std::to_string(request.xid) + " op " +
                            std::to_string(request.op) + ", entry op " + std::to_string(entry.op));
        request.zxid = entry.zxid;
        asked_[&logged] = {&connection, connection.matched};
        ++connection.matched;
        std::vector<Identity> identities;
        decode(entry.ids, identities);
        Who whose;
        for (const Identity& one : identities) whose.emplace_back(one.scheme, one.id);
        if (request.kind == RequestKind::write && !refused &&
            whose != who(connection, request.proofs))
            fail(connection, "its entry has other identities than it had when it asked");
        return;
    }
    fail(connection, "an entry that it did not ask for", "op " + std::to_string(entry.op));
}

// Cuts what a connection was sent into frames. Those without a zxid of their own get one.
void Checker::split(Connection& connection, std::vector<Frame>& frames) {
    if (connection.raw) return connection.out.clear();
    size_t first = frames.size();
    size_t at = 0;
    int64_t zxid = connection.last_zxid;
    bool connected = connection.connected;
    while (connection.out.size() - at >= 4) {
        uint32_t length = load_u32(as_bytes(connection.out).data() + at);
        if (connection.out.size() - at - 4 < length) break;
        Frame frame{.connection = &connection,
                    .bytes = connection.out.substr(at + 4, length),
                    .zxid = 0};
        at += 4 + length;
        if (!connected) {
            connected = true;
            zxid = static_cast<int64_t>(connection.connect_zxid);
        } else if (length >= reply_header_size) {
            Reader in(as_bytes(frame.bytes));
            int64_t own = read_reply_header(in).zxid;
            if (own > 0 && own < zxid)
                fail(connection, "the zxid of its answers goes back",
                     std::to_string(own) + " after " + std::to_string(zxid));
            if (own > 0) zxid = own;
        }
        frame.zxid = zxid;
        frames.push_back(std::move(frame));
    }
    connection.out.erase(0, at);
    if (!connection.out.empty()) fail(connection, "half a frame at the end of a turn");
    // A catch-up event shows the state of the answer that it comes before.
    for (size_t i = frames.size(); i-- > first + 1;) {
        Reader in(as_bytes(frames[i - 1].bytes));
        ReplyHeader header = read_reply_header(in);
        if (i - 1 > first && header.xid == xid_notification && header.zxid == -1)
            frames[i - 1].zxid = frames[i].zxid;
    }
}

void Checker::turned(uint32_t node) {
    Site& site = sites_[node];
    std::vector<Frame> frames;
    for (Connection* connection : site.live) split(*connection, frames);
    std::stable_sort(frames.begin(), frames.end(),
                     [](const Frame& a, const Frame& b) { return a.zxid < b.zxid; });
    uint64_t told = told_;
    for (Frame& frame : frames) {
        if (story_.failed()) return;
        if (frame.zxid > 0 && !advance(site, static_cast<uint64_t>(frame.zxid))) return;
        check(frame);
        ++answers_;
        told = std::max(told, site.model.zxid());
    }
    told_ = told;
    for (Connection* connection : site.live) {
        if (connection->closed)
            site.model.forget(connection->link->number);
        else
            check_events_before(*connection, static_cast<int64_t>(site.model.zxid()));
    }
    std::erase_if(site.live, [](const Connection* connection) { return connection->closed; });
    site.turned_us = queue_.now_us();
}

// Rule 2.
bool Checker::advance(Site& site, uint64_t zxid) {
    if (zxid > truth_.committed()) {
        story_.fail("zxid %llu was told before it is committed (up to %llu is)",
                    static_cast<unsigned long long>(zxid),
                    static_cast<unsigned long long>(truth_.committed()));
        return false;
    }
    // A process may start with less than its predecessor had.
    if (site.restarted && zxid < site.model.zxid()) site.model = Model();
    site.restarted = false;
    while (site.model.zxid() < zxid) {
        const Logged* next = truth_.committed(site.model.zxid() == 0 ? truth_.first()
                                                                     : site.model.zxid() + 1);
        ASSERT(next != nullptr);
        apply(site, *next);
    }
    return true;
}

void Checker::apply(Site& site, const Logged& logged) {
    const Entry& entry = logged.entry;
    ModelOutcome outcome = site.model.apply(entry);
    if (!site.model.broken().empty()) story_.fail("%s", site.model.broken().c_str());
    bool closes = entry.op == static_cast<int32_t>(Op::close_session) && !outcome.moved;
    for (const auto& [number, events] : site.model.events()) {
        Connection& connection = connections_.at(number);
        for (const ModelEvent& event : events)
            connection.events.push_back({.event = event, .any_order = closes});
    }
    if (closes)
        for (Connection* connection : site.live)
            if (connection->session == entry.session && connection->connected)
                connection->over_at = entry.zxid;
    if (entry.op == entry_op::membership && entry.origin.node != 0)
        end_change(site, entry, outcome);
    auto found = asked_.find(&logged);
    if (found == asked_.end()) return;
    auto [connection, number] = found->second;
    if (&site_of(*connection) != &site) return;
    if (number == connect_number)
        connection->connect_outcome = std::move(outcome);
    else if (number >= connection->answered && !outcome.held)
        connection->requests[number - connection->answered].outcome = std::move(outcome);
    asked_.erase(found);
}

// Who asked for a change is answered when it is done.
void Checker::end_change(Site& site, const Entry& entry, const ModelOutcome& outcome) {
    auto found = by_attach_.find({entry.origin.node, entry.origin.client});
    if (found == by_attach_.end()) return story_.fail("a change that nobody asked for");
    if (&site_of(*found->second) != &site) return;
    for (Request& request : found->second->requests) {
        if (request.op != static_cast<int32_t>(Op::reconfig) || request.zxid == 0) continue;
        if (request.zxid >= entry.zxid || request.outcome) continue;
        request.zxid = entry.zxid;
        request.outcome = outcome;
        return;
    }
}

}  // namespace zk::sim
