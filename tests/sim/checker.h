// checker.h -- looks at every byte that a server sends and says whether it may.
//
// Owns what was asked on each connection, and a model for each node, at that node's own zxid.
// Clients tell what they ask, the truth which entries came of it, the network what the servers
// answer. After each turn of a server all that it sent in that turn is put in the order of its
// zxids, and its model is taken along:
//
//     answers of a turn, by zxid    model at that zxid
//       write, zxid 7               applies 7: same verdict, same record?
//       event of zxid 7             one that the model has for this connection, in its order?
//       read at zxid 7              same answer, and no event of 7 or before is still to come?
//
// Rules, besides that model and server agree:
//   1. Answers come in the order of the requests; zxids on a connection never go back.
//   2. A write is told only when its entry is committed; so for reads that show it.
//   3. Each entry is what its connection asked next, with the identities of that moment.
//   4. A read is answered before a later write of its own connection is applied.
//   5. Nothing is answered at a state older than what the client had seen when it connected. A
//      write comes after all that was committed when it was asked; and so does what is read after
//      a sync was answered, with what was committed when the sync was asked. One node alone answers
//      nothing at a state older than what anybody was told in an earlier turn.
//   6. No event is withheld beyond its turn; none comes twice, none unasked.
//   7. No session is expired while whole requests of it kept arriving, nor for the time in which
//      the server stood still. In an ensemble only where nothing was wrong with those nodes.

#pragma once

#include <deque>
#include <map>
#include <optional>

#include "agreement.h"
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
    uint64_t floor = 0;  // what was committed when it was asked
    std::optional<ModelOutcome> outcome;
};

struct Connection {
    Link* link = nullptr;
    uint32_t node = 0;
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
    uint64_t floor = 0;  // reads show at least this
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
    Checker(Story& story, Queue& queue, Truth& truth, Agreement& agreement, const Plan& plan);

    // What clients do.
    Connection& connecting(Link& link, const ConnectRequest& asked, size_t frame_bytes);
    Connection& connecting_raw(Link& link);
    void asking(Connection& connection, Request request, size_t frame_bytes);
    void proving(Connection& connection, const std::string& digest_id);

    // What the network and the truth tell.
    void accepted(Link& link);
    void arrived(Link& link);
    void unread(Link& link);
    void sent(Link& link, Bytes bytes);
    void server_closed(Link& link);
    void entry(Logged& logged);
    void committed(const Logged& logged);
    // A server's turn is over; its process has ended; it runs again.
    void turned(uint32_t node);
    void process_ended(uint32_t node);
    void process_started(uint32_t node);
    void server_stands(uint32_t node, uint64_t for_us);
    // Something is wrong with a node, or with all (0), up to that moment.
    void disturbed(uint32_t node, uint64_t until_us);

    // Writes may be refused now, and for a while, since a disk is or was full.
    void disk_full() { full_until_us_ = queue_.now_us() + 20'000'000; }
    void disk_has_room() { full_until_us_ = 0; }

    const Model& model(uint32_t node) const { return sites_[node].model; }
    // Should the session have been expired by now?
    bool overdue(int64_t session) const;
    // The newest zxid that anybody was told.
    uint64_t told() const { return told_; }
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
        struct Time {
            uint64_t us;
            uint32_t node;
        };
        std::deque<Time> times;  // not each, but some of the newest
    };
    // A node, and its model.
    struct Site {
        Model model;
        bool restarted = false;  // the model may be ahead of the process
        std::vector<Connection*> accepted;
        std::vector<Connection*> live;
        uint64_t turned_us = 0;
        uint64_t disturbed_us = 0;
    };

    void fail(const Connection& connection, const char* what, const std::string& more = "");
    Connection* find(const Link& link);
    int64_t session_of(const Connection& connection) const;
    void heard(int64_t session, uint32_t node);
    bool advance(Site& site, uint64_t zxid);
    std::string expiry(const Entry& entry);
    std::string expiry_in_ensemble(const Entry& entry, const Heard& of);
    Site& site_of(const Connection& connection) { return sites_[connection.node]; }
    bool alone() const { return plan_.nodes == 1; }
    void match(Connection& connection, const Logged& logged);
    void session_entry(Logged& logged);
    void split(Connection& connection, std::vector<Frame>& frames);
    void apply(Site& site, const Logged& logged);
    void end_change(Site& site, const Entry& entry, const ModelOutcome& outcome);
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
    Truth& truth_;
    Agreement& agreement_;
    const Plan& plan_;
    std::vector<Site> sites_;                     // by node
    std::map<uint32_t, Connection> connections_;  // by link
    std::map<std::pair<uint32_t, uint64_t>, Connection*> by_attach_;  // by node and number
    struct Asked {
        Connection* connection;
        size_t number;  // of its requests; ~0: the connect request
    };
    std::map<const Logged*, Asked> asked_;
    std::map<int64_t, Heard> heard_;
    uint64_t full_until_us_ = 0;
    uint64_t told_ = 0;  // the newest zxid that anybody was told in earlier turns
    uint64_t answers_ = 0;
};

}  // namespace zk::sim
