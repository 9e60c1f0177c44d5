// page_worker.h -- a thread beside the loop that has the kernel prepare the tree's pages.
//
// Layer 6. Owns the thread, which is there only while it has something to do. It touches no memory
// itself. The loop need not wait then for a page that it first writes to: 1.4 us, and 10 where the
// host of a virtual machine has to find the memory, too. That is a fifth of a start.
//
// At leisure: it rests as long as it works, a bite at a time, since somebody who maps memory waits
// for it, and the processor may be wanted, too.

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

    // False: nothing is taken, for it is busy with others, or there can be no thread.
    bool start(PageWork work, std::vector<PageRange>& ranges);
    // After the 256 kB at hand, and the rest behind them; nobody waits here.
    void stop() { stopping_ = true; }
    bool busy() const { return running_ && !done_; }

private:
    static void run(void* worker);
    void work_through();
    void rest_after(uint64_t started_us) const;
    void end_thread();

    uv_thread_t thread_{};
    bool running_ = false;  // there is a thread to wait for
    std::atomic<bool> done_ = false;
    std::atomic<bool> stopping_ = false;
    // The thread's until it is done.
    PageWork work_ = PageWork::in_haste;
    std::vector<PageRange> ranges_;
};

}  // namespace zk
