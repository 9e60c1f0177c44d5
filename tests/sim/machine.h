// machine.h -- one computer of a simulated ensemble: its disk, its clocks, and the server on it.
//
// Owns what outlives a process (disk, clocks, power) and the process itself. Crashes come in two
// kinds: the process is killed, and its peers hear of that at once; or the power is lost, and they
// hear nothing until the machine runs again.

#pragma once

#include <memory>

#include "ledger.h"
#include "sim_io.h"
#include "storage/recovery.h"

namespace zk::sim {

class Machine {
public:
    struct World {
        Queue& queue;
        Story& story;
        const Plan& plan;
        Truth& truth;
        Network& network;
        const bool& faults;  // false: nothing goes wrong any more
        std::function<void(Machine&)> turned;
        std::function<void(Machine&)> started;
        std::function<void(Machine&)> ended;
    };

    Machine(World world, Config config, uint32_t number, Chance chance);

    uint32_t number() const { return number_; }
    const Config& config() const { return config_; }
    bool voter() const { return !config_.observer; }
    bool runs() const { return process_ != nullptr; }
    // Requires: runs().
    Standing standing() const { return process_->standing(); }
    const Ledger& ledger() const { return ledger_; }
    SimDisk& disk() { return disk_; }
    // Its vote must not count until the others have admitted it again.
    bool lacking() const { return lacking_; }
    // It lost data, or may do so at its next start.
    bool suspect() const { return lacking_ || damaged_; }
    uint64_t losses() const { return losses_; }
    void looked_at() { lacking_ = lacking_ && process_->standing().voteless; }
    uint64_t crashes() const { return crashes_; }
    bool sometimes_refuses() const { return injected_; }

    void start();
    // Ends the process now; it starts again after a while.
    void end(bool power_loss, uint64_t down_us);
    void end(bool power_loss);
    void stay_down() { stays_down_ = true; }

    // What may go wrong.
    void crash();                  // now, or an orderly stop
    void arm_crash() { crash_armed_ = true; }  // in the middle of one of the log's next ops
    void arm_log_error() { log_error_armed_ = true; }
    void fill_disk();
    void empty_disk();
    bool stall(uint64_t for_us);  // false: it stands, or there is no process
    void jump_wall(int64_t by_ms);
    void drift(int64_t ppm) { next_drift_ppm_ = ppm; }
    void move();  // to another address, which the names tell a little later
    void wipe();
    void damage();
    void end_faults();
    void flip_bit();

    // What recovery makes of its disk. Requires: no process.
    SimIo::World surroundings(SimDisk& disk);
    Chance fork() { return chance_.fork(); }

private:
    void process_ended(const std::string& why);
    int disk_fault(const DiskOp& op);
    void log_op(uint64_t takes_us);
    void flip_and_recover(const std::string& path, uint64_t offset, int bit);

    World world_;
    Config config_;
    uint32_t number_;
    Chance chance_;
    SimDisk disk_;
    Ledger ledger_;
    Clock clock_;
    int64_t next_drift_ppm_ = 0;
    uint32_t moves_ = 0;
    std::unique_ptr<SimIo> process_;
    uint64_t starts_ = 0;  // planned; only the newest counts
    uint64_t crashes_ = 0;
    uint64_t losses_ = 0;
    bool lacking_ = false;
    bool damaged_ = false;
    bool stays_down_ = false;
    bool stopping_ = false;
    bool injected_ = false;  // an error that the process may die of
    bool log_error_armed_ = false;
    bool crash_armed_ = false;
};

// What a start makes of a disk, as far as tests may ask.
Result<Recovered> try_recovery(SimIo& io, const Config& config);

}  // namespace zk::sim
