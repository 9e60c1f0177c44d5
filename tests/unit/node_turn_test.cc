// node_turn_test.cc -- what a node tells of the length of its turns.

#include <doctest/doctest.h>

#include <string>

#include "memory_io.h"
#include "node/node.h"

using namespace zk;

namespace {

std::string logged;

struct Server final : MemoryIo {
    Config config;
    std::unique_ptr<Node> node;
    std::string said;

    Server() {
        log_set_sink([](LogLevel level, std::string_view text) {
            if (level == LogLevel::warn) logged += std::string(text) + "\n";
        });
        config.data_dir = "d";
        config.segment_bytes = 64 * 1024;
        config.four_letter_words = "*";
        submitted.clear();
        node = std::make_unique<Node>(*this, config);
        REQUIRE(node->start().has_value());
        turn(0);
        turn(0);
        logged.clear();
    }
    ~Server() override { log_set_sink(nullptr); }

    size_t send(ClientId, Buffer& bytes) override {
        said += bytes.text();
        bytes.clear();
        return 0;
    }
    void turn(uint64_t took_us) {
        clock_us += 100;
        node->turn();
        node->turn_took(took_us);
        finish([this](Lane lane, uint64_t ticket, const DiskResult& result) {
            node->on_disk(lane, ticket, result);
        });
    }
    std::string ask(std::string_view word) {
        said.clear();
        REQUIRE(node->on_open(9, {}));
        node->on_bytes(9, as_bytes(word));
        turn(0);
        return said;
    }
    bool tells(const std::string& row) { return ask("mntr").find(row + "\n") != std::string::npos; }
};

}  // namespace

TEST_CASE("mntr tells the longest turn and how many were long, until srst") {
    Server server;
    server.turn(9'000);
    server.turn(70'000);
    server.turn(11'000);
    CHECK(server.tells("zk_max_turn_us\t70000"));
    CHECK(server.tells("zk_turns_over_10ms\t2"));
    server.ask("srst");
    CHECK(server.tells("zk_max_turn_us\t0"));
    CHECK(server.tells("zk_turns_over_10ms\t0"));
}

TEST_CASE("a slow turn is logged with what it did, and one a second but for records") {
    Server server;
    server.ask("ruok");
    CHECK(server.node->on_open(1, {}));
    CHECK(server.node->on_open(2, {}));
    server.clock_us += 1'000'000;
    server.turn(49'000);
    CHECK(logged.empty());
    CHECK(server.node->on_open(3, {}));
    server.turn(123'456);
    CHECK(logged == "a turn took 123 ms: 1 connections, 0 requests, 0 entries appended and 0 "
                    "applied, 0 sessions expired, 0 bytes of replies\n");
    logged.clear();
    server.turn(60'000);
    CHECK(logged.empty());
    server.turn(200'000);
    CHECK(!logged.empty());
    logged.clear();
    server.clock_us += 1'000'000;
    server.turn(60'000);
    CHECK(!logged.empty());
}
