// dial_test.cc -- links between nodes over real sockets: dialing, both ways, ends and refusals.

#include <doctest/doctest.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "edge/net.h"

using namespace zk;

namespace {

// A network with a loop, and somebody in the node's place who writes down what happens.
class Site {
public:
    Site() {
        signal(SIGPIPE, SIG_IGN);
        log_set_sink([](LogLevel, std::string_view) {});
        REQUIRE(uv_loop_init(&loop_) == 0);
        uv_timer_init(&loop_, &timer_);
    }
    ~Site() {
        network.close_all();
        uv_close(reinterpret_cast<uv_handle_t*>(&timer_), nullptr);
        uv_run(&loop_, UV_RUN_DEFAULT);
        CHECK(uv_loop_close(&loop_) == 0);
        log_set_sink(nullptr);
    }

    uint16_t listen(const std::string& address = "127.0.0.1", bool for_peers = true) {
        peers = for_peers;
        REQUIRE(network.bind({.address = address, .peers = peers}));
        let_in();
        std::string name = network.name(peers);
        return static_cast<uint16_t>(std::stoi(name.substr(name.rfind(':') + 1)));
    }
    void let_in() {
        REQUIRE(network.listen(
            {.context = this,
             .on_open =
                 [](void* site, ClientId id, const Address&, bool peer) {
                     CHECK(peer == to(site).peers);
                     if (to(site).refusing) return false;
                     return to(site).came.insert(id).second;
                 },
             .on_dialed = [](void* site, LinkId id) { to(site).dialed.insert(id); },
             .on_bytes =
                 [](void* site, ClientId id, Bytes bytes) {
                     to(site).heard[id] += as_text(bytes);
                     to(site).reads.push_back({id, bytes.size()});
                     to(site).heard_in_turn += bytes.size();
                 },
             .on_end = [](void* site, ClientId id, bool reset) { to(site).ended[id] = reset; },
             .on_drained = [](void* site, ClientId id) { to(site).drained.insert(id); },
             .on_enough = [](void* site) { to(site).end_turn(); }}));
    }

    // Turns of the loop until the condition holds.
    template <typename Condition>
    void until(Condition condition) {
        uint64_t give_up_us = uv_hrtime() / 1000 + 20'000'000;
        while (!condition()) {
            uint64_t now_us = uv_hrtime() / 1000;
            REQUIRE(now_us < give_up_us);
            network.before_turn(now_us);
            if (in_turn) in_turn();
            in_turn = nullptr;
            bool more = end_turn();
            if (condition()) return;
            uv_timer_start(&timer_, [](uv_timer_t*) {}, more ? 0 : 10, 0);
            uv_run(&loop_, UV_RUN_ONCE);
        }
    }
    bool end_turn() {
        most_in_turn = std::max(most_in_turn, std::exchange(heard_in_turn, 0));
        return network.after_turn();
    }
    // As a node does, within a turn.
    LinkId dial(const std::string& host, uint16_t port) {
        LinkId id = 0;
        in_turn = [&] { id = network.dial(host, port); };
        until([&] { return id != 0; });
        return id;
    }
    void say(LinkId id, std::string_view text) {
        Buffer bytes;
        bytes.append(as_bytes(text));
        network.send(id, bytes);
    }
    bool stands(LinkId id) const { return dialed.count(id) > 0; }
    bool failed(LinkId id) const { return ended.count(id) > 0; }
    LinkId only_guest() {
        until([&] { return came.size() == 1; });
        return *came.begin();
    }

private:
    uv_loop_t loop_{};
    uv_timer_t timer_{};

    static Site& to(void* site) { return *static_cast<Site*>(site); }

public:
    Network network{&loop_};
    std::function<void()> in_turn;
    bool refusing = false;
    std::set<LinkId> came;
    std::set<LinkId> dialed;
    std::set<LinkId> drained;
    std::map<LinkId, std::string> heard;
    std::vector<std::pair<LinkId, size_t>> reads;
    bool peers = true;
    size_t heard_in_turn = 0;
    size_t most_in_turn = 0;
    std::map<LinkId, bool> ended;
};

// A port where nobody listens; `backlog` 0: one that takes a connection or two and no more.
struct DeafPort {
    explicit DeafPort(bool full) : file(socket(AF_INET, SOCK_STREAM, 0)) {
        sockaddr_in here{};
        here.sin_family = AF_INET;
        here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        REQUIRE(bind(file, reinterpret_cast<const sockaddr*>(&here), sizeof here) == 0);
        socklen_t size = sizeof here;
        getsockname(file, reinterpret_cast<sockaddr*>(&here), &size);
        port = ntohs(here.sin_port);
        if (!full) return;
        REQUIRE(::listen(file, 0) == 0);
        for (int& one : fillers) {
            one = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
            (void)connect(one, reinterpret_cast<const sockaddr*>(&here), sizeof here);
        }
    }
    ~DeafPort() {
        for (int one : fillers)
            if (one >= 0) close(one);
        close(file);
    }

    int file;
    int fillers[4] = {-1, -1, -1, -1};
    uint16_t port = 0;
};

}  // namespace

TEST_CASE("a dialed link stands, and carries bytes both ways") {
    Site site;
    uint16_t port = site.listen();
    for (const char* host : {"127.0.0.1", "localhost"}) {
        CAPTURE(host);
        site.came.clear();
        LinkId link = site.dial(host, port);
        CHECK_FALSE(site.stands(link));
        site.until([&] { return site.stands(link); });
        LinkId guest = site.only_guest();
        CHECK(guest != link);
        site.say(link, "hello");
        site.until([&] { return site.heard[guest] == "hello"; });
        site.say(guest, "and to you");
        site.until([&] { return site.heard[link] == "and to you"; });
        site.network.close(link);
        site.until([&] { return site.failed(guest); });
        CHECK_FALSE(site.ended[guest]);
        site.network.close(guest);
        site.heard.clear();
        site.ended.clear();
        site.dialed.clear();
    }
}

TEST_CASE("megabytes go both ways, and what the socket does not take is told when it is gone") {
    Site site;
    LinkId link = site.dial("127.0.0.1", site.listen());
    LinkId guest = site.only_guest();
    site.until([&] { return site.stands(link); });
    std::string much(20'000'000, 'm');
    site.say(link, much);
    site.say(guest, much);
    site.until([&] {
        return site.heard[guest].size() == much.size() && site.heard[link].size() == much.size();
    });
    CHECK(site.drained == std::set<LinkId>{link, guest});
}

TEST_CASE("a client with much to say is heard a little at first, and a turn never hears much") {
    Site site;
    LinkId link = site.dial("127.0.0.1", site.listen("127.0.0.1", false));
    LinkId guest = site.only_guest();
    site.until([&] { return site.stands(link); });
    size_t said = 1'000'000;
    site.say(link, std::string(said, 'm'));
    site.until([&] { return site.heard[guest].size() == said; });
    REQUIRE(site.reads.size() >= 4);
    CHECK(site.reads[0].second == 8192);
    size_t most = 0;
    for (const auto& [id, size] : site.reads) most = std::max(most, size);
    CHECK(most > 16384);
    CHECK(site.most_in_turn < 128 * 1024);
    // And a little again, after it had little.
    site.say(link, "m");
    site.until([&] { return site.heard[guest].size() == said + 1; });
    site.reads.clear();
    site.say(link, std::string(said, 'm'));
    site.until([&] { return site.heard[guest].size() == 2 * said + 1; });
    CHECK(site.reads[0].second == 8192);
}

TEST_CASE("of two who say very much neither is heard twice before the other is") {
    Site site;
    uint16_t port = site.listen("127.0.0.1", false);
    LinkId links[2] = {site.dial("127.0.0.1", port), site.dial("127.0.0.1", port)};
    site.until([&] { return site.came.size() == 2 && site.dialed.size() == 2; });
    std::string much(8'000'000, 'm');
    for (LinkId link : links) site.say(link, much);
    auto left = [&](LinkId id) { return site.heard[id].size() < much.size(); };
    LinkId one = *site.came.begin();
    LinkId other = *site.came.rbegin();
    site.until([&] { return site.heard[one].size() > 2'000'000 && site.heard[other].size() > 0; });
    site.reads.clear();
    site.until([&] { return !left(one) || !left(other); });
    size_t row = 0;
    size_t longest = 0;
    for (size_t i = 1; i < site.reads.size(); ++i) {
        row = site.reads[i].first == site.reads[i - 1].first ? row + 1 : 0;
        longest = std::max(longest, row);
    }
    CHECK(site.reads.size() > 20);
    // It may have had nothing to read at times; not for 32 reads, as many as libuv does in a row.
    CHECK(longest < 16);
}

TEST_CASE("who cannot be reached is told as an end") {
    Site site;
    site.let_in();
    SUBCASE("nobody listens") {
        DeafPort deaf(false);
        LinkId link = site.dial("127.0.0.1", deaf.port);
        site.until([&] { return site.failed(link); });
        CHECK(site.ended[link]);
        site.network.close(link);
    }
    SUBCASE("no such name") {
        LinkId link = site.dial("no-such-host.invalid", 1);
        site.until([&] { return site.failed(link); });
        CHECK(site.ended[link]);
        site.network.close(link);
    }
    SUBCASE("no name at all") {
        for (const char* host : {"", " ", "..", "[::1", "a b"}) {
            LinkId link = site.dial(host, 1);
            site.until([&] { return site.failed(link) || site.stands(link); });
            site.network.close(link);
        }
        LinkId link = site.dial(std::string(5000, 'x'), 1);
        site.until([&] { return site.failed(link); });
        site.network.close(link);
    }
    SUBCASE("nobody answers") {
        DeafPort deaf(true);
        uint64_t began_us = uv_hrtime() / 1000;
        LinkId link = site.dial("127.0.0.1", deaf.port);
        site.until([&] { return site.failed(link); });
        CHECK(site.ended[link]);
        uint64_t took_us = uv_hrtime() / 1000 - began_us;
        CHECK(took_us >= Network::dial_us_max * 9 / 10);
        CHECK(took_us < Network::dial_us_max * 3);
        site.network.close(link);
    }
    CHECK(site.dialed.empty());
}

TEST_CASE("a link may be closed at any time while it is dialed, and nothing is heard of it") {
    Site site;
    uint16_t port = site.listen();
    DeafPort deaf(true);
    for (const char* host : {"127.0.0.1", "localhost", "no-such-host.invalid"}) {
        // In the turn of the dialing, and in the next one.
        site.in_turn = [&] { site.network.close(site.network.dial(host, port)); };
        site.until([&] { return !site.in_turn; });
        LinkId link = site.dial(host, deaf.port);
        site.in_turn = [&] { site.network.close(link); };
        site.until([&] { return !site.in_turn; });
    }
    // Later links are not disturbed, though they have the same numbers.
    LinkId link = site.dial("localhost", port);
    site.until([&] { return site.stands(link); });
    CHECK(site.ended.count(link) == 0);
    CHECK(site.dialed == std::set<LinkId>{link});
}

TEST_CASE("the numbers of links and of those who come are one series, used again") {
    Site site;
    uint16_t port = site.listen();
    std::set<LinkId> all;
    for (int round = 0; round < 5; ++round) {
        site.came.clear();
        site.dialed.clear();
        site.in_turn = [&] {
            for (int i = 0; i < 50; ++i) all.insert(site.network.dial("127.0.0.1", port));
        };
        site.until([&] { return site.came.size() == 50 && site.dialed.size() == 50; });
        for (LinkId id : site.came) CHECK(site.dialed.count(id) == 0);
        all.insert(site.came.begin(), site.came.end());
        for (LinkId id : site.came) site.network.close(id);
        for (LinkId id : site.dialed) site.network.close(id);
        site.in_turn = [] {};
        site.until([&] { return !site.in_turn; });
    }
    CHECK(all.size() <= 200);
}

TEST_CASE("who is refused at the quorum port is cut off at once") {
    Site site;
    uint16_t port = site.listen();
    site.refusing = true;
    LinkId link = site.dial("127.0.0.1", port);
    site.until([&] { return site.failed(link); });
    CHECK(site.came.empty());
    site.network.close(link);
}

TEST_CASE("a node at the other end that vanishes is heard of") {
    Site site;
    auto other = std::make_unique<Site>();
    LinkId link = site.dial("127.0.0.1", other->listen());
    LinkId guest = 0;
    site.let_in();
    site.until([&] { return site.stands(link); });
    guest = other->only_guest();
    CHECK(guest != 0);
    other.reset();
    site.until([&] { return site.failed(link); });
    site.network.close(link);
}

TEST_CASE("an address is of this machine or it is not, and loopback may not count") {
    CHECK(Network::is_here("127.0.0.1", true));
    CHECK(Network::is_here("localhost", true));
    CHECK_FALSE(Network::is_here("127.0.0.1", false));
    CHECK_FALSE(Network::is_here("localhost", false));
    CHECK_FALSE(Network::is_here("192.0.2.1", true));
    CHECK_FALSE(Network::is_here("no-such-host.invalid", true));
}
