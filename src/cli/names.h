// names.h -- the names of a znode's children, sorted, in little memory.
//
// Owns them in one string, each as what it does not share with the name before it:
//
//     item-0000000041    0 15 item-0000000041
//     item-0000000042    14 1 2                      shared bytes, other bytes (varints), the bytes
//     item-0000000050    13 2 50
//
// A directory of a million children takes a few megabytes so; as a vector of strings it would be
// fifty. Names that share little, and so take more than that, go to a temporary file, which has no
// name and is gone with the list. Names are read once, from the first to the last.

#pragma once

#include <sys/types.h>

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>

#include "base/bytes.h"

namespace zk {

class NameList {
public:
    // From the reply to getChildren. False: it cannot be read.
    bool take(Bytes reply);
    // The next name, which lives until the next call. Requires: left() > 0.
    const std::string& next();
    size_t left() const { return left_; }
    size_t bytes() const { return coded_.capacity(); }

private:
    struct Close {
        void operator()(FILE* file) const { fclose(file); }
    };

    size_t number();
    void have(size_t bytes);
    void spill();

    std::string coded_;  // of it, what is not in the file, or was read from there
    std::unique_ptr<FILE, Close> file_;
    bool no_file_ = false;  // there is no room for one
    off_t written_ = 0;     // to the file
    off_t read_ = 0;        // from it; <= written_
    size_t at_ = 0;         // of coded_, bytes that were read
    size_t left_ = 0;
    std::string name_;  // the one read last
};

// Is `a` before `b` in a walk: parents before children, children by name? Not the order of the
// bytes, since a slash comes before everything else.
bool path_before(std::string_view a, std::string_view b);

// `name` below `parent`, which may be "/".
std::string path_below(std::string_view parent, std::string_view name);
// Of a path: what stands behind the last slash.
std::string_view last_name(std::string_view path);
// The parent's path; "/" for what is directly below it.
std::string_view parent_path(std::string_view path);
// Is `path` this znode or below it?
bool is_within(std::string_view path, std::string_view root);

}  // namespace zk
