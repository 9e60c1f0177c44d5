// joiner.h -- makes huge pages of small ones, by a thread beside the loop.
//
// Layer 6. Owns the thread, which is there only while it has something to do, and steps back behind
// the loop's. It touches no memory of the ranges itself: the kernel copies them, and whoever writes
// there waits for it.

#pragma once

#include <uv.h>

#include <atomic>
#include <vector>

#include "base/pages.h"

namespace zk {

class PageJoiner {
public:
    PageJoiner() = default;
    ~PageJoiner();
    PageJoiner(const PageJoiner&) = delete;
    PageJoiner& operator=(const PageJoiner&) = delete;

    // If it is not busy with others.
    void start(std::vector<PageRange> ranges);
    bool busy() const { return running_ && !done_; }

private:
    static void work(void* joiner);
    void join_thread();

    uv_thread_t thread_{};
    bool running_ = false;  // there is a thread to wait for
    std::atomic<bool> done_ = false;
    std::atomic<bool> stopping_ = false;
    std::vector<PageRange> ranges_;  // the thread's until it is done
};

}  // namespace zk
