// progress.h -- how far a long command is: one line on standard error, where a person looks at it.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace zk {

class Progress {
public:
    // `label`: what is done, like "export". Not shown, if `wanted` is false or nobody looks.
    Progress(std::string_view label, bool wanted);
    Progress(const Progress&) = delete;
    Progress& operator=(const Progress&) = delete;
    ~Progress() { clear(); }

    void clear();  // takes the line away, for what is to be told

    // Another znode, of so many bytes.
    void add(size_t bytes);
    uint64_t znodes() const { return znodes_; }
    uint64_t bytes() const { return bytes_; }

private:
    void show();

    std::string label_;
    bool shown_ = false;  // at all
    bool line_ = false;   // the line is on the screen
    uint64_t znodes_ = 0;
    uint64_t bytes_ = 0;
    int64_t began_ms_;
    int64_t told_ms_;
};

std::string grouped(uint64_t number);  // 1,234,567

}  // namespace zk
