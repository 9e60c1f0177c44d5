// plan.cc -- see plan.h. Every seed draws anew; a third of them has a calm disk, so that long
// histories without a crash are tried as well.

#include "plan.h"

namespace zk::sim {

namespace {

constexpr uint64_t second_us = 1'000'000;

void plan_server(Config& config, Chance& chance) {
    config.data_dir = "data";
    config.tick_ms = chance.pick({100, 200, 400});
    config.session_timeout_min_ms = 2 * config.tick_ms;
    config.session_timeout_max_ms = 20 * config.tick_ms;
    config.segment_bytes = chance.pick({4096u, 8192u, 16384u, 65536u});
    config.snapshot_entries = chance.pick({15u, 60u, 200u, 1000u});
    config.snapshot_log_bytes = chance.percent(20) ? 20000 : 0;
    config.purge_keeps = static_cast<uint32_t>(chance.between(1, 3));
    config.purge_interval_ms = chance.percent(50) ? 700 : 3'600'000;
    config.client_outstanding_max = chance.pick({1u, 3u, 20u, 1000u});
    config.clients_per_address_max = chance.percent(20) ? 3 : 60;
    config.request_bytes_max = chance.percent(20) ? 3000 : 1048575;
    config.client_output_max = chance.percent(30) ? 20000 : 256u << 20;
    config.handshake_timeout_ms = chance.pick({1000, 3000});
    config.reap_interval_ms = chance.pick({0, 300, 1500});
    config.four_letter_words = "*";
}

void plan_disk(Plan& plan, Chance& chance) {
    plan.write_us_max = chance.pick({20u, 300u, 3000u});
    plan.sync_us_max = chance.pick({50u, 3000u, 20000u});
    if (chance.percent(15)) plan.slow_sync_permille = 5;
    if (chance.percent(33)) return;
    if (chance.percent(80)) plan.crash_every_us = chance.between(1, 4) * second_us;
    plan.power_loss_percent = chance.pick({0u, 50u, 100u});
    plan.stop_percent = chance.pick({0u, 0u, 30u, 100u});
    plan.flip_percent = chance.pick({0u, 30u});
    if (chance.percent(25)) plan.bulk_errors_permille = 60;
    if (chance.percent(20)) plan.full_every_us = 3 * second_us;
    if (chance.percent(15)) plan.log_error_every_us = 4 * second_us;
}

void plan_shape(Plan& plan, Chance& chance, uint32_t voters, uint32_t more) {
    uint64_t roll = chance.below(100);
    plan.voters = roll < 20 ? 1 : roll < 80 ? 3 : 5;
    uint32_t observers = plan.voters == 3 && roll % 5 == 0 ? 1 : 0;
    if (voters != 0) plan.voters = voters, observers = more;
    plan.nodes = plan.voters + observers;
}

// Between machines, beside what a single one suffers from.
void plan_trouble(Plan& plan, Chance& chance) {
    if (chance.percent(40)) plan.drift_ppm_max = chance.pick({500u, 5'000u, 30'000u});
    if (plan.nodes == 1) return;
    if (chance.percent(60)) plan.partition_every_us = chance.between(1, 4) * second_us;
    if (chance.percent(25)) plan.slow_link_every_us = 2 * second_us;
    plan.slow_link_us_max = chance.pick({5'000u, 100'000u, 1'000'000u});
    plan.crash_many_percent = chance.pick({0u, 0u, 30u});
    if (chance.percent(20)) plan.move_percent = 40;
    if (chance.percent(20)) plan.slow_names_permille = 100;
    if (chance.percent(20)) plan.lost_names_permille = 200;
    plan.flip_percent = 0;
    if (plan.voters < 3) return;
    if (chance.percent(25)) {
        plan.reconfig_permille = chance.pick({20u, 100u, 400u});
        plan.config.reconfig_enabled = plan.config.skip_acl = true;
        plan.config.standalone_enabled = chance.percent(50);
        return;
    }
    if (chance.percent(20)) plan.wipe_every_us = 3 * second_us;
    if (chance.percent(20)) plan.damage_every_us = 2 * second_us;
}

}  // namespace

Config config_of(const Plan& plan, uint32_t number) {
    Config config = plan.config;
    if (plan.nodes == 1) return config;
    config.my_id = number;
    config.init_limit_ticks = 10;
    config.sync_limit_ticks = 5;
    config.quorum_secret = "sesame";
    config.observer = number > plan.voters;
    for (uint32_t each = 1; each <= plan.nodes; ++each) {
        Member member;
        member.id = each;
        member.addresses = {
            {.host = "n" + std::to_string(each), .peer_port = 2888, .election_port = 3888}};
        member.observer = each > plan.voters;
        member.client_port = 2181;
        config.members.push_back(std::move(member));
    }
    return config;
}

bool leave_out(Plan& plan, std::string_view kind) {
    if (kind == "all") {
        for (std::string_view each :
             {"crash", "full", "stall", "wall", "drift", "partition", "slow", "reset", "log",
              "bulk", "sync", "flip", "wipe", "damage", "reconfig", "move", "noise"})
            leave_out(plan, each);
        return true;
    }
    uint64_t* field = kind == "crash"       ? &plan.crash_every_us
                      : kind == "full"      ? &plan.full_every_us
                      : kind == "stall"     ? &plan.stall_every_us
                      : kind == "wall"      ? &plan.wall_jump_every_us
                      : kind == "drift"     ? &plan.drift_ppm_max
                      : kind == "partition" ? &plan.partition_every_us
                      : kind == "slow"      ? &plan.slow_link_every_us
                      : kind == "reset"     ? &plan.resets_permille
                      : kind == "log"       ? &plan.log_error_every_us
                      : kind == "bulk"      ? &plan.bulk_errors_permille
                      : kind == "sync"      ? &plan.slow_sync_permille
                      : kind == "flip"      ? &plan.flip_percent
                      : kind == "wipe"      ? &plan.wipe_every_us
                      : kind == "damage"    ? &plan.damage_every_us
                      : kind == "reconfig"  ? &plan.reconfig_permille
                      : kind == "move"      ? &plan.move_percent
                                            : nullptr;
    if (kind == "purge") field = &plan.config.purge_interval_ms;
    if (kind == "noise") return plan.hostile = false, true;
    if (field == nullptr) return false;
    *field = 0;
    return true;
}

Plan make_plan(Chance& chance, uint32_t voters, uint32_t observers) {
    Plan plan;
    Chance beside = chance.fork();
    plan_shape(plan, beside, voters, observers);
    plan_server(plan.config, chance);
    plan_disk(plan, chance);
    plan.clients = static_cast<uint32_t>(chance.between(1, 7));
    plan.length_us = chance.between(3, 12) * second_us;
    plan.delay_us_max = chance.pick({100u, 2000u, 30000u});
    if (chance.percent(40)) plan.resets_permille = 3;
    plan.socket_bytes = chance.pick({500u, 8000u, 65536u});
    if (chance.percent(25)) plan.stall_every_us = 2 * second_us;
    if (chance.percent(25)) plan.wall_jump_every_us = 2 * second_us;
    plan.depth_max = chance.pick({1u, 4u, 16u, 64u});
    plan.requests = chance.pick({300u, 1000u, 3000u});
    plan.hostile = chance.percent(30);
    plan_trouble(plan, beside);
    return plan;
}

}  // namespace zk::sim
