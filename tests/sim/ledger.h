// ledger.h -- the entries on one machine's disk, read off it as they are written.
//
// Owns which entry is where, in zxid order. This is how the simulator knows what a machine has for
// good. What was written and lost by a crash is replaced when the machine writes that zxid anew; it
// must never do so with what is committed. Behind a snapshot that came from another machine the log
// may start anew.

#pragma once

#include <deque>
#include <functional>
#include <string>

#include "sim_disk.h"
#include "truth.h"

namespace zk::sim {

class Ledger {
public:
    Ledger(Story& story, Truth& truth, const SimDisk& disk)
        : story_(story), truth_(truth), disk_(disk) {}

    // What SimDisk tells.
    void written(const std::string& path, Bytes bytes);
    void synced(const std::string& path);
    // A process has started, and its log ends here.
    void recovered(uint64_t last_zxid);

    // The disk is lost, or what is on it. `number`: of the machine.
    void lost(uint32_t number);

    // Is it there for good?
    bool holds(const Logged& logged) const;
    // The first zxid of what was written together with this one; 0: it is not there.
    uint64_t batch_of(uint64_t zxid) const {
        const Held* held = find(zxid);
        return held == nullptr ? 0 : held->batch;
    }
    uint64_t last() const { return first_ + held_.size() - 1; }
    uint64_t durable() const { return durable_; }

private:
    struct Held {
        const Logged* logged;
        uint64_t segment;
        uint64_t batch;
    };

    void add(const std::string& path, uint64_t segment, Bytes bytes, uint64_t batch);
    bool starts_anew(const std::string& path, uint64_t zxid) const;
    const Held* find(uint64_t zxid) const {
        bool there = zxid >= first_ && zxid < first_ + held_.size();
        return there ? &held_[zxid - first_] : nullptr;
    }

    Story& story_;
    Truth& truth_;
    const SimDisk& disk_;
    std::deque<Held> held_;
    uint64_t first_ = 1;
    uint64_t durable_ = 0;
};

}  // namespace zk::sim
