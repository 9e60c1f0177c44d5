// start.h -- the program's own command line: where to connect, and what to do there.
//
//     zk-cli [options] [command words...]
//
// Options come first; the first word without a dash is the command, and all behind it is its own.
// They are written with one dash, as zkCli.sh does, or with two. A config file and the environment
// come before them: see settings.h.

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
    bool zkcli = false;
    bool help = false;
    bool man = false;
    std::string completion;                     // of this shell
    std::optional<std::string> complete;        // this line
    bool version = false;
    int64_t deadline_ms = 0;           // 0: none
    std::vector<std::string> command;  // empty: the REPL, or lines from standard input
};

// Variables of the environment; nullptr: not set.
struct Surroundings {
    const char* servers = nullptr;    // ZK_SERVERS
    const char* style = nullptr;      // ZK_CLI_STYLE
    const char* auth = nullptr;       // ZK_AUTH
    const char* auth_file = nullptr;  // ZK_AUTH_FILE
    const char* config = nullptr;     // ZK_CLI_CONFIG
    const char* home = nullptr;       // HOME
};
Surroundings surroundings_of_process();

// Reads the config file, too, if there is one.
Result<Start> read_start(std::span<const char* const> arguments, const Surroundings& around);
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
