// tally.h -- what one workload came to.
//
// A Tally is a record, filled in by the workload and read by report.cc. A Stopwatch adds to it what
// passes between start and stop: time, CPU of the servers and our own.

#pragma once

#include <map>
#include <string>
#include <vector>

#include "bench/histogram.h"
#include "bench/server.h"
#include "client/loop.h"
#include "wire/protocol.h"

namespace zk {

struct Tally {
    std::string workload;
    uint64_t done = 0;    // operations that were answered rightly
    uint64_t errors = 0;  // all others; <= the sum over `codes` and `wrong`
    std::map<Err, uint64_t> codes;
    uint64_t wrong = 0;  // answered ok, but not with what was asked for
    Histogram latency;   // of those in `done`
    uint64_t elapsed_ns = 0;
    bool servers_known = false;
    double server_cpu_seconds = 0;
    double own_cpu_seconds = 0;
    uint64_t resident_before = 0;
    uint64_t resident_after = 0;
    std::string_view item;  // what `done` counts where its memory is of interest: "znode"
    std::string note;       // for people

    struct Slice {  // a second of the run
        uint64_t done = 0;
        uint64_t p50_ns = 0;
        uint64_t p999_ns = 0;
        uint64_t max_ns = 0;
    };
    std::vector<Slice> slices;
    uint64_t started_ns = 0;  // of the monotonic clock, where `slices` began

    uint64_t total() const { return done + errors; }
    void add_error(Err err) {
        ++errors;
        if (err == Err::ok)
            ++wrong;
        else
            ++codes[err];
    }
};

class Stopwatch {
public:
    Stopwatch(const ServerProcesses& servers, Tally& tally) : servers_(servers), tally_(tally) {}

    void start() {
        tally_.servers_known = servers_.known() && servers_.running();
        if (tally_.resident_before == 0) tally_.resident_before = servers_.resident_bytes();
        own_cpu_ = own_cpu_seconds();
        server_cpu_ = servers_.cpu_seconds();
        started_ns_ = Loop::now_ns();
    }
    void stop() {
        tally_.elapsed_ns += Loop::now_ns() - started_ns_;
        tally_.server_cpu_seconds += servers_.cpu_seconds() - server_cpu_;
        tally_.own_cpu_seconds += own_cpu_seconds() - own_cpu_;
        tally_.resident_after = servers_.resident_bytes();
        if (!servers_.running()) tally_.servers_known = false;  // what was read is worth nothing
    }

private:
    const ServerProcesses& servers_;
    Tally& tally_;
    double server_cpu_ = 0;
    double own_cpu_ = 0;
    uint64_t started_ns_ = 0;
};

}  // namespace zk
