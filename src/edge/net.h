// net.h -- the network: listeners, connections, and what is on its way to them.
//
// Layer 6. Owns the listening sockets, every connection and the arena that reads go to. The happy
// path: accept -> on_open -> one read(2) a poll into the arena -> on_bytes; in the turn the node's
// `send` -> one write(2). What the socket does not take waits with the connection and goes
// out as it drains. An idle connection costs one Connection and nothing else.
//
// Clients and links to other nodes are the same here; they come to ports of their own, and a link
// may also be dialed. A dialed one has its number at once, and goes through
//
//     looking up  the host's addresses, on a thread of libuv's pool unless the host is a number
//     connecting  to one after the other; each gets its share of what is left of `dial_us_max`
//
// before on_dialed, or on_end if nobody answers. One look-up a host at a time: a name server that
// is dead holds up nobody else, and what it said last is used until it speaks again.
//
// How a connection ends, whoever began it:
//
//     the other side is done or gone -> on_end -> the node calls close() in its turn
//     the node calls close(): its number is free after the turn, the socket goes its own way:
//
//         flushing    what is unsent goes out
//         lingering   we are done sending; what still comes is thrown away until the other side is
//                     done too, because a socket closed too early answers such bytes with a reset,
//                     and a reset may destroy the reply before it is read
//         closing     in libuv's hands; the memory goes in the close callback
//
//     The first two together take `close_us_max` at most, then the socket is closed as it is. Who
//     is done (send_and_close) does not linger, unless he has said more already.
//
// So the node calls close() exactly once for each number it was given, and hears nothing after
// that.

#pragma once

#include <uv.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/io.h"
#include "edge/arena.h"

namespace zk {

class Network;

// Who hears what happens to connections: the node. Each of these but the last only queues. `bytes`
// stay until the turn is over. on_open: false to one too many, who is then closed and forgotten.
struct NetworkEvents {
    void* context = nullptr;
    bool (*on_open)(void* context, ClientId id, const Address& from, bool peer) = nullptr;
    void (*on_dialed)(void* context, LinkId id) = nullptr;
    void (*on_bytes)(void* context, ClientId id, Bytes bytes) = nullptr;
    void (*on_end)(void* context, ClientId id, bool reset) = nullptr;
    void (*on_drained)(void* context, ClientId id) = nullptr;
    void (*on_enough)(void* context) = nullptr;  // for one turn: let it be now
};

// A client is read a little at a time, and twice as much each time that it had more: where many
// have waited, the first request of each need not wait for all of the others'.
constexpr uint32_t read_bytes_first = 8u << 10;

using SocketAddresses = std::vector<sockaddr_storage>;

struct Connection {
    enum class Stage : uint8_t { dialing, open, flushing, lingering, closing };

    // Where a link is to go, until it stands.
    struct Destination {
        std::string host;
        uint16_t port = 0;
        SocketAddresses addresses;  // empty: not known yet
        size_t tried = 0;           // of them
        uint64_t step_by_us = 0;    // then the look-up, or this address, has taken too long
        uint64_t give_up_us = 0;
    };
    struct Dialing {
        uv_connect_t request{};
        Destination to;
    };

    // What the socket did not take at once: `now` is in libuv's hands, `next` waits behind it.
    struct Unsent {
        uv_write_t request{};
        Buffer now;
        Buffer next;
    };

    uv_tcp_t tcp{};
    Network* network = nullptr;
    std::unique_ptr<Unsent> unsent;
    std::unique_ptr<Dialing> dialing;
    uint64_t close_by_us = 0;
    uint32_t leaving_at = 0;    // its place in Network::leaving_, while it is there
    uint32_t read_in_turn = 0;  // the last turn that it was read in
    uint32_t read_bytes = read_bytes_first;  // at most, the next time
    ClientId id = 0;
    Stage stage = Stage::open;
    bool peer = false;  // a link, whoever dialed
    bool paused = false;
    bool reading = false;  // libuv watches it; stays so for a while when it is paused
    bool ended = false;    // nothing more comes
    bool broken = false;   // nothing can be sent either
};

class Network {
public:
    static constexpr uint64_t dial_us_max = 1'000'000;

    struct Port {
        std::string address;  // or a host name; empty: all interfaces
        uint16_t port = 0;
        int backlog = -1;  // -1: the system's most
        bool keepalive = false;
        bool peers = false;  // the quorum port: who comes here is a link
    };

    explicit Network(uv_loop_t* loop);
    Network(const Network&) = delete;
    Network& operator=(const Network&) = delete;
    ~Network();

    // `bind` takes the addresses, so that a port in use shows before anything else is done; nobody
    // is let in before `listen`.
    Result<void> bind(const Port& port);
    Result<void> listen(const NetworkEvents& events);
    void stop_listening();
    // Is it an address of this machine, and, unless `loopback_counts`, one that others can reach?
    static bool is_here(const std::string& host, bool loopback_counts);
    std::string name(bool peers) const;  // "127.0.0.1:2181", for people; empty: there is none

    // As in Io.
    size_t send(ClientId id, Buffer& bytes);
    void close(ClientId id);
    void send_and_close(ClientId id, Buffer& bytes);
    void pause(ClientId id, bool paused);
    LinkId dial(const std::string& host, uint16_t port);

    // Around each turn. `before_turn` tells the node of connections that broke while it was
    // sending. `after_turn` empties the arena and frees numbers; true: the node has to hear
    // something.
    void before_turn(uint64_t now_us);
    bool after_turn();
    bool all_sent() const { return flushing_ == 0; }
    // When the next turn must be, for the sake of links that are being dialed.
    uint64_t next_turn_us() const;

    // Everything goes, as it is. The loop must run once more for the memory to be freed.
    void close_all();

private:
    struct Listener {
        uv_poll_t poll{};
        Network* network = nullptr;
        Port port;  // its number as it was bound
        int file = -1;
    };
    struct Lookup {
        uv_getaddrinfo_t request{};
        Network* network = nullptr;
        std::string host;
    };
    struct Host {
        SocketAddresses addresses;  // of the last look-up that found any
        Lookup* lookup = nullptr;  // that is under way
    };

    static void on_connections(uv_poll_t* handle, int status, int events);
    static void on_alloc(uv_handle_t* handle, size_t suggested, uv_buf_t* buffer);
    static void on_read(uv_stream_t* stream, ssize_t size, const uv_buf_t* buffer);
    static void on_written(uv_write_t* request, int status);
    static void on_closed(uv_handle_t* handle);
    static void on_connected(uv_connect_t* request, int status);
    static void on_looked_up(uv_getaddrinfo_t* request, int status, addrinfo* found);

    void count_event();
    static void set_options(int file, bool keepalive, bool peer);
    int bind_one(const Port& port, const sockaddr* address, socklen_t size);  // an errno, or 0
    bool accept_one(const Listener& listener);
    bool refuse_one(const Listener& listener, int error);
    void log_refusal(int error);
    void rest(bool resting);
    void open(int file, const Address& from, bool peer);
    ClientId next_id();
    Connection& make(ClientId id, Connection::Stage stage, bool peer);
    void look_up(const std::string& host);
    void looked_up(Lookup* lookup, int status, const addrinfo* found);
    void try_next(Connection& connection);
    void settle_late();
    void settle_dials();
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
    NetworkEvents events_;
    std::vector<Listener*> listeners_;  // each freed in its close callback
    int files_max_ = 0;     // a client's descriptor is below it; the rest is for peers and the disk
    int peer_files_max_ = 0;
    int spare_file_ = -1;   // given up to take and close a connection when no other is left
    bool resting_ = false;  // not even that helped: nobody is let in before the next look
    uint64_t refusal_log_us_ = 0;

    ReadArena arena_;
    uint32_t turn_ = 1;
    uint32_t events_in_turn_ = 0;
    uint64_t now_us_ = 0;  // of the last turn
    uint64_t looked_us_ = 0;
    uint64_t trimmed_us_ = 0;

    std::vector<Connection*> connections_;  // by ClientId; those the node has not closed
    std::vector<ClientId> free_ids_;
    std::vector<ClientId> freed_ids_;   // usable after this turn
    std::vector<ClientId> broken_;      // the node has to hear of it
    std::vector<Connection*> leaving_;  // flushing or lingering
    size_t flushing_ = 0;               // how many of them
    std::vector<LinkId> dialing_;       // those in that stage
    std::map<std::string, Host> hosts_;
};

}  // namespace zk
