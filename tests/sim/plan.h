// plan.h -- what one seed's world is like: how many machines, settings of the servers, and how
// unkind everything is.

#pragma once

#include <string_view>

#include "chance.h"
#include "wire/options.h"

namespace zk::sim {

struct Plan {
    uint32_t nodes = 1;   // machines in all, and
    uint32_t voters = 1;  // those that vote: the first ones
    Config config;        // that all have in common
    uint32_t clients = 4;
    uint64_t length_us = 10'000'000;  // of the part with faults

    // The network. A permille is of the pieces sent, or of the connections made.
    uint64_t delay_us_max = 2'000;
    uint64_t resets_permille = 0;
    uint64_t socket_bytes = 65536;  // what a socket takes before `send` leaves something over

    uint64_t slow_names_permille = 0;  // of look-ups
    uint64_t lost_names_permille = 0;
    uint64_t slow_link_us_max = 0;     // some ways take that much longer
    uint64_t drift_ppm_max = 0;        // of clocks, in either direction

    // The disk.
    uint64_t write_us_max = 200;
    uint64_t sync_us_max = 5'000;
    uint64_t slow_sync_permille = 0;  // of syncs that take up to two seconds
    uint64_t bulk_errors_permille = 0;

    // What happens now and then; 0: never. Times are means.
    uint64_t crash_every_us = 0;
    uint64_t power_loss_percent = 50;  // of crashes; the others kill the process only
    uint64_t stop_percent = 0;         // of crashes that are orderly stops instead
    uint64_t full_every_us = 0;
    uint64_t log_error_every_us = 0;
    uint64_t stall_every_us = 0;
    uint64_t wall_jump_every_us = 0;
    uint64_t partition_every_us = 0;
    uint64_t slow_link_every_us = 0;
    uint64_t crash_many_percent = 0;  // of crashes that take several machines
    uint64_t move_percent = 0;        // of crashes after which the address is another
    uint64_t wipe_every_us = 0;    // a machine comes back blank
    uint64_t damage_every_us = 0;  // or with flipped bits in its log or a snapshot
    uint64_t flip_percent = 0;  // of restarts, tried on a copy of the disk

    // Clients.
    uint32_t depth_max = 8;
    uint64_t requests = 1000;  // of all clients together, about
    bool hostile = false;
    uint64_t reconfig_permille = 0;  // of the requests of one client
};

// How many nodes; 0 voters: as chance has it.
Plan make_plan(Chance& chance, uint32_t voters, uint32_t observers = 0);
// Takes one kind of trouble away: "crash", "full", "stall", ... or all. False: there is no such.
bool leave_out(Plan& plan, std::string_view kind);
// What machine `number` is told.
Config config_of(const Plan& plan, uint32_t number);

}  // namespace zk::sim
