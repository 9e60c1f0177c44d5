// net.h -- the client port: listeners, connections, and what is on its way to them.
//
// Layer 6. Owns the listening sockets, every connection and the arena that reads go to. The happy
// path: accept -> node.on_open -> one read(2) a turn into the arena -> node.on_bytes; in the turn
// node's `send` -> one write(2). What the socket does not take waits with the connection and goes
// out as it drains. An idle connection costs one Connection and nothing else.
//
// How a connection ends, whoever began it:
//
//     the other side is done or gone -> node.on_end -> the node calls close() in its turn
//     the node calls close(): its number is free after the turn, the socket goes its own way:
//
//         flushing    what is unsent goes out
//         lingering   we are done sending; what still comes is thrown away until the other side is
//                     done too, because a socket closed too early answers such bytes with a reset,
//                     and a reset may destroy the reply before it is read
//         closing     in libuv's hands; the memory goes in the close callback
//
//     The first two together take `close_us_max` at most, then the socket is closed as it is.
//
// So the node calls close() exactly once for each number it was given, and hears nothing after
// that.

#pragma once

#include <uv.h>

#include <memory>
#include <string>
#include <vector>

#include "base/io.h"
#include "edge/arena.h"

namespace zk {

class ClientPort;
class Node;

struct Connection {
    enum class Stage : uint8_t { open, flushing, lingering, closing };

    // What the socket did not take at once: `now` is in libuv's hands, `next` waits behind it.
    struct Unsent {
        uv_write_t request{};
        Buffer now;
        Buffer next;
    };

    uv_tcp_t tcp{};
    ClientPort* port = nullptr;
    std::unique_ptr<Unsent> unsent;
    uint64_t close_by_us = 0;
    uint32_t leaving_at = 0;    // its place in ClientPort::leaving_, while it is there
    uint32_t read_in_turn = 0;  // the last turn that it was read in
    ClientId id = 0;
    Stage stage = Stage::open;
    bool paused = false;
    bool reading = false;  // libuv watches it; stays so for a while when it is paused
    bool ended = false;    // nothing more comes
    bool broken = false;   // nothing can be sent either
};

class ClientPort {
public:
    struct Settings {
        std::string address;  // or a host name; empty: all interfaces
        uint16_t port = 0;
        int backlog = -1;  // -1: the system's most
        bool keepalive = false;
    };

    explicit ClientPort(uv_loop_t* loop);
    ClientPort(const ClientPort&) = delete;
    ClientPort& operator=(const ClientPort&) = delete;
    ~ClientPort();

    // `bind` takes the addresses, so that a port in use shows before anything else is done; clients
    // are let in from `listen` on.
    Result<void> bind(const Settings& settings);
    Result<void> listen(Node& node);
    void stop_listening();
    std::string name() const;  // "127.0.0.1:2181", for people

    // As in Io.
    size_t send(ClientId id, Buffer& bytes);
    void close(ClientId id);
    void pause(ClientId id, bool paused);

    // Around each turn. `before_turn` tells the node of connections that broke while it was
    // sending. `after_turn` empties the arena and frees numbers; true: the node has to hear
    // something.
    void before_turn(uint64_t now_us);
    bool after_turn();
    bool all_sent() const { return flushing_ == 0; }

    // Everything goes, as it is. The loop must run once more for the memory to be freed.
    void close_all();

private:
    struct Listener {
        uv_poll_t poll{};
        ClientPort* port = nullptr;
        int file = -1;
    };

    static void on_connections(uv_poll_t* handle, int status, int events);
    static void on_alloc(uv_handle_t* handle, size_t suggested, uv_buf_t* buffer);
    static void on_read(uv_stream_t* stream, ssize_t size, const uv_buf_t* buffer);
    static void on_written(uv_write_t* request, int status);
    static void on_closed(uv_handle_t* handle);

    int bind_one(const sockaddr* address, socklen_t size);  // an errno, or 0
    Error cannot_listen(int error) const;
    bool accept_one(int listener);
    bool refuse_one(int listener, int error);
    void log_refusal(int error);
    void rest(bool resting);
    void open(int file, const Address& from);
    void settle_late();
    static bool wanted(const Connection& connection);
    static void read(Connection& connection);
    static void stop_reading(Connection& connection);
    void break_off(Connection& connection);
    void write_unsent(Connection& connection);
    void flushed(Connection& connection);
    void leave(Connection& connection, Connection::Stage stage);
    static size_t unsent_bytes(const Connection& connection);
    void end(Connection& connection);
    Connection& at(ClientId id) {
        ASSERT(id < connections_.size());
        ASSERT(connections_[id] != nullptr);
        return *connections_[id];
    }

    uv_loop_t* loop_;
    Node* node_ = nullptr;
    Settings settings_;
    uint16_t bound_port_ = 0;
    std::vector<Listener*> listeners_;  // each freed in its close callback
    int files_max_ = 0;     // a connection's descriptor is below it; the rest is for the disk
    int spare_file_ = -1;   // given up to take and close a connection when no other is left
    bool resting_ = false;  // not even that helped: nobody is let in before the next look
    uint64_t refusal_log_us_ = 0;

    ReadArena arena_;
    uint32_t turn_ = 1;
    uint64_t now_us_ = 0;  // of the last turn
    uint64_t looked_us_ = 0;
    uint64_t trimmed_us_ = 0;

    std::vector<Connection*> connections_;  // by ClientId; those the node has not closed
    std::vector<ClientId> free_ids_;
    std::vector<ClientId> freed_ids_;   // usable after this turn
    std::vector<ClientId> broken_;      // the node has to hear of it
    std::vector<Connection*> leaving_;  // flushing or lingering
    size_t flushing_ = 0;               // how many of them
};

}  // namespace zk
