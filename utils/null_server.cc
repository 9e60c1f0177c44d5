// null_server -- what one event loop can do at best: epoll, read, write, and nothing between.
//
// Speaks just enough of the ZooKeeper protocol that zk-bench finds no error, and keeps one value
// for all znodes. A request is answered with a frame of the size that a real server would send.
// With --file, the frames of all writes of a turn go to a preallocated file in one write, and an
// fdatasync, before any of the turn's replies leaves:
//
//     epoll_wait -> a read a connection -> [pwrite, fdatasync] -> a write a connection
//
// Nothing is allocated after the start. The limits are for zk-bench's requests: who sends a frame
// of more than in_max bytes is cut off.
//
//     null-server --port PORT [--file PATH]     at SIGTERM: how long the fdatasyncs took
//     null-server --fork BYTES                  what a fork costs with so much resident memory

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "base/bytes.h"
#include "wire/protocol.h"

namespace {

using namespace zk;
using Clock = std::chrono::steady_clock;

constexpr size_t clients_max = 20'000;    // by descriptor
constexpr size_t in_max = 128u << 10;     // a read, and what a part of a frame may hold
constexpr size_t out_max = 8u << 20;      // the replies to so much, lists of children included
constexpr size_t file_bytes = 64u << 20;  // written round and round
constexpr size_t batch_max = 4u << 20;    // longer ones are cut
constexpr size_t stat_bytes = 68;
constexpr size_t stat_data_length_at = 52;
constexpr size_t children_listed = 100;  // as many as zk-bench's parents have by default
constexpr std::string_view child_name = "n0000000042";

[[noreturn]] void die(const char* what) {
    perror(what);
    _exit(1);
}

volatile sig_atomic_t ended = 0;

// -- disk ----------------------------------------------------------------------------------------

class Disk {
public:
    void open(const char* path);
    bool on() const { return file_ >= 0; }
    void add(Bytes frame);
    void commit();
    void report() const;

private:
    int file_ = -1;
    size_t at_ = 0;
    size_t size_ = 0;
    uint64_t count_ = 0;
    uint64_t worst_us_ = 0;
    std::array<uint8_t, batch_max> batch_;
    std::array<uint32_t, 1u << 17> took_us_ = {};  // how often; the last one: and longer
};

void Disk::open(const char* path) {
    file_ = ::open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file_ < 0) die(path);
    batch_.fill(0);
    for (size_t at = 0; at < file_bytes; at += batch_max)
        if (pwrite(file_, batch_.data(), batch_max, static_cast<off_t>(at)) < 0) die(path);
    if (fsync(file_) != 0) die(path);
}

void Disk::add(Bytes frame) {
    if (!on()) return;
    if (size_ + frame.size() > batch_max) commit();
    memcpy(batch_.data() + size_, frame.data(), frame.size());
    size_ += frame.size();
}

void Disk::commit() {
    if (size_ == 0) return;
    if (at_ + size_ > file_bytes) at_ = 0;
    auto began = Clock::now();
    if (pwrite(file_, batch_.data(), size_, static_cast<off_t>(at_)) < 0) die("pwrite");
    if (fdatasync(file_) != 0) die("fdatasync");
    auto took = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - began);
    uint64_t us = static_cast<uint64_t>(took.count());
    ++count_;
    ++took_us_[std::min<size_t>(us, took_us_.size() - 1)];
    worst_us_ = std::max(worst_us_, us);
    at_ += size_;
    size_ = 0;
}

void Disk::report() const {
    if (count_ == 0) return;
    uint64_t seen = 0;
    size_t percentiles[2] = {};
    for (size_t us = 0; us < took_us_.size(); ++us) {
        seen += took_us_[us];
        if (percentiles[0] == 0 && seen * 100 >= count_ * 50) percentiles[0] = us;
        if (percentiles[1] == 0 && seen * 100 >= count_ * 99) percentiles[1] = us;
    }
    printf("{\"fdatasyncs\":%llu,\"p50_us\":%zu,\"p99_us\":%zu,\"worst_us\":%llu}\n",
           static_cast<unsigned long long>(count_), percentiles[0], percentiles[1],
           static_cast<unsigned long long>(worst_us_));
}

// -- connections ---------------------------------------------------------------------------------

struct Client {
    bool shook_hands;
    bool blocked;  // its replies do not fit into the socket: not read before they do
    bool leaving;  // has closed its session: cut off behind the reply, as by a real server
    size_t in_size;
    size_t out_size;
    size_t out_sent;
};

// The value of all znodes; the first level of the tree, where zk-bench keeps its label, has
// another.
struct Value {
    bool there = false;
    size_t size = 0;
    std::array<uint8_t, in_max> bytes;

    void keep(Bytes data) {
        there = true;
        size = data.size();
        if (size > 0) memcpy(bytes.data(), data.data(), size);
    }
};

class Server {
public:
    Server(uint16_t port, const char* file);
    void run();
    void report() const { disk_.report(); }

private:
    void accept_all();
    void take(int fd);
    bool take_frame(Client& client, Bytes frame);
    void shake_hands(int32_t timeout_ms);
    bool answer(int32_t xid, Op op, Reader& in);
    void answer_multi(Reader& in);
    void answer_one(Op op, Reader& in);
    Value& value_of(std::string_view path) { return path.rfind('/') == 0 ? root_ : value_; }
    void put_header(int32_t xid, Err err);
    void put_stat(size_t data_length);
    void put_bytes(Bytes bytes);
    void put_u32(uint32_t value) {
        store_u32(out_, value);
        out_ += 4;
    }
    void put_children(std::string_view path);
    void keep(std::string_view path, Bytes data);
    void flush(int fd);
    void drop(int fd);
    void listen_for(int fd, uint32_t events, int how);

    uint8_t* in_of(int fd) { return ins_ + static_cast<size_t>(fd) * in_max; }
    uint8_t* out_of(int fd) { return outs_ + static_cast<size_t>(fd) * out_max; }

    int listener_ = -1;
    int epoll_ = -1;
    uint64_t sessions_ = 0;
    uint8_t* ins_ = nullptr;
    uint8_t* outs_ = nullptr;
    uint8_t* out_ = nullptr;  // where the next byte of a reply goes
    std::array<Client, clients_max> clients_ = {};
    Value value_;
    Value root_;
    Disk disk_;
};

// Bytes behind their number.
Bytes counted(Reader& in) {
    int32_t size = in.i32();
    return size > 0 ? in.bytes(static_cast<size_t>(size)) : Bytes();
}

std::string_view text(Reader& in) { return as_text(counted(in)); }

// Address space: what is not touched costs nothing.
uint8_t* reserve(size_t bytes) {
    void* at = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) die("mmap");
    return static_cast<uint8_t*>(at);
}

Server::Server(uint16_t port, const char* file)
    : ins_(reserve(clients_max * in_max)), outs_(reserve(clients_max * out_max)) {
    if (file != nullptr) disk_.open(file);
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int yes = 1;
    setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) die("bind");
    if (listen(listener_, 4096) != 0) die("listen");
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    listen_for(listener_, EPOLLIN, EPOLL_CTL_ADD);
}

void Server::listen_for(int fd, uint32_t events, int how) {
    epoll_event wanted{};
    wanted.events = events;
    wanted.data.fd = fd;
    if (epoll_ctl(epoll_, how, fd, &wanted) != 0) die("epoll_ctl");
}

void Server::run() {
    std::array<epoll_event, 1024> events;
    while (ended == 0) {
        int count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), -1);
        if (count < 0 && errno != EINTR) die("epoll_wait");
        for (int i = 0; i < count; ++i) {
            int fd = events[static_cast<size_t>(i)].data.fd;
            if (fd == listener_)
                accept_all();
            else
                take(fd);
        }
        disk_.commit();
        for (int i = 0; i < count; ++i) {
            int fd = events[static_cast<size_t>(i)].data.fd;
            if (fd != listener_) flush(fd);
        }
    }
}

void Server::accept_all() {
    for (;;) {
        int fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) return;
        if (static_cast<size_t>(fd) >= clients_max) {
            close(fd);
            continue;
        }
        int yes = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        clients_[static_cast<size_t>(fd)] = {};
        listen_for(fd, EPOLLIN, EPOLL_CTL_ADD);
    }
}

void Server::drop(int fd) {
    clients_[static_cast<size_t>(fd)] = {};
    close(fd);
}

// -- requests ------------------------------------------------------------------------------------

void Server::take(int fd) {
    Client& client = clients_[static_cast<size_t>(fd)];
    if (client.blocked) return;
    uint8_t* in = in_of(fd);
    ssize_t got = read(fd, in + client.in_size, in_max - client.in_size);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) return drop(fd);
    client.in_size += static_cast<size_t>(got);
    out_ = out_of(fd);
    size_t at = 0;
    while (client.in_size - at >= 4) {
        size_t size = load_u32(in + at);
        if (size > in_max - 4) return drop(fd);
        if (client.in_size - at - 4 < size) break;
        if (!take_frame(client, {in + at + 4, size})) return drop(fd);
        at += 4 + size;
    }
    client.in_size -= at;
    if (client.in_size > 0) memmove(in, in + at, client.in_size);
    client.out_size = static_cast<size_t>(out_ - out_of(fd));
}

// False: nothing that can be answered.
bool Server::take_frame(Client& client, Bytes frame) {
    uint8_t* began = out_;
    out_ += 4;  // the frame's length, when it is known
    Reader in(frame);
    if (!client.shook_hands) {
        in.bytes(12);
        shake_hands(in.i32());
        client.shook_hands = true;
    } else {
        int32_t xid = in.i32();
        Op op = static_cast<Op>(in.i32());
        bool read = op == Op::get_data || op == Op::exists || op == Op::get_children ||
                    op == Op::get_children2 || op == Op::ping;
        if (!read) disk_.add(frame);
        client.leaving |= op == Op::close_session;
        if (!answer(xid, op, in)) return false;
    }
    store_u32(began, static_cast<uint32_t>(out_ - began - 4));
    return in.ok();
}

void Server::shake_hands(int32_t timeout_ms) {
    put_u32(0);
    put_u32(static_cast<uint32_t>(timeout_ms));
    store_u64(out_, ++sessions_);
    out_ += 8;
    put_u32(16);
    memset(out_, 0, 17);  // password, and whether it is read-only
    out_ += 17;
}

bool Server::answer(int32_t xid, Op op, Reader& in) {
    switch (op) {
    case Op::get_data:
    case Op::exists: {
        const Value& value = value_of(text(in));
        put_header(xid, value.there ? Err::ok : Err::no_node);
        if (!value.there) return true;
        if (op == Op::get_data) put_bytes({value.bytes.data(), value.size});
        put_stat(value.size);
        return true;
    }
    case Op::get_children:
    case Op::get_children2:
        put_header(xid, Err::ok);
        put_children(text(in));
        if (op == Op::get_children2) put_stat(0);
        return true;
    case Op::multi:
        put_header(xid, Err::ok);
        answer_multi(in);
        return true;
    case Op::create:
    case Op::set_data:
    case Op::remove:
        put_header(xid, Err::ok);
        answer_one(op, in);
        return true;
    case Op::ping:
    case Op::close_session: put_header(xid, Err::ok); return true;
    default: put_header(xid, Err::unimplemented); return true;
    }
}

// What follows the header, and the same as part of a transaction.
void Server::answer_one(Op op, Reader& in) {
    std::string_view path = text(in);
    switch (op) {
    case Op::create: {
        keep(path, counted(in));
        for (uint32_t i = in.u32(); i > 0 && in.ok(); --i) {
            in.i32();
            text(in);
            text(in);
        }
        in.i32();
        put_bytes(as_bytes(path));
        return;
    }
    case Op::set_data: {
        Bytes data = counted(in);
        keep(path, data);
        in.i32();
        put_stat(data.size());
        return;
    }
    default: in.i32(); value_of(path).there = false;
    }
}

void Server::answer_multi(Reader& in) {
    auto put_type = [this](uint32_t type, uint8_t done, uint32_t err) {
        put_u32(type);
        *out_++ = done;
        put_u32(err);
    };
    while (in.ok()) {
        Op op = static_cast<Op>(in.i32());
        bool done = in.boolean();
        in.i32();
        if (done) break;
        put_type(static_cast<uint32_t>(op), 0, 0);
        answer_one(op, in);
    }
    put_type(UINT32_MAX, 1, UINT32_MAX);
}

// Parents are made without data: that is not what their children hold.
void Server::keep(std::string_view path, Bytes data) {
    Value& value = value_of(path);
    if (&value == &root_ || !data.empty()) value.keep(data);
}

void Server::put_header(int32_t xid, Err err) {
    put_u32(static_cast<uint32_t>(xid));
    store_u64(out_, sessions_);
    out_ += 8;
    put_u32(static_cast<uint32_t>(err));
}

void Server::put_stat(size_t data_length) {
    memset(out_, 0, stat_bytes);
    store_u32(out_ + stat_data_length_at, static_cast<uint32_t>(data_length));
    out_ += stat_bytes;
}

void Server::put_bytes(Bytes bytes) {
    put_u32(static_cast<uint32_t>(bytes.size()));
    memcpy(out_, bytes.data(), bytes.size());
    out_ += bytes.size();
}

// Only zk-bench's parents (".../p000042") have any, lest its clean-up find a tree without end.
void Server::put_children(std::string_view path) {
    bool parent = path.size() > 8 && path.substr(path.size() - 8, 2) == "/p";
    put_u32(parent ? children_listed : 0);
    for (size_t i = 0; parent && i < children_listed; ++i) put_bytes(as_bytes(child_name));
}

void Server::flush(int fd) {
    Client& client = clients_[static_cast<size_t>(fd)];
    if (client.out_size == 0) return;
    // A last reply waits for the close, and leaves in one packet with it.
    ssize_t sent = send(fd, out_of(fd) + client.out_sent, client.out_size - client.out_sent,
                        client.leaving ? MSG_MORE : 0);
    if (sent < 0 && errno != EAGAIN) return drop(fd);
    if (sent > 0) client.out_sent += static_cast<size_t>(sent);
    bool blocked = client.out_sent < client.out_size;
    if (client.leaving && !blocked) return drop(fd);
    if (blocked != client.blocked) listen_for(fd, blocked ? EPOLLOUT : EPOLLIN, EPOLL_CTL_MOD);
    client.blocked = blocked;
    if (!blocked) client.out_size = client.out_sent = 0;
}

// -- fork ----------------------------------------------------------------------------------------

// Five times: microseconds of each, in the parent.
int measure_fork(size_t bytes) {
    uint8_t* memory = reserve(bytes);
    for (size_t at = 0; at < bytes; at += 4096) memory[at] = 1;
    printf("{\"bytes\":%zu,\"fork_us\":[", bytes);
    for (int i = 0; i < 5; ++i) {
        auto began = Clock::now();
        pid_t pid = fork();
        if (pid == 0) _exit(0);
        auto took = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - began);
        if (pid < 0) die("fork");
        waitpid(pid, nullptr, 0);
        printf("%s%lld", i == 0 ? "" : ",", static_cast<long long>(took.count()));
    }
    printf("]}\n");
    return 0;
}

int usage() {
    fprintf(stderr,
            "usage: null-server --port PORT [--file PATH]\n"
            "       null-server --fork BYTES\n");
    return 2;
}

}  // namespace

int main(int count, char** arguments) {
    uint16_t port = 0;
    const char* file = nullptr;
    for (int i = 1; i < count; i += 2) {
        std::string_view name = arguments[i];
        if (i + 1 == count) return usage();
        const char* value = arguments[i + 1];
        if (name == "--fork") return measure_fork(strtoull(value, nullptr, 10));
        if (name == "--port")
            port = static_cast<uint16_t>(atoi(value));
        else if (name == "--file")
            file = value;
        else
            return usage();
    }
    if (port == 0) return usage();
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    signal(SIGPIPE, SIG_IGN);
    struct sigaction ending {};
    ending.sa_handler = [](int) { ended = 1; };
    sigaction(SIGTERM, &ending, nullptr);
    static Server server(port, file);
    server.run();
    server.report();
    return 0;
}
