// fork.h -- a snapshot by a child process that sees memory as it was at the fork.
//
// Layer 6. One child at a time. The child dies with its parent, closes every descriptor but its own
// file (a child that held the sockets would hide the server's death from its clients), and then
// does nothing but write, fsync, rename and _exit.

#pragma once

#include <sys/types.h>

#include <string>

#include "base/io.h"

namespace zk {

class SnapshotChild {
public:
    Result<void> start(const std::string& path, WriteSnapshot write, const void* job);
    bool running() const { return pid_ > 0; }
    // Looks whether the child has ended. True: it has, and `result` says how.
    bool poll(Result<void>& result);
    // Ends it, if there is one; nothing of it stays.
    void kill();

    uint64_t fork_us() const { return fork_us_; }  // how long the last fork itself took

private:
    pid_t pid_ = 0;
    std::string temporary_;
    uint64_t fork_us_ = 0;
};

}  // namespace zk
