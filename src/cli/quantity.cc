// quantity.cc -- see quantity.h.

#include "cli/quantity.h"

#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <ctime>

namespace zk {

namespace {

struct Unit {
    char letter;
    double worth;
};
constexpr std::array size_units = {
    Unit{.letter = 'B', .worth = 1},
    Unit{.letter = 'K', .worth = 1024.0},
    Unit{.letter = 'M', .worth = 1024.0 * 1024},
    Unit{.letter = 'G', .worth = 1024.0 * 1024 * 1024},
    Unit{.letter = 'T', .worth = 1024.0 * 1024 * 1024 * 1024},
};
constexpr std::array age_units = {
    Unit{.letter = 's', .worth = 1000},
    Unit{.letter = 'm', .worth = 60.0 * 1000},
    Unit{.letter = 'h', .worth = 3600.0 * 1000},
    Unit{.letter = 'd', .worth = 24 * 3600.0 * 1000},
    Unit{.letter = 'w', .worth = 7 * 24 * 3600.0 * 1000},
};
constexpr double number_max = 9e18;
constexpr int64_t days_shown_max = 28;  // from there on weeks

// A number, and perhaps a unit; `bare` is what a number without one counts.
std::optional<int64_t> parse_with(std::span<const Unit> units, double bare,
                                  std::string_view text) {
    double worth = bare;
    if (!text.empty()) {
        char last = text.back();
        for (const Unit& unit : units) {
            // K and k alike; but of times only the small ones.
            bool same = last == unit.letter ||
                        (unit.letter < 'a' && last == static_cast<char>(unit.letter | 0x20));
            if (!same) continue;
            worth = unit.worth;
            text.remove_suffix(1);
            break;
        }
    }
    double number = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
    number *= worth;
    if (!(number >= 0) || number > number_max) return std::nullopt;
    return static_cast<int64_t>(std::llround(number));
}

// Is `c` in the set that begins behind a bracket? `pattern` then stands behind the set. Without a
// closing bracket it is no set.
std::optional<bool> in_set(std::string_view& pattern, char c) {
    std::string_view rest = pattern;
    bool wanted = true;
    if (!rest.empty() && (rest.front() == '!' || rest.front() == '^')) {
        wanted = false;
        rest.remove_prefix(1);
    }
    bool found = false;
    for (bool first = true; !rest.empty(); first = false) {
        char low = rest.front();
        rest.remove_prefix(1);
        if (low == ']' && !first) {
            pattern = rest;
            return found == wanted;
        }
        char high = low;
        if (rest.size() > 1 && rest[0] == '-' && rest[1] != ']') {
            high = rest[1];
            rest.remove_prefix(2);
        }
        if (low <= c && c <= high) found = true;
    }
    return std::nullopt;
}

// Takes one character of `text` by one element of `pattern`, which is no star.
bool matches_one(std::string_view& pattern, std::string_view& text) {
    if (text.empty()) return false;
    char c = text.front();
    char wanted = pattern.front();
    pattern.remove_prefix(1);
    if (wanted == '[') {
        if (std::optional<bool> in = in_set(pattern, c)) {
            text.remove_prefix(1);
            return *in;
        }
    } else if (wanted == '\\' && !pattern.empty()) {
        wanted = pattern.front();
        pattern.remove_prefix(1);
    } else if (wanted == '?') {
        // A character, which in UTF-8 may be several bytes.
        text.remove_prefix(1);
        while (!text.empty() && (static_cast<uint8_t>(text.front()) & 0xc0) == 0x80)
            text.remove_prefix(1);
        return true;
    }
    text.remove_prefix(1);
    return c == wanted;
}

}  // namespace

std::string size_text(int64_t bytes) {
    auto value = static_cast<double>(bytes);
    size_t unit = 0;
    while (unit + 1 < size_units.size() && value >= 1023.5) {
        value /= 1024;
        ++unit;
    }
    char text[32];
    if (unit == 0) snprintf(text, sizeof text, "%lld", static_cast<long long>(bytes));
    else snprintf(text, sizeof text, value < 9.95 ? "%.1f%c" : "%.0f%c", value,
                  size_units[unit].letter);
    return text;
}

std::string age_text(int64_t ms) {
    int64_t seconds = ms / 1000;
    if (seconds < 1) return "now";
    if (seconds < 60) return std::to_string(seconds) + "s";
    if (seconds < 3600) return std::to_string(seconds / 60) + "m";
    int64_t hours = seconds / 3600;
    if (hours < 24) return std::to_string(hours) + "h";
    int64_t days = hours / 24;
    return days < days_shown_max ? std::to_string(days) + "d" : std::to_string(days / 7) + "w";
}

std::string utc_text(int64_t wall_ms) {
    int64_t part = ((wall_ms % 1000) + 1000) % 1000;
    time_t seconds = static_cast<time_t>((wall_ms - part) / 1000);
    tm utc = {};
    gmtime_r(&seconds, &utc);
    char text[64];
    size_t size = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
    char fraction[8];
    snprintf(fraction, sizeof fraction, ".%03dZ", static_cast<int>(part));
    return std::string(text, size) + fraction;
}

int64_t wall_clock_ms() {
    using namespace std::chrono;
    return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

std::optional<int64_t> parse_size(std::string_view text) {
    return parse_with(size_units, 1, text);
}
std::optional<int64_t> parse_age(std::string_view text) {
    return parse_with(age_units, 1000, text);
}

bool Bound::holds(int64_t number) const {
    switch (side) {
    case Side::more: return number > value;
    case Side::less: return number < value;
    case Side::exactly: return number == value;
    }
    return false;
}

std::optional<Bound> parse_bound(std::string_view text,
                                 std::optional<int64_t> (*parse)(std::string_view text)) {
    Bound bound;
    if (text.starts_with("+")) bound.side = Bound::Side::more;
    if (text.starts_with("-")) bound.side = Bound::Side::less;
    if (bound.side != Bound::Side::exactly) text.remove_prefix(1);
    std::optional<int64_t> value = parse(text);
    if (!value) return std::nullopt;
    bound.value = *value;
    return bound;
}

// Goes back to the last star only: what an earlier one took can stay as short as it was.
bool matches(std::string_view pattern, std::string_view text) {
    std::string_view star_pattern;
    std::string_view star_text;
    bool starred = false;
    for (;;) {
        if (!pattern.empty() && pattern.front() == '*') {
            pattern.remove_prefix(1);
            starred = true;
            star_pattern = pattern;
            star_text = text;
            continue;
        }
        if (pattern.empty() && text.empty()) return true;
        if (!pattern.empty() && matches_one(pattern, text)) continue;
        if (!starred || star_text.empty()) return false;
        star_text.remove_prefix(1);
        pattern = star_pattern;
        text = star_text;
    }
}

Kind kind_of(const Stat& stat) {
    return stat.ephemeral_owner == 0 ? Kind::persistent : Kind::ephemeral;
}

std::string_view kind_name(Kind kind) {
    switch (kind) {
    case Kind::persistent: return "persistent";
    case Kind::ephemeral: return "ephemeral";
    }
    return "";
}

std::optional<Kind> parse_kind(std::string_view text) {
    for (Kind kind : {Kind::persistent, Kind::ephemeral})
        if (kind_name(kind) == text) return kind;
    return std::nullopt;
}

}  // namespace zk
