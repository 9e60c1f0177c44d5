// quota_test.cc -- quotas: the texts, what is counted where, and what a hard limit refuses.

#include "state/quota.h"

#include "world.h"

using namespace zk;
using namespace zk::test;

namespace {

struct QuotaWorld : World {
    explicit QuotaWorld(bool enforced = true) {
        Rules wanted{.enforce_quota = enforced};
        World::rules(wanted);
    }

    static std::string limits_path(std::string_view path) {
        return "/zookeeper/quota" + std::string(path) + "/zookeeper_limits";
    }
    static std::string stats_path(std::string_view path) {
        return "/zookeeper/quota" + std::string(path) + "/zookeeper_stats";
    }
    // As clients do it: the way there, the limits, then the stats.
    void limit(std::string_view path, std::string_view limits) {
        for (size_t at = path.find('/', 1);; at = path.find('/', at + 1)) {
            World::create("/zookeeper/quota" + std::string(path.substr(0, at)));
            if (at == path.npos) break;
        }
        REQUIRE(World::create(limits_path(path), limits).err == Err::ok);
        REQUIRE(World::create(stats_path(path), "count=0,bytes=0").err == Err::ok);
    }
    std::string usage(std::string_view path) { return data(stats_path(path)); }
};

std::string text_of(std::string_view text) { return QuotaText(as_bytes(text)).text(); }

}  // namespace

TEST_CASE("a text of limits is read as ZooKeeper reads it") {
    QuotaText both(as_bytes("count=10,bytes=20=;byteHardLimit=30;countHardLimit=40"));
    CHECK(both["count"] == 10);
    CHECK(both["bytes"] == 20);
    CHECK(both["byteHardLimit"] == 30);
    CHECK(both["countHardLimit"] == 40);
    CHECK(both["nothing"] == -1);
    QuotaText loose(as_bytes(";;bytes=5,,;count=,x"));
    CHECK(loose["bytes"] == 5);
    CHECK(loose["count"] == -1);
    CHECK(QuotaText(as_bytes("bytes=-7"))["bytes"] == -7);
    CHECK(QuotaText({})["count"] == -1);
    CHECK(QuotaText(as_bytes("count=99999999999"))["count"] == 99'999'999'999);
    CHECK(QuotaText(as_bytes("count=nonsense"))["count"] == -1);
}

TEST_CASE("a text of usage is written as ZooKeeper writes it") {
    CHECK(text_of("") == "count=-1,bytes=-1");
    CHECK(text_of("bytes=2,count=1") == "count=1,bytes=2");
    CHECK(text_of("countHardLimit=4;byteHardLimit=3;bytes=2;count=1") ==
          "count=1,bytes=2=;byteHardLimit=3;countHardLimit=4");
    CHECK(text_of(text_of("count=1;bytes=2;z=5")) == "count=1,bytes=2=;z=5");
}

TEST_CASE("which znodes speak of which path") {
    CHECK(Quotas::limited_path("/zookeeper/quota/a/zookeeper_limits") == "/a");
    CHECK(Quotas::limited_path("/zookeeper/quota/a/b/zookeeper_limits") == "/a/b");
    for (const char* other :
         {"/zookeeper/quota/zookeeper_limits", "/zookeeper/quota/a/zookeeper_stats",
          "/zookeeper/quota/a/xzookeeper_limits", "/a/zookeeper_limits", "/zookeeper_limits",
          "/zookeeper/quotas/a/zookeeper_limits", "/zookeeper/quota/a"})
        CHECK_MESSAGE(Quotas::limited_path(other).empty(), other);
}

TEST_CASE("a new quota counts what is there already, the znode itself too") {
    QuotaWorld world;
    world.create("/a", "12345");
    world.create("/a/b", "123");
    world.create("/a/b/c", "1", 1);
    world.create({.path = "/a/null", .data = std::nullopt});
    world.create("/ab", "not below");
    world.limit("/a", "count=100,bytes=100");
    CHECK(world.usage("/a") == "count=4,bytes=9");
    world.limit("/nothing", "count=100,bytes=100");
    CHECK(world.usage("/nothing") == "count=0,bytes=0");
}

TEST_CASE("creates, sets and deletes below are counted, whoever does them") {
    QuotaWorld world;
    world.create("/a");
    world.limit("/a", "count=-1,bytes=-1");
    CHECK(world.usage("/a") == "count=1,bytes=0");
    world.create("/a/b", "12345");
    CHECK(world.usage("/a") == "count=2,bytes=5");
    world.set("/a/b", "1");
    CHECK(world.usage("/a") == "count=2,bytes=1");
    world.set("/a", "123");
    CHECK(world.usage("/a") == "count=2,bytes=4");
    Client other = world.connect(2);
    Client me = world.me;
    world.as(other).create("/a/e", "1234567", 1);
    CHECK(world.usage("/a") == "count=3,bytes=11");
    world.as(me).expire(other);
    CHECK(world.usage("/a") == "count=2,bytes=4");
    world.multi(Multi().create({.path = "/a/c", .data = "12"}).set("/a/b", "").remove("/a/b"));
    CHECK(world.usage("/a") == "count=2,bytes=5");
    world.create("/ab", "not below");
    world.create("/b", "nor this");
    CHECK(world.usage("/a") == "count=2,bytes=5");
    world.remove("/a/c");
    world.remove("/a");
    CHECK(world.usage("/a") == "count=0,bytes=0");
    world.create("/a", "again");
    CHECK(world.usage("/a") == "count=1,bytes=5");
}

TEST_CASE("requests that are refused count for nothing") {
    QuotaWorld world;
    world.create("/a");
    world.limit("/a", "count=100,bytes=100");
    world.create("/a");
    world.create("/a/b/c");
    world.set("/a", "1234", 9);
    world.remove("/a", 9);
    world.multi(Multi()
                    .create({.path = "/a/x", .data = "1234"})
                    .set("/a", "12")
                    .remove("/a/x")
                    .check("/no"));
    CHECK(world.usage("/a") == "count=1,bytes=0");
}

TEST_CASE("counting changes the stats znode's data and nothing else of it") {
    QuotaWorld world;
    world.create("/a");
    world.limit("/a", "count=100,bytes=100");
    std::string path = QuotaWorld::stats_path("/a");
    world.get(path, true);
    Stat before = world.stat(path);
    uint64_t digest = world.state.tree.digest();
    world.time_ms += 1000;
    world.create("/a/b", "1234567890");
    CHECK(world.events() == "");
    Stat after = world.stat(path);
    CHECK(world.usage("/a") == "count=2,bytes=10");
    CHECK(after.version == before.version);
    CHECK(after.mzxid == before.mzxid);
    CHECK(after.mtime == before.mtime);
    CHECK(after.data_length == static_cast<int32_t>(world.usage("/a").size()));
    CHECK(world.state.tree.digest() != digest);
}

TEST_CASE("only the deepest quota above is charged") {
    QuotaWorld world;
    world.create("/a");
    world.create("/a/b");
    world.limit("/a", "count=100,bytes=100");
    world.limit("/a/b", "count=100,bytes=100");
    CHECK(world.usage("/a") == "count=2,bytes=0");
    world.create("/a/b/c", "123");
    CHECK(world.usage("/a/b") == "count=2,bytes=3");
    CHECK(world.usage("/a") == "count=2,bytes=0");
    world.create("/a/x", "1");
    CHECK(world.usage("/a") == "count=3,bytes=1");
    CHECK(world.usage("/a/b") == "count=2,bytes=3");
    // Without its limits the inner one does not count any more, the outer one does.
    world.remove(QuotaWorld::limits_path("/a/b"));
    world.create("/a/b/d", "12345");
    CHECK(world.usage("/a/b") == "count=2,bytes=3");
    CHECK(world.usage("/a") == "count=4,bytes=6");
}

TEST_CASE("a quota on the root is none, and quotas are not charged for themselves") {
    QuotaWorld world;
    world.create("/zookeeper/quota/zookeeper_limits", "count=1,bytes=1=;countHardLimit=1");
    world.create("/zookeeper/quota/zookeeper_stats", "count=0,bytes=0");
    CHECK(world.create("/a", "long enough").err == Err::ok);
    CHECK(world.data("/zookeeper/quota/zookeeper_stats") == "count=0,bytes=0");
    world.limit("/a", "count=1,bytes=1");
    CHECK(world.usage("/a") == "count=1,bytes=11");
}

TEST_CASE("soft limits refuse nothing") {
    QuotaWorld world;
    world.create("/a");
    world.limit("/a", "count=1,bytes=1");
    CHECK(world.create("/a/b", "12345").err == Err::ok);
    CHECK(world.set("/a", "12345").err == Err::ok);
    CHECK(world.usage("/a") == "count=2,bytes=10");
}

TEST_CASE("hard limits refuse what would go beyond them, to the last znode and byte") {
    QuotaWorld world;
    world.create("/a");
    world.limit("/a", "count=-1,bytes=-1=;byteHardLimit=10;countHardLimit=3");
    CHECK(world.create("/a/1", "12345678901").err == Err::quota_exceeded);
    CHECK(world.create("/a/1", "1234567890").err == Err::ok);
    CHECK(world.create("/a/2", "1").err == Err::quota_exceeded);
    CHECK(world.create("/a/2", "").err == Err::ok);
    CHECK(world.create("/a/3", "").err == Err::quota_exceeded);
    CHECK(world.create("/a/2/deeper").err == Err::quota_exceeded);
    CHECK(world.create("/a/s", "", 2).err == Err::quota_exceeded);
    CHECK(world.create("/a/e", "", 1).err == Err::quota_exceeded);
    CHECK(world.create({.path = "/a/c"}, Op::create_container).err == Err::quota_exceeded);
    CHECK(world.usage("/a") == "count=3,bytes=10");
    CHECK(world.set("/a/2", "1").err == Err::quota_exceeded);
    CHECK(world.set("/a/1", "123456789").err == Err::ok);
    CHECK(world.set("/a/2", "1").err == Err::ok);
    CHECK(world.set("/a/2", "2").err == Err::ok);  // no more than before
    world.remove("/a/2");
    CHECK(world.create("/a/3", "").err == Err::ok);
    CHECK(world.create("/elsewhere", "as long as it likes").err == Err::ok);
}

TEST_CASE("nothing is refused where quotas are not enforced, but all is counted") {
    QuotaWorld world(false);
    world.create("/a");
    world.limit("/a", "count=-1,bytes=-1=;byteHardLimit=1;countHardLimit=1");
    CHECK(world.create("/a/b", "12345").err == Err::ok);
    CHECK(world.set("/a", "12345").err == Err::ok);
    CHECK(world.usage("/a") == "count=2,bytes=10");
    world.rules({.enforce_quota = true});
    CHECK(world.create("/a/c").err == Err::quota_exceeded);
    CHECK(world.set("/a/b", "123").err == Err::quota_exceeded);  // less, but still too much
    CHECK(world.set("/a/b", "54321").err == Err::ok);
    CHECK(world.remove("/a/b").err == Err::ok);
}

TEST_CASE("where there is a hard limit, the soft one of its kind is not looked at") {
    QuotaWorld world;
    world.create("/a");
    world.limit("/a", "count=1,bytes=1=;countHardLimit=5");
    CHECK(world.create("/a/b", "12345").err == Err::ok);
    CHECK(world.create("/a/c", "12345").err == Err::ok);
}

TEST_CASE("limits are data: a set changes them, a delete ends them") {
    QuotaWorld world;
    world.create("/a");
    world.limit("/a", "count=-1,bytes=-1=;countHardLimit=1");
    CHECK(world.create("/a/b").err == Err::quota_exceeded);
    world.set(QuotaWorld::limits_path("/a"), "count=-1,bytes=-1=;countHardLimit=2");
    CHECK(world.create("/a/b").err == Err::ok);
    CHECK(world.create("/a/c").err == Err::quota_exceeded);
    world.remove(QuotaWorld::limits_path("/a"));
    CHECK(world.create("/a/c").err == Err::ok);
    CHECK(world.usage("/a") == "count=2,bytes=0");
    // Limits without stats count and refuse nothing.
    world.remove(QuotaWorld::stats_path("/a"));
    world.create(QuotaWorld::limits_path("/a"), "count=1,bytes=1=;countHardLimit=1");
    CHECK(world.create("/a/d").err == Err::ok);
    world.create(QuotaWorld::stats_path("/a"));
    CHECK(world.usage("/a") == "count=4,bytes=0");
    CHECK(world.create("/a/e").err == Err::quota_exceeded);
}

TEST_CASE("quota comes before a set's version, after a create's other checks") {
    QuotaWorld world;
    world.create("/a");
    world.create("/a/e", "", 1);
    world.limit("/a", "count=-1,bytes=-1=;byteHardLimit=0;countHardLimit=0");
    CHECK(world.set("/a", "x", 99).err == Err::quota_exceeded);
    CHECK(world.set("/a/no", "x").err == Err::no_node);
    CHECK(world.create("/a/e").err == Err::node_exists);
    CHECK(world.create("/a/e/x").err == Err::no_children_for_ephemerals);
    CHECK(world.create("/a/no/x").err == Err::no_node);
    CHECK(world.create("/a/x").err == Err::quota_exceeded);
    world.set_acl("/a", open_acl(perm::admin | perm::read));
    CHECK(world.set("/a", "x", 99).err == Err::no_auth);
    CHECK(world.create("/a/x").err == Err::no_auth);
}

TEST_CASE("a failed multi leaves quotas as they were, those that it made or ended included") {
    QuotaWorld world;
    world.create("/a");
    world.create("/b");
    world.limit("/a", "count=-1,bytes=-1=;countHardLimit=1");
    std::string limits = QuotaWorld::limits_path("/a");
    world.multi(Multi().remove(limits).create({.path = "/a/x"}).check("/no"));
    CHECK(world.usage("/a") == "count=1,bytes=0");
    CHECK(world.create("/a/x").err == Err::quota_exceeded);
    world.multi(Multi()
                    .create({.path = "/zookeeper/quota/b"})
                    .create({.path = QuotaWorld::limits_path("/b"), .data = "countHardLimit=0"})
                    .create({.path = QuotaWorld::stats_path("/b")})
                    .check("/no"));
    CHECK(world.create("/b/x").err == Err::ok);
    world.limit("/b", "countHardLimit=3");
    CHECK(world.usage("/b") == "count=2,bytes=0");
    CHECK(shown(results_of(world.multi(
              Multi().create({.path = "/b/y"}).remove("/b/y").create({.path = "/b/z"})))) ==
          "1:/b/y; 2; 1:/b/z");
}

TEST_CASE("a loaded snapshot knows which quotas there are") {
    QuotaWorld world;
    world.create("/a");
    world.limit("/a", "count=-1,bytes=-1=;countHardLimit=2");
    World loaded(false);
    REQUIRE(load(save(world.state), loaded.state));
    loaded.as(world.me);
    CHECK(loaded.create("/a/b").err == Err::ok);
    CHECK(loaded.data(QuotaWorld::stats_path("/a")) == "count=2,bytes=0");
    CHECK(loaded.create("/a/c").err == Err::quota_exceeded);
}
