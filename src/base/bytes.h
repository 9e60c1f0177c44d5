// bytes.h -- reading and writing big-endian bytes.
//
// Layer 0. `Reader` walks bytes that somebody else owns and never past their end: after the first
// bad read it stays failed and yields zeros and empties, so a decoder reads all fields and asks
// `ok()` once. `Buffer` owns bytes that grow at the end and are consumed at the front.
//
//     Buffer:   | consumed | content          | spare  |
//                          ^data()            ^data()+size()
//
// Integers are big-endian everywhere: on the wire because ZooKeeper's are, on disk so that there is
// one way to do it.

#pragma once

#include <bit>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/log.h"

namespace zk {

using Bytes = std::span<const uint8_t>;

inline Bytes as_bytes(std::string_view text) {
    return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}
inline std::string_view as_text(Bytes bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

inline uint32_t load_u32(const uint8_t* at) {
    uint32_t raw;
    memcpy(&raw, at, sizeof raw);
    return __builtin_bswap32(raw);
}
inline uint64_t load_u64(const uint8_t* at) {
    uint64_t raw;
    memcpy(&raw, at, sizeof raw);
    return __builtin_bswap64(raw);
}
inline void store_u32(uint8_t* at, uint32_t value) {
    value = __builtin_bswap32(value);
    memcpy(at, &value, sizeof value);
}
inline void store_u64(uint8_t* at, uint64_t value) {
    value = __builtin_bswap64(value);
    memcpy(at, &value, sizeof value);
}

class Reader {
public:
    explicit Reader(Bytes bytes) : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

    bool ok() const { return ok_; }
    void fail() { ok_ = false; }
    size_t left() const { return static_cast<size_t>(end_ - at_); }
    Bytes rest() const { return {at_, left()}; }

    uint8_t u8() { return take(1) ? at_[-1] : uint8_t{0}; }
    uint16_t u16() {
        return take(2) ? static_cast<uint16_t>((at_[-2] << 8) | at_[-1]) : uint16_t{0};
    }
    uint32_t u32() { return take(4) ? load_u32(at_ - 4) : 0; }
    uint64_t u64() { return take(8) ? load_u64(at_ - 8) : 0; }
    int32_t i32() { return static_cast<int32_t>(u32()); }
    int64_t i64() { return static_cast<int64_t>(u64()); }
    bool boolean() { return u8() != 0; }
    Bytes bytes(size_t size) { return take(size) ? Bytes(at_ - size, size) : Bytes(); }

private:
    bool take(size_t size) {
        if (!ok_ || left() < size) [[unlikely]] {
            ok_ = false;
            return false;
        }
        at_ += size;
        return true;
    }

    const uint8_t* at_;
    const uint8_t* end_;
    bool ok_ = true;
};

class Buffer {
public:
    Buffer() = default;
    Buffer(Buffer&& other) noexcept { swap(other); }
    Buffer& operator=(Buffer&& other) noexcept {
        if (this != &other) {
            reset();
            swap(other);
        }
        return *this;
    }
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;
    ~Buffer() { free(memory_); }

    const uint8_t* data() const { return memory_ + begin_; }
    uint8_t* data() { return memory_ + begin_; }
    size_t size() const { return end_ - begin_; }
    size_t capacity() const { return capacity_; }
    bool empty() const { return begin_ == end_; }
    Bytes bytes() const { return {data(), size()}; }
    std::string_view text() const { return as_text(bytes()); }

    void u8(uint8_t value) { *grow(1) = value; }
    void u16(uint16_t value) {
        uint8_t* at = grow(2);
        at[0] = static_cast<uint8_t>(value >> 8);
        at[1] = static_cast<uint8_t>(value);
    }
    void u32(uint32_t value) { store_u32(grow(4), value); }
    void u64(uint64_t value) { store_u64(grow(8), value); }
    void i32(int32_t value) { u32(static_cast<uint32_t>(value)); }
    void i64(int64_t value) { u64(static_cast<uint64_t>(value)); }
    void boolean(bool value) { u8(value ? 1 : 0); }
    void append(Bytes bytes) {
        if (!bytes.empty()) memcpy(grow(bytes.size()), bytes.data(), bytes.size());
    }
    void append(std::string_view text) { append(as_bytes(text)); }

    // Adds `size` bytes for the caller to fill in; the pointer lives until the next growth.
    uint8_t* grow(size_t size) {
        if (capacity_ - end_ < size) [[unlikely]] make_room(size);
        uint8_t* at = memory_ + end_;
        end_ += size;
        return at;
    }
    // Overwrites four bytes at `offset` of the content. Requires: they are there.
    void patch_u32(size_t offset, uint32_t value) {
        ASSERT(offset + 4 <= size());
        store_u32(data() + offset, value);
    }
    void patch_u64(size_t offset, uint64_t value) {
        ASSERT(offset + 8 <= size());
        store_u64(data() + offset, value);
    }
    void consume(size_t size) {
        ASSERT(size <= this->size());
        begin_ += size;
        if (begin_ == end_) begin_ = end_ = 0;
    }
    void truncate(size_t size) {
        ASSERT(size <= this->size());
        end_ = begin_ + size;
    }
    void clear() { begin_ = end_ = 0; }  // keeps the memory
    void reset() {                       // gives the memory back
        free(memory_);
        memory_ = nullptr;
        begin_ = end_ = capacity_ = 0;
    }
    void reserve(size_t spare) {
        if (capacity_ - end_ < spare) make_room(spare);
    }
    void swap(Buffer& other) noexcept {
        std::swap(memory_, other.memory_);
        std::swap(begin_, other.begin_);
        std::swap(end_, other.end_);
        std::swap(capacity_, other.capacity_);
    }

private:
    void make_room(size_t size) {
        // The content moves down only where at least as much was consumed before it: then a byte
        // that passes through is copied once or twice, however long the queue is.
        if (begin_ > 0 && begin_ >= end_ - begin_) {
            memmove(memory_, memory_ + begin_, end_ - begin_);
            end_ -= begin_;
            begin_ = 0;
        }
        if (capacity_ - end_ >= size) return;
        size_t wanted = capacity_ < 128 ? 256 : capacity_ * 2;
        while (wanted - end_ < size) wanted *= 2;
        memory_ = static_cast<uint8_t*>(realloc(memory_, wanted));
        ASSERT(memory_ != nullptr);
        capacity_ = wanted;
    }

    uint8_t* memory_ = nullptr;
    size_t begin_ = 0;
    size_t end_ = 0;
    size_t capacity_ = 0;
};

}  // namespace zk
