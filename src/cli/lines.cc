// lines.cc -- see lines.h.

#include "cli/lines.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace zk {

namespace {

constexpr size_t read_bytes = 64 * 1024;

}  // namespace

LineReader::~LineReader() {
    if (fd_ > STDIN_FILENO) ::close(fd_);
}

bool LineReader::open(const std::string& name) {
    fd_ = name.empty() || name == "-" ? STDIN_FILENO : ::open(name.c_str(), O_RDONLY | O_CLOEXEC);
    return fd_ >= 0;
}

LineReader::Step LineReader::next(std::string_view& line) {
    in_.consume(given_);
    given_ = 0;
    for (;;) {
        std::string_view text = in_.text();
        size_t end = text.find('\n', searched_);
        if (end != text.npos || (ended_ && !text.empty())) {
            line = text.substr(0, end);
            given_ = end == text.npos ? text.size() : end + 1;
            searched_ = 0;
            ++number_;
            return Step::line;
        }
        if (ended_) return Step::end;
        searched_ = text.size();
        if (searched_ > line_bytes_max) return Step::too_long;
        while (session_.wait_input(fd_) != SyncClient::Wake::readable)
            if (session_.interrupted()) return Step::interrupted;
        uint8_t* at = in_.grow(read_bytes);
        ssize_t got = ::read(fd_, at, read_bytes);
        in_.truncate(in_.size() - read_bytes + (got > 0 ? static_cast<size_t>(got) : 0));
        if (got < 0 && errno != EINTR) return Step::broken;
        ended_ = got == 0;
    }
}

}  // namespace zk
