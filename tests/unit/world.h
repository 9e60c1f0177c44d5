// world.h -- a State and the clients that use it, with verbs: what a test of the state says.
//
// Builds entries, applies them with rising zxids and takes replies apart. `me` is the client that
// acts; `connect` makes one, `as` lets another act. Everybody is 10.0.0.1 unless told otherwise.

#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "state/commands.h"
#include "state/state.h"

namespace zk {

inline std::ostream& operator<<(std::ostream& out, Err err) { return out << err_name(err); }

}  // namespace zk

namespace zk::test {

using Strings = std::vector<std::string>;

inline std::string shown(const Strings& lines) {
    std::string text;
    for (const std::string& line : lines) text += (text.empty() ? "" : "; ") + line;
    return text;
}

struct Answer {
    Err err = Err::ok;
    bool moved = false;
    std::string reply = {};

    Reader reader() const { return Reader(as_bytes(reply)); }
    std::string text() const {
        Reader in = reader();
        return std::string(read_text(in));
    }
    Stat stat() const {  // at the end of the reply
        REQUIRE(reply.size() >= 68);
        Reader in(as_bytes(reply).subspan(reply.size() - 68));
        Stat stat;
        decode(in, stat);
        return stat;
    }
    Strings texts() const {
        Reader in = reader();
        Strings texts;
        for (std::string_view text : read_texts(in)) texts.emplace_back(text);
        return texts;
    }
    Strings sorted() const {
        Strings sorted = texts();
        std::sort(sorted.begin(), sorted.end());
        return sorted;
    }
};

struct Client {
    uint32_t number = 1;
    int64_t session = 0;
    uint32_t node = 1;
    std::vector<std::pair<std::string, std::string>> who = {{"ip", "10.0.0.1"}};

    std::vector<Identity> identities() const {
        std::vector<Identity> out;
        for (const auto& [scheme, id] : who) out.push_back({.scheme = scheme, .id = id});
        return out;
    }
};

inline constexpr uint8_t password[password_size] = {'s', 'e', 'c', 'r', 'e', 't'};

inline std::string acl_bytes(std::vector<Acl> acls) {
    Buffer out;
    write_acls(out, acls);
    return std::string(out.text());
}
inline std::string open_acl(int32_t perms = perm::all) {
    return acl_bytes({{.perms = perms, .scheme = "world", .id = "anyone"}});
}

// The bodies of requests.
struct Create {
    std::string path;
    std::optional<std::string> data = "";
    int32_t flags = 0;
    std::string acls = open_acl();
    int64_t ttl_ms = -1;

    std::string body(bool with_ttl = false) const {
        Buffer out;
        encode(out,
               CreateRequest{.path = path,
                             .data = data ? as_bytes(*data) : Bytes(),
                             .acls = as_bytes(acls),
                             .flags = flags,
                             .ttl_ms = ttl_ms},
               with_ttl);
        return std::string(out.text());
    }
};
template <typename Record>
std::string body_of(const Record& record) {
    Buffer out;
    encode(out, record);
    return std::string(out.text());
}
inline std::string text_body(std::string_view text) {
    Buffer out;
    write_text(out, text);
    return std::string(out.text());
}

// A multi, operation by operation.
struct Multi {
    std::string bytes = {};

    Multi& add(Op op, std::string_view record) {
        bytes += body_of(MultiHeader{.type = static_cast<int32_t>(op), .done = false, .err = -1});
        bytes += record;
        return *this;
    }
    Multi& create(const Create& what, Op op = Op::create) {
        return add(op, what.body(op == Op::create_ttl));
    }
    Multi& remove(std::string_view path, int32_t version = -1) {
        return add(Op::remove, body_of(PathVersion{.path = path, .version = version}));
    }
    Multi& set(std::string_view path, std::string_view data, int32_t version = -1) {
        return add(Op::set_data, body_of(SetDataRequest{.path = path,
                                                        .data = as_bytes(data),
                                                        .version = version}));
    }
    Multi& check(std::string_view path, int32_t version = -1) {
        return add(Op::check, body_of(PathVersion{.path = path, .version = version}));
    }
    std::string body() const { return bytes + body_of(MultiHeader{}); }
};

// A multi's or multiRead's reply, as `1:/a`, `2`, `5`, `15:/a`, `error -101` and so on.
inline Strings results_of(const Answer& answer) {
    Strings out;
    Reader in = answer.reader();
    for (;;) {
        MultiHeader header;
        decode(in, header);
        REQUIRE(in.ok());
        if (header.done) {
            CHECK(header.type == -1);
            CHECK(header.err == -1);
            CHECK(in.left() == 0);
            return out;
        }
        Stat stat;
        std::string text = std::to_string(header.type);
        switch (header.type) {
        case -1: {
            int32_t code = in.i32();
            CHECK(code == header.err);
            text = "error " + std::to_string(code);
            break;
        }
        case 1: text += ":" + std::string(read_text(in)); break;
        case 15:
            text += ":" + std::string(read_text(in));
            decode(in, stat);
            break;
        case 5:
            decode(in, stat);
            text += ":v" + std::to_string(stat.version);
            break;
        case 4:
            text += ":" + std::string(as_text(read_buffer(in)));
            decode(in, stat);
            break;
        case 8:
            for (std::string_view name : read_texts(in)) text += ":" + std::string(name);
            break;
        default: break;
        }
        out.push_back(text);
    }
}

class World {
public:
    State state;
    Client me;
    int64_t time_ms = 1000;
    std::string notices;  // of the last read

    explicit World(bool fresh = true, uint64_t seed = 7) : state(seed) {
        if (!fresh) return;
        state.format();
        me = connect(1);
    }

    Client connect(uint32_t number, int32_t timeout_ms = 4000) {
        Client client{.number = number};
        Client before = std::exchange(me, client);
        Answer made = apply(static_cast<int32_t>(Op::create_session),
                            body_of(NewSession{.timeout_ms = timeout_ms,
                                               .chance = 5,
                                               .password = password}));
        me = before;
        REQUIRE(made.err == Err::ok);
        client.session = made.reader().i64();
        return client;
    }
    World& as(const Client& client) {
        me = client;
        return *this;
    }
    void rules(const Rules& rules) { apply(entry_op::rules, body_of(rules)); }

    Answer apply(int32_t op, std::string_view body, bool by_server = false) {
        Buffer ids;
        for (const Identity& identity : me.identities()) encode(ids, identity);
        kept_ = body;  // events look into it
        Entry entry{.term = 1,
                    .zxid = state.zxid() + 1,
                    .time_ms = time_ms,
                    .origin = {.node = by_server ? 0 : me.node, .client = me.number, .request = 1},
                    .session = me.session,
                    .op = op,
                    .ids = ids.bytes(),
                    .body = as_bytes(kept_)};
        Buffer reply;
        Applied applied = state.apply(entry, reply);
        return {.err = applied.err, .moved = applied.moved, .reply = std::string(reply.text())};
    }
    // As the node does: malformed requests never become entries.
    Answer write(Op op, std::string_view body) {
        if (!State::well_formed(static_cast<int32_t>(op), as_bytes(body)))
            return {.err = Err::marshalling_error};
        return apply(static_cast<int32_t>(op), body);
    }
    Answer read(Op op, std::string_view body) {
        std::vector<Identity> identities = me.identities();
        Caller caller{.client = me.number, .session = me.session, .identities = identities};
        Buffer reply;
        Buffer notes;
        Err err = state.read(op, as_bytes(body), caller, reply, notes);
        notices = notes.text();
        return {.err = err, .moved = false, .reply = std::string(reply.text())};
    }

    Answer create(const Create& what, Op op = Op::create) {
        return write(op, what.body(op == Op::create_ttl));
    }
    Answer create(std::string_view path, std::string_view data = "", int32_t flags = 0) {
        return create(Create{.path = std::string(path), .data = std::string(data), .flags = flags});
    }
    Answer remove(std::string_view path, int32_t version = -1) {
        return write(Op::remove, body_of(PathVersion{.path = path, .version = version}));
    }
    Answer set(std::string_view path, std::string_view data, int32_t version = -1) {
        return write(Op::set_data, body_of(SetDataRequest{.path = path,
                                                          .data = as_bytes(data),
                                                          .version = version}));
    }
    Answer set_acl(std::string_view path, std::string_view acls, int32_t version = -1) {
        return write(Op::set_acl, body_of(SetAclRequest{.path = path,
                                                        .acls = as_bytes(acls),
                                                        .version = version}));
    }
    Answer multi(const Multi& multi) { return write(Op::multi, multi.body()); }
    Answer close() { return apply(static_cast<int32_t>(Op::close_session), ""); }
    Answer expire(const Client& client) {
        Client before = std::exchange(me, client);
        Answer answer = apply(static_cast<int32_t>(Op::close_session), "", true);
        me = before;
        return answer;
    }

    Answer exists(std::string_view path, bool watch = false) {
        return read(Op::exists, body_of(PathWatch{.path = path, .watch = watch}));
    }
    Answer get(std::string_view path, bool watch = false) {
        return read(Op::get_data, body_of(PathWatch{.path = path, .watch = watch}));
    }
    Answer children(std::string_view path, bool watch = false) {
        return read(Op::get_children, body_of(PathWatch{.path = path, .watch = watch}));
    }
    Answer add_watch(std::string_view path, int32_t mode) {
        return read(Op::add_watch, body_of(PathNumber{.path = path, .number = mode}));
    }
    Answer remove_watches(std::string_view path, int32_t type) {
        return read(Op::remove_watches, body_of(PathNumber{.path = path, .number = type}));
    }
    Answer check_watches(std::string_view path, int32_t type) {
        return read(Op::check_watches, body_of(PathNumber{.path = path, .number = type}));
    }
    Stat stat(std::string_view path) {
        Answer answer = exists(path);
        REQUIRE(answer.err == Err::ok);
        return answer.stat();
    }
    std::string data(std::string_view path) { return get(path).text(); }

    // The events of the last entry, as `1 NodeCreated /a`.
    std::string events() const {
        Strings out;
        for (const Event& event : state.events())
            out.push_back(std::to_string(event.client) + " " + std::string(event_name(event.type)) +
                          " " + std::string(event.path));
        return shown(out);
    }
    // The catch-up events of the last setWatches.
    std::string notes() const {
        Strings out;
        Reader in(as_bytes(notices));
        while (in.left() > 0) {
            uint32_t size = in.u32();
            Reader packet(in.bytes(size));
            ReplyHeader header = read_reply_header(packet);
            CHECK(header.xid == xid_notification);
            CHECK(header.zxid == -1);
            CHECK(header.err == Err::ok);
            WatcherEvent event;
            decode(packet, event);
            CHECK(event.state == state_sync_connected);
            CHECK(packet.ok());
            CHECK(packet.left() == 0);
            out.push_back(std::string(event_name(event.type)) + " " + std::string(event.path));
        }
        CHECK(in.ok());
        return shown(out);
    }

private:
    std::string kept_;
};

// Saves a state and loads it into another one.
struct Saved {
    std::vector<std::pair<uint32_t, std::string>> records = {};
    uint64_t zxid = 0;
    uint64_t digest = 0;
};
inline Saved save(const State& state) {
    Saved saved;
    saved.zxid = state.zxid();
    saved.digest = state.digest();
    state.save(&saved, [](void* context, uint32_t section, Bytes record) {
        static_cast<Saved*>(context)->records.emplace_back(section, std::string(as_text(record)));
    });
    return saved;
}
// All records of a section at once, as if they were one chunk.
inline Result<void> load(const Saved& saved, State& into) {
    for (size_t i = 0; i < saved.records.size();) {
        uint32_t section = saved.records[i].first;
        std::string chunk;
        for (; i < saved.records.size() && saved.records[i].first == section; ++i)
            chunk += saved.records[i].second;
        Reader in(as_bytes(chunk));
        Result<uint64_t> loaded = into.load(section, in);
        if (!loaded) return loaded.error();
    }
    return into.load_end(saved.zxid, 1, saved.digest);
}

}  // namespace zk::test
