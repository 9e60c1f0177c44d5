// options.h -- the settings: every key that a configuration file may hold, and what it sets.
//
// Layer 1. `Config` is what the server is told; a plain value, good as it stands: `Config{}` holds
// the defaults. `options()` is the one table of keys. Reading a file, overriding it on the command
// line, `--help`, `--check`, the four-letter word `conf` and the test of zk.conf derive from it.
//
// Keys are ZooKeeper's wherever it has one, and so is the syntax, that of Java's properties:
//
//     clientPort 2181          # also clientPort=2181 and clientPort: 2181
//     ! a comment too          a \ at the end of a line continues it
//
// Three uses of a key: it works; or it is accepted, without effect here (collected in one warning);
// or it asks for a protection that this version does not have, and then it is refused, since
// ignoring it would leave open what was meant to be shut.
//
// Pure: files are opened by the caller. The order of calls, all on one Settings:
//
//     read_config(text, file, settings)            the file, if there is one
//     read_arguments(arguments, settings)          --key value, --key=value
//     read_dynamic_config(text, file, settings)    if config.dynamic_config_file is set
//     read_my_id(text, file, settings)             if there is such a file
//     read_secret(text, file, open, settings)      if config.quorum_secret_file is set
//     check_config(settings)                       what hangs together; always
//
// Then `settings.errors` is empty or the server does not start.

#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/log.h"

namespace zk {

// One server.N line: server.1=host:2888:3888:participant;0.0.0.0:2181
struct MemberAddress {
    std::string host;
    uint16_t peer_port = 0;
    uint16_t election_port = 0;

    bool operator==(const MemberAddress&) const = default;
};
struct Member {
    int64_t id = 0;
    std::vector<MemberAddress> addresses = {};  // at least one
    bool observer = false;
    std::string client_address = {};  // empty: all interfaces
    uint16_t client_port = 0;    // 0: not said

    bool operator==(const Member&) const = default;
};

// Times are in ms and sizes in bytes whatever the unit of the file. Where 0 means "no limit" or
// "off", the comment says so.
struct Config {
    // Where the data is.
    std::string data_dir = "./zk-data";
    std::string data_log_dir;  // of the log; empty: data_dir
    bool create_directories = true;

    // The client port.
    uint16_t client_port = 2181;
    std::string client_address;   // an address or a host name; empty: all interfaces
    int32_t client_backlog = -1;  // of listen(2); -1: the system's most
    bool client_keepalive = false;

    // Sessions.
    int32_t tick_ms = 3000;
    int32_t session_timeout_min_ms = 6000;   // 2 ticks, unless said
    int32_t session_timeout_max_ms = 60000;  // 20 ticks, unless said
    uint32_t session_ephemerals_max = 0;     // 0: no limit

    // Limits.
    uint32_t clients_per_address_max = 60;     // 0: no limit
    uint32_t clients_max = 0;                  // 0: as many as there are descriptors
    uint32_t client_outstanding_max = 1000;    // requests of one client, then it is not read
    uint64_t request_bytes_max = 1048575;      // jute.maxbuffer
    uint64_t response_bytes_max = 128u << 20;  // a longer reply is refused
    uint64_t client_output_max = 256u << 20;   // unsent bytes of one client, then it is closed
    uint64_t output_max = 1u << 30;            // of all clients
    uint64_t input_max = 512u << 20;           // of all clients' unfinished and waiting requests
    int32_t handshake_timeout_ms = 10000;      // a connection without a session; 0: for ever

    // Disk.
    bool force_sync = true;
    int32_t sync_warning_ms = 1000;                // a sync that takes longer is told; 0: never
    uint64_t segment_bytes = 16u << 20;           // of one file of the log
    uint64_t snapshot_entries = 100000;           // entries of the log between snapshots
    uint64_t snapshot_log_bytes = 512ull << 20;   // bytes of the log between snapshots; 0: off
    uint32_t purge_keeps = 3;                     // snapshots
    uint64_t purge_interval_ms = 3600ull * 1000;  // 0: nothing is ever purged

    // What the state allows. These change results, so they are replicated.
    bool enforce_quota = false;
    bool skip_acl = false;
    bool extended_types = true;  // TTL znodes
    bool reconfig_enabled = false;
    std::string super_digest;  // "super:" and the hash; empty: there is no super user

    // Containers and TTL znodes.
    int32_t reap_interval_ms = 60000;     // 0: they are never reaped
    uint32_t reap_per_minute_max = 10000;
    int32_t reap_never_used_ms = 0;  // a container that never had a child; 0: kept

    // What the operator sees.
    std::string four_letter_words = "ruok,srvr,stat,mntr,conf,envi,isro,wchs";  // or "*"
    LogLevel log_level = LogLevel::info;
    std::string log_file;  // empty: stderr

    // The ensemble.
    std::vector<Member> members;  // by id
    int64_t my_id = 0;            // from the file `myid` or the setting; 0: none
    bool observer = false;        // as this server's line says, if it has one
    int32_t init_limit_ticks = 0;
    int32_t sync_limit_ticks = 0;
    std::string dynamic_config_file;
    bool standalone_enabled = true;
    bool quorum_everywhere = false;  // the quorum port is open on all interfaces
    std::string quorum_secret;       // what members prove to each other; empty: nothing
    std::string quorum_secret_file;  // its first line becomes quorum_secret
    bool quorum_insecure = false;    // no secret, and not on loopback alone: yes, really
    int32_t heartbeat_ms = 50;
    int32_t election_ms = 300;      // the least silence of a leader; up to twice that is drawn
    int32_t loss_grace_ms = 3000;   // clients of a node without a quorum are kept for so long
    bool local_sessions = false;
    bool local_sessions_upgrading = false;
    bool read_only_mode = false;
    bool force_new_ensemble = false;  // only by a word on the command line, never in a file

    bool operator==(const Config&) const = default;
};

// Does this server belong to an ensemble, be it of one? Otherwise it stands alone.
bool in_ensemble(const Config& config);
// The line of this server; nullptr: it has none.
const Member* own_member(const Config& config);
// Are all hosts of all members this very machine, by loopback?
bool all_loopback(std::span<const Member> members);

// A server's line, without "server.N=": read into all of `member` but its id, and written as
// ZooKeeper writes it. The reader returns what the line takes, or "" if it is good.
std::string read_member(std::string_view line, Member& member);
std::string member_text(const Member& member);

// Has the word (4 letters) a place on the whitelist?
bool word_allowed(const Config& config, std::string_view word);

struct Option;

// What was read, from wherever. Errors and warnings are whole lines for a person:
// `zk.conf:7: tickTime is "2s"; it takes a whole number of ms from 1 to 2147483647`.
struct Settings {
    Config config;
    std::vector<std::string> errors;
    std::vector<std::string> warnings;
    std::string file;                   // the last one read; empty: none
    std::vector<std::string> places;    // a row of options() each: where it was set, or empty
    std::vector<std::string> no_effect;  // keys accepted without effect, for check_config

    Settings();
    bool is_set(std::string_view key) const { return !place(key).empty(); }
    std::string place(std::string_view key) const;  // where it was set, or empty
};

void read_config(std::string_view text, std::string_view file, Settings& settings);
// After the program's name and the file's: "--tickTime", "2000", "--forceSync=no".
void read_arguments(std::span<const std::string_view> arguments, Settings& settings);
// Only server.N, group.N and weight.N may stand in such a file.
void read_dynamic_config(std::string_view text, std::string_view file, Settings& settings);
// The first line of dataDir/myid; needed where there are several server lines, unless the setting
// `myid` says it.
void read_my_id(std::string_view text, std::string_view file, Settings& settings);
// The first line of quorum.secretFile; `open_to_all`: everybody on this machine may read it.
void read_secret(std::string_view text, std::string_view file, bool open_to_all,
                 Settings& settings);
// Fills in what hangs on other settings, finds what contradicts itself, and adds the one warning
// that names the keys without effect.
void check_config(Settings& settings);

// The table.
enum class OptionUse : uint8_t {
    works,
    no_effect,
    refused,  // unless its value is the default, which asks for nothing
};

// How a value becomes a field and back. `set` says what is wrong, or nothing.
struct OptionField {
    std::string (*set)(const Option& option, std::string_view key, std::string_view value,
                       Settings& settings) = nullptr;
    std::string (*show)(const Config& config) = nullptr;
};

struct Option {
    std::string_view key;  // a * at the end stands for anything
    OptionUse use = OptionUse::works;
    std::string_view section = {};  // of zk.conf and --help
    std::string_view unit = {};     // of numbers: "ms", "bytes", "KB", ...
    int64_t least = 0;
    int64_t most = 0;
    std::string_view initial = {};  // as a file would say it; empty: not set
    std::string_view help = {};     // one line
    OptionField field = {};         // of those that work
};

std::span<const Option> options();
// The row of a key; keys with a * match last. nullptr: nobody knows this key.
const Option* find_option(std::string_view key);
// A known key that looks like it, or empty.
std::string_view nearest_option(std::string_view key);
// Unit, range and default of a setting in one line, as zk.conf has it too.
std::string option_facts(const Option& option);
// The text of --help about settings.
std::string options_help();
// What --check prints when all is well: the settings that differ from the defaults.
std::string config_report(const Settings& settings);

}  // namespace zk
