// acl_table_test.cc -- equal lists are stored once and forgotten after their last user.

#include <set>

#include "state/acl.h"
#include "world.h"

using namespace zk;
using namespace zk::test;

namespace {

AclId list_at(const World& world, std::string_view path) {
    return world.state.tree[world.state.tree.find(path)].acl;
}

// Lists that are not built in. The ones without users are collected by the next entry.
uint32_t lists(World& world) {
    world.apply(entry_op::no_op, "");
    uint32_t count = 0;
    for (AclId list = AclTable::read_only + 1; list < world.state.acls.end(); ++list)
        count += world.state.acls.has(list) ? 1u : 0u;
    return count;
}

}  // namespace

TEST_CASE("equal lists have one number, different ones have two") {
    World world;
    world.create({.path = "/a", .acls = open_acl(3)});
    world.create({.path = "/b", .acls = open_acl(3)});
    world.create({.path = "/c", .acls = open_acl(5)});
    CHECK(list_at(world, "/a") == list_at(world, "/b"));
    CHECK(list_at(world, "/a") != list_at(world, "/c"));
    CHECK(lists(world) == 2);
    world.create("/open");
    CHECK(list_at(world, "/open") == AclTable::open);
    world.create({.path = "/read", .acls = open_acl(perm::read)});
    CHECK(list_at(world, "/read") == AclTable::read_only);
    CHECK(lists(world) == 2);
}

TEST_CASE("a list is forgotten with its last user, and its number is used again") {
    World world;
    world.create({.path = "/a", .acls = open_acl(3)});
    world.create({.path = "/b", .acls = open_acl(3)});
    AclId number = list_at(world, "/a");
    world.remove("/a");
    CHECK(lists(world) == 1);
    CHECK(world.set_acl("/b", open_acl()).err == Err::no_auth);
    CHECK(lists(world) == 1);
    world.remove("/b");
    CHECK(lists(world) == 0);
    world.create({.path = "/c", .acls = open_acl(6)});
    CHECK(list_at(world, "/c") == number);
    CHECK(world.get("/c").err == Err::no_auth);
    CHECK(world.set("/c", "x").err == Err::ok);
}

TEST_CASE("setACL hands the use from the old list to the new one") {
    World world;
    world.create({.path = "/a", .acls = open_acl(17)});
    world.set_acl("/a", open_acl(18));
    CHECK(lists(world) == 1);
    CHECK(world.get("/a").err == Err::no_auth);
    world.set_acl("/a", open_acl(18));  // itself
    CHECK(lists(world) == 1);
    world.set_acl("/a", open_acl());
    CHECK(lists(world) == 0);
    CHECK(world.get("/a").err == Err::ok);
}

TEST_CASE("what a refused request asked for leaves no list behind") {
    World world;
    world.create("/a");
    world.create({.path = "/shut", .acls = open_acl(perm::read)});
    world.create("/e", "", 1);
    std::string odd = open_acl(9);
    CHECK(world.create({.path = "/a", .acls = odd}).err == Err::node_exists);
    CHECK(world.create({.path = "/no/where", .acls = odd}).err == Err::no_node);
    CHECK(world.create({.path = "/shut/a", .acls = odd}).err == Err::no_auth);
    CHECK(world.create({.path = "/e/a", .acls = odd}).err == Err::no_children_for_ephemerals);
    CHECK(world.create({.path = "/a/", .acls = odd}).err == Err::bad_arguments);
    CHECK(world.set_acl("/nothing", odd).err == Err::no_node);
    CHECK(world.set_acl("/shut", odd).err == Err::no_auth);
    CHECK(world.set_acl("/a", odd, 7).err == Err::bad_version);
    CHECK(lists(world) == 0);
}

TEST_CASE("a multi that is taken back gives all its uses back") {
    World world;
    world.create({.path = "/old", .acls = open_acl(29)});
    AclId old = list_at(world, "/old");
    for (int i = 0; i < 3; ++i)
        world.multi(Multi()
                        .create({.path = "/a", .acls = open_acl(9)})
                        .remove("/a")
                        .create({.path = "/b", .acls = open_acl(10)})
                        .create({.path = "/c", .acls = open_acl(29)})
                        .remove("/old")
                        .check("/nothing"));
    CHECK(lists(world) == 1);
    CHECK(list_at(world, "/old") == old);
    world.multi(Multi().create({.path = "/a", .acls = open_acl(9)}).remove("/old"));
    CHECK(lists(world) == 1);
    world.remove("/a");
    CHECK(lists(world) == 0);
}

TEST_CASE("ephemerals that end with their session end their lists' uses") {
    World world;
    Client other = world.connect(2);
    world.create({.path = "/a", .flags = 1, .acls = open_acl(3)});
    world.create({.path = "/b", .flags = 1, .acls = open_acl(5)});
    CHECK(lists(world) == 2);
    world.close();
    world.as(other);
    CHECK(lists(world) == 0);
}

TEST_CASE("a table takes lists back into their places, and nothing that is no list") {
    AclTable table;
    std::string good = open_acl(3);
    CHECK(table.restore(7, as_bytes(good)));
    CHECK(table.has(7));
    CHECK(as_text(table.bytes(7)) == good);
    CHECK(!table.has(5));
    std::string other = open_acl(5);
    CHECK(!table.restore(7, as_bytes(other)));  // taken
    CHECK(!table.restore(0, as_bytes(other)));
    CHECK(!table.restore(AclTable::open, as_bytes(other)));
    CHECK(!table.restore(AclTable::read_only, as_bytes(other)));
    CHECK(!table.restore(1u << 30, as_bytes(other)));
    CHECK(!table.restore(8, as_bytes(other.substr(0, other.size() - 1))));
    std::string more = other + "x";
    CHECK(!table.restore(8, as_bytes(more)));
    CHECK(!table.restore(8, {}));
    CHECK(!table.has(8));
    CHECK(table.restore(8, as_bytes(other)));
    table.restored();
    table.add_user(8);
    table.collect();
    CHECK(table.has(8));
    CHECK(!table.has(7));  // nobody came to use it
    CHECK(!table.allows(8, perm::write, {}));
    CHECK(table.allows(8, perm::read, {}));
}

TEST_CASE("identities survive the way through an entry, and broken ones are noticed") {
    Buffer out;
    encode(out, Identity{.scheme = "digest", .id = "a:b"});
    encode(out, Identity{.scheme = "super", .id = ""});
    std::vector<Identity> read;
    REQUIRE(decode(out.bytes(), read));
    REQUIRE(read.size() == 2);
    CHECK(read[0] == Identity{.scheme = "digest", .id = "a:b"});
    CHECK(read[1] == Identity{.scheme = "super", .id = ""});
    for (size_t size = 1; size < out.size(); ++size) {
        if (size == 17) continue;  // the first one alone
        std::string cut(out.text().substr(0, size));
        std::vector<Identity> some;
        CHECK_MESSAGE(!decode(as_bytes(cut), some), size);
    }
    read.clear();
    CHECK(decode({}, read));
    CHECK(read.empty());
}

TEST_CASE("numbers far apart take no room between them, and what is between is free") {
    constexpr AclId far = (1u << 30) - 1;
    AclTable table;
    REQUIRE(table.restore(5, as_bytes(open_acl(3))));
    REQUIRE(table.restore(far, as_bytes(open_acl(5))));
    table.add_user(far);
    table.restored();
    CHECK(table.end() == far + 1);
    table.collect();
    CHECK(!table.has(5));  // without users
    CHECK(table.has(far));
    CHECK(!table.has(far - 300));
    std::set<AclId> given{AclTable::open, AclTable::read_only, far};
    for (int32_t perms = 6; perms < 31; ++perms) {
        AclId list = 0;
        REQUIRE(table.intern_request(as_bytes(open_acl(perms)), {}, list) == Err::ok);
        CHECK(list < far);
        CHECK(given.insert(list).second);
        CHECK(as_text(table.bytes(list)) == open_acl(perms));
    }
}

TEST_CASE("numbers without a gap are counted on") {
    AclTable table;
    for (AclId list = 3; list < 600; ++list)
        REQUIRE(table.restore(list, as_bytes(open_acl(3 + static_cast<int32_t>(list % 20)))));
    table.restored();
    AclId list = 0;
    REQUIRE(table.intern_request(as_bytes(open_acl(29)), {}, list) == Err::ok);
    CHECK(list == 600);
}
