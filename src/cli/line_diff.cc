// line_diff.cc -- see line_diff.h.

#include "cli/line_diff.h"

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

namespace zk {

namespace {

constexpr size_t context_lines = 3;
constexpr size_t cells_max = 4u << 20;  // of the table; what is larger is shown as replaced

using Lines = std::vector<std::string_view>;

Lines lines_of(std::string_view text) {
    Lines lines;
    for (;;) {
        size_t end = text.find('\n');
        lines.push_back(text.substr(0, end));
        if (end == text.npos) return lines;
        text.remove_prefix(end + 1);
    }
}

void put(std::string& out, char mark, std::string_view line) {
    out += mark;
    out.append(line).append("\n");
}

// The longest common subsequence, from its table: cell (i, j) is its length behind lines i and j.
void put_changes(std::string& out, std::span<const std::string_view> from,
                 std::span<const std::string_view> to) {
    size_t width = to.size() + 1;
    size_t i = 0;
    size_t j = 0;
    if ((from.size() + 1) * width <= cells_max) {
        std::vector<uint32_t> common((from.size() + 1) * width);
        for (i = from.size(); i-- > 0;)
            for (j = to.size(); j-- > 0;)
                common[i * width + j] =
                    from[i] == to[j] ? common[(i + 1) * width + j + 1] + 1
                                     : std::max(common[(i + 1) * width + j],
                                                common[i * width + j + 1]);
        i = j = 0;
        while (i < from.size() && j < to.size()) {
            if (from[i] == to[j]) {
                put(out, ' ', from[i++]);
                ++j;
            } else if (common[(i + 1) * width + j] >= common[i * width + j + 1]) {
                put(out, '-', from[i++]);
            } else {
                put(out, '+', to[j++]);
            }
        }
    }
    while (i < from.size()) put(out, '-', from[i++]);
    while (j < to.size()) put(out, '+', to[j++]);
}

}  // namespace

std::string line_diff(std::string_view from, std::string_view to) {
    if (from == to) return "";
    Lines a = lines_of(from);
    Lines b = lines_of(to);
    size_t least = std::min(a.size(), b.size());
    size_t begin = 0;
    while (begin < least && a[begin] == b[begin]) ++begin;
    size_t end = 0;  // equal lines at the end
    while (end < least - begin && a[a.size() - 1 - end] == b[b.size() - 1 - end]) ++end;
    std::string out;
    for (size_t i = begin - std::min(begin, context_lines); i < begin; ++i) put(out, ' ', a[i]);
    put_changes(out, std::span(a).subspan(begin, a.size() - begin - end),
                std::span(b).subspan(begin, b.size() - begin - end));
    for (size_t i = 0; i < std::min(end, context_lines); ++i)
        put(out, ' ', a[a.size() - end + i]);
    return out;
}

std::string marked_lines(char mark, std::string_view text) {
    std::string out;
    for (std::string_view line : lines_of(text)) put(out, mark, line);
    return out;
}

}  // namespace zk
