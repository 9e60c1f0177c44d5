// page_worker.h -- a thread beside the loop that has the kernel prepare the tree's pages.
//
// Layer 6. Owns the thread, which is there only while it has something to do. It touches no memory
// itself. What it does is in base/pages.h (PageWork); the loop need not wait for a page then:
//
// - Before it first writes there: 1.4 us, and 10 where the host of a virtual machine has to find
//   the memory, too. That is a fifth of a start.
// - Behind a fork, and once its child is gone, for then all pages are read-only.
//
// At leisure: it rests as long as it works, with small bites, since somebody who maps memory waits
// for it, and the processor may be wanted, too.
//
// Joining: the kernel copies the pages, and whoever writes there meanwhile waits for it. In a large
// tree that is the loop, each time. So nine tenths of the time the thread sleeps; and where a page
// takes longer than it can be worth (that host may have given the memory to others: 6 ms), it
// leaves the rest as it is, and all of it for an hour.

#pragma once

#include <uv.h>

#include <atomic>
#include <vector>

#include "base/pages.h"

namespace zk {

class PageWorker {
public:
    PageWorker() = default;
    ~PageWorker();
    PageWorker(const PageWorker&) = delete;
    PageWorker& operator=(const PageWorker&) = delete;

    // False: nothing is taken, for it is busy with others, or there can be no thread. Joining is
    // stopped for other work.
    bool start(PageWork work, std::vector<PageRange>& ranges);
    // After the page at hand; nobody waits. Before a fork: what is shared would be copied.
    void stop() { stopping_ = true; }
    bool busy() const { return running_ && !done_; }

private:
    static void run(void* worker);
    void work_through();
    size_t bite(uint8_t* at, size_t left) const;
    void work_on(uint8_t* at, size_t bytes) const;
    void rest_after(uint64_t took_us);
    void end_thread();

    uv_thread_t thread_{};
    bool running_ = false;  // there is a thread to wait for
    std::atomic<bool> done_ = false;
    std::atomic<bool> stopping_ = false;
    // The thread's until it is done.
    PageWork work_ = PageWork::populate;
    std::vector<PageRange> ranges_;
    uint64_t joined_ = 0;        // pages
    uint64_t few_us_ = 0;        // that the last few of them took
    uint64_t next_join_us_ = 0;  // not before
};

}  // namespace zk
