// human.h -- how things look to a person at a terminal.
//
// Pure: text from values, and from the terminal's width. What programs get is in print.h.

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "wire/records.h"

namespace zk {

// The lines of stat_text, aligned; times in a form that sorts, with how long ago that is, and the
// owner's kind in words. `color`: what is the same everywhere is dim.
std::string human_stat(const Stat& stat, int64_t now_ms, bool color);
// As `ls` shows files: in columns, down and then across.
std::string in_columns(const std::vector<std::string>& names, size_t width);
size_t characters(std::string_view text);  // of UTF-8; about as many columns
size_t terminal_width();  // of standard output; 80 where nothing is known

}  // namespace zk
