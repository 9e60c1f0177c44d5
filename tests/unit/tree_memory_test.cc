// tree_memory_test.cc -- what the tree keeps behind the stats: numbers that are used again,
// families of thousands, the digest, and changes that are taken back.

#include <sys/mman.h>

#include <algorithm>
#include <random>
#include <set>

#include "child.h"
#include "state/tree.h"
#include "world.h"

using namespace zk;
using namespace zk::test;

namespace {

// All that can be seen of a state, but for the order of children.
std::string picture(World& world) {
    const State& state = world.state;
    std::string text = std::to_string(state.digest()) + " " + std::to_string(state.tree.count()) +
                       " " + std::to_string(state.tree.data_bytes()) + " " +
                       std::to_string(state.tree.ephemeral_count()) + "\n";
    std::set<std::string> lines;
    int64_t depth = 0;
    for (ZnodeId id = Tree::root; id != 0; id = state.tree.next_in_walk(id, depth)) {
        Buffer line;
        write_text(line, state.tree.path(id));
        write_buffer(line, state.tree.data(id));
        encode(line, state.tree.stat(id));
        line.append(state.acls.bytes(state.tree[id].acl));
        line.i32(state.tree.raw_cversion(id));
        line.i64(state.tree.owner(id));
        line.u32(state.tree.descendants(id));
        lines.emplace(line.text());
    }
    for (const std::string& line : lines) text += line;
    return text;
}

// A family with something of everything under /p.
struct Family : World {
    Client other;

    Family() {
        rules({.extended_types = true});
        other = connect(2);
        create("/p", "data");
        create("/p/old", "old data");
        create("/p/e", "mine", 1);
        create({.path = "/p/c"}, Op::create_container);
        create({.path = "/p/acl", .acls = open_acl(perm::all & ~perm::write)});
    }
};

// Something done to everybody in it.
Multi turmoil() {
    return Multi()
        .create({.path = "/p/new", .data = "x"})
        .create({.path = "/p/new/deeper", .flags = 1})
        .set("/p", "longer than before")
        .set("/p", "")
        .set("/p/old", "new data")  // as long as before
        .remove("/p/old")
        .create({.path = "/p/old", .acls = open_acl(perm::read)})
        .remove("/p/e")
        .create({.path = "/p/e", .flags = 3})
        .remove("/p/c")
        .create({.path = "/p/c", .flags = 2}, Op::create_container)
        .remove("/p/acl")
        .remove("/p/new/deeper")
        .remove("/p/new");
}

}  // namespace

TEST_CASE("a deleted znode's number is used again, but not within the same entry") {
    World world;
    world.create("/a");
    const Tree& tree = world.state.tree;
    ZnodeId first = tree.find("/a");
    world.remove("/a");
    world.create("/b", "nothing of a");
    CHECK(tree.find("/b") == first);
    CHECK(tree.find("/a") == 0);
    CHECK(world.data("/b") == "nothing of a");
    CHECK(world.stat("/b").cversion == 0);
    world.multi(Multi().remove("/b").create({.path = "/c"}));
    CHECK(tree.find("/c") != first);
    world.create("/d");
    CHECK(tree.find("/d") == first);
}

TEST_CASE("a number used again has nothing of who had it before") {
    World world;
    world.create({.path = "/e", .flags = 1, .acls = open_acl(perm::read)});
    ZnodeId number = world.state.tree.find("/e");
    world.remove("/e");
    world.create("/p");
    REQUIRE(world.state.tree.find("/p") == number);
    Stat stat = world.stat("/p");
    CHECK(stat.ephemeral_owner == 0);
    CHECK(stat.aversion == 0);
    CHECK(stat.pzxid == stat.czxid);
    CHECK(world.create("/p/child").err == Err::ok);
    world.close();
    CHECK(world.state.tree.find("/p") == number);
}

TEST_CASE("paths of one name in different places are different znodes") {
    World world;
    for (const char* path : {"/a", "/a/a", "/a/a/a", "/b", "/b/a"}) world.create(path, path);
    for (const char* path : {"/a", "/a/a", "/a/a/a", "/b", "/b/a"}) CHECK(world.data(path) == path);
    CHECK(world.exists("/b/a/a").err == Err::no_node);
    CHECK(world.exists("/aa").err == Err::no_node);
    CHECK(world.exists("/a/a/").err == Err::no_node);
    CHECK(world.exists("a").err == Err::no_node);
    CHECK(world.exists("").err == Err::ok);  // the root, to reads
}

TEST_CASE("a family of thousands shrinks and grows without losing anybody") {
    World world;
    world.create("/p");
    std::set<std::string> names;
    for (int i = 0; i < 5000; ++i) {
        names.insert(std::to_string(i));
        world.create("/p/" + std::to_string(i));
    }
    std::minstd_rand chance(1);
    while (names.size() > 20) {
        auto victim = names.lower_bound(std::to_string(chance() % 5000));
        if (victim == names.end()) victim = names.begin();
        REQUIRE(world.remove("/p/" + *victim).err == Err::ok);
        names.erase(victim);
    }
    CHECK(world.children("/p").sorted() == Strings(names.begin(), names.end()));
    CHECK(world.stat("/p").num_children == 20);
    CHECK(world.stat("/p").cversion == 2 * 5000 - 20);
    for (int i = 5000; i < 5100; ++i) {
        names.insert(std::to_string(i));
        world.create("/p/" + std::to_string(i));
    }
    CHECK(world.children("/p").sorted() == Strings(names.begin(), names.end()));
    for (const std::string& name : names) world.remove("/p/" + name);
    CHECK(world.children("/p").texts().empty());
    CHECK(world.remove("/p").err == Err::ok);
}

TEST_CASE("getAllChildrenNumber counts what is below, however deep") {
    World world;
    for (const char* path : {"/a", "/a/b", "/a/b/c", "/a/b/c/d", "/a/e", "/ab"}) world.create(path);
    auto below = [&](std::string_view path) {
        Answer answer = world.read(Op::get_all_children_number, text_body(path));
        REQUIRE(answer.err == Err::ok);
        return answer.reader().i32();
    };
    CHECK(below("/a") == 4);
    CHECK(below("/a/b") == 2);
    CHECK(below("/a/e") == 0);
    CHECK(below("/") == 6 + 3);
    CHECK(world.read(Op::get_all_children_number, text_body("/x")).err == Err::no_node);
    Tree& tree = world.state.tree;
    Tree::Saved saved{.znode = {}, .extra = {}, .name = "restored", .data = {}};
    tree.restore("/a/b/restored", tree.find("/a/b"), saved, nullptr);
    CHECK(below("/a/b") == 3);
    CHECK(below("/a") == 5);
    world.remove("/a/b/c/d");
    CHECK(below("/a/b/c") == 0);
    CHECK(below("/a/b") == 2);
    CHECK(below("/a") == 4);
}

TEST_CASE("the bytes of all paths and data are counted") {
    World world;
    uint64_t before = world.state.tree.data_bytes();
    uint32_t count = world.state.tree.count();
    world.create("/abc", "12345");
    CHECK(world.state.tree.data_bytes() == before + 4 + 5);
    CHECK(world.state.tree.count() == count + 1);
    world.set("/abc", "1");
    CHECK(world.state.tree.data_bytes() == before + 4 + 1);
    world.create({.path = "/n", .data = std::nullopt});
    CHECK(world.state.tree.data_bytes() == before + 4 + 1 + 2);
    world.remove("/abc");
    world.remove("/n");
    CHECK(world.state.tree.data_bytes() == before);
    CHECK(world.state.tree.count() == count);
}

TEST_CASE("every kind of change makes another digest, and a refused one does not") {
    World world;
    std::set<uint64_t> seen;
    auto is_new = [&] { return seen.insert(world.state.digest()).second; };
    is_new();
    world.create("/a");
    CHECK(is_new());
    world.create("/a/b", "", 1);
    CHECK(is_new());
    world.set("/a", "x");
    CHECK(is_new());
    world.set("/a", "x");
    CHECK(is_new());
    world.set_acl("/a", open_acl());
    CHECK(is_new());
    world.set_acl("/a", open_acl(perm::all & ~perm::write));
    CHECK(is_new());
    world.remove("/a/b");
    CHECK(is_new());
    Client other = world.connect(2);
    CHECK(is_new());
    world.expire(other);
    CHECK(!is_new());  // sessions alone come back to where they were
    world.rules({.enforce_quota = true});
    CHECK(is_new());
    world.create("/a");
    world.set("/a", "y");
    world.remove("/a", 77);
    CHECK(!is_new());
}

TEST_CASE("null data and empty data have different digests") {
    World null;
    World empty;
    null.create({.path = "/a", .data = std::nullopt});
    empty.create("/a", "");
    CHECK(null.state.digest() != empty.state.digest());
    CHECK(null.state.tree.count() == empty.state.tree.count());
}

TEST_CASE("the digest does not depend on the order in which siblings came") {
    World one;
    World two;
    one.multi(Multi().create({.path = "/a"}).create({.path = "/b"}).create({.path = "/c"}));
    two.multi(Multi().create({.path = "/c"}).create({.path = "/a"}).create({.path = "/b"}));
    CHECK(one.children("/").texts() != two.children("/").texts());
    CHECK(one.state.digest() == two.state.digest());
    one.remove("/a");
    two.remove("/b");
    CHECK(one.state.digest() != two.state.digest());
}

TEST_CASE("changes that are taken back leave no trace") {
    Family world;
    std::string before = picture(world);
    SUBCASE("once") {
        world.multi(turmoil().check("/nothing"));
        CHECK(picture(world) == before);
    }
    SUBCASE("again and again, and the same is possible later") {
        for (int i = 0; i < 50; ++i) world.multi(turmoil().check("/nothing"));
        CHECK(picture(world) == before);
        CHECK(results_of(world.multi(turmoil())).at(10) == "15:/p/c0000000007");
        CHECK(picture(world) != before);
    }
    // Lists of ephemerals and containers are whole as well.
    world.close();
    CHECK(!world.state.tree.find("/p/e"));
    CHECK(world.state.tree.ephemeral_count() == 0);
    world.as(world.other);
    CHECK(world.state.reapable.count == 1);
    for (const std::string& name : world.children("/p").texts())
        CHECK(world.remove("/p/" + name).err == Err::ok);
    CHECK(world.state.reapable.count == 0);
    CHECK(world.remove("/p").err == Err::ok);
    CHECK(world.state.tree.count() == 4);
}

TEST_CASE("each single change is taken back by itself") {
    Family world;
    std::string before = picture(world);
    for (const char* path : {"/p/old", "/p/e", "/p/c", "/p/acl"}) {
        world.multi(Multi().remove(path).check("/nothing"));
        CHECK(picture(world) == before);
        world.multi(Multi().set(path, "").check("/nothing"));
        CHECK(picture(world) == before);
    }
    for (int32_t flags = 0; flags < 5; ++flags) {
        world.multi(Multi().create({.path = "/p/x", .flags = flags}).check("/nothing"));
        CHECK(picture(world) == before);
    }
}

TEST_CASE("changes are taken back wherever they are cut off") {
    Family world;
    std::string before = picture(world);
    Multi multi = turmoil();
    Reader in(as_bytes(multi.bytes));
    while (in.left() > 0) {
        MultiHeader header;
        decode(in, header);
        CreateRequest create;
        PathVersion remove;
        SetDataRequest set;
        switch (static_cast<Op>(header.type)) {
        case Op::remove: decode(in, remove); break;
        case Op::set_data: decode(in, set); break;
        default: decode(in, create, false); break;
        }
        REQUIRE(in.ok());
        size_t size = multi.bytes.size() - in.left();
        world.multi(Multi{.bytes = multi.bytes.substr(0, size)}.check("/nothing"));
        CHECK(picture(world) == before);
    }
}

TEST_CASE("behind a freeze a set moves a znode once, with all that it has") {
    Family world;
    auto at = [&](const char* path) { return &world.state.tree[world.state.tree.find(path)]; };
    world.get("/p", true);
    const Znode* before = at("/p");
    world.state.tree.freeze();
    CHECK(world.set("/p", "atad").err == Err::ok);
    CHECK(world.events() == "1 NodeDataChanged /p");
    const Znode* behind = at("/p");
    CHECK(behind != before);
    CHECK(behind->version == 1);
    CHECK(world.children("/p").texts().size() == 4);
    CHECK(world.set("/p", "data").err == Err::ok);
    CHECK(at("/p") == behind);
    world.state.tree.thaw();
    CHECK(world.set("/p", "none").err == Err::ok);
    CHECK(at("/p") == behind);
}

TEST_CASE("behind a freeze no change of any kind, done or taken back, is seen by a child") {
    Family world;
    world.create("/p/leaf", "no child yet");
    world.state.tree.freeze();
    LateChild child([&, seen = picture(world)] { return picture(world) == seen; });
    std::string before = picture(world);
    world.multi(turmoil().check("/nothing"));
    world.multi(Multi().set("/p/leaf", "other").create({.path = "/p/leaf/x"}).check("/nothing"));
    CHECK(picture(world) == before);
    CHECK(world.create("/p/leaf/x").err == Err::ok);
    CHECK(world.set_acl("/p/c", open_acl(perm::all & ~perm::write)).err == Err::ok);
    world.state.tree.set_version(world.state.key("/p/acl"), world.state.tree.find("/p/acl"), 77);
    CHECK(world.multi(turmoil()).err == Err::ok);
    CHECK(world.set("/p", "data").err == Err::ok);
    CHECK(picture(world) != before);
    CHECK(child.good());
}

TEST_CASE("a tree that is taken apart behind a fork gives all back, in steps") {
    World world;
    Tree& tree = world.state.tree;
    for (int i = 0; i < 20'000; ++i) world.create("/" + std::to_string(i), "some data");
    tree.freeze();
    for (int i = 0; i < 20'000; ++i) world.set("/" + std::to_string(i), "other");
    CHECK(tree.sizes().idle > 1'000'000);
    size_t steps = 0;
    for (; !tree.take_apart(1000); ++steps) CHECK(steps < 100);
    CHECK(steps >= 20);
    CHECK(!tree.frozen());
    CHECK(tree.sizes().idle < 200'000);
}

TEST_CASE("a watch, and children made meanwhile, do not go astray when data are taken back") {
    Family world;
    world.get("/p/old", true);
    std::string before = picture(world);
    world.multi(Multi().set("/p/old", "new").create({.path = "/p/old/x"}).check("/nothing"));
    CHECK(picture(world) == before);
    uint32_t extras = 0;
    int64_t depth = 0;
    for (ZnodeId id = Tree::root; id != 0; id = world.state.tree.next_in_walk(id, depth))
        extras += world.state.tree[id].extra != 0;
    CHECK(world.state.tree.extra_count() == extras);
    CHECK(world.create("/p/old/y").err == Err::ok);
    CHECK(world.set("/p/old", "newer").err == Err::ok);
    CHECK(world.events() == "1 NodeDataChanged /p/old");
    CHECK(world.state.watches.count() == 0);
}

TEST_CASE("for a large tree memory is mapped ahead of the znodes, for a small one none is") {
    World world;
    std::vector<PageRange> fresh;
    auto bytes = [&] {
        uint64_t sum = 0;
        for (const PageRange& range : fresh) sum += range.bytes;
        return sum;
    };
    world.state.tree.expect(400'000);
    world.state.tree.map_ahead(fresh);
    CHECK(fresh.empty());
    world.state.tree.expect(10'000'000);
    world.state.tree.map_ahead(fresh);
    uint64_t index = 10'000'000ull * 8 * 4 / 3;
    CHECK(bytes() >= index + (34u << 20));
    CHECK(bytes() < index + (35u << 20));
    uint64_t before = bytes();
    world.state.tree.map_ahead(fresh);
    CHECK(bytes() == before);  // half of it is not used yet
    uint8_t there = 0;
    CHECK(mincore(fresh.back().begin, 4096, &there) == 0);
    CHECK(world.state.tree.place_rest());
    CHECK(mincore(fresh.back().begin, 4096, &there) == -1);
    world.state.tree.map_ahead(fresh);
    CHECK(bytes() == before);
    CHECK(world.create("/a").err == Err::ok);
}

TEST_CASE("while a log is replayed, what the index of a large tree grows into is told once") {
    World world;
    std::vector<PageRange> fresh;
    std::string data(8'000, 'x');
    int made = 0;
    auto make_until = [&](auto done) {
        while (!done())
            REQUIRE(world.create("/n" + std::to_string(made++), data).err == Err::ok);
    };
    auto told = [&] {
        fresh.clear();
        world.state.tree.keep_ahead_of_log(fresh);
        return std::count_if(fresh.begin(), fresh.end(), [](const PageRange& range) {
            return range.bytes % part_bytes != 0;
        });
    };
    CHECK(told() == 0);  // it is small
    make_until([&] { return world.state.tree.large(); });
    CHECK(told() == 1);
    uint64_t before = world.state.tree.sizes().index;
    make_until([&] { return world.state.tree.sizes().index > before; });
    REQUIRE(told() == 1);
    CHECK(fresh.front().bytes < world.state.tree.sizes().index);  // the new one of two
    CHECK(told() == 0);
}
