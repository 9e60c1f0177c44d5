// network.cc -- see network.h.

#include "network.h"

#include "sim_io.h"

namespace zk::sim {

Link& Network::connect(const Address& from) {
    links_.push_back(std::make_unique<Link>());
    Link& link = *links_.back();
    link.number = static_cast<uint32_t>(links_.size());
    link.from = from;
    queue_.after(delay(), [this, &link] {
        if (link.client_done) return;
        if (listener_ == nullptr) return tell_closed(link);
        link.server = listener_;
        link.server->accept(link);
    });
    return link;
}

void Network::client_send(Link& link, Bytes bytes) {
    while (!bytes.empty()) {
        size_t size = chance_.percent(70) ? bytes.size() : 1 + chance_.below(bytes.size());
        std::string piece(as_text(bytes.first(size)));
        bytes = bytes.subspan(size);
        bool lost = chance_.permille(plan_.resets_permille);
        link.to_server_us = std::max(link.to_server_us, queue_.now_us()) + 1;
        link.to_server_us = std::max(link.to_server_us, queue_.now_us() + delay());
        queue_.at(link.to_server_us, [this, &link, piece = std::move(piece), lost] {
            if (link.reset || link.closed_by_server) return;
            if (lost) {
                TELL(story_, "link %u breaks", link.number);
                link.reset = true;
                if (link.server != nullptr) link.server->wake(queue_.now_us() + 1);
                return tell_closed(link);
            }
            link.inbox += piece;
            link.arrived += piece.size();
            if (on_arrival) on_arrival(link);
            if (link.server != nullptr) link.server->wake(queue_.now_us() + 1);
        });
    }
}

void Network::client_close(Link& link, bool reset) {
    if (reset) link.client_done = true;
    uint64_t when = std::max(link.to_server_us + 1, queue_.now_us() + delay());
    link.to_server_us = when;
    queue_.at(when, [this, &link, reset] {
        (reset ? link.reset : link.fin) = true;
        if (link.server != nullptr) link.server->wake(queue_.now_us() + 1);
    });
}

size_t Network::server_send(Link& link, Bytes bytes) {
    if (on_sent) on_sent(link, bytes);
    if (link.reset) return 0;
    link.outbox += as_text(bytes);
    drain(link);
    if (!link.outbox.empty()) link.drained = false;
    return link.outbox.size();
}

// As much as the socket takes goes on its way; more when the client has read that.
void Network::drain(Link& link) {
    if (link.sending || link.outbox.empty()) return;
    std::string piece = link.outbox.substr(0, plan_.socket_bytes);
    link.outbox.erase(0, piece.size());
    link.sending = true;
    // A slow reader's socket is full until it reads; others make room at once, mostly.
    uint64_t room_us = link.read_us > 0 ? link.read_us : delay();
    queue_.after(room_us, [this, &link] {
        link.sending = false;
        bool more = !link.outbox.empty();
        drain(link);
        if (!more || !link.outbox.empty() || link.server == nullptr) return;
        link.drained = true;
        link.server->wake(queue_.now_us() + 1);
    });
    link.to_client_us = std::max(link.to_client_us + 1, queue_.now_us() + delay() + link.read_us);
    queue_.at(link.to_client_us, [&link, piece = std::move(piece)] {
        if (!link.client_done && link.on_bytes) link.on_bytes(as_bytes(piece));
    });
}

void Network::tell_closed(Link& link) {
    link.client_done = true;
    if (link.on_closed) {
        auto closed = std::move(link.on_closed);
        link.on_closed = nullptr;
        closed();
    }
}

void Network::server_close(Link& link) {
    if (on_server_closed) on_server_closed(link);
    link.server = nullptr;
    link.closed_by_server = true;
    // What was sent goes out, unless it takes too long.
    while (!link.outbox.empty() && link.read_us == 0) {
        link.sending = false;
        drain(link);
    }
    link.to_client_us = std::max(link.to_client_us + 1, queue_.now_us() + delay());
    queue_.at(link.to_client_us, [this, &link] { tell_closed(link); });
}

void Network::break_all(SimIo* server) {
    if (listener_ == server) listener_ = nullptr;
    for (auto& link : links_) {
        if (link->server != server) continue;
        link->server = nullptr;
        link->closed_by_server = true;
        link->outbox.clear();
        // What was on its way may still arrive.
        Link& broken = *link;
        uint64_t when = chance_.percent(50) ? queue_.now_us() + 1 : link->to_client_us + 1;
        queue_.at(when, [this, &broken] { tell_closed(broken); });
    }
}

}  // namespace zk::sim
