// watching.cc -- the workloads about watches: watch (fan-out) and watches (memory).
//
// A round of fan-out:
//
//     every session:  getData with a watch, of each znode ... armed
//     the first:      setData, or a multi of them             when all are armed
//     every session:  an event of each                        the round ends with the last
//
// Holds no state between runs.

#include "bench/bench.h"

namespace zk {

namespace {

constexpr uint64_t silence_max_ns = 30'000'000'000;

struct Fanout {
    Bench& bench;
    Fleet& fleet;
    Tally& tally;
    std::string directory;
    std::vector<std::string> paths;
    uint64_t rounds;
    uint64_t round = 0;
    size_t armed = 0;
    size_t seen = 0;  // events of this round
    bool set_done = false;
    bool ended = false;
    uint64_t set_ns = 0;
    uint64_t began_ns = 0;
    uint64_t heard_ns = 0;

    size_t events() const { return fleet.size() * paths.size(); }  // of a round
    Result<void> make_paths(size_t count);
    void arm(size_t index);
    void write_sets(Client& writer);
    void on_armed(const ReplyHeader& header);
    void on_event(size_t index, const WatcherEvent& event);
    void set();
    void on_set(const ReplyHeader& header);
    void finish_round();
    void fail(Err err) {
        tally.add_error(err);
        ended = true;
    }
};

Fanout* fanout_of(void* context) { return static_cast<Fanout*>(context); }

Result<void> Fanout::make_paths(size_t count) {
    if (Result<void> made = bench.tree().make(directory); !made) return made.error();
    if (count == 1) paths.push_back(directory);
    for (size_t i = 0; count > 1 && i < count; ++i) {
        paths.push_back(directory + "/" + std::to_string(i));
        if (Result<void> made = bench.tree().make(paths.back()); !made) return made.error();
    }
    return {};
}

void Fanout::arm(size_t index) {
    auto on_reply = [](void* context, uint64_t, const ReplyHeader& header, Bytes) {
        fanout_of(context)->on_armed(header);
    };
    for (const std::string& path : paths) {
        Buffer& out = fleet.client(index).begin_request(Op::get_data);
        encode(out, PathWatch{.path = path, .watch = true});
        fleet.client(index).end_request({.run = on_reply, .context = this, .tag = index});
    }
}

void Fanout::on_armed(const ReplyHeader& header) {
    if (header.err != Err::ok) return fail(header.err);
    if (++armed == events() && !ended) set();
}

void Fanout::write_sets(Client& writer) {
    Buffer& out = writer.begin_request(paths.size() == 1 ? Op::set_data : Op::multi);
    for (const std::string& path : paths) {
        if (paths.size() > 1)
            encode(out, MultiHeader{.type = static_cast<int32_t>(Op::set_data), .done = false});
        encode(out, SetDataRequest{.path = path, .data = as_bytes(bench.data()), .version = -1});
    }
    if (paths.size() > 1) encode(out, MultiHeader{});
}

void Fanout::set() {
    seen = 0;
    set_done = false;
    Client& writer = fleet.client(0);
    write_sets(writer);
    auto on_reply = [](void* context, uint64_t, const ReplyHeader& header, Bytes) {
        fanout_of(context)->on_set(header);
    };
    writer.end_request({.run = on_reply, .context = this, .tag = 0});
    writer.flush();
    set_ns = Loop::now_ns();
}

void Fanout::on_set(const ReplyHeader& header) {
    if (header.err != Err::ok) return fail(header.err);
    set_done = true;
    if (seen == events()) finish_round();
}

void Fanout::on_event(size_t, const WatcherEvent& event) {
    if (event.type != EventType::data_changed || !event.path.starts_with(directory)) {
        tally.add_error(Err::ok);
        return;
    }
    ++tally.done;
    heard_ns = Loop::now_ns();
    if (++seen < events()) return;
    tally.latency.add(heard_ns - set_ns);
    if (set_done) finish_round();
}

void Fanout::finish_round() {
    ++round;
    uint64_t limit_ns = bench.time_ns();
    ended = ended || round == rounds || bench.loop().interrupted() ||
            (limit_ns != 0 && heard_ns - began_ns >= limit_ns);
    if (ended) return;
    armed = 0;
    for (size_t i = 0; i < fleet.size(); ++i) arm(i);
}

}  // namespace

Result<void> run_watch(Bench& bench, Tally& tally) {
    Result<Fleet*> grown = bench.fleet();
    if (!grown) return grown.error();
    Fleet& fleet = **grown;
    uint64_t events = bench.operations(find_workload("watch")->operations);
    size_t watched = bench.options().watched;
    Fanout fanout{.bench = bench,
                  .fleet = fleet,
                  .tally = tally,
                  .directory = bench.tree().plan().root + "/watched",
                  .paths = {},
                  .rounds = std::max<uint64_t>(events / fleet.size() / watched, 1)};
    if (Result<void> made = fanout.make_paths(watched); !made) return made.error();
    fleet.on_watch(
        {.context = &fanout, .run = [](void* context, size_t index, const WatcherEvent& event) {
             fanout_of(context)->on_event(index, event);
         }});
    Stopwatch watch(bench.servers(), tally);
    watch.start();
    fanout.began_ns = fanout.heard_ns = Loop::now_ns();
    for (size_t i = 0; i < fleet.size(); ++i) fanout.arm(i);
    uint64_t shown_ns = 0;
    while (!fanout.ended && !fleet.broken()) {
        bench.loop().turn();
        uint64_t now = Loop::now_ns();
        if (now > fanout.heard_ns + silence_max_ns) break;
        if (now - shown_ns < 200'000'000) continue;
        shown_ns = now;
        double part = static_cast<double>(fanout.round) / static_cast<double>(fanout.rounds);
        Observer observer = bench.observer();
        observer.run(observer.context, tally, part);
    }
    watch.stop();
    bool lost = !fanout.ended;
    // Replies still to come, after an error, are not to find `fanout` gone.
    if (lost || tally.errors > 0) fleet.abandon();
    fleet.on_watch({});
    if (lost)
        return Error{.text = std::to_string(fanout.events()) + " watches, but not as many events"};
    tally.note = std::to_string(fanout.round) + " sets, each with an event to all connections";
    return {};
}

// -- memory --------------------------------------------------------------------------------------

Result<void> run_watches(Bench& bench, Tally& tally) {
    Result<Fleet*> grown = bench.fleet();
    if (!grown) return grown.error();
    struct Watching {
        const KeySpace& keys;
        uint64_t next = 0;
        uint64_t end = 0;
    } watching{bench.tree().keys(), 0, bench.tree().plan().znodes};
    Feed feed;
    feed.context = &watching;
    feed.next = [](void* context, Client& client, uint8_t&) {
        auto* mine = static_cast<Watching*>(context);
        if (mine->next == mine->end) return false;
        Buffer& out = client.begin_request(Op::exists);
        mine->keys.write_znode(out, mine->next++);
        out.boolean(true);
        return true;
    };
    feed.right = [](void*, uint8_t, const ReplyHeader& header, Bytes) {
        return header.err == Err::ok;
    };
    tally.item = "watch";
    Result<void> ran = bench.pump(feed, watching.end, tally);
    if (ran) bench.hold(**grown);
    return ran;
}

// In step: -d znodes at a time, for all connections.
Result<void> run_watch_all(Bench& bench, Tally& tally) {
    Result<Fleet*> grown = bench.fleet();
    if (!grown) return grown.error();
    Fleet& fleet = **grown;
    const KeySpace& keys = bench.tree().keys();
    uint64_t znodes = bench.tree().plan().znodes;
    uint64_t asked = 0;
    tally.item = "watch";
    auto on_reply = [](void* context, uint64_t, const ReplyHeader& header, Bytes) {
        Tally& told = *static_cast<Tally*>(context);
        if (header.err == Err::ok)
            ++told.done;
        else
            told.add_error(header.err);
    };
    Stopwatch watch(bench.servers(), tally);
    watch.start();
    for (uint64_t first = 0; first < znodes; first += bench.options().depth) {
        uint64_t end = std::min<uint64_t>(first + bench.options().depth, znodes);
        for (size_t i = 0; i < fleet.size(); ++i)
            for (uint64_t znode = first; znode < end; ++znode, ++asked) {
                Buffer& out = fleet.client(i).begin_request(Op::exists);
                keys.write_znode(out, znode);
                out.boolean(true);
                fleet.client(i).end_request({.run = on_reply, .context = &tally, .tag = 0});
            }
        while (tally.total() < asked && !fleet.broken()) bench.loop().turn();
        if (fleet.broken()) return fleet.why();
        if (bench.loop().interrupted()) break;
    }
    watch.stop();
    bench.hold(fleet);
    return {};
}

}  // namespace zk
