// contender.h -- one znode of ours in a line of contenders: the lock recipe of lock and elect.
//
// Owns that znode; while it is first a command runs. The line is below one znode:
//
//     /lock/6fd1…__lock__0000000004     holds it
//     /lock/00ae…__rlock__0000000005    a reader: waits for the last writer before it
//     /lock/c25b…__lock__0000000006     waits for whoever is before it
//
// The names begin with a number of ours (a GUID), so that a create whose reply was lost is found
// again. They and their meaning are kazoo's, whose Lock, ReadLock and WriteLock may stand in the
// same line. Each watches only the one it waits for; only where several may hold at a time (slots)
// do all who wait watch the line.

#pragma once

#include "cli/recipe.h"

namespace zk {

class Contender {
public:
    struct Plan {
        std::string path;  // of the line, below the chroot, from the root: events say it so
        bool read = false;
        int32_t slots = 1;
        std::string data;
        uint64_t grace_ms = 0;  // from SIGTERM to SIGKILL, if there is time
    };

    Contender(Shell& shell, Recipe& recipe, Plan plan);

    // Ok: it is ours. Otherwise we are no longer in the line.
    Status enter();
    // Runs the command. `lost`: it was told to stop, because we no longer hold what it needs.
    Status run(const std::vector<std::string>& command, bool& lost);
    void leave();

private:
    struct Rival {
        std::string name;
        int32_t number;
        bool read;
    };

    Status stand();
    Err take_back();
    Status wait_turn();
    Status take_hold(bool& held);
    Err find_own();
    Result<std::vector<Rival>> rivals(bool watch, Err& err);
    const Rival* blocker(const std::vector<Rival>& line, const Rival& own, int32_t& before) const;
    Status wait_for(const std::string& blocker);

    std::string own_path() const { return shell_.full(plan_.path + "/" + name_); }

    Shell& shell_;
    Recipe& recipe_;
    SyncClient& session_;
    Plan plan_;
    std::string guid_;
    std::string name_;        // empty: no znode of ours is known; it may be there
    int64_t made_in_ = 0;     // the session it belongs to
    int64_t fence_ = 0;       // its czxid, while it is held
    bool told_waiting_ = false;
    Child child_;
};

}  // namespace zk
