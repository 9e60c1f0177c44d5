// lines.h -- a file or standard input, line by line, while the session lives on.

#pragma once

#include <string>

#include "base/bytes.h"
#include "client/sync.h"

namespace zk {

class LineReader {
public:
    // Lines longer than this are no lines of ours.
    static constexpr size_t line_bytes_max = 32u << 20;

    explicit LineReader(SyncClient& session) : session_(session) {}
    LineReader(const LineReader&) = delete;
    LineReader& operator=(const LineReader&) = delete;
    ~LineReader();

    // "" or "-": standard input. False: see errno.
    bool open(const std::string& name);
    enum class Step : uint8_t { line, end, too_long, broken, interrupted };
    // The line, without its end, lives until the next call.
    Step next(std::string_view& line);
    size_t number() const { return number_; }  // of the line given last, from 1

private:
    SyncClient& session_;
    int fd_ = -1;
    bool ended_ = false;
    Buffer in_;
    size_t given_ = 0;     // of in_, the bytes of the line given last
    size_t searched_ = 0;  // of in_, bytes without an end of line
    size_t number_ = 0;
};

}  // namespace zk
