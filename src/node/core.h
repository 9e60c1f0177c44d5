// core.h -- the inside of a node: its machines, its clients, and the order of a turn.
//
// Layer 5. Owns state, log, quorum and clients. Split by what happens to a request:
//
//     core.cc       start, stop, the turn, clocks, snapshots
//     formation.cc  how a node comes to its ensemble
//     replicate.cc  entries from the leader to the others, requests from them to the leader; votes
//                   on the disk, barriers, what a change of leader means for clients
//     catch_up.cc   old entries and snapshots, for peers that lag
//     agreement.cc  digests, compared
//     members.cc    who is in the ensemble, and changes of that
//     requests.cc   bytes -> frames -> requests -> proposals, or reads that wait their turn
//     answers.cc    committed entries -> apply -> events, replies, the reads behind them
//     local_sessions.cc  sessions that only this node knows, and read-only service
//     turns.cc      how long turns take, and what the long ones did
//     words.cc, words_server.cc  four-letter words
//
// The turn, in order: disk work that is done, what peers sent, newly committed entries, what
// clients sent, clocks, what peers are to be told, the log's next batch, and last the flush: one
// call to Io for each client with something to get. A request that came in waits for no further
// turn. What it may cost: README.md here.
//
// Invariants: a queue of a client has a write or a sync at its front, or is empty, between turns; a
// write in it was proposed or forwarded under the present leader and is not applied yet, in the
// same order.

#pragma once

#include <deque>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "node/client.h"
#include "node/links.h"
#include "node/node.h"
#include "quorum/quorum.h"
#include "state/state.h"
#include "storage/founding.h"
#include "storage/log.h"
#include "storage/log_reader.h"
#include "storage/recovery.h"
#include "storage/snapshot.h"
#include "storage/snapshot_transfer.h"
#include "storage/state_record.h"

namespace zk {

// A summary of durations or sizes since the start, or since `srst`.
struct Summary {
    uint64_t count = 0;
    uint64_t sum = 0;
    uint64_t least = 0;
    uint64_t most = 0;

    void add(uint64_t value) {
        least = count == 0 ? value : std::min(least, value);
        most = std::max(most, value);
        sum += value;
        ++count;
    }
    double average() const {
        return count == 0 ? 0.0 : static_cast<double>(sum) / static_cast<double>(count);
    }
};

struct Metrics {
    Summary latency_ms;
    Summary read_latency_ms;
    Summary update_latency_ms;
    Summary fsync_ms;
    Summary snapshot_ms;
    Summary turn_us;
    uint64_t long_turns = 0;  // more than 10 ms
    uint64_t packets_received = 0;
    uint64_t packets_sent = 0;
    uint64_t bytes_received = 0;
    uint64_t bytes_sent = 0;
    uint64_t connections_rejected = 0;
    uint64_t sessionless_expired = 0;
    uint64_t sessions_expired = 0;
    uint64_t auth_failed = 0;
    uint64_t snapshots = 0;
    uint64_t snapshot_errors = 0;
    uint64_t commits = 0;
    uint64_t entries_refused_full = 0;
    uint64_t digest_mismatches = 0;
    uint64_t reply_bytes_last = 0;
    uint64_t reply_bytes_max = 0;
    uint64_t reply_bytes_min = 0;
    Summary proposal_bytes;  // of entries that this node made as the leader
    uint64_t proposal_bytes_last = 0;
    Summary election_ms;     // from losing a leader to having one
    uint64_t lookings = 0;   // how often it was lost
};

// Keeps what clients can cause from filling the message log: one line a second of each kind.
enum class Complaint : uint8_t {
    refused,
    large,
    ahead,
    http,
    tls,
    held,
    unsent,
    auth,
    reply,
    stranger,
    slow,
    count
};

// What the edge told, to be looked at in the next turn.
struct Happening {
    enum class Kind : uint8_t { bytes, end, reset, drained, dialed };
    Kind kind;
    ClientId client;
    Bytes bytes;
};

class Core {
public:
    Core(Io& io, const Config& config);

    // Node's functions.
    Result<void> start();
    bool open(ClientId client, const Address& from);
    bool peer_came(LinkId link, const Address& from);
    void happened(const Happening& happening) { happenings_.push_back(happening); }
    void disk_done(Lane lane, uint64_t ticket, const DiskResult& result);
    void snapshot_done(const Result<void>& result);
    bool turn();
    void turn_took(uint64_t us);
    uint64_t next_turn_us() const { return next_turn_us_; }
    void stop();
    void hand_over();
    bool stopped() const { return stage_ == StopStage::stopped; }
    const Error* fatal() const;
    bool begin_again() const { return begin_again_; }
    Standing standing() const;

private:
    friend struct Words;

    enum class StopStage : uint8_t { running, handing_over, draining, marking, stopped };

    // core.cc
    std::string log_directory() const;
    Result<void> recover(bool known);
    Result<void> recover_by_others(const Error& damage);
    void start_blank();
    Result<void> lead();
    void hear_peers();
    bool blank_turn();
    void propose_rules();
    void clocks();
    void expire_sessions();
    void hear_waiting();
    void set_unsent(Client& client, size_t bytes);
    void drop_if_unread(Client& client, size_t bytes);
    void expire_handshakes();
    void reap();
    void maybe_snapshot();
    bool memory_prepared();
    void keep_pages_ahead();
    void take_snapshot_if_due();
    void purge();
    void found_no_room(const Error& why);
    bool gather();
    void cut_back_log();
    void flush();
    void stop_step();
    void drain();
    void resume_waiting();
    bool may_resume();
    Client* find_client(ClientId id) {
        return id < clients_.size() ? clients_[id].get() : nullptr;
    }
    // Ends a connection; what is in its output still goes out.
    void drop(Client& client, const char* why);
    void forget_watches();
    void mark_dirty(Client& client);
    bool may_complain(Complaint about);
    uint64_t clock_ms() const { return clock_us_ / 1000; }
    bool mine(const Happening& happening) const;
    uint64_t wake_us() const;

    // formation.cc
    bool several() const;
    uint64_t ticks_us(int32_t ticks, uint64_t unset_us) const;
    void open_links();
    bool living() const;
    static uint64_t empty_zxid(uint64_t birth);
    uint64_t first_sequence();
    Result<void> join(uint64_t ensemble, uint64_t seed, uint64_t birth, bool voteless);
    void tell_status();
    void tell_status(uint32_t peer);
    bool take_status(uint32_t peer, Bytes payload);
    void consider(uint32_t peer);
    void form();
    bool take_form(uint32_t peer, Bytes payload);
    void take_part();
    void peer_up(uint32_t peer);
    void peer_down(uint32_t peer);

    // members.cc
    Electorate configured_electorate() const;  // as the state has it, or the file
    Electorate electorate() const;             // as the log has it
    void note_membership(const Entry& entry);
    void note_tail();
    void follow_members();
    void tell_of_members() const;
    void start_alone();
    Result<void> check_alone() const;
    Result<void> found_anew();
    bool is_ready(uint32_t member) const;
    void propose_reconfig(const Origin& origin, int64_t session, Bytes ids, Bytes body);
    void change_members();

    // catch_up.cc
    struct Outgoing {
        std::unique_ptr<SnapshotSender> sender;
        bool offered = false;
        bool asked = false;
        uint64_t acked = 0;  // the peer has all before
        uint64_t heard_us = 0;
    };
    uint64_t next_foreign_ticket();
    const LogPiece* older_entries(uint32_t peer, uint64_t first);
    void offer_snapshot(uint32_t peer);
    void send_snapshots();
    void send_pieces(uint32_t peer, Outgoing& outgoing);
    bool take_ask_snapshot(uint32_t peer, Bytes payload);
    bool take_snapshot(uint32_t peer, Bytes payload);
    void ask_for_more(uint32_t leader);
    void free_old_states();
    void receive_snapshot();
    void install(SnapshotReceiver& receiver);
    bool catch_up_done(uint64_t ticket, const DiskResult& result);

    // agreement.cc
    void note_digest();
    void tell_digests();
    bool take_digests(uint32_t peer, Bytes payload);
    void compare_digest(uint32_t member, uint64_t zxid, uint64_t digest);
    void tell_differs(uint32_t member, uint64_t zxid, bool alone);
    bool take_differs(uint32_t peer, Bytes payload);
    void differ(uint64_t zxid, bool alone);

    // replicate.cc
    void take_link(const Happening& happening);
    bool peer_frame(uint32_t peer, const Frame& frame);
    bool take_message(uint32_t peer, Bytes payload);
    bool take_append(uint32_t peer, Bytes payload);
    void talk();
    void send_appends(uint32_t peer);
    bool may_write() const;
    void submit(const Origin& origin, int64_t session, int32_t op, Bytes ids, Bytes body);
    void send_forwards();
    static bool forwardable(const Entry& entry);
    bool take_forward(uint32_t peer, Bytes payload);
    void resume_forwards();
    void tell_room();
    bool full() const;
    void hear(Client& client);
    void tell_heard();
    bool take_heard(uint32_t peer, Bytes payload);
    void readmit();
    void admit(const Entry& entry);
    bool admission_due() const;
    void write_vote();
    void retry_record();
    void vote_done(const DiskResult& result);
    void take_barriers();
    void cut_uncertain(const char* why);
    void notice_leader();
    void begin_to_lead();
    void check_grace();

    // requests.cc
    void take(const Happening& happening);
    void take_bytes(Client& client, Bytes bytes);
    size_t take_frames(Client& client, Bytes bytes);
    static size_t look_ahead(Tree::Ahead& ahead, Bytes frames);
    // All clients together, in a turn: who asks for little is not to wait for much. What is applied
    // first does not count, or it could keep those who wait waiting for ever.
    bool made_enough() const { return made_ - made_applying_ >= made_max; }
    bool may_take(const Client& client) const;
    size_t expected_bytes(const Client& client, int32_t op, Bytes body) const;
    void wait(Client& client);
    bool take_word(Client& client, uint32_t word);
    void connect(Client& client, Bytes frame);
    void touch_if_known(int64_t id, Bytes body);
    static bool needs_leader(const Client& client, Bytes frame);
    void request(Client& client, Bytes frame, const PathKey& known);
    void request_write(Client& client, Pending pending, Bytes body);
    void request_close(Client& client, Pending pending);
    void request_auth(Client& client, int32_t xid, Bytes body);
    Err authenticate(Client& client, const AuthPacket& packet);
    void propose(const Origin& origin, int64_t session, int32_t op, Bytes ids, Bytes body);
    Origin next_origin(Client& client);
    void enqueue(Client& client, const Pending& pending);
    void request_sync(Client& client, Pending pending, Bytes body);
    static bool admitted_when_full(int32_t op, Bytes body);

    // local_sessions.cc
    bool serves_read_only() const;
    bool connect_local(Client& client, const ConnectRequest& asked);
    void make_local(Client& client);
    void make_global(Client& client, PendingKind kind);
    void greet_local(Client& client);
    void end_local(Client& client, const Pending& pending);
    void expire_local();
    void end_read_only();

    // words.cc: false if the letters are no word; else the answer, empty where there is none
    bool answer_word(std::string_view letters, const Client& client, Buffer& out);

    // turns.cc
    struct Tally {
        uint64_t connections = 0;
        uint64_t requests = 0;
        uint64_t appended = 0;
        uint64_t applied = 0;
        uint64_t expired = 0;
        uint64_t sent_bytes = 0;
        uint64_t snapshot_us = 0;  // when the last one was begun
    };
    Tally tally() const;
    void tell_slow(uint64_t us, const Tally& now);

    // answers.cc
    void apply_committed();
    void apply(const Entry& entry, const PathKey& known);
    void pass_barriers(const Entry& entry);
    void tell(const Entry& entry);
    void answer_origin(const Entry& entry, const Applied& applied);
    void answer_connect(Client& client, const Applied& applied);
    void welcome(Client& client, const ConnectResponse& answer);
    void refuse_connect(Client& client);
    void answer_queue(Client& client);
    void pop(Client& client);
    void answer_read(Client& client, const Pending& pending, Bytes body,
                     const PathKey& known = {});
    void write_reply(Client& client, const Pending& pending, int64_t zxid, Err err, Bytes body);
    void account(Client& client, const Pending& pending, int64_t zxid, size_t bytes);
    void settle_session(int64_t session, const char* why);

    Io& io_;
    const Config& config_;
    uint32_t node_number_ = 1;

    std::unique_ptr<State> state_;
    std::unique_ptr<Log> log_;
    std::unique_ptr<Quorum> quorum_;
    StateRecord record_;
    Metrics metrics_;
    std::optional<Error> failure_;  // of the vote's record, or of joining: the process must end

    // The ensemble.
    std::unique_ptr<Links> links_;  // none where a node is alone
    struct PeerStatus {
        uint64_t ensemble = 0;
        uint64_t seed = 0;
        uint64_t boot = 0;  // of its process; no two of a node have the same
        bool living = false;
        bool full = false;  // its disk has no room
        uint64_t birth = 0;  // as its record has it
    };
    std::map<uint32_t, PeerStatus> statuses_;  // of linked peers
    std::set<uint32_t> allies_;                // linked, and of this ensemble
    bool taking_part_ = false;
    uint64_t followed_version_ = 0;  // of the membership that the links are for
    bool followed_change_ = false;
    struct Allegiance {
        uint64_t term = 0;
        uint32_t leader = 0;
        Role role = Role::follower;
        bool operator==(const Allegiance&) const = default;
    };
    Allegiance allegiance_;        // as it was noticed last
    uint64_t led_since_us_ = 0;    // of clock_us_, while it leads
    bool severed_ = false;         // the link to the leader broke since
    bool lost_quorum_ = false;     // for so long that clients are sent away
    uint64_t leaderless_us_ = 0;   // since when; of clock_us_
    bool record_in_flight_ = false;
    bool record_waits_ = false;  // for room on the disk
    std::optional<Vote> vote_in_flight_;
    bool admission_in_flight_ = false;
    Buffer vote_bytes_;
    uint64_t boot_ = 0;
    uint64_t admitted_at_ = 0;     // the entry that gives this node its vote back; 0: none
    uint64_t admitted_term_ = 0;
    std::map<uint32_t, uint64_t> readmitted_;  // by this leader: which boot of a member
    Buffer forwards_;              // this turn's: term, entries
    Buffer held_forwards_;         // peer, size, payload: while this leader hands over
    std::vector<ClientId> heard_;  // whose sessions the leader will be told of
    std::vector<Entry> arrived_;
    std::vector<uint64_t> arrived_terms_;
    std::deque<std::pair<uint64_t, uint64_t>> digests_;  // zxid, digest: not told yet
    std::map<uint64_t, std::map<uint32_t, uint64_t>> compared_;  // zxid: member: digest
    uint64_t differs_at_ = 0;      // this state is not to be trusted; 0: it is
    bool begin_again_ = false;
    uint64_t foreign_tickets_ = 0;
    std::map<uint32_t, std::unique_ptr<LogReader>> readers_;  // for peers that lag
    std::map<uint32_t, Outgoing> outgoing_;                   // snapshots on their way to peers
    std::unique_ptr<SnapshotReceiver> receiver_;
    std::vector<std::unique_ptr<SnapshotReceiver>> old_receivers_;  // the disk is busy with them
    std::vector<std::unique_ptr<State>> old_states_;  // are freed a slice a turn
    bool asking_ = false;
    bool snapshot_wanted_ = false;
    bool told_full_ = false;
    uint64_t turn_barrier_ = 0;    // asked in this turn; 0: none
    uint64_t barrier_reached_ = 0;
    std::deque<std::pair<uint64_t, uint64_t>> barriers_;  // number, zxid that must be applied
    std::vector<ClientId> at_barrier_;                    // clients whose queue stands at one

    Sessions local_;           // those that only this node knows
    bool local_idle_ = false;  // none of them could come back, for want of a quorum

    std::vector<std::unique_ptr<Client>> clients_;  // by ClientId
    uint32_t client_count_ = 0;
    uint64_t next_attach_ = 1;
    std::unordered_map<int64_t, ClientId> by_session_;
    std::unordered_map<std::string, uint32_t> per_address_;
    std::vector<ClientId> dirty_;
    std::vector<ClientId> waiting_;  // with frames that could not be taken yet
    std::vector<ClientId> gone_;     // whose watches are still being forgotten
    struct Handshake {
        uint64_t deadline_us;
        ClientId client;
        uint64_t attach;
    };
    std::vector<Handshake> handshakes_;  // in order of deadlines
    size_t handshakes_head_ = 0;

    uint64_t gathered_after_ = 0;  // the end of the last batch on disk
    uint64_t gathered_ = 0;        // the last entry there was at the last look
    uint32_t looks_left_ = 0;

    std::vector<Happening> happenings_;
    std::vector<Happening> taken_;  // swapped with the former, so that neither is made anew
    uint64_t held_bytes_ = 0;       // in all clients' `in` and `held`
    uint64_t unsent_ = 0;           // of all clients
    uint64_t promised_ = 0;         // to all clients
    uint64_t forwarded_ = 0;        // bytes of requests in all queues that the leader was asked for
    static constexpr uint64_t made_max = 8u << 20;
    uint64_t made_ = 0;             // bytes of replies since the last flush
    uint64_t made_applying_ = 0;    // of these, before anything was taken
    uint64_t outstanding_ = 0;      // requests in all queues

    // Time. now_us_ is the world's; clock_us_ stands still while this node did not run.
    uint64_t now_us_ = 0;
    uint64_t clock_us_ = 0;
    uint64_t last_turn_us_ = 0;
    uint64_t next_turn_us_ = 0;
    uint64_t started_us_ = 0;

    uint64_t last_tick_us_ = 0;
    uint64_t next_reap_us_ = 0;
    bool reaping_ = false;
    bool rules_cut_ = false;  // to be proposed again
    uint64_t next_purge_us_ = 0;

    bool snapshot_running_ = false;
    bool snapshot_due_ = false;
    std::vector<PageRange> to_populate_;  // as long as nobody took them
    uint64_t prepare_until_us_ = 0;       // 0: there is none to prepare for
    uint64_t snapshot_zxid_ = 0;       // of the newest one on disk
    uint64_t snapshot_next_zxid_ = 0;  // of the one that is being written
    uint64_t snapshot_started_us_ = 0;
    uint64_t snapshot_retry_us_ = 0;
    uint64_t log_bytes_at_snapshot_ = 0;
    uint64_t log_bytes_at_fork_ = 0;
    std::vector<uint64_t> snapshots_;  // on disk, oldest first
    uint32_t snapshot_failures_ = 0;
    bool no_room_ = false;  // for the last snapshot that was to be written, here or received
    std::unique_ptr<SnapshotJob> snapshot_job_;

    StopStage stage_ = StopStage::running;
    Tally tally_;  // of all turns before this one
    bool replied_ = false;
    uint64_t complained_us_[static_cast<size_t>(Complaint::count)] = {};

    // Used again and again, so that a request allocates nothing.
    Buffer reply_;
    Buffer notices_;
    Buffer event_;
    Buffer body_;
    std::vector<int64_t> expired_;
    std::vector<std::string> reap_bodies_;
};

}  // namespace zk
