// queue.h -- virtual time: what happens when, one thing after the other.
//
// Owns the clock of a simulated world. Things due at the same moment happen in the order in which
// they were planned, so a run depends on its seed alone.

#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <vector>

namespace zk::sim {

class Queue {
public:
    uint64_t now_us() const { return now_us_; }

    void at(uint64_t when_us, std::function<void()> what) {
        heap_.push_back({.when_us = std::max(when_us, now_us_),
                         .number = next_number_++,
                         .what = std::move(what)});
        std::push_heap(heap_.begin(), heap_.end(), later);
    }
    void after(uint64_t delay_us, std::function<void()> what) {
        at(now_us_ + delay_us, std::move(what));
    }
    // False: nothing is planned up to `until_us`, and now it is then.
    bool step(uint64_t until_us) {
        if (heap_.empty() || heap_.front().when_us > until_us) {
            now_us_ = std::max(now_us_, until_us);
            return false;
        }
        std::pop_heap(heap_.begin(), heap_.end(), later);
        Planned planned = std::move(heap_.back());
        heap_.pop_back();
        now_us_ = planned.when_us;
        planned.what();
        return true;
    }

private:
    struct Planned {
        uint64_t when_us;
        uint64_t number;
        std::function<void()> what;
    };
    static bool later(const Planned& a, const Planned& b) {
        return a.when_us != b.when_us ? a.when_us > b.when_us : a.number > b.number;
    }

    uint64_t now_us_ = 0;
    uint64_t next_number_ = 0;
    std::vector<Planned> heap_;
};

}  // namespace zk::sim
