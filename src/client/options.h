// options.h -- what a client is told when it is made, and what it tells back.
//
// Holds no state and knows no libuv, so that programs which only drive a client (zk-cli) need not
// either.
//
// A connect string is ZooKeeper's: `host:port,host:port/chroot`, with `[::1]:2181` for IPv6 and
// port 2181 where none is given.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "wire/records.h"

namespace zk {

inline constexpr uint16_t port_default = 2181;
inline constexpr size_t servers_max = 128;

struct ServerName {
    std::string host;  // a name or an address, without brackets
    uint16_t port = port_default;

    bool operator==(const ServerName&) const = default;
};
std::string to_text(const ServerName& server);  // "host:port", "[::1]:port"

struct ConnectString {
    std::vector<ServerName> servers;
    std::string chroot;  // "" or "/a/b", never ending in a slash
};
Result<ConnectString> parse_connect_string(std::string_view text);

enum class ClientState : uint8_t {
    connecting,           // looking for a server; the session, if there is one, is kept
    connected,            //
    connected_read_only,  // the server has lost its ensemble; only with Options::read_only
    expired,              // final: the server no longer knows the session
    auth_failed,          // final: a server refused add_auth
    closed,               // final: close() has been carried out
};
std::string_view state_name(ClientState state);  // as zkCli.sh's prompt has it: "CONNECTED"

inline constexpr bool is_connected(ClientState state) {
    return state == ClientState::connected || state == ClientState::connected_read_only;
}
inline constexpr bool is_final(ClientState state) { return state >= ClientState::expired; }

// Whom a client tells. Called from the loop, never from within a call to the client.
struct ClientEvents {
    void* context = nullptr;
    // Each change of state. At `closed` the client is not touched again and may be deleted.
    void (*on_state)(void* context, ClientState state) = nullptr;
    // A watch has fired. The path has lost the chroot; it lives as long as the call.
    void (*on_watch)(void* context, const WatcherEvent& event, int64_t zxid) = nullptr;
    // A connection failed or was lost, and why: one sentence for people. The client goes on.
    void (*on_trouble)(void* context, std::string_view why) = nullptr;
};

struct ClientOptions {
    std::vector<ServerName> servers;
    std::string chroot;            // used by the calls of calls.h and for events
    int32_t session_timeout_ms = 30'000;  // asked for; the server decides
    uint32_t connect_timeout_ms = 0;  // an attempt, with handshake; 0: session timeout / servers
    bool shuffle = true;              // servers in random order, else as listed
    bool read_only = false;           // a server cut off from its ensemble will do
    bool keep_watches = true;         // note watches and set them again after a reconnect
    uint32_t reply_bytes_max = 256u << 20;
    uint64_t seed = 0;                // for the shuffling; 0: from the clock
    // Take up a session that another client left with abandon().
    int64_t session = 0;
    std::string password;
    ClientEvents events;
};

// What becomes of a request: `run(context, tag, header, body)` once, when the reply is here or
// never will be. `body` points into the connection's buffer and lives as long as the call. Without
// a server's word, header.err is connection_loss (the request may or may not have been carried
// out) or session_expired (it was not), and header.zxid is 0.
using ReplyFn = void (*)(void* context, uint64_t tag, const ReplyHeader& header, Bytes body);
struct OnReply {
    ReplyFn run = nullptr;
    void* context = nullptr;
    uint64_t tag = 0;
};

}  // namespace zk
