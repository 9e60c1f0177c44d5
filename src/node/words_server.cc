// words_server.cc -- see words.h: srvr, conf and mntr.

#include <cinttypes>

#include "node/version.h"
#include "node/words.h"

namespace zk {

Words::Mode Words::mode_of(const Core& core) {
    if (core.log_ == nullptr) return Mode::none;
    if (core.links_ == nullptr) return Mode::standalone;
    if (core.serves_read_only()) return Mode::read_only;
    if (!core.taking_part_ || core.quorum_->leader() == 0) return Mode::none;
    if (core.quorum_->role() == Role::leader) return Mode::leader;
    return core.quorum_->electorate().votes(core.node_number_) ? Mode::follower : Mode::observer;
}

const char* Words::mode_name() const {
    switch (mode()) {
    case Mode::none: break;
    case Mode::standalone: return "standalone";
    case Mode::leader: return "leader";
    case Mode::follower: return "follower";
    case Mode::observer: return "observer";
    case Mode::read_only: return "read-only";
    }
    return "none";
}

void Words::version() const {
    line(out, "Zookeeper version: %s\n", full_version().c_str());
    if (mode() == Mode::read_only)
        line(out, "READ-ONLY mode; serving only read-only clients\n");
}

void Words::srvr() const {
    version();
    server();
}

void Words::server() const {
    line(out, "Latency min/avg/max: %" PRIu64 "/%s/%" PRIu64 "\n", metrics().latency_ms.least,
         java_double(metrics().latency_ms.average()).c_str(), metrics().latency_ms.most);
    line(out, "Received: %" PRIu64 "\nSent: %" PRIu64 "\nConnections: %u\n",
         metrics().packets_received, metrics().packets_sent, core.client_count_);
    line(out, "Outstanding: %" PRIu64 "\nZxid: 0x%" PRIx64 "\nMode: %s\n",
         core.outstanding_, core.state_->zxid(), mode_name());
    // ZooKeeper counts its root under both of its names.
    line(out, "Node count: %u\n", core.state_->tree.count() + 1);
    if (mode() != Mode::leader) return;
    const Summary& sizes = metrics().proposal_bytes;
    if (sizes.count == 0) return line(out, "Proposal sizes last/min/max: -1/-1/-1\n");
    line(out, "Proposal sizes last/min/max: %" PRIu64 "/%" PRIu64 "/%" PRIu64 "\n",
         metrics().proposal_bytes_last, sizes.least, sizes.most);
}

std::pair<uint64_t, uint64_t> Words::sizes() const {
    auto sum = [&](const std::string& directory) {
        uint64_t bytes = 0;
        Result<std::vector<std::string>> names = core.io_.list(directory);
        if (!names) return bytes;
        for (const std::string& name : *names) {
            Result<uint64_t> size = core.io_.file_size(directory + "/" + name);
            if (size) bytes += *size;
        }
        return bytes;
    };
    const Config& config = core.config_;
    uint64_t data = sum(config.data_dir);
    bool one = config.data_log_dir.empty() || config.data_log_dir == config.data_dir;
    return {data, one ? data : sum(config.data_log_dir)};
}

void Words::conf() const {
    const Config& config = core.config_;
    auto [data, log] = sizes();
    std::string log_dir = config.data_log_dir.empty() ? config.data_dir : config.data_log_dir;
    line(out, "clientPort=%u\nsecureClientPort=-1\ndataDir=%s\ndataDirSize=%" PRIu64 "\n",
         config.client_port, config.data_dir.c_str(), data);
    line(out, "dataLogDir=%s\ndataLogSize=%" PRIu64 "\ntickTime=%d\nmaxClientCnxns=%u\n",
         log_dir.c_str(), log, config.tick_ms, config.clients_per_address_max);
    line(out, "minSessionTimeout=%d\nmaxSessionTimeout=%d\nclientPortListenBacklog=%d\n",
         config.session_timeout_min_ms, config.session_timeout_max_ms, config.client_backlog);
    line(out, "serverId=%" PRId64 "\n", config.my_id);
    if (core.links_ != nullptr) conf_member();
}

// What a member of an ensemble adds.
void Words::conf_member() const {
    const Config& config = core.config_;
    auto ports = [&](uint16_t MemberAddress::*port) {
        std::string text;
        const Member* own = own_member(config);
        if (own == nullptr) return std::string("-1");
        for (const MemberAddress& address : own->addresses)
            text += (text.empty() ? "" : "|") + std::to_string(address.*port);
        return text;
    };
    line(out, "initLimit=%d\nsyncLimit=%d\nelectionAlg=3\n", config.init_limit_ticks,
         config.sync_limit_ticks);
    line(out, "electionPort=%s\nquorumPort=%s\n", ports(&MemberAddress::election_port).c_str(),
         ports(&MemberAddress::peer_port).c_str());
    line(out, "peerType=%d\n", config.observer ? 1 : 0);
    if (mode() == Mode::read_only) return;
    // The last line has no end, as in ZooKeeper.
    line(out, "membership: \n");
    const Tree& tree = core.state_->tree;
    ZnodeId agreed = tree.find("/zookeeper/config");
    if (agreed != 0 && tree.data(agreed).size() > 0) return out.append(tree.data(agreed));
    for (const Member& member : config.members)
        line(out, "server.%" PRId64 "=%s\n", member.id, member_text(member).c_str());
    line(out, "version=0");
}

void Words::mntr() const {
    mntr_head();
    const Metrics& of = metrics();
    mntr_line("uptime", (core.now_us_ - core.started_us_) / 1000);
    mntr_line("global_sessions", core.state_->sessions.count());
    mntr_line("local_sessions", core.local_.count());
    mntr_line("last_client_response_size", of.reply_bytes_last);
    mntr_line("max_client_response_size", of.reply_bytes_max);
    mntr_line("min_client_response_size", of.reply_bytes_min);
    mntr_line("auth_failed_count", of.auth_failed);
    mntr_line("connection_rejected", of.connections_rejected);
    mntr_line("sessionless_connections_expired", of.sessionless_expired);
    mntr_line("stale_sessions_expired", of.sessions_expired);
    mntr_line("bytes_received_count", of.bytes_received);
    mntr_line("response_bytes", of.bytes_sent);
    mntr_line("commit_count", of.commits);
    mntr_line("watch_memory_bytes", core.state_->watches.bytes());
    mntr_disk();
    mntr_summary("readlatency", of.read_latency_ms);
    mntr_summary("updatelatency", of.update_latency_ms);
    mntr_summary("fsynctime", of.fsync_ms);
    mntr_summary("snapshottime", of.snapshot_ms);
    mntr_summary("turn_us", of.turn_us);  // ZooKeeper has no turns
    mntr_line("turns_over_10ms", of.long_turns);
    if (core.links_ != nullptr) mntr_member();
}

// In the order of ZooKeeper 3.5, which tools of that time expect.
void Words::mntr_head() const {
    const Metrics& of = metrics();
    const State& state = *core.state_;
    line(out, "zk_version\t%s\n", full_version().c_str());
    line(out, "zk_avg_latency\t%s\n", java_double(of.latency_ms.average()).c_str());
    mntr_line("max_latency", of.latency_ms.most);
    mntr_line("min_latency", of.latency_ms.least);
    mntr_line("packets_received", of.packets_received);
    mntr_line("packets_sent", of.packets_sent);
    mntr_line("num_alive_connections", core.client_count_);
    mntr_line("outstanding_requests", core.outstanding_);
    line(out, "zk_server_state\t%s\n", mode_name());
    mntr_line("znode_count", state.tree.count() + 1);
    mntr_line("watch_count", state.watches.count());
    mntr_line("ephemerals_count", state.tree.ephemeral_count());
    mntr_line("approximate_data_size", state.tree.data_bytes());
    Vitals vitals = core.io_.vitals();
    mntr_line("open_file_descriptor_count", vitals.open_files);
    mntr_line("max_file_descriptor_count", vitals.open_files_max);
    if (mode() == Mode::leader) mntr_leader();
    mntr_line("snapshot_fork_us", vitals.fork_us);
    mntr_line("snapshot_copied_bytes", vitals.copied_bytes);
}

void Words::mntr_disk() const {
    const Metrics& of = metrics();
    mntr_line("snap_count", of.snapshots);
    mntr_line("snapshot_error_count", of.snapshot_errors);
    mntr_line("disk_full", core.log_->full() ? 1 : 0);
    mntr_line("writes_refused_disk_full", of.entries_refused_full);
    mntr_line("log_bytes", core.log_->file_bytes());
}

void Words::mntr_leader() const {
    uint64_t learners = 0;
    uint64_t followers = 0;
    uint64_t voteless = 0;
    uint64_t observers = 0;
    for (const auto& [id, peer] : core.quorum_->peers()) {
        if (!peer.connected) continue;
        ++learners;
        if (peer.state != Quorum::Stream::stream) continue;
        if (!core.quorum_->electorate().votes(id))
            ++observers;
        else if (peer.voteless)
            ++voteless;
        else
            ++followers;
    }
    mntr_line("followers", learners);  // so ZooKeeper 3.5 called them
    mntr_line("synced_followers", followers);
    mntr_line("pending_syncs", core.at_barrier_.size());
    const Metrics& of = metrics();
    bool any = of.proposal_bytes.count > 0;
    line(out, "zk_last_proposal_size\t%" PRId64 "\n",
         any ? static_cast<int64_t>(of.proposal_bytes_last) : -1);
    line(out, "zk_max_proposal_size\t%" PRId64 "\n",
         any ? static_cast<int64_t>(of.proposal_bytes.most) : -1);
    line(out, "zk_min_proposal_size\t%" PRId64 "\n",
         any ? static_cast<int64_t>(of.proposal_bytes.least) : -1);
    mntr_line("learners", learners);
    mntr_line("synced_non_voting_followers", voteless);
    mntr_line("synced_observers", observers);
    mntr_line("leader_uptime", (core.clock_us_ - core.led_since_us_) / 1000);
    mntr_line("proposal_count", of.proposal_bytes.count);
}

void Words::mntr_member() const {
    const Quorum& quorum = *core.quorum_;
    const char* doing = "looking";
    if (mode() == Mode::leader) doing = "leading - broadcast";
    if (mode() == Mode::follower) doing = "following - broadcast";
    if (mode() == Mode::observer) doing = "observing - broadcast";
    line(out, "zk_peer_state\t%s\n", doing);
    if (mode() == Mode::observer) mntr_line("observer_master_id", quorum.leader());
    if (mode() == Mode::follower) mntr_line("synced_observers", 0);
    uint64_t voters = 0;
    quorum.electorate().each([&](uint32_t) { ++voters; });
    mntr_line("quorum_size", voters);
    mntr_line("looking_count", metrics().lookings);
    mntr_summary("election_time", metrics().election_ms);
    // From here on what ZooKeeper has not.
    mntr_line("term", quorum.term());
    mntr_line("leader_id", quorum.leader());
    mntr_line("voteless", quorum.voteless() ? 1 : 0);
    mntr_line("elections_won", quorum.elections());
    mntr_line("committed_zxid", quorum.committed());
    mntr_line("applied_zxid", core.state_->zxid());
    mntr_line("log_last_zxid", core.log_->last_zxid());
    mntr_line("log_durable_zxid", core.log_->durable_zxid());
    mntr_line("digest_mismatches_count", metrics().digest_mismatches);
    mntr_line("links_up", core.links_->up().size());
    mntr_line("links_refused", core.links_->refused());
    if (mode() == Mode::leader) mntr_peers();
}

// A line a peer and measure, labelled as ZooKeeper labels: the label first, `zk_2_ack_latency`.
void Words::mntr_peers() const {
    const Log& log = *core.log_;
    for (const auto& [id, peer] : core.quorum_->peers()) {
        uint64_t last = log.last_zxid();
        uint64_t lag = last - std::min(last, peer.match);
        uint64_t lag_ms = 0;
        if (lag > 0) {
            // How old the first entry is that it has not; of those in memory, at least so old.
            uint64_t first = std::max(peer.match, log.base().zxid) + 1;
            int64_t age_ms = log.has(first) ? core.io_.wall_ms() - log.at(first).time_ms : 0;
            lag_ms = static_cast<uint64_t>(std::max<int64_t>(age_ms, 0));
        }
        std::string label = std::to_string(id);
        mntr_line((label + "_peer_connected").c_str(), peer.connected ? 1 : 0);
        mntr_line((label + "_peer_lag_entries").c_str(), lag);
        mntr_line((label + "_peer_lag_ms").c_str(), lag_ms);
        mntr_line((label + "_peer_unsent_bytes").c_str(),
                  core.links_->is_up(id) ? core.links_->unsent(id) : 0);
    }
}

void Words::mntr_line(const char* key, uint64_t value) const {
    line(out, "zk_%s\t%" PRIu64 "\n", key, value);
}

void Words::mntr_summary(const char* key, const Summary& of) const {
    line(out, "zk_avg_%s\t%s\n", key, java_double(of.average()).c_str());
    line(out, "zk_min_%s\t%" PRIu64 "\nzk_max_%s\t%" PRIu64 "\n", key, of.least, key, of.most);
    line(out, "zk_cnt_%s\t%" PRIu64 "\nzk_sum_%s\t%" PRIu64 "\n", key, of.count, key, of.sum);
}

}  // namespace zk
