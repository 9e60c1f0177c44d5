// state_test.cc -- requests as a whole: which are no requests at all, which of several faults is
// the one that is told, what reads answer, and that everything happens in its order.

#include "state/state.h"

#include <climits>
#include <set>

#include "world.h"

using namespace zk;
using namespace zk::test;

namespace {

// A good body for every write that clients send.
std::string good_body(Op op) {
    switch (op) {
    case Op::create:
    case Op::create2:
    case Op::create_container: return Create{.path = "/new", .data = "x"}.body();
    case Op::create_ttl: return Create{.path = "/new", .flags = 5, .ttl_ms = 1}.body(true);
    case Op::remove:
    case Op::check: return body_of(PathVersion{.path = "/old", .version = -1});
    case Op::set_data: return body_of(SetDataRequest{.path = "/old", .data = as_bytes("x")});
    case Op::set_acl: {
        std::string acls = open_acl();
        return body_of(SetAclRequest{.path = "/old", .acls = as_bytes(acls), .version = -1});
    }
    case Op::multi: return Multi().check("/old").body();
    case Op::reconfig: return body_of(ReconfigRequest{.joining = "", .leaving = "", .members = ""});
    default: return "";
    }
}

// The same for reads.
std::string good_read(Op op) {
    switch (op) {
    case Op::exists:
    case Op::get_data:
    case Op::get_children:
    case Op::get_children2: return body_of(PathWatch{.path = "/old", .watch = true});
    case Op::get_acl:
    case Op::sync:
    case Op::get_ephemerals:
    case Op::get_all_children_number: return text_body("/old");
    case Op::multi_read: return body_of(MultiHeader{});
    case Op::check_watches:
    case Op::remove_watches: return body_of(PathNumber{.path = "/old", .number = 3});
    case Op::add_watch: return body_of(PathNumber{.path = "/old", .number = 0});
    default: return "";
    }
}

}  // namespace

TEST_CASE("every operation has one row, which its number finds") {
    std::set<int32_t> codes;
    std::set<std::string_view> names;
    for (const Command& row : commands()) {
        int32_t code = static_cast<int32_t>(row.op);
        CAPTURE(code);
        CHECK(find_command(code) == &row);
        CHECK(codes.insert(code).second);
        CHECK(names.insert(row.name).second);
        if (row.kind == CommandKind::write) {
            CHECK((row.well_formed != nullptr));
            CHECK((row.write != nullptr));
        }
        CHECK((row.read != nullptr) == (row.kind == CommandKind::read));
    }
    for (int32_t code : {0, 10, 23, 99, 108, 127, 128, 1000, -1, -2, -9, -12, INT_MAX, INT_MIN})
        CHECK_MESSAGE(find_command(code) == nullptr, code);
    for (Op op : {Op::check, Op::delete_container, Op::create_session})
        CHECK(find_command(static_cast<int32_t>(op))->kind == CommandKind::refused);
}

TEST_CASE("a write that is cut anywhere is not well formed") {
    for (const Command& row : commands()) {
        if (row.kind != CommandKind::write && row.op != Op::check) continue;
        CAPTURE(row.name);
        int32_t op = static_cast<int32_t>(row.op);
        std::string whole = good_body(row.op);
        REQUIRE(!whole.empty());
        CHECK(State::well_formed(op, as_bytes(whole)));
        for (size_t size = 0; size < whole.size(); ++size) {
            std::string cut = whole.substr(0, size);  // a copy, so that a read past it is caught
            CHECK_MESSAGE(!State::well_formed(op, as_bytes(cut)), size);
        }
    }
    for (int32_t op : {0, 10, 20, 99, -1, -10, 1000, 1001, 1002, INT_MIN})
        CHECK(!State::well_formed(op, as_bytes(good_body(Op::remove))));
    CHECK(
        !State::well_formed(static_cast<int32_t>(Op::get_data), as_bytes(good_read(Op::get_data))));
}

TEST_CASE("counts and lengths that cannot be are noticed before anything is made of them") {
    for (uint32_t count : {2u, 1000u, 0x7fffffffu}) {
        Buffer body;
        write_text(body, "/new");
        write_text(body, "data");
        body.u32(count);
        body.i32(31);
        write_text(body, "world");
        write_text(body, "anyone");
        body.i32(0);
        CHECK(!State::well_formed(static_cast<int32_t>(Op::create), body.bytes()));
    }
    for (uint32_t size : {6u, 0x7fffffffu}) {
        Buffer body;
        body.u32(size);
        body.append(as_bytes("/old"));
        CHECK(!State::well_formed(static_cast<int32_t>(Op::remove), body.bytes()));
    }
}

TEST_CASE("a read that is cut anywhere answers nothing and leaves no watch") {
    World world;
    world.create("/old");
    for (const Command& row : commands()) {
        std::string whole = row.kind == CommandKind::read ? good_read(row.op) : "";
        for (size_t size = 0; size < whole.size(); ++size) {
            CAPTURE(row.name);
            CAPTURE(size);
            Answer answer = world.read(row.op, whole.substr(0, size));
            CHECK(answer.err == Err::marshalling_error);
            CHECK(answer.reply.empty());
        }
    }
    CHECK(world.state.watches.count() == 0);
}

TEST_CASE("of several faults of a create the first in ZooKeeper's order is told") {
    World world;
    world.rules({.extended_types = true});
    world.create({.path = "/shut", .acls = open_acl(perm::read)});
    world.create("/e", "", 1);
    world.create("/there");
    std::string bad_acl = acl_bytes({});
    auto told = [&](std::string path, std::string acls, int32_t flags = 0) {
        return world.create({.path = std::move(path), .flags = flags, .acls = std::move(acls)}).err;
    };
    std::string good = open_acl();
    CHECK(told("no slash", bad_acl) == Err::bad_arguments);
    CHECK(told(std::string("/shut/\0", 7), bad_acl) == Err::bad_arguments);
    CHECK(told("/no/x", bad_acl) == Err::invalid_acl);
    CHECK(told("/shut/.", bad_acl) == Err::invalid_acl);
    CHECK(told("/no/x//", good) == Err::no_node);
    CHECK(told("a/b", good) == Err::no_node);
    CHECK(told("/shut/.", good) == Err::no_auth);
    CHECK(told("/there/.", good) == Err::bad_arguments);
    CHECK(told("a", good) == Err::bad_arguments);
    CHECK(told("/", good) == Err::node_exists);
    CHECK(told("/e/.", good) == Err::bad_arguments);
    CHECK(told("/e/x", good) == Err::no_children_for_ephemerals);
    CHECK(told("/there", good) == Err::node_exists);
    world.expire(world.me);
    CHECK(told("no slash", bad_acl, 7) == Err::bad_arguments);  // flags before all
    CHECK(told("no slash", bad_acl) == Err::session_expired);
}

TEST_CASE("of several faults of a delete the first in ZooKeeper's order is told") {
    World world;
    world.create({.path = "/shut", .acls = open_acl(perm::read | perm::create)});
    world.create("/shut/child");
    world.create("/p");
    world.create("/p/c");
    CHECK(world.remove("/").err == Err::bad_arguments);
    CHECK(world.remove("").err == Err::bad_arguments);
    CHECK(world.remove("p").err == Err::bad_arguments);
    CHECK(world.remove("/zookeeper/quota").err == Err::bad_arguments);
    CHECK(world.remove("/no/x").err == Err::no_node);
    // NoAuth hides whether there is such a child.
    CHECK(world.remove("/shut/child", 9).err == Err::no_auth);
    CHECK(world.remove("/shut/no").err == Err::no_auth);
    CHECK(world.remove("/p/").err == Err::no_node);  // no full check of the path
    CHECK(world.remove("/p", 9).err == Err::bad_version);
    CHECK(world.remove("/p", 0).err == Err::not_empty);
    world.expire(world.me);
    CHECK(world.remove("/").err == Err::session_expired);
}

TEST_CASE("a bad path is refused as such by every write, whatever of it is there") {
    World world;
    world.create("/a");
    for (std::string_view path : {"//a", "//", "/a/", "/a//", "/a//b", "//a/b", "/a/.", "/a/./b",
                                  "/.", "/a/..", "/\x7f", "/a/\x01"}) {
        CAPTURE(path);
        bool parent = world.exists(path.substr(0, path.rfind('/'))).err == Err::ok;
        CHECK(world.create(path).err == (parent ? Err::bad_arguments : Err::no_node));
        CHECK(world.set(path, "x").err == Err::bad_arguments);
        CHECK(world.set_acl(path, open_acl()).err == Err::bad_arguments);
        CHECK(results_of(world.multi(Multi().check(path))) == Strings{"error -8"});
    }
    CHECK(world.set("", "x").err == Err::bad_arguments);
    CHECK(world.create("/").err == Err::node_exists);
    CHECK(world.set("/", "x").err == Err::ok);
}

TEST_CASE("of several faults of a set the first in ZooKeeper's order is told") {
    World world;
    world.create({.path = "/shut", .acls = open_acl(perm::read)});
    world.create("/a");
    std::string bad_acl = acl_bytes({});
    CHECK(world.set("/a/", "x").err == Err::bad_arguments);
    CHECK(world.set("/no", "x", 9).err == Err::no_node);
    CHECK(world.set("/shut", "x", 9).err == Err::no_auth);
    CHECK(world.set("/a", "x", 9).err == Err::bad_version);
    CHECK(world.set_acl("/a/", bad_acl).err == Err::bad_arguments);
    CHECK(world.set_acl("/no", bad_acl).err == Err::invalid_acl);
    CHECK(world.set_acl("/no", open_acl(), 9).err == Err::no_node);
    CHECK(world.set_acl("/shut", open_acl(), 9).err == Err::no_auth);
    CHECK(world.set_acl("/a", open_acl(), 9).err == Err::bad_version);
    CHECK(shown(results_of(world.multi(Multi().check("/a/")))) == "error -8");
    CHECK(shown(results_of(world.multi(Multi().check("/no", 9)))) == "error -101");
    CHECK(shown(results_of(world.multi(Multi().check("/a", 9)))) == "error -103");
    CHECK(shown(results_of(world.multi(Multi().check("/shut", 0)))) == "13");
    world.expire(world.me);
    CHECK(world.set("/a/", "x").err == Err::session_expired);
    CHECK(world.set_acl("/a/", bad_acl).err == Err::session_expired);
}

TEST_CASE("null where a path is needed is told, not followed") {
    World world;
    std::string null_path = body_of(PathWatch{.path = {}, .watch = true});
    for (Op op : {Op::exists, Op::get_data, Op::get_children, Op::get_children2})
        CHECK(world.read(op, null_path).err == Err::marshalling_error);
    CHECK(world.read(Op::get_acl, text_body({})).err == Err::marshalling_error);
    CHECK(world.add_watch({}, 0).err == Err::marshalling_error);
    CHECK(world.remove({}).err == Err::marshalling_error);
    CHECK(world.write(Op::create, "\xff\xff\xff\xff" + Create{}.body().substr(4)).err ==
          Err::marshalling_error);
    CHECK(world.state.watches.count() == 0);
    CHECK(world.state.tree.count() == 4);
}

TEST_CASE("a membership is not changed by a server alone") {
    World world;
    std::string body = good_body(Op::reconfig);
    CHECK(world.write(Op::reconfig, body).err == Err::reconfig_disabled);
    world.rules({.reconfig = true});
    CHECK(world.write(Op::reconfig, body).err == Err::unimplemented);
    world.expire(world.me);
    CHECK(world.write(Op::reconfig, body).err == Err::session_expired);
    world.rules({});
    CHECK(world.write(Op::reconfig, body).err == Err::reconfig_disabled);
}

TEST_CASE("reads take paths as they are") {
    World world;
    world.create("/a", "data");
    world.create("/a/b");
    for (std::string_view path : {"/a/", "//a", "a", "/a//b", "/./a"}) {
        CAPTURE(path);
        CHECK(world.exists(path).err == Err::no_node);
        CHECK(world.get(path).err == Err::no_node);
        CHECK(world.children(path).err == Err::no_node);
    }
    CHECK(world.exists(std::string_view("/a\0", 3)).err == Err::bad_arguments);
    CHECK(world.get(std::string_view("/a\0", 3)).err == Err::no_node);
    CHECK(world.stat("").num_children == 2);
    CHECK(shown(world.children("").sorted()) == "a; zookeeper");
    Answer two = world.read(Op::get_children2, body_of(PathWatch{.path = "/a"}));
    CHECK(shown(two.texts()) == "b");
    CHECK(two.stat().num_children == 1);
    CHECK(two.reply.size() == world.children("/a").reply.size() + 68);
    for (std::string_view path : {"/a", "/no", "", "no path at all"})
        CHECK(world.read(Op::sync, text_body(path)).text() == path);
}

TEST_CASE("a reply larger than this node allows is refused and leaves no watch") {
    World world;
    world.create("/p");
    for (int i = 0; i < 100; ++i) world.create("/p/" + std::to_string(1000 + i));
    world.state.limits.reply_bytes_max = 100 * 8 + 3;
    CHECK(world.children("/p", true).err == Err::system_error);
    CHECK(world.children("/p", true).reply.empty());
    CHECK(world.state.watches.count() == 0);
    world.state.limits.reply_bytes_max = 100 * 8 + 4;
    CHECK(world.children("/p", true).texts().size() == 100);
    CHECK(world.state.watches.count() == 1);
    world.create("/e1", "", 1);
    world.create("/e2", "", 1);
    world.state.limits.reply_bytes_max = 4 + 2 * 7;
    CHECK(world.read(Op::get_ephemerals, text_body("/")).texts().size() == 2);
    world.state.limits.reply_bytes_max = 4 + 2 * 7 - 1;
    CHECK(world.read(Op::get_ephemerals, text_body("/")).err == Err::system_error);
}

TEST_CASE("requests take effect in their order, and a refused one stops nobody") {
    World world;
    world.create("/p");
    for (int i = 0; i < 100; ++i) {
        std::string version = std::to_string(i);
        CHECK(world.set("/p", version, i).stat().version == i + 1);
        CHECK(world.set("/p", "late", i).err == Err::bad_version);
        CHECK(world.data("/p") == version);
        CHECK(world.create("/p/s", version, 2).err == Err::ok);
    }
    Strings names = world.children("/p").sorted();
    REQUIRE(names.size() == 100);
    for (size_t i = 0; i < names.size(); ++i)
        CHECK(world.data("/p/" + names[i]) == std::to_string(i));
}

TEST_CASE("every entry takes the next zxid, whatever becomes of it") {
    World world;
    uint64_t before = world.state.zxid();
    world.create("/a");
    world.create("/a");
    world.remove("/no");
    world.apply(entry_op::no_op, "");
    world.rules({});
    CHECK(world.state.zxid() == before + 5);
    world.get("/a");
    world.remove_watches("/a", 3);
    world.write(Op::create, "nonsense");
    CHECK(world.state.zxid() == before + 5);
}

TEST_CASE("a reply is added behind what is in the buffer, and an error adds nothing") {
    World world;
    world.create("/a");
    std::string ids = body_of(Identity{.scheme = "ip", .id = "10.0.0.1"});
    Buffer reply;
    reply.append(as_bytes("before"));
    for (const char* path : {"/b", "/a", "/no/b"}) {
        std::string body = Create{.path = path}.body();
        Entry entry{.term = 1,
                    .zxid = world.state.zxid() + 1,
                    .time_ms = 1,
                    .origin = {.node = 1, .client = 1, .request = 1},
                    .session = world.me.session,
                    .op = static_cast<int32_t>(Op::create),
                    .ids = as_bytes(ids),
                    .body = as_bytes(body)};
        world.state.apply(entry, reply);
        CHECK(reply.text() == "before" + text_body("/b"));
    }
}

TEST_CASE("an entry survives its own bytes, and no cut of its head is taken for one") {
    Entry entry{.term = 7,
                .zxid = 9,
                .time_ms = -5,
                .origin = {.node = 1, .client = 2, .request = 3},
                .session = -1,
                .op = -11,
                .ids = as_bytes("ids"),
                .body = as_bytes("the body")};
    Buffer bytes;
    encode(bytes, entry);
    CHECK(bytes.size() == encoded_size(entry));
    Entry read;
    REQUIRE(decode(bytes.bytes(), read));
    CHECK(read.term == 7);
    CHECK(read.zxid == 9);
    CHECK(read.time_ms == -5);
    CHECK(read.origin == entry.origin);
    CHECK(read.session == -1);
    CHECK(read.op == -11);
    CHECK(as_text(read.ids) == "ids");
    CHECK(as_text(read.body) == "the body");
    for (size_t size = 0; size < entry_head_size + 3; ++size)
        CHECK(!decode(bytes.bytes().first(size), read));
}
