// script.h -- a command a line from a file or a pipe.
//
// Stops at the first line that fails, unless told to keep going; the result is that line's status.
// What was shown is written out whenever there is nothing to read, so that a program can talk to
// zk-cli over two pipes.

#pragma once

#include "cli/shell.h"

namespace zk {

inline constexpr size_t line_bytes_max = 64u << 20;

Status run_script(Shell& shell, int fd, bool keep_going);

}  // namespace zk
