// net_test.cc -- the client port in front of a real node: answers, ends, and many at once.

#include <doctest/doctest.h>

#include <arpa/inet.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <thread>

#include "edge/loop.h"
#include "node/node.h"
#include "wire/records.h"

using namespace zk;

namespace {

// A server on a port of its own, with its loop on a thread of its own.
class Server {
public:
    Server() {
        signal(SIGPIPE, SIG_IGN);
        char name[] = "/tmp/zkd-net-XXXXXX";
        REQUIRE(mkdtemp(name) != nullptr);
        log_set_sink([](LogLevel, std::string_view) {});
        config_.data_dir = name;
        config_.clients_per_address_max = 0;
        Result<void> bound = io_.bind({.address = "127.0.0.1"});
        REQUIRE(bound);
        REQUIRE(node_.start());
        REQUIRE(io_.listen(node_));
        std::string where = io_.port_name();
        port = static_cast<uint16_t>(std::stoi(where.substr(where.rfind(':') + 1)));
        thread_ = std::thread([this] { status = io_.run(node_); });
    }
    ~Server() {
        if (thread_.joinable()) stop();
        log_set_sink(nullptr);
        std::filesystem::remove_all(config_.data_dir);
    }
    void stop() {
        kill(getpid(), SIGTERM);
        thread_.join();
    }

    uint16_t port = 0;
    int status = -1;

private:
    Config config_;
    UvIo io_;
    Node node_{io_, config_};
    std::thread thread_;
};

class Peer {
public:
    explicit Peer(const Server& server) : file_(socket(AF_INET, SOCK_STREAM, 0)) {
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(server.port);
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        REQUIRE(connect(file_, reinterpret_cast<const sockaddr*>(&to), sizeof to) == 0);
    }
    ~Peer() { ::close(file_); }

    void say(std::string_view text) {
        REQUIRE(::send(file_, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()));
    }
    void done() { shutdown(file_, SHUT_WR); }
    // All that comes until the server closes; "reset" at the end if it did not do that nicely.
    std::string hear() {
        std::string text;
        char part[65536];
        ssize_t n;
        while ((n = recv(file_, part, sizeof part, 0)) > 0)
            text.append(part, static_cast<size_t>(n));
        return n == 0 ? text : text + "reset";
    }

private:
    int file_;
};

}  // namespace

TEST_CASE("a word is answered and the connection closed") {
    Server server;
    Peer peer(server);
    peer.say("ruok");
    CHECK(peer.hear() == "imok");
}

TEST_CASE("who is done sending still gets the answer") {
    Server server;
    Peer peer(server);
    peer.say("ruok");
    peer.done();
    CHECK(peer.hear() == "imok");
}

TEST_CASE("who ends his session has the reply and the end, whatever he says besides") {
    Server server;
    auto frame = [](Buffer body) {
        Buffer bytes;
        bytes.u32(static_cast<uint32_t>(body.size()));
        bytes.append(body.bytes());
        return std::string(as_text(bytes.bytes()));
    };
    Buffer hello;
    uint8_t password[password_size] = {};
    encode(hello, ConnectRequest{.timeout_ms = 30'000, .password = password});
    Buffer bye;
    bye.i32(1);
    bye.i32(static_cast<int32_t>(Op::close_session));
    std::string both = frame(std::move(hello)) + frame(std::move(bye));
    for (size_t more : {0u, 1u, 20'000u}) {
        CAPTURE(more);
        Peer peer(server);
        peer.say(both + std::string(more, '\n'));
        std::string heard = peer.hear();
        CHECK(heard.size() == 4 + 37 + 4 + 16);
        CHECK(!heard.ends_with("reset"));
    }
}

TEST_CASE("bytes behind the last word do not destroy the answer") {
    Server server;
    for (int i = 0; i < 20; ++i) {
        Peer peer(server);
        peer.say("ruok" + std::string(100'000, '\n'));
        CHECK(peer.hear() == "imok");
    }
}

TEST_CASE("hundreds of clients at once are all answered") {
    Server server;
    std::vector<std::unique_ptr<Peer>> peers;
    for (int i = 0; i < 300; ++i) peers.push_back(std::make_unique<Peer>(server));
    for (auto& peer : peers) peer->say("ru");
    for (auto& peer : peers) peer->say("ok");
    for (auto& peer : peers) CHECK(peer->hear() == "imok");
}

TEST_CASE("a port that is taken is named") {
    Server server;
    UvIo other;
    Result<void> bound = other.bind({.address = "127.0.0.1", .port = server.port});
    REQUIRE(!bound);
    CHECK(bound.error().text.find("127.0.0.1:" + std::to_string(server.port)) != std::string::npos);
    CHECK(bound.error().text.find("in use") != std::string::npos);
}

TEST_CASE("SIGTERM ends the loop and the connections") {
    Server server;
    Peer peer(server);
    Peer idle(server);
    peer.say("ruok");
    CHECK(peer.hear() == "imok");
    server.stop();
    CHECK(server.status == 0);
    CHECK(idle.hear() == "");
}
