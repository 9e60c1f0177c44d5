// state_fuzz.cc -- requests of any bytes against a state that has a bit of everything.
//
// The input is a list of requests: one byte chooses the operation, two give the length of the
// body, the body follows. Writes that are well formed are applied, all else is read. Nothing may
// end the process, and the digest must stay what a snapshot of the same state has.

#include <cstdlib>

#include "state/commands.h"
#include "state/state.h"

using namespace zk;

namespace {

struct World {
    State state{42};
    uint64_t zxid = 0;
    int64_t session = 0;
    Buffer ids;

    World() {
        state.format();
        encode(ids, Identity{.scheme = "ip", .id = "127.0.0.1"});
        Buffer body;
        static constexpr uint8_t password[password_size] = {1};
        encode(body, NewSession{.timeout_ms = 4000, .chance = 7, .password = password});
        Buffer reply;
        apply(static_cast<int32_t>(Op::create_session), body.bytes(), reply);
        Reader in(reply.bytes());
        session = in.i64();
        create("/a", CreateMode::persistent);
        create("/a/b", CreateMode::ephemeral);
        create("/a/s", CreateMode::persistent_sequential);
    }

    void apply(int32_t op, Bytes body, Buffer& reply) {
        Entry entry{.term = 1,
                    .zxid = ++zxid,
                    .time_ms = 1000,
                    .origin = {.node = 1, .client = 1, .request = zxid},
                    .session = session,
                    .op = op,
                    .ids = ids.bytes(),
                    .body = body};
        state.apply(entry, reply);
    }

    void create(const char* path, CreateMode mode) {
        Acl open{.perms = perm::all, .scheme = "world", .id = "anyone"};
        Buffer acls;
        write_acls(acls, {&open, 1});
        Buffer body;
        CreateRequest record{.path = path,
                             .data = as_bytes("data"),
                             .acls = acls.bytes(),
                             .flags = static_cast<int32_t>(mode),
                             .ttl_ms = -1};
        encode(body, record, false);
        Buffer reply;
        apply(static_cast<int32_t>(Op::create), body.bytes(), reply);
    }
};

void run(World& world, const Command& command, Bytes body) {
    Buffer reply;
    Buffer notices;
    int32_t op = static_cast<int32_t>(command.op);
    Identity me{.scheme = "ip", .id = "127.0.0.1"};
    if (command.kind == CommandKind::write) {
        if (State::well_formed(op, body)) world.apply(op, body, reply);
    } else if (command.kind == CommandKind::read) {
        Caller caller{.client = 3, .session = world.session, .identities = {&me, 1}};
        world.state.read(command.op, body, caller, reply, notices);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    World world;
    Reader in(Bytes(data, size));
    while (in.left() > 3) {
        const Command& command = commands()[in.u8() % commands().size()];
        uint16_t length = in.u16();
        Bytes body = in.bytes(std::min<size_t>(length, in.left()));
        run(world, command, body);
    }
    world.state.watches.forget(3, 1u << 30);
    Buffer reply;
    world.apply(static_cast<int32_t>(Op::close_session), {}, reply);
    if (world.state.tree.ephemeral_count() != 0) abort();
    return 0;
}
