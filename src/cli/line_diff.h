// line_diff.h -- what differs between two texts, line by line, as diff -u shows it.
//
// Pure.

#pragma once

#include <string>
#include <string_view>

namespace zk {

// Lines with ' ', '-' or '+' in front: all that differs, and up to three equal lines around it.
// Nothing, where the texts are equal.
std::string line_diff(std::string_view from, std::string_view to);

// Each line of `text` with `mark` in front.
std::string marked_lines(char mark, std::string_view text);

}  // namespace zk
