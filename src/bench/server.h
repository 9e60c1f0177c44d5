// server.h -- what the servers under load cost: CPU time and memory of their processes.
//
// Owns the list of their process ids. A server on this machine is found by its listening port, as
// far as /proc lets us look; otherwise there is nothing to say, and `known` is false.

#pragma once

#include <cstdint>
#include <vector>

#include "client/options.h"

namespace zk {

class ServerProcesses {
public:
    // The given ones, or those found for the servers that are named by a loopback address.
    ServerProcesses(const std::vector<int>& pids, const std::vector<ServerName>& servers);

    bool known() const { return !pids_.empty(); }
    const std::vector<int>& pids() const { return pids_; }
    bool running() const;  // all of them, still
    // All threads, those that have ended too, and children that were waited for.
    double cpu_seconds() const;
    uint64_t resident_bytes() const;

private:
    std::vector<int> pids_;
};

double own_cpu_seconds();

}  // namespace zk
