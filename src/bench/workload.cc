// workload.cc -- see workload.h.

#include "bench/workload.h"

#include <array>

namespace zk {

namespace {

constexpr std::array rows = {
    Workload{"create", 100'000, "", false, "new znodes with data", run_create},
    Workload{"set", 100'000, "", true, "set the data of random znodes", run_set},
    Workload{"get", 100'000, "", true, "read the data of random znodes", run_get},
    Workload{"exists", 100'000, "", true, "read the stat of random znodes", run_exists},
    Workload{"ls", 100'000, "", true, "list the children of random parents", run_ls},
    Workload{"mixed", 100'000, "", true, "gets and sets (--reads)", run_mixed},
    Workload{"multi", 10'000, "", true, "transactions of several sets (--batch)", run_multi},
    Workload{"creates", 10'000, "", false, "transactions of several creates (--batch)",
             run_creates},
    Workload{"watch", 100'000, "", false,
             "events: every connection watches the same znodes (--watched), which are\n"
             "set at once; latency is the time from the set to the last event",
             run_watch},
    Workload{"sessions", 10'000, "", false, "connect, make an ephemeral znode, close: -c at a time",
             run_sessions},
    Workload{"storm", 0, "-c", false, "connect, all at the same time", run_storm},
    Workload{"idle", 0, "-c", false, "open connections; memory of each", run_idle},
    Workload{"fill", 0, "--znodes", false, "make the znodes that others read; memory of each",
             run_fill},
    Workload{"watches", 0, "--znodes", true, "a watch on every znode; memory of each", run_watches},
    Workload{"watch-all", 0, "-c*znodes", true,
             "a watch of every connection on every znode; memory of each", run_watch_all},
};

}  // namespace

std::span<const Workload> workloads() { return rows; }

const Workload* find_workload(std::string_view name) {
    for (const Workload& row : rows)
        if (row.name == name) return &row;
    return nullptr;
}

}  // namespace zk
