// network.h -- connections between simulated clients and servers: bytes that take their time.
//
// Owns every connection of a run. Bytes arrive in order or not at all, cut into pieces anywhere.
// Each direction has what is on its way and what has arrived; the server's side has in addition
// what its socket did not take yet (`outbox`).
//
//     client --send--> [pieces on their way] --> inbox --poll--> server
//     client <-------- [pieces on their way] <-- outbox <--send-- server
//
// Now: clients and one server. Peers of an ensemble will be links as well.

#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "base/io.h"
#include "chance.h"
#include "plan.h"
#include "queue.h"
#include "story.h"

namespace zk::sim {

class SimIo;

struct Link {
    uint32_t number = 0;  // of the run
    Address from;
    // The client's side.
    std::function<void(Bytes bytes)> on_bytes;
    std::function<void()> on_closed;
    bool client_done = false;  // it wants to hear nothing more
    uint64_t read_us = 0;      // a slow reader takes that long for a piece

    // The server's side.
    SimIo* server = nullptr;  // nullptr: not accepted, or closed there
    ClientId id = 0;
    uint32_t attach = 0;
    bool paused = false;
    bool ended = false;  // on_end was said
    bool drained = false;
    bool closed_by_server = false;

    // In between.
    std::string inbox;
    bool fin = false;
    bool reset = false;
    std::string outbox;
    bool sending = false;
    uint64_t to_server_us = 0;  // arrival of the last piece
    uint64_t to_client_us = 0;
    uint64_t arrived = 0;  // bytes at the server in all
};

class Network {
public:
    Network(Queue& queue, Story& story, const Plan& plan, Chance chance)
        : queue_(queue), story_(story), plan_(plan), chance_(chance) {}

    // Who accepts connections now; nullptr: nobody.
    void listen(SimIo* server) { listener_ = server; }

    Link& connect(const Address& from);
    void client_send(Link& link, Bytes bytes);
    void client_close(Link& link, bool reset);

    size_t server_send(Link& link, Bytes bytes);
    void server_close(Link& link);
    // The server's process is gone: all its connections break.
    void break_all(SimIo* server);

    // Told of a connection that a server took, of bytes as they arrive at the server, as they leave
    // it, and of the end there.
    std::function<void(Link&)> on_accepted;
    std::function<void(Link&)> on_arrival;
    std::function<void(Link&, Bytes)> on_sent;
    std::function<void(Link&)> on_server_closed;

private:
    uint64_t delay() { return 10 + chance_.skewed(0, plan_.delay_us_max); }
    void drain(Link& link);
    void tell_closed(Link& link);

    Queue& queue_;
    Story& story_;
    const Plan& plan_;
    Chance chance_;
    SimIo* listener_ = nullptr;
    std::deque<std::unique_ptr<Link>> links_;
};

}  // namespace zk::sim
