// world_ways.cc -- see world.h: what goes wrong between machines.
//
//     split     some on one side, the others on the other; a minority, a majority, the leader alone
//     bridge    two halves that hear each other through one machine only
//     one way   what one machine sends does not arrive at some others, but what they send does
//     swizzle   ways are cut one after the other, and come back in another order

#include "world.h"

namespace zk::sim {

std::vector<uint32_t> World::some_machines(size_t count) {
    std::vector<uint32_t> numbers;
    for (const auto& each : machines_) numbers.push_back(each->number());
    chance_.shuffle(numbers);
    numbers.resize(std::min(count, numbers.size()));
    return numbers;
}

void World::cut(const Ways& ways, uint64_t for_us) {
    for (auto [from, to] : ways) {
        network_.cut(from, to);
        checker_.disturbed(from, queue_.now_us() + for_us);
        checker_.disturbed(to, queue_.now_us() + for_us);
    }
    queue_.after(for_us, [this, ways] {
        if (!faults_) return;
        for (auto [from, to] : ways) network_.mend(from, to);
        TELL(story_, "the ways are whole again");
    });
}

// Both directions between these and all others. Clients stay on one side, or reach both.
void World::split_off(Ways& ways, const std::vector<uint32_t>& some, bool clients_too) {
    auto among = [&](uint32_t host) {
        return std::find(some.begin(), some.end(), host) != some.end();
    };
    auto both = [&](uint32_t a, uint32_t b) {
        ways.emplace_back(a, b);
        ways.emplace_back(b, a);
    };
    for (uint32_t a : some)
        for (const auto& b : machines_)
            if (!among(b->number())) both(a, b->number());
    if (!clients_too) return;
    for (uint32_t host = first_client_host; host < hosts_max; ++host) {
        bool inside = chance_.percent(50);
        for (const auto& each : machines_)
            if (among(each->number()) != inside) both(host, each->number());
    }
}

World::Ways World::bridge() {
    std::vector<uint32_t> order = some_machines(machines_.size());
    size_t half = order.size() / 2;  // order[half] is the bridge
    Ways ways;
    for (size_t a = 0; a < half; ++a)
        for (size_t b = half + 1; b < order.size(); ++b) {
            ways.emplace_back(order[a], order[b]);
            ways.emplace_back(order[b], order[a]);
        }
    return ways;
}

World::Ways World::one_way() {
    uint32_t leader = agreement_.leader();
    uint32_t one = leader != 0 && chance_.percent(60) ? leader : any_machine().number();
    bool out = chance_.percent(50);
    bool all = chance_.percent(50);
    Ways ways;
    for (const auto& each : machines_) {
        if (each->number() == one || (!all && chance_.percent(50))) continue;
        if (out)
            ways.emplace_back(one, each->number());
        else
            ways.emplace_back(each->number(), one);
    }
    return ways;
}

void World::swizzle() {
    TELL(story_, "ways are cut here and there");
    for (const auto& a : machines_)
        for (const auto& b : machines_) {
            if (a == b || chance_.percent(50)) continue;
            queue_.after(chance_.below(1'500'000), [this, from = a->number(), to = b->number()] {
                if (faults_) cut({{from, to}}, chance_.between(100'000, 3'000'000));
            });
        }
}

void World::fault_partition() {
    uint64_t for_us = chance_.skewed(20'000, 8'000'000);
    Ways ways;
    const char* what = "";
    uint32_t leader = agreement_.leader();
    switch (chance_.below(6)) {
    case 0:
        what = "one machine is cut off";
        split_off(ways, some_machines(1), chance_.percent(50));
        break;
    case 1:
        what = "the leader is cut off";
        if (leader != 0) split_off(ways, {leader}, chance_.percent(50));
        break;
    case 2:
        what = "some are cut off from the others";
        split_off(ways, some_machines(chance_.between(1, machines_.size())), chance_.percent(50));
        break;
    case 3: what = "a bridge is left", ways = bridge(); break;
    case 4: what = "ways are cut in one direction", ways = one_way(); break;
    case 5: return swizzle();
    }
    TELL(story_, "%s for %llu ms", what, static_cast<unsigned long long>(for_us / 1000));
    if (story_.words())
        for (auto [from, to] : ways)
            if (from < first_client_host && to < first_client_host)
                TELL(story_, "    n%u -> n%u", from, to);
    cut(ways, for_us);
}

void World::fault_slow_link() {
    Machine& a = any_machine();
    Machine& b = any_machine();
    uint64_t by_us = chance_.skewed(100, plan_.slow_link_us_max);
    uint64_t for_us = chance_.between(200'000, 4'000'000);
    bool both = chance_.percent(60);
    TELL(story_, "n%u -> n%u takes %llu us longer for %llu ms", a.number(), b.number(),
         static_cast<unsigned long long>(by_us), static_cast<unsigned long long>(for_us / 1000));
    auto set = [this, both, from = a.number(), to = b.number()](uint64_t us) {
        network_.slow(from, to, us);
        if (both) network_.slow(to, from, us);
    };
    set(by_us);
    checker_.disturbed(a.number(), queue_.now_us() + for_us + by_us);
    checker_.disturbed(b.number(), queue_.now_us() + for_us + by_us);
    queue_.after(for_us, [set] { set(0); });
}

}  // namespace zk::sim
