// state_random_test.cc -- random programs, applied to several states: the same entries make the
// same state, whatever the hashes, the watches or the snapshots in between; and the books are
// right.
//
//     one      same seed of the hashes as two; at times a     equal digests, replies, events
//              child that was forked writes it down
//     two      nobody watches, reloaded from its own records now and then
//     three    another seed                                   equal replies and events
//
// ZKD_SEED=n repeats a run.

#include <cstdlib>
#include <map>
#include <memory>
#include <random>
#include <set>

#include "child.h"
#include "world.h"

using namespace zk;
using namespace zk::test;

namespace {

uint64_t seed() {
    const char* text = getenv("ZKD_SEED");
    return text ? strtoull(text, nullptr, 10) : std::random_device()();
}

struct Action {
    Client client;
    bool read = false;
    bool by_server = false;
    int32_t op = 0;
    std::string body = {};
    int64_t time_ms = 0;
};

class Programmer {
public:
    explicit Programmer(uint64_t from) : chance_(from) {}

    std::vector<Client> clients;  // most of them alive
    Strings known;                // paths that there were, the latest last

    Action next() {
        time_ms_ += below(50);
        Action action{.client = some_client(), .time_ms = time_ms_};
        uint32_t kind = below(100);
        if (kind < 60) {
            write(action);
        } else if (kind < 92) {
            read(action);
        } else {
            session(action);
        }
        return action;
    }
    uint32_t below(uint32_t most) { return static_cast<uint32_t>(chance_() % most); }
    bool once_in(uint32_t many) { return below(many) == 0; }

private:
    template <typename T>
    const T& one_of(const std::vector<T>& choices) {
        return choices[below(static_cast<uint32_t>(choices.size()))];
    }

    Client some_client() {
        Client client = clients.empty() ? Client{} : one_of(clients);
        if (once_in(4)) client.who.push_back({"digest", "bob:x"});
        if (once_in(40)) client.who.push_back({"super", ""});
        if (once_in(10)) client.who = {{"ip", "10.0.0.2"}};
        return client;
    }

    std::string path() {
        static const std::vector<std::string> odd = {"/",
                                                     "",
                                                     "/zookeeper",
                                                     "/zookeeper/config",
                                                     "no slash",
                                                     "/a/",
                                                     "//",
                                                     "/a/.",
                                                     "/zookeeper/quota/a",
                                                     "/zookeeper/quota/a/zookeeper_limits",
                                                     "/zookeeper/quota/a/zookeeper_stats",
                                                     "/zookeeper/quota/a/b",
                                                     "/zookeeper/quota/a/b/zookeeper_limits",
                                                     "/zookeeper/quota/a/b/zookeeper_stats"};
        if (once_in(12)) return one_of(odd);
        if (!known.empty() && !once_in(4)) return known[known.size() - 1 - recent()];
        return new_path();
    }
    std::string new_path() {
        std::string path;
        if (!known.empty() && !once_in(3)) path = known[known.size() - 1 - recent()];
        if (path.size() > 12 || path == "/") path.clear();
        path += std::string("/") + "abcdef"[below(6)];
        return path;
    }
    size_t recent() { return below(static_cast<uint32_t>(std::min<size_t>(known.size(), 20))); }

    std::string data() {
        static const std::vector<std::string> texts = {
            "",
            "x",
            "some data",
            "count=3,bytes=40",
            "count=-1,bytes=-1=;byteHardLimit=50;countHardLimit=4",
            "count=2,bytes=;x"};
        return one_of(texts);
    }

    std::string acl() {
        if (!once_in(8)) return open_acl();
        switch (below(8)) {
        case 0: return open_acl(static_cast<int32_t>(below(32)));
        case 1: return acl_bytes({{.perms = 31, .scheme = "auth", .id = ""}});
        case 2: return acl_bytes({{.perms = 31, .scheme = "digest", .id = "bob:x"}});
        case 3: return acl_bytes({{.perms = 31, .scheme = "ip", .id = "10.0.0.0/31"}});
        case 4: return acl_bytes({});
        case 5: return acl_bytes({{.perms = 31, .scheme = "nonsense", .id = "x"}});
        case 6: return acl_bytes({{.perms = 31, .scheme = "world", .id = {}}});
        default: return open_acl(perm::all & ~perm::remove);
        }
    }

    int32_t version() { return once_in(6) ? static_cast<int32_t>(below(4)) : -1; }

    Op create_op() {
        static const std::vector<Op> ops = {Op::create, Op::create, Op::create2,
                                            Op::create_container, Op::create_ttl};
        return one_of(ops);
    }
    Create create(Op op) {
        Create what{.path = once_in(12) ? path() : new_path(), .data = data(), .acls = acl()};
        if (once_in(10)) what.data = std::nullopt;
        what.flags = once_in(2) ? 0 : static_cast<int32_t>(below(4));
        if (op == Op::create_ttl && !once_in(4)) what.flags = 5 + static_cast<int32_t>(below(2));
        what.ttl_ms = once_in(10) ? int64_t{-1} : int64_t{1} + below(2000);
        return what;
    }

    Multi multi() {
        Multi multi;
        for (uint32_t left = below(6); left > 0; --left) {
            switch (below(5)) {
            case 0: multi.check(path(), version()); break;
            case 1: multi.remove(path(), version()); break;
            case 2: multi.set(path(), data(), version()); break;
            default: {
                Op op = create_op();
                multi.create(create(op), op);
            }
            }
        }
        return multi;
    }

    void write(Action& action) {
        Op op = Op::multi;
        std::string acls = acl();
        std::string bytes = data();
        std::string at = path();
        switch (below(10)) {
        case 0:
        case 1:
        case 2:
        case 3:
            op = create_op();
            action.body = create(op).body(op == Op::create_ttl);
            break;
        case 4:
        case 5:
            op = Op::set_data;
            action.body =
                body_of(SetDataRequest{.path = at, .data = as_bytes(bytes), .version = version()});
            break;
        case 6:
        case 7:
            op = Op::remove;
            action.body = body_of(PathVersion{.path = at, .version = version()});
            break;
        case 8:
            op = Op::set_acl;
            action.body =
                body_of(SetAclRequest{.path = at, .acls = as_bytes(acls), .version = version()});
            break;
        default: action.body = multi().body(); break;
        }
        action.op = static_cast<int32_t>(op);
        spoil(action.body);
    }

    void read(Action& action) {
        action.read = true;
        std::string at = path();
        std::string more = path();
        static const std::vector<Op> plain = {Op::exists, Op::get_data, Op::get_children,
                                              Op::get_children2};
        static const std::vector<Op> texts = {Op::get_acl, Op::sync, Op::get_ephemerals,
                                              Op::get_all_children_number};
        Op op = Op::set_watches2;
        switch (below(5)) {
        case 0:
        case 1:
            op = one_of(plain);
            action.body = body_of(PathWatch{.path = at, .watch = once_in(2)});
            break;
        case 2:
            op = one_of(texts);
            action.body = text_body(at);
            break;
        case 3:
            op = once_in(2) ? Op::add_watch : once_in(2) ? Op::remove_watches : Op::check_watches;
            action.body = body_of(PathNumber{.path = at, .number = static_cast<int32_t>(below(6))});
            break;
        default: {
            SetWatches back{.relative_zxid = static_cast<int64_t>(below(2000)),
                            .data = {at},
                            .exist = {more},
                            .child = {at, more},
                            .persistent = {more},
                            .recursive = {at}};
            Buffer out;
            encode(out, back, true);
            action.body = out.text();
        }
        }
        action.op = static_cast<int32_t>(op);
        spoil(action.body);
    }

    void session(Action& action) {
        switch (below(8)) {
        case 0:
        case 1:
        case 2:
            action.op = static_cast<int32_t>(Op::create_session);
            action.client = {.number = 1 + below(40), .node = 1 + below(3)};
            action.body = body_of(NewSession{.timeout_ms = 1 + static_cast<int32_t>(below(9000)),
                                             .chance = static_cast<uint16_t>(below(65536)),
                                             .password = password});
            break;
        case 3:
            action.op = entry_op::attach_session;
            action.client.number = 1 + below(40);
            action.body = body_of(AttachSession{.timeout_ms = 4000, .password = password});
            break;
        case 4: {
            action.op = entry_op::rules;
            Rules rules{.enforce_quota = once_in(2),
                        .skip_acl = once_in(6),
                        .extended_types = once_in(2),
                        .session_ephemerals_max = below(20)};
            action.body = body_of(rules);
            break;
        }
        case 5: action.op = entry_op::no_op; break;
        default:
            action.op = static_cast<int32_t>(Op::close_session);
            action.by_server = once_in(2);
            break;
        }
    }

    // Now and then a request is not what it was.
    void spoil(std::string& body) {
        if (!once_in(25) || body.empty()) return;
        uint32_t at = below(static_cast<uint32_t>(body.size()));
        if (once_in(2))
            body.resize(at);
        else
            body[at] = static_cast<char>(below(256));
    }

    std::mt19937_64 chance_;
    int64_t time_ms_ = 1000;
};

Answer run(World& world, const Action& action) {
    world.as(action.client);
    world.time_ms = action.time_ms;
    if (action.read) return world.read(static_cast<Op>(action.op), action.body);
    return world.apply(action.op, action.body, action.by_server);
}

// What was made is what later requests are about.
void note_paths(Programmer& programmer, const Action& action, const Answer& answer) {
    Op op = static_cast<Op>(action.op);
    if (op == Op::create || op == Op::create2 || op == Op::create_container || op == Op::create_ttl)
        programmer.known.push_back(answer.text());
    if (op != Op::multi) return;
    for (const std::string& line : results_of(answer))
        if (size_t slash = line.find(":/"); slash != line.npos)
            programmer.known.push_back(line.substr(slash + 1));
}

// Who is gone or was turned away goes on now and then, but not for long.
void note_session(Programmer& programmer, const Action& action, const Answer& answer) {
    bool created = action.op == static_cast<int32_t>(Op::create_session);
    bool attached = action.op == entry_op::attach_session;
    bool closed = action.op == static_cast<int32_t>(Op::close_session);
    if (!created && !attached && !closed) return;
    if (!programmer.once_in(8))
        std::erase_if(programmer.clients, [&](const Client& client) {
            return client.session == action.client.session;
        });
    if (closed) return;
    Client client{.number = action.client.number, .node = action.client.node};
    client.session = answer.reader().i64();
    programmer.clients.push_back(client);
}

// The first one finds what is to be reaped, and all do it.
void reap(std::vector<World*> worlds, int64_t now_ms) {
    std::vector<std::string> bodies;
    worlds[0]->state.reap({.now_ms = now_ms, .never_used_ms = 500, .look_at = 3, .find = 2},
                          bodies);
    for (const std::string& body : bodies) {
        uint32_t count = worlds[0]->state.tree.count();
        for (World* world : worlds) {
            world->as({.number = 0, .node = 0, .who = {}});
            int32_t op = static_cast<int32_t>(Op::delete_container);
            REQUIRE(world->apply(op, body, true).err == Err::ok);
            REQUIRE(world->state.tree.count() == count - 1);
        }
    }
}

// What the tree keeps count of, counted again.
void check_books(const State& state) {
    uint32_t count = 0;
    uint32_t ephemerals = 0;
    uint32_t reapable = 0;
    uint64_t bytes = 0;
    uint64_t blocks = 0;
    uint32_t extras = 0;
    std::set<AclId> lists;
    std::map<ZnodeId, uint32_t> below;
    int64_t depth = 0;
    for (ZnodeId id = Tree::root; id != 0; id = state.tree.next_in_walk(id, depth)) {
        std::string path = state.tree.path(id);
        const Znode& znode = state.tree[id];
        REQUIRE(state.tree.find(path) == id);
        REQUIRE(state.acls.has(znode.acl));
        ++count;
        ephemerals += znode.kind == ZnodeKind::ephemeral;
        reapable += znode.kind == ZnodeKind::container || znode.kind == ZnodeKind::ttl;
        bytes += (id == Tree::root ? 0 : path.size()) + state.tree.data(id).size();
        blocks += Heap::class_bytes(sizeof(Znode) + state.tree.name(id).size() +
                                    state.tree.data(id).size());
        extras += znode.extra != 0;
        lists.insert(znode.acl);
        for (ZnodeId at = id; at != Tree::root;) ++below[at = state.tree.parent(at)];
        Stat stat = state.tree.stat(id);
        CHECK(stat.pzxid >= stat.czxid);
        CHECK(stat.mzxid >= stat.czxid);
        CHECK(stat.num_children <= state.tree.raw_cversion(id) + 2);  // + 2: made by format
        if (znode.kind == ZnodeKind::ephemeral) CHECK(stat.num_children == 0);
    }
    depth = 0;
    for (ZnodeId id = Tree::root; id != 0; id = state.tree.next_in_walk(id, depth))
        CHECK(state.tree.descendants(id) == below[id]);
    CHECK(state.tree.count() == count);
    CHECK(state.tree.ephemeral_count() == ephemerals);
    CHECK(state.reapable.count == reapable);
    CHECK(state.tree.data_bytes() == bytes);
    CHECK(state.tree.sizes().blocks == blocks);
    CHECK(state.tree.extra_count() == extras);
    uint32_t owned = 0;
    for (SessionSlot slot = 1; slot < state.sessions.end(); ++slot) {
        if (state.sessions[slot].timeout_ms == 0) continue;
        uint32_t listed = 0;
        ZnodeId id = state.sessions[slot].ephemerals.head;
        for (; id != 0; id = state.tree.next_in_list(id), ++listed)
            CHECK(state.tree.owner(id) == state.sessions[slot].id);
        CHECK(listed == state.sessions[slot].ephemerals.count);
        owned += listed;
    }
    CHECK(owned == ephemerals);
    // Lists whose last user went in the last entry are there until the next one.
    for (AclId list = AclTable::read_only + 1; list < state.acls.end(); ++list)
        if (lists.count(list) > 0) CHECK(state.acls.has(list));
}

// A child writes down what there was when it was forked, however late.
void fork_or_end(State& state, std::unique_ptr<LateChild>& child) {
    if (child != nullptr) {
        REQUIRE(child->good());
        child.reset();
        return state.tree.thaw();
    }
    state.tree.freeze();
    child = std::make_unique<LateChild>(
        [&state, seen = save(state).records] { return save(state).records == seen; });
}

// Nothing of them is left.
void everybody_leaves(World& world) {
    for (SessionSlot slot = 1; slot < world.state.sessions.end(); ++slot)
        if (int64_t id = world.state.sessions[slot].id; world.state.sessions.find(id) != 0)
            world.expire({.session = id});
    for (uint32_t number = 0; number < 50; ++number)
        CHECK(world.state.watches.forget(number, 1'000'000));
    CHECK(world.state.sessions.count() == 0);
    CHECK(world.state.tree.ephemeral_count() == 0);
    CHECK(world.state.watches.count() == 0);
    CHECK(world.state.watches.path_count() == 0);
    check_books(world.state);
}

}  // namespace

TEST_CASE("the same entries make the same state, reply and events everywhere") {
    uint64_t from = seed();
    INFO("ZKD_SEED=", from);
    for (int program = 0; program < 20; ++program) {
        CAPTURE(program);
        Programmer programmer(from + static_cast<uint64_t>(program) * 0x9e3779b97f4a7c15u);
        World one;
        auto two = std::make_unique<World>();
        World three(true, 99);
        programmer.clients.push_back(one.me);
        uint32_t succeeded = 0;
        std::unique_ptr<LateChild> child;
        for (int step = 0; step < 1500; ++step) {
            CAPTURE(step);
            if (programmer.once_in(100)) fork_or_end(one.state, child);
            Action action = programmer.next();
            bool entry = !action.read;
            bool request = entry && action.op > 0 && action.op < 1000;
            if (request && !State::well_formed(action.op, as_bytes(action.body))) continue;
            uint64_t digest = one.state.digest();
            Answer answer = run(one, action);
            Answer answer3 = run(three, action);
            REQUIRE(answer3.err == answer.err);
            REQUIRE(answer3.moved == answer.moved);
            REQUIRE(answer3.reply == answer.reply);
            if (action.read) {
                REQUIRE(one.state.digest() == digest);
                REQUIRE(three.notices == one.notices);
                continue;
            }
            REQUIRE(three.events() == one.events());
            Answer answer2 = run(*two, action);
            REQUIRE(answer2.err == answer.err);
            REQUIRE(answer2.moved == answer.moved);
            REQUIRE(answer2.reply == answer.reply);
            REQUIRE(two->state.digest() == one.state.digest());
            REQUIRE(two->state.events().empty());
            if (answer.err != Err::ok) {
                REQUIRE(one.state.digest() == digest);
                REQUIRE(one.state.events().empty());
                REQUIRE(answer.reply.empty());
            } else {
                ++succeeded;
                note_paths(programmer, action, answer);
            }
            if (answer.err == Err::ok) note_session(programmer, action, answer);
            if (programmer.once_in(30)) reap({&one, two.get(), &three}, action.time_ms);
            if (programmer.once_in(200)) {
                // load_end compares the digest of what it made anew with the one kept all along.
                Saved saved = save(two->state);
                two = std::make_unique<World>(false);
                REQUIRE(load(saved, two->state));
            }
        }
        CHECK(succeeded > 50);  // it is about something
        check_books(one.state);
        check_books(two->state);
        check_books(three.state);
        CHECK(one.state.watches.count() == three.state.watches.count());
        everybody_leaves(one);
    }
}

TEST_CASE("records of a snapshot that were damaged at random are survived") {
    uint64_t from = seed();
    INFO("ZKD_SEED=", from);
    std::mt19937_64 chance(from);
    Programmer programmer(from);
    World world;
    programmer.clients.push_back(world.me);
    for (int step = 0; step < 1000; ++step) {
        Action action = programmer.next();
        bool request = !action.read && action.op > 0 && action.op < 1000;
        if (!request || State::well_formed(action.op, as_bytes(action.body))) run(world, action);
    }
    Saved saved = save(world.state);
    for (int round = 0; round < 300; ++round) {
        Saved damaged = saved;
        for (uint64_t left = 1 + chance() % 3; left > 0; --left) {
            auto& record = damaged.records[chance() % damaged.records.size()];
            switch (chance() % 4) {
            case 0: record.first = static_cast<uint32_t>(chance() % 6); break;
            case 1: record.second.resize(chance() % (record.second.size() + 1)); break;
            case 2: std::swap(record, damaged.records[chance() % damaged.records.size()]); break;
            default:
                if (record.second.size() > 4)  // not a list's number: see acl.h
                    record.second[4 + chance() % (record.second.size() - 4)] =
                        static_cast<char>(chance());
            }
        }
        World into(false);
        if (!load(damaged, into.state)) continue;
        CHECK(into.state.digest() == world.state.digest());
        check_books(into.state);
    }
}
