// node_crowd_test.cc -- clients that together ask for more than a turn should make.

#include <map>
#include <vector>

#include "one_node.h"

using namespace zk;

namespace {

constexpr size_t large = 100'000;
constexpr int gets = 100;

struct Crowd final : Server {
    std::map<ClientId, size_t> heard;

    size_t send(ClientId client, Buffer& bytes) override {
        heard[client] += bytes.size();
        return Server::send(client, bytes);
    }
    void join(ClientId client) {
        REQUIRE(node->on_open(client, {}));
        Buffer hello;
        uint8_t password[password_size] = {};
        encode(hello, ConnectRequest{.timeout_ms = 30'000, .password = password});
        Buffer bytes;
        add(bytes, hello);
        node->on_bytes(client, bytes.bytes());
        turns(4);
    }
    static void add(Buffer& bytes, const Buffer& frame) {
        bytes.u32(static_cast<uint32_t>(frame.size()));
        bytes.append(frame.bytes());
    }
    static void add_gets(Buffer& bytes, int32_t first_xid, int32_t many) {
        for (int32_t xid = first_xid; xid < first_xid + many; ++xid) {
            Buffer frame;
            frame.i32(xid);
            frame.i32(static_cast<int32_t>(Op::get_data));
            encode(frame, PathWatch{.path = "/large"});
            add(bytes, frame);
        }
    }
    // How much was said, and whether the node wants to go on at once.
    bool turn(size_t& said) {
        replies.clear();
        clock_us += 100;
        bool more = node->turn();
        said = replies.size();
        return more;
    }
};

}  // namespace

// Reads that stood behind a write are answered when it is applied, before anybody is heard.
TEST_CASE("what a turn applies keeps nobody waiting, however much it is") {
    Crowd crowd;
    crowd.start();
    crowd.connect();
    REQUIRE(crowd.create("/large", large) == Err::ok);
    constexpr ClientId other = 2;
    constexpr ClientId last = 42;
    for (ClientId client = other; client <= last; ++client) crowd.join(client);
    Buffer burst;
    Crowd::add(burst, crowd.create_frame("/written", 0));
    Crowd::add_gets(burst, crowd.xid + 1, 4);
    for (ClientId client = other + 1; client <= last; ++client)
        crowd.node->on_bytes(client, burst.bytes());
    size_t said = 0;
    crowd.turn(said);
    CHECK(said == 0);
    crowd.finish([&](Lane lane, uint64_t ticket, const DiskResult& result) {
        crowd.node->on_disk(lane, ticket, result);
    });
    crowd.heard.clear();
    Buffer one;
    Crowd::add_gets(one, 1, 1);
    crowd.node->on_bytes(other, one.bytes());
    crowd.turn(said);
    CHECK(said > 8u << 20);
    CHECK(crowd.heard[other] > large);
}

TEST_CASE("a turn makes replies up to a bound, and the next ones are of those who had none") {
    Crowd crowd;
    crowd.start();
    crowd.connect();
    REQUIRE(crowd.create("/large", large) == Err::ok);
    for (ClientId client = 2; client <= 6; ++client) crowd.join(client);
    crowd.heard.clear();
    Buffer burst;
    Crowd::add_gets(burst, 1, gets);
    for (ClientId client = 2; client <= 6; ++client) crowd.node->on_bytes(client, burst.bytes());
    constexpr size_t bound = (8u << 20) + 2 * large;
    size_t said = 0;
    for (int turn = 0; turn < 4; ++turn) {
        CHECK(crowd.turn(said));
        CHECK(said > 4u << 20);
        CHECK(said < bound);
    }
    CHECK(crowd.heard.size() == 5);
    int more = 0;
    while (crowd.turn(said)) {
        CHECK(said < bound);
        REQUIRE(++more < 20);
    }
    for (const auto& [client, bytes] : crowd.heard) CHECK(bytes > gets * large);
}
