// page_worker.h -- a thread beside the loop that has the kernel prepare the tree's pages.
//
// Layer 6. Owns the thread, which is there only while it has something to do, and the huge page
// that it found. It touches no memory itself. What it does is in base/pages.h; the loop need not
// wait for a page then:
//
// - Before it first writes there: 1.4 us, and 10 where the host of a virtual machine has to find
//   the memory, too. That is a fifth of a start.
// - Once a fork's child is gone: all that it had is read-only then.
// - For huge pages, milliseconds.
//
// At leisure: it rests as long as it works, with small bites, since somebody who maps memory waits
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
    // After the page at hand; nobody waits.
    void stop() { stopping_ = true; }
    bool busy() const { return running_ && !done_; }

    // See base/io.h. Where the kernel has none, or takes milliseconds, none are looked for during
    // the next hour: the host of a virtual machine that has to find each page, and gets others back
    // instead, slows all of its memory down for a while.
    void* take_huge_page();

private:
    bool run_thread();
    static void run(void* worker);
    void work_through();
    void work_on(uint8_t* at, size_t bytes) const;
    void rest_after(uint64_t started_us) const;
    void end_thread();

    uv_thread_t thread_{};
    bool running_ = false;  // there is a thread to wait for
    uint64_t next_find_us_ = 0;
    std::atomic<bool> done_ = false;
    std::atomic<bool> stopping_ = false;
    // The thread's until it is done.
    bool finding_ = false;
    bool in_vain_ = false;
    PageWork work_ = PageWork::populate;
    std::vector<PageRange> ranges_;
    void* huge_page_ = nullptr;
};

}  // namespace zk
