// client.h -- a session with a ZooKeeper service, over libuv: the asynchronous client.
//
// Owns one session and, at a time, one connection (a Link). It connects to one server after the
// other until one takes the session, pings when there is nothing to say, gives a silent connection
// up, takes the session to the next server, says again who it is (add_auth) and what it watches.
//
//     connecting -> connected -> connecting -> ... -> closed
//                            \-> expired, auth_failed   (final; only close() follows)
//
// Requests are pipelined without limit. What is written between two polls of the loop goes out in
// one system call; `flush` sends at once. Replies are matched to requests strictly in order, and
// anything else costs the server its connection.
//
//     Requests made while connected fail with connection_loss if the connection goes first.
//     Requests made while connecting wait for a server.
//     Requests made in a final state fail with session_expired.
//
// One thread, the loop's. A client must be closed before it is deleted: delete it when `closed` is
// reported (from within on_state is fine). Its loop does not end before. Do not make requests from
// an uv_prepare callback without calling flush.

#pragma once

#include <uv.h>

#include <deque>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "client/link.h"
#include "client/options.h"
#include "client/ring.h"
#include "client/watches.h"

namespace zk {

class Client {
public:
    // Starts connecting. Requires: options.servers is not empty.
    Client(uv_loop_t* loop, ClientOptions options);
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;
    ~Client();

    // `body` is the request's record, encoded; it is copied.
    void request(Op op, Bytes body, OnReply done);
    // The same without the copy: encode the record into the result, then end_request. Nothing else
    // may be called in between.
    Buffer& begin_request(Op op);
    void end_request(OnReply done);
    void flush();

    // Now and after each reconnect.
    void add_auth(std::string_view scheme, Bytes auth, OnReply done);

    // Ends the session after the requests made so far; without a connection the server has to find
    // out by itself. abandon() leaves the session as it is and only cuts the connection; after a
    // close() it means not to wait for the server's answer.
    void close();
    void abandon();

    // Gives the connection up: requests under way fail, and the session goes to the next server.
    void reconnect();

    // From now on it pings twice as often and gives a silent connection up after half the time, so
    // that most of the session timeout is left to find another server: for who holds a lock.
    void watchful(bool on);
    // When the youngest request was sent that the server has answered, by the loop's clock. The
    // server cannot expire the session earlier than one session timeout after that.
    uint64_t renewed_at_ms() const { return renewed_at_ms_; }

    ClientState state() const { return state_; }
    int64_t session() const { return session_; }
    const std::string& password() const { return password_; }
    int32_t session_timeout_ms() const { return timeout_ms_; }  // as the server decided
    int64_t last_zxid() const { return last_zxid_; }
    size_t outstanding() const { return pending_.size(); }
    // How often all servers were tried in vain since the last connection.
    size_t failed_rounds() const { return failures_ / options_.servers.size(); }
    const std::string& chroot() const { return options_.chroot; }
    // The server that is or was last tried: its address as far as it is known.
    std::string server() const;
    const Watches& watches() const { return watches_; }

private:
    struct Pending {
        OnReply done;
        int32_t xid;
        Op op;
        bool watched;  // watching_ holds a row for it
    };
    struct Watching {
        Watches::Kind kind;  // none: a removeWatches of `type`
        WatcherType type;
        std::string path;
    };
    struct Auth {
        std::string scheme;
        std::string auth;
        OnReply done;  // run is nullptr once the first reply is in
    };

    // Connecting.
    void connect_next();
    void open_link();
    void send_handshake();
    void take_handshake(Bytes frame);
    void connection_up(bool read_only);
    void connection_lost(std::string why);
    void cut_link();

    // Bytes.
    void take_bytes(Buffer& in);
    bool take_frame(Bytes frame);  // false: the connection is gone
    bool take_reply(const ReplyHeader& header, Bytes body);
    void take_event(const ReplyHeader& header, Bytes body);
    void take_auth_reply(const ReplyHeader& header);
    bool note_asked();
    void note_watch(Err err);
    void ask_auth(const Auth& auth, Buffer& out);
    void begin_probe(int32_t xid);
    void end_probe(int32_t xid);

    // Time.
    static void on_prepare(uv_prepare_t* handle);
    static void on_alarm(uv_timer_t* timer);
    void on_timer();
    void arm_timer();
    uint64_t now_ms() const { return uv_now(loop_); }
    uint64_t silence_max_ms() const;
    uint64_t ping_after_ms() const;

    // Ends.
    void fail_pending(Err err);
    void die(ClientState state);
    void finish_close();
    void report(ClientState state);

    uv_loop_t* loop_;
    ClientOptions options_;
    ClientState state_ = ClientState::connecting;
    Link* link_ = nullptr;
    bool shook_hands_ = false;  // the connection is of use
    bool closing_ = false;

    size_t server_ = 0;         // index of the server that is tried or used
    uint32_t choice_ = 0;       // which of its addresses
    size_t failures_ = 0;       // attempts in a row
    uint64_t seed_;

    int64_t session_ = 0;
    std::string password_;
    int32_t timeout_ms_ = 0;
    int64_t last_zxid_ = 0;

    int32_t next_xid_ = 1;
    Buffer out_;                 // frames not given to the link yet
    Ring<Pending> pending_;      // all requests without a reply, those in out_ included
    std::deque<Watching> watching_;  // for those of pending_ with `watched`, in the same order
    Watches watches_;
    std::vector<Auth> auths_;
    size_t auths_sent_ = 0;      // on this connection
    size_t auths_answered_ = 0;  // on this connection; <= auths_sent_
    size_t building_at_ = 0;     // where the frame begun by begin_request lies in out_
    Op building_op_ = Op::ping;

    uv_prepare_t flush_ = {};    // active while out_ holds something to send
    uv_timer_t timer_ = {};
    int handles_ = 2;            // not closed yet
    uint64_t retry_at_ms_ = 0;   // meaningful while there is no link
    uint64_t give_up_at_ms_ = 0; // the attempt or the close under way
    uint64_t sent_at_ms_ = 0;
    uint64_t heard_at_ms_ = 0;

    struct Probe {  // a request whose answer will prove the session alive when it was sent
        bool out = false;
        int32_t xid = 0;
        uint64_t sent_at_ms = 0;
    };
    Probe probe_;
    uint64_t renewed_at_ms_ = 0;
    bool watchful_ = false;
};

}  // namespace zk
