// options.cc -- see options.h.

#include "bench/options.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "bench/workload.h"

namespace zk {

namespace {

constexpr std::string_view servers_default = "localhost:2181";
constexpr std::string_view workloads_default = "create,set,get,ls,mixed,multi";
constexpr uint64_t parents_max = 999'999;  // six digits, and one further parent
constexpr uint64_t znodes_max = 1'000'000'000;
constexpr uint64_t data_size_max = 1'000'000;  // ZooKeeper takes frames of up to 1 MiB

struct Row {
    char letter;  // 0: it has none
    std::string_view name;
    std::string_view value;  // what its value is called; empty: it takes none
    std::string_view help;
    Result<void> (*set)(BenchOptions& options, std::string_view value);
};

Error bad(std::string_view value, std::string_view wanted) {
    return Error{.text =
                     "is to be " + std::string(wanted) + ", not \"" + std::string(value) + "\""};
}

template <typename T>
bool parse(std::string_view text, T& value) {
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

template <auto member, uint64_t least, uint64_t most>
Result<void> set_number(BenchOptions& options, std::string_view value) {
    uint64_t number = 0;
    if (!parse(value, number) || number < least || number > most)
        return bad(value, "a number from " + std::to_string(least) + " to " + std::to_string(most));
    using Member = std::remove_reference_t<decltype(options.*member)>;
    options.*member = static_cast<Member>(number);
    return {};
}

template <auto member>
Result<void> set_flag(BenchOptions& options, std::string_view) {
    options.*member = true;
    return {};
}

Result<void> set_server(BenchOptions& options, std::string_view value) {
    Result<ConnectString> parsed = parse_connect_string(value);
    if (!parsed) return parsed.error();
    options.servers = std::move(*parsed);
    return {};
}

template <auto member>
Result<void> set_seconds(BenchOptions& options, std::string_view value) {
    double& seconds = options.*member;
    if (!parse(value, seconds) || !(seconds > 0) || seconds > 1e6)
        return bad(value, "a number of seconds");
    return {};
}

std::vector<std::string_view> split(std::string_view text) {
    std::vector<std::string_view> parts;
    while (true) {
        size_t comma = text.find(',');
        parts.push_back(text.substr(0, comma));
        if (comma == text.npos) return parts;
        text.remove_prefix(comma + 1);
    }
}

Result<void> set_workloads(BenchOptions& options, std::string_view value) {
    options.workloads.clear();
    for (std::string_view name : split(value)) {
        if (find_workload(name) == nullptr)
            return Error{.text = "there is no workload \"" + std::string(name) + "\" (see --help)"};
        options.workloads.emplace_back(name);
    }
    return {};
}

Result<void> set_pids(BenchOptions& options, std::string_view value) {
    options.pids.clear();
    for (std::string_view text : split(value)) {
        int pid = 0;
        if (!parse(text, pid) || pid <= 0) return bad(value, "process ids, with commas between");
        options.pids.push_back(pid);
    }
    return {};
}

using O = BenchOptions;

constexpr std::array rows = {
    Row{'s', "server", "HOST:PORT,...", "where to connect; else $ZK_SERVERS, else localhost:2181",
        set_server},
    Row{'w', "workload", "NAME,...", "what to do, one after the other (see below)", set_workloads},
    Row{'c', "connections", "N", "sessions at a time (50)", set_number<&O::connections, 1, 60'000>},
    Row{'d', "depth", "N", "outstanding requests on each connection (1)",
        set_number<&O::depth, 1, 100'000>},
    Row{'n', "operations", "N", "how many of each workload (see below)",
        set_number<&O::operations, 1, 1'000'000'000'000>},
    Row{'t', "time", "SECONDS", "how long each workload goes on, instead of -n",
        set_seconds<&O::seconds>},
    Row{0, "rate", "N",
        "requests a second, due in lots of a millisecond whether answers come\n"
        "or not; latency counts from then. At most -d each are outstanding",
        set_number<&O::rate, 1, 100'000'000>},
    Row{0, "slices", "", "each whole second's operations and latencies, too (--json)",
        set_flag<&O::slices>},
    Row{0, "hold", "SECONDS", "how long idle and watches stay before they leave (0)",
        set_seconds<&O::hold_seconds>},
    Row{0, "size", "BYTES", "of the data of a znode (100)",
        set_number<&O::data_size, 0, data_size_max>},
    Row{0, "znodes", "N", "that are read and set, made beforehand (10000)",
        set_number<&O::znodes, 1, znodes_max>},
    Row{0, "parents", "N", "that they lie under (100)", set_number<&O::parents, 1, parents_max>},
    Row{0, "large", "N", "of them lie under one further parent (0)",
        set_number<&O::large, 0, znodes_max>},
    Row{0, "name", "BYTES", "of a znode's own name, without its parents' (11)",
        set_number<&O::name_bytes, 11, 255>},
    Row{0, "empty", "PERCENT", "of them are made without data (0)",
        set_number<&O::empty_percent, 0, 100>},
    Row{0, "reads", "PERCENT", "of mixed: gets, the rest sets (90)",
        set_number<&O::read_percent, 0, 100>},
    Row{0, "batch", "N", "sets, or creates, in one transaction (10)",
        set_number<&O::batch, 1, 10'000>},
    Row{0, "watched", "N", "znodes that each connection watches in watch (1)",
        set_number<&O::watched, 1, 1'000>},
    Row{0, "pid", "PID,...",
        "of the servers, for their CPU time and memory; found without help\n"
        "on this machine",
        set_pids},
    Row{0, "timeout", "MS", "of the sessions (30000)",
        set_number<&O::session_timeout_ms, 1, 86'400'000>},
    Row{0, "seed", "N", "of the random choice of znodes (1)", set_number<&O::seed, 0, UINT64_MAX>},
    Row{0, "keep", "", "leave /zk-bench in place, for the next run to use", set_flag<&O::keep>},
    Row{0, "json", "", "results as one JSON object on standard output", set_flag<&O::json>},
    Row{'q', "quiet", "", "one line a workload, and no progress", set_flag<&O::quiet>},
    Row{'h', "help", "", "this text", set_flag<&O::help>},
    Row{0, "version", "", "which version this is", set_flag<&O::version>},
};

const Row* find_row(std::string_view name) {
    for (const Row& row : rows)
        if (name == row.name) return &row;
    return nullptr;
}

const Row* find_row(char letter) {
    for (const Row& row : rows)
        if (letter == row.letter) return &row;
    return nullptr;
}

// What an argument says: --name, --name=value, -x, -xvalue.
struct Spelled {
    const Row* row = nullptr;
    bool has_value = false;
    std::string_view value;
};

Spelled spelled(std::string_view text) {
    Spelled found;
    if (text.starts_with("--")) {
        std::string_view name = text.substr(2);
        size_t equals = name.find('=');
        found.row = find_row(name.substr(0, equals));
        found.has_value = equals != name.npos;
        if (found.has_value) found.value = name.substr(equals + 1);
    } else if (text.size() >= 2 && text[0] == '-') {
        found.row = find_row(text[1]);
        found.has_value = text.size() > 2;
        found.value = text.substr(2);
    }
    return found;
}

Result<void> check_together(const BenchOptions& options) {
    if (options.operations != 0 && options.seconds > 0)
        return Error{.text = "-n and -t: one or the other"};
    if (options.parents > options.znodes)
        return Error{.text = "--parents " + std::to_string(options.parents) +
                             " is more than --znodes " + std::to_string(options.znodes)};
    if (options.large + options.parents > options.znodes && options.large > 0)
        return Error{.text = "--large " + std::to_string(options.large) +
                             " leaves fewer of --znodes " + std::to_string(options.znodes) +
                             " than there are --parents"};
    if (options.slices && !options.json) return Error{.text = "--slices is for --json"};
    if (uint64_t{options.watched} * (options.data_size + 100) > data_size_max)
        return Error{.text = "--watched " + std::to_string(options.watched) + " of --size " +
                             std::to_string(options.data_size) +
                             " makes requests of more than a megabyte"};
    if (uint64_t{options.batch} * (options.data_size + 100) > data_size_max)
        return Error{.text = "--batch " + std::to_string(options.batch) + " of --size " +
                             std::to_string(options.data_size) +
                             " makes requests of more than a megabyte"};
    return {};
}

std::string padded(std::string text, size_t width) {
    if (text.size() < width) text.append(width - text.size(), ' ');
    return text;
}

// `help` beside its column; its further lines below its first.
std::string beside(std::string column, size_t width, std::string_view help) {
    std::string text = padded(std::move(column), width);
    for (char c : help) {
        text += c;
        if (c == '\n') text.append(width, ' ');
    }
    return text + "\n";
}

}  // namespace

Result<BenchOptions> read_bench_options(std::span<const char* const> arguments,
                                        const char* servers) {
    BenchOptions options;
    bool parents_given = false;
    for (size_t at = 0; at < arguments.size(); ++at) {
        std::string text = arguments[at];
        Spelled found = spelled(text);
        if (found.row == nullptr) return Error{.text = "unknown option " + text + " (see --help)"};
        if (found.row->value.empty() && found.has_value)
            return Error{.text = text + ": this option takes no value"};
        if (!found.row->value.empty() && !found.has_value) {
            if (at + 1 == arguments.size()) return Error{.text = text + " needs a value"};
            found.value = arguments[++at];
        }
        if (Result<void> set = found.row->set(options, found.value); !set)
            return Error{.text = "--" + std::string(found.row->name) + ": " + set.error().text};
        if (found.row->name == "parents") parents_given = true;
    }
    uint64_t spread = options.znodes - std::min(options.large, options.znodes - 1);
    if (!parents_given && options.parents > spread) options.parents = static_cast<uint32_t>(spread);
    if (Result<void> checked = check_together(options); !checked) return checked.error();
    if (options.workloads.empty())
        if (Result<void> set = set_workloads(options, workloads_default); !set) return set.error();
    if (!options.servers.servers.empty()) return options;
    bool given = servers != nullptr && *servers != '\0';
    if (Result<void> set = set_server(options, given ? servers : servers_default); !set)
        return Error{.text = "$ZK_SERVERS: " + set.error().text};
    return options;
}

std::string bench_help() {
    std::string text =
        "usage: zk-bench [options]\n"
        "Loads any server that speaks the ZooKeeper protocol, and says how it did.\n\n";
    for (const Row& row : rows) {
        std::string left = "      --";
        if (row.letter != 0) left = "  -" + std::string(1, row.letter) + ", --";
        left += row.name;
        if (!row.value.empty()) left += " " + std::string(row.value);
        text += beside(std::move(left), 30, row.help);
    }
    text += "\nWorkloads, and how often without -n or -t (by default ";
    text += workloads_default;
    text += "):\n";
    for (const Workload& workload : workloads()) {
        std::string often = workload.operations == 0 ? std::string(workload.extent)
                                                     : std::to_string(workload.operations);
        std::string left = padded("  " + std::string(workload.name), 13) + often;
        text += beside(std::move(left), 24, workload.help);
    }
    text +=
        "\nEverything is made below /zk-bench, which is removed at the end. Latency is the time\n"
        "from a request's making to its reply. A reply that is not the right one is an error.\n"
        "Exit status: 0, 1 if there were errors, 2 for a wrong command line or no server.\n"
        "\nExamples:\n"
        "  zk-bench                                the usual workloads at localhost:2181\n"
        "  zk-bench -c 64 -d 16 -w get,set -t 10   64 pipelining connections, ten seconds each\n"
        "  zk-bench -c 1 -w create -n 10000        how long one write takes\n"
        "  zk-bench -s zk1,zk2,zk3/app -w mixed --reads 99 --json\n"
        "  zk-bench -w fill --znodes 1000000 --parents 1000 -c 16 -d 64 --keep\n"
        "  zk-bench -w set -c 64 -d 64 --rate 100000 -t 10   at that pace, like clients that do "
        "not wait\n"
        "  zk-bench -w storm -c 5000               5000 clients that come at the same time\n";
    return text;
}

}  // namespace zk
