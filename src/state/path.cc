// path.cc -- see path.h.

#include "state/path.h"

#include <cstdint>
#include <cstring>

namespace zk {

namespace {

// Takes one character off the front of `text`. False: not UTF-8, or cut, or longer than need be.
bool take_character(std::string_view& text, uint32_t& character) {
    uint8_t first = static_cast<uint8_t>(text[0]);
    size_t size = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if ((first >= 0x80 && first < 0xc2) || first > 0xf4 || text.size() < size) return false;
    character = size == 1 ? first : first & (0x7fu >> size);
    for (size_t i = 1; i < size; ++i) {
        uint8_t next = static_cast<uint8_t>(text[i]);
        if ((next & 0xc0) != 0x80) return false;
        character = (character << 6) | (next & 0x3fu);
    }
    static constexpr uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    text.remove_prefix(size);
    return character >= least[size];
}

bool allowed(uint32_t character) {
    if (character <= 0x1f) return false;
    if (character >= 0x7f && character <= 0x9f) return false;
    if (character >= 0xd800 && character <= 0xf8ff) return false;
    return character < 0xfff0;
}

// True only where every byte is printable ASCII; eight at a time.
bool plain(std::string_view text) {
    constexpr uint64_t ones = 0x0101010101010101;
    uint64_t odd = 0;
    while (text.size() >= 8) {
        uint64_t bytes;
        memcpy(&bytes, text.data(), 8);
        // The high bit of a byte: itself, or below ' ' (borrowed), or 0x7f (carried).
        odd |= bytes | (bytes - ones * 0x20) | (bytes + ones);
        text.remove_prefix(8);
    }
    if ((odd & ones * 0x80) != 0) return false;
    for (char c : text)
        if (c < 0x20 || c > 0x7e) return false;
    return true;
}

bool good_characters(std::string_view text) {
    if (plain(text)) return true;
    while (!text.empty()) {
        uint32_t character = 0;
        if (!take_character(text, character) || !allowed(character)) return false;
    }
    return true;
}

bool good_part(std::string_view part) { return !part.empty() && part != "." && part != ".."; }

}  // namespace

bool valid_name(std::string_view name) {
    return good_part(name) && name.find('/') == name.npos && good_characters(name);
}

bool valid_path(std::string_view path) {
    if (path.empty() || path[0] != '/') return false;
    if (path.size() == 1) return true;
    for (size_t at = 1; at <= path.size();) {
        size_t end = path.find('/', at);
        if (end == std::string_view::npos) end = path.size();
        if (!good_part(path.substr(at, end - at))) return false;
        at = end + 1;
    }
    return good_characters(path);
}

}  // namespace zk
