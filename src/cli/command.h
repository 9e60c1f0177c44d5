// command.h -- what a command is: a row of the table, and how its words are read.
//
// A row says everything about a command: help, usage, the reading of options and completion are
// derived from it. The table itself is in table.cc; a new command is a row and a handler.
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
    failed = 1,         // the server refused, or the connection went while it was under way
    usage = 2,          // it was not understood; nothing was sent
    no_connection = 3,  // there is no server
    unknown_command = 127,
};

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
    Status (*run)(Shell& shell, const Args& args) = nullptr;
};

std::span<const Command> commands();  // sorted by name
const Command* find_command(std::string_view name);

Result<Args> parse_args(std::span<const OptionRow> options, std::span<const std::string> words);
// One line: `get [-s] [-w] path`.
std::string usage_of(const Command& command);
// All of it: usage, summary, options, examples.
std::string help_of(const Command& command);
std::string help_of_all();

// Numbers in arguments: the whole text or nothing.
bool parse_number(std::string_view text, int32_t& number);
bool parse_number(std::string_view text, int64_t& number);

}  // namespace zk
