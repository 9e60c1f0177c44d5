// loop.h -- the event loop of a program that drives many clients.
//
// Owns a uv_loop_t, a timer and two signal handles, so that such a program (zk-bench) need not know
// libuv. `turn` waits for something to happen and handles it; the timer sees to it that it returns
// now and then whatever happens. SIGINT and SIGTERM are only noted: the first one, so that a second
// ends the process as it always does. All clients in it must be closed before it goes.

#pragma once

#include <uv.h>

#include <csignal>
#include <cstdint>

#include "base/log.h"

namespace zk {

class Loop {
public:
    explicit Loop(uint32_t tick_ms);
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;
    ~Loop();

    uv_loop_t* uv() { return &loop_; }
    void turn() {
        ++turns_;
        uv_run(&loop_, UV_RUN_ONCE);
    }
    // `turn` returns at least so often.
    void tick_every(uint32_t ms);
    uint64_t turns() const { return turns_; }
    bool interrupted() const { return interrupted_; }
    void forget_interrupt() { interrupted_ = false; }
    static uint64_t now_ns() { return uv_hrtime(); }

private:
    static void on_signal(uv_signal_t* handle, int signal);

    uv_loop_t loop_ = {};
    uv_timer_t tick_ = {};
    uv_signal_t signals_[2] = {};
    uint64_t turns_ = 0;
    bool interrupted_ = false;
};

}  // namespace zk
