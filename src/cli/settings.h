// settings.h -- what zk-cli is told before its own command line: a file, and the environment.
//
//     ~/.zk-cli, or $ZK_CLI_CONFIG      servers zk1,zk2,zk3/app
//                                       timeout 10000
//                                       auth digest:bob:secret
//                                       json yes
//
// A key a line, a blank or = between key and value, # begins a comment line. Keys are the long
// options, and `auth`. Then come the variables ZK_SERVERS, ZK_CLI_STYLE (json, zkcli or plain),
// ZK_AUTH and ZK_AUTH_FILE, then the options: what is said later wins, and identities add up.
//
// Holds no state. A file with secrets that others may read, and any that others may change, is
// refused: it is not what its owner thinks.

#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "client/sync.h"

namespace zk {

struct Setting {
    std::string key;
    std::string value;
    size_t line = 0;
};
Result<std::vector<Setting>> parse_settings(std::string_view text);

// "scheme:auth"; the auth may have colons of its own.
Result<Identification> parse_identification(std::string_view text);
// One a line, as above or with a blank behind the scheme.
Result<std::vector<Identification>> parse_auth_file(std::string_view text);

bool parse_yes_no(std::string_view text, bool& yes);
// "1500ms", "5s", "2m", "1h"; seconds where no unit is given. At least 1 ms.
bool parse_duration(std::string_view text, int64_t& ms);

// The file, if it may be trusted.
Result<std::string> read_trusted(const std::string& path, bool secret);

}  // namespace zk
