// listen.cc -- see net.h: the listening sockets of all ports, and letting in who comes.
//
// Accepting is done here and not by uv_listen, for three reasons: a storm of connections is taken
// in slices, so that those who are in are served meanwhile; options are set once, on the listening
// socket, and inherited; and when there is no descriptor left the operator hears of it.

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>

#include "edge/net.h"
namespace zk {

namespace {

constexpr int accepts_per_poll = 64;
// Half for links to other nodes, half for the log, snapshots and what else the disk needs.
constexpr int files_kept_back = 64;
constexpr uint64_t refusal_log_us = 60'000'000;
constexpr int peer_silence_ms = 5000;

Address address_of(const sockaddr_storage& from) {
    Address address;
    if (from.ss_family == AF_INET6) {
        sockaddr_in6 v6;
        memcpy(&v6, &from, sizeof v6);
        memcpy(address.ip, &v6.sin6_addr, 16);
        address.port = ntohs(v6.sin6_port);
    } else {
        sockaddr_in v4;
        memcpy(&v4, &from, sizeof v4);
        address.ip[10] = address.ip[11] = 0xff;
        memcpy(address.ip + 12, &v4.sin_addr, 4);
        address.port = ntohs(v4.sin_port);
    }
    return address;
}

uint16_t port_of(int file) {
    sockaddr_storage bound{};
    socklen_t size = sizeof bound;
    if (getsockname(file, reinterpret_cast<sockaddr*>(&bound), &size) != 0) return 0;
    return address_of(bound).port;
}

bool not_here(int error) { return error == EAFNOSUPPORT || error == EADDRNOTAVAIL; }

void set_option(int file, int level, int name, int value) {
    // What is refused here is a wish at most; what matters shows in bind.
    (void)setsockopt(file, level, name, &value, sizeof value);
}

std::string name_of(const Network::Port& port) {
    std::string number = std::to_string(port.port);
    if (port.address.empty()) return "*:" + number;
    bool colons = port.address.find(':') != std::string::npos;
    return (colons ? "[" + port.address + "]" : port.address) + ":" + number;
}

Error cannot_listen(const Network::Port& port, int error) {
    std::string text = "cannot listen on " + name_of(port) + ": " + strerror(error);
    if (error == EADDRINUSE)
        text += port.peers ? "; another server has it, or this server's own line is wrong"
                           : "; another server has it, or clientPort is wrong";
    if (error == EADDRNOTAVAIL)
        text += port.peers ? "; it is no address of this machine"
                           : "; clientPortAddress is no address of this machine";
    if (error == EACCES) text += "; ports below 1024 are for root";
    return {.text = std::move(text), .code = error};
}

int look_up_here(const std::string& host, uint16_t port, addrinfo** found) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
    return getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, found);
}

bool is_loopback(const sockaddr& address) {
    if (address.sa_family == AF_INET6) {
        sockaddr_in6 v6;
        memcpy(&v6, &address, sizeof v6);
        return IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr);
    }
    sockaddr_in v4;
    memcpy(&v4, &address, sizeof v4);
    return ntohl(v4.sin_addr.s_addr) >> 24 == 127;
}

}  // namespace

Network::Network(uv_loop_t* loop) : loop_(loop), connections_(1, nullptr) {
    spare_file_ = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    rlimit files{};
    bool known = getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur <= INT_MAX;
    int limit = known ? static_cast<int>(files.rlim_cur) : INT_MAX;
    files_max_ = limit - std::min(limit / 4, files_kept_back);
    peer_files_max_ = limit - (limit - files_max_) / 2;
}

Network::~Network() {
    ASSERT(listeners_.empty());
    if (spare_file_ >= 0) ::close(spare_file_);
}

std::string Network::name(bool peers) const {
    for (const Listener* listener : listeners_)
        if (listener->port.peers == peers) return name_of(listener->port);
    return {};
}

Result<void> Network::bind(const Port& port) {
    if (port.address.empty()) {
        // One socket for both families; on a machine without IPv6, for the other alone.
        sockaddr_in6 any6{};
        any6.sin6_family = AF_INET6;
        any6.sin6_port = htons(port.port);
        int error = bind_one(port, reinterpret_cast<const sockaddr*>(&any6), sizeof any6);
        sockaddr_in any4{};
        any4.sin_family = AF_INET;
        any4.sin_port = htons(port.port);
        if (not_here(error))
            error = bind_one(port, reinterpret_cast<const sockaddr*>(&any4), sizeof any4);
        if (error != 0) return cannot_listen(port, error);
        return {};
    }
    addrinfo* found = nullptr;
    int failed = look_up_here(port.address, port.port, &found);
    if (failed != 0)
        return Error{.text = "cannot listen on " + name_of(port) + ": " + gai_strerror(failed)};
    int error = 0;
    bool bound = false;
    for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
        int refused = bind_one(port, each->ai_addr, each->ai_addrlen);
        bound = bound || refused == 0;
        if (refused != 0) error = refused;
        if (refused != 0 && !not_here(refused)) break;
    }
    freeaddrinfo(found);
    // "localhost" may name an address of a family that this machine does not have.
    if (error == 0 || (not_here(error) && bound)) return {};
    return cannot_listen(port, error);
}

bool Network::is_here(const std::string& host, bool loopback_counts) {
    addrinfo* found = nullptr;
    if (look_up_here(host, 0, &found) != 0) return false;
    bool here = false;
    for (const addrinfo* each = found; each != nullptr && !here; each = each->ai_next) {
        int file = socket(each->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (file < 0) continue;
        here = (loopback_counts || !is_loopback(*each->ai_addr)) &&
               ::bind(file, each->ai_addr, each->ai_addrlen) == 0;
        ::close(file);
    }
    freeaddrinfo(found);
    return here;
}

// On a listening socket these are for all who are accepted there.
void Network::set_options(int file, bool keepalive, bool peer) {
    set_option(file, IPPROTO_TCP, TCP_NODELAY, 1);
    set_option(file, SOL_SOCKET, SO_KEEPALIVE, keepalive || peer ? 1 : 0);
    if (!peer) return;
    // A machine that is gone says nothing; the system is to notice it soon, in case that nobody
    // talks on the link.
#ifdef TCP_USER_TIMEOUT
    set_option(file, IPPROTO_TCP, TCP_USER_TIMEOUT, peer_silence_ms);
#endif
#ifdef TCP_KEEPIDLE
    set_option(file, IPPROTO_TCP, TCP_KEEPIDLE, peer_silence_ms / 2000);
    set_option(file, IPPROTO_TCP, TCP_KEEPINTVL, 1);
    set_option(file, IPPROTO_TCP, TCP_KEEPCNT, 3);
#endif
}

int Network::bind_one(const Port& port, const sockaddr* address, socklen_t size) {
    int file = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (file < 0) return errno;
    set_option(file, SOL_SOCKET, SO_REUSEADDR, 1);
    set_options(file, port.keepalive, port.peers);
    if (address->sa_family == AF_INET6) {
        bool any = port.address.empty() || port.address == "::";
        set_option(file, IPPROTO_IPV6, IPV6_V6ONLY, any ? 0 : 1);
    }
    if (::bind(file, address, size) != 0) {
        int error = errno;
        ::close(file);
        return error;
    }
    auto* listener = new Listener();
    listener->network = this;
    listener->port = port;
    listener->port.port = port_of(file);
    listener->file = file;
    listener->poll.data = listener;
    int failed = uv_poll_init(loop_, &listener->poll, file);
    ASSERT(failed == 0);
    listeners_.push_back(listener);
    return 0;
}

Result<void> Network::listen(const NetworkEvents& events) {
    events_ = events;
    for (Listener* listener : listeners_) {
        int backlog = listener->port.backlog > 0 ? listener->port.backlog : SOMAXCONN;
        if (::listen(listener->file, backlog) != 0) return cannot_listen(listener->port, errno);
        // Who is accepted has his first frame acknowledged by its reply, not by its own packet.
        set_option(listener->file, IPPROTO_TCP, TCP_QUICKACK, 0);
        uv_poll_start(&listener->poll, UV_READABLE, on_connections);
    }
    return {};
}

void Network::stop_listening() {
    for (Listener* listener : listeners_) {
        uv_close(reinterpret_cast<uv_handle_t*>(&listener->poll), [](uv_handle_t* handle) {
            auto* closed = static_cast<Listener*>(handle->data);
            ::close(closed->file);
            delete closed;
        });
    }
    listeners_.clear();
}

void Network::on_connections(uv_poll_t* handle, int, int) {
    auto& listener = *static_cast<Listener*>(handle->data);
    for (int i = 0; i < accepts_per_poll && listener.network->accept_one(listener); ++i)
        listener.network->count_event();
}

// False: that was all for now.
bool Network::accept_one(const Listener& listener) {
    sockaddr_storage from{};
    socklen_t size = sizeof from;
    bool peer = listener.port.peers;
    int file = accept4(listener.file, reinterpret_cast<sockaddr*>(&from), &size,
                       SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (file >= 0 && file < (peer ? peer_files_max_ : files_max_)) {
        open(file, address_of(from), peer);
        return true;
    }
    if (file >= 0) {
        ::close(file);
        log_refusal(EMFILE);
        return true;
    }
    switch (errno) {
    case EAGAIN: return false;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM: return refuse_one(listener, errno);
    default: return true;  // it was gone before we looked
    }
}

void Network::log_refusal(int error) {
    if (refusal_log_us_ != 0 && now_us_ - refusal_log_us_ < refusal_log_us) return;
    refusal_log_us_ = now_us_;
    LOG(error, "connections are turned away: %s; raise `ulimit -n`, or set maxCnxns",
        strerror(error));
}

// Takes the connection and closes it, so that the other side knows and the loop does not spin.
bool Network::refuse_one(const Listener& listener, int error) {
    log_refusal(error);
    if (spare_file_ >= 0) ::close(spare_file_);
    int file = accept4(listener.file, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    bool nobody = file < 0 && errno == EAGAIN;
    if (file >= 0) ::close(file);
    spare_file_ = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (file < 0 && !nobody) rest(true);
    return file >= 0;
}

// Not looking at the listeners for a moment.
void Network::rest(bool resting) {
    if (resting_ == resting) return;
    resting_ = resting;
    for (Listener* listener : listeners_) {
        if (resting)
            uv_poll_stop(&listener->poll);
        else
            uv_poll_start(&listener->poll, UV_READABLE, on_connections);
    }
}

}  // namespace zk
