// record.h -- a znode as a line of JSON, as export writes and import reads it.
//
// Pure. Members that say what goes without saying are left out:
//
//     {"path":"/a","data":"text"}
//     path     below the exported znode, which itself is "/"; "path64" where it is not UTF-8
//     data     or "base64", where the bytes are not UTF-8; null: no data, which is not ""
//     acl      [{"scheme":"digest","id":"bob:hash=","perms":"cdrwa"},...]; absent where anyone may
//              do everything
//     ephemeral  true, or absent
//     stat     for people: import does not look at it

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cli/json.h"
#include "cli/quantity.h"
#include "cli/walk.h"

namespace zk {

struct Record {
    std::string path;  // "/" or "/a/b"
    std::string data;
    bool is_null = false;
    std::string acls;  // as on the wire
    bool ephemeral = false;
};

// Of what a walk found; `path` is the one below the walk's first.
Json to_json(std::string_view path, const Found& found, bool with_stat, bool with_acls);
// The error is for people.
Result<Record> parse_record(std::string_view line);

// Lists of ACLs as on the wire.
const std::string& open_acls();  // world:anyone:cdrwa
std::vector<Acl> acls_of(std::string_view wire);  // views into it
std::string wire_of(std::span<const Acl> acls);
// Servers show digests (as `x`) only to those who may change the ACL: then they are not known.
bool hides_digests(std::string_view wire);

// The path of `path` as seen from `root`, and the reverse.
std::string_view relative_path(std::string_view root, std::string_view path);
std::string join_paths(std::string_view root, std::string_view relative);

}  // namespace zk
