// state_snapshot_test.cc -- a state as records and back: nothing is lost, nothing comes along that
// is this node's alone, and damage is noticed.

#include <cstdlib>
#include <random>

#include "world.h"

using namespace zk;
using namespace zk::test;

namespace {

enum Section : uint32_t { meta = 1, acls, sessions, znodes };

// ZKD_SEED=n repeats a run.
uint64_t seed() {
    const char* text = getenv("ZKD_SEED");
    return text ? strtoull(text, nullptr, 10) : std::random_device()();
}

// A state with something of everything.
struct FullWorld : World {
    Client other;

    FullWorld() {
        rules({.enforce_quota = true, .extended_types = true, .session_ephemerals_max = 50});
        other = connect(2, 9000);
        create("/a", "data");
        create({.path = "/a/null", .data = std::nullopt});
        create({.path = "/a/acl", .data = "x", .acls = open_acl(perm::read | perm::admin)});
        create({.path = "/a/same", .acls = open_acl(perm::read | perm::admin)});
        set_acl("/a/same", acl_bytes({{.perms = 31, .scheme = "ip", .id = "10.0.0.0/8"}}));
        create("/a/e", "mine", 1);
        create({.path = "/c"}, Op::create_container);
        create("/c/child");
        create({.path = "/t", .flags = 5, .ttl_ms = 100}, Op::create_ttl);
        create("/zookeeper/quota/a");
        create("/zookeeper/quota/a/zookeeper_limits", "count=-1,bytes=-1=;countHardLimit=6");
        create("/zookeeper/quota/a/zookeeper_stats");
        create("/a/gone");
        remove("/a/gone");
        set("/a", "new data");
        set("/", "the root's");
        Client before = me;
        as(other).create("/a/other", "", 1);
        as(before);
        connect(3);
    }
};

bool loads(const Saved& saved) {
    World into(false);
    return static_cast<bool>(load(saved, into.state));
}

std::string znode(uint32_t depth, ZnodeKind kind, std::string_view name, AclId acl,
                  int64_t owner = 0) {
    Buffer out;
    out.u32(depth);
    out.u8(static_cast<uint8_t>(kind));
    write_text(out, name);
    write_buffer(out, as_bytes(""));
    out.u32(acl);
    for (int i = 0; i < 4; ++i) out.i64(1);
    out.i32(0);
    out.boolean(true);
    out.i64(1);
    out.i64(owner);
    out.i32(0);
    out.i32(0);
    return std::string(out.text());
}

}  // namespace

TEST_CASE("a loaded state is the one that was saved, to the last number") {
    FullWorld world;
    Saved saved = save(world.state);
    World loaded(false);
    REQUIRE(load(saved, loaded.state));
    CHECK(loaded.state.zxid() == world.state.zxid());
    CHECK(loaded.state.term() == 1);
    CHECK(loaded.state.digest() == world.state.digest());
    CHECK(loaded.state.rules == world.state.rules);
    CHECK(loaded.state.tree.count() == world.state.tree.count());
    CHECK(loaded.state.tree.data_bytes() == world.state.tree.data_bytes());
    CHECK(loaded.state.tree.ephemeral_count() == 2);
    CHECK(loaded.state.sessions.count() == 3);
    CHECK(loaded.state.reapable.count == 2);
    CHECK(save(loaded.state).records == saved.records);
    for (const char* path : {"/", "/a", "/a/null", "/a/acl", "/a/e", "/c", "/t", "/zookeeper"}) {
        CHECK(loaded.as(world.me).exists(path).reply == world.exists(path).reply);
        CHECK(loaded.get(path).reply == world.get(path).reply);
        CHECK(loaded.read(Op::get_acl, text_body(path)).reply ==
              world.read(Op::get_acl, text_body(path)).reply);
    }
    CHECK(loaded.create("/a/s", "", 2).err == Err::quota_exceeded);
}

TEST_CASE("a loaded state goes on as the other one does") {
    FullWorld world;
    World loaded(false);
    REQUIRE(load(save(world.state), loaded.state));
    auto same = [&](auto&& action) {
        Answer here = action(static_cast<World&>(world));
        Answer there = action(loaded);
        CHECK(here.err == there.err);
        CHECK(here.moved == there.moved);
        CHECK(here.reply == there.reply);
        CHECK(world.state.digest() == loaded.state.digest());
    };
    Client me = world.me;
    loaded.as(me);
    same([](World& in) { return in.remove("/a/null"); });
    same([](World& in) { return in.create("/a/s", "", 2); });
    same([](World& in) { return in.set("/a/acl", "no"); });
    same([](World& in) { return in.set("/a", "short", 1); });
    same([](World& in) { return in.remove("/c/child"); });
    same([](World& in) { return in.create({.path = "/c2"}, Op::create_container); });
    Client stranger{.number = 5, .session = me.session, .node = 2};
    same([&](World& in) { return in.as(stranger).create("/x"); });  // moved: owners are saved
    same([&](World& in) { return in.as(me).expire(in.me); });
    CHECK(loaded.exists("/a/e").err == Err::no_node);
    CHECK(loaded.exists("/a/other").err == Err::ok);
    same([&](World& in) { return in.as(world.other).close(); });
    CHECK(loaded.exists("/a/other").err == Err::no_node);
    std::vector<std::string> found[2];
    for (int64_t now_ms : {int64_t{0}, int64_t{99999}}) {
        world.state.reap({.now_ms = now_ms, .look_at = 99, .find = 99}, found[0]);
        loaded.state.reap({.now_ms = now_ms, .look_at = 99, .find = 99}, found[1]);
        for (auto& bodies : found) std::sort(bodies.begin(), bodies.end());
        CHECK(found[0] == found[1]);
    }
    CHECK(found[0].size() == 3);  // /c twice, /t once
}

TEST_CASE("watches do not come along") {
    FullWorld world;
    world.get("/a", true);
    world.add_watch("/", 1);
    World loaded(false);
    REQUIRE(load(save(world.state), loaded.state));
    CHECK(world.state.watches.count() > 0);
    CHECK(loaded.state.watches.count() == 0);
    loaded.as(world.me).set("/a", "x");
    CHECK(loaded.events() == "");
}

TEST_CASE("lists that nobody uses are not kept for ever by a snapshot") {
    World world;
    world.create({.path = "/a", .acls = open_acl(3)});
    world.remove("/a");
    Saved saved = save(world.state);  // before the list is collected
    World loaded(false);
    REQUIRE(load(saved, loaded.state));
    loaded.apply(entry_op::no_op, "");
    for (const auto& [section, record] : save(loaded.state).records) CHECK(section != acls);
}

TEST_CASE("a snapshot of another seed, format or digest is refused") {
    FullWorld world;
    Saved saved = save(world.state);
    World other_seed(false, 8);
    CHECK(!load(saved, other_seed.state));
    Saved wrong = saved;
    wrong.digest ^= 1;
    CHECK(!loads(wrong));
    CHECK(loads(saved));
    State state(7);
    Reader nothing{Bytes()};
    for (uint32_t section : {0u, 1u, 2u, 3u, 4u, 5u, 99u}) CHECK(!state.load(section, nothing));
}

TEST_CASE("a record that is missing or doubled is noticed") {
    FullWorld world;
    Saved saved = save(world.state);
    for (size_t i = 0; i < saved.records.size(); ++i) {
        CAPTURE(i);
        CAPTURE(saved.records[i].first);
        Saved less = saved;
        less.records.erase(less.records.begin() + static_cast<std::ptrdiff_t>(i));
        CHECK(!loads(less));
        if (saved.records[i].first == meta) continue;
        Saved more = saved;
        more.records.insert(more.records.begin() + static_cast<std::ptrdiff_t>(i),
                            saved.records[i]);
        CHECK(!loads(more));
    }
}

TEST_CASE("a record that is cut is refused") {
    FullWorld world;
    Saved saved = save(world.state);
    for (size_t i = 0; i < saved.records.size(); ++i) {
        std::string whole = saved.records[i].second;
        for (size_t size = 0; size < whole.size(); ++size) {
            Saved cut = saved;
            cut.records[i].second = whole.substr(0, size);
            CHECK_MESSAGE(!loads(cut), "record ", i, " cut at ", size);
        }
    }
}

TEST_CASE("a record with a bit turned over is refused, unless it says the same") {
    uint64_t from = seed();
    INFO("ZKD_SEED=", from);
    std::minstd_rand chance(static_cast<uint32_t>(from));
    FullWorld world;
    Saved saved = save(world.state);
    for (size_t i = 0; i < saved.records.size(); ++i) {
        auto& [section, record] = saved.records[i];
        // A list's number reaches into millions only by way of memory.
        for (size_t at = section == acls ? 2 : 0; at < record.size(); ++at) {
            Saved damaged = saved;
            damaged.records[i].second[at] ^= static_cast<char>(1u << (chance() % 8));
            World into(false);
            bool same = load(damaged, into.state) && save(into.state).records == saved.records;
            bool loaded = loads(damaged);
            CHECK_MESSAGE(loaded == same, "section ", section, " record ", i, " byte ", at);
        }
    }
}

TEST_CASE("znodes that cannot be are refused by themselves, whatever the digest says") {
    constexpr auto persistent = ZnodeKind::persistent;
    constexpr auto ephemeral = ZnodeKind::ephemeral;
    auto takes = [&](std::vector<std::string> records) {
        World world(false);
        Saved saved = save(World().state);  // for its session's record
        bool good = true;
        for (const auto& [section, record] : saved.records) {
            Reader in(as_bytes(record));
            if (section == sessions) REQUIRE(world.state.load(section, in));
        }
        for (const std::string& record : records) {
            Reader in(as_bytes(record));
            REQUIRE(good);  // only the last one may be bad
            good = static_cast<bool>(world.state.load(znodes, in));
        }
        return good;
    };
    int64_t session = World().me.session;
    std::string root = znode(0, persistent, "", AclTable::open);
    CHECK(takes({root}));
    CHECK(!takes({znode(0, persistent, "a", AclTable::open)}));
    CHECK(!takes({znode(1, persistent, "", AclTable::open)}));
    CHECK(!takes({znode(1, persistent, "a", AclTable::open)}));
    CHECK(!takes({znode(0, ZnodeKind::container, "", AclTable::open)}));
    CHECK(!takes({root, root}));
    CHECK(takes({root, znode(1, persistent, "a", AclTable::open)}));
    CHECK(!takes({root, znode(2, persistent, "a", AclTable::open)}));
    CHECK(!takes({root, znode(~0u, persistent, "a", AclTable::open)}));
    CHECK(!takes({root, znode(1, persistent, "", AclTable::open)}));
    CHECK(!takes({root, znode(1, persistent, "a/b", AclTable::open)}));
    CHECK(!takes({root, znode(1, persistent, "a", 0)}));
    CHECK(!takes({root, znode(1, persistent, "a", 3)}));
    CHECK(!takes({root, znode(1, persistent, "a", ~0u)}));
    CHECK(!takes({root, znode(1, static_cast<ZnodeKind>(4), "a", AclTable::open)}));
    CHECK(!takes({root, znode(1, ephemeral, "a", AclTable::open, 0)}));
    CHECK(!takes({root, znode(1, ephemeral, "a", AclTable::open, session + 1)}));
    std::string mine = znode(1, ephemeral, "a", AclTable::open, session);
    CHECK(takes({root, mine}));
    CHECK(!takes({root, mine, mine}));
    CHECK(!takes({root, mine + mine}));
    CHECK(!takes({root + mine, mine}));
    CHECK(takes({root + mine + znode(1, persistent, "b", AclTable::open)}));
    CHECK(!takes({root, mine, znode(2, persistent, "b", AclTable::open)}));
    CHECK(takes({root, mine, znode(1, persistent, "b", AclTable::open)}));
}

TEST_CASE("however many znodes are placed together, all are found, and two of one path noticed") {
    FullWorld world;
    Saved saved = save(world.state);
    for (size_t together : {1u, 2u, 1000u}) {
        World loaded(false);
        loaded.state.load_begin(1'000'000, together);
        for (const auto& [section, record] : saved.records) {
            Reader in(as_bytes(record));
            REQUIRE(loaded.state.load(section, in));
        }
        REQUIRE(loaded.state.load_end(saved.zxid, 1, saved.digest));
        for (const char* path : {"/", "/a", "/a/null", "/a/acl", "/a/e", "/c", "/t"})
            CHECK(loaded.as(world.me).exists(path).reply == world.exists(path).reply);

        World twins(false);
        twins.state.load_begin(1'000'000, together);
        std::string twin = znode(1, ZnodeKind::persistent, "a", AclTable::open);
        std::string why;
        for (const std::string& record :
             {znode(0, ZnodeKind::persistent, "", AclTable::open), twin, twin}) {
            Reader in(as_bytes(record));
            if (Result<uint64_t> good = twins.state.load(znodes, in); !good)
                why += good.error().text;
        }
        CHECK(why.empty() == (together == 1000));
        if (why.empty()) why = twins.state.load_end(1, 1, 0).error().text;
        CHECK(why == "two znodes until here have the same path");
    }
}
