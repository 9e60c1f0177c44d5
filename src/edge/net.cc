// net.cc -- see net.h: connections. Listeners are in listen.cc, dialing in dial.cc.

#include "edge/net.h"

#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

namespace zk {

namespace {

constexpr uint64_t close_us_max = 2'000'000;  // after the node has closed it
constexpr uint64_t look_us = 100'000;         // how often deadlines are looked at
constexpr uint64_t trim_us = 5'000'000;
constexpr uint32_t events_per_turn = 1024;
constexpr size_t bytes_per_turn = 64u << 10;
constexpr uint32_t read_bytes_max = ReadArena::read_bytes_max;

uv_stream_t* stream_of(Connection& connection) {
    return reinterpret_cast<uv_stream_t*>(&connection.tcp);
}

int file_of(const Connection& connection) {
    uv_os_fd_t file = -1;
    int error = uv_fileno(reinterpret_cast<const uv_handle_t*>(&connection.tcp), &file);
    ASSERT(error == 0);
    return file;
}

uv_buf_t whole(Buffer& bytes) {
    uv_buf_t buffer;
    buffer.base = reinterpret_cast<char*>(bytes.data());
    buffer.len = bytes.size();
    return buffer;
}

}  // namespace

// The number that the next connection gets; it stays the next until it is taken.
ClientId Network::next_id() {
    if (free_ids_.empty()) {
        free_ids_.push_back(static_cast<ClientId>(connections_.size()));
        connections_.push_back(nullptr);
    }
    return free_ids_.back();
}

Connection& Network::make(ClientId id, Connection::Stage stage, bool peer) {
    auto* connection = new Connection();
    connection->network = this;
    connection->id = id;
    connection->stage = stage;
    connection->peer = peer;
    connection->tcp.data = connection;
    connections_[id] = connection;
    int error = uv_tcp_init(loop_, &connection->tcp);
    ASSERT(error == 0);
    return *connection;
}

// A connection that was just accepted, and already does not block.
void Network::open(int file, const Address& from, bool peer) {
    ClientId id = next_id();
    if (!events_.on_open(events_.context, id, from, peer)) {
        ::close(file);
        return;
    }
    free_ids_.pop_back();
    Connection& connection = make(id, Connection::Stage::open, peer);
    int error = uv_tcp_open(&connection.tcp, file);
    ASSERT(error == 0);
    read(connection);
}

// Does this connection want its bytes? The kernel is told lazily: most connections that are paused
// or closed have nothing to say anyhow, and each change of mind would cost two system calls.
bool Network::wanted(const Connection& connection) {
    if (connection.stage == Connection::Stage::open) return !connection.paused;
    return connection.stage == Connection::Stage::lingering;
}

void Network::read(Connection& connection) {
    if (connection.reading || connection.ended) return;
    connection.reading = true;
    int error = uv_read_start(stream_of(connection), on_alloc, on_read);
    ASSERT(error == 0);
}

void Network::stop_reading(Connection& connection) {
    if (!connection.reading) return;
    connection.reading = false;
    uv_read_stop(stream_of(connection));
}

// One read before all others had theirs, though there may be a turn in between (count_event). No
// room leaves the bytes where they are; the loop comes back to them at once.
void Network::on_alloc(uv_handle_t* handle, size_t, uv_buf_t* buffer) {
    auto& connection = *static_cast<Connection*>(handle->data);
    Network& network = *connection.network;
    std::span<uint8_t> room;
    if (connection.read_in_turn != network.turn_ && wanted(connection))
        room = network.arena_.room(connection.peer);
    if (!connection.peer) room = room.first(std::min(room.size(), size_t{connection.read_bytes}));
    connection.read_in_turn = network.turn_;
    buffer->base = reinterpret_cast<char*>(room.data());
    buffer->len = room.size();
}

void Network::on_read(uv_stream_t* stream, ssize_t size, const uv_buf_t* buffer) {
    auto& connection = *static_cast<Connection*>(stream->data);
    Network& network = *connection.network;
    if (size == 0) return;
    if (size == UV_ENOBUFS) {
        if (!wanted(connection)) network.stop_reading(connection);
        return;
    }
    bool open = connection.stage == Connection::Stage::open;
    if (size > 0) {
        if (!open) return;  // thrown away
        Bytes bytes(reinterpret_cast<const uint8_t*>(buffer->base), static_cast<size_t>(size));
        network.arena_.keep(bytes.size());
        bool full = bytes.size() == buffer->len;
        connection.read_bytes = full ? std::min(connection.read_bytes * 2, read_bytes_max)
                                     : read_bytes_first;
        network.events_.on_bytes(network.events_.context, connection.id, bytes);
        network.count_event();
        connection.read_in_turn = network.turn_;
        return;
    }
    connection.reading = false;
    if (!open) return network.end(connection);
    if (size != UV_EOF) return network.break_off(connection);
    connection.ended = true;
    network.events_.on_end(network.events_.context, connection.id, false);
    network.count_event();
}

// However many have something to say at the same time, nobody is to wait for a turn with all of
// them, nor for one with very much: the poll of libuv goes on as long as there are any. Nothing of
// the caller's is used behind this but its connection, which the turn may close and libuv frees
// later.
void Network::count_event() {
    if (++events_in_turn_ >= events_per_turn || arena_.used() >= bytes_per_turn)
        events_.on_enough(events_.context);
}

size_t Network::send(ClientId id, Buffer& bytes) {
    Connection& connection = at(id);
    ASSERT(connection.stage == Connection::Stage::open || connection.broken);
    if (!connection.unsent && !connection.broken && !bytes.empty()) {
        uv_buf_t buffer = whole(bytes);
        int sent = uv_try_write(stream_of(connection), &buffer, 1);
        if (sent > 0)
            bytes.consume(static_cast<size_t>(sent));
        else if (sent != UV_EAGAIN)
            break_off(connection);
    }
    if (connection.broken) bytes.clear();
    if (bytes.empty())
        return connection.unsent && !connection.broken ? unsent_bytes(connection) : 0;
    if (!connection.unsent) {
        connection.unsent = std::make_unique<Connection::Unsent>();
        connection.unsent->now = std::move(bytes);
        write_unsent(connection);
        if (connection.broken) return 0;
    } else if (connection.unsent->next.empty()) {
        connection.unsent->next = std::move(bytes);
    } else {
        connection.unsent->next.append(bytes.bytes());
        bytes.clear();
    }
    return unsent_bytes(connection);
}

size_t Network::unsent_bytes(const Connection& connection) {
    return connection.tcp.write_queue_size + connection.unsent->next.size();
}

void Network::write_unsent(Connection& connection) {
    Connection::Unsent& unsent = *connection.unsent;
    unsent.request.data = &connection;
    uv_buf_t buffer = whole(unsent.now);
    int error = uv_write(&unsent.request, stream_of(connection), &buffer, 1, on_written);
    if (error != 0) break_off(connection);
}

void Network::on_written(uv_write_t* request, int status) {
    auto& connection = *static_cast<Connection*>(request->data);
    Network& network = *connection.network;
    if (connection.stage == Connection::Stage::closing) return;
    if (status != 0) return network.break_off(connection);
    Connection::Unsent& unsent = *connection.unsent;
    unsent.now.reset();
    if (!unsent.next.empty()) {
        unsent.now.swap(unsent.next);
        return network.write_unsent(connection);
    }
    connection.unsent.reset();
    if (connection.stage == Connection::Stage::open)
        network.events_.on_drained(network.events_.context, connection.id);
    else
        network.flushed(connection);
}

// Reset, or as good as. The node hears of it before its next turn, not in the middle of this one.
void Network::break_off(Connection& connection) {
    if (connection.broken) return;
    stop_reading(connection);
    connection.broken = true;
    connection.ended = true;
    if (connection.stage == Connection::Stage::dialing) std::erase(dialing_, connection.id);
    if (connection.stage <= Connection::Stage::open)
        broken_.push_back(connection.id);
    else
        end(connection);
}

void Network::pause(ClientId id, bool paused) {
    Connection& connection = at(id);
    connection.paused = paused;
    if (!paused && connection.stage == Connection::Stage::open) read(connection);
}

void Network::close(ClientId id) {
    Connection& connection = at(id);
    connections_[id] = nullptr;
    freed_ids_.push_back(id);
    if (connection.broken) std::erase(broken_, id);
    if (connection.stage == Connection::Stage::dialing) {
        std::erase(dialing_, id);
        return end(connection);
    }
    if (connection.broken || !connection.unsent) return flushed(connection);
    leave(connection, Connection::Stage::flushing);
}

// The last bytes and the end of the connection are one packet then.
void Network::send_and_close(ClientId id, Buffer& bytes) {
    Connection& connection = at(id);
    int file = file_of(connection);
    int unread = 0;
    bool quiet = !connection.unsent && !connection.broken && !bytes.empty() &&
                 ioctl(file, FIONREAD, &unread) == 0 && unread == 0;
    if (quiet) {
        ssize_t sent = ::send(file, bytes.data(), bytes.size(), MSG_MORE | MSG_NOSIGNAL);
        if (sent > 0) bytes.consume(static_cast<size_t>(sent));
        if (bytes.empty()) {
            connections_[id] = nullptr;
            freed_ids_.push_back(id);
            return end(connection);
        }
    }
    if (!bytes.empty()) send(id, bytes);
    close(id);
}

// All that the node said is in the kernel's hands. The other side may be sending still, and may
// even have good reason: a client names its watches right behind a session that we refuse.
void Network::flushed(Connection& connection) {
    // When the server stops there is no time for it.
    bool linger =
        !connection.ended && !listeners_.empty() && shutdown(file_of(connection), SHUT_WR) == 0;
    if (!linger) return end(connection);
    leave(connection, Connection::Stage::lingering);
    read(connection);
}

void Network::leave(Connection& connection, Connection::Stage stage) {
    Connection::Stage before = connection.stage;
    connection.stage = stage;
    if (before == Connection::Stage::flushing) --flushing_;
    if (stage == Connection::Stage::flushing) ++flushing_;
    if (before > Connection::Stage::open) return;
    connection.close_by_us = now_us_ + close_us_max;
    connection.leaving_at = static_cast<uint32_t>(leaving_.size());
    leaving_.push_back(&connection);
}

void Network::end(Connection& connection) {
    ASSERT(connection.stage != Connection::Stage::closing);
    if (connection.stage == Connection::Stage::flushing) --flushing_;
    if (connection.stage > Connection::Stage::open) {
        leaving_.back()->leaving_at = connection.leaving_at;
        std::swap(leaving_[connection.leaving_at], leaving_.back());
        leaving_.pop_back();
    }
    connection.stage = Connection::Stage::closing;
    uv_close(reinterpret_cast<uv_handle_t*>(&connection.tcp), on_closed);
}

void Network::on_closed(uv_handle_t* handle) { delete static_cast<Connection*>(handle->data); }

void Network::before_turn(uint64_t now_us) {
    now_us_ = now_us;
    for (ClientId id : broken_) events_.on_end(events_.context, id, true);
    broken_.clear();
}

bool Network::after_turn() {
    ++turn_;
    events_in_turn_ = 0;
    arena_.reset();
    if (now_us_ - trimmed_us_ >= trim_us) {
        trimmed_us_ = now_us_;
        arena_.trim();
    }
    free_ids_.insert(free_ids_.end(), freed_ids_.begin(), freed_ids_.end());
    freed_ids_.clear();
    if (now_us_ - looked_us_ >= look_us) {
        looked_us_ = now_us_;
        settle_late();
        settle_dials();
        rest(false);
    }
    return !broken_.empty();
}

uint64_t Network::next_turn_us() const {
    return dialing_.empty() ? UINT64_MAX : looked_us_ + look_us;
}

void Network::settle_late() {
    std::vector<Connection*> late;
    for (Connection* connection : leaving_)
        if (now_us_ >= connection->close_by_us) late.push_back(connection);
    for (Connection* connection : late) end(*connection);
}

void Network::close_all() {
    stop_listening();
    while (!leaving_.empty()) end(*leaving_.back());
    for (Connection*& connection : connections_) {
        if (connection != nullptr) end(*connection);
        connection = nullptr;
    }
    dialing_.clear();
    for (auto& [name, host] : hosts_)
        if (host.lookup != nullptr)
            uv_cancel(reinterpret_cast<uv_req_t*>(&host.lookup->request));
}

}  // namespace zk
