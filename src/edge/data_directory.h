// data_directory.h -- the directories that a server keeps its data in: found or made, and its own.

#pragma once

#include <string>

#include "base/result.h"

namespace zk {

// What keeps `path` from being used, or nothing; touches nothing. A directory that is missing may
// be made (`create`), but not its parents: behind those is a typing error, or a disk not mounted.
std::string directory_problem(const std::string& path, bool create);

// Makes it if it is not there, for good.
Result<void> make_directory(const std::string& path);

// However they are written.
bool same_directory(const std::string& one, const std::string& other);

// Two servers on one directory would ruin it. The lock goes when the process does.
Result<void> lock_directory(const std::string& path);

}  // namespace zk
