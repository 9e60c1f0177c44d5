// top_words.h -- what a server says about its connections, and what happened between two looks.
//
// Pure. The texts are the answers to the four-letter words `cons` and `srvr`.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace zk {

struct Connection {
    std::string client;   // its address
    std::string session;  // "0x1000..."
    std::string last_op;  // as the server writes it: PING, GETD
    int64_t queued = 0;
    int64_t received = 0;
    int64_t sent = 0;
    int64_t latency_avg_ms = 0;
    int64_t latency_max_ms = 0;
};

struct ServerState {
    std::string version;
    std::string mode;
    int64_t received = 0;
    int64_t sent = 0;
    int64_t connections = 0;
    int64_t outstanding = 0;
    int64_t znodes = 0;
    std::string latency;  // min/avg/max in ms
};

std::vector<Connection> parse_cons(std::string_view text);  // those with a session
bool parse_srvr(std::string_view text, ServerState& state);  // false: that is none

// A look at a server, and the rates since the one before.
struct Look {
    int64_t at_ms = 0;  // by any clock
    ServerState state;
    std::vector<Connection> connections;
};
struct Rate {
    Connection now;
    double received = 0;  // a second
    double sent = 0;
};
// The busiest first.
std::vector<Rate> rates(const Look& before, const Look& now);
double per_second(int64_t before, int64_t now, int64_t ms);  // to one decimal

}  // namespace zk
