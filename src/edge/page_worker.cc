// page_worker.cc -- see page_worker.h.

#include "edge/page_worker.h"

#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <ctime>

#include "base/log.h"

namespace zk {

namespace {

// Who maps memory waits meanwhile.
constexpr size_t populate_at_once = 256 * 1024;

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

PageWorker::~PageWorker() {
    stop();
    end_thread();
}

bool PageWorker::start(Work work, std::vector<PageRange>& ranges) {
    if (busy()) return false;
    end_thread();
    work_ = work;
    ranges_.swap(ranges);
    done_ = stopping_ = false;
    running_ = uv_thread_create(&thread_, run, this) == 0;
    if (running_) {
        ranges.clear();
    } else {
        LOG(debug, "no thread to prepare pages");
        ranges_.swap(ranges);
    }
    return running_;
}

void PageWorker::end_thread() {
    if (!running_) return;
    uv_thread_join(&thread_);
    running_ = false;
}

void PageWorker::run(void* worker) {
    auto& self = *static_cast<PageWorker*>(worker);
    if (self.work_ == Work::populate)
        self.populate();
    else
        self.join();
    self.done_ = true;
}

void PageWorker::populate() {
    for (const PageRange& range : ranges_) {
        auto* begin = static_cast<uint8_t*>(range.begin);
        for (size_t at = 0; at < range.bytes && !stopping_; at += populate_at_once)
            populate_pages(begin + at, std::min(populate_at_once, range.bytes - at));
    }
}

void PageWorker::join() {
    uint64_t joined = 0;
    uint64_t few_us = 0;
    for (const PageRange& range : ranges_) {
        auto* begin = static_cast<uint8_t*>(range.begin);
        for (size_t at = 0; at + huge_page_bytes <= range.bytes; at += huge_page_bytes) {
            if (stopping_ || few_us > few_us_max) return;
            if (joined % few == 0) few_us = 0;
            uint64_t started_us = processor_us();
            join_pages(begin + at);
            uint64_t took_us = processor_us() - started_us;
            few_us += took_us;
            ++joined;
            usleep(static_cast<useconds_t>(std::min(rest * took_us, rest_us_max)));
        }
    }
}

}  // namespace zk
