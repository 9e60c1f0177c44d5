// commands.h -- every operation of the client protocol, a row each.
//
// Layer 2. Everything else is derived from the rows: dispatch, which requests go through the log,
// names in statistics. A new operation is a row, a handler, a test and nothing else.

#pragma once

#include "state/state.h"

namespace zk {

// A write at work: the entry, who asked, and where the reply goes.
struct Write {
    State& state;
    const Entry& entry;
    Identities caller;
    SessionSlot session;  // 0: it is gone
    Op op;                // of the entry, or of the operation within a multi
    bool in_multi;
    Buffer& reply;
    Op result = op;  // what a multi calls the result: creates differ by their flags
};

struct Read {
    State& state;
    const Caller& caller;
    Buffer& reply;
    Buffer& notices;  // whole packets that the client gets before the reply
    size_t start;     // where the reply begins

    // Then it is SystemError, at once: a request of a MB may ask for thousands of them.
    bool too_long() const { return reply.size() - start > state.limits.reply_bytes_max; }
};

enum class CommandKind : uint8_t {
    write,    // becomes an entry
    read,     // answered by this node's state
    session,  // about the connection itself; the node knows what to do
    refused,  // known, not for clients
};

struct Command {
    Op op;
    std::string_view name;   // for people
    std::string_view short_name;  // four letters, as `cons` shows the last operation
    CommandKind kind;
    bool (*well_formed)(Reader& in);         // write
    Err (*write)(Write& call, Reader& body);  // write
    Err (*read)(Read& call, Op op, Reader& body);
};

const Command* find_command(int32_t op);
std::span<const Command> commands();

// Handlers of writes; the reader stands at the record, which is well formed.
Err write_create(Write& call, Reader& body);
Err write_delete(Write& call, Reader& body);
Err write_set_data(Write& call, Reader& body);
Err write_set_acl(Write& call, Reader& body);
Err write_check(Write& call, Reader& body);
Err write_reconfig(Write& call, Reader& body);
Err write_delete_container(Write& call, Reader& body);
Err write_multi(Write& call, Reader& body);

// Would it make an ephemeral znode? Requires: well formed.
bool makes_ephemeral(Op op, Bytes body);

// The type that a create's result has in a multi: 1, or 15 where a stat follows the path.
Op create_result(Op op, int32_t flags);
bool multi_well_formed(Reader& in);

// Handlers of reads.
Err read_exists(Read& call, Op op, Reader& body);
Err read_get_data(Read& call, Op op, Reader& body);
Err read_get_acl(Read& call, Op op, Reader& body);
Err read_children(Read& call, Op op, Reader& body);
Err read_children_number(Read& call, Op op, Reader& body);
Err read_ephemerals(Read& call, Op op, Reader& body);
Err read_sync(Read& call, Op op, Reader& body);
Err read_multi(Read& call, Op op, Reader& body);
Err read_set_watches(Read& call, Op op, Reader& body);
Err read_add_watch(Read& call, Op op, Reader& body);
Err read_watches(Read& call, Op op, Reader& body);  // checkWatches and removeWatches
Err read_who_am_i(Read& call, Op op, Reader& body);

// Bodies of entries that only servers make.
struct NewSession {
    int32_t timeout_ms = 0;
    uint16_t chance = 0;  // the last bits of the id
    Bytes password;
};
void encode(Buffer& out, const NewSession& record);
void decode(Reader& in, NewSession& record);

struct AttachSession {
    int32_t timeout_ms = 0;
    Bytes password;
};
void encode(Buffer& out, const AttachSession& record);
void decode(Reader& in, AttachSession& record);

// What a reaper found; the znode must still be this one when the entry is applied.
struct ReapZnode {
    int64_t czxid = 0;
    int64_t mtime = 0;
    std::string_view path;
};
void encode(Buffer& out, const ReapZnode& record);
void decode(Reader& in, ReapZnode& record);

}  // namespace zk
