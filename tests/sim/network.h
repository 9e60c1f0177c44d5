// network.h -- connections between simulated hosts: bytes that take their time.
//
// Owns every connection of a run, the names of hosts, and what is wrong between them. Hosts are
// numbers: machines from 1 on, clients from `first_client_host` on. A connection has two ends that
// are alike; end 0 dialed, end 1 was dialed. An end is a process's (SimIo) or a client's. Bytes
// arrive in order or not at all, cut into pieces anywhere:
//
//     end 0   outbox --> flight [pieces on their way] --> inbox   end 1
//             inbox <-- [pieces on their way] flight <-- outbox
//
// `outbox` is what the socket did not take yet. The end of a connection travels as pieces do: fin
// behind all bytes, rst overtaking them. Whatever is sent to an end that is not there any more is
// answered by rst, unless its machine has no power: then by nothing.
//
// Between any two hosts and for each direction the way may be slow, or cut. What is sent into a cut
// is held; when the cut is longer than the sender's patience, that end breaks, and the other one
// hears nothing of it until it sends something itself.

#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/io.h"
#include "chance.h"
#include "plan.h"
#include "queue.h"
#include "story.h"

namespace zk::sim {

class SimIo;

constexpr uint32_t first_client_host = 16;
constexpr uint32_t hosts_max = 64;

struct Piece {
    enum class Kind : uint8_t { syn, syn_ack, bytes, fin, rst };
    Kind kind = Kind::bytes;
    std::string bytes = {};
    uint64_t at_us = 0;  // its arrival
};

struct End {
    uint32_t host = 0;
    bool there = false;  // opened, and neither closed nor dead
    bool deaf = false;   // not there, but nobody is told

    // A process's.
    SimIo* process = nullptr;
    ClientId id = 0;
    bool stands = false;  // the connection is made, and
    bool told = false;    // a process that dialed knows it
    bool paused = false;
    bool ended = false;  // on_end was said
    bool drained = false;
    bool waits = false;  // for room in its socket

    // A client's.
    std::function<void(Bytes bytes)> on_bytes;
    std::function<void()> on_closed;
    uint64_t read_us = 0;  // a slow reader takes that long for a piece

    // What has come.
    std::string inbox;
    bool fin = false;
    bool reset = false;
    uint64_t arrived = 0;  // bytes in all

    // What goes out from here.
    std::string outbox;
    std::deque<Piece> flight;
    size_t flight_bytes = 0;
    uint64_t last_us = 0;   // arrival of the last piece
    uint64_t stuck_us = 0;  // since when nothing arrives; 0: it does
    bool pumping = false;
};

struct Link {
    uint32_t number = 0;  // of the run
    bool peer = false;    // between two machines
    Address from;
    End ends[2];
    size_t socket_bytes = 65536;
    uint64_t patience_us = 0;
    uint64_t attach = 0;  // as the node counts

    // Of those between a client and a machine.
    uint32_t node() const { return ends[1].host; }
    bool at_server() const { return ends[1].process != nullptr; }
};

class Network {
public:
    Network(Queue& queue, Story& story, const Plan& plan, Chance chance)
        : queue_(queue), story_(story), plan_(plan), chance_(chance), hosts_(hosts_max) {}

    // Hosts. Who accepts connections there now; nullptr: nobody.
    void listen(uint32_t host, SimIo* process) { hosts_[host].listener = process; }
    void power(uint32_t host, bool on) { hosts_[host].on = on; }
    void name(const std::string& name, uint32_t address) { names_[name] = address; }
    void address(uint32_t host, uint32_t address) { hosts_[host].address = address; }
    Address address_of(uint32_t host, uint16_t port) const;
    // Which host has the address that the name stands for now; 0: nobody.
    uint32_t look_up(const std::string& name) const;

    // Trouble. One direction each.
    // A way is whole again when each of its cuts is mended.
    void cut(uint32_t from, uint32_t to) { ++cuts_[from][to]; }
    void mend(uint32_t from, uint32_t to) { --cuts_[from][to]; }
    void slow(uint32_t from, uint32_t to, uint64_t by_us) { slow_us_[from][to] = by_us; }
    void heal_all();

    // Clients.
    Link& connect(uint32_t from_host, const Address& from, uint32_t to_host);
    void client_send(Link& link, Bytes bytes) { send(link, 0, bytes); }
    void client_close(Link& link, bool reset);
    // Gone without a word, though its host is not.
    void client_vanish(Link& link);

    // Processes. A dialed link is sent on its way when the name has been looked up.
    Link& dial(SimIo* process, uint32_t from_host, ClientId id, uint16_t port);
    void dialed(Link& link, uint32_t to_host);
    void refuse(Link& link);  // a connection that was to be accepted
    size_t send(Link& link, int end, Bytes bytes);
    void close(Link& link, int end);
    // The process is gone: its peers hear of it, unless it took its machine along.
    void process_gone(SimIo* process, bool silently);

    // Told of a client's connection that a process took, of bytes as they arrive there, as they
    // leave it, and of the end there.
    std::function<void(Link&)> on_accepted;
    std::function<void(Link&)> on_arrival;
    std::function<void(Link& link)> on_unread;   // what came is lost, as the link breaks
    std::function<void(Link&, Bytes)> on_sent;
    std::function<void(Link&)> on_server_closed;
    // And of what a machine says to another from that end.
    std::function<void(const Link& link, int from, Bytes)> on_said;

private:
    struct Host {
        bool on = true;
        SimIo* listener = nullptr;
        uint32_t address = 0;
    };

    Link& make_link(uint32_t from_host, uint32_t to_host, bool peer);
    uint64_t delay(const Link& link, int from);
    bool blocked(const Link& link, int from) const;
    void push(Link& link, int from, Piece piece);
    void push_rst(Link& link, int from);
    void pump_at(Link& link, int from, uint64_t when_us);
    void pump(Link& link, int from);
    void refill(Link& link, int from);
    void deliver(Link& link, int to, Piece piece);
    void deliver_bytes(Link& link, int to, std::string bytes);
    void break_end(Link& link, int end);
    void wake(End& end);
    void tell_closed(End& end);

    Queue& queue_;
    Story& story_;
    const Plan& plan_;
    Chance chance_;
    std::vector<Host> hosts_;
    std::map<std::string, uint32_t> names_;
    uint32_t cuts_[hosts_max][hosts_max] = {};
    uint64_t slow_us_[hosts_max][hosts_max] = {};
    std::deque<std::unique_ptr<Link>> links_;
};

}  // namespace zk::sim
