// bench.h -- one run of zk-bench: connect, prepare, run the workloads, clean up, report.
//
// Owns the loop, the sessions, the znodes and the results. Workloads get it as their world.

#pragma once

#include <memory>
#include <vector>

#include "bench/options.h"
#include "bench/report.h"
#include "bench/server.h"
#include "bench/tally.h"
#include "bench/tree.h"
#include "bench/workload.h"

namespace zk {

class Bench {
public:
    explicit Bench(BenchOptions options);

    // The process's exit status.
    int run();

    // For the workloads.
    const BenchOptions& options() const { return options_; }
    Loop& loop() { return loop_; }
    Tree& tree() { return tree_; }
    const ServerProcesses& servers() const { return servers_; }
    const std::string& data() const { return data_; }
    FleetOptions fleet_options() const;
    // With all its sessions (-c).
    Result<Fleet*> fleet();
    uint64_t operations(uint64_t usual) const;  // usual: where neither -n nor -t was given
    uint64_t time_ns() const { return static_cast<uint64_t>(options_.seconds * 1e9); }
    // A directory that no earlier workload has used.
    std::string fresh_directory();
    Observer observer() { return progress_.observer(); }
    // Lets --hold pass.
    void hold(const Fleet& held);
    // Pumps, and measures it.
    Result<void> pump(Feed feed, uint64_t operations_usual, Tally& tally);

private:
    Result<void> prepare();
    Result<Tally> run_one(const Workload& workload);
    Result<void> clean_up();

    BenchOptions options_;
    Loop loop_;
    ServerProcesses servers_;
    Progress progress_;
    Fleet fleet_;
    Tree tree_;
    std::string data_;
    uint64_t directories_ = 0;
    bool claimed_ = false;
};

}  // namespace zk
