// net.cc -- the client port and its connections; part of UvIo (loop.h).
//
// The happy path of a connection: accept -> node.on_open -> reads into the arena -> node.on_bytes;
// in the turn node.send -> one write(2). What the socket does not take waits in `unsent` and goes
// out as it drains. Then, whoever began it:
//
//     the other side closes or breaks    node.on_end, and the node calls close() in its turn
//     the node calls close()             what is unsent goes out, for a while; then uv_close
//
// So the node calls close() exactly once for every number, and only then is the number free again.

#include <fcntl.h>
#include <netinet/in.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "edge/loop.h"
#include "node/node.h"

namespace zk {

namespace {

constexpr uint64_t linger_us = 2'000'000;  // for what is unsent when the node has closed
constexpr uint64_t no_files_log_us = 60'000'000;

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

}  // namespace

Result<void> UvIo::listen(const Listen& on) {
    keepalive_ = on.keepalive;
    uv_getaddrinfo_t lookup;
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_PASSIVE;
    std::string port = std::to_string(on.port);
    std::string name = on.address.empty() ? "*" : on.address;
    const char* host = on.address.empty() ? "::" : on.address.c_str();
    // At the start, nobody waits yet: the look-up may.
    int error = uv_getaddrinfo(&loop_, &lookup, nullptr, host, port.c_str(), &hints);
    if (error != 0)
        return Error{.text = "clientPortAddress " + name + ": " + uv_strerror(error)};
    for (const addrinfo* at = lookup.addrinfo; at != nullptr; at = at->ai_next) {
        auto listener = std::make_unique<uv_tcp_t>();
        uv_tcp_init(&loop_, listener.get());
        listener->data = this;
        error = uv_tcp_bind(listener.get(), at->ai_addr, 0);
        if (error == UV_EAFNOSUPPORT && on.address.empty()) {
            // A machine without IPv6.
            sockaddr_in any{};
            uv_ip4_addr("0.0.0.0", on.port, &any);
            error = uv_tcp_bind(listener.get(), reinterpret_cast<const sockaddr*>(&any), 0);
        }
        int backlog = on.backlog > 0 ? on.backlog : 1024;
        if (error == 0)
            error = uv_listen(reinterpret_cast<uv_stream_t*>(listener.get()), backlog,
                              on_connection);
        listeners_.push_back(std::move(listener));
        if (error != 0) break;
    }
    uv_freeaddrinfo(lookup.addrinfo);
    listening_ = true;
    if (error == 0) return {};
    return Error{.text = "cannot listen on " + name + ":" + port + ": " + uv_strerror(error) +
                         " (clientPort, clientPortAddress)"};
}

void UvIo::stop_listening() {
    if (!listening_) return;
    listening_ = false;
    for (auto& listener : listeners_)
        uv_close(reinterpret_cast<uv_handle_t*>(listener.get()), nullptr);
}

void UvIo::on_connection(uv_stream_t* server, int status) {
    auto* io = static_cast<UvIo*>(server->data);
    if (status == UV_EMFILE || status == UV_ENFILE) return io->out_of_files();
    if (status != 0 || !io->listening_) return;
    auto* connection = new Connection();
    connection->io = io;
    uv_tcp_init(&io->loop_, &connection->tcp);
    connection->tcp.data = connection;
    auto* handle = reinterpret_cast<uv_handle_t*>(&connection->tcp);
    auto* stream = reinterpret_cast<uv_stream_t*>(&connection->tcp);
    sockaddr_storage from{};
    int size = sizeof from;
    bool usable = uv_accept(server, stream) == 0 &&
                  uv_tcp_getpeername(&connection->tcp, reinterpret_cast<sockaddr*>(&from),
                                     &size) == 0;
    if (!usable) {
        connection->closing = true;
        return uv_close(handle, on_closed);
    }
    uv_tcp_nodelay(&connection->tcp, 1);
    if (io->keepalive_) uv_tcp_keepalive(&connection->tcp, 1, 60);
    if (io->free_ids_.empty()) {
        io->free_ids_.push_back(static_cast<ClientId>(io->connections_.size()));
        io->connections_.push_back(nullptr);
    }
    ClientId id = io->free_ids_.back();
    if (!io->node_->on_open(id, address_of(from))) {
        connection->closing = true;
        return uv_close(handle, on_closed);
    }
    io->free_ids_.pop_back();
    io->connections_[id] = connection;
    connection->id = id;
    connection->open = true;
    uv_read_start(stream, on_alloc, on_read);
}

// No descriptor left: give up the spare one, take the connection, close it, so that the other side
// knows and the listener does not spin.
void UvIo::out_of_files() {
    if (now_us_ - last_no_files_us_ > no_files_log_us || last_no_files_us_ == 0) {
        last_no_files_us_ = now_us_;
        LOG(error, "no file descriptor left for a connection; raise `ulimit -n` or set maxCnxns");
    }
    if (spare_file_ >= 0) ::close(spare_file_);
    for (auto& listener : listeners_) {
        uv_os_fd_t file = -1;
        if (uv_fileno(reinterpret_cast<uv_handle_t*>(listener.get()), &file) != 0) continue;
        int taken = accept4(file, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (taken >= 0) ::close(taken);
    }
    spare_file_ = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
}

void UvIo::on_alloc(uv_handle_t* handle, size_t, uv_buf_t* buffer) {
    UvIo* io = static_cast<Connection*>(handle->data)->io;
    if (arena_size - io->arena_used_ < read_size) {
        io->more_arenas_.push_back(std::move(io->arena_));
        io->arena_.reset(new uint8_t[arena_size]);
        io->arena_used_ = 0;
    }
    buffer->base = reinterpret_cast<char*>(io->arena_.get() + io->arena_used_);
    buffer->len = read_size;
}

void UvIo::on_read(uv_stream_t* stream, ssize_t size, const uv_buf_t* buffer) {
    auto* connection = static_cast<Connection*>(stream->data);
    UvIo* io = connection->io;
    if (size > 0) {
        auto* bytes = reinterpret_cast<const uint8_t*>(buffer->base);
        io->arena_used_ += static_cast<size_t>(size);
        if (connection->open)
            io->node_->on_bytes(connection->id, Bytes(bytes, static_cast<size_t>(size)));
    } else if (size < 0) {
        uv_read_stop(stream);
        if (size != UV_EOF) connection->ended = true;
        if (connection->open) io->node_->on_end(connection->id, size != UV_EOF);
    }
}

size_t UvIo::send(ClientId id, Buffer& bytes) {
    Connection* connection = find(id);
    ASSERT(connection != nullptr);
    if (connection->ended || bytes.empty()) {
        bytes.clear();
        return 0;
    }
    if (!connection->writing) {
        uv_buf_t whole = uv_buf_init(reinterpret_cast<char*>(bytes.data()),
                                     static_cast<unsigned>(std::min<size_t>(bytes.size(), 1 << 30)));
        int sent = uv_try_write(reinterpret_cast<uv_stream_t*>(&connection->tcp), &whole, 1);
        if (sent < 0 && sent != UV_EAGAIN) {
            // The reading side learns of it too, and tells the node.
            connection->ended = true;
            bytes.clear();
            return 0;
        }
        if (sent > 0) bytes.consume(static_cast<size_t>(sent));
        if (bytes.empty()) return 0;
    }
    if (connection->unsent.empty())
        connection->unsent.swap(bytes);
    else
        connection->unsent.append(bytes.bytes());
    bytes.clear();
    if (!connection->writing) start_write(*connection);
    return connection->sending.size() + connection->unsent.size();
}

void UvIo::start_write(Connection& connection) {
    connection.sending.swap(connection.unsent);
    connection.unsent.reset();
    connection.writing = true;
    uv_buf_t whole = uv_buf_init(
        reinterpret_cast<char*>(connection.sending.data()),
        static_cast<unsigned>(std::min<size_t>(connection.sending.size(), 1 << 30)));
    connection.write.data = &connection;
    uv_write(&connection.write, reinterpret_cast<uv_stream_t*>(&connection.tcp), &whole, 1,
             on_written);
}

void UvIo::on_written(uv_write_t* request, int status) {
    auto& connection = *static_cast<Connection*>(request->data);
    connection.writing = false;
    size_t done = std::min<size_t>(connection.sending.size(), 1 << 30);
    connection.sending.consume(done);
    if (status != 0) connection.ended = true;
    if (connection.closing) return;
    if (!connection.ended && !connection.sending.empty()) {
        connection.sending.append(connection.unsent.bytes());
        connection.unsent.swap(connection.sending);
        connection.sending.reset();
        return connection.io->start_write(connection);
    }
    connection.sending.reset();
    if (!connection.ended && !connection.unsent.empty())
        return connection.io->start_write(connection);
    connection.unsent.reset();
    if (connection.open)
        connection.io->node_->on_drained(connection.id);
    else
        connection.io->finish_close(connection);
}

void UvIo::pause(ClientId id, bool paused) {
    Connection* connection = find(id);
    ASSERT(connection != nullptr);
    if (connection->closing || connection->ended) return;
    auto* stream = reinterpret_cast<uv_stream_t*>(&connection->tcp);
    if (paused)
        uv_read_stop(stream);
    else
        uv_read_start(stream, on_alloc, on_read);
}

void UvIo::close(ClientId id) {
    Connection* connection = find(id);
    ASSERT(connection != nullptr);
    ASSERT(connection->open);
    connection->open = false;
    connections_[id] = nullptr;
    freed_ids_.push_back(id);
    uv_read_stop(reinterpret_cast<uv_stream_t*>(&connection->tcp));
    if (!connection->writing || connection->ended) return finish_close(*connection);
    // The write's callback finishes it, or close_late when that takes too long.
    connection->close_by_us = now_us_ + linger_us;
    lingering_.push_back(connection);
}

void UvIo::finish_close(Connection& connection) {
    if (connection.closing) return;
    connection.closing = true;
    std::erase(lingering_, &connection);
    uv_close(reinterpret_cast<uv_handle_t*>(&connection.tcp), on_closed);
}

void UvIo::close_late() {
    std::vector<Connection*> waiting = lingering_;
    for (Connection* connection : waiting)
        if (now_us_ >= connection->close_by_us) finish_close(*connection);
}

void UvIo::on_closed(uv_handle_t* handle) { delete static_cast<Connection*>(handle->data); }

}  // namespace zk
