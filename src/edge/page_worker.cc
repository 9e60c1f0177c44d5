// page_worker.cc -- see page_worker.h.

#include "edge/page_worker.h"

#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <ctime>
#include <utility>

#include "base/log.h"

namespace zk {

namespace {

constexpr size_t hasty_bite = 256 * 1024;
constexpr size_t small_bite = 64 * 1024;
constexpr uint64_t rest_us_max = 50'000;
constexpr uint64_t dear_us = 2'000;           // of the processor's, for one
constexpr uint64_t find_again_us = 3'600'000'000;

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
    if (huge_page_ != nullptr) release_zeroed(huge_page_, huge_page_bytes);
}

bool PageWorker::start(PageWork work, std::vector<PageRange>& ranges) {
    if (busy()) return false;
    end_thread();
    finding_ = false;
    work_ = work;
    ranges_.swap(ranges);
    if (run_thread()) {
        ranges.clear();
        return true;
    }
    ranges_.swap(ranges);
    return false;
}

void* PageWorker::take_huge_page() {
    if (busy()) return nullptr;
    end_thread();
    if (huge_page_ != nullptr) return std::exchange(huge_page_, nullptr);
    uint64_t now_us = uv_hrtime() / 1000;
    if (in_vain_) next_find_us_ = now_us + find_again_us;
    in_vain_ = false;
    if (now_us < next_find_us_) return nullptr;
    finding_ = true;
    run_thread();
    return nullptr;
}

bool PageWorker::run_thread() {
    done_ = stopping_ = false;
    running_ = uv_thread_create(&thread_, run, this) == 0;
    if (!running_) LOG(debug, "no thread to prepare pages");
    return running_;
}

void PageWorker::end_thread() {
    if (!running_) return;
    uv_thread_join(&thread_);
    running_ = false;
}

void PageWorker::run(void* worker) {
    auto& self = *static_cast<PageWorker*>(worker);
    if (self.finding_) {
        uint64_t started_us = processor_us();
        self.huge_page_ = find_huge_page();
        self.in_vain_ = self.huge_page_ == nullptr || processor_us() - started_us > dear_us;
    } else {
        self.work_through();
    }
    self.done_ = true;
}

void PageWorker::work_through() {
    for (const PageRange& range : ranges_) {
        auto* begin = static_cast<uint8_t*>(range.begin);
        for (size_t done = 0; done < range.bytes && !stopping_;) {
            size_t left = range.bytes - done;
            size_t bytes = std::min(left, work_ == PageWork::populate ? hasty_bite : small_bite);
            if (work_ == PageWork::enlarge && whole_huge_page(begin + done, left))
                bytes = huge_page_bytes;
            uint64_t started_us = processor_us();
            work_on(begin + done, bytes);
            if (work_ != PageWork::populate) rest_after(started_us);
            done += bytes;
        }
    }
    ranges_ = {};
}

void PageWorker::work_on(uint8_t* at, size_t bytes) const {
    if (bytes == huge_page_bytes)
        populate_huge_page(at);
    else
        populate_pages(at, bytes);
}

void PageWorker::rest_after(uint64_t started_us) const {
    uint64_t took_us = processor_us() - started_us;
    usleep(static_cast<useconds_t>(std::min(took_us, rest_us_max)));
}

}  // namespace zk
