// histogram.h -- how often each latency was seen, to within one part in 128.
//
// Owns an array of counts. A value below 128 has a place of its own; above, each power of two is
// cut into 128 equal places (the idea of HdrHistogram):
//
//     0 1 2 ... 127 | 128 129 ... 255 | 256 258 ... 510 | 512 516 ... | ...   up to 2^42 ns
//
// Invariant: count() is the sum of all places. Values beyond the last place are counted there;
// max() is exact.

#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace zk {

class Histogram {
public:
    void add(uint64_t value) {
        ++places_[place_of(value)];
        ++count_;
        sum_ += value;
        if (value > max_) max_ = value;
    }
    void add(const Histogram& other);
    void clear() { *this = Histogram(); }

    uint64_t count() const { return count_; }
    uint64_t max() const { return max_; }
    double mean() const;
    // The least value that `percent` of all values do not exceed; 0 where there are none.
    uint64_t percentile(double percent) const;

private:
    static constexpr unsigned fine_bits = 7;
    static constexpr unsigned value_bits = 42;  // 73 minutes in nanoseconds
    static constexpr size_t fine = size_t{1} << fine_bits;
    static constexpr size_t places = fine * (value_bits - fine_bits + 1);

    static size_t place_of(uint64_t value) {
        if (value < fine) return static_cast<size_t>(value);
        unsigned shift = static_cast<unsigned>(std::bit_width(value)) - fine_bits - 1;
        size_t place = (size_t{shift} << fine_bits) + static_cast<size_t>(value >> shift);
        return place < places ? place : places - 1;
    }
    static uint64_t highest_in(size_t place);

    std::array<uint64_t, places> places_ = {};
    uint64_t count_ = 0;
    uint64_t sum_ = 0;
    uint64_t max_ = 0;
};

}  // namespace zk
