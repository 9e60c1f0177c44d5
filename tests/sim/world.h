// world.h -- one seed's world from its first moment to its last.
//
// Owns everything of a run. First comes a time with faults, drawn by plan.h: crashes, cut and slow
// ways, full disks, failing syncs, stalls, clocks that jump and drift. Then all faults end, and
// what must hold in the end is looked at:
//
//     faults --> calm: somebody leads, every client is answered
//            --> silence: every silent session expires
//            --> an auditor reads every znode --> all nodes agree
//            --> power is lost everywhere --> the auditor reads again, all nodes agree
//            --> their digest is that of a replay of all entries ever committed

#pragma once

#include <memory>

#include "checker.h"
#include "machine.h"
#include "sim_client.h"
#include "traffic.h"

namespace zk::sim {

class World {
public:
    struct Shape {
        uint32_t nodes = 0;                          // voters; 0: as the seed has it
        uint32_t observers = 0;                      // beside that many voters
        bool count = false;                          // what machines say to each other
        std::vector<std::string_view> without = {};  // kinds of trouble; see plan.h
    };
    World(uint64_t seed, const Shape& shape, Story& story);
    ~World();

    void run();
    uint64_t answers() const { return checker_.answers(); }
    std::string describe() const;
    // What its machines said to each other, a line a kind of frame.
    std::string traffic() const { return traffic_.table(entries(), plan_.nodes); }

private:
    // world.cc
    void add_machines();
    uint64_t crashes() const;
    uint64_t losses() const;
    uint64_t entries() const { return truth_.last() - truth_.first() + 1; }
    uint32_t majority() const { return plan_.voters / 2 + 1; }
    bool on_majority(const Logged& logged) const;
    void note_membership(const Logged& logged);
    bool may_lead(uint32_t number) const;
    bool changing() const;
    bool run_until(uint64_t until_us, const std::function<bool()>& done = nullptr);
    Machine& machine(uint32_t number) { return *machines_[number - 1]; }
    Machine& any_machine() { return *machines_[chance_.below(machines_.size())]; }

    // world_faults.cc: what goes wrong, and when
    void plan_faults();
    void every(uint64_t mean_us, void (World::*what)());
    void fault_crash();
    void crash_many();
    void fault_full();
    void fault_log_error();
    void fault_stall();
    void fault_wall_jump();
    void fault_noise();
    Machine* may_lose();
    void fault_wipe();
    void fault_damage();

    // world_ways.cc: what goes wrong between machines
    void fault_partition();
    void fault_slow_link();
    using Ways = std::vector<std::pair<uint32_t, uint32_t>>;  // from, to
    void cut(const Ways& ways, uint64_t for_us);
    void split_off(Ways& ways, const std::vector<uint32_t>& some, bool clients_too);
    Ways bridge();
    Ways one_way();
    void swizzle();
    std::vector<uint32_t> some_machines(size_t count);

    // world_end.cc: what must hold in the end
    void add_clients();
    SimClient& add_client(SimClient::Habits habits);
    void calm_down();
    bool all_agree();
    void agree(const char* when);
    void silence();
    void audit(const char* when);
    void lose_all();
    void compare_digests();

    Story& story_;
    Chance chance_;
    Plan plan_;
    Queue queue_;
    Truth truth_;
    Agreement agreement_;
    Checker checker_;
    Network network_;
    Traffic traffic_;
    bool faults_ = true;
    struct Electorate {
        uint64_t zxid = 0;  // of the entry that says so; 0: the plan does
        std::vector<uint32_t> voters;
        std::vector<uint32_t> outgoing;  // beside it, in a joint phase
        const Logged* said = nullptr;
    };
    std::vector<Electorate> electorates_;  // as they were logged
    std::vector<std::unique_ptr<Machine>> machines_;
    std::vector<std::unique_ptr<SimClient>> clients_;
};

}  // namespace zk::sim
