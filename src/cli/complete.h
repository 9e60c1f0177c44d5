// complete.h -- what could be meant by what was typed so far.
//
// Commands, their options, and paths, which the server is asked for.

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/shell.h"

namespace zk {

struct Completion {
    std::string insert;                // at the cursor; may be empty
    std::vector<std::string> choices;  // to be shown if nothing is inserted
};

// `line` is the text before the cursor.
Completion complete_line(Shell& shell, std::string_view line);

// The part of it that needs no server: of `names`, those that begin with `typed`. `closing` goes
// behind a name that is the only one.
Completion complete_from(std::string_view typed, const std::vector<std::string>& names,
                         std::string_view closing);

}  // namespace zk
