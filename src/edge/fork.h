// fork.h -- a snapshot by a child process that sees memory as it was at the fork.
//
// Layer 6. One child at a time. Its first acts: die with the parent, and close every descriptor (a
// child that held the sockets would hide the server's death from its clients). Then it does nothing
// but write `path`.tmp, sync it, give it its name, sync the directory and _exit. It writes past the
// page cache, 250 MB a second at most. What went wrong it leaves in a page of memory that both
// share; of a child that was killed, nothing stays.
//
// While it lives, each private page that one of both writes to is copied (base/pages.h).
// `copied_bytes` says how much memory only the child had in the end: what was copied.

#pragma once

#include <sys/types.h>

#include <string>

#include "base/io.h"

namespace zk {

class SnapshotChild {
public:
    SnapshotChild() = default;
    SnapshotChild(const SnapshotChild&) = delete;
    SnapshotChild& operator=(const SnapshotChild&) = delete;
    ~SnapshotChild();

    // Requires: the last one has ended and `poll` said so.
    Result<void> start(const std::string& path, WriteSnapshot write, const void* job);
    // Looks whether the child has ended. True: it has, and `result` says how.
    bool poll(Result<void>& result);
    // Ends it, if there is one.
    void kill();

    uint64_t fork_us() const { return fork_us_; }            // how long the last fork took
    uint64_t copied_bytes() const { return copied_bytes_; }  // while the last child lived

    // What the child tells.
    struct Told {
        const char* failed;  // what it was doing; the same address in both processes
        int error;
        uint64_t copied_bytes;
    };

private:
    pid_t pid_ = 0;
    std::string temporary_;
    Told* told_ = nullptr;  // shared with the child
    uint64_t fork_us_ = 0;
    uint64_t copied_bytes_ = 0;
};

}  // namespace zk
