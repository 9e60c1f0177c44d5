// page_worker.h -- a thread beside the loop that has the kernel prepare the tree's pages.
//
// Layer 6. Owns the thread, which is there only while it has something to do. It touches no memory
// itself.
//
// Populate: pages are found and zeroed before the loop first writes there, which so need not wait
// for each. That is a fifth of a start, and more where the host of a virtual machine has to find
// the memory.
//
// Join: small pages become huge ones. The kernel copies them, and whoever writes there meanwhile
// waits for it. In a large tree that is the loop, each time. So nine tenths of the time the thread
// sleeps; and where a page takes longer than it can be worth (that host may have given the memory
// to others: 6 ms), it leaves the rest as it is.

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

    enum class Work { populate, join };
    // False, and nothing is taken: it is busy with others, or there can be no thread.
    bool start(Work work, std::vector<PageRange>& ranges);
    // After the page at hand; nobody waits. Before a fork: what is shared would be copied.
    void stop() { stopping_ = true; }
    bool busy() const { return running_ && !done_; }

private:
    static void run(void* worker);
    void populate();
    void join();
    void end_thread();

    uv_thread_t thread_{};
    bool running_ = false;  // there is a thread to wait for
    std::atomic<bool> done_ = false;
    std::atomic<bool> stopping_ = false;
    Work work_ = Work::populate;     // the thread's until it is done
    std::vector<PageRange> ranges_;  // as well
};

}  // namespace zk
