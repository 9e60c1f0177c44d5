// story.h -- what happened in a simulated world: a hash of all of it, and, when asked, words.
//
// The hash covers every byte sent, written and received with its time: two runs of one seed must
// have the same. Words cost time, so a run makes none; a seed that failed is run again with them.

#pragma once

#include <cstdarg>
#include <cstdint>
#include <deque>
#include <string>

#include "base/bytes.h"

namespace zk::sim {

class Story {
public:
    // `words`: keep the last steps; `aloud`: print each as it happens.
    Story(bool words, bool aloud) : words_(words || aloud), aloud_(aloud) {}

    bool words() const { return words_; }
    void at(uint64_t now_us) { now_us_ = now_us; }
    // Whose steps come now; 0: nobody's in particular.
    void node(uint32_t number) { node_ = number; }
    void mix(uint64_t value) {
        hash_ = (hash_ ^ value) * 0x9e3779b97f4a7c15ull;
        hash_ ^= hash_ >> 29;
    }
    void mix(Bytes bytes);
    uint64_t hash() const { return hash_; }

    // A step, only where words() is true.
    void tell(const char* format, ...) __attribute__((format(printf, 2, 3)));
    // A rule was broken. The first one counts; the run ends soon after.
    void fail(const char* format, ...) __attribute__((format(printf, 2, 3)));
    bool failed() const { return !failure_.empty(); }
    const std::string& failure() const { return failure_; }

    void print_last_steps() const;

private:
    static constexpr size_t steps_kept = 80;

    void add(std::string line);

    bool words_;
    bool aloud_;
    uint64_t now_us_ = 0;
    uint32_t node_ = 0;
    uint64_t hash_ = 0;
    std::string failure_;
    std::deque<std::string> steps_;
};

// Bytes for a person: text with escapes, cut where it is long.
std::string shown(Bytes bytes, size_t most = 80);

}  // namespace zk::sim

// A step of the story, made only when somebody listens.
#define TELL(story, ...)                                    \
    do {                                                    \
        if ((story).words()) (story).tell(__VA_ARGS__);     \
    } while (0)
