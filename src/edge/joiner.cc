// joiner.cc -- see joiner.h.

#include "edge/joiner.h"

#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <ctime>

#include "base/log.h"

namespace zk {

namespace {

constexpr uint64_t rest = 9;  // times what a page took
constexpr uint64_t rest_us_max = 50'000;
constexpr uint64_t few = 4;  // pages, and the processor time that they may take
constexpr uint64_t few_us_max = 8'000;

uint64_t processor_us() {
    timespec used = {};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return static_cast<uint64_t>(used.tv_sec * 1'000'000 + used.tv_nsec / 1000);
}

}  // namespace

PageJoiner::~PageJoiner() {
    stop();
    join_thread();
}

void PageJoiner::start(std::vector<PageRange> ranges) {
    if (busy() || ranges.empty()) return;
    join_thread();
    ranges_ = std::move(ranges);
    done_ = stopping_ = false;
    running_ = uv_thread_create(&thread_, work, this) == 0;
    if (!running_) LOG(debug, "no thread to join pages");
}

void PageJoiner::join_thread() {
    if (!running_) return;
    uv_thread_join(&thread_);
    running_ = false;
}

void PageJoiner::work(void* joiner) {
    auto& self = *static_cast<PageJoiner*>(joiner);
    uint64_t joined = 0;
    uint64_t few_us = 0;
    for (const PageRange& range : self.ranges_) {
        auto* begin = static_cast<uint8_t*>(range.begin);
        for (size_t at = 0; at + huge_page_bytes <= range.bytes; at += huge_page_bytes) {
            if (self.stopping_ || few_us > few_us_max) break;
            if (joined % few == 0) few_us = 0;
            uint64_t started_us = processor_us();
            join_pages(begin + at);
            uint64_t took_us = processor_us() - started_us;
            few_us += took_us;
            ++joined;
            usleep(static_cast<useconds_t>(std::min(rest * took_us, rest_us_max)));
        }
    }
    self.done_ = true;
}

}  // namespace zk
