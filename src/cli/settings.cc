// settings.cc -- see settings.h.

#include "cli/settings.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

#include "cli/source.h"

namespace zk {

namespace {

constexpr size_t file_bytes_max = 1u << 20;

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
    while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
    return text;
}

// Calls `take(line, number)` for each line that says something, until that gives an error.
template <typename Take>
Result<void> each_line(std::string_view text, Take take) {
    for (size_t number = 1; !text.empty(); ++number) {
        size_t end = std::min(text.find('\n'), text.size());
        std::string_view line = trimmed(text.substr(0, end));
        text.remove_prefix(std::min(end + 1, text.size()));
        if (line.empty() || line.front() == '#') continue;
        if (Result<void> taken = take(line, number); !taken)
            return Error{.text = "line " + std::to_string(number) + ": " + taken.error().text};
    }
    return {};
}

}  // namespace

Result<std::vector<Setting>> parse_settings(std::string_view text) {
    std::vector<Setting> settings;
    Result<void> read = each_line(text, [&](std::string_view line, size_t number) -> Result<void> {
        size_t end = std::min(line.find_first_of(" \t="), line.size());
        std::string_view value = trimmed(line.substr(end));
        if (value.starts_with('=')) value = trimmed(value.substr(1));
        if (end == 0) return Error{.text = "a key is missing"};
        settings.push_back(
            {.key = std::string(line.substr(0, end)), .value = std::string(value), .line = number});
        return {};
    });
    if (!read) return read.error();
    return settings;
}

Result<Identification> parse_identification(std::string_view text) {
    size_t colon = text.find(':');
    if (colon == text.npos || colon == 0)  // the text itself may be a secret: it is not repeated
        return Error{.text = "an identity is written scheme:auth, as in digest:user:password"};
    return Identification{.scheme = std::string(text.substr(0, colon)),
                          .auth = std::string(text.substr(colon + 1))};
}

Result<std::vector<Identification>> parse_auth_file(std::string_view text) {
    std::vector<Identification> all;
    Result<void> read = each_line(text, [&](std::string_view line, size_t) -> Result<void> {
        std::string made(line);
        size_t at = made.find_first_of(" \t:");
        if (at != made.npos && made[at] != ':') {
            std::string_view rest = trimmed(line.substr(at));
            made = made.substr(0, at) + ":" + std::string(rest);
        }
        Result<Identification> one = parse_identification(made);
        if (!one) return one.error();
        all.push_back(std::move(*one));
        return {};
    });
    if (!read) return read.error();
    return all;
}

bool parse_yes_no(std::string_view text, bool& yes) {
    constexpr std::array<std::string_view, 5> good = {"", "yes", "true", "on", "1"};
    constexpr std::array<std::string_view, 4> bad = {"no", "false", "off", "0"};
    yes = std::find(good.begin(), good.end(), text) != good.end();
    return yes || std::find(bad.begin(), bad.end(), text) != bad.end();
}

bool parse_duration(std::string_view text, int64_t& ms) {
    struct UnitRow {
        std::string_view name;
        double ms;
    };
    constexpr std::array units = {UnitRow{"ms", 1}, UnitRow{"s", 1000}, UnitRow{"", 1000},
                                  UnitRow{"m", 60'000}, UnitRow{"h", 3'600'000}};
    constexpr double ms_max = 1e12;
    double number = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc()) return false;
    std::string_view unit = text.substr(static_cast<size_t>(end - text.data()));
    for (const UnitRow& row : units) {
        if (row.name != unit) continue;
        double wanted = number * row.ms;
        if (!(wanted >= 1) || wanted > ms_max) return false;
        ms = static_cast<int64_t>(wanted);
        return true;
    }
    return false;
}

Result<std::string> read_trusted(const std::string& path, bool secret) {
    struct stat found = {};
    if (stat(path.c_str(), &found) != 0)
        return Error{.text = path + ": " + strerror(errno), .code = errno};
    if (found.st_uid != geteuid() && found.st_uid != 0)
        return Error{.text = path + " belongs to somebody else, so it is not read"};
    if ((found.st_mode & 022) != 0)
        return Error{.text = path + " may be changed by others, so it is not read (chmod 600)"};
    if (secret && (found.st_mode & 044) != 0)
        return Error{.text = path + " has secrets and may be read by others (chmod 600)"};
    return read_file(path, file_bytes_max);
}

}  // namespace zk
