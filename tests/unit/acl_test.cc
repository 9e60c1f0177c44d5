// acl_test.cc -- who may do what: schemes, permissions, what an access list must look like, and how
// lists are shared.

#include "state/acl.h"

#include "world.h"

using namespace zk;
using namespace zk::test;

namespace {

std::string list_of(std::string_view scheme, std::string_view id, int32_t perms = perm::all) {
    return acl_bytes({{.perms = perms, .scheme = scheme, .id = id}});
}

// What is stored for the list that was asked for, as `scheme:id:perms`, or the error.
std::string stored(World& world, std::string_view path) {
    AclId list = world.state.tree[world.state.tree.find(path)].acl;
    Strings lines;
    for (const Acl& acl : world.state.acls.entries(list))
        lines.push_back(std::string(acl.scheme) + ":" + std::string(acl.id) + ":" +
                        std::to_string(acl.perms));
    return shown(lines);
}

std::string stored_as(World& world, const std::string& acls) {
    Answer made = world.create({.path = "/x", .acls = acls});
    if (made.err != Err::ok) return std::string(err_name(made.err));
    std::string lines = stored(world, "/x");
    world.remove("/x");
    return lines;
}

// What getACL shows to whoever asks, likewise.
std::string shown_acl(World& world, std::string_view path) {
    Answer answer = world.read(Op::get_acl, text_body(path));
    if (answer.err != Err::ok) return std::string(err_name(answer.err));
    Reader in = answer.reader();
    Strings lines;
    for (const Acl& acl : read_acls(in))
        lines.push_back(std::string(acl.scheme) + ":" + std::string(acl.id) + ":" +
                        std::to_string(acl.perms));
    CHECK(in.left() == 68);
    return shown(lines);
}

const std::string bob = digest_id("bob:secret");
const std::string eve = digest_id("eve:secret");
const std::string invalid(err_name(Err::invalid_acl));

}  // namespace

TEST_CASE("a digest id is the user and the hash of the whole") {
    CHECK(digest_id("super:test") == "super:D/InIHSb7yEEbrWz8b9l71RjZJU=");
    CHECK(digest_id("blah").starts_with("blah:"));
    CHECK(digest_id("").starts_with(":"));
    CHECK(digest_id("a:b:c").starts_with("a:"));
    CHECK(digest_id("a:b:c") != digest_id("a:b"));
}

TEST_CASE("each operation asks for its own permission") {
    World world;
    struct Row {
        int32_t perms;
        Err read, write, create, remove, set_acl;
    };
    constexpr Err no = Err::no_auth;
    constexpr Err ok = Err::ok;
    for (const Row& row :
         {Row{perm::read, ok, no, no, no, no}, Row{perm::write, no, ok, no, no, no},
          Row{perm::create, no, no, ok, no, no}, Row{perm::remove, no, no, no, ok, no},
          Row{perm::admin, no, no, no, no, ok}, Row{0, no, no, no, no, no},
          Row{perm::read | perm::create, ok, no, ok, no, no}}) {
        CAPTURE(row.perms);
        world.create({.path = "/p"});
        world.create({.path = "/p/child"});
        world.set_acl("/p", open_acl(row.perms));
        CHECK(world.get("/p").err == row.read);
        CHECK(world.exists("/p").err == row.read);
        CHECK(world.children("/p").err == row.read);
        CHECK(world.read(Op::get_all_children_number, text_body("/p")).err == row.read);
        CHECK(results_of(world.multi(Multi().check("/p"))).at(0) ==
              (row.read == ok ? "13" : "error -102"));
        CHECK(world.set("/p", "x").err == row.write);
        CHECK(world.create("/p/new").err == row.create);
        CHECK(world.remove("/p/child").err == row.remove);
        CHECK(world.set_acl("/p", open_acl()).err == row.set_acl);
        world.rules({.skip_acl = true});
        CHECK(world.get("/p").err == ok);
        CHECK(world.set_acl("/p", open_acl()).err == ok);
        world.rules({});
        world.remove("/p/new");
        world.remove("/p/child");
        CHECK(world.remove("/p").err == ok);
    }
}

TEST_CASE("a znode's own list says nothing about its deletion or its children") {
    World world;
    world.create("/p");
    world.create({.path = "/p/shut", .acls = open_acl(perm::create)});
    CHECK(world.create("/p/shut/child").err == Err::ok);
    CHECK(world.get("/p/shut/child").err == Err::ok);
    CHECK(world.get("/p/shut").err == Err::no_auth);
    CHECK(world.remove("/p/shut/child").err == Err::no_auth);  // its parent's list
    world.create({.path = "/p/leaf", .acls = open_acl(0)});
    CHECK(world.remove("/p/leaf").err == Err::ok);
}

TEST_CASE("a digest entry is for who has that very id") {
    World world;
    world.create({.path = "/a", .acls = list_of("digest", bob)});
    CHECK(world.get("/a").err == Err::no_auth);
    world.me.who.push_back({"digest", eve});
    CHECK(world.get("/a").err == Err::no_auth);
    world.me.who.push_back({"ip", bob});  // another scheme
    CHECK(world.get("/a").err == Err::no_auth);
    world.me.who.push_back({"digest", bob});
    CHECK(world.get("/a").err == Err::ok);
    CHECK(world.set("/a", "x").err == Err::ok);
    world.me.who = {{"digest", bob}};
    CHECK(world.get("/a").err == Err::ok);
    // Text, never hashed by the server.
    world.create({.path = "/plain", .acls = list_of("digest", "bob:secret")});
    CHECK(world.get("/plain").err == Err::no_auth);
    world.me.who = {{"digest", "bob:secret"}};
    CHECK(world.get("/plain").err == Err::ok);
}

TEST_CASE("super may do everything") {
    World world;
    world.create({.path = "/a", .acls = list_of("digest", bob, perm::read)});
    world.create({.path = "/b", .acls = open_acl(0)});
    world.me.who.push_back({"super", ""});
    CHECK(world.get("/b").err == Err::ok);
    CHECK(world.set("/a", "x").err == Err::ok);
    CHECK(world.create("/a/b").err == Err::ok);
    CHECK(world.remove("/a/b").err == Err::ok);
    CHECK(world.set("/zookeeper/config", "x").err == Err::ok);
    CHECK(shown_acl(world, "/a") == "digest:" + bob + ":1");  // unmasked
    CHECK(world.set_acl("/a", open_acl()).err == Err::ok);
    CHECK(world.remove("/zookeeper").err == Err::bad_arguments);
}

TEST_CASE("addresses match as far as the prefix goes, within their family") {
    World world;
    auto may = [&](std::string_view range, std::string_view address) {
        REQUIRE(world.create({.path = "/x", .acls = list_of("ip", range)}).err == Err::ok);
        auto before = std::exchange(world.me.who, {{"ip", std::string(address)}});
        Err err = world.get("/x").err;
        world.me.who = before;
        world.remove("/x");
        return err == Err::ok;
    };
    CHECK(may("10.0.0.1", "10.0.0.1"));
    CHECK(!may("10.0.0.1", "10.0.0.2"));
    CHECK(may("10.0.0.0/8", "10.255.3.4"));
    CHECK(!may("10.0.0.0/8", "11.0.0.0"));
    CHECK(may("10.0.0.5/31", "10.0.0.4"));
    CHECK(!may("10.0.0.5/31", "10.0.0.6"));
    CHECK(may("10.0.240.0/20", "10.0.255.255"));
    CHECK(!may("10.0.240.0/20", "10.0.239.255"));
    CHECK(may("1.2.3.4/0", "250.1.1.1"));
    CHECK(may("10.0.0.1/32", "10.0.0.1"));
    CHECK(!may("10.0.0.1/32", "10.0.0.0"));
    CHECK(may("::1", "0:0:0:0:0:0:0:1"));
    CHECK(may("::1", "::1"));
    CHECK(!may("::1", "::2"));
    CHECK(may("2001:db8::/32", "2001:db8:ffff::5"));
    CHECK(!may("2001:db8::/32", "2001:db9::5"));
    CHECK(may("2001:db8:0:f0::/60", "2001:db8:0:ff:1:2:3:4"));
    CHECK(!may("2001:db8:0:f0::/60", "2001:db8:0:e0::"));
    CHECK(may("2001:DB8::A", "2001:db8::a"));
    CHECK(may("fe80::1", "fe80:0:0:0:0:0:0:1%eth0"));
    CHECK(may("1::/16", "1:2:3:4:5:6:7:8"));
    CHECK(may("::/0", "abcd::"));
    CHECK(!may("::/0", "10.0.0.1"));
    CHECK(!may("0.0.0.0/0", "::1"));
    CHECK(!may("::/0", "no address"));
}

TEST_CASE("ids of ip entries are addresses, with the bits of a prefix or not") {
    World world;
    for (const char* good :
         {"1.2.3.4", "0.0.0.0", "255.255.255.255", "1.2.3.4/0", "1.2.3.4/32", "::", "::1",
          "1::", "1:2:3:4:5:6:7:8", "::2:3:4:5:6:7:8", "1:2:3::7:8/128", "::/0", "AbCd::"})
        CHECK(stored_as(world, list_of("ip", good)) == std::string("ip:") + good + ":31");
    for (const char* bad : {"",
                            "1.2.3",
                            "1.2.3.4.5",
                            "1.2.3.",
                            "1..2.3",
                            "1.2.3.256",
                            "1.2.3.-4",
                            "1.2.3.x",
                            "1.2.3.4/33",
                            "1.2.3.4/-1",
                            "1.2.3.4/",
                            "1.2.3.4/x",
                            "1.2.3.4/8/8",
                            "localhost",
                            ":",
                            ":::",
                            "1:2:3:4:5:6:7",
                            "1:2:3:4:5:6:7:8:9",
                            "1::2::3",
                            "12345::",
                            "g::",
                            "::1/129",
                            "1:",
                            "1:2:3:4:5:6:7:8:",
                            "1:2:3:4::5:6:7:8",
                            "/8"})
        CHECK_MESSAGE(stored_as(world, list_of("ip", bad)) == invalid, bad);
}

TEST_CASE("ids of digest entries have exactly two parts") {
    World world;
    for (const char* good : {"a:b", ":b", "a:b:", "a:b::"})
        CHECK(stored_as(world, list_of("digest", good)) == std::string("digest:") + good + ":31");
    for (const char* bad : {"", "a", "a:", ":", "a:b:c", "a::b", "::b"})
        CHECK_MESSAGE(stored_as(world, list_of("digest", bad)) == invalid, bad);
}

TEST_CASE("lists that make no sense are refused") {
    World world;
    const std::string null("\xff\xff\xff\xff");
    CHECK(stored_as(world, null) == invalid);
    CHECK(stored_as(world, acl_bytes({})) == invalid);
    CHECK(stored_as(world, list_of("world", "someone")) == invalid);
    CHECK(stored_as(world, list_of("world", "")) == invalid);
    CHECK(stored_as(world, list_of("nonsense", "x")) == invalid);
    CHECK(stored_as(world, list_of("super", "")) == invalid);
    CHECK(stored_as(world, list_of("", "anyone")) == invalid);
    CHECK(stored_as(world, list_of(std::string_view(), "anyone")) == invalid);
    CHECK(stored_as(world, list_of("world", std::string_view())) ==
          err_name(Err::marshalling_error));
    CHECK(stored_as(world, acl_bytes({{.perms = 31, .scheme = "world", .id = "anyone"},
                                      {.perms = 31, .scheme = "digest", .id = "bad"}})) == invalid);
    CHECK(world.state.tree.count() == 4);
    world.create("/a");
    CHECK(world.set_acl("/a", acl_bytes({})).err == Err::invalid_acl);
    CHECK(world.stat("/a").aversion == 0);
    world.rules({.skip_acl = true});
    CHECK(stored_as(world, list_of("world", "someone")) == invalid);
}

TEST_CASE("exact duplicates collapse, all else is kept in its order") {
    World world;
    Acl anyone{.perms = 31, .scheme = "world", .id = "anyone"};
    Acl reader{.perms = 1, .scheme = "world", .id = "anyone"};
    Acl host{.perms = 31, .scheme = "ip", .id = "10.0.0.1"};
    CHECK(stored_as(world, acl_bytes({anyone, host, anyone, reader, host})) ==
          "world:anyone:31; ip:10.0.0.1:31; world:anyone:1");
    CHECK(stored_as(world, acl_bytes({host, anyone})) == "ip:10.0.0.1:31; world:anyone:31");
}

TEST_CASE("permissions outside of the five bits are kept as they came") {
    World world;
    for (int32_t perms : {0, 32, 99, -1, INT32_MIN})
        CHECK(stored_as(world, open_acl(perms)) == "world:anyone:" + std::to_string(perms));
}

TEST_CASE("auth becomes what the caller has proved to be, once and for all") {
    World world;
    std::string auth = list_of("auth", "whatever", 5);
    CHECK(stored_as(world, auth) == invalid);  // an address is no proof
    world.me.who.push_back({"super", ""});
    CHECK(stored_as(world, auth) == invalid);
    world.me.who.push_back({"digest", bob});
    CHECK(stored_as(world, auth) == "digest:" + bob + ":5");
    world.me.who.push_back({"digest", eve});
    CHECK(stored_as(world, auth) == "digest:" + bob + ":5; digest:" + eve + ":5");
    CHECK(stored_as(world, list_of("auth", std::string_view(), 5)).starts_with("digest:"));
    // What the expansion makes twice stays twice.
    world.me.who = {{"digest", bob}};
    CHECK(stored_as(world, acl_bytes({{.perms = 5, .scheme = "digest", .id = bob},
                                      {.perms = 5, .scheme = "auth", .id = ""}})) ==
          "digest:" + bob + ":5; digest:" + bob + ":5");
    world.create({.path = "/mine", .acls = list_of("auth", "")});
    world.me.who = {{"digest", eve}};
    CHECK(world.get("/mine").err == Err::no_auth);
}

TEST_CASE("getACL hides the hashes from who has no ADMIN") {
    World world;
    world.create({.path = "/a",
                  .acls = acl_bytes({{.perms = perm::all, .scheme = "digest", .id = bob},
                                     {.perms = perm::read, .scheme = "world", .id = "anyone"},
                                     {.perms = perm::admin, .scheme = "ip", .id = "10.0.0.9"}})});
    CHECK(shown_acl(world, "/a") == "digest:bob:x:31; world:anyone:1; ip:10.0.0.9:16");
    world.me.who = {{"ip", "10.0.0.9"}};
    CHECK(shown_acl(world, "/a") == "digest:" + bob + ":31; world:anyone:1; ip:10.0.0.9:16");
    world.create({.path = "/admin", .acls = open_acl(perm::admin)});
    CHECK(shown_acl(world, "/admin") == "world:anyone:16");
    world.create({.path = "/none", .acls = open_acl(perm::write)});
    CHECK(shown_acl(world, "/none") == err_name(Err::no_auth));
    CHECK(shown_acl(world, "/nothing") == err_name(Err::no_node));
}

TEST_CASE("whoAmI names the users without their hashes") {
    World world;
    world.me.who = {{"ip", "10.0.0.1"}, {"digest", bob}, {"super", ""}};
    Answer answer = world.read(Op::who_am_i, "");
    Reader in = answer.reader();
    Strings lines;
    for (uint32_t left = in.u32(); left > 0; --left) {
        std::string line(read_text(in));
        line += "=";
        line += read_text(in);
        lines.push_back(line);
    }
    CHECK(in.left() == 0);
    CHECK(shown(lines) == "ip=10.0.0.1; digest=bob; super=");
}
