// source.cc -- see source.h.

#include "cli/source.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "cli/print.h"

namespace zk {

namespace {

constexpr size_t read_bytes = 64 * 1024;

Result<std::string> read_all(int fd, const std::string& name, size_t bytes_max) {
    std::string text;
    for (;;) {
        size_t size = text.size();
        text.resize(size + read_bytes);
        ssize_t got = read(fd, text.data() + size, read_bytes);
        int error = errno;
        text.resize(size + (got > 0 ? static_cast<size_t>(got) : 0));
        if (got == 0) return text;
        if (got < 0 && error != EINTR)
            return Error{.text = name + ": " + strerror(error), .code = error};
        if (text.size() > bytes_max)
            return Error{.text = name + " has more than " + std::to_string(bytes_max) + " bytes"};
    }
}

Result<std::string> read_word(Shell& shell, std::string_view word) {
    if (shell.zkcli()) return std::string(word);
    if (word == "-") {
        if (shell.scripted())
            return Error{.text =
                             "standard input is where the commands come from: - cannot be data"};
        return read_all(STDIN_FILENO, "standard input", data_bytes_max);
    }
    if (!word.starts_with('@')) return std::string(word);
    word.remove_prefix(1);
    if (word.starts_with('@')) return std::string(word);
    return read_file(std::string(word), data_bytes_max);
}

}  // namespace

Result<std::string> read_file(const std::string& path, size_t bytes_max) {
    int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return Error{.text = path + ": " + strerror(errno), .code = errno};
    Result<std::string> text = read_all(fd, path, bytes_max);
    close(fd);
    return text;
}

Status read_data(Shell& shell, std::string_view word, bool base64, std::string& data) {
    Result<std::string> read = read_word(shell, word);
    if (read && base64) {
        std::erase_if(*read,
                      [](char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; });
        read = from_base64(*read);
    }
    if (!read) return shell.complain(read.error().text, Status::usage);
    data = std::move(*read);
    return Status::ok;
}

Status read_secret(Shell& shell, std::string_view word, std::string& secret) {
    if (Status bad = read_data(shell, word, false, secret); bad != Status::ok) return bad;
    while (secret.ends_with('\n') || secret.ends_with('\r')) secret.pop_back();
    return Status::ok;
}

}  // namespace zk
