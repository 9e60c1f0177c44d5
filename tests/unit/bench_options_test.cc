// bench_options_test.cc -- the command line of zk-bench, and what it prints.

#include <doctest/doctest.h>

#include "bench/options.h"
#include "bench/report.h"
#include "bench/tree.h"
#include "bench/workload.h"

using namespace zk;

namespace {

Result<BenchOptions> read(std::vector<const char*> arguments, const char* servers = nullptr) {
    return read_bench_options(arguments, servers);
}

std::string error_of(std::vector<const char*> arguments) {
    Result<BenchOptions> options = read(std::move(arguments));
    return options ? "" : options.error().text;
}

}  // namespace

TEST_CASE("zk-bench without arguments has a server and workloads") {
    Result<BenchOptions> options = read({});
    REQUIRE(options);
    CHECK(options->servers.servers == std::vector<ServerName>{{"localhost", 2181}});
    CHECK(options->workloads.size() == 6);
    CHECK(options->connections == 50);
    CHECK(options->depth == 1);
}

TEST_CASE("options are written in every usual way") {
    for (const auto& arguments :
         std::vector<std::vector<const char*>>{{"-c", "64", "-d", "16", "-q"},
                                               {"-c64", "-d16", "-q"},
                                               {"--connections", "64", "--depth", "16", "--quiet"},
                                               {"--connections=64", "--depth=16", "--quiet"}}) {
        Result<BenchOptions> options = read(arguments);
        REQUIRE(options);
        CHECK(options->connections == 64);
        CHECK(options->depth == 16);
        CHECK(options->quiet);
    }
}

TEST_CASE("servers come from the option, else from the environment") {
    Result<BenchOptions> given = read({"-s", "a:1,b:2/app"}, "c:3");
    REQUIRE(given);
    CHECK(given->servers.servers == std::vector<ServerName>{{"a", 1}, {"b", 2}});
    CHECK(given->servers.chroot == "/app");
    Result<BenchOptions> environment = read({}, "c:3");
    REQUIRE(environment);
    CHECK(environment->servers.servers == std::vector<ServerName>{{"c", 3}});
}

TEST_CASE("lists are separated by commas") {
    Result<BenchOptions> options = read({"-w", "get,storm", "--pid", "12,34"});
    REQUIRE(options);
    CHECK(options->workloads == std::vector<std::string>{"get", "storm"});
    CHECK(options->pids == std::vector<int>{12, 34});
}

TEST_CASE("fewer znodes than the usual parents have a parent each") {
    Result<BenchOptions> options = read({"--znodes", "7"});
    REQUIRE(options);
    CHECK(options->parents == 7);
}

TEST_CASE("parents are for the znodes that do not lie under the large one") {
    Result<BenchOptions> options = read({"--znodes", "1000", "--large", "950"});
    REQUIRE(options);
    CHECK(options->parents == 50);
}

TEST_CASE("a pace, slices and the shape of the tree are options") {
    Result<BenchOptions> options =
        read({"--rate", "5000", "--json", "--slices", "--znodes", "1000", "--large", "500",
              "--name", "24", "--empty", "50", "--watched", "100"});
    REQUIRE(options);
    CHECK(options->rate == 5000);
    CHECK(options->slices);
    CHECK(options->large == 500);
    CHECK(options->name_bytes == 24);
    CHECK(options->empty_percent == 50);
    CHECK(options->watched == 100);
}

TEST_CASE("a wrong command line is told apart") {
    struct Row {
        std::vector<const char*> arguments;
        const char* error;
    };
    const Row rows[] = {
        {{"--wat"}, "unknown option --wat (see --help)"},
        {{"get"}, "unknown option get (see --help)"},
        {{"-c"}, "-c needs a value"},
        {{"-c", "0"}, "--connections: is to be a number from 1 to 60000, not \"0\""},
        {{"-c", "12x"}, "--connections: is to be a number from 1 to 60000, not \"12x\""},
        {{"-c", ""}, "--connections: is to be a number from 1 to 60000, not \"\""},
        {{"--json=1"}, "--json=1: this option takes no value"},
        {{"-t", "-1"}, "--time: is to be a number of seconds, not \"-1\""},
        {{"-t", "nan"}, "--time: is to be a number of seconds, not \"nan\""},
        {{"-w", "get,fly"}, "--workload: there is no workload \"fly\" (see --help)"},
        {{"--pid", "1,x"}, "--pid: is to be process ids, with commas between, not \"1,x\""},
        {{"-n", "5", "-t", "5"}, "-n and -t: one or the other"},
        {{"--znodes", "10", "--parents", "11"}, "--parents 11 is more than --znodes 10"},
        {{"--znodes", "10", "--large", "9", "--parents", "2"},
         "--large 9 leaves fewer of --znodes 10 than there are --parents"},
        {{"--slices"}, "--slices is for --json"},
        {{"--watched", "100", "--size", "100000"},
         "--watched 100 of --size 100000 makes requests of more than a megabyte"},
        {{"--batch", "100", "--size", "100000"},
         "--batch 100 of --size 100000 makes requests of more than a megabyte"},
    };
    for (const Row& row : rows) CHECK(error_of(row.arguments) == row.error);
}

TEST_CASE("help names every workload and fits a terminal") {
    std::string help = bench_help();
    for (const Workload& workload : workloads())
        CHECK(help.find("\n  " + std::string(workload.name) + " ") != help.npos);
    for (size_t at = 0; at < help.size();) {
        size_t end = help.find('\n', at);
        CHECK(end - at <= 100);
        at = end + 1;
    }
}

TEST_CASE("a znode's path has a fixed length and lies under its parent") {
    KeySpace keys("/zk-bench/keys", 100);
    Buffer out;
    keys.write_znode(out, 1234);
    Reader in(out.bytes());
    CHECK(read_text(in) == "/zk-bench/keys/p000034/n0000001234");
    CHECK(in.left() == 0);
    CHECK(keys.parent_path(34) == "/zk-bench/keys/p000034");
    out.clear();
    keys.write_parent(out, 7);
    Reader parent(out.bytes());
    CHECK(read_text(parent) == "/zk-bench/keys/p000007");
}

TEST_CASE("the first znodes lie under one further parent, where that is wanted") {
    KeySpace keys("/k", 100, 1000, 24);
    CHECK(keys.parents() == 101);
    for (auto [znode, path] :
         {std::pair<uint64_t, const char*>{0, "/k/p000100/n00000000000000000000000"},
          {999, "/k/p000100/n00000000000000000000999"},
          {1000, "/k/p000000/n00000000000000000001000"},
          {1234, "/k/p000034/n00000000000000000001234"}}) {
        Buffer out;
        keys.write_znode(out, znode);
        Reader in(out.bytes());
        CHECK(read_text(in) == path);
    }
}

TEST_CASE("errors are told by name and number") {
    Tally tally;
    CHECK(describe_errors(tally) == "");
    tally.add_error(Err::no_node);
    tally.add_error(Err::no_node);
    tally.add_error(Err::ok);
    CHECK(tally.errors == 3);
    CHECK(describe_errors(tally) == "NoNode 2, wrong answers 1");
}

TEST_CASE("rates are over all answers, memory over the right ones") {
    Tally tally;
    tally.done = 40'000;
    tally.errors = 10'000;
    tally.elapsed_ns = 500'000'000;
    tally.resident_before = 1'000'000;
    tally.resident_after = 5'000'000;
    CHECK(per_second(tally) == 100'000.0);
    CHECK(cpu_per_100k(0.25, tally) == 0.5);
    CHECK(bytes_per_item(tally) == 100.0);
}

TEST_CASE("JSON quotes what it must") {
    CHECK(json_text("a\"b\\c\n") == "\"a\\\"b\\\\c\\u000a\"");
    Tally tally;
    tally.workload = "get";
    tally.done = 1;
    tally.elapsed_ns = 1'000'000'000;
    tally.latency.add(1'000'000);
    CHECK(json_of(tally) ==
          "{\"workload\":\"get\",\"operations\":1,\"seconds\":1.000000,"
          "\"operations_per_second\":1.0,\"latency_ms\":{\"mean\":1.000000,\"p50\":1.000000,"
          "\"p90\":1.000000,\"p99\":1.000000,\"p99.9\":1.000000,\"max\":1.000000},"
          "\"own_cpu_seconds\":0.000000,\"own_cpu_seconds_per_100k\":0.000000,\"errors\":0,"
          "\"error_codes\":{}}");
}

TEST_CASE("JSON tells each second, where that is wanted") {
    Tally tally;
    tally.started_ns = 2'500'000'000;
    tally.slices = {{.done = 3, .p50_ns = 1'000'000, .p999_ns = 2'000'000, .max_ns = 3'000'000},
                    {}};
    CHECK(json_of(tally).find(
              ",\"started\":2.500000,\"slices\":["
              "{\"operations\":3,\"p50\":1.000000,\"p99.9\":2.000000,\"max\":3.000000},"
              "{\"operations\":0,\"p50\":0.000000,\"p99.9\":0.000000,\"max\":0.000000}]") !=
          std::string::npos);
}
