// session_test.cc -- sessions: how they come, move from client to client and go, with all that was
// bound to them; and when the leader gives one up.

#include "state/session.h"

#include <set>

#include "world.h"

using namespace zk;
using namespace zk::test;

namespace {

Answer new_session(World& world, int32_t timeout_ms, Bytes secret) {
    return world.apply(
        static_cast<int32_t>(Op::create_session),
        body_of(NewSession{.timeout_ms = timeout_ms, .chance = 1, .password = secret}));
}

// `client` takes over `session`.
Answer attach(World& world, const Client& client, int64_t session, int32_t timeout_ms = 4000,
              Bytes secret = password) {
    Client before = std::exchange(world.me, client);
    world.me.session = session;
    Answer answer =
        world.apply(entry_op::attach_session,
                    body_of(AttachSession{.timeout_ms = timeout_ms, .password = secret}));
    world.me = before;
    return answer;
}

Strings ephemerals(World& world, std::string_view prefix) {
    Answer answer = world.read(Op::get_ephemerals, text_body(prefix));
    CHECK(answer.err == Err::ok);
    return answer.sorted();
}

}  // namespace

TEST_CASE("a new session is answered with its id, time-out and password") {
    World world;
    Answer made = new_session(world, 6000, password);
    REQUIRE(made.err == Err::ok);
    REQUIRE(made.reply.size() == 8 + 4 + password_size);
    Reader in = made.reader();
    int64_t id = in.i64();
    CHECK(id != 0);
    CHECK(in.i32() == 6000);
    CHECK(std::ranges::equal(in.bytes(password_size), password));
    REQUIRE(world.state.sessions.find(id) != 0);
    CHECK(world.state.sessions[world.state.sessions.find(id)].timeout_ms == 6000);
}

TEST_CASE("no two sessions have the same id, whoever made them") {
    World world;
    std::set<int64_t> ids = {world.me.session};
    for (uint32_t node : {1u, 2u, 255u, 256u, 1u}) {
        world.as({.number = 3, .node = node});
        ids.insert(new_session(world, 4000, password).reader().i64());
    }
    CHECK(ids.size() == 6);
    CHECK(ids.count(0) == 0);
    CHECK(world.state.sessions.count() == 6);
}

TEST_CASE("a session without a time-out or with a strange password is not made") {
    World world;
    uint32_t before = world.state.sessions.count();
    CHECK(new_session(world, 0, password).err == Err::session_expired);
    CHECK(new_session(world, -1, password).err == Err::session_expired);
    CHECK(new_session(world, 4000, as_bytes("short")).err == Err::session_expired);
    CHECK(new_session(world, 4000, {}).err == Err::session_expired);
    CHECK(world.apply(static_cast<int32_t>(Op::create_session), "").err == Err::session_expired);
    CHECK(world.state.sessions.count() == before);
}

TEST_CASE("a close takes its session's ephemerals along, and nobody else's") {
    World world;
    Client other = world.connect(2);
    world.create("/p");
    world.create("/p/mine1", "", 1);
    world.create("/p/mine2", "", 1);
    world.create("/p/plain");
    world.create("/top", "", 1);
    Client me = world.me;
    world.as(other).create("/p/other", "", 1);
    world.as(me);
    Answer closed = world.close();
    CHECK(closed.err == Err::ok);
    CHECK(closed.reply.empty());
    CHECK(shown(world.children("/p").sorted()) == "other; plain");
    CHECK(world.exists("/top").err == Err::no_node);
    CHECK(world.state.sessions.find(me.session) == 0);
    CHECK(world.state.sessions.find(other.session) != 0);
    CHECK(world.state.tree.ephemeral_count() == 1);
    world.expire(other);
    CHECK(shown(world.children("/p").sorted()) == "plain");
    CHECK(world.state.tree.ephemeral_count() == 0);
}

TEST_CASE("the end of a session moves the parents of its ephemerals as deletes do") {
    World world;
    Client other = world.connect(2);
    world.as(other).create("/p");
    world.create("/q");
    Client owner = world.connect(3);
    world.as(owner).create("/p/a", "", 1);
    world.create("/p/b", "", 3);
    world.create("/q/c", "", 1);
    world.as(other).expire(owner);
    int64_t zxid = static_cast<int64_t>(world.state.zxid());
    CHECK(world.stat("/p").pzxid == zxid);
    CHECK(world.stat("/p").num_children == 0);
    CHECK(world.stat("/p").cversion == 4);
    CHECK(world.stat("/q").pzxid == zxid);
    CHECK(world.remove("/p").err == Err::ok);
    CHECK(world.remove("/q").err == Err::ok);
}

TEST_CASE("a deleted ephemeral's name belongs to whoever made it last") {
    World world;
    Client owner = world.me;
    Client other = world.connect(2);
    world.create("/e", "", 1);
    world.create("/f", "", 1);
    world.as(other).remove("/e");
    world.create("/e");
    world.remove("/f");
    world.create("/f", "", 1);
    world.expire(owner);
    CHECK(world.exists("/e").err == Err::ok);
    CHECK(world.stat("/f").ephemeral_owner == other.session);
}

TEST_CASE("each ephemeral that goes tells its own watchers and then its parent's") {
    World world;
    Client watcher = world.connect(2);
    world.create("/p");
    world.create("/p/a", "", 1);
    world.create("/p/b", "", 1);
    Client owner = world.me;
    world.get("/p/a", true);
    world.as(watcher).add_watch("/p", 1);
    world.children("/p", true);
    world.as(owner).close();
    Strings told;
    for (const Event& event : world.state.events())
        told.push_back(std::to_string(event.client) + " " + std::string(event_name(event.type)) +
                       " " + std::string(event.path));
    // The order of the ephemerals is nobody's business; that of an ephemeral's events is.
    auto at = [&](std::string_view line) {
        auto found = std::find(told.begin(), told.end(), line);
        REQUIRE_MESSAGE(found != told.end(), line);
        return found - told.begin();
    };
    CHECK(told.size() == 4);
    CHECK(at("1 NodeDeleted /p/a") >= 0);  // the one who closes is told, too
    CHECK(at("2 NodeDeleted /p/a") >= 0);
    CHECK(at("2 NodeDeleted /p/b") >= 0);
    // The one-shot fires with the first of them, between the two deletions.
    CHECK(at("2 NodeChildrenChanged /p") >
          std::min(at("2 NodeDeleted /p/a"), at("2 NodeDeleted /p/b")));
    CHECK(at("2 NodeChildrenChanged /p") <
          std::max(at("2 NodeDeleted /p/a"), at("2 NodeDeleted /p/b")));
}

TEST_CASE("a session may be closed twice, or without ever having been") {
    World world;
    Client gone = world.connect(2);
    world.expire(gone);
    uint64_t digest = world.state.digest();
    CHECK(world.expire(gone).err == Err::ok);
    CHECK(world.as(gone).close().err == Err::ok);
    world.as({.number = 5, .session = 12345});
    CHECK(world.close().err == Err::ok);
    CHECK(world.state.digest() == digest);
}

TEST_CASE("every write of a session that is gone is refused as expired") {
    World world;
    world.create("/a");
    Client gone = world.me;
    world.expire(gone);
    uint64_t digest = world.state.digest();
    CHECK(world.create("/b").err == Err::session_expired);
    CHECK(world.create("/b", "", 1).err == Err::session_expired);
    CHECK(world.set("/a", "x").err == Err::session_expired);
    CHECK(world.remove("/a").err == Err::session_expired);
    CHECK(world.set_acl("/a", open_acl()).err == Err::session_expired);
    CHECK(shown(results_of(world.multi(Multi().create({.path = "/b"}).check("/a")))) ==
          "error -112; error -2");
    CHECK(world.exists("/a").err == Err::ok);  // reads ask for no session
    CHECK(world.state.digest() == digest);
}

TEST_CASE("who takes a session over has it, and the one before is turned away") {
    World world;
    world.create("/e", "", 1);
    Client before = world.me;
    Client after{.number = 9, .session = before.session, .node = 2};
    Answer answer = attach(world, after, before.session, 5000);
    REQUIRE(answer.err == Err::ok);
    CHECK(answer.reader().i64() == before.session);
    // The old client: no writes, no close; its reads go on.
    CHECK(world.set("/e", "x").moved);
    CHECK(world.set("/e", "x").err == Err::session_moved);
    CHECK(world.multi(Multi()).moved);
    CHECK(world.close().moved);
    CHECK(world.get("/e").err == Err::ok);
    CHECK(world.state.sessions.find(before.session) != 0);
    // The new one: everything, and the ephemerals are still its own.
    world.as(after);
    CHECK(!world.set("/e", "y").moved);
    CHECK(world.data("/e") == "y");
    CHECK(world.stat("/e").ephemeral_owner == before.session);
    CHECK(world.create("/f", "", 1).err == Err::ok);
    CHECK(world.close().err == Err::ok);
    CHECK(world.exists("/e").err == Err::no_node);
    CHECK(world.exists("/f").err == Err::no_node);
}

TEST_CASE("the same client number on another node is another client") {
    World world;
    Client stranger = world.me;
    stranger.node = 2;
    CHECK(world.as(stranger).create("/a").moved);
    CHECK(world.close().moved);
    Client neighbour = stranger;
    neighbour.node = 1;
    neighbour.number = 2;
    CHECK(world.as(neighbour).create("/a").moved);
    CHECK(world.exists("/a").err == Err::no_node);
}

TEST_CASE("an expiry is the server's and asks for no owner") {
    World world;
    Client owner = world.me;
    Client stranger{.number = 77, .session = owner.session, .node = 3};
    CHECK(world.expire(stranger).err == Err::ok);
    CHECK(world.state.sessions.find(owner.session) == 0);
}

TEST_CASE("a session is taken over by its password only") {
    World world;
    Client thief{.number = 9, .session = world.me.session, .node = 2};
    uint8_t wrong[password_size];
    std::copy(std::begin(password), std::end(password), wrong);
    wrong[15] ^= 1;
    uint64_t digest = world.state.digest();
    CHECK(attach(world, thief, world.me.session, 9000, wrong).err == Err::session_expired);
    CHECK(attach(world, thief, world.me.session, 9000, as_bytes("secret")).err ==
          Err::session_expired);
    CHECK(attach(world, thief, world.me.session, 9000, {}).err == Err::session_expired);
    CHECK(attach(world, thief, world.me.session, 0).err == Err::session_expired);
    CHECK(attach(world, thief, world.me.session + 1).err == Err::session_expired);
    CHECK(attach(world, thief, 0).err == Err::session_expired);
    CHECK(world.state.digest() == digest);
    CHECK(world.create("/still-mine").err == Err::ok);
    CHECK(world.as(thief).create("/not-mine").moved);
}

TEST_CASE("taking over sets the time-out anew, down as well as up") {
    World world;
    SessionSlot slot = world.state.sessions.find(world.me.session);
    uint64_t digest = world.state.digest();
    for (int32_t timeout_ms : {6000, 2000, 4000}) {
        Answer answer = attach(world, world.me, world.me.session, timeout_ms);
        Reader in = answer.reader();
        in.i64();
        CHECK(in.i32() == timeout_ms);
        CHECK(world.state.sessions[slot].timeout_ms == timeout_ms);
        CHECK((world.state.digest() == digest) == (timeout_ms == 4000));
    }
    world.expire(world.me);
    CHECK(attach(world, world.me, world.me.session).err == Err::session_expired);
}

TEST_CASE("getEphemerals names the caller's own whose paths begin with the text") {
    World world;
    Client other = world.connect(2);
    for (const char* path : {"/a", "/b"}) world.create(path);
    for (const char* path : {"/a/1", "/ab", "/b/2"}) world.create(path, "", 1);
    Client me = world.me;
    world.as(other).create("/a/other", "", 1);
    world.as(me);
    for (const char* all : {"", "/", " ", "\t\n"})
        CHECK(shown(ephemerals(world, all)) == "/a/1; /ab; /b/2");
    CHECK(shown(ephemerals(world, "/a")) == "/a/1; /ab");  // a text, not a path
    CHECK(shown(ephemerals(world, "/a/")) == "/a/1");
    CHECK(shown(ephemerals(world, "/nothing")) == "");
    CHECK(shown(ephemerals(world, std::string_view())) == "/a/1; /ab; /b/2");
    world.remove("/ab");
    CHECK(shown(ephemerals(world, "/")) == "/a/1; /b/2");
    world.as(other);
    CHECK(shown(ephemerals(world, "/")) == "/a/other");
    world.as({.number = 7, .session = 0});
    CHECK(shown(ephemerals(world, "/")) == "");
}

TEST_CASE("a session has at most as many ephemerals as the rules say") {
    World world;
    world.rules({.session_ephemerals_max = 2});
    CHECK(world.create("/1", "", 1).err == Err::ok);
    CHECK(world.create("/2", "", 3).err == Err::ok);
    CHECK(world.create("/3", "", 1).err == Err::quota_exceeded);
    CHECK(world.create("/3").err == Err::ok);
    CHECK(world.create("/1", "", 1).err == Err::node_exists);  // said first
    CHECK(shown(results_of(world.multi(Multi()
                                           .remove("/1")
                                           .create({.path = "/4", .flags = 1})
                                           .create({.path = "/5", .flags = 1})))) ==
          "error 0; error 0; error -125");
    CHECK(shown(results_of(world.multi(Multi().remove("/1").create({.path = "/4", .flags = 1})))) ==
          "2; 1:/4");
    Client other = world.connect(2);
    CHECK(world.as(other).create("/other", "", 1).err == Err::ok);
    world.rules({});
    CHECK(world.create("/more", "", 1).err == Err::ok);
}

TEST_CASE("ten thousand ephemerals go in one entry") {
    World world;
    Client owner = world.connect(2);
    world.create("/p");
    world.as(owner);
    for (int i = 0; i < 10'000; ++i) world.create("/p/", "", 3);
    CHECK(world.stat("/p").num_children == 10'000);
    uint64_t before = world.state.zxid();
    world.close();
    CHECK(world.state.zxid() == before + 1);
    CHECK(world.stat("/p").num_children == 0);
    CHECK(world.stat("/p").cversion == 20'000);
}
