// histogram.cc -- see histogram.h.

#include "bench/histogram.h"

#include <algorithm>
#include <cmath>

namespace zk {

// place = shift * fine + (value >> shift), and value >> shift lies in [fine, 2 * fine).
uint64_t Histogram::highest_in(size_t place) {
    if (place < 2 * fine) return place;
    if (place == places - 1) return UINT64_MAX;
    size_t shift = place / fine - 1;
    uint64_t mantissa = place - shift * fine;
    return ((mantissa + 1) << shift) - 1;
}

void Histogram::add(const Histogram& other) {
    for (size_t i = 0; i < places; ++i) places_[i] += other.places_[i];
    count_ += other.count_;
    sum_ += other.sum_;
    max_ = std::max(max_, other.max_);
}

double Histogram::mean() const {
    return count_ == 0 ? 0 : static_cast<double>(sum_) / static_cast<double>(count_);
}

uint64_t Histogram::percentile(double percent) const {
    if (count_ == 0) return 0;
    double wanted = std::ceil(percent / 100 * static_cast<double>(count_));
    uint64_t rank = std::clamp<uint64_t>(static_cast<uint64_t>(wanted), 1, count_);
    uint64_t seen = 0;
    for (size_t i = 0; i < places; ++i) {
        seen += places_[i];
        if (seen >= rank) return std::min(highest_in(i), max_);
    }
    return max_;
}

}  // namespace zk
