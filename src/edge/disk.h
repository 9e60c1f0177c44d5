// disk.h -- files, for real: the ops of base/io.h, run at once or by a lane's worker thread.
//
// Layer 6. `FileDisk` runs lists of ops and keeps the file that it used last open. A `DiskLane` is
// a thread with a FileDisk and a queue: jobs go in by value, what became of them comes out, in
// order, and a uv_async_t wakes the loop. The threads share the queue's lock and a count of renamed
// and removed files, and never see the state.
//
// That count is how a lane notices that the path of its open file may mean another file by now.

#pragma once

#include <uv.h>

#include <atomic>
#include <string>
#include <vector>

#include "base/io.h"

namespace zk {

using NameChanges = std::atomic<uint64_t>;

class FileDisk {
public:
    // gentle: big work goes in slices, each on the disk before the next, so that the log's syncs,
    // which may have to wait for all that was written before, never wait for much.
    enum class Pace : uint8_t { at_once, gentle };

    FileDisk(NameChanges& names, Pace pace) : names_(names), pace_(pace) {}
    FileDisk(const FileDisk&) = delete;
    FileDisk& operator=(const FileDisk&) = delete;
    ~FileDisk() { close_file(); }

    // Stops at the first op that fails.
    DiskResult run(std::span<const DiskOp> ops);
    Result<size_t> read_at(const std::string& path, uint64_t offset, std::span<uint8_t> out);

private:
    // Each returns an errno, or 0.
    int run_one(const DiskOp& op);
    int read_part(const DiskOp& op, std::vector<uint8_t>& bytes);
    int create(const DiskOp& op);
    int fill(uint64_t size);
    int rename_file(const DiskOp& op);
    int remove_file(const DiskOp& op);
    int open_file(const std::string& path);
    void close_file();
    void name_changed();

    NameChanges& names_;
    Pace pace_;
    uint64_t names_seen_ = 0;  // as of when the open file was opened, or this lane's last change
    std::string path_;         // of the open file
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

    DiskLane(NameChanges& names, FileDisk::Pace pace) : disk_(names, pace) {}

    // `finished` wakes the loop; the lane does not own it.
    void start(uv_async_t* finished);
    // Waits for the list that is under way and forgets the rest. Before the async handle closes.
    void stop();
    void submit(Job job);
    // Adds what is done to `done`, in order.
    void take_done(std::vector<Done>& done);

private:
    static void work(void* lane);
    void work_loop();

    FileDisk disk_;  // the thread's
    uv_thread_t thread_{};
    uv_mutex_t mutex_{};
    uv_sem_t jobs_{};  // one for each in the queue, and one to stop
    bool started_ = false;
    uv_async_t* finished_ = nullptr;

    // Under the lock.
    bool stopping_ = false;
    std::vector<Job> queue_;
    std::vector<Done> done_;
};

}  // namespace zk
