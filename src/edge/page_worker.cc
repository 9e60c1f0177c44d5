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

constexpr size_t bite = 256 * 1024;
constexpr uint64_t rest_us_max = 50'000;

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

bool PageWorker::start(PageWork work, std::vector<PageRange>& ranges) {
    if (busy()) return false;
    end_thread();
    work_ = work;
    ranges_.swap(ranges);
    done_ = stopping_ = false;
    running_ = uv_thread_create(&thread_, run, this) == 0;
    if (running_) {
        ranges.clear();
        return true;
    }
    LOG(debug, "no thread to prepare pages");
    ranges_.swap(ranges);
    return false;
}

void PageWorker::end_thread() {
    if (!running_) return;
    uv_thread_join(&thread_);
    running_ = false;
}

void PageWorker::run(void* worker) {
    auto& self = *static_cast<PageWorker*>(worker);
    self.work_through();
    self.done_ = true;
}

void PageWorker::work_through() {
    for (const PageRange& range : ranges_) {
        auto* begin = static_cast<uint8_t*>(range.begin);
        for (size_t done = 0; done < range.bytes && !stopping_;) {
            size_t bytes = std::min(range.bytes - done, bite);
            uint64_t started_us = processor_us();
            populate_pages(begin + done, bytes);
            if (work_ == PageWork::at_leisure) rest_after(started_us);
            done += bytes;
        }
    }
    ranges_ = {};
}

void PageWorker::rest_after(uint64_t started_us) const {
    uint64_t took_us = processor_us() - started_us;
    usleep(static_cast<useconds_t>(std::min(took_us, rest_us_max)));
}

}  // namespace zk
