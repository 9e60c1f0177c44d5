// node_session_test.cc -- a node and the sessions of clients that go before they are answered.

#include <doctest/doctest.h>

#include <string>

#include "memory_io.h"
#include "node/node.h"
#include "wire/records.h"

using namespace zk;

namespace {

// What the node sends is kept as one text, whoever it goes to.
struct Server final : MemoryIo {
    Config config;
    std::unique_ptr<Node> node;
    std::string said;
    Buffer hello;  // that the node looks at in its turn
    std::vector<ClientId> closed;

    Server() {
        log_set_sink([](LogLevel, std::string_view) {});
        config.data_dir = "d";
        config.segment_bytes = 64 * 1024;
        config.tick_ms = 500;
        config.session_timeout_min_ms = 1'000;
        config.session_timeout_max_ms = 10'000;
        submitted.clear();
        node = std::make_unique<Node>(*this, config);
        REQUIRE(node->start().has_value());
        turns(4);
    }
    ~Server() override { log_set_sink(nullptr); }

    size_t send(ClientId, Buffer& bytes) override {
        said += bytes.text();
        bytes.clear();
        return 0;
    }
    void close(ClientId client) override { closed.push_back(client); }
    void turns(int many) {
        for (int i = 0; i < many; ++i) {
            clock_us += 50'000;
            node->turn();
            finish([this](Lane lane, uint64_t ticket, const DiskResult& result) {
                node->on_disk(lane, ticket, result);
            });
        }
    }
    void connect(ClientId client, int64_t session, size_t password_bytes) {
        connect(client, session, std::string(password_bytes, '\0'));
    }
    void connect(ClientId client, int64_t session, const std::string& password) {
        REQUIRE(node->on_open(client, {}));
        hello.clear();
        size_t at = begin_frame(hello);
        encode(hello, ConnectRequest{.timeout_ms = 2'000,
                                     .session = session,
                                     .password = as_bytes(password)});
        end_frame(hello, at);
        node->on_bytes(client, hello.bytes());
    }
    bool has_sessions(int count) {
        said.clear();
        REQUIRE(node->on_open(9, {}));
        node->on_bytes(9, as_bytes("mntr"));
        turns(2);
        return said.find("zk_global_sessions\t" + std::to_string(count) + "\n") != said.npos;
    }
};

}  // namespace

TEST_CASE("a session whose client went before it was made expires like any other") {
    Server server;
    server.connect(1, 0, password_size);
    // Its entry is on its way to the disk, and the client is told of no more.
    server.node->turn();
    server.node->on_end(1, true);
    server.turns(4);
    CHECK(server.has_sessions(1));
    server.turns(80);
    CHECK(server.has_sessions(0));
}

TEST_CASE("of two that take a session at once the later has it, even if he has gone meanwhile") {
    Server server;
    server.said.clear();
    server.connect(1, 0, password_size);
    server.turns(2);
    REQUIRE(server.said.size() == 4 + 37);
    int64_t session = Reader(as_bytes(server.said).subspan(12)).i64();
    std::string password = server.said.substr(24, password_size);
    server.connect(2, session, password);
    server.connect(3, session, password);
    server.node->turn();
    server.node->on_end(3, true);
    server.turns(2);
    CHECK(server.closed == std::vector<ClientId>{1, 3, 2});
}

TEST_CASE("a password of the wrong length is refused without an entry of the log") {
    Server server;
    server.said.clear();
    server.connect(1, 77, 30'000);
    server.node->turn();
    CHECK(server.submitted.empty());
    // No time-out, no id: expired. The password is of zeros.
    REQUIRE(server.said.size() == 4 + 37);
    CHECK(server.said.substr(8, 12) == std::string(12, '\0'));
}
