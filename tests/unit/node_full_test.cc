// node_full_test.cc -- a node on a disk that is full: it gets out of that by itself, and what it
// was to do meanwhile is done in the end.

#include <doctest/doctest.h>

#include "one_node.h"
#include "state/rules.h"

using namespace zk;

TEST_CASE("a disk that the log has filled is cleared by a snapshot that was not due yet") {
    Server server;
    server.room = 64 + 64 + (1u << 20) + 3 * 64 * 1024;
    server.start();
    server.connect();
    int made = 0;
    while (made < 2000 && server.create("/n" + std::to_string(made), 4000) == Err::ok) ++made;
    REQUIRE(made < 2000);
    CHECK(server.answer() == Err::system_error);
    for (int i = 0; i < made; ++i) server.remove("/n" + std::to_string(i));
    server.turns(100);
    CHECK(server.taken > 0);
    CHECK(server.create("/again", 4000) == Err::ok);
    // And not again and again, when that frees nothing.
    server.room = 0;
    made = 0;
    while (made < 2000 && server.create("/m" + std::to_string(made), 4000) == Err::ok) ++made;
    server.turns(100);
    uint64_t before = server.taken;
    server.turns(1000);
    CHECK(server.taken <= before + 3);
}

TEST_CASE("rules for which there was no room are proposed again when there is") {
    Server server;
    server.config.purge_interval_ms = 0;
    server.start();
    server.connect();
    server.room = 0;
    for (int i = 0; server.create("/n" + std::to_string(i), 5000) == Err::ok; ++i) continue;
    for (int i = 0; server.remove("/n" + std::to_string(i)) != Err::system_error; ++i) continue;
    REQUIRE_FALSE(server.state_on_disk()->rules.skip_acl);
    server.config.skip_acl = true;
    server.start();
    CHECK_FALSE(server.state_on_disk()->rules.skip_acl);
    server.room = ~uint64_t{0};
    server.turns(100);
    server.connect();
    CHECK(server.create("/again", 10) == Err::ok);
    CHECK(server.state_on_disk()->rules.skip_acl);
}

TEST_CASE("the first snapshot is not yet all that a node can start from") {
    Server server;
    server.config.snapshot_log_bytes = 20'000;
    server.config.segment_bytes = 8192;
    server.start();
    server.connect();
    std::vector<std::string> snapshots;
    for (int i = 0; i < 200; ++i) {
        REQUIRE(server.create("/n" + std::to_string(i), 1000) == Err::ok);
        snapshots.clear();
        for (const auto& [path, bytes] : server.files)
            if (path.starts_with("d/snapshot.")) snapshots.push_back(path);
        // The newest one is damaged: nothing is lost.
        if (snapshots.empty() || i % 10 != 0) continue;
        server.files[snapshots.back()][100] ^= 1;
        CHECK(server.state_on_disk()->tree.find("/n" + std::to_string(i)) != 0);
        server.files[snapshots.back()][100] ^= 1;
    }
    CHECK(snapshots.size() == 3);
    CHECK_FALSE(server.files.contains("d/" + segment_name(1)));
}

TEST_CASE("what is cut off a full disk's log is not taken for what was written before it") {
    Server server;
    server.config.segment_bytes = 3u << 20;
    server.config.client_outstanding_max = 100'000;
    server.start();
    server.connect();
    server.room = 0;
    constexpr int many = 15'000;
    Buffer bytes;
    int32_t first = server.xid + 1;
    for (int i = 0; i < many; ++i) {
        Buffer frame = server.create_frame("/n" + std::to_string(i), 0);
        bytes.u32(static_cast<uint32_t>(frame.size()));
        bytes.append(frame.bytes());
    }
    server.replies.clear();
    server.node->on_bytes(1, bytes.bytes());
    server.node->turn();
    // One more waits while those are written: for it, there will be no room.
    Buffer large = server.create_frame("/large", 900'000);
    bytes.clear();
    bytes.u32(static_cast<uint32_t>(large.size()));
    bytes.append(large.bytes());
    server.node->on_bytes(1, bytes.bytes());
    server.node->turn();
    for (int i = 0; i < 20; ++i) {
        if (!server.submitted.empty() && i % 3 != 1)
            server.finish([&](Lane lane, uint64_t ticket, const DiskResult& result) {
                server.node->on_disk(lane, ticket, result);
            });
        server.node->turn();
    }
    Reader in(server.replies.bytes());
    for (int32_t xid = first; xid <= first + many; ++xid) {
        Reader reply(in.bytes(in.u32()));
        int32_t got = reply.i32();
        reply.i64();
        Err err = static_cast<Err>(reply.i32());
        REQUIRE(got == xid);
        REQUIRE_MESSAGE(err == (xid < first + many ? Err::ok : Err::system_error),
                        "request " << xid - first);
    }
    CHECK(in.ok());
    CHECK(in.left() == 0);
    CHECK(server.state_on_disk()->tree.find("/large") == 0);
}

TEST_CASE("the bytes of the log since the last snapshot count across restarts") {
    Server server;
    server.config.snapshot_log_bytes = 100'000;
    for (int start = 0; start < 5 && server.taken == 0; ++start) {
        server.start();
        server.connect();
        for (int i = 0; i < 6; ++i)
            CHECK(server.create("/n" + std::to_string(start * 10 + i), 5000) == Err::ok);
    }
    CHECK(server.taken == 1);
    // And a snapshot ends the count.
    server.start();
    server.turns(10);
    CHECK(server.taken == 1);
}
