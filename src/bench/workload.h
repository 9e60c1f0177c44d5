// workload.h -- the workloads, a row each.
//
// Holds no state. A row's handler runs its workload once and fills in the tally; the parser, --help
// and the report follow from the table (workload.cc).

#pragma once

#include <span>
#include <string_view>

#include "base/result.h"

namespace zk {

class Bench;
struct Tally;

struct Workload {
    std::string_view name;
    uint64_t operations;  // where neither -n nor -t is given; 0: `extent` says
    std::string_view extent;
    bool needs_znodes;  // the key space is made before
    std::string_view help;
    // The error: it could not be run, or not to its end.
    Result<void> (*run)(Bench& bench, Tally& tally);
};

std::span<const Workload> workloads();
const Workload* find_workload(std::string_view name);  // nullptr: there is none

// traffic.cc: requests of one kind or two, pipelined.
Result<void> run_create(Bench& bench, Tally& tally);
Result<void> run_set(Bench& bench, Tally& tally);
Result<void> run_get(Bench& bench, Tally& tally);
Result<void> run_exists(Bench& bench, Tally& tally);
Result<void> run_ls(Bench& bench, Tally& tally);
Result<void> run_mixed(Bench& bench, Tally& tally);
Result<void> run_multi(Bench& bench, Tally& tally);
Result<void> run_creates(Bench& bench, Tally& tally);
Result<void> run_fill(Bench& bench, Tally& tally);
// watching.cc
Result<void> run_watch(Bench& bench, Tally& tally);
Result<void> run_watches(Bench& bench, Tally& tally);
Result<void> run_watch_all(Bench& bench, Tally& tally);
// crowd.cc: connections that come and go.
Result<void> run_sessions(Bench& bench, Tally& tally);
Result<void> run_storm(Bench& bench, Tally& tally);
Result<void> run_idle(Bench& bench, Tally& tally);

}  // namespace zk
