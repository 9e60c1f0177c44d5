// sim_client.h -- a client with habits: connects, asks at random, keeps its session, comes back.
//
// Owns its side of one session and of one connection at a time. What it sends are real bytes, and
// it takes answers apart only as far as a client must: session, password, zxid, watches to set
// again. When a server is gone or says nothing it goes on to the next one. Whether answers are
// right is the checker's business.

#pragma once

#include <deque>
#include <map>
#include <string>

#include "checker.h"
#include "requests.h"

namespace zk::sim {

class SimClient {
public:
    struct World {
        Queue& queue;
        Story& story;
        const Plan& plan;
        Network& network;
        Checker& checker;
    };
    struct Habits {
        uint32_t number = 0;
        size_t depth = 4;
        uint64_t think_us = 10'000;  // on the average, between bursts
        uint64_t burst = 10;         // requests at a stretch, at most
        uint64_t read_us = 0;  // slow reader
        int32_t timeout_ms = 1000;
        uint64_t patience_us = 5'000'000;  // without an answer; then it tries the next server
        bool old = false;      // leaves the read-only byte out
        bool restless = false;  // ends connections and sessions, and falls silent
        uint64_t reconfig_permille = 0;  // of its requests
        Taste taste;
    };

    SimClient(World world, Habits habits, Chance chance);

    // At some server, or at this one and no other.
    void start() { connect(); }
    void start_at(uint32_t node) { only_ = node, connect(); }
    uint32_t node() const { return node_; }
    // From now on: nothing at random but pings; `ask` what is wanted.
    void calm_down() { calm_ = true; }
    void ask(Draft draft);
    // Nothing is asked and unanswered.
    bool idle() const { return todo_.empty() && open_ && asked_.empty(); }
    bool open() const { return open_; }
    // Says nothing any more, and does not come back.
    void fall_silent() { mute_ = true; }
    int64_t session() const { return session_; }
    std::string where() const;

private:
    struct Asked {
        int32_t xid;
        Draft draft;
    };
    struct Watch {
        bool data, exist, child, persistent, recursive;
    };

    void connect();
    void watch_over();
    void give_up();
    uint32_t host() const { return first_client_host + habits_.number % 40; }
    void on_bytes(Bytes bytes);
    void on_closed();
    void take_frame(Bytes frame);
    void take_connect(Bytes frame);
    void note_watch(const Asked& asked, Err err);
    void set_watches();
    void act();
    void act_later();
    void act_at_random();
    void send(Draft draft, int32_t xid);
    void restless_act();
    void hang_up(bool reset);
    void stranger(bool ahead);

    World world_;
    Habits habits_;
    Chance chance_;
    Address address_;
    bool calm_ = false;
    bool mute_ = false;
    bool leaving_ = false;  // has sent its last request on this connection
    std::deque<Draft> todo_;

    Link* link_ = nullptr;
    Connection* connection_ = nullptr;
    std::string in_;
    bool greeted_ = false;  // the connect answer came
    bool open_ = false;
    uint64_t silent_until_us_ = 0;
    uint64_t last_sent_us_ = 0;
    uint64_t last_heard_us_ = 0;
    uint32_t node_ = 0;  // where it is, or was, connected
    uint32_t only_ = 0;
    uint64_t think_until_us_ = 0;
    uint64_t burst_left_ = 0;
    uint32_t acts_ = 0;  // only the newest planned act counts

    int64_t session_ = 0;
    std::string password_;
    int32_t timeout_ms_ = 0;
    int64_t zxid_ = 0;
    int32_t next_xid_ = 1;
    std::deque<Asked> asked_;
    std::map<std::string, Watch> watches_;
};

}  // namespace zk::sim
