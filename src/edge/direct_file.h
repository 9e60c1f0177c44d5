// direct_file.h -- a file that is written past the page cache, and synced by the same call.
//
// Layer 6, for the log. A write by way of the cache and its fdatasync need a thread that waits for
// them, and so two hand-overs a batch; where each has to wake a processor they take as long as the
// disk. Linux takes a direct write that is durable when it ends (O_DIRECT, RWF_DSYNC), and an
// eventfd tells that: so the loop begins it and goes to sleep in its poll. With RWF_NOWAIT the
// kernel gives back most of what it would have to wait for: that takes `write` and a sync, on a
// thread. With ext4 next to nothing; with XFS each write that comes in another tick of the clock
// than the one before, for it has a time to change; with btrfs and tmpfs all. The interface is
// io_uring. Some containers forbid it, and all goes by the thread; but io_submit, which they allow,
// makes a process take 40 ms to die before its connections end, and its peers wait for that.
//
//     file     | block | block | block |            a write takes the blocks that it touches, whole
//                    aaaabbbbbbb0000                a: written before, the same once more
//
// Whoever writes goes on where the last write ended, mostly; the block of that end is kept. What
// was durable in it is written again unchanged, so a write that the disk cuts at a sector harms
// none of it. What a file holds behind a write, up to the end of that block, becomes zeros.
//
// One owner at a time: a thread that waits, or the loop with what it began. Numbers are errnos.

#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.h"

namespace zk {

class DirectFile {
public:
    static constexpr size_t block_bytes = 4096;
    static constexpr size_t stage_bytes = 1024 * 1024;  // that a begun write can have

    DirectFile() = default;
    DirectFile(const DirectFile&) = delete;
    DirectFile& operator=(const DirectFile&) = delete;
    ~DirectFile();

    // A descriptor to write whole blocks with, from memory that is aligned to them; -1: not here.
    static int open_file(const std::string& path);

    // Makes the eventfd, once; -1 where begin() can do nothing.
    int event();

    // Not for each file system: what is not open is written through the cache.
    void open(const std::string& path);
    void close();
    // Does a write that ends there stay within the file? It never makes it longer.
    bool takes(uint64_t end) const { return file_ >= 0 && whole_blocks(end) <= size_; }
    // The file was written by another way: what is known of its content no longer holds.
    void forget() { known_ = false; }

    // Waits, and syncs nothing. Requires: takes(offset + data.size()). EINVAL, EOPNOTSUPP: not this
    // way.
    int write(Bytes data, uint64_t offset);

    // Begins a write that is durable when it has ended; false: not this one. One at a time. The
    // bytes are copied.
    bool begin(Bytes data, uint64_t offset);
    // What became of it, if it has ended or `wait`. EAGAIN: to be written again by write(). To be
    // called whenever the event is readable, by the loop, even while a thread has the file.
    std::optional<int> ended(bool wait);

private:
    static uint64_t whole_blocks(uint64_t bytes) {
        return (bytes + block_bytes - 1) / block_bytes * block_bytes;
    }
    bool make_stage();
    bool make_ring();
    void drop_ring();
    int read_block_of(uint64_t offset);
    size_t stage(Bytes data, uint64_t offset);
    void staged_is_written(uint64_t end);
    void have_rest();

    int file_ = -1;
    uint64_t size_ = 0;  // of the file
    uint64_t end_ = 0;   // of the last write; the stage begins with its block's part before that
    bool known_ = false;
    uint8_t* stage_ = nullptr;

    int event_ = -1;
    struct Ring {
        int file = -1;  // -1: there is none
        uint8_t* submit = nullptr;
        uint8_t* done = nullptr;
        uint8_t* request = nullptr;
        size_t submit_bytes = 0;
        size_t done_bytes = 0;
        uint32_t* submit_tail = nullptr;
        uint32_t* done_head = nullptr;
        uint32_t* done_tail = nullptr;
        uint32_t done_mask = 0;
        uint8_t* ends = nullptr;
    };
    Ring ring_;
    bool works_ = false;  // a write to this file was begun and went well
    uint32_t rest_ = 0;  // so many are not begun after one that had to be written again
    uint32_t rest_left_ = 0;
    size_t begun_ = 0;           // blocks' bytes under way
    uint64_t begun_end_ = 0;
};

}  // namespace zk
