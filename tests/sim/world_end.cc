// world_end.cc -- see world.h: the clients, and what must hold in the end.

#include "world.h"

namespace zk::sim {

namespace {

constexpr uint64_t second_us = 1'000'000;

}  // namespace

SimClient& World::add_client(SimClient::Habits habits) {
    habits.number = static_cast<uint32_t>(clients_.size() + 1);
    SimClient::World around{.queue = queue_,
                            .story = story_,
                            .plan = plan_,
                            .network = network_,
                            .checker = checker_};
    clients_.push_back(std::make_unique<SimClient>(around, habits, chance_.fork()));
    return *clients_.back();
}

void World::add_clients() {
    const Config& config = plan_.config;
    for (uint32_t i = 0; i < plan_.clients; ++i) {
        SimClient::Habits habits;
        habits.depth = chance_.between(1, plan_.depth_max);
        habits.burst = habits.depth * chance_.pick({1u, 3u, 10u});
        uint64_t bursts = 1 + plan_.requests / plan_.clients / (1 + habits.burst / 2);
        habits.think_us = plan_.length_us / bursts;
        habits.timeout_ms = static_cast<int32_t>(
            chance_.between(1, static_cast<uint64_t>(config.session_timeout_max_ms) + 1000));
        habits.patience_us = chance_.percent(70) ? 500'000 + 660u * static_cast<uint64_t>(
                                                                        habits.timeout_ms)
                                                 : 15'000'000;
        habits.old = chance_.percent(15);
        habits.restless = chance_.percent(60);
        if (chance_.percent(10)) habits.read_us = 20'000;
        habits.taste.wrong = chance_.percent(40);
        habits.taste.data_max = chance_.percent(10) ? 1000 : 60;
        habits.taste.writes_percent = chance_.pick({20u, 50u, 80u});
        habits.taste.watches_percent = chance_.pick({0u, 30u, 70u});
        if (i == 0) habits.reconfig_permille = plan_.reconfig_permille;
        SimClient& client = add_client(habits);
        queue_.after(chance_.below(500'000), [&client] { client.start(); });
    }
}

// Without faults somebody leads, and every client gets its session and its answers.
void World::calm_down() {
    TELL(story_, "all faults end");
    faults_ = false;
    network_.heal_all();
    for (auto& each : machines_) each->end_faults();
    plan_.resets_permille = plan_.bulk_errors_permille = plan_.slow_sync_permille = 0;
    plan_.slow_names_permille = plan_.lost_names_permille = 0;
    run_until(queue_.now_us() + 2 * second_us);
    for (auto& client : clients_) client->calm_down();
    auto all_idle = [this] {
        for (auto& client : clients_)
            if (!client->idle()) return false;
        return true;
    };
    bool idle = run_until(queue_.now_us() + 60 * second_us, all_idle);
    if (idle || story_.failed()) return;
    for (auto& client : clients_)
        if (!client->idle()) story_.fail("%s is not answered", client->where().c_str());
}

bool World::all_agree() {
    uint32_t leaders = 0;
    for (auto& each : machines_) {
        if (!each->runs()) return false;
        Standing standing = each->standing();
        if (standing.voteless || changing()) return false;
        if (standing.role == Role::leader && !may_lead(each->number())) return false;
        if (standing.role == Role::leader) ++leaders;
        if (standing.applied_zxid != truth_.committed()) return false;
        if (standing.leader != machines_[0]->standing().leader) return false;
    }
    return leaders == 1 && checker_.told() <= truth_.committed();
}

// One leader, and everybody has applied everything; that the digests are equal then, is looked at
// all the time.
void World::agree(const char* when) {
    if (run_until(queue_.now_us() + 20 * second_us, [this] { return all_agree(); })) return;
    if (story_.failed()) return;
    std::string all;
    for (auto& each : machines_) {
        all += " n" + std::to_string(each->number());
        if (!each->runs()) {
            all += " is down;";
            continue;
        }
        Standing standing = each->standing();
        all += " role " + std::to_string(static_cast<int>(standing.role)) + ", term " +
               std::to_string(standing.term) + ", leader " + std::to_string(standing.leader) +
               (standing.voteless ? ", no vote" : "") + ", zxid " +
               std::to_string(standing.applied_zxid) + ";";
    }
    story_.fail("the nodes do not agree %s, up to zxid %llu is committed:%s", when,
                static_cast<unsigned long long>(truth_.committed()), all.c_str());
}

// A session ends when its client has asked for it, or says nothing for its time-out and a tick.
void World::silence() {
    TELL(story_, "all clients fall silent");
    checker_.disk_has_room();
    for (size_t i = 0; i < clients_.size(); ++i) {
        if (i % 2 == 0) clients_[i]->ask(close_draft());
    }
    run_until(queue_.now_us() + second_us);
    for (auto& client : clients_) client->fall_silent();
    uint64_t timeout_us = static_cast<uint64_t>(plan_.config.session_timeout_max_ms) * 1000;
    run_until(queue_.now_us() + timeout_us + 2 * second_us);
}

// Every znode is read; the checker compares.
void World::audit(const char* when) {
    TELL(story_, "audit %s", when);
    SimClient::Habits habits;
    habits.timeout_ms = plan_.config.session_timeout_max_ms;
    SimClient& auditor = add_client(habits);
    auditor.calm_down();
    auditor.ask(path_draft(Op::sync, "/"));
    auditor.start();
    auto idle = [&auditor] { return auditor.idle(); };
    bool good = run_until(queue_.now_us() + 30 * second_us, idle);
    if (!good && !story_.failed()) story_.fail("the auditor is not answered %s", when);
    if (!good) return;
    const Model& model = checker_.model(auditor.node());
    for (const auto& [id, session] : model.sessions())
        if (id != auditor.session() && checker_.overdue(id))
            story_.fail("session 0x%llx is silent and still there %s",
                        static_cast<unsigned long long>(id), when);
    for (const auto& [path, znode] : model.znodes())
        for (Op op : {Op::get_data, Op::get_acl, Op::get_children2})
            auditor.ask(path_draft(op, path));
    auditor.ask(path_draft(Op::get_all_children_number, "/"));
    // And is there room for writes again?
    auditor.ask(create_draft("/audit"));
    good = run_until(queue_.now_us() + 60 * second_us, idle);
    if (!good && !story_.failed()) story_.fail("the auditor is not answered %s", when);
    auditor.ask(close_draft());
    auto gone = [&auditor] { return auditor.session() == 0; };
    good = run_until(queue_.now_us() + 10 * second_us, gone);
    if (!good && !story_.failed()) story_.fail("the auditor cannot close its session %s", when);
    auditor.fall_silent();
}

void World::lose_all() {
    for (auto& each : machines_) each->end(true, chance_.skewed(0, 500'000));
}

// What all nodes came to is what a replay of all entries makes of nothing; one node alone: and what
// recovery makes of its disk, too.
void World::compare_digests() {
    Machine& one = *machines_[0];
    Standing standing = one.standing();
    for (auto& each : machines_) {
        each->stay_down();
        each->end(false, 0);
    }
    SimIo io(one.surroundings(one.disk()), chance_.fork());
    Result<std::optional<StateRecord>> record = load_record(io, one.config().data_dir);
    if (!record || !record->has_value()) return story_.fail("the record is lost in the end");
    State replayed((*record)->seed);
    replayed.format(truth_.first() - 1);
    Buffer reply;
    for (uint64_t zxid = truth_.first(); zxid <= standing.applied_zxid; ++zxid) {
        reply.clear();
        replayed.apply(truth_.committed(zxid)->entry, reply);
    }
    if (replayed.digest() != standing.digest)
        story_.fail("the digest in the end is not that of a replay of the log");
    if (plan_.nodes > 1) return;
    Result<Recovered> found = try_recovery(io, one.config());
    if (!found) return story_.fail("no recovery in the end: %s", found.error().text.c_str());
    if (found->state->zxid() < standing.applied_zxid)
        story_.fail("recovery ends before what was applied");
    else if (found->state->zxid() == standing.applied_zxid &&
             found->state->digest() != standing.digest)
        story_.fail("the digest after recovery is not that of a replay of the log");
}

}  // namespace zk::sim
