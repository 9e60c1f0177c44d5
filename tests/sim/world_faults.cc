// world_faults.cc -- see world.h: what goes wrong with machines, and when.

#include "world.h"

namespace zk::sim {

void World::every(uint64_t mean_us, void (World::*what)()) {
    if (mean_us == 0) return;
    queue_.after(chance_.between(mean_us / 5, mean_us * 2), [this, mean_us, what] {
        if (!faults_) return;
        (this->*what)();
        every(mean_us, what);
    });
}

void World::plan_faults() {
    every(plan_.crash_every_us, &World::fault_crash);
    every(plan_.full_every_us, &World::fault_full);
    every(plan_.log_error_every_us, &World::fault_log_error);
    every(plan_.stall_every_us, &World::fault_stall);
    every(plan_.wall_jump_every_us, &World::fault_wall_jump);
    every(plan_.partition_every_us, &World::fault_partition);
    every(plan_.slow_link_every_us, &World::fault_slow_link);
    every(plan_.wipe_every_us, &World::fault_wipe);
    every(plan_.damage_every_us, &World::fault_damage);
    if (plan_.hostile) every(300'000, &World::fault_noise);
}

// Most crashes hit the log at work, where they hurt.
void World::fault_crash() {
    if (chance_.percent(plan_.crash_many_percent)) return crash_many();
    Machine& one = any_machine();
    // The leader is worth more than one try.
    uint32_t leader = agreement_.leader();
    Machine& victim = leader != 0 && chance_.percent(30) ? machine(leader) : one;
    bool moves = chance_.percent(plan_.move_percent);
    if (moves && victim.runs()) {
        victim.end(true);
        return victim.move();
    }
    if (chance_.percent(30)) return victim.crash();
    victim.arm_crash();
}

// Some or all at once; each comes back when it likes.
void World::crash_many() {
    bool all = chance_.percent(40);
    bool power_loss = chance_.percent(plan_.power_loss_percent);
    for (auto& each : machines_)
        if (each->runs() && (all || chance_.percent(50)))
            each->end(power_loss, chance_.skewed(1'000, 4'000'000));
}

void World::fault_full() {
    Machine& one = any_machine();
    one.fill_disk();
    checker_.disk_full();
    queue_.after(chance_.between(500'000, 4'000'000), [&one] { one.empty_disk(); });
}

void World::fault_log_error() { any_machine().arm_log_error(); }

void World::fault_stall() {
    Machine& one = any_machine();
    uint64_t stall_us = chance_.skewed(1'000, 4'000'000);
    if (one.stall(stall_us)) checker_.server_stands(one.number(), stall_us);
}

void World::fault_wall_jump() {
    any_machine().jump_wall(static_cast<int64_t>(chance_.below(20'000)) - 10'000);
}

// Some machine whose data the others have. What is agreed is on a majority of disks, and of every
// majority one is to be left.
Machine* World::may_lose() {
    Machine& one = any_machine();
    uint32_t suspects = 0;
    for (const auto& each : machines_)
        if (each->voter() && each->suspect() && each.get() != &one) ++suspects;
    bool enough = !one.voter() || suspects + majority() < plan_.voters;
    bool agreed = truth_.committed() > 0;
    return enough && agreed && one.runs() ? &one : nullptr;
}

void World::fault_wipe() {
    Machine* one = may_lose();
    if (one == nullptr) return;
    one->end(chance_.percent(50));
    one->wipe();
}

void World::fault_damage() {
    Machine* one = may_lose();
    if (one == nullptr) return;
    one->end(chance_.percent(plan_.power_loss_percent));
    one->damage();
}

// Connections that speak something else, or nothing.
void World::fault_noise() {
    Address from;
    from.ip[10] = from.ip[11] = 0xff;
    from.ip[12] = 10;
    from.ip[15] = 99;
    uint32_t host = hosts_max - 1;
    Link& link = network_.connect(host, from, any_machine().number());
    checker_.connecting_raw(link);
    std::string bytes;
    switch (chance_.below(6)) {
    case 0: bytes = chance_.pick({"ruok", "srvr", "stat", "mntr", "cons", "conf", "envi", "dump",
                                  "wchs", "wchc", "wchp", "dirs", "crst", "srst", "isro"});
        break;
    case 1: bytes = "GET / HTTP/1.1\r\n\r\n"; break;
    case 2: bytes = std::string("\x00\x00\x00\x00", 4); break;
    case 3: bytes = std::string("\x7f\xff\xff\xff", 4); break;
    case 4: break;
    case 5:
        for (uint64_t i = chance_.below(200); i > 0; --i)
            bytes += static_cast<char>(chance_.below(256));
        // No session by accident.
        if (bytes.size() > 2) bytes[0] = '\0', bytes[1] = '\0', bytes[2] = '\0';
        break;
    }
    TELL(story_, "link %u makes noise: %s", link.number, shown(as_bytes(bytes), 20).c_str());
    network_.client_send(link, as_bytes(bytes));
    // Nobody may keep such a connection for ever.
    uint64_t patience_us = static_cast<uint64_t>(plan_.config.handshake_timeout_ms) * 1000;
    queue_.after(2 * patience_us + 10'000'000, [this, &link] {
        if (link.at_server())
            story_.fail("link %u never said who it is and is still open", link.number);
    });
}

}  // namespace zk::sim
