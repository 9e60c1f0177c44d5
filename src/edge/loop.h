// loop.h -- the world as libuv offers it: Io for a real node.
//
// Layer 6. Owns the loop, the client port with its connections, the disk lanes and the snapshot's
// child. Decides nothing about data. Callbacks only queue, by Node's on_* functions; the node's turn
// runs in a prepare handle, right before the loop would sleep:
//
//     poll: reads, accepts, finished disk work  -->  prepare: node.turn(), one write a client  --> poll
//
// What is read lies in the arena, one after the other, until the turn is over; then the arena is empty
// again. So a request is not copied, and an idle connection has no buffer at all.

#pragma once

#include <uv.h>

#include <memory>
#include <string>
#include <vector>

#include "base/io.h"
#include "edge/disk.h"
#include "edge/fork.h"

namespace zk {

class Node;
class UvIo;

// One connection. Freed in its close callback and nowhere else.
struct Connection {
    uv_tcp_t tcp{};
    uv_write_t write{};
    UvIo* io = nullptr;
    ClientId id = 0;
    bool open = false;      // the node knows it and has not closed it
    bool ended = false;     // the other side is gone; nothing can be sent any more
    bool writing = false;   // `sending` is in libuv's hands
    bool closing = false;   // uv_close was called
    uint64_t close_by_us = 0;
    Buffer sending;
    Buffer unsent;  // behind `sending`
};

class UvIo : public Io {
public:
    UvIo();
    ~UvIo() override;

    struct Listen {
        std::string address;  // empty: all interfaces
        uint16_t port = 0;
        int backlog = -1;
        bool keepalive = false;
    };
    Result<void> listen(const Listen& on);
    // Until the node has stopped. Returns what the process should exit with.
    int run(Node& node);
    uint64_t longest_turn_us() const { return longest_turn_us_; }

    uint64_t now_us() override;
    int64_t wall_ms() override;
    void random(std::span<uint8_t> out) override;
    void submit(Lane lane, uint64_t ticket, std::vector<DiskOp> ops) override;
    DiskResult run(std::span<const DiskOp> ops) override { return start_disk_.run(ops); }
    Result<std::vector<std::string>> list(const std::string& directory) override;
    Result<uint64_t> file_size(const std::string& path) override;
    Result<size_t> read_at(const std::string& path, uint64_t offset,
                           std::span<uint8_t> out) override;
    Result<void> fork_snapshot(const std::string& path, WriteSnapshot write,
                               const void* job) override;
    size_t send(ClientId client, Buffer& bytes) override;
    void close(ClientId client) override;
    void pause(ClientId client, bool paused) override;

private:
    static constexpr size_t arena_size = 1u << 20;
    static constexpr size_t read_size = 64u << 10;

    static void on_prepare(uv_prepare_t* handle);
    static void on_signal(uv_signal_t* handle, int number);
    static void on_child(uv_signal_t* handle, int number);
    static void on_disk(uv_async_t* handle);
    static void on_connection(uv_stream_t* server, int status);
    static void on_alloc(uv_handle_t* handle, size_t suggested, uv_buf_t* buffer);
    static void on_read(uv_stream_t* stream, ssize_t size, const uv_buf_t* buffer);
    static void on_written(uv_write_t* request, int status);
    static void on_closed(uv_handle_t* handle);

    void turn();
    void stop_listening();
    void accept_one();
    void out_of_files();
    void start_write(Connection& connection);
    void finish_close(Connection& connection);
    void close_late();
    void close_loop();
    Connection* find(ClientId id) {
        return id < connections_.size() ? connections_[id] : nullptr;
    }

    uv_loop_t loop_{};
    uv_prepare_t prepare_{};
    uv_idle_t idle_{};
    uv_timer_t timer_{};
    uv_async_t disk_event_{};
    uv_signal_t term_{};
    uv_signal_t interrupt_{};
    uv_signal_t child_event_{};
    std::vector<std::unique_ptr<uv_tcp_t>> listeners_;
    bool listening_ = false;
    bool keepalive_ = false;

    Node* node_ = nullptr;
    FileDisk start_disk_;
    DiskLane lanes_[2];
    SnapshotChild child_;

    std::vector<Connection*> connections_;  // by ClientId
    std::vector<ClientId> free_ids_;        // usable
    std::vector<ClientId> freed_ids_;       // usable after this turn
    std::vector<Connection*> lingering_;     // closed by the node, with bytes still to go out
    int spare_file_ = -1;                   // given up to accept and refuse when none are left
    uint64_t last_no_files_us_ = 0;

    std::unique_ptr<uint8_t[]> arena_;
    size_t arena_used_ = 0;
    std::vector<std::unique_ptr<uint8_t[]>> more_arenas_;  // full ones of this turn

    uint64_t now_us_ = 0;
    uint64_t longest_turn_us_ = 0;
    bool stopping_ = false;
};

}  // namespace zk
