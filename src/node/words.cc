// words.cc -- see words.h: the table of words, and what is told of connections and sessions.

#include "node/words.h"

#include <array>
#include <cinttypes>
#include <cstdarg>
#include <ctime>

#include "node/version.h"

namespace zk {

namespace {

std::string_view short_name(int32_t op) {
    if (op == 0) return "NA";
    const Command* command = find_command(op);
    return command == nullptr ? "NA" : command->short_name;
}

// As Java prints a date, in UTC.
std::string java_date(int64_t wall_ms) {
    time_t when = static_cast<time_t>(wall_ms / 1000);
    tm parts{};
    gmtime_r(&when, &parts);
    char date[64];
    strftime(date, sizeof date, "%a %b %d %H:%M:%S UTC %Y", &parts);
    return date;
}

struct Word {
    std::string_view letters;
    void (Words::*answer)() const;
    bool serving = true;  // told only by a node that serves
};
constexpr std::array words = {
    Word{"ruok", &Words::ruok, false},
    Word{"srvr", &Words::srvr},
    Word{"stat", &Words::stat},
    Word{"mntr", &Words::mntr},
    Word{"cons", &Words::cons},
    Word{"conf", &Words::conf},
    Word{"envi", &Words::envi, false},
    Word{"dump", &Words::dump},
    Word{"wchs", &Words::wchs},
    Word{"wchc", &Words::wchc},
    Word{"wchp", &Words::wchp},
    Word{"dirs", &Words::dirs},
    Word{"crst", &Words::crst},
    Word{"srst", &Words::srst},
    Word{"isro", &Words::isro, false},
    // ZooKeeper's trace mask, and digests of its own kind: not here, whatever the whitelist says.
    Word{"gtmk", nullptr},
    Word{"stmk", nullptr},
    Word{"hash", nullptr},
};

constexpr const char* not_serving =
    "This ZooKeeper instance is not currently serving requests\n";

}  // namespace

bool Core::answer_word(std::string_view letters, const Client& client, Buffer& out) {
    for (const Word& word : words) {
        if (word.letters != letters) continue;
        // As in ZooKeeper, the packet that asks is counted before the answer is made.
        ++metrics_.packets_received;
        if (word.answer == nullptr || !word_allowed(config_, letters)) {
            line(out, "%s is not executed because it is not in the whitelist.\n",
                 std::string(letters).c_str());
        } else if (word.serving && Words::mode_of(*this) == Words::Mode::none) {
            line(out, "%s", not_serving);
        } else {
            (Words{*this, client, out}.*word.answer)();
        }
        return true;
    }
    return false;
}

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

std::string java_double(double value) {
    char text[64];
    snprintf(text, sizeof text, "%.4f", value);
    std::string out = text;
    while (out.ends_with('0') && !out.ends_with(".0")) out.pop_back();
    return out;
}

void Words::ruok() const { out.append("imok"); }

void Words::isro() const {
    if (mode() == Mode::none) return out.append("null");
    out.append(mode() == Mode::read_only ? "ro" : "rw");
}

void Words::stat() const {
    version();
    line(out, "Clients:\n");
    connections(false);
    server();
}

void Words::cons() const { connections(true); }

void Words::connection(const Client& of, bool full) const {
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

void Words::connections(bool full) const {
    for (const auto& of : core.clients_)
        if (of != nullptr && !of->gone) connection(*of, full);
    line(out, "\n");
}

void Words::envi() const {
    line(out, "Environment:\nzookeeper.version=%s\n", full_version().c_str());
    for (const char* key : {"host.name", "java.version", "java.vendor", "java.home",
                            "java.class.path", "java.library.path", "java.io.tmpdir",
                            "java.compiler", "os.name", "os.arch", "os.version", "user.name",
                            "user.home", "user.dir", "os.memory.free", "os.memory.max",
                            "os.memory.total"})
        line(out, "%s=<NA>\n", key);
}

void Words::dirs() const {
    auto [data, log] = sizes();
    line(out, "datadir_size: %" PRIu64 "\nlogdir_size: %" PRIu64 "\n", data, log);
}

void Words::dump() const {
    const Sessions& sessions = core.state_->sessions;
    bool local = core.config_.local_sessions || core.local_.count() > 0;
    line(out, "SessionTracker dump:\n");
    if (local) {
        line(out, "Local ");
        dump_sessions(core.local_);
    }
    if (mode() == Mode::standalone || mode() == Mode::leader) {
        line(out, "%s", local ? "Global " : "");
        dump_sessions(sessions);
    } else {
        dump_known(sessions);
    }
    dump_ephemerals();
    line(out, "Connections dump:\nConnections Sets (1)/(%u):\n", core.client_count_);
    for (const auto& of : core.clients_)
        if (of != nullptr && !of->gone)
            line(out, "\tip: /%s:%u sessionId: 0x%llx\n", ip_text(of->from).c_str(),
                 of->from.port, hex(of->session));
}

// Of a node that knows when they expire: by the time.
void Words::dump_sessions(const Sessions& sessions) const {
    line(out, "Session Sets (%zu)/(%u):\n", sessions.buckets().size(), sessions.count());
    for (const auto& [deadline_ms, head] : sessions.buckets()) {
        uint32_t count = 0;
        for (SessionSlot slot = head; slot != 0; slot = sessions[slot].next) ++count;
        int64_t left_ms = static_cast<int64_t>(deadline_ms) -
                          static_cast<int64_t>(core.clock_us_ / 1000);
        line(out, "%u expire at %s:\n", count, java_date(core.io_.wall_ms() + left_ms).c_str());
        for (SessionSlot slot = head; slot != 0; slot = sessions[slot].next)
            line(out, "\t0x%llx\n", hex(sessions[slot].id));
    }
}

// Of one that does not.
void Words::dump_known(const Sessions& sessions) const {
    std::map<uint64_t, int32_t> known;
    for (SessionSlot slot = 1; slot < sessions.end(); ++slot)
        if (sessions[slot].timeout_ms > 0)
            known[static_cast<uint64_t>(sessions[slot].id)] = sessions[slot].timeout_ms;
    line(out, "Global Sessions(%zu):\n", known.size());
    for (const auto& [id, timeout_ms] : known)
        line(out, "0x%" PRIx64 "\t%dms\n", id, timeout_ms);
}

void Words::dump_ephemerals() const {
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

void Words::wchs() const {
    const Watches& watches = core.state_->watches;
    line(out, "%u connections watching %u paths\nTotal watches:%" PRIu64 "\n",
         watches.client_count(), watches.path_count(), watches.data_count());
}

Words::Lists Words::gather(bool by_path) const {
    struct Gather {
        const Core* core;
        bool by_path;
        Lists lists;
    };
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

void Words::lists(bool by_path) const {
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

void Words::crst() const {
    for (const auto& of : core.clients_) {
        if (of == nullptr) continue;
        int64_t established_ms = of->counts.established_ms;
        of->counts = {};
        of->counts.established_ms = established_ms;
    }
    line(out, "Connection stats reset.\n");
}

void Words::srst() const {
    core.metrics_ = {};
    line(out, "Server stats reset.\n");
}

}  // namespace zk
