// ring.h -- a first-in first-out queue that stops allocating once it is as long as it ever gets.
//
// Owns its elements in one array of 2^n places:
//
//     |   |   | a | b | c |   |   |   |
//               ^head       ^head + size  (modulo the array's length)

#pragma once

#include <type_traits>
#include <utility>
#include <vector>

#include "base/log.h"

namespace zk {

template <typename T>
class Ring {
    static_assert(std::is_trivially_copyable_v<T>);

public:
    bool empty() const { return size_ == 0; }
    size_t size() const { return size_; }

    void push(const T& element) {
        if (size_ == places_.size()) [[unlikely]] grow();
        places_[(head_ + size_) & (places_.size() - 1)] = element;
        ++size_;
    }
    T& front() {
        ASSERT(size_ > 0);
        return places_[head_];
    }
    T pop() {
        ASSERT(size_ > 0);
        T element = places_[head_];
        head_ = (head_ + 1) & (places_.size() - 1);
        --size_;
        return element;
    }
    void swap(Ring& other) noexcept {
        places_.swap(other.places_);
        std::swap(head_, other.head_);
        std::swap(size_, other.size_);
    }

private:
    void grow() {
        std::vector<T> larger(places_.empty() ? 16 : places_.size() * 2);
        for (size_t i = 0; i < size_; ++i) larger[i] = places_[(head_ + i) & (places_.size() - 1)];
        places_.swap(larger);
        head_ = 0;
    }

    std::vector<T> places_;
    size_t head_ = 0;
    size_t size_ = 0;
};

}  // namespace zk
