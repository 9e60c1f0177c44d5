// disk.h -- files, for real: the ops of base/io.h, run at once or by a lane's worker thread.
//
// Layer 6. `FileDisk` runs lists of ops and keeps the file that it used last open. A `DiskLane` is
// a thread with a FileDisk and a queue: jobs go in by value, what became of them comes out, in
// order, and a uv_async_t wakes the loop. The threads share the queue's lock and a count of renamed
// and removed files, and never see the state.
//
// The log's lane does most of its work without the thread: while that has nothing to do, the loop
// itself begins a list that is a write and its sync, and the lane's event tells that it has ended
// (direct_file.h). What the kernel would have to wait for goes to the thread, and so does what the
// open file is not known well enough for: the first write, one behind a rename or a removal. So the
// FileDisk is the loop's as long as the thread owes it nothing, and the queue's lock is between. Of
// the gentle lane's the loop has nothing, and the thread frees removed files while it is idle.
//
// That count is how a lane notices that the path of its open file may mean another file by now.

#pragma once

#include <uv.h>

#include <atomic>
#include <optional>
#include <string>
#include <vector>

#include "base/io.h"
#include "edge/direct_file.h"

namespace zk {

using NameChanges = std::atomic<uint64_t>;

class FileDisk {
public:
    // gentle: big work goes in slices, each on the disk before the next, so that the log's syncs,
    // which may have to wait for all that was written before, never wait for much. A large file
    // loses its name at once and its room bit by bit: freed at once, a gigabyte was seen to hold up
    // syncs four times in a row, for 50 ms each.
    // direct: what is synced by the same list goes past the page cache, where that can be.
    enum class Way : uint8_t { at_once, gentle, direct };

    FileDisk(NameChanges& names, Way way) : names_(names), way_(way) {}
    FileDisk(const FileDisk&) = delete;
    FileDisk& operator=(const FileDisk&) = delete;
    ~FileDisk();

    // Stops at the first op that fails.
    DiskResult run(std::span<const DiskOp> ops);
    Result<size_t> read_at(const std::string& path, uint64_t offset, std::span<uint8_t> out);

    // Instead of run, without waiting; false: not this list. `ended` has the errno once it is over.
    bool begin(std::span<const DiskOp> ops);
    std::optional<int> ended(bool wait) {
        return way_ == Way::direct ? direct_.ended(wait) : std::nullopt;
    }
    int event() { return way_ == Way::direct ? direct_.event() : -1; }

    // Gives back some room of a file that was removed gently. False: there is none.
    bool free_some(bool rest = true);

private:
    // Each returns an errno, or 0.
    int run_one(const DiskOp& op);
    int write(const DiskOp& op);
    int read_op(const DiskOp& op, std::vector<uint8_t>& bytes);
    int create(const DiskOp& op);
    int fill(uint64_t size);
    int rename_file(const DiskOp& op);
    int remove_file(const DiskOp& op);
    static int open_to_free(const std::string& path);
    int open_file(const std::string& path);
    void close_file();
    void name_changed();

    NameChanges& names_;
    Way way_;
    uint64_t names_seen_ = 0;  // as of when the open file was opened, or this lane's last change
    std::string path_;         // of the open file
    int file_ = -1;
    DirectFile direct_;        // the same file, opened for its other way
    bool synced_ = false;      // the list that runs syncs what it writes
    std::vector<int> going_;   // files without a name, and of nobody else's
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

    DiskLane(NameChanges& names, FileDisk::Way way) : disk_(names, way) {}

    // Readable when what was begun without the thread has ended; -1: there is no such thing here.
    int event() { return disk_.event(); }

    // `finished` wakes the loop; the lane does not own it.
    void start(uv_async_t* finished);
    // Waits for the list that is under way and forgets the rest. Before the async handle closes.
    void stop();
    // Requires, of the log's lane: what was begun without the thread was taken.
    void submit(Job job);
    // Adds what is done to `done`, in order.
    void take_done(std::vector<Done>& done);

private:
    static void work(void* lane);
    void work_loop();
    void wait_for_job();
    void to_thread(Job job);

    FileDisk disk_;  // the thread's, or the loop's while `owed_` is 0
    // The loop's.
    size_t owed_ = 0;            // jobs that the thread has and whose end was not taken
    std::optional<Job> begun_;   // without the thread, and when
    uint64_t begun_ns_ = 0;
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
