// multi_test.cc -- several operations as one: all or nothing, each sees those before it, and a
// result for each whatever happens.

#include <set>

#include "world.h"

using namespace zk;
using namespace zk::test;

namespace {

std::string results(World& world, const Multi& multi) {
    Answer answer = world.multi(multi);
    if (answer.err != Err::ok) {
        CHECK(answer.reply.empty());
        return std::string(err_name(answer.err));
    }
    return shown(results_of(answer));
}

std::string read_all(World& world, const std::string& bytes) {
    Answer answer = world.read(Op::multi_read, bytes + body_of(MultiHeader{}));
    if (answer.err != Err::ok) return std::string(err_name(answer.err));
    return shown(results_of(answer));
}
std::string one_read(Op op, std::string_view path, bool watch = false) {
    return body_of(MultiHeader{.type = static_cast<int32_t>(op), .done = false, .err = -1}) +
           body_of(PathWatch{.path = path, .watch = watch});
}

const std::string unreadable(err_name(Err::marshalling_error));

}  // namespace

TEST_CASE("a multi that succeeds has a result of its own kind for each operation") {
    World world;
    world.rules({.extended_types = true});
    world.create("/a");
    CHECK(results(world, Multi()
                             .create({.path = "/1"})
                             .create({.path = "/2"}, Op::create2)
                             .create({.path = "/3"}, Op::create_container)
                             .create({.path = "/4", .flags = 5, .ttl_ms = 9}, Op::create_ttl)
                             .set("/a", "x")
                             .check("/a", 1)
                             .remove("/1")) == "1:/1; 15:/2; 15:/3; 15:/4; 5:v1; 13; 2");
}

TEST_CASE("an empty multi is fine and says nothing") {
    World world;
    CHECK(world.multi(Multi()).reply == body_of(MultiHeader{}));
    CHECK(world.multi(Multi()).err == Err::ok);
}

TEST_CASE("the operation that fails decides: nothing before it, its code, -2 after it") {
    World world;
    world.create("/a");
    Multi first = Multi().check("/no").create({.path = "/b"}).set("/a", "x");
    Multi middle = Multi().create({.path = "/b"}).remove("/a", 9).set("/a", "x");
    Multi last = Multi().create({.path = "/b"}).set("/a", "x").create({.path = "/a"});
    CHECK(results(world, first) == "error -101; error -2; error -2");
    CHECK(results(world, middle) == "error 0; error -103; error -2");
    CHECK(results(world, last) == "error 0; error 0; error -110");
    CHECK(world.exists("/b").err == Err::no_node);
    CHECK(world.data("/a") == "");
    CHECK(world.stat("/a").version == 0);
}

TEST_CASE("a failed multi is a success of the request, byte for byte") {
    World world;
    Answer answer = world.multi(Multi().check("/no"));
    CHECK(answer.err == Err::ok);
    using namespace std::string_view_literals;
    CHECK(answer.reply ==
          "\xff\xff\xff\xff\0\xff\xff\xff\x9b\xff\xff\xff\x9b"
          "\xff\xff\xff\xff\x01\xff\xff\xff\xff"sv);
}

TEST_CASE("a multi takes one zxid and one time for all it does, and one if it fails") {
    World world;
    uint64_t before = world.state.zxid();
    world.time_ms = 4242;
    world.multi(Multi().create({.path = "/a"}).create({.path = "/a/b"}).set("/a", "x"));
    CHECK(world.state.zxid() == before + 1);
    int64_t zxid = static_cast<int64_t>(world.state.zxid());
    for (const char* path : {"/a", "/a/b"}) {
        CHECK(world.stat(path).czxid == zxid);
        CHECK(world.stat(path).mzxid == zxid);
        CHECK(world.stat(path).pzxid == zxid);
        CHECK(world.stat(path).mtime == 4242);
    }
    world.multi(Multi().check("/no"));
    CHECK(world.state.zxid() == before + 2);
}

TEST_CASE("each operation sees what those before it did") {
    World world;
    world.create("/old");
    CHECK(results(world, Multi()
                             .create({.path = "/p"})
                             .create({.path = "/p/c"})
                             .check("/p/c", 0)
                             .set("/p/c", "x", 0)
                             .check("/p/c", 1)
                             .remove("/p/c", 1)
                             .remove("/p")
                             .create({.path = "/p", .flags = 1})) ==
          "1:/p; 1:/p/c; 13; 5:v1; 13; 2; 2; 1:/p");
    CHECK(world.stat("/p").ephemeral_owner == world.me.session);
    CHECK(results(world, Multi().create({.path = "/p/child"})) == "error -108");
    CHECK(results(world, Multi().remove("/old").check("/old")) == "error 0; error -101");
    CHECK(results(world, Multi().set("/old", "x").check("/old", 0)) == "error 0; error -103");
    CHECK(results(world, Multi().create({.path = "/old/c"}).remove("/old")) ==
          "error 0; error -111");
    CHECK(results(world, Multi().create({.path = "/n"}).create({.path = "/n"})) ==
          "error 0; error -110");
    CHECK(world.exists("/old").err == Err::ok);
}

TEST_CASE("permissions made within a multi hold for the rest of it") {
    World world;
    CHECK(results(world, Multi()
                             .create({.path = "/p", .acls = open_acl(perm::read)})
                             .check("/p")
                             .create({.path = "/p/c"})) == "error 0; error 0; error -102");
    CHECK(world.exists("/p").err == Err::no_node);
}

TEST_CASE("a stat in a result is the znode's at that moment") {
    World world;
    Answer answer = world.multi(Multi()
                                    .create({.path = "/a", .data = "12"}, Op::create2)
                                    .create({.path = "/a/b"})
                                    .set("/a", "12345")
                                    .create({.path = "/a/c"})
                                    .set("/a", ""));
    Reader in = answer.reader();
    MultiHeader header;
    Stat born;
    Stat once;
    Stat twice;
    decode(in, header);
    read_text(in);
    decode(in, born);
    decode(in, header);
    read_text(in);
    decode(in, header);
    decode(in, once);
    decode(in, header);
    read_text(in);
    decode(in, header);
    decode(in, twice);
    REQUIRE(in.ok());
    CHECK(born.data_length == 2);
    CHECK(born.num_children == 0);
    CHECK(born.version == 0);
    CHECK(once.data_length == 5);
    CHECK(once.num_children == 1);
    CHECK(once.version == 1);
    CHECK(twice.data_length == 0);
    CHECK(twice.num_children == 2);
    CHECK(twice.cversion == 2);
}

TEST_CASE("sequential names within a multi count on, and a failed one gives its numbers back") {
    World world;
    world.create("/p");
    Multi three = Multi()
                      .create({.path = "/p/s", .flags = 2})
                      .create({.path = "/p/s", .flags = 3})
                      .create({.path = "/p/t", .flags = 2}, Op::create2);
    CHECK(results(world, Multi(three).check("/no")) == "error 0; error 0; error 0; error -101");
    CHECK(results(world, three) == "1:/p/s0000000000; 1:/p/s0000000001; 15:/p/t0000000002");
    CHECK(results(world, Multi(three).check("/no")) == "error 0; error 0; error 0; error -101");
    CHECK(world.create("/p/s", "", 2).text() == "/p/s0000000003");
    CHECK(world.stat("/p").cversion == 4);
}

TEST_CASE("events come after a multi, operation by operation, one-shots at the first match") {
    World world;
    world.create("/a");
    world.get("/a", true);
    world.children("/", true);
    world.exists("/b", true);
    world.add_watch("/c", 0);
    world.multi(Multi()
                    .set("/a", "x")
                    .create({.path = "/b"})
                    .set("/a", "y")
                    .create({.path = "/c"})
                    .set("/b", "z")
                    .set("/c", "x")
                    .remove("/c"));
    CHECK(world.events() ==
          "1 NodeDataChanged /a; 1 NodeCreated /b; 1 NodeChildrenChanged /; 1 NodeCreated /c; "
          "1 NodeDataChanged /c; 1 NodeDeleted /c");
    CHECK(world.state.watches.count() == 2);  // the persistent one, in both tables
}

TEST_CASE("a znode deleted and made again within a multi fires both events in order") {
    World world;
    world.create("/a");
    world.create("/a/b");
    world.add_watch("/a", 1);
    world.get("/a/b", true);
    world.multi(
        Multi().remove("/a/b").remove("/a").create({.path = "/a"}).create({.path = "/a/b"}));
    CHECK(world.events() ==
          "1 NodeDeleted /a/b; 1 NodeDeleted /a; 1 NodeCreated /a; 1 NodeCreated /a/b");
    CHECK(world.state.watches.modes("/a/b", 1) == 0);
    CHECK(world.state.watches.modes("/a", 1) == watch_mode::recursive);
    world.set("/a/b", "x");
    CHECK(world.events() == "1 NodeDataChanged /a/b");
}

TEST_CASE("a multi that fails tells nobody and takes nobody's watch away") {
    World world;
    world.create("/a");
    world.get("/a", true);
    world.children("/", true);
    world.exists("/b", true);
    world.multi(Multi().set("/a", "x").create({.path = "/b"}).remove("/a").check("/no"));
    CHECK(world.events() == "");
    CHECK(world.state.watches.count() == 3);
    world.remove("/a");
    CHECK(world.events() == "1 NodeDeleted /a; 1 NodeChildrenChanged /");
}

TEST_CASE("what each kind of create makes within a multi, and how it is answered") {
    World world;
    world.rules({.extended_types = true});
    auto made = [&](Op op, int32_t flags, int64_t ttl_ms = -1) {
        std::string text =
            results(world, Multi().create({.path = "/x", .flags = flags, .ttl_ms = ttl_ms}, op));
        ZnodeId id = world.state.tree.find("/x");
        if (id == 0) return text;
        const char* names[] = {" persistent", " ephemeral", " container", " ttl"};
        text += names[static_cast<size_t>(world.state.tree[id].kind)];
        world.remove("/x");
        return text;
    };
    CHECK(made(Op::create, 0) == "1:/x persistent");
    CHECK(made(Op::create, 1) == "1:/x ephemeral");
    CHECK(made(Op::create, 4) == "15:/x container");
    CHECK(made(Op::create2, 0) == "15:/x persistent");
    CHECK(made(Op::create2, 4) == "15:/x container");
    CHECK(made(Op::create_container, 0) == "15:/x container");
    CHECK(made(Op::create_container, 1) == "15:/x container");
    CHECK(made(Op::create_ttl, 0, 5) == "1:/x persistent");
    CHECK(made(Op::create_ttl, 1, 5) == "1:/x ephemeral");
    CHECK(made(Op::create_ttl, 4, 5) == "15:/x container");
    CHECK(made(Op::create_ttl, 5, 5) == "15:/x ttl");
    CHECK(made(Op::create_ttl, 5, -1) == "error -8");
    CHECK(made(Op::create_ttl, 7, 5) == "error -8");
    for (int32_t flags : {5, 6, 7, -1})
        for (Op op : {Op::create, Op::create2, Op::create_container})
            CHECK(made(op, flags) == unreadable);
}

TEST_CASE("a multi that cannot be read is refused as a whole") {
    World world;
    world.create("/a");
    uint64_t zxid = world.state.zxid();
    std::string path = text_body("/a");
    CHECK(results(world, Multi().add(Op::get_data, body_of(PathWatch{.path = "/a"}))) ==
          unreadable);
    CHECK(results(world, Multi().add(Op::multi, Multi().body())) == unreadable);
    CHECK(results(world, Multi().add(Op::set_acl, path)) == unreadable);
    CHECK(results(world, Multi().add(static_cast<Op>(99), path)) == unreadable);
    CHECK(results(world, Multi().add(Op::delete_container, path)) == unreadable);
    CHECK(results(world, Multi().check("/a").add(Op::error, "")) == unreadable);
    Buffer null_path;
    null_path.i32(-1);
    null_path.i32(-1);
    CHECK(results(world, Multi().add(Op::remove, null_path.text())) == unreadable);
    CHECK(world.write(Op::multi, Multi().check("/a").bytes).err == Err::marshalling_error);
    std::string whole = Multi().create({.path = "/b"}).set("/a", "x").remove("/b").body();
    for (size_t size = 0; size < whole.size(); ++size)
        CHECK(world.write(Op::multi, whole.substr(0, size)).err == Err::marshalling_error);
    CHECK(world.state.zxid() == zxid);
    // An id that is null is only found at work, and takes back what was done.
    std::string null_id = acl_bytes({{.perms = 31, .scheme = "world", .id = {}}});
    CHECK(results(world, Multi().set("/a", "x").create({.path = "/b", .acls = null_id})) ==
          unreadable);
    CHECK(world.data("/a") == "");
}

TEST_CASE("a thousand operations are one multi as well as three are") {
    World world;
    world.create("/p");
    Multi many;
    for (int i = 0; i < 1000; ++i) many.create({.path = "/p/", .data = "x", .flags = 2});
    Strings made = results_of(world.multi(many));
    CHECK(made.size() == 1000);
    CHECK(std::set<std::string>(made.begin(), made.end()).size() == 1000);
    CHECK(made.back() == "1:/p/0000000999");
    uint64_t digest = world.state.digest();
    Multi clear;
    for (int i = 0; i < 1000; ++i) clear.remove(made[static_cast<size_t>(i)].substr(2));
    CHECK(results_of(world.multi(Multi(clear).check("/no"))).size() == 1001);
    CHECK(world.state.digest() == digest);
    CHECK(world.stat("/p").num_children == 1000);
    world.multi(clear);
    CHECK(world.stat("/p").num_children == 0);
}

TEST_CASE("a multiRead answers each read by itself") {
    World world;
    world.create("/a", "data");
    world.create("/a/b");
    world.create({.path = "/secret", .acls = open_acl(perm::write)});
    CHECK(read_all(world, one_read(Op::get_data, "/a") + one_read(Op::get_children, "/a") +
                              one_read(Op::get_data, "/no") + one_read(Op::get_data, "/secret") +
                              one_read(Op::get_children, "/a/b")) ==
          "4:data; 8:b; error -101; error -102; 8");
    CHECK(read_all(world, "") == "");
}

TEST_CASE("a multiRead whose answers would be too long together is refused as a whole") {
    World world;
    world.create("/big", std::string(1000, 'x'));
    Buffer body;
    for (int i = 0; i < 10; ++i) {
        encode(body, MultiHeader{.type = 4, .done = false, .err = -1});
        encode(body, PathWatch{.path = "/big", .watch = false});
    }
    encode(body, MultiHeader{});
    size_t whole = world.read(Op::multi_read, body.text()).reply.size();
    REQUIRE(whole > 10 * 1000);
    // The end's nine bytes come when all is judged.
    world.state.limits.reply_bytes_max = whole - 9;
    CHECK(world.read(Op::multi_read, body.text()).err == Err::ok);
    world.state.limits.reply_bytes_max = whole - 10;
    CHECK(world.read(Op::multi_read, body.text()).err == Err::system_error);
    CHECK(world.read(Op::multi_read, body.text()).reply.empty());
}

TEST_CASE("a multiRead leaves no watches, whatever its flags say") {
    World world;
    world.create("/a");
    read_all(world, one_read(Op::get_data, "/a", true) + one_read(Op::get_children, "/a", true));
    CHECK(world.state.watches.count() == 0);
}

TEST_CASE("a multiRead of anything but getData and getChildren is unreadable") {
    World world;
    world.create("/a");
    CHECK(read_all(world, one_read(Op::exists, "/a")) == unreadable);
    CHECK(read_all(world, one_read(Op::get_data, "/a") + Multi().remove("/a").bytes) == unreadable);
    CHECK(world.exists("/a").err == Err::ok);
    std::string whole = one_read(Op::get_data, "/a") + body_of(MultiHeader{});
    for (size_t size = 0; size < whole.size(); ++size)
        CHECK(world.read(Op::multi_read, whole.substr(0, size)).err == Err::marshalling_error);
}
