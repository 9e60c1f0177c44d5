// sync.h -- a session driven from straight-line code: calls that wait for their replies.
//
// Owns a loop and a Client in it. The loop runs only while somebody waits: in connect, call, drain
// and wait_input. Knows no libuv in this header, so that its users need not either.
//
// A call without a server waits for one; a read whose connection was lost is asked again; a write
// is never sent twice: its fate is unknown, and the caller is told so (connection_loss).
//
//     A new session is made where the old one has expired or was refused. Its holder is told by
//     on_state(expired), and has to know that ephemerals and watches are gone.

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
    enum class Wake : uint8_t { readable, signal };

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
    // Sends, and lets what has come in be seen, without waiting. False: SIGINT came.
    bool poll();
    bool interrupted() const;  // SIGINT came during the last wait, of whatever kind

    // From now on these signals only end waiting: `on_signal` is called, then a wait_input returns,
    // and for SIGINT and SIGALRM a call or connect gives up (request_timeout).
    void catch_signal(int signal, void (*on_signal)(void* context, int signal), void* context);

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

    ClientState state() const;
    int64_t session() const;
    std::string server() const;
    std::string servers() const;  // all of them, with the chroot
    const std::string& chroot() const;
    const std::string& trouble() const;  // why the last connection failed
    const std::string& why_not() const;  // the error of the last connect() that failed
    size_t outstanding() const;

private:
    struct Inside;
    std::unique_ptr<Inside> in_;
};

}  // namespace zk
