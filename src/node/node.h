// node.h -- one server's brain: what its clients ask, what the log decides, what they are told.
//
// Layer 5. Owns the clients (their queues and unsent replies), the quorum machine, the storage and
// the state. Deterministic: everything comes in by `on_*` events and by Io, everything goes out by
// Io. Callbacks only queue; `turn` does the work, once before each sleep of the loop, always in the
// order that core.h says.
#pragma once

#include <memory>

#include "base/io.h"
#include "quorum/quorum.h"
#include "wire/options.h"

namespace zk {

class Core;

// What may be known of a node from outside, between turns: for tests and for whoever asks.
struct Standing {
    Role role = Role::follower;
    uint64_t term = 0;
    uint32_t leader = 0;  // 0: nobody is known
    uint64_t applied_zxid = 0;
    uint64_t applied_term = 0;  // of the entry last applied
    uint64_t digest = 0;        // of the state at applied_zxid
    uint64_t committed = 0;
    uint64_t last_zxid = 0;    // of the log
    bool voteless = false;     // blank, or not admitted again yet
    uint64_t next_attach = 0;  // the attach number of the client that is taken next
};

class Node {
public:
    Node(Io& io, const Config& config);
    ~Node();

    // Reads what the data directory holds, or formats a blank one. No client before this is done.
    Result<void> start();

    // Events. `bytes` must stay until the next turn is over. on_open says false to a client that
    // is one too many; the edge then closes it at once and forgets it (no close() for it).
    bool on_open(ClientId client, const Address& from);
    void on_bytes(ClientId client, Bytes bytes);
    void on_end(ClientId client, bool reset);  // the other side is done sending, or gone (reset)
    void on_drained(ClientId client);
    // Of links to other nodes; for the rest they have the events of clients.
    bool on_peer(LinkId link, const Address& from);  // somebody came to the quorum port; false: no
    void on_dialed(LinkId link);                     // it stands
    void on_disk(Lane lane, uint64_t ticket, const DiskResult& result);
    void on_snapshot(const Result<void>& result);

    // Does what is queued. True: there is more to do at once.
    bool turn();
    // How long the world was busy with the last turn, from the first event to the end of `turn` and
    // of what it gave to Io: no client was served meanwhile. Long ones are logged.
    void turn_took(uint64_t us);
    // When `turn` wants to be called again though nothing happened (Io::now_us time).
    uint64_t next_turn_us() const;

    // A leader lets another one lead, if there is one that can.
    void hand_over();
    // Orderly end: clients are cut, the log gets its end mark. `turn` until `stopped`.
    void stop();
    bool stopped() const;
    // Not nullptr: the disk failed in a way that leaves unknown what is on it. The process must end
    // at once, without another turn; what was acknowledged is safe.
    const Error* fatal() const;
    // Then a new process had better take over at once: it will be repaired by the others.
    bool begin_again() const;
    // Requires: started.
    Standing standing() const;

private:
    std::unique_ptr<Core> core_;
};

}  // namespace zk
