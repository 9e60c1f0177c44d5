// words.cc -- the four-letter words: what operators and monitoring ask on the client port.
//
// One row a word. The texts are ZooKeeper's own (operations.md 2.2), since programs read them.

#include <array>
#include <cinttypes>
#include <cstdarg>
#include <ctime>
#include <map>

#include "node/core.h"
#include "node/version.h"

namespace zk {

namespace {

void line(Buffer& out, const char* format, ...) __attribute__((format(printf, 2, 3)));
void line(Buffer& out, const char* format, ...) {
    char text[1024];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (size < 0) return;
    size_t kept = std::min<size_t>(static_cast<size_t>(size), sizeof text - 1);
    out.append(std::string_view(text, kept));
}

// As Java prints a double rounded to four places: 0.0, 0.25, 12.3457.
std::string java_double(double value) {
    char text[64];
    snprintf(text, sizeof text, "%.4f", value);
    std::string out = text;
    while (out.ends_with('0') && !out.ends_with(".0")) out.pop_back();
    return out;
}

std::string_view short_name(int32_t op) {
    if (op == 0) return "NA";
    const Command* command = find_command(op);
    return command == nullptr ? "NA" : command->short_name;
}

unsigned long long hex(int64_t number) { return static_cast<unsigned long long>(number); }

}  // namespace

// The functions behind the rows; a friend of Core, which they look into.
struct Words {
    Core& core;
    const Client& client;  // who asks
    Buffer& out;

    const Metrics& metrics() const { return core.metrics_; }

    void connection(const Client& of, bool full) const {
        bool asking = of.id == client.id;
        line(out, " /%s:%u[%d](queued=%zu,recved=%" PRIu64 ",sent=%" PRIu64,
             ip_text(of.from).c_str(), of.from.port, asking ? 0 : 1, of.queued(),
             of.counts.received, of.counts.sent);
        if (full && of.stage == Stage::open) {
            const Client::Counts& counts = of.counts;
            line(out, ",sid=0x%llx,lop=%s,est=%" PRId64 ",to=%d", hex(of.session),
                 std::string(short_name(counts.last_op)).c_str(), counts.established_ms,
                 of.timeout_ms);
            if (counts.last_xid != -1)
                line(out, ",lcxid=0x%x", static_cast<unsigned>(counts.last_xid));
            uint64_t replies = std::max<uint64_t>(counts.sent, 1);
            line(out, ",lzxid=0x%llx,lresp=%" PRIu64 ",llat=%u,minlat=%u,avglat=%" PRIu64
                      ",maxlat=%u",
                 hex(counts.last_zxid), counts.last_response_ms, counts.last_latency_ms,
                 counts.min_latency_ms == ~0u ? 0 : counts.min_latency_ms,
                 counts.total_latency_ms / replies, counts.max_latency_ms);
        }
        line(out, ")\n");
    }

    void connections(bool full) const {
        for (const auto& of : core.clients_)
            if (of != nullptr && !of->gone) connection(*of, full);
        line(out, "\n");
    }

    void server() const {
        line(out, "Latency min/avg/max: %" PRIu64 "/%s/%" PRIu64 "\n", metrics().latency_ms.least,
             java_double(metrics().latency_ms.average()).c_str(), metrics().latency_ms.most);
        line(out, "Received: %" PRIu64 "\nSent: %" PRIu64 "\nConnections: %u\n",
             metrics().packets_received, metrics().packets_sent, core.client_count_);
        line(out, "Outstanding: %" PRIu64 "\nZxid: 0x%" PRIx64 "\nMode: standalone\n",
             core.outstanding_, core.state_->zxid());
        // ZooKeeper counts its root under both of its names.
        line(out, "Node count: %u\n", core.state_->tree.count() + 1);
    }

    void version() const {
        line(out, "Zookeeper version: %s\n", full_version().c_str());
    }

    void ruok() const { out.append("imok"); }
    void isro() const { out.append("rw"); }
    void srvr() const {
        version();
        server();
    }
    void stat() const {
        version();
        line(out, "Clients:\n");
        connections(false);
        server();
    }
    void cons() const { connections(true); }

    void conf() const {
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
    }

    std::pair<uint64_t, uint64_t> sizes() const {
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

    void dirs() const {
        auto [data, log] = sizes();
        line(out, "datadir_size: %" PRIu64 "\nlogdir_size: %" PRIu64 "\n", data, log);
    }

    void envi() const {
        line(out, "Environment:\nzookeeper.version=%s\n", full_version().c_str());
        for (const char* key : {"host.name", "java.version", "java.vendor", "java.home",
                                "java.class.path", "java.library.path", "java.io.tmpdir",
                                "java.compiler", "os.name", "os.arch", "os.version", "user.name",
                                "user.home", "user.dir", "os.memory.free", "os.memory.max",
                                "os.memory.total"})
            line(out, "%s=<NA>\n", key);
    }

    void mntr_line(const char* key, uint64_t value) const {
        line(out, "zk_%s\t%" PRIu64 "\n", key, value);
    }
    void mntr_summary(const char* key, const Summary& of) const {
        line(out, "zk_avg_%s\t%s\n", key, java_double(of.average()).c_str());
        line(out, "zk_min_%s\t%" PRIu64 "\nzk_max_%s\t%" PRIu64 "\n", key, of.least, key, of.most);
        line(out, "zk_cnt_%s\t%" PRIu64 "\nzk_sum_%s\t%" PRIu64 "\n", key, of.count, key, of.sum);
    }

    void mntr() const {
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
        line(out, "zk_server_state\tstandalone\n");
        mntr_line("znode_count", state.tree.count() + 1);
        mntr_line("watch_count", state.watches.count());
        mntr_line("ephemerals_count", state.tree.ephemeral_count());
        mntr_line("approximate_data_size", state.tree.data_bytes());
        mntr_line("global_sessions", state.sessions.count());
        mntr_line("local_sessions", 0);
        mntr_line("uptime", (core.now_us_ - core.started_us_) / 1000);
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
        Vitals vitals = core.io_.vitals();
        mntr_line("open_file_descriptor_count", vitals.open_files);
        mntr_line("max_file_descriptor_count", vitals.open_files_max);
        mntr_line("longest_turn_us", vitals.longest_turn_us);
        mntr_line("snapshot_fork_us", vitals.fork_us);
        mntr_line("snapshot_copied_bytes", vitals.copied_bytes);
        mntr_line("snap_count", of.snapshots);
        mntr_line("snapshot_error_count", of.snapshot_errors);
        mntr_line("disk_full", core.log_ != nullptr && core.log_->full() ? 1 : 0);
        mntr_line("writes_refused_disk_full", of.entries_refused_full);
        mntr_line("log_bytes", core.log_ == nullptr ? 0 : core.log_->file_bytes());
        mntr_line("watch_memory_bytes", state.watches.bytes());
        mntr_summary("readlatency", of.read_latency_ms);
        mntr_summary("updatelatency", of.update_latency_ms);
        mntr_summary("fsynctime", of.fsync_ms);
        mntr_summary("snapshottime", of.snapshot_ms);
    }

    void dump() const {
        const Sessions& sessions = core.state_->sessions;
        line(out, "SessionTracker dump:\nSession Sets (%zu)/(%u):\n", sessions.buckets().size(),
             sessions.count());
        for (const auto& [deadline_ms, head] : sessions.buckets()) {
            uint32_t count = 0;
            for (SessionSlot slot = head; slot != 0; slot = sessions[slot].next) ++count;
            int64_t left_ms = static_cast<int64_t>(deadline_ms) -
                              static_cast<int64_t>(core.clock_us_ / 1000);
            time_t when = static_cast<time_t>((core.io_.wall_ms() + left_ms) / 1000);
            tm parts{};
            gmtime_r(&when, &parts);
            char date[64];
            strftime(date, sizeof date, "%a %b %d %H:%M:%S UTC %Y", &parts);
            line(out, "%u expire at %s:\n", count, date);
            for (SessionSlot slot = head; slot != 0; slot = sessions[slot].next)
                line(out, "\t0x%llx\n", hex(sessions[slot].id));
        }
        dump_ephemerals();
        line(out, "Connections dump:\nConnections Sets (1)/(%u):\n", core.client_count_);
        for (const auto& of : core.clients_)
            if (of != nullptr && !of->gone)
                line(out, "\tip: /%s:%u sessionId: 0x%llx\n", ip_text(of->from).c_str(),
                     of->from.port, hex(of->session));
    }

    void dump_ephemerals() const {
        const State& state = *core.state_;
        uint32_t owners = 0;
        for (SessionSlot slot = 1; slot < state.sessions.end(); ++slot)
            if (state.sessions[slot].timeout_ms > 0 && state.sessions[slot].ephemerals.head != 0)
                ++owners;
        line(out, "ephemeral nodes dump:\nSessions with Ephemerals (%u):\n", owners);
        for (SessionSlot slot = 1; slot < state.sessions.end(); ++slot) {
            const Session& session = state.sessions[slot];
            if (session.timeout_ms == 0 || session.ephemerals.head == 0) continue;
            line(out, "0x%llx:\n", hex(session.id));
            for (ZnodeId id = session.ephemerals.head; id != 0; id = state.tree.next_in_list(id)) {
                out.u8('\t');
                out.append(state.tree.path(id));
                out.u8('\n');
            }
        }
    }

    void wchs() const {
        const Watches& watches = core.state_->watches;
        line(out, "%u connections watching %u paths\nTotal watches:%" PRIu64 "\n",
             watches.client_count(), watches.path_count(), watches.data_count());
    }

    // Of the data table only, as ZooKeeper; gathered by client or by path.
    using Lists = std::map<std::string, std::vector<std::string>>;
    struct Gather {
        const Core* core;
        bool by_path;
        Lists lists;
    };
    Lists gather(bool by_path) const {
        Gather all{.core = &core, .by_path = by_path, .lists = {}};
        core.state_->watches.list(&all, [](void* context, std::string_view path, ClientId id,
                                           uint8_t modes) {
            Gather& into = *static_cast<Gather*>(context);
            if ((modes & watch_mode::data_table) == 0) return;
            char session[32];
            snprintf(session, sizeof session, "0x%llx", hex(into.core->clients_[id]->session));
            if (into.by_path)
                into.lists[std::string(path)].push_back(session);
            else
                into.lists[session].emplace_back(path);
        });
        return all.lists;
    }
    void lists(bool by_path) const {
        for (const auto& [head, rows] : gather(by_path)) {
            out.append(head);
            out.u8('\n');
            for (const std::string& row : rows) {
                out.u8('\t');
                out.append(row);
                out.u8('\n');
            }
        }
        out.u8('\n');
    }
    void wchc() const { lists(false); }
    void wchp() const { lists(true); }

    void crst() const {
        for (const auto& of : core.clients_) {
            if (of == nullptr) continue;
            int64_t established_ms = of->counts.established_ms;
            of->counts = {};
            of->counts.established_ms = established_ms;
        }
        line(out, "Connection stats reset.\n");
    }
    void srst() const {
        core.metrics_ = {};
        line(out, "Server stats reset.\n");
    }
};

namespace {

struct Word {
    std::string_view letters;
    void (Words::*answer)() const;
};
constexpr std::array words = {
    Word{"ruok", &Words::ruok}, Word{"srvr", &Words::srvr}, Word{"stat", &Words::stat},
    Word{"mntr", &Words::mntr}, Word{"cons", &Words::cons}, Word{"conf", &Words::conf},
    Word{"envi", &Words::envi}, Word{"dump", &Words::dump}, Word{"wchs", &Words::wchs},
    Word{"wchc", &Words::wchc}, Word{"wchp", &Words::wchp}, Word{"dirs", &Words::dirs},
    Word{"crst", &Words::crst}, Word{"srst", &Words::srst}, Word{"isro", &Words::isro},
    // ZooKeeper's trace mask, and digests of its own kind: not here, whatever the whitelist says.
    Word{"gtmk", nullptr},      Word{"stmk", nullptr},      Word{"hash", nullptr},
};

}  // namespace

bool Core::answer_word(std::string_view letters, const Client& client, Buffer& out) {
    for (const Word& word : words) {
        if (word.letters != letters) continue;
        // As in ZooKeeper, the packet that asks is counted before the answer is made.
        ++metrics_.packets_received;
        if (word.answer != nullptr && word_allowed(config_, letters)) {
            (Words{*this, client, out}.*word.answer)();
        } else {
            line(out, "%s is not executed because it is not in the whitelist.\n",
                 std::string(letters).c_str());
        }
        return true;
    }
    return false;
}

}  // namespace zk
