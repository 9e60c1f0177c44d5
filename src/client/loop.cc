// loop.cc -- see loop.h.

#include "client/loop.h"

namespace zk {

Loop::Loop(uint32_t tick_ms) {
    int failed = uv_loop_init(&loop_);
    ASSERT(failed == 0);
    uv_timer_init(&loop_, &tick_);
    tick_every(tick_ms);
    constexpr int caught[] = {SIGINT, SIGTERM};
    for (size_t i = 0; i < 2; ++i) {
        uv_signal_init(&loop_, &signals_[i]);
        signals_[i].data = this;
        uv_signal_start_oneshot(&signals_[i], on_signal, caught[i]);
    }
}

Loop::~Loop() {
    uv_close(reinterpret_cast<uv_handle_t*>(&tick_), nullptr);
    for (uv_signal_t& signal : signals_) uv_close(reinterpret_cast<uv_handle_t*>(&signal), nullptr);
    uv_run(&loop_, UV_RUN_DEFAULT);
    int failed = uv_loop_close(&loop_);
    ASSERT(failed == 0);
}

void Loop::tick_every(uint32_t ms) {
    uv_timer_start(
        &tick_, [](uv_timer_t*) {}, ms, ms);
}

void Loop::on_signal(uv_signal_t* handle, int) {
    static_cast<Loop*>(handle->data)->interrupted_ = true;
}

}  // namespace zk
