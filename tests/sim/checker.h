// checker.h -- looks at every byte that a server sends and says whether it may.
//
// Owns the model and what was asked on each connection. Clients tell what they ask, the ledger
// which entries came of it, the network what the server answers. After each turn of the server all
// that it sent in that turn is put in the order of its zxids, and the model is taken along:
//
//     answers of a turn, by zxid    model at that zxid
//       write, zxid 7               applies 7: same verdict, same record?
//       event of zxid 7             one that the model has for this connection, in its order?
//       read at zxid 7              same answer, and no event of 7 or before is still to come?
//
// Rules, besides that model and server agree:
//   1. Answers come in the order of the requests; zxids on a connection never go back.
//   2. A write is told only when its entry is on the disk for good; so for reads that show it.
//   3. Each entry is what its connection asked next, with the identities of that moment.
//   4. A read is answered before a later write of its own connection is applied.
//   5. Nothing is answered at a state older than what anybody was told in an earlier turn.
//   6. No event is withheld beyond its turn; none comes twice, none unasked.
//   7. No session is expired while whole requests of it kept arriving, nor for the time in which
//      the server stood still.

#pragma once

#include <deque>
#include <map>
#include <optional>

#include "ledger.h"
#include "model.h"
#include "network.h"

namespace zk::sim {

enum class RequestKind : uint8_t {
    write,
    close,
    read,
    auth,
    bad,      // cannot be decoded: refused, and the connection goes on
    unknown,  // no such operation: refused, and closed
    fatal,    // no request at all: closed without a word
};

struct Request {
    RequestKind kind = RequestKind::read;
    int32_t xid = 0;
    int32_t op = 0;
    std::string body;
    size_t proofs = 0;  // how many identities the connection had
    uint64_t zxid = 0;  // of its entry; 0: none was seen
    std::optional<ModelOutcome> outcome;
};

struct Connection {
    Link* link = nullptr;
    bool raw = false;  // speaks no protocol: nothing is checked
    bool live = false;
    ConnectRequest asked;
    std::string asked_password;
    bool may_connect = true;  // false: it has seen more than the server could
    uint64_t connect_zxid = 0;
    std::optional<ModelOutcome> connect_outcome;
    bool connected = false;
    int64_t session = 0;
    uint64_t over_at = 0;  // its session's end; 0: none yet
    bool must_close = false;
    bool closed = false;

    std::deque<Request> requests;  // not answered yet
    size_t answered = 0;
    size_t matched = 0;  // of all ever asked, those before have their entry or need none
    std::deque<Request> auths;
    Who who;           // all proofs ever sent
    size_t proofs_sure = 1;   // what the server has seen for sure, and
    size_t proofs_maybe = 1;  // what it may have seen, since its last answer
    uint64_t proofs_zxid = 0;  // entries up to here may have been applied before it saw them

    std::string out;  // sent by the server, not looked at yet
    int64_t last_zxid = 0;
    int64_t last_read_zxid = 0;
    struct Expected {
        ModelEvent event;
        bool any_order;
    };
    std::deque<Expected> events;
    std::vector<ModelEvent> notices;  // got; of setWatches

    std::deque<uint64_t> frame_ends;  // of requests, in bytes since the start
    uint64_t sent_bytes = 0;
};

class Checker {
public:
    Checker(Story& story, Queue& queue, Ledger& ledger)
        : story_(story), queue_(queue), ledger_(ledger) {}

    // What clients do.
    Connection& connecting(Link& link, const ConnectRequest& asked, size_t frame_bytes);
    Connection& connecting_raw(Link& link);
    void asking(Connection& connection, Request request, size_t frame_bytes);
    void proving(Connection& connection, const std::string& digest_id);

    // What the network and the ledger tell.
    void accepted(Link& link);
    void arrived(Link& link);
    void sent(Link& link, Bytes bytes);
    void server_closed(Link& link);
    void entry(const Logged& logged);
    // The server's turn is over; its process has ended; it runs again.
    void turned();
    void process_ended();
    void server_stands(uint64_t for_us);
    void process_started();

    // Writes may be refused now, and for a while, since the disk is or was full.
    void disk_full() { full_until_us_ = queue_.now_us() + 20'000'000; }
    void disk_has_room() { full_until_us_ = 0; }

    const Model& model() const { return model_; }
    // Takes the model along to here. Requires: the entries are there.
    bool advance(uint64_t zxid);
    uint64_t answers() const { return answers_; }

private:
    struct Frame {
        Connection* connection;
        std::string bytes;
        int64_t zxid;
    };
    struct Heard {
        uint64_t last_us = 0;
        uint64_t stood_us = 0;  // of the time since then the server stood still
        uint64_t excused_until_us = 0;
        uint64_t timeout_us = 0;
        std::string password;
    };

    void fail(const Connection& connection, const char* what, const std::string& more = "");
    Connection* find(const Link& link);
    void heard(int64_t session);
    void match(Connection& connection, const Logged& logged);
    void session_entry(const Entry& entry);
    void split(Connection& connection, std::vector<Frame>& frames);
    void apply(const Logged& logged);
    void check(Frame& frame);
    void check_connect(Connection& connection, Bytes frame);
    void check_notification(Connection& connection, int64_t zxid, Reader& in);
    void check_auth(Connection& connection, const ReplyHeader& header);
    void check_reply(Connection& connection, const ReplyHeader& header, Reader& in);
    void check_write(Connection& connection, Request& request, const ReplyHeader& header,
                     Bytes record);
    void check_read(Connection& connection, const Request& request, const ReplyHeader& header,
                    Bytes record);
    void check_events_before(Connection& connection, int64_t zxid);
    Who who(const Connection& connection, size_t proofs) const;
    bool refused_by_full_disk(Connection& connection, Request& request,
                              const ReplyHeader& header);

    Story& story_;
    Queue& queue_;
    Ledger& ledger_;
    Model model_;
    std::map<uint32_t, Connection> connections_;  // by link
    std::vector<Connection*> live_;
    std::map<uint32_t, Connection*> by_attach_;   // of this process
    struct Asked {
        Connection* connection;
        size_t number;  // of its requests; ~0: the connect request
    };
    std::map<uint64_t, Asked> asked_;  // by zxid
    std::map<int64_t, Heard> heard_;
    uint64_t full_until_us_ = 0;
    uint64_t turned_us_ = 0;
    uint64_t told_ = 0;  // the newest zxid that anybody was told in earlier turns
    uint64_t answers_ = 0;
};

}  // namespace zk::sim
