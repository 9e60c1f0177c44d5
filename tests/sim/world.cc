// world.cc -- see world.h: what there is, and the order of a run.

#include "world.h"

#include <algorithm>

#include "state/membership.h"

namespace zk::sim {

namespace {

Plan plan_of(Chance& chance, const World::Shape& shape) {
    Plan plan = make_plan(chance, shape.nodes, shape.observers);
    for (std::string_view kind : shape.without) leave_out(plan, kind);
    return plan;
}

}  // namespace

World::World(uint64_t seed, const Shape& shape, Story& story)
    : story_(story),
      chance_(seed),
      plan_(plan_of(chance_, shape)),
      truth_(story),
      agreement_(story, queue_, truth_),
      checker_(story, queue_, truth_, agreement_, plan_),
      network_(queue_, story, plan_, chance_.fork()) {
    truth_.on_entry = [this](Logged& logged) {
        checker_.entry(logged);
        if (logged.entry.op == entry_op::membership) note_membership(logged);
    };
    agreement_.may_lead = [this](uint32_t number) { return may_lead(number); };
    electorates_.emplace_back();
    for (uint32_t id = 1; id <= plan_.voters; ++id) electorates_[0].voters.push_back(id);
    truth_.on_commit = [this](const Logged& logged) { checker_.committed(logged); };
    truth_.on_majority = [this](const Logged& logged) { return on_majority(logged); };
    network_.on_accepted = [this](Link& link) { checker_.accepted(link); };
    network_.on_arrival = [this](Link& link) { checker_.arrived(link); };
    network_.on_unread = [this](Link& link) { checker_.unread(link); };
    network_.on_sent = [this](Link& link, Bytes bytes) { checker_.sent(link, bytes); };
    network_.on_server_closed = [this](Link& link) { checker_.server_closed(link); };
    if (shape.count)
        network_.on_said = [this](const Link& link, int from, Bytes bytes) {
            traffic_.sent(link, from, bytes);
        };
    add_machines();
}

World::~World() = default;

void World::add_machines() {
    Machine::World around{.queue = queue_,
                          .story = story_,
                          .plan = plan_,
                          .truth = truth_,
                          .network = network_,
                          .faults = faults_,
                          .turned =
                              [this](Machine& of) {
                                  of.looked_at();
                                  agreement_.stands(of.number(), of.standing());
                                  checker_.turned(of.number());
                              },
                          .started =
                              [this](Machine& of) {
                                  agreement_.started(of.number(), of.standing());
                                  checker_.process_started(of.number());
                              },
                          .ended = [this](Machine& of) { checker_.process_ended(of.number()); }};
    for (uint32_t number = 1; number <= plan_.nodes; ++number) {
        machines_.push_back(std::make_unique<Machine>(around, config_of(plan_, number), number,
                                                      chance_.fork()));
        int64_t spread = static_cast<int64_t>(plan_.drift_ppm_max);
        if (spread > 0)
            machines_.back()->drift(
                static_cast<int64_t>(chance_.below(2 * plan_.drift_ppm_max + 1)) - spread);
    }
}

uint64_t World::crashes() const {
    uint64_t crashes = 0;
    for (const auto& each : machines_) crashes += each->crashes();
    return crashes;
}

uint64_t World::losses() const {
    uint64_t losses = 0;
    for (const auto& each : machines_) losses += each->losses();
    return losses;
}

std::string World::describe() const {
    return std::to_string(plan_.voters) + "+" + std::to_string(plan_.nodes - plan_.voters) +
           " nodes, " + std::to_string(plan_.clients) + " clients, " + std::to_string(answers()) +
           " answers, " + std::to_string(crashes()) + " crashes, " +
           (losses() > 0 ? std::to_string(losses()) + " disks lost, " : "") +
           std::to_string(agreement_.terms()) + " leaders, " +
           std::to_string(entries()) + " entries, " +
           std::to_string(queue_.now_us() / 1000) + " ms";
}

void World::run() {
    for (auto& each : machines_) {
        if (plan_.nodes == 1)
            each->start();
        else
            queue_.after(chance_.skewed(0, 2'000'000), [&each] { each->start(); });
    }
    add_clients();
    plan_faults();
    run_until(plan_.length_us);
    if (!story_.failed()) calm_down();
    if (!story_.failed()) silence();
    if (!story_.failed()) audit("in the end");
    if (!story_.failed()) agree("in the end");
    if (!story_.failed()) lose_all();
    if (!story_.failed()) audit("after a last loss of power");
    if (!story_.failed()) agree("after a last loss of power");
    if (!story_.failed()) compare_digests();
}

// False: something is wrong, or `done` did not come true in time.
bool World::run_until(uint64_t until_us, const std::function<bool()>& done) {
    while (!story_.failed()) {
        if (done && done()) return true;
        story_.node(0);
        bool more = queue_.step(until_us);
        story_.at(queue_.now_us());
        if (!more) return !done;
    }
    return false;
}

void World::note_membership(const Logged& logged) {
    MembershipEntry entry;
    Reader in(logged.entry.body);
    decode(in, entry);
    Electorate next{.zxid = logged.entry.zxid, .voters = {}, .outgoing = {}, .said = &logged};
    for (const Member& member : entry.members)
        if (!member.observer) next.voters.push_back(static_cast<uint32_t>(member.id));
    for (const Member& member : entry.before)
        if (!member.observer) next.outgoing.push_back(static_cast<uint32_t>(member.id));
    electorates_.push_back(std::move(next));
}

// On that of the voters as the last entry before it has them; or as one behind it, for a leader
// counts by the newest one in its log.
bool World::on_majority(const Logged& logged) const {
    auto holds = [&](uint32_t number) {
        const Machine& one = *machines_[number - 1];
        return (!one.lacking() && one.ledger().holds(logged)) ||
               (logged.lost_by >> number & 1) != 0;
    };
    auto most = [&](const std::vector<uint32_t>& voters) {
        auto holders = std::count_if(voters.begin(), voters.end(), holds);
        return static_cast<size_t>(holders) > voters.size() / 2;
    };
    uint64_t zxid = logged.entry.zxid;
    uint64_t newest = 0;
    // An entry that was cut, or may be, is nobody's last word.
    for (const Electorate& each : electorates_) {
        bool stands = each.said == nullptr || each.said == &logged ||
                      (each.zxid < zxid && truth_.committed(each.zxid) == each.said);
        if (stands && each.zxid <= zxid) newest = std::max(newest, each.zxid);
    }
    for (const Electorate& each : electorates_) {
        if (each.zxid < newest || !most(each.voters)) continue;
        // Behind an agreed joint phase the new ones alone count once the leader has that
        // entry in memory.
        bool agreed = each.said != nullptr && truth_.committed(each.zxid) == each.said;
        if (agreed || most(each.outgoing) || each.outgoing.empty()) return true;
    }
    return false;
}

// Nobody who knows that it is out goes on to lead. Who does not, may have the only log to win by;
// and who is to come in counts by what its log has of that.
bool World::may_lead(uint32_t number) const {
    uint64_t known = machines_[number - 1]->standing().committed;
    const Electorate* last = &electorates_[0];
    for (const Electorate& each : electorates_)
        if (each.said != nullptr && truth_.committed(each.zxid) == each.said &&
            each.zxid > last->zxid && each.zxid <= known)
            last = &each;
    auto votes = [&](const std::vector<uint32_t>& voters) {
        return std::find(voters.begin(), voters.end(), number) != voters.end();
    };
    return std::any_of(electorates_.begin(), electorates_.end(), [&](const Electorate& each) {
        return each.zxid >= last->zxid && (votes(each.voters) || votes(each.outgoing));
    });
}

bool World::changing() const {
    const Electorate* last = &electorates_[0];
    for (const Electorate& each : electorates_)
        if (each.said != nullptr && truth_.committed(each.zxid) == each.said) last = &each;
    return !last->outgoing.empty();
}

}  // namespace zk::sim
