// story.cc -- see story.h.

#include "story.h"

#include <cinttypes>
#include <cstdio>

#include "base/hash.h"

namespace zk::sim {

namespace {

std::string format_text(const char* format, va_list args) {
    char text[2000];
    int size = vsnprintf(text, sizeof text, format, args);
    if (size < 0) return "?";
    return std::string(text, std::min<size_t>(static_cast<size_t>(size), sizeof text - 1));
}

}  // namespace

void Story::mix(Bytes bytes) { mix(hash64(bytes)); }

void Story::add(std::string line) {
    char who[16] = "   ";
    if (node_ != 0) snprintf(who, sizeof who, "n%u ", node_);
    char stamp[48];
    snprintf(stamp, sizeof stamp, "%9.3f ms  %s ", static_cast<double>(now_us_) / 1000.0, who);
    steps_.push_back(stamp + std::move(line));
    if (aloud_) printf("%s\n", steps_.back().c_str());
    if (steps_.size() > steps_kept) steps_.pop_front();
}

void Story::tell(const char* format, ...) {
    va_list args;
    va_start(args, format);
    add(format_text(format, args));
    va_end(args);
}

void Story::fail(const char* format, ...) {
    if (failed()) return;
    va_list args;
    va_start(args, format);
    failure_ = format_text(format, args);
    va_end(args);
    if (words_) add("WRONG: " + failure_);
}

void Story::print_last_steps() const {
    for (const std::string& step : steps_) printf("  %s\n", step.c_str());
}

std::string shown(Bytes bytes, size_t most) {
    std::string out;
    for (size_t i = 0; i < bytes.size(); ++i) {
        if (out.size() >= most) return out + "... (" + std::to_string(bytes.size()) + " bytes)";
        char text[8];
        uint8_t c = bytes[i];
        if (c >= 0x20 && c < 0x7f && c != '\\')
            snprintf(text, sizeof text, "%c", c);
        else
            snprintf(text, sizeof text, "\\%02x", c);
        out += text;
    }
    return out;
}

}  // namespace zk::sim
