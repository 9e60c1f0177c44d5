// one_node.h -- a node on a disk in memory, and one client of it.

#pragma once

#include <doctest/doctest.h>

#include <memory>
#include <string>

#include "memory_io.h"
#include "node/node.h"
#include "storage/recovery.h"
#include "wire/records.h"

namespace zk {

// Replies are kept as they were sent.
struct Server : MemoryIo {
    Config config;
    std::unique_ptr<Node> node;
    Buffer replies;
    int32_t xid = 0;
    uint64_t taken = 0;  // snapshots

    Server() {
        log_set_sink([](LogLevel, std::string_view) {});
        config.data_dir = std::string("d");  // GCC 12 warns of a plain one (its bug 105651)
        config.segment_bytes = 64 * 1024;
    }
    ~Server() override { log_set_sink(nullptr); }

    size_t send(ClientId, Buffer& bytes) override {
        replies.append(bytes.bytes());
        return 0;
    }
    Result<void> fork_snapshot(const std::string& path, WriteSnapshot write,
                               const void* job) override {
        ++taken;
        return MemoryIo::fork_snapshot(path, write, job);
    }

    void turns(int many) {
        for (int i = 0; i < many; ++i) {
            clock_us += 50'000;
            uint64_t before = taken;
            node->turn();
            if (taken > before) node->on_snapshot({});
            finish([this](Lane lane, uint64_t ticket, const DiskResult& result) {
                node->on_disk(lane, ticket, result);
            });
        }
    }
    void start() {
        submitted.clear();
        node = std::make_unique<Node>(*this, config);
        Result<void> started = node->start();
        REQUIRE_MESSAGE(started.has_value(), (started ? "" : started.error().text));
        turns(4);
    }
    void connect() {
        REQUIRE(node->on_open(1, {}));
        Buffer hello;
        uint8_t password[password_size] = {};
        encode(hello, ConnectRequest{.timeout_ms = 30'000, .password = password});
        ask(hello);
        REQUIRE(replies.size() > 0);
    }
    void ask(const Buffer& frame) {
        Buffer bytes;
        bytes.u32(static_cast<uint32_t>(frame.size()));
        bytes.append(frame.bytes());
        replies.clear();
        node->on_bytes(1, bytes.bytes());
        turns(4);
    }
    Err answer() {
        REQUIRE(replies.size() >= 20);
        return static_cast<Err>(load_u32(replies.data() + 16));
    }
    Buffer create_frame(const std::string& path, size_t size) {
        Buffer acls;
        Acl all{.perms = 31, .scheme = "world", .id = "anyone"};
        write_acls(acls, {&all, 1});
        std::string data(size, 'x');
        Buffer frame;
        frame.i32(++xid);
        frame.i32(static_cast<int32_t>(Op::create));
        encode(frame, CreateRequest{.path = path, .data = as_bytes(data), .acls = acls.bytes()},
               false);
        return frame;
    }
    Err create(const std::string& path, size_t size) {
        ask(create_frame(path, size));
        return answer();
    }
    Err remove(const std::string& path) {
        Buffer frame;
        frame.i32(++xid);
        frame.i32(static_cast<int32_t>(Op::remove));
        encode(frame, PathVersion{.path = path, .version = -1});
        ask(frame);
        return answer();
    }
    std::unique_ptr<State> state_on_disk() {
        Result<std::optional<StateRecord>> record = load_record(*this, "d");
        REQUIRE(record.has_value());
        Result<Recovered> found = recover(*this, {.data_directory = "d", .log_directory = "d",
                                                  .ensemble = (*record)->ensemble,
                                                  .seed = (*record)->seed});
        REQUIRE(found.has_value());
        return std::move(found->state);
    }
};

}  // namespace zk
