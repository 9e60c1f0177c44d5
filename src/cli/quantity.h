// quantity.h -- sizes, ages, kinds and patterns: as people write them and as they are shown.
//
// Pure. Sizes are in powers of 1024, ages in s, m, h, d and w.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "wire/records.h"

namespace zk {

std::string size_text(int64_t bytes);  // 17, 1.2K, 35M: four characters or less, mostly
std::string age_text(int64_t ms);      // 40s, 5m, 3h, 2d, 14w; "now" below a second
std::string utc_text(int64_t wall_ms); // 2026-11-21T17:00:00.123Z
int64_t wall_clock_ms();

std::optional<int64_t> parse_size(std::string_view text);  // 10, 4k, 1.5M
std::optional<int64_t> parse_age(std::string_view text);   // 90s, 5m, 1.5h; in ms; bare: seconds

// +N, -N or N: more, less, exactly.
struct Bound {
    enum class Side : uint8_t { more, less, exactly } side = Side::exactly;
    int64_t value = 0;

    bool holds(int64_t number) const;
};
std::optional<Bound> parse_bound(std::string_view text,
                                 std::optional<int64_t> (*parse)(std::string_view text));

// As in a shell: * (anything, slashes too), ?, [a-z], [!a-z], and \ before what stands for itself.
bool matches(std::string_view pattern, std::string_view text);

// What clients can know: to them containers and znodes with a TTL look like persistent ones.
enum class Kind : uint8_t { persistent, ephemeral };
Kind kind_of(const Stat& stat);
std::string_view kind_name(Kind kind);
std::optional<Kind> parse_kind(std::string_view text);

}  // namespace zk
