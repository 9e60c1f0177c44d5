// listen.cc -- see net.h: the listening sockets of the client port, and letting clients in.
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
#include "node/node.h"

namespace zk {

namespace {

constexpr int accepts_per_poll = 64;
constexpr int files_kept_back = 32;  // for the log, snapshots and what else the disk needs
constexpr uint64_t refusal_log_us = 60'000'000;

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

}  // namespace

ClientPort::ClientPort(uv_loop_t* loop) : loop_(loop), connections_(1, nullptr) {
    spare_file_ = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    rlimit files{};
    bool known = getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur <= INT_MAX;
    int limit = known ? static_cast<int>(files.rlim_cur) : INT_MAX;
    files_max_ = limit - std::min(limit / 4, files_kept_back);
}

ClientPort::~ClientPort() {
    ASSERT(listeners_.empty());
    if (spare_file_ >= 0) ::close(spare_file_);
}

std::string ClientPort::name() const {
    const std::string& host = settings_.address;
    std::string port = std::to_string(bound_port_);
    if (host.empty()) return "*:" + port;
    return host.find(':') == std::string::npos ? host + ":" + port : "[" + host + "]:" + port;
}

Error ClientPort::cannot_listen(int error) const {
    std::string text = "cannot listen on " + name() + ": " + strerror(error);
    if (error == EADDRINUSE) text += "; another server has it, or clientPort is wrong";
    if (error == EADDRNOTAVAIL) text += "; clientPortAddress is no address of this machine";
    if (error == EACCES) text += "; ports below 1024 are for root";
    return {.text = std::move(text), .code = error};
}

Result<void> ClientPort::bind(const Settings& settings) {
    settings_ = settings;
    bound_port_ = settings.port;
    if (settings.address.empty()) {
        // One socket for both families; on a machine without IPv6, for the other alone.
        sockaddr_in6 any6{};
        any6.sin6_family = AF_INET6;
        any6.sin6_port = htons(settings.port);
        int error = bind_one(reinterpret_cast<const sockaddr*>(&any6), sizeof any6);
        sockaddr_in any4{};
        any4.sin_family = AF_INET;
        any4.sin_port = htons(settings.port);
        if (not_here(error))
            error = bind_one(reinterpret_cast<const sockaddr*>(&any4), sizeof any4);
        if (error != 0) return cannot_listen(error);
        return {};
    }
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
    addrinfo* found = nullptr;
    int failed = getaddrinfo(settings.address.c_str(), std::to_string(settings.port).c_str(),
                             &hints, &found);
    if (failed != 0)
        return Error{.text = "clientPortAddress " + settings.address + ": " + gai_strerror(failed)};
    int error = 0;
    for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
        int refused = bind_one(each->ai_addr, each->ai_addrlen);
        if (refused != 0) error = refused;
        if (refused != 0 && !not_here(refused)) break;
    }
    freeaddrinfo(found);
    // "localhost" may name an address of a family that this machine does not have.
    if (error == 0 || (not_here(error) && !listeners_.empty())) return {};
    return cannot_listen(error);
}

int ClientPort::bind_one(const sockaddr* address, socklen_t size) {
    int file = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (file < 0) return errno;
    set_option(file, SOL_SOCKET, SO_REUSEADDR, 1);
    set_option(file, SOL_SOCKET, SO_KEEPALIVE, settings_.keepalive ? 1 : 0);
    set_option(file, IPPROTO_TCP, TCP_NODELAY, 1);
    if (address->sa_family == AF_INET6) {
        bool any = settings_.address.empty() || settings_.address == "::";
        set_option(file, IPPROTO_IPV6, IPV6_V6ONLY, any ? 0 : 1);
    }
    if (::bind(file, address, size) != 0) {
        int error = errno;
        ::close(file);
        return error;
    }
    bound_port_ = port_of(file);
    auto* listener = new Listener();
    listener->port = this;
    listener->file = file;
    listener->poll.data = listener;
    int failed = uv_poll_init(loop_, &listener->poll, file);
    ASSERT(failed == 0);
    listeners_.push_back(listener);
    return 0;
}

Result<void> ClientPort::listen(Node& node) {
    node_ = &node;
    for (Listener* listener : listeners_) {
        int backlog = settings_.backlog > 0 ? settings_.backlog : SOMAXCONN;
        if (::listen(listener->file, backlog) != 0) return cannot_listen(errno);
        uv_poll_start(&listener->poll, UV_READABLE, on_connections);
    }
    return {};
}

void ClientPort::stop_listening() {
    for (Listener* listener : listeners_) {
        uv_close(reinterpret_cast<uv_handle_t*>(&listener->poll), [](uv_handle_t* handle) {
            auto* closed = static_cast<Listener*>(handle->data);
            ::close(closed->file);
            delete closed;
        });
    }
    listeners_.clear();
}

void ClientPort::on_connections(uv_poll_t* handle, int, int) {
    auto& listener = *static_cast<Listener*>(handle->data);
    for (int i = 0; i < accepts_per_poll; ++i)
        if (!listener.port->accept_one(listener.file)) break;
}

// False: that was all for now.
bool ClientPort::accept_one(int listener) {
    sockaddr_storage from{};
    socklen_t size = sizeof from;
    int file =
        accept4(listener, reinterpret_cast<sockaddr*>(&from), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (file >= 0 && file < files_max_) {
        open(file, address_of(from));
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

void ClientPort::log_refusal(int error) {
    if (refusal_log_us_ != 0 && now_us_ - refusal_log_us_ < refusal_log_us) return;
    refusal_log_us_ = now_us_;
    LOG(error, "connections are turned away: %s; raise `ulimit -n`, or set maxCnxns",
        strerror(error));
}

// Takes the connection and closes it, so that the other side knows and the loop does not spin.
bool ClientPort::refuse_one(int listener, int error) {
    log_refusal(error);
    if (spare_file_ >= 0) ::close(spare_file_);
    int file = accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    bool nobody = file < 0 && errno == EAGAIN;
    if (file >= 0) ::close(file);
    spare_file_ = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (file < 0 && !nobody) rest(true);
    return file >= 0;
}

// Not looking at the listeners for a moment.
void ClientPort::rest(bool resting) {
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
