// link.cc -- see link.h.

#include "client/link.h"

#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

namespace zk {

namespace {

constexpr size_t read_size_max = 256 * 1024;
constexpr size_t kept_bytes_max = 4 * read_size_max;  // of room, once a large reply is through

Link* link_of(void* data) { return static_cast<Link*>(data); }

std::string numeric(const sockaddr* address) {
    char name[INET6_ADDRSTRLEN] = "";
    uint16_t port = 0;
    if (address->sa_family == AF_INET) {
        const auto* v4 = reinterpret_cast<const sockaddr_in*>(address);
        uv_ip4_name(v4, name, sizeof name);
        port = ntohs(v4->sin_port);
    } else {
        const auto* v6 = reinterpret_cast<const sockaddr_in6*>(address);
        uv_ip6_name(v6, name, sizeof name);
        port = ntohs(v6->sin6_port);
    }
    return to_text(ServerName{.host = name, .port = port});
}

}  // namespace

Link* Link::open(uv_loop_t* loop, const ServerName& server, uint32_t choice, LinkEvents events) {
    Link* link = new Link;
    link->loop_ = loop;
    link->server_ = server;
    link->events_ = events;
    link->choice_ = choice;
    int failed = uv_tcp_init(loop, &link->tcp_);
    ASSERT(failed == 0);
    link->has_tcp_ = true;
    link->tcp_.data = link;
    link->lookup_.data = link;
    link->connect_.data = link;
    link->write_.data = link;

    sockaddr_in v4;
    sockaddr_in6 v6;
    int status = 0;
    if (uv_ip4_addr(server.host.c_str(), server.port, &v4) == 0) {
        status = link->start(reinterpret_cast<const sockaddr*>(&v4));
    } else if (uv_ip6_addr(server.host.c_str(), server.port, &v6) == 0) {
        status = link->start(reinterpret_cast<const sockaddr*>(&v6));
    } else {
        addrinfo hints = {};
        hints.ai_socktype = SOCK_STREAM;
        std::string port = std::to_string(server.port);
        status = uv_getaddrinfo(loop, &link->lookup_, on_looked_up, server.host.c_str(),
                                port.c_str(), &hints);
        link->looking_up_ = status == 0;
    }
    if (status != 0) link->refused_ = link->cannot_connect(status);
    return link;
}

void Link::close() {
    ASSERT(!closed_);
    closed_ = true;
    if (looking_up_) uv_cancel(reinterpret_cast<uv_req_t*>(&lookup_));
    uv_close(reinterpret_cast<uv_handle_t*>(&tcp_), [](uv_handle_t* handle) {
        Link* link = link_of(handle->data);
        link->has_tcp_ = false;
        link->release();
    });
}

// The lookup, which cannot always be cancelled, and the handle end in any order.
void Link::release() {
    if (closed_ && !has_tcp_ && !looking_up_) delete this;
}

void Link::send(Buffer& out) {
    if (writing_ || out.empty()) return;
    auto* stream = reinterpret_cast<uv_stream_t*>(&tcp_);
    uv_buf_t buffer = uv_buf_init(reinterpret_cast<char*>(out.data()),
                                  static_cast<unsigned>(out.size()));
    int sent = uv_try_write(stream, &buffer, 1);
    if (sent > 0) out.consume(static_cast<size_t>(sent));
    if (out.empty()) return;
    // An error, if it was one, is told again by uv_write.
    sending_.clear();
    sending_.swap(out);
    buffer = uv_buf_init(reinterpret_cast<char*>(sending_.data()),
                         static_cast<unsigned>(sending_.size()));
    writing_ = true;
    int failed = uv_write(&write_, stream, &buffer, 1, on_written);
    ASSERT(failed == 0);
}

void Link::on_looked_up(uv_getaddrinfo_t* request, int status, addrinfo* found) {
    Link* link = link_of(request->data);
    link->looking_up_ = false;
    if (link->closed_) {
        uv_freeaddrinfo(found);
        link->release();
        return;
    }
    if (status != 0) {
        link->fail("cannot look up " + link->server_.host + ": " + uv_strerror(status));
        return;
    }
    uint32_t count = 0;
    for (addrinfo* each = found; each != nullptr; each = each->ai_next) ++count;
    link->choices_ = count;
    addrinfo* chosen = found;
    for (uint32_t i = 0; i < link->choice_ % count; ++i) chosen = chosen->ai_next;
    int failed = link->start(chosen->ai_addr);
    uv_freeaddrinfo(found);
    if (failed != 0) link->fail(link->cannot_connect(failed));
}

int Link::start(const sockaddr* address) {
    address_ = numeric(address);
    int file = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (file < 0) return uv_translate_sys_error(errno);
    // The first frame acknowledges the handshake, so that no packet need do it alone.
    constexpr int off = 0;
    (void)setsockopt(file, IPPROTO_TCP, TCP_QUICKACK, &off, sizeof off);
    int failed = uv_tcp_open(&tcp_, file);
    ASSERT(failed == 0);
    uv_tcp_nodelay(&tcp_, 1);
    failed = uv_tcp_connect(&connect_, &tcp_, address, on_connected);
    if (failed != 0) return failed;
    // From here on: the loop watches the socket for both with one call to the kernel.
    failed = uv_read_start(reinterpret_cast<uv_stream_t*>(&tcp_), on_alloc, on_read);
    ASSERT(failed == 0);
    return 0;
}

std::string Link::cannot_connect(int status) const {
    const std::string& name = address_.empty() ? server_.host : address_;
    return "cannot connect to " + name + ": " + uv_strerror(status);
}

void Link::on_connected(uv_connect_t* request, int status) {
    Link* link = link_of(request->data);
    if (link->closed_) return;
    if (status != 0) {
        link->fail(link->cannot_connect(status));
        return;
    }
    link->opened_ = true;
    link->events_.on_open(link->events_.context);
}

void Link::on_alloc(uv_handle_t* handle, size_t, uv_buf_t* buffer) {
    Link* link = link_of(handle->data);
    if (link->in_.empty() && link->in_.capacity() > kept_bytes_max) link->in_.reset();
    size_t have = link->in_.size();
    size_t want = link->read_size_;
    if (link->expected_ > have + want) want = link->expected_ - have;
    link->asked_ = want;
    uint8_t* at = link->in_.grow(want);
    *buffer = uv_buf_init(reinterpret_cast<char*>(at), static_cast<unsigned>(want));
}

void Link::on_read(uv_stream_t* stream, ssize_t size, const uv_buf_t*) {
    Link* link = link_of(stream->data);
    size_t got = size > 0 ? static_cast<size_t>(size) : 0;
    // Nothing was asked for where libuv tells of the end right behind the last bytes.
    size_t asked = std::exchange(link->asked_, 0);
    link->in_.truncate(link->in_.size() - asked + got);
    if (link->closed_ || size == 0) return;
    if (size == UV_EOF) {
        link->fail(link->address_ + " closed the connection");
        return;
    }
    // Whoever hangs up before he has read our first frame resets the connection.
    if (size == UV_ECONNRESET && !link->heard_) {
        link->fail(link->address_ + " closed the connection before it answered (reset)");
        return;
    }
    if (size < 0) {
        link->fail(link->address_ + ": " + uv_strerror(static_cast<int>(size)));
        return;
    }
    link->heard_ = true;
    if (got == asked && link->read_size_ < read_size_max) link->read_size_ *= 2;
    link->events_.on_bytes(link->events_.context, link->in_);
}

void Link::on_written(uv_write_t* request, int status) {
    Link* link = link_of(request->data);
    link->writing_ = false;
    if (link->closed_) return;
    if (status != 0) {
        link->fail(link->address_ + ": " + uv_strerror(status));
        return;
    }
    link->events_.on_writable(link->events_.context);
}

void Link::fail(std::string why) {
    uv_read_stop(reinterpret_cast<uv_stream_t*>(&tcp_));
    events_.on_failed(events_.context, std::move(why));
}

}  // namespace zk
