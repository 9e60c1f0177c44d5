// checker_answers.cc -- see checker.h: one answer against the model.

#include <algorithm>

#include "checker.h"

namespace zk::sim {

namespace {

std::string sorted_names(Reader& in) {
    std::vector<std::string_view> names = read_texts(in);
    std::sort(names.begin(), names.end());
    Buffer out;
    write_texts(out, names);
    return std::string(out.text());
}

// The record with names in one order, where the protocol promises none.
std::string in_order(Op op, Bytes record) {
    Reader in(record);
    if (op == Op::get_children || op == Op::get_children2 || op == Op::get_ephemerals) {
        std::string names = sorted_names(in);
        return names + std::string(as_text(in.rest()));
    }
    if (op != Op::multi_read) return std::string(as_text(record));
    std::string out;
    while (in.ok() && in.left() > 0) {
        Bytes before = in.rest();
        MultiHeader header;
        decode(in, header);
        if (header.type == static_cast<int32_t>(Op::get_children)) {
            out += as_text(before.first(before.size() - in.left()));
            out += sorted_names(in);
            continue;
        }
        if (header.type == static_cast<int32_t>(Op::get_data)) {
            Stat stat;
            read_buffer(in);
            decode(in, stat);
        } else if (!header.done) {
            in.i32();
        }
        out += as_text(before.first(before.size() - in.left()));
    }
    return out;
}

std::string describe(const Request& request) {
    return "xid " + std::to_string(request.xid) + ", op " + std::to_string(request.op) + " " +
           shown(as_bytes(request.body));
}

}  // namespace

void Checker::check(Frame& frame) {
    Connection& connection = *frame.connection;
    if (!connection.connected) return check_connect(connection, as_bytes(frame.bytes));
    Reader in(as_bytes(frame.bytes));
    ReplyHeader header = read_reply_header(in);
    if (!in.ok()) return fail(connection, "a frame too short for a header");
    TELL(story_, "link %u gets xid %d zxid %lld err %d %s", connection.link->number, header.xid,
         static_cast<long long>(header.zxid), static_cast<int>(header.err),
         shown(in.rest(), 60).c_str());
    if (connection.over_at != 0 && frame.zxid > static_cast<int64_t>(connection.over_at))
        return fail(connection, "it is told something though its session is over");
    if (header.xid == xid_notification) return check_notification(connection, header.zxid, in);
    if (header.xid == xid_auth) return check_auth(connection, header);
    check_reply(connection, header, in);
    connection.last_zxid = frame.zxid;
}

void Checker::check_connect(Connection& connection, Bytes frame) {
    connection.connected = true;
    if (connection.connect_zxid == 0 || !connection.connect_outcome)
        return fail(connection, "its connect request is answered without an entry");
    const ModelOutcome& outcome = *connection.connect_outcome;
    size_t size = connection.asked.has_read_only ? 37 : 36;
    if (frame.size() != size) return fail(connection, "a connect answer of a wrong size");
    Reader in(frame);
    ConnectResponse got;
    decode(in, got);
    Buffer expected;
    if (outcome.err == Err::ok) {
        expected.append(outcome.reply);
    } else {
        expected.append(std::string(12 + password_size, '\0'));
        connection.must_close = true;
    }
    Buffer mine;
    mine.i64(got.session);
    mine.i32(got.timeout_ms);
    mine.append(got.password);
    TELL(story_, "link %u is connected: session 0x%llx, time-out %d ms", connection.link->number,
         static_cast<unsigned long long>(got.session), got.timeout_ms);
    if (mine.text() != expected.text())
        return fail(connection, "its connect answer differs from the model's",
                    shown(mine.bytes()) + " instead of " + shown(expected.bytes()));
    connection.session = got.session;
    connection.last_zxid = static_cast<int64_t>(connection.connect_zxid);
    connection.floor = static_cast<uint64_t>(connection.asked.last_zxid_seen);
    if (connection.floor > connection.connect_zxid && got.session != 0)
        return fail(connection, "taken by a node that is behind what its client has seen");
    // Entries behind this one may have ended the session already; the next answers will show.
    if (got.session != 0 && site_of(connection).model.sessions().count(got.session) == 0)
        fail(connection, "it is connected though its session is over");
}

// Rule 6: an event that is due, in order.
void Checker::check_notification(Connection& connection, int64_t zxid, Reader& in) {
    WatcherEvent got;
    decode(in, got);
    if (!in.ok() || got.state != state_sync_connected)
        return fail(connection, "an event that makes no sense");
    std::string path(got.path);
    if (zxid == -1) {
        connection.notices.push_back({.zxid = -1, .type = got.type, .path = path, .acl = {}});
        return;
    }
    Who maybe = who(connection, connection.proofs_maybe);
    Who sure = who(connection, connection.proofs_sure);
    for (auto at = connection.events.begin(); at != connection.events.end(); ++at) {
        const ModelEvent& due = at->event;
        bool same = due.zxid == zxid && due.type == got.type && due.path == path;
        if (same && site_of(connection).model.allows(due.acl, perm::read, maybe)) {
            // Whoever was passed over in silence had to be.
            connection.events.erase(at);
            return;
        }
        bool skip = at->any_order || !site_of(connection).model.allows(due.acl, perm::read, sure);
        if (!skip) break;
    }
    fail(connection, "an event that is not due",
         std::to_string(static_cast<int>(got.type)) + " of " + path + ", zxid " +
             std::to_string(zxid));
}

// All events up to this zxid must have been sent by now.
void Checker::check_events_before(Connection& connection, int64_t zxid) {
    Who sure = who(connection, connection.proofs_sure);
    while (!connection.events.empty() && connection.events.front().event.zxid <= zxid) {
        const ModelEvent& due = connection.events.front().event;
        if (site_of(connection).model.allows(due.acl, perm::read, sure))
            return fail(connection, "an event is missing",
                        std::to_string(static_cast<int>(due.type)) + " of " + due.path +
                            ", zxid " + std::to_string(due.zxid));
        connection.events.pop_front();
    }
    if (static_cast<uint64_t>(zxid) >= connection.proofs_zxid)
        connection.proofs_sure = connection.proofs_maybe;
}

void Checker::check_auth(Connection& connection, const ReplyHeader& header) {
    if (connection.auths.empty()) return fail(connection, "an auth answer that nobody asked for");
    Request request = std::move(connection.auths.front());
    connection.auths.pop_front();
    bool good = request.outcome->err == Err::ok;
    if (header.err != request.outcome->err || header.zxid != 0)
        return fail(connection, "a wrong answer to auth");
    if (!good) connection.must_close = true;
    connection.proofs_maybe = request.proofs;
    connection.proofs_zxid = truth_.committed();
}

void Checker::check_reply(Connection& connection, const ReplyHeader& header, Reader& in) {
    if (connection.requests.empty())
        return fail(connection, "an answer that nobody asked for",
                    "xid " + std::to_string(header.xid));
    Request request = std::move(connection.requests.front());
    connection.requests.pop_front();
    ++connection.answered;
    connection.matched = std::max(connection.matched, connection.answered);
    bool ping = request.op == static_cast<int32_t>(Op::ping);
    if (header.xid != (ping ? xid_ping : request.xid))
        return fail(connection, "answers out of order",
                    "xid " + std::to_string(header.xid) + " instead of " + describe(request));
    if (request.kind == RequestKind::unknown) {
        connection.must_close = true;
        if (header.err != Err::unimplemented || header.zxid != -1 || in.left() > 0)
            fail(connection, "a wrong answer to an operation that there is not");
        return;
    }
    check_events_before(connection, header.zxid);
    if (request.kind == RequestKind::write || request.kind == RequestKind::close)
        check_write(connection, request, header, in.rest());
    else
        check_read(connection, request, header, in.rest());
    if (request.kind == RequestKind::close) connection.must_close = true;
}

void Checker::check_write(Connection& connection, Request& request, const ReplyHeader& header,
                          Bytes record) {
    if (refused_by_full_disk(connection, request, header)) return;
    if (request.zxid == 0)
        return fail(connection, "a write is answered that never came to the disk",
                    describe(request));
    if (header.zxid != static_cast<int64_t>(request.zxid))
        return fail(connection, "a write is answered with another zxid than its own",
                    std::to_string(header.zxid) + " instead of " + std::to_string(request.zxid));
    if (connection.last_read_zxid >= header.zxid)
        return fail(connection, "a read before this write saw it", describe(request));
    if (!request.outcome.has_value())
        return fail(connection, "a write is answered, and another's entry is the committed one");
    if (request.zxid <= request.floor)
        return fail(connection, "a write takes effect before what was committed when it was asked",
                    std::to_string(request.zxid) + " <= " + std::to_string(request.floor));
    const ModelOutcome& outcome = *request.outcome;
    if (outcome.moved) return fail(connection, "answered though its session moved");
    if (header.err != outcome.err || as_text(record) != outcome.reply)
        fail(connection, "a write's answer differs from the model's",
             describe(request) + ": " + std::to_string(static_cast<int>(header.err)) + " " +
                 shown(record) + " instead of " + std::to_string(static_cast<int>(outcome.err)) +
                 " " + shown(as_bytes(outcome.reply)));
}

bool Checker::refused_by_full_disk(Connection& connection, Request& request,
                                   const ReplyHeader& header) {
    // By an entry that says so, where the leader's disk is full and not that of its own server.
    if (request.outcome && request.outcome->err == Err::system_error) return false;
    bool full = queue_.now_us() < full_until_us_ && request.kind == RequestKind::write;
    if (header.err != Err::system_error || !full) return false;
    connection.last_read_zxid = header.zxid;
    // Its entry is then the one of the next write that looks like it.
    for (Request& next : connection.requests) {
        if (request.zxid == 0) break;
        if (next.op != request.op || next.body != request.body) continue;
        std::swap(request.zxid, next.zxid);
        std::swap(request.outcome, next.outcome);
    }
    bool done = alone() ? request.zxid != 0
                        : request.zxid != 0 && request.zxid <= truth_.committed();
    if (done) fail(connection, "refused, yet its entry is on the disk");
    return true;
}

// Rules 4 and 5.
void Checker::check_read(Connection& connection, const Request& request,
                         const ReplyHeader& header, Bytes record) {
    connection.last_read_zxid = header.zxid;
    Model& model = site_of(connection).model;
    if (request.op == static_cast<int32_t>(Op::sync) && request.kind == RequestKind::read)
        connection.floor = std::max(connection.floor, request.floor);
    if (alone()) connection.floor = told_;
    if (header.zxid < static_cast<int64_t>(connection.floor))
        return fail(connection, "a read of a state older than it may be",
                    std::to_string(connection.floor) + ", " + describe(request));
    if (header.zxid != static_cast<int64_t>(model.zxid()))
        return fail(connection, "a read without a state", describe(request));
    Who mine = who(connection, request.proofs);
    std::vector<ModelEvent> notices;
    ModelOutcome outcome;
    if (request.kind == RequestKind::bad)
        outcome.err = Err::marshalling_error;
    else
        outcome = model.read(static_cast<Op>(request.op), as_bytes(request.body),
                              {.connection = connection.link->number,
                               .session = connection.session,
                               .who = &mine},
                              notices);
    auto same = [](const ModelEvent& a, const ModelEvent& b) {
        return a.type == b.type && a.path == b.path;
    };
    if (!std::equal(notices.begin(), notices.end(), connection.notices.begin(),
                    connection.notices.end(), same))
        return fail(connection, "other catch-up events than the model's", describe(request));
    connection.notices.clear();
    Op op = static_cast<Op>(request.op);
    bool equal = header.err == outcome.err &&
                 (header.err != Err::ok ? record.empty()
                                        : in_order(op, record) ==
                                              in_order(op, as_bytes(outcome.reply)));
    if (equal) return;
    fail(connection, "a read's answer differs from the model's",
         describe(request) + ": " + std::to_string(static_cast<int>(header.err)) + " " +
             shown(record, 300) + " instead of " +
             std::to_string(static_cast<int>(outcome.err)) + " " +
             shown(as_bytes(outcome.reply), 300) + " at zxid " + std::to_string(header.zxid));
}

}  // namespace zk::sim
