// words.h -- a command line, cut into words as a shell would.
//
// Blanks part words. '...' is taken as it stands. In "..." a backslash starts an escape: \" \\ \n
// \t \r \0 and \xHH, any other character after it stands for itself; so every byte can be
// written. Outside of quotes a backslash takes away the meaning of the next character. Quotes may
// stand anywhere in a word, and "" is an empty word.

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace zk {

Result<std::vector<std::string>> split_words(std::string_view line);

// A line that says nothing: blank, or a comment (its first character other than blanks is #).
bool is_idle_line(std::string_view line);

// What has to be typed for a word to be read as it is.
std::string escaped(std::string_view word);

// Does the command go on in the next line? A quote is open, or the last character is a backslash
// that stands for itself. Then `line` becomes what the next one is to be put behind.
bool goes_on(std::string& line);

// `path` as seen from `directory`: relative ones get it in front, . and .. are carried out, and a
// slash at the end goes. An empty path stays empty.
std::string path_from(std::string_view directory, std::string_view path);

// What is being typed at the end of `line`, for completion: the words before, and where the last
// one, possibly empty, begins. Unfinished quotes are no error here.
struct Typing {
    std::vector<std::string> before;
    size_t begin = 0;
};
Typing words_typed(std::string_view line);

}  // namespace zk
