// joiner.cc -- see joiner.h.

#include "edge/joiner.h"

#include <sys/resource.h>

#include <cstdint>

#include "base/log.h"

namespace zk {

PageJoiner::~PageJoiner() {
    stopping_ = true;
    join_thread();
}

void PageJoiner::start(std::vector<PageRange> ranges) {
    if (busy() || ranges.empty()) return;
    join_thread();
    ranges_ = std::move(ranges);
    done_ = false;
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
    setpriority(PRIO_PROCESS, 0, 10);  // on Linux, of this thread
    for (const PageRange& range : self.ranges_) {
        auto* begin = static_cast<uint8_t*>(range.begin);
        for (size_t at = 0; at + huge_page_bytes <= range.bytes && !self.stopping_;
             at += huge_page_bytes)
            join_pages(begin + at);
    }
    self.done_ = true;
}

}  // namespace zk
