// options.h -- the command line of zk-bench.
//
// Holds no state. One table gives the parser, its errors and --help; see options.cc.

#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "client/options.h"

namespace zk {

struct BenchOptions {
    ConnectString servers;
    uint32_t connections = 50;
    uint32_t depth = 1;       // outstanding requests a connection
    uint64_t operations = 0;  // 0: the workload's own default
    double seconds = 0;       // 0: until `operations` are done
    double hold_seconds = 0;  // how long `idle` and `watches` stay
    uint32_t data_size = 100;
    std::vector<std::string> workloads;
    uint64_t znodes = 10'000;
    uint32_t parents = 100;
    uint32_t read_percent = 90;  // of `mixed`
    uint32_t batch = 10;         // sets in one transaction of `multi`
    std::vector<int> pids;       // of the servers
    uint64_t seed = 1;
    int32_t session_timeout_ms = 30'000;
    bool keep = false;
    bool json = false;
    bool quiet = false;
    bool help = false;
    bool version = false;
};

// `servers` is what stands in for --server where that is missing: $ZK_SERVERS, may be nullptr.
Result<BenchOptions> read_bench_options(std::span<const char* const> arguments,
                                        const char* servers);
std::string bench_help();

}  // namespace zk
