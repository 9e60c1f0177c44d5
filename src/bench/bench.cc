// bench.cc -- see bench.h.

#include "bench/bench.h"

#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>

namespace zk {

namespace {

constexpr uint32_t tick_ms = 100;

// Ten thousand connections want ten thousand descriptors.
void raise_descriptor_limit() {
    rlimit limit = {};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

void complain(const Error& error) { fprintf(stderr, "zk-bench: %s\n", error.text.c_str()); }

}  // namespace

Bench::Bench(BenchOptions options)
    : options_(std::move(options)),
      loop_(tick_ms),
      servers_(options_.pids, options_.servers.servers),
      progress_(!options_.quiet && isatty(STDERR_FILENO) == 1),
      fleet_(loop_, fleet_options()),
      tree_(loop_, fleet_,
            TreePlan{.root = options_.servers.chroot + "/zk-bench",
                     .znodes = options_.znodes,
                     .parents = options_.parents,
                     .large = options_.large,
                     .name_bytes = options_.name_bytes,
                     .empty_percent = options_.empty_percent,
                     .data_size = options_.data_size,
                     .data_seed = options_.seed}),
      data_(make_data(options_.data_size, options_.seed)) {
    raise_descriptor_limit();
}

FleetOptions Bench::fleet_options() const {
    return {.servers = options_.servers.servers,
            .session_timeout_ms = options_.session_timeout_ms,
            .seed = options_.seed};
}

Result<Fleet*> Bench::fleet() {
    if (Result<void> grown = fleet_.grow(options_.connections); !grown) return grown.error();
    return &fleet_;
}

uint64_t Bench::operations(uint64_t usual) const {
    if (options_.operations != 0) return options_.operations;
    return options_.seconds > 0 ? UINT64_MAX : usual;
}

std::string Bench::fresh_directory() {
    return tree_.plan().root + "/new" + std::to_string(++directories_);
}

Result<void> Bench::pump(Feed feed, uint64_t operations_usual, Tally& tally) {
    PumpLimits limits{.depth = options_.depth,
                      .operations = operations(operations_usual),
                      .time_ns = time_ns(),
                      .rate = options_.rate,
                      .slices = options_.slices};
    Pump pump(loop_, fleet_, feed, limits, tally);
    Stopwatch watch(servers_, tally);
    watch.start();
    Result<void> ran = pump.run(observer());
    watch.stop();
    return ran;
}

void Bench::hold(const Fleet& held) {
    uint64_t end_ns = Loop::now_ns() + static_cast<uint64_t>(options_.hold_seconds * 1e9);
    while (Loop::now_ns() < end_ns && !held.broken() && !loop_.interrupted()) loop_.turn();
}

Result<void> Bench::prepare() {
    progress_.begin("connecting");
    if (Result<void> grown = fleet_.grow(1); !grown) return grown.error();
    progress_.begin("clearing away what an earlier run left");
    if (Result<void> claimed = tree_.claim(observer()); !claimed) return claimed.error();
    claimed_ = true;
    return {};
}

Result<Tally> Bench::run_one(const Workload& workload) {
    if (workload.needs_znodes && !tree_.filled()) {
        if (Result<Fleet*> grown = fleet(); !grown) return grown.error();
        progress_.begin("making znodes");
        Tally making;
        if (Result<void> filled = tree_.fill(making, 0, observer()); !filled) return filled.error();
    }
    Tally tally;
    tally.workload = workload.name;
    progress_.begin(workload.name);
    if (loop_.interrupted()) return tally;
    if (Result<void> ran = workload.run(*this, tally); !ran)
        return Error{.text = tally.workload + ": " + ran.error().text};
    return tally;
}

Result<void> Bench::clean_up() {
    if (!claimed_ || options_.keep || fleet_.broken()) return {};
    loop_.forget_interrupt();
    progress_.begin("cleaning up");
    return tree_.remove(observer());
}

int Bench::run() {
    if (Result<void> prepared = prepare(); !prepared) {
        progress_.end();
        complain(prepared.error());
        return 2;
    }
    Report report(options_, servers_);
    bool failed = false;
    for (const std::string& name : options_.workloads) {
        Result<Tally> tally = run_one(*find_workload(name));
        progress_.end();
        if (!tally) {
            complain(tally.error());
            failed = true;
            break;
        }
        failed = failed || tally->errors > 0;
        if (tally->total() > 0 || !loop_.interrupted()) report.add(*tally);
        if (loop_.interrupted()) {
            complain({.text = "interrupted"});
            failed = true;
            break;
        }
    }
    if (Result<void> cleaned = clean_up(); !cleaned) {
        progress_.end();
        complain(cleaned.error());
        failed = true;
    }
    progress_.end();
    report.finish();
    if (!fleet_.broken()) fleet_.close();
    return failed ? 1 : 0;
}

}  // namespace zk
