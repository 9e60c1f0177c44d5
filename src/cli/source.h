// source.h -- where data comes from: the word itself, a file (@name), or standard input (-).
//
//     hello    the word          @@home   the word "@home"
//     @file    what is in it     -        all of standard input
//
// zkCli.sh knows the word alone, so with --zkcli nothing else is meant.

#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "cli/shell.h"

namespace zk {

inline constexpr size_t data_bytes_max = 64u << 20;  // more than any server takes

// What is to be in a znode. `base64`: that is how it is written, blanks between do not matter.
// On an error what there is to say is said, and `status` is not ok.
Status read_data(Shell& shell, std::string_view word, bool base64, std::string& data);
// One line: without the end of line that files have.
Status read_secret(Shell& shell, std::string_view word, std::string& secret);

Result<std::string> read_file(const std::string& path, size_t bytes_max);

}  // namespace zk
