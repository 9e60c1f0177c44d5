// script.cc -- see script.h.

#include "cli/script.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

namespace zk {

namespace {

constexpr size_t read_bytes = 64 * 1024;

// Adds what there is to `in`. False: the end, or no reading from this.
bool read_more(Shell& shell, int fd, Buffer& in) {
    // Whoever waits for replies before he goes on gets those of pipelined lines, too.
    pollfd input = {.fd = fd, .events = POLLIN, .revents = 0};
    if (poll(&input, 1, 0) == 0) shell.drain(0);
    shell.flush();
    while (shell.session().wait_input(fd) != SyncClient::Wake::readable)
        if (shell.wants_quit()) return false;
    for (;;) {
        uint8_t* at = in.grow(read_bytes);
        ssize_t got = read(fd, at, read_bytes);
        int error = errno;
        in.truncate(in.size() - read_bytes + (got > 0 ? static_cast<size_t>(got) : 0));
        if (got >= 0) return got > 0;
        if (error != EINTR) return false;
    }
}

}  // namespace

Status run_script(Shell& shell, int fd, bool keep_going) {
    Buffer in;
    size_t number = 0;
    size_t searched = 0;
    bool more = true;
    while (!shell.wants_quit()) {
        std::string_view text = in.text();
        size_t end = text.find('\n', searched);
        if (end == text.npos && more) {
            searched = text.size();
            if (searched > line_bytes_max)
                return shell.complain("line " + std::to_string(number + 1) + " is longer than " +
                                          std::to_string(line_bytes_max) + " bytes",
                                      Status::usage);
            more = read_more(shell, fd, in);
            continue;
        }
        if (text.empty() || shell.wants_quit()) break;
        size_t size = end == text.npos ? text.size() : end;
        shell.run_line(text.substr(0, size), ++number);
        in.consume(end == text.npos ? size : size + 1);
        searched = 0;
        if (shell.first_failure() != Status::ok && !keep_going) break;
    }
    return shell.finish();
}

}  // namespace zk
