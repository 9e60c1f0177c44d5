// How values of each kind are read and shown; see options_fields.h.

#include "wire/options_fields.h"

#include <algorithm>
#include <array>

namespace zk {

namespace {

constexpr std::array<std::string_view, 18> known_words = {
    "conf", "cons", "crst", "dirs", "dump", "envi", "gtmk", "hash", "isro",
    "mntr", "ruok", "srst", "srvr", "stat", "stmk", "wchc", "wchp", "wchs"};

constexpr std::array<std::string_view, 4> log_levels = {"debug", "info", "warn", "error"};

constexpr size_t secret_bytes_least = 8;
constexpr size_t secret_bytes_max = 256;

struct TimeUnit {
    std::string_view name;
    uint64_t ms;
};
constexpr std::array<TimeUnit, 5> time_units = {
    {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}}};

// A value as it may be shown: bounded, and without control characters.
std::string shown(std::string_view value) {
    std::string out;
    for (char c : value.substr(0, 60)) {
        unsigned char byte = static_cast<unsigned char>(c);
        out += byte < 32 || byte == 127 ? '?' : c;
    }
    return value.size() > 60 ? out + "..." : out;
}

}  // namespace

std::string lower_case(std::string_view text) {
    std::string out(text);
    for (char& c : out)
        if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    return out;
}

std::string_view trimmed(std::string_view text) {
    constexpr std::string_view blanks = " \t\f\r\n";
    size_t first = text.find_first_not_of(blanks);
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

std::optional<int64_t> parse_number(std::string_view text) {
    if (text.starts_with('+')) text.remove_prefix(1);
    int base = 10;
    if (text.starts_with("0x") || text.starts_with("0X")) {
        text.remove_prefix(2);
        base = 16;
    }
    if (base == 16 && text.starts_with('-')) return {};
    int64_t number = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
    if (error != std::errc() || end != text.data() + text.size()) return {};
    return number;
}

std::optional<bool> parse_flag(std::string_view text) {
    std::string lower = lower_case(text);
    if (lower == "true" || lower == "yes") return true;
    if (lower == "false" || lower == "no") return false;
    return {};
}

std::string bad_value(std::string_view key, std::string_view value, std::string_view takes) {
    std::string out = shown(key) + " is \"" + shown(value) + "\"; it takes " + std::string(takes);
    if (value.find(" #") != std::string_view::npos)
        out += " (a comment stands on a line of its own)";
    return out;
}

std::string number_takes(const Option& option) {
    std::string out = "a whole number";
    if (!option.unit.empty()) out += " of " + std::string(option.unit);
    if (option.unit == "port") out = "a port number";
    return out + " from " + std::to_string(option.least) + " to " + std::to_string(option.most);
}

std::string set_hours_ms(const Option& option, std::string_view key, std::string_view value,
                         uint64_t& ms) {
    uint64_t unit_ms = 3600000;
    std::string_view digits = value;
    for (const TimeUnit& unit : time_units) {
        if (!value.ends_with(unit.name)) continue;
        unit_ms = unit.ms;
        digits = trimmed(value.substr(0, value.size() - unit.name.size()));
        break;
    }
    std::optional<int64_t> number = parse_number(digits);
    if (!number || *number > option.most)
        return bad_value(key, value, "hours, or a number with ms, s, m, h or d behind it");
    ms = *number <= 0 ? 0 : static_cast<uint64_t>(*number) * unit_ms;
    return {};
}

std::string show_hours_ms(uint64_t ms) {
    if (ms % 3600000 == 0) return std::to_string(ms / 3600000);
    const TimeUnit* best = &time_units[0];
    for (const TimeUnit& unit : time_units)
        if (ms % unit.ms == 0) best = &unit;
    return std::to_string(ms / best->ms) + std::string(best->name);
}

std::string set_super_digest(const Option&, std::string_view key, std::string_view value,
                             Settings& settings) {
    size_t colon = value.find(':');
    bool good = colon != std::string_view::npos && colon > 0 && value.size() - colon - 1 == 28 &&
                value.back() == '=';
    if (!good)
        return bad_value(key, value, "name:hash, the hash being base64(sha1(name:password))");
    settings.config.super_digest = value;
    return {};
}

std::string set_words(const Option&, std::string_view key, std::string_view value,
                      Settings& settings) {
    std::string words;
    std::string_view rest = value;
    while (!rest.empty()) {
        size_t comma = std::min(rest.find(','), rest.size());
        std::string_view word = trimmed(rest.substr(0, comma));
        rest.remove_prefix(std::min(comma + 1, rest.size()));
        if (word.empty()) continue;
        bool known = word == "*" ||
                     std::find(known_words.begin(), known_words.end(), word) != known_words.end();
        if (!known) {
            std::string all = "a comma between words out of";
            for (std::string_view one : known_words) all += " " + std::string(one);
            return bad_value(key, word, all + ", or *");
        }
        if (!words.empty()) words += ',';
        words += word;
    }
    settings.config.four_letter_words = words;
    return {};
}

std::string set_log_level(const Option&, std::string_view key, std::string_view value,
                          Settings& settings) {
    std::string lower = lower_case(value);
    for (size_t i = 0; i < log_levels.size(); ++i) {
        if (log_levels[i] != lower) continue;
        settings.config.log_level = static_cast<LogLevel>(i);
        return {};
    }
    return bad_value(key, value, "debug, info, warn or error");
}

std::string show_log_level(const Config& config) {
    return std::string(log_levels[static_cast<size_t>(config.log_level)]);
}

std::string set_peer_type(const Option&, std::string_view key, std::string_view value,
                          Settings& settings) {
    std::string lower = lower_case(value);
    if (lower != "participant" && lower != "observer")
        return bad_value(key, value, "participant or observer");
    settings.config.observer = lower == "observer";
    return {};
}

std::string show_peer_type(const Config& config) {
    return config.observer ? "observer" : "participant";
}

std::string set_secret(const Option&, std::string_view key, std::string_view value,
                       Settings& settings) {
    // Unlike other values this one is not repeated.
    if (value.size() < secret_bytes_least || value.size() > secret_bytes_max)
        return std::string(key) + " is " + std::to_string(value.size()) +
               " characters long; it takes " + std::to_string(secret_bytes_least) + " to " +
               std::to_string(secret_bytes_max);
    settings.config.quorum_secret = value;
    return {};
}

std::string show_secret(const Config& config) {
    return config.quorum_secret.empty() ? "" : "(not shown)";
}

std::string set_auth_provider(const Option& option, std::string_view key, std::string_view value,
                              Settings&) {
    constexpr std::string_view package = "org.apache.zookeeper.server.auth.";
    if (value.starts_with(package)) {
        std::string_view name = value.substr(package.size());
        if (name == "DigestAuthenticationProvider" || name == "IPAuthenticationProvider") return {};
    }
    return shown(key) + " is \"" + shown(value) + "\", and " + std::string(option.help);
}

}  // namespace zk
