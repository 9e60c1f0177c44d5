// traffic.cc -- the workloads that are a stream of requests: create, set, get, exists, ls, mixed,
// multi, creates, and fill.
//
// Holds no state between runs. Requests are written straight into a session's buffer, and answers
// are judged where they lie: right size, right data, no error.

#include "bench/bench.h"

namespace zk {

namespace {

enum Kind : uint8_t {
    kind_create,
    kind_set,
    kind_get,
    kind_exists,
    kind_ls,
    kind_multi,
    kind_creates
};

constexpr size_t stat_bytes = 68;
constexpr size_t stat_data_length_at = 52;

class Random {
public:
    explicit Random(uint64_t seed) : state_(seed) {}
    // Below `end`, which is less than 2^32.
    uint64_t below(uint64_t end) { return ((next() >> 32) * end) >> 32; }

private:
    uint64_t next() {  // splitmix64
        state_ += 0x9e3779b97f4a7c15;
        uint64_t mixed = state_;
        mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
        mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
        return mixed ^ (mixed >> 31);
    }

    uint64_t state_;
};

struct Traffic {
    Traffic(Bench& bench, Kind first_kind, Kind second_kind, uint32_t first_percentage)
        : keys(bench.tree().keys()),
          plan(bench.tree().plan()),
          data(as_bytes(bench.data())),
          random(plan.data_seed),
          first(first_kind),
          second(second_kind),
          first_percent(first_percentage),
          batch(bench.options().batch) {
        const Acl anyone{.perms = perm::all, .scheme = "world", .id = "anyone"};
        write_acls(acl, {&anyone, 1});
    }

    bool next(Client& client, uint8_t& kind);
    bool right(uint8_t kind, const ReplyHeader& header, Bytes body) const;
    bool right_stat(Bytes body) const {
        if (body.size() != stat_bytes) return false;
        uint32_t length = load_u32(body.data() + stat_data_length_at);
        return length == data.size() || (length == 0 && plan.empty_percent > 0);
    }
    void write_create(Buffer& out);
    bool right_multi(Bytes body, Op op) const;
    uint64_t any_znode() { return random.below(plan.znodes); }

    KeySpace keys;
    const TreePlan& plan;
    Bytes data;
    Random random;
    Kind first;
    Kind second;
    uint32_t first_percent;
    uint32_t batch;
    uint64_t created = 0;
    Buffer acl;
};

bool Traffic::next(Client& client, uint8_t& kind) {
    kind = first_percent == 100 || random.below(100) < first_percent ? first : second;
    switch (static_cast<Kind>(kind)) {
    case kind_create: {
        write_create(client.begin_request(Op::create));
        break;
    }
    case kind_set: {
        Buffer& out = client.begin_request(Op::set_data);
        keys.write_znode(out, any_znode());
        write_buffer(out, data);
        out.i32(-1);
        break;
    }
    case kind_get:
    case kind_exists: {
        Buffer& out = client.begin_request(kind == kind_get ? Op::get_data : Op::exists);
        keys.write_znode(out, any_znode());
        out.boolean(false);
        break;
    }
    case kind_ls: {
        Buffer& out = client.begin_request(Op::get_children);
        keys.write_parent(out, random.below(plan.parents));
        out.boolean(false);
        break;
    }
    case kind_multi: {
        Buffer& out = client.begin_request(Op::multi);
        for (uint32_t i = 0; i < batch; ++i) {
            encode(out, MultiHeader{.type = static_cast<int32_t>(Op::set_data), .done = false});
            keys.write_znode(out, any_znode());
            write_buffer(out, data);
            out.i32(-1);
        }
        encode(out, MultiHeader{});
        break;
    }
    case kind_creates: {
        Buffer& out = client.begin_request(Op::multi);
        for (uint32_t i = 0; i < batch; ++i) {
            encode(out, MultiHeader{.type = static_cast<int32_t>(Op::create), .done = false});
            write_create(out);
        }
        encode(out, MultiHeader{});
        break;
    }
    }
    return true;
}

void Traffic::write_create(Buffer& out) {
    keys.write_znode(out, created++);
    write_buffer(out, data);
    out.append(acl.bytes());
    out.i32(static_cast<int32_t>(CreateMode::persistent));
}

bool Traffic::right(uint8_t kind, const ReplyHeader& header, Bytes body) const {
    if (header.err != Err::ok) return false;
    switch (static_cast<Kind>(kind)) {
    case kind_create: return body.size() > 4 && load_u32(body.data()) == body.size() - 4;
    case kind_set:
    case kind_exists: return right_stat(body);
    case kind_get:
        if (plan.empty_percent > 0 && body.size() == 4 + stat_bytes) return true;
        return body.size() == 4 + data.size() + stat_bytes &&
               load_u32(body.data()) == data.size() &&
               memcmp(body.data() + 4, data.data(), data.size()) == 0;
    case kind_ls: {
        if (body.size() < 4) return false;
        uint64_t count = load_u32(body.data());
        uint64_t spread = plan.znodes - plan.large;
        uint64_t least = spread / plan.parents;
        return count == least || (count == least + 1 && spread % plan.parents != 0);
    }
    case kind_multi: return right_multi(body, Op::set_data);
    case kind_creates: return right_multi(body, Op::create);
    }
    return false;
}

bool Traffic::right_multi(Bytes body, Op op) const {
    Reader in(body);
    for (uint32_t i = 0; i < batch; ++i) {
        MultiHeader header;
        decode(in, header);
        if (header.type != static_cast<int32_t>(op) || header.err != 0) return false;
        if (op == Op::create && in.bytes(in.u32()).empty()) return false;
        if (op == Op::set_data && !right_stat(in.bytes(stat_bytes))) return false;
    }
    MultiHeader end;
    decode(in, end);
    return in.ok() && end.done;
}

Result<void> pump_traffic(Bench& bench, Traffic& traffic, uint64_t operations, Tally& tally) {
    Feed feed;
    feed.context = &traffic;
    feed.next = [](void* context, Client& client, uint8_t& kind) {
        return static_cast<Traffic*>(context)->next(client, kind);
    };
    feed.right = [](void* context, uint8_t kind, const ReplyHeader& header, Bytes body) {
        return static_cast<Traffic*>(context)->right(kind, header, body);
    };
    return bench.pump(feed, operations, tally);
}

Result<void> run_stream(Bench& bench, Tally& tally, Kind first, Kind second, uint32_t percent) {
    if (Result<Fleet*> grown = bench.fleet(); !grown) return grown.error();
    Traffic traffic(bench, first, second, percent);
    return pump_traffic(bench, traffic, find_workload(tally.workload)->operations, tally);
}

Result<void> run_making(Bench& bench, Tally& tally, Kind kind) {
    if (Result<Fleet*> grown = bench.fleet(); !grown) return grown.error();
    const TreePlan& plan = bench.tree().plan();
    Traffic traffic(bench, kind, kind, 100);
    traffic.keys = KeySpace(bench.fresh_directory(), plan.parents, 0, plan.name_bytes);
    if (Result<void> made = bench.tree().make_parents(traffic.keys); !made) return made.error();
    return pump_traffic(bench, traffic, find_workload(tally.workload)->operations, tally);
}

}  // namespace

Result<void> run_create(Bench& bench, Tally& tally) {
    tally.item = "znode";
    return run_making(bench, tally, kind_create);
}
Result<void> run_creates(Bench& bench, Tally& tally) {
    return run_making(bench, tally, kind_creates);
}
Result<void> run_set(Bench& bench, Tally& tally) {
    return run_stream(bench, tally, kind_set, kind_set, 100);
}
Result<void> run_get(Bench& bench, Tally& tally) {
    return run_stream(bench, tally, kind_get, kind_get, 100);
}
Result<void> run_exists(Bench& bench, Tally& tally) {
    return run_stream(bench, tally, kind_exists, kind_exists, 100);
}
Result<void> run_ls(Bench& bench, Tally& tally) {
    return run_stream(bench, tally, kind_ls, kind_ls, 100);
}
Result<void> run_multi(Bench& bench, Tally& tally) {
    return run_stream(bench, tally, kind_multi, kind_multi, 100);
}
Result<void> run_mixed(Bench& bench, Tally& tally) {
    return run_stream(bench, tally, kind_get, kind_set, bench.options().read_percent);
}

Result<void> run_fill(Bench& bench, Tally& tally) {
    if (Result<Fleet*> grown = bench.fleet(); !grown) return grown.error();
    if (bench.tree().filled()) {
        tally.note = "the znodes were there already";
        return {};
    }
    tally.item = "znode";
    Stopwatch watch(bench.servers(), tally);
    watch.start();
    Result<void> filled = bench.tree().fill(tally, bench.options().depth, bench.observer());
    watch.stop();
    return filled;
}

}  // namespace zk
