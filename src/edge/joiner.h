// joiner.h -- makes huge pages of small ones, by a thread beside the loop.
//
// Layer 6. Owns the thread, which is there only while it has something to do. It touches no memory
// of the ranges itself: the kernel copies them, and whoever writes there meanwhile waits for it. In
// a large tree that is the loop, each time. So nine tenths of the time the thread sleeps; and where
// a page takes longer than it can be worth (the host of a virtual machine may have to find it
// first: 6 ms), it leaves the rest as it is.

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
    // After the page at hand; nobody waits. Before a fork: what is shared would be copied.
    void stop() { stopping_ = true; }
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
