// result.h -- a value or the reason why there is none.
//
// Layer 0. For what the world does to us: files, sockets, settings. ZooKeeper's own verdicts to
// clients are `Err` codes (wire/errors.h), our own mistakes are ASSERT. The names are those of
// std::expected, which g++ 12 does not have.

#pragma once

#include <string>
#include <utility>
#include <variant>

#include "base/log.h"

namespace zk {

// What went wrong, said for a person: which file, which offset, what was expected.
// `code` is an errno where the operating system spoke, else 0.
struct Error {
    std::string text;
    int code = 0;
};

template <typename T>
class [[nodiscard]] Result {
public:
    Result(T value) : content_(std::move(value)) {}
    Result(Error error) : content_(std::move(error)) {}

    explicit operator bool() const { return std::holds_alternative<T>(content_); }
    bool has_value() const { return std::holds_alternative<T>(content_); }
    T& value() {
        ASSERT(has_value());
        return *std::get_if<T>(&content_);
    }
    const T& value() const {
        ASSERT(has_value());
        return *std::get_if<T>(&content_);
    }
    T& operator*() { return value(); }
    const T& operator*() const { return value(); }
    T* operator->() { return &value(); }
    const T* operator->() const { return &value(); }
    const Error& error() const {
        ASSERT(!has_value());
        return *std::get_if<Error>(&content_);
    }

private:
    std::variant<T, Error> content_;
};

template <>
class [[nodiscard]] Result<void> {
public:
    Result() = default;
    Result(Error error) : error_(std::move(error)), ok_(false) {}

    explicit operator bool() const { return ok_; }
    bool has_value() const { return ok_; }
    const Error& error() const {
        ASSERT(!ok_);
        return error_;
    }

private:
    Error error_;
    bool ok_ = true;
};

}  // namespace zk
