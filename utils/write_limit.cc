// write_limit -- how long a replicated write takes on this machine at the least.
//
//     client --- TCP ---> leader --- TCP ---> three disks, a process each: write, fdatasync
//
// The client has one request under way; the leader answers it as soon as two of the three disks
// have said that they are done. No format, no state, no checksum: two loopback round trips and
// an fdatasync while three processes sync at once.
//
//     write_limit DIRECTORY SECONDS [BYTES]      prints p50 and p99 in microseconds, and the count

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace {

constexpr int disks = 3;
constexpr size_t file_bytes = 16u << 20;

[[noreturn]] void die(const char* what) {
    perror(what);
    _exit(1);
}

// Two ends of one TCP connection over loopback.
void connect_pair(int ends[2]) {
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    if (bind(listener, generic, size) != 0 || listen(listener, 1) != 0) die("listen");
    getsockname(listener, generic, &size);
    ends[0] = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(ends[0], generic, size) != 0) die("connect");
    ends[1] = accept(listener, nullptr, nullptr);
    close(listener);
    int yes = 1;
    for (int i = 0; i < 2; ++i) setsockopt(ends[i], IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
}

bool read_all(int file, char* data, size_t size) {
    while (size > 0) {
        ssize_t got = read(file, data, size);
        if (got <= 0) return false;
        data += got;
        size -= static_cast<size_t>(got);
    }
    return true;
}

// Runs `work` in a process that ends with this one.
template <typename Work>
void spawn(Work work) {
    pid_t pid = fork();
    if (pid < 0) die("fork");
    if (pid > 0) return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    work();
    _exit(0);
}

// Writes into blocks that are there, as a log does that is made ahead.
void be_disk(const std::string& path, int link, size_t bytes) {
    int file = open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (file < 0) die(path.c_str());
    std::vector<char> zeroes(1u << 20);
    for (size_t at = 0; at < file_bytes; at += zeroes.size())
        if (pwrite(file, zeroes.data(), zeroes.size(), static_cast<off_t>(at)) < 0) die("write");
    fsync(file);
    std::vector<char> data(bytes);
    size_t at = 0;
    while (read_all(link, data.data(), bytes)) {
        if (pwrite(file, data.data(), bytes, static_cast<off_t>(at)) < 0) die("write");
        at = at + 2 * bytes > file_bytes ? 0 : at + bytes;
        if (fdatasync(file) != 0) die("fdatasync");
        if (write(link, "d", 1) != 1) break;
    }
}

void be_leader(int client, const int* links, size_t bytes) {
    std::vector<char> data(bytes);
    pollfd waiting[disks];
    size_t asked = 0;
    size_t done[disks] = {};
    for (int i = 0; i < disks; ++i) waiting[i] = {.fd = links[i], .events = POLLIN, .revents = 0};
    while (read_all(client, data.data(), bytes)) {
        ++asked;
        for (const pollfd& disk : waiting)
            if (write(disk.fd, data.data(), bytes) < 0) die("leader");
        while (std::count(done, done + disks, asked) < 2) {
            if (poll(waiting, disks, -1) < 0) die("poll");
            char said[16];
            for (int i = 0; i < disks; ++i) {
                if ((waiting[i].revents & POLLIN) == 0) continue;
                ssize_t size = read(waiting[i].fd, said, sizeof said);
                if (size <= 0) die("leader");
                done[i] += static_cast<size_t>(size);
            }
        }
        if (write(client, "d", 1) != 1) break;
    }
}

}  // namespace

int main(int count, char** arguments) {
    if (count < 3) {
        fprintf(stderr, "usage: write_limit DIRECTORY SECONDS [BYTES]\n");
        return 2;
    }
    std::string directory = arguments[1];
    double seconds = atof(arguments[2]);
    size_t bytes = count > 3 ? static_cast<size_t>(atol(arguments[3])) : 200;
    int links[disks];
    for (int i = 0; i < disks; ++i) {
        int ends[2];
        connect_pair(ends);
        links[i] = ends[0];
        std::string path = directory + "/write-limit-" + std::to_string(i);
        spawn([&] {
            close(ends[0]);
            be_disk(path, ends[1], bytes);
        });
        close(ends[1]);
    }
    int client[2];
    connect_pair(client);
    spawn([&] {
        close(client[0]);
        be_leader(client[1], links, bytes);
    });
    using Clock = std::chrono::steady_clock;
    std::vector<char> data(bytes, 'x');
    std::vector<double> took;
    auto end = Clock::now() + std::chrono::duration<double>(seconds + 0.3);
    auto count_from = Clock::now() + std::chrono::milliseconds(300);  // the files are made first
    while (Clock::now() < end) {
        auto began = Clock::now();
        char said = 0;
        if (write(client[0], data.data(), bytes) < 0 || !read_all(client[0], &said, 1)) return 1;
        auto now = Clock::now();
        if (now >= count_from)
            took.push_back(std::chrono::duration<double, std::micro>(now - began).count());
    }
    for (int i = 0; i < disks; ++i)
        unlink((directory + "/write-limit-" + std::to_string(i)).c_str());
    if (took.empty()) return 1;
    std::sort(took.begin(), took.end());
    printf("%.1f %.1f %zu\n", took[took.size() / 2], took[took.size() * 99 / 100], took.size());
    return 0;
}
