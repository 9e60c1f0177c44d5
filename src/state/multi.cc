// multi.cc -- several operations as one: the multi write, all or nothing, and the multi read.
//
//     request   (MultiHeader type record)*  MultiHeader(-1, done)
//     reply     (MultiHeader type result)*  MultiHeader(-1, done)
//
// A multi that fails answers err 0 in the reply's header all the same; the verdicts are in the
// results: 0 before the operation that failed, its code there, -2 after it.

#include "state/commands.h"

namespace zk {

namespace {

bool is_create(Op op) {
    return op == Op::create || op == Op::create2 || op == Op::create_container ||
           op == Op::create_ttl;
}

bool allowed_in_multi(Op op) {
    return is_create(op) || op == Op::remove || op == Op::set_data || op == Op::check;
}

void write_error(Buffer& out, Err err) {
    encode(out, MultiHeader{.type = -1, .done = false, .err = static_cast<int32_t>(err)});
    out.i32(static_cast<int32_t>(err));
}

void write_end(Buffer& out) { encode(out, MultiHeader{}); }

// Flags that ZooKeeper cannot even read as an operation of a multi.
bool flags_readable(Op op, int32_t flags) {
    return op == Op::create_ttl || (flags >= 0 && flags <= 4);
}

// Reads one operation's record and leaves the reader behind it.
bool skip_operation(Reader& in, Op op) {
    if (is_create(op)) {
        CreateRequest record;
        decode(in, record, op == Op::create_ttl);
        return in.ok() && flags_readable(op, record.flags);
    }
    const Command* command = find_command(static_cast<int32_t>(op));
    return command->well_formed(in);
}

bool create_is_ephemeral(Op op, Reader in) {
    if (op != Op::create && op != Op::create2) return false;
    CreateRequest record;
    decode(in, record, false);
    return record.flags >= 0 && is_ephemeral(static_cast<CreateMode>(record.flags));
}

// The operations' paths, hashed once, and their memory fetched for several together.
class PartsAhead {
public:
    PartsAhead(const Tree& tree, const Reader& body) : ahead_(tree), body_(body) {}

    // Of each operation in its turn.
    PathKey next() {
        if (given_ == count_) look_ahead();
        return ahead_.key(given_++);
    }

private:
    void look_ahead() {
        ahead_.clear();
        given_ = 0;
        for (count_ = 0; count_ < Tree::Ahead::most; ++count_) {
            MultiHeader header;
            decode(body_, header);
            if (header.done) break;
            ahead_.add(path_of(Reader(body_).rest()));
            skip_operation(body_, static_cast<Op>(header.type));
        }
        ahead_.fetch();
    }

    Tree::Ahead ahead_;
    Reader body_;
    size_t given_ = 0;
    size_t count_ = 0;
};

// Runs the operations until one fails; returns how many succeeded.
size_t run_all(Write& call, Reader& body, Err& err) {
    PartsAhead ahead(call.state.tree, body);
    size_t done = 0;
    for (;; ++done) {
        MultiHeader header;
        decode(body, header);
        if (header.done) return done;
        Op op = static_cast<Op>(header.type);
        size_t result_at = call.reply.size();
        encode(call.reply, MultiHeader{.type = header.type, .done = false, .err = 0});
        Write part{.state = call.state,
                   .entry = call.entry,
                   .caller = call.caller,
                   .session = call.session,
                   .op = op,
                   .in_multi = true,
                   .reply = call.reply,
                   .result = op};
        call.state.know(ahead.next());
        // A handler reads its own record before anything else, and no further.
        err = find_command(header.type)->write(part, body);
        if (err != Err::ok) return done;
        call.reply.patch_u32(result_at, static_cast<uint32_t>(part.result));
    }
}

size_t count_operations(Reader body) {
    for (size_t count = 0;; ++count) {
        MultiHeader header;
        decode(body, header);
        if (header.done) return count;
        skip_operation(body, static_cast<Op>(header.type));
    }
}

}  // namespace

bool makes_ephemeral(Op op, Bytes body) {
    Reader in(body);
    if (op != Op::multi) return create_is_ephemeral(op, in);
    for (;;) {
        MultiHeader header;
        decode(in, header);
        if (header.done || !in.ok()) return false;
        Op part = static_cast<Op>(header.type);
        if (create_is_ephemeral(part, in)) return true;
        if (!skip_operation(in, part)) return false;
    }
}

bool multi_well_formed(Reader& in) {
    for (;;) {
        MultiHeader header;
        decode(in, header);
        if (!in.ok()) return false;
        if (header.done) return true;
        Op op = static_cast<Op>(header.type);
        bool null_path = Reader(in).i32() < 0;
        if (null_path || !allowed_in_multi(op) || !skip_operation(in, op)) return false;
    }
}

Err write_multi(Write& call, Reader& body) {
    State& state = call.state;
    Reader whole = body;
    size_t reply_start = call.reply.size();
    Err err = Err::ok;
    state.tree.begin_undo();
    size_t done = run_all(call, body, err);
    if (err == Err::ok) {
        state.tree.commit_undo();
        write_end(call.reply);
        return Err::ok;
    }
    state.tree.undo();
    for (const State::Change& change : state.changes) {
        std::string_view limited = Quotas::limited_path(change.path);
        if (!limited.empty()) state.quotas.refresh(limited);
    }
    state.changes.clear();
    call.reply.truncate(reply_start);
    // A null id in an ACL: the whole multi is as good as unreadable.
    if (err == Err::marshalling_error) return err;
    size_t count = count_operations(whole);
    for (size_t i = 0; i < count; ++i) {
        Err verdict = i < done ? Err::ok : i == done ? err : Err::runtime_inconsistency;
        write_error(call.reply, verdict);
    }
    write_end(call.reply);
    return Err::ok;
}

Err read_multi(Read& call, Op, Reader& body) {
    for (;;) {
        MultiHeader header;
        decode(body, header);
        if (!body.ok()) return Err::marshalling_error;
        if (header.done) break;
        Op op = static_cast<Op>(header.type);
        PathWatch record;
        decode(body, record);
        if (!body.ok() || (op != Op::get_data && op != Op::get_children))
            return Err::marshalling_error;
        // The watch flag is read and ignored.
        Buffer plain;
        encode(plain, PathWatch{.path = record.path, .watch = false});
        Reader in(plain.bytes());
        size_t start = call.reply.size();
        encode(call.reply, MultiHeader{.type = header.type, .done = false, .err = 0});
        Err err = find_command(header.type)->read(call, op, in);
        if (call.too_long()) return Err::system_error;
        if (err == Err::ok) continue;
        if (err == Err::marshalling_error || err == Err::system_error) return err;
        call.reply.truncate(start);
        write_error(call.reply, err);
    }
    write_end(call.reply);
    return Err::ok;
}

}  // namespace zk
