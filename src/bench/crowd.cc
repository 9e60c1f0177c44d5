// crowd.cc -- the workloads about connections: sessions (churn), storm and idle.
//
// A visitor is one session's life, and begins the next one's when it ends:
//
//     sessions:  connect, create an ephemeral znode, close   -> next
//     storm:     connect, stay until all are in, close       -> next round
//
// Holds no state between runs. Visitors own their clients; a client is deleted when it says that
// it is closed.

#include <algorithm>

#include "bench/bench.h"

namespace zk {

namespace {

constexpr uint64_t silence_max_ns = 30'000'000'000;
constexpr uint64_t observe_every_ns = 200'000'000;

struct Crowd;

struct Visitor {
    Crowd* crowd = nullptr;
    Client* client = nullptr;
    uint64_t came_ns = 0;
    bool in = false;
};

struct Crowd {
    Crowd(Bench& bench_, Tally& tally_) : bench(bench_), tally(tally_) {}

    Bench& bench;
    Tally& tally;
    std::string ephemeral;  // path prefix; empty: come, and stay
    std::vector<Visitor> visitors;
    uint64_t wanted = 0;   // visits still to begin
    size_t inside = 0;     // connected, staying
    size_t present = 0;    // clients that exist
    bool leaving = false;  // no new visits
    uint64_t heard_ns = 0;
    std::string trouble;

    void come(Visitor& visitor);
    void on_state(Visitor& visitor, ClientState state);
    void on_connected(Visitor& visitor);
    void on_created(Visitor& visitor, const ReplyHeader& header);
    void on_closed(Visitor& visitor);
    void leave();
    template <typename Done>
    bool wait(Done done, double (*part)(const Crowd& crowd));
};

Visitor* visitor_of(void* context) { return static_cast<Visitor*>(context); }

void Crowd::come(Visitor& visitor) {
    if (leaving || wanted == 0) return;
    --wanted;
    ClientOptions options;
    options.servers = bench.options().servers.servers;
    options.session_timeout_ms = bench.options().session_timeout_ms;
    options.keep_watches = false;
    options.events.context = &visitor;
    options.events.on_state = [](void* context, ClientState state) {
        visitor_of(context)->crowd->on_state(*visitor_of(context), state);
    };
    options.events.on_trouble = [](void* context, std::string_view why) {
        Crowd& crowd = *visitor_of(context)->crowd;
        crowd.trouble = why;
        crowd.tally.add_error(Err::connection_loss);
    };
    visitor.crowd = this;
    visitor.in = false;
    visitor.came_ns = Loop::now_ns();
    visitor.client = new Client(bench.loop().uv(), std::move(options));
    ++present;
}

void Crowd::on_state(Visitor& visitor, ClientState state) {
    heard_ns = Loop::now_ns();
    if (is_connected(state))
        on_connected(visitor);
    else if (state == ClientState::closed)
        on_closed(visitor);
    else if (is_final(state))
        visitor.client->close();
}

void Crowd::on_connected(Visitor& visitor) {
    if (ephemeral.empty()) {
        if (!visitor.in) ++inside;
        visitor.in = true;
        ++tally.done;
        tally.latency.add(heard_ns - visitor.came_ns);
        return;
    }
    const Acl anyone{.perms = perm::all, .scheme = "world", .id = "anyone"};
    Call create = call::create({.path = ephemeral,
                                .data = as_bytes(bench.data()),
                                .acls = {&anyone, 1},
                                .mode = CreateMode::ephemeral_sequential});
    auto on_reply = [](void* context, uint64_t, const ReplyHeader& header, Bytes) {
        visitor_of(context)->crowd->on_created(*visitor_of(context), header);
    };
    visitor.client->request(create.op, create.body.bytes(),
                            {.run = on_reply, .context = &visitor, .tag = 0});
}

void Crowd::on_created(Visitor& visitor, const ReplyHeader& header) {
    visitor.in = header.err == Err::ok;
    if (!visitor.in) tally.add_error(header.err);
    visitor.client->close();
}

void Crowd::on_closed(Visitor& visitor) {
    delete visitor.client;
    visitor.client = nullptr;
    --present;
    if (ephemeral.empty()) return;
    if (visitor.in) {
        ++tally.done;
        tally.latency.add(heard_ns - visitor.came_ns);
    }
    if (bench.time_ns() != 0 && heard_ns >= visitors.front().came_ns + bench.time_ns())
        leaving = true;
    come(visitor);
}

void Crowd::leave() {
    leaving = true;
    for (Visitor& visitor : visitors)
        if (visitor.client != nullptr) visitor.client->close();
    while (present > 0) bench.loop().turn();
    inside = 0;
    leaving = false;
}

// False: for a long time nobody came in or went out, or somebody pressed Ctrl-C.
template <typename Done>
bool Crowd::wait(Done done, double (*part)(const Crowd& crowd)) {
    uint64_t shown_ns = heard_ns = Loop::now_ns();
    while (!done()) {
        bench.loop().turn();
        uint64_t now = Loop::now_ns();
        if (now - shown_ns < observe_every_ns) continue;
        shown_ns = now;
        Observer observer = bench.observer();
        observer.run(observer.context, tally, part(*this));
        if (bench.loop().interrupted()) return false;
        if (now > heard_ns + silence_max_ns) return false;
    }
    return true;
}

double part_of_crowd(const Crowd& crowd) {
    double total = static_cast<double>(crowd.tally.total() + crowd.wanted);
    return total > 0 ? static_cast<double>(crowd.tally.total()) / total : 0;
}

Error nobody(const Crowd& crowd) {
    return {.text = crowd.trouble.empty() ? "the server takes no more connections" : crowd.trouble};
}

}  // namespace

Result<void> run_sessions(Bench& bench, Tally& tally) {
    std::string directory = bench.tree().plan().root + "/sessions";
    if (Result<void> made = bench.tree().make(directory); !made) return made.error();
    Crowd crowd(bench, tally);
    crowd.ephemeral = directory + "/e";
    crowd.wanted = bench.operations(find_workload("sessions")->operations);
    crowd.visitors.resize(std::min<uint64_t>(bench.options().connections, crowd.wanted));
    Stopwatch watch(bench.servers(), tally);
    watch.start();
    uint64_t end_ns = bench.time_ns() == 0 ? UINT64_MAX : Loop::now_ns() + bench.time_ns();
    for (Visitor& visitor : crowd.visitors) crowd.come(visitor);
    bool ended = crowd.wait(
        [&] {
            if (Loop::now_ns() >= end_ns) crowd.leaving = true;
            return crowd.present == 0;
        },
        part_of_crowd);
    watch.stop();
    crowd.leave();
    if (!ended && !bench.loop().interrupted()) return nobody(crowd);
    return {};
}

// Each round's connections are closed before the next, which is not measured.
Result<void> run_storm(Bench& bench, Tally& tally) {
    uint64_t connections = bench.options().connections;
    uint64_t rounds = std::max<uint64_t>(bench.operations(connections) / connections, 1);
    uint64_t limit_ns = bench.time_ns();
    tally.item = "connection";
    Crowd crowd(bench, tally);
    for (uint64_t round = 0; round < rounds; ++round) {
        crowd.visitors.assign(connections, {});
        crowd.wanted = connections;
        Stopwatch watch(bench.servers(), tally);
        watch.start();
        for (Visitor& visitor : crowd.visitors) crowd.come(visitor);
        bool all_in = crowd.wait([&] { return crowd.inside == connections; }, part_of_crowd);
        watch.stop();
        crowd.leave();
        if (!all_in) {
            if (bench.loop().interrupted()) return {};
            return nobody(crowd);
        }
        if (limit_ns != 0 && tally.elapsed_ns >= limit_ns) return {};
    }
    return {};
}

Result<void> run_idle(Bench& bench, Tally& tally) {
    size_t connections = bench.options().connections;
    tally.item = "connection";
    Stopwatch watch(bench.servers(), tally);
    watch.start();
    Fleet fleet(bench.loop(), bench.fleet_options());
    if (Result<void> grown = fleet.grow(connections); !grown) return grown.error();
    tally.done = connections;
    watch.stop();
    bench.hold(fleet);
    if (fleet.broken()) return fleet.why();
    return {};
}

}  // namespace zk
