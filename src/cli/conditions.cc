// conditions.cc -- writes that depend on what is there: cas, incr; and check, which only looks.
//
// Read, decide, write with the version that was read: where somebody else was faster the server
// refuses, and all begins anew. So nothing is ever overwritten unseen. A write whose connection was
// lost is not repeated, since it may have been done: that ends with status `lost`.

#include <charconv>

#include "cli/handlers.h"
#include "cli/source.h"

namespace zk {

namespace {

constexpr int tries_max = 1000;

// Asks the service; `data` lives until the next call.
Status read_now(Shell& shell, const Args& args, std::optional<Data>& data) {
    SyncClient::Reply reply = shell.call(call::get_data(shell.full(args.word(0)), false));
    if (reply.header.err != Err::ok) return shell.fail(reply.header.err, args.word(0));
    data = decode_data(reply.body);
    return data ? Status::ok : shell.malformed();
}

Status give_up(Shell& shell, const Args& args) {
    return shell.complain("others change " + std::string(args.word(0)) + " all the time",
                          Status::bad_version, args.word(0));
}

// A decimal number, with blanks or an end of line around it; nothing at all is 0.
bool read_counter(std::string_view text, int64_t& number) {
    auto blank = [](char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; };
    while (!text.empty() && blank(text.front())) text.remove_prefix(1);
    while (!text.empty() && blank(text.back())) text.remove_suffix(1);
    number = 0;
    return text.empty() || parse_number(text, number);
}

Status show_counter(Shell& shell, const Args& args, int64_t value, const Stat* stat) {
    if (shell.json()) {
        Json json = path_json(shell, args);
        json.set("value", value);
        if (stat != nullptr) json.set_stat(*stat);
        shell.out_line(json);
    } else {
        shell.out_line(std::to_string(value));
    }
    return Status::ok;
}

// `found` is false where somebody else has made it meanwhile.
Status create_counter(Shell& shell, const Args& args, int64_t value, bool& found) {
    const Acl anyone{.perms = perm::all, .scheme = "world", .id = "anyone"};
    std::string path = shell.full(args.word(0));
    std::string text = std::to_string(value);
    SyncClient::Reply reply = shell.call(call::create(
        {.path = path, .data = as_bytes(text), .acls = std::span<const Acl>(&anyone, 1)}));
    found = reply.header.err == Err::node_exists;
    if (found) return Status::ok;
    if (reply.header.err != Err::ok) return shell.fail(reply.header.err, args.word(0));
    return show_counter(shell, args, value, nullptr);
}

// One try. `again`: somebody else was faster.
Status try_incr(Shell& shell, const Args& args, int64_t by, bool& again) {
    std::string path = shell.full(args.word(0));
    SyncClient::Reply reply = shell.call(call::get_data(path, false));
    if (reply.header.err == Err::no_node && args.has("c"))
        return create_counter(shell, args, by, again);
    if (reply.header.err != Err::ok) return shell.fail(reply.header.err, args.word(0));
    std::optional<Data> data = decode_data(reply.body);
    if (!data) return shell.malformed();
    int64_t value = 0;
    if (!read_counter(as_text(data->data), value))
        return shell.complain("the data of " + std::string(args.word(0)) + " is not a number",
                              Status::failed, args.word(0));
    if (__builtin_add_overflow(value, by, &value))
        return shell.complain("the number would not fit into 64 bits", Status::failed,
                              args.word(0));
    std::string text = std::to_string(value);
    reply = shell.call(call::set_data(path, as_bytes(text), data->stat.version));
    again = reply.header.err == Err::bad_version;
    if (again) return Status::ok;
    if (reply.header.err != Err::ok) return shell.fail(reply.header.err, args.word(0));
    std::optional<Stat> stat = decode_stat(reply.body);
    return stat ? show_counter(shell, args, value, &*stat) : shell.malformed();
}

}  // namespace

Status op_cas(Shell& shell, const Args& args) {
    if (Status bad = check_path(shell, args.word(0)); bad != Status::ok) return bad;
    std::string old_data;
    std::string new_data;
    Status status = read_data(shell, args.word(1), args.has("b"), old_data);
    if (status == Status::ok) status = read_data(shell, args.word(2), args.has("b"), new_data);
    if (status != Status::ok) return status;
    std::string path = shell.full(args.word(0));
    for (int i = 0; i < tries_max; ++i) {
        std::optional<Data> now;
        status = read_now(shell, args, now);
        if (status != Status::ok) return status;
        if (as_text(now->data) != old_data)
            return shell.complain("the data of " + std::string(args.word(0)) + " is another",
                                  Status::bad_version, args.word(0));
        int32_t version = now->stat.version;
        SyncClient::Reply reply = shell.call(call::set_data(path, as_bytes(new_data), version));
        if (reply.header.err == Err::bad_version) continue;
        if (reply.header.err != Err::ok) return shell.fail(reply.header.err, args.word(0));
        return show_stat_if_asked(shell, args, reply.body);
    }
    return give_up(shell, args);
}

Status op_incr(Shell& shell, const Args& args) {
    if (Status bad = check_path(shell, args.word(0)); bad != Status::ok) return bad;
    int64_t by = 1;
    if (args.words.size() > 1 && !parse_number(args.word(1), by))
        return shell.usage("by is to be a number");
    for (int i = 0; i < tries_max; ++i) {
        bool again = false;
        Status status = try_incr(shell, args, by, again);
        if (!again) return status;
    }
    return give_up(shell, args);
}

// As a multi of one, which the leader answers; a read could be behind.
Status op_check(Shell& shell, const Args& args) {
    int32_t version = -1;
    Status status = check_path(shell, args.word(0));
    if (status == Status::ok) status = read_version(shell, args, version);
    if (status != Status::ok) return status;
    call::Multi multi;
    multi.check(shell.full(args.word(0)), version);
    SyncClient::Reply reply = shell.call(multi.take());
    if (reply.header.err != Err::ok && reply.body.empty())
        return shell.fail(reply.header.err, args.word(0));
    std::optional<std::vector<Part>> parts = decode_parts(reply.body);
    if (!parts || parts->size() != 1) return shell.malformed();
    if (parts->front().err != Err::ok) return shell.fail(parts->front().err, args.word(0));
    return show_done(shell, args);
}

}  // namespace zk
