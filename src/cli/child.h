// child.h -- a command line of the system's, run by us, that never outlives us.
//
// Owns a process, by default a process group of its own, and beside it a warden: a fork of us that
// does nothing but wait, at the other end of a pipe. It ends the child when we are gone, and at the
// moments that `limit` has named, even if we are stopped just then or busy:
//
//     zk-cli --limit(term, kill)--> warden --SIGTERM, SIGKILL--> child and its children
//            --------(gone)------>        --SIGKILL----------->
//
// The warden has a session of its own, so that what is sent to our group does not reach it. On a
// terminal the child stays in our group, to be able to read; then only itself is signalled. On
// Linux the kernel ends the child with us, too.
//
// Does not wait: whoever catches SIGCHLD calls `ended`.

#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "cli/command.h"

namespace zk {

class Child {
public:
    struct Plan {
        std::vector<std::string> command;  // not empty
        std::vector<std::pair<std::string, std::string>> environment;  // put to ours
        int input = -1;  // its standard input; -1: ours
    };
    static constexpr uint64_t never = UINT64_MAX;

    Child() = default;
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;
    ~Child();  // kills what still runs

    // Requires: none is running. The error is for people; `status` is then 127 (there is no such
    // program) or 126.
    Result<void> start(const Plan& plan);
    // Has it ended? Then `status` is its own: the exit status, or 128 and the signal.
    bool ended();
    bool running() const { return pid_ > 0; }
    Status status() const { return status_; }

    void pass_on(int signal);
    // SIGTERM and SIGKILL at these moments, by CLOCK_MONOTONIC; takes the place of earlier limits.
    void limit(uint64_t term_ms, uint64_t kill_ms);

private:
    struct Limits {
        uint64_t term_ms = never;
        uint64_t kill_ms = never;
    };

    [[noreturn]] static void become(const Plan& plan, bool own_group, pid_t parent, int report);
    [[noreturn]] static void watch_over(int pipe, pid_t target);
    Result<void> post_warden();
    void dismiss_warden();
    void bury_warden();
    pid_t target() const { return own_group_ ? -pid_ : pid_; }

    pid_t pid_ = 0;     // 0: none, or it has been collected
    pid_t warden_ = 0;  // buried late: whoever waits for what we hold shall not wait for that
    int pipe_ = -1;     // to the warden
    bool own_group_ = false;
    Limits limits_;
    Status status_ = Status::ok;
};

}  // namespace zk
