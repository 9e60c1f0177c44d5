// progress.cc -- see progress.h.

#include "cli/progress.h"

#include <unistd.h>

#include <cstdio>

#include "cli/quantity.h"

namespace zk {

namespace {

constexpr uint64_t look_every = 256;  // znodes between two looks at the clock
constexpr int64_t tell_every_ms = 200;

}  // namespace

Progress::Progress(std::string_view label, bool wanted)
    : label_(label),
      shown_(wanted && isatty(STDERR_FILENO) == 1),
      began_ms_(wall_clock_ms()),
      told_ms_(began_ms_) {}

void Progress::clear() {
    if (line_) fputs("\r\033[K", stderr);
    line_ = false;
}

void Progress::add(size_t bytes) {
    bytes_ += bytes;
    if (++znodes_ % look_every == 0 && shown_) show();
}

void Progress::show() {
    int64_t now_ms = wall_clock_ms();
    if (now_ms - told_ms_ < tell_every_ms) return;
    told_ms_ = now_ms;
    line_ = true;
    uint64_t rate = znodes_ * 1000 / static_cast<uint64_t>(now_ms - began_ms_);
    fprintf(stderr, "\r\033[K%s: %s znodes, %s bytes, %s/s", label_.c_str(),
            grouped(znodes_).c_str(), size_text(static_cast<int64_t>(bytes_)).c_str(),
            grouped(rate).c_str());
    fflush(stderr);
}

std::string grouped(uint64_t number) {
    std::string digits = std::to_string(number);
    std::string text;
    for (size_t i = 0; i < digits.size(); ++i) {
        if (i > 0 && (digits.size() - i) % 3 == 0) text += ',';
        text += digits[i];
    }
    return text;
}

}  // namespace zk
