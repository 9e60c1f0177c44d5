// set_watches_test.cc -- a client that comes back says what it waited for: what it missed it is
// told at once, for the rest it waits again.

#include "world.h"

using namespace zk;
using namespace zk::test;

namespace {

using Paths = std::vector<std::string_view>;

struct Away {
    int64_t since = 0;
    Paths data = {};
    Paths exist = {};
    Paths child = {};
    Paths persistent = {};
    Paths recursive = {};

    std::string body(bool second) const {
        Buffer out;
        encode(out,
               SetWatches{.relative_zxid = since,
                          .data = data,
                          .exist = exist,
                          .child = child,
                          .persistent = persistent,
                          .recursive = recursive},
               second);
        return std::string(out.text());
    }
};

// Comes back as a new client; what it is told at once.
std::string back(World& world, const Away& away, Op op = Op::set_watches) {
    Answer answer = world.read(op, away.body(op == Op::set_watches2));
    CHECK(answer.err == Err::ok);
    CHECK(answer.reply.empty());
    return world.notes();
}

int64_t now(const World& world) { return static_cast<int64_t>(world.state.zxid()); }

}  // namespace

TEST_CASE("a data watch catches up with deletion and with sets") {
    World world;
    world.create("/gone");
    world.create("/set");
    world.create("/still");
    world.create("/again");
    Away away{.since = now(world), .data = {"/gone", "/set", "/still", "/again"}};
    world.remove("/gone");
    world.set("/set", "x");
    world.create("/still/child");
    world.remove("/again");
    world.create("/again");
    CHECK(back(world, away) == "NodeDeleted /gone; NodeDataChanged /set; NodeDataChanged /again");
    // Only the one that missed nothing waits on.
    CHECK(world.state.watches.count() == 1);
    world.set("/still", "x");
    CHECK(world.events() == "1 NodeDataChanged /still");
    world.set("/set", "y");
    CHECK(world.events() == "");
}

TEST_CASE("an exist watch catches up with the creation, whenever that was") {
    World world;
    world.create("/old");
    Away away{.since = now(world), .exist = {"/old", "/new", "/never"}};
    world.create("/new");
    CHECK(back(world, away) == "NodeCreated /old; NodeCreated /new");
    CHECK(world.state.watches.count() == 1);
    world.create("/never");
    CHECK(world.events() == "1 NodeCreated /never");
}

TEST_CASE("a child watch catches up by pzxid, so that sets do not count") {
    World world;
    for (const char* path : {"/gone", "/born", "/lost", "/set", "/deep", "/lost/x", "/deep/x"})
        world.create(path);
    Away away{.since = now(world), .child = {"/gone", "/born", "/lost", "/set", "/deep"}};
    world.remove("/gone");
    world.create("/born/x");
    world.remove("/lost/x");
    world.set("/set", "x");
    world.create("/deep/x/y");
    CHECK(back(world, away) ==
          "NodeDeleted /gone; NodeChildrenChanged /born; NodeChildrenChanged /lost");
    CHECK(world.state.watches.count() == 2);
    world.set("/set", "y");
    CHECK(world.events() == "");
    world.create("/set/x");
    CHECK(world.events() == "1 NodeChildrenChanged /set");
    world.create("/deep/z");
    CHECK(world.events() == "1 NodeChildrenChanged /deep");
}

TEST_CASE("what happened at the very zxid that was seen is not told again") {
    World world;
    world.create("/a");
    world.set("/a", "x");
    world.create("/a/b");
    int64_t seen = now(world);
    CHECK(back(world, {.since = seen, .child = {"/a"}}) == "");
    CHECK(back(world, {.since = seen - 1, .child = {"/a"}}) == "NodeChildrenChanged /a");
    CHECK(back(world, {.since = seen - 1, .data = {"/a"}}) == "");
    CHECK(back(world, {.since = seen - 2, .data = {"/a"}}) == "NodeDataChanged /a");
}

TEST_CASE("data comes before exist, exist before child, each in the order asked") {
    World world;
    world.create("/x");
    CHECK(back(world,
               {.since = 0, .data = {"/1", "/x", "/2"}, .exist = {"/x"}, .child = {"/3", "/x"}}) ==
          "NodeDeleted /1; NodeDataChanged /x; NodeDeleted /2; NodeCreated /x; NodeDeleted /3; "
          "NodeChildrenChanged /x");
}

TEST_CASE("persistent and recursive watches wait on without catching up") {
    World world;
    world.create("/a");
    CHECK(back(world, {.since = 0, .persistent = {"/a", "/b"}, .recursive = {"/a", "/c"}},
               Op::set_watches2) == "");
    world.create("/a/x");
    CHECK(world.events() == "1 NodeCreated /a/x; 1 NodeChildrenChanged /a");
    world.create("/b");
    CHECK(world.events() == "1 NodeCreated /b");
    world.create("/c");
    CHECK(world.events() == "1 NodeCreated /c");
    world.create("/c/d");
    CHECK(world.events() == "1 NodeCreated /c/d");
    world.create("/b/d");
    CHECK(world.events() == "1 NodeChildrenChanged /b");
}

TEST_CASE("setWatches2 catches up with the three old kinds as setWatches does") {
    World world;
    world.create("/x");
    CHECK(back(world, {.since = 0, .data = {"/gone"}, .exist = {"/x"}, .child = {"/x"}},
               Op::set_watches2) == "NodeDeleted /gone; NodeCreated /x; NodeChildrenChanged /x");
}

TEST_CASE("paths are taken as they are, and nobody is asked for permission") {
    World world;
    world.create({.path = "/secret", .acls = open_acl(perm::admin)});
    CHECK(back(world, {.since = 0, .data = {"/secret", "no path", "", "//"}}) ==
          "NodeDataChanged /secret; NodeDeleted no path; NodeDeleted //");
    CHECK(back(world, {.since = now(world), .data = {"/secret"}}) == "");
    CHECK(world.state.watches.modes("/secret", 1) == watch_mode::data);
}

TEST_CASE("a setWatches that is cut short is a marshalling error and leaves no watch") {
    World world;
    std::string whole = Away{.since = 0, .exist = {"/a"}, .child = {"/b"}}.body(false);
    for (size_t size = 0; size < whole.size(); ++size) {
        Answer answer = world.read(Op::set_watches, whole.substr(0, size));
        CHECK(answer.err == Err::marshalling_error);
        CHECK(world.notices.empty());
    }
    CHECK(world.read(Op::set_watches2, whole).err == Err::marshalling_error);
    CHECK(world.state.watches.count() == 0);
}
