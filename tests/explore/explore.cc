// explore.cc -- every order of messages, elections, disk writes, crashes and broken links that
// three machines of src/quorum can see within a budget, and what must hold in each state.
//
// Breadth first, so that the story of a broken promise is among the shortest. Clocks are no part of
// a state: an election is an event as any other, and what depends on time is only whether a leader
// was just heard. A machine that did not change is shared between states.
//
//     explore [--only NAME] [--states N] [--more N]     N states a chapter; budgets greater by N
//
// A member that is cut off is one whose messages are not delivered, so links only break and are
// back at once; a crash and the restart are one event for the same reason.

#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <unordered_set>

#include "quorum_fixture.h"

namespace zk {

// What two equal machines have equal: all but clocks and dice.
struct QuorumState {
    static void write(Buffer& out, const Quorum& q) {
        bool leads = q.role_ == Role::leader;
        out.u8(static_cast<uint8_t>(q.role_));
        vote(out, q.vote_);
        vote(out, q.written_);
        out.u8(static_cast<uint8_t>(q.writing_ | q.voteless_ << 1 | q.canvassing_ << 2 |
                                    q.round_wanted_ << 3 | q.transfer_told_ << 4 |
                                    (q.now_us_ - q.heard_leader_us_ < q.options_.election_us)
                                        << 5));
        numbers(out, {q.leader_, q.durable_, q.committed_, q.matched_, q.acked_, q.term_start_,
                      q.round_, q.transfer_to_, q.barrier_asked_, q.barrier_sent_,
                      q.barrier_done_});
        for (auto& config : q.configs_) out.u8(static_cast<uint8_t>(config.zxid));
        for (auto [id, yes] : q.votes_) numbers(out, {id, yes});
        for (auto& barrier : q.barriers_)
            numbers(out, {barrier.peer, barrier.number, barrier.round});
        for (auto& [id, peer] : q.peers_) {
            numbers(out, {id, peer.connected});
            if (!leads) continue;  // who begins to lead forgets it all
            numbers(out, {static_cast<uint64_t>(peer.state), peer.voteless, peer.probing, peer.next,
                          peer.match, peer.matched, peer.commit_sent, peer.round,
                          peer.in_flight_bytes});
        }
        for (auto& message : q.out_) message_to(out, message);
    }
    static void message_to(Buffer& out, const Message& message) {
        out.u8(static_cast<uint8_t>(message.kind));
        numbers(out, {message.flag, message.peer, message.term, message.zxid, message.zxid_term,
                      message.last, message.commit, message.round});
    }

private:
    static void numbers(Buffer& out, std::initializer_list<uint64_t> all) {
        for (uint64_t number : all) out.u16(static_cast<uint16_t>(number));
    }
    static void vote(Buffer& out, const Vote& vote) { numbers(out, {vote.term, vote.member}); }
};

}  // namespace zk

using namespace zk;
using namespace zk::quorum_test;

namespace {

constexpr uint32_t size = 3;
constexpr uint64_t election_us = 300'000;

enum class Kind : uint8_t { deliver, stand, durable, vote, append, barrier, flap, crash };

struct Event {
    Kind kind;
    uint8_t one;
    uint8_t other;
};

// How often each kind may happen, and what is not an event of its own.
struct Chapter {
    const char* name;
    int elections, entries, crashes, flaps, barriers;
    bool prevotes;     // time-outs; else they stand at once
    bool slow_votes;   // records are written when they are
    bool slow_logs;
    bool wipes;        // a crash takes the disk along
    enum class Start : uint8_t { blank, led, figure8 } start;  // led: by 1, and all is quiet
    bool joint;        // the entry is a change to {2}; it needs both sets
    size_t states;
};

constexpr Chapter chapters[] = {
    {.name = "elections", .elections = 2, .entries = 0, .crashes = 1, .flaps = 0, .barriers = 0,
     .prevotes = false, .slow_votes = true, .slow_logs = false, .wipes = false,
     .start = Chapter::Start::blank, .joint = false, .states = 400'000},
    {.name = "prevotes", .elections = 3, .entries = 0, .crashes = 0, .flaps = 1, .barriers = 0,
     .prevotes = true, .slow_votes = false, .slow_logs = false, .wipes = false,
     .start = Chapter::Start::blank, .joint = false, .states = 400'000},
    {.name = "logs", .elections = 2, .entries = 1, .crashes = 1, .flaps = 0, .barriers = 0,
     .prevotes = false, .slow_votes = false, .slow_logs = true, .wipes = false,
     .start = Chapter::Start::led, .joint = false, .states = 400'000},
    {.name = "links", .elections = 2, .entries = 1, .crashes = 0, .flaps = 1, .barriers = 0,
     .prevotes = false, .slow_votes = false, .slow_logs = false, .wipes = false,
     .start = Chapter::Start::led, .joint = false, .states = 400'000},
    {.name = "figure8", .elections = 2, .entries = 0, .crashes = 0, .flaps = 0, .barriers = 0,
     .prevotes = false, .slow_votes = false, .slow_logs = true, .wipes = false,
     .start = Chapter::Start::figure8, .joint = false, .states = 400'000},
    {.name = "barriers", .elections = 2, .entries = 0, .crashes = 0, .flaps = 1, .barriers = 1,
     .prevotes = false, .slow_votes = false, .slow_logs = false, .wipes = false,
     .start = Chapter::Start::led, .joint = false, .states = 400'000},
    {.name = "reads", .elections = 1, .entries = 1, .crashes = 0, .flaps = 0, .barriers = 1,
     .prevotes = false, .slow_votes = false, .slow_logs = false, .wipes = false,
     .start = Chapter::Start::led, .joint = false, .states = 400'000},
    {.name = "joint", .elections = 2, .entries = 1, .crashes = 1, .flaps = 0, .barriers = 0,
     .prevotes = false, .slow_votes = false, .slow_logs = true, .wipes = false,
     .start = Chapter::Start::led, .joint = true, .states = 400'000},
    {.name = "wipes", .elections = 2, .entries = 1, .crashes = 1, .flaps = 0, .barriers = 1,
     .prevotes = false, .slow_votes = false, .slow_logs = false, .wipes = true,
     .start = Chapter::Start::led, .joint = false, .states = 400'000},
};

struct Node {
    Member member;
    uint64_t hash;
};

struct World {
    std::array<std::shared_ptr<const Node>, size> nodes;
    std::array<std::vector<Packet>, size * size> links;  // from * size + to
    Witness witness;
    std::array<uint8_t, 5> left{};  // elections, entries, crashes, flaps, barriers
    uint32_t number = 0;
};

Electorates electorates;

class Explorer {
public:
    Explorer(const Chapter& chapter, size_t states) : chapter_(chapter), states_max_(states) {}

    // True: no promise was broken.
    bool run();
    void story(uint32_t number, const Event* last) const;
    // For the story of an ASSERT.
    static inline const Explorer* running = nullptr;
    uint32_t at = 0;
    Event now{};

private:
    World start();
    std::vector<Event> events(const World& world) const;
    bool apply(World& world, Event event);
    void crash(World& world, const Member& member);
    void finish(World& world, Member& member);
    uint64_t hash(const World& world) const;

    const Chapter& chapter_;
    size_t states_max_;
    std::vector<std::pair<uint32_t, Event>> parents_;
    std::unordered_set<uint64_t> seen_;
    const char* wrong_ = nullptr;
};

const char* const kind_names[] = {"deliver", "stand", "durable", "vote written", "append",
                                  "ask barrier", "link breaks", "crash and restart"};

uint64_t hash_of(const Member& member) {
    static Buffer out;
    out.clear();
    QuorumState::write(out, member.quorum);
    for (const Entry& entry : member.log) {
        out.u8(static_cast<uint8_t>(entry.term));
        out.u8(static_cast<uint8_t>(entry.config << 4 | entry.admits));
    }
    out.u8(static_cast<uint8_t>(member.durable));
    out.u8(static_cast<uint8_t>(member.life));
    out.u8(static_cast<uint8_t>(member.vote.term * 8 + member.vote.member));
    return hash64(out.bytes());
}

World Explorer::start() {
    using Start = Chapter::Start;
    electorates = {{.voters = {1, 2, 3}, .outgoing = {}}};
    if (chapter_.joint)
        electorates.push_back({.voters = {2}, .outgoing = {1, 2, 3}});
    World world;
    std::array<Disk, size> disks;
    if (chapter_.start == Start::figure8) {
        // 1 led in term 1, then 3 with the voice of 2; neither reached anybody with its entry.
        disks[0].vote = {.term = 2, .member = 0};
        disks[0].log = {{.term = 1}};
        disks[1].vote = {.term = 2, .member = 3};
        disks[2].vote = {.term = 2, .member = 3};
        disks[2].log = {{.term = 2}};
    }
    for (uint32_t id = 1; id <= size; ++id) {
        QuorumOptions options{.self = id, .seed = id};
        options.election_us = election_us;
        Member member(options, electorates, disks[id - 1], 1000);
        for (uint32_t other = 1; other <= size; ++other)
            if (other != id) member.quorum.connected(other);
        std::vector<Packet> out;
        member.turn(out);
        member.quorum.tick(1000);
        world.nodes[id - 1] = std::make_shared<Node>(Node{member, hash_of(member)});
    }
    auto budget = [](int value) { return static_cast<uint8_t>(value); };
    world.left = {budget(chapter_.elections), budget(chapter_.entries), budget(chapter_.crashes),
                  budget(chapter_.flaps), budget(chapter_.barriers)};
    if (chapter_.start == Start::led) {
        apply(world, {Kind::stand, 1, 0});
        for (bool moved = true; moved;) {
            moved = false;
            for (Event event : events(world)) {
                bool disk = event.kind == Kind::durable || event.kind == Kind::vote;
                if (!disk && event.kind != Kind::deliver) continue;
                apply(world, event);
                moved = true;
                break;
            }
        }
        ++world.left[0];
        ASSERT(world.nodes[0]->member.quorum.role() == Role::leader);
    }
    return world;
}

std::vector<Event> Explorer::events(const World& world) const {
    std::vector<Event> all;
    auto [elections, entries, crashes, flaps, barriers] = world.left;
    // Blank members are alike: let the first to stand be 1.
    bool first = elections == chapter_.elections && chapter_.start == Chapter::Start::blank;
    for (uint8_t id = 1; id <= size; ++id) {
        const Member& member = world.nodes[id - 1]->member;
        for (uint8_t to = 1; to <= size; ++to)
            if (!world.links[(id - 1) * size + to - 1].empty())
                all.push_back({Kind::deliver, id, to});
        bool leads = member.quorum.role() == Role::leader;
        if (elections > 0 && !leads && (id == 1 || !first)) all.push_back({Kind::stand, id, 0});
        if (first) continue;
        if (!member.all_durable()) all.push_back({Kind::durable, id, 0});
        if (member.writing) all.push_back({Kind::vote, id, 0});
        if (entries > 0 && member.quorum.may_append()) all.push_back({Kind::append, id, 0});
        if (barriers > 0) all.push_back({Kind::barrier, id, 0});
        if (crashes > 0) all.push_back({Kind::crash, id, 0});
        for (uint8_t to = static_cast<uint8_t>(id + 1); to <= size && flaps > 0; ++to)
            all.push_back({Kind::flap, id, to});
    }
    return all;
}

// An answer of a term that is over for who gets it is not looked at.
bool is_answer(MessageKind kind) {
    return kind == MessageKind::heartbeat_ack || kind == MessageKind::append_ack ||
           kind == MessageKind::append_refused || kind == MessageKind::vote;
}

// What it says goes on its links; to say the same twice in a row adds nothing.
void Explorer::finish(World& world, Member& member) {
    std::vector<Packet> out;
    for (bool again = true; again;) {
        Quorum& quorum = member.quorum;
        if (quorum.role() == Role::leader && quorum.next_tick_us() <= member.now_us)
            quorum.tick(member.now_us);
        member.turn(out);
        again = false;
        if (member.writing && !chapter_.slow_votes) member.write_vote(), again = true;
        if (!member.all_durable() && !chapter_.slow_logs)
            member.make_durable(member.log.size()), again = true;
    }
    for (Packet& packet : out) {
        auto& link = world.links[(member.id - 1) * size + packet.message.peer - 1];
        // An append right after a heartbeat says as much.
        if (packet.message.kind == MessageKind::append && !link.empty() && chapter_.barriers == 0 &&
            link.back().message.kind == MessageKind::heartbeat &&
            link.back().message.term == packet.message.term)
            link.pop_back();
        if (link.empty() || !(link.back() == packet)) link.push_back(std::move(packet));
    }
    for (uint32_t from = 0; from < size; ++from) {
        std::erase_if(world.links[from * size + member.id - 1], [&](const Packet& packet) {
            return is_answer(packet.message.kind) && packet.message.term < member.quorum.term();
        });
    }
    if (wrong_ == nullptr) wrong_ = world.witness.look(member);
    for (auto& other : world.nodes)
        if (wrong_ == nullptr && other->member.id != member.id)
            wrong_ = Witness::compare(member, other->member);
    world.nodes[member.id - 1] = std::make_shared<Node>(Node{member, hash_of(member)});
}

// The link of the two breaks and is back, as `far` sees it.
void lose(World& world, const Member& near, Member& far) {
    world.links[(near.id - 1) * size + far.id - 1].clear();
    world.links[(far.id - 1) * size + near.id - 1].clear();
    far.quorum.lost(near.id);
    far.quorum.connected(near.id);
}

void Explorer::crash(World& world, const Member& member) {
    Disk disk = member.disk();
    if (chapter_.wipes) {
        disk = {.vote = {}, .log = {}, .voteless = true,
                .life = static_cast<uint8_t>(disk.life + 1)};
    }
    world.witness.crashed(member.id);
    QuorumOptions options{.self = member.id, .seed = member.id};
    options.election_us = election_us;
    Member again(options, electorates, disk, member.now_us);
    std::vector<Member> others;
    for (auto& node : world.nodes) {
        if (node->member.id == member.id) continue;
        again.quorum.connected(node->member.id);
        others.push_back(node->member);
        lose(world, member, others.back());
    }
    world.nodes[again.id - 1] = std::make_shared<Node>(Node{again, 0});
    for (Member& far : others) finish(world, far);
    finish(world, again);
}

bool Explorer::apply(World& world, Event event) {
    uint8_t one = event.one, other = event.other;
    Member member = world.nodes[one - 1]->member;
    switch (event.kind) {
    case Kind::deliver: {
        auto& link = world.links[(one - 1) * size + other - 1];
        Packet packet = link.front();
        link.erase(link.begin());
        packet.message.peer = one;
        member = world.nodes[other - 1]->member;
        member.receive(packet);
        break;
    }
    case Kind::stand:
        --world.left[0];
        if (!chapter_.prevotes && member.quorum.role() == Role::follower) {
            member.quorum.receive({.kind = MessageKind::campaign,
                                   .peer = one == 1 ? 2u : 1u,
                                   .term = member.quorum.term()});
        } else {
            member.now_us += 3 * election_us;
            member.quorum.tick(member.now_us);
        }
        break;
    case Kind::durable: member.make_durable(member.log.size()); break;
    case Kind::vote: member.write_vote(); break;
    case Kind::append: {
        --world.left[1];
        Entry entry;
        if (electorates.size() > 1) entry.config = 1;
        for (auto& node : world.nodes)
            if (node->member.quorum.voteless()) {
                entry.admits = static_cast<uint8_t>(node->member.id);
                entry.life = node->member.life;
            }
        member.append(entry);
        break;
    }
    case Kind::barrier:
        --world.left[4];
        world.witness.asked(one, member.quorum.ask_barrier());
        break;
    case Kind::flap: {
        --world.left[3];
        Member far = world.nodes[other - 1]->member;
        lose(world, member, far);
        lose(world, far, member);
        finish(world, far);
        break;
    }
    case Kind::crash:
        --world.left[2];
        crash(world, member);
        return wrong_ == nullptr;
    }
    finish(world, member);
    return wrong_ == nullptr;
}

uint64_t Explorer::hash(const World& world) const {
    static Buffer out;
    out.clear();
    for (auto& node : world.nodes) out.u64(node->hash);
    for (auto& link : world.links) {
        out.u8(static_cast<uint8_t>(link.size()));
        for (const Packet& packet : link) {
            QuorumState::message_to(out, packet.message);
            for (const Entry& entry : packet.entries)
                out.u8(static_cast<uint8_t>(entry.term * 8 + entry.config));
        }
    }
    for (auto& entry : world.witness.committed)
        out.u16(static_cast<uint16_t>(entry.entry.term * 256 + entry.term));
    for (auto [term, id] : world.witness.leaders) out.u8(static_cast<uint8_t>(term * 8 + id));
    for (auto& [asked, least] : world.witness.barriers)
        out.u16(static_cast<uint16_t>(asked.first * 64 + asked.second * 16 + least));
    for (uint8_t left : world.left) out.u8(left);
    return hash64(out.bytes());
}

void Explorer::story(uint32_t number, const Event* last) const {
    std::vector<Event> told;
    if (last != nullptr) told.push_back(*last);
    for (; number != 0; number = parents_[number].first) told.push_back(parents_[number].second);
    for (size_t i = told.size(); i-- > 0;) {
        std::printf("    %2zu. %s %d", told.size() - i,
                    kind_names[static_cast<size_t>(told[i].kind)], told[i].one);
        if (told[i].other != 0) std::printf(" to %d", told[i].other);
        std::printf("\n");
    }
    std::fflush(stdout);
}

bool Explorer::run() {
    running = this;
    std::vector<World> level{start()}, next;
    parents_.push_back({0, {}});
    seen_.insert(hash(level[0]));
    size_t depth = 0;
    bool all = true;
    uint64_t steps = 0;
    for (; !level.empty(); ++depth) {
        for (const World& world : level) {
            for (Event event : events(world)) {
                at = world.number;
                now = event;
                ++steps;
                World after = world;
                if (!apply(after, event)) {
                    std::printf("%-10s BROKEN after %zu states: %s\n", chapter_.name, seen_.size(),
                                wrong_);
                    story(world.number, &event);
                    return false;
                }
                if (seen_.size() >= states_max_) {
                    all = false;
                    continue;
                }
                if (!seen_.insert(hash(after)).second) continue;
                after.number = static_cast<uint32_t>(parents_.size());
                parents_.push_back({world.number, event});
                next.push_back(std::move(after));
            }
            if (!all) break;
        }
        if (!all) break;
        level.swap(next);
        next.clear();
    }
    std::printf("%-10s %9zu states, %9llu steps, depth %2zu, %s\n", chapter_.name, seen_.size(),
                static_cast<unsigned long long>(steps), depth,
                all ? "all there is" : "more there would be");
    std::fflush(stdout);
    return true;
}

void on_abort(int) {
    const Explorer* one = Explorer::running;
    std::printf("BROKEN: an ASSERT\n");
    if (one != nullptr) one->story(one->at, &one->now);
    _Exit(1);
}

}  // namespace

int main(int argc, char** argv) {
    const char* only = nullptr;
    size_t states = 0;
    int more = 0;
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--only") == 0) only = argv[i + 1];
        if (strcmp(argv[i], "--states") == 0) states = strtoull(argv[i + 1], nullptr, 10);
        if (strcmp(argv[i], "--more") == 0) more = atoi(argv[i + 1]);
    }
    signal(SIGABRT, on_abort);
    log_set_level(LogLevel::error);
    int passed = 0, failed = 0;
    for (Chapter chapter : chapters) {
        if (only != nullptr && strcmp(only, chapter.name) != 0) continue;
        for (int* budget : {&chapter.elections, &chapter.entries, &chapter.crashes, &chapter.flaps,
                            &chapter.barriers})
            if (*budget > 0) *budget += more;
        ++(Explorer(chapter, states != 0 ? states : chapter.states).run() ? passed : failed);
    }
    std::printf("%d passed, %d failed\n", passed, failed);
    return failed == 0 ? 0 : 1;
}
