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
    uint64_t rate = 0;        // requests a second that are due, over all connections; 0: no limit
    bool slices = false;      // tell each second's results, too
    double hold_seconds = 0;  // how long `idle` and `watches` stay
    uint32_t data_size = 100;
    std::vector<std::string> workloads;
    uint64_t znodes = 10'000;
    uint32_t parents = 100;
    uint32_t read_percent = 90;  // of `mixed`
    uint64_t large = 0;          // znodes under one further parent
    uint32_t name_bytes = 11;    // of a znode's last component
    uint32_t empty_percent = 0;  // znodes without data, when they are made
    uint32_t batch = 10;         // parts of one transaction of `multi` and `creates`
    uint32_t watched = 1;        // znodes that each connection watches in `watch`
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
