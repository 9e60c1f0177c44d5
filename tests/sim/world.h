// world.h -- one seed's world from its first moment to its last.
//
// Owns everything of a run. First comes a time with faults, drawn by plan.h: crashes, full disks,
// failing syncs, stalls, clocks that jump. Then all faults end, and what must hold in the end is
// looked at:
//
//     faults --> calm: every client is answered --> silence: every silent session expires
//            --> an auditor reads every znode --> power is lost --> the auditor reads again
//            --> recovery of the disk gives the digest of a replay of all entries ever logged
//
// Now one machine with one server. In an ensemble there are several of the part called machine.

#pragma once

#include <memory>

#include "checker.h"
#include "ledger.h"
#include "sim_client.h"
#include "sim_disk.h"
#include "sim_io.h"

namespace zk::sim {

class World {
public:
    World(uint64_t seed, Story& story);
    ~World();

    void run();
    uint64_t answers() const { return checker_.answers(); }
    uint64_t crashes() const { return crashes_; }
    std::string describe() const;

private:
    // world.cc: the machine
    SimIo::World surroundings();
    void start_process();
    void process_ended(const std::string& why);
    void crash();
    void end_process(bool power_loss);
    int disk_fault(const DiskOp& op);
    void log_op(uint64_t takes_us);
    bool run_until(uint64_t until_us, const std::function<bool()>& done = nullptr);

    // world_faults.cc: what goes wrong, and when
    void plan_faults();
    void every(uint64_t mean_us, void (World::*what)());
    void fault_crash();
    void fault_full();
    void fault_log_error();
    void fault_stall();
    void fault_wall_jump();
    void fault_noise();
    void fault_flip();
    void flip_and_recover(const std::string& path, uint64_t offset, int bit);

    // world_end.cc: what must hold in the end
    void add_clients();
    SimClient& add_client(SimClient::Habits habits);
    void calm_down();
    void silence();
    void audit(const char* when);
    void compare_digests();

    Story& story_;
    Chance chance_;
    Plan plan_;
    Queue queue_;
    Ledger ledger_;
    Checker checker_;
    Network network_;
    bool faults_ = true;
    uint64_t crashes_ = 0;
    std::vector<std::unique_ptr<SimClient>> clients_;

    // The machine.
    SimDisk disk_;
    int64_t wall_offset_ms_ = 0;
    std::unique_ptr<SimIo> process_;
    bool stopping_ = false;
    bool injected_ = false;         // an error that the process may die of
    bool log_error_armed_ = false;
    bool crash_armed_ = false;  // in the middle of one of the log's next ops
};

}  // namespace zk::sim
