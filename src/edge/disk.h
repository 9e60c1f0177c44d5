// disk.h -- files, for real: the ops of base/io.h on a disk, at once or on two worker threads.
//
// Layer 6. `FileDisk` runs lists of ops and keeps the file that it used last open. A `DiskLane` is a
// thread with a queue: work goes in by value, what became of it comes out through a uv_async_t to the
// loop's thread. The two threads share nothing but the queue's lock, and never see the state.

#pragma once

#include <uv.h>

#include <string>
#include <vector>

#include "base/io.h"

namespace zk {

class FileDisk {
public:
    FileDisk() = default;
    FileDisk(const FileDisk&) = delete;
    FileDisk& operator=(const FileDisk&) = delete;
    ~FileDisk();

    DiskResult run(std::span<const DiskOp> ops);

private:
    int run_one(const DiskOp& op);  // an errno, or 0
    int open_file(const std::string& path, int flags);
    void close_file();

    std::string path_;  // of the open file
    int file_ = -1;
};

class DiskLane {
public:
    struct Job {
        uint64_t ticket = 0;
        std::vector<DiskOp> ops;
    };
    struct Done {
        uint64_t ticket = 0;
        DiskResult result;
    };

    // `finished` wakes the loop; the lane does not own it.
    void start(uv_async_t* finished);
    // Waits for what is under way and forgets the rest. Called before the async handle closes.
    void stop();
    void submit(Job job);
    std::vector<Done> take_done();

private:
    static void work(void* lane);
    void work_loop();

    uv_thread_t thread_{};
    uv_mutex_t mutex_{};
    uv_cond_t wake_{};
    bool started_ = false;
    bool stopping_ = false;
    std::vector<Job> queue_;
    std::vector<Done> done_;
    uv_async_t* finished_ = nullptr;
};

}  // namespace zk
