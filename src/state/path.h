// path.h -- which paths name a znode, and their parts.
//
// Layer 2. The rules are those of PathUtils.validatePath.

#pragma once

#include <cstring>
#include <string_view>

namespace zk {

// Starts with '/', no empty part, no "." or "..", no '/' at the end but in "/" itself, good UTF-8
// without control characters, surrogates, private use or anything beyond U+FFFF.
bool valid_path(std::string_view path);
// The same of one part: what may come behind a good path and a '/'.
bool valid_name(std::string_view name);

// "/a/b" -> "/a" and "b"; "/a" -> "" and "a". Requires: there is a '/'.
struct PathParts {
    std::string_view parent;
    std::string_view name;
};
inline PathParts split_path(std::string_view path) {
    // string_view's own search for the last one goes a byte at a time.
    const void* last = path.empty() ? nullptr : memrchr(path.data(), '/', path.size());
    size_t slash = path.npos;
    if (last != nullptr) slash = static_cast<size_t>(static_cast<const char*>(last) - path.data());
    return {path.substr(0, slash), path.substr(slash + 1)};
}

// The root and what the server itself needs: never deleted.
inline bool special_path(std::string_view path) {
    return path == "/" || path == "/zookeeper" || path == "/zookeeper/quota" ||
           path == "/zookeeper/config";
}

}  // namespace zk
