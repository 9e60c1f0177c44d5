// The replicated membership: texts, what a reconfig asks for, the entries, digest and snapshot.

#include "state/membership.h"

#include "world.h"

using namespace zk;
using namespace zk::test;

namespace {

Member member(int64_t id, bool observer = false) {
    std::string port = std::to_string(2000 + id);
    Member made;
    std::string line = "zk" + std::to_string(id) + ":" + port + ":3888" +
                       (observer ? ":observer" : "") + ";2181";
    REQUIRE(read_member(line, made).empty());
    made.id = id;
    return made;
}

std::vector<Member> members(std::vector<int64_t> ids) {
    std::vector<Member> all;
    for (int64_t id : ids) all.push_back(member(id));
    return all;
}

// "1 2 3-": ids, observers with a dash.
std::string shown(const std::vector<Member>& all) {
    std::string text;
    for (const Member& one : all)
        text += (text.empty() ? "" : " ") + std::to_string(one.id) + (one.observer ? "-" : "");
    return text;
}

struct Asked {
    std::optional<std::string> joining = std::nullopt;
    std::optional<std::string> leaving = std::nullopt;
    std::optional<std::string> lines = std::nullopt;
    int64_t version = -1;

    ReconfigRequest request() const {
        auto view = [](const std::optional<std::string>& text) {
            return text ? std::string_view(*text) : std::string_view();
        };
        return {.joining = view(joining),
                .leaving = view(leaving),
                .members = view(lines),
                .config_version = version};
    }
};

// The members that come of it, or the error's name.
std::string plan(const Asked& asked, bool alone_enabled = false) {
    std::vector<Member> next;
    Err err = plan_members(asked.request(), members({1, 2, 3}), alone_enabled, next);
    return err == Err::ok ? shown(next) : std::string(err_name(err));
}

std::string name(Err err) { return std::string(err_name(err)); }

// An ensemble's state, with the leader's entries.
struct Ensemble : World {
    Ensemble() {
        rules({.reconfig = true});
        me.who.push_back({"super", ""});
        found({1, 2, 3});
    }
    Answer found(std::vector<int64_t> ids, std::vector<int64_t> before = {}) {
        return apply(entry_op::membership, body_of(MembershipEntry{.members = members(ids),
                                                                   .before = members(before)}));
    }
    Answer reconfig(const Asked& asked, std::vector<uint32_t> ready = {1, 2, 3, 4}) {
        Buffer body;
        encode_ready(body, ready);
        encode(body, asked.request());
        return apply(entry_op::reconfig, body.text());
    }
    std::string config() {
        Answer got = get("/zookeeper/config");
        Reader in = got.reader();
        return std::string(as_text(read_buffer(in)));
    }
    Answer get(std::string_view path) {
        return read(Op::get_data, body_of(PathWatch{.path = path, .watch = false}));
    }
};

}  // namespace

TEST_CASE("a membership's text is ZooKeeper's") {
    CHECK(membership_text({}, 5).empty());
    std::vector<Member> all = members({1});
    all.push_back(member(2, true));
    CHECK(membership_text(all, 0x100000002) ==
          "server.1=zk1:2001:3888:participant;0.0.0.0:2181\n"
          "server.2=zk2:2002:3888:observer;0.0.0.0:2181\n"
          "version=100000002");
}

TEST_CASE("a reconfig adds, replaces and removes") {
    std::string four = "server.4=zk4:1:2;3";
    CHECK(plan({}) == "1 2 3");
    CHECK(plan({.joining = four}) == "1 2 3 4");
    CHECK(plan({.leaving = "2"}) == "1 3");
    CHECK(plan({.leaving = " 2 ,3,"}) == "1");
    CHECK(plan({.leaving = "9"}) == "1 2 3");
    CHECK(plan({.joining = four, .leaving = "1"}) == "2 3 4");
    CHECK(plan({.joining = "server.2=zk2:1:2:observer;3"}) == "1 2- 3");
    CHECK(plan({.joining = "server.2=zk2:1:2;3", .leaving = "2"}) == "1 2 3");
    CHECK(plan({.joining = "4=zk4:1:2;3"}) == "1 2 3 4");
    CHECK(plan({.joining = "server.4=zk4:1:2:observer;3="}) == "1 2 3 4-");
}

TEST_CASE("a reconfig names all members anew") {
    CHECK(plan({.lines = "server.7=a:1:2"}) == "7");
    CHECK(plan({.lines = "server.2=b:1:2\nserver.1 = a:1:2:participant;9\n\n# no\nversion=ab"}) ==
          "1 2");
    CHECK(plan({.lines = "server.1=a:1:2,server.5=c:1:2:observer"}) == "1 5-");
    CHECK(plan({.lines = "server.1=a:1:2,server.1=b:1:2"}) == "1");
}

TEST_CASE("a reconfig that makes no sense is refused as ZooKeeper does it") {
    const std::string arguments = name(Err::bad_arguments);
    const std::string unreadable = name(Err::marshalling_error);
    CHECK(plan({.leaving = "x"}) == unreadable);
    CHECK(plan({.leaving = "1,2,3"}) == arguments);
    for (const char* joiner : {"9", "server.9=1:2", "server.4=zk4:1:2", "server.4=zk4:1:1;3",
                               "server.4=zk4:1:2:bogus;3", "server.4=zk4:1:2=;3",
                               "server.256=zk4:1:2;3", "server.0=zk4:1:2;3",
                               "server.4=zk 4:1:2;3", "server.4=zk\n4:1:2;3",
                               "server.4=zk1:2001:9;3", "server.4=zk1:9:3888;3"})
        CHECK_MESSAGE(plan({.joining = joiner}) == arguments, joiner);
    CHECK(plan({.joining = "server.x=a:1:2;3"}) == unreadable);
    CHECK(plan({.lines = "foo=1"}) == arguments);
    CHECK(plan({.lines = "group.1=1:2"}) == arguments);
    CHECK(plan({.lines = "server.1=a:1:2,server.2=a:1:4"}) == arguments);
    CHECK(plan({.lines = "version=xyz"}) == unreadable);
    CHECK(plan({.lines = ""}) == unreadable);
    CHECK(plan({.lines = "server.1=a:1:2:observer"}) == unreadable);
}

TEST_CASE("one voter is too few where a server may stand alone") {
    CHECK(plan({.leaving = "2,3"}, true) == name(Err::bad_arguments));
    CHECK(plan({.leaving = "2"}, true) == "1 3");
    CHECK(plan({.lines = ""}, true) == name(Err::bad_arguments));
    CHECK(plan({.lines = "server.1=a:1:2,server.5=c:1:2:observer"}, true) ==
          name(Err::marshalling_error));
}

TEST_CASE("servers of one machine may share loopback's client port, not the quorum's") {
    CHECK(plan({.joining = "server.4=127.0.0.1:1:2;3,server.5=127.0.0.1:4:2;3"}) == "1 2 3 4 5");
    CHECK(plan({.joining = "server.4=127.0.0.1:1:2;3,server.5=127.0.0.1:1:5;6"}) ==
          name(Err::bad_arguments));
}

TEST_CASE("enough is more than half of the voters") {
    std::vector<Member> all = members({1, 2, 3});
    all.push_back(member(4, true));
    using Ready = std::vector<uint32_t>;
    CHECK_FALSE(enough_ready(all, Ready{1}));
    CHECK_FALSE(enough_ready(all, Ready{1, 4, 9}));
    CHECK(enough_ready(all, Ready{1, 3}));
}

TEST_CASE("a node alone has no membership to change") {
    World world;
    world.rules({.reconfig = true});
    std::string body = body_of(Asked{}.request());
    CHECK(world.write(Op::reconfig, body).err == Err::unimplemented);
    world.rules({});
    CHECK(world.write(Op::reconfig, body).err == Err::reconfig_disabled);
}

TEST_CASE("the first membership is shown in /zookeeper/config") {
    Ensemble world;
    uint64_t version = world.state.membership.version;
    CHECK(version == world.state.zxid());
    CHECK(world.config() == membership_text(members({1, 2, 3}), version));
    Stat stat = world.get("/zookeeper/config").stat();
    CHECK(stat.version == -1);
    CHECK(stat.mzxid == static_cast<int64_t>(version));
    CHECK(stat.mtime == world.time_ms);
    CHECK(stat.czxid == 0);
}

TEST_CASE("a change is answered with its last entry") {
    Ensemble world;
    uint64_t before = world.state.membership.version;
    CHECK(world.reconfig({.leaving = "3"}).err == Err::ok);
    REQUIRE(world.state.membership.change);
    CHECK(shown(world.state.membership.change->members) == "1 2");
    CHECK_FALSE(world.state.membership.change->joint);
    CHECK(world.state.membership.change->origin.client == world.me.number);
    CHECK(world.state.membership.version == before);
    CHECK(world.reconfig({.leaving = "2"}).err == Err::reconfig_in_progress);
    CHECK(world.found({1, 2}, {1, 2, 3}).reply.empty());
    CHECK(world.state.membership.change->joint);
    CHECK(shown(world.state.membership.members) == "1 2 3");
    Answer last = world.found({1, 2});
    CHECK_FALSE(world.state.membership.change);
    CHECK(shown(world.state.membership.members) == "1 2");
    Reader in = last.reader();
    std::string text(as_text(read_buffer(in)));
    CHECK(text == world.config());
    CHECK(last.stat().mzxid == static_cast<int64_t>(world.state.membership.version));
}

TEST_CASE("only what is held back is not answered at once") {
    Ensemble world;
    Buffer reply;
    auto apply = [&](std::vector<uint32_t> ready) {
        Buffer body;
        encode_ready(body, ready);
        encode(body, Asked{.joining = std::nullopt, .leaving = "3"}.request());
        Buffer ids;
        for (const Identity& identity : world.me.identities()) encode(ids, identity);
        return world.state.apply({.term = 1,
                                  .zxid = world.state.zxid() + 1,
                                  .time_ms = 1,
                                  .origin = {.node = 1, .client = world.me.number, .request = 9},
                                  .session = world.me.session,
                                  .op = entry_op::reconfig,
                                  .ids = ids.bytes(),
                                  .body = body.bytes()},
                                 reply);
    };
    Applied refused = apply({1});
    CHECK(refused.err == Err::new_config_no_quorum);
    CHECK_FALSE(refused.held);
    Applied begun = apply({1, 2});
    CHECK(begun.err == Err::ok);
    CHECK(begun.held);
    CHECK(reply.empty());
}

TEST_CASE("checks of a reconfig come in ZooKeeper's order") {
    Ensemble world;
    int64_t version = static_cast<int64_t>(world.state.membership.version);
    Client stranger = world.connect(9);
    CHECK(world.reconfig({.leaving = "x", .version = version + 1}).err == Err::bad_version);
    CHECK(world.reconfig({.leaving = "x", .version = version}).err == Err::marshalling_error);
    CHECK(world.reconfig({.leaving = "1,2,3"}, {}).err == Err::bad_arguments);
    world.as(stranger);
    CHECK(world.reconfig({.leaving = "3"}, {}).err == Err::new_config_no_quorum);
    CHECK(world.reconfig({.leaving = "3"}).err == Err::no_auth);
    world.rules({.skip_acl = true, .reconfig = true});
    CHECK(world.reconfig({.leaving = "3", .version = version}).err == Err::ok);
}

TEST_CASE("who watches /zookeeper/config hears of a change when it is done") {
    Ensemble world;
    world.read(Op::get_data, body_of(PathWatch{.path = "/zookeeper/config", .watch = true}));
    world.reconfig({.leaving = "3"});
    CHECK(world.state.events().empty());
    world.found({1, 2}, {1, 2, 3});
    CHECK(world.state.events().empty());
    world.found({1, 2});
    REQUIRE(world.state.events().size() == 1);
    CHECK(world.state.events()[0].path == "/zookeeper/config");
    CHECK(world.state.events()[0].type == EventType::data_changed);
}

TEST_CASE("the digest covers the membership and the change under way") {
    Ensemble one;
    Ensemble other;
    CHECK(one.state.digest() == other.state.digest());
    CHECK(one.reconfig({.leaving = "3"}).err == Err::ok);
    CHECK(other.reconfig({.leaving = "2"}).err == Err::ok);
    CHECK(one.state.digest() != other.state.digest());
}

TEST_CASE("a snapshot keeps the membership and the change under way") {
    Ensemble world;
    for (int step = 0; step < 3; ++step) {
        if (step == 1) world.reconfig({.leaving = "3"});
        if (step == 2) world.found({1, 2}, {1, 2, 3});
        std::vector<std::pair<uint32_t, std::string>> records;
        world.state.save(&records, [](void* context, uint32_t section, Bytes record) {
            static_cast<decltype(records)*>(context)->emplace_back(section, as_text(record));
        });
        State loaded(7);
        for (const auto& [section, record] : records) {
            Reader in(as_bytes(record));
            REQUIRE(loaded.load(section, in));
        }
        REQUIRE(loaded.load_end(world.state.zxid(), 1, world.state.digest()));
        // Members are compared as they are written: an address that is left out is 0.0.0.0.
        Buffer mine;
        Buffer its;
        encode(mine, world.state.membership);
        encode(its, loaded.membership);
        CHECK(mine.text() == its.text());
        CHECK(loaded.membership.change.has_value() == (step > 0));
    }
}

TEST_CASE("a state that is founded anew has the members it is given") {
    Ensemble world;
    world.reconfig({.leaving = "3"});
    world.state.found_anew(members({2}), 77);
    CHECK(shown(world.state.membership.members) == "2");
    CHECK_FALSE(world.state.membership.change);
    CHECK(world.config() == membership_text(members({2}), world.state.zxid()));
    world.state.found_anew({}, 78);
    CHECK(world.state.membership == Membership());
    CHECK(world.config().empty());
}
