// watch_memory_test.cc -- how watches are kept: few and many at a path, on znodes that come and go,
// against a plain map; and what they cost.

#include <map>
#include <random>
#include <set>

#include "world.h"

using namespace zk;
using namespace zk::test;

namespace {

// What watch.h promises, in maps. Who is told of a change is a set: clients come in any order.
struct PlainWatches {
    std::map<std::string, std::map<ClientId, uint8_t>> at;

    void fire(const std::string& path, uint8_t table, std::set<ClientId>& told) {
        auto& here = at[path];
        for (auto watch = here.begin(); watch != here.end();) {
            if ((watch->second & table) != 0) told.insert(watch->first);
            watch->second &= static_cast<uint8_t>(
                ~(table & (watch_mode::data | watch_mode::child)));
            watch = watch->second == 0 ? here.erase(watch) : std::next(watch);
        }
    }
    void fire_recursive(std::string path, std::set<ClientId>& told) {
        while (path != "/") {
            path = path.substr(0, std::max<size_t>(1, path.rfind('/')));
            for (auto [client, modes] : at[path])
                if ((modes & watch_mode::recursive) != 0) told.insert(client);
        }
    }
    std::string change(EventType type, const std::string& path) {
        std::set<ClientId> own;
        std::set<ClientId> parents;
        fire(path, watch_mode::data_table, own);
        fire_recursive(path, own);
        if (type == EventType::deleted) fire(path, watch_mode::child_table, own);
        if (type != EventType::data_changed)
            fire(path.substr(0, std::max<size_t>(1, path.rfind('/'))), watch_mode::child_table,
                 parents);
        std::string text;
        for (ClientId client : own) text += std::to_string(client) + " ";
        text += "|";
        for (ClientId client : parents) text += " " + std::to_string(client);
        return text;
    }
    uint64_t count(uint8_t table) const {
        uint64_t sum = 0;
        for (auto& [path, here] : at)
            for (auto [client, modes] : here) sum += (modes & table) != 0;
        return sum;
    }
};

// The events of the last entry in the same form.
std::string told(const World& world, const std::string& path) {
    std::set<ClientId> own;
    std::set<ClientId> parents;
    for (const Event& event : world.state.events()) {
        std::set<ClientId>& into = event.path == path ? own : parents;
        CHECK(into.insert(event.client).second);
    }
    std::string text;
    for (ClientId client : own) text += std::to_string(client) + " ";
    text += "|";
    for (ClientId client : parents) text += " " + std::to_string(client);
    return text;
}

}  // namespace

TEST_CASE("watches do what a map of them would, whatever comes and goes") {
    World world;
    PlainWatches plain;
    Watches& watches = world.state.watches;
    std::minstd_rand chance(7);
    std::vector<std::string> paths = {"/a", "/a/b", "/a/b/c", "/d", "/d/e"};
    for (int step = 0; step < 60000; ++step) {
        const std::string& path = paths[chance() % paths.size()];
        // Now few clients, now many.
        ClientId client = static_cast<ClientId>(chance() % (step / 5000 % 2 == 0 ? 6 : 300));
        auto modes = static_cast<uint8_t>(1u << chance() % 4);
        uint32_t what = static_cast<uint32_t>(chance() % 100);
        if (what < 60) {
            watches.add(path, client, modes);
            plain.at[path][client] |= modes;
        } else if (what < 75) {
            watches.remove(path, client, modes);
            uint8_t& left = plain.at[path][client];
            left &= static_cast<uint8_t>(~modes);
            if (left == 0) plain.at[path].erase(client);
        } else if (what < 85) {
            while (!watches.forget(client, 2)) continue;
            for (auto& [at, here] : plain.at) here.erase(client);
        } else if (what < 93) {
            if (world.create(path).err == Err::ok)
                REQUIRE(told(world, path) == plain.change(EventType::created, path));
        } else if (what < 96) {
            if (world.remove(path).err == Err::ok)
                REQUIRE(told(world, path) == plain.change(EventType::deleted, path));
        } else if (what < 99) {
            if (world.set(path, "x").err == Err::ok)
                REQUIRE(told(world, path) == plain.change(EventType::data_changed, path));
        }
        auto mine = plain.at[path].find(client);
        REQUIRE(watches.modes(path, client) ==
                (mine == plain.at[path].end() ? 0 : mine->second));
        if (step % 100 != 0) continue;
        REQUIRE(watches.data_count() == plain.count(watch_mode::data_table));
        REQUIRE(watches.count() ==
                plain.count(watch_mode::data_table) + plain.count(watch_mode::child_table));
        uint32_t watched = 0;
        std::set<ClientId> clients;
        for (auto& [at, here] : plain.at) {
            bool any = false;
            for (auto [who, has] : here)
                if ((has & watch_mode::data_table) != 0) {
                    any = true;
                    clients.insert(who);
                }
            watched += any;
        }
        REQUIRE(watches.path_count() == watched);
        REQUIRE(watches.client_count() == clients.size());
    }
}

TEST_CASE("one entry may delete and make anew what is watched") {
    World world;
    world.create("/a");
    world.create("/a/b");
    world.add_watch("/a", 1);
    world.add_watch("/a/b", 0);
    world.multi(Multi()
                    .set("/a/b", "x")
                    .remove("/a/b")
                    .remove("/a")
                    .create({.path = "/a"})
                    .create({.path = "/a/b"}));
    CHECK(world.events() ==
          "1 NodeDataChanged /a/b; 1 NodeDeleted /a/b; 1 NodeDeleted /a; 1 NodeCreated /a; "
          "1 NodeCreated /a/b");
    world.set("/a/b", "y");
    CHECK(world.events() == "1 NodeDataChanged /a/b");
    world.create("/a/b/c");
    CHECK(world.events() == "1 NodeCreated /a/b/c; 1 NodeChildrenChanged /a/b");
}

TEST_CASE("a client with very many watches is forgotten a few at a time, and events go on") {
    World world;
    Watches& watches = world.state.watches;
    constexpr uint32_t count = 300'000;
    for (uint32_t i = 0; i < count; ++i)
        watches.add("/" + std::to_string(i), 1, watch_mode::persistent);
    uint32_t calls = 1;
    for (; !watches.forget(1, 10'000); ++calls)
        if (calls % 3 == 0) world.create("/" + std::to_string(calls * 7919));
    CHECK(calls == count / 10'000);
    CHECK(watches.count() == 0);
    CHECK(watches.path_count() == 0);
}

TEST_CASE("a watch takes at most 24 bytes, many on one znode or one on each of many") {
    World world;
    Watches& watches = world.state.watches;
    constexpr uint32_t znodes = 20'000;
    std::vector<std::string> paths;
    for (uint32_t i = 0; i < znodes; ++i) paths.push_back("/n" + std::to_string(i));
    for (const std::string& path : paths) world.create(path);
    uint32_t clients = 0;
    uint32_t together = 0;
    SUBCASE("one on each") { clients = 1; together = znodes; }
    SUBCASE("three on each") { clients = 3; together = znodes; }
    SUBCASE("a hundred on each") { clients = 100; together = 2000; }
    SUBCASE("five thousand on each") { clients = 5000; together = 40; }
    for (ClientId client = 0; client < clients; ++client)
        for (uint32_t i = 0; i < together; ++i)
            watches.add(paths[i], client, watch_mode::data);
    REQUIRE(watches.count() == uint64_t{clients} * together);
    // The place in the znode counts as well.
    uint64_t words = together * sizeof(uint32_t);
    CHECK(static_cast<double>(watches.bytes() + words) / static_cast<double>(watches.count()) <=
          24.0);
}
