// pump.h -- keeps a number of requests outstanding on every session of a fleet, until enough.
//
// A Feed says what to ask and judges the answers; the pump counts, measures and paces. All of a
// turn's requests of one session leave in one write, and the clock is read once for all replies
// that one read has brought: at a million replies a second it would be what is measured. The time
// a request was made travels as its tag.
//
// With a rate, requests become due in lots of a millisecond, whatever the answers do, and their
// time is when they became due: a server that stalls is charged for all who would have asked
// meanwhile. Only the depth limits how many are outstanding.
//
// A request that a lost connection took along is an error, and the next goes to the next
// connection. Without any reply for a long time the fleet is abandoned.

#pragma once

#include <vector>

#include "bench/fleet.h"
#include "bench/tally.h"

namespace zk {

struct Feed {
    void* context = nullptr;
    // Makes the next request: client.begin_request and its record. `kind` comes back with its
    // reply. False: there are no more; nothing was begun.
    bool (*next)(void* context, Client& client, uint8_t& kind) = nullptr;
    // Whether this is a right answer.
    bool (*right)(void* context, uint8_t kind, const ReplyHeader& header, Bytes body) = nullptr;
};

struct PumpLimits {
    uint32_t depth = 1;
    uint64_t operations = UINT64_MAX;
    uint64_t time_ns = 0;  // 0: no limit
    uint64_t rate = 0;     // requests a second; 0: as they are answered
    bool slices = false;
};

// Told a few times a second how far things are.
struct Observer {
    void* context = nullptr;
    void (*run)(void* context, const Tally& tally, double part) = nullptr;
};

class Pump {
public:
    Pump(Loop& loop, Fleet& fleet, Feed feed, PumpLimits limits, Tally& tally);
    Pump(const Pump&) = delete;
    Pump& operator=(const Pump&) = delete;

    // Returns when all is answered. The error: the servers no longer answer.
    Result<void> run(Observer observer);

private:
    struct Port {
        Pump* pump;
        Client* client;
        uint32_t outstanding = 0;
    };

    bool issue(Port& port, uint64_t due_ns);
    void issue_due();
    void take(Port& port, uint64_t tag, const ReplyHeader& header, Bytes body);
    void watch_over(Observer observer);
    void end_slices();
    double part_done() const;

    Loop& loop_;
    Fleet& fleet_;
    Feed feed_;
    PumpLimits limits_;
    Tally& tally_;
    std::vector<Port> ports_;
    uint64_t issued_ = 0;
    uint64_t outstanding_ = 0;
    bool ending_ = false;
    uint64_t started_ns_ = 0;
    uint64_t now_ns_ = 0;            // since started_ns_, at the read that is being taken apart
    const Port* reading_ = nullptr;  // whose read that is
    uint64_t reading_turn_ = 0;
    uint64_t observed_ns_ = 0;
    size_t next_port_ = 0;  // of a rate's requests
    Histogram slice_;       // latencies since the last whole second
    uint64_t slice_ends_ns_ = 0;
};

}  // namespace zk
