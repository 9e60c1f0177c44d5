// folder.h -- a directory on a real file system, and a disk that is full.

#pragma once

#include <doctest/doctest.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

// A directory of its own for each case.
struct Folder {
    std::string path;

    Folder() {
        char name[] = "/tmp/zkd-disk-XXXXXX";
        REQUIRE(mkdtemp(name) != nullptr);
        path = name;
    }
    ~Folder() { std::filesystem::remove_all(path); }

    std::string file(const char* name) const { return path + "/" + name; }
};

inline std::string content(const std::string& path) {
    std::string text;
    int file = open(path.c_str(), O_RDONLY);
    if (file < 0) return "(none)";
    char part[4096];
    for (ssize_t n; (n = ::read(file, part, sizeof part)) > 0;)
        text.append(part, static_cast<size_t>(n));
    close(file);
    return text;
}

inline bool exists(const std::string& path) { return access(path.c_str(), F_OK) == 0; }

// Files of this process cannot grow beyond `bytes` while it lives: a disk that is full.
struct SmallDisk {
    explicit SmallDisk(uint64_t bytes) {
        signal(SIGXFSZ, SIG_IGN);
        getrlimit(RLIMIT_FSIZE, &before);
        rlimit limit{bytes, before.rlim_max};
        setrlimit(RLIMIT_FSIZE, &limit);
    }
    ~SmallDisk() { setrlimit(RLIMIT_FSIZE, &before); }

    rlimit before{};
};
