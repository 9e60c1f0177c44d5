// complete.h -- what could be meant by what was typed so far.
//
// Commands, their options, and paths, which the server is asked for.

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/shell.h"

namespace zk {

inline constexpr size_t choices_max = 200;

struct Completion {
    std::string insert;                // at the cursor; may be empty
    std::vector<std::string> choices;  // to be shown if nothing is inserted; the first of them
    size_t count = 0;                  // all of them
};

// `line` is the text before the cursor.
Completion complete_line(Shell& shell, std::string_view line);

// What may follow `line`, in the words of the command's usage, without its options where there is
// no room for them; "" where there is nothing to say, or no room at all.
std::string hint_for(std::string_view line, size_t room);

// The parts of it that need no server. `names`, which are put into another order, all begin with
// `prefix`; what is inserted is escaped, as it has to be within a `quote` that is open (0: none).
Completion complete_paths(std::string_view prefix, std::vector<std::string_view>& names,
                          char quote = 0);
// Of `names`, those that begin with `typed`. `closing` goes
// behind a name that is the only one.
Completion complete_from(std::string_view typed, const std::vector<std::string>& names,
                         std::string_view closing);

}  // namespace zk
