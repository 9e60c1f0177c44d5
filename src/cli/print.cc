// print.cc -- see print.h.

#include "cli/print.h"

#include <array>
#include <cstdio>
#include <ctime>

namespace zk {

namespace {

// Texts with the path behind them; errors without a row are told by their name.
struct ErrorRow {
    Err err;
    std::string_view text;
};
constexpr std::array error_rows = {
    ErrorRow{.err = Err::no_node, .text = "Node does not exist: "},
    ErrorRow{.err = Err::node_exists, .text = "Node already exists: "},
    ErrorRow{.err = Err::not_empty, .text = "Node not empty: "},
    ErrorRow{.err = Err::no_children_for_ephemerals, .text = "Ephemerals cannot have children: "},
    ErrorRow{.err = Err::no_auth, .text = "Insufficient permission : "},
    ErrorRow{.err = Err::bad_version, .text = "version No is not valid : "},
    ErrorRow{.err = Err::invalid_acl, .text = "Acl is not valid : "},
    ErrorRow{.err = Err::bad_arguments, .text = "Arguments are not valid : "},
    ErrorRow{.err = Err::not_read_only, .text = "Not a read-only call: "},
    ErrorRow{.err = Err::quota_exceeded, .text = "Quota has exceeded : "},
};

struct PermRow {
    char letter;
    int32_t perm;
};
constexpr std::array perm_rows = {
    PermRow{.letter = 'c', .perm = perm::create}, PermRow{.letter = 'd', .perm = perm::remove},
    PermRow{.letter = 'r', .perm = perm::read},   PermRow{.letter = 'w', .perm = perm::write},
    PermRow{.letter = 'a', .perm = perm::admin},
};

std::string hex(int64_t number) {
    char text[24];
    snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(number));
    return text;
}

// In a scheme or an id, what would spoil the lines of getAcl.
std::string guarded(std::string_view text) {
    std::string made;
    for (char c : text) {
        char code[16];
        bool special = c == '\0' || c == '\n' || c == '\r' || c == ',' || c == '}' || c == '%';
        snprintf(code, sizeof code, "%%%02X", static_cast<unsigned>(c));
        if (special) made += code;
        else made += c;
    }
    return made;
}

constexpr std::string_view base64_digits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

Result<int32_t> parse_perms(std::string_view letters) {
    int32_t perms = 0;
    for (char letter : letters) {
        int32_t found = 0;
        for (const PermRow& row : perm_rows)
            if (row.letter == letter) found = row.perm;
        if (found == 0) return Error{.text = std::string("Unknown perm type: ") + letter};
        perms |= found;
    }
    return perms;
}

}  // namespace

std::string date_text(int64_t wall_ms) {
    time_t seconds = static_cast<time_t>(wall_ms / 1000);
    tm local = {};
    localtime_r(&seconds, &local);
    char text[64];
    size_t size = strftime(text, sizeof text, "%a %b %d %H:%M:%S %Z %Y", &local);
    return {text, size};
}

std::string stat_text(const Stat& stat) {
    std::string text;
    auto line = [&text](std::string_view name, const std::string& value) {
        text.append(name).append(" = ").append(value).append("\n");
    };
    line("cZxid", hex(stat.czxid));
    line("ctime", date_text(stat.ctime));
    line("mZxid", hex(stat.mzxid));
    line("mtime", date_text(stat.mtime));
    line("pZxid", hex(stat.pzxid));
    line("cversion", std::to_string(stat.cversion));
    line("dataVersion", std::to_string(stat.version));
    line("aclVersion", std::to_string(stat.aversion));
    line("ephemeralOwner", hex(stat.ephemeral_owner));
    line("dataLength", std::to_string(stat.data_length));
    line("numChildren", std::to_string(stat.num_children));
    return text;
}

std::string names_text(std::span<const std::string_view> names) {
    std::string text = "[";
    for (std::string_view name : names) {
        if (text.size() > 1) text += ", ";
        text += name;
    }
    return text + "]";
}

std::string perms_text(int32_t perms) {
    std::string text;
    for (const PermRow& row : perm_rows)
        if ((perms & row.perm) != 0) text += row.letter;
    return text;
}

std::string acls_text(std::span<const Acl> acls) {
    std::string text;
    for (const Acl& acl : acls) {
        text += "'" + guarded(acl.scheme) + ",'" + guarded(acl.id) + "\n";
        text += ": " + perms_text(acl.perms) + "\n";
    }
    return text;
}

std::string event_text(EventType type, std::string_view path) {
    std::string text = "WatchedEvent state:SyncConnected type:";
    return text.append(event_name(type)).append(" path:").append(path);
}

std::string error_text(Err err, std::string_view path) {
    for (const ErrorRow& row : error_rows)
        if (row.err == err) return std::string(row.text).append(path);
    std::string text = "KeeperErrorCode = ";
    text += err_name(err);
    if (!path.empty()) text.append(" for ").append(path);
    return text;
}

std::string hex_dump(Bytes bytes) {
    if (bytes.empty()) return "";
    const std::string frame = "+--------+" + std::string(49, '-') + "+----------------+\n";
    std::string text = "         +" + std::string(49, '-') + "+\n         |";
    char piece[32];
    for (unsigned column = 0; column < 16; ++column) {
        snprintf(piece, sizeof piece, "  %x", column);
        text += piece;
    }
    text += " |\n" + frame;
    for (size_t row = 0; row < bytes.size(); row += 16) {
        snprintf(piece, sizeof piece, "|%08zx|", row);
        text += piece;
        std::string readable;
        for (size_t at = row; at < row + 16; ++at) {
            if (at >= bytes.size()) {
                text += "   ";
                readable += ' ';
                continue;
            }
            snprintf(piece, sizeof piece, " %02x", bytes[at]);
            text += piece;
            bool plain = bytes[at] > 0x1f && bytes[at] < 0x7f;
            readable += plain ? static_cast<char>(bytes[at]) : '.';
        }
        text += " |" + readable + "|\n";
    }
    text += frame;
    text.pop_back();
    return text;
}

std::string to_base64(Bytes bytes) {
    std::string text;
    for (size_t at = 0; at < bytes.size(); at += 3) {
        size_t count = bytes.size() - at < 3 ? bytes.size() - at : 3;
        uint32_t group = static_cast<uint32_t>(bytes[at]) << 16;
        if (count > 1) group |= static_cast<uint32_t>(bytes[at + 1]) << 8;
        if (count > 2) group |= bytes[at + 2];
        for (size_t digit = 0; digit < 4; ++digit)
            text += digit <= count ? base64_digits[(group >> (18 - 6 * digit)) & 63] : '=';
    }
    return text;
}

Result<std::string> from_base64(std::string_view text) {
    std::string bytes;
    uint32_t group = 0;
    unsigned bits = 0;
    size_t padding = 0;
    for (char c : text) {
        size_t digit = base64_digits.find(c);
        if (c == '=') ++padding;
        else if (digit == base64_digits.npos || padding > 0)
            return Error{.text = "not base64: " + std::string(text)};
        if (c == '=') continue;
        group = (group << 6) | static_cast<uint32_t>(digit);
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            bytes += static_cast<char>(group >> bits);
        }
    }
    if (text.size() % 4 != 0 || padding > 2)
        return Error{.text = "not base64: " + std::string(text)};
    return bytes;
}

Result<std::vector<Acl>> parse_acls(std::string_view text) {
    std::vector<Acl> acls;
    for (;;) {
        size_t comma = text.find(',');
        std::string_view entry = text.substr(0, comma);
        size_t first = entry.find(':');
        size_t last = entry.rfind(':');
        if (first == last)
            return Error{.text = std::string(entry) + " does not have the form scheme:id:perm"};
        Result<int32_t> perms = parse_perms(entry.substr(last + 1));
        if (!perms) return perms.error();
        acls.push_back({.perms = *perms,
                        .scheme = entry.substr(0, first),
                        .id = entry.substr(first + 1, last - first - 1)});
        if (comma == text.npos) return acls;
        text.remove_prefix(comma + 1);
    }
}

std::string path_fault(std::string_view path, bool sequential) {
    if (path.empty()) return "Path length must be > 0";
    if (path.front() != '/') return "Path must start with / character";
    if (path.size() == 1) return "";
    if (path.back() == '/' && !sequential) return "Path must not end with / character";
    auto fault = [path](const char* reason, size_t at) {
        return "Invalid path string \"" + std::string(path) + "\" caused by " + reason + " @" +
               std::to_string(at);
    };
    size_t begin = 1;
    for (size_t at = 1; at <= path.size(); ++at) {
        if (at < path.size() && path[at] == '\0') return fault("null character not allowed", at);
        if (at < path.size() && path[at] != '/') continue;
        std::string_view name = path.substr(begin, at - begin);
        bool numbered = sequential && at == path.size();
        if (name.empty() && !numbered) return fault("empty node name specified", at);
        if ((name == "." || name == "..") && !numbered)
            return fault("relative paths not allowed", at - 1);
        begin = at + 1;
    }
    return "";
}

}  // namespace zk
