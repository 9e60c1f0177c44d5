// watch_test.cc -- who is told of which change, in which order, and how long a watch lasts.

#include "state/watch.h"

#include "world.h"

using namespace zk;
using namespace zk::test;

namespace {

constexpr int32_t children_type = 1;
constexpr int32_t data_type = 2;
constexpr int32_t any_type = 3;
constexpr int32_t persistent_type = 4;
constexpr int32_t recursive_type = 5;

constexpr int32_t persistent_mode = 0;
constexpr int32_t recursive_mode = 1;

// The events of the last entry, sorted where the order among clients does not matter.
std::string sorted_events(const World& world) {
    Strings lines;
    std::string text = world.events();
    for (size_t at = 0; at < text.size();) {
        size_t end = std::min(text.find("; ", at), text.size());
        lines.push_back(text.substr(at, end - at));
        at = end + 2;
    }
    std::sort(lines.begin(), lines.end());
    return shown(lines);
}

}  // namespace

TEST_CASE("a watch left by getData fires once") {
    World world;
    world.create("/a");
    world.get("/a", true);
    world.set("/a", "x");
    CHECK(world.events() == "1 NodeDataChanged /a");
    world.set("/a", "y");
    CHECK(world.events() == "");
    CHECK(world.state.watches.count() == 0);
}

TEST_CASE("a watch left by exists on nothing fires at the creation") {
    World world;
    CHECK(world.exists("/a", true).err == Err::no_node);
    world.create("/b");
    CHECK(world.events() == "");
    world.create("/a");
    CHECK(world.events() == "1 NodeCreated /a");
    world.remove("/a");
    CHECK(world.events() == "");
}

TEST_CASE("reads that fail leave no watch, but exists on nothing") {
    World world;
    world.create({.path = "/secret", .acls = open_acl(perm::write)});
    CHECK(world.get("/a", true).err == Err::no_node);
    CHECK(world.children("/a", true).err == Err::no_node);
    CHECK(world.get("/secret", true).err == Err::no_auth);
    CHECK(world.exists("/secret", true).err == Err::no_auth);
    CHECK(world.children("/secret", true).err == Err::no_auth);
    CHECK(world.state.watches.count() == 0);
    CHECK(world.exists("/a", false).err == Err::no_node);
    CHECK(world.state.watches.count() == 0);
}

TEST_CASE("exists and getData leave the same watch, which fires once for both") {
    World world;
    world.create("/a");
    world.exists("/a", true);
    world.get("/a", true);
    CHECK(world.state.watches.count() == 1);
    world.set("/a", "same bytes");
    CHECK(world.events() == "1 NodeDataChanged /a");
}

TEST_CASE("a child watch fires when the set of children changes, and for nothing else") {
    World world;
    world.create("/p");
    world.create("/p/a");
    world.children("/p", true);
    world.set("/p", "x");
    CHECK(world.events() == "");
    world.set("/p/a", "x");
    CHECK(world.events() == "");
    world.create("/p/a/deeper");
    CHECK(world.events() == "");
    world.set_acl("/p", open_acl());
    CHECK(world.events() == "");
    world.remove("/p/a/deeper");
    CHECK(world.events() == "");
    world.remove("/p/a");
    CHECK(world.events() == "1 NodeChildrenChanged /p");
    world.create("/p/b");
    CHECK(world.events() == "");
}

TEST_CASE("the root's children are watched under its own name") {
    World world;
    world.children("/", true);
    world.create("/a");
    CHECK(world.events() == "1 NodeChildrenChanged /");
    world.get("/", true);
    world.set("/", "x");
    CHECK(world.events() == "1 NodeDataChanged /");
}

TEST_CASE("a watch on the empty path is a watch on nothing, though it reads as the root") {
    World world;
    CHECK(world.get("", true).err == Err::ok);
    CHECK(world.children("", true).err == Err::ok);
    world.set("/", "x");
    CHECK(world.events() == "");
    world.create("/a");
    CHECK(world.events() == "");
    world.get("/", true);
    world.set("/", "y");
    CHECK(world.events() == "1 NodeDataChanged /");
    CHECK(world.state.watches.modes("", 1) == (watch_mode::data | watch_mode::child));
    CHECK(world.remove_watches("", any_type).err == Err::ok);
    CHECK(world.state.watches.count() == 0);
}

TEST_CASE("setACL fires nothing and consumes nothing") {
    World world;
    world.create("/a");
    world.get("/a", true);
    world.children("/a", true);
    world.set_acl("/a", open_acl());
    CHECK(world.events() == "");
    CHECK(world.state.watches.count() == 2);
}

TEST_CASE("a write that fails fires nothing") {
    World world;
    world.create("/a");
    world.create("/a/b");
    world.get("/a", true);
    world.children("/a", true);
    world.set("/a", "x", 5);
    CHECK(world.events() == "");
    world.remove("/a");
    CHECK(world.events() == "");
    world.create("/a/b");
    CHECK(world.events() == "");
    CHECK(world.state.watches.count() == 2);
}

TEST_CASE("creation tells the znode's watchers first, then the parent's") {
    World world;
    world.create("/p");
    Client other = world.connect(2);
    world.exists("/p/a", true);
    world.as(other).children("/p", true);
    world.create("/p/a");
    CHECK(world.events() == "1 NodeCreated /p/a; 2 NodeChildrenChanged /p");
}

TEST_CASE("deletion tells data watchers, then child watchers, then the parent's") {
    World world;
    world.create("/p");
    world.create("/p/a");
    Client data = world.connect(2);
    Client child = world.connect(3);
    Client parent = world.connect(4);
    world.as(parent).children("/p", true);
    world.as(child).children("/p/a", true);
    world.as(data).get("/p/a", true);
    world.remove("/p/a");
    CHECK(world.events() == "2 NodeDeleted /p/a; 3 NodeDeleted /p/a; 4 NodeChildrenChanged /p");
    CHECK(world.state.watches.count() == 0);
}

TEST_CASE("who has data and child watches on a deleted znode is told once, and both are gone") {
    World world;
    world.create("/a");
    world.get("/a", true);
    world.children("/a", true);
    CHECK(world.state.watches.count() == 2);
    world.remove("/a");
    CHECK(world.events() == "1 NodeDeleted /a");
    CHECK(world.state.watches.count() == 0);
    world.create("/a");
    CHECK(world.events() == "");
}

TEST_CASE("one client gets both the znode's and the parent's event of one change") {
    World world;
    world.create("/p");
    world.exists("/p/a", true);
    world.children("/p", true);
    world.create("/p/a");
    CHECK(world.events() == "1 NodeCreated /p/a; 1 NodeChildrenChanged /p");
}

TEST_CASE("a watch on a deleted znode's name is for the next one of that name") {
    World world;
    world.create("/a");
    world.get("/a", true);
    world.remove("/a");
    world.exists("/a", true);
    world.create("/unrelated");  // gets the number that /a had
    CHECK(world.events() == "");
    world.set("/unrelated", "x");
    CHECK(world.events() == "");
    world.create("/a");
    CHECK(world.events() == "1 NodeCreated /a");
}

TEST_CASE("a persistent watch sees what data and child watches see, and stays") {
    World world;
    CHECK(world.add_watch("/p", persistent_mode).reply == std::string(4, '\0'));
    for (int round = 0; round < 2; ++round) {
        world.create("/p");
        CHECK(world.events() == "1 NodeCreated /p");
        world.set("/p", "x");
        CHECK(world.events() == "1 NodeDataChanged /p");
        world.create("/p/a");
        CHECK(world.events() == "1 NodeChildrenChanged /p");
        world.set("/p/a", "x");
        CHECK(world.events() == "");
        world.create("/p/a/b");
        CHECK(world.events() == "");
        world.remove("/p/a/b");
        world.remove("/p/a");
        CHECK(world.events() == "1 NodeChildrenChanged /p");
        world.remove("/p");
        CHECK(world.events() == "1 NodeDeleted /p");
    }
}

TEST_CASE("a recursive watch sees every change below with its own path, never children") {
    World world;
    world.add_watch("/p", recursive_mode);
    for (int round = 0; round < 2; ++round) {
        world.create("/p");
        CHECK(world.events() == "1 NodeCreated /p");
        world.create("/p/a");
        CHECK(world.events() == "1 NodeCreated /p/a");
        world.create("/p/a/b");
        CHECK(world.events() == "1 NodeCreated /p/a/b");
        world.set("/p/a", "x");
        CHECK(world.events() == "1 NodeDataChanged /p/a");
        world.remove("/p/a/b");
        CHECK(world.events() == "1 NodeDeleted /p/a/b");
        world.remove("/p/a");
        world.create("/pp");  // not below
        CHECK(world.events() == "");
        world.remove("/pp");
        world.remove("/p");
        CHECK(world.events() == "1 NodeDeleted /p");
    }
}

TEST_CASE("a recursive watch on the root sees everything, what the server keeps too") {
    World world;
    world.add_watch("/", recursive_mode);
    world.create("/zookeeper/quota/a");
    CHECK(world.events() == "1 NodeCreated /zookeeper/quota/a");
    world.set("/", "x");
    CHECK(world.events() == "1 NodeDataChanged /");
}

TEST_CASE("who has several recursive watches above is told once") {
    World world;
    world.create("/a");
    world.create("/a/b");
    world.add_watch("/", recursive_mode);
    world.add_watch("/a", recursive_mode);
    world.get("/a/b", true);
    world.set("/a/b", "x");
    CHECK(world.events() == "1 NodeDataChanged /a/b");
    world.set("/a/b", "y");
    CHECK(world.events() == "1 NodeDataChanged /a/b");
}

TEST_CASE("a recursive watch with a child watch gets the children's event as well") {
    World world;
    world.create("/p");
    world.add_watch("/p", recursive_mode);
    world.children("/p", true);
    world.create("/p/a");
    CHECK(world.events() == "1 NodeCreated /p/a; 1 NodeChildrenChanged /p");
    world.create("/p/b");
    CHECK(world.events() == "1 NodeCreated /p/b");
}

TEST_CASE("modes of one path live side by side, and firing takes only the one-shots") {
    World world;
    world.create("/p");
    world.add_watch("/p", persistent_mode);
    world.add_watch("/p", recursive_mode);
    world.get("/p", true);
    world.children("/p", true);
    CHECK(world.state.watches.modes("/p", 1) == watch_mode::any);
    world.set("/p", "x");
    CHECK(world.events() == "1 NodeDataChanged /p");
    CHECK(world.state.watches.modes("/p", 1) == (watch_mode::any & ~watch_mode::data));
    world.create("/p/a");
    CHECK(world.events() == "1 NodeCreated /p/a; 1 NodeChildrenChanged /p");
    CHECK(world.state.watches.modes("/p", 1) == (watch_mode::persistent | watch_mode::recursive));
}

TEST_CASE("removeWatches takes away the modes of its type alone") {
    World world;
    world.create("/p");
    auto left = [&](int32_t type) {
        world.state.watches.forget(1, 10);
        world.add_watch("/p", persistent_mode);
        world.add_watch("/p", recursive_mode);
        world.get("/p", true);
        world.children("/p", true);
        CHECK(world.remove_watches("/p", type).err == Err::ok);
        return int{world.state.watches.modes("/p", 1)};
    };
    CHECK(left(children_type) == (watch_mode::any & ~watch_mode::child));
    CHECK(left(data_type) == (watch_mode::any & ~watch_mode::data));
    CHECK(left(any_type) == 0);
    CHECK(left(persistent_type) == (watch_mode::any & ~watch_mode::persistent));
    CHECK(left(recursive_type) == (watch_mode::any & ~watch_mode::recursive));
}

TEST_CASE("a watch that is not there cannot be removed, whether the znode is or not") {
    World world;
    world.create("/p");
    Client other = world.connect(2);
    world.as(other).get("/p", true);
    world.as(world.connect(3));
    for (int32_t type = children_type; type <= recursive_type; ++type) {
        CHECK(world.remove_watches("/p", type).err == Err::no_watcher);
        CHECK(world.check_watches("/p", type).err == Err::no_watcher);
        CHECK(world.remove_watches("/nothing", type).err == Err::no_watcher);
    }
    world.as(other);
    CHECK(world.remove_watches("/p", children_type).err == Err::no_watcher);
    CHECK(world.remove_watches("/p", persistent_type).err == Err::no_watcher);
    CHECK(world.remove_watches("/p", data_type).err == Err::ok);
    CHECK(world.remove_watches("/p", data_type).err == Err::no_watcher);
}

TEST_CASE("checkWatches says whether there is a watch and never takes one away") {
    World world;
    world.create("/p");
    world.get("/p", true);
    for (int i = 0; i < 2; ++i) {
        CHECK(world.check_watches("/p", data_type).err == Err::ok);
        CHECK(world.check_watches("/p", any_type).err == Err::ok);
        CHECK(world.check_watches("/p", children_type).err == Err::no_watcher);
        CHECK(world.check_watches("/p", persistent_type).err == Err::no_watcher);
        CHECK(world.check_watches("/p", recursive_type).err == Err::no_watcher);
    }
    world.set("/p", "x");
    CHECK(world.events() == "1 NodeDataChanged /p");
    CHECK(world.check_watches("/p", data_type).err == Err::no_watcher);
}

TEST_CASE("unknown types and modes of watches are marshalling errors") {
    World world;
    world.create("/p");
    world.get("/p", true);
    for (int32_t type : {0, 6, -1, 99}) {
        CHECK(world.remove_watches("/p", type).err == Err::marshalling_error);
        CHECK(world.check_watches("/p", type).err == Err::marshalling_error);
    }
    for (int32_t mode : {2, -1, 3}) {
        Answer answer = world.add_watch("/p", mode);
        CHECK(answer.err == Err::marshalling_error);
        CHECK(answer.reply.empty());
    }
    CHECK(world.state.watches.count() == 1);
}

TEST_CASE("a client that is forgotten has no watches of any kind left, others keep theirs") {
    World world;
    world.create("/p");
    world.get("/p", true);
    world.exists("/nothing", true);
    world.children("/p", true);
    world.add_watch("/p", persistent_mode);
    world.add_watch("/q", recursive_mode);
    Client other = world.connect(2);
    world.as(other).get("/p", true);
    CHECK(!world.state.watches.forget(1, 2));
    CHECK(world.state.watches.forget(1, 2));
    CHECK(world.state.watches.forget(1, 2));
    CHECK(world.state.watches.count() == 1);
    world.set("/p", "x");
    CHECK(world.events() == "2 NodeDataChanged /p");
    world.create("/nothing");
    CHECK(world.events() == "");
    world.create("/q");
    CHECK(world.events() == "");
    CHECK(world.state.watches.count() == 0);
    CHECK(world.state.watches.forget(77, 1));  // never had any
}

TEST_CASE("ten thousand watches on one znode fire once each") {
    World world;
    world.create("/a");
    constexpr uint32_t clients = 10'000;
    Client before = world.me;
    for (uint32_t number = 2; number < 2 + clients; ++number) {
        world.as({.number = number});
        world.get("/a", true);
        world.get("/a", true);
    }
    CHECK(world.state.watches.count() == clients);
    CHECK(world.state.watches.path_count() == 1);
    CHECK(world.state.watches.client_count() == clients);
    // One in the middle leaves.
    CHECK(world.remove_watches("/a", any_type).err == Err::ok);
    CHECK(world.state.watches.forget(5000, 1));
    world.as(before).set("/a", "x");
    std::vector<uint32_t> told;
    for (const Event& event : world.state.events()) {
        REQUIRE(event.type == EventType::data_changed);
        told.push_back(event.client);
    }
    std::sort(told.begin(), told.end());
    CHECK(told.size() == clients - 2);
    CHECK(std::adjacent_find(told.begin(), told.end()) == told.end());
    CHECK(!std::binary_search(told.begin(), told.end(), 5000u));
    CHECK(!std::binary_search(told.begin(), told.end(), clients + 1));
    CHECK(world.state.watches.count() == 0);
    CHECK(world.state.watches.path_count() == 0);
    CHECK(world.state.watches.client_count() == 0);
}

TEST_CASE("the operators' counts follow ZooKeeper's two tables") {
    World world;
    world.create("/a");
    world.get("/a", true);
    world.children("/a", true);
    world.add_watch("/a", persistent_mode);
    world.add_watch("/b", recursive_mode);
    const Watches& watches = world.state.watches;
    CHECK(watches.count() == 3);  // data table: /a, /b; child table: /a
    CHECK(watches.data_count() == 2);
    CHECK(watches.path_count() == 2);
    CHECK(watches.client_count() == 1);
    Strings rows;
    watches.list(&rows, [](void* context, std::string_view path, ClientId client, uint8_t modes) {
        static_cast<Strings*>(context)->push_back(std::string(path) + " " + std::to_string(client) +
                                                  " " + std::to_string(modes));
    });
    std::sort(rows.begin(), rows.end());
    CHECK(shown(rows) == "/a 1 7; /b 1 8");
}

TEST_CASE("several clients are told alike, each in its own mode") {
    World world;
    world.create("/p");
    Client writer = world.me;
    world.as({.number = 2}).get("/p", true);
    world.as({.number = 3}).add_watch("/p", persistent_mode);
    world.as({.number = 4}).add_watch("/", recursive_mode);
    world.as(writer).set("/p", "x");
    CHECK(sorted_events(world) ==
          "2 NodeDataChanged /p; 3 NodeDataChanged /p; 4 NodeDataChanged /p");
    world.set("/p", "y");
    CHECK(sorted_events(world) == "3 NodeDataChanged /p; 4 NodeDataChanged /p");
}

TEST_CASE("an event knows the list that says who may see it") {
    World world;
    world.create({.path = "/p", .acls = open_acl(perm::all & ~perm::write)});
    std::string secret = open_acl(perm::admin);
    world.add_watch("/p", persistent_mode);
    world.add_watch("/p/a", persistent_mode);
    world.create({.path = "/p/a", .acls = secret});
    const std::vector<Event>& events = world.state.events();
    REQUIRE(events.size() == 2);
    // The new znode's for its creation, the parent's for its children.
    CHECK(as_text(world.state.acls.bytes(events[0].acl)) == secret);
    CHECK(as_text(world.state.acls.bytes(events[1].acl)) == open_acl(perm::all & ~perm::write));
    world.remove("/p/a");
    REQUIRE(events.size() == 2);
    CHECK(as_text(world.state.acls.bytes(events[0].acl)) == secret);  // still there to look at
    CHECK(as_text(world.state.acls.bytes(events[1].acl)) == open_acl(perm::all & ~perm::write));
    world.add_watch("/p", persistent_mode);
    world.set("/p", "x");
    CHECK(events.empty());  // refused
    world.create({.path = "/q", .acls = open_acl(perm::read | perm::write)});
    world.get("/q", true);
    world.set("/q", "x");
    REQUIRE(events.size() == 1);
    CHECK(as_text(world.state.acls.bytes(events[0].acl)) == open_acl(perm::read | perm::write));
}
