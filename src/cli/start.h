// start.h -- the program's own command line: where to connect, and what to do there.
//
//     zk-cli [options] [command words...]
//
// Options come first; the first word without a dash is the command, and all behind it is its own.
// They are written with one dash, as zkCli.sh does, or with two.

#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "client/sync.h"

namespace zk {

struct Start {
    SyncOptions session;
    bool keep_going = false;
    bool pipeline = false;
    bool json = false;
    bool help = false;
    bool man = false;
    std::string completion;                     // of this shell
    std::optional<std::string> complete;        // this line
    bool version = false;
    std::vector<std::string> command;  // empty: the REPL, or lines from standard input
};

// `servers` is what stands in for -server where that is missing: $ZK_SERVERS, may be nullptr.
Result<Start> read_start(std::span<const char* const> arguments, const char* servers);
std::string start_help();

// For the man page.
struct StartOption {
    std::string_view name;
    std::string_view value;  // what its value is called; empty: it takes none
    std::string_view help;
};
std::vector<StartOption> start_options();
struct StartVariable {
    std::string_view name;  // of the environment
    std::string_view help;
};
std::span<const StartVariable> start_variables();

}  // namespace zk
