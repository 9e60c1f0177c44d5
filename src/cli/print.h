// print.h -- how things look: stats, lists of access, events, errors, bytes.
//
// Pure: text from values. The texts are those of zkCli.sh.

#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "wire/records.h"

namespace zk {

std::string stat_text(const Stat& stat);      // eleven lines
std::string date_text(int64_t wall_ms);       // local time, as Java prints it
std::string names_text(std::span<const std::string_view> names);  // [a, b]
std::string acls_text(std::span<const Acl> acls);                 // two lines an entry
std::string perms_text(int32_t perms);                            // cdrwa
std::string event_text(EventType type, std::string_view path);
std::string error_text(Err err, std::string_view path);
std::string hex_dump(Bytes bytes);            // rows of sixteen between rulers
std::string to_base64(Bytes bytes);
Result<std::string> from_base64(std::string_view text);

// `scheme:id:perms[,...]`; the entries point into `text`.
Result<std::vector<Acl>> parse_acls(std::string_view text);

// Why `path` cannot name a znode, or "". `sequential`: a number will be put behind it.
std::string path_fault(std::string_view path, bool sequential = false);

}  // namespace zk
