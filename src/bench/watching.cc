// watching.cc -- the workloads about watches: watch (fan-out) and watches (memory).
//
// A round of fan-out:
//
//     every session:  getData with a watch ... armed
//     the first:      setData                  when all are armed
//     every session:  event                    the round ends with the last
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
    std::string path;
    uint64_t rounds;
    uint64_t round = 0;
    size_t armed = 0;
    size_t seen = 0;  // events of this round
    bool set_done = false;
    bool ended = false;
    uint64_t set_ns = 0;
    uint64_t began_ns = 0;
    uint64_t heard_ns = 0;

    void arm(size_t index);
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

void Fanout::arm(size_t index) {
    Buffer& out = fleet.client(index).begin_request(Op::get_data);
    encode(out, PathWatch{.path = path, .watch = true});
    auto on_reply = [](void* context, uint64_t, const ReplyHeader& header, Bytes) {
        fanout_of(context)->on_armed(header);
    };
    fleet.client(index).end_request({.run = on_reply, .context = this, .tag = index});
}

void Fanout::on_armed(const ReplyHeader& header) {
    if (header.err != Err::ok) return fail(header.err);
    if (++armed == fleet.size() && !ended) set();
}

void Fanout::set() {
    seen = 0;
    set_done = false;
    Client& writer = fleet.client(0);
    Buffer& out = writer.begin_request(Op::set_data);
    encode(out, SetDataRequest{.path = path, .data = as_bytes(bench.data()), .version = -1});
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
    if (seen == fleet.size()) finish_round();
}

void Fanout::on_event(size_t, const WatcherEvent& event) {
    if (event.type != EventType::data_changed || event.path != path) {
        tally.add_error(Err::ok);
        return;
    }
    ++tally.done;
    heard_ns = Loop::now_ns();
    if (++seen < fleet.size()) return;
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
    Fanout fanout{.bench = bench,
                  .fleet = fleet,
                  .tally = tally,
                  .path = bench.tree().plan().root + "/watched",
                  .rounds = std::max<uint64_t>(events / fleet.size(), 1)};
    if (Result<void> made = bench.tree().make(fanout.path); !made) return made.error();
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
        return Error{.text = std::to_string(fleet.size()) + " watches, but not as many events"};
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

}  // namespace zk
