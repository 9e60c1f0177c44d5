// manual.h -- what is made of the command tables for use outside: a man page, completion in shells.
//
// Pure but for `complete_word`, which asks the server.

#pragma once

#include <string>
#include <string_view>

#include "cli/shell.h"
#include "cli/start.h"

namespace zk {

std::string man_page();  // troff's man macros

// What makes a shell complete zk-cli's words by asking zk-cli itself. Nothing: not for this shell.
std::string_view completion_script(std::string_view shell);

// For such a script: the words that the last one of `line` may become, one a line. `line` is what
// was typed before the cursor, the program's name first.
std::string complete_word(std::string_view line, const Surroundings& around);

}  // namespace zk
