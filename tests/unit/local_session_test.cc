// local_session_test.cc -- sessions that only one node knows: in the state, which never hears of
// them until they are upgraded, and in a node alone that keeps them.

#include <doctest/doctest.h>

#include <string>

#include "memory_io.h"
#include "node/node.h"
#include "state/rules.h"
#include "world.h"

using namespace zk;
using namespace zk::test;

namespace {

constexpr int64_t local_id = 0x0180000000000001;

// The client whose session the state does not know.
void be_local(World& world) { world.me.session = 0; }

Answer upgrade(World& world, int64_t session) {
    world.me.session = session;
    return world.apply(entry_op::upgrade_session,
                       body_of(NewSession{.timeout_ms = 4000, .chance = 0, .password = password}));
}

// A node alone with local sessions, and clients that speak the protocol.
struct Server final : MemoryIo {
    Config config;
    std::unique_ptr<Node> node;
    std::map<ClientId, Buffer> said;
    std::set<ClientId> ended;
    Buffer asked;  // that the node looks at in its turn
    int32_t xid = 0;

    explicit Server(bool upgrading) {
        log_set_sink([](LogLevel, std::string_view) {});
        config.data_dir = "d";
        config.segment_bytes = 64 * 1024;
        config.tick_ms = 500;
        config.session_timeout_min_ms = 1'000;
        config.local_sessions = true;
        config.local_sessions_upgrading = upgrading;
        config.four_letter_words = "*";
        submitted.clear();
        node = std::make_unique<Node>(*this, config);
        REQUIRE(node->start().has_value());
        turns(4);
    }
    ~Server() override { log_set_sink(nullptr); }

    size_t send(ClientId client, Buffer& bytes) override {
        said[client].append(bytes.bytes());
        bytes.clear();
        return 0;
    }
    void close(ClientId client) override { ended.insert(client); }
    void turns(int many) {
        for (int i = 0; i < many; ++i) {
            clock_us += 50'000;
            node->turn();
            finish([this](Lane lane, uint64_t ticket, const DiskResult& result) {
                node->on_disk(lane, ticket, result);
            });
        }
    }
    void tell(ClientId client, std::string_view bytes) {
        asked.clear();
        asked.append(bytes);
        node->on_bytes(client, asked.bytes());
        turns(3);
    }
    std::string ask(std::string_view word) {
        REQUIRE(node->on_open(9, {}));
        tell(9, word);
        std::string text(said[9].text());
        said[9].clear();
        return text;
    }
    bool tells(std::string_view line) { return ask("mntr").find(line) != std::string::npos; }
    ConnectResponse connect(ClientId client, int64_t session = 0, std::string_view secret = {}) {
        REQUIRE(node->on_open(client, {}));
        ended.erase(client);
        said[client].clear();
        Buffer hello;
        size_t at = begin_frame(hello);
        encode(hello, ConnectRequest{.timeout_ms = 1'000,
                                     .session = session,
                                     .password = as_bytes(secret)});
        end_frame(hello, at);
        tell(client, hello.text());
        Reader in(said[client].bytes().subspan(4));
        ConnectResponse answer;
        decode(in, answer);
        REQUIRE(in.ok());
        return answer;
    }
    Err call(ClientId client, Op op, std::string_view record) {
        said[client].clear();
        Buffer out;
        size_t at = begin_frame(out);
        out.i32(++xid);
        out.i32(static_cast<int32_t>(op));
        out.append(record);
        end_frame(out, at);
        tell(client, out.text());
        Reader in(said[client].bytes().subspan(4));
        CHECK(in.i32() == xid);
        in.i64();
        return static_cast<Err>(in.i32());
    }
    Err create(ClientId client, std::string path, int32_t flags = 0) {
        return call(client, Op::create, Create{.path = path, .flags = flags}.body());
    }
    Err exists(ClientId client, std::string_view path) {
        return call(client, Op::exists, text_body(path) + std::string(1, '\0'));
    }
};

}  // namespace

TEST_CASE("an entry of a local session writes, but makes no ephemeral") {
    World world;
    be_local(world);
    CHECK(world.create("/a").err == Err::ok);
    CHECK(world.set("/a", "x").err == Err::ok);
    CHECK(world.create("/e", "", 1).err == Err::ephemeral_on_local_session);
    CHECK(world.create("/e-", "", 3).err == Err::ephemeral_on_local_session);
    Multi multi;
    multi.create({.path = "/b"}).create({.path = "/e", .flags = 1});
    Answer answer = world.multi(multi);
    CHECK(answer.err == Err::ok);
    CHECK(world.exists("/b").err == Err::no_node);
    CHECK(world.remove("/a").err == Err::ok);
}

TEST_CASE("an entry of a session that ended fails, unlike one of a local session") {
    World world;
    world.close();
    CHECK(world.create("/a").err == Err::session_expired);
    be_local(world);
    CHECK(world.create("/a").err == Err::ok);
}

TEST_CASE("an upgraded session is like any other, with the id that it had") {
    World world;
    CHECK(upgrade(world, local_id).err == Err::ok);
    CHECK(world.state.sessions.find(local_id) != 0);
    CHECK(world.create("/e", "", 1).err == Err::ok);
    CHECK(world.stat("/e").ephemeral_owner == local_id);
    // Once only.
    CHECK(upgrade(world, local_id).err == Err::session_expired);
    CHECK(world.close().err == Err::ok);
    CHECK(world.exists("/e").err == Err::no_node);
    CHECK(world.create("/a").err == Err::session_expired);
}

TEST_CASE("an upgrade without an id is refused") {
    World world;
    CHECK(upgrade(world, 0).err == Err::session_expired);
}

TEST_CASE("which requests make an ephemeral") {
    auto one = [](Op op, int32_t flags) {
        return makes_ephemeral(op, as_bytes(Create{.path = "/a", .flags = flags}.body()));
    };
    CHECK_FALSE(one(Op::create, 0));
    CHECK(one(Op::create, 1));
    CHECK_FALSE(one(Op::create2, 2));
    CHECK(one(Op::create2, 3));
    CHECK_FALSE(one(Op::create_container, 4));
    CHECK_FALSE(makes_ephemeral(Op::set_data, {}));
    Multi multi;
    multi.set("/a", "x").check("/b").create({.path = "/c"});
    CHECK_FALSE(makes_ephemeral(Op::multi, as_bytes(multi.body())));
    multi.create({.path = "/d", .flags = 1});
    CHECK(makes_ephemeral(Op::multi, as_bytes(multi.body())));
}

TEST_CASE("a local session costs the log nothing until it writes") {
    Server server(false);
    uint64_t last = server.node->standing().last_zxid;
    ConnectResponse mine = server.connect(1);
    CHECK(mine.session != 0);
    CHECK(mine.timeout_ms == 1'000);
    CHECK(server.node->standing().last_zxid == last);
    CHECK(server.tells("zk_local_sessions\t1\n"));
    CHECK(server.create(1, "/a") == Err::ok);
    CHECK(server.exists(1, "/a") == Err::ok);
    CHECK(server.create(1, "/e", 1) == Err::ephemeral_on_local_session);
    CHECK(server.tells("zk_global_sessions\t0\n"));
    last = server.node->standing().last_zxid;
    CHECK(server.call(1, Op::close_session, {}) == Err::ok);
    CHECK(server.ended.contains(1));
    CHECK(server.tells("zk_local_sessions\t0\n"));
    CHECK(server.node->standing().last_zxid == last);
}

TEST_CASE("a local session comes back with its password, and expires without a client") {
    Server server(false);
    ConnectResponse mine = server.connect(1);
    std::string secret(as_text(mine.password));
    CHECK(server.connect(2, mine.session, std::string(16, 'x')).session == 0);
    // That it was asked for at all has cut the first connection, as in ZooKeeper.
    CHECK(server.ended.contains(1));
    CHECK(server.connect(3, mine.session, secret).session == mine.session);
    CHECK(server.exists(3, "/a") == Err::no_node);
    server.turns(40);
    CHECK(server.ended.contains(3));
    CHECK(server.tells("zk_local_sessions\t0\n"));
    CHECK(server.connect(4, mine.session, secret).session == 0);
}

TEST_CASE("a local session is upgraded at its first ephemeral, and survives a restart then") {
    Server server(true);
    ConnectResponse mine = server.connect(1);
    std::string secret(as_text(mine.password));
    CHECK(server.create(1, "/a") == Err::ok);
    CHECK(server.tells("zk_global_sessions\t0\n"));
    CHECK(server.create(1, "/e", 1) == Err::ok);
    CHECK(server.tells("zk_global_sessions\t1\n"));
    CHECK(server.tells("zk_local_sessions\t0\n"));
    server.node = std::make_unique<Node>(server, server.config);
    REQUIRE(server.node->start().has_value());
    server.turns(4);
    CHECK(server.connect(5, mine.session, secret).session == mine.session);
    CHECK(server.exists(5, "/e") == Err::ok);
    server.turns(60);
    CHECK(server.ended.contains(5));
    server.connect(6);
    CHECK(server.exists(6, "/e") == Err::no_node);
}
