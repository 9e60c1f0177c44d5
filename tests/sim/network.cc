// network.cc -- see network.h.

#include "network.h"

#include <cstring>

#include "sim_io.h"

namespace zk::sim {

namespace {

constexpr uint16_t quorum_port = 2888;

}  // namespace

Address Network::address_of(uint32_t host, uint16_t port) const {
    Address address;
    address.ip[10] = address.ip[11] = 0xff;
    for (int i = 0; i < 4; ++i)
        address.ip[12 + i] = static_cast<uint8_t>(hosts_[host].address >> (24 - 8 * i));
    address.port = port;
    return address;
}

uint32_t Network::look_up(const std::string& name) const {
    auto found = names_.find(name);
    if (found == names_.end()) return 0;
    for (uint32_t host = 1; host < first_client_host; ++host)
        if (hosts_[host].address == found->second) return host;
    return 0;
}

void Network::heal_all() {
    memset(cuts_, 0, sizeof cuts_);
    memset(slow_us_, 0, sizeof slow_us_);
}

Link& Network::make_link(uint32_t from_host, uint32_t to_host, bool peer) {
    links_.push_back(std::make_unique<Link>());
    Link& link = *links_.back();
    link.number = static_cast<uint32_t>(links_.size());
    link.peer = peer;
    link.ends[0].host = from_host;
    link.ends[1].host = to_host;
    link.ends[0].there = true;
    link.socket_bytes = peer ? std::max<size_t>(plan_.socket_bytes, 8000) : plan_.socket_bytes;
    link.patience_us = chance_.between(1'000'000, 12'000'000);
    return link;
}

Link& Network::connect(uint32_t from_host, const Address& from, uint32_t to_host) {
    Link& link = make_link(from_host, to_host, false);
    link.from = from;
    push(link, 0, {.kind = Piece::Kind::syn});
    return link;
}

Link& Network::dial(SimIo* process, uint32_t from_host, ClientId id, uint16_t port) {
    if (port != quorum_port) story_.fail("port %u is dialed, where nobody listens", port);
    Link& link = make_link(from_host, 0, true);
    link.from = address_of(from_host, static_cast<uint16_t>(30000 + link.number % 30000));
    link.ends[0].process = process;
    link.ends[0].id = id;
    return link;
}

void Network::dialed(Link& link, uint32_t to_host) {
    if (!link.ends[0].there) return;
    link.ends[1].host = to_host;
    if (to_host == 0) return break_end(link, 0);
    push(link, 0, {.kind = Piece::Kind::syn});
}

void Network::refuse(Link& link) {
    link.ends[1].there = false;
    link.ends[1].process = nullptr;
    push_rst(link, 1);
}

uint64_t Network::delay(const Link& link, int from) {
    const End& to = link.ends[1 - from];
    return 10 + chance_.skewed(0, plan_.delay_us_max) + slow_us_[link.ends[from].host][to.host] +
           to.read_us;
}

bool Network::blocked(const Link& link, int from) const {
    const End& to = link.ends[1 - from];
    return cuts_[link.ends[from].host][to.host] > 0 || !hosts_[to.host].on;
}

void Network::push(Link& link, int from, Piece piece) {
    End& end = link.ends[from];
    end.last_us = std::max(end.last_us + 1, queue_.now_us() + delay(link, from));
    piece.at_us = end.last_us;
    end.flight_bytes += piece.bytes.size();
    end.flight.push_back(std::move(piece));
    pump_at(link, from, end.flight.front().at_us);
}

// It overtakes what is on its way.
void Network::push_rst(Link& link, int from) {
    End& end = link.ends[from];
    end.flight.clear();
    end.flight_bytes = 0;
    end.last_us = queue_.now_us();
    push(link, from, {.kind = Piece::Kind::rst});
}

void Network::pump_at(Link& link, int from, uint64_t when_us) {
    End& end = link.ends[from];
    if (end.pumping) return;
    end.pumping = true;
    queue_.at(when_us, [this, &link, from] {
        link.ends[from].pumping = false;
        pump(link, from);
    });
}

void Network::pump(Link& link, int from) {
    End& end = link.ends[from];
    if (end.flight.empty()) return;
    uint64_t now_us = queue_.now_us();
    if (blocked(link, from)) {
        if (end.stuck_us == 0) end.stuck_us = now_us;
        if (now_us - end.stuck_us < link.patience_us)
            return pump_at(link, from, now_us + chance_.between(20'000, 300'000));
        end.flight.clear();
        end.flight_bytes = 0;
        end.stuck_us = 0;
        return break_end(link, from);
    }
    end.stuck_us = 0;
    if (end.flight.front().at_us <= now_us) {
        Piece piece = std::move(end.flight.front());
        end.flight.pop_front();
        end.flight_bytes -= piece.bytes.size();
        deliver(link, 1 - from, std::move(piece));
        refill(link, from);
    }
    if (!end.flight.empty()) pump_at(link, from, end.flight.front().at_us);
}

// As much as the socket takes goes on its way, in pieces that are cut anywhere.
void Network::refill(Link& link, int from) {
    End& end = link.ends[from];
    size_t room = link.peer || from == 1 ? link.socket_bytes : end.outbox.size() + 1;
    while (!end.outbox.empty() && (room > link.socket_bytes || end.flight_bytes < room)) {
        size_t size = std::min(end.outbox.size(), room);
        if (chance_.percent(25)) size = 1 + chance_.below(size);
        push(link, from, {.kind = Piece::Kind::bytes, .bytes = end.outbox.substr(0, size)});
        end.outbox.erase(0, size);
    }
    if (!end.outbox.empty() || !end.waits) return;
    end.waits = false;
    end.drained = true;
    wake(end);
}

void Network::deliver(Link& link, int to, Piece piece) {
    End& end = link.ends[to];
    switch (piece.kind) {
    case Piece::Kind::syn: {
        SimIo* listener = hosts_[end.host].listener;
        if (listener == nullptr) return push_rst(link, to);
        end.there = end.stands = true;
        end.process = listener;
        listener->accept(link);
        return push(link, to, {.kind = Piece::Kind::syn_ack});
    }
    case Piece::Kind::syn_ack:
        end.stands = true;
        return wake(end);
    case Piece::Kind::bytes: return deliver_bytes(link, to, std::move(piece.bytes));
    case Piece::Kind::fin:
        if (!end.there || end.reset) return;
        end.fin = true;
        if (end.process != nullptr) return wake(end);
        end.there = false;
        return tell_closed(end);
    case Piece::Kind::rst:
        if (end.there && !end.reset) break_end(link, to);
        return;
    }
}

void Network::deliver_bytes(Link& link, int to, std::string bytes) {
    End& end = link.ends[to];
    if (end.deaf) return;
    if (!end.there || end.reset) {
        if (link.ends[1 - to].there) push_rst(link, to);
        return;
    }
    if (chance_.permille(plan_.resets_permille)) {
        TELL(story_, "link %u breaks", link.number);
        link.ends[1 - to].flight.clear();
        link.ends[1 - to].flight_bytes = 0;
        break_end(link, to);
        // The other side may not hear of it until it sends something.
        if (chance_.percent(80)) push_rst(link, to);
        return;
    }
    if (end.process == nullptr) {
        if (end.on_bytes) end.on_bytes(as_bytes(bytes));
        return;
    }
    end.inbox += bytes;
    end.arrived += bytes.size();
    if (!link.peer && on_arrival) on_arrival(link);
    wake(end);
}

void Network::break_end(Link& link, int at) {
    End& end = link.ends[at];
    if (!end.there) return;
    end.outbox.clear();
    if (end.process != nullptr) {
        end.reset = true;
        if (!link.peer && !end.inbox.empty() && on_unread) on_unread(link);
        return wake(end);
    }
    end.there = false;
    tell_closed(end);
}

void Network::wake(End& end) {
    if (end.process != nullptr && end.there) end.process->wake(queue_.now_us() + 1);
}

void Network::tell_closed(End& end) {
    if (!end.on_closed) return;
    auto closed = std::move(end.on_closed);
    end.on_closed = nullptr;
    closed();
}

void Network::client_close(Link& link, bool reset) {
    if (!reset) return push(link, 0, {.kind = Piece::Kind::fin});
    link.ends[0].there = false;
    link.ends[0].outbox.clear();
    // Mostly behind what is on its way.
    if (chance_.percent(20)) return push_rst(link, 0);
    push(link, 0, {.kind = Piece::Kind::rst});
}

void Network::client_vanish(Link& link) {
    link.ends[0].there = false;
    link.ends[0].deaf = true;
}

size_t Network::send(Link& link, int at, Bytes bytes) {
    End& end = link.ends[at];
    if (!link.peer && at == 1 && on_sent) on_sent(link, bytes);
    if (link.peer && on_said) on_said(link, at, bytes);
    if (end.reset) return 0;
    end.outbox += as_text(bytes);
    refill(link, at);
    end.waits = !end.outbox.empty();
    if (end.waits) end.drained = false;
    return end.outbox.size();
}

void Network::close(Link& link, int at) {
    End& end = link.ends[at];
    if (!link.peer && on_server_closed) on_server_closed(link);
    end.process = nullptr;
    end.there = false;
    if (end.reset) return;
    if (at == 0 && !end.stands) {
        end.flight.clear();
        end.flight_bytes = 0;
        if (link.ends[1].there) push_rst(link, 0);
        return;
    }
    // What was sent goes out, unless it takes too long.
    bool slow = link.ends[1 - at].read_us > 0;
    if (!end.outbox.empty() && !slow)
        push(link, at, {.kind = Piece::Kind::bytes, .bytes = std::move(end.outbox)});
    end.outbox.clear();
    push(link, at, {.kind = Piece::Kind::fin});
}

void Network::process_gone(SimIo* process, bool silently) {
    for (Host& host : hosts_)
        if (host.listener == process) host.listener = nullptr;
    for (auto& link : links_) {
        for (int at : {0, 1}) {
            End& end = link->ends[at];
            if (end.process != process || !end.there) continue;
            end.process = nullptr;
            end.there = false;
            end.outbox.clear();
            if (silently && chance_.percent(50)) {
                end.flight.clear();
                end.flight_bytes = 0;
            }
            if (silently || end.reset) continue;
            // What was on its way may still arrive.
            if (chance_.percent(50) || (at == 0 && !end.stands))
                push_rst(*link, at);
            else
                push(*link, at, {.kind = Piece::Kind::fin});
        }
    }
}

}  // namespace zk::sim
