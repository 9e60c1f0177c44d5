// path.cc -- see path.h.

#include "state/path.h"

#include <cstdint>

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

// True where every byte is plain: printable ASCII.
bool plain(std::string_view text) {
    for (char c : text)
        if (c < 0x20 || c > 0x7e) return false;
    return true;
}

}  // namespace

bool valid_path(std::string_view path) {
    if (path.empty() || path[0] != '/') return false;
    if (path.size() == 1) return true;
    if (path.back() == '/') return false;
    for (size_t at = 1; at <= path.size();) {
        size_t end = path.find('/', at);
        if (end == std::string_view::npos) end = path.size();
        std::string_view part = path.substr(at, end - at);
        if (part.empty() || part == "." || part == "..") return false;
        at = end + 1;
    }
    if (plain(path)) return true;
    for (std::string_view rest = path; !rest.empty();) {
        uint32_t character = 0;
        if (!take_character(rest, character) || !allowed(character)) return false;
    }
    return true;
}

}  // namespace zk
