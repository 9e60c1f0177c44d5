// sim_io.h -- the world as one server process sees it, and the loop that runs its turns.
//
// Owns what dies with the process: its node, its disk work under way, its snapshot's child. The
// disk and the network live on. Time passes only between turns; what comes in waits in sockets and
// queues until the next poll, which hands it over in a random order, and then runs the turn.
//
//     poll:   accepts, bytes (any number of them), ends, drained, disk work done   -> Node::on_*
//             Node::turn -> send, close, pause, submit, fork_snapshot
//             the checker looks at all that was sent

#pragma once

#include <deque>
#include <memory>
#include <optional>

#include "network.h"
#include "node/node.h"
#include "plan.h"
#include "sim_disk.h"

namespace zk::sim {

// A machine's clocks: one that is set, and jumps; one that only runs, a little fast or slow.
struct Clock {
    int64_t wall_offset_ms = 0;
    int64_t drift_ppm = 0;

    uint64_t local_us(uint64_t true_us) const { return scaled(true_us, 1'000'000 + drift_ppm); }
    // The first moment at which it shows this.
    uint64_t true_us(uint64_t shown_us) const {
        uint64_t rate = static_cast<uint64_t>(1'000'000 + drift_ppm);
        uint64_t guess = shown_us / rate * 1'000'000 + shown_us % rate * 1'000'000 / rate;
        while (local_us(guess) < shown_us) ++guess;
        return guess;
    }

private:
    static uint64_t scaled(uint64_t us, int64_t rate) {
        uint64_t by = static_cast<uint64_t>(rate);
        return us / 1'000'000 * by + us % 1'000'000 * by / 1'000'000;
    }
};

class SimIo : public Io {
public:
    struct World {
        Queue& queue;
        Story& story;
        const Plan& plan;
        const Config& config;
        uint32_t node;  // the machine's number
        SimDisk& disk;
        Network& network;
        Clock& clock;
        std::function<void()> turned;                   // after each turn
        std::function<void(uint64_t)> log_op;           // an op of the log begins; takes so long
        std::function<void(const std::string&)> ended;  // the process ended itself, and why
    };

    SimIo(World world, Chance chance);
    ~SimIo() override;

    // `die_after` disk operations, in the middle of the start; 0: it lives.
    Result<void> start(uint64_t die_after);
    bool died_at_start() const { return dead_; }
    void stop() { node_->stop(), wake(world_.queue.now_us()); }
    Standing standing() const { return node_->standing(); }
    // What was under way on the disk stays half done. Silently: with all of its machine, so that
    // nobody hears of it.
    void kill(bool silently);
    void stall(uint64_t until_us) { stalled_until_us_ = until_us; }
    bool stands(uint64_t now_us) const { return now_us < stalled_until_us_; }
    void accept(Link& link);
    void wake(uint64_t at_us);

    uint64_t now_us() override {
        return world_.clock.local_us(world_.queue.now_us() - started_us_) + 1'000'000;
    }
    int64_t wall_ms() override;
    void random(std::span<uint8_t> out) override;
    void submit(Lane lane, uint64_t ticket, std::vector<DiskOp> ops) override;
    DiskResult run(std::span<const DiskOp> ops) override;
    Result<std::vector<std::string>> list(const std::string& directory) override;
    Result<uint64_t> file_size(const std::string& path) override;
    Result<size_t> read_at(const std::string& path, uint64_t offset,
                           std::span<uint8_t> out) override;
    Result<Bytes> read_part(const FilePart& part, const FilePart& next) override;
    Result<void> fork_snapshot(const std::string& path, WriteSnapshot write,
                               const void* job) override;
    Vitals vitals() override { return {}; }
    size_t send(ClientId client, Buffer& bytes) override;
    void close(ClientId client) override;
    void pause(ClientId client, bool paused) override;
    LinkId dial(const std::string& host, uint16_t port) override;

private:
    struct Job {
        uint64_t ticket;
        std::vector<DiskOp> ops;
        size_t at = 0;
        uint64_t started_us = 0;
        std::vector<uint8_t> bytes = {};  // that were read
    };
    struct Done {
        Lane lane;
        uint64_t ticket;
        DiskResult result;
    };
    struct Child {
        std::string bytes;
        std::vector<DiskOp> ops;
        size_t at = 0;
    };

    void poll();
    void poll_accepts();
    void poll_link(ClientId id);
    void poll_bytes(ClientId id, End& end);
    void planned_wake(bool more);
    ClientId take_number();
    void plan_lane(Lane lane);
    void step_lane(Lane lane);
    void plan_child();
    void step_child();
    void end_child(Result<void> result);
    void read_op(const DiskOp& op, std::vector<uint8_t>& bytes);
    uint64_t op_us(const DiskOp& op);
    void later(uint64_t delay_us, void (SimIo::*what)());
    struct Side {
        Link* link = nullptr;
        int at = 0;
    };
    Side& side_of(ClientId id);

    std::vector<uint8_t> part_;  // by read_part
    World world_;
    Chance chance_;
    uint64_t started_us_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
    bool dead_ = false;
    uint64_t die_after_ = 0;
    std::unique_ptr<Node> node_;

    bool armed_ = false;
    uint64_t wake_us_ = 0;
    uint64_t stalled_until_us_ = 0;

    std::deque<Job> lanes_[3];
    std::deque<Done> done_;
    std::unique_ptr<Child> child_;
    std::optional<Result<void>> child_end_;

    std::deque<Link*> accepts_;
    std::vector<Side> links_;        // by ClientId
    std::vector<ClientId> free_;
    std::vector<ClientId> freed_;    // free again after the turn
    std::deque<std::string> arena_;  // bytes that the node was given for this turn
};

}  // namespace zk::sim
