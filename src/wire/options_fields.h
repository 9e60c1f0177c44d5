// options_fields.h -- from a value in a file to a field of Config and back, kind by kind.
//
// Layer 1. Only for the table in options.cc. A setter says what is wrong and what would be right,
// beginning with the key, or it returns "" and the field is set. A setter of a row says nothing of
// the file and line: whoever calls it knows them.

#pragma once

#include <charconv>
#include <limits>
#include <optional>
#include <type_traits>

#include "wire/options.h"

namespace zk {

// Decimal, or hexadecimal after 0x as Java reads jute.maxbuffer.
std::optional<int64_t> parse_number(std::string_view text);
// true or false, yes or no, in any case.
std::optional<bool> parse_flag(std::string_view text);
std::string lower_case(std::string_view text);
std::string_view trimmed(std::string_view text);

// `tickTime is "2s"; it takes a whole number of ms from 1 to 2147483647`
std::string bad_value(std::string_view key, std::string_view value, std::string_view takes);
std::string number_takes(const Option& option);

template <auto member>
using FieldType = std::remove_cvref_t<decltype(std::declval<Config>().*member)>;

// The file's unit is `scale` of the field's. A negative number means "off" where the field has no
// sign: 0.
template <auto member, int64_t scale>
std::string set_number(const Option& option, std::string_view key, std::string_view value,
                       Settings& settings) {
    using Type = FieldType<member>;
    std::optional<int64_t> number = parse_number(value);
    if (!number || *number < option.least || *number > option.most)
        return bad_value(key, value, number_takes(option));
    if (std::is_unsigned_v<Type> && *number < 0) number = 0;
    settings.config.*member = static_cast<Type>(*number * scale);
    return {};
}
template <auto member, int64_t scale>
std::string show_number(const Config& config) {
    return std::to_string(config.*member / static_cast<FieldType<member>>(scale));
}

template <auto member>
std::string set_flag(const Option&, std::string_view key, std::string_view value,
                     Settings& settings) {
    std::optional<bool> flag = parse_flag(value);
    if (!flag) return bad_value(key, value, "true or false (or yes or no)");
    settings.config.*member = *flag;
    return {};
}
template <auto member>
std::string show_flag(const Config& config) {
    return config.*member ? "true" : "false";
}

template <auto member>
std::string set_text(const Option&, std::string_view key, std::string_view value,
                     Settings& settings) {
    if (value.empty()) return bad_value(key, value, "a value; leave the line out to have none");
    settings.config.*member = value;
    return {};
}
template <auto member>
std::string show_text(const Config& config) {
    return config.*member;
}

std::string set_hours_ms(const Option& option, std::string_view key, std::string_view value,
                         uint64_t& ms);
std::string show_hours_ms(uint64_t ms);
template <auto member>
std::string set_hours(const Option& option, std::string_view key, std::string_view value,
                      Settings& settings) {
    return set_hours_ms(option, key, value, settings.config.*member);
}
template <auto member>
std::string show_hours(const Config& config) {
    return show_hours_ms(config.*member);
}

template <auto member, int64_t scale = 1>
inline constexpr OptionField number = {set_number<member, scale>, show_number<member, scale>};
template <auto member>
inline constexpr OptionField flag = {set_flag<member>, show_flag<member>};
template <auto member>
inline constexpr OptionField text = {set_text<member>, show_text<member>};
template <auto member>
inline constexpr OptionField hours = {set_hours<member>, show_hours<member>};  // 1, 30m, 10s

// Those of one key each.
std::string set_super_digest(const Option&, std::string_view, std::string_view, Settings&);
std::string set_words(const Option&, std::string_view, std::string_view, Settings&);
std::string set_log_level(const Option&, std::string_view, std::string_view, Settings&);
std::string show_log_level(const Config&);
std::string set_peer_type(const Option&, std::string_view, std::string_view, Settings&);
std::string show_peer_type(const Config&);
std::string set_auth_provider(const Option&, std::string_view, std::string_view, Settings&);
std::string set_secret(const Option&, std::string_view, std::string_view, Settings&);
std::string show_secret(const Config&);  // that there is one, never the secret itself

// Membership, in options_members.cc.
std::string set_server(const Option&, std::string_view, std::string_view, Settings&);
std::string set_group(const Option&, std::string_view, std::string_view, Settings&);
std::string set_weight(const Option&, std::string_view, std::string_view, Settings&);
// What hangs together among members; errors go to the settings.
void check_members(Settings& settings);

}  // namespace zk
