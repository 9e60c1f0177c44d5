// zk_bench.cc -- the main of zk-bench: options, a run, its exit status.

#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "base/version.h"
#include "bench/bench.h"

int main(int argc, char** argv) {
    using namespace zk;
    signal(SIGPIPE, SIG_IGN);
    std::span<const char* const> arguments(argv + 1, static_cast<size_t>(argc - 1));
    Result<BenchOptions> options = read_bench_options(arguments, getenv("ZK_SERVERS"));
    if (!options) {
        fprintf(stderr, "zk-bench: %s\n", options.error().text.c_str());
        return 2;
    }
    if (options->help) {
        fputs(bench_help().c_str(), stdout);
        return 0;
    }
    if (options->version) {
        puts("zk-bench " ZKD_VERSION);
        return 0;
    }
    return Bench(std::move(*options)).run();
}
