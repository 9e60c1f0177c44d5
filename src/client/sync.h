// sync.h -- a session driven from straight-line code: calls that wait for their replies.
//
// Owns a loop and a Client in it. The loop runs only while somebody waits: in connect, call, drain,
// wait and wait_input. Knows no libuv in this header, so that its users need not either.
//
// A call without a server waits for one; a read whose connection was lost is asked again; a write
// is never sent twice: its fate is unknown, and the caller is told so (connection_loss).
//
//     A new session is made where the old one has expired or was refused. Its holder is told by
//     on_state(expired), and has to know that ephemerals and watches are gone.
//
// Straight-line code that waits for several things at once, as recipes do, waits for `news`, looks
// at all it is interested in, and waits again. News is never missed between two waits.

#pragma once

#include <memory>

#include "client/calls.h"
#include "client/options.h"

namespace zk {

// Who one says one is: as addauth has it.
struct Identification {
    std::string scheme;
    std::string auth;
};

struct SyncOptions {
    ClientOptions client;  // events.on_trouble is not passed on
    std::vector<Identification> identities;  // told to every server before anything else
    // Before the first connection: keep trying for the session timeout, though every server has
    // refused. Afterwards that is done anyway, since servers do come back.
    bool patient = false;
};

class SyncClient {
public:
    // header.err is also operation_timeout where no server was to be had (see why_not), and
    // request_timeout where a signal ended the waiting.
    struct Reply {
        ReplyHeader header;
        Bytes body;  // until the next call
    };
    enum class Wake : uint8_t { readable, signal, news, deadline };
    static constexpr uint64_t never = UINT64_MAX;

    explicit SyncClient(SyncOptions options);
    SyncClient(const SyncClient&) = delete;
    SyncClient& operator=(const SyncClient&) = delete;
    ~SyncClient();  // cuts the connection; close() comes first where the session is to end

    // Begins to connect, without waiting.
    void start();
    // Waits until there is a server, at most the session timeout. The error is for people.
    Result<void> connect();
    Reply call(const Call& call);
    Reply add_auth(std::string_view scheme, Bytes auth);

    // Pipelined: the reply is given to `done` while somebody waits. Not asked again by itself.
    void send(const Call& call, OnReply done);
    // Waits until no more than that many are without reply. False: a signal ended it; then the
    // connection is given up, so that all have their replies.
    bool drain(size_t outstanding_max);

    // Waits until `fd` can be read (or has ended), serving the session meanwhile.
    Wake wait_input(int fd);
    // Waits until there was news since the last wait: an event, another state of the session, its
    // renewal, a call of wake(), or a signal that is caught, SIGCHLD for one.
    Wake wait(uint64_t deadline_ms);
    void wake();
    // While set, waiting ends also when `ended` says so or at the deadline: a call or connect
    // gives up then (request_timeout).
    struct Limit {
        bool (*ended)(void* context) = nullptr;
        void* context = nullptr;
        uint64_t deadline_ms = never;
    };
    void set_limit(Limit limit);
    // Sends, and lets what has come in be seen, without waiting. False: SIGINT came.
    bool poll();
    bool interrupted() const;  // SIGINT came during the last wait, of whatever kind

    // From now on these signals only end waiting: `on_signal` is called, then a wait_input returns,
    // and for SIGINT and SIGALRM a call or connect gives up (request_timeout).
    // Several may catch the same one, and all are called. The result is for forget_signal.
    using OnSignal = void (*)(void* context, int signal);
    size_t catch_signal(int signal, OnSignal on_signal, void* context);
    void forget_signal(size_t caught);

    // Asks the session's server a four-letter word on a connection beside it; another one that is
    // asked already is forgotten. `done` comes while somebody waits, or never. Requires: a server.
    void ask_word(std::string_view word, void (*done)(void* context, std::string_view answer),
                  void* context);

    // Ends the session. Without waiting for the server's word, its ephemerals go a little later.
    void close(bool wait);
    // Other servers, and thereby a new session.
    void use_servers(std::vector<ServerName> servers, std::string chroot);

    // A second session, at other servers, as the same user and as patient. It tells nobody of its
    // events, and the signals that end our waiting end its, too.
    std::unique_ptr<SyncClient> another(std::vector<ServerName> servers) const;

    // See Client::watchful; for this session and the next.
    void watchful(bool on);

    ClientState state() const;
    int64_t session() const;
    int32_t session_timeout_ms() const;  // as the server decided
    // By this clock, which only goes forward: now, and when a request was sent that the server has
    // answered. The session lives at least one timeout after that.
    uint64_t now_ms() const;
    uint64_t renewed_ms() const;
    std::string server() const;
    std::string servers() const;  // all of them, with the chroot
    const std::string& chroot() const;
    const std::string& trouble() const;  // why the last connection failed
    const std::string& why_not() const;  // the error of the last connect() that failed
    size_t outstanding() const;
    uint8_t watches(std::string_view path) const;  // bits of Watches::Kind; a server's path

private:
    struct Inside;
    std::unique_ptr<Inside> in_;
};

}  // namespace zk
