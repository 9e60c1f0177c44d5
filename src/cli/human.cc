// human.cc -- see human.h.

#include "cli/human.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <ctime>

#include "cli/quantity.h"

namespace zk {

namespace {

std::string hex(int64_t number) {
    char text[24];
    snprintf(text, sizeof text, "0x%llx", static_cast<unsigned long long>(number));
    return text;
}

// 2026-11-21 17:05:00 (3m ago), by the local clock.
std::string moment(int64_t wall_ms, int64_t now_ms) {
    time_t seconds = static_cast<time_t>(wall_ms / 1000);
    tm local = {};
    localtime_r(&seconds, &local);
    char text[64];
    size_t size = strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &local);
    std::string made(text, size);
    if (wall_ms == 0 || wall_ms > now_ms) return made;
    std::string age = age_text(now_ms - wall_ms);
    return made + (age == "now" ? " (now)" : " (" + age + " ago)");
}

std::string owner(const Stat& stat) {
    return hex(stat.ephemeral_owner) + (stat.ephemeral_owner == 0 ? "" : " (ephemeral)");
}

}  // namespace

std::string human_stat(const Stat& stat, int64_t now_ms, bool color) {
    std::string text;
    auto line = [&](std::string_view name, const std::string& value) {
        if (color) text += "\033[2m";
        text.append(name).append(15 - name.size(), ' ').append("= ");
        if (color) text += "\033[0m";
        text.append(value).append("\n");
    };
    line("cZxid", hex(stat.czxid));
    line("ctime", moment(stat.ctime, now_ms));
    line("mZxid", hex(stat.mzxid));
    line("mtime", moment(stat.mtime, now_ms));
    line("pZxid", hex(stat.pzxid));
    line("cversion", std::to_string(stat.cversion));
    line("dataVersion", std::to_string(stat.version));
    line("aclVersion", std::to_string(stat.aversion));
    line("ephemeralOwner", owner(stat));
    line("dataLength", std::to_string(stat.data_length));
    line("numChildren", std::to_string(stat.num_children));
    return text;
}

std::string in_columns(const std::vector<std::string>& names, size_t width) {
    size_t widest = 0;
    for (const std::string& name : names) widest = std::max(widest, characters(name) + 2);
    size_t across = std::max<size_t>(width / std::max<size_t>(widest, 1), 1);
    size_t down = (names.size() + across - 1) / across;
    std::string text;
    for (size_t row = 0; row < down; ++row) {
        for (size_t i = row; i < names.size(); i += down) {
            text += names[i];
            if (i + down < names.size()) text.append(widest - characters(names[i]), ' ');
        }
        text += "\n";
    }
    return text;
}

size_t characters(std::string_view text) {
    return static_cast<size_t>(std::count_if(
        text.begin(), text.end(), [](char c) { return (static_cast<uint8_t>(c) & 0xc0) != 0x80; }));
}

size_t terminal_width() {
    winsize size = {};
    ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    return size.ws_col > 0 ? size.ws_col : 80;
}

}  // namespace zk
