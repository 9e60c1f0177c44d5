// dial.cc -- see net.h: links to other nodes, from a name to a connection that stands.

#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>

#include "edge/net.h"

namespace zk {

namespace {

constexpr size_t addresses_max = 8;  // of one host that are tried
constexpr size_t hosts_max = 512;    // whose addresses are remembered
// A look-up that takes longer is not waited for if it is known what the last one said.
constexpr uint64_t look_up_us = Network::dial_us_max * 2 / 5;

addrinfo hints_of(int flags) {
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = flags;
    return hints;
}

SocketAddresses addresses_of(const addrinfo* found) {
    SocketAddresses addresses;
    for (; found != nullptr && addresses.size() < addresses_max; found = found->ai_next) {
        if (found->ai_family != AF_INET && found->ai_family != AF_INET6) continue;
        addresses.emplace_back();
        memcpy(&addresses.back(), found->ai_addr, found->ai_addrlen);
    }
    return addresses;
}

// Of a host that is a number; nothing where it is a name.
SocketAddresses numeric(const std::string& host) {
    addrinfo hints = hints_of(AI_NUMERICHOST);
    addrinfo* found = nullptr;
    if (getaddrinfo(host.c_str(), nullptr, &hints, &found) != 0) return {};
    SocketAddresses addresses = addresses_of(found);
    freeaddrinfo(found);
    return addresses;
}

// Where nobody listens, TCP may connect a socket of this machine to itself.
bool with_itself(const uv_tcp_t& tcp) {
    sockaddr_storage here{};
    sockaddr_storage there{};
    int here_size = sizeof here;
    int there_size = sizeof there;
    if (uv_tcp_getsockname(&tcp, reinterpret_cast<sockaddr*>(&here), &here_size) != 0) return false;
    if (uv_tcp_getpeername(&tcp, reinterpret_cast<sockaddr*>(&there), &there_size) != 0)
        return false;
    return here_size == there_size && memcmp(&here, &there, static_cast<size_t>(here_size)) == 0;
}

}  // namespace

LinkId Network::dial(const std::string& host, uint16_t port) {
    LinkId id = next_id();
    free_ids_.pop_back();
    Connection& connection = make(id, Connection::Stage::dialing, true);
    connection.dialing = std::make_unique<Connection::Dialing>();
    Connection::Destination& to = connection.dialing->to;
    to = {.host = host,
          .port = port,
          .addresses = numeric(host),
          .step_by_us = now_us_ + look_up_us,
          .give_up_us = now_us_ + dial_us_max};
    dialing_.push_back(id);
    if (!to.addresses.empty())
        try_next(connection);
    else
        look_up(host);
    return id;
}

void Network::look_up(const std::string& host) {
    if (hosts_.size() >= hosts_max)
        std::erase_if(hosts_, [](const auto& each) { return each.second.lookup == nullptr; });
    Host& known = hosts_[host];
    if (known.lookup != nullptr) return;
    known.lookup = new Lookup();
    known.lookup->network = this;
    known.lookup->host = host;
    known.lookup->request.data = known.lookup;
    addrinfo hints = hints_of(0);
    int error = uv_getaddrinfo(loop_, &known.lookup->request, on_looked_up, host.c_str(), nullptr,
                               &hints);
    if (error != 0) looked_up(known.lookup, error, nullptr);
}

void Network::on_looked_up(uv_getaddrinfo_t* request, int status, addrinfo* found) {
    auto* lookup = static_cast<Lookup*>(request->data);
    lookup->network->looked_up(lookup, status, found);
    uv_freeaddrinfo(found);
}

void Network::looked_up(Lookup* lookup, int status, const addrinfo* found) {
    std::string host = std::move(lookup->host);
    delete lookup;
    Host& known = hosts_[host];
    known.lookup = nullptr;
    SocketAddresses addresses = addresses_of(found);
    bool for_sure = status == 0 || status == UV_EAI_NONAME || status == UV_EAI_NODATA;
    if (for_sure || !addresses.empty()) known.addresses = std::move(addresses);
    std::vector<LinkId> waiting = dialing_;
    for (LinkId id : waiting) {
        Connection::Destination& to = at(id).dialing->to;
        if (to.host != host || !to.addresses.empty()) continue;
        to.addresses = known.addresses;
        try_next(at(id));
    }
}

// A socket is good for one attempt, so the next address gets a Connection of its own, under the
// number that the node knows.
void Network::try_next(Connection& before) {
    LinkId id = before.id;
    Connection::Destination unmet = std::move(before.dialing->to);
    bool paused = before.paused;
    end(before);
    Connection& connection = make(id, Connection::Stage::dialing, true);
    connection.paused = paused;
    connection.dialing = std::make_unique<Connection::Dialing>();
    connection.dialing->request.data = &connection;
    Connection::Destination& to = connection.dialing->to;
    to = std::move(unmet);
    size_t left = to.addresses.size() - to.tried;
    if (left == 0 || now_us_ >= to.give_up_us) return break_off(connection);
    to.step_by_us = now_us_ + (to.give_up_us - now_us_) / left;
    sockaddr_storage& address = to.addresses[to.tried++];
    if (address.ss_family == AF_INET6)
        reinterpret_cast<sockaddr_in6*>(&address)->sin6_port = htons(to.port);
    else
        reinterpret_cast<sockaddr_in*>(&address)->sin_port = htons(to.port);
    int error = uv_tcp_connect(&connection.dialing->request, &connection.tcp,
                               reinterpret_cast<const sockaddr*>(&address), on_connected);
    if (error != 0) return try_next(connection);
    uv_os_fd_t file = -1;
    if (uv_fileno(reinterpret_cast<const uv_handle_t*>(&connection.tcp), &file) == 0)
        set_options(file, true, true);
}

void Network::on_connected(uv_connect_t* request, int status) {
    auto& connection = *static_cast<Connection*>(request->data);
    Network& network = *connection.network;
    if (connection.stage == Connection::Stage::closing) return;
    if (status != 0 || with_itself(connection.tcp)) return network.try_next(connection);
    std::erase(network.dialing_, connection.id);
    connection.stage = Connection::Stage::open;
    connection.dialing.reset();
    if (!connection.paused) read(connection);
    network.events_.on_dialed(network.events_.context, connection.id);
}

void Network::settle_dials() {
    std::vector<LinkId> all = dialing_;
    for (LinkId id : all) {
        Connection& connection = at(id);
        Connection::Destination& to = connection.dialing->to;
        if (now_us_ < to.step_by_us) continue;
        if (to.addresses.empty()) {
            to.step_by_us = to.give_up_us;
            to.addresses = hosts_[to.host].addresses;
            if (to.addresses.empty() && now_us_ < to.give_up_us) continue;
        }
        try_next(connection);
    }
}

}  // namespace zk
