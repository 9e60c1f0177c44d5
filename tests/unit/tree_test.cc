// tree_test.cc -- znodes: what their stats say, which may have children, which names a parent gives
// out, who is reaped when, and that a change taken back leaves no trace.

#include "state/tree.h"

#include <climits>

#include "world.h"

using namespace zk;
using namespace zk::test;

namespace {

Create create_of(std::string path, int32_t flags = 0, int64_t ttl_ms = -1) {
    return {.path = std::move(path), .flags = flags, .ttl_ms = ttl_ms};
}

bool has(World& world, std::string_view path) { return world.state.tree.find(path) != 0; }

// A world with a znode that has lived long: its counters are what the test wants them to be.
struct OldWorld : World {
    OldWorld(int32_t version, int32_t raw_cversion) {
        Tree::Saved saved{};
        saved.znode.acl = AclTable::open;
        saved.znode.version = version;
        saved.extra.cversion = raw_cversion;
        saved.extra.pzxid = 0;
        saved.name = "old";
        saved.data = as_bytes("");
        state.tree.restore("/old", Tree::root, saved, nullptr);
    }
};

// What a reaper that looks at everything once finds, as paths.
struct Reaper {
    World& world;
    std::vector<std::string> bodies = {};

    std::string find(int64_t now_ms, int64_t never_used_ms = 0) {
        bodies.clear();
        while (!world.state.reap(
            {.now_ms = now_ms, .never_used_ms = never_used_ms, .look_at = 100, .find = 100},
            bodies)) {
        }
        Strings paths;
        for (const std::string& body : bodies) {
            Reader in(as_bytes(body));
            ReapZnode found;
            decode(in, found);
            REQUIRE(in.ok());
            paths.emplace_back(found.path);
        }
        std::sort(paths.begin(), paths.end());
        return shown(paths);
    }
    Err reap(size_t which = 0) {
        Client before = std::exchange(world.me, Client{.number = 0, .node = 0, .who = {}});
        Answer answer = world.apply(static_cast<int32_t>(Op::delete_container), bodies.at(which));
        world.me = before;
        return answer.err;
    }
};

}  // namespace

TEST_CASE("a fresh server has ZooKeeper's znodes with ZooKeeper's odd stats") {
    World world;
    Stat root = world.stat("/");
    CHECK(root.cversion == -1);
    CHECK(root.num_children == 1);
    CHECK(root.version == 0);
    CHECK(root.czxid == 0);
    CHECK(root.pzxid == 0);
    CHECK(world.get("/").reply.substr(0, 4) == std::string(4, '\0'));  // empty, not null
    CHECK(world.stat("/zookeeper").cversion == -2);
    CHECK(world.stat("/zookeeper").num_children == 2);
    CHECK(world.stat("/zookeeper/quota").cversion == 0);
    CHECK(world.stat("/zookeeper/quota").aversion == 0);
    CHECK(world.stat("/zookeeper/config").aversion == -1);
    CHECK(shown(world.children("/zookeeper").sorted()) == "config; quota");
    CHECK(world.set("/zookeeper/config", "x").err == Err::no_auth);
    CHECK(world.set("/", "x").err == Err::ok);
    for (std::string_view path : {"/", "/zookeeper", "/zookeeper/quota", "/zookeeper/config"})
        CHECK(world.remove(path).err == Err::bad_arguments);
}

TEST_CASE("a new znode's stat says which entry made it, and when") {
    World world;
    world.time_ms = 5555;
    CHECK(world.create("/a", "hello").text() == "/a");
    int64_t zxid = static_cast<int64_t>(world.state.zxid());
    Stat stat = world.stat("/a");
    CHECK(stat.czxid == zxid);
    CHECK(stat.mzxid == zxid);
    CHECK(stat.pzxid == zxid);
    CHECK(stat.ctime == 5555);
    CHECK(stat.mtime == 5555);
    CHECK(stat.version == 0);
    CHECK(stat.cversion == 0);
    CHECK(stat.aversion == 0);
    CHECK(stat.ephemeral_owner == 0);
    CHECK(stat.data_length == 5);
    CHECK(stat.num_children == 0);
}

TEST_CASE("children that come and go move their parent's cversion, pzxid and count alone") {
    World world;
    world.create("/p");
    Stat before = world.stat("/p");
    world.time_ms = 9000;
    world.create("/p/a");
    world.create("/p/b");
    int64_t second = static_cast<int64_t>(world.state.zxid());
    Stat two = world.stat("/p");
    CHECK(two.cversion == 2);
    CHECK(two.num_children == 2);
    CHECK(two.pzxid == second);
    CHECK(two.mzxid == before.mzxid);
    CHECK(two.mtime == before.mtime);
    CHECK(two.version == 0);
    world.set("/p/a", "does not touch the parent");
    world.create("/p/a/deeper");
    CHECK(world.stat("/p").pzxid == second);
    CHECK(world.stat("/p").cversion == 2);
    world.remove("/p/b");
    Stat one = world.stat("/p");
    CHECK(one.cversion == 3);
    CHECK(one.num_children == 1);
    CHECK(one.pzxid == static_cast<int64_t>(world.state.zxid()));
    CHECK(one.mzxid == before.mzxid);
    CHECK(one.mtime == before.mtime);
}

TEST_CASE("setData moves version, mzxid, mtime and length, also with the same bytes") {
    World world;
    world.create("/a", "same");
    Stat before = world.stat("/a");
    world.time_ms = 7000;
    Stat answered = world.set("/a", "same").stat();
    Stat after = world.stat("/a");
    CHECK(answered.mzxid == after.mzxid);
    CHECK(after.version == 1);
    CHECK(after.mzxid == before.mzxid + 1);
    CHECK(after.mtime == 7000);
    CHECK(after.ctime == before.ctime);
    CHECK(after.czxid == before.czxid);
    CHECK(after.pzxid == before.pzxid);
    CHECK(world.set("/a", "longer than before").stat().data_length == 18);
    CHECK(world.data("/a") == "longer than before");
}

TEST_CASE("setACL moves aversion alone, and its version is compared with aversion") {
    World world;
    world.create("/a");
    world.set("/a", "1");
    Stat before = world.stat("/a");
    CHECK(world.set_acl("/a", open_acl(perm::read | perm::admin), 1).err == Err::bad_version);
    CHECK(world.set_acl("/a", open_acl(perm::read | perm::admin), 0).err == Err::ok);
    Stat after = world.stat("/a");
    CHECK(after.aversion == 1);
    CHECK(after.version == before.version);
    CHECK(after.mzxid == before.mzxid);
    CHECK(after.mtime == before.mtime);
    CHECK(world.set_acl("/a", open_acl(), 1).stat().aversion == 2);
}

TEST_CASE("null data comes back as null, empty data as empty") {
    World world;
    world.create({.path = "/null", .data = std::nullopt});
    world.create("/empty", "");
    CHECK(world.get("/null").reply.substr(0, 4) == "\xff\xff\xff\xff");
    CHECK(world.get("/empty").reply.substr(0, 4) == std::string(4, '\0'));
    CHECK(world.stat("/null").data_length == 0);
    world.set("/null", "");
    CHECK(world.get("/null").reply.substr(0, 4) == std::string(4, '\0'));
    Buffer body;
    encode(body, SetDataRequest{.path = "/empty", .data = {}, .version = -1});
    CHECK(world.write(Op::set_data, body.text()).err == Err::ok);
    CHECK(world.get("/empty").reply.substr(0, 4) == "\xff\xff\xff\xff");
}

TEST_CASE("an expected version must be the version, or -1") {
    World world;
    world.create("/a");
    world.set("/a", "x", 0);
    CHECK(world.set("/a", "y", 0).err == Err::bad_version);
    CHECK(world.set("/a", "y", -2).err == Err::bad_version);
    CHECK(world.set("/a", "y", 2).err == Err::bad_version);
    CHECK(world.data("/a") == "x");
    CHECK(world.set("/a", "y", 1).stat().version == 2);
    CHECK(world.set("/a", "z", -1).stat().version == 3);
    CHECK(world.remove("/a", 2).err == Err::bad_version);
    CHECK(has(world, "/a"));
    CHECK(world.remove("/a", 3).err == Err::ok);
    CHECK(!has(world, "/a"));
}

TEST_CASE("a version goes on from 2147483647 with -2147483648") {
    OldWorld world(INT_MAX - 1, 0);
    CHECK(world.set("/old", "", INT_MAX - 1).stat().version == INT_MAX);
    CHECK(world.set("/old", "", INT_MAX).stat().version == INT_MIN);
    CHECK(world.set("/old", "", INT_MIN).stat().version == INT_MIN + 1);
}

TEST_CASE("a znode with children is not deleted, and a wrong version is said first") {
    World world;
    world.create("/a");
    world.create("/a/b");
    CHECK(world.remove("/a", 7).err == Err::bad_version);
    CHECK(world.remove("/a").err == Err::not_empty);
    CHECK(world.remove("/a/b").err == Err::ok);
    CHECK(world.remove("/a").err == Err::ok);
    CHECK(world.remove("/a").err == Err::no_node);
}

TEST_CASE("sequence numbers count every child that ever was, and nothing else") {
    World world;
    world.create("/t");
    CHECK(world.create("/t/s-", "", 2).text() == "/t/s-0000000000");
    world.create("/t/plain");
    world.create("/t/ephemeral", "", 1);
    CHECK(world.create("/t/s-", "", 2).text() == "/t/s-0000000003");
    world.remove("/t/s-0000000003");
    world.remove("/t/plain");
    CHECK(world.create("/t/other-", "", 3).text() == "/t/other-0000000004");
    CHECK(world.create("/t/ephemeral").err == Err::node_exists);
    CHECK(world.create("/t/bad//", "", 2).err == Err::no_node);
    CHECK(world.create("/t/s-", "", 2).text() == "/t/s-0000000005");
    CHECK(world.create("/s", "", 2).text() == "/s0000000001");  // after /t
}

TEST_CASE("a sequential name is checked with its number, not without") {
    World world;
    world.create("/t");
    CHECK(world.create("/t/").err == Err::bad_arguments);
    CHECK(world.create("/t/", "", 2).text() == "/t/0000000000");
    CHECK(world.create("/t/.").err == Err::bad_arguments);
    CHECK(world.create("/t/.", "", 2).text() == "/t/.0000000001");
    CHECK(world.create("/t/0000000002").err == Err::ok);
    CHECK(world.create("/t/\x01", "", 2).err == Err::bad_arguments);
    // The number's place may be taken already.
    world.create("/t/x0000000004");
    CHECK(world.create("/t/x", "", 2).err == Err::node_exists);
    CHECK(world.create("/t/y", "", 2).text() == "/t/y0000000004");
}

TEST_CASE("the last sequence number is given out again and again") {
    OldWorld world(0, INT_MAX - 1);
    CHECK(world.create("/old/a", "", 2).text() == "/old/a2147483646");
    int64_t last = static_cast<int64_t>(world.state.zxid());
    CHECK(world.create("/old/a", "", 2).text() == "/old/a2147483647");
    CHECK(world.create("/old/a", "", 2).err == Err::node_exists);
    CHECK(world.create("/old/b", "", 2).text() == "/old/b2147483647");
    // The counter and pzxid rise together or not at all; deletes go on as ever.
    CHECK(world.stat("/old").pzxid == last);
    CHECK(world.stat("/old").cversion == static_cast<int32_t>(2u * INT_MAX - 3));
    world.remove("/old/b2147483647");
    CHECK(world.stat("/old").pzxid == static_cast<int64_t>(world.state.zxid()));
    CHECK(world.stat("/old").num_children == 2);
}

TEST_CASE("an ephemeral shows its owner and has no children, whoever asks") {
    World world;
    world.create("/e", "", 1);
    CHECK(world.stat("/e").ephemeral_owner == world.me.session);
    CHECK(world.create("/e/child").err == Err::no_children_for_ephemerals);
    CHECK(world.create("/e/child", "", 1).err == Err::no_children_for_ephemerals);
    CHECK(world.create("/e/child", "", 2).err == Err::no_children_for_ephemerals);
    CHECK(world.stat("/e").cversion == 0);
    CHECK(world.state.tree.ephemeral_count() == 1);
    world.remove("/e");
    CHECK(world.state.tree.ephemeral_count() == 0);
}

TEST_CASE("containers and TTL znodes have children and show no owner") {
    World world;
    world.rules({.extended_types = true});
    Answer container = world.create(create_of("/c", 4), Op::create_container);
    CHECK(container.text() == "/c");
    CHECK(container.stat().ephemeral_owner == 0);
    Answer ttl = world.create(create_of("/t", 5, 1000), Op::create_ttl);
    CHECK(ttl.text() == "/t");
    CHECK(ttl.stat().ephemeral_owner == 0);
    CHECK(world.create("/c/child").err == Err::ok);
    CHECK(world.create("/t/child", "", 1).err == Err::ok);
    CHECK(world.state.tree.ephemeral_count() == 1);
    CHECK(world.create(create_of("/t/s", 6, 1000), Op::create_ttl).text() == "/t/s0000000001");
}

TEST_CASE("only create2, createContainer and createTTL answer with a stat") {
    World world;
    world.rules({.extended_types = true});
    CHECK(world.create(create_of("/1")).reply.size() == 4 + 2);
    CHECK(world.create(create_of("/2"), Op::create2).reply.size() == 4 + 2 + 68);
    CHECK(world.create(create_of("/3", 4), Op::create_container).reply.size() == 4 + 2 + 68);
    CHECK(world.create(create_of("/4", 5, 1), Op::create_ttl).reply.size() == 4 + 2 + 68);
    Answer full = world.create({.path = "/5", .data = "four"}, Op::create2);
    CHECK(full.stat().data_length == 4);
    CHECK(full.stat().czxid == static_cast<int64_t>(world.state.zxid()));
}

TEST_CASE("what a create makes depends on the operation and its flags") {
    World world;
    world.rules({.extended_types = true});
    auto kind = [&](Op op, int32_t flags, int64_t ttl_ms = -1) -> std::string {
        Answer made = world.create(create_of("/x", flags, ttl_ms), op);
        if (made.err != Err::ok) return std::string(err_name(made.err));
        std::string path = made.text();
        ZnodeKind is = world.state.tree[world.state.tree.find(path)].kind;
        world.remove(path);
        const char* names[] = {"persistent", "ephemeral", "container", "ttl"};
        return names[static_cast<size_t>(is)] + std::string(path == "/x" ? "" : " sequential");
    };
    const std::string bad(err_name(Err::bad_arguments));
    const char* plain[] = {"persistent", "ephemeral", "persistent sequential",
                           "ephemeral sequential", "persistent"};
    const char* container[] = {"container", "container", "container sequential",
                               "container sequential", "container"};
    for (int32_t flags = 0; flags <= 4; ++flags) {
        CAPTURE(flags);
        CHECK(kind(Op::create, flags) == plain[flags]);
        CHECK(kind(Op::create2, flags) == plain[flags]);
        CHECK(kind(Op::create_container, flags) == container[flags]);
        CHECK(kind(Op::create_ttl, flags, 5) == bad);
        CHECK(kind(Op::create_ttl, flags, -1) == bad);
    }
    for (int32_t flags : {5, 6, 7, -1})
        for (Op op : {Op::create, Op::create2, Op::create_container}) CHECK(kind(op, flags) == bad);
    CHECK(kind(Op::create_ttl, 5, 5) == "ttl");
    CHECK(kind(Op::create_ttl, 6, ttl_ms_max) == "ttl sequential");
    for (int64_t ttl_ms : {int64_t{0}, int64_t{-1}, ttl_ms_max + 1})
        CHECK(kind(Op::create_ttl, 5, ttl_ms) == bad);
    world.rules({.extended_types = false});
    CHECK(kind(Op::create_ttl, 5, 5) == err_name(Err::unimplemented));
    CHECK(kind(Op::create, 6) == err_name(Err::unimplemented));
}

TEST_CASE("a container is reaped once it has lost its children, an unused one only when asked") {
    World world;
    Reaper reaper{world};
    world.create(create_of("/used", 4), Op::create_container);
    world.create(create_of("/new", 4), Op::create_container);
    world.create("/plain");
    world.create("/used/child");
    CHECK(reaper.find(1'000'000) == "");
    world.remove("/used/child");
    CHECK(reaper.find(1'000'000) == "/used");
    CHECK(reaper.find(world.time_ms + 500, 500) == "/used");
    CHECK(reaper.find(world.time_ms + 501, 500) == "/new; /used");
    CHECK(reaper.find(world.time_ms) == "/used");
    CHECK(reaper.reap() == Err::ok);
    CHECK(!has(world, "/used"));
    CHECK(world.stat("/").num_children == 3);
    CHECK(reaper.find(1'000'000) == "");
}

TEST_CASE("a TTL znode is reaped when nobody has set it for longer than its time") {
    World world;
    world.rules({.extended_types = true});
    Reaper reaper{world};
    world.time_ms = 1000;
    world.create(create_of("/t", 5, 100), Op::create_ttl);
    CHECK(reaper.find(1100) == "");
    CHECK(reaper.find(1101) == "/t");
    world.time_ms = 1050;
    world.set("/t", "still wanted");
    CHECK(reaper.find(1150) == "");
    CHECK(reaper.find(1151) == "/t");
    world.time_ms = 1140;
    world.create("/t/child");
    CHECK(reaper.find(99999) == "");
    world.remove("/t/child");
    CHECK(reaper.find(1151) == "/t");  // a child's life does not count
}

TEST_CASE("what a reaper found is left alone if it has changed since") {
    World world;
    world.rules({.extended_types = true});
    Reaper reaper{world};
    world.create(create_of("/t", 5, 1), Op::create_ttl);
    REQUIRE(reaper.find(99999) == "/t");
    SUBCASE("it got a child") {
        world.create("/t/child");
        CHECK(reaper.reap() == Err::not_empty);
        CHECK(has(world, "/t"));
    }
    SUBCASE("it was set") {
        world.time_ms += 50;
        world.set("/t", "");
        CHECK(reaper.reap() == Err::bad_version);
        CHECK(has(world, "/t"));
    }
    SUBCASE("it is another one of that name") {
        world.remove("/t");
        world.create("/t");
        CHECK(reaper.reap() == Err::bad_version);
        CHECK(has(world, "/t"));
    }
    SUBCASE("it is gone") {
        world.remove("/t");
        CHECK(reaper.reap() == Err::no_node);
    }
}

TEST_CASE("a reaper goes on where it was, though what it stood at is gone") {
    World world;
    auto used = [&](const std::string& path, Op op) {
        world.create(create_of(path), op);
        world.create(path + "/child");
        world.remove(path + "/child");
    };
    for (const char* path : {"/c1", "/c2", "/c3", "/c4", "/c5"}) used(path, Op::create_container);
    auto found = [&] {
        std::vector<std::string> bodies;
        bool around =
            world.state.reap({.now_ms = 1, .never_used_ms = 0, .look_at = 2, .find = 9}, bodies);
        std::string text = around ? "around:" : "";
        for (const std::string& body : bodies) text += " " + body.substr(body.size() - 3);
        return text;
    };
    CHECK(found() == " /c5 /c4");
    REQUIRE(world.remove("/c3").err == Err::ok);
    used("/x", Op::create);  // has the number that /c3 had
    CHECK(found() == "around: /c2 /c1");
    CHECK(found() == " /c5 /c4");
    world.remove("/c2");
    world.remove("/c1");
    CHECK(found() == "around: /c5 /c4");
    std::vector<std::string> bodies;
    CHECK(!world.state.reap({.now_ms = 1, .look_at = 9, .find = 1}, bodies));
    CHECK(bodies.size() == 1);
}

TEST_CASE("looking ahead hands over a path's hash, and its parent's of one that is not there") {
    World world;
    world.create("/there");
    const Tree& tree = world.state.tree;
    Tree::Ahead ahead(tree);
    for (std::string_view path : {"/there", "/there/new", "/new", ""}) ahead.add(path);
    ahead.fetch();
    CHECK(ahead.key(0).hash == tree.hash_path("/there"));
    CHECK(ahead.key(0).above == 0);
    CHECK(ahead.key(1).hash == tree.hash_path("/there/new"));
    CHECK(ahead.key(1).above == tree.hash_path("/there"));
    CHECK(ahead.key(2).above == tree.hash_path("/"));
    CHECK(ahead.key(4).path.empty());
}
