// server.cc -- see server.h.

#include "bench/server.h"

#include <dirent.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <sstream>
#include <string>

namespace zk {

namespace {

std::string read_file(const std::string& path) {
    std::string text;
    FILE* file = fopen(path.c_str(), "re");
    if (file == nullptr) return text;
    char block[4096];
    for (size_t got = 0; (got = fread(block, 1, sizeof block, file)) > 0;) text.append(block, got);
    fclose(file);
    return text;
}

bool is_loopback(const std::string& host) {
    return host == "localhost" || host == "::1" || host.starts_with("127.");
}

// Inodes of the sockets that listen on `port`, from /proc/net/tcp: the second column is
// address:port, the fourth the state (0A: listening), the tenth the inode.
void add_listeners(const char* table, uint16_t port, std::vector<std::string>& sockets) {
    // Line by line: sscanf looks for the end of what it is given, which may be megabytes.
    std::istringstream lines(read_file(table));
    for (std::string line; std::getline(lines, line);) {
        unsigned local_port = 0;
        unsigned state = 0;
        unsigned long inode = 0;
        int found = sscanf(line.c_str(),
                           " %*d: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*s %*s %*s %*s %*s %lu",
                           &local_port, &state, &inode);
        if (found == 3 && local_port == port && state == 0x0a)
            sockets.push_back("socket:[" + std::to_string(inode) + "]");
    }
}

bool holds_any(const std::string& descriptors, const std::vector<std::string>& sockets) {
    DIR* directory = opendir(descriptors.c_str());
    if (directory == nullptr) return false;
    bool found = false;
    while (dirent* entry = found ? nullptr : readdir(directory)) {
        char target[64];
        std::string path = descriptors + "/" + entry->d_name;
        ssize_t size = readlink(path.c_str(), target, sizeof target);
        if (size <= 0) continue;
        std::string_view name(target, static_cast<size_t>(size));
        found = std::find(sockets.begin(), sockets.end(), name) != sockets.end();
    }
    closedir(directory);
    return found;
}

void add_holders(const std::vector<std::string>& sockets, std::vector<int>& pids) {
    DIR* directory = opendir("/proc");
    if (directory == nullptr) return;
    while (dirent* entry = readdir(directory)) {
        std::string_view name = entry->d_name;
        int pid = 0;
        if (std::from_chars(name.data(), name.data() + name.size(), pid).ec != std::errc())
            continue;
        if (holds_any("/proc/" + std::string(name) + "/fd", sockets) &&
            std::find(pids.begin(), pids.end(), pid) == pids.end())
            pids.push_back(pid);
    }
    closedir(directory);
}

// To the nanosecond, where /proc/PID/stat counts hundredths of a second.
double process_seconds(int pid) {
    clockid_t clock = 0;
    timespec time = {};
    if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &time) != 0) return 0;
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

// The fields after the name, which is in parentheses and may hold anything: state is the first of
// them, cutime and cstime the 14th and 15th.
double children_seconds(int pid) {
    std::string text = read_file("/proc/" + std::to_string(pid) + "/stat");
    size_t name_end = text.rfind(')');
    if (name_end == text.npos) return 0;
    long user = 0;
    long system = 0;
    int found =
        sscanf(text.c_str() + name_end + 1,
               " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %ld %ld", &user, &system);
    if (found != 2) return 0;
    return static_cast<double>(user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

}  // namespace

ServerProcesses::ServerProcesses(const std::vector<int>& pids,
                                 const std::vector<ServerName>& servers)
    : pids_(pids) {
    if (!pids_.empty()) return;
    std::vector<std::string> sockets;
    for (const ServerName& server : servers) {
        if (!is_loopback(server.host)) continue;
        add_listeners("/proc/net/tcp", server.port, sockets);
        add_listeners("/proc/net/tcp6", server.port, sockets);
    }
    if (!sockets.empty()) add_holders(sockets, pids_);
}

bool ServerProcesses::running() const {
    clockid_t clock = 0;
    for (int pid : pids_)
        if (clock_getcpuclockid(pid, &clock) != 0) return false;
    return true;
}

double ServerProcesses::cpu_seconds() const {
    double seconds = 0;
    for (int pid : pids_) seconds += process_seconds(pid) + children_seconds(pid);
    return seconds;
}

uint64_t ServerProcesses::resident_bytes() const {
    uint64_t bytes = 0;
    for (int pid : pids_) {
        std::string text = read_file("/proc/" + std::to_string(pid) + "/status");
        size_t at = text.find("VmRSS:");
        unsigned long kilobytes = 0;
        if (at != text.npos && sscanf(text.c_str() + at, "VmRSS: %lu", &kilobytes) == 1)
            bytes += uint64_t{kilobytes} * 1024;
    }
    return bytes;
}

double own_cpu_seconds() {
    rusage usage = {};
    getrusage(RUSAGE_SELF, &usage);
    auto seconds = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace zk
