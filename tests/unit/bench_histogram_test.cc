// bench_histogram_test.cc -- percentiles against a sorted list.

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <random>
#include <vector>

#include "bench/histogram.h"

using namespace zk;

namespace {

uint64_t exact_percentile(std::vector<uint64_t> values, double percent) {
    std::sort(values.begin(), values.end());
    double rank = std::ceil(percent / 100 * static_cast<double>(values.size()));
    size_t index = rank < 1 ? 0 : static_cast<size_t>(rank) - 1;
    return values[index];
}

}  // namespace

TEST_CASE("a histogram without values has no percentiles") {
    Histogram histogram;
    CHECK(histogram.count() == 0);
    CHECK(histogram.percentile(50) == 0);
    CHECK(histogram.max() == 0);
    CHECK(histogram.mean() == 0.0);
}

TEST_CASE("small values are kept exactly") {
    Histogram histogram;
    for (uint64_t value = 0; value < 256; ++value) histogram.add(value);
    CHECK(histogram.count() == 256);
    CHECK(histogram.percentile(50) == 127);
    CHECK(histogram.percentile(100) == 255);
    CHECK(histogram.percentile(0) == 0);
    CHECK(histogram.mean() == 127.5);
}

TEST_CASE("one value is all percentiles, whatever its size") {
    for (unsigned bit = 0; bit < 64; ++bit)
        for (uint64_t value : {uint64_t{1} << bit, (uint64_t{1} << bit) - 1}) {
            CAPTURE(value);
            Histogram histogram;
            histogram.add(value);
            CHECK(histogram.percentile(0.1) == value);
            CHECK(histogram.percentile(99.9) == value);
            CHECK(histogram.max() == value);
        }
}

TEST_CASE("percentiles are within one part in 128 of the exact ones") {
    const char* given = getenv("SEED");
    uint64_t seed = given != nullptr ? strtoull(given, nullptr, 10) : std::random_device()();
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    Histogram histogram;
    std::vector<uint64_t> values;
    for (int i = 0; i < 20'000; ++i) {
        uint64_t value = random() >> (22 + random() % 40);  // all magnitudes up to 2^42
        values.push_back(value);
        histogram.add(value);
    }
    for (double percent : {0.01, 1.0, 25.0, 50.0, 90.0, 99.0, 99.9, 99.99, 100.0}) {
        CAPTURE(percent);
        uint64_t exact = exact_percentile(values, percent);
        uint64_t found = histogram.percentile(percent);
        CHECK(found >= exact);
        CHECK(found <= exact + exact / 128 + 1);
    }
    CHECK(histogram.max() == *std::max_element(values.begin(), values.end()));
}

TEST_CASE("two histograms added are one of all values") {
    Histogram low;
    Histogram high;
    for (uint64_t i = 0; i < 100; ++i) low.add(i);
    for (uint64_t i = 1000; i < 1100; ++i) high.add(i);
    low.add(high);
    CHECK(low.count() == 200);
    CHECK(low.percentile(50) == 99);
    CHECK(low.max() == 1099);
}
