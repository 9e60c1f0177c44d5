// page_worker.cc -- see page_worker.h.

#include "edge/page_worker.h"

#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <ctime>

#include "base/log.h"

namespace zk {

namespace {

constexpr size_t hasty_bite = 256 * 1024;
constexpr size_t small_bite = 64 * 1024;
constexpr uint64_t rest_us_max = 50'000;

constexpr uint64_t join_rest = 9;  // times what a page took
constexpr uint64_t few = 4;        // pages, and the processor time that they may take
constexpr uint64_t few_us_max = 8'000;
constexpr uint64_t dear_us = 3'600'000'000;  // then they may be cheaper

uint64_t processor_us() {
    timespec used = {};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return static_cast<uint64_t>(used.tv_sec * 1'000'000 + used.tv_nsec / 1000);
}

bool whole_huge_page(const uint8_t* at, size_t left) {
    return reinterpret_cast<uintptr_t>(at) % huge_page_bytes == 0 && left >= huge_page_bytes;
}

}  // namespace

PageWorker::~PageWorker() {
    stop();
    end_thread();
}

bool PageWorker::start(PageWork work, std::vector<PageRange>& ranges) {
    if (busy()) {
        if (work_ == PageWork::join && work != PageWork::join) stop();
        return false;
    }
    end_thread();
    if (work == PageWork::join && uv_hrtime() / 1000 < next_join_us_) {
        ranges.clear();
        return true;
    }
    work_ = work;
    ranges_.swap(ranges);
    joined_ = few_us_ = 0;
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
    self.work_through();
    self.ranges_ = {};
    self.done_ = true;
}

void PageWorker::work_through() {
    for (const PageRange& range : ranges_) {
        auto* begin = static_cast<uint8_t*>(range.begin);
        for (size_t done = 0; done < range.bytes && !stopping_;) {
            size_t bytes = bite(begin + done, range.bytes - done);
            uint64_t started_us = processor_us();
            work_on(begin + done, bytes);
            rest_after(processor_us() - started_us);
            done += bytes;
        }
    }
}

size_t PageWorker::bite(uint8_t* at, size_t left) const {
    bool huge = work_ == PageWork::join || work_ == PageWork::enlarge;
    if (huge && whole_huge_page(at, left)) return huge_page_bytes;
    return std::min(left, work_ == PageWork::populate ? hasty_bite : small_bite);
}

void PageWorker::work_on(uint8_t* at, size_t bytes) const {
    if (work_ == PageWork::join) {
        if (bytes == huge_page_bytes) join_pages(at);
    } else if (work_ == PageWork::enlarge && bytes == huge_page_bytes) {
        populate_huge_page(at);
    } else {
        populate_pages(at, bytes);
    }
}

void PageWorker::rest_after(uint64_t took_us) {
    if (work_ == PageWork::populate) return;
    uint64_t times = work_ == PageWork::join ? join_rest : 1;
    usleep(static_cast<useconds_t>(std::min(times * took_us, rest_us_max)));
    if (work_ != PageWork::join) return;
    few_us_ = joined_ % few == 0 ? took_us : few_us_ + took_us;
    ++joined_;
    if (few_us_ <= few_us_max) return;
    next_join_us_ = uv_hrtime() / 1000 + dear_us;
    stopping_ = true;
}

}  // namespace zk
