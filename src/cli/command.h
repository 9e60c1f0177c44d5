// command.h -- what a command is: a row of the table, and how its words are read.
//
// A row says everything about a command: help, usage, the reading of options and completion are
// derived from it. The tables are in table*.cc; a new command is a row and a handler.
//
// Options stand anywhere among the words: -s, bundled -sR, with a value -v 3 or -v3, long names
// after one dash or two. `--` ends them; a negative number and a single - are ordinary words.

#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace zk {

class Shell;

// How a command ended, and so the exit status of the program.
enum class Status : uint8_t {
    ok = 0,
    failed = 1,         // for any other reason than those below
    usage = 2,          // it was not understood; nothing was sent
    no_connection = 3,  // there is no server
    no_node = 4,
    node_exists = 5,
    bad_version = 6,    // or the data is not what it was to be
    no_auth = 7,        // not allowed, or not believed who it is
    timed_out = 8,      // what was waited for did not come
    lost = 9,           // the connection went while a write was under way: done, or not
    expired = 10,       // the session, and with it what it held
    not_empty = 11,
    interrupted = 130,  // Ctrl-C
    unknown_command = 127,
};

struct StatusRow {
    Status status;
    std::string_view name;  // for programs: "no_node"
    std::string_view help;
};
std::span<const StatusRow> status_rows();
std::string_view name_of(Status status);

struct OptionRow {
    std::string_view name;   // one letter, or a word
    std::string_view value;  // what its value is called; empty: it takes none
    std::string_view help;
};

// The words after a command's name.
struct Args {
    std::vector<std::string> words;  // without the options
    struct Given {
        const OptionRow* option;
        std::string value;
    };
    std::vector<Given> given;

    bool has(std::string_view name) const;
    const std::string* value(std::string_view name) const;  // the last one given, or nullptr
    std::vector<std::string> command;  // behind `--`, where the row `runs` one
    // The word at `index`, or empty.
    std::string_view word(size_t index) const;
};

struct Command {
    std::string_view name;
    std::string_view words;  // the words it takes, as usage shows them: "path [data] [acl]"
    std::string_view summary;
    std::span<const OptionRow> options;
    std::string_view examples;  // lines
    size_t words_min = 0;
    size_t words_max = 0;
    bool runs = false;  // what follows `--` is a command line of the system's
    bool raw = false;   // reads its words itself: all of them are `Args::words`
    std::string_view json = {};  // with --json: the members of what it shows
    bool here = false;  // without a word it is about where one is, once `cd` has said that
    Status (*run)(Shell& shell, const Args& args) = nullptr;
};

std::span<const Command> commands();  // all tables, sorted by name
// The tables: one for each kind of thing that commands are about.
std::span<const Command> znode_commands();   // table.cc
std::span<const Command> write_commands();   // table_writes.cc
std::span<const Command> shell_commands();   // table_shell.cc
std::span<const Command> tree_commands();    // table_trees.cc
std::span<const Command> recipe_commands();  // table_recipes.cc
const Command* find_command(std::string_view name);

// `runs`: of a command that takes a command line behind `--`.
Result<Args> parse_args(std::span<const OptionRow> options, std::span<const std::string> words,
                        bool runs = false);
// One line: `get [-s] [-w] path`.
std::string usage_of(const Command& command);
// All of it: usage, summary, options, examples.
std::string help_of(const Command& command);
std::string help_of_all();
// In which an error of parse_args begins.
inline constexpr std::string_view unknown_option = "Unrecognized option: ";
inline constexpr std::string_view missing_value = "Missing argument for option: ";

// Numbers in arguments: the whole text or nothing.
bool parse_number(std::string_view text, int32_t& number);
bool parse_number(std::string_view text, int64_t& number);

}  // namespace zk
