// loop.h -- the world as libuv offers it: Io for a real node.
//
// Layer 6. Owns the loop, the network, the disk lanes and the snapshot's child. Decides nothing
// about data. Callbacks only queue, by Node's on_* functions; the node's turn runs in a prepare
// handle, right before the loop would sleep:
//
//     poll: reads, accepts, what the disk did  -->  prepare: node.turn(), one write a client  --+
//      ^-----------------------------------------------------------------------------------------+
//
// The clock is read twice a round: by the first callback behind the poll, whose time is the turn's,
// and at the turn's end. What lies between is how long nobody else was served; the node is told.
//
// While a turn says that there is more to do, an idle handle keeps the poll from sleeping.

#pragma once

#include <uv.h>

#include <string>
#include <vector>

#include "base/io.h"
#include "edge/disk.h"
#include "edge/fork.h"
#include "edge/net.h"
#include "edge/page_worker.h"
#include "edge/part_reader.h"

namespace zk {

class Node;

class UvIo final : public Io {
public:
    UvIo();
    ~UvIo() override;

    // In this order: bind (each port), the node's start, listen, run.
    Result<void> bind(const Network::Port& port) { return network_.bind(port); }
    Result<void> listen(Node& node);
    std::string port_name() const { return network_.name(false); }
    std::string quorum_port_name() const { return network_.name(true); }
    // Until the node has stopped, by SIGTERM or SIGINT, or failed. Returns the process's exit code.
    int run(Node& node);

    uint64_t now_us() override;
    int64_t wall_ms() override;
    void random(std::span<uint8_t> out) override;
    void submit(Lane lane, uint64_t ticket, std::vector<DiskOp> ops) override;
    DiskResult run(std::span<const DiskOp> ops) override { return start_disk_.run(ops); }
    Result<std::vector<std::string>> list(const std::string& directory) override;
    Result<uint64_t> file_size(const std::string& path) override;
    Result<size_t> read_at(const std::string& path, uint64_t offset,
                           std::span<uint8_t> out) override;
    Result<Bytes> read_part(const FilePart& part, const FilePart& next) override {
        return part_reader_.read(part, next);
    }
    Result<void> fork_snapshot(const std::string& path, WriteSnapshot write,
                               const void* job) override;
    void work_on_pages(PageWork work, std::vector<PageRange>& ranges) override {
        page_worker_.start(work, ranges);
    }
    bool pages_busy() override { return page_worker_.busy(); }
    Vitals vitals() override;
    size_t send(ClientId client, Buffer& bytes) override { return network_.send(client, bytes); }
    void close(ClientId client) override { network_.close(client); }
    void send_and_close(ClientId client, Buffer& bytes) override {
        network_.send_and_close(client, bytes);
    }
    void pause(ClientId client, bool paused) override { network_.pause(client, paused); }
    LinkId dial(const std::string& host, uint16_t port) override {
        return network_.dial(host, port);
    }

private:
    NetworkEvents events();
    static Node* to(void* context);  // from an event of the network
    static void on_prepare(uv_prepare_t* handle);
    static void on_timer(uv_timer_t* handle);
    static void on_signal(uv_signal_t* handle, int number);
    static void on_child(uv_signal_t* handle, int number);
    static void on_hand_over(uv_signal_t* handle, int number);

    void disk_done();
    void turn();
    void sleep_until(uint64_t next_us, bool more);
    void close_loop();
    std::vector<uv_handle_t*> handles();

    uv_loop_t loop_{};
    uv_prepare_t prepare_{};
    uv_idle_t idle_{};
    uv_timer_t timer_{};
    uv_async_t disk_event_{};
    uv_poll_t log_event_{};  // if the log's lane has one
    uv_signal_t term_{};
    uv_signal_t interrupt_{};
    uv_signal_t child_event_{};
    uv_signal_t hand_over_{};

    Node* node_ = nullptr;
    Network network_{&loop_};
    NameChanges names_;
    FileDisk start_disk_{names_, FileDisk::Way::at_once};
    DiskLane lanes_[3] = {{names_, FileDisk::Way::direct},  // in the order of Lane
                          {names_, FileDisk::Way::gentle},
                          {names_, FileDisk::Way::at_once}};
    std::vector<DiskLane::Done> done_;
    SnapshotChild child_;
    PageWorker page_worker_;
    PartReader part_reader_;

    uint64_t now_us_ = 0;      // 0: to be read, once it matters
    int64_t wall_ms_ = 0;      // of this turn; 0: to be read
    bool in_turn_ = false;
    uint64_t wake_us_ = 0;     // when the timer fires; 0: it does not
    uint64_t stop_by_us_ = 0;  // the node has stopped; what is unsent gets until then
    bool stopping_ = false;
};

}  // namespace zk
