// fleet.h -- many sessions at once, and straight-line calls by the first of them.
//
// Owns the sessions. They are opened a few at a time, so that a server's listen queue is not what
// is measured. A session that ends by itself breaks the fleet: `trouble` says why, and whoever
// waits for replies gives up. Nothing may be waiting for a reply when a fleet is closed, but what
// abandon() fails.

#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "client/calls.h"
#include "client/client.h"
#include "client/loop.h"

namespace zk {

struct FleetOptions {
    std::vector<ServerName> servers;
    int32_t session_timeout_ms = 30'000;
    uint64_t seed = 1;
};

class Fleet {
public:
    struct WatchHook {
        void* context = nullptr;
        void (*run)(void* context, size_t index, const WatcherEvent& event) = nullptr;
    };
    struct Reply {
        ReplyHeader header;
        std::string body;
    };

    Fleet(Loop& loop, FleetOptions options) : loop_(loop), options_(std::move(options)) {}
    Fleet(const Fleet&) = delete;
    Fleet& operator=(const Fleet&) = delete;
    ~Fleet();

    // Opens sessions until there are `count`, and waits for them.
    Result<void> grow(size_t count);
    size_t size() const { return members_.size(); }
    Client& client(size_t index) { return *members_[index]->client; }
    void on_watch(WatchHook hook) { hook_ = hook; }

    Result<Reply> call(const Call& call);  // the error: no answer

    bool broken() const { return broken_; }
    const std::string& trouble() const { return trouble_; }
    Error why() const { return {.text = trouble_.empty() ? "no answer" : trouble_}; }

    void close();    // ends the sessions
    void abandon();  // cuts the connections; what is outstanding fails

private:
    struct Member {
        Fleet* fleet = nullptr;
        size_t index = 0;
        std::unique_ptr<Client> client;
        bool up = false;
        bool closed = false;
    };

    void open_one();
    void on_state(Member& member, ClientState state);
    void wait_closed();

    Loop& loop_;
    FleetOptions options_;
    std::vector<std::unique_ptr<Member>> members_;
    size_t up_ = 0;      // members that are connected
    size_t closed_ = 0;  // members whose client is done for
    bool closing_ = false;
    bool broken_ = false;
    std::string trouble_;
    WatchHook hook_;
};

}  // namespace zk
